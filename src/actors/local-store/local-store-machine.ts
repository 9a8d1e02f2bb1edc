/** The lifecycle of the local store. */
import { compileMachine, events, setup } from '../runtime/machine.js';

export type LocalStoreEvent = 'recovered' | 'drain' | 'stop';

export const localStoreMachine = compileMachine(
  setup({ types: events<LocalStoreEvent>() }).createMachine({
    id: 'local-store',
    initial: 'recovering',
    states: {
      recovering: { on: { recovered: 'ready', stop: 'closed' } },
      ready: { on: { drain: 'draining', stop: 'closed' } },
      draining: { on: { stop: 'closed' } },
      closed: { type: 'final' },
    },
  }),
);
