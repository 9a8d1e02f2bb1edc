/** The lifecycle of a replica. */
import { compileMachine, commands, events, setup } from '../runtime/machine.js';

export type ReplicaEvent =
  // The disk is open; all that it has is known.
  | 'opened'
  | 'recovered'
  // Of other peers there is none; there are some; all that they had is here.
  | 'alone'
  | 'behind'
  | 'current'
  | 'fail'
  | 'stop'
  // Nothing is left to write.
  | 'kept';

export const replicaMachine = compileMachine(
  setup({
    types: events<ReplicaEvent>(),
    actions: commands('recover', 'keepAll'),
  }).createMachine({
    id: 'replica',
    initial: 'opening',
    states: {
      opening: { on: { opened: 'recovering', fail: 'closed', stop: 'closed' } },
      recovering: { entry: 'recover', on: { recovered: 'degraded', fail: 'closed', stop: 'closing' } },
      degraded: { on: { behind: 'catchingUp', fail: 'closed', stop: 'closing' } },
      catchingUp: { on: { current: 'live', alone: 'degraded', fail: 'closed', stop: 'closing' } },
      live: { on: { behind: 'catchingUp', alone: 'degraded', fail: 'closed', stop: 'closing' } },
      closing: { entry: 'keepAll', on: { kept: 'closed', fail: 'closed' } },
      closed: { type: 'final' },
    },
  }),
);
