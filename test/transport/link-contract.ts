/** What src/transport/link.ts promises, as one suite for every implementation. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Dial, Listen } from '../../src/transport/link.js';
import { Bench, pause, Probe, until, urlOf } from './link-probe.js';

export interface Implementation {
  readonly listen: Listen;
  readonly dial: Dial;
  /** Where the listener is. */
  readonly host: string;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

export function linkContract(name: string, create: () => Implementation): void {
  describe(`the contract of links: ${name}`, () => {
    let bench: Bench;
    let host: string;

    beforeEach(() => {
      const { listen, dial, host: where } = create();
      host = where;
      bench = new Bench((options, ...rest) => listen({ ...options, host }, ...rest), dial);
    });

    afterEach(async () => {
      bench.close();
      await until(() => bench.probes.every(({ closes }) => closes.length > 0), 'all links closed', 12_000);
      expect(bench.probes.flatMap(({ broken }) => broken)).toEqual([]);
      expect(bench.probes.map(({ closes }) => closes.length)).toEqual(bench.probes.map(() => 1));
    });

    it('carries text and bytes both ways', async () => {
      const { near, far } = await bench.pair();
      near.link.send(bytes(1, 2, 3), false);
      near.link.send(Buffer.from('grüße'), true);
      near.link.send(bytes(), false);
      await until(() => far.frames.length === 3, 'three frames');
      expect(far.kind).toBe('link');
      expect(far.frames.map(({ isText }) => isText)).toEqual([false, true, false]);
      expect(far.frames[0]!.bytes).toEqual(bytes(1, 2, 3));
      expect(far.texts[1]).toBe('grüße');
      expect(far.frames[2]!.bytes.length).toBe(0);
      far.link.send(Buffer.from('{}'), true);
      far.link.send(bytes(9), false);
      await until(() => near.frames.length === 2, 'two frames');
      expect(near.frames.map(({ isText }) => isText)).toEqual([true, false]);
      expect(near.frames[1]!.bytes).toEqual(bytes(9));
      expect(near.link.remote).not.toBe('');
      expect(far.link.remote).not.toBe('');
    });

    it('sends what the listening side says at once, in accept', async () => {
      const listener = await bench.listen({}, (link, kind) => {
        const probe = bench.accept(link, kind);
        link.send(Buffer.from('welcome'), true);
        return probe;
      });
      const near = await bench.dial(urlOf(listener));
      await until(() => near.frames.length === 1, 'the welcome');
      expect(near.texts).toEqual(['welcome']);
    });

    it('leaves the bytes to the caller after send', async () => {
      const { near, far } = await bench.pair();
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        for (const lent of [new Uint8Array(300_000).fill(7), Buffer.alloc(300_000, 7)]) {
          from.link.send(lent, false);
          from.link.send(lent.subarray(0, 10), false);
          lent.fill(0);
        }
        await until(() => to.frames.length === 4, 'all frames');
        expect(to.frames.every((frame) => frame.bytes.every((byte) => byte === 7))).toBe(true);
      }
    });

    it('keeps 10,000 frames in order, both ways at once', async () => {
      const { near, far } = await bench.pair({ backlogBytesMax: 1e8 }, { backlogBytesMax: 1e8 });
      const count = 10_000;
      const lent = new Uint8Array(100);
      const view = new DataView(lent.buffer);
      for (let i = 0; i < count; i++) {
        view.setUint32(0, i);
        near.link.send(lent, false);
        far.link.send(lent, false);
      }
      await until(() => near.frames.length === count && far.frames.length === count, 'all frames');
      const numbers = ({ frames }: Probe): number[] => frames.map((frame) => Buffer.from(frame.bytes).readUInt32BE());
      const expected = Array.from({ length: count }, (_, i) => i);
      expect(numbers(near)).toEqual(expected);
      expect(numbers(far)).toEqual(expected);
    });

    it('keeps what each frame says, whether it leaves at once or waits', async () => {
      const { near, far } = await bench.pair({ backlogBytesMax: 1e8 }, { backlogBytesMax: 1e8 });
      const sizes = [10, 4096, 20_000, 131_072, 131_073, 60_000];
      const count = 240;
      if (near.link.canPause) near.link.pause();
      for (let i = 0; i < count; i++) {
        const frame = new Uint8Array(sizes[i % sizes.length] as number).fill(i);
        near.link.send(frame, false);
        far.link.send(frame, false);
        if (i % 9 === 0) await pause(0);
      }
      if (near.link.canPause) near.link.resume();
      for (const { frames } of [near, far]) {
        await until(() => frames.length === count, 'all frames');
        expect(frames.map((frame) => frame.bytes.length)).toEqual(frames.map((_, i) => sizes[i % sizes.length]));
        expect(frames.every((frame, i) => frame.bytes.every((byte) => byte === i))).toBe(true);
      }
    });

    it('carries 1 MiB in one frame', async () => {
      const { near, far } = await bench.pair();
      const big = Uint8Array.from({ length: 1_048_576 }, (_, i) => i % 251);
      near.link.send(big, false);
      far.link.send(big, false);
      await until(() => near.frames.length + far.frames.length === 2, 'both frames');
      expect(Buffer.compare(near.frames[0]!.bytes, big)).toBe(0);
      expect(Buffer.compare(far.frames[0]!.bytes, big)).toBe(0);
    });

    it('[LM1] closes with 1009 on a frame beyond the limit, and only that link', async () => {
      const { listener, near, far } = await bench.pair({ linkFrameBytesMax: 1_000 }, { frameBytesMax: 1_000 });
      const other = await bench.dial(urlOf(listener), { frameBytesMax: 1_000 });
      near.link.send(new Uint8Array(1_000), false);
      near.link.send(new Uint8Array(1_001), false);
      near.link.send(bytes(1), false);
      await until(() => near.closes.length + far.closes.length === 2, 'closed');
      expect(far.frames.length).toBe(1);
      expect(far.closes[0]!.code).toBe(1009);
      expect(near.closes[0]!.code).toBe(1009);

      await until(() => bench.accepted.length === 2, 'the other link');
      const [, otherFar] = bench.accepted;
      otherFar!.link.send(new Uint8Array(1_000), false);
      await until(() => other.frames.length === 1, 'the frame of the other link');
      otherFar!.link.send(new Uint8Array(1_001), false);
      await until(() => other.closes.length + otherFar!.closes.length === 2, 'closed');
      expect([other.closes[0]!.code, otherFar!.closes[0]!.code]).toEqual([1009, 1009]);
    });

    it('closes with 1009 or 1006 on a frame far beyond the limit', async () => {
      const { near, far } = await bench.pair({ linkFrameBytesMax: 1_000 });
      near.link.send(new Uint8Array(1_048_576), false);
      await until(() => near.closes.length + far.closes.length === 2, 'closed');
      expect(far.frames.length).toBe(0);
      expect([1006, 1009]).toContain(far.closes[0]!.code);
    });

    it('delivers code and reason of a close to both ends, after what was accepted', async () => {
      const listener = await bench.listen();
      for (const side of ['near', 'far'] as const) {
        const near = await bench.dial(urlOf(listener));
        const acceptedCount = side === 'near' ? 1 : 2;
        await until(() => bench.accepted.length === acceptedCount, 'accepted');
        const far = bench.accepted.at(-1)!;
        const [closing, hearing] = side === 'near' ? [near, far] : [far, near];
        closing.act((link) => {
          for (let i = 0; i < 100; i++) link.send(new Uint8Array(20_000), false);
          link.close(4409, 'name taken');
          link.close(4400, 'a second call does nothing');
          link.send(bytes(1), false);
        });
        await until(() => near.closes.length + far.closes.length === 2, 'closed');
        expect(hearing.frames.length).toBe(100);
        expect(hearing.closes).toEqual([{ code: 4409, reason: 'name taken' }]);
        expect(closing.closes).toEqual([{ code: 4409, reason: 'name taken' }]);
      }
    });

    it('shortens a reason to what a close frame carries', async () => {
      const { near, far } = await bench.pair();
      far.link.close(4400, 'ä'.repeat(100));
      await until(() => near.closes.length === 1, 'closed');
      expect(near.closes[0]).toEqual({ code: 4400, reason: 'ä'.repeat(61) });
    });

    it('hears no more frames once it has closed', async () => {
      const { near, far } = await bench.pair();
      far.react = () => {
        far.link.close(4400, 'enough');
        far.link.close(4400, 'enough');
      };
      let heardCount = 0;
      near.link.send(bytes(1), false);
      near.link.send(bytes(2), false);
      near.link.send(bytes(3), false);
      await until(() => far.closes.length === 1, 'closed');
      far.react = () => heardCount++;
      await until(() => near.closes.length === 1, 'closed');
      expect(heardCount).toBe(0);
    });

    it('cuts with terminate: 1006 at both ends', async () => {
      const listener = await bench.listen();
      for (const index of [0, 1]) {
        const near = await bench.dial(urlOf(listener));
        await until(() => bench.accepted.length === index + 1, 'accepted');
        const far = bench.accepted[index]!;
        (index === 0 ? near : far).act((link) => {
          link.terminate();
          link.terminate();
        });
        await until(() => near.closes.length + far.closes.length === 2, 'closed');
        expect([near.closes[0]!.code, far.closes[0]!.code]).toEqual([1006, 1006]);
      }
    });

    it('does nothing on a link that is gone', async () => {
      const { near, far } = await bench.pair();
      near.link.close(1000, '');
      await until(() => near.closes.length + far.closes.length === 2, 'closed');
      for (const { link } of [near, far]) {
        link.send(bytes(1), false);
        link.pause();
        link.resume();
        link.close(4400, 'late');
        link.terminate();
        expect(link.bufferedBytes).toBe(0);
      }
      await pause(20);
      expect([near.closes, far.closes]).toEqual([[{ code: 1000, reason: '' }], [{ code: 1000, reason: '' }]]);
    });

    it('[LM5] closes a peer that never reads with 1013, at the bound and after what was accepted', async () => {
      const { near, far } = await bench.pair();
      near.link.pause();
      const frame = new Uint8Array(100_000);
      let sentCount = 0;
      // The system's buffers take much at first, and a little more each time.
      while (far.link.bufferedBytes + frame.length <= 4_194_304) {
        far.link.send(frame, false);
        sentCount++;
        await pause(0);
      }
      expect(sentCount).toBeGreaterThan(40);
      far.act((link) => {
        link.send(frame, false);
        link.send(bytes(1), false);
      });
      expect(near.closes.length).toBe(0);
      near.link.resume();
      await until(() => near.closes.length + far.closes.length === 2, 'closed');
      expect(far.closes[0]).toEqual({ code: 1013, reason: 'slow: too much is unsent' });
      expect(near.closes[0]!.code).toBe(1013);
      expect(near.frames.length).toBe(sentCount);
      expect(far.writableCount).toBe(0);
    });

    it('bounds the backlog of the dialling end as well', async () => {
      const { near, far } = await bench.pair({}, { backlogBytesMax: 2_000_000 });
      if (!far.link.canPause) {
        // The library can't stop reading: only a link without anyone at the other end would fill up.
        far.link.pause();
        far.link.resume();
        near.link.send(bytes(1), false);
        await until(() => far.frames.length === 1, 'a frame in spite of pause');
        return;
      }
      far.link.pause();
      const frame = new Uint8Array(100_000);
      while (near.link.bufferedBytes + frame.length <= 2_000_000) {
        near.link.send(frame, false);
        await pause(0);
      }
      near.act((link) => link.send(frame, false));
      far.link.resume();
      await until(() => near.closes.length + far.closes.length === 2, 'closed');
      expect([near.closes[0]!.code, far.closes[0]!.code]).toEqual([1013, 1013]);
    });

    it('takes a frame larger than the bound if nothing is unsent', async () => {
      const { near, far } = await bench.pair({ backlogBytesMax: 1_000 });
      far.link.send(new Uint8Array(2_000_000), false);
      await until(() => near.frames.length === 1, 'the frame');
      expect(near.frames[0]!.bytes.length).toBe(2_000_000);
    });

    it('tells when all has left after a backlog', async () => {
      const { near, far } = await bench.pair({ backlogBytesMax: 1e8 });
      near.link.pause();
      const frame = new Uint8Array(1_000_000);
      let sentCount = 0;
      while (far.link.bufferedBytes === 0 && sentCount < 100) {
        far.link.send(frame, false);
        sentCount++;
        await pause(0);
      }
      far.link.send(frame, false);
      sentCount++;
      expect(far.link.bufferedBytes).toBeGreaterThan(0);
      await pause(50);
      expect(far.writableCount).toBe(0);
      near.link.resume();
      await until(() => far.writableCount > 0, 'onWritable');
      expect(far.link.bufferedBytes).toBe(0);
      await until(() => near.frames.length === sentCount, 'all frames');
      far.link.send(bytes(1), false);
      await until(() => near.frames.length === sentCount + 1, 'one more');
      expect(far.writableCount).toBe(1);
    });

    it('delivers nothing while paused, everything afterwards', async () => {
      const { near, far } = await bench.pair();
      expect(near.link.canPause).toBe(true);
      near.link.pause();
      far.link.send(bytes(1), false);
      far.link.send(bytes(2), false);
      await pause(50);
      expect(near.frames.length).toBe(0);
      near.link.resume();
      await until(() => near.frames.length === 2, 'both frames');
      expect(near.frames.map((frame) => frame.bytes[0])).toEqual([1, 2]);
    });

    it('says that a port is in use and what to do', async () => {
      const { port } = await bench.listen();
      await expect(bench.listen({ port })).rejects.toThrow(
        `can't listen on ${host}:${port}: port in use; choose another with --listen`,
      );
    });

    it('[HS8] admits links by their secret only', async () => {
      const listener = await bench.listen({ linkSecret: 'open sesame' });
      const near = await bench.dial(urlOf(listener), { linkSecret: 'open sesame' });
      expect(near.closes).toEqual([]);
      for (const linkSecret of ['open sesam', 'open sesame!', '', null]) {
        await expect(bench.dial(urlOf(listener), { linkSecret })).rejects.toThrow(/^link secret refused by /);
      }
      expect(bench.accepted.length).toBe(1);
    });

    it('[LM4] admits no more than connectionsMax at once', async () => {
      const listener = await bench.listen({ connectionsMax: 2 });
      const [first] = [await bench.dial(urlOf(listener)), await bench.dial(urlOf(listener))];
      await expect(bench.dial(urlOf(listener))).rejects.toThrow(/503.*too many connections/);
      first!.link.close(1000, '');
      await until(() => bench.accepted[0]!.closes.length + first!.closes.length === 2, 'closed');
      const third = await bench.dial(urlOf(listener));
      await until(() => bench.accepted.length === 3, 'accepted');
      bench.accepted[2]!.link.send(bytes(1), false);
      await until(() => third.frames.length === 1, 'a frame');
    });

    it('refuses other paths', async () => {
      const listener = await bench.listen();
      await expect(bench.dial(`${urlOf(listener)}/elsewhere`)).rejects.toThrow(/404.*no such service/);
      expect(bench.accepted.length).toBe(0);
    });

    it('says why nobody answers, and where an address is wrong', async () => {
      const listener = await bench.listen();
      listener.terminate();
      await expect(bench.dial(urlOf(listener))).rejects.toThrow(/refused the connection: nothing listens there$/);
      await expect(bench.dial('127.0.0.1:7101')).rejects.toThrow(/is no URL: write ws:\/\/HOST:PORT/);
      await expect(bench.dial('http://127.0.0.1:7101')).rejects.toThrow(/is not a WebSocket URL/);
      await expect(bench.dial('ws://me:secret@127.0.0.1:7101')).rejects.toThrow(/holds a password/);
    });

    it('calls nobody after cancel', async () => {
      const listener = await bench.listen();
      const { dial } = create();
      const told: string[] = [];
      const begin = (url: string) =>
        dial(
          url,
          { linkSecret: null, tlsCaFile: null, proxy: null, timeoutMs: 100, frameBytesMax: 1, backlogBytesMax: 1 },
          (link) => {
            told.push('opened');
            return new Probe(link, null);
          },
          (reason) => told.push(reason),
        );
      begin(urlOf(listener)).cancel();
      begin('nonsense').cancel();
      begin(`ws://${host}:1`).cancel();
      await pause(200);
      expect(told).toEqual([]);
    });

    it('closes with 4500 where a handler throws, and lives on', async () => {
      const warnings: string[] = [];
      const emitWarning = jest.spyOn(process, 'emitWarning');
      emitWarning.mockImplementation((warning) => void warnings.push(String(warning)));
      const listener = await bench.listen({}, (link, kind) => {
        if (bench.accepted.length === 3) throw new Error('fault in accept');
        return bench.accept(link, kind);
      });
      const [onFrame, onClosed, bystander] = [
        await bench.dial(urlOf(listener)),
        await bench.dial(urlOf(listener)),
        await bench.dial(urlOf(listener)),
      ];
      await until(() => bench.accepted.length === 3, 'accepted');
      const [first, second, third] = bench.accepted;
      first!.react = () => {
        throw new Error('fault in onFrame');
      };
      onFrame.link.send(bytes(1), false);
      await until(() => onFrame.closes.length + first!.closes.length === 2, 'closed');
      expect(onFrame.closes).toEqual([{ code: 4500, reason: 'internal error' }]);
      expect(first!.closes).toEqual([{ code: 4500, reason: 'internal error' }]);

      const record = second!.onClosed.bind(second);
      second!.onClosed = (code, reason) => {
        record(code, reason);
        throw new Error('fault in onClosed');
      };
      onClosed.link.close(1000, '');
      await until(() => onClosed.closes.length + second!.closes.length === 2, 'closed');

      const refused = await bench.dial(urlOf(listener));
      await until(() => refused.closes.length === 1, 'closed');
      expect(refused.closes[0]!.code).toBe(4500);

      bystander.link.send(bytes(5), false);
      await until(() => third!.frames.length === 1, 'the frame of the bystander');
      emitWarning.mockRestore();
      expect(warnings.map((text) => /fault in \w+/.exec(text)?.[0])).toEqual([
        'fault in onFrame',
        'fault in onClosed',
        'fault in accept',
      ]);
    });

    it('keeps open links when the listener closes, and cuts them when it terminates', async () => {
      const { listener, near, far } = await bench.pair();
      listener.close();
      listener.close();
      await expect(bench.dial(urlOf(listener))).rejects.toThrow(/refused the connection/);
      near.link.send(bytes(1), false);
      far.link.send(bytes(2), false);
      await until(() => near.frames.length + far.frames.length === 2, 'both frames');
      listener.terminate();
      listener.terminate();
      await until(() => near.closes.length + far.closes.length === 2, 'closed');
      expect([near.closes[0]!.code, far.closes[0]!.code]).toEqual([1006, 1006]);
    });
  });
}
