// The systems that are measured, each with the way to start it. All of them listen on loopback only, keep nothing on
// disk, and run with the options that their users get who set none.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePort } from './children.mjs';
import { profilingArgs } from './profile.mjs';

const fileAt = (path) => fileURLToPath(new URL(path, import.meta.url));
const PROGRAM = fileAt('../bin/swarmbus');
const BUILT = fileAt('../dist/esm/cli/main.js');
const BARE = fileAt('bare.mjs');

const CACHE_OPS = ['get', 'set'];

/**
 * Systems by name. `ops` are what can be asked of it; `missing()` is null or why it cannot be measured here;
 * `start(children, folder, profiles)` gives the ports to ask and to fill, and the processes behind them; `profiles` is
 * the folder for profiles of nodes, or null.
 */
export const SYSTEMS = {
  'redis-server': {
    about: 'Redis without persistence',
    protocol: 'resp',
    ops: CACHE_OPS,
    missing: () =>
      redisVersion() === null
        ? 'redis-server is not installed: `make bench-deps`, or apt-get install redis-server'
        : null,
    async start(children, folder) {
      const port = await freePort();
      const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
      args.push('--save', '', '--appendonly', 'no', '--loglevel', 'warning');
      const pid = await children.startServer({ name: 'redis-server', command: 'redis-server', args, folder, port });
      return { port, storePort: port, processes: { 'redis-server': pid } };
    },
  },
  swarmbus: {
    about: 'one node, which stores the keys',
    protocol: 'swarmbus',
    ops: CACHE_OPS,
    missing: missingBuild,
    start: (children, folder, profiles) => startNode(children, folder, profiles, 'swarmbus', []),
  },
  'swarmbus-ws': {
    about: 'the same with `--listener ws`',
    protocol: 'swarmbus',
    ops: CACHE_OPS,
    missing: missingBuild,
    start: (children, folder, profiles) => startNode(children, folder, profiles, 'swarmbus-ws', ['--listener', 'ws']),
  },
  'swarmbus-hop': {
    about: 'two linked nodes: asked is one, the keys are at the other',
    protocol: 'swarmbus',
    ops: ['get'],
    missing: missingBuild,
    async start(children, folder, profiles) {
      const asked = await startNode(children, folder, profiles, 'swarmbus-hop asked', []);
      const link = ['--link', `ws://127.0.0.1:${asked.port}`, '--proxy', 'none'];
      const store = await startNode(children, folder, profiles, 'swarmbus-hop store', link);
      return { port: asked.port, storePort: store.port, processes: { ...asked.processes, ...store.processes } };
    },
  },
  bare: {
    about: 'uWebSockets.js and a Map, without actors',
    protocol: 'swarmbus',
    ops: CACHE_OPS,
    missing: missingUws,
    start: (children, folder) => startBare(children, folder, 'bare', []),
  },
  echo: {
    about: "frames returned as they came: the load generator's ceiling",
    protocol: 'swarmbus',
    ops: ['echo'],
    missing: missingUws,
    start: (children, folder) => startBare(children, folder, 'echo', ['echo']),
  },
};

export function redisVersion() {
  try {
    return /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? null;
  } catch {
    return null;
  }
}

export function packageVersion(path) {
  try {
    return JSON.parse(readFileSync(fileAt(path), 'utf8')).version;
  } catch {
    return null;
  }
}

async function startNode(children, folder, profiles, name, options) {
  const port = await freePort();
  const listen = ['--listen', `127.0.0.1:${port}`, '--log-level', 'error'];
  const args = [...(profiles === null ? [] : profilingArgs(profiles, name)), PROGRAM, 'node', ...listen, ...options];
  const pid = await children.startServer({ name, command: process.execPath, args, folder, port });
  return { port, storePort: port, processes: { [name]: pid } };
}

async function startBare(children, folder, name, options) {
  const args = [BARE, ...options];
  const { pid, port } = await children.startServerWithOwnPort({ name, command: process.execPath, args, folder });
  return { port, storePort: port, processes: { [name]: pid } };
}

function missingBuild() {
  return existsSync(BUILT) ? null : 'swarmbus is not built: `make build`';
}

/** Its binaries are for some machines only; whether this is one of them shows when it is loaded. */
let uwsFault;
function missingUws() {
  if (uwsFault === undefined) {
    try {
      execFileSync(process.execPath, ['-e', "require('uWebSockets.js')"], { cwd: fileAt('.'), stdio: 'ignore' });
      uwsFault = null;
    } catch {
      uwsFault = 'uWebSockets.js does not load here';
    }
  }
  return uwsFault;
}
