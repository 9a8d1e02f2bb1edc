/** The data directory of a node before anything is in it: made where it isn't there, tried out, and what to do if it can't be used. */
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Written and deleted, to know that there is room to begin with: a database is at least as large. */
const PROBE_BYTES = 128 * 1024;

const NO_FOLDER = 'it is no directory: name another one';

/** Throws a system error, or one whose message is advice already. */
export const makeWritable = (folder: string): void => {
  makeFolder(folder);
  const probe = join(folder, `probe-${process.pid}`);
  try {
    writeFileSync(probe, Buffer.alloc(PROBE_BYTES), { flush: true });
  } finally {
    rmSync(probe, { force: true });
  }
};

/** Why a data directory can't be used, and what to do, in one line. */
export const adviceOn = (error: unknown): string => {
  const { code, message = String(error) } = error as { readonly code?: unknown; readonly message?: string };
  switch (code) {
    case 'ENOTDIR':
    case 'EEXIST':
      return NO_FOLDER;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `it can't be written (${code}): let this user write there, or name another one`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `there is no room on its disk (${code}): make some, or name another one`;
    case 'EISDIR':
      return 'something in the place of its file is a directory: move that away, or name another one';
    default:
      if (message.startsWith('MDB_CORRUPTED') || message.startsWith('MDB_PAGE_NOTFOUND'))
        return `its file is damaged (${message}): restore it, or move it away to start without it`;
      return typeof code === 'string' ? `${message}: name another one` : message;
  }
};

/** Level by level: where a level can be made by nobody, as in /proc, Node's own way of making all of them never ends. */
const makeFolder = (folder: string): void => {
  try {
    if (statSync(folder).isDirectory()) return;
    throw new Error(NO_FOLDER);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  }
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as { code?: unknown }).code !== 'EEXIST' || !statSync(folder).isDirectory()) throw error;
  }
};
