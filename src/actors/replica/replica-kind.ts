/** What a replica does with each message in each of its states. */
import { forDatabaseRequests, refused } from '../../transport/message.js';
import type { ReplicaMessage } from '../message.js';
import { defineKind, drop, refuse, stash } from '../runtime/kind.js';
import type { Self } from '../runtime/kind.js';
import { Replica } from './replica.js';
import type { ReplicaArgs } from './replica.js';
import { replicaMachine } from './replica-machine.js';
import type { ReplicaEvent } from './replica-machine.js';

const on = Replica.prototype;

const ofDatabase = {
  openDatabase: on.onOpen,
  closeDatabase: on.onClose,
  submit: on.onSubmit,
  subscribe: on.onSubscribe,
  next: on.onNext,
  unsubscribe: on.onUnsubscribe,
  createDatabase: on.onCreate,
  inspectDatabase: on.onInspect,
  compactDatabase: on.onCompact,
} as const;
const ofPeers = {
  peerOn: on.onPeerMessage,
  feed: on.onPeerMessage,
  got: on.onPeerMessage,
  states: on.onPeerMessage,
  statesGot: on.onPeerMessage,
  peerOff: on.onPeerMessage,
} as const;
const noPeers = { peerOn: drop, feed: drop, got: drop, states: drop, statesGot: drop, peerOff: drop } as const;
const always = {
  peers: on.onPeers,
  writeNow: on.onWriteNow,
  written: on.onWritten,
  continue: on.onContinue,
  terminated: on.onTerminated,
  count: on.onCount,
  tick: on.onTick,
} as const;
const serving = { ...always, ...ofPeers, ...ofDatabase } as const;
const { databases: _databases, ...tooEarly } = forDatabaseRequests(on.onTooEarly);
const { databases: _stashed, ...stashed } = forDatabaseRequests(stash);
const { databases: _refused, ...refusing } = forDatabaseRequests(refuse);

export const replicaKind = defineKind({
  name: 'replica',
  machine: replicaMachine,
  create: (self: Self<ReplicaMessage, ReplicaEvent>, args: ReplicaArgs) => new Replica(self, args),
  tables: {
    opening: { ...always, ...noPeers, ...stashed, peers: stash, tick: drop },
    recovering: { ...always, ...noPeers, ...tooEarly, peers: stash, tick: drop },
    degraded: serving,
    catchingUp: serving,
    live: serving,
    closing: { ...always, ...noPeers, ...refusing, peers: drop, terminated: drop, tick: drop },
    closed: {
      ...noPeers,
      ...refusing,
      peers: drop,
      writeNow: drop,
      written: drop,
      continue: drop,
      terminated: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: { recover: on.recover, keepAll: on.keepAll },
  mailbox: {
    capacity: 65_536,
    overflow: {
      peerOn: 'dropNew',
      feed: 'dropNew',
      got: 'dropNew',
      states: 'dropNew',
      statesGot: 'dropNew',
      peerOff: 'dropNew',
      peers: 'never',
      writeNow: 'never',
      written: 'never',
      continue: 'never',
      terminated: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: ReplicaMessage) =>
    'id' in message ? refused(message.id, 'BUSY', 'the database has too much to do', { retryAfterMs: 100 }) : null,
  onFlush: on.flush,
  onEnd: on.end,
});
