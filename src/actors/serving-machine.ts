/** The lifecycle of an actor that speaks for the whole swarm, and so does not speak before it has joined it. */
import { compileMachine, events, setup } from './runtime/machine.js';

export type ServingEvent = 'serve' | 'stop';

export const servingMachine = compileMachine(
  setup({ types: events<ServingEvent>() }).createMachine({
    id: 'serving',
    initial: 'joining',
    states: {
      joining: { on: { serve: 'serving', stop: 'closed' } },
      serving: { on: { stop: 'closed' } },
      closed: { type: 'final' },
    },
  }),
);
