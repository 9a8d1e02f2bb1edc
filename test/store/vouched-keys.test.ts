import { expect, it } from '@jest/globals';
import type { KeyHash } from '../../src/store/key-hash.js';
import type { NodeId } from '../../src/store/node-id.js';
import { VouchedKeys } from '../../src/store/vouched-keys.js';

const [A, B, C] = ['A', 'B', 'C'] as [NodeId, NodeId, NodeId];
const hash = (i: number): KeyHash =>
  Uint8Array.from({ length: 16 }, (_, at) => (i >> (8 * (at % 4))) & 0xff) as KeyHash;

it('[H1] a key is vouched for under the numbers that were named, until nothing more is to come of it', () => {
  const vouched = new VouchedKeys();
  vouched.put(B, hash(1), { giver: A, given: 5, claim: 9, number: 3 });
  expect(vouched.voucherOf(B, hash(1), 9)).toMatchObject({ giver: A, given: 5 });
  expect(vouched.voucherOf(B, hash(1), 8)).toBeNull();
  expect(vouched.voucherOf(C, hash(1), 9)).toBeNull();
  expect(vouched.voucherOf(B, hash(2), 9)).toBeNull();
  vouched.raiseFloor(B, 3);
  expect(vouched.voucherOf(B, hash(1), 9)).not.toBeNull();
  vouched.raiseFloor(B, 4);
  expect(vouched.voucherOf(B, hash(1), 9)).toBeNull();
  expect(vouched.isFrom(A, 5, B, hash(1), 9)).toBe(true);
  expect(vouched.isFrom(A, 6, B, hash(1), 9)).toBe(false);
  expect(vouched.isFrom(C, 5, B, hash(1), 9)).toBe(false);
});

it('a node that is gone neither owns nor vouches', () => {
  const vouched = new VouchedKeys();
  vouched.put(B, hash(1), { giver: A, given: 5, claim: 9, number: 3 });
  vouched.put(C, hash(2), { giver: A, given: 6, claim: 9, number: 3 });
  vouched.forget(B);
  expect(vouched.isFrom(A, 5, B, hash(1), 9)).toBe(false);
  expect(vouched.isFrom(A, 6, C, hash(2), 9)).toBe(true);
  vouched.forget(A);
  expect(vouched.isFrom(A, 6, C, hash(2), 9)).toBe(false);
});

it('of what is active the latest 4,096 keys are remembered', () => {
  const vouched = new VouchedKeys();
  for (let i = 0; i < 6000; i += 1) vouched.put(B, hash(i), { giver: A, given: 5, claim: 9, number: i });
  const known = (): number[] =>
    Array.from({ length: 6000 }, (_, i) => i).filter((i) => vouched.isFrom(A, 5, B, hash(i), 9));
  expect(known()).toHaveLength(6000);
  vouched.raiseFloor(B, 1000);
  expect(known()[0]).toBe(1000);
  vouched.raiseFloor(B, 6000);
  expect(known()).toHaveLength(4096);
  expect(known()[0]).toBe(6000 - 4096);
});
