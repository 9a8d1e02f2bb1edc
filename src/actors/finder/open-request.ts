/** A request that the local store could not answer: it waits in a lookup, or for an owner's answer. */
import type { NodeId } from '../../store/node-id.js';
import type { LearnedOwner } from '../../store/owner-table.js';
import type { Asked } from '../message.js';
import type { Ref } from '../runtime/kind.js';

export interface Open extends Asked {
  readonly number: number;
  readonly asker: Ref | null;
  /** In monotonic ms. */
  readonly deadlineMs: number;
  /** The owner it was sent to; null while it waits in a lookup. */
  owner: NodeId | null;
  /** The start of the owner at which it was sent there. */
  ownerIncarnation: number;
  /** A write for the key was sent to that owner after it: asked again, it might be answered with what that has changed. */
  isFollowed: boolean;
  /** It was sent a second time, without word of the first: a write may have been executed. */
  isResent: boolean;
  /** The number under which the home named that owner; 0 for a learned owner. */
  claim: number;
  /** What was known of that owner, where it is counted; null: it was sent to be created, or waits. */
  learned: LearnedOwner | null;
  /** The number of the open request for the key that was sent to that owner before it; 0: there was none. */
  follows: number;
  /** It was sent there to be created; else null. */
  passing: Passing | null;
  /** The question now under way began after this request had come, so that its answer holds for it. */
  isCovered: boolean;
  /** Answered or refused; what is left of it in a lookup is skipped. */
  isSettled: boolean;
}

/** Requests for a key that are on their way to the node that is to create it: what comes after them takes their way. */
export interface Passing {
  readonly to: NodeId;
  /** By how much this counts against the bound on passing on. */
  readonly passes: number;
  count: number;
}
