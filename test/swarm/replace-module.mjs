// Loaded before a program (`node --import`): some modules of it, named by their addresses, are read from other files.
import { register } from 'node:module';

const hook = `
  import { readFileSync } from 'node:fs';
  let replaced;
  export const initialize = (data) => void (replaced = data);
  export const load = (url, context, next) =>
    Object.hasOwn(replaced, url)
      ? { format: 'module', shortCircuit: true, source: readFileSync(replaced[url], 'utf8') }
      : next(url, context);
`;
register(`data:text/javascript,${encodeURIComponent(hook)}`, { data: JSON.parse(process.env.REPLACED ?? '{}') });
