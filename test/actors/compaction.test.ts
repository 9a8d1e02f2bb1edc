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
import { OpChains } from '../../src/store/op-chain.js';
import { counter } from '../../src/store/types/counter.js';
import { ObjectState } from '../../src/store/types/object-state.js';

const NAME = objectName('counter', 'o');
const [HERE, ELSEWHERE] = ['1H', '1E'].map((text) => parseNodeId(text)) as [NodeId, NodeId];

interface Kept {
  readonly store: ReplicaStore;
  readonly compaction: Compaction;
  /** Whatever is under way to the disk gets there. */
  keep(): void;
}

/** A store with one op of each of those origins in its log: the amounts that they add. */
const storeOf = (ops: readonly (readonly [NodeId, number])[]): Kept => {
  const time = new VirtualTime({ seed: 1 });
  const disks = new MemoryOpDisks({ defer: (ms, run) => time.at(time.nowMs + ms, run), writeMs: 1 });
  let disk: OpDisk | null = null;
  disks.open('db', (opened) => (disk = opened), expect);
  time.advance(10);
  const counts = newReplicaCounts();
  const written = (): void => {
    store.onWritten(null);
    compaction.onWritten();
  };
  const store: ReplicaStore = new ReplicaStore(disk as unknown as OpDisk, false, counts, { written });
  const compaction: Compaction = new Compaction(store, counts, (reason) => expect(reason).toBe(''));
  const keep = (): void => {
    store.flush();
    time.advance(10);
  };
  const reader = new ItemReader();
  for (const [origin, amount] of ops) {
    const stamp = { time: 5, origin };
    const payload = counter.payloads.add(amount);
    reader.open(encodeItems([encodeOp({ stamp, prevTime: 0, type: 'counter', id: 'o', payload })]));
    expect(reader.next()).toBeNull();
    store.append(reader);
  }
  keep();
  expect(store.stored).toBe(ops.length);
  return { store, compaction, keep };
};

it('[R1] a state that comes from another peer while it runs stays (RULES RH, replica seed 3920084)', () => {
  const { store, compaction, keep } = storeOf([[HERE, 2]]);

  expect(compaction.begin(1, () => {})).toBe(true);
  // The entries have been looked at, the states are still to be put.
  expect(compaction.goOn()).toBe(true);
  const theirs = new ObjectState(counter);
  theirs.apply({ time: 7, origin: ELSEWHERE }, counter.payloads.add(30));
  const state = store.joined(NAME, theirs.encode())?.encode() ?? new Uint8Array(0);
  store.putState({ object: NAME, index: store.log.length, state });
  while (compaction.goOn());
  keep();
  expect(compaction.isRunning).toBe(false);
  expect(store.log.floor).toBe(1);
  expect(store.stateOf(NAME)?.view()).toBe(32);
});

it('[R1] kept states are all that the chains of another peer cover, also where that is in the log only (seed 3920084)', () => {
  const { store, compaction, keep } = storeOf([
    [ELSEWHERE, 30],
    [HERE, 2],
  ]);
  const theirs = new OpChains();
  theirs.append(ELSEWHERE, 5, 0, new Uint8Array(1));
  // A compaction that is running comes first.
  const done: string[] = [];
  expect(compaction.begin(1, () => done.push('floor'))).toBe(true);
  expect(compaction.cover(theirs, () => done.push('covered'))).toBe(false);
  while (compaction.goOn());
  keep();
  expect([done, store.log.floor]).toEqual([['floor'], 1]);
  while (compaction.goOn());
  expect([done, store.log.floor, compaction.isRunning]).toEqual([['floor', 'covered'], 1, false]);
  expect(store.keptObject(NAME)?.view()).toBe(30);

  const { store: other, compaction: covering } = storeOf([
    [HERE, 2],
    [ELSEWHERE, 30],
  ]);
  expect(covering.cover(theirs, () => done.push('covered'))).toBe(true);
  while (covering.goOn());
  expect([done.length, other.log.floor]).toEqual([3, 0]);
  expect([other.keptObject(NAME)?.view(), other.stateOf(NAME)?.view()]).toEqual([30, 32]);
});

it('[R1] a state that is taken over does not have what is in the log only (replica seed 3920152)', () => {
  const { store } = storeOf([[HERE, 2]]);
  const theirs = new ObjectState(counter);
  theirs.apply({ time: 7, origin: ELSEWHERE }, counter.payloads.add(30));
  expect(store.joined(NAME, theirs.encode())?.view()).toBe(30);
});
