/**
 * What the other actors of this node are told of the swarm: who is there (finder, scanner, watcher), whose business keys
 * are (store, directory), where there is room (finder), who holds which databases (databases), where clients may go
 * (node). A part of the router, not an actor of its own.
 *
 * Invariant: whoever is told of a view is told of all that depends on it in the same turn.
 */
import type { NodeId } from '../../store/node-id.js';
import type { LinkState, Member, Topology } from '../../store/topology.js';
import type { Addresses } from '../addresses.js';
import type { ClientUrls, Holders, Members, Renumbered, Rooms, RouterMessage, View } from '../message.js';
import type { Self } from '../runtime/kind.js';

/**
 * At least so long per member between two words about the view that follow from what others announce: each costs a flood
 * and work for every member, and where many nodes start or fall at once, changes come by the thousand.
 */
const VIEW_PAUSE_PER_MEMBER_MS = 1;
/** Addresses that clients are told of when this node leaves. */
const CLIENT_URLS_MAX = 8;
const LOOPBACK = /^wss?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|\/|$)/;

export class ToldView {
  readonly #self: Self<RouterMessage>;
  readonly #addresses: Addresses;
  readonly #topology: Topology;
  #missed = 0;
  /** The members at the last word about them. */
  #members: ReadonlyMap<NodeId, Member> | null = null;
  /** The view numbers of the members, as store and directory know them. */
  readonly #views = new Map<NodeId, number>();
  #atMs = -Infinity;

  constructor(self: Self<RouterMessage>, addresses: Addresses, topology: Topology) {
    this.#self = self;
    this.#addresses = addresses;
    this.#topology = topology;
  }

  /** How many members were missed at the last word about them. */
  get missed(): number {
    return this.#missed;
  }

  /** There are other members now, or other paths to them. */
  get isOutdated(): boolean {
    return this.#topology.isNewerThan(this.#members);
  }

  /** Others are missed now, or nothing was told yet. */
  isOutdatedAt(nowMs: number): boolean {
    return this.#topology.missedCount(nowMs) !== this.#missed || this.#members === null;
  }

  /** Until others may be told again of what follows from what others announce. */
  get pauseLeftMs(): number {
    return this.#atMs + VIEW_PAUSE_PER_MEMBER_MS * (this.#members?.size ?? 1) - this.#self.now();
  }

  tell(): void {
    this.#missed = this.#topology.missedCount(this.#self.now());
    this.#members = this.#topology.members;
    this.#atMs = this.#self.now();
    const members = [...this.#members.keys()];
    const incarnations = Array.from(this.#members.values(), ({ state }) => state.incarnation);
    const { viewNumber: number } = this.#topology;
    const view: View = { type: 'view', members, incarnations, missed: this.#missed, number };
    this.#addresses.finder.tell(view, this.#self.ref);
    this.#addresses.scanner.tell(view, this.#self.ref);
    this.#addresses.watcher.tell(view, this.#self.ref);
    this.#tellMembers();
    this.tellRooms();
    this.tellHolders();
    this.tellClientUrls();
  }

  /** Who of the view holds which databases, and how far those are from each other that share one with this node. */
  tellHolders(): void {
    const { node: self, databases: held } = this.#topology.own;
    const own = new Set(held.map(({ name }) => name));
    const nodes: Holders['nodes'][number][] = [];
    for (const { state, hops } of this.#topology.members.values()) {
      const { node, incarnation, name, databases } = state;
      const isSharing = node === self || databases.some((database) => own.has(database.name));
      const hopsTo = isSharing ? Object.fromEntries(this.#topology.distancesTo(node)) : {};
      nodes.push({ node, incarnation, name, hops, databases, hopsTo });
    }
    this.#addresses.databases.tell({ type: 'holders', nodes } satisfies Holders, this.#self.ref);
  }

  /** Where clients may go when this node leaves. A loopback address means nothing to those that came from elsewhere. */
  tellClientUrls(): void {
    const isLocal = LOOPBACK.test(this.#topology.own.clientUrl ?? '');
    const members = [...this.#topology.members.values()].toSorted((a, b) => a.hops - b.hops);
    const urls: string[] = [];
    for (const { state } of members) {
      const { node, roles, clientUrl } = state;
      if (node === this.#topology.own.node || roles.includes('leaving') || clientUrl === null) continue;
      if (isLocal || !LOOPBACK.test(clientUrl)) urls.push(clientUrl);
    }
    // Nodes behind one address tell the same one.
    const message: ClientUrls = { type: 'clientUrls', urls: [...new Set(urls)].slice(0, CLIENT_URLS_MAX) };
    this.#addresses.node.tell(message, this.#self.ref);
  }

  /** Where an entry may go for which there is no room here: of equally near nodes first to the one with most room. */
  tellRooms(): void {
    const members = [...this.#topology.members.values()].filter(
      ({ state: { node, roles } }) =>
        node !== this.#topology.own.node && roles.includes('store') && !roles.includes('leaving'),
    );
    members.sort((a, b) => a.hops - b.hops || b.state.freeBytes - a.state.freeBytes);
    const stores = members.map(({ state: { node, freeBytes, freeKeys } }) => ({ node, freeBytes, freeKeys }));
    this.#addresses.finder.tell({ type: 'rooms', stores } satisfies Rooms, this.#self.ref);
  }

  /** What homes and owners need to know of the view (RULES V1). */
  #tellMembers(): void {
    this.#views.clear();
    const members: Members['members'][number][] = [];
    for (const { state, hops } of this.#topology.members.values()) {
      const { node, incarnation, view, roles } = state;
      this.#views.set(node, view);
      const isStaying = !roles.includes('leaving');
      const [isHome, isStore] = [isStaying && roles.includes('home'), isStaying && roles.includes('store')];
      members.push({ node, incarnation, view, hops, isHome, isStore });
    }
    const { incarnation } = this.#topology.own;
    const message: Members = { type: 'members', view: this.#topology.viewNumber, incarnation, members };
    this.#addresses.store.tell(message, this.#self.ref);
    this.#addresses.directory.tell(message, this.#self.ref);
  }

  tellRenumbered({ node, view }: LinkState): void {
    const told = this.#views.get(node);
    if (told === undefined || told >= view) return;
    this.#views.set(node, view);
    const message: Renumbered = { type: 'renumbered', node, view };
    this.#addresses.store.tell(message, this.#self.ref);
    this.#addresses.directory.tell(message, this.#self.ref);
  }
}
