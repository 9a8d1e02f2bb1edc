// Hocuspocus, and as much of its protocol as it takes to edit and to follow a document: frames begin with the document's
// name and a kind, and carry messages of y-protocols.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';

const PROGRAM = fileURLToPath(new URL('hocuspocus-server.mjs', import.meta.url));
const PACKAGE = '@hocuspocus/server';

const KIND = { sync: 0, auth: 2 };
const SYNC = { step1: 0, step2: 1, update: 2 };
/** Of the message of authentication that a client sends. */
const TOKEN = 0;

/** Null, or why it can't be measured. */
export function missingHocuspocus() {
  try {
    createRequire(import.meta.url).resolve(PACKAGE);
    return null;
  } catch {
    return `${PACKAGE} is not installed: \`npm ci\``;
  }
}

export function startHocuspocus(children, folder) {
  return children.startServerWithOwnPort({
    name: 'hocuspocus',
    command: process.execPath,
    args: [PROGRAM],
    folder,
  });
}

/** A connection with one document; `onUpdate` gets each update that comes. Resolves when the server has sent its state. */
export async function openDocument(port, name, onUpdate) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false, generateMask: () => {} });
  let fail;
  const failed = new Promise((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const synced = new Promise((resolve) => {
    socket.on('message', (data) => {
      const message = syncMessageIn(data);
      if (message === null) return;
      if (message.type === SYNC.step2) resolve();
      else if (message.type === SYNC.update) onUpdate(message.update);
    });
  });
  socket.on('close', (code, reason) => fail(new Error(`hocuspocus has hung up: ${code} ${reason.toString('utf8')}`)));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send(frame(name, KIND.auth, [TOKEN], text('')));
  // The state vector of an empty document is a single 0.
  socket.send(frame(name, KIND.sync, [SYNC.step1], bytes(Uint8Array.of(0))));
  await Promise.race([synced, failed]);
  return {
    failed,
    /** All of them in one write. */
    send(frames) {
      socket._socket.cork();
      for (const one of frames) socket.send(one);
      socket._socket.uncork();
    },
    close: () => socket.terminate(),
  };
}

export function encodeUpdate(name, update) {
  return frame(name, KIND.sync, [SYNC.update], bytes(update));
}

function frame(name, kind, head, body) {
  return Buffer.concat([text(name), number(kind), ...head.map(number), body]);
}

function text(value) {
  return bytes(Buffer.from(value));
}

function bytes(value) {
  return Buffer.concat([number(value.length), value]);
}

/** Seven bits in a byte, the lowest first. */
function number(value) {
  const digits = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...digits, rest]);
    digits.push(128 | (rest % 128));
  }
}

/** The update that a frame carries; null if it carries something else. */
export function updateIn(data) {
  const message = syncMessageIn(data);
  return message?.type === SYNC.update ? message.update : null;
}

/** Type and update of a message of synchronisation; null for others. */
function syncMessageIn(data) {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = data[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const nameLength = next();
  at += nameLength;
  if (next() !== KIND.sync) return null;
  const type = next();
  const length = next();
  return { type, update: data.subarray(at, at + length) };
}
