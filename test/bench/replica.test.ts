/**
 * The measurements of replicas, each at its smallest, so that every step is made once; and what they are made of. How fast
 * anything is belongs into the benchmark's report.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeEdits, textOf } from '../../bench/replica/edits.mjs';
import { encodeUpdate, updateIn } from '../../bench/replica/hocuspocus.mjs';

const ROOT = join(__dirname, '..', '..');
const PROGRAM = join(ROOT, 'bench', 'replica', 'main.mjs');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-bench-test-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the measurement has written, run with a temporary folder of its own. */
async function measure(what: string, count: number): Promise<unknown> {
  const env = { ...process.env, TMPDIR: folder };
  const limits = { timeout: 50_000, killSignal: 'SIGKILL' } as const;
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, what, String(count)], { env, ...limits });
  expect(readdirSync(folder)).toEqual([]);
  return JSON.parse(stdout);
}

/** Where CI runs, nothing may be missing; elsewhere nothing may be built yet, or the rival not be installed. */
const isBuilt = existsSync(join(ROOT, 'dist', 'esm', 'cli', 'main.js')) || process.env['CI'] === 'true';
const hasRival = existsSync(join(ROOT, 'node_modules', '@hocuspocus', 'server')) || process.env['CI'] === 'true';

describe('the edits', () => {
  it('are the same each time, and make the same text when they arrive', () => {
    const { updates, text } = makeEdits(500, 7);
    expect(makeEdits(500, 7).updates).toEqual(updates);
    expect(updates).toHaveLength(500);
    expect(text.length).toBeGreaterThan(300);
    expect(textOf(updates)).toBe(text);
  });
});

describe('messages of Hocuspocus', () => {
  it.each([0, 1, 127, 128, 20_000])('carry an update of %i bytes', (length) => {
    const update = new Uint8Array(length).fill(5);
    expect(updateIn(encodeUpdate('page', update))).toEqual(Buffer.from(update));
  });

  it('that carry something else have none', () => {
    expect(updateIn(Buffer.from([1, 0x70, 2, 0, 0]))).toBeNull();
  });
});

(isBuilt ? it : it.skip)(
  'a log is written, caught up with, and opened again',
  async () => {
    const result = (await measure('log', 2000)) as Record<string, number>;
    expect(result).toEqual({
      writesPerSecond: expect.any(Number),
      writeCpuUs: expect.any(Number),
      caughtUpPerSecond: expect.any(Number),
      caughtUpCpuUs: expect.any(Number),
      openMs: expect.any(Number),
    });
    expect(result['writesPerSecond']).toBeGreaterThan(0);
    expect(result['caughtUpPerSecond']).toBeGreaterThan(0);
  },
  60_000,
);

(isBuilt ? it : it.skip)(
  'ops arrive at the subscriber of a second peer',
  async () => {
    expect(await measure('relay', 2000)).toEqual({ perSecond: expect.any(Number), cpuUs: expect.any(Number) });
  },
  60_000,
);

(isBuilt ? it : it.skip)(
  'a client that wants a part gets that part',
  async () => {
    const { wanted, all } = (await measure('partial', 2000)) as { wanted: number; all: number };
    expect(wanted / all).toBeCloseTo(0.01, 2);
  },
  60_000,
);

(isBuilt ? it : it.skip)(
  'a peer is overwritten and compacted',
  async () => {
    expect(await measure('overwriting', 4000)).toMatchObject([{ count: 1000 }, { count: 4000 }]);
  },
  60_000,
);

(isBuilt ? it : it.skip)(
  'edits arrive through a peer',
  async () => {
    for (const what of ['edits', 'durable-edits'])
      expect(await measure(what, 400)).toEqual({ perSecond: expect.any(Number), cpuUs: expect.any(Number) });
  },
  60_000,
);

(isBuilt && hasRival ? it : it.skip)(
  'and through Hocuspocus',
  async () => {
    expect(await measure('hocuspocus', 400)).toEqual({ perSecond: expect.any(Number), cpuUs: expect.any(Number) });
  },
  60_000,
);
