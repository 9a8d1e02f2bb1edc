// The load generator: a process of its own that asks one system and measures it from outside. It takes one job at a
// time from its parent and answers each with a result or an error. On the data path there is one clock reading, one
// histogram entry and one write per batch; everything sent was encoded before the clock started.

import { createHistogram, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openConnection } from './connection.mjs';
import { cpuSeconds } from './process-stat.mjs';
import { PROTOCOLS } from './protocol.mjs';
import { IN_FLIGHT_MAX, createRandom, encodeBatches, valueOf } from './workload.mjs';

/** Requests encoded ahead for each kind of batch; all connections walk through them, each from its own place. */
const REQUESTS_MAX = 131_072;
/** Fewer do where there are few keys. */
const REQUESTS_PER_KEY = 8;
const SEED = 7;
const PREPARE_CONNECTIONS = 4;
/** After the measurement all replies must come in within this time; one that does not is lost. */
const LAST_REPLIES_TIMEOUT_MS = 5_000;
/** A node that has just started may need a moment until it knows its neighbours. */
const REACH_TIMEOUT_MS = 15_000;
const REACH_RETRY_MS = 100;

const protocol = PROTOCOLS[process.argv[2]];
const batchesByKind = new Map();

const jobs = { prepare, measure };

process.on('message', ({ name, job }) => {
  jobs[name](job).then(
    (result) => process.send({ result }),
    (error) => process.send({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
// Whoever interrupts the run from a terminal interrupts the parent, which ends this process in order.
process.on('SIGINT', () => {});

/**
 * Sets all keys through `storePort`, then gets all of them through `port`, and checks the content of every reply. The
 * two ports differ where keys are to be read through another node than the one that stores them.
 */
async function prepare({ storePort, port, keyCount }) {
  await askAll(storePort, 'set', keyCount);
  await reach(port);
  await askAll(port, 'get', keyCount);
  return null;
}

/** Waits until the first key is found. */
async function reach(port) {
  const deadline = performance.now() + REACH_TIMEOUT_MS;
  for (;;) {
    try {
      return await askAll(port, 'get', 1);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(REACH_RETRY_MS);
  }
}

async function askAll(port, op, keyCount) {
  let next = 0;
  const takeNumbers = () => {
    const numbers = [];
    while (numbers.length < IN_FLIGHT_MAX && next < keyCount) numbers.push(next++);
    return numbers;
  };
  const connectionCount = Math.min(PREPARE_CONNECTIONS, Math.ceil(keyCount / IN_FLIGHT_MAX));
  await withConnections(port, connectionCount, async (connections, faulted) => {
    const workers = connections.map(async (connection) => {
      for (let numbers = takeNumbers(); numbers.length > 0; numbers = takeNumbers()) {
        await askChecked(connection, op, numbers);
      }
    });
    await Promise.race([Promise.all(workers), faulted]);
  });
}

/** Sends one batch and resolves when each of its requests has had its one right reply. */
function askChecked(connection, op, numbers) {
  return new Promise((resolve) => {
    const open = new Map(numbers.entries());
    const onReply = (index, reply) => {
      const number = open.get(index);
      if (number === undefined) throw new Error(`a reply to request ${index}, which is not open`);
      if (reply.op !== op) throw new Error(`a reply to a ${reply.op}, where a ${op} was asked`);
      if (op === 'get' && reply.value !== valueOf(number)) throw new Error(`key ${number} has a wrong value`);
      open.delete(index);
    };
    connection.onBytes = (bytes, length) => {
      const taken = protocol.decode(bytes, length, onReply, numbers.length - open.size);
      if (open.size === 0) resolve();
      return taken;
    };
    connection.send(protocol.encodeBatch(op, numbers));
  });
}

/**
 * Closed loop: each connection has one batch of `inFlight` requests under way, and sends the next when all replies to
 * it are in. Latency is that of a batch, from its write to its last reply.
 */
async function measure({ port, pids, op, connectionCount, inFlight, keyCount, warmUpMs, measureMs }) {
  const batches = batchesOf(op, inFlight, keyCount);
  const histogram = createHistogram({ figures: 3 });
  let isMeasuring = false;
  let isEnding = false;
  let openBatchCount = connectionCount;
  let batchCount = 0;

  const run = (connection, firstBatch) => {
    const scanner = protocol.createScanner(op);
    let next = firstBatch;
    let openCount = 0;
    let sentAt = 0;
    const sendBatch = (now) => {
      openCount = inFlight;
      sentAt = now;
      connection.send(batches[next]);
      next = next + 1 === batches.length ? 0 : next + 1;
    };
    connection.onBytes = (bytes, length) => {
      openCount -= scanner.scan(bytes, length);
      if (openCount <= 0) {
        if (openCount < 0) throw new Error('more replies than requests');
        const now = performance.now();
        if (isMeasuring) {
          histogram.record(Math.max(1, Math.round((now - sentAt) * 1e6)));
          batchCount++;
        }
        if (isEnding) openBatchCount--;
        else sendBatch(now);
      }
      return scanner.at;
    };
    sendBatch(performance.now());
  };

  return withConnections(port, connectionCount, async (connections, faulted) => {
    const random = createRandom(SEED);
    for (const connection of connections) run(connection, random() % batches.length);
    await Promise.race([sleep(warmUpMs), faulted]);

    const cpuBefore = cpuSeconds(pids);
    const ownCpuBefore = process.cpuUsage();
    const loopBefore = performance.eventLoopUtilization();
    const startedAt = performance.now();
    isMeasuring = true;
    await Promise.race([sleep(measureMs), faulted]);
    isMeasuring = false;
    const seconds = (performance.now() - startedAt) / 1000;
    const cpuAfter = cpuSeconds(pids);
    const ownCpu = process.cpuUsage(ownCpuBefore);
    const generatorUtilization = performance.eventLoopUtilization(loopBefore).utilization;

    isEnding = true;
    const deadline = performance.now() + LAST_REPLIES_TIMEOUT_MS;
    while (openBatchCount > 0) {
      if (performance.now() > deadline) throw new Error(`${openBatchCount} connections wait for replies in vain`);
      await Promise.race([sleep(1), faulted]);
    }
    if (batchCount === 0) throw new Error(`no reply within ${measureMs} ms`);
    const requestCount = batchCount * inFlight;
    const microseconds = (percentile) => histogram.percentile(percentile) / 1000;
    return {
      requestsPerSecond: requestCount / seconds,
      latencyUs: { p50: microseconds(50), p99: microseconds(99), p999: microseconds(99.9), max: histogram.max / 1000 },
      serverCpuUs: cpuBefore === null ? null : ((cpuAfter - cpuBefore) * 1e6) / requestCount,
      generatorCpuUs: (ownCpu.user + ownCpu.system) / requestCount,
      generatorUtilization,
    };
  });
}

function batchesOf(op, inFlight, keyCount) {
  const kind = `${op} ${inFlight}`;
  let batches = batchesByKind.get(kind);
  if (batches === undefined) {
    const count = Math.ceil(Math.min(REQUESTS_MAX, REQUESTS_PER_KEY * keyCount) / inFlight);
    batches = encodeBatches(protocol, op, inFlight, count, keyCount, SEED);
    batchesByKind.set(kind, batches);
  }
  return batches;
}

/** Opens connections for the time of `use`, which gets them with a promise that rejects when one of them breaks. */
async function withConnections(port, count, use) {
  let onFault;
  const faulted = new Promise((_, reject) => {
    onFault = reject;
  });
  // Without a listener of its own, a fault after the last race would be an unhandled rejection.
  faulted.catch(() => {});
  const connections = [];
  try {
    for (let i = 0; i < count; i++) connections.push(await openConnection(port, protocol, onFault));
    return await use(connections, faulted);
  } finally {
    for (const connection of connections) connection.close();
  }
}
