// The bytes between a client and a swarmbus node, written and read by hand: one WebSocket frame of concatenated
// MessagePack requests per batch, ids 0, 1, 2 ...; replies in frames of any number. See protocol.mjs for the contract.

import { createHash, randomBytes } from 'node:crypto';
import { Unpackr } from 'msgpackr';
import { ID } from './job.mjs';
import { VALUE_BYTES, keyOf, valueOf } from './workload.mjs';

const GET = 2;
const SET = 3;
const VALUE = 34;
const STORED = 36;

const NIL = 0xc0;
const EMPTY_MAP = 0x80;
const FIXSTR = 0xa0;
const BIN8 = 0xc4;

const BINARY_FRAME = 0x82;
const MASKED = 0x80;
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;

/** [34, id, nil, bin of 64 bytes] */
const VALUE_REPLY_BYTES = 6 + VALUE_BYTES;
/** Appended by every server to the key that it hashes (RFC 6455, 1.3). */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const unpackr = new Unpackr({ useRecords: false });

export const swarmbusProtocol = {
  greet() {
    const key = randomBytes(16).toString('base64');
    const accept = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64');
    const bytes = Buffer.from(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    return { bytes, mark: accept, endOfAnswer: (answer) => endOfHandshake(answer, accept) };
  },

  encodeBatch(op, numbers) {
    return encodeFrame(numbers.map((number, id) => encodeMessage(op, id, number)).join(''));
  },

  isFramed: true,

  /** `stored` has a last field that is nil here, and that may therefore be left out. */
  replyForms(op) {
    if (op !== 'set') return [{ length: VALUE_REPLY_BYTES, head: [0x94, VALUE, ID, NIL, BIN8, VALUE_BYTES] }];
    return [
      [0x92, STORED, ID],
      [0x93, STORED, ID, NIL],
    ].map((head) => ({ length: head.length, head }));
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
};

function endOfHandshake(answer, accept) {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return -1;
  const head = answer.toString('latin1', 0, end);
  if (!head.startsWith('HTTP/1.1 101') || !head.includes(accept)) {
    throw new Error(`the WebSocket handshake was refused: ${head.split('\r\n')[0]}`);
  }
  return end + 4;
}

/** One character per byte, which is the fastest way to put many small pieces together. */
function encodeMessage(op, id, number) {
  if (op === 'echo') return bytesOf(0x94, VALUE, id, NIL) + encodeBin(valueOf(number));
  const key = keyOf(number);
  const encodedKey = bytesOf(FIXSTR | key.length) + key;
  if (op === 'get') return bytesOf(0x93, GET, id) + encodedKey;
  return bytesOf(0x95, SET, id) + encodedKey + bytesOf(EMPTY_MAP) + encodeBin(valueOf(number));
}

function encodeBin(text) {
  return bytesOf(BIN8, text.length) + text;
}

/** Clients must mask; a mask of zeros leaves the payload as it is. */
function encodeFrame(payload) {
  const { length } = payload;
  const size = length < 126 ? [MASKED | length] : [MASKED | 126, length >> 8, length & 0xff];
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
