/** The lifecycle of one end of a tunnel. */
import { compileMachine, events, setup } from '../runtime/machine.js';

export type TunnelEvent = 'end' | 'stop';

export const tunnelMachine = compileMachine(
  setup({ types: events<TunnelEvent>() }).createMachine({
    id: 'tunnel',
    initial: 'open',
    states: {
      open: { on: { end: 'closed', stop: 'closed' } },
      closed: { type: 'final' },
    },
  }),
);
