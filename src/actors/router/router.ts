/**
 * The router: who is in the swarm, and how a message gets there. Membership is link state: each node floods its own
 * edges; next hops are shortest paths. Its parts know the neighbours (neighbours.ts), ask all nodes (searches.ts), and
 * tell the other actors of this node who is there (told-view.ts).
 *
 * Invariants: a routed message crosses at most `hopsMax` links; no message is kept: what has no route is counted, and told
 * to whoever sent it, if that was this node.
 */
import type { NodeId } from '../../store/node-id.js';
import { linkStateInfo, parseLinkState, Topology, TOPOLOGY_LIMITS } from '../../store/topology.js';
import type { LinkState } from '../../store/topology.js';
import type { MessageOf, Relay, RoutedMessage, RoutedName } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type {
  Adopted,
  ClientUrl,
  Count,
  Find,
  FindPath,
  Holding,
  LinkDown,
  LinkUp,
  Path,
  Probed,
  Room,
  RouterMessage,
  Spurned,
  Unrouted,
} from '../message.js';
import type { Ref, Self } from '../runtime/kind.js';
import type { Identity, Settings } from '../settings.js';
import { NameRivals } from './name-rivals.js';
import { Neighbours } from './neighbours.js';
import { Searches } from './searches.js';
import { ToldView } from './told-view.js';

export interface RouterArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

/** Which actor of a node a routed message is for. */
const RECEIVERS = {
  forward: 'store',
  answer: 'finder',
  notMine: 'finder',
  lookup: 'directory',
  seek: 'directory',
  place: 'store',
  register: 'directory',
  compare: 'store',
  buckets: 'directory',
  wanted: 'store',
  entries: 'directory',
  registered: 'store',
  release: 'directory',
  released: 'store',
  freeze: 'store',
  frozen: 'directory',
  thaw: 'store',
  take: 'store',
  taken: 'store',
  record: 'store',
  transfer: 'directory',
  transferred: 'store',
  hail: 'locator',
  hailed: 'locator',
  collect: 'store',
  collected: 'scanner',
  interest: 'watcher',
  disinterest: 'watcher',
  interested: 'watcher',
  changed: 'watcher',
  peerOn: 'databases',
  feed: 'databases',
  got: 'databases',
  states: 'databases',
  statesGot: 'databases',
  peerOff: 'databases',
  tunnel: 'databases',
  tunnelBeat: 'databases',
  tunnelOff: 'databases',
} as const satisfies { readonly [N in RoutedName]: keyof Addresses };

/** Interval at which searches past their deadline are ended and what is old is forgotten. */
const TICK_MS = 250;

export class Router {
  readonly #self: Self<RouterMessage>;
  readonly #identity: Identity;
  readonly #addresses: Addresses;
  readonly #topology: Topology;
  readonly #neighbours: Neighbours;
  readonly #searches: Searches;
  readonly #told: ToldView;
  readonly #rivals: NameRivals;
  /** `tellView` is to come. */
  #isChanging = false;
  #isTicking = false;
  readonly #counts = {
    relayed: 0,
    unrouted: 0,
    hopsExceeded: 0,
    adverts: 0,
    linksFlooded: 0,
    linksKnown: 0,
    linksMalformed: 0,
  };

  constructor(self: Self<RouterMessage>, { identity, settings, addresses }: RouterArgs) {
    this.#self = self;
    this.#identity = identity;
    this.#addresses = addresses;
    const { node, incarnation, name } = identity;
    const topology = new Topology(
      { node, incarnation, name, roles: rolesOf(settings) },
      { ...TOPOLOGY_LIMITS, missedMs: settings.missedMs },
    );
    const neighbours = new Neighbours(node, topology);
    this.#topology = topology;
    this.#neighbours = neighbours;
    const tickLater = (): void => this.#tickLater();
    this.#searches = new Searches({ self, settings, addresses, topology, neighbours, tickLater });
    this.#told = new ToldView(self, addresses, topology);
    this.#rivals = new NameRivals(self, settings, addresses, topology);
    // Its first turn tells the others of the view: a node alone is its own home (RULES V4).
    self.ref.tell({ type: 'tick' }, self.ref);
  }

  /** What is known of the swarm, for checkers to look at: nothing of the actors does. */
  get topology(): Topology {
    return this.#topology;
  }

  // Links

  onLinkUp(message: LinkUp, link: Ref): void {
    const { node } = message;
    const verdict = this.#neighbours.judge(message, link);
    if (verdict === 'duplicate' || verdict === 'full') {
      link.tell({ type: 'spurned', reason: verdict } satisfies Spurned, this.#self.ref);
      return;
    }
    if (verdict === 'better') {
      const old = this.#neighbours.linkTo(node);
      old?.tell({ type: 'spurned', reason: 'replaced' } satisfies Spurned, this.#self.ref);
      this.#searches.lose(node);
    }
    this.#neighbours.add(message, link);
    link.tell({ type: 'adopted' } satisfies Adopted, this.#self.ref);
    // The whole database, then this node's own new edges (RULES V5): the neighbour's answer is its own database.
    for (const state of this.#topology.all())
      if (state.node !== this.#identity.node) link.tell(linksOf(state), this.#self.ref);
    this.#announce();
    this.#tickLater();
  }

  onLinkDown({ node }: LinkDown, link: Ref): void {
    if (!this.#neighbours.remove(node, link)) return;
    this.#searches.lose(node);
    this.#announce();
  }

  onLinks(message: MessageOf<'links'>, link: Ref): void {
    const state = parseLinkState(message.node, message.incarnation, message.sequence, message.info);
    if (state === null) {
      this.#counts.linksMalformed += 1;
      return;
    }
    const former = this.#topology.stateOf(state.node);
    switch (this.#topology.learn(state, this.#self.now())) {
      case 'newer':
        this.#flood(state, link);
        if (
          this.#topology.own.neighbours.some((ref) => ref.node === state.node && ref.incarnation < state.incarnation)
        ) {
          // A neighbour raised its incarnation: the edge to it counts under the new one only.
          this.#announce();
        } else if (this.#told.isOutdated) this.#changeLater();
        else {
          // It changed no path, and the finder is not to ask again what is under way.
          this.#told.tellRenumbered(state);
          if (state.clientUrl !== former?.clientUrl) this.#told.tellClientUrls();
          if (state.freeBytes !== former?.freeBytes || state.freeKeys !== former.freeKeys) this.#told.tellRooms();
          if (!holdsSame(state, former)) this.#told.tellHolders();
        }
        break;
      case 'ghost':
        // Somebody remembers an earlier start of this node as the present one.
        this.#topology.raiseIncarnation(state.incarnation);
        this.#announce();
        break;
      case 'known':
      case 'older':
        this.#counts.linksKnown += 1;
        break;
    }
  }

  /** From the finder or the store of this node, or from a link. */
  onRouted(message: RoutedMessage, from: Ref): void {
    if (message.to !== this.#identity.node) return this.#route(message, from);
    const receiver: Ref = this.#addresses[RECEIVERS[message.type]];
    receiver.tell(message, this.#self.ref);
  }

  onRelay(message: Relay, _from: Ref): void {
    const next = this.#nextLink(message.to);
    if (message.hops >= this.#topology.hopsMax) this.#counts.hopsExceeded += message.count;
    else if (next === null) this.#counts.unrouted += message.count;
    else {
      this.#counts.relayed += message.count;
      next.tell(message, this.#self.ref);
    }
  }

  // Searches

  onFind(message: Find): void {
    this.#searches.onFind(message);
  }

  onSearch(message: MessageOf<'search'>, link: Ref): void {
    this.#searches.onSearch(message, link);
  }

  onProbed(message: Probed): void {
    this.#searches.onProbed(message);
  }

  onEcho(message: MessageOf<'echo'>, link: Ref): void {
    this.#searches.onEcho(message, link);
  }

  // Upkeep

  onFindPath({ number, to }: FindPath, from: Ref): void {
    const nodes = this.#topology.pathTo(to).map(({ node, name }) => ({ id: node, name }));
    from.tell({ type: 'path', number, nodes } satisfies Path, this.#self.ref);
  }

  onInspect(message: MessageOf<'inspect'>, session: Ref): void {
    session.tell(
      { type: 'report', id: message.id, info: this.#report() } satisfies MessageOf<'report'>,
      this.#self.ref,
    );
  }

  /** What the others are told of this node's room changes no view and no path (RULES K1). */
  onRoom({ freeBytes, freeKeys }: Room): void {
    this.#counts.adverts += 1;
    this.#floodOwn({ freeBytes, freeKeys });
  }

  /** What this node holds changes no view and no path. */
  onHolding({ databases }: Holding): void {
    this.#floodOwn({ databases });
    this.#told.tellHolders();
  }

  /** A hint likewise. */
  onClientUrl({ url }: ClientUrl): void {
    this.#floodOwn({ clientUrl: url });
    this.#told.tellClientUrls();
  }

  /** The others stop counting on this node; it goes on relaying (RULES H4). */
  onDrain(): void {
    this.#topology.setOwn({ roles: ['leaving'] });
    this.#announce();
  }

  /** From now on the others need not miss it. */
  onEmptied(): void {
    this.#topology.setOwn({ roles: ['leaving', 'left'] });
    this.#announce();
  }

  onCount(_message: Count, from: Ref): void {
    const counters = {
      ...this.#counts,
      ...this.#searches.counts,
      ...this.#neighbours.counts,
      links: this.#neighbours.size,
      members: this.#topology.members.size,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  onTick(): void {
    this.#isTicking = false;
    const nowMs = this.#self.now();
    this.#searches.expire(nowMs);
    this.#topology.forgetUnreachable(nowMs);
    if (this.#told.isOutdatedAt(nowMs)) this.#onChange();
    this.#rivals.check(nowMs);
    this.#tickLater();
  }

  // The view

  #announce(): void {
    const refs = this.#neighbours.nodes.map((node) => this.#neighbours.refOf(node));
    this.#flood(this.#topology.setNeighbours(refs), null);
    this.#onChange();
  }

  #flood(state: LinkState, except: Ref | null): void {
    const message = linksOf(state);
    for (const { link } of this.#neighbours.all()) {
      if (link === except) continue;
      this.#counts.linksFlooded += 1;
      link.tell(message, this.#self.ref);
    }
  }

  /** The first change is told at once, what follows it soon after, together. */
  #changeLater(): void {
    if (this.#isChanging) return;
    const leftMs = this.#told.pauseLeftMs;
    if (leftMs <= 0) return this.#onChange();
    this.#isChanging = true;
    this.#self.after(leftMs, { type: 'tellView' });
  }

  onTellView(): void {
    this.#isChanging = false;
    if (this.#told.isOutdated) this.#onChange();
  }

  /** What this node announces names its view number, which its own actors are to know before others answer by it. */
  #floodOwn(change: Parameters<Topology['setOwn']>[0]): void {
    this.#flood(this.#topology.setOwn(change), null);
    if (this.#told.isOutdated) this.#onChange();
  }

  #onChange(): void {
    // The view number is part of what a node announces (RULES V1).
    if (this.#topology.viewNumber !== this.#topology.own.view) this.#flood(this.#topology.setOwn({}), null);
    this.#told.tell();
    this.#tickLater();
  }

  #route(message: RoutedMessage, from: Ref): void {
    const next = this.#nextLink(message.to);
    if (next !== null) {
      next.tell(message, this.#self.ref);
      return;
    }
    this.#counts.unrouted += 1;
    if (message.type === 'forward' && from === this.#addresses.finder) {
      from.tell({ type: 'unrouted', number: message.number } satisfies Unrouted, this.#self.ref);
    }
  }

  #nextLink(to: NodeId): Ref | null {
    const next = this.#topology.nextHop(to);
    return next === null ? null : this.#neighbours.linkTo(next);
  }

  #tickLater(): void {
    if (this.#isTicking) return;
    const isIdle = this.#searches.count === 0 && this.#topology.knownCount === 1 && this.#told.missed === 0;
    if (isIdle) return;
    this.#isTicking = true;
    this.#self.after(TICK_MS, { type: 'tick' });
  }

  #report(): Record<string, unknown> {
    const members = [...this.#topology.members.values()].map(({ state, hops, next }) => ({
      id: state.node,
      name: state.name,
      incarnation: state.incarnation,
      hops,
      next,
      roles: state.roles,
      freeBytes: state.freeBytes,
      freeKeys: state.freeKeys,
      neighbours: state.neighbours.map(({ node }) => node),
      you: state.node === this.#identity.node,
    }));
    const links: [NodeId, NodeId][] = [];
    for (const { id, neighbours } of members) {
      for (const other of neighbours) {
        if (id < other && this.#topology.members.has(other)) links.push([id, other]);
      }
    }
    return { self: this.#identity.node, view: this.#topology.viewNumber, missed: this.#told.missed, members, links };
  }
}

const holdsSame = (state: LinkState, former: LinkState | undefined): boolean =>
  JSON.stringify(state.databases) === JSON.stringify(former?.databases ?? []);

/** What a node is to the others (RULES V1). */
const rolesOf = ({ directoryBytesMax, storeBytesMax, keysMax }: Settings): string[] => {
  const isHome = directoryBytesMax > 0;
  const isStore = storeBytesMax > 0 && keysMax > 0;
  return [...(isHome ? ['home'] : []), ...(isStore ? ['store'] : [])];
};

const linksOf = (state: LinkState): MessageOf<'links'> => ({
  type: 'links',
  node: state.node,
  incarnation: state.incarnation,
  sequence: state.sequence,
  info: linkStateInfo(state),
});
