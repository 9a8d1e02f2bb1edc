/** The lifecycle of a kind that has none of its own: it runs until it is stopped. */
import { compileMachine, events, setup } from './machine.js';
import type { CompiledMachine } from './machine.js';

/** Its kinds need no table for the final status: what comes too late is a dead letter. */
export const alwaysRunning = compileMachine(
  setup({ types: events<'stop'>() }).createMachine({
    id: 'always running',
    initial: 'running',
    states: { running: { on: { stop: 'stopped' } }, stopped: { type: 'final' } },
  }),
) as CompiledMachine<string, 'stop', never> as CompiledMachine<'running', 'stop', never>;
