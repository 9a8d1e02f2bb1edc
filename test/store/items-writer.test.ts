import { expect, it } from '@jest/globals';
import { ItemsWriter } from '../../src/store/items-writer.js';
import type { NodeId } from '../../src/store/node-id.js';
import { encodeSnapshot, ItemReader } from '../../src/store/op.js';

it('writes items that are read back, runs joined to one', () => {
  const writer = new ItemsWriter();
  const snapshot = encodeSnapshot('lww', 'a', Uint8Array.of(0x90));
  writer.skip();
  writer.skip();
  writer.add(snapshot);
  writer.mention('Xclient' as NodeId, 12_345_678);
  writer.skip();
  expect(writer.count).toBe(4);
  const bytes = writer.take();
  expect(writer.count).toBe(0);
  const reader = new ItemReader();
  expect(reader.open(bytes)).toBe(4);
  const read = (): unknown => reader.next() ?? [reader.kind, reader.count];
  expect(read()).toEqual(['run', 2]);
  expect(reader.next()).toBeNull();
  expect([reader.kind, reader.id]).toEqual(['snapshot', 'a']);
  expect(reader.next()).toBeNull();
  expect([reader.kind, reader.origin, reader.time]).toEqual(['mention', 'Xclient', 12_345_678]);
  expect(read()).toEqual(['run', 1]);
  expect(reader.isAtEnd).toBe(true);
  expect(reader.open(new ItemsWriter().take())).toBe(0);
});

it('writes items that lie one behind the other at once', () => {
  const snapshots = ['a', 'b', 'c', 'd'].map((id) => encodeSnapshot('lww', id, Uint8Array.of(0x90)));
  const { length } = snapshots[0] as Uint8Array;
  const writer = new ItemsWriter();
  writer.skip();
  writer.addRange(Buffer.concat(snapshots), length, 3 * length, 2);
  expect(writer.count).toBe(3);
  const reader = new ItemReader();
  expect(reader.open(writer.take())).toBe(3);
  const names = [0, 1, 2].map(() => reader.next() ?? (reader.kind === 'run' ? reader.count : reader.id));
  expect(names).toEqual([1, 'b', 'c']);
  expect(reader.isAtEnd).toBe(true);
});
