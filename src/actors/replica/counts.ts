/** What the replicas of a node count together. */
export interface ReplicaCounts {
  /** Ops taken in: from clients, from other peers. */
  submitted: number;
  fed: number;
  /** Ops that were here already. */
  seen: number;
  /** Ops refused to clients; submits that waited for what their author had seen, and in vain. */
  opsRefused: number;
  waited: number;
  waitedInVain: number;
  writes: number;
  writesFailed: number;
  /** Of feeds to other peers: ops sent, left out as known, mentioned; messages sent anew. */
  opsSent: number;
  opsKnown: number;
  opsMentioned: number;
  resends: number;
  /** Lazy channels on which ops were missing. */
  woken: number;
  statesSent: number;
  statesTaken: number;
  /** Of other peers: what could not follow on what is here, what differs from it, what was malformed, what was old. */
  gaps: number;
  forks: number;
  malformed: number;
  strays: number;
  /** Patches and ops in them, and states. */
  patches: number;
  opsPatched: number;
  statesPatched: number;
  grants: number;
  compactions: number;
}

export const newReplicaCounts = (): ReplicaCounts => ({
  submitted: 0,
  fed: 0,
  seen: 0,
  opsRefused: 0,
  waited: 0,
  waitedInVain: 0,
  writes: 0,
  writesFailed: 0,
  opsSent: 0,
  opsKnown: 0,
  opsMentioned: 0,
  resends: 0,
  woken: 0,
  statesSent: 0,
  statesTaken: 0,
  gaps: 0,
  forks: 0,
  malformed: 0,
  strays: 0,
  patches: 0,
  opsPatched: 0,
  statesPatched: 0,
  grants: 0,
  compactions: 0,
});
