/**
 * A ring of real nodes whose links lead through fault proxies. What is done to it is written down as incidents, each of
 * which lasts until all nodes see all others again.
 */
import { edgesOf } from '../../src/testing/shape.js';
import { FaultProxy } from './fault-proxy.js';
import type { Incident } from './judge.js';
import { freePorts, pause, settled, type Ended, type NodeProcess, type Processes } from './processes.js';

/** Short, so that a run has many incidents; long enough that a busy machine does not make any. */
export const HEARTBEAT_TIMEOUT_MS = 1500;
export const MISSED_MS = 3000;
const FLAGS = [
  '--heartbeat-ms',
  '300',
  '--heartbeat-timeout-ms',
  `${HEARTBEAT_TIMEOUT_MS}`,
  '--missed-ms',
  `${MISSED_MS}`,
];
/** A node that waits for its first link must not begin on its own meanwhile. */
const NEVER_ALONE = ['--alone-after-ms', '60s', '--request-timeout-ms', '1500'];

export class FaultyRing {
  readonly nodes: NodeProcess[] = [];
  /** The link that node i dials, to its successor. */
  readonly links: FaultProxy[] = [];
  readonly incidents: Incident[] = [];
  readonly #processes: Processes;
  readonly #ports: number[] = [];
  readonly #stopped = new Set<NodeProcess>();
  /** Processes that were to end. */
  readonly #meant = new Set<NodeProcess>();
  readonly #everStarted: NodeProcess[] = [];
  #isOver = false;

  constructor(processes: Processes) {
    this.#processes = processes;
  }

  async start(count: number, seed: number): Promise<void> {
    const first = await freePorts(count);
    for (let i = 0; i < count; i++) this.#ports.push(first + i);
    for (const [from, to] of edgesOf('ring', count))
      this.links[from] = await FaultProxy.start(this.#ports[to]!, seed * 100 + from);
    // All at once: each waits for the link to the next.
    await Promise.all(this.#ports.map(async (_, i) => this.#startNode(i)));
    await settled(this.nodes, count);
  }

  get urls(): string[] {
    return this.#ports.map((port) => `ws://127.0.0.1:${port}`);
  }

  /** Names of nodes that ended without having been killed or asked to. */
  get unexpectedEnds(): string[] {
    return this.#everStarted
      .filter((node) => node.process.isOver && !this.#meant.has(node))
      .map((node) => `process ${node.process.pid}: ${node.process.stderr.slice(-500)}`);
  }

  /** kill -9, a while of absence, and a new start on the same port. */
  async kill(i: number, awayMs: number): Promise<void> {
    const node = this.nodes[i]!;
    const fromMs = performance.now();
    this.#meant.add(node);
    node.process.kill('SIGKILL');
    await node.process.ended;
    const goneMs = performance.now();
    await this.#pause(awayMs);
    await this.#startNode(i);
    await settled(this.nodes, this.nodes.length);
    this.incidents.push({ kind: 'killed', node: i, fromMs, goneMs, untilMs: performance.now() });
  }

  /** SIGTERM, its end, and a new start on the same port. */
  async restart(i: number): Promise<Ended> {
    const node = this.nodes[i]!;
    const fromMs = performance.now();
    this.#meant.add(node);
    node.process.kill('SIGTERM');
    const ended = await node.process.endsWithin(15_000);
    const goneMs = performance.now();
    await this.#startNode(i);
    await settled(this.nodes, this.nodes.length);
    this.incidents.push({ kind: 'killed', node: i, fromMs, goneMs, untilMs: performance.now() });
    return ended;
  }

  /** Holds a process still, by SIGSTOP. Its sockets stay open, and nobody answers. */
  async stop(i: number, ms: number): Promise<void> {
    const node = this.nodes[i]!;
    const fromMs = performance.now();
    this.#stopped.add(node);
    node.process.kill('SIGSTOP');
    await this.#pause(ms);
    this.#continue(node);
    const goneMs = performance.now();
    await settled(this.nodes, this.nodes.length);
    this.incidents.push({ kind: 'stopped', node: i, fromMs, goneMs, untilMs: performance.now() });
  }

  /** Does something to a link, and heals it. The ring is a line meanwhile, so that nobody is shut out. */
  async disturb(i: number, what: 'cut' | 'silence' | 'jam' | 'cutMidFrame' | 'slow', ms: number): Promise<void> {
    const link = this.links[i]!;
    if (what === 'slow') link.delay(30, 30);
    else link[what]();
    await this.#pause(ms);
    link.delay(0);
    link.heal();
    await settled(this.nodes, this.nodes.length);
  }

  /** Ends waits that are under way, and lets stopped processes go on, so that they can end. */
  async dispose(): Promise<void> {
    this.#isOver = true;
    for (const node of this.#stopped) this.#continue(node);
    await Promise.all(this.links.map((link) => link.close()));
  }

  #continue(node: NodeProcess): void {
    this.#stopped.delete(node);
    node.process.kill('SIGCONT');
  }

  async #startNode(i: number): Promise<void> {
    const place = ['--name', `n${i}`, '--listen', `127.0.0.1:${this.#ports[i]}`, '--link', this.links[i]!.url];
    const node = await this.#processes.node([...place, ...FLAGS, ...NEVER_ALONE]);
    this.nodes[i] = node;
    this.#everStarted.push(node);
  }

  async #pause(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!this.#isOver && performance.now() < endMs) await pause(20);
  }
}
