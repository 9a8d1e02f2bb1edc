// The load generator, as the rest of the benchmark sees it: it stores and checks keys from here, over connections of
// its own, and has the measured requests sent by generator/, a process of its own, which is fast enough to keep any of
// the systems busy.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openConnection } from './connection.mjs';
import { latencyUs } from './histogram.mjs';
import { encodeJob } from './job.mjs';
import { cpuSeconds } from './process-stat.mjs';
import { PROTOCOLS } from './protocol/index.mjs';
import { IN_FLIGHT_MAX, createRandom, requestStream } from './workload.mjs';

/** Requests encoded ahead for each kind of batch; all connections walk through them, each from its own place. */
const REQUESTS_MAX = 131_072;
/** Fewer do where there are few keys. */
const REQUESTS_PER_KEY = 8;
const ENCODED_BYTES_MAX = 48 * 2 ** 20;
const SEED = 7;
const FILL_CONNECTIONS = 4;
/** So that a batch of sets is far from the largest frame of a node. */
const FILL_BYTES = 2 ** 18;
/** A node that has just started may need a moment until it knows its neighbours. */
const REACH_TIMEOUT_MS = 20_000;
const REACH_RETRY_MS = 100;
const FILL_TIMEOUT_MS = 120_000;
/** For encoding, opening connections and waiting for the last replies. */
const MEASURE_GRACE_MS = 60_000;
/** Which batches were encoded is remembered by what they are made of; so many kinds of them. */
const JOBS_MAX = 12;

export class LoadGenerator {
  #protocol;
  #program;
  #folder;
  #children;
  #name;
  #jobs = new Map();
  #jobCount = 0;

  /** `program` is what compileGenerator gave; files are kept in the folder. */
  constructor({ protocol, program, folder, children, name }) {
    this.#protocol = PROTOCOLS[protocol];
    this.#program = program;
    this.#folder = folder;
    this.#children = children;
    this.#name = name;
  }

  /** Sets all keys, key number n through port number n modulo their count, and waits for each to be stored. */
  async store(ports, data, connections = FILL_CONNECTIONS) {
    for (const [i, port] of ports.entries()) {
      await this.#reach(port, { op: 'set', key: data.keyOf(i), value: data.valueOf(i) });
      const numbers = Array.from(
        { length: Math.ceil((data.keyCount - i) / ports.length) },
        (_, n) => i + n * ports.length,
      );
      await this.#askAll(port, 'set', numbers, data, connections);
    }
  }

  /** Gets keys, evenly spread, and checks the content of every reply. */
  async check(port, data, count = data.keyCount) {
    await this.#reach(port, { op: 'get', key: data.keyOf(0), value: data.valueOf(0) });
    const step = Math.max(1, data.keyCount / count);
    const numbers = Array.from({ length: Math.min(count, data.keyCount) }, (_, n) => Math.floor(n * step));
    await this.#askAll(port, 'get', numbers, data);
  }

  /**
   * Sends the requests of a scenario and measures. `pids` are the processes behind the port, by name. See
   * generator/main.c for what is meant by the numbers. `onMeasuring` is called when the warm-up is over.
   */
  async measure({ port, pids, scenario, data, round, onMeasuring = () => {} }) {
    const { op, connections, inFlight, warmUpMs, measureMs, rate = 0, once = false, watchers = 0 } = scenario;
    const { file, batchCount } = this.#jobOf(scenario, data, round);
    const options = { port, connections, 'in-flight': inFlight, 'measure-ms': measureMs, watchers };
    options['warm-up-ms'] = once ? 0 : warmUpMs;
    options.rate = Math.round(rate / inFlight);
    options.once = once ? 1 : 0;
    options.patient = scenario.isPatient ? 1 : 0;
    if (batchCount < connections) throw new Error(`${op}: ${batchCount} batches for ${connections} connections`);
    const before = {};
    let result = null;
    await this.#run(file, options, warmUpMs + measureMs, (line) => {
      if (line === 'measuring') {
        for (const [name, pid] of Object.entries(pids)) before[name] = cpuSeconds([pid]);
        onMeasuring();
      } else result = JSON.parse(line);
    });
    if (result === null || result.requestCount === 0) throw new Error('the load generator measured nothing');
    // The servers have had nothing to do since the last reply.
    const cpuUs = Object.fromEntries(
      Object.entries(pids).map(([name, pid]) => [name, cpuUsPerRequest(before[name], cpuSeconds([pid]), result)]),
    );
    const all = Object.values(cpuUs);
    return {
      requestCount: result.requestCount,
      requestsPerSecond: result.requestCount / result.seconds,
      latencyUs: latencyUs(result.buckets),
      serverCpuUs: all.length === 0 || all.includes(null) ? null : all.reduce((sum, one) => sum + one, 0),
      cpuUs,
      generatorCpuUs: (result.cpuSeconds * 1e6) / result.requestCount,
      generatorUtilization: result.cpuSeconds / result.seconds,
      refusedCount: result.refusedCount,
      unsentCount: result.unsentCount,
      stallMs: result.stallMs,
      slices: result.slices,
      buckets: result.buckets,
    };
  }

  /** Opens connections that ask nothing, calls `use` while they are open, and resolves with its result. */
  async hold(port, connections, use) {
    const expected = { kinds: 0, valueBytesMin: 0, valueBytesMax: 0 };
    const file = this.#write({ expected, asking: this.#protocol.greeting(connections) });
    let onHolding;
    const isHolding = new Promise((resolve) => {
      onHolding = resolve;
    });
    const { ended, finish } = this.#start(file, { port, connections, hold: 1 }, onHolding);
    try {
      await Promise.race([isHolding, ended]);
      return await use();
    } finally {
      finish();
      await ended;
    }
  }

  async #run(file, options, expectedMs, onLine) {
    const { ended, pid } = this.#start(file, options, onLine);
    const timer = setTimeout(() => process.kill(pid, 'SIGKILL'), expectedMs + MEASURE_GRACE_MS);
    try {
      await ended;
    } catch (error) {
      throw new Error(`${this.#name}: ${error.message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #start(file, options, onLine) {
    const args = [file, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)];
    return this.#children.startProgram({
      name: 'the load generator',
      command: this.#program,
      args,
      folder: this.#folder,
      onLine,
    });
  }

  /** The batches of a scenario; those of the last scenarios are kept. */
  #jobOf(scenario, data, round) {
    const { op, inFlight, popularity, isSeparate = false, writes = 0, connections } = scenario;
    const isBound = this.#protocol.greeting(connections).some(({ variants }) => variants.length > 1);
    const key = [
      op,
      inFlight,
      popularity?.name,
      popularity?.share,
      isSeparate,
      writes,
      data.id,
      isBound && connections,
    ];
    const name = [...key, op === 'create' ? round : 0].join(' ');
    const known = this.#jobs.get(name);
    if (known !== undefined) return known;
    while (this.#jobs.size >= JOBS_MAX) {
      const [oldest, { file }] = this.#jobs.entries().next().value;
      this.#jobs.delete(oldest);
      rmSync(file);
    }
    const batches = this.#encodeBatches(scenario, data, round);
    const ops = { mix: ['get', 'set'], create: ['set'] }[op] ?? [op];
    const expected = this.#protocol.expected(ops, data);
    const asking = this.#protocol.greeting(connections);
    const file = this.#write({ expected, asking, watching: this.#protocol.watchGreeting(), batches, inFlight });
    const job = { file, batchCount: batches.length };
    this.#jobs.set(name, job);
    return job;
  }

  #encodeBatches({ op, inFlight, connections, popularity, isSeparate, writes, requestCount }, data, round) {
    const random = createRandom(SEED);
    const pick = popularity.of(data.keyCount, random);
    const next = requestStream({ op, data, pick, writes, round }, random);
    const bytesMax = ENCODED_BYTES_MAX / (data.valueBytesMax + 100);
    const wanted = requestCount ?? Math.min(REQUESTS_MAX, REQUESTS_PER_KEY * data.keyCount, bytesMax);
    // A whole number of batches for each connection, as each has its own.
    const count = Math.max(1, Math.ceil(wanted / inFlight / connections)) * connections;
    return Array.from({ length: count }, (_, i) =>
      this.#protocol.encodeBatch(Array.from({ length: inFlight }, next), i % connections, isSeparate),
    );
  }

  #write(job) {
    const file = join(this.#folder, `${this.#name}-${this.#jobCount++}.job`);
    writeFileSync(file, encodeJob(this.#protocol, job));
    return file;
  }

  /** Waits until the request is answered as it should be. */
  async #reach(port, request) {
    const deadline = performance.now() + REACH_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.#withConnections(port, 1, ([connection]) => this.#askChecked(connection, [request], 0));
      } catch (error) {
        if (performance.now() > deadline) throw new Error(`${this.#name}: ${error.message}`);
      }
      await sleep(REACH_RETRY_MS);
    }
  }

  async #askAll(port, op, numbers, data, connectionsMax = FILL_CONNECTIONS) {
    // More connections have no more under way together: what is new takes longer than what is there.
    const inFlight = Math.floor(IN_FLIGHT_MAX * Math.min(1, FILL_CONNECTIONS / connectionsMax));
    const batchSize = Math.max(1, Math.min(inFlight, Math.floor(FILL_BYTES / (data.valueBytesMax + 50))));
    let next = 0;
    const takeBatch = () => {
      const own = numbers.slice(next, (next += batchSize));
      return own.map((number) => ({ op, key: data.keyOf(number), value: data.valueOf(number) }));
    };
    const count = Math.max(1, Math.min(connectionsMax, Math.ceil(numbers.length / batchSize)));
    await this.#withConnections(port, count, (connections) =>
      Promise.all(
        connections.map(async (connection, i) => {
          for (let batch = takeBatch(); batch.length > 0; batch = takeBatch()) {
            await this.#askChecked(connection, batch, i);
          }
        }),
      ),
    );
  }

  /** Sends one batch and resolves when each of its requests has had its one right reply. */
  #askChecked(connection, requests, number) {
    return new Promise((resolve) => {
      const open = new Map(requests.entries());
      const onReply = (index, reply) => {
        const request = open.get(index);
        if (request === undefined) throw new Error(`a reply to request ${index}, which is not open`);
        if (reply.op !== request.op) throw new Error(`a reply to a ${reply.op}, where a ${request.op} was asked`);
        if (reply.op === 'get' && reply.value !== request.value) throw new Error(`${request.key} has a wrong value`);
        open.delete(index);
      };
      connection.onBytes = (bytes, length) => {
        const taken = this.#protocol.decode(bytes, length, onReply, requests.length - open.size);
        if (open.size === 0) resolve();
        return taken;
      };
      const asked = requests.map(({ op, key, value }) => (op === 'get' ? { op, key } : { op, key, value }));
      connection.send(this.#protocol.encodeBatch(asked, number));
    });
  }

  /** Opens connections for the time of `use`, which fails with the first of them that breaks. */
  async #withConnections(port, count, use) {
    let onFault;
    const faulted = new Promise((_, reject) => {
      onFault = reject;
    });
    // Without a listener of its own, a fault after the last race would be an unhandled rejection.
    faulted.catch(() => {});
    const timer = setTimeout(() => onFault(new Error(`no replies within ${FILL_TIMEOUT_MS} ms`)), FILL_TIMEOUT_MS);
    const connections = [];
    try {
      for (let number = 0; number < count; number++)
        connections.push(await openConnection({ port, protocol: this.#protocol, number, count }, onFault));
      return await this.#children.orFailed(Promise.race([use(connections), faulted]));
    } finally {
      clearTimeout(timer);
      for (const connection of connections) connection.close();
    }
  }
}

function cpuUsPerRequest(before, after, { requestCount }) {
  return before === undefined || before === null || after === null ? null : ((after - before) * 1e6) / requestCount;
}
