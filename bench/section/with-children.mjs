// What the sections have in common that are no plain load: children of their own, ended whatever happens.

import { Children } from '../children.mjs';
import { LoadGenerator } from '../load.mjs';
import { SYSTEMS } from '../system/index.mjs';

/** Runs `work(children)`, ends all children, and gives its result. */
export async function withChildren({ interruptible }, work) {
  const children = new Children();
  try {
    return await interruptible(work(children));
  } finally {
    await children.stop();
  }
}

/** A generator for one of the systems. */
export function generatorFor(system, children, { program, folder }) {
  return new LoadGenerator({ protocol: SYSTEMS[system].protocol, program, folder, children, name: system });
}

/** Those of the names that can be measured here. */
export function present(names, { missing }) {
  return names.filter((name) => !missing.has(name));
}
