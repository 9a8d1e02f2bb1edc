// A simulated swarm of any size: the real actors over a network in memory, in virtual time. Everything that crosses a
// link is counted.

import { Unpackr } from 'msgpackr';
import { encodeRequests } from '../protocol/swarmbus.mjs';
import { loadBuilt } from '../built.mjs';

const FIRST_PORT = 7101;
const LATENCY_MS = 1;
const STEP_MS = 5;
const ASK_TIMEOUT_MS = 20_000;
const SEED = 11;

const [{ VirtualTime }, { createMemoryNetwork }, { NodeLife }, { DEFAULT_SETTINGS }] = await Promise.all([
  loadBuilt('actors/runtime/virtual-time.js'),
  loadBuilt('transport/memory-bus.js'),
  loadBuilt('testing/node-life.js'),
  loadBuilt('actors/settings.js'),
]);

const unpackr = new Unpackr({ useRecords: false });

export class SimulatedSwarm {
  time = new VirtualTime({ seed: SEED });
  nodes = [];
  /** Of frames between nodes. */
  traffic = { frames: 0, bytes: 0 };
  /** Messages between nodes by tag, while it is set. */
  tags = null;
  #network;
  #clients = new Map();

  constructor() {
    this.#network = createMemoryNetwork({
      defer: (delayMs, run) => this.time.at(this.time.nowMs + delayMs, run),
      latencyMs: LATENCY_MS,
      onFrame: (from, to, bytes) => this.#count(from, to, bytes),
    });
  }

  /** Starts the next node, which dials those that its edges name. */
  start(edges) {
    const index = this.nodes.length;
    const links = edges.filter(([from]) => from === index).map(([, to]) => urlOf(to));
    const life = new NodeLife({
      env: this.time.env(() => {}),
      bus: this.#network.bus(`n${index}`),
      disk: null,
      settings: {
        ...DEFAULT_SETTINGS,
        swarm: 'bench',
        name: `n${index}`,
        listen: [{ host: '127.0.0.1', port: FIRST_PORT + index }],
        links,
      },
      runtimeOptions: {},
      onListening: () => {},
      onEnd: ({ reason }) => {
        throw new Error(`node ${index} ended: ${reason}`);
      },
    });
    this.nodes.push(life);
  }

  inspect(index, what) {
    let info = null;
    this.nodes[index].inspect(what, (report) => {
      info = report;
    });
    for (let i = 0; info === null && i < 100; i++) this.time.advance(0);
    if (info === null) throw new Error(`node ${index} does not report`);
    return info;
  }

  /** Lets time pass until every node sees all others and all have registered with it; gives the simulated time. */
  settle(limitMs) {
    const startMs = this.time.nowMs;
    let last = 0;
    for (;;) {
      // Where it was not so the last time, it is likely not so yet.
      while (last < this.nodes.length && this.#isSettled(last)) last++;
      if (last === this.nodes.length && this.nodes.every((_, i) => this.#isSettled(i)))
        return this.time.nowMs - startMs;
      if (last === this.nodes.length) last = 0;
      if (this.time.nowMs - startMs > limitMs) throw new Error(`not settled within ${limitMs} simulated ms`);
      this.time.advance(STEP_MS);
    }
  }

  /** Asks a node as one client, and gives the replies, each an array of its fields, by request. */
  ask(index, requests) {
    const client = this.#clients.get(index) ?? this.#connect(index);
    client.replies = new Map();
    client.end.send(encodeRequests(requests));
    for (let waitedMs = 0; client.replies.size < requests.length; waitedMs++) {
      if (waitedMs > ASK_TIMEOUT_MS) throw new Error(`node ${index} does not answer`);
      this.time.advance(1);
    }
    return requests.map((_, id) => client.replies.get(id));
  }

  /** What crosses links while `run` runs: messages by tag, the signs of life left out. */
  during(run) {
    this.tags = new Map();
    run();
    const { tags } = this;
    this.tags = null;
    return tags;
  }

  #isSettled(index) {
    const { router, directory } = this.inspect(index, 'counters');
    if (router.members !== this.nodes.length || directory.unregistered !== 0) return false;
    return this.inspect(index, 'node').status === 'running';
  }

  #connect(index) {
    const client = { end: null, replies: new Map() };
    let isOpen = false;
    client.end = this.#network.connectClient(urlOf(index), {
      onOpen: () => {
        isOpen = true;
      },
      onFrame: (bytes) => {
        for (const [tag, id, ...fields] of unpackr.unpackMultiple(Buffer.from(bytes))) {
          client.replies.set(id, [tag, ...fields]);
        }
      },
      onClosed: (code, reason) => {
        throw new Error(`node ${index} closed the connection: ${code} ${reason}`);
      },
    });
    while (!isOpen) this.time.advance(1);
    this.#clients.set(index, client);
    return client;
  }

  #count(from, to, bytes) {
    if (!from.startsWith('n') || !to.startsWith('n')) return;
    this.traffic.frames++;
    this.traffic.bytes += bytes.length;
    if (this.tags === null) return;
    for (const message of unpackr.unpackMultiple(Buffer.from(bytes))) {
      if (Array.isArray(message)) this.tags.set(message[0], (this.tags.get(message[0]) ?? 0) + 1);
    }
  }
}

function urlOf(index) {
  return `ws://127.0.0.1:${FIRST_PORT + index}`;
}
