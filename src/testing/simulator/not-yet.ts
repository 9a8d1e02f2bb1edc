/**
 * What a simulated swarm is known not to hold yet, in one place. An entry keeps plans away from what provokes the
 * weakness, or a checker from judging it; whoever mends the weakness deletes the entry, and the simulator is as strict
 * as the contract.
 */
export const NOT_YET = {
  /** Two nodes that create one key at once both store it. So each key has one client that sets it. */
  concurrentCreation: true,
  /** A node that joins makes the others' knowledge of owners incomplete: counted as a change that C3 excuses. */
  joinsKeepOrder: true,
  /** A node that leaves takes its entries with it: counted as a crash. */
  drainsKeepEntries: true,
  /** Copies that came to be on two sides of a partition both stay. */
  partitionsMerge: true,
  /** Every first question for a key is a search. */
  settledSwarmsDoNotSearch: true,
} as const satisfies Record<string, true>;

export type NotYet = keyof typeof NOT_YET;

/** A seed's plan and its judgement know of these weaknesses; tests may assume others. */
export type Weaknesses = Readonly<Partial<Record<NotYet, true>>>;
