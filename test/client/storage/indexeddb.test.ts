import 'fake-indexeddb/auto';
import { beforeEach, expect, it } from '@jest/globals';
import { indexedDbStorage } from '../../../src/client/storage/indexeddb.js';
import { storageContract } from './storage-contract.js';

let name = '';
let count = 0;
beforeEach(() => {
  name = `test ${(count += 1)}`;
});
const NOTHING = { record: null, opsAdded: [], opsFloor: 0, states: new Map<string, Uint8Array | null>() };
const record = (text: string): object => new Uint8Array(Buffer.from(text));

storageContract(() => indexedDbStorage(name));

it('[RE] gives each living page a replica of its own, and the next page that of a closed one', async () => {
  const storage = indexedDbStorage(name);
  const [first, second] = await Promise.all([storage.open('todos'), storage.open('todos')]);
  await first.write({ ...NOTHING, record: record('first') as Uint8Array });
  await second.write({ ...NOTHING, record: record('second') as Uint8Array });
  const third = await storage.open('todos');
  expect(third.kept.record).toBeNull();
  await first.close();
  const fourth = await storage.open('todos');
  expect(fourth.kept.record).toEqual(record('first'));
  await Promise.all([second.close(), third.close(), fourth.close()]);
});
