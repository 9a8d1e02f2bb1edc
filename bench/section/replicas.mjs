// What replicas cost: ops from a client to a durable peer and on to a second one, catch-up and opening of a long log,
// what comes to a client that wants a part, memory under endless overwriting; and the edits of a document from one client
// to another, beside Hocuspocus.

import { missingHocuspocus } from '../replica/hocuspocus.mjs';
import { missingBuild } from '../system/node.mjs';
import { withChildren } from './with-children.mjs';

const NAME = 'replicas';
const TITLE = 'Replicas';
const RIVAL = 'hocuspocus';
const DURABLE = 'swarmbus, durable';

const FULL = {
  rounds: 3,
  logOps: 1_000_000,
  relayedOps: 300_000,
  objects: { all: 100_000, wanted: 1000 },
  overwritings: { part: 100_000, counts: [200_000, 1_000_000] },
  edits: 30_000,
};
const QUICK = { rounds: 1, logOps: 50_000, relayedOps: 50_000, edits: 4000 };

/** In each round, and once, where there is time. Each gives facts. */
const REPEATED = [
  ['a long log', longLog],
  ['ops to a second peer', relayed],
  ['edits of a document', edits],
];
const ONCE = [
  ['a part of the objects', partial],
  ['endless overwriting', overwriting],
];

export const replicas = ({ isQuick, pace }) => {
  const sizes = isQuick ? QUICK : FULL;
  const rounds = Array.from({ length: Math.min(sizes.rounds, pace.rounds) }, (_, round) => round);
  const steps = [...rounds.flatMap((round) => REPEATED.map((step) => [...step, round])), ...(isQuick ? [] : ONCE)];
  return {
    name: NAME,
    title: TITLE,
    systems: [],
    steps: () => steps.length,
    async run(context) {
      if (missingBuild() !== null) throw new Error(missingBuild());
      const facts = [];
      for (const [what, measure, round = 0] of steps) {
        if (context.leftMs() < 0) break;
        context.progress.step(TITLE, what);
        facts.push(...(await measure({ ...context, profiles: null }, sizes, round)));
      }
      const reason = missingHocuspocus();
      return { facts, notes: reason === null ? [] : [`${RIVAL} was not measured: ${reason}`] };
    },
  };
};

async function longLog(context, { logOps }) {
  const { measureLog } = await import('../replica/log.mjs');
  const log = await withChildren(context, (children) => measureLog(children, context, logOps));
  return [
    fact('ops from a client to a durable peer, in batches', log.writesPerSecond, 'ops/s'),
    fact('the peer’s processor time for one of them', log.writeCpuUs, 'µs'),
    fact('catch-up of a new peer with a long log', log.caughtUpPerSecond, 'ops/s'),
    fact('processor time of both peers for one of its ops', log.caughtUpCpuUs, 'µs'),
    fact(`opening a database of ${counted(logOps)} ops`, log.openMs, 'ms'),
  ];
}

async function relayed(context, { relayedOps }) {
  const { measureRelay } = await import('../replica/relay.mjs');
  const relay = await withChildren(context, (children) => measureRelay(children, context, relayedOps));
  return [
    fact('ops from a client to the subscriber of a second peer', relay.perSecond, 'ops/s'),
    fact('processor time of both peers for one of these', relay.cpuUs, 'µs'),
  ];
}

async function partial(context, { objects: { all, wanted } }) {
  const { measurePartial } = await import('../replica/partial.mjs');
  const bytes = await withChildren(context, (children) => measurePartial(children, context, { all, wanted }));
  return [
    fact(`bytes for a client that wants ${counted(wanted)} of ${counted(all)} objects`, bytes.wanted, 'B'),
    fact('bytes for a client that wants all of them', bytes.all, 'B'),
    fact('share of the bytes, to the share of the objects', bytes.wanted / bytes.all / (wanted / all), 'x'),
  ];
}

async function overwriting(context, { overwritings }) {
  const { measureOverwriting } = await import('../replica/overwriting.mjs');
  const results = await withChildren(context, (children) => measureOverwriting(children, context, overwritings));
  const [few, many] = results;
  return [
    ...results.flatMap(({ count, residentBytes, diskBytes }) => [
      fact(`resident memory of a peer after ${counted(count)} overwritings, compacted`, residentBytes / 2 ** 20, 'MiB'),
      fact(`its files after ${counted(count)} overwritings, compacted`, diskBytes / 2 ** 20, 'MiB'),
    ]),
    fact('memory of a peer after five times the overwritings', many.residentBytes / few.residentBytes, 'x'),
  ];
}

/** One after the other, in alternating order. */
async function edits(context, { edits: count }, round) {
  const { measureDurablePeer, measureHocuspocus, measurePeer } = await import('../replica/documents.mjs');
  const systems = [
    ['swarmbus', measurePeer],
    [DURABLE, measureDurablePeer],
  ];
  if (missingHocuspocus() === null) systems.push([RIVAL, measureHocuspocus]);
  if (round % 2 === 1) systems.reverse();
  const results = {};
  for (const [name, measure] of systems)
    results[name] = await withChildren(context, (children) => measure(children, context, count));
  const { swarmbus, [DURABLE]: durable, [RIVAL]: rival } = results;
  return [
    ...Object.entries(results).flatMap(([name, { perSecond, cpuUs }]) => [
      fact('edits of a document from client to client', perSecond, 'edits/s', name),
      fact('the server’s processor time for one of them', cpuUs, 'µs', name),
    ]),
    ...(rival === undefined
      ? []
      : [
          fact(`edits of a document, to ${RIVAL}`, swarmbus.perSecond / rival.perSecond, 'x'),
          fact(`edits of a document, to ${RIVAL}, by processor time`, rival.cpuUs / swarmbus.cpuUs, 'x'),
          fact(`edits of a document at a durable peer, to ${RIVAL}`, durable.perSecond / rival.perSecond, 'x'),
        ]),
  ];
}

function fact(name, value, unit, system = 'swarmbus') {
  return { section: NAME, name, system, value, unit };
}

function counted(count) {
  return count.toLocaleString('en');
}
