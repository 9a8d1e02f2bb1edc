// Ops as clients write them, encoded ahead: batches for `submit`.

import { loadBuilt } from '../built.mjs';
import { DATABASE } from './peer.mjs';

const { encodeItems, encodeOp } = await loadBuilt('store/op.js');
const { parseTime } = await loadBuilt('store/stamp.js');
const { packValue } = await loadBuilt('transport/msgpack.js');

const OPS_PER_BATCH = 1000;
/** As many as it takes until what is measured is compiled. */
const WARM_UP_OPS_MAX = 20_000;
/** What may be on its way at once. */
const BATCHES_ON_THE_WAY = 16;
/** Of values, as everywhere in this benchmark. */
const TEXT = 'x'.repeat(48);

/** Ops that are written before `count` are measured; fewer before a few, of which nobody expects a figure. */
export const warmUpOps = (count) => Math.min(WARM_UP_OPS_MAX, count);

/** An open database and the chain of its client: gives each of its ops the next stamp. */
export class OpWriter {
  open;
  origin;
  #time;
  #prevTime;

  /** `open`: the id of the request that opened it; `info`: of the answer. */
  constructor(open, info) {
    this.open = open;
    this.origin = info.replica;
    this.#time = Math.max(timeIn(info.clock), timeIn(info.fromTime), timeIn(info.storedTime));
    this.#prevTime = timeIn(info.storedTime);
  }

  /** Of an encoded payload. */
  op(type, id, payload) {
    this.#time += 1;
    const op = encodeOp({
      stamp: { time: this.#time, origin: this.origin },
      prevTime: this.#prevTime,
      type,
      id,
      payload,
    });
    this.#prevTime = this.#time;
    return op;
  }
}

/** Opens the database, as soon as that can be. */
export async function openToWrite(client) {
  const { id, info } = await client.askUntilReady({ type: 'openDatabase', database: DATABASE, options: {} });
  return new OpWriter(id, info);
}

/** `count` ops that set a field of one of the objects `prefix``number`, round and round: frames with their ids. */
export function encodeWrites(client, writer, { count, objects, prefix = 'item:', from = 0 }) {
  const frames = [];
  for (let done = 0; done < count;) {
    const ops = [];
    for (; done < count && ops.length < OPS_PER_BATCH; done++) {
      const id = `${prefix}${String((from + done) % objects).padStart(6, '0')}`;
      ops.push(writer.op('lww', id, packValue({ text: TEXT, count: done })));
    }
    frames.push(encodeSubmit(client, writer, ops));
  }
  return frames;
}

export function encodeSubmit(client, writer, ops) {
  return client.encode({ type: 'submit', open: writer.open, ops: encodeItems(ops) });
}

/** Submits all batches, some at a time, and resolves when all are acknowledged. */
export async function submitAll(client, frames) {
  let next = 0;
  const lane = async () => {
    while (next < frames.length) {
      const { id, frame } = frames[next++];
      const acked = client.answer(id);
      client.send(frame);
      await acked;
    }
  };
  await Promise.all(Array.from({ length: BATCHES_ON_THE_WAY }, lane));
}

function timeIn(text) {
  return typeof text === 'string' ? (parseTime(text) ?? 0) : 0;
}
