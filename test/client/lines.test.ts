/** Which of a client's databases a reply is for, and for how long. */
import { expect, it } from '@jest/globals';
import { Lines } from '../../src/client/database/lines.js';
import type { UpstreamConnection } from '../../src/client/database/upstream.js';
import type { ClientReply, ClientRequest } from '../../src/transport/message.js';

const setUp = (): { lines: Lines; connection: UpstreamConnection; written: ClientRequest[] } => {
  let lastId = 0;
  const written: ClientRequest[] = [];
  const lines = new Lines({ takeId: () => (lastId += 1) });
  let connection: UpstreamConnection | null = null;
  lines.attach({ onConnected: (given) => void (connection = given), onLost: () => {}, onClosed: () => {} });
  lines.open({ write: (request) => written.push(request) > 0, flush: () => {}, fail: () => {} });
  return { lines, connection: connection as unknown as UpstreamConnection, written };
};

it('is for the one who asked, once; what goes on is until it is forgotten', () => {
  const { lines, connection, written } = setUp();
  const heard: ClientReply[] = [];
  const hear = (reply: ClientReply): void => void heard.push(reply);
  const open = connection.send({ type: 'openDatabase', database: 'db', options: {} }, hear) as number;
  const close = connection.send({ type: 'closeDatabase', open }, () => {}) as number;
  expect(written.map(({ id }) => id)).toEqual([open, close]);
  const closed: ClientReply = { type: 'closed', id: close, reason: null };
  // Nobody has to remember to let go of it.
  expect([lines.take(closed), lines.take(closed)]).toEqual([true, false]);
  const acked: ClientReply = { type: 'acked', id: open, stored: null, spread: null };
  expect([lines.take(acked), lines.take(acked)]).toEqual([true, true]);
  connection.forget(open);
  expect(lines.take(acked)).toBe(false);
  expect(heard).toEqual([acked, acked]);
});
