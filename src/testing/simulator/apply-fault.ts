/** Lets a planned fault happen in the world. Returns whether it did: what is not there can't be hurt. */
import type { Edge, PlannedFault } from './plan.js';
import { isAlive } from './world.js';
import type { World } from './world.js';

export const applyFault = (world: World, fault: PlannedFault): boolean => {
  const later = (forMs: number, run: () => void): void => world.time.at(world.nowMs + forMs, run);
  switch (fault.kind) {
    case 'clog':
      world.network.clog(nameOf(world, fault.edge[0]), nameOf(world, fault.edge[1]), fault.forMs);
      return true;
    case 'reset':
      world.network.breakLinks(nameOf(world, fault.edge[0]), nameOf(world, fault.edge[1]));
      return true;
    case 'cut':
      for (const edge of fault.edges) world.cut(edge);
      later(fault.forMs, () => {
        for (const edge of fault.edges) world.uncut(edge);
      });
      return fault.edges.length > 0;
    case 'half-open': {
      const ways: readonly Edge[] = fault.isBoth ? [fault.edge, [fault.edge[1], fault.edge[0]]] : [fault.edge];
      for (const way of ways) world.blackhole(way);
      later(fault.forMs, () => {
        for (const way of ways) world.unblackhole(way);
      });
      return true;
    }
    case 'crash':
      if (!isAlive(world.node(fault.node))) return false;
      world.crash(fault.node);
      later(fault.forMs, () => world.start(fault.node));
      return true;
    case 'leave': {
      const backMs = world.nowMs + fault.forMs;
      return world.leave(fault.node, () => world.time.at(backMs, () => world.start(fault.node)));
    }
    case 'pause':
      if (!isAlive(world.node(fault.node))) return false;
      world.pause(fault.node);
      later(fault.forMs, () => world.resume(fault.node));
      return true;
    case 'clock-jump':
      world.jumpClock(fault.node, fault.byMs);
      return true;
    case 'clock-drift':
      world.driftClock(fault.node, fault.rate);
      return true;
    case 'join':
      if (isAlive(world.node(fault.node))) return false;
      world.start(fault.node);
      return true;
  }
};

const nameOf = (world: World, node: number): string => world.node(node).name;
