// The graph of a simulated swarm.

import { createRandom } from '../workload.mjs';

const SEED = 11;

/** Each node but the first two dials the one before and another earlier one, chosen by chance: [from, to]. */
export function randomGraph(count) {
  const random = createRandom(SEED);
  return Array.from({ length: count }, (_, i) => {
    if (i < 3) return i === 0 ? [] : [[i, i - 1]];
    return [
      [i, i - 1],
      [i, random() % (i - 1)],
    ];
  }).flat();
}

/** Links crossed on a shortest path, from one node to each. */
export function distancesFrom(start, edges, count) {
  const neighbours = Array.from({ length: count }, () => []);
  for (const [a, b] of edges) {
    neighbours[a].push(b);
    neighbours[b].push(a);
  }
  const distances = Array.from({ length: count }, () => Infinity);
  distances[start] = 0;
  const queue = [start];
  for (const at of queue) {
    for (const next of neighbours[at]) {
      if (distances[next] < Infinity) continue;
      distances[next] = distances[at] + 1;
      queue.push(next);
    }
  }
  return distances;
}
