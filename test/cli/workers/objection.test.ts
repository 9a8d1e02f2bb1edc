import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNodeOptions } from '../../../src/cli/node-options.js';
import { objectionToData, objectionToSocket, objectionToWorkers } from '../../../src/cli/workers/objection.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-objection-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const objection = (flags: Readonly<Record<string, unknown>>, platform: NodeJS.Platform = 'linux'): string | null =>
  objectionToWorkers(parseNodeOptions(flags, {}, 'alpha').options, platform);

it('names what workers can not do', () => {
  expect(objection({ workers: '4' })).toBeNull();
  expect(objection({ workers: '1', listener: 'ws' }, 'darwin')).toBeNull();
  expect(objection({ workers: '2' }, 'darwin')).toMatch(
    /^--workers: only Linux .* this is darwin: link nodes on ports/,
  );
  expect(objection({ workers: '2', listener: 'ws' })).toMatch(/^--workers: the listener ws can not share a port: use/);
  expect(objection({ workers: '8', keys: '7' })).toBe('--keys must be at least --workers = 8, not 7');
  expect(objection({ workers: '8', store: '7' })).toBe('--store must be 0 or at least --workers = 8');
  expect(objection({ workers: '8', store: '0' })).toBeNull();
  expect(objection({ workers: '9', name: 'n'.repeat(62) })).toBeNull();
  expect(objection({ workers: '10', name: 'n'.repeat(62) })).toMatch(/^--name: .* must fit into 64 characters$/);
});

it('does not leave entries of former workers unserved without a word', () => {
  expect(objectionToData(null, 1)).toBeNull();
  expect(objectionToData(join(folder, 'not there'), 1)).toBeNull();
  for (const name of ['worker-2', 'worker-11', 'worker-0', 'databases']) mkdirSync(join(folder, name));
  expect(objectionToData(folder, 11)).toBeNull();
  expect(objectionToData(folder, 1)).toBe(
    `--data: ${join(folder, 'worker-11')} has entries of a worker 11: run --workers 11 or more, or move it away to go without them`,
  );
});

it('knows how long the path of a socket may be', () => {
  expect(objectionToSocket(`/${'a'.repeat(106)}`)).toBeNull();
  expect(objectionToSocket(`/${'ä'.repeat(54)}`)).toMatch(/set TMPDIR to a shorter one$/);
});
