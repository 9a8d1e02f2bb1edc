// A server without actors: uWebSockets.js and one Map, speaking the frames of a swarmbus client for `get` and `set`. It
// shows what the same work costs with nothing around it, and so the price of the actors. With `echo` as its argument
// it returns frames as they came: then the load generator meets its own ceiling.

import uWebSockets from 'uWebSockets.js';

const GET = 2;
const SET = 3;
const NIL = 0xc0;
const EMPTY_MAP = 0x80;
const BIN8 = 0xc4;
const BIN16 = 0xc5;

const VALUE_HEAD = [0x94, 34];
const MISSING_HEAD = [0x92, 35];
const STORED_HEAD = [0x92, 36];

const values = new Map();
let output = Buffer.allocUnsafe(65_536);
let written = 0;

const answer =
  process.argv[2] === 'echo'
    ? (socket, message) => socket.send(message, true)
    : (socket, message) => {
        written = 0;
        answerFrame(Buffer.from(message));
        socket.send(output.subarray(0, written), true);
      };

uWebSockets
  .App()
  .ws('/*', { compression: uWebSockets.DISABLED, maxPayloadLength: 1 << 24, maxBackpressure: 1 << 24, message: answer })
  .listen('127.0.0.1', 0, uWebSockets.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    process.stdout.write(`${uWebSockets.us_socket_local_port(socket)}\n`);
  });

/** Requests as the load generator encodes them: [2, id, key] and [3, id, key, {}, value], keys of at most 31 bytes. */
function answerFrame(frame) {
  let at = 0;
  while (at < frame.length) {
    const tag = frame[at + 1];
    const id = frame[at + 2];
    const keyStart = at + 4;
    const keyEnd = keyStart + (frame[at + 3] & 0x1f);
    const key = frame.latin1Slice(keyStart, keyEnd);
    if (tag === GET) {
      answerGet(id, key);
      at = keyEnd;
    } else if (tag === SET && frame[keyEnd] === EMPTY_MAP) {
      const valueStart = keyEnd + 1;
      at = endOfBin(frame, valueStart);
      values.set(key, Buffer.from(frame.subarray(valueStart, at)));
      reserve(3);
      put(STORED_HEAD, id);
    } else throw new Error(`no request of the load generator: ${frame.toString('hex', at, at + 16)}`);
  }
}

function endOfBin(frame, at) {
  if (frame[at] === BIN8) return at + 2 + frame[at + 1];
  if (frame[at] === BIN16) return at + 3 + frame.readUInt16BE(at + 1);
  return at + 5 + frame.readUInt32BE(at + 1);
}

function answerGet(id, key) {
  const value = values.get(key);
  if (value === undefined) {
    reserve(3);
    put(MISSING_HEAD, id);
    return;
  }
  reserve(4 + value.length);
  put(VALUE_HEAD, id);
  output[written++] = NIL;
  output.set(value, written);
  written += value.length;
}

function put(head, id) {
  output[written++] = head[0];
  output[written++] = head[1];
  output[written++] = id;
}

function reserve(length) {
  if (written + length <= output.length) return;
  const larger = Buffer.allocUnsafe(2 * output.length + length);
  output.copy(larger, 0, 0, written);
  output = larger;
}
