/** One peer's log on its way to another: what is sent, and what the other one may confirm. */
import { expect, it } from '@jest/globals';
import { FeedCredit } from '../../src/actors/replica/feed-credit.js';
import { newReplicaCounts } from '../../src/actors/replica/counts.js';
import type { FeedReplica, Line } from '../../src/actors/replica/line.js';
import { Outgoing } from '../../src/actors/replica/outgoing.js';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { encodeItems, encodeOp, ItemReader } from '../../src/store/op.js';
import { OpLog } from '../../src/store/oplog.js';
import { counter } from '../../src/store/types/counter.js';
import type { MessageOf } from '../../src/transport/message.js';

const ORIGIN = parseNodeId('1H') as NodeId;

it('[PE2] what is confirmed after it has gone back is not sent for ever (replica seed 4000077)', () => {
  const log = new OpLog(0, () => null);
  const reader = new ItemReader();
  const ops = Array.from({ length: 20 }, (_, i) =>
    encodeOp({
      stamp: { time: i + 1, origin: ORIGIN },
      prevTime: i,
      type: 'counter',
      id: 'o',
      payload: counter.payloads.add(1),
    }),
  );
  const count = reader.open(encodeItems(ops));
  for (let i = 0; i < count; i += 1) {
    expect(reader.next()).toBeNull();
    log.append(reader);
  }
  log.close();
  let nowMs = 0;
  const sent: number[] = [];
  const sizes = { feedBytes: 100, creditBytes: 200, lentBytes: 100, patchBytes: 100 };
  const replica = {
    counts: newReplicaCounts(),
    sizes,
    credit: new FeedCredit(sizes.creditBytes, sizes.lentBytes),
    store: { log, stored: 20 },
    nowMs: () => nowMs,
    send: ({ index }: MessageOf<'feed'>) => void sent.push(index),
    pumpLater: () => {},
    onConfirmed: () => {},
    log: () => ORIGIN,
  } as unknown as FeedReplica;
  const line: Line = { node: ORIGIN, other: () => 1, takeGot: () => 0 };
  const outgoing = new Outgoing(replica, line);
  outgoing.reset(0);
  outgoing.pump(true);
  const { next: first } = outgoing;
  expect(first).toBeLessThan(20);
  outgoing.confirm(first);
  outgoing.pump(true);
  const { next: second } = outgoing;
  expect(second).toBeGreaterThan(first);
  // The word is late: it goes back, and only then hears that all of it has come.
  nowMs = 2000;
  outgoing.tick(nowMs);
  expect(outgoing.next).toBe(first);
  outgoing.confirm(second);
  expect([outgoing.next, outgoing.confirmed]).toEqual([second, second]);
  // What was never sent is confirmed by nobody.
  outgoing.confirm(20);
  expect(outgoing.confirmed).toBe(second);
  outgoing.pump(true);
  expect(sent.at(-1)).toBeGreaterThanOrEqual(second);
});
