/** The twin in memory: the contract, and what real disks do at bad times. */
import { describe, expect, it } from '@jest/globals';
import { FORMAT } from '../../src/disk/entry-disk.js';
import { MemoryDisk } from '../../src/disk/memory-disk.js';
import { closed, entryDiskContract, entryOf, loaded, opened, written } from './entry-disk-contract.js';

const create = (): MemoryDisk => new MemoryDisk({ defer: (delayMs, run) => void setTimeout(run, delayMs), writeMs: 1 });

entryDiskContract('in memory', () => {
  const { open } = create();
  return { open, dispose: () => {} };
});

describe('a disk in memory', () => {
  it('has lost after a crash what was on the way to it', async () => {
    const medium = create();
    const disk = await opened(medium.open);
    await written(disk, { puts: [entryOf('a')] });
    const lost = written(disk, { puts: [entryOf('b')] });
    medium.crash();
    expect(await lost).toBe('the node has crashed');
    const next = await opened(medium.open);
    expect((await loaded(next)).flat()).toEqual([entryOf('a')]);
  });

  it('takes nothing of a write while it is full, and all of the next one', async () => {
    const medium = create();
    const disk = await opened(medium.open);
    medium.isFull = true;
    expect(await written(disk, { puts: [entryOf('a'), entryOf('b')] })).toBe('no space left');
    expect(disk.has('a')).toBe(false);
    medium.isFull = false;
    expect(await written(disk, { puts: [entryOf('a')] })).toBeNull();
    expect(disk.has('a')).toBe(true);
  });

  it('says at the closing that it could not write', async () => {
    const medium = create();
    const disk = await opened(medium.open);
    medium.isFull = true;
    disk.write({ puts: [entryOf('a')], removes: [], record: null }, () => {});
    expect(await closed(disk)).toBe('no space left');
  });

  it('is refused to a version that does not know its format', async () => {
    const medium = create();
    medium.format = FORMAT + 1;
    await expect(opened(medium.open)).rejects.toThrow(
      /it holds format 2 and this version knows 1: use a newer version/,
    );
  });
});
