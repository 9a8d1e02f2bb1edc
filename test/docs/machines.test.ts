/** The drawings of lifecycles in docs/ARCHITECTURE.md are those of the machines. */
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { finderMachine } from '../../src/actors/finder/finder-machine.js';
import { localStoreMachine } from '../../src/actors/local-store/local-store-machine.js';
import { nodeMachine } from '../../src/actors/node-machine.js';
import { peerLinkMachine } from '../../src/actors/peer-link-machine.js';
import { replicaMachine } from '../../src/actors/replica/replica-machine.js';
import { servingMachine } from '../../src/actors/serving-machine.js';
import { sessionMachine } from '../../src/actors/session-machine.js';
import { tunnelMachine } from '../../src/actors/databases/tunnel-machine.js';
import { toMermaid } from '../../src/actors/runtime/index.js';

const MACHINES = [
  nodeMachine,
  peerLinkMachine,
  sessionMachine,
  finderMachine,
  localStoreMachine,
  servingMachine,
  replicaMachine,
  tunnelMachine,
];

const document = readFileSync('docs/ARCHITECTURE.md', 'utf8');

it.each(MACHINES.map((machine) => [machine.id, machine] as const))('%s is drawn as it is', (id, machine) => {
  const drawing = new RegExp(`<!-- machine: ${id} -->\n\`\`\`mermaid\n(.*?)\`\`\``, 's').exec(document)?.[1];
  expect(drawing).toBe(toMermaid(machine));
});

it('every drawing is that of a machine', () => {
  const ids = [...document.matchAll(/<!-- machine: (\S+) -->/g)].map(([, id]) => id);
  expect(ids).toEqual(MACHINES.map(({ id }) => id));
});
