// Writes the report into its folder: report.json, from which the other two can be made again, summary.md, report.html,
// and the distributions of latency.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeBuckets, toHgrm } from '../histogram.mjs';
import { groupBy } from '../statistics.mjs';
import { toHtml } from './html.mjs';
import { toMarkdown } from './markdown.mjs';

const RESULTS = fileURLToPath(new URL('../results', import.meta.url));

/** Gives the folder: `out`, or one by the date. */
export function saveReport(out, report) {
  const folder = out ?? join(RESULTS, report.date.slice(0, 19).replaceAll(':', '-'));
  mkdirSync(join(folder, 'hgrm'), { recursive: true });
  saveTexts(folder, report);
  // The distributions are in files of their own.
  const measurements = report.measurements.map(({ buckets: _buckets, ...one }) => one);
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify({ ...report, measurements }, null, 1)}\n`);
  const groups = groupBy(report.measurements, ({ section, scenario, system }) => `${section} ${scenario} ${system}`);
  for (const [name, own] of groups) {
    const buckets = mergeBuckets(own.map((one) => one.buckets));
    if (buckets.length > 0) writeFileSync(join(folder, 'hgrm', `${fileName(name)}.hgrm`), toHgrm(buckets));
  }
  return folder;
}

/** What is made of report.json alone. */
export function saveTexts(folder, report) {
  writeFileSync(join(folder, 'summary.md'), toMarkdown(report));
  writeFileSync(join(folder, 'report.html'), toHtml(report));
}

function fileName(text) {
  return text
    .toLowerCase()
    .replaceAll('%', 'percent')
    .replaceAll(/[^a-z0-9.]+/g, '-');
}
