/** The lifecycle of a peer link. One that was dialled survives its connection; an accepted one ends with it. */
import { commands, compileMachine, delays, events, setup } from './runtime/machine.js';

export type PeerLinkEvent =
  // How it begins: with a URL to dial, or with a connection.
  | 'dial'
  | 'accept'
  | 'opened'
  | 'failed'
  | 'greeted'
  // The connection is gone or to be given up: dial again, or end.
  | 'lost'
  | 'ended'
  | 'stop'
  | 'gone';

export const peerLinkMachine = compileMachine(
  setup({
    types: events<PeerLinkEvent>(),
    actions: commands('dial', 'giveUpDialling', 'greet', 'giveUpGreeting', 'watchHeart', 'leaveSwarm', 'hangUp', 'cut'),
    delays: delays('greetTimeout', 'backoff', 'closeTimeout'),
  }).createMachine({
    id: 'peer-link',
    initial: 'starting',
    states: {
      starting: { on: { dial: 'dialling', accept: 'greeting', stop: 'closed' } },
      dialling: {
        entry: 'dial',
        on: { opened: 'greeting', failed: 'backoff', stop: { target: 'closed', actions: 'giveUpDialling' } },
      },
      greeting: {
        entry: 'greet',
        on: { greeted: 'up', lost: 'backoff', ended: 'closed', stop: 'draining' },
        after: { greetTimeout: { actions: 'giveUpGreeting' } },
      },
      up: {
        entry: 'watchHeart',
        exit: 'leaveSwarm',
        on: { lost: 'backoff', ended: 'closed', stop: 'draining' },
      },
      backoff: { on: { stop: 'closed' }, after: { backoff: 'dialling' } },
      draining: {
        entry: 'hangUp',
        on: { gone: 'closed', lost: 'closed', ended: 'closed' },
        after: { closeTimeout: 'closed' },
      },
      closed: { type: 'final', entry: 'cut' },
    },
  }),
);
