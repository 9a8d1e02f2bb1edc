/** The entry of the command line: bin/swarmbus calls `main` and exits with what it returns. */
import { outsideOfProcess } from './outside.js';
import { run } from './program.js';

/** Runs the command that `args` (without node and script) name; returns the exit code. Never rejects. */
export async function main(args: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onStreamError);
  return run(args, outsideOfProcess);
}

/** Whoever read our output may go away (`| head`): that is no fault of ours, and a node goes on serving. */
function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
