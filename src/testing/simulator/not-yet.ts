/**
 * What a simulated swarm is known not to hold yet, in one place. An entry keeps plans away from what provokes the
 * weakness, or a checker from judging it; whoever mends the weakness deletes the entry, and the simulator is as strict
 * as the contract.
 */
export const NOT_YET = {
  /** A node that leaves takes its entries with it: counted as a crash. */
  drainsKeepEntries: true,
  /** Where routes change, a later request of a session may overtake an earlier one on a shorter way. */
  routeChangesKeepSessionOrder: true,
} as const satisfies Partial<Record<Weakness, true>>;

/** What the simulator can do without. */
export type Weakness = keyof typeof WEAKNESSES;

/** A seed's plan and its judgement know of these weaknesses; tests may assume others. */
export type Weaknesses = Readonly<Partial<Record<Weakness, true>>>;

/** What each weakness that can be listed makes of plans and judgement. */
const WEAKNESSES = {
  concurrentCreation: 'a key is created by one client only',
  joinsKeepOrder: 'C3 is not judged through a join',
  drainsKeepEntries: 'C3 is not judged through a drain, which excuses a lost write',
  partitionsMerge: 'two copies are excused where there was a fault',
  settledSwarmsDoNotSearch: 'searches of a settled swarm are excused',
  routeChangesKeepSessionOrder: 'the order within a session is not judged where there was a fault',
} as const;
