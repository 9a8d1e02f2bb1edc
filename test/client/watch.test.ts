/** Watches of the client, against a node that does what the test says. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from '../../src/client/index.js';
import type { Client } from '../../src/client/index.js';
import { packValue } from '../../src/transport/msgpack.js';
import type { ClientReply, ClientRequest, MessageOf } from '../../src/transport/message.js';
import { FakeNode, until } from './fake-node.js';

let node: FakeNode;
let client: Client;
/** What the node says to `watch`, one after the other; then `watching`. */
let answers: ((id: number) => ClientReply | null)[];

const busy = (id: number): ClientReply => ({ type: 'refused', id, code: 'TIMEOUT', message: 'not all', info: null });

beforeEach(async () => {
  answers = [];
  node = await FakeNode.start(({ type, id }) => {
    if (type === 'watch') return (answers.shift() ?? ((own) => ({ type: 'watching', id: own })))(id);
    return type === 'unwatch' ? { type: 'unwatched', id } : null;
  });
  client = await connect(node.url, { reconnect: { minMs: 1, maxMs: 20 } });
});
afterEach(async () => {
  await client.close();
  await node[Symbol.asyncDispose]();
});

const requests = <T extends ClientRequest['type']>(type: T): MessageOf<T>[] =>
  node.requests.filter((request) => request.type === type) as MessageOf<T>[];
const lastId = (): number => requests('watch').at(-1)?.id as number;
const change = (id: number, kind: string, key: string | null = null, value?: unknown, stamp = '3A-b'): ClientReply => ({
  type: 'change',
  id,
  kind,
  key,
  meta: key === null ? null : { stamp },
  value: value === undefined ? null : packValue(value),
});
const read = async (watch: AsyncIterator<unknown>, count: number): Promise<unknown[]> => {
  const changes: unknown[] = [];
  for (let i = 0; i < count; i += 1) changes.push((await watch.next()).value);
  return changes;
};
const GAP = { kind: 'gap', key: null, stamp: null, value: undefined };

describe('a watch', () => {
  it('reads changes in their order, and a stored nil as null', async () => {
    const watch = client.watch({ prefix: 'k', values: true });
    await watch.ready;
    expect(requests('watch')).toMatchObject([{ options: { prefix: 'k', values: true } }]);
    node.session.send(
      change(lastId(), 'set', 'k1', 1),
      change(lastId(), 'set', 'k2', null),
      change(lastId(), 'delete', 'k1'),
    );
    expect(await read(watch, 3)).toEqual([
      { kind: 'set', key: 'k1', stamp: '3A-b', value: 1 },
      { kind: 'set', key: 'k2', stamp: '3A-b', value: null },
      { kind: 'delete', key: 'k1', stamp: '3A-b', value: undefined },
    ]);
  });

  it('takes a kind that it does not know for a gap, and a change of no watch for nothing', async () => {
    const watch = client.watch({ key: 'k' });
    await watch.ready;
    node.session.send(change(4711, 'set', 'k'), change(lastId(), 'blessed', 'k'));
    expect(await read(watch, 1)).toEqual([GAP]);
  });

  it('is registered again after a lost connection, as often as it takes, and says gap', async () => {
    const watch = client.watch({ key: 'k' });
    await watch.ready;
    answers = [busy, () => null];
    node.session.socket.terminate();
    await until(() => requests('watch').length === 3);
    node.session.socket.terminate();
    await until(() => requests('watch').length === 4);
    expect(await read(watch, 1)).toEqual([GAP]);
    node.session.send(change(lastId(), 'set', 'k'));
    expect(await read(watch, 1)).toMatchObject([{ kind: 'set' }]);
    expect(node.sessions.length).toBe(3);
  });

  it('fails for good where the node does not want it at all', async () => {
    answers = [(id) => ({ type: 'refused', id, code: 'UNSUPPORTED', message: 'no watch', info: null })];
    const watch = client.watch({ key: 'k' });
    await expect(watch.ready).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(watch.next()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  it('becomes a gap where nobody reads', async () => {
    const watch = client.watch({ key: 'k' });
    await watch.ready;
    const many = Array.from({ length: 10_001 }, () => change(lastId(), 'set', 'k'));
    node.session.send(...many);
    node.session.send(change(lastId(), 'delete', 'k'));
    const ping = client.ping().catch(() => null);
    node.session.send({ type: 'pong', id: lastId() + 1 });
    await ping;
    expect(await read(watch, 2)).toMatchObject([GAP, { kind: 'delete' }]);
  });

  it('is ended at the node, by leaving the loop, by close or by the signal', async () => {
    const ending = new AbortController();
    const watches = [
      client.watch({ key: 'a' }),
      client.watch({ key: 'b' }),
      client.watch({ key: 'c', signal: ending.signal }),
    ];
    await Promise.all(watches.map(({ ready }) => ready));
    const [a, b, c] = requests('watch').map(({ id }) => id);
    const reading = watches[2]?.next();
    node.session.send(change(a as number, 'set', 'a'));
    for await (const { kind } of watches[0] as AsyncIterable<{ kind: string }>) {
      expect(kind).toBe('set');
      break;
    }
    watches[1]?.close();
    ending.abort();
    expect(await reading).toEqual({ done: true, value: undefined });
    await until(() => requests('unwatch').length === 3);
    expect(requests('unwatch').map(({ watch }) => watch)).toEqual([a, b, c]);
    for (const watch of watches) expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  it('ended before the node has answered is ended then', async () => {
    answers = [() => null];
    const watch = client.watch({ key: 'k' });
    await until(() => requests('watch').length === 1);
    watch.close();
    node.session.send({ type: 'watching', id: lastId() });
    await until(() => requests('unwatch').length === 1);
    expect(requests('unwatch')).toMatchObject([{ watch: lastId() }]);
  });

  it('ends with the client: in silence if that was closed', async () => {
    const watch = client.watch({ key: 'k' });
    await watch.ready;
    const reading = watch.next();
    await client.close();
    expect(await reading).toEqual({ done: true, value: undefined });
    expect(() => client.watch({ key: 'k' })).not.toThrow();
    await expect(client.watch({ key: 'k' }).next()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('wants a key or a prefix, and no aborted signal', () => {
    expect(() => client.watch({})).toThrow(/either a key or a prefix/);
    expect(() => client.watch({ key: 'k', prefix: '' })).toThrow(/either a key or a prefix/);
    expect(() => client.watch({ key: '' })).toThrow(/a key is a text/);
    expect(() => client.watch({ key: 'k', signal: AbortSignal.abort() })).toThrow(/aborted/);
  });
});
