// What the kernel knows of running processes, from /proc. Null where there is no such thing.

import { readFileSync } from 'node:fs';

/** The unit of times in /proc is fixed for programs, whatever the kernel counts in. */
const TICKS_PER_SECOND = 100;

/** Processor time that the processes have used since their start, in user and kernel mode, all threads together. */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const text = read(`/proc/${pid}/stat`);
    if (text === null) return null;
    // The name, in parentheses, may hold anything; the user and system times are the 12th and 13th field behind it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

export function residentBytes(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
