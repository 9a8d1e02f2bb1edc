/**
 * The load generator against servers whose answers are known: what it counts, what it takes for latency, and that it
 * says so when a reply is not right.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Children } from '../../bench/children.mjs';
import { valueOf } from '../../bench/histogram.mjs';
import { compileGenerator } from '../../bench/job.mjs';
import { LoadGenerator } from '../../bench/load.mjs';
import { scenario } from '../../bench/section/scenario.mjs';
import { numberedKeys } from '../../bench/workload.mjs';
import { startServer, takeCommands, type FakeServer } from './fake-server.js';

const DATA = { ...numberedKeys(64), id: 'keys' };
const VALUE = `$64\r\n${'x'.repeat(64)}\r\n`;

/** Where CI runs, nothing may be missing; elsewhere there may be no compiler. */
const hasCompiler = (() => {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return process.env['CI'] === 'true';
  }
})();

let folder = '';
let program = '';
let server: FakeServer | null = null;
const children = new Children();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-generator-test-'));
  if (hasCompiler) program = compileGenerator(folder);
});

afterEach(async () => {
  await server?.close();
  server = null;
});

afterAll(async () => {
  await children.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function measure(protocol: string, varied: Record<string, unknown>) {
  const generator = new LoadGenerator({ protocol, program, folder, children, name: protocol });
  const own = { ...scenario(varied), warmUpMs: 0, measureMs: 300, ...varied };
  const { port } = server as FakeServer;
  return generator.measure({ port, pids: {}, scenario: own, data: DATA, round: 0 });
}

/** Answers each command at once, or later; `reply` may be any text. */
async function startRedis(reply: (words: string[], count: number) => string, delayMs = 0): Promise<void> {
  let count = 0;
  server = await startServer((socket) => (bytes) => {
    let text = '';
    const taken = takeCommands(bytes, (words) => {
      text += reply(words, count++);
    });
    const send = (): boolean => socket.write(text, 'latin1');
    if (delayMs === 0) send();
    else setTimeout(send, delayMs);
    return taken;
  });
}

(hasCompiler ? describe : describe.skip)('the load generator', () => {
  it('counts each reply, and takes the time from the write to the last reply of a batch', async () => {
    let asked = 0;
    await startRedis(() => (asked++, VALUE), 20);
    const result = await measure('resp', { connections: 3, inFlight: 4 });
    const counted = result.buckets.reduce((sum: number, [, count]: number[]) => sum + (count as number), 0);
    expect(result.latencyUs.p50).toBeGreaterThan(19_000);
    expect(counted * 4).toBeLessThanOrEqual(asked);
    expect(counted * 4).toBeGreaterThanOrEqual(asked - 2 * 3 * 4);
    expect(result.slices).toHaveLength(3);
  });

  it('asks for what the scenario says, on each connection with as many in flight', async () => {
    await startRedis(([word]) => (word === 'GET' ? VALUE : '+OK\r\n'), 5);
    await measure('resp', { op: 'mix', writes: 0.5, connections: 2, inFlight: 8 });
    for (const received of (server as FakeServer).received) {
      const words: string[] = [];
      takeCommands(received, ([word]) => words.push(word as string));
      expect(words.length % 8).toBe(0);
      expect(new Set(words)).toEqual(new Set(['GET', 'SET']));
    }
  });

  it('in an open loop, counts the wait of those that were due while the server stood still', async () => {
    let count = 0;
    let held: (() => void)[] | null = null;
    server = await startServer(
      (socket) => (bytes) =>
        takeCommands(bytes, () => {
          const answer = (): boolean => socket.write(VALUE);
          if (count++ === 20) {
            held = [];
            setTimeout(() => {
              for (const one of held ?? []) one();
              held = null;
            }, 100);
          }
          if (held === null) answer();
          else held.push(answer);
        }),
    );
    const result = await measure('resp', { connections: 2, inFlight: 1, rate: 400 });
    const over50Ms = result.buckets.filter(([bucket]: number[]) => valueOf(bucket as number) > 50e6);
    const late = over50Ms.reduce((sum: number, [, count]: number[]) => sum + (count as number), 0);
    // 20 requests were due in the first half of the 100 ms, of which a closed loop would have sent two.
    expect(late).toBeGreaterThanOrEqual(15);
    expect(result.latencyUs.max).toBeGreaterThan(80_000);
    expect(result.stallMs).toBeGreaterThan(80);
  });

  it('in an open loop, counts what it could not even send', async () => {
    await startRedis(() => VALUE, 100);
    const result = await measure('resp', { connections: 1, inFlight: 1, rate: 100 });
    expect(result.unsentCount).toBeGreaterThan(20);
    expect(result.latencyUs.p50).toBeGreaterThan(100_000);
  });

  it('puts replies together that come in pieces', async () => {
    server = await startServer(
      (socket) => (bytes) =>
        takeCommands(bytes, () => {
          const [first, second] = [VALUE.slice(0, 3), VALUE.slice(3)];
          socket.write(first);
          setTimeout(() => socket.write(second), 1);
        }),
    );
    const result = await measure('resp', { connections: 2, inFlight: 1 });
    expect(result.requestsPerSecond).toBeGreaterThan(0);
  });

  it.each([
    ['a refusal', () => '-ERR no\r\n', /^resp: unexpected reply -ERR no/],
    ['a missing value', () => '$-1\r\n', /unexpected reply \$-1/],
    ['a value of another length', () => '$3\r\nabc\r\n', /unexpected reply \$3\\x0d\\x0aabc/],
    ['a reply too many', () => VALUE + VALUE, /more replies than requests/],
    ['nonsense', () => 'hello\r\n', /unexpected reply hello/],
  ])('ends with a line about %s', async (_what, reply, line) => {
    await startRedis(reply);
    await expect(measure('resp', { connections: 1, inFlight: 1 })).rejects.toThrow(line);
  });

  it('counts refusals where they are expected', async () => {
    await startRedis((_words, count) => (count % 4 === 0 ? '-BUSY\r\n' : VALUE), 2);
    const result = await measure('resp', { connections: 1, inFlight: 4, isPatient: true });
    expect(result.refusedCount).toBe(result.requestCount / 4);
  });

  it('sends each batch once where it is told so', async () => {
    let asked = 0;
    await startRedis(() => (asked++, '+OK\r\n'));
    await measure('resp', { op: 'create', once: true, requestCount: 240, connections: 3, inFlight: 8 });
    const keys = new Set<string>();
    for (const received of (server as FakeServer).received)
      takeCommands(received, ([, key]) => keys.add(key as string));
    expect([asked, keys.size]).toEqual([240, 240]);
  });

  it('with watchers, waits until each of them has got each change', async () => {
    const watchers: (() => void)[] = [];
    let changes = 0;
    server = await startServer(
      (socket) => (bytes) =>
        takeCommands(bytes, ([word]) => {
          if (word === 'SUBSCRIBE') {
            watchers.push(() => socket.write('*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n$1\r\nx\r\n'));
            socket.write('*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n');
            return;
          }
          socket.write(':3\r\n');
          for (const [i, tell] of watchers.entries()) setTimeout(() => (changes++, tell()), 10 * i);
        }),
    );
    const result = await measure('resp', { op: 'publish', connections: 1, inFlight: 1, watchers: 3 });
    expect(watchers).toHaveLength(3);
    expect(result.latencyUs.p50).toBeGreaterThan(19_000);
    expect(changes % 3).toBe(0);
  });

  it('speaks the protocol of NATS: names the connection, knows a missing key, answers a ping', async () => {
    const pongs: number[] = [];
    server = await startServer((socket) => (bytes) => {
      const text = bytes.toString('latin1');
      const end = text.lastIndexOf('\r\n') + 2;
      for (const line of text.slice(0, end).split('\r\n')) {
        const [word, , inbox] = line.split(' ');
        if (word === 'PING') socket.write('INFO {}\r\nPONG\r\n');
        if (word === 'PONG') pongs.push(1);
        if (word === 'PUB') {
          if (pongs.length === 0) socket.write('PING\r\n');
          const head = 'NATS/1.0 404 Message Not Found\r\n\r\n';
          socket.write(`HMSG ${inbox} 1 ${head.length} ${head.length}\r\n${head}\r\n`);
        }
      }
      return end;
    });
    const result = await measure('nats', { op: 'absent', connections: 2, inFlight: 2 });
    expect(result.requestsPerSecond).toBeGreaterThan(0);
    expect(pongs.length).toBeGreaterThan(0);
    for (const [i, received] of (server as FakeServer).received.entries()) {
      expect(received.toString()).toContain(`SUB _INBOX.${i}.* 1\r\n`);
      expect(received.toString()).toContain(`_INBOX.${i}.1 0\r\n`);
      expect(received.toString()).not.toContain(`_INBOX.${1 - i}.`);
    }
  });
});
