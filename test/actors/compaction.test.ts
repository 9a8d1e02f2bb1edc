/** A compaction beside what comes from other peers: moments that swarms hardly reach. */
import { expect, it } from '@jest/globals';
import { VirtualTime } from '../../src/actors/runtime/virtual-time.js';
import { Compaction } from '../../src/actors/replica/compaction.js';
import { newReplicaCounts } from '../../src/actors/replica/counts.js';
import { ReplicaStore } from '../../src/actors/replica/store.js';
import { MemoryOpDisks } from '../../src/disk/memory-op-disk.js';
import type { OpDisk } from '../../src/disk/op-disk.js';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { encodeItems, encodeOp, ItemReader, objectName } from '../../src/store/op.js';
import { counter } from '../../src/store/types/counter.js';
import { ObjectState } from '../../src/store/types/object-state.js';

const NAME = objectName('counter', 'o');
const [HERE, ELSEWHERE] = ['1H', '1E'].map((text) => parseNodeId(text)) as [NodeId, NodeId];

it('[R1] a state that comes from another peer while it runs stays (RULES RH, replica seed 3920084)', () => {
  const time = new VirtualTime({ seed: 1 });
  const disks = new MemoryOpDisks({ defer: (ms, run) => time.at(time.nowMs + ms, run), writeMs: 1 });
  let disk: OpDisk | null = null;
  disks.open('db', (opened) => (disk = opened), expect);
  time.advance(10);
  const counts = newReplicaCounts();
  let compaction: Compaction | null = null;
  const store: ReplicaStore = new ReplicaStore(disk as unknown as OpDisk, false, counts, {
    written: () => {
      store.onWritten(null);
      compaction?.onWritten();
    },
  });
  compaction = new Compaction(store, counts, (reason) => expect(reason).toBe(''));
  const stamp = { time: 5, origin: HERE };
  const reader = new ItemReader();
  reader.open(
    encodeItems([encodeOp({ stamp, prevTime: 0, type: 'counter', id: 'o', payload: counter.payloads.add(2) })]),
  );
  expect(reader.next()).toBeNull();
  store.append(reader);
  store.flush();
  time.advance(10);
  expect(store.stored).toBe(1);

  expect(compaction.begin(1, () => {})).toBe(true);
  // The entries have been looked at, the states are still to be put.
  expect(compaction.goOn()).toBe(true);
  const theirs = new ObjectState(counter);
  theirs.apply({ time: 7, origin: ELSEWHERE }, counter.payloads.add(30));
  store.putState({ object: NAME, index: store.log.length, state: store.joined(NAME, theirs.encode()) as Uint8Array });
  while (compaction.goOn());
  store.flush();
  time.advance(10);
  expect(compaction.isRunning).toBe(false);
  expect(store.log.floor).toBe(1);
  expect(store.stateOf(NAME)?.view()).toBe(32);
});
