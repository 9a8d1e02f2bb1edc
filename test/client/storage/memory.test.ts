import { beforeEach, expect, it } from '@jest/globals';
import { memoryStorage } from '../../../src/client/storage/memory.js';
import { storageContract } from './storage-contract.js';

let storage = memoryStorage();
beforeEach(() => {
  storage = memoryStorage();
});

storageContract(() => storage);

it('is for one user at a time', async () => {
  const store = await storage.open('todos');
  await expect(storage.open('todos')).rejects.toThrow('close that first');
  await store.close();
  await (await storage.open('todos')).close();
});
