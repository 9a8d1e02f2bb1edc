// The same edits of one document from one client through a server to a second client: a peer that has it in memory, a
// durable one, and Hocuspocus, which has its documents in memory. For all of them as many edits are on their way at once,
// in as many writes.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { loadBuilt } from '../built.mjs';
import { DatabaseClient, itemCount, subscribe } from './client.mjs';
import { makeEdits, textOf } from './edits.mjs';
import { encodeUpdate, openDocument, startHocuspocus } from './hocuspocus.mjs';
import { stopwatch } from './log.mjs';
import { encodeSubmit, openToWrite } from './ops.mjs';
import { createDatabase, startPeer } from './peer.mjs';

const { clientOf } = await loadBuilt('store/types/text.js');
const { ItemReader } = await loadBuilt('store/op.js');
const { packValue, unpackValue } = await loadBuilt('transport/msgpack.js');

const NAME = 'page';
const PER_BATCH = 100;
const BATCHES_ON_THE_WAY = 10;
/** Part of the edits that is not measured. */
const WARM_UP_SHARE = 0.2;

/** Through a peer that has the document in memory. */
export function measurePeer(children, context, count) {
  return measureAt(null, children, context, count);
}

/** Through one that acknowledges what is on its disk. */
export async function measureDurablePeer(children, context, count) {
  const data = mkdtempSync(join(context.folder, 'data-'));
  const result = await measureAt(data, children, context, count);
  rmSync(data, { recursive: true, force: true });
  return result;
}

/** Each batch is one frame. */
async function measureAt(data, children, { folder, profiles }, count) {
  const peer = await startPeer(children, folder, data, { name: 'peer', profiles });
  const writing = await DatabaseClient.connect(peer.port);
  const reading = await DatabaseClient.connect(peer.port);
  await createDatabase(writing);
  const writer = await openToWrite(writing);
  const { open } = await openToWrite(reading);
  const edits = makeEdits(count, clientOf(writer.origin));
  const batches = inBatches(edits.updates, (updates) => {
    const ops = updates.map((update) => writer.op('text', NAME, packValue(update)));
    return encodeSubmit(writing, writer, ops);
  });
  const patches = [];
  const flow = new Flow();
  await subscribe(reading, open, { type: 'text', object: NAME }, ({ items }) => {
    patches.push(items);
    flow.onArrived(itemCount(items));
  });
  const send = ({ id, frame }) => {
    writing.answer(id).catch((error) => flow.fail(error));
    writing.send(frame);
  };
  const result = await flow.measure(batches, send, peer.pid);
  compare(edits, patches.flatMap(updatesIn));
  writing.close();
  reading.close();
  return result;
}

/** Through Hocuspocus, whose protocol has a frame for each edit: each batch is one write. */
export async function measureHocuspocus(children, { folder }, count) {
  const { port, pid } = await startHocuspocus(children, folder);
  const flow = new Flow();
  const arrived = [];
  const writing = await openDocument(port, NAME, () => {});
  const reading = await openDocument(port, NAME, (update) => {
    arrived.push(update);
    flow.onArrived(1);
  });
  for (const { failed } of [writing, reading]) failed.catch((error) => flow.fail(error));
  const edits = makeEdits(count, 1);
  const batches = inBatches(edits.updates, (updates) => updates.map((update) => encodeUpdate(NAME, update)));
  const result = await flow.measure(batches, (frames) => writing.send(frames), pid);
  compare(edits, arrived);
  writing.close();
  reading.close();
  return result;
}

/** Batches on their way from one client to the other. */
class Flow {
  #arrived = 0;
  #onArrived = () => {};
  #fail;
  #failed = new Promise((_, reject) => {
    this.#fail = reject;
  });

  constructor() {
    this.#failed.catch(() => {});
  }

  fail(error) {
    this.#fail(error);
  }

  onArrived(count) {
    this.#arrived += count;
    this.#onArrived();
  }

  /** Edits per second, and the server's processor time for each. */
  async measure(batches, send, pid) {
    const first = Math.floor(batches.length * WARM_UP_SHARE);
    await this.#pass(batches.slice(0, first), send);
    const took = stopwatch([pid]);
    const count = await this.#pass(batches.slice(first), send);
    const { seconds, cpu } = took();
    return { perSecond: count / seconds, cpuUs: (1e6 * cpu) / count };
  }

  async #pass(batches, send) {
    const before = this.#arrived;
    const count = batches.reduce((sum, { size }) => sum + size, 0);
    let next = 0;
    let sent = 0;
    const done = new Promise((resolve) => {
      this.#onArrived = () => {
        const arrived = this.#arrived - before;
        while (next < batches.length && sent - arrived <= PER_BATCH * (BATCHES_ON_THE_WAY - 1)) {
          const { size, encoded } = batches[next++];
          sent += size;
          send(encoded);
        }
        if (arrived === count) resolve();
      };
    });
    this.#onArrived();
    await Promise.race([done, this.#failed]);
    return count;
  }
}

function inBatches(updates, encode) {
  const batches = [];
  for (let at = 0; at < updates.length; at += PER_BATCH) {
    const some = updates.slice(at, at + PER_BATCH);
    batches.push({ size: some.length, encoded: encode(some) });
  }
  return batches;
}

function compare({ text, updates }, arrived) {
  if (arrived.length !== updates.length || textOf(arrived) !== text) throw new Error('another text has arrived');
}

function updatesIn(items) {
  const reader = new ItemReader();
  const count = reader.open(items);
  return Array.from({ length: count }, () => {
    const fault = reader.next();
    if (fault !== null || reader.kind !== 'op') throw new Error(fault ?? 'something else than an op has come');
    return unpackValue(reader.copyPayload());
  });
}
