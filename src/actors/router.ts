/**
 * The router: who is in the swarm, and how a message gets there. Membership is link state: each node floods its own
 * edges; next hops are shortest paths. Searches are floods with an echo: a node passes a search on once, answers when
 * all whom it asked have answered, and a crossing search counts as the echo.
 *
 * Invariants: a routed message crosses at most `hopsMax` links; a search costs at most two messages per link and ends at
 * its deadline; no message is kept: what has no route is counted, and told to whoever sent it, if that was this node.
 */
import { HybridClock } from '../store/clock.js';
import type { NodeId, NodeRef } from '../store/node-id.js';
import { SearchTable } from '../store/search-table.js';
import type { Search } from '../store/search-table.js';
import { linkStateInfo, NEIGHBOURS_MAX, parseLinkState, Topology, TOPOLOGY_LIMITS } from '../store/topology.js';
import type { LinkState, Member } from '../store/topology.js';
import { forRouted } from '../transport/message.js';
import type { Key, MessageOf, Relay, RoutedMessage, RoutedName } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import type {
  Adopted,
  ClientUrl,
  ClientUrls,
  Count,
  Find,
  FindPath,
  Holders,
  Holding,
  LinkDown,
  LinkUp,
  Members,
  NameTaken,
  Path,
  Probe,
  Probed,
  Renumbered,
  Room,
  Rooms,
  RouterMessage,
  Searched,
  Spurned,
  Unrouted,
  View,
} from './message.js';
import { alwaysRunning } from './runtime/always-running.js';
import { defineKind } from './runtime/kind.js';
import type { Ref, Self } from './runtime/kind.js';
import { SEARCHES_MAX } from './settings.js';
import type { Identity, Settings } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

interface Neighbour {
  readonly link: Ref;
  readonly incarnation: number;
  readonly isDialled: boolean;
}

/** A search that waits for the local store's word before it is passed on. */
interface Probing {
  readonly key: Key;
  readonly hops: number;
  /** Nodes that have been asked, or ask others themselves. */
  readonly visited: Set<NodeId>;
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
/**
 * At least so long per member between two words about the view that follow from what others announce: each costs a flood
 * and work for every member, and where many nodes start or fall at once, changes come by the thousand.
 */
const VIEW_PAUSE_PER_MEMBER_MS = 1;
/** Addresses that clients are told of when this node leaves. */
const CLIENT_URLS_MAX = 8;
const LOOPBACK = /^wss?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|\/|$)/;

export class Router {
  readonly #self: Self<RouterMessage>;
  readonly #identity: Identity;
  readonly #settings: Settings;
  readonly #addresses: Addresses;
  readonly #topology: Topology;
  readonly #neighbours = new Map<NodeId, Neighbour>();
  readonly #searches = new SearchTable(SEARCHES_MAX);
  readonly #probing = new Map<Search, Probing>();
  readonly #clock: HybridClock;
  #rivalSinceMs: number | null = null;
  /** The log was told of it. */
  #toldRival: NodeId | null = null;
  #missed = 0;
  /** The members at the last word about them. */
  #toldMembers: ReadonlyMap<NodeId, Member> | null = null;
  /** The view numbers of the members, as store and directory know them. */
  readonly #toldViews = new Map<NodeId, number>();
  #toldAtMs = -Infinity;
  /** `tellView` is to come. */
  #isChanging = false;
  #isTicking = false;
  readonly #counts = {
    relayed: 0,
    unrouted: 0,
    hopsExceeded: 0,
    searches: 0,
    searchesSeen: 0,
    searchesExpired: 0,
    adverts: 0,
    linksFlooded: 0,
    linksKnown: 0,
    linksMalformed: 0,
    duplicates: 0,
    crowded: 0,
    ghosts: 0,
  };

  constructor(self: Self<RouterMessage>, args: Args) {
    this.#self = self;
    this.#identity = args.identity;
    this.#settings = args.settings;
    this.#addresses = args.addresses;
    const { node, incarnation, name } = args.identity;
    this.#topology = new Topology(
      { node, incarnation, name, roles: rolesOf(args.settings) },
      { ...TOPOLOGY_LIMITS, missedMs: args.settings.missedMs },
    );
    this.#clock = new HybridClock(node);
    // Its first turn tells the others of the view: a node alone is its own home (RULES V4).
    self.ref.tell({ type: 'tick' }, self.ref);
  }

  /** What is known of the swarm, for checkers to look at: nothing of the actors does. */
  get topology(): Topology {
    return this.#topology;
  }

  // Links

  /** One live link per neighbour. Both ends come to the same decision without asking each other. */
  onLinkUp(message: LinkUp, link: Ref): void {
    const { node, incarnation, isDialled } = message;
    const old = this.#neighbours.get(node);
    if (old !== undefined && old.link !== link) {
      if (!this.#isBetter(message, old)) {
        this.#counts.duplicates += 1;
        link.tell({ type: 'spurned', reason: 'duplicate' } satisfies Spurned, this.#self.ref);
        return;
      }
      if (incarnation > old.incarnation) this.#counts.ghosts += 1;
      else this.#counts.duplicates += 1;
      old.link.tell({ type: 'spurned', reason: 'replaced' } satisfies Spurned, this.#self.ref);
      this.#forgetSearches(node);
    } else if (old === undefined && this.#neighbours.size >= NEIGHBOURS_MAX) {
      // One more, and nobody would accept this node's announcements any longer.
      this.#counts.crowded += 1;
      link.tell({ type: 'spurned', reason: 'full' } satisfies Spurned, this.#self.ref);
      return;
    }
    this.#neighbours.set(node, { link, incarnation, isDialled });
    link.tell({ type: 'adopted' } satisfies Adopted, this.#self.ref);
    // The whole database, then this node's own new edges (RULES V5): the neighbour's answer is its own database.
    for (const state of this.#topology.all())
      if (state.node !== this.#identity.node) link.tell(linksOf(state), this.#self.ref);
    this.#announce();
    this.#tickLater();
  }

  onLinkDown({ node }: LinkDown, link: Ref): void {
    if (this.#neighbours.get(node)?.link !== link) return;
    this.#neighbours.delete(node);
    this.#forgetSearches(node);
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
        } else if (this.#topology.isNewerThan(this.#toldMembers)) this.#changeLater();
        else {
          // It changed no path, and the finder is not to ask again what is under way.
          this.#tellRenumbered(state);
          if (state.clientUrl !== former?.clientUrl) this.#tellClientUrls();
          if (state.freeBytes !== former?.freeBytes || state.freeKeys !== former.freeKeys) this.#tellRooms();
          if (!holdsSame(state, former)) this.#tellHolders();
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

  onFind({ number, key, budgetMs, clock }: Find): void {
    this.#clock.observe(clock);
    const asked = [...this.#neighbours.keys()];
    const asker = this.#identity.node;
    const search = this.#begin(asker, number, null, asked, budgetMs);
    if (search === null) return this.#tellSearched(number, null, false);
    this.#ask(search, asked, { key, hops: 0, visited: [] });
    if (search.done) this.#end(search);
  }

  onSearch(message: MessageOf<'search'>, link: Ref): void {
    this.#clock.observe(message.clock);
    const from = this.#nodeOf(link);
    if (from === null) return;
    const { asker, number, key, hops, visited, budgetMs } = message;
    const search = this.#begin(asker, number, from, [this.#identity.node], budgetMs);
    if (search === null) return this.#onSeen(asker, number, from, link);
    this.#probing.set(search, { key, hops, visited: new Set(visited.map((ref) => ref.node)) });
    const probe: Probe = { type: 'probe', asker, number, key, clock: this.#clock.last };
    this.#addresses.store.tell(probe, this.#self.ref);
  }

  /** The local store's word on a search that came from a neighbour. */
  onProbed({ asker, number, owner, isPending, clock }: Probed): void {
    this.#clock.observe(clock);
    const search = this.#searches.get(asker, number);
    const probing = search === undefined ? undefined : this.#probing.get(search);
    if (search === undefined || probing === undefined) return;
    this.#probing.delete(search);
    if (owner === null && probing.hops < this.#topology.hopsMax) {
      const asked = [...this.#neighbours.keys()].filter(
        (other) => other !== search.parent && !probing.visited.has(other),
      );
      this.#searches.expect(asker, number, asked);
      this.#ask(search, asked, { ...probing, visited: [...probing.visited].map((other) => this.#refOf(other)) });
    }
    // A node that is about to create the key does not count among those that have not got it.
    const answered = isPending ? [] : [this.#ownRef()];
    this.#endIfDone(this.#searches.echo(asker, number, this.#identity.node, owner, answered));
  }

  onEcho(message: MessageOf<'echo'>, link: Ref): void {
    this.#clock.observe(message.clock);
    const from = this.#nodeOf(link);
    if (from === null) return;
    const { asker, number, owner, answered } = message;
    this.#endIfDone(this.#searches.echo(asker, number, from, owner, answered));
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
    this.#tellHolders();
  }

  /** A hint likewise. */
  onClientUrl({ url }: ClientUrl): void {
    this.#floodOwn({ clientUrl: url });
    this.#tellClientUrls();
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
    const counters = { ...this.#counts, links: this.#neighbours.size, members: this.#topology.members.size };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  onTick(): void {
    this.#isTicking = false;
    const nowMs = this.#self.now();
    for (const search of this.#searches.expire(nowMs)) {
      this.#counts.searchesExpired += 1;
      this.#probing.delete(search);
      if (search.parent === null) this.#tellSearched(search.number, search.owner, false);
    }
    this.#topology.forgetUnreachable(nowMs);
    const missed = this.#topology.missedCount(nowMs);
    if (missed !== this.#missed || this.#toldMembers === null) this.#onChange();
    this.#checkRivals(nowMs);
    this.#tickLater();
  }

  // The view

  #announce(): void {
    const refs = [...this.#neighbours.keys()].map((node) => this.#refOf(node));
    this.#flood(this.#topology.setNeighbours(refs), null);
    this.#onChange();
  }

  #flood(state: LinkState, except: Ref | null): void {
    const message = linksOf(state);
    for (const { link } of this.#neighbours.values()) {
      if (link === except) continue;
      this.#counts.linksFlooded += 1;
      link.tell(message, this.#self.ref);
    }
  }

  /** The first change is told at once, what follows it soon after, together. */
  #changeLater(): void {
    if (this.#isChanging) return;
    const pauseMs = VIEW_PAUSE_PER_MEMBER_MS * (this.#toldMembers?.size ?? 1);
    const leftMs = this.#toldAtMs + pauseMs - this.#self.now();
    if (leftMs <= 0) return this.#onChange();
    this.#isChanging = true;
    this.#self.after(leftMs, { type: 'tellView' });
  }

  onTellView(): void {
    this.#isChanging = false;
    if (this.#topology.isNewerThan(this.#toldMembers)) this.#onChange();
  }

  /** What this node announces names its view number, which its own actors are to know before others answer by it. */
  #floodOwn(change: Parameters<Topology['setOwn']>[0]): void {
    this.#flood(this.#topology.setOwn(change), null);
    if (this.#topology.isNewerThan(this.#toldMembers)) this.#onChange();
  }

  #onChange(): void {
    // The view number is part of what a node announces (RULES V1).
    if (this.#topology.viewNumber !== this.#topology.own.view) this.#flood(this.#topology.setOwn({}), null);
    this.#tellView();
    this.#tickLater();
  }

  #tellView(): void {
    this.#missed = this.#topology.missedCount(this.#self.now());
    this.#toldMembers = this.#topology.members;
    this.#toldAtMs = this.#self.now();
    const members = [...this.#toldMembers.keys()];
    const incarnations = Array.from(this.#toldMembers.values(), ({ state }) => state.incarnation);
    const { viewNumber: number } = this.#topology;
    const view: View = { type: 'view', members, incarnations, missed: this.#missed, number };
    this.#addresses.finder.tell(view, this.#self.ref);
    this.#addresses.scanner.tell(view, this.#self.ref);
    this.#addresses.watcher.tell(view, this.#self.ref);
    this.#tellMembers();
    this.#tellRooms();
    this.#tellHolders();
    this.#tellClientUrls();
  }

  /**
   * Who of the view holds which databases, or holds them for this node, and how far those are from each other that share one
   * with this node.
   */
  #tellHolders(): void {
    const { node: self, databases: held } = this.#topology.own;
    const own = new Set(held.map(({ name }) => name));
    const nodes: Holders['nodes'][number][] = [];
    for (const { state, hops } of this.#topology.members.values()) {
      const { node, incarnation, name, databases } = state;
      if (databases.length === 0 && name !== this.#settings.databasesAt) continue;
      const isSharing = node === self || databases.some((database) => own.has(database.name));
      const hopsTo = isSharing ? Object.fromEntries(this.#topology.distancesTo(node)) : {};
      nodes.push({ node, incarnation, name, hops, databases, hopsTo });
    }
    this.#addresses.databases.tell({ type: 'holders', nodes } satisfies Holders, this.#self.ref);
  }

  /** Where clients may go when this node leaves. A loopback address means nothing to those that came from elsewhere. */
  #tellClientUrls(): void {
    const isLocal = LOOPBACK.test(this.#topology.own.clientUrl ?? '');
    const members = [...this.#topology.members.values()].toSorted((a, b) => a.hops - b.hops);
    const urls: string[] = [];
    for (const { state } of members) {
      const { node, roles, clientUrl } = state;
      if (node === this.#identity.node || roles.includes('leaving') || clientUrl === null) continue;
      if (isLocal || !LOOPBACK.test(clientUrl)) urls.push(clientUrl);
    }
    // Nodes behind one address tell the same one.
    const message: ClientUrls = { type: 'clientUrls', urls: [...new Set(urls)].slice(0, CLIENT_URLS_MAX) };
    this.#addresses.node.tell(message, this.#self.ref);
  }

  /** Where an entry may go for which there is no room here: of equally near nodes first to the one with most room. */
  #tellRooms(): void {
    const members = [...this.#topology.members.values()].filter(
      ({ state: { node, roles } }) =>
        node !== this.#identity.node && roles.includes('store') && !roles.includes('leaving'),
    );
    members.sort((a, b) => a.hops - b.hops || b.state.freeBytes - a.state.freeBytes);
    const stores = members.map(({ state: { node, freeBytes, freeKeys } }) => ({ node, freeBytes, freeKeys }));
    this.#addresses.finder.tell({ type: 'rooms', stores } satisfies Rooms, this.#self.ref);
  }

  /** What homes and owners need to know of the view (RULES V1). */
  #tellMembers(): void {
    this.#toldViews.clear();
    const members: Members['members'][number][] = [];
    for (const { state, hops } of this.#topology.members.values()) {
      const { node, incarnation, view, roles } = state;
      this.#toldViews.set(node, view);
      const isStaying = !roles.includes('leaving');
      const [isHome, isStore] = [isStaying && roles.includes('home'), isStaying && roles.includes('store')];
      members.push({ node, incarnation, view, hops, isHome, isStore });
    }
    const { incarnation } = this.#topology.own;
    const message: Members = { type: 'members', view: this.#topology.viewNumber, incarnation, members };
    this.#addresses.store.tell(message, this.#self.ref);
    this.#addresses.directory.tell(message, this.#self.ref);
  }

  #tellRenumbered({ node, view }: LinkState): void {
    const told = this.#toldViews.get(node);
    if (told === undefined || told >= view) return;
    this.#toldViews.set(node, view);
    const message: Renumbered = { type: 'renumbered', node, view };
    this.#addresses.store.tell(message, this.#self.ref);
    this.#addresses.directory.tell(message, this.#self.ref);
  }

  /** Of two nodes with one name the younger start gives way, once the other is no mere memory. */
  #checkRivals(nowMs: number): void {
    const { node, incarnation, name } = this.#topology.own;
    const rivals = this.#topology.nameRivals();
    const rival = rivals.find(
      ({ state }) => state.incarnation < incarnation || (state.incarnation === incarnation && state.node < node),
    );
    const other = rival ?? rivals[0];
    if (other !== undefined && other.state.node !== this.#toldRival) {
      const text =
        rival === undefined
          ? `a younger node has the name ${name} too: it stops unless this one goes`
          : `an older node has the name ${name} too: this one stops unless that one goes`;
      this.#self.log('warn', text, { node: other.state.node });
    }
    this.#toldRival = other?.state.node ?? null;
    if (rival === undefined) {
      this.#rivalSinceMs = null;
      return;
    }
    this.#rivalSinceMs ??= nowMs;
    if (nowMs - this.#rivalSinceMs < 2 * this.#settings.heartbeatTimeoutMs) return;
    this.#addresses.node.tell({ type: 'nameTaken', by: rival.state.node } satisfies NameTaken, this.#self.ref);
  }

  #isBetter(link: LinkUp, old: Neighbour): boolean {
    if (link.incarnation !== old.incarnation) return link.incarnation > old.incarnation;
    // Both ends dialled: the link that the lower id dialled stays.
    if (link.isDialled !== old.isDialled) return link.isDialled === this.#identity.node < link.node;
    // The dialling end knows of all the links that it dialled: its second is one too many, whereas a second one that
    // it takes into use tells the listening end that the first is dead.
    return !link.isDialled;
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
    return next === null ? null : (this.#neighbours.get(next)?.link ?? null);
  }

  #nodeOf(link: Ref): NodeId | null {
    for (const [node, neighbour] of this.#neighbours) if (neighbour.link === link) return node;
    return null;
  }

  #ownRef(): NodeRef {
    const { node, incarnation } = this.#topology.own;
    return { node, incarnation };
  }

  // The floods

  #begin(
    asker: NodeId,
    number: number,
    parent: NodeId | null,
    awaited: readonly NodeId[],
    budgetMs: number,
  ): Search | null {
    // What a neighbour says of time is a claim: a search lives no longer than one of this node's own.
    const lifeMs = Math.min(budgetMs, this.#settings.requestTimeoutMs);
    const search = this.#searches.begin(asker, number, parent, awaited, this.#self.now() + lifeMs);
    if (search !== null) this.#counts.searches += 1;
    this.#tickLater();
    return search;
  }

  /** The search came here before, by another way. */
  #onSeen(asker: NodeId, number: number, from: NodeId, link: Ref): void {
    this.#counts.searchesSeen += 1;
    if (this.#searches.awaits(asker, number, from)) {
      // This node asked that neighbour: each takes the other's question for an echo.
      this.#endIfDone(this.#searches.crossing(asker, number, from));
      return;
    }
    const search = this.#searches.get(asker, number);
    // It waits for an echo from here, so it need not be asked from here.
    if (search !== undefined) this.#probing.get(search)?.visited.add(from);
    this.#echo(link, asker, number, null, []);
  }

  #ask(
    { asker, number, deadlineMs }: Search,
    asked: readonly NodeId[],
    { key, hops, visited }: { key: Key; hops: number; visited: readonly NodeRef[] },
  ): void {
    if (asked.length === 0) return;
    const message: MessageOf<'search'> = {
      type: 'search',
      asker,
      number,
      hops: hops + 1,
      budgetMs: Math.max(0, Math.floor(deadlineMs - this.#self.now())),
      clock: this.#clock.last,
      visited: [...visited, this.#ownRef(), ...asked.map((node) => this.#refOf(node))],
      key,
    };
    for (const node of asked) this.#neighbours.get(node)?.link.tell(message, this.#self.ref);
  }

  #refOf(node: NodeId): NodeRef {
    const greeted = this.#neighbours.get(node)?.incarnation ?? 0;
    return { node, incarnation: Math.max(greeted, this.#topology.stateOf(node)?.incarnation ?? 0) };
  }

  #endIfDone(search: Search | undefined): void {
    if (search?.done === true) this.#end(search);
  }

  #end(search: Search): void {
    this.#probing.delete(search);
    if (search.parent === null) {
      this.#tellSearched(search.number, search.owner, this.#topology.covers(search.answered));
      return;
    }
    const parent = this.#neighbours.get(search.parent);
    if (parent !== undefined) this.#echo(parent.link, search.asker, search.number, search.owner, search.answered);
  }

  #echo(link: Ref, asker: NodeId, number: number, owner: NodeId | null, answered: readonly NodeRef[]): void {
    const clock = this.#clock.last;
    link.tell({ type: 'echo', asker, number, owner, clock, answered } satisfies MessageOf<'echo'>, this.#self.ref);
  }

  #tellSearched(number: number, owner: NodeId | null, isComplete: boolean): void {
    const searched: Searched = { type: 'searched', number, owner, isComplete, clock: this.#clock.last };
    this.#addresses.finder.tell(searched, this.#self.ref);
  }

  /** The neighbour can't answer any more. */
  #forgetSearches(neighbour: NodeId): void {
    for (const search of this.#searches.lose(neighbour)) this.#end(search);
  }

  #tickLater(): void {
    if (this.#isTicking) return;
    const isIdle = this.#searches.count === 0 && this.#topology.all().length === 1 && this.#missed === 0;
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
    return { self: this.#identity.node, view: this.#topology.viewNumber, missed: this.#missed, members, links };
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

const on = Router.prototype;

export const routerKind = defineKind({
  name: 'router',
  machine: alwaysRunning,
  create: (self: Self<RouterMessage>, args: Args) => new Router(self, args),
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
