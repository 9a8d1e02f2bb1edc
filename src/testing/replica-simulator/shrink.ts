/** Makes a failing plan of a database smaller, as long as it fails in the same way: fewer faults, actions and options. */
import { minimizeSlowly } from './minimize-slowly.js';
import type { ReplicaPlan } from './plan.js';

/** `fails`: whether the plan fails in the way that is looked for. `isOver`: time is up; the smallest so far is taken. */
export const shrinkReplicaPlan = async (
  plan: ReplicaPlan,
  fails: (plan: ReplicaPlan) => Promise<boolean>,
  isOver: () => boolean,
): Promise<ReplicaPlan> => {
  let best = plan;
  const attempt = async (change: Partial<ReplicaPlan>): Promise<boolean> => {
    const candidate = { ...best, ...change };
    if (isOver() || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before = Infinity; sizeOf(best) < before && !isOver();) {
    before = sizeOf(best);
    await minimizeSlowly(best.faults, (faults) => attempt({ faults }));
    await minimizeSlowly(best.actions, (actions) => attempt({ actions }));
    await minimizeSlowly(best.peers, (peers) => (peers.length === 0 ? Promise.resolve(false) : attempt({ peers })));
    const lastMs = Math.max(0, ...best.actions.map(({ atMs }) => atMs), ...best.faults.map(({ atMs }) => atMs));
    if (lastMs + 1000 < best.durationMs) await attempt({ durationMs: lastMs + 1000 });
    if (best.encodesEveryHop) await attempt({ encodesEveryHop: false });
    if (best.isRelaxed) await attempt({ isRelaxed: false });
    if (best.compactAfterMs > 0) await attempt({ compactAfterMs: 0 });
    if (best.storageMs > 0) await attempt({ storageMs: 0 });
    if (Object.keys(best.settings).length > 0) await attempt({ settings: {} });
    if (best.writerSkewsMs.some((ms) => ms !== 0)) await attempt({ writerSkewsMs: best.writerSkewsMs.map(() => 0) });
    if (best.latency.extraMs > 0) await attempt({ latency: { minMs: best.latency.minMs, extraMs: 0 } });
  }
  return best;
};

const sizeOf = (plan: ReplicaPlan): number => JSON.stringify(plan).length;
