/**
 * A ring of five real processes under load, with what networks and machines do to it. A run here takes seconds; `make
 * soak SECONDS=120` runs the same code for as long as it is told to.
 */
import { afterAll, describe, expect, it } from '@jest/globals';
import { seeded } from './fault-proxy.js';
import { FaultyRing, HEARTBEAT_TIMEOUT_MS, MISSED_MS } from './faulty-ring.js';
import { judge, type JudgeOptions } from './judge.js';
import { pause, useProcesses } from './processes.js';
import { isAnswered, showOperation } from './recording-client.js';
import { Workload } from './workload.js';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 15);
const SEED = Number(process.env['SOAK_SEED'] ?? 1);
const NODES = 5;
/** What a start, a settling and a last fault may take beyond the run. */
const MARGIN_MS = 60_000;

/** By then whoever was refused while a node was joining has tried again. */
const RETRY_MS = 500;

const OPTIONS: JudgeOptions = { heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS, answerMsMax: 3000 };

describe('a ring of five processes under load', () => {
  const ends: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const end of ends) await end();
  });
  const processes = useProcesses(2 * (SECONDS * 1000 + MARGIN_MS));

  /** A ring, and load on it for as long as `run` takes; then everything is read once more through every node. */
  async function underLoad(run: (ring: FaultyRing) => Promise<void>): Promise<{ ring: FaultyRing; load: Workload }> {
    const ring = new FaultyRing(processes);
    ends.push(() => ring.dispose());
    await ring.start(NODES, SEED);
    const load = new Workload(ring.urls, seeded(SEED + 1));
    ends.push(async () => load.close());
    await load.begin();
    await run(ring);
    await load.end();
    // Until then what is not found may be at a node that vanished.
    await pause(MISSED_MS);
    const finalReads = await load.readAll();
    load.close();
    expect(finalReads.filter((read) => !isAnswered(read)).map(showOperation)).toEqual([]);
    expect(ring.unexpectedEnds).toEqual([]);
    return { ring, load };
  }

  it(
    `keeps what it promised through ${SECONDS} s of kill -9, SIGSTOP and broken links`,
    async () => {
      const random = seeded(SEED);
      const below = (bound: number): number => Math.floor(random() * bound);
      const done: string[] = [];
      const { ring, load } = await underLoad(async (ring) => {
        const faults = {
          kill: () => ring.kill(below(NODES), below(500)),
          stopBriefly: () => ring.stop(below(NODES), 100 + below(HEARTBEAT_TIMEOUT_MS / 2)),
          stop: () => ring.stop(below(NODES), HEARTBEAT_TIMEOUT_MS + 500 + below(500)),
          cut: () => ring.disturb(below(NODES), 'cut', below(1000)),
          cutMidFrame: () => ring.disturb(below(NODES), 'cutMidFrame', below(500)),
          silence: () => ring.disturb(below(NODES), 'silence', HEARTBEAT_TIMEOUT_MS + below(500)),
          jam: () => ring.disturb(below(NODES), 'jam', below(1000)),
          slow: () => ring.disturb(below(NODES), 'slow', below(1000)),
        };
        const names = Object.keys(faults) as (keyof typeof faults)[];
        const endMs = performance.now() + SECONDS * 1000;
        // Each kind once, in an order of chance; then by chance alone.
        const order = shuffled(names, random);
        while (performance.now() < endMs || done.length < names.length) {
          const name = order[done.length] ?? names[below(names.length)]!;
          done.push(name);
          await faults[name]();
        }
      });
      const { violations, readsJudged, splitKeys } = judge(load.history.operations, ring.incidents, OPTIONS);
      report({ seed: SEED, faults: done.length, readsJudged, splitKeys, ...outcomesOf(load) });
      expect(violations).toEqual([]);
      expect(readsJudged).toBeGreaterThan(SECONDS * 20);
    },
    SECONDS * 1000 + MARGIN_MS,
  );

  it(
    'is restarted node by node, and goes on answering',
    async () => {
      const { load } = await underLoad(async (ring) => {
        for (let i = 0; i < NODES; i++) {
          expect(await ring.restart(i)).toMatchObject({ code: 0, stderr: '' });
          // Who was told BUSY by the node that is back tries another one, which is not to leave at that very moment.
          await pause(RETRY_MS);
        }
      });
      const { operations } = load.history;
      // Whoever leaves has handed its entries over: nothing that happened excuses a loss.
      const { violations, readsJudged } = judge(operations, [], OPTIONS);
      report({ readsJudged, failedTwice: load.failedTwice.length, ...outcomesOf(load) });
      expect(violations).toEqual([]);
      expect(load.failedTwice).toEqual([]);
      expect(readsJudged).toBeGreaterThan(500);
    },
    MARGIN_MS,
  );
});

/** For whoever watches a long run. */
function report(figures: Readonly<Record<string, unknown>>): void {
  if (process.env['SOAK_SECONDS'] !== undefined) process.stderr.write(`${JSON.stringify(figures)}\n`);
}

function outcomesOf(load: Workload): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind, outcome } of load.history.operations) {
    const name = `${kind} ${outcome.type === 'refused' ? outcome.code : outcome.type}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
