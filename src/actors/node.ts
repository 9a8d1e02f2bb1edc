/**
 * The node: starts and supervises the other actors, lets connections in, answers `inspect`, and ends in order: no new
 * connections, a word to the clients, what is open is finished, then links and store.
 */
import type { NodeId } from '../store/node-id.js';
import type {
  Answer,
  Link,
  LinkHandler,
  LinkKind,
  Listener,
  ListenOptions,
  RefusedConnection,
} from '../transport/link.js';
import { refused } from '../transport/message.js';
import type { MessageOf, RequestId } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import { databasesKind } from './databases/databases-kind.js';
import { directoryKind } from './directory.js';
import { finderKind } from './finder/finder-kind.js';
import { localStoreKind } from './local-store/local-store-kind.js';
import type {
  ClientUrl,
  ClientUrls,
  Count,
  Counters,
  DialRequest,
  Drain,
  Emptied,
  Go,
  NameTaken,
  NodeMessage,
  Recovered,
  Serve,
} from './message.js';
import { locatorKind } from './locator.js';
import { nodeMachine } from './node-machine.js';
import type { NodeEvent } from './node-machine.js';
import { peerLinkKind } from './peer-link.js';
import type { LinkCounts, PeerLinkArgs } from './peer-link.js';
import { routerKind } from './router/router-kind.js';
import { defineKind, drop, refuse } from './runtime/kind.js';
import type { ActorReport, Ref, Self, Terminated } from './runtime/kind.js';
import { scannerKind } from './scanner.js';
import { sessionKind } from './session.js';
import type { SessionCounts } from './session.js';
import type { Identity, NodeEnv, Settings } from './settings.js';
import { SparseLog } from './sparse-log.js';
import { watcherKind } from './watcher/watcher-kind.js';

/** How a node ended. */
export interface NodeEnd {
  readonly reason: string;
  /** 0 in order, 1 failed while running or could not hand all entries over, 2 could not start. */
  readonly exitCode: number;
}

export interface NodeArgs {
  readonly env: NodeEnv;
  readonly identity: Identity;
  readonly settings: Settings;
  /** Compares a client's token with the node's, in constant time; null where none is required. */
  readonly isToken: ((token: string) => boolean) | null;
  /** Plain HTTP. */
  readonly answer: Answer;
  /** Where clients reach a node with these listeners, or null. */
  readonly reachedAt: (listeners: readonly Listener[]) => string | null;
  readonly onListening: (listeners: readonly Listener[], linkListener: Listener | null) => void;
  readonly onRunning: () => void;
  /**
   * A leaving node has handed over what it could. It stays, and relays for others that leave, until `go` is called or its
   * time to leave is over. Null: it goes.
   */
  readonly onEmptied: ((go: () => void) => void) | null;
  readonly onEnd: (end: NodeEnd) => void;
  /** The runtime's own words about its actors and counters. */
  readonly actors: () => readonly ActorReport[];
  readonly runtimeCounters: () => Readonly<Record<string, number>>;
}

/** What tells the listeners of a node apart. */
type Where = Pick<ListenOptions, 'host' | 'port' | 'socketPath' | 'isShared' | 'tls'>;

const COUNT_TIMEOUT_MS = 1000;
/**
 * A leaving node stays so long after its last entry has gone: for its word to reach the others, and what is on its way
 * to reach it, and for searches that asked a key's next owner before the key came to it.
 */
const FAREWELL_MS = 200;

export class Node {
  readonly #self: Self<NodeMessage, NodeEvent>;
  readonly #args: NodeArgs;
  readonly #addresses: Addresses;
  /** Those of the addresses. */
  readonly #listeners: Listener[] = [];
  #linkListener: Listener | null = null;
  readonly #sessions = new Set<Ref>();
  readonly #startedMs: number;
  readonly #sessionCounts: SessionCounts = {
    turnedAway: 0,
    requests: 0,
    malformed: 0,
    badFrames: 0,
    unauthenticated: 0,
    tooMany: 0,
    flooded: 0,
    untaken: 0,
    slow: 0,
    slowClosed: 0,
    gaps: 0,
  };
  readonly #linkCounts: LinkCounts = {
    turnedAway: 0,
    dials: 0,
    dialsFailed: 0,
    up: 0,
    lost: 0,
    refused: 0,
    silent: 0,
    congested: 0,
    malformed: 0,
    badFrames: 0,
  };
  /** Whoever is refused may come again and again. */
  readonly #refusals: SparseLog;
  /** Where clients may go when this node leaves. */
  #clientUrls: readonly string[] = [];
  #sessionsTotal = 0;
  #isRecovered: boolean;
  #hasSaidFarewell = false;
  /** The store has handed over what it could, or can't. */
  #isEmptied = false;
  #isDraining = false;
  #end: NodeEnd = { reason: 'stopped', exitCode: 0 };

  constructor(self: Self<NodeMessage, NodeEvent>, args: NodeArgs) {
    this.#self = self;
    this.#args = args;
    this.#startedMs = self.now();
    this.#refusals = new SparseLog(self);
    const { env, identity, settings } = args;
    this.#isRecovered = env.disk === null;
    // Filled before any of its holders has its first turn: spawning runs no handler.
    const addresses = { node: self.ref } as Addresses;
    addresses.store = self.spawn(localStoreKind, 'local-store', { identity, settings, addresses, disk: env.disk });
    addresses.router = self.spawn(routerKind, 'router', { identity, settings, addresses });
    addresses.finder = self.spawn(finderKind, 'finder', { identity, settings, addresses });
    addresses.directory = self.spawn(directoryKind, 'directory', { identity, settings, addresses });
    addresses.locator = self.spawn(locatorKind, 'locator', { identity, addresses });
    addresses.scanner = self.spawn(scannerKind, 'scanner', { identity, settings, addresses });
    addresses.watcher = self.spawn(watcherKind, 'watcher', { identity, settings, addresses });
    const isHolding = settings.databasesAt === null || settings.databasesAt === identity.name;
    const disks = isHolding ? env.opDisks : null;
    addresses.databases = self.spawn(databasesKind, 'databases', { identity, settings, addresses, disks });
    this.#addresses = addresses;
    const { store, router, finder, directory, locator, scanner, watcher, databases } = addresses;
    for (const ref of [store, router, finder, directory, locator, scanner, watcher, databases]) self.watch(ref);
  }

  get drainMs(): number {
    return this.#args.settings.drainMs;
  }

  get aloneAfterMs(): number {
    return this.#args.settings.aloneAfterMs;
  }

  // Commands

  listen(): void {
    const { isPortShared, listen, linkSocket, tls } = this.#args.settings;
    for (const { host, port } of listen) {
      this.#listen({ host, port, socketPath: null, isShared: isPortShared, tls }, (listener) => {
        this.#listeners.push(listener);
      });
    }
    if (linkSocket === null) return;
    this.#listen({ host: 'localhost', port: 0, socketPath: linkSocket, isShared: false, tls: null }, (listener) => {
      this.#linkListener = listener;
    });
  }

  dialLinks(): NodeEvent | void {
    const { settings } = this.#args;
    for (const url of settings.links) this.onDial({ type: 'dial', url });
    // Without links to dial there is no swarm to wait for.
    return settings.links.length === 0 ? 'joined' : undefined;
  }

  serveClients(): void {
    const serve: Serve = { type: 'serve' };
    this.#addresses.finder.tell(serve, this.#self.ref);
    this.#addresses.scanner.tell(serve, this.#self.ref);
    this.#addresses.watcher.tell(serve, this.#self.ref);
    this.#addresses.databases.tell(serve, this.#self.ref);
    this.#args.onRunning();
  }

  startDraining(): void {
    this.#isDraining = true;
    this.#closeListeners();
    const drain: Drain = { type: 'drain', urls: this.#clientUrls };
    // Before the others, so that what those refuse is answered with the addresses.
    for (const session of this.#sessions) session.tell(drain, this.#self.ref);
    this.#addresses.router.tell(drain, this.#self.ref);
    this.#addresses.finder.tell(drain, this.#self.ref);
    this.#addresses.store.tell(drain, this.#self.ref);
    this.#addresses.databases.tell(drain, this.#self.ref);
    if (this.#isEmptied) this.#sayFarewell();
  }

  reportEnd(): void {
    if (this.#isDraining && !this.#isEmptied && this.#end.exitCode === 0) {
      this.#end = { reason: 'entries were not handed over: the time to leave was over', exitCode: 1 };
    }
    this.#closeListeners();
    this.#args.onEnd(this.#end);
  }

  // Messages

  onInspect(request: MessageOf<'inspect'>, session: Ref): void {
    const { id, what } = request;
    switch (what) {
      case 'node':
        return this.#report(session, id, this.#describe());
      case 'actors':
        return this.#report(session, id, { actors: this.#args.actors() });
      case 'topology':
        this.#addresses.router.tell(request, session);
        return;
      case 'counters':
        return this.#count(session, id);
      default: {
        const text = `inspect knows "node", "topology", "counters" and "actors", not ${JSON.stringify(what)}`;
        session.tell(refused(id, 'BAD_REQUEST', text), this.#self.ref);
      }
    }
  }

  onClientUrls({ urls }: ClientUrls): void {
    this.#clientUrls = urls;
  }

  onDial({ url }: DialRequest): void {
    this.#spawnLink({ url });
  }

  /** Only a node with its entries joins: it would deny them. */
  onRecovered(_message: Recovered): NodeEvent | void {
    this.#isRecovered = true;
    if (this.#isListening) return 'listening';
  }

  /** That others are there is not enough: what they know of this node's keys must hold (RULES V3). */
  onRegisteredAll(): NodeEvent {
    return 'joined';
  }

  /** A running node gives way to a rival in its view only: a greeting alone, which anyone can send, does not end it. */
  onNameTaken({ by }: NameTaken, from: Ref): NodeEvent | void {
    if (this.#self.status === 'running' && from !== this.#addresses.router) return;
    const reason = `the name ${this.#args.identity.name} is taken by the node ${by}; choose another with --name`;
    this.#end = { reason, exitCode: 2 };
    return 'fail';
  }

  onTerminated({ who, reason }: Terminated): NodeEvent | void {
    if (this.#sessions.delete(who)) return this.#drainedIfDone();
    // A node without store, router, finder or directory is none. Whoever started it starts it again.
    // Entries that can't be read keep a node from starting, like a directory that can't be used.
    this.#end = { reason: `${who.path} failed: ${reason}`, exitCode: this.#isRecovered ? 1 : 2 };
    this.#isEmptied = true;
    if (this.#isDraining) this.#sayFarewell();
    return 'fail';
  }

  /** What nobody could take although others store is a loss to be told; what a node alone held goes with it. */
  onEmptied(emptied: Emptied): void {
    const { left, fault } = emptied;
    this.#isEmptied = true;
    this.#addresses.router.tell(emptied, this.#self.ref);
    const { onEmptied } = this.#args;
    if (onEmptied === null) this.#sayFarewell();
    else onEmptied(() => void this.#self.ref.tell({ type: 'go' } satisfies Go));
    // A node alone that has a disk has its entries back when it starts again.
    const isLoss = left > 0 && (fault !== null || this.#args.env.disk === null);
    if (isLoss && this.#end.exitCode === 0) {
      const entries = left === 1 ? '1 entry was' : `${left} entries were`;
      this.#end =
        fault === null
          ? { reason: `stopped; ${entries} not handed over: no other node stores`, exitCode: 0 }
          : { reason: `${entries} not handed over: ${fault}`, exitCode: 1 };
    }
  }

  onGo(_message: Go): void {
    this.#sayFarewell();
  }

  /** The others have heard that this node leaves: they do not miss it. */
  onTick(): NodeEvent | void {
    this.#hasSaidFarewell = true;
    return this.#drainedIfDone();
  }

  #sayFarewell(): void {
    this.#self.after(FAREWELL_MS, { type: 'tick' });
  }

  #drainedIfDone(): NodeEvent | void {
    return this.#hasSaidFarewell && this.#sessions.size === 0 ? 'drained' : undefined;
  }

  #listen(where: Where, listening: (listener: Listener) => void): void {
    const { env, settings } = this.#args;
    env.bus.listen(
      {
        ...where,
        linkSecret: settings.linkSecret,
        origins: settings.origins,
        hosts: settings.hosts,
        connectionsMax: settings.connectionsMax,
        clientFrameBytesMax: settings.frameBytesMax,
        linkFrameBytesMax: settings.linkFrameBytesMax,
        backlogBytesMax: settings.backlogBytesMax,
        onRefused: (refused) => this.#onRefused(refused),
      },
      (link, kind) => this.#accept(link, kind),
      this.#args.answer,
      (listener) => {
        listening(listener);
        this.#onListening();
      },
      (reason) => {
        this.#end = { reason, exitCode: 2 };
        this.#self.signal('fail');
      },
    );
  }

  #accept(link: Link, kind: LinkKind): LinkHandler {
    const { env, identity, settings, isToken } = this.#args;
    const addresses = this.#addresses;
    let handler: LinkHandler | null = null;
    const handle = (given: LinkHandler): void => {
      handler = given;
    };
    if (kind === 'link') {
      this.#spawnLink({ link, handle });
    } else {
      const counts = this.#sessionCounts;
      const args = { identity, settings, addresses, wires: env.wires, link, isToken, handle, counts };
      const session = this.#self.spawn(sessionKind, 'session', args);
      this.#sessionsTotal += 1;
      this.#sessions.add(session);
      this.#self.watch(session);
    }
    return handler as unknown as LinkHandler;
  }

  #onRefused(refused: RefusedConnection): void {
    (refused.path === '/link' ? this.#linkCounts : this.#sessionCounts).turnedAway += 1;
    this.#refusals.say('warn', 'connection refused', { ...refused });
  }

  #spawnLink(start: PeerLinkArgs['start']): void {
    const { env, identity, settings } = this.#args;
    const [addresses, counts, refusals] = [this.#addresses, this.#linkCounts, this.#refusals];
    const args = { env, identity, settings, addresses, start, counts, refusals };
    this.#self.spawn(peerLinkKind, 'peer-link', args);
  }

  #onListening(): void {
    if (!this.#isListening) return;
    this.#args.onListening(this.#listeners, this.#linkListener);
    const { settings } = this.#args;
    const url = settings.clientUrl ?? this.#args.reachedAt(this.#listeners);
    if (url !== null) this.#addresses.router.tell({ type: 'clientUrl', url } satisfies ClientUrl, this.#self.ref);
    if (this.#isRecovered) this.#self.signal('listening');
  }

  get #isListening(): boolean {
    const { listen, linkSocket } = this.#args.settings;
    return this.#listeners.length >= listen.length && (linkSocket === null || this.#linkListener !== null);
  }

  #closeListeners(): void {
    for (const listener of this.#listeners) listener.close();
    this.#linkListener?.close();
  }

  #report(session: Ref, id: RequestId, info: Readonly<Record<string, unknown>>): void {
    session.tell({ type: 'report', id, info } satisfies MessageOf<'report'>, this.#self.ref);
  }

  #describe(): Readonly<Record<string, unknown>> {
    const { identity, settings } = this.#args;
    return {
      id: identity.node as NodeId,
      name: identity.name,
      swarm: identity.swarm,
      version: identity.version,
      incarnation: identity.incarnation,
      status: this.#self.status,
      uptimeMs: Math.round(this.#self.now() - this.#startedMs),
      listeners: this.#listeners.map(({ host, port, kind, fallbackReason }) => ({ host, port, kind, fallbackReason })),
      dials: settings.links,
      sessions: this.#sessions.size,
      storeBytesMax: settings.storeBytesMax,
      keysMax: settings.keysMax,
      policy: settings.policy,
    };
  }

  /** Asks those who count, and reports when all have answered. */
  #count(session: Ref, id: RequestId): void {
    const info: Record<string, unknown> = {
      sessions: { ...this.#sessionCounts, open: this.#sessions.size, total: this.#sessionsTotal },
      links: { ...this.#linkCounts },
      runtime: this.#args.runtimeCounters(),
    };
    const asked = ['store', 'finder', 'router', 'directory', 'locator', 'scanner', 'watcher', 'databases'] as const;
    let awaited = asked.length;
    for (const name of asked) {
      this.#self.ask(this.#addresses[name], { type: 'count' } satisfies Count, COUNT_TIMEOUT_MS, (reply) => {
        info[name] = reply === null ? null : (reply as Counters).counters;
        awaited -= 1;
        if (awaited === 0) this.#report(session, id, info);
      });
    }
  }
}

const on = Node.prototype;
const always = {
  inspect: on.onInspect,
  clientUrls: on.onClientUrls,
  dial: on.onDial,
  registeredAll: on.onRegisteredAll,
  emptied: on.onEmptied,
  go: on.onGo,
  nameTaken: on.onNameTaken,
  recovered: on.onRecovered,
  terminated: on.onTerminated,
  tick: on.onTick,
} as const;

const ended = {
  inspect: refuse,
  clientUrls: drop,
  dial: drop,
  registeredAll: drop,
  emptied: drop,
  go: drop,
  nameTaken: drop,
  recovered: drop,
  terminated: drop,
  tick: drop,
} as const;

export const nodeKind = defineKind({
  name: 'node',
  machine: nodeMachine,
  create: (self: Self<NodeMessage, NodeEvent>, args: NodeArgs) => new Node(self, args),
  tables: { starting: always, joining: always, running: always, draining: always, stopped: ended },
  commands: {
    listen: on.listen,
    dialLinks: on.dialLinks,
    serveClients: on.serveClients,
    startDraining: on.startDraining,
    reportEnd: on.reportEnd,
  },
  delays: { alone: (node: Node) => node.aloneAfterMs, drainTimeout: (node: Node) => node.drainMs },
  mailbox: {
    capacity: 65_536,
    overflow: {
      clientUrls: 'never',
      registeredAll: 'never',
      emptied: 'never',
      go: 'never',
      nameTaken: 'never',
      recovered: 'never',
      terminated: 'never',
      tick: 'never',
    },
  },
  refusal: (message: NodeMessage) =>
    message.type === 'inspect'
      ? refused(message.id, 'BUSY', 'this node has too much to do', { retryAfterMs: 100 })
      : null,
});
