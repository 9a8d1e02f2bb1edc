import { beforeEach, describe, expect, it } from '@jest/globals';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/transport/memory-bus.js';
import type { Link, Listener } from '../../src/transport/link.js';
import { linkContract } from './link-contract.js';
import { DIAL, LISTEN, Probe } from './link-probe.js';

const inRealTime = (delayMs: number, run: () => void): void => {
  if (delayMs === 0) setImmediate(run);
  else setTimeout(run, delayMs);
};

linkContract('memory', () => {
  const network = createMemoryNetwork({ defer: inRealTime });
  return { listen: network.bus('server').listen, dial: network.bus('dialler').dial, host: 'server' };
});

/** Time that stands still until it is told to pass. */
class Clock {
  now = 0;
  #due: { at: number; run: () => void }[] = [];

  readonly defer = (delayMs: number, run: () => void): void => {
    this.#due.push({ at: this.now + delayMs, run });
  };

  pass(durationMs: number): void {
    const end = this.now + durationMs;
    for (;;) {
      const next = this.#due.reduce<{ at: number; run: () => void } | null>(
        (first, item) => (item.at <= end && (first === null || item.at < first.at) ? item : first),
        null,
      );
      if (next === null) break;
      this.#due.splice(this.#due.indexOf(next), 1);
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }
}

describe('the network in memory', () => {
  let clock: Clock;
  let network: MemoryNetwork;
  let trace: string[];
  let accepted: Probe[];

  beforeEach(() => {
    clock = new Clock();
    trace = [];
    accepted = [];
    network = createMemoryNetwork({
      defer: clock.defer,
      latencyMs: (from, to) => (from.startsWith('far') || to.startsWith('far') ? 100 : 10),
      onFrame: (from, to, bytes, isText) => {
        trace.push(`${clock.now} ${from} -> ${to} ${isText ? Buffer.from(bytes).toString() : bytes.length}`);
      },
    });
  });

  const listen = (name: string, options: Partial<typeof LISTEN> = {}): Listener => {
    let found: Listener | null = null;
    const accept = (link: Link, kind: 'client' | 'link'): Probe => {
      const probe = new Probe(link, kind);
      accepted.push(probe);
      return probe;
    };
    const failed = (reason: string): never => {
      throw new Error(reason);
    };
    network.bus(name).listen(
      { ...LISTEN, host: name, port: 7101, ...options },
      accept,
      () => null,
      (listener) => (found = listener),
      failed,
    );
    clock.pass(0);
    return found!;
  };

  /** The dialling end once it is open, or the reason why it is not. */
  const dial = (from: string, to: string, waitMs = 1_000): Probe | string => {
    let outcome: Probe | string = 'nothing yet';
    network.bus(from).dial(
      `ws://${to}:7101`,
      { ...DIAL, timeoutMs: 500 },
      (link) => (outcome = new Probe(link, null)),
      (reason) => (outcome = reason),
    );
    clock.pass(waitMs);
    return outcome;
  };

  const pair = (from: string, to: string): [near: Probe, far: Probe] => {
    const near = dial(from, to);
    if (typeof near === 'string') throw new Error(near);
    return [near, accepted.at(-1)!];
  };

  const say = (probe: Probe, text: string): void => probe.link.send(Buffer.from(text), true);

  it('takes a round trip to open and one way for a frame, as far as the latency says', () => {
    listen('b');
    let openedAt = 0;
    network.bus('far-a').dial(
      'ws://b:7101',
      DIAL,
      (link) => {
        openedAt = clock.now;
        link.send(Buffer.from('hello'), true);
        return new Probe(link, null);
      },
      () => {},
    );
    clock.pass(1_000);
    expect(openedAt).toBe(200);
    expect(accepted[0]!.texts).toEqual(['hello']);
    expect([accepted[0]!.link.remote, trace]).toEqual(['far-a', ['200 far-a -> b hello']]);
  });

  it('repeats itself exactly', () => {
    const run = (): string[] => {
      const [own, lines] = [new Clock(), [] as string[]];
      const same = createMemoryNetwork({
        defer: own.defer,
        latencyMs: 3,
        onFrame: (from, to, bytes) => lines.push(`${own.now} ${from} ${to} ${bytes[0]}`),
      });
      const echo = (link: Link): Probe => {
        const probe = new Probe(link, null);
        probe.react = (bytes) => {
          if (bytes[0]! < 20) link.send(Uint8Array.of(bytes[0]! + 1), false);
        };
        return probe;
      };
      same.bus('a').listen(
        { ...LISTEN, host: 'a', port: 1 },
        echo,
        () => null,
        () => {},
        () => {},
      );
      for (const name of ['b', 'c', 'd']) {
        const opened = (link: Link): Probe => {
          link.send(Uint8Array.of(0), false);
          return echo(link);
        };
        same.bus(name).dial('ws://a:1', DIAL, opened, () => {});
      }
      own.pass(1_000);
      return lines;
    };
    const lines = run();
    expect(lines.length).toBe(63);
    expect(run()).toEqual(lines);
  });

  it('overwrites what it lent once the call is over', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    const kept: Uint8Array[] = [];
    far.react = (bytes) => kept.push(bytes);
    near.link.send(Uint8Array.of(1, 2), false);
    clock.pass(10);
    expect(kept).toEqual([Uint8Array.of(0xdd, 0xdd)]);
  });

  it('breaks links: both ends see 1006, what was on its way is lost, and they may dial again', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    const [bystander, other] = pair('c', 'b');
    say(near, 'lost');
    network.breakLinks('b', 'a');
    expect([near.closes, far.closes]).toEqual([[], []]);
    clock.pass(1_000);
    expect([near.closes[0]!.code, far.closes[0]!.code, far.frames.length]).toEqual([1006, 1006, 0]);
    say(bystander, 'still here');
    clock.pass(10);
    expect(other.texts).toEqual(['still here']);
    expect(dial('a', 'b')).toBeInstanceOf(Probe);
  });

  it('refuses to join what is cut until it is healed', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    network.cut('a', 'b');
    clock.pass(1_000);
    expect([near.closes.length, far.closes.length]).toEqual([1, 1]);
    expect(dial('a', 'b')).toBe("b:7101 can't be reached (cut)");
    expect(dial('c', 'b')).toBeInstanceOf(Probe);
    network.heal('b', 'a');
    expect(dial('a', 'b')).toBeInstanceOf(Probe);
  });

  it('loses one direction without a word, and for good', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    say(near, 'on its way');
    network.blackhole('a', 'b');
    say(near, 'lost');
    say(far, 'arrives');
    clock.pass(10_000);
    expect([far.texts, near.texts]).toEqual([[], ['arrives']]);
    expect([near.closes, far.closes]).toEqual([[], []]);
    const before = clock.now;
    expect(dial('a', 'b', 600)).toBe('b:7101 did not answer within 500 ms');
    network.heal('a', 'b');
    say(near, 'lost too');
    near.link.close(1000, 'unheard');
    expect(dial('a', 'b')).toBeInstanceOf(Probe);
    expect([far.texts, far.closes, near.closes]).toEqual([[], [], [{ code: 1000, reason: 'unheard' }]]);
    expect(clock.now).toBe(before + 1_600);
  });

  it('fills the backlog of whoever sends into a black hole', () => {
    listen('b', { backlogBytesMax: 1_000_000 });
    const [, far] = pair('a', 'b');
    network.blackhole('b', 'a');
    for (let i = 0; i < 100 && far.closes.length === 0; i++) {
      far.link.send(new Uint8Array(100_000), false);
      clock.pass(10);
    }
    expect(far.closes).toEqual([{ code: 1013, reason: 'slow: too much is unsent' }]);
    expect(far.link.bufferedBytes).toBeLessThanOrEqual(1_000_000);
  });

  it('loses the answer to a dial: the listening end has a link that the other one never got', () => {
    listen('b');
    network.blackhole('b', 'a');
    expect(dial('a', 'b')).toBe('b:7101 did not answer within 500 ms');
    expect(accepted.length).toBe(1);
    expect(accepted[0]!.closes.length).toBe(0);
  });

  it('clogs a link: nothing is lost, everything comes later and in order', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    say(near, '1');
    clock.pass(5);
    network.clog('a', 'b', 300);
    network.clog('b', 'a', 100);
    say(near, '2');
    clock.pass(200);
    say(near, '3');
    expect(far.texts).toEqual([]);
    clock.pass(99);
    expect(far.texts).toEqual([]);
    clock.pass(20);
    expect(far.texts).toEqual(['1', '2', '3']);
    say(near, '4');
    near.link.close(1000, '');
    clock.pass(20);
    expect([far.texts.at(-1), far.closes.length]).toEqual(['4', 1]);
  });

  it('pauses a process: what comes for it waits, and comes at once and in order when it goes on', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    network.pause('b');
    say(near, '1');
    clock.pass(50);
    say(near, '2');
    expect(dial('c', 'b')).toBe('b:7101 did not answer within 500 ms');
    expect([far.texts, accepted.length]).toEqual([[], 1]);
    network.resume('b');
    expect(far.texts).toEqual(['1', '2']);
    near.link.close(1000, 'done');
    network.pause('b');
    clock.pass(50);
    expect(far.closes).toEqual([]);
    network.resume('b');
    expect(far.closes).toEqual([{ code: 1000, reason: 'done' }]);
  });

  it('does not wake a process that crashes while it is paused', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    network.pause('b');
    say(near, '1');
    clock.pass(20);
    network.crash('b');
    network.resume('b');
    clock.pass(20);
    expect([far.texts, far.closes]).toEqual([[], []]);
    expect(near.closes).toEqual([{ code: 1006, reason: 'connection lost' }]);
  });

  it('keeps the order under a latency that varies', () => {
    let seed = 7;
    const varying = createMemoryNetwork({
      defer: clock.defer,
      latencyMs: () => (seed = (seed * 48_271) % 2_147_483_647) % 50,
    });
    network = varying;
    listen('b');
    const [near, far] = pair('a', 'b');
    for (let i = 0; i < 500; i++) {
      say(near, String(i));
      if (i % 10 === 0) clock.pass(1);
    }
    near.link.close(4400, 'last');
    clock.pass(100);
    expect(far.texts).toEqual(Array.from({ length: 500 }, (_, i) => String(i)));
    expect(far.closes).toEqual([{ code: 4400, reason: 'last' }]);
  });

  it('crashes a node: it is never called again, its neighbours see 1006, its address is free', () => {
    listen('b');
    const [near, far] = pair('a', 'b');
    say(near, 'unheard');
    let lateOutcome = 'none';
    const old = network.bus('b');
    old.dial(
      'ws://a:7101',
      DIAL,
      (link) => new Probe(link, null),
      (reason) => (lateOutcome = reason),
    );
    network.crash('b');
    clock.pass(1_000);
    expect([near.closes[0]!.code, far.closes, far.frames, lateOutcome]).toEqual([1006, [], [], 'none']);
    expect(dial('a', 'b')).toBe('b:7101 refused the connection: nothing listens there');
    old.listen(
      { ...LISTEN, host: 'b' },
      () => far,
      () => null,
      () => (lateOutcome = 'listening'),
      () => {},
    );
    clock.pass(10);
    expect(lateOutcome).toBe('none');
    listen('b');
    expect(dial('a', 'b')).toBeInstanceOf(Probe);
  });

  it('leaves no link of a node that crashed while it dialled', () => {
    listen('b');
    let outcome = 'none';
    const begin = (): void => {
      const opened = (link: Link): Probe => {
        outcome = 'opened';
        return new Probe(link, null);
      };
      network.bus('a').dial('ws://b:7101', DIAL, opened, (reason) => (outcome = reason));
    };
    begin();
    clock.pass(5);
    network.crash('a');
    clock.pass(1_000);
    expect([outcome, accepted.length]).toEqual(['none', 0]);
    begin();
    clock.pass(15);
    network.crash('a');
    clock.pass(1_000);
    expect([outcome, accepted.map(({ closes }) => closes[0]?.code)]).toEqual(['none', [1006]]);
  });

  it('gives free ports, and takes listeners away', () => {
    const [first, second] = [listen('b', { port: 0 }), listen('c', { port: 0 })];
    expect(first.port).not.toBe(second.port);
    expect([first.kind, first.fallbackReason]).toEqual(['memory', null]);
    first.close();
    expect(() => listen('b', { port: second.port, host: 'c' })).toThrow(/port in use/);
    listen('b', { port: first.port });
  });

  describe('a client', () => {
    const open = (options: { name?: string; origin?: string } = {}, url = 'ws://b:7101') => {
      const told: string[] = [];
      const end = network.connectClient(
        url,
        {
          onOpen: () => told.push('open'),
          onFrame: (data) => told.push(typeof data === 'string' ? data : `${data.length} bytes`),
          onClosed: (code, reason) => told.push(`${code} ${reason}`),
        },
        options,
      );
      return { end, told };
    };

    it('opens the path of clients, sends and hears', () => {
      listen('b', { linkSecret: 'not for clients' });
      const { end, told } = open({ name: 'browser' });
      end.send('too early');
      clock.pass(100);
      expect([accepted[0]!.kind, accepted[0]!.link.remote]).toEqual(['client', 'browser']);
      end.send('grüße');
      end.send(Uint8Array.of(1, 2, 3));
      say(accepted[0]!, 'willkommen');
      accepted[0]!.link.send(Uint8Array.of(1), false);
      clock.pass(100);
      expect(accepted[0]!.frames.map(({ isText }) => isText)).toEqual([true, false]);
      expect(accepted[0]!.texts[0]).toBe('grüße');
      end.close(4400, 'done');
      end.send('too late');
      clock.pass(100);
      expect(told).toEqual(['open', 'willkommen', '1 bytes', '4400 done']);
      expect(accepted[0]!.closes).toEqual([{ code: 4400, reason: 'done' }]);
    });

    it('meets the same limits and refusals as on a socket', () => {
      listen('b', { clientFrameBytesMax: 10, connectionsMax: 2, hosts: ['b'] });
      const { end, told } = open();
      clock.pass(100);
      end.send(new Uint8Array(11));
      clock.pass(100);
      expect(told).toEqual(['open', '1009 frame too large']);
      const outcomes = [
        open({ origin: 'http://evil.example' }),
        open({ origin: 'http://b:7101' }),
        open({}, 'ws://b:7101/elsewhere'),
        open({}, 'ws://nobody:7101'),
        open(),
        open(),
      ];
      clock.pass(1_000);
      expect(outcomes.map(({ told: [first] }) => first)).toEqual([
        expect.stringMatching(/^1006 .*status 403: pages of this Origin/),
        'open',
        expect.stringMatching(/^1006 .*status 404/),
        '1006 nobody:7101 refused the connection: nothing listens there',
        'open',
        expect.stringMatching(/^1006 .*status 503: too many connections/),
      ]);
    });

    it('has the shape of the standard', () => {
      listen('b');
      const socket = network.openSocket('ws://b:7101');
      const told: unknown[] = [];
      socket.addEventListener('open', () => told.push('open'));
      socket.addEventListener('message', ({ data }) => told.push(data));
      socket.addEventListener('error', () => told.push('error'));
      socket.addEventListener('close', ({ code, reason }) => told.push([code, reason]));
      clock.pass(100);
      socket.send(Uint8Array.of(7));
      expect(socket.bufferedAmount).toBe(0);
      say(accepted[0]!, 'text');
      accepted[0]!.link.send(Uint8Array.of(1, 2), false);
      clock.pass(100);
      accepted[0]!.link.close(1001, 'going away');
      clock.pass(100);
      expect(accepted[0]!.frames[0]!.bytes).toEqual(Uint8Array.of(7));
      expect(told).toEqual(['open', 'text', Uint8Array.of(1, 2).buffer, [1001, 'going away']]);
    });

    it('may close before it is open', () => {
      listen('b');
      const { end, told } = open();
      end.close();
      clock.pass(1_000);
      expect(told).toEqual(['1000 ']);
    });
  });
});
