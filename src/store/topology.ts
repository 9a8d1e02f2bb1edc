/**
 * Who is in the swarm and how to get there: the link states that all nodes announce about themselves, and what
 * follows from them. An edge counts if both of its ends announce it with each other's present incarnation; the view is
 * what can be reached over such edges. Paths are found anew at the first question after a change, in O(nodes + edges),
 * and two nodes that know the same link states compute the same from them.
 */
import { parseNodeId } from './node-id.js';
import type { NodeId, NodeRef } from './node-id.js';

/** What one node announces about itself. The pair (incarnation, sequence) orders the announcements of a node. */
export interface LinkState {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly sequence: number;
  readonly name: string;
  /** Sorted, without repetition: `home`, `store`, `leaving`, `left`, or what later versions add. */
  readonly roles: readonly string[];
  /** Room for more entries, as a hint. */
  readonly freeBytes: number;
  readonly freeKeys: number;
  /** Where clients reach it, as a hint for those of a node that leaves; null: nobody said. */
  readonly clientUrl: string | null;
  /** The view number of the node when it announced this. */
  readonly view: number;
  /** The databases that it holds, by name. */
  readonly databases: readonly HeldDatabase[];
  /** The nodes that it has a live link to, each at most once. */
  readonly neighbours: readonly NodeRef[];
}

/** A database, and the id of the peer that a node is to it. */
export interface HeldDatabase {
  readonly name: string;
  readonly peer: string;
}

/** A node of the view. */
export interface Member {
  readonly state: LinkState;
  /** Links between here and there; 0 for this node. */
  readonly hops: number;
  /** The neighbour that is next on a shortest path, of several the one with the lowest id; this node for itself. */
  readonly next: NodeId;
}

/** What `learn` found: see there. */
export type Learned = 'newer' | 'known' | 'older' | 'ghost';

export interface TopologyLimits {
  /** Link states kept, without the own one. */
  readonly statesMax: number;
  /** How long a member that vanished without leaving is missed. */
  readonly missedMs: number;
  /** How long the link state of a node is kept that is out of reach and not heard of. */
  readonly forgetMs: number;
}

export const TOPOLOGY_LIMITS: TopologyLimits = { statesMax: 4096, missedMs: 30_000, forgetMs: 600_000 };

/** A node announces at most so many neighbours. */
export const NEIGHBOURS_MAX = 1000;
/** A node holds at most so many databases. */
export const DATABASES_MAX = 256;
const HOPS_MAX = 255;
const ROLES_MAX = 16;
/** Leaves room above for the one who has to outbid an incarnation. */
const INCARNATION_MAX = 2 ** 52;
const NO_ROOM = { freeBytes: 0, freeKeys: 0 } as const;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const PEER = /^[0-9A-Za-z_~]{1,10}$/;
const CLIENT_URL = /^wss?:\/\/[!-~]{1,250}$/;
const ROLE = /^[a-z][a-z-]{0,31}$/;

/** A link state in the database, prepared for the search of paths. */
interface Known {
  readonly state: LinkState;
  /** The announced incarnation of each neighbour. */
  readonly edges: ReadonlyMap<NodeId, number>;
  /** What the view says of this node; a change of it is a change of the view. */
  readonly identity: string;
  /** When it was last heard of or in reach; null: to be set to the time of the next look. */
  seenAtMs: number | null;
}

export class Topology {
  readonly #limits: TopologyLimits;
  readonly #others = new Map<NodeId, Known>();
  /** Members that vanished without leaving, and since when; null: since the next look at the time. */
  readonly #missed = new Map<NodeId, number | null>();
  #own: Known;
  #members: Map<NodeId, Member>;
  /** Whether `#members` and all that follows from it lag behind the link states. */
  #isStale = false;
  /** The identities of the members at the present view number. */
  #view: Map<NodeId, string>;
  #viewNumber = 1;
  #refused = 0;

  constructor(
    self: {
      readonly node: NodeId;
      readonly incarnation: number;
      readonly name: string;
      readonly roles: readonly string[];
    },
    limits: TopologyLimits = TOPOLOGY_LIMITS,
  ) {
    this.#limits = limits;
    const { node, incarnation, name } = self;
    const roles = sorted(self.roles);
    this.#own = known(
      {
        node,
        incarnation,
        sequence: 1,
        name,
        roles,
        ...NO_ROOM,
        clientUrl: null,
        view: 1,
        databases: [],
        neighbours: [],
      },
      null,
    );
    this.#members = new Map([[node, { state: this.#own.state, hops: 0, next: node }]]);
    this.#view = new Map([[node, this.#own.identity]]);
  }

  /** What this node announces. It changes only by the calls below that return it: they are to be followed by a flood. */
  get own(): LinkState {
    return this.#own.state;
  }

  /**
   * Replaces the neighbours, and returns the announcement of it. A reference carries the incarnation of the greeting
   * or, if the neighbour has raised it since, of its latest link state. At most `NEIGHBOURS_MAX`: nobody takes in more.
   */
  setNeighbours(refs: readonly NodeRef[]): LinkState {
    const incarnations = new Map(refs.map(({ node, incarnation }) => [node, incarnation]));
    const neighbours = [...incarnations].map(([node, incarnation]) => ({ node, incarnation }));
    return this.#announce({ neighbours });
  }

  /** Changes what is given, and announces it together with the present view number. */
  setOwn(change: {
    readonly roles?: readonly string[];
    readonly freeBytes?: number;
    readonly freeKeys?: number;
    /** By name. */
    readonly databases?: readonly HeldDatabase[];
    readonly clientUrl?: string | null;
  }): LinkState {
    const { state } = this.#own;
    return this.#announce({
      roles: change.roles === undefined ? state.roles : sorted(change.roles),
      freeBytes: change.freeBytes ?? state.freeBytes,
      freeKeys: change.freeKeys ?? state.freeKeys,
      databases: change.databases ?? state.databases,
      clientUrl: change.clientUrl === undefined ? state.clientUrl : change.clientUrl,
    });
  }

  /** Starts a new life of this node, above a ghost's incarnation. */
  raiseIncarnation(above: number): LinkState {
    return this.#announce({ incarnation: Math.max(above, this.#own.state.incarnation) + 1 });
  }

  /**
   * Takes in an announcement. `newer`: it was news, to be passed on. `known`: nothing to do; also the answer to a node
   * for which the database has no room. `older`: the sender lags behind `stateOf(state.node)`. `ghost`: somebody else
   * announces this node's own id at or above what this node ever announced; see `raiseIncarnation`.
   */
  learn(state: LinkState, nowMs: number): Learned {
    if (state.node === this.#own.state.node) return this.#learnOwn(state);
    const former = this.#others.get(state.node);
    if (former === undefined) {
      if (this.#others.size >= this.#limits.statesMax && !this.#forgetOne()) {
        this.#refused += 1;
        return 'known';
      }
    } else {
      const order = compareAge(state, former.state);
      if (order === 0) former.seenAtMs = nowMs;
      if (order <= 0) return order < 0 ? 'older' : 'known';
    }
    const latest = known(state, nowMs);
    this.#others.set(state.node, latest);
    // The word that it leaves may come round a longer way than the news that its links are gone.
    if (hasLeft(state)) this.#missed.delete(state.node);
    if (former === undefined || !isOnSamePaths(former, latest)) {
      this.#isStale = true;
    } else {
      const member = this.#members.get(state.node);
      if (member !== undefined) this.#members.set(state.node, { ...member, state });
    }
    return 'newer';
  }

  /** The latest link state known of a node, in reach or not. */
  stateOf(node: NodeId): LinkState | undefined {
    return node === this.#own.state.node ? this.#own.state : this.#others.get(node)?.state;
  }

  /** The whole database, the own link state included: what both ends of a new link send. */
  all(): LinkState[] {
    return [this.#own.state, ...Array.from(this.#others.values(), ({ state }) => state)];
  }

  /** How many nodes there are in `all`. */
  get knownCount(): number {
    return 1 + this.#others.size;
  }

  /** Announcements refused because the database was full. */
  get refused(): number {
    return this.#refused;
  }

  /** The view: all nodes in reach, this one included. A new map after each change of edges or view. */
  get members(): ReadonlyMap<NodeId, Member> {
    this.#refresh();
    return this.#members;
  }

  /** Whether `members` would be another map than that; it costs nothing, whereas the look at `members` may. */
  isNewerThan(members: ReadonlyMap<NodeId, Member> | null): boolean {
    return this.#isStale || this.#members !== members;
  }

  /** Raised whenever the set of (id, incarnation, roles) in the view has changed since it was last looked at. */
  get viewNumber(): number {
    this.#refresh();
    return this.#viewNumber;
  }

  /** The hop limit: a path through all members. A constant one would cut off paths in a long line. */
  get hopsMax(): number {
    return Math.min(this.members.size, HOPS_MAX);
  }

  /** The neighbour to send to for `to`, this node itself for its own id, null if it is out of reach. */
  nextHop(to: NodeId): NodeId | null {
    return this.members.get(to)?.next ?? null;
  }

  /** The nodes that a message to `to` passes, from this one to that one; empty if it is out of reach. */
  pathTo(to: NodeId): readonly LinkState[] {
    if (!this.members.has(to)) return [];
    const distances = this.#distancesTo(to);
    const path: LinkState[] = [this.#own.state];
    for (let here = this.#own; here.state.node !== to; path.push(here.state)) {
      // Each node on the way chooses as this one does: of the nearest, the neighbour with the lowest id.
      const distance = (distances.get(here.state.node) as number) - 1;
      const nearer = this.#edgesOf(here).filter(({ state }) => distances.get(state.node) === distance);
      here = nearer.reduce((lowest, other) => (other.state.node < lowest.state.node ? other : lowest));
    }
    return path;
  }

  /** Links from each member of the view to that one; none of those from which it can't be reached. */
  distancesTo(to: NodeId): ReadonlyMap<NodeId, number> {
    return this.members.has(to) ? this.#distancesTo(to) : new Map();
  }

  /** Whether all other members of the view, as they run now, are among those that answered. */
  covers(answered: readonly NodeRef[]): boolean {
    const self = this.#own.state.node;
    const missing = new Map(Array.from(this.members.values(), ({ state }) => [state.node, state.incarnation]));
    missing.delete(self);
    for (const { node, incarnation } of answered) if (missing.get(node) === incarnation) missing.delete(node);
    return missing.size === 0;
  }

  /** Other members of the view with this node's name. */
  nameRivals(): Member[] {
    const { node, name } = this.#own.state;
    return Array.from(this.members.values()).filter(({ state }) => state.name === name && state.node !== node);
  }

  /** How many members are missed: vanished without leaving, not back, and not yet given up. */
  missedCount(nowMs: number): number {
    this.expireMissed(nowMs);
    return this.#missed.size;
  }

  /** Gives up members missed for `missedMs`, counted from the first look at the time after they vanished. */
  expireMissed(nowMs: number): void {
    this.#refresh();
    for (const [node, sinceMs] of this.#missed) {
      if (sinceMs === null) this.#missed.set(node, nowMs);
      else if (nowMs - sinceMs >= this.#limits.missedMs) this.#missed.delete(node);
    }
  }

  /** Forgets nodes that have been out of reach, and not been heard of, for `forgetMs`. Returns how many. */
  forgetUnreachable(nowMs: number): number {
    this.#refresh();
    let count = 0;
    // Mostly all that are known are in reach.
    if (this.#members.size === this.knownCount) return count;
    for (const [node, other] of this.#others) {
      if (this.#members.has(node)) continue;
      other.seenAtMs ??= nowMs;
      if (nowMs - other.seenAtMs < this.#limits.forgetMs) continue;
      this.#others.delete(node);
      count += 1;
    }
    return count;
  }

  #announce(change: Partial<LinkState>): LinkState {
    const { state } = this.#own;
    const announced = { ...state, ...change, sequence: state.sequence + 1 };
    const former = this.#own;
    this.#own = known(announced, null);
    // More or less room changes neither path nor view.
    if (isOnSamePaths(former, this.#own))
      this.#members.set(state.node, { state: announced, hops: 0, next: state.node });
    else this.#isStale = true;
    this.#refresh();
    const view = this.#viewNumber;
    if (view !== announced.view) {
      // The change of this node may itself be what changed the view, so that the number is known only now.
      this.#own = known({ ...announced, view }, null);
      this.#members.set(state.node, { state: this.#own.state, hops: 0, next: state.node });
    }
    return this.#own.state;
  }

  #learnOwn(state: LinkState): Learned {
    const order = compareAge(state, this.#own.state);
    if (order < 0) return 'older';
    return order === 0 && sameContent(state, this.#own.state) ? 'known' : 'ghost';
  }

  /** Makes room for a node by forgetting the one out of reach that was not heard of for longest. */
  #forgetOne(): boolean {
    this.#refresh();
    let longest: Known | null = null;
    for (const other of this.#others.values()) {
      if (this.#members.has(other.state.node) || other.seenAtMs === null) continue;
      if (longest === null || other.seenAtMs < (longest.seenAtMs ?? 0)) longest = other;
    }
    return longest !== null && this.#others.delete(longest.state.node);
  }

  #refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const former = this.#members;
    const members = this.#findPaths();
    this.#members = members;
    for (const node of former.keys()) if (!members.has(node)) this.#onVanished(node);
    for (const node of this.#missed.keys()) if (members.has(node)) this.#missed.delete(node);
    this.#updateView();
  }

  #onVanished(node: NodeId): void {
    const other = this.#others.get(node);
    if (other === undefined) return;
    other.seenAtMs = null;
    if (hasLeft(other.state)) return;
    this.#missed.set(node, null);
    // More than the database holds can only be missed while nodes come and go in masses: some remain missed.
    if (this.#missed.size <= this.#limits.statesMax) return;
    for (const oldest of this.#missed.keys()) {
      this.#missed.delete(oldest);
      return;
    }
  }

  #updateView(): void {
    const view = new Map<NodeId, string>();
    let isSame = this.#view.size === this.#members.size;
    for (const node of this.#members.keys()) {
      const { identity } = this.#known(node);
      view.set(node, identity);
      isSame = isSame && this.#view.get(node) === identity;
    }
    if (isSame) return;
    this.#view = view;
    this.#viewNumber += 1;
  }

  /**
   * Breadth first. Nodes of one distance are visited in the order of their `next`: the nearest ones are sorted, and a
   * farther one is found first by the neighbour of it that was visited first. So each gets the lowest possible `next`.
   */
  #findPaths(): Map<NodeId, Member> {
    const self = this.#own;
    const members = new Map<NodeId, Member>();
    members.set(self.state.node, { state: self.state, hops: 0, next: self.state.node });
    const queue: Known[] = [];
    const nearest = this.#edgesOf(self).toSorted((a, b) => (a.state.node < b.state.node ? -1 : 1));
    for (const other of nearest) {
      members.set(other.state.node, { state: other.state, hops: 1, next: other.state.node });
      queue.push(other);
    }
    for (const near of queue) {
      const member = members.get(near.state.node);
      if (member === undefined) continue;
      for (const far of this.#edgesOf(near)) {
        if (members.has(far.state.node)) continue;
        members.set(far.state.node, { state: far.state, hops: member.hops + 1, next: member.next });
        queue.push(far);
      }
    }
    return members;
  }

  /** Links from each member to that one. */
  #distancesTo(to: NodeId): ReadonlyMap<NodeId, number> {
    const distances = new Map([[to, 0]]);
    for (const [node, distance] of distances) {
      for (const { state } of this.#edgesOf(this.#known(node))) {
        if (!distances.has(state.node)) distances.set(state.node, distance + 1);
      }
    }
    return distances;
  }

  /** The nodes that announce the edge to this one as this one announces it to them. */
  #edgesOf(one: Known): Known[] {
    const { node, incarnation } = one.state;
    const others: Known[] = [];
    for (const [id, announced] of one.edges) {
      const other = id === this.#own.state.node ? this.#own : this.#others.get(id);
      if (other?.state.incarnation === announced && other.edges.get(node) === incarnation) others.push(other);
    }
    return others;
  }

  #known(node: NodeId): Known {
    return this.#others.get(node) ?? this.#own;
  }
}

/** What came over a link, as a link state, or null if it is none. What else `info` holds is for later versions. */
export function parseLinkState(
  node: NodeId,
  incarnation: number,
  sequence: number,
  info: Readonly<Record<string, unknown>>,
): LinkState | null {
  if (!isIncarnation(incarnation) || !isCount(sequence)) return null;
  // Whoever does not say how many keys it has to spare is not counted on.
  const { name, freeBytes, freeKeys = 0, view } = info;
  if (typeof name !== 'string' || !NAME.test(name)) return null;
  if (!isCount(freeBytes) || !isCount(freeKeys) || !isCount(view)) return null;
  const roles = parseRoles(info.roles);
  const databases = parseDatabases(info.databases);
  const neighbours = parseNeighbours(info.neighbours, node);
  if (roles === null || databases === null || neighbours === null) return null;
  // Only a hint: one that is no address says nothing against the rest.
  const clientUrl = typeof info.clientUrl === 'string' && CLIENT_URL.test(info.clientUrl) ? info.clientUrl : null;
  return { node, incarnation, sequence, name, roles, freeBytes, freeKeys, clientUrl, view, databases, neighbours };
}

/** The inverse of `parseLinkState`: all that does not travel in fields of its own. */
export function linkStateInfo(state: LinkState): Record<string, unknown> {
  const { name, roles, freeBytes, freeKeys, clientUrl, view } = state;
  const neighbours = state.neighbours.map(({ node, incarnation }) => [node, incarnation]);
  const databases = state.databases.map((held) => [held.name, held.peer]);
  return {
    name,
    roles,
    freeBytes,
    freeKeys,
    ...(clientUrl === null ? {} : { clientUrl }),
    view,
    ...(databases.length > 0 ? { databases } : {}),
    neighbours,
  };
}

function parseRoles(value: unknown): string[] | null {
  if (!Array.isArray(value) || value.length > ROLES_MAX) return null;
  const roles: string[] = [];
  for (const role of value as unknown[]) {
    if (typeof role !== 'string' || !ROLE.test(role)) return null;
    roles.push(role);
  }
  return sorted(roles);
}

/** Whoever does not say what it holds holds nothing. */
function parseDatabases(value: unknown): HeldDatabase[] | null {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > DATABASES_MAX) return null;
  const databases: HeldDatabase[] = [];
  let last = '';
  for (const pair of value as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return null;
    const [name, peer] = pair as unknown[];
    if (typeof name !== 'string' || !NAME.test(name) || name <= last) return null;
    if (typeof peer !== 'string' || !PEER.test(peer)) return null;
    databases.push({ name, peer });
    last = name;
  }
  return databases;
}

function parseNeighbours(value: unknown, self: NodeId): NodeRef[] | null {
  if (!Array.isArray(value) || value.length > NEIGHBOURS_MAX) return null;
  const refs = new Map<NodeId, NodeRef>();
  for (const pair of value as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return null;
    const [id, incarnation] = pair as unknown[];
    const node = typeof id === 'string' ? parseNodeId(id) : null;
    if (node === null || node === self || refs.has(node) || !isIncarnation(incarnation)) return null;
    refs.set(node, { node, incarnation });
  }
  return [...refs.values()];
}

/** The name of a database, and of a node. */
export const isName = (text: string): boolean => NAME.test(text);

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Others take part in paths only with an incarnation that all accept in an announcement. */
export function isIncarnation(value: unknown): value is number {
  return isCount(value) && value <= INCARNATION_MAX;
}

function known(state: LinkState, seenAtMs: number | null): Known {
  const edges = new Map(state.neighbours.map(({ node, incarnation }) => [node, incarnation]));
  // That a leaving node has nothing left changes nothing for those who count on the others.
  const roles = state.roles.filter((role) => role !== 'left');
  return { state, edges, identity: `${state.incarnation} ${roles.join(' ')}`, seenAtMs };
}

/** It has handed over what it could: from then on nobody misses it. */
function hasLeft(state: LinkState): boolean {
  return state.roles.includes('left');
}

/** Below 0 if `a` was announced before `b`. */
function compareAge(a: LinkState, b: LinkState): number {
  return a.incarnation - b.incarnation || a.sequence - b.sequence;
}

function isOnSamePaths(a: Known, b: Known): boolean {
  return a.identity === b.identity && sameEdges(a.edges, b.edges);
}

function sameEdges(a: ReadonlyMap<NodeId, number>, b: ReadonlyMap<NodeId, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [node, incarnation] of a) if (b.get(node) !== incarnation) return false;
  return true;
}

function sameContent(a: LinkState, b: LinkState): boolean {
  return JSON.stringify(linkStateInfo(a)) === JSON.stringify(linkStateInfo(b));
}

function sorted(roles: readonly string[]): string[] {
  return [...new Set(roles)].toSorted();
}
