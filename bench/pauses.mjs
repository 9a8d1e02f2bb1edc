// Asks a node that was started with `seesPauses` for the pauses of its event loop since it was last asked.

import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const TIMEOUT_MS = 5_000;
const POLL_MS = 20;

/** { count, p50Ms, p99Ms, p999Ms, maxMs, collections, collectionMaxMs }; times include the millisecond of the timer. */
export async function takePauses({ pid, pausesFile }) {
  rmSync(pausesFile, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (let waitedMs = 0; waitedMs < TIMEOUT_MS; waitedMs += POLL_MS) {
    await sleep(POLL_MS);
    try {
      return JSON.parse(readFileSync(pausesFile, 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  throw new Error(`the node does not tell its pauses within ${TIMEOUT_MS} ms`);
}
