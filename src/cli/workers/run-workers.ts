/** `node --workers N`: from the options of the whole to the end of all its processes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeEnd } from '../../actors/node.js';
import type { Log } from '../../actors/runtime/env.js';
import { freePort } from '../../transport/listen-fault.js';
import { EXIT, failure } from '../exit.js';
import type { NodeOptions } from '../node-options.js';
import type { Outside } from '../outside.js';
import { stopAsked } from '../stop-asked.js';
import { workerOptions, workerSocket } from './division.js';
import { objectionToSocket } from './objection.js';
import { Supervisor } from './supervisor.js';

export async function runWorkers(
  given: NodeOptions,
  log: Log,
  outside: Outside,
  endsWithStdin: boolean,
): Promise<NodeEnd> {
  const options = { ...given, listen: await freeAddresses(given.listen) };
  const folder = mkdtempSync(join(tmpdir(), 'swarmbus-workers-'));
  try {
    const objection = objectionToSocket(workerSocket(folder, options.workers));
    if (objection !== null) throw failure(EXIT.usage, objection);
    const plan = {
      count: options.workers,
      optionsOf: (number: number, siblings: readonly number[]) => workerOptions(options, number, siblings, folder),
      logLevel: options.logLevel,
      drainMs: options.drainMs,
    };
    const asked = stopAsked(outside, endsWithStdin, () => {
      supervisor.kill();
      rmSync(folder, { recursive: true, force: true });
    });
    const supervisor = new Supervisor(plan, supervisorOutside(outside), log);
    try {
      void asked.promise.then((because) => {
        log('info', 'stopping', { because });
        supervisor.stop(because);
      });
      const end = await supervisor.ended;
      log('info', 'stopped', { because: end.reason });
      return end;
    } finally {
      asked.forget();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function supervisorOutside(outside: Outside): ConstructorParameters<typeof Supervisor>[1] {
  return {
    fork: (events) => outside.forkWorker(events),
    nowMs: () => performance.now(),
    random: () => Math.random(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
}

/**
 * Before anybody shares a port, it must be nobody's: others that share theirs would not be noticed. A free port is chosen
 * here, since all are to have the same.
 */
async function freeAddresses(listen: NodeOptions['listen']): Promise<NodeOptions['listen']> {
  const addresses: NodeOptions['listen'][number][] = [];
  for (const { host, port } of listen) {
    const found = await freePort(host, port);
    if (typeof found === 'string') throw failure(EXIT.usage, found);
    addresses.push({ host, port: found });
  }
  return addresses;
}
