// usage: node bench/compare.mjs A B
//
// What has changed from report A to report B, beyond noise; each is a folder that a run has written. Where both have a
// ratio to the same system, that is compared: it says more than numbers that depend on what else the machine did. What
// was measured less than three times on either side is told as such, and not judged.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeChanges, readChanges } from './report/changes.mjs';

const EXIT_USAGE = 2;

function readReport(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
  } catch (error) {
    process.stderr.write(`compare: ${folder} has no report: ${error.message}\n`);
    process.exit(EXIT_USAGE);
  }
}

const folders = process.argv.slice(2);
if (folders.length !== 2) {
  process.stderr.write('usage: node bench/compare.mjs A B, with two folders of bench/results\n');
  process.exit(EXIT_USAGE);
}
const [a, b] = folders.map(readReport);
process.stdout.write(describeChanges(a, b, readChanges(a, b)));
