/** What the databases of a node do with each message in each of their states. */
import { forDatabaseReplies, forDatabaseRequests, refused } from '../../transport/message.js';
import type { DatabaseRequest } from '../../transport/message.js';
import { Databases } from './databases.js';
import type { DatabasesArgs } from './databases.js';
import type { DatabasesMessage } from '../message.js';
import { defineKind, drop, refuse } from '../runtime/kind.js';
import type { Self } from '../runtime/kind.js';
import { servingMachine } from '../serving-machine.js';
import type { ServingEvent } from '../serving-machine.js';

const IS_REQUEST: ReadonlySet<string> = new Set(Object.keys(forDatabaseRequests(null)));

const on = Databases.prototype;
const always = {
  ...forDatabaseReplies(on.onReply),
  refused: on.onReply,
  peerOn: on.onPeerMessage,
  feed: on.onPeerMessage,
  got: on.onPeerMessage,
  states: on.onPeerMessage,
  statesGot: on.onPeerMessage,
  peerOff: on.onPeerMessage,
  tunnel: on.onTunnel,
  tunnelBeat: on.onTunnelWord,
  tunnelOff: on.onTunnelWord,
  holders: on.onHolders,
  replicaReady: on.onReplicaReady,
  released: on.onReleased,
  drain: on.onDrain,
  terminated: on.onTerminated,
  count: on.onCount,
  tick: on.onTick,
} as const;

export const databasesKind = defineKind({
  name: 'databases',
  machine: servingMachine,
  create: (self: Self<DatabasesMessage, ServingEvent>, args: DatabasesArgs) => new Databases(self, args),
  tables: {
    joining: { ...always, ...forDatabaseRequests(on.onTooEarly), serve: on.onServe },
    serving: {
      ...always,
      openDatabase: on.onOpen,
      closeDatabase: on.onOfOpen,
      submit: on.onOfOpen,
      subscribe: on.onOfOpen,
      next: on.onOfSubscription,
      unsubscribe: on.onOfSubscription,
      createDatabase: on.onCreate,
      databases: on.onDatabases,
      inspectDatabase: on.onQuestion,
      compactDatabase: on.onQuestion,
      serve: drop,
    },
    closed: {
      ...forDatabaseRequests(refuse),
      ...forDatabaseReplies(drop),
      refused: drop,
      peerOn: drop,
      feed: drop,
      got: drop,
      states: drop,
      statesGot: drop,
      peerOff: drop,
      tunnel: drop,
      tunnelBeat: drop,
      tunnelOff: drop,
      holders: drop,
      replicaReady: drop,
      released: drop,
      serve: drop,
      drain: drop,
      terminated: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: {},
  mailbox: {
    capacity: 65_536,
    overflow: {
      ...forDatabaseReplies('never'),
      refused: 'never',
      peerOn: 'dropNew',
      feed: 'dropNew',
      got: 'dropNew',
      states: 'dropNew',
      statesGot: 'dropNew',
      peerOff: 'dropNew',
      tunnel: 'dropNew',
      tunnelBeat: 'dropNew',
      tunnelOff: 'dropNew',
      holders: 'never',
      replicaReady: 'never',
      released: 'never',
      serve: 'never',
      drain: 'never',
      terminated: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: DatabasesMessage) =>
    IS_REQUEST.has(message.type)
      ? refused((message as DatabaseRequest).id, 'BUSY', 'this node has too much to do', { retryAfterMs: 100 })
      : null,
});
