/** A ring of three peers of a database in this process, anew for each test, and clients of it. */
import { afterEach, beforeEach, expect } from '@jest/globals';
import type { Client, Database, DatabaseOptions, SwarmError } from '../../src/client/index.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';

export interface EmbeddedPeers {
  readonly swarm: Swarm;
  /** The database as a new client of that node has it. */
  readonly open: (node: number, options?: DatabaseOptions) => Promise<Database>;
}

export const DATABASE = 'todos';

export const embeddedPeers = (): EmbeddedPeers => {
  let swarm: Swarm;
  beforeEach(async () => {
    swarm = await startSwarm({ nodes: 3, topology: 'ring', disk: true });
    await Promise.all([0, 1, 2].map((node) => swarm.settle().then(() => swarm.node(node))));
    const clients = await Promise.all([0, 1, 2].map((node) => swarm.client(node)));
    for (const client of clients) await makePeer(client);
  });
  afterEach(() => swarm?.stop());
  return {
    get swarm() {
      return swarm;
    },
    open: async (node, options = {}) => (await swarm.client(node)).database(DATABASE, options),
  };
};

export const eventually = async (isTrue: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !isTrue(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(isTrue()).toBe(true);
};

/** A peer that has only just begun may not tell the options yet: the refusal says to try again. */
const makePeer = async (client: Client): Promise<void> => {
  for (let i = 0; i < 20; i += 1) {
    const error = await client.createDatabase(DATABASE).then(
      () => null,
      (reason: SwarmError) => reason,
    );
    if (error === null) return;
    expect(error.code).toBe('UNKNOWN');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
