/** What a node's log says of trouble that its operator should know of: once, with a reason, however often it comes. */
import { describe, expect, it } from '@jest/globals';
import type { Log } from '../../src/actors/runtime/env.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm, SwarmOptions } from '../../src/testing/index.js';
import { Stranger } from './stranger.js';

interface Line {
  readonly level: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const start = async (options: SwarmOptions): Promise<{ swarm: Swarm; lines: Line[] }> => {
  const lines: Line[] = [];
  const log: Log = (level, text, fields) => void lines.push({ level, text, fields: fields ?? {} });
  const swarm = await startSwarm({ topology: 'line', virtual: true, log, ...options });
  return { swarm, lines };
};

const saying = (lines: readonly Line[], text: string): Line[] => lines.filter((line) => line.text.includes(text));

describe('the log', () => {
  it('tells of a lost link once at each end with the reason, not with each attempt to dial it again', async () => {
    const { swarm, lines } = await start({ nodes: 2 });
    lines.length = 0;
    swarm.cut(0, 1);
    swarm.advance(120_000);
    const { links } = (await swarm.node(1).inspect('counters')) as { links: { dials: number } };
    expect(links.dials).toBeGreaterThan(10);
    expect(saying(lines, 'link down').map(({ level, fields }) => [level, typeof fields['reason']])).toEqual([
      ['warn', 'string'],
      ['warn', 'string'],
    ]);
    expect(saying(lines, 'no link').map(({ fields }) => fields['reason'])).toEqual([
      expect.stringContaining("can't be reached"),
    ]);
    swarm.heal();
    await swarm.settle();
    expect(saying(lines, 'link up')).toHaveLength(2);
    swarm.cut(0, 1);
    swarm.advance(60_000);
    expect(saying(lines, 'link down')).toHaveLength(4);
    await swarm.stop();
  });

  it('takes a neighbour that leaves in order for no trouble', async () => {
    const { swarm, lines } = await start({ nodes: 3 });
    lines.length = 0;
    await swarm.leave(2);
    const down = saying(lines, 'link down');
    expect(down.length).toBeGreaterThan(0);
    expect(down.map(({ level }) => level)).toEqual(down.map(() => 'info'));
    await swarm.stop();
  });

  it('of a listening node tells which links it refused and why, once for each reason', async () => {
    const { swarm, lines } = await start({ nodes: 1 });
    for (let i = 0; i < 5; i += 1) {
      new Stranger('Xstranger1').dial(swarm, 0);
      const other = new Stranger('Xstranger2');
      other.dial(swarm, 0, 'far');
      other.greet(swarm, { swarm: 'elsewhere', name: 'far' });
      swarm.advance(10_000);
    }
    expect(saying(lines, 'link refused')).toEqual([
      {
        level: 'warn',
        text: 'link refused',
        fields: { actor: '/node', remote: 'far', neighbour: 'far', reason: 'another swarm: elsewhere, here test' },
      },
      {
        level: 'warn',
        text: 'link refused',
        fields: { actor: '/node', remote: 'stranger-Xstranger1', reason: 'no greeting in time' },
      },
    ]);
    await swarm.stop();
  });

  it('tells who was not let in and why, and is not flooded by many who are not', async () => {
    const { swarm, lines } = await start({ nodes: 1, settings: { linkSecret: 'shibboleth' } });
    for (let i = 0; i < 300; i += 1) new Stranger('Xstranger1').dial(swarm, 0, `host-${i}`);
    const refused = saying(lines, 'connection refused');
    expect(refused[0]).toEqual({
      level: 'warn',
      text: 'connection refused',
      fields: {
        actor: '/node',
        remote: 'host-0',
        path: '/link',
        reason: 'link secret refused: both nodes need the same --link-secret-file',
      },
    });
    expect(refused).toHaveLength(20);
    await swarm.stop();
  });

  it('warns at both nodes of one name before the younger one stops', async () => {
    const { swarm, lines } = await start({ nodes: 3, names: ['twin', 'between', 'twin'] });
    expect(saying(lines, 'too: it stops unless this one goes')).toHaveLength(1);
    expect(saying(lines, 'too: this one stops unless that one goes')).toHaveLength(1);
    await swarm.stop();
  });

  it('warns of entries on disk that found no room at the start', async () => {
    const limits = { keysMax: 100 };
    const { swarm, lines } = await start({ nodes: 1, disk: true, settingsOf: () => limits });
    const client = await swarm.client(0);
    for (let i = 0; i < 100; i += 1) await client.set(`k${i}`, i);
    swarm.advance(3000);
    await swarm.leave(0);
    limits.keysMax = 60;
    await swarm.restart(0);
    swarm.advance(1000);
    expect(saying(lines, 'found no room')).toMatchObject([{ level: 'warn', fields: { count: 40 } }]);
    await swarm.stop();
  });

  it('tells of entries that make room at once, and then once a minute, with their number', async () => {
    const { swarm, lines } = await start({ nodes: 1, settings: { keysMax: 100 } });
    const client = await swarm.client(0);
    const evicted = (): unknown[] => saying(lines, 'make room').map(({ fields }) => fields['evicted']);
    for (let i = 0; i < 200; i += 1) await client.set(`a${i}`, i);
    expect(evicted()).toEqual([1]);
    swarm.advance(60_000);
    await client.set('b', 1);
    await client.set('c', 1);
    expect(evicted()).toEqual([1, 100]);
    await swarm.stop();
  });
});
