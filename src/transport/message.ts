/**
 * The message table: the single source of what may travel between clients and nodes and between nodes. Both codecs,
 * the message types and the tables of docs/PROTOCOL.md are derived from it (a test compares the document).
 *
 * A message on the wire is the MessagePack array [tag, ...head, ...fields]. The head depends on the row's form:
 * - `request`, `reply`: an id, which the reply repeats (nil where `idless` says so);
 * - `notice`: no head, between neighbours;
 * - `routed`: to, from, hops (links crossed, the one under way included): what a relay needs, and all that it reads.
 *
 * Tags are append-only: 1 to 31 requests of clients, 33 to 63 replies and notices to clients, 64 to 127 replicas, 128
 * and up between nodes. A retired tag is never given to another message.
 */
import type { NodeId, NodeRef } from '../store/node-id.js';

/** The protocol versions that this build speaks. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Encoded MessagePack that nobody here builds: it is walked once, kept, and emitted again. Never changed in place. */
export type Bytes = Uint8Array;
export type Key = string;
/** Chosen by the asking side, from 0 to 2^53 - 1, unique among its open requests. */
export type RequestId = number;
/** A map with text keys; its content is plain data and is checked by whoever reads it. */
export type Info = Readonly<Record<string, unknown>>;

/** What a field carries, by kind. An absent or nil field is `null`, except `options`, which is then empty. */
export interface FieldTypes {
  /** Text, 1 byte to `keyBytesMax` bytes of UTF-8. */
  key: Key;
  text: string;
  /** 0 to 2^53 - 1; an integral float is accepted. */
  integer: number;
  /** The same with those below 0. */
  signed: number;
  boolean: boolean;
  info: Info;
  /** uint64 on the wire. */
  node: NodeId;
  /** An array of [node, incarnation]. */
  nodes: readonly NodeRef[];
  /** An array of `key`s. */
  keys: readonly Key[];
  /** A bin; what it holds is checked by whoever reads it. */
  bytes: Uint8Array;
  /** Any MessagePack value, always the last field. */
  value: Bytes;
  /** A message of this table, in a bin, so that a relay steps over it without reading it. */
  message: CacheRequest | DatabaseRequest | ClientReply;
}
export type FieldKind = keyof FieldTypes;

/** Names allowed in an options map, and what they hold. `integer` here may be negative: its range is the command's. */
export interface OptionTypes {
  boolean: boolean;
  integer: number;
  text: string;
}
export type OptionKinds = Readonly<Record<string, keyof OptionTypes>>;

interface Field<Name extends string = string, Kind extends FieldKind = FieldKind, Optional extends boolean = boolean> {
  readonly name: Name;
  readonly kind: Kind;
  /** May be left out at the end, or nil. */
  readonly optional: Optional;
}
interface OptionsField<Kinds extends OptionKinds = OptionKinds> {
  readonly name: 'options';
  readonly kind: 'options';
  readonly optional: boolean;
  readonly kinds: Kinds;
}
export type AnyField = Field | OptionsField;
export type Form = 'request' | 'reply' | 'notice' | 'routed';

export interface Row<
  F extends Form = Form,
  Fields extends readonly AnyField[] = readonly AnyField[],
  Idless extends boolean = boolean,
> {
  readonly tag: number;
  readonly form: F;
  readonly fields: Fields;
  /** The id may be nil: the message answers no request, or one that could not be read. */
  readonly idless: Idless;
}

const field = <N extends string, K extends FieldKind>(name: N, kind: K): Field<N, K, false> => ({
  name,
  kind,
  optional: false,
});
const maybe = <N extends string, K extends FieldKind>(name: N, kind: K): Field<N, K, true> => ({
  name,
  kind,
  optional: true,
});
const options = <const Kinds extends OptionKinds>(kinds: Kinds, optional = true): OptionsField<Kinds> => ({
  name: 'options',
  kind: 'options',
  optional,
  kinds,
});
const row =
  <F extends Form, Idless extends boolean>(form: F, idless: Idless) =>
  <const Fields extends readonly AnyField[]>(tag: number, ...fields: Fields): Row<F, Fields, Idless> => ({
    tag,
    form,
    fields,
    idless,
  });
const request = row('request', false);
const reply = row('reply', false);
const idlessReply = row('reply', true);
const notice = row('notice', false);
const routed = row('routed', false);

/**
 * Under which views home and member speak with each other (RULES O1): the home's incarnation and view number, then the
 * member's.
 */
const PAIR = [
  field('homeIncarnation', 'integer'),
  field('homeView', 'integer'),
  field('incarnation', 'integer'),
  field('view', 'integer'),
] as const;

export const MESSAGES = {
  // Requests of clients.
  hello: request(1, options({ protocol: 'integer', token: 'text', client: 'text', clock: 'text' })),
  get: request(2, field('key', 'key'), options({ meta: 'boolean' })),
  set: request(
    3,
    field('key', 'key'),
    options({ ttlMs: 'integer', if: 'text', ifStamp: 'text', meta: 'boolean' }, false),
    field('value', 'value'),
  ),
  delete: request(4, field('key', 'key'), options({ ifStamp: 'text' })),
  touch: request(5, field('key', 'key'), field('ttlMs', 'integer')),
  incr: request(6, field('key', 'key'), field('by', 'signed'), options({ ttlMs: 'integer' })),
  scan: request(7, field('prefix', 'text'), options({ cursor: 'text', limit: 'integer' })),
  watch: request(8, options({ key: 'text', prefix: 'text', values: 'boolean' }, false)),
  unwatch: request(9, field('watch', 'integer')),
  where: request(10, field('key', 'key')),
  trace: request(11, field('key', 'key')),
  ping: request(12),
  inspect: request(13, field('what', 'text')),

  // Requests of clients that hold replicas. `open` and `subscription` are the ids of the requests that began them.
  /** `opened`, `acked` and `closed` come with this id, which stays taken until `closed`. */
  openDatabase: request(
    64,
    field('database', 'text'),
    options({ replica: 'text', client: 'text', last: 'text', readOnly: 'boolean' }),
  ),
  closeDatabase: request(65, field('open', 'integer')),
  /** An array of ops, in the order of their chain. */
  submit: request(66, field('open', 'integer'), field('ops', 'value')),
  /** `have`: nil, or what the client holds of each object, as another peer knows it: [type, id, count, digest]. */
  subscribe: request(
    67,
    field('open', 'integer'),
    options({ type: 'text', object: 'text', prefix: 'text', all: 'boolean', position: 'text' }, false),
    field('have', 'value'),
  ),
  /** The next page of a subscription that is not live yet. */
  next: request(68, field('subscription', 'integer')),
  unsubscribe: request(69, field('subscription', 'integer')),
  createDatabase: request(
    70,
    field('database', 'text'),
    options({
      scheme: 'text',
      peer: 'text',
      shared: 'boolean',
      relaxed: 'boolean',
      types: 'text',
      compactAfterMs: 'integer',
    }),
  ),
  databases: request(71),
  inspectDatabase: request(72, field('database', 'text'), options({ digests: 'boolean' })),
  compactDatabase: request(73, field('database', 'text')),

  // Replies and notices to clients.
  welcome: reply(33, field('info', 'info')),
  value: reply(34, maybe('meta', 'info'), field('value', 'value')),
  missing: reply(35),
  stored: reply(36, maybe('meta', 'info')),
  deleted: reply(37, field('existed', 'boolean')),
  keys: reply(38, field('keys', 'keys'), maybe('cursor', 'text'), maybe('incomplete', 'boolean')),
  watching: reply(39),
  /** Any number of them, with the id of the watch. */
  change: reply(40, field('kind', 'text'), maybe('key', 'key'), maybe('meta', 'info'), maybe('value', 'value')),
  located: reply(41, field('info', 'info')),
  pong: reply(42),
  report: reply(43, field('info', 'info')),
  unwatched: reply(45),
  bye: idlessReply(44, field('info', 'info')),
  refused: idlessReply(63, field('code', 'text'), field('message', 'text'), maybe('info', 'info')),

  // Replies and notices to clients that hold replicas.
  opened: reply(96, field('info', 'info')),
  /** To `closeDatabase`; or with the id of `openDatabase`: the peer is gone, or out of reach. */
  closed: reply(97, maybe('reason', 'text')),
  /** Times of the last ops of the replica that the peer, and that a second peer, has stored; nil: none. */
  acked: reply(98, maybe('stored', 'text'), maybe('spread', 'text')),
  /** Items: ops, and states of objects. `position`: after them. Once `isLive`, others follow as they come. */
  patch: reply(99, field('position', 'text'), field('isLive', 'boolean'), field('items', 'value')),
  unsubscribed: reply(100),
  databaseInfo: reply(101, field('info', 'info')),

  // Between neighbours.
  /** First message of both ends: protocolMin, protocolMax, version, swarm, id, name, incarnation, clock, wallMs. */
  greet: notice(128, field('info', 'info')),
  /** The dialling end takes the link into use with the protocol both speak. */
  linked: notice(129, field('protocol', 'integer')),
  /** Nothing else was sent for a heartbeat interval. */
  beat: notice(130),
  /**
   * One node's own edges: name, roles, freeBytes, freeKeys, view, neighbours ([id, incarnation] pairs), databases ([name,
   * peer id] pairs in the order of the names, left out if there are none).
   */
  links: notice(
    131,
    field('node', 'node'),
    field('incarnation', 'integer'),
    field('sequence', 'integer'),
    field('info', 'info'),
  ),
  /** Who stores the key? Each node passes it on once to every neighbour that `visited` does not name. */
  search: notice(
    132,
    field('asker', 'node'),
    field('number', 'integer'),
    field('hops', 'integer'),
    field('budgetMs', 'integer'),
    field('clock', 'integer'),
    field('visited', 'nodes'),
    field('key', 'key'),
  ),
  /** What a branch of a search found: the owner, if any, and the nodes that answered. */
  echo: notice(
    133,
    field('asker', 'node'),
    field('number', 'integer'),
    maybe('owner', 'node'),
    field('clock', 'integer'),
    field('answered', 'nodes'),
  ),

  // Between any two nodes, through relays.
  /**
   * A client's request on its way to the owner of its key; `number` is the asking finder's, `floor` its lowest one
   * without an answer; so much `behind` the number of the former open one that it sent there for this key, 0: none is. `claim`: the number under which the key's home named the owner, 0 if it didn't. With `passes`
   * above 0 the sender has no room for the key, and the receiver finds it as for a client of its own; so often has the
   * request been passed on.
   */
  forward: routed(
    160,
    field('number', 'integer'),
    field('behind', 'integer'),
    field('floor', 'integer'),
    field('incarnation', 'integer'),
    field('claim', 'integer'),
    field('passes', 'integer'),
    field('budgetMs', 'integer'),
    field('clock', 'integer'),
    field('message', 'message'),
  ),
  /** The owner's reply to a `forward`. */
  answer: routed(161, field('number', 'integer'), field('clock', 'integer'), field('message', 'message')),
  /** The node does not store the key: proof that the request was not executed, and of nothing else. */
  notMine: routed(162, field('number', 'integer'), field('clock', 'integer')),

  // Between the owners of keys and the keys' homes (RULES O1 to O7). The first four fields of most are the pair.
  /** To a home: who owns the key of this hash? With a `claim` above 0: and if nobody does, the asker will. */
  lookup: routed(
    180,
    ...PAIR,
    field('clock', 'integer'),
    field('number', 'integer'),
    field('claim', 'integer'),
    field('hash', 'bytes'),
    field('isSearched', 'boolean'),
  ),
  /** The home's answer: owned (`owner` under `claim`), granted, absent, unsettled, stale, full. */
  place: routed(
    181,
    field('clock', 'integer'),
    field('number', 'integer'),
    field('hash', 'bytes'),
    field('outcome', 'text'),
    maybe('owner', 'node'),
    field('claim', 'integer'),
  ),
  /** To a home: how many keys the sender owns for it, and their digest. */
  register: routed(182, ...PAIR, field('clock', 'integer'), field('count', 'integer'), field('digest', 'integer')),
  /** The home's table says otherwise: state count and digest of each bucket. */
  compare: routed(183, ...PAIR, field('clock', 'integer')),
  buckets: routed(184, ...PAIR, field('clock', 'integer'), field('summary', 'bytes')),
  /** State all keys of these buckets. */
  wanted: routed(185, ...PAIR, field('clock', 'integer'), field('summary', 'bytes')),
  entries: routed(186, ...PAIR, field('clock', 'integer'), field('keys', 'bytes')),
  /** From now on the sender of `register` may claim keys at the home, under this pair. */
  registered: routed(187, ...PAIR, field('clock', 'integer')),
  /** To a home: these keys are owned no longer, under these numbers. Repeated until `released`. */
  release: routed(188, field('clock', 'integer'), field('number', 'integer'), field('keys', 'bytes')),
  released: routed(189, field('clock', 'integer'), field('number', 'integer')),
  /** From a home to each of two owners of one key: leave the entry as it is, and state its stamp. */
  freeze: routed(190, field('clock', 'integer'), field('contest', 'integer'), field('hash', 'bytes')),
  frozen: routed(
    191,
    field('clock', 'integer'),
    field('contest', 'integer'),
    field('hash', 'bytes'),
    field('time', 'integer'),
    maybe('origin', 'node'),
    field('claim', 'integer'),
  ),
  /** From the home: the entry is the one that stays, or it is to be dropped. */
  thaw: routed(
    192,
    field('clock', 'integer'),
    field('contest', 'integer'),
    field('hash', 'bytes'),
    field('isKept', 'boolean'),
  ),

  /**
   * To a home: who owns the key of this hash? If somebody does, hand this read on to him; he answers its sender, as if he
   * had got it as a `forward` of this `read`. Else, and where the sender owns it, a `place` follows.
   */
  seek: routed(
    193,
    ...PAIR,
    field('clock', 'integer'),
    field('number', 'integer'),
    field('hash', 'bytes'),
    field('read', 'integer'),
    field('budgetMs', 'integer'),
    field('message', 'message'),
  ),

  // When a node leaves: from the owner of keys to their next one, and between that one and the keys' homes (RULES H1).
  /**
   * Own these keys from now on: `copies` of frozen entries (see store/entry-copy.ts). The same `number` again, without
   * copies, asks what became of them. No more is to come of batches below `floor`. So many `records` belong to it.
   */
  take: routed(
    200,
    field('clock', 'integer'),
    field('number', 'integer'),
    field('floor', 'integer'),
    field('records', 'integer'),
    field('copies', 'bytes'),
  ),
  /** For each copy a byte: see store/taking.ts. None: send them again. */
  taken: routed(201, field('clock', 'integer'), field('number', 'integer'), field('states', 'bytes')),
  /** What was executed on a key of the batch `number`: see `forward`, whose sender is the `asker` (RULES D1). */
  record: routed(
    202,
    field('clock', 'integer'),
    field('number', 'integer'),
    field('asker', 'node'),
    field('askerIncarnation', 'integer'),
    field('floor', 'integer'),
    field('asked', 'integer'),
    field('key', 'key'),
    field('message', 'message'),
  ),
  /**
   * To a home: the sender owns these `keys` from now on instead of `giver`. Nothing more is to come of those below
   * `floor`.
   */
  transfer: routed(
    203,
    ...PAIR,
    field('clock', 'integer'),
    field('number', 'integer'),
    field('floor', 'integer'),
    field('giver', 'node'),
    field('keys', 'bytes'),
  ),
  /** For each key a byte: see store/taking.ts. */
  transferred: routed(204, field('clock', 'integer'), field('number', 'integer'), field('verdicts', 'bytes')),
  /** Are you there? For the time to a node and back. */
  hail: routed(210, field('number', 'integer')),
  hailed: routed(211, field('number', 'integer')),
  /** Name keys of yours, from this position on: parts in their order, and of the first only keys above `after`. */
  collect: routed(
    212,
    field('number', 'integer'),
    field('prefix', 'text'),
    field('part', 'integer'),
    field('after', 'text'),
    field('limit', 'integer'),
  ),
  /** The position at which to go on, or nil: these were the last. */
  collected: routed(
    213,
    field('number', 'integer'),
    field('keys', 'keys'),
    maybe('part', 'integer'),
    maybe('after', 'text'),
  ),

  // Between those who watch and all others (RULES W1).
  /** From now on tell of changes of these keys. Number 0 asks for no more than the answer. */
  interest: routed(
    214,
    field('incarnation', 'integer'),
    field('number', 'integer'),
    field('text', 'text'),
    field('isPrefix', 'boolean'),
    field('values', 'boolean'),
  ),
  disinterest: routed(215, field('incarnation', 'integer'), field('number', 'integer')),
  /** Done. Of what the node keeps for the asking one: since when, how many changes it has sent. */
  interested: routed(
    216,
    field('number', 'integer'),
    field('epoch', 'integer'),
    field('sequence', 'integer'),
    field('isFresh', 'boolean'),
  ),
  changed: routed(
    217,
    field('epoch', 'integer'),
    field('sequence', 'integer'),
    field('kind', 'text'),
    maybe('key', 'key'),
    field('time', 'integer'),
    maybe('origin', 'node'),
    maybe('value', 'value'),
  ),

  // Between the nodes that hold a database, its peers. `channel`: the number that the receiver gave to the conversation.
  /**
   * From now on the sender's side has the number `channel`; `answers`: the receiver's, 0 if the sender doesn't know it.
   * `info`: see actors/peer-info.ts.
   */
  peerOn: routed(
    220,
    field('database', 'text'),
    field('channel', 'integer'),
    field('answers', 'integer'),
    field('info', 'info'),
  ),
  /**
   * Entries of the sender's log from `index` on. Items: [stamp, prev, type, id, payload] an op; [count] so many ops that
   * the receiver is known to have; [stamp] an op that it is expected to have by now. `got`: see there.
   */
  feed: routed(
    221,
    field('database', 'text'),
    field('channel', 'integer'),
    field('log', 'text'),
    field('index', 'integer'),
    field('got', 'integer'),
    field('items', 'value'),
  ),
  /** Of the log `log` of the receiver the sender has all entries before `index`. `isLazy`: mention only what comes. */
  got: routed(
    222,
    field('database', 'text'),
    field('channel', 'integer'),
    field('log', 'text'),
    field('index', 'integer'),
    field('isLazy', 'boolean'),
  ),
  /**
   * What there was below the floor of the sender's log. Items: [type, id, state] an object; ['vector', [[origin, time,
   * digest], ...]] what the floor covers, at the end. `after`: the object's name that the page begins behind; `next`: the
   * one that it ends with.
   */
  states: routed(
    223,
    field('database', 'text'),
    field('channel', 'integer'),
    field('log', 'text'),
    field('floor', 'integer'),
    field('after', 'text'),
    field('next', 'text'),
    field('isLast', 'boolean'),
    field('items', 'value'),
  ),
  /** Stored up to the object `next`. */
  statesGot: routed(
    224,
    field('database', 'text'),
    field('channel', 'integer'),
    field('log', 'text'),
    field('floor', 'integer'),
    field('next', 'text'),
  ),
  /** The sender will not speak with the receiver about this database. */
  peerOff: routed(225, field('database', 'text'), field('channel', 'integer'), field('reason', 'text')),

  // A client's requests about a database that its node does not hold, on their way to a peer, and the replies.
  /** Requests and replies are counted apart, each from 1. `isNotice`: no reply to a request. */
  tunnel: routed(
    226,
    field('channel', 'integer'),
    field('sequence', 'integer'),
    field('isNotice', 'boolean'),
    field('message', 'message'),
  ),
  /** `isBack`: from the peer. So many messages have been sent. */
  tunnelBeat: routed(227, field('channel', 'integer'), field('isBack', 'boolean'), field('sequence', 'integer')),
  tunnelOff: routed(228, field('channel', 'integer'), field('isBack', 'boolean'), field('reason', 'text')),
} as const satisfies Record<string, Row>;

export type MessageName = keyof typeof MESSAGES;

type Simplify<T> = { readonly [K in keyof T]: T[K] };
type FieldValue<F> =
  F extends OptionsField<infer Kinds>
    ? { readonly [N in keyof Kinds]?: OptionTypes[Kinds[N]] }
    : F extends Field<string, infer K, infer O>
      ? O extends true
        ? FieldTypes[K] | null
        : FieldTypes[K]
      : never;
type FieldsOf<Fields extends readonly AnyField[]> = { readonly [F in Fields[number] as F['name']]: FieldValue<F> };
type HeadOf<R extends Row> = R['form'] extends 'notice'
  ? object
  : R['form'] extends 'routed'
    ? { readonly to: NodeId; readonly from: NodeId; readonly hops: number }
    : R['idless'] extends false
      ? { readonly id: RequestId }
      : { readonly id: RequestId | null };

/** The decoded message of one row: { type, ...head, ...fields }. */
export type MessageOf<N extends MessageName> = N extends MessageName
  ? Simplify<{ readonly type: N } & HeadOf<(typeof MESSAGES)[N]> & FieldsOf<(typeof MESSAGES)[N]['fields']>>
  : never;

type NamesOf<F extends Form> = { [N in MessageName]: (typeof MESSAGES)[N]['form'] extends F ? N : never }[MessageName];

export type ClientRequest = MessageOf<NamesOf<'request'>>;
export type ClientReply = MessageOf<NamesOf<'reply'>>;
export type LinkMessage = MessageOf<NamesOf<'notice'>>;
export type RoutedMessage = MessageOf<RoutedName>;
export type Message = MessageOf<MessageName>;

export type RoutedName = NamesOf<'routed'>;

/**
 * What a link that has no room may drop: whoever waits for it is refused at his deadline or told of a gap. All else keeps
 * the swarm together.
 */
export const DROPPABLE: ReadonlySet<MessageName> = new Set(['forward', 'answer', 'changed']);

export type RequestName = NamesOf<'request'>;

/** Requests that are answered by the owner of a key. */
export const CACHE_REQUESTS = ['get', 'set', 'delete', 'touch', 'incr', 'where', 'trace'] as const;
export type CacheRequestName = (typeof CACHE_REQUESTS)[number];
export type CacheRequest = MessageOf<CacheRequestName>;

/** Requests about replicas and databases, and what answers them. */
export const DATABASE_REQUESTS = [
  'openDatabase',
  'closeDatabase',
  'submit',
  'subscribe',
  'next',
  'unsubscribe',
  'createDatabase',
  'databases',
  'inspectDatabase',
  'compactDatabase',
] as const;
export type DatabaseRequestName = (typeof DATABASE_REQUESTS)[number];
export type DatabaseRequest = MessageOf<DatabaseRequestName>;
export const DATABASE_REPLIES = ['opened', 'closed', 'acked', 'patch', 'unsubscribed', 'databaseInfo'] as const;
export type DatabaseReplyName = (typeof DATABASE_REPLIES)[number];
export type DatabaseReply = MessageOf<DatabaseReplyName | 'refused'>;

// One decision for many messages: for those who treat them alike.

export const forDatabaseRequests = <const Decision>(
  decision: Decision,
): { readonly [N in DatabaseRequestName]: Decision } => forNames(DATABASE_REQUESTS, decision);
export const forDatabaseReplies = <const Decision>(
  decision: Decision,
): { readonly [N in DatabaseReplyName]: Decision } => forNames(DATABASE_REPLIES, decision);

export const forRouted = <const Decision>(decision: Decision): { readonly [N in RoutedName]: Decision } =>
  forNames(namesOf('routed'), decision);
export const forRequests = <const Decision>(decision: Decision): { readonly [N in RequestName]: Decision } =>
  forNames(namesOf('request'), decision);
export const forCacheRequests = <const Decision>(decision: Decision): { readonly [N in CacheRequestName]: Decision } =>
  forNames(CACHE_REQUESTS, decision);

const namesOf = <F extends Form>(form: F): NamesOf<F>[] =>
  (Object.keys(MESSAGES) as MessageName[]).filter((name): name is NamesOf<F> => MESSAGES[name].form === form);

const forNames = <N extends string, Decision>(
  names: readonly N[],
  decision: Decision,
): { readonly [K in N]: Decision } =>
  Object.fromEntries(names.map((name) => [name, decision])) as { readonly [K in N]: Decision };

/**
 * Routed messages that came one after the other, all to another node and with the same hop count: passed on as they
 * came, but for that count.
 */
export interface Relay {
  readonly type: 'relay';
  readonly to: NodeId;
  /** With which they came. It is below the limit where they are passed on. */
  readonly hops: number;
  /** How many they are. */
  readonly count: number;
  /** All of them are, or none. */
  readonly isDroppable: boolean;
  /** The whole messages, with the next hop counted. */
  readonly bytes: Bytes;
}

/** A message that is well-formed MessagePack, yet not what the table says. The sender gets it back as `refused`. */
export interface Malformed {
  readonly type: 'malformed';
  readonly id: RequestId | null;
  readonly code: 'BAD_REQUEST' | 'UNSUPPORTED' | 'TOO_LARGE';
  readonly reason: string;
  readonly info: Info | null;
}

/** What became of an entry; `gap`: perhaps anything, of any key. `merge`: of two copies this one was dropped. */
export const CHANGE_KINDS = ['set', 'delete', 'expire', 'evict', 'merge', 'gap'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Why a request was refused. */
export const REFUSAL_CODES = [
  'BAD_REQUEST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'TOO_LARGE',
  'OVER_CAPACITY',
  'CONFLICT',
  'TYPE',
  'TIMEOUT',
  'UNKNOWN',
  'BUSY',
  'DRAINING',
  'UNSUPPORTED',
  'CLOCK',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

export const refused = (
  id: RequestId | null,
  code: RefusalCode,
  message: string,
  info: Info | null = null,
): MessageOf<'refused'> => ({ type: 'refused', id, code, message, info });

/** Why a connection was closed: WebSocket close codes. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  tooLarge: 1009,
  slow: 1013,
  badFrame: 4400,
  unauthenticated: 4401,
  forbidden: 4403,
  helloTimeout: 4408,
  nameTaken: 4409,
  tooMany: 4429,
  internal: 4500,
} as const;

export interface Limits {
  readonly frameBytesMax: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  readonly inFlightMax: number;
}
