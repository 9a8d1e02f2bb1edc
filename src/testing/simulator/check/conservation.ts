/** Messages sent = handled + stashed + dropped (by reason) + dead + queued: none is lost without a trace. */
import type { NodeEvidence } from '../evidence.js';

export const checkConservation = (nodes: readonly NodeEvidence[]): string[] =>
  nodes
    .filter(({ messages }) => messages.sent !== messages.accounted)
    .map(({ node, messages }) => `n${node}: ${messages.sent} messages sent, ${messages.accounted} accounted for`);
