// The bytes between a client and a swarmbus node, written and read by hand: one WebSocket frame of concatenated
// MessagePack requests per batch, ids 0, 1, 2 ...; replies in frames of any number. See index.mjs for the contract.

import { createHash, randomBytes } from 'node:crypto';
import { Unpackr } from 'msgpackr';
import { REPLY } from '../job.mjs';

const GET = 2;
const SET = 3;
const WATCH = 8;
const VALUE = 34;
const STORED = 36;
const WATCHING = 39;

const NIL = 0xc0;
const EMPTY_MAP = 0x80;
const FIXSTR = 0xa0;
const FIXSTR_MAX = 31;
const STR8 = 0xd9;
const BIN8 = 0xc4;
const BIN16 = 0xc5;
const BIN32 = 0xc6;

const BINARY_FRAME = 0x82;
const MASKED = 0x80;
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;

/** Appended by every server to the key that it hashes (RFC 6455, 1.3). */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const WATCH_ID = 1;

const unpackr = new Unpackr({ useRecords: false });

export const swarmbusProtocol = {
  number: 1,

  greeting() {
    const key = randomBytes(16).toString('base64');
    const mark = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64');
    const handshake =
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    return [{ variants: [handshake], mark, end: '\r\n\r\n' }];
  },

  /** All keys, without their values: [8, 1, {"prefix": ""}]. */
  watchGreeting() {
    const watch = bytesOf(0x93, WATCH, WATCH_ID, 0x81) + encodeText('prefix') + encodeText('');
    const watching = Buffer.from([0x92, WATCHING, WATCH_ID]);
    return [...this.greeting(), { variants: [encodeFrame(watch)], mark: watching, end: watching }];
  },

  encodeBatch(requests, _connection, separate) {
    const messages = requests.map(encodeMessage);
    return separate ? Buffer.concat(messages.map(encodeFrame)) : encodeFrame(messages.join(''));
  },

  /** The bytes of a value are those of its encoding. */
  expected(ops, { valueBytesMin, valueBytesMax }) {
    const kinds = {
      get: REPLY.value,
      absent: REPLY.missing,
      set: REPLY.stored,
      publish: REPLY.stored,
      echo: REPLY.value,
    };
    return {
      kinds: ops.reduce((sum, op) => sum | kinds[op], 0),
      valueBytesMin: valueBytesMin + binHead(valueBytesMin).length,
      valueBytesMax: valueBytesMax + binHead(valueBytesMax).length,
    };
  },

  /** Replies come in any order; their ids tell which is which. */
  decode(bytes, end, onReply) {
    return readFrames(bytes, end, (frame) => {
      for (const [tag, id, ...fields] of unpackr.unpackMultiple(frame)) {
        if (tag === VALUE && fields[1] instanceof Uint8Array) {
          onReply(id, { op: 'get', value: Buffer.from(fields[1]).toString('latin1') });
        } else if (tag === STORED) onReply(id, { op: 'set' });
        else throw unexpected([tag, id, ...fields]);
      }
    });
  },

  replyBytes: null,
};

/** The requests alone, without a frame around them. */
export function encodeRequests(requests) {
  return Buffer.from(requests.map(encodeMessage).join(''), 'latin1');
}

/** `publish` is a set of one and the same key, of which watchers are told. */
function encodeMessage({ op, key = 'published', value }, id) {
  if (op === 'echo') return bytesOf(0x94, VALUE, id, NIL) + encodeBin(value);
  if (op === 'get') return bytesOf(0x93, GET, id) + encodeText(key);
  return bytesOf(0x95, SET, id) + encodeText(key) + bytesOf(EMPTY_MAP) + encodeBin(value);
}

function encodeText(text) {
  return (text.length <= FIXSTR_MAX ? bytesOf(FIXSTR | text.length) : bytesOf(STR8, text.length)) + text;
}

function encodeBin(bytes) {
  return binHead(bytes.length) + bytes;
}

function binHead(length) {
  if (length < 0x100) return bytesOf(BIN8, length);
  return length < 0x1_0000 ? bytesOf(BIN16, ...bigEndian(length, 2)) : bytesOf(BIN32, ...bigEndian(length, 4));
}

function bigEndian(number, bytes) {
  return Array.from({ length: bytes }, (_, i) => (number >>> (8 * (bytes - 1 - i))) & 0xff);
}

/** Clients must mask; a mask of zeros leaves the payload as it is. */
function encodeFrame(payload) {
  const { length } = payload;
  let size = [MASKED | length];
  if (length >= 0x1_0000) size = [MASKED | 127, 0, 0, 0, 0, ...bigEndian(length, 4)];
  else if (length >= 126) size = [MASKED | 126, ...bigEndian(length, 2)];
  return Buffer.from(bytesOf(BINARY_FRAME, ...size, 0, 0, 0, 0) + payload, 'latin1');
}

const bytesOf = String.fromCharCode;

/** Calls back for each complete frame and gives the number of bytes that they took. */
function readFrames(bytes, end, onFrame) {
  let at = 0;
  while (at + 2 <= end) {
    const opcode = bytes[at] & 0x0f;
    let length = bytes[at + 1];
    let start = at + 2;
    if (length === 126) {
      start += 2;
      if (start > end) break;
      length = bytes.readUInt16BE(at + 2);
    } else if (length === 127) {
      start += 8;
      if (start > end) break;
      length = Number(bytes.readBigUInt64BE(at + 2));
    }
    const frameEnd = start + length;
    if (frameEnd > end) break;
    if (opcode !== OPCODE_BINARY) throw unexpectedFrame(opcode, bytes, start, frameEnd);
    onFrame(bytes.subarray(start, frameEnd));
    at = frameEnd;
  }
  return at;
}

function unexpected(message) {
  return new Error(`unexpected reply ${JSON.stringify(message)}`);
}

function unexpectedFrame(opcode, bytes, start, end) {
  if (opcode !== OPCODE_CLOSE || end - start < 2) return new Error(`unexpected frame ${opcode}`);
  const reason = bytes.toString('utf8', start + 2, end);
  return new Error(`the node closed the connection: ${bytes.readUInt16BE(start)} ${reason}`);
}
