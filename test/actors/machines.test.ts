/** Each lifecycle, compiled, behaves as the xstate machine that it was compiled from, on every path. */
import { describe, expect, it } from '@jest/globals';
import { finderMachine } from '../../src/actors/finder/finder-machine.js';
import { localStoreMachine } from '../../src/actors/local-store/local-store-machine.js';
import { nodeMachine } from '../../src/actors/node-machine.js';
import { peerLinkMachine } from '../../src/actors/peer-link-machine.js';
import { replicaMachine } from '../../src/actors/replica/replica-machine.js';
import { servingMachine } from '../../src/actors/serving-machine.js';
import { sessionMachine } from '../../src/actors/session-machine.js';
import { tunnelMachine } from '../../src/actors/databases/tunnel-machine.js';
import { checkMachine } from './runtime/check-machine.js';

const MACHINES = [
  finderMachine,
  localStoreMachine,
  nodeMachine,
  peerLinkMachine,
  servingMachine,
  sessionMachine,
  replicaMachine,
  tunnelMachine,
];

describe.each(MACHINES.map((machine) => [machine.id, machine] as const))('the lifecycle %s', (_id, machine) => {
  it('does what xstate does', () => {
    checkMachine(machine);
  });

  it('can be left from every status', () => {
    const { table } = machine;
    for (let status = 0; status < table.firstFinal; status += 1) {
      const targets = Array.from(
        { length: table.eventCount },
        (_, event) => table.next[status * table.eventCount + event],
      );
      expect(targets.some((target) => target !== undefined && target >= 0 && target !== status)).toBe(true);
    }
  });
});
