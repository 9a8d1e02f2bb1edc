// The parts that a request goes through, each by itself. `prepare` gives a function that does some operations and
// returns how many.

import { loadBuilt } from '../built.mjs';
import { encodeRequests } from '../protocol/swarmbus.mjs';
import { createRandom, numberedKeys } from '../workload.mjs';

const MESSAGES = 16;
const KEYS = 100_000;
const STEPS = 1_024;
const LIMITS = { keyBytesMax: 4096, valueBytesMax: 524_288 };
const SEED = [1, 2];
const ORIGIN = 'A';

export const BENCHMARKS = [
  { name: `codec: decode a GET, ${MESSAGES} in a frame`, prepare: () => decoding('get') },
  { name: `codec: decode a SET, ${MESSAGES} in a frame`, prepare: () => decoding('set') },
  { name: `codec: encode a value, ${MESSAGES} in a frame`, prepare: encoding },
  { name: 'codec: pass on what is for another node', prepare: relaying },
  { name: 'mailbox: a message in and out', prepare: mailbox },
  { name: 'runtime: a message from one actor to another', prepare: telling },
  { name: `keyspace: get one of ${KEYS.toLocaleString('en')} keys`, prepare: () => keyspace('get') },
  { name: `keyspace: set one of ${KEYS.toLocaleString('en')} keys`, prepare: () => keyspace('set') },
  { name: 'directory: hash a key', prepare: hashing },
  { name: `directory: look up one of ${KEYS.toLocaleString('en')} keys`, prepare: () => directory('get') },
  { name: `directory: enter one of ${KEYS.toLocaleString('en')} keys anew`, prepare: () => directory('put') },
];

/** Numbers of keys, by chance but always the same. */
function picks() {
  const random = createRandom(5);
  return Array.from({ length: STEPS }, () => random() % KEYS);
}

async function decoding(op) {
  const { decodeFrame } = await loadBuilt('transport/binary-codec.js');
  const data = numberedKeys(KEYS);
  const requests = picks().map((number) => ({ op, key: data.keyOf(number), value: data.valueOf(number) }));
  const frames = [];
  for (let i = 0; i < STEPS; i += MESSAGES) frames.push(encodeRequests(requests.slice(i, i + MESSAGES)));
  let delivered = 0;
  const deliver = (message) => {
    if (message.type !== op) throw new Error(`a ${message.type} came out`);
    delivered++;
  };
  return () => {
    delivered = 0;
    for (const frame of frames) decodeFrame(frame, LIMITS, 'client requests', null, deliver);
    return delivered;
  };
}

async function encoding() {
  const { encodeMessage } = await loadBuilt('transport/binary-codec.js');
  const { FrameWriter } = await loadBuilt('store/frame-writer.js');
  const writer = new FrameWriter();
  const value = new Uint8Array([0xc4, 64, ...Array.from({ length: 64 }, (_, i) => i)]);
  return () => {
    for (let i = 0; i < STEPS; i++) {
      if (i % MESSAGES === 0) writer.reset();
      encodeMessage({ type: 'value', id: i % MESSAGES, meta: null, value }, writer);
    }
    return STEPS;
  };
}

async function relaying() {
  const { decodeFrame, encodeMessage } = await loadBuilt('transport/binary-codec.js');
  const { FrameWriter } = await loadBuilt('store/frame-writer.js');
  const head = { to: 'To', from: 'From', hops: 1, floor: 1, incarnation: 2 ** 40, clock: 2 ** 50 };
  const writer = new FrameWriter();
  const data = numberedKeys(KEYS);
  for (const number of picks()) {
    const message = { type: 'get', id: number, key: data.keyOf(number), options: {} };
    const forward = { ...head, behind: null, claim: 0, passes: 0, budgetMs: 900 };
    encodeMessage({ type: 'forward', ...forward, number, message }, writer);
  }
  const frame = writer.copy();
  let passed = 0;
  const deliver = (relay) => {
    passed += relay.count;
    encodeMessage(relay, writer);
  };
  return () => {
    passed = 0;
    writer.reset();
    decodeFrame(frame, LIMITS, 'node', ORIGIN, deliver);
    if (passed !== STEPS) throw new Error(`${passed} of ${STEPS} messages were passed on`);
    return passed;
  };
}

async function mailbox() {
  const { Mailbox } = await loadBuilt('actors/runtime/mailbox.js');
  const box = new Mailbox();
  const messages = Array.from({ length: MESSAGES }, (_, id) => ({ type: 'get', id }));
  return () => {
    let sum = 0;
    for (let i = 0; i < STEPS; i += MESSAGES) {
      for (const message of messages) box.push(message, ORIGIN);
      for (; box.size > 0; box.shift()) sum += box.first().id;
    }
    if (sum !== (STEPS / MESSAGES) * ((MESSAGES * (MESSAGES - 1)) / 2)) throw new Error('a message is lost');
    return STEPS;
  };
}

/** Two actors that send one message back and forth, STEPS times. */
async function telling() {
  const { VirtualTime, alwaysRunning, createRuntime, defineKind } = await runtimeParts();
  const time = new VirtualTime();
  const runtime = createRuntime(time.env(() => {}));
  let left = 0;
  const player = defineKind({
    name: 'player',
    machine: alwaysRunning,
    create: (self) => ({ self }),
    tables: {
      running: {
        ball(ball, from) {
          if (left-- > 0) from.tell(ball, this.self.ref);
        },
      },
    },
    commands: {},
    mailbox: { capacity: 100 },
  });
  const one = runtime.spawn(player, 'one');
  const other = runtime.spawn(player, 'other');
  const ball = { type: 'ball' };
  return () => {
    left = STEPS;
    one.tell(ball, other);
    time.run();
    if (left > 0) throw new Error(`${left} messages were not handled`);
    return STEPS + 1;
  };
}

async function runtimeParts() {
  const parts = await Promise.all(
    ['virtual-time.js', 'always-running.js', 'index.js'].map((file) => loadBuilt(`actors/runtime/${file}`)),
  );
  return Object.assign({}, ...parts);
}

async function keyspace(op) {
  const { Keyspace } = await loadBuilt('store/keyspace.js');
  const limits = { storeBytesMax: 2 ** 30, keysMax: 2 * KEYS, policy: 'lru' };
  const space = new Keyspace(limits, SEED);
  const data = numberedKeys(KEYS);
  const value = new Uint8Array(66);
  for (let i = 0; i < KEYS; i++) space.set(data.keyOf(i), value, i, ORIGIN, 0, 0);
  const keys = picks().map(data.keyOf);
  let time = KEYS;
  if (op === 'get') {
    return () => {
      for (const key of keys) if (space.get(key, 0) === undefined) throw new Error(`${key} is gone`);
      return STEPS;
    };
  }
  return () => {
    for (const key of keys) if (!space.set(key, value, time++, ORIGIN, 0, 0)) throw new Error(`${key} is refused`);
    return STEPS;
  };
}

async function hashing() {
  const { KeyHasher } = await loadBuilt('store/key-hash.js');
  const hasher = new KeyHasher(new Uint8Array(16));
  const keys = picks().map(numberedKeys(KEYS).keyOf);
  return () => {
    for (const key of keys) hasher.hash(key);
    return STEPS;
  };
}

async function directory(op) {
  const { KeyHasher } = await loadBuilt('store/key-hash.js');
  const { DirectoryTable } = await loadBuilt('store/directory-table.js');
  const hasher = new KeyHasher(new Uint8Array(16));
  const table = new DirectoryTable(2 ** 30);
  const data = numberedKeys(KEYS);
  for (let i = 0; i < KEYS; i++) table.put(hasher.hash(data.keyOf(i)), ORIGIN, i);
  const hashes = picks().map((number) => hasher.hash(data.keyOf(number)));
  let claim = KEYS;
  if (op === 'get') {
    return () => {
      for (const hash of hashes) if (table.get(hash) === null) throw new Error('a key is gone');
      return STEPS;
    };
  }
  return () => {
    for (const hash of hashes) table.put(hash, ORIGIN, claim++);
    return STEPS;
  };
}
