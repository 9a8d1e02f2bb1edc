/** `swarmbus/testing`: whole swarms inside a test, in real or in virtual time. */
export { startSwarm, TEST_SETTINGS } from './swarm.js';
export type { Swarm, SwarmNode, SwarmOptions } from './swarm.js';
export type { Shape } from './shape.js';
export { VirtualTime } from '../actors/runtime/virtual-time.js';
