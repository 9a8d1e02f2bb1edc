/**
 * Load from recording clients: writers that each own their keys, and readers that read all of them, through any node.
 * A writer waits for each answer, and takes a fresh key after an uncertain one (see judge.ts) or by chance.
 */
import { pause, until } from './processes.js';
import {
  History,
  isAnswered,
  isUncertain,
  RecordingClient,
  showOperation,
  type Operation,
} from './recording-client.js';

const WRITERS = 12;
const READERS = 12;
/** Keys of one writer at a time. */
const KEYS = 4;
const PAUSE_MS = 8;
/** Times that a key is written, on average: after a while none would be left of which there is surely one copy. */
const KEY_WRITES = 30;
const READ_AT_ONCE = 100;
/** Before a request is made again, at another node. */
const RETRY_AFTER_MS = 200;
/** Keys that were left alone are still read; of them, the last ones. */
const OLD_KEYS = 200;

export class Workload {
  readonly history = new History();
  readonly #clients: RecordingClient[][] = [];
  readonly #random: () => number;
  readonly #keys: string[] = [];
  readonly #oldKeys: string[] = [];
  readonly #ends: Promise<void>[] = [];
  /** Requests that failed, and failed again when they were made once more at another node. */
  readonly failedTwice: string[] = [];
  #isOver = false;
  #created = 0;

  constructor(urls: readonly string[], random: () => number) {
    this.#random = random;
    // One connection for each node and kind of work: a slow reply to one does not hold up all others.
    for (let worker = 0; worker < 4; worker++)
      this.#clients.push(urls.map((url, node) => new RecordingClient(this.history, node, url)));
  }

  /** Begins when all nodes are connected to. */
  async begin(): Promise<void> {
    await until(() => this.#clients.flat().every(({ isOpen }) => isOpen), 'all connections of the load');
    for (let i = 0; i < WRITERS; i++) this.#ends.push(this.#write(i));
    for (let i = 0; i < READERS; i++) this.#ends.push(this.#read(i));
  }

  /** Ends the load; resolves when all that is open is answered or given up. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#ends);
  }

  /** Reads each key through each node once; what comes is judged with the rest. */
  async readAll(): Promise<Operation[]> {
    const keys = [...new Set(this.history.operations.map(({ key }) => key))];
    const reads: Operation[] = [];
    for (const client of this.#clients[0]!) {
      for (let i = 0; i < keys.length; i += READ_AT_ONCE) {
        const some = keys.slice(i, i + READ_AT_ONCE).map((key) => client.ask('get', key));
        reads.push(...(await Promise.all(some)));
      }
    }
    return reads;
  }

  close(): void {
    this.#isOver = true;
    for (const client of this.#clients.flat()) client.close();
  }

  async #write(writer: number): Promise<void> {
    const own: string[] = [];
    for (let i = 0; i < KEYS; i++) own.push(this.#freshKey(writer));
    while (!this.#isOver) {
      const place = this.#below(KEYS);
      const kind = this.#random() < 0.1 ? 'delete' : 'set';
      const asked = await this.#askTwice(writer, kind, own[place]!);
      if (asked.some(isUncertain) || this.#random() < 1 / KEY_WRITES) {
        this.#keys.splice(this.#keys.indexOf(own[place]!), 1);
        this.#oldKeys.push(own[place]!);
        if (this.#oldKeys.length > OLD_KEYS) this.#oldKeys.shift();
        own[place] = this.#freshKey(writer);
      }
      await pause(PAUSE_MS * 2 * this.#random());
    }
  }

  async #read(reader: number): Promise<void> {
    while (!this.#isOver) {
      const from = this.#oldKeys.length > 0 && this.#random() < 0.2 ? this.#oldKeys : this.#keys;
      await this.#askTwice(reader, 'get', from[this.#below(from.length)]!);
      await pause(PAUSE_MS * 2 * this.#random());
    }
  }

  /** What a careful user does: whatever failed is asked once more, elsewhere. Returns the one or two attempts. */
  async #askTwice(worker: number, kind: Operation['kind'], key: string): Promise<Operation[]> {
    const clients = this.#clients[worker % this.#clients.length]!;
    const reachable = clients.filter(({ isOpen }) => isOpen);
    const first = await this.#oneOf(reachable.length > 0 ? reachable : clients).ask(kind, key);
    if (isAnswered(first)) return [first];
    await pause(RETRY_AFTER_MS);
    const others = clients.filter(({ node, isOpen }) => isOpen && node !== first.node);
    if (others.length === 0) return [first];
    const second = await this.#oneOf(others).ask(kind, key);
    if (!isAnswered(second)) this.failedTwice.push(`${showOperation(first)}, then ${showOperation(second)}`);
    return [first, second];
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#below(items.length)]!;
  }

  #freshKey(writer: number): string {
    const key = `w${writer}.${(this.#created += 1)}`;
    this.#keys.push(key);
    return key;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}
