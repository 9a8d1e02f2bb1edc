/**
 * Clients that write down what they asked and what came back: the evidence by which a run is judged. They share nothing
 * with the client under test, and never send anything twice.
 */
import { Packr } from 'msgpackr';
import { WebSocket, type RawData } from 'ws';

/** One request and what came of it, in the form that the checkers of simulated runs take. Times in ms of one clock. */
export interface Operation {
  /** Unique in the history and above 0; a `set` writes it as its value. */
  readonly number: number;
  /** A connection; after a reconnect it is another one. */
  readonly session: number;
  /** The node that was asked. */
  readonly node: number;
  readonly key: string;
  readonly kind: 'get' | 'set' | 'delete';
  readonly invokedMs: number;
  /** When the first reply came; infinite if none did. */
  returnedMs: number;
  outcome: Outcome;
  replyCount: number;
}

export type Outcome =
  | { readonly type: 'open' }
  /** The connection was lost before a reply came, or there was none. */
  | { readonly type: 'lost' }
  | { readonly type: 'value'; readonly value: number }
  | { readonly type: 'missing' }
  | { readonly type: 'stored' }
  | { readonly type: 'deleted'; readonly existed: boolean }
  | { readonly type: 'refused'; readonly code: string };

const BYE = 44;
const RECONNECT_MS = 50;
/** Beyond every deadline of a node: an answer that late is none. */
const PATIENCE_MS = 10_000;

const unpackr = new Packr({ useRecords: false, mapsAsObjects: true });

/** All operations of a run, in the order in which they were asked. */
export class History {
  readonly operations: Operation[] = [];
  #sessions = 0;

  nextSession(): number {
    return (this.#sessions += 1);
  }

  add(session: number, node: number, kind: Operation['kind'], key: string): Operation {
    const operation: Operation = {
      number: this.operations.length + 1,
      session,
      node,
      key,
      kind,
      invokedMs: performance.now(),
      returnedMs: Infinity,
      outcome: { type: 'open' },
      replyCount: 0,
    };
    this.operations.push(operation);
    return operation;
  }
}

/** Requests of one connection by id, and whoever waits for their replies. */
type Asked = Map<number, { readonly operation: Operation; readonly settle: () => void }>;

/** A connection to one node that comes back after each loss. */
export class RecordingClient {
  readonly node: number;
  readonly #history: History;
  readonly #url: string;
  #socket: WebSocket | null = null;
  #session = 0;
  #isLeaving = false;
  #isClosed = false;
  /** By id; those that were answered stay, to notice a second answer. */
  #asked: Asked = new Map();

  constructor(history: History, node: number, url: string) {
    this.#history = history;
    this.node = node;
    this.#url = url;
    this.#connect();
  }

  /** It can be asked: connected, to a node that has not said `bye`. */
  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN && !this.#isLeaving;
  }

  /** Resolves when there is an answer, or will be none. */
  ask(kind: Operation['kind'], key: string): Promise<Operation> {
    const operation = this.#history.add(this.#session, this.node, kind, key);
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        resolve(operation);
      };
      const timer = setTimeout(settle, PATIENCE_MS);
      if (!this.isOpen) {
        // It was never sent: nothing can have come of it.
        operation.outcome = { type: 'refused', code: 'UNREACHABLE' };
        operation.returnedMs = performance.now();
        return settle();
      }
      this.#asked.set(operation.number, { operation, settle });
      const { number } = operation;
      const request =
        kind === 'set' ? [3, number, key, {}, number] : kind === 'get' ? [2, number, key] : [4, number, key];
      this.#socket!.send(unpackr.pack(request));
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.terminate();
  }

  #connect(): void {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false, handshakeTimeout: 2000 });
    this.#socket = socket;
    this.#session = this.#history.nextSession();
    this.#isLeaving = false;
    this.#asked = new Map();
    const asked = this.#asked;
    socket.on('error', () => {});
    socket.on('message', (data: RawData) => {
      for (const reply of unpackr.unpackMultiple(data as Buffer) as unknown[][]) this.#onReply(asked, reply);
    });
    socket.on('close', () => {
      for (const { operation, settle } of asked.values()) {
        if (operation.outcome.type === 'open') operation.outcome = { type: 'lost' };
        settle();
      }
      if (!this.#isClosed) setTimeout(() => this.#isClosed || this.#connect(), RECONNECT_MS);
    });
  }

  #onReply(asked: Asked, reply: unknown[]): void {
    if (reply[0] === BYE) this.#isLeaving = true;
    const request = asked.get(reply[1] as number);
    if (request === undefined) return;
    const { operation, settle } = request;
    operation.replyCount += 1;
    if (operation.replyCount > 1) return;
    operation.returnedMs = performance.now();
    operation.outcome = outcomeOf(reply);
    settle();
  }
}

function outcomeOf([tag, , first, second]: unknown[]): Outcome {
  switch (tag) {
    case 34:
      return { type: 'value', value: second as number };
    case 35:
      return { type: 'missing' };
    case 36:
      return { type: 'stored' };
    case 37:
      return { type: 'deleted', existed: first as boolean };
    case 63:
      return { type: 'refused', code: first as string };
    default:
      throw new Error(`no reply to a request: ${JSON.stringify(tag)}`);
  }
}

/** The reply tells whether the request took effect. */
export const isAnswered = ({ outcome }: Operation): boolean =>
  outcome.type !== 'open' && outcome.type !== 'lost' && outcome.type !== 'refused';

/** Nobody told what became of it: it took effect once, at some time after it was asked, or never. */
export const isUncertain = ({ outcome }: Operation): boolean =>
  outcome.type === 'refused'
    ? outcome.code === 'UNKNOWN' || outcome.code === 'TIMEOUT'
    : outcome.type === 'open' || outcome.type === 'lost';

/** One line for people. */
export const showOperation = ({ number, node, key, kind, invokedMs, returnedMs, outcome }: Operation): string => {
  const result = outcome.type === 'value' ? outcome.value : outcome.type === 'refused' ? outcome.code : outcome.type;
  const what = `${kind} ${key}${kind === 'set' ? ` = ${number}` : ''}`;
  return `${invokedMs.toFixed(0)}..${returnedMs === Infinity ? '' : returnedMs.toFixed(0)} n${node} ${what} -> ${result}`;
};
