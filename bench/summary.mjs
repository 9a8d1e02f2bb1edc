// From measurements to rows: one for each scenario and system, with the medians of all rounds. A ratio compares two
// systems within one round, since what disturbs a machine disturbs neighbouring measurements alike; its median over the
// rounds is what is reported.

import { latencyUs, mergeBuckets, percentileNs } from './histogram.mjs';
import { groupBy, spread } from './statistics.mjs';
import { BASE } from './system/index.mjs';

/** So many points for each tenfold of the distance to 100 %. */
const POINTS_PER_DECADE = 8;
const DECADES = 4;

/** Rows in the order of the first round, from the measurements of all rounds. */
export function summarise(measurements) {
  const rounds = groupBy(measurements, (one) => rowKey(one, one.system));
  return [...rounds.values()].map((own) => {
    const { section, scenario, system, round: _round, buckets: _buckets, ...rest } = own[0];
    const base = rounds.get(rowKey(own[0], BASE)) ?? [];
    const of = (read) => spread(own.map(read));
    const buckets = mergeBuckets(own.map((one) => one.buckets));
    return {
      section,
      scenario,
      system,
      op: rest.op,
      connections: rest.connections,
      inFlight: rest.inFlight,
      rate: rest.rate > 0 ? of(({ rate }) => rate) : null,
      load: rest.load ?? null,
      share: rest.share ?? null,
      watchers: rest.watchers ?? 0,
      requestsPerSecond: of((one) => one.requestsPerSecond),
      ratio: spread(own.flatMap((one) => ratioIn(one, base, (it) => it.requestsPerSecond))),
      cpuRatio: spread(own.flatMap((one) => ratioIn(one, base, (it) => 1 / it.serverCpuUs))),
      latencyUs: Object.fromEntries(
        Object.keys(own[0].latencyUs).map((name) => [name, of((one) => one.latencyUs[name])]),
      ),
      allLatencyUs: latencyUs(buckets),
      curve: curveOf(buckets),
      serverCpuUs: of((one) => one.serverCpuUs),
      cpuUs: Object.fromEntries(Object.keys(own[0].cpuUs).map((name) => [name, of((one) => one.cpuUs[name])])),
      generatorCpuUs: of((one) => one.generatorCpuUs),
      generatorUtilization: of((one) => one.generatorUtilization),
      refusedCount: of((one) => one.refusedCount),
      unsentCount: of((one) => one.unsentCount),
    };
  });
}

/** The ratio of what two systems did, round by round. */
export function ratioOf(measurements, section, scenario, system, base, read) {
  const of = (name) => measurements.filter((one) => rowKey(one, one.system) === rowKey({ section, scenario }, name));
  return spread(of(system).flatMap((one) => ratioIn(one, of(base), read)));
}

/** Facts of one name and system, with the spread of their values. */
export function summariseFacts(facts) {
  const groups = groupBy(facts, ({ section, name, system, x }) => JSON.stringify([section, name, system, x]));
  return [...groups.values()].map((own) => {
    const { value: _value, ...named } = own[0];
    return { ...named, value: spread(own.map(({ value }) => value)) };
  });
}

function rowKey({ section, scenario }, system) {
  return `${section}\n${scenario}\n${system}`;
}

function ratioIn(measurement, base, read) {
  const sameRound = base.find(({ round }) => round === measurement.round);
  return sameRound === undefined ? [] : [read(measurement) / read(sameRound)];
}

/** [percent, microseconds], denser towards 100 %. */
function curveOf(buckets) {
  if (buckets.length === 0) return [];
  const percents = Array.from(
    { length: DECADES * POINTS_PER_DECADE + 1 },
    (_, i) => 100 - 100 / 10 ** (i / POINTS_PER_DECADE),
  );
  return percents.map((percent) => [Number(percent.toFixed(4)), percentileNs(buckets, percent) / 1000]);
}
