/** A small run as if it had been measured, for what is made of it. */
import { bucketOf } from '../../bench/histogram.mjs';
import { summarise, summariseFacts } from '../../bench/summary.mjs';

export interface Load {
  section?: string;
  scenario: string;
  system: string;
  round: number;
  requestsPerSecond: number;
  cpuUs?: number;
  processes?: Record<string, number>;
  latenciesUs?: number[];
}

/** One measurement, as a section gives it. */
export function measurement({ latenciesUs = [100, 200, 400], cpuUs = 2, ...load }: Load) {
  const buckets = latenciesUs.map((us): [number, number] => [bucketOf(us * 1000), 1]);
  const sorted = latenciesUs.toSorted((a, b) => a - b);
  const [p50, most] = [sorted[sorted.length >> 1], sorted.at(-1)];
  return {
    section: 'owner',
    op: load.scenario.split(' ')[0]?.toLowerCase(),
    connections: 50,
    inFlight: 16,
    rate: 0,
    latencyUs: { p50, p90: most, p99: most, p999: most, p9999: most, max: most },
    serverCpuUs: cpuUs,
    cpuUs: load.processes ?? { [load.system]: cpuUs },
    generatorCpuUs: 0.5,
    generatorUtilization: 0.25,
    refusedCount: 0,
    unsentCount: 0,
    buckets,
    ...load,
  };
}

/** Three rounds of each pair of scenario and system: [scenario, system, requests/s, µs of CPU]. */
export function rounds(loads: readonly (readonly [string, string, number, number])[]) {
  return [1, 0.5, 1.02].flatMap((pace, round) =>
    loads.map(([scenario, system, requestsPerSecond, cpuUs]) =>
      measurement({ scenario, system, round, requestsPerSecond: requestsPerSecond * pace, cpuUs }),
    ),
  );
}

export function report(measurements: ReturnType<typeof measurement>[], facts: object[] = []) {
  return {
    date: '2026-01-02T03:04:05.678Z',
    command: 'node bench/main.mjs',
    machine: {
      cpu: 'CPU <1>',
      cores: 2,
      memoryBytes: 2 ** 31,
      kernel: 'Linux 6',
      versions: { node: '20', commit: 'abc' },
    },
    notes: ['busy'],
    missing: [{ system: 'nats', reason: 'nats-server is not installed: `make bench-deps`' }],
    seconds: 12.3,
    rounds: 3,
    measureMs: 100,
    warmUpMs: 10,
    systems: [{ name: 'swarmbus', about: 'one node' }],
    sections: [{ name: 'owner', title: 'At the owner' }],
    rows: summarise(measurements),
    facts: summariseFacts(facts),
    timelines: [
      {
        section: 'owner',
        name: 'a node leaves',
        sliceMs: 100,
        requests: [5, 0, 7],
        events: [{ name: 'it goes', atMs: 90 }],
      },
    ],
    memory: [{ section: 'owner', process: 'swarmbus', preparedBytes: 2 ** 20, finalBytes: null }],
    measurements,
  };
}
