// usage: node bench/render.mjs DIR
//
// Makes summary.md and report.html anew from the report.json of a former run.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveTexts } from './report/save.mjs';

const EXIT_USAGE = 2;

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node bench/render.mjs DIR\n');
  process.exit(EXIT_USAGE);
}
saveTexts(folder, JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')));
