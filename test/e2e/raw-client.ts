/** A client without manners: sends any frame, and keeps what comes back. For tests. */
import { expect } from '@jest/globals';
import { Packr } from 'msgpackr';
import { WebSocket, type ClientOptions, type RawData } from 'ws';
import { until, type NodeProcess } from './processes.js';

const SERVED_WITHIN_MS = 1000;

/** MessagePack as everybody speaks it; shares nothing with the codec under test. */
const unpackr = new Packr({ useRecords: false, mapsAsObjects: true });

export function pack(...messages: unknown[]): Buffer {
  return Buffer.concat(messages.map((message) => Buffer.from(unpackr.pack(message))));
}

/** How a connection ended. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class RawClient {
  readonly socket: WebSocket;
  /** Messages, as arrays or as objects; in the order in which they came. */
  readonly replies: unknown[] = [];
  closed: Closed | null = null;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: RawData, isBinary: boolean) => this.#onMessage(data as Buffer, isBinary));
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
    // A connection that breaks is reported as closed, by code 1006.
    socket.on('error', () => {});
  }

  send(frame: string | Uint8Array): void {
    this.socket.send(frame);
  }

  /** The reply to that request, or to the first that had no id. */
  async reply(id: number | null): Promise<unknown> {
    const find = (): unknown => this.replies.find((reply) => idOf(reply) === id);
    await until(
      () => find() !== undefined || this.closed !== null,
      () => `a reply to ${id}, it got ${JSON.stringify(this.replies).slice(0, 1000)}`,
      5000,
    );
    return find();
  }

  async end(timeoutMs = 5000): Promise<Closed> {
    await until(
      () => this.closed !== null,
      () => `the end of the connection, after ${JSON.stringify(this.replies).slice(0, 1000)}`,
      timeoutMs,
    );
    return this.closed!;
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (!isBinary) return void this.replies.push(JSON.parse(data.toString()));
    // A frame holds one message after another.
    this.replies.push(...(unpackr.unpackMultiple(data) as unknown[]));
  }
}

/** Opens a connection; throws an Error with the status and the text of a refusal. */
export function openRaw(url: string, options: ClientOptions = {}): Promise<RawClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
  const client = new RawClient(socket);
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(client));
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      response.setEncoding('utf8');
      let body = '';
      response.on('data', (text: string) => (body += text));
      response.on('end', () => reject(new Error(`${response.statusCode} ${body.trim()}`)));
    });
  });
}

/** Whatever a node has been through, another client is served at once. */
export async function expectServed(node: NodeProcess): Promise<void> {
  const beganMs = performance.now();
  const client = await openRaw(node.url);
  client.send(pack([3, 1, 'alive', {}, beganMs], [2, 2, 'alive']));
  expect(await client.reply(2)).toEqual([34, 2, null, beganMs]);
  expect(performance.now() - beganMs).toBeLessThan(SERVED_WITHIN_MS);
  client.socket.terminate();
}

function idOf(reply: unknown): unknown {
  return Array.isArray(reply) ? (reply as unknown[])[1] : (reply as { id?: unknown }).id;
}
