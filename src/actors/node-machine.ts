/** The lifecycle of a node. */
import { commands, compileMachine, delays, events, setup } from './runtime/machine.js';

export type NodeEvent =
  // All listeners listen; one can't.
  | 'listening'
  | 'fail'
  // The swarm is found, or there is none to find.
  | 'joined'
  | 'drained'
  | 'stop';

export const nodeMachine = compileMachine(
  setup({
    types: events<NodeEvent>(),
    actions: commands('listen', 'dialLinks', 'serveClients', 'startDraining', 'reportEnd'),
    delays: delays('alone', 'drainTimeout'),
  }).createMachine({
    id: 'node',
    initial: 'starting',
    states: {
      starting: { entry: 'listen', on: { listening: 'joining', fail: 'stopped', stop: 'stopped' } },
      joining: {
        entry: 'dialLinks',
        on: { joined: 'running', fail: 'stopped', stop: 'draining' },
        after: { alone: 'running' },
      },
      running: { entry: 'serveClients', on: { fail: 'draining', stop: 'draining' } },
      draining: { entry: 'startDraining', on: { drained: 'stopped' }, after: { drainTimeout: 'stopped' } },
      stopped: { type: 'final', entry: 'reportEnd' },
    },
  }),
);
