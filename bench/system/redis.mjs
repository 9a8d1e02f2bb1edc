// redis-server, keeping nothing on disk and else with the options that its users get who set none.

import { freePort } from '../children.mjs';
import { versionOf } from './version.mjs';

export const redisVersion = () => versionOf('redis-server', ['--version'], /v=(\S+)/);

export const redis = {
  about: 'Redis without persistence',
  protocol: 'resp',
  missing: () =>
    redisVersion() === null
      ? 'redis-server is not installed: `make bench-deps`, or apt-get install redis-server'
      : null,
  /** `flags` are further arguments. */
  async start(children, folder, { flags = [] } = {}) {
    const port = await freePort();
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
    args.push('--save', '', '--appendonly', 'no', '--loglevel', 'warning', ...flags);
    const pid = await children.startServer({ name: 'redis-server', command: 'redis-server', args, folder, port });
    return { port, storePorts: [port], processes: { 'redis-server': pid } };
  },
};
