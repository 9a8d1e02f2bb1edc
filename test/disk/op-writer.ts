/**
 * The program that is killed, starved and shut out by lmdb-op-disk.test.ts: `op-writer FOLDER append|fill|open [UID]`. It
 * says on its standard output, line by line, what has happened.
 */
import { writeSync } from 'node:fs';
import { lmdbOpDisks } from '../../src/disk/lmdb-op-disk.js';
import type { OpDisk } from '../../src/disk/op-disk.js';
import { changesAt } from './op-pattern.js';

const OUTSTANDING_MAX = 8;
/** Ops that stay while the log grows. */
const KEPT = 20_000;

const [folder = '', mode = '', uid = ''] = process.argv.slice(2);
if (uid !== '') process.setuid?.(Number(uid));

const say = (line: string): void => void writeSync(1, `${line}\n`);

/** Never ends by itself. */
const append = (disk: OpDisk): void => {
  let given = disk.length;
  let outstanding = 0;
  const go = (): void => {
    while (outstanding < OUTSTANDING_MAX) {
      const changes = changesAt(given, Math.max(0, given - KEPT));
      const end = (given += changes.segments[0]?.count ?? 0);
      outstanding += 1;
      disk.write(changes, outstanding % 3 === 0, (fault) => {
        outstanding -= 1;
        say(fault ?? String(end));
        go();
      });
    }
  };
  go();
};

/** Until it is full; then drops all, and goes on. */
const fill = (disk: OpDisk): void => {
  const next = (): void =>
    disk.write(changesAt(disk.length, null), false, (fault) => (fault === null ? next() : full(fault)));
  const full = (fault: string): void => {
    say(fault);
    const { length } = disk;
    disk.write({ ...changesAt(length, length), segments: [], states: [] }, false, (stillFull) => {
      say(String(stillFull));
      again(length, 0);
    });
  };
  const again = (length: number, tries: number): void =>
    disk.write(changesAt(length, null), false, (stillFull) => {
      say(String(stillFull));
      if (stillFull !== null && tries < 2) return again(length, tries + 1);
      disk.close((atEnd) => say(String(atEnd)));
    });
  next();
};

lmdbOpDisks(folder).open(
  'notes',
  (disk) => {
    say(`opened ${disk.length}`);
    if (mode === 'append') append(disk);
    else if (mode === 'fill') fill(disk);
    else disk.close((fault) => say(String(fault)));
  },
  say,
);
