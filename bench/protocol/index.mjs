// The contract of the protocols that the load generator speaks, so that it asks all systems alike:
//
// - number: its number in generator/reply.h.
// - greeting(connectionCount): what a connection says before it asks, in steps: each one of the `variants` (connection n
//   sends number n modulo their count), after which an answer comes that contains `mark` and ends with `end`.
// - watchGreeting(connectionCount): the same for a connection that is told of changes and asks nothing.
// - encodeBatch(requests, connection, separate): one batch of requests (see requestStream in workload.mjs), as bytes.
//   `separate` puts each into a frame of its own.
// - expected(ops, data): what replies to such requests may be: kinds, and least and greatest bytes of a value.
// - decode(bytes, end, onReply, replyCount): for checking. Calls back (index in the batch, { op, value }) for each
//   complete reply and gives the number of bytes they took; `replyCount` replies of the batch came before.
// - replyBytes: null, or what the connection must answer to what it is sent unasked (bytes) => bytes or null.

import { natsLeafProtocol, natsProtocol } from './nats.mjs';
import { respProtocol } from './resp.mjs';
import { swarmbusProtocol } from './swarmbus.mjs';

export const PROTOCOLS = {
  resp: respProtocol,
  swarmbus: swarmbusProtocol,
  nats: natsProtocol,
  'nats-leaf': natsLeafProtocol,
};
