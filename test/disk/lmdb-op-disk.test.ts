/** A peer's databases in files: the contract, and files that are none of ours. */
import { describe } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lmdbOpDisks } from '../../src/disk/lmdb-op-disk.js';
import { opDiskContract } from './op-disk-contract.js';

const createFolder = (): string => mkdtempSync(join(tmpdir(), 'swarmbus-ops-'));

opDiskContract('LMDB', () => {
  const folder = createFolder();
  return { disks: lmdbOpDisks(join(folder, 'made', 'for it')), dispose: () => rmSync(folder, { recursive: true }) };
});
