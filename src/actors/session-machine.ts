/** The lifecycle of a client's session. */
import { commands, compileMachine, delays, events, setup } from './runtime/machine.js';

export type SessionEvent =
  // How it begins: a token is required, or not.
  | 'challenge'
  | 'admit'
  | 'welcome'
  // The client reads too slowly; its backlog is gone.
  | 'congested'
  | 'relieved'
  // The node leaves; nothing is open any more.
  | 'drain'
  | 'finished'
  // This end wants to close (the reason is noted before); the connection is gone.
  | 'fault'
  | 'gone'
  | 'stop';

export const sessionMachine = compileMachine(
  setup({
    types: events<SessionEvent>(),
    actions: commands('hangUp', 'blameSilence', 'blameSlowness', 'sayBye', 'pauseReading', 'resumeReading'),
    delays: delays('helloTimeout', 'slowTimeout', 'drainTimeout'),
  }).createMachine({
    id: 'session',
    initial: 'starting',
    states: {
      starting: { on: { challenge: 'greeting', admit: 'open', fault: 'closed', gone: 'closed', stop: 'closed' } },
      greeting: {
        on: { welcome: 'open', drain: 'draining', fault: 'closed', gone: 'closed', stop: 'closed' },
        after: { helloTimeout: { target: 'closed', actions: 'blameSilence' } },
      },
      open: { on: { congested: 'slow', drain: 'draining', fault: 'closed', gone: 'closed', stop: 'closed' } },
      slow: {
        entry: 'pauseReading',
        exit: 'resumeReading',
        on: { relieved: 'open', drain: 'draining', fault: 'closed', gone: 'closed', stop: 'closed' },
        after: { slowTimeout: { target: 'closed', actions: 'blameSlowness' } },
      },
      draining: {
        entry: 'sayBye',
        on: { finished: 'closed', fault: 'closed', gone: 'closed', stop: 'closed' },
        after: { drainTimeout: 'closed' },
      },
      closed: { type: 'final', entry: 'hangUp' },
    },
  }),
);
