/**
 * Room at other nodes (RULES K1): what they advertise, and the requests that are on their way to one of them, to be
 * created there, because here is no room for their key. What comes for that key meanwhile takes the same way. Adverts
 * are hints: what was passed to a node since counts as taken for a while.
 */
import type { NodeId } from '../../store/node-id.js';
import type { Key } from '../../transport/message.js';
import type { Rooms } from '../message.js';
import type { Settings } from '../settings.js';
import type { Open, Passing } from './open-request.js';
import type { SwarmView } from './swarm-view.js';

/** Another node that stores entries: what room it advertised last, without what was passed to it since. */
interface Store {
  readonly node: NodeId;
  readonly toldBytes: number;
  readonly toldKeys: number;
  bytes: number;
  keys: number;
  /** Since when that is counted, in monotonic ms. */
  sinceMs: number;
}

/** So often is a request passed on; then it is decided where it is (RULES K1). */
const PASSES_MAX = 2;
/** What was passed to a node longer ago than this, it has told if it matters: see vacancy.ts. */
const ADVERT_AGE_MS = 2000;

export class PassingOn {
  readonly #time: { now(): number };
  readonly #view: SwarmView;
  readonly #isStore: boolean;
  /** Here others go to make room, where nobody else has any; a node that stores nothing has none to go. */
  readonly makesRoom: boolean;
  /** The nearest first. */
  #stores: Store[] = [];
  /** The largest room that one of them advertised. */
  #roomBytesMax = 0;
  readonly #passing = new Map<Key, Passing>();

  constructor(time: { now(): number }, view: SwarmView, { storeBytesMax, keysMax, policy }: Settings) {
    this.#time = time;
    this.#view = view;
    this.#isStore = storeBytesMax > 0 && keysMax > 0;
    this.makesRoom = this.#isStore && policy === 'lru';
  }

  /** Keys whose requests are on their way. */
  get size(): number {
    return this.#passing.size;
  }

  onRooms({ stores }: Rooms): void {
    const former = new Map(this.#stores.map((store) => [store.node, store]));
    this.#stores = stores.map(({ node, freeBytes, freeKeys }) => {
      const known = former.get(node);
      if (known?.toldBytes === freeBytes && known.toldKeys === freeKeys) return known;
      return { node, toldBytes: freeBytes, toldKeys: freeKeys, bytes: freeBytes, keys: freeKeys, sinceMs: 0 };
    });
    this.#roomBytesMax = 0;
    for (const { freeBytes, freeKeys } of stores) {
      if (freeKeys > 0 && freeBytes > this.#roomBytesMax) this.#roomBytesMax = freeBytes;
    }
  }

  /** Nobody advertises room, and the policy is to make it. */
  isRoomMade(bytes: number): boolean {
    return this.makesRoom && bytes > this.#roomBytesMax;
  }

  /** The way that a request for the key takes; null: none has been passed on. */
  wayOf(open: Open): Passing | null {
    // What was passed here comes one by one, and goes its own way.
    if (this.#passing.size === 0 || open.passed !== null) return null;
    return this.#passing.get(open.request.key) ?? null;
  }

  /** Where these requests, which create one key, are to go, all of them; null if some are stuck, which may go nowhere. */
  findWay(creating: readonly Open[], bytes: number): { way: Passing | null; stuck: readonly Open[] } {
    const others = this.#stores.filter(
      ({ node }) => this.#view.has(node) && !creating.some(({ passed }) => passed?.forward.from === node),
    );
    const roomy = others.find((store) => this.#hasRoom(store, bytes));
    // A node that stores nothing leaves the decision to the nearest one that does.
    const target = roomy ?? (this.#isStore ? undefined : others[0]);
    if (target === undefined) return { way: null, stuck: creating };
    const stuck = creating.filter((open) => passesOf(open) >= PASSES_MAX);
    if (stuck.length > 0) return { way: null, stuck };
    target.bytes = Math.max(0, target.bytes - bytes);
    target.keys = Math.max(0, target.keys - 1);
    return { way: { to: target.node, passes: roomy === undefined ? PASSES_MAX : 1, count: 0 }, stuck };
  }

  /** The request is sent that way. */
  begin(open: Open, way: Passing): void {
    way.count += 1;
    this.#passing.set(open.request.key, way);
    open.passing = way;
  }

  /** It is answered, or goes another way. */
  end(open: Open): void {
    const { passing } = open;
    if (passing === null) return;
    open.passing = null;
    passing.count -= 1;
    const { key } = open.request;
    if (passing.count === 0 && this.#passing.get(key) === passing) this.#passing.delete(key);
  }

  #hasRoom(store: Store, bytes: number): boolean {
    const nowMs = this.#time.now();
    if (nowMs - store.sinceMs >= ADVERT_AGE_MS) {
      store.sinceMs = nowMs;
      store.bytes = store.toldBytes;
      store.keys = store.toldKeys;
    }
    return store.bytes >= bytes && store.keys > 0;
  }
}

/** How often a request has been passed on when it arrives where it is being sent. */
export function passesOnArrival(open: Open): number {
  return open.passing === null ? 0 : Math.min(PASSES_MAX, passesOf(open) + open.passing.passes);
}

/** How often it had been when it came here. */
function passesOf({ passed }: Open): number {
  return passed?.forward.passes ?? 0;
}
