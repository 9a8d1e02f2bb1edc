/**
 * The databases of one node: which are here, who holds which elsewhere, and whose business a client's request is: that of
 * the replica here, or that of the nearest peer, through a tunnel. It makes databases, joins those that other nodes hold,
 * and tells each replica who its other peers are and over which of them ops spread.
 *
 * Invariants: each request is passed on to one replica or tunnel, or answered here; what was opened is known by session
 * and id until it is released; nothing that another node or a client says makes more than the bounds allow.
 */
import type { OpDisks } from '../../disk/op-disk.js';
import type { NodeId } from '../../store/node-id.js';
import { treeNeighbours } from '../../store/spanning-tree.js';
import { DATABASES_MAX, isName } from '../../store/topology.js';
import { refused } from '../../transport/message.js';
import type {
  DatabaseReply,
  DatabaseRequest,
  Info,
  MessageOf,
  RefusalCode,
  RequestId,
} from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import { drawPeer, objectionToOptions, objectionToPeer, optionsOf, parseOptions } from '../database-options.js';
import type { DatabaseOptions } from '../database-options.js';
import type {
  Count,
  DatabasesMessage,
  Holders,
  Holding,
  OtherPeer,
  Peers,
  PeerMessage,
  Released,
  ReplicaMessage,
  ReplicaReady,
} from '../message.js';
import { newReplicaCounts } from '../replica/counts.js';
import { FeedCredit } from '../replica/feed-credit.js';
import { replicaKind } from '../replica/replica-kind.js';
import type { Ref, Self, Terminated } from '../runtime/kind.js';
import type { ServingEvent } from '../serving-machine.js';
import { OPENS_PER_SESSION_MAX, SUBSCRIPTIONS_PER_SESSION_MAX, TUNNELS_MAX } from '../settings.js';
import type { Identity, Settings } from '../settings.js';
import { Tunnels } from './tunnels.js';

export interface DatabasesArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  /** Null: this node holds no databases; a sibling may hold them for it (`databasesAt`). */
  readonly disks: OpDisks | null;
}

/** A database of this node. */
interface Here {
  readonly name: string;
  readonly replica: Ref<ReplicaMessage>;
  /** Null until the replica has told it. */
  peer: string | null;
  /** The other peers at the last word to the replica, as text. */
  toldPeers: string;
  /** Who asked for it, until it is there. */
  creator: { readonly session: Ref; readonly id: RequestId } | null;
}

/** A database that another node holds and that this one is to join, while its options are asked for. */
interface Joining {
  readonly session: Ref;
  readonly request: MessageOf<'createDatabase'>;
}

/** What a replica is to be that is not on disk. */
interface Creation {
  readonly options: DatabaseOptions;
  readonly peer: string;
  readonly isJoining: boolean;
}

export class Databases {
  readonly #self: Self<DatabasesMessage, ServingEvent>;
  readonly #args: DatabasesArgs;
  readonly #here = new Map<string, Here>();
  readonly #byReplica = new Map<Ref, Here>();
  /** By the id of the question about the options. */
  readonly #joining = new Map<RequestId, Joining>();
  /** What is open, by session and id. */
  readonly #routes = new Map<Ref, Map<RequestId, Ref>>();
  #nodes: Holders['nodes'] = [];
  readonly #tunnels: Tunnels;
  #lastQuestion = 0;
  readonly #replicaCounts = newReplicaCounts();
  readonly #feedCredit: FeedCredit;
  readonly #counts = { requests: 0, refused: 0, strays: 0, created: 0, joined: 0, failed: 0 };

  constructor(self: Self<DatabasesMessage, ServingEvent>, args: DatabasesArgs) {
    this.#self = self;
    const { creditBytes, lentBytes } = args.settings.replicaSizes;
    this.#feedCredit = new FeedCredit(creditBytes, lentBytes);
    this.#args = args;
    this.#tunnels = new Tunnels(self, args);
    self.ref.tell({ type: 'tick' }, self.ref);
  }

  /** Opens what is on disk. */
  onTick(): void {
    let names: readonly string[] = [];
    try {
      names = this.#args.disks?.list() ?? [];
    } catch (fault) {
      this.#self.log('error', 'the databases on disk are not served', { reason: String(fault) });
    }
    for (const name of names.slice(0, DATABASES_MAX)) this.#spawn(name, null, null);
  }

  // From sessions and the far ends of tunnels

  onTooEarly({ id }: DatabaseRequest, session: Ref): void {
    this.#refuse(session, id, 'BUSY', 'this node is still joining its swarm', { retryAfterMs: 200 });
  }

  onOpen(request: MessageOf<'openDatabase'>, session: Ref): void {
    this.#counts.requests += 1;
    if (!this.#hasRoute(session, request.id)) return;
    const target = this.#targetOf(request.database, request, session);
    if (target === null) return;
    this.#routesOf(session).set(request.id, target);
    if (!this.#tunnels.isNearEnd(target)) target.tell(request, session);
  }

  onOfOpen(request: MessageOf<'closeDatabase' | 'submit' | 'subscribe'>, session: Ref): void {
    this.#counts.requests += 1;
    const target = this.#routes.get(session)?.get(request.open);
    if (target === undefined) {
      return this.#refuse(session, request.id, 'FORBIDDEN', 'no database is open under that id', {
        name: 'wrong scope',
      });
    }
    if (request.type === 'subscribe') {
      if (!this.#hasRoute(session, request.id)) return;
      this.#routesOf(session).set(request.id, target);
    }
    target.tell(request, session);
  }

  onOfSubscription(request: MessageOf<'next' | 'unsubscribe'>, session: Ref): void {
    this.#counts.requests += 1;
    const target = this.#routes.get(session)?.get(request.subscription);
    if (target === undefined) {
      // That something never was is no fault; but who waits for more is to know.
      if (request.type === 'unsubscribe') session.tell({ type: 'unsubscribed', id: request.id }, this.#self.ref);
      else
        this.#refuse(session, request.id, 'FORBIDDEN', 'no subscription is open under that id', {
          name: 'wrong scope',
        });
      return;
    }
    target.tell(request, session);
  }

  onCreate(request: MessageOf<'createDatabase'>, session: Ref): void {
    this.#counts.requests += 1;
    const { id, database, options } = request;
    const objection =
      objectionToOptions(options) ??
      (isName(database) ? null : 'the name of a database is 1 to 64 of A-Z a-z 0-9 . _ -');
    if (objection !== null) return this.#refuse(session, id, 'BAD_REQUEST', objection);
    const { databasesAt } = this.#args.settings;
    if (this.#tunnels.isFarEnd(session) && databasesAt !== this.#args.identity.name)
      return this.#refuse(session, id, 'BAD_REQUEST', 'not through a tunnel');
    if (this.#args.disks === null) return this.#createAt(databasesAt, request, session);
    const here = this.#here.get(database);
    // The replica compares what is asked for with what it is.
    if (here !== undefined) return void here.replica.tell(request, session);
    if (this.#here.size >= DATABASES_MAX || this.#joining.size >= DATABASES_MAX) {
      return this.#refuse(session, id, 'OVER_CAPACITY', `a node holds at most ${DATABASES_MAX} databases`, {
        max: DATABASES_MAX,
      });
    }
    const holder = this.#nearestHolder(database);
    if (holder === null) return this.#create(request, optionsOf(options), session);
    this.#lastQuestion += 1;
    const question = { type: 'inspectDatabase', id: this.#lastQuestion, database, options: {} } as const;
    this.#joining.set(question.id, { session, request });
    this.#tunnels.open(holder, question, this.#self.ref);
  }

  onDatabases({ id }: MessageOf<'databases'>, session: Ref): void {
    this.#counts.requests += 1;
    const byName = new Map<
      string,
      { name: string; isHere: boolean; peers: { node: NodeId; name: string; peer: string }[] }
    >();
    for (const { node, name, databases } of this.#nodes) {
      for (const held of databases) {
        const known = byName.get(held.name) ?? { name: held.name, isHere: this.#here.has(held.name), peers: [] };
        byName.set(held.name, known);
        known.peers.push({ node, name, peer: held.peer });
      }
    }
    const databases = [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    session.tell({ type: 'databaseInfo', id, info: { databases } } satisfies MessageOf<'databaseInfo'>, this.#self.ref);
  }

  onQuestion(request: MessageOf<'inspectDatabase' | 'compactDatabase'>, session: Ref): void {
    this.#counts.requests += 1;
    const target = this.#targetOf(request.database, request, session);
    if (target !== null && !this.#tunnels.isNearEnd(target)) target.tell(request, session);
  }

  /** To the question about a database that is to be joined. */
  onReply(reply: DatabaseReply): void {
    const joining = reply.id === null ? undefined : this.#joining.get(reply.id);
    if (joining === undefined || reply.id === null) return;
    this.#joining.delete(reply.id);
    const { session, request } = joining;
    const { id, database } = request;
    const found = reply.type === 'databaseInfo' ? parseOptions((reply.info['options'] ?? {}) as Info) : null;
    if (found === null) {
      this.#counts.failed += 1;
      return this.#refuse(session, id, 'UNKNOWN', 'no peer of the database has told its options; try again');
    }
    const given = optionsOf(request.options, found);
    if (JSON.stringify(given) !== JSON.stringify(found)) {
      return this.#refuse(session, id, 'CONFLICT', 'the database exists with other options', { options: found });
    }
    if (this.#here.has(database)) return void this.#here.get(database)?.replica.tell(request, session);
    this.#counts.joined += 1;
    this.#create(request, found, session);
  }

  onReleased({ session, ids }: Released): void {
    const routes = this.#routes.get(session);
    for (const id of ids) routes?.delete(id);
  }

  // From replicas

  onReplicaReady({ peer }: ReplicaReady, replica: Ref): void {
    const here = this.#byReplica.get(replica);
    if (here === undefined) return;
    here.peer = peer;
    this.#announce();
    this.#tellPeers(here);
    const { creator } = here;
    here.creator = null;
    if (creator === null) return;
    const question = { type: 'inspectDatabase', id: creator.id, database: here.name, options: {} } as const;
    here.replica.tell(question, creator.session);
  }

  // From the router

  onHolders({ nodes }: Holders): void {
    this.#nodes = nodes;
    for (const here of this.#here.values()) this.#tellPeers(here);
    this.#tunnels.onNodes(nodes);
  }

  onPeerMessage(message: PeerMessage): void {
    const here = this.#here.get(message.database);
    if (here === undefined) this.#counts.strays += 1;
    else here.replica.tell(message, this.#self.ref);
  }

  onTunnel(message: MessageOf<'tunnel'>): void {
    this.#tunnels.onTunnel(message);
  }

  onTunnelWord(message: MessageOf<'tunnelBeat' | 'tunnelOff'>): void {
    this.#tunnels.onWord(message);
  }

  // Upkeep

  onServe(): ServingEvent {
    return 'serve';
  }

  /** Those who came through a tunnel are to find another peer; the sessions of this node are told by themselves. */
  onDrain(): void {
    this.#tunnels.stopFar();
  }

  onTerminated({ who, reason }: Terminated): void {
    this.#routes.delete(who);
    const isNear = this.#tunnels.forget(who);
    const here = this.#byReplica.get(who);
    if (here !== undefined) this.#onReplicaEnded(here, reason);
    if (!isNear && here === undefined) return;
    for (const routes of this.#routes.values()) {
      for (const [id, target] of routes) if (target === who) routes.delete(id);
    }
  }

  onCount(_message: Count, from: Ref): void {
    const tunnels = this.#tunnels.counters();
    const counters = {
      ...this.#counts,
      databases: this.#here.size,
      sessions: this.#routes.size,
      ...tunnels,
      ...this.#replicaCounts,
      strays: this.#counts.strays + tunnels.strays + this.#replicaCounts.strays,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  /** What this node would hold is held by a sibling. */
  #createAt(name: string | null, request: MessageOf<'createDatabase'>, session: Ref): void {
    const { id } = request;
    if (name === null)
      return this.#refuse(session, id, 'UNSUPPORTED', 'this node holds no databases', { name: 'databases' });
    const sibling = this.#nodes.find((other) => other.name === name);
    if (sibling === undefined)
      return this.#refuse(session, id, 'BUSY', `databases are held by ${name}, which is not in sight`, {
        retryAfterMs: 200,
      });
    if (this.#mayTunnel(session, id)) this.#tunnels.open(sibling, request, session);
  }

  #create(request: MessageOf<'createDatabase'>, options: DatabaseOptions, session: Ref): void {
    const { id, database } = request;
    const taken = new Set(this.#holdersOf(database).map(({ peer }) => peer));
    const { peer: wanted } = request.options;
    const objection = wanted === undefined ? null : objectionToPeer(wanted, options);
    if (objection !== null) return this.#refuse(session, id, 'BAD_REQUEST', objection);
    const peer = wanted ?? drawPeer(options, taken, this.#self.random);
    if (peer === null || taken.has(peer)) {
      return this.#refuse(session, id, 'CONFLICT', 'the peer id is taken', { peer: wanted ?? null });
    }
    this.#counts.created += 1;
    this.#spawn(database, { options, peer, isJoining: taken.size > 0 }, { session, id });
  }

  #spawn(name: string, creation: Creation | null, creator: Here['creator']): void {
    const { identity, settings, addresses, disks } = this.#args;
    if (disks === null) return;
    const counts = this.#replicaCounts;
    const args = { identity, settings, addresses, disks, name, creation, counts, credit: this.#feedCredit };
    const replica = this.#self.spawn(replicaKind, `database-${name}`, args);
    const here: Here = { name, replica, peer: null, toldPeers: '', creator };
    this.#here.set(name, here);
    this.#byReplica.set(replica, here);
    this.#self.watch(replica);
  }

  #onReplicaEnded({ name, replica, creator }: Here, reason: string): void {
    this.#counts.failed += 1;
    this.#here.delete(name);
    this.#byReplica.delete(replica);
    this.#announce();
    this.#self.log('error', 'a database is not served', { database: name, reason });
    if (creator === null) return;
    this.#refuse(creator.session, creator.id, 'UNKNOWN', `the database could not be opened: see the node's log`);
  }

  /** What is to answer: the replica here, or a new tunnel to the nearest peer. Null: it was refused. */
  #targetOf(database: string, request: DatabaseRequest, session: Ref): Ref | null {
    const here = this.#here.get(database);
    if (here !== undefined) return here.replica;
    const holder = this.#tunnels.isFarEnd(session) ? null : this.#nearestHolder(database);
    if (holder === null) {
      this.#refuse(session, request.id, 'UNKNOWN', 'no node in reach holds that database', { name: 'no database' });
      return null;
    }
    return this.#mayTunnel(session, request.id) ? this.#tunnels.open(holder, request, session) : null;
  }

  /** False: it was refused. */
  #mayTunnel(session: Ref, id: RequestId): boolean {
    if (!this.#tunnels.isFull) return true;
    this.#refuse(session, id, 'BUSY', 'this node has too many tunnels', { max: TUNNELS_MAX });
    return false;
  }

  #nearestHolder(database: string): Holders['nodes'][number] | null {
    let nearest: Holders['nodes'][number] | null = null;
    for (const other of this.#nodes) {
      if (other.node === this.#args.identity.node || !other.databases.some(({ name }) => name === database)) continue;
      if (nearest === null || other.hops < nearest.hops || (other.hops === nearest.hops && other.node < nearest.node))
        nearest = other;
    }
    return nearest;
  }

  /** The other nodes that hold it. */
  #holdersOf(database: string): (Holders['nodes'][number] & { readonly peer: string })[] {
    return this.#nodes.flatMap((other) => {
      const held = other.databases.find(({ name }) => name === database);
      return held === undefined || other.node === this.#args.identity.node ? [] : [{ ...other, peer: held.peer }];
    });
  }

  #tellPeers(here: Here): void {
    if (here.peer === null) return;
    const { node: self } = this.#args.identity;
    const others = this.#holdersOf(here.name);
    const distances = new Map(this.#nodes.map(({ node, hopsTo }) => [node, hopsTo]));
    const tree = treeNeighbours(self, [self, ...others.map(({ node }) => node)], (a, b) => distances.get(b)?.[a]);
    const peers: OtherPeer[] = others.map(({ node, incarnation, peer, hops }) => ({
      node,
      incarnation,
      peer,
      place: tree.has(node) ? 'tree' : hops === 1 ? 'neighbour' : 'far',
    }));
    const text = JSON.stringify(peers);
    if (text === here.toldPeers) return;
    here.toldPeers = text;
    here.replica.tell({ type: 'peers', peers } satisfies Peers, this.#self.ref);
  }

  #announce(): void {
    const databases = [...this.#here.values()]
      .flatMap(({ name, peer }) => (peer === null ? [] : [{ name, peer }]))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#args.addresses.router.tell({ type: 'holding', databases } satisfies Holding, this.#self.ref);
  }

  #routesOf(session: Ref): Map<RequestId, Ref> {
    const present = this.#routes.get(session);
    if (present !== undefined) return present;
    const routes = new Map<RequestId, Ref>();
    this.#routes.set(session, routes);
    this.#self.watch(session);
    return routes;
  }

  /** False: it was refused. */
  #hasRoute(session: Ref, id: RequestId): boolean {
    const routes = this.#routesOf(session);
    const max = OPENS_PER_SESSION_MAX + SUBSCRIPTIONS_PER_SESSION_MAX;
    if (routes.has(id)) this.#refuse(session, id, 'BAD_REQUEST', 'this id is taken');
    else if (routes.size >= max)
      this.#refuse(session, id, 'BUSY', `at most ${max} databases and subscriptions can be open`, { max });
    else return true;
    return false;
  }

  #refuse(
    session: Ref,
    id: RequestId,
    code: RefusalCode,
    text: string,
    info: Readonly<Record<string, unknown>> | null = null,
  ): void {
    this.#counts.refused += 1;
    session.tell(refused(id, code, text, info), this.#self.ref);
  }
}
