import { describe, expect, it } from '@jest/globals';
import { startSwarm } from '../../src/testing/index.js';

describe('swarm', () => {
  it('serves through any node, in virtual time', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true });
    const a = await swarm.client(0);
    const c = await swarm.client(2);
    await a.set('greeting', 'hello');
    expect(await c.get('greeting')).toBe('hello');
    expect(await c.get('nothing')).toBeUndefined();
    await c.set('greeting', { a: [1, 2] });
    expect(await a.get('greeting')).toEqual({ a: [1, 2] });
    expect(await c.delete('greeting')).toBe(true);
    expect(await a.get('greeting')).toBeUndefined();
  });
});
