// The load generator: a process of its own that asks one system and measures it from outside. It takes one job at a
// time from its parent and answers each with a result or an error. Keys are stored and checked from here; the measured
// requests are sent by generator.c, which is fast enough to keep any of the systems busy.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openConnection } from './connection.mjs';
import { encodeJob } from './job.mjs';
import { cpuSeconds } from './process-stat.mjs';
import { PROTOCOLS } from './protocol.mjs';
import { IN_FLIGHT_MAX, encodeBatches, valueOf } from './workload.mjs';

/** Requests encoded ahead for each kind of batch; all connections walk through them, each from its own place. */
const REQUESTS_MAX = 131_072;
/** Fewer do where there are few keys. */
const REQUESTS_PER_KEY = 8;
const SEED = 7;
const PREPARE_CONNECTIONS = 4;
/** A node that has just started may need a moment until it knows its neighbours. */
const REACH_TIMEOUT_MS = 15_000;
const REACH_RETRY_MS = 100;

const [protocolName, program, folder] = process.argv.slice(2);
const protocol = PROTOCOLS[protocolName];
const jobFiles = new Set();

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
 * it are in. generator.c does it, with everything that is sent encoded here, ahead.
 */
async function measure({ port, pids, op, connectionCount, inFlight, keyCount, warmUpMs, measureMs }) {
  const args = [jobFileOf(op, inFlight, keyCount), port, connectionCount, inFlight, warmUpMs, measureMs].map(String);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let fault = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (fault += text));
  const ended = once(child, 'close');
  let cpuBefore = null;
  let result = null;
  for await (const line of createInterface(child.stdout)) {
    if (line === 'measuring') cpuBefore = cpuSeconds(pids);
    else result = JSON.parse(line);
  }
  // The server has had nothing to do since the last reply.
  const cpuAfter = cpuSeconds(pids);
  const [code, signal] = await ended;
  if (result === null) throw new Error(fault.trim() || `the load generator ended with ${code ?? signal}`);
  const requestCount = result.batchCount * inFlight;
  return {
    requestsPerSecond: requestCount / result.seconds,
    latencyUs: result.latencyUs,
    serverCpuUs: cpuBefore === null ? null : ((cpuAfter - cpuBefore) * 1e6) / requestCount,
    generatorCpuUs: (result.cpuSeconds * 1e6) / requestCount,
    generatorUtilization: result.cpuSeconds / result.seconds,
  };
}

function jobFileOf(op, inFlight, keyCount) {
  const file = join(folder, `${protocolName}-${op}-${inFlight}.job`);
  if (!jobFiles.has(file)) {
    const count = Math.ceil(Math.min(REQUESTS_MAX, REQUESTS_PER_KEY * keyCount) / inFlight);
    const batches = encodeBatches(protocol, op, inFlight, count, keyCount, SEED);
    writeFileSync(file, encodeJob(protocol, op, batches));
    jobFiles.add(file);
  }
  return file;
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
