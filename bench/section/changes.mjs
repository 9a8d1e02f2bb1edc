// What clients feel while the swarm changes: an open loop of gets at one node of three, while another joins and leaves
// again, and while the node that stores all keys leaves and hands them over.

import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { numberedKeys } from '../workload.mjs';
import { SHAPES, linkFlags, missingBuild, startNode, startShape } from '../system/node.mjs';
import { scenario } from './scenario.mjs';
import { generatorFor, withChildren } from './with-children.mjs';

const NODES = 3;
const JOINED_AFTER_MS = 1_500;
const STAYS_MS = 2_500;
const LEAVES_AFTER_MS = 1_500;
const LEAVE_TIMEOUT_MS = 20_000;

export const changes = ({ isQuick }) => {
  const keyCount = isQuick ? 20_000 : 100_000;
  const load = scenario({
    name: 'GET open loop while the swarm changes',
    connections: 20,
    inFlight: 1,
    rate: isQuick ? 1_000 : 4_000,
    warmUpMs: 500,
    measureMs: 12_000,
    isPatient: true,
  });
  const section = { name: 'changes', title: 'While a node joins and leaves', systems: [] };
  const plan = { section, load, data: { ...numberedKeys(keyCount), id: 'changes' } };
  return {
    ...section,
    steps: () => 2,
    async run(context) {
      if (missingBuild() !== null) throw new Error(missingBuild());
      context.progress.step(section.title, 'joining and leaving');
      const membership = await withChildren(context, (children) => measureMembership(plan, children, context));
      context.progress.step(section.title, 'draining');
      const drain = await withChildren(context, (children) => measureDrain(plan, children, context));
      return { facts: [...membership.facts, ...drain.facts], timelines: [membership.timeline, drain.timeline] };
    },
  };
};

/** Keys at all three nodes; a fourth joins, takes over its share of the homes, and leaves. */
async function measureMembership({ section, load, data }, children, context) {
  const nodes = await startShape(children, context.folder, { name: 'ring', edges: SHAPES.ring(NODES), count: NODES });
  const generator = generatorFor('swarmbus', children, context);
  await generator.store(
    nodes.map(({ port }) => port),
    data,
  );
  await generator.check(nodes[0].port, data);
  const events = [];
  const run = async (startedAt) => {
    const mark = (name) => events.push({ name, atMs: performance.now() - startedAt });
    await sleep(JOINED_AFTER_MS);
    mark('a node starts');
    const joiner = await startNode(children, context.folder, { name: 'joiner', flags: linkFlags(nodes[1].port) });
    mark('it listens');
    await sleep(STAYS_MS);
    mark('it is told to leave');
    await children.stopServer(joiner.pid, LEAVE_TIMEOUT_MS);
    mark('it has left');
  };
  const result = await measureDuring(generator, nodes[0].port, load, data, run);
  return outcome(section, 'a node joins and leaves', result, events);
}

/** All keys at one node, which leaves and hands them over to the others; afterwards each is read once more. */
async function measureDrain({ section, load, data }, children, context) {
  const nodes = await startShape(children, context.folder, { name: 'ring', edges: SHAPES.ring(NODES), count: NODES });
  const generator = generatorFor('swarmbus', children, context);
  await generator.store([nodes[2].port], data);
  await generator.check(nodes[0].port, data);
  const events = [];
  let drainMs = 0;
  let exitCode = 0;
  const run = async (startedAt) => {
    await sleep(LEAVES_AFTER_MS);
    const at = performance.now();
    events.push({ name: 'the owner is told to leave', atMs: at - startedAt });
    exitCode = await children.stopServer(nodes[2].pid, LEAVE_TIMEOUT_MS);
    drainMs = performance.now() - at;
    events.push({ name: 'it has left', atMs: at + drainMs - startedAt });
  };
  const result = await measureDuring(generator, nodes[0].port, load, data, run);
  if (exitCode !== 0) throw new Error(`the leaving node lost entries: exit code ${exitCode}`);
  await generator.check(nodes[0].port, data);
  const { facts, timeline } = outcome(section, 'the owner of all keys leaves', result, events);
  const name = `time to hand over ${data.keyCount.toLocaleString('en')} keys under load`;
  facts.push({ section: section.name, name, system: 'swarmbus', value: drainMs, unit: 'ms' });
  return { facts, timeline };
}

/** Load for its whole time, and `run` from its beginning on. */
async function measureDuring(generator, port, load, data, run) {
  const running = [];
  const onMeasuring = () => {
    const change = run(performance.now());
    // It is waited for only when the load has ended, and may fail before.
    change.catch(() => {});
    running.push(change);
  };
  const measured = generator.measure({ port, pids: {}, scenario: load, data, round: 0, onMeasuring });
  const [result] = await Promise.all([measured, measured.then(() => Promise.all(running))]);
  return result;
}

function outcome({ name: section }, what, result, events) {
  const fact = (name, value, unit) => ({ section, name: `${what}: ${name}`, system: 'swarmbus', value, unit });
  return {
    facts: [
      fact('latency p50', result.latencyUs.p50 / 1000, 'ms'),
      fact('latency p99', result.latencyUs.p99 / 1000, 'ms'),
      fact('latency p99.9', result.latencyUs.p999 / 1000, 'ms'),
      fact('latency max', result.latencyUs.max / 1000, 'ms'),
      fact('longest time without a reply', result.stallMs, 'ms'),
      fact('refused', result.refusedCount, `of ${result.requestCount.toLocaleString('en')} requests`),
    ],
    timeline: { section, name: what, sliceMs: 100, requests: result.slices, events },
  };
}
