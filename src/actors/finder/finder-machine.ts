/** The lifecycle of the finder: before the swarm is joined it can't tell absence, while leaving it takes nothing new. */
import { compileMachine, events, setup } from '../runtime/machine.js';

export type FinderEvent = 'serve' | 'drain' | 'stop';

export const finderMachine = compileMachine(
  setup({ types: events<FinderEvent>() }).createMachine({
    id: 'finder',
    initial: 'joining',
    states: {
      joining: { on: { serve: 'serving', drain: 'draining', stop: 'closed' } },
      serving: { on: { drain: 'draining', stop: 'closed' } },
      draining: { on: { stop: 'closed' } },
      closed: { type: 'final' },
    },
  }),
);
