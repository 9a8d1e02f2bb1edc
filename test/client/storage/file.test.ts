import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStorage } from '../../../src/client/storage/file.js';
import { storageContract } from './storage-contract.js';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'swarmbus-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const path = (): string => join(directory, 'todos.replica');
const op = (number: number): { number: number; op: Uint8Array } => ({ number, op: new Uint8Array(100).fill(number) });
const NOTHING = { record: null, opsAdded: [], opsFloor: 0, states: new Map<string, Uint8Array | null>() };

storageContract(() => fileStorage(directory));

describe('[R4] after a crash', () => {
  it.each([
    ['torn off', () => truncateSync(path(), statSync(path()).size - 30)],
    ['overwritten', () => writeFileSync(path(), readFileSync(path()).fill(7, statSync(path()).size - 30))],
    ['followed by garbage', () => appendFileSync(path(), Buffer.alloc(1000, 9))],
  ])('what is whole is there, where the end is %s', async (kind, damage) => {
    const storage = fileStorage(directory);
    const store = await storage.open('todos');
    await store.write({ ...NOTHING, opsAdded: [op(1)] });
    await store.write({ ...NOTHING, opsAdded: [op(2)] });
    await store.close();
    damage();
    const again = await storage.open('todos');
    const expected = kind === 'followed by garbage' ? [1, 2] : [1];
    expect(again.kept.ops.map(({ number }) => number)).toEqual(expected);
    // And it goes on behind that.
    await again.write({ ...NOTHING, opsAdded: [op(3)] });
    await again.close();
    const third = await storage.open('todos');
    expect(third.kept.ops.map(({ number }) => number)).toEqual([...expected, 3]);
    await third.close();
  });
});

it('does not grow with its history', async () => {
  const store = await fileStorage(directory).open('todos');
  for (let round = 0; round < 30; round += 1) {
    await store.write({ ...NOTHING, states: new Map([['lww/a', new Uint8Array(60_000).fill(round)]]) });
  }
  await store.close();
  expect(statSync(path()).size).toBeLessThan(400_000);
});

it('refuses a file of somebody else and leaves it as it is', async () => {
  writeFileSync(path(), 'my notes');
  await expect(fileStorage(directory).open('todos')).rejects.toThrow('no replica that this version knows');
  expect(readFileSync(path(), 'utf8')).toBe('my notes');
});

it('is for one process at a time, and takes over from one that has died', async () => {
  const storage = fileStorage(directory);
  const store = await storage.open('todos');
  await expect(storage.open('todos')).rejects.toThrow(`in use by process ${process.pid}`);
  await store.close();
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  writeFileSync(`${path()}.lock`, `${pid} ${hostname()}`);
  await (await storage.open('todos')).close();
});
