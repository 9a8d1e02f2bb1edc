/** What a node answers for each copy that it was given, and a home for each key, as one byte. */

/** A copy at the node that it was given to. */
export const TAKING = {
  /** Kept, and not served yet: its home has not said yes. */
  waiting: 0,
  /** It is an entry now; the giver is rid of it. */
  active: 1,
  /** There is no room for it. */
  noRoom: 2,
  /** Not taken, and may be given again: the node is leaving, has the key or is about to, or the home said no. */
  refused: 3,
} as const;
export type Taking = (typeof TAKING)[keyof typeof TAKING];

/** A key at its home. */
export const VERDICT = {
  /** The new owner's from now on. */
  yes: 0,
  /** Ask again: the home can't tell yet. */
  later: 1,
  /** It is not the giver's. */
  no: 2,
} as const;
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT];
