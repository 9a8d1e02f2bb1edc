// The bytes between a client and redis-server: one write of pipelined commands per batch; replies in the order of the
// commands. See index.mjs for the contract.

import { REPLY } from '../job.mjs';

const DOLLAR = 0x24;
const PLUS = 0x2b;

const CHANNEL = 'bench';

export const respProtocol = {
  number: 0,

  greeting: () => [],

  watchGreeting: () => [{ variants: [encode('SUBSCRIBE', CHANNEL)], mark: 'subscribe', end: ':1\r\n' }],

  encodeBatch(requests) {
    return Buffer.from(requests.map(encodeRequest).join(''), 'latin1');
  },

  expected(ops, { valueBytesMin, valueBytesMax }) {
    const kinds = { get: REPLY.value, absent: REPLY.missing, set: REPLY.stored, publish: REPLY.number };
    return { kinds: ops.reduce((sum, op) => sum | kinds[op], 0), valueBytesMin, valueBytesMax };
  },

  decode(bytes, end, onReply, replyCount) {
    let at = 0;
    let index = replyCount;
    while (at < end) {
      const lineEnd = bytes.indexOf('\r\n', at);
      if (lineEnd < 0 || lineEnd + 2 > end) break;
      let next = lineEnd + 2;
      const line = bytes.toString('latin1', at, lineEnd);
      if (bytes[at] === DOLLAR && line !== '$-1') {
        next += Number(line.slice(1)) + 2;
        if (next > end) break;
        onReply(index, { op: 'get', value: bytes.toString('latin1', lineEnd + 2, next - 2) });
      } else if (bytes[at] === PLUS) onReply(index, { op: 'set' });
      else throw new Error(`unexpected reply ${JSON.stringify(line)}`);
      at = next;
      index++;
    }
    return at;
  },

  replyBytes: null,
};

function encodeRequest({ op, key, value }) {
  if (op === 'get') return encode('GET', key);
  return op === 'set' ? encode('SET', key, value) : encode('PUBLISH', CHANNEL, value);
}

function encode(...words) {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}
