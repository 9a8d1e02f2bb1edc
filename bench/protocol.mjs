// The contract of the protocols that the load generator speaks, so that it asks all systems alike:
//
// - greet(): null, or what a new connection sends first: `bytes`, and `endOfAnswer(bytes)`, which gives the length of
//   the answer, -1 while it is incomplete, and throws if it is a refusal; `mark` is what no refusal contains.
// - encodeBatch(op, numbers): one batch of requests for the keys of these numbers. Ops are `get`, `set` and, where the
//   answering end only returns what it gets, `echo`.
// - isFramed: whether replies come in WebSocket frames.
// - replyForms(op): for measuring. The forms that a reply to an op of this kind may have, each with its `length` in
//   bytes and its `head`, how it begins: bytes, and ID in the place of the request's id.
// - decode(bytes, end, onReply, replyCount): for checking. Calls back (index in the batch, { op, value }) for each
//   complete reply and gives the number of bytes they took; `replyCount` replies of the batch came before.

import { respProtocol } from './resp-protocol.mjs';
import { swarmbusProtocol } from './swarmbus-protocol.mjs';

export const PROTOCOLS = { resp: respProtocol, swarmbus: swarmbusProtocol };
