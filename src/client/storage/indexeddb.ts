/**
 * Keeps replicas in a browser's IndexedDB, with or without a secure context. Each page that has a database open uses a
 * slot of its own, since two writers must not share a replica's id; a page that opens one takes over a slot that no living
 * page uses, so that what a closed page had not yet sent is sent by the next one.
 */
import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase } from 'idb';
import type { Bytes } from '../../transport/message.js';
import type { Kept, KeptChange, ReplicaStorage, ReplicaStore } from './storage.js';

interface Schema extends DBSchema {
  /** Who uses which slot: a text drawn at random by each user. */
  slots: { key: number; value: string };
  records: { key: number; value: Bytes };
  ops: { key: [number, number]; value: Bytes };
  states: { key: [number, string]; value: Bytes };
}
type Database = IDBPDatabase<Schema>;

// The names of browsers are no part of what this project is compiled with.
type KeyRange = object;
declare const IDBKeyRange: {
  bound(lower: unknown, upper: unknown, isLowerOpen?: boolean, isUpperOpen?: boolean): KeyRange;
};

const VERSION = 1;
/** How long living pages have to say which slots they use. */
const ANSWER_MS = 150;

/** A storage in IndexedDB. `name`: begins the names of its databases there; default `swarmbus`. */
export function indexedDbStorage(name = 'swarmbus'): ReplicaStorage {
  return {
    async open(database) {
      const path = `${name}/${database}`;
      const db = await openDB<Schema>(path, VERSION, {
        upgrade(fresh) {
          fresh.createObjectStore('slots');
          fresh.createObjectStore('records');
          fresh.createObjectStore('ops');
          fresh.createObjectStore('states');
        },
        blocking(_current, _blocked, event) {
          // A later version wants to change the layout: it has to wait no longer than needed.
          (event.target as unknown as { close(): void }).close();
        },
      });
      const user = new SlotUser(path);
      try {
        const slot = await claimSlot(db, user);
        return new IndexedDbStore(db, user, slot, await readSlot(db, slot));
      } catch (error) {
        user.close();
        db.close();
        throw error;
      }
    },
  };
}

/** Answers for its slot as long as the page lives, and hears of the others' slots. */
class SlotUser {
  readonly id = [...crypto.getRandomValues(new Uint32Array(3))].map((part) => part.toString(36)).join('-');
  readonly #channel: InstanceType<typeof BroadcastChannel>;
  readonly #heard = new Set<string>();

  constructor(path: string) {
    this.#channel = new BroadcastChannel(path);
    this.#channel.onmessage = ({ data }: { data: unknown }) => {
      if (data === 'who?') this.#channel.postMessage(this.id);
      else if (typeof data === 'string') this.#heard.add(data);
    };
    // A test's process needs not live for it.
    (this.#channel as { unref?: () => void }).unref?.();
  }

  /** The users that are alive. */
  async others(): Promise<ReadonlySet<string>> {
    this.#heard.clear();
    this.#channel.postMessage('who?');
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    return this.#heard;
  }

  close(): void {
    this.#channel.close();
  }
}

/** The first slot without a living user, or one more. */
async function claimSlot(db: Database, user: SlotUser): Promise<number> {
  const living = await user.others();
  const claim = db.transaction('slots', 'readwrite');
  let slot = 0;
  for (let cursor = await claim.store.openCursor(); cursor !== null; cursor = await cursor.continue()) {
    // One that came while we were waiting has not been heard: it has a slot that nobody has named before.
    if (!living.has(cursor.value)) break;
    slot = cursor.key + 1;
  }
  await claim.store.put(user.id, slot);
  await claim.done;
  return slot;
}

async function readSlot(db: Database, slot: number): Promise<Kept> {
  const read = db.transaction(['records', 'ops', 'states']);
  const record = (await read.objectStore('records').get(slot)) ?? null;
  const ops = [];
  for (let at = await read.objectStore('ops').openCursor(of(slot)); at !== null; at = await at.continue()) {
    ops.push({ number: at.key[1], op: at.value });
  }
  const states = new Map<string, Bytes>();
  for (let at = await read.objectStore('states').openCursor(of(slot)); at !== null; at = await at.continue()) {
    states.set(at.key[1], at.value);
  }
  await read.done;
  return { record, ops, states };
}

/** All keys of a slot. An array sorts behind every number and every text. */
const of = (slot: number): KeyRange => IDBKeyRange.bound([slot], [slot, []]);

class IndexedDbStore implements ReplicaStore {
  readonly kept: Kept;
  readonly #db: Database;
  readonly #user: SlotUser;
  readonly #slot: number;

  constructor(db: Database, user: SlotUser, slot: number, kept: Kept) {
    this.#db = db;
    this.#user = user;
    this.#slot = slot;
    this.kept = kept;
  }

  /** Transactions over the same stores run in the order in which they are made. */
  async write({ record, opsAdded, opsFloor, states }: KeptChange): Promise<void> {
    const slot = this.#slot;
    const change = this.#db.transaction(['records', 'ops', 'states'], 'readwrite', { durability: 'strict' });
    const ops = change.objectStore('ops');
    const objects = change.objectStore('states');
    const done: Promise<unknown>[] = [change.done];
    if (record !== null) done.push(change.objectStore('records').put(record, slot));
    for (const { number, op } of opsAdded) done.push(ops.put(op, [slot, number]));
    if (opsFloor > 0) done.push(ops.delete(IDBKeyRange.bound([slot], [slot, opsFloor], false, true)));
    for (const [object, state] of states) {
      done.push(state === null ? objects.delete([slot, object]) : objects.put(state, [slot, object]));
    }
    await Promise.all(done);
  }

  async close(): Promise<void> {
    // Waits for what is being written.
    await this.#db.transaction(['records', 'ops', 'states'], 'readwrite').done;
    this.#user.close();
    this.#db.close();
  }
}
