/**
 * What a simulated swarm is known not to hold yet, in one place. An entry keeps plans away from what provokes the
 * weakness, or a checker from judging it; whoever mends the weakness deletes the entry, and the simulator is as strict
 * as the contract.
 */
export const NOT_YET = {} as const satisfies Record<string, true>;

/** A plan and its judgement know of these weaknesses; tests may assume fewer. */
export type Weaknesses = Readonly<Partial<Record<keyof typeof NOT_YET, true>>>;
