// The systems that are measured, by name. All of them listen on loopback only. Each has `about`, what it is; `protocol`;
// `missing()`, null or why it cannot be measured here; and `start(children, folder, options)`, which gives the port to
// ask, the ports to store through, the processes behind them by name and, for ours, the single nodes.

import { bare, echo } from './bare.mjs';
import { nats, natsLeaf } from './nats.mjs';
import { chain, shape, single, singleWs } from './node.mjs';
import { redis } from './redis.mjs';
import { workers } from './workers.mjs';

export const BASE = 'redis-server';

export const SYSTEMS = {
  [BASE]: redis,
  swarmbus: single,
  'swarmbus-ws': singleWs,
  'swarmbus-2-workers': workers(2),
  'swarmbus-1-hop': chain(1),
  'swarmbus-2-hop': chain(2),
  'swarmbus-3-hop': chain(3),
  bare,
  nats,
  'nats-leaf': natsLeaf,
  echo,
  'ring-8': shape('ring', 8),
  'tree-8': shape('tree', 8),
  'mesh-8': shape('mesh', 8),
};
