// What was measured, and where: without it numbers mean nothing.

import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { natsVersion } from './system/nats.mjs';
import { redisVersion } from './system/redis.mjs';
import { packageVersion } from './system/version.mjs';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

export function describeMachine() {
  const versions = {
    node: process.versions.node,
    swarmbus: packageVersion('../../package.json'),
    'uWebSockets.js': packageVersion('../../node_modules/uWebSockets.js/package.json'),
    ws: packageVersion('../../node_modules/ws/package.json'),
    'redis-server': redisVersion(),
    'nats-server': natsVersion(),
    commit: commit(),
  };
  return {
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: `${type()} ${release()}`,
    versions: Object.fromEntries(Object.entries(versions).filter(([, version]) => version !== null)),
  };
}

function commit() {
  const hash = git('rev-parse', '--short', 'HEAD');
  if (hash === null) return null;
  return git('status', '--porcelain') === '' ? hash : `${hash} with changes`;
}

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: PROJECT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
