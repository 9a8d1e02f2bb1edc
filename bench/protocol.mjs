// The contract of the protocols that the load generator speaks, so that it asks all systems alike:
//
// - greet(): null, or what a new connection sends first: `bytes`, and `endOfAnswer(bytes)`, which gives the length of
//   the answer, -1 while it is incomplete, and throws if it is a refusal.
// - encodeBatch(op, numbers): one batch of requests for the keys of these numbers. Ops are `get`, `set` and, where the
//   answering end only returns what it gets, `echo`.
// - createScanner(op): for measuring. `scan(bytes, end)` gives the number of complete replies to ops of this kind, as
//   cheaply as it can be known, and leaves in `at` how many bytes they took. It throws on any other reply.
// - decode(bytes, end, onReply, replyCount): for checking. Calls back (index in the batch, { op, value }) for each
//   complete reply and gives the number of bytes they took; `replyCount` replies of the batch came before.

import { respProtocol } from './resp-protocol.mjs';
import { swarmbusProtocol } from './swarmbus-protocol.mjs';

export const PROTOCOLS = { resp: respProtocol, swarmbus: swarmbusProtocol };
