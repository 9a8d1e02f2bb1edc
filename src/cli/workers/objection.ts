/** Why options can't be those of a set of workers, in one line that says what to do. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeOptions } from '../node-options.js';
import { workerName } from './division.js';

const NAME_CHARS_MAX = 64;
/** What an address of a Unix socket may hold. */
const SOCKET_PATH_BYTES_MAX = 107;

/** Null: they can. */
export function objectionToWorkers(options: NodeOptions, platform: NodeJS.Platform): string | null {
  const { workers, listener, keysMax, storeBytesMax, name } = options;
  if (workers === 1) return null;
  if (platform !== 'linux')
    return `--workers: only Linux spreads connections over processes on one port, this is ${platform}: link nodes on ports of their own`;
  if (listener === 'ws') return '--workers: the listener ws can not share a port: use --listener uws, or --workers 1';
  if (keysMax < workers) return `--keys must be at least --workers = ${workers}, not ${keysMax}`;
  if (storeBytesMax > 0 && storeBytesMax < workers) return `--store must be 0 or at least --workers = ${workers}`;
  if (workerName(name, workers).length > NAME_CHARS_MAX)
    return `--name: with the numbers of workers behind it, it must fit into ${NAME_CHARS_MAX} characters`;
  return null;
}

/** Null: `dataDir` holds nothing of workers beyond `workers`. What those hold would be there and not be served. */
export function objectionToData(dataDir: string | null, workers: number): string | null {
  const highest = dataDir === null ? 0 : Math.max(0, ...foldersOfWorkers(dataDir));
  if (dataDir === null || highest <= workers) return null;
  const folder = join(dataDir, `worker-${highest}`);
  return `--data: ${folder} has entries of a worker ${highest}: run --workers ${highest} or more, or move it away to go without them`;
}

/** Null: sockets in that folder can be listened on. */
export function objectionToSocket(path: string): string | null {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return null;
  return `--workers: the path of the temporary folder is too long for sockets: set TMPDIR to a shorter one`;
}

function foldersOfWorkers(dataDir: string): number[] {
  let names: string[] = [];
  try {
    names = readdirSync(dataDir);
  } catch {
    // Whether it can be used is found out by who uses it.
  }
  return names.flatMap((name) => {
    const digits = /^worker-([1-9]\d{0,5})$/.exec(name)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}
