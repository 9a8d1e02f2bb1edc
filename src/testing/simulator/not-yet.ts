/**
 * What a simulated swarm is known not to hold yet, in one place. An entry keeps plans away from what provokes the
 * weakness, or a checker from judging it; whoever mends the weakness deletes the entry, and the simulator is as strict
 * as the contract.
 */
export const NOT_YET = {
  /**
   * A later request of a session may overtake an earlier one that travels: where a relay's routes change, on a shorter
   * way; where the key comes to the asked node itself meanwhile, by being executed there.
   */
  routeChangesKeepSessionOrder: true,
} as const satisfies Record<string, true>;

/** A plan and its judgement know of these weaknesses; tests may assume fewer. */
export type Weaknesses = Readonly<Partial<Record<keyof typeof NOT_YET, true>>>;
