// Parts of the project, as `make build` has compiled them.

/** By its path in src, with the ending .js. */
export function loadBuilt(path) {
  return import(new URL(`../dist/esm/${path}`, import.meta.url).href);
}
