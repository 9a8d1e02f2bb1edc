/** Whatever a node sends, the client neither throws nor hangs: it gives that connection up, or goes on. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { connect } from '../../src/client/index.js';
import type { Client, SocketConstructor } from '../../src/client/index.js';
import { packValue } from '../../src/transport/msgpack.js';
import type { ClientReply } from '../../src/transport/message.js';
import { HeldSocket, encoded } from './held-socket.js';

const openClient = (): Promise<Client> =>
  connect('ws://held', {
    WebSocket: HeldSocket as unknown as SocketConstructor,
    reconnect: { minMs: 1e6, maxMs: 1e6 },
    random: () => 0.5,
  });

/** Replies that fit the requests 2 to 5 of the test or not, damaged in up to two bytes. */
const frames = fc
  .record({
    replies: fc.array(
      fc.oneof(
        fc.record({ type: fc.constant('missing' as const), id: fc.integer({ min: 0, max: 7 }) }),
        fc.record({
          type: fc.constant('value' as const),
          id: fc.integer({ min: 1, max: 6 }),
          meta: fc.constantFrom(null, {}, { stamp: '1Ab-n' }),
          value: fc.anything({ maxDepth: 2 }).map((value) => {
            try {
              return packValue(value);
            } catch {
              return packValue(null);
            }
          }),
        }),
        fc.record({
          type: fc.constant('stored' as const),
          id: fc.integer({ min: 1, max: 6 }),
          meta: fc.constantFrom(null, { stamp: 7 }, { stamp: '1Ab-n' }),
        }),
        fc.record({
          type: fc.constant('refused' as const),
          id: fc.option(fc.integer({ min: 1, max: 6 })),
          code: fc.constantFrom('BUSY', 'UNKNOWN', '', 'LATER'),
          message: fc.string(),
          info: fc.constantFrom(null, { retryAfterMs: -1 }),
        }),
        fc.record({
          type: fc.constant('bye' as const),
          id: fc.constant(null),
          info: fc.constantFrom({}, { urls: 'ws://x', retryAfterMs: NaN }, { urls: [null, 'ws://held'] }),
        }),
      ),
      { maxLength: 6 },
    ),
    damage: fc.array(fc.record({ at: fc.nat(200), byte: fc.nat(255) }), { maxLength: 2 }),
    length: fc.option(fc.nat(40)),
  })
  .map(({ replies, damage, length }) => {
    const bytes = encoded(...(replies as ClientReply[]));
    for (const { at, byte } of damage) if (at < bytes.length) bytes[at] = byte;
    return length === null ? bytes : bytes.subarray(0, length);
  });

it('survives any frame', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(frames, fc.uint8Array({ maxLength: 30 }), fc.string()), { maxLength: 4 }),
      async (received) => {
        const client = await openClient();
        const results = Promise.allSettled([
          client.get('a'),
          client.getEntry('b'),
          client.set('c', 1),
          client.delete('d'),
          client.ping(),
        ]);
        await Promise.resolve();
        const socket = HeldSocket.last;
        for (const frame of received) socket.receive(frame);
        await client.close();
        for (const result of await results) {
          if (result.status === 'rejected') expect(result.reason).toHaveProperty('code', expect.any(String));
        }
        expect([0, 1000, 4400]).toContain(socket.closeCode);
      },
    ),
    { numRuns: 1000 },
  );
});
