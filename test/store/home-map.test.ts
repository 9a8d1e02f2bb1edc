import { describe, expect, it } from '@jest/globals';
import { HomeMap } from '../../src/store/home-map.js';
import { BUCKETS } from '../../src/store/key-hash.js';
import type { NodeId } from '../../src/store/node-id.js';

const nodes = Array.from({ length: 12 }, (_, i) => `node${String.fromCharCode(65 + i)}` as NodeId);

function homesOf(map: HomeMap): (NodeId | null)[] {
  return Array.from({ length: BUCKETS }, (_, bucket) => map.homeOf(bucket));
}

describe('the homes of the buckets', () => {
  it('[V1] are the same whatever the order in which members came', () => {
    const [one, other] = [new HomeMap(), new HomeMap()];
    one.update(nodes);
    for (let i = nodes.length; i > 0; i -= 1) other.update(nodes.slice(i - 1));
    other.update(nodes.slice(3));
    other.update(nodes);
    expect(homesOf(other)).toEqual(homesOf(one));
  });

  it('move only to the node that came, and only from the node that went', () => {
    const map = new HomeMap();
    map.update(nodes.slice(0, 11));
    const before = homesOf(map);
    const moved = map.update(nodes);
    const after = homesOf(map);
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (moved.includes(bucket)) expect(after[bucket]).toBe(nodes[11]);
      else expect(after[bucket]).toBe(before[bucket]);
    }
    expect(moved.length).toBeGreaterThan(BUCKETS / 24);
    expect(moved.length).toBeLessThan(BUCKETS / 6);
    expect(map.update(nodes.slice(0, 11)).toSorted((a, b) => a - b)).toEqual(moved.toSorted((a, b) => a - b));
    expect(homesOf(map)).toEqual(before);
  });

  it('are spread evenly', () => {
    const map = new HomeMap();
    map.update(nodes);
    const counts = new Map<NodeId | null, number>();
    for (const home of homesOf(map)) counts.set(home, (counts.get(home) ?? 0) + 1);
    const mean = BUCKETS / nodes.length;
    expect(counts.size).toBe(nodes.length);
    for (const count of counts.values()) expect(Math.abs(count - mean)).toBeLessThan(mean / 3);
  });

  it('[V1] are nobody where no member may be one', () => {
    const map = new HomeMap();
    expect(map.homeOf(7)).toBeNull();
    map.update(nodes);
    expect(map.update([])).toHaveLength(BUCKETS);
    expect(map.homeOf(7)).toBeNull();
  });
});
