/**
 * The scanner: pages of all keys of the swarm with a prefix. It asks the members one after the other, in the order of
 * their ids, each for a page of its keys, and keeps nothing between two pages: where to go on is in the cursor.
 *
 * Invariants: a page costs each member one bounded step at most; each request is answered by its deadline; a key that is
 * there from the first page to the last one is in one of them, or the last one says that it may be missing (RULES W4).
 */
import { FIRST_POSITION } from '../store/key-page.js';
import type { Position } from '../store/key-page.js';
import { parseNodeId } from '../store/node-id.js';
import type { NodeId } from '../store/node-id.js';
import { refused } from '../transport/message.js';
import type { Key, MessageOf } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import type { Count, ScannerMessage, View } from './message.js';
import { defineKind, drop, refuse } from './runtime/kind.js';
import type { Ref, Self, TimerId } from './runtime/kind.js';
import { servingMachine } from './serving-machine.js';
import type { ServingEvent } from './serving-machine.js';
import { KEYS_MAX } from './settings.js';
import type { Identity, Settings } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

/** Where a scan goes on, and what is known of it. */
interface Cursor {
  /** Who scanned so far, and under which view of its own: only while both stay is nothing missed. */
  readonly scanner: NodeId;
  readonly incarnation: number;
  readonly view: number;
  readonly isIncomplete: boolean;
  /** The member to be asked next, from this position on; null: the first one. */
  readonly node: NodeId | null;
  readonly position: Position;
}

/** A page in the making. */
interface Open {
  readonly id: number;
  readonly session: Ref;
  readonly prefix: string;
  readonly limit: number;
  readonly deadlineMs: number;
  readonly view: number;
  readonly keys: Key[];
  units: number;
  isIncomplete: boolean;
  /** The member that is being asked. */
  node: NodeId | null;
  position: Position;
}

const LIMIT_DEFAULT = 100;
/** Pages in the making at once; beyond, BUSY. */
const OPEN_MAX = 256;
/** A page with so many UTF-16 units of keys is long enough. */
const PAGE_UNITS_MAX = 256 * 1024;

export class Scanner {
  readonly #self: Self<ScannerMessage, ServingEvent>;
  readonly #identity: Identity;
  readonly #settings: Settings;
  readonly #addresses: Addresses;
  /** In the order of their ids. */
  #members: readonly NodeId[];
  #view = 1;
  #missed = 0;
  /** Insertion order is deadline order. */
  readonly #open = new Map<number, Open>();
  #lastNumber = 0;
  #timer: TimerId | null = null;
  readonly #counts = { pages: 0, steps: 0, keys: 0, incomplete: 0, timeouts: 0, busy: 0 };

  constructor(self: Self<ScannerMessage, ServingEvent>, args: Args) {
    this.#self = self;
    this.#identity = args.identity;
    this.#settings = args.settings;
    this.#addresses = args.addresses;
    this.#members = [args.identity.node];
  }

  onScan({ id, prefix, options }: MessageOf<'scan'>, session: Ref): void {
    const { limit = LIMIT_DEFAULT } = options;
    if (limit < 1 || limit > KEYS_MAX) {
      session.tell(refused(id, 'BAD_REQUEST', `limit must be from 1 to ${KEYS_MAX}`, null), this.#self.ref);
      return;
    }
    const cursor = options.cursor === undefined ? this.#firstCursor() : parseCursor(options.cursor);
    if (cursor === null) {
      session.tell(refused(id, 'BAD_REQUEST', 'the cursor is none that a scan has returned', null), this.#self.ref);
      return;
    }
    if (this.#open.size >= OPEN_MAX) {
      this.#counts.busy += 1;
      const text = 'too many scans at once';
      session.tell(refused(id, 'BUSY', text, { retryAfterMs: 100 }), this.#self.ref);
      return;
    }
    this.#lastNumber += 1;
    const open: Open = {
      id,
      session,
      prefix,
      limit,
      deadlineMs: this.#self.now() + this.#settings.requestTimeoutMs,
      view: this.#view,
      keys: [],
      units: 0,
      isIncomplete: cursor.isIncomplete || !this.#isSameView(cursor),
      node: cursor.node,
      position: cursor.position,
    };
    this.#open.set(this.#lastNumber, open);
    this.#tickLater();
    this.#ask(this.#lastNumber, open, cursor.node);
  }

  onScanTooEarly({ id }: MessageOf<'scan'>, session: Ref): void {
    this.#counts.busy += 1;
    const text = 'this node is still joining its swarm';
    session.tell(refused(id, 'BUSY', text, { retryAfterMs: 200 }), this.#self.ref);
  }

  onCollected({ from, number, keys, part, after }: MessageOf<'collected'>): void {
    const open = this.#open.get(number);
    if (open === undefined || open.node !== from || keys.length > open.limit - open.keys.length) return;
    for (const key of keys) {
      // What another node says is a claim.
      if (!key.startsWith(open.prefix)) continue;
      open.keys.push(key);
      open.units += key.length;
    }
    if (part !== null) {
      open.position = { part, after: after ?? '' };
      this.#answer(number, open);
      return;
    }
    const next = this.#members.find((member) => member > from) ?? null;
    open.node = next;
    open.position = FIRST_POSITION;
    const isFull = open.keys.length >= open.limit || open.units >= PAGE_UNITS_MAX;
    if (next === null || isFull) this.#answer(number, open);
    else this.#ask(number, open, next);
  }

  onView({ members, missed, number }: View): void {
    this.#members = members.toSorted();
    this.#missed = missed;
    this.#view = number;
    // A member may be gone, or the question or its answer may have been on a link that broke.
    for (const [page, open] of this.#open) this.#ask(page, open, open.node);
  }

  onServe(): ServingEvent {
    return 'serve';
  }

  onCount(_message: Count, from: Ref): void {
    from.tell({ type: 'counters', counters: { ...this.#counts, open: this.#open.size } }, this.#self.ref);
  }

  /** A member does not answer: the client may ask again from there. */
  onTick(): void {
    this.#timer = null;
    const nowMs = this.#self.now();
    for (const [number, open] of this.#open) {
      if (open.deadlineMs > nowMs) break;
      this.#counts.timeouts += 1;
      if (open.keys.length > 0) {
        this.#answer(number, open);
        continue;
      }
      this.#open.delete(number);
      open.session.tell(refused(open.id, 'TIMEOUT', 'a node did not name its keys in time', null), this.#self.ref);
    }
    this.#tickLater();
  }

  /** Asks the member, or the first after it if it is gone. Null: the first of all. */
  #ask(number: number, open: Open, wanted: NodeId | null): void {
    const node = wanted === null ? this.#members[0] : this.#members.find((member) => member >= wanted);
    if (wanted !== null && node !== wanted) {
      open.isIncomplete = true;
      open.position = FIRST_POSITION;
    }
    open.node = node ?? null;
    if (node === undefined) return this.#answer(number, open);
    this.#counts.steps += 1;
    const { prefix, position } = open;
    const limit = open.limit - open.keys.length;
    const head = { to: node, from: this.#identity.node, hops: 1 };
    this.#addresses.router.tell(
      { type: 'collect', ...head, number, prefix, ...position, limit } satisfies MessageOf<'collect'>,
      this.#self.ref,
    );
  }

  #answer(number: number, open: Open): void {
    this.#open.delete(number);
    const { id, session, keys, node, position } = open;
    // A member that is missed may hold keys, and those of another view may hold others by now.
    const isIncomplete = open.isIncomplete || open.view !== this.#view || this.#missed > 0;
    const cursor =
      node === null ? null : formatCursor({ ...this.#firstCursor(), view: open.view, isIncomplete, node, position });
    this.#counts.pages += 1;
    this.#counts.keys += keys.length;
    if (cursor === null && isIncomplete) this.#counts.incomplete += 1;
    const incomplete = cursor === null && isIncomplete ? true : null;
    session.tell({ type: 'keys', id, keys, cursor, incomplete } satisfies MessageOf<'keys'>, this.#self.ref);
  }

  #firstCursor(): Cursor {
    const { node, incarnation } = this.#identity;
    return { scanner: node, incarnation, view: this.#view, isIncomplete: false, node: null, position: FIRST_POSITION };
  }

  #isSameView({ scanner, incarnation, view }: Cursor): boolean {
    return scanner === this.#identity.node && incarnation === this.#identity.incarnation && view === this.#view;
  }

  #tickLater(): void {
    if (this.#timer !== null) return;
    for (const { deadlineMs } of this.#open.values()) {
      this.#timer = this.#self.after(Math.max(1, deadlineMs - this.#self.now()), { type: 'tick' });
      return;
    }
  }
}

/** The key comes last, because it may hold anything. */
const formatCursor = ({ scanner, incarnation, view, isIncomplete, node, position }: Cursor): string =>
  [scanner, incarnation, view, isIncomplete ? 1 : 0, node, position.part, position.after].join('.');

/** Null for anything else. A cursor is a claim: what it says is harmless whatever it says. */
function parseCursor(text: string): Cursor | null {
  const [, scannerText = '', incarnation, view, flag, nodeText = '', part, after = ''] =
    /^([^.]*)\.(\d{1,16})\.(\d{1,16})\.([01])\.([^.]*)\.(\d{1,9})\.(.*)$/s.exec(text) ?? [];
  const scanner = parseNodeId(scannerText);
  const node = parseNodeId(nodeText);
  if (scanner === null || node === null) return null;
  const position = { part: Number(part), after };
  return { scanner, incarnation: Number(incarnation), view: Number(view), isIncomplete: flag === '1', node, position };
}

const on = Scanner.prototype;
const always = { collected: on.onCollected, view: on.onView, count: on.onCount, tick: on.onTick } as const;

export const scannerKind = defineKind({
  name: 'scanner',
  machine: servingMachine,
  create: (self: Self<ScannerMessage, ServingEvent>, args: Args) => new Scanner(self, args),
  tables: {
    joining: { ...always, scan: on.onScanTooEarly, serve: on.onServe },
    serving: { ...always, scan: on.onScan, serve: drop },
    closed: { scan: refuse, collected: drop, view: drop, serve: drop, count: drop, tick: drop },
  },
  commands: {},
  mailbox: {
    capacity: 65_536,
    overflow: { collected: 'dropNew', view: 'never', serve: 'never', count: 'never', tick: 'never' },
  },
  refusal: (message: ScannerMessage) =>
    message.type === 'scan'
      ? refused(message.id, 'BUSY', 'this node has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
