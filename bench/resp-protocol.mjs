// The bytes between a client and redis-server: one write of pipelined commands per batch; replies in the order of the
// commands. See protocol.mjs for the contract.

import { VALUE_BYTES, keyOf, valueOf } from './workload.mjs';

const DOLLAR = 0x24;
const PLUS = 0x2b;
const MINUS = 0x2d;
const LINE_FEED = 0x0a;

/** `$64`, line end, 64 bytes, line end. */
const VALUE_START = 5;
const VALUE_REPLY_BYTES = VALUE_START + VALUE_BYTES + 2;
/** `+OK`, line end. */
const STORED_REPLY_BYTES = 5;

export const respProtocol = {
  greet() {
    return null;
  },

  encodeBatch(op, numbers) {
    return Buffer.from(numbers.map((number) => encodeCommand(op, number)).join(''));
  },

  createScanner(op) {
    return op === 'set' ? new ReplyScanner(STORED_REPLY_BYTES, PLUS) : new ReplyScanner(VALUE_REPLY_BYTES, DOLLAR);
  },

  decode(bytes, end, onReply, replyCount) {
    let at = 0;
    let index = replyCount;
    while (at < end) {
      const isValue = bytes[at] === DOLLAR;
      const next = at + (isValue ? VALUE_REPLY_BYTES : STORED_REPLY_BYTES);
      if (next > end) break;
      checkReply(bytes, at, next, isValue ? DOLLAR : PLUS);
      if (isValue) onReply(index, { op: 'get', value: bytes.toString('latin1', at + VALUE_START, next - 2) });
      else onReply(index, { op: 'set' });
      at = next;
      index++;
    }
    return at;
  },
};

function encodeCommand(op, number) {
  const words = op === 'get' ? ['GET', keyOf(number)] : ['SET', keyOf(number), valueOf(number)];
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/** All replies to one kind of command have one length, as long as they are what they should be. */
class ReplyScanner {
  at = 0;
  #replyBytes;
  #mark;

  constructor(replyBytes, mark) {
    this.#replyBytes = replyBytes;
    this.#mark = mark;
  }

  scan(bytes, end) {
    const replyBytes = this.#replyBytes;
    let at = 0;
    let count = 0;
    for (let next = replyBytes; next <= end; next += replyBytes) {
      if (bytes[at] !== this.#mark || bytes[next - 1] !== LINE_FEED) throw unexpected(bytes, at, end);
      at = next;
      count++;
    }
    // An error or a miss may be shorter than what is expected: it is found at its first bytes, not waited for.
    if (at < end && (bytes[at] !== this.#mark || bytes[at + 1] === MINUS)) throw unexpected(bytes, at, end);
    this.at = at;
    return count;
  }
}

function checkReply(bytes, start, end, mark) {
  const head = mark === DOLLAR ? `$${VALUE_BYTES}\r\n` : '+OK\r\n';
  const isRight = bytes.toString('latin1', start, start + head.length) === head && bytes[end - 1] === LINE_FEED;
  if (!isRight) throw unexpected(bytes, start, end);
}

function unexpected(bytes, start, end) {
  const line = bytes.toString('latin1', start, Math.min(end, start + 120)).split('\r\n')[0];
  return new Error(`unexpected reply ${JSON.stringify(line)}`);
}
