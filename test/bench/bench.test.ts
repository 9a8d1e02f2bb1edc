/**
 * Keeps the benchmark alive: its smallest run, in which every step is made once. How fast anything is belongs into the
 * benchmark's own report, not into a test.
 */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PROGRAM = join(__dirname, '..', '..', 'bench', 'main.mjs');
const TINY = '--cases 2x4 --keys 200 --rounds 1 --measure-ms 200 --warm-up-ms 50'.split(' ');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-bench-test-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the benchmark with a temporary folder of its own, so that what it leaves there can be seen. */
function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, TMPDIR: folder };
  return promisify(execFile)(process.execPath, [PROGRAM, ...args], { env, timeout: 50_000, killSignal: 'SIGKILL' });
}

/** Command lines of the processes that work in the folder, or below it. */
function runningIn(path: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readlinkSync(`/proc/${pid}/cwd`).startsWith(path)) return [];
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

async function waitFor(isSo: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 50) {
    if (waitedMs > 30_000) throw new Error('it does not come to that');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Where CI runs, nothing may be missing; elsewhere there may be no compiler, or no binary of the library. */
function loads(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    require('uWebSockets.js');
    return true;
  } catch {
    return process.env.CI === 'true';
  }
}

(loads() ? it : it.skip)(
  'measures the bare server and its own ceiling, and leaves nothing behind but its report',
  async () => {
    const out = join(folder, 'out');
    const { stdout } = await bench(...TINY, '--systems', 'bare,echo', '--ops', 'get,set,echo', '--out', out);

    const summary = readFileSync(join(out, 'summary.md'), 'utf8');
    expect(stdout).toContain(summary);
    expect(summary).toMatch(/\| GET 2 x 4 *\| bare *\| /);
    expect(summary).toMatch(/\| SET 2 x 4 *\| bare *\| /);
    const { rows } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as {
      rows: { op: string; system: string; requestsPerSecond: { median: number } }[];
    };
    expect(rows.map(({ op, system }) => `${op} ${system}`)).toEqual(['get bare', 'set bare', 'echo echo']);
    for (const { requestsPerSecond } of rows) expect(requestsPerSecond.median).toBeGreaterThan(0);
    expect(readdirSync(join(out, 'hgrm')).toSorted()).toEqual(
      ['echo', 'get', 'set'].map((op) => `grid-${op}-2-x-4-${op === 'echo' ? 'echo' : 'bare'}.hgrm`),
    );
    expect(readdirSync(folder)).toEqual(['out']);
  },
  60_000,
);

(loads() ? it : it.skip)(
  'ends all that it has started, and leaves no file, when it is interrupted',
  async () => {
    const env = { ...process.env, TMPDIR: folder };
    const asked = ['--cases', '2x4', '--keys', '200', '--systems', 'bare', '--ops', 'get', '--measure-ms', '30000'];
    const child = spawn(process.execPath, [PROGRAM, ...asked], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(child, 'exit');
    // Its files are in the folder, which its command line names, once it measures.
    await waitFor(() => runningIn(folder).some((command) => command.includes('in-flight=4')));
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    await waitFor(() => runningIn(folder).length === 0);
    expect(readdirSync(folder)).toEqual([]);
  },
  60_000,
);

it('says in one line what is wrong with an option', async () => {
  const failure = bench('--cases', '50');
  await expect(failure).rejects.toMatchObject({ code: 2, stderr: "bench: --cases: '50' is not like 50x16\n" });
});
