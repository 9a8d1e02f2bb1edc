/**
 * After all suites: fails the run if a process, and with it a listening port, or a file in the temporary folder is left.
 * What is left is removed all the same.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Time for processes that were told to end to do so. */
const GRACE_MS = 3000;

export default async function endRun(): Promise<void> {
  const deadlineMs = performance.now() + GRACE_MS;
  let processes = processesOfRun();
  while (processes.length > 0 && performance.now() < deadlineMs) {
    await sleep(50);
    processes = processesOfRun();
  }
  for (const { pid } of processes) process.kill(pid, 'SIGKILL');

  const folder = process.env['TMPDIR'] as string;
  const files = readdirSync(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });

  const left = [...processes.map(({ pid, command }) => `process ${pid}: ${command}`), ...files];
  if (left.length > 0) throw new Error(`the tests left behind:\n${left.join('\n')}`);
}

/** Processes that carry the mark of this run, without jest's own. Known on Linux only. */
function processesOfRun(): { readonly pid: number; readonly command: string }[] {
  if (!existsSync('/proc/self/environ')) return [];
  const mark = `TEST_RUN=${process.env['TEST_RUN']}`;
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const isOurs = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(mark);
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      // What has ended and waits for its parent has no command any more.
      const isLeft = isOurs && command !== '' && !/jest-worker/.test(command);
      return isLeft ? [{ pid: Number(name), command }] : [];
    } catch {
      // It ended meanwhile, or belongs to another user.
      return [];
    }
  });
}
