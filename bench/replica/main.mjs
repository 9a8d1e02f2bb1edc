// usage: node bench/replica/main.mjs WHAT COUNT [--profile]
//
// One measurement of replicas by itself, on so many ops, objects or edits: writes one line of JSON. With --profile the
// peers are profiled, which slows them down, and their hottest functions follow.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Children } from '../children.mjs';
import { describeProfiles } from '../profile.mjs';
import { measureDurablePeer, measureHocuspocus, measurePeer } from './documents.mjs';
import { measureLog } from './log.mjs';
import { measureOverwriting } from './overwriting.mjs';
import { measurePartial } from './partial.mjs';
import { measureRelay } from './relay.mjs';

const PARTS = 4;

const MEASUREMENTS = {
  log: measureLog,
  relay: measureRelay,
  edits: measurePeer,
  'durable-edits': measureDurablePeer,
  hocuspocus: measureHocuspocus,
  partial: (children, context, all) => measurePartial(children, context, { all, wanted: all / 100 }),
  overwriting: (children, context, count) =>
    measureOverwriting(children, context, { part: count / PARTS, counts: [count / PARTS, count] }),
};

const [what, count, flag] = process.argv.slice(2);
const measure = MEASUREMENTS[what];
if (measure === undefined || !(Number(count) > 0)) {
  process.stderr.write(`usage: node bench/replica/main.mjs ${Object.keys(MEASUREMENTS).join('|')} COUNT [--profile]\n`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'swarmbus-bench-'));
const profiles = flag === '--profile' ? mkdtempSync(join(folder, 'profiles-')) : null;
const children = new Children();
try {
  const result = await measure(children, { folder, profiles }, Number(count));
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await children.stop();
}
if (profiles !== null) process.stdout.write(describeProfiles(profiles));
rmSync(folder, { recursive: true, force: true });
process.exit(0);
