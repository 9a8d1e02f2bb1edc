// Loaded before a program (`node --import`): one module of it, named by its address, is read from another file.
import { register } from 'node:module';

const hook = `
  import { readFileSync } from 'node:fs';
  let replaced;
  export const initialize = (data) => void (replaced = data);
  export const load = (url, context, next) =>
    url === replaced.url
      ? { format: 'module', shortCircuit: true, source: readFileSync(replaced.file, 'utf8') }
      : next(url, context);
`;
const { REPLACED_URL: url, REPLACED_BY: file } = process.env;
register(`data:text/javascript,${encodeURIComponent(hook)}`, { data: { url, file } });
