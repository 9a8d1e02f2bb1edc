/** `swarmbus`: nodes to embed, and the client. */
export { startNode } from './node.js';
export type { NodeOptions, RunningNode } from './node.js';
export { connect, SwarmError } from './client/index.js';
export type * from './client/index.js';
export { VERSION } from './version.js';
