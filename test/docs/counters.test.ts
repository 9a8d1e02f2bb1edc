/** docs/COUNTERS.md describes each counter of a node, and no other. */
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { startSwarm } from '../../src/testing/index.js';

it('the document names the counters of a node, group by group', async () => {
  const documented: Record<string, string[]> = {};
  for (const section of readFileSync('docs/COUNTERS.md', 'utf8').split(/^## /m).slice(1)) {
    const [group = ''] = section.split('\n');
    const rows = section.split('\n').filter((line) => line.startsWith('| `'));
    const names = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
    documented[group] = names.toSorted();
  }
  await using swarm = await startSwarm({ nodes: 1, virtual: true, disk: true });
  const counters = (await swarm.node(0).inspect('counters')) as Record<string, Record<string, number>>;
  const shown = Object.entries(counters).map(([group, counts]) => [group, Object.keys(counts).toSorted()]);
  expect(documented).toEqual(Object.fromEntries(shown));
});

it('what it names beside the tables is there', () => {
  const text = readFileSync('docs/COUNTERS.md', 'utf8');
  for (const [, group = '', name = ''] of text.matchAll(/`([a-z]+)\.(\w+)`/g)) {
    const section = new RegExp(`^## ${group}\\n(.*?)(?=^## |$(?![^]))`, 'ms').exec(text)?.[1] ?? '';
    expect([`${group}.${name}`, section.includes(`\`${name}\``)]).toEqual([`${group}.${name}`, true]);
  }
});
