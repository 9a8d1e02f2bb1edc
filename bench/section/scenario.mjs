// Scenarios as data: each is the base case with one factor varied.

import { POPULARITIES } from '../workload.mjs';

export const UNIFORM = { name: 'uniform', of: POPULARITIES.uniform };
export const ZIPF = { name: 'Zipf 0.99', of: POPULARITIES.zipf };

/** Gets of uniformly chosen keys, 16 in one frame on each of 50 connections, closed loop. */
const BASE_CASE = {
  op: 'get',
  connections: 50,
  inFlight: 16,
  data: 'keys',
  popularity: UNIFORM,
  isSeparate: false,
};

/**
 * A scenario. Beside the fields of the base case: `writes`, the share of sets in a `mix`; `once` and `requestCount`, to
 * end after so many requests; `rate`, requests per second of an open loop, or `load`, a share of what the system has
 * done in the scenario named `loadOf`; `watchers`; `systems`, where not all of the section's are asked; `name`.
 */
export function scenario(varied = {}) {
  const all = { ...BASE_CASE, ...varied };
  return { ...all, name: varied.name ?? `${all.op.toUpperCase()} ${all.connections} x ${all.inFlight}` };
}
