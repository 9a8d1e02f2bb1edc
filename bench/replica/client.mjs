// A client of databases that is no more than a WebSocket and the codecs: it keeps no replica, so that what is measured is
// the peer and not its client. Frames are encoded ahead by whoever measures.

import WebSocket from 'ws';
import { loadBuilt } from '../built.mjs';

const { decodeFrame, encodeMessage } = await loadBuilt('transport/binary-codec.js');
const { FrameWriter } = await loadBuilt('store/frame-writer.js');

const LIMITS = { keyBytesMax: 4096, valueBytesMax: 2 ** 30 };
const REPLY_TIMEOUT_MS = 60_000;
const RETRY_MS = 20;
/** The head of an array of up to 2^32 items, as that of a patch is. */
const LONG_ARRAY = 0xdd;

/** Nothing is hidden from proxies here, so nothing needs a mask. */
const noMask = () => {};

export class DatabaseClient {
  #socket;
  #lastId = 0;
  #asked = new Map();
  #followed = new Map();
  #fail;
  /** Rejects when the connection breaks; never resolves. */
  failed = new Promise((_, reject) => {
    this.#fail = reject;
  });
  /** Bytes of all frames that came. */
  receivedBytes = 0;

  static async connect(port) {
    const client = new DatabaseClient();
    await client.#open(port);
    return client;
  }

  constructor() {
    this.failed.catch(() => {});
  }

  /** Sends a request whose answer, and whatever else bears its id, goes to `onReply`. Gives the id. */
  follow(request, onReply) {
    const { id, frame } = this.encode(request);
    this.#followed.set(id, onReply);
    this.send(frame);
    return id;
  }

  /** The answer to a request; what refuses it is an error. */
  async ask(request) {
    const { id, frame } = this.encode(request);
    const answered = this.answer(id);
    this.send(frame);
    return answered;
  }

  /** The same, asked again while the answer is BUSY. */
  async askUntilReady(request) {
    const endMs = performance.now() + REPLY_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.ask(request);
      } catch (error) {
        if (error.code !== 'BUSY' || performance.now() > endMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** A frame to be sent later, and the id that its answer will have. */
  encode(request) {
    this.#lastId += 1;
    const id = this.#lastId;
    const writer = new FrameWriter();
    encodeMessage({ ...request, id }, writer);
    return { id, frame: writer.copy() };
  }

  send(frame) {
    this.#socket.send(frame, { binary: true, mask: true });
  }

  /** The answer to a request that was encoded ahead. */
  answer(id) {
    const answered = new Promise((resolve, reject) => {
      this.#asked.set(id, (reply) => (reply.type === 'refused' ? reject(refusalOf(reply)) : resolve(reply)));
    });
    return Promise.race([answered, this.failed]);
  }

  close() {
    this.#socket.terminate();
  }

  #open(port) {
    const options = { perMessageDeflate: false, generateMask: noMask, maxPayload: 2 ** 30 };
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/`, options);
    this.#socket.on('message', (data) => this.#onFrame(data));
    this.#socket.on('close', (code, reason) =>
      this.#fail(new Error(`the node has hung up: ${code} ${reason.toString('utf8')}`)),
    );
    return new Promise((resolve, reject) => this.#socket.once('open', resolve).once('error', reject));
  }

  #onFrame(data) {
    this.receivedBytes += data.length;
    const fault = decodeFrame(data, LIMITS, 'client replies', null, (reply) => this.#onReply(reply));
    if (fault !== null) this.#fail(new Error(fault));
  }

  #onReply(reply) {
    const onReply = this.#asked.get(reply.id);
    this.#asked.delete(reply.id);
    (onReply ?? this.#followed.get(reply.id))?.(reply);
  }
}

/** How many items a patch has. */
export function itemCount(items) {
  if (items[0] !== LONG_ARRAY) throw new Error('a patch begins with something else than a long array');
  return new DataView(items.buffer, items.byteOffset).getUint32(1);
}

/**
 * Subscribes and reads all pages; resolves when the subscription is live, with the number of items that came so far. Each
 * patch goes to `onPatch`, also those that come later.
 */
export function subscribe(client, open, options, onPatch) {
  let count = 0;
  const live = new Promise((resolve, reject) => {
    const request = { type: 'subscribe', open, options, have: Uint8Array.of(0xc0) };
    const onReply = (reply) => {
      if (reply.type !== 'patch') return reject(refusalOf(reply));
      count += itemCount(reply.items);
      onPatch(reply);
      if (reply.isLive) resolve(count);
      else client.follow({ type: 'next', subscription }, onReply);
    };
    const subscription = client.follow(request, onReply);
  });
  return Promise.race([live, client.failed]);
}

function refusalOf({ type, code, message }) {
  return Object.assign(new Error(type === 'refused' ? `${code}: ${message}` : `${type} came unasked`), { code });
}
