/** What the finder does with each message in each of its states. */
import { forCacheRequests, refused } from '../../transport/message.js';
import type { FinderMessage } from '../message.js';
import { defineKind, drop, refuse } from '../runtime/kind.js';
import type { Self } from '../runtime/kind.js';
import { finderMachine } from './finder-machine.js';
import type { FinderEvent } from './finder-machine.js';
import { Finder } from './finder.js';
import type { FinderArgs } from './finder.js';

const on = Finder.prototype;
const common = {
  absent: on.onAbsent,
  located: on.onLocated,
  concluded: on.onConcluded,
  searched: on.onSearched,
  unrouted: on.onUnrouted,
  congested: on.onCongested,
  answer: on.onAnswer,
  notMine: on.onNotMine,
  view: on.onView,
  rooms: on.onRooms,
  observe: on.onObserve,
  count: on.onCount,
  tick: on.onTick,
} as const;

export const finderKind = defineKind({
  name: 'finder',
  machine: finderMachine,
  create: (self: Self<FinderMessage, FinderEvent>, args: FinderArgs) => new Finder(self, args),
  tables: {
    joining: {
      ...common,
      ...forCacheRequests(on.onRequestTooEarly),
      serve: on.onServe,
      drain: on.onDrain,
    },
    serving: { ...common, ...forCacheRequests(on.onRequest), serve: drop, drain: on.onDrain },
    draining: {
      ...common,
      ...forCacheRequests(on.onRequestDraining),
      serve: drop,
      drain: drop,
    },
    closed: {
      ...forCacheRequests(refuse),
      absent: drop,
      located: drop,
      concluded: drop,
      searched: drop,
      unrouted: drop,
      congested: drop,
      answer: drop,
      notMine: drop,
      view: drop,
      rooms: drop,
      observe: drop,
      serve: drop,
      drain: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: {},
  mailbox: {
    capacity: 1 << 20,
    overflow: {
      absent: 'never',
      located: 'never',
      concluded: 'never',
      searched: 'never',
      unrouted: 'never',
      congested: 'never',
      answer: 'never',
      notMine: 'never',
      view: 'never',
      rooms: 'never',
      observe: 'never',
      serve: 'never',
      drain: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: FinderMessage) =>
    'id' in message
      ? refused(message.id, 'BUSY', 'this node has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
