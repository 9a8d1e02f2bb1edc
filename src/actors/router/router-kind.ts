/** What the router does with each message: it has one state. */
import { forRouted } from '../../transport/message.js';
import type { RouterMessage } from '../message.js';
import { alwaysRunning } from '../runtime/always-running.js';
import { defineKind } from '../runtime/kind.js';
import type { Self } from '../runtime/kind.js';
import { Router } from './router.js';
import type { RouterArgs } from './router.js';

const on = Router.prototype;

export const routerKind = defineKind({
  name: 'router',
  machine: alwaysRunning,
  create: (self: Self<RouterMessage>, args: RouterArgs) => new Router(self, args),
  tables: {
    running: {
      linkUp: on.onLinkUp,
      linkDown: on.onLinkDown,
      links: on.onLinks,
      search: on.onSearch,
      echo: on.onEcho,
      ...forRouted(on.onRouted),
      relay: on.onRelay,
      find: on.onFind,
      findPath: on.onFindPath,
      probed: on.onProbed,
      room: on.onRoom,
      holding: on.onHolding,
      clientUrl: on.onClientUrl,
      inspect: on.onInspect,
      drain: on.onDrain,
      emptied: on.onEmptied,
      count: on.onCount,
      tellView: on.onTellView,
      tick: on.onTick,
    },
  },
  commands: {},
  mailbox: {
    capacity: 1 << 20,
    overflow: {
      linkUp: 'never',
      linkDown: 'never',
      links: 'never',
      probed: 'never',
      room: 'never',
      holding: 'never',
      clientUrl: 'never',
      find: 'never',
      findPath: 'never',
      drain: 'never',
      emptied: 'never',
      count: 'never',
      tellView: 'never',
      tick: 'never',
    },
  },
});
