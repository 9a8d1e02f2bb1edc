/**
 * The order of the suites: the longest first, so that no worker idles at the end while another is busy with one of them.
 * Jest knows how long each took in the run before; without one it would begin with the longest files, and end with the
 * simulations, whose files are short.
 */
import { relative } from 'node:path';
import TestSequencer from '@jest/test-sequencer';

/** In this order; those that are not named here take less time than any of them. */
const LONGEST = [
  'test/e2e/real-faults.test.ts',
  'test/swarm/simulation-mutants.test.ts',
  'test/e2e/cities.test.ts',
  'test/e2e/workers.test.ts',
  'test/swarm/simulation.test.ts',
  'test/e2e/package.test.ts',
  'test/e2e/full-nodes.test.ts',
  'test/e2e/replica-cities.test.ts',
  'test/e2e/broken-links.test.ts',
  'test/bench/replica.test.ts',
  'test/swarm/replica-mutants.test.ts',
  'test/e2e/ring.test.ts',
  'test/e2e/data.test.ts',
  'test/e2e/bad-input-ws.test.ts',
  'test/e2e/bad-input-uws.test.ts',
  'test/e2e/slow-watch.test.ts',
  'test/docs/readme.test.ts',
  'test/transport/listen-ws.test.ts',
  'test/transport/listen-uws.test.ts',
];

export default class LongestFirst extends TestSequencer {
  /** Milliseconds, where jest knows them; else only the order counts. */
  time(test) {
    const place = LONGEST.indexOf(relative(test.context.config.rootDir, test.path));
    return super.time(test) ?? (place < 0 ? 0 : 20_000 + LONGEST.length - place);
  }
}
