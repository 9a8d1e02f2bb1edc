/**
 * One who writes, with the client library as it is, in virtual time: its process ends and begins, it moves from node to
 * node, it is without a connection for a while. What it wrote and what it had seen is kept here, outside of the library.
 */
import type { Client } from '../../client/client.js';
import { connectBy } from '../../client/connect.js';
import type { Collection } from '../../client/database/collection.js';
import type { Database } from '../../client/database/database.js';
import { counter } from '../../client/database/kinds/counter.js';
import type { CounterWriters } from '../../client/database/kinds/counter.js';
import { lww } from '../../client/database/kinds/lww.js';
import type { LwwWriters } from '../../client/database/kinds/lww.js';
import type { ObjectHandle } from '../../client/database/replicated-object.js';
import type { Interest } from '../../client/database/sync.js';
import { set } from '../../client/database/kinds/set.js';
import type { SetWriters } from '../../client/database/kinds/set.js';
import { text } from '../../client/database/kinds/text.js';
import type { TextWriters } from '../../client/database/kinds/text.js';
import type { Grant } from '../../client/database/outbox.js';
import type { SocketLike } from '../../client/socket.js';
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import { parsePosition } from '../../store/log-position.js';
import type { LogPosition } from '../../store/log-position.js';
import { ItemReader, objectName, partsOfName } from '../../store/op.js';
import { decodeState } from '../../store/types/object-state.js';
import { typeNamed } from '../../store/types/index.js';
import { timersOf } from '../virtual-timers.js';
import type { World } from '../simulator/world.js';
import { DATABASE } from './look.js';
import type { Held } from './look.js';
import { isStampedLater, valuesOf } from './evidence.js';
import type { Granted, WriterEvidence, WrittenOp } from './evidence.js';
import type { ObjectType, PlannedAction, ReplicaPlan } from './plan.js';
import { WriterStorage } from './writer-storage.js';

/** What all writers of a run share. */
export interface Record {
  readonly ops: WrittenOp[];
  readonly grants: Granted[];
  readonly noticed: (readonly [string, string])[];
  /** What is missing where all before that position of a peer's log is said to be held; null: nothing. */
  lackAt(position: LogPosition, covers: (name: string) => boolean, held: Held): string | null;
  /** On how many disks the op is. */
  disksWith(origin: string, time: number): number;
  /** Each time that a writer gave up, and why. */
  readonly givenUp: string[];
  count(name: string): void;
}

type Handle = ObjectHandle<unknown, object>;

const WRITER_STREAM = 6_000_000;
export const OBJECTS_MAX = 3;
const LATE_MS = 4000;
const TYPES: readonly ObjectType[] = ['lww', 'counter', 'set'];
const KINDS = { lww, counter, set, text } as const;
/** Later than the library looks once more whether what is missing has come. */
const REBASE_AFTER_MS = 15_000;
const DISCARD_AFTER_MS = 1000;
const REOPEN_AFTER_MS = 400;
const OWN_FIELD = (writer: number): string => `w${writer}`;

export class Writer {
  readonly #world: World;
  readonly #record: Record;
  readonly #index: number;
  readonly #isHeedless: boolean;
  /** What it follows: of texts only where there are any. */
  readonly #types: readonly ObjectType[];
  #skewMs: number;
  readonly #random;
  readonly #storage: WriterStorage;
  #node: number;
  #isOffline = false;
  #sockets = new Set<SocketLike>();
  #client: Client | null = null;
  #database: Database | null = null;
  /** Counts the processes: what a former one still does is nothing. */
  #life = 0;
  #isDown = false;
  #isHopeless = false;
  #handles = new Map<string, Handle>();
  #collections = new Map<string, Collection<Handle>>();
  /** Which ops its objects have, by name and origin: by its own account. */
  #held = new Map<string, Map<string, number>>();
  readonly #reader = new ItemReader();
  #seen = new Map<string, number>();
  /** Ops that wait in the outbox of this process, by number. */
  #waiting = new Map<number, WrittenOp>();
  /** By object: what the own field was set to last. */
  readonly #own = new Map<string, number>();

  constructor(world: World, record: Record, plan: ReplicaPlan, index: number) {
    this.#world = world;
    this.#record = record;
    this.#index = index;
    this.#node = plan.writers[index] as number;
    this.#skewMs = plan.writerSkewsMs[index] as number;
    this.#isHeedless = plan.isHeedless;
    const hasTexts = plan.actions.some((action) => 'type' in action && action.type === 'text');
    this.#types = hasTexts ? [...TYPES, 'text'] : TYPES;
    this.#random = seededRandom(plan.seed, WRITER_STREAM + index);
    this.#storage = new WriterStorage((delayMs, run) => world.time.at(world.nowMs + delayMs, run), plan.storageMs);
  }

  get status(): string {
    return this.#database?.status ?? 'down';
  }

  get pendingCount(): number {
    return this.#database?.pendingCount ?? -1;
  }

  get isCurrent(): boolean {
    const database = this.#database;
    return (
      database !== null &&
      database.status === 'live' &&
      database.pendingCount === 0 &&
      (this.#followsTypesOnly
        ? this.#collections.size === this.#types.length
        : this.#handles.size === OBJECTS_MAX * this.#types.length) &&
      [...database.interests].every(({ isLive }) => isLive)
    );
  }

  start(): void {
    if (this.#client !== null) return;
    this.#isDown = false;
    this.#life += 1;
    const life = this.#life;
    const world = this.#world;
    void connectBy((url) => this.#openSocket(url), world.node(0).url, {
      offline: true,
      timers: timersOf(world.time),
      wallMs: () => world.time.wallMs + this.#skewMs,
      random: () => this.#random.uint32() / 0x1_0000_0000,
      reconnect: { minMs: 50, maxMs: 1000 },
      requestTimeoutMs: 3000,
      name: `writer ${this.#index}`,
    }).then((client) => {
      if (life !== this.#life) return;
      this.#client = client;
      this.#open(client, life);
    });
  }

  act(action: PlannedAction): void {
    switch (action.kind) {
      case 'write':
        return this.#write(action.type, `o${action.object}`, action.padding);
      case 'remove':
        return this.#remove(action.type ?? 'set', `o${action.object}`);
      case 'move':
        this.#node = action.node;
        return this.#dropSockets();
      case 'reconnect':
        return this.#dropSockets();
      case 'offline':
        this.#isOffline = true;
        this.#later(action.forMs, () => this.goOnline());
        return this.#dropSockets();
      case 'restart':
        return this.#restart(action.isCrash, action.forMs);
      case 'turn-clock':
        this.#skewMs += action.byMs;
    }
  }

  goOnline(): void {
    this.#isOffline = false;
  }

  /** Before all of it is compared. */
  moveTo(node: number): void {
    if (this.#node === node) return;
    this.#node = node;
    this.#dropSockets();
  }

  get node(): number {
    return this.#node;
  }

  /** What was written here is seen here. */
  checkOwn(): void {
    const database = this.#database;
    if (database === null || ![...database.interests].every(({ isLive }) => isLive)) return;
    for (const [object, value] of this.#own) {
      const handle = this.#handleOf('lww', object);
      if (handle === undefined) continue;
      const shown = (handle.state as Readonly<globalThis.Record<string, unknown>>)[OWN_FIELD(this.#index)];
      if (typeof shown === 'number' && shown >= value) continue;
      if (isStampedLater(shown, object, this.#index, this.#record.ops)) continue;
      this.#notice('own op stays in view', `${object}: ${value} was written, ${String(shown)} is seen`);
      this.#own.delete(object);
    }
  }

  look(): WriterEvidence {
    const views = new Map([...this.#handles].map(([name, handle]) => [name, handle.state]));
    for (const collection of this.#collections.values()) {
      for (const handle of collection) views.set(objectName(handle.type, handle.id), handle.state);
    }
    return { writer: this.#index, status: this.status, pending: this.pendingCount, views };
  }

  stop(): void {
    this.#life += 1;
    this.#storage.crash();
    void this.#client?.close();
    this.#client = null;
    this.#database = null;
  }

  #open(client: Client, life: number): void {
    const isOver = (): boolean => life !== this.#life;
    void client
      .database(DATABASE, {
        storage: this.#storage,
        onStuck: (error) => {
          this.#record.count('stuck');
          // What is missing may come; what is wrong stays so.
          const isHopeless = error.info?.['name'] === 'bad payload';
          this.#isHopeless = isHopeless;
          this.#later(isHopeless ? DISCARD_AFTER_MS : REBASE_AFTER_MS, () => {
            if (isOver() || this.#database?.status !== 'stuck' || this.#isHopeless !== isHopeless) return;
            this.#record.count('rebase by name');
            this.#record.givenUp.push(
              `writer ${this.#index} at ${this.#world.nowMs.toFixed(0)} ms: ${error.code} ${error.message}`,
            );
            if (isHopeless) this.#discard(this.#database);
            else this.#database.rebase();
          });
        },
        onStatus: (status) => {
          if (status !== 'closed' || isOver() || this.#database === null) return;
          // It can't be opened for now: for the library that is for good.
          this.#record.count('closed');
          this.#database = null;
          this.#dropHandles();
          this.#later(REOPEN_AFTER_MS, () => {
            if (!isOver()) this.#open(client, life);
          });
        },
      })
      .then(
        (database) => {
          if (isOver()) return;
          this.#attach(database);
        },
        () => {
          this.#record.count('not opened');
          this.#later(REOPEN_AFTER_MS, () => {
            if (!isOver()) this.#open(client, life);
          });
        },
      );
  }

  /** An edit of what was lost with a disk is taken by nobody. */
  #discard(database: Database): void {
    this.#record.count('discard');
    database.discard();
    const present = new Set(database.outbox.pending.map(({ number }) => number));
    for (const [number, op] of this.#waiting) {
      if (present.has(number)) continue;
      op.isUncertain = true;
      this.#waiting.delete(number);
    }
  }

  /** Notes what the library does, beside what it does. */
  #attach(database: Database): void {
    this.#database = database;
    const { outbox } = database;
    const former = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { number, time } of outbox.pending) {
      const op = former.find(({ ids }) => ids.some((id) => id.time === time));
      if (op === undefined) continue;
      op.number = number;
      this.#waiting.set(number, op);
    }
    const present = new Set(this.#waiting.values());
    for (const op of former) if (!present.has(op)) op.isUncertain = true;
    this.#forgetUncertain();
    this.#held = heldIn(this.#storage.states);
    this.#seen = seenIn(this.#held);
    if (outbox.grant !== null) this.#noteGrant(outbox.grant);

    const admit = outbox.admit.bind(outbox);
    outbox.admit = (grant, storedTime, isGivenUp) => {
      this.#noteGrant(grant);
      admit(this.#isHeedless ? { ...grant, untilTime: Infinity } : grant, storedTime, isGivenUp);
    };
    if (this.#isHeedless && outbox.grant !== null) outbox.admit(outbox.grant, outbox.lastTime);
    const observe = outbox.observe.bind(outbox);
    outbox.observe = (origin, time) => {
      if (time > (this.#seen.get(origin) ?? 0)) this.#seen.set(origin, time);
      observe(origin, time);
    };
    const rebase = outbox.rebase.bind(outbox);
    outbox.rebase = (wallMs, isGivenUp, rewriter) => {
      const before = outbox.pending.map(({ number }) => this.#waiting.get(number));
      const after = rebase(wallMs, isGivenUp, rewriter);
      this.#record.count('rebase');
      // What it saw may be lost, and is waited for no longer.
      if (isGivenUp) this.#seen.clear();
      this.#waiting.clear();
      for (const [i, { number, time }] of after.entries()) {
        const op = before[i];
        if (op === undefined) continue;
        op.number = number;
        // Nobody sees it under its former stamp any more.
        for (const id of op.ids) this.#seen.delete(id.origin);
        if (isGivenUp) op.isRebasedByName = true;
        op.ids.push({ origin: outbox.grant?.replica as never, time });
        this.#waiting.set(number, op);
      }
      return after;
    };
    const onAcked = database.onAcked.bind(database);
    database.onAcked = (storedTime, spreadTime) => {
      for (const { number, time } of outbox.pending) {
        const op = this.#waiting.get(number);
        if (op === undefined || time > spreadTime) continue;
        const disks = this.#record.disksWith(outbox.grant?.replica as string, time);
        op.spread = { atMs: this.#world.nowMs, disks };
        this.#waiting.delete(number);
      }
      this.#checkInterval(outbox, storedTime);
      onAcked(storedTime, spreadTime);
    };
    const onItems = database.onItems.bind(database);
    database.onItems = (interest, items) => {
      this.#noteItems(items);
      return onItems(interest, items);
    };
    const onRebased = database.onRebased.bind(database);
    database.onRebased = () => {
      for (const { type, id } of outbox.pending) this.#held.delete(objectName(type, id));
      for (const { type, id, time } of outbox.pending) this.#hold(type, id, outbox.grant?.replica as string, time);
      onRebased();
    };
    const onLive = database.onLive.bind(database);
    database.onLive = (interest) => {
      onLive(interest);
      this.#checkLive(interest);
    };
    this.#takeHandles(database);
  }

  // What it has by its own account

  #noteItems(items: Uint8Array): void {
    const reader = this.#reader;
    const count = reader.open(items);
    for (let i = 0; i < count && reader.next() === null; i += 1) {
      const { kind, type, id, origin, time } = reader;
      if (kind === 'op') this.#hold(type, id, origin, time);
      else for (const [other, last] of vectorOf(type, reader.payload)) this.#hold(type, id, other, last);
    }
  }

  #hold(type: string, id: string, origin: string, time: number): void {
    const name = objectName(type, id);
    const vector = this.#held.get(name) ?? new Map<string, number>();
    this.#held.set(name, vector);
    if (time > (vector.get(origin) ?? 0)) vector.set(origin, time);
  }

  /** All that the peer had before the position that it has told is here. */
  #checkLive({ filter, position }: Interest): void {
    const at = position === null ? null : parsePosition(position);
    if (at === null) return this.#notice('live is complete', `${JSON.stringify(filter)} is live without a position`);
    const covers = (name: string): boolean => {
      const { type, id } = partsOfName(name);
      return type === filter.type && (filter.object === undefined || filter.object === id);
    };
    const lack = this.#record.lackAt(at, covers, this.#held);
    if (lack !== null) this.#notice('live is complete', `${JSON.stringify(filter)} at ${position} lacks ${lack}`);
  }

  /** What a peer has stored was written within the time that had been granted until then (RULES RF). */
  #checkInterval({ grant, pending }: Database['outbox'], storedTime: number): void {
    const granted = this.#record.grants.filter(({ replica }) => replica === grant?.replica);
    for (const { time } of pending) {
      const isGranted = granted.some(({ fromTime, untilTime }) => time >= fromTime && time <= untilTime);
      if (time > storedTime || isGranted) continue;
      this.#notice('within the grant', `${grant?.replica} ${time} is stored, and outside of what was granted`);
    }
  }

  // What it does with its objects

  get #followsTypesOnly(): boolean {
    return this.#index % 3 === 2;
  }

  #followsLate(object: number): boolean {
    return this.#index % 3 === 1 && object === OBJECTS_MAX - 1;
  }

  #handleOf(type: ObjectType, object: string): Handle | undefined {
    return this.#handles.get(`${type}/${object}`) ?? this.#collections.get(type)?.get(object);
  }

  /** Also of an object that is not followed yet because nobody has written to it. */
  #writersOf(type: ObjectType, object: string): unknown {
    const handle = this.#handleOf(type, object);
    // What is written to a text follows on what is there.
    const isWritten =
      type !== 'text' && (this.#collections.get(type) !== undefined || this.#followsLate(Number(object.slice(1))));
    if (handle !== undefined || !isWritten) return handle;
    return this.#database?.writer(object, KINDS[type] as unknown as typeof lww);
  }

  #dropHandles(): void {
    this.#handles.clear();
    this.#collections.clear();
  }

  #takeHandles(database: Database): void {
    const isPresent = (): boolean => database === this.#database;
    for (const type of this.#types) {
      const kind = KINDS[type] as unknown as typeof lww;
      // Some follow whole types, others single objects, others both.
      if (this.#index % 3 !== 1) {
        void database.objects(kind).then((collection) => {
          if (isPresent() && this.#followsTypesOnly)
            this.#collections.set(type, collection as unknown as Collection<Handle>);
        }, nothing);
      }
      if (this.#followsTypesOnly) continue;
      for (let i = 0; i < OBJECTS_MAX; i += 1) {
        const follow = (): void => {
          if (!isPresent() || database.status === 'closed') return;
          void database.object(`o${i}`, kind).then((handle) => {
            if (isPresent()) this.#handles.set(`${type}/o${i}`, handle);
          }, nothing);
        };
        // Some write to an object before they ask what it is.
        if (this.#followsLate(i)) this.#later(LATE_MS, follow);
        else follow();
      }
    }
  }

  #write(type: ObjectType, object: string, padding: number): void {
    const writers = this.#database?.status === 'closed' ? undefined : this.#writersOf(type, object);
    if (writers === undefined) return;
    const value = this.#record.ops.length + 1;
    const by = type === 'counter' ? 1 + (value % 9) : value;
    const isWritten = this.#do(type, object, by, null, () => {
      if (type === 'lww') {
        const text = padding > 0 ? { text: 'x'.repeat(padding) } : {};
        (writers as LwwWriters).set({ [OWN_FIELD(this.#index)]: by, last: by, ...text });
      } else if (type === 'counter') (writers as CounterWriters).add(by);
      else if (type === 'text') this.#type(writers as Handle & TextWriters, by);
      else (writers as SetWriters).add(by);
    });
    // Of what it does not follow it has nothing to show.
    if (isWritten && type === 'lww' && this.#handleOf(type, object) !== undefined) this.#own.set(object, by);
  }

  /** The value as a word of its own, between those that are there. */
  #type(handle: Handle & TextWriters, value: number): void {
    const shown = handle.state as string;
    const places = [...shown.matchAll(/</g)].map(({ index }) => index);
    handle.insert([...places, shown.length][this.#random.below(places.length + 1)] as number, `<${value}>`);
  }

  #remove(type: 'set' | 'text', object: string): void {
    const handle = this.#handleOf(type, object);
    const values = handle === undefined ? [] : valuesOf(handle.state);
    if (handle === undefined || values.length === 0) return;
    const removed = values[this.#random.below(values.length)] as number;
    this.#do(type, object, null, removed, () => {
      if (type === 'set') return (handle as unknown as SetWriters).remove(removed);
      const word = `<${removed}>`;
      (handle as unknown as TextWriters).remove((handle.state as string).indexOf(word), word.length);
    });
  }

  #do(type: ObjectType, object: string, value: number | null, removed: number | null, write: () => void): boolean {
    const database = this.#database;
    if (database === null || this.#isDown) return false;
    const { outbox } = database;
    const before = outbox.pending.at(-1);
    try {
      write();
    } catch (error) {
      this.#record.count(`write: ${(error as { code?: string }).code ?? String(error)}`);
      return false;
    }
    const pending = outbox.pending.at(-1);
    if (pending === undefined || pending === before) return false;
    const origin = outbox.grant?.replica as never;
    const op: WrittenOp = {
      writer: this.#index,
      type,
      object,
      value,
      removed,
      atMs: this.#world.nowMs,
      ids: [{ origin, time: pending.time }],
      seen: new Map(this.#seen),
      number: pending.number,
      isUncertain: false,
      isRebasedByName: false,
      spread: null,
    };
    this.#record.ops.push(op);
    this.#waiting.set(pending.number, op);
    this.#seen.set(origin, pending.time);
    this.#hold(type, object, origin, pending.time);
    return true;
  }

  #restart(isCrash: boolean, forMs: number): void {
    const client = this.#client;
    if (client === null) return;
    const database = this.#database;
    this.#life += 1;
    this.#client = null;
    this.#database = null;
    this.#dropHandles();
    this.#isDown = true;
    const end = (): void => {
      this.#storage.crash();
      void client.close();
      this.#dropSockets();
      this.#later(forMs, () => this.start());
    };
    if (isCrash || database === null) end();
    else void database.close().then(end, end);
  }

  #forgetUncertain(): void {
    for (const [object] of this.#own) {
      const certain = this.#record.ops.filter(
        (op) => op.writer === this.#index && op.type === 'lww' && op.object === object && !op.isUncertain,
      );
      const last = certain.at(-1)?.value;
      if (last === undefined || last === null) this.#own.delete(object);
      else this.#own.set(object, last);
    }
  }

  #noteGrant({ replica, fromTime, untilTime }: Grant): void {
    this.#record.grants.push({ writer: this.#index, replica, fromTime, untilTime });
  }

  #notice(invariant: string, text: string): void {
    this.#record.noticed.push([invariant, `writer ${this.#index} at ${this.#world.nowMs.toFixed(0)} ms: ${text}`]);
  }

  /** Wherever the library wants to go: to the node that the writer is at now. */
  #openSocket(_url: string): SocketLike {
    const name = `writer-${this.#index}`;
    const url = this.#isOffline ? 'ws://127.0.0.1:1' : this.#world.node(this.#node).url;
    const socket = this.#world.network.openSocket(url, { name }) as SocketLike;
    this.#sockets.add(socket);
    socket.addEventListener('close', () => void this.#sockets.delete(socket));
    return socket;
  }

  #dropSockets(): void {
    const sockets = [...this.#sockets];
    this.#sockets.clear();
    for (const socket of sockets) socket.close();
  }

  #later(ms: number, run: () => void): void {
    this.#world.time.at(this.#world.nowMs + ms, run);
  }
}

const vectorOf = (typeName: string, state: Uint8Array): ReadonlyMap<string, number> => {
  const type = typeNamed(typeName);
  return (type === null ? null : decodeState(type, state))?.vector ?? new Map<string, number>();
};

/** What a process that begins with those states has of each object. */
const heldIn = (states: ReadonlyMap<string, Uint8Array>): Map<string, Map<string, number>> =>
  new Map([...states].map(([name, bytes]) => [name, new Map(vectorOf(partsOfName(name).type, bytes))]));

/** The last op of each origin in any of them. */
const seenIn = (held: Held): Map<string, number> => {
  const seen = new Map<string, number>();
  for (const vector of held.values()) {
    for (const [origin, time] of vector) if (time > (seen.get(origin) ?? 0)) seen.set(origin, time);
  }
  return seen;
};

function nothing(): void {}
