/** The twin in memory: the contract, and what real disks do at bad times. */
import { describe, expect, it } from '@jest/globals';
import { MemoryOpDisks } from '../../src/disk/memory-op-disk.js';
import { OP_FORMAT } from '../../src/disk/op-disk.js';
import { closed, log, opDiskContract, opened, segmentOf, stateOf, written } from './op-disk-contract.js';

const create = (): MemoryOpDisks =>
  new MemoryOpDisks({ defer: (delayMs, run) => void setTimeout(run, delayMs), writeMs: 1 });

opDiskContract('in memory', () => ({ disks: create(), dispose: () => {} }));

describe('a disk for ops in memory', () => {
  it('has lost after a crash what was on the way to it, and nothing before (R1)', async () => {
    const disks = create();
    const disk = await opened(disks);
    await written(disk, { segments: [segmentOf(0, 2)] });
    const lost = written(disk, { segments: [segmentOf(2, 2)] });
    disks.crash();
    expect(await lost).toBe('the node has crashed');
    const next = await opened(disks);
    expect(log(next)).toEqual([segmentOf(0, 2)]);
    // The end of the one that crashed is not the end of the one that uses it now.
    await closed(disk);
    await expect(opened(disks)).rejects.toThrow(/another node uses it/);
  });

  it('takes nothing of a write while it is full, nor what would leave a gap behind it', async () => {
    const disks = create();
    const disk = await opened(disks);
    disks.isFull = true;
    const first = written(disk, { segments: [segmentOf(0, 2)], states: [stateOf('lww/a')] });
    const second = written(disk, { segments: [segmentOf(2, 2)] });
    expect(await first).toBe('no space left');
    disks.isFull = false;
    expect(await second).not.toBeNull();
    expect([disk.length, disk.state('lww/a')]).toEqual([0, null]);
    expect(await written(disk, { segments: [segmentOf(2, 2)] })).toMatch(/^the log ends at 0/);
    expect(await written(disk, { segments: [segmentOf(0, 4)] })).toBeNull();
  });

  it('is set back to an earlier moment, as by a restored copy (R2)', async () => {
    const disks = create();
    const disk = await opened(disks);
    await written(disk, {
      segments: [segmentOf(0, 2)],
      states: [stateOf('lww/a', 1)],
      records: { r: new Uint8Array(1) },
    });
    const earlier = disks.copy();
    await written(disk, { segments: [segmentOf(2, 2)], states: [stateOf('lww/a', 3)], floor: 2, records: { r: null } });
    await opened(disks, 'later');
    const lost = written(disk, { segments: [segmentOf(4, 2)] });
    for (let time = 0; time < 2; time++) {
      disks.restore(earlier);
      expect(disks.list()).toEqual(['notes']);
      const restored = await opened(disks);
      expect([restored.floor, restored.length]).toEqual([0, 2]);
      expect(restored.states('', 9)).toEqual([stateOf('lww/a', 1)]);
      expect(restored.record('r')).toEqual(new Uint8Array(1));
      expect(await written(restored, { segments: [segmentOf(2, 9)], states: [stateOf('lww/b')] })).toBeNull();
    }
    expect(await lost).toBe('the node has crashed');
  });

  it('is refused to a version that does not know its format', async () => {
    const disks = create();
    disks.format = OP_FORMAT + 1;
    await expect(opened(disks)).rejects.toThrow(/it holds format 2 and this version knows 1: use a newer version/);
  });
});
