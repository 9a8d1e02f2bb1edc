// The bytes between a client and redis-server: one write of pipelined commands per batch; replies in the order of the
// commands. See protocol.mjs for the contract.

import { VALUE_BYTES, keyOf, valueOf } from './workload.mjs';

const DOLLAR = 0x24;
const PLUS = 0x2b;
const LINE_FEED = 0x0a;

/** Then come 64 bytes and a line end. */
const VALUE = `$${VALUE_BYTES}\r\n`;
const VALUE_REPLY_BYTES = VALUE.length + VALUE_BYTES + 2;
const STORED = '+OK\r\n';
const STORED_REPLY_BYTES = STORED.length;

export const respProtocol = {
  greet() {
    return null;
  },

  encodeBatch(op, numbers) {
    return Buffer.from(numbers.map((number) => encodeCommand(op, number)).join(''));
  },

  isFramed: false,

  replyForms(op) {
    const form =
      op === 'set' ? { length: STORED_REPLY_BYTES, head: STORED } : { length: VALUE_REPLY_BYTES, head: VALUE };
    return [{ ...form, head: [...Buffer.from(form.head)] }];
  },

  decode(bytes, end, onReply, replyCount) {
    let at = 0;
    let index = replyCount;
    while (at < end) {
      const isValue = bytes[at] === DOLLAR;
      const next = at + (isValue ? VALUE_REPLY_BYTES : STORED_REPLY_BYTES);
      if (next > end) break;
      checkReply(bytes, at, next, isValue ? DOLLAR : PLUS);
      if (isValue) onReply(index, { op: 'get', value: bytes.toString('latin1', at + VALUE.length, next - 2) });
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

function checkReply(bytes, start, end, mark) {
  const head = mark === DOLLAR ? VALUE : STORED;
  const isRight = bytes.toString('latin1', start, start + head.length) === head && bytes[end - 1] === LINE_FEED;
  if (!isRight) throw unexpected(bytes, start, end);
}

function unexpected(bytes, start, end) {
  const line = bytes.toString('latin1', start, Math.min(end, start + 120)).split('\r\n')[0];
  return new Error(`unexpected reply ${JSON.stringify(line)}`);
}
