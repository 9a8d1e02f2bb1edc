/** What a watcher does with each message in each of its states. */
import { refused } from '../../transport/message.js';
import type { WatcherMessage } from '../message.js';
import { defineKind, drop, refuse } from '../runtime/kind.js';
import type { Self } from '../runtime/kind.js';
import { servingMachine } from '../serving-machine.js';
import type { ServingEvent } from '../serving-machine.js';
import { Watcher } from './watcher.js';
import type { WatcherArgs } from './watcher.js';

const on = Watcher.prototype;
const always = {
  unwatch: on.onUnwatch,
  interest: on.onInterest,
  disinterest: on.onDisinterest,
  interested: on.onInterested,
  changed: on.onChanged,
  attending: on.onAttending,
  entryChange: on.onEntryChange,
  view: on.onView,
  terminated: on.onTerminated,
  count: on.onCount,
  tick: on.onTick,
} as const;

export const watcherKind = defineKind({
  name: 'watcher',
  machine: servingMachine,
  create: (self: Self<WatcherMessage, ServingEvent>, args: WatcherArgs) => new Watcher(self, args),
  tables: {
    joining: { ...always, watch: on.onWatchTooEarly, serve: on.onServe },
    serving: { ...always, watch: on.onWatch, serve: drop },
    closed: {
      watch: refuse,
      unwatch: refuse,
      interest: drop,
      disinterest: drop,
      interested: drop,
      changed: drop,
      attending: drop,
      entryChange: drop,
      view: drop,
      terminated: drop,
      serve: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: {},
  mailbox: {
    capacity: 65_536,
    overflow: {
      interest: 'dropNew',
      disinterest: 'dropNew',
      interested: 'dropNew',
      changed: 'dropNew',
      entryChange: 'dropNew',
      attending: 'never',
      view: 'never',
      terminated: 'never',
      serve: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: WatcherMessage) =>
    message.type === 'watch' || message.type === 'unwatch'
      ? refused(message.id, 'BUSY', 'this node has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
