/**
 * What each worker is started with: the options of the whole, with a name, a socket and a data directory of its own and
 * its share of what bounds memory for entries. What bounds a connection, a session or a request is the same for each.
 */
import { join } from 'node:path';
import type { NodeOptions as StartOptions } from '../../node.js';
import { socketAddress } from '../../transport/link-url.js';
import { directoryBytesFor, type NodeOptions } from '../node-options.js';

/** Numbers begin at 1; the first worker holds the databases of all. */
export const FIRST = 1;

export function workerName(name: string, number: number): string {
  return `${name}-${number}`;
}

/** The folder of a worker within a data directory. The first one has what a node without workers has there. */
export function workerFolder(dataDir: string, number: number): string {
  return number === FIRST ? dataDir : join(dataDir, `worker-${number}`);
}

/** The worker's socket in a folder of the workers' own. */
export function workerSocket(folder: string, number: number): string {
  return join(folder, `${number}.sock`);
}

/** Shares of a whole number differ by one at most, and add up to it. */
export function shareOf(total: number, count: number, number: number): number {
  return Math.floor(total / count) + (number <= total % count ? 1 : 0);
}

/** `siblings` are the numbers of the workers to link to; all workers dial the links of the whole. */
export function workerOptions(
  options: NodeOptions,
  number: number,
  siblings: readonly number[],
  socketFolder: string,
): StartOptions {
  const { logLevel: _ofTheProcess, workers, ...whole } = options;
  const share = (total: number): number => shareOf(total, workers, number);
  const keysMax = share(whole.keysMax);
  const isDefaultDirectory = whole.directoryBytesMax === directoryBytesFor(whole.keysMax);
  return {
    ...whole,
    name: workerName(whole.name, number),
    isPortShared: true,
    linkSocket: workerSocket(socketFolder, number),
    links: [...siblings.map((sibling) => socketAddress(workerSocket(socketFolder, sibling))), ...whole.links],
    storeBytesMax: share(whole.storeBytesMax),
    keysMax,
    tombstonesMax: share(whole.tombstonesMax),
    // Without another word a worker is home to as many keys of other nodes as any node.
    directoryBytesMax: isDefaultDirectory ? directoryBytesFor(keysMax) : share(whole.directoryBytesMax),
    databasesAt: workerName(whole.name, FIRST),
    dataDir: whole.dataDir === null ? null : workerFolder(whole.dataDir, number),
  };
}
