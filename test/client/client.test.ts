import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { connect } from '../../src/client/index.js';
import type { Client, ConnectOptions, StatusChange, SwarmError } from '../../src/client/index.js';
import type { Timers } from '../../src/client/timers.js';
import { packValue } from '../../src/transport/msgpack.js';
import type { ClientReply, ClientRequest } from '../../src/transport/message.js';
import { FakeNode, LIMITS, storeAnswer, until } from './fake-node.js';

let node: FakeNode;
let clients: Client[];
beforeEach(async () => {
  node = await FakeNode.start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) await client.close();
  await node[Symbol.asyncDispose]();
});

const QUICK: ConnectOptions = { reconnect: { minMs: 1, maxMs: 20 } };

async function open(options: ConnectOptions = {}, urls: string | string[] = node.url): Promise<Client> {
  const client = await connect(urls, { ...QUICK, ...options });
  clients.push(client);
  return client;
}

/** The error that the promise is rejected with, in the fields that count. */
async function failure(promise: Promise<unknown>): Promise<Partial<SwarmError>> {
  try {
    await promise;
  } catch (error) {
    const { name, code, message, info, maybeApplied } = error as SwarmError;
    return { name, code, message, info, maybeApplied };
  }
  throw new Error('no error');
}

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => (await failure(promise)).code;

const silent = (): null => null;
const keysOf = (requests: readonly ClientRequest[]): string[] =>
  requests.map((request) => ('key' in request ? request.key : request.type));
const valueReply = (request: ClientRequest, value: unknown): ClientReply => ({
  type: 'value',
  id: request.id,
  meta: null,
  value: packValue(value),
});

describe('commands', () => {
  it('carries any value that MessagePack carries', async () => {
    const client = await open();
    const values = [
      null,
      true,
      -7,
      1.5,
      NaN,
      2 ** 53 - 1,
      2n ** 64n - 1n,
      -(2n ** 63n),
      'text \u{1f41d}',
      new Uint8Array([0, 1, 255]),
      [],
      { a: [1, { b: null }] },
      new Map<unknown, unknown>([[1, 'one']]),
      new Date(1_700_000_000_123),
    ];
    for (const [i, value] of values.entries()) {
      await client.set(`k${i}`, value);
      expect(await client.get(`k${i}`)).toEqual(value);
    }
  });

  it('asks for many keys in one frame, and one refusal does not hide the others', async () => {
    const client = await open();
    expect(await client.setMany(Object.entries({ a: 1, b: 2 }), { ttlMs: 5000 })).toMatchObject([
      { key: 'a', value: { stamp: expect.any(String) }, error: null },
      { key: 'b', value: { stamp: expect.any(String) }, error: null },
    ]);
    expect(await client.getMany(['b', '', 'c', 'a', 'b'])).toEqual([
      { key: 'b', value: 2, error: null },
      { key: '', value: undefined, error: expect.objectContaining({ code: 'BAD_REQUEST' }) },
      { key: 'c', value: undefined, error: null },
      { key: 'a', value: 1, error: null },
      { key: 'b', value: 2, error: null },
    ]);
    expect(await client.deleteMany(new Set(['a', 'c']))).toEqual([
      { key: 'a', value: true, error: null },
      { key: 'c', value: false, error: null },
    ]);
    expect(await client.getMany([])).toEqual([]);
    expect(node.frames.map(keysOf)).toEqual([
      ['a', 'b'],
      ['b', 'c', 'a', 'b'],
      ['a', 'c'],
    ]);
  });

  it('splits many keys by the limits of the node', async () => {
    node.limits = { ...LIMITS, inFlightMax: 10 };
    const client = await open();
    const keys = Array.from({ length: 25 }, (_, i) => `k${i}`);
    const outcomes = await client.getMany(keys);
    expect(outcomes.map(({ key }) => key)).toEqual(keys);
    expect(node.frames.map((frame) => frame.length)).toEqual([10, 10, 5]);
  });

  it('refuses what can not be counted or awaited, without a word to the node', async () => {
    const client = await open();
    for (const by of [1.5, NaN, 2 ** 53]) expect(await codeOf(client.incr('k', by))).toBe('BAD_REQUEST');
    for (const ttlMs of [-1, 0.5]) expect(await codeOf(client.touch('k', ttlMs))).toBe('BAD_REQUEST');
    expect(node.requests).toEqual([]);
  });

  it('takes a count or a touch whose answer was lost for what may have been done', async () => {
    node.answer = silent;
    const client = await open();
    const lost = Promise.all([failure(client.incr('n')), failure(client.touch('n', 5))]);
    await until(() => node.requests.length === 2);
    node.session.socket.terminate();
    expect(await lost).toMatchObject([
      { code: 'UNKNOWN', maybeApplied: true },
      { code: 'UNKNOWN', maybeApplied: true },
    ]);
  });

  it('tells a stored nil from a missing key, and stores undefined as nil', async () => {
    const client = await open();
    expect(await client.get('k')).toBeUndefined();
    expect(await client.getEntry('k')).toBeUndefined();
    await client.set('k', undefined);
    expect(await client.get('k')).toBeNull();
    expect(await client.delete('k')).toBe(true);
    expect(await client.delete('k')).toBe(false);
  });

  it('gives the stamp and the time left', async () => {
    const client = await open();
    const { stamp } = await client.set('k', 1, { ttlMs: 5000 });
    expect(await client.getEntry('k')).toEqual({ value: 1, stamp, ttlMs: 5000 });
    const second = await client.set('k', 2);
    expect(await client.getEntry('k')).toEqual({ value: 2, stamp: second.stamp, ttlMs: null });
    expect(second.stamp > stamp).toBe(true);
  });

  it('stores the value as it is at the time of the call', async () => {
    const client = await open();
    const value = { n: 1 };
    const stored = client.set('k', value);
    value.n = 2;
    await stored;
    expect(await client.get('k')).toEqual({ n: 1 });
  });

  it('pings, inspects and knows the node', async () => {
    const client = await open({ name: 'me', token: 'secret' });
    expect(await client.ping()).toBeGreaterThan(0);
    expect(await client.inspect('topology')).toEqual({ what: 'topology' });
    expect(client.info).toMatchObject({ node: 'fake', limits: LIMITS });
    expect([client.status, client.url]).toEqual(['open', node.url]);
    expect(node.hellos[0]?.options).toEqual({ protocol: 1, client: 'me', token: 'secret' });
  });

  it.each<[string, (client: Client) => Promise<unknown>]>([
    ['a function', (client) => client.set('k', () => 1)],
    ['a symbol', (client) => client.set('k', { a: Symbol('s') })],
    [
      'a circle',
      (client) => {
        const value: unknown[] = [];
        value.push(value);
        return client.set('k', value);
      },
    ],
    ['an integer beyond 64 bits', (client) => client.set('k', 2n ** 64n)],
    ['an empty key', (client) => client.get('')],
    ['a key that is no text', (client) => client.get(7 as unknown as string)],
    ['half a surrogate pair', (client) => client.delete('a\ud800')],
    ['a ttlMs of 0', (client) => client.set('k', 1, { ttlMs: 0 })],
    ['half a millisecond', (client) => client.set('k', 1, { ttlMs: 0.5 })],
    ['no time to answer', (client) => client.get('k', { timeoutMs: 0 })],
  ])('refuses %s before sending', async (_what, call) => {
    const client = await open();
    expect(await failure(call(client))).toMatchObject({ name: 'SwarmError', code: 'BAD_REQUEST' });
    await client.ping();
    expect(keysOf(node.requests)).toEqual(['ping']);
  });

  it('reports a refusal by its code, a write of unknown outcome as maybe applied', async () => {
    const client = await open();
    const refuse =
      (code: string) =>
      (request: ClientRequest): ClientReply => {
        return { type: 'refused', id: request.id, code, message: 'because', info: { max: 3 } };
      };
    node.answer = refuse('TOO_LARGE');
    const tooLarge = {
      code: 'TOO_LARGE',
      message: 'because',
      info: { max: 3 },
      maybeApplied: false,
    };
    expect(await failure(client.set('k', 1))).toMatchObject(tooLarge);
    node.answer = refuse('UNKNOWN');
    expect(await failure(client.get('k'))).toMatchObject({ code: 'UNKNOWN', maybeApplied: false });
    expect(await failure(client.delete('k'))).toMatchObject({
      code: 'UNKNOWN',
      maybeApplied: true,
    });
    node.answer = refuse('OF_LATER');
    expect(await failure(client.get('k'))).toMatchObject({
      code: 'UNKNOWN',
      message: 'OF_LATER: because',
    });
  });
});

describe('batching', () => {
  it('sends all requests of one tick in one frame, in order', async () => {
    const client = await open();
    const values = await Promise.all([
      client.set('a', 1),
      client.get('a'),
      client.set('a', 2),
      client.get('a'),
      client.delete('a'),
      client.get('a'),
    ]);
    expect(node.frames.map((frame) => frame.length)).toEqual([6]);
    expect(values.filter((_value, i) => i % 2 === 1)).toEqual([1, 2, undefined]);
  });

  it('sends what follows on the replies of one frame in one frame', async () => {
    const client = await open();
    const chain = async (key: string): Promise<void> => {
      await client.set(key, 1);
      await client.get(key);
    };
    await Promise.all(['a', 'b', 'c'].map(chain));
    expect(node.frames.map((frame) => frame.length)).toEqual([3, 3]);
  });

  it('matches replies that come in another order, and ignores those that nobody asked for', async () => {
    const client = await open();
    node.answer = silent;
    const values = Promise.all(['a', 'b', 'c'].map((key) => client.get(key)));
    await until(() => node.requests.length === 3);
    const replies = node.requests.map((request) => valueReply(request, keysOf([request])[0]));
    node.session.send({ type: 'missing', id: 999_999 }, ...replies.reverse());
    expect(await values).toEqual(['a', 'b', 'c']);
  });

  it('splits what is larger than a frame may be', async () => {
    node.limits = { ...LIMITS, frameBytesMax: 1000 };
    const client = await open();
    const value = 'x'.repeat(300);
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((key) => client.set(key, value)));
    expect(node.frames.map((frame) => frame.length)).toEqual([3, 3, 1]);
    expect(keysOf(node.requests)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });

  it('refuses a request that is larger than a frame may be, and only that', async () => {
    node.limits = { ...LIMITS, frameBytesMax: 1000 };
    const client = await open();
    const [first, large, last] = await Promise.allSettled([
      client.set('a', 1),
      client.set('b', 'x'.repeat(1000)),
      client.set('c', 1),
    ]);
    expect([first?.status, last?.status]).toEqual(['fulfilled', 'fulfilled']);
    const refusal = { code: 'TOO_LARGE', info: { max: 1000 }, maybeApplied: false };
    expect(large).toMatchObject({ status: 'rejected', reason: refusal });
    expect(keysOf(node.requests)).toEqual(['a', 'c']);
  });

  it('keeps to the limit of requests in flight', async () => {
    node.limits = { ...LIMITS, inFlightMax: 2 };
    const client = await open();
    const answer = storeAnswer();
    let inFlight = 0;
    let inFlightMost = 0;
    node.answer = (request, session) => {
      inFlight += 1;
      inFlightMost = Math.max(inFlightMost, inFlight);
      setTimeout(() => {
        inFlight -= 1;
        session.send(answer(request, session) as ClientReply);
      }, 2);
      return null;
    };
    const keys = Array.from({ length: 9 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => client.get(key)));
    expect(inFlightMost).toBe(2);
    expect(keysOf(node.requests)).toEqual(keys);
  });
});

describe('time-outs', () => {
  it('fails what is not answered in time, each at its own time', async () => {
    const client = await open({ requestTimeoutMs: 60 });
    node.answer = (request) => (keysOf([request])[0] === 'fast' ? { type: 'missing', id: request.id } : null);
    const ended: string[] = [];
    const watch = async (name: string, promise: Promise<unknown>): Promise<Partial<SwarmError>> => {
      const error = await failure(promise);
      ended.push(name);
      return error;
    };
    const [slow, slower] = await Promise.all([
      watch('default', client.set('slow', 1)),
      watch('later', client.get('slow', { timeoutMs: 120 })),
      watch('sooner', client.get('slow', { timeoutMs: 20 })),
      client.get('fast'),
    ]);
    expect(slow).toMatchObject({ code: 'TIMEOUT', maybeApplied: true });
    expect(slower).toMatchObject({ code: 'TIMEOUT', maybeApplied: false });
    expect(ended).toEqual(['sooner', 'default', 'later']);
  });

  it('ignores an answer that comes too late', async () => {
    const client = await open();
    node.answer = silent;
    expect(await codeOf(client.get('k', { timeoutMs: 10 }))).toBe('TIMEOUT');
    node.session.send({ type: 'missing', id: node.requests[0]?.id as number });
    node.answer = storeAnswer();
    expect(await client.get('k')).toBeUndefined();
    expect(node.sessions).toHaveLength(1);
  });
});

describe('abort', () => {
  it('does not send what was aborted before', async () => {
    const client = await open();
    expect(await codeOf(client.get('k', { signal: AbortSignal.abort() }))).toBe('ABORTED');
    const controller = new AbortController();
    const aborted = failure(client.set('k', 1, { signal: controller.signal }));
    controller.abort(new Error('no longer wanted'));
    expect(await aborted).toMatchObject({ code: 'ABORTED', maybeApplied: false });
    await client.ping();
    expect(keysOf(node.requests)).toEqual(['ping']);
  });

  it('ends what was sent, which still counts as in flight', async () => {
    node.limits = { ...LIMITS, inFlightMax: 1 };
    node.answer = silent;
    const client = await open();
    const controller = new AbortController();
    const aborted = failure(client.set('k', 1, { signal: controller.signal }));
    await until(() => node.requests.length === 1);
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'ABORTED', maybeApplied: true });
    const next = client.get('next');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(node.requests).toHaveLength(1);
    node.answer = storeAnswer();
    node.session.send({ type: 'stored', id: node.requests[0]?.id as number, meta: null });
    expect(await next).toBeUndefined();
  });

  it('has no effect on what has ended', async () => {
    const client = await open();
    const controller = new AbortController();
    expect(await client.get('k', { signal: controller.signal })).toBeUndefined();
    controller.abort();
    expect(await client.get('k')).toBeUndefined();
  });

  it('gives up connecting', async () => {
    node.greet = silent;
    const controller = new AbortController();
    const aborted = codeOf(connect(node.url, { signal: controller.signal }));
    controller.abort();
    expect(await aborted).toBe('ABORTED');
    expect(await codeOf(connect(node.url, { signal: controller.signal }))).toBe('ABORTED');
  });
});

describe('a lost connection', () => {
  it('resends reads, fails writes that were sent, sends what was not', async () => {
    node.limits = { ...LIMITS, inFlightMax: 4 };
    const changes: StatusChange[] = [];
    const client = await open({ token: 'secret', onStatus: (change) => changes.push(change) });
    const { stamp } = await client.set('a', 1);
    const answer = node.answer;
    node.answer = silent;
    const results = Promise.allSettled([
      client.get('a'),
      client.set('b', 2),
      client.inspect('node'),
      client.delete('a'),
      client.set('c', 3),
      client.get('c'),
    ]);
    await until(() => node.requests.length === 5);
    node.answer = answer;
    node.session.socket.terminate();
    const [a, b, inspected, deleted, c, gotC] = await results;
    const unknown = { status: 'rejected', reason: { code: 'UNKNOWN', maybeApplied: true } };
    expect(a).toEqual({ status: 'fulfilled', value: 1 });
    expect(inspected).toMatchObject({ status: 'fulfilled' });
    expect([b, deleted]).toMatchObject([unknown, unknown]);
    expect(c).toMatchObject({ status: 'fulfilled' });
    expect(gotC).toEqual({ status: 'fulfilled', value: 3 });
    expect(keysOf(node.requests.slice(5))).toEqual(['a', 'inspect', 'c', 'c']);
    expect(node.hellos[1]?.options).toEqual({ protocol: 1, token: 'secret', clock: stamp });
    expect(changes.map(({ status, error }) => [status, error?.code])).toEqual([
      ['open', undefined],
      ['connecting', 'DISCONNECTED'],
      ['open', undefined],
    ]);
  });

  it('lets only so many requests wait', async () => {
    const client = await open({ queueMax: 2, reconnect: { minMs: 10_000 }, requestTimeoutMs: 50 });
    node.session.socket.terminate();
    await until(() => client.status === 'connecting');
    const codes = await Promise.all([1, 2, 3].map((i) => codeOf(client.get(`k${i}`))));
    expect(codes).toEqual(['TIMEOUT', 'TIMEOUT', 'BUSY']);
    expect(client.url).toBeNull();
  });

  it('goes to another node', async () => {
    await using other = await FakeNode.start();
    const client = await open({ random: () => 0.99 }, [node.url, other.url]);
    expect(client.url).toBe(node.url);
    await node[Symbol.asyncDispose]();
    await until(() => client.url === other.url);
    expect(await client.get('k')).toBeUndefined();
    node = await FakeNode.start();
  });

  it.each<[string, (node: FakeNode) => void]>([
    ['bytes that are no message', ({ session }) => session.socket.send(Buffer.from([0xc1, 1, 2]))],
    ['an unknown message', ({ session }) => session.socket.send(Buffer.from([0x92, 0x7f, 1]))],
    ['text', ({ session }) => session.socket.send('[]')],
    ['an empty frame', ({ session }) => session.socket.send(Buffer.alloc(0))],
    [
      'a reply to another question',
      ({ session, requests }) => {
        session.send({ type: 'deleted', id: requests[0]?.id as number, existed: true });
      },
    ],
  ])('is the end of a node that sends %s', async (_what, send) => {
    const changes: StatusChange[] = [];
    const client = await open({ onStatus: (change) => changes.push(change) });
    node.answer = silent;
    const value = client.get('k');
    await until(() => node.requests.length === 1);
    node.answer = storeAnswer();
    const closed = new Promise((resolve) => node.session.socket.on('close', resolve));
    send(node);
    expect(await closed).toBe(4400);
    expect(await value).toBeUndefined();
    expect(changes[1]).toMatchObject({ status: 'connecting', error: { code: 'DISCONNECTED' } });
  });

  it('is found out by pings', async () => {
    const changes: StatusChange[] = [];
    const client = await open({ pingIntervalMs: 20, onStatus: (change) => changes.push(change) });
    node.answer = (request) =>
      request.type === 'ping' && node.sessions.length === 1 ? null : { type: 'pong', id: request.id };
    await until(() => node.sessions.length === 2);
    expect(keysOf(node.requests.slice(0, 2))).toEqual(['ping', 'ping']);
    expect(changes[1]).toMatchObject({ error: { message: expect.stringContaining('2 pings') } });
    await until(() => node.requests.length >= 6);
    expect([client.status, node.sessions.length]).toEqual(['open', 2]);
  });

  it('is looked for when a request has timed out and nothing came since', async () => {
    const client = await open({ requestTimeoutMs: 30 });
    node.answer = silent;
    expect(await codeOf(client.get('k'))).toBe('TIMEOUT');
    await until(() => node.sessions.length === 2);
    expect(keysOf(node.requests)).toEqual(['k', 'ping', 'ping']);
  });
});

describe('a node that says goodbye', () => {
  it('is asked nothing more, answers what it was asked, and is left for the one it names', async () => {
    await using other = await FakeNode.start();
    const client = await open();
    node.answer = silent;
    const first = client.set('a', 1);
    await until(() => node.requests.length === 1);
    const info = { reason: 'draining', urls: [other.url, 'http://no', 7], retryAfterMs: 60_000 };
    node.session.send({ type: 'bye', id: null, info });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = client.get('b');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(other.sessions).toHaveLength(0);
    node.session.send({
      type: 'stored',
      id: node.requests[0]?.id as number,
      meta: { stamp: '1Ab-n' },
    });
    expect(await first).toEqual({ stamp: '1Ab-n' });
    expect(await second).toBeUndefined();
    expect(client.url).toBe(other.url);
    expect(keysOf(node.requests)).toEqual(['a']);
    expect(other.hellos[0]?.options.clock).toBe('1Ab-n');
  });

  it('is not tried again before the time it gave', async () => {
    const client = await open();
    const saidAtMs = performance.now();
    node.session.send({ type: 'bye', id: null, info: { reason: 'draining', retryAfterMs: 150 } });
    await until(() => node.sessions.length === 2);
    expect(performance.now() - saidAtMs).toBeGreaterThanOrEqual(149);
    await until(() => client.status === 'open');
  });

  it('may say so in answer to hello', async () => {
    await using other = await FakeNode.start();
    node.greet = (hello) => {
      const info = { urls: [other.url], retryAfterMs: 60_000 };
      return { type: 'refused', id: hello.id, code: 'BUSY', message: 'too many clients', info };
    };
    expect((await open()).url).toBe(other.url);
  });
});

describe('connect', () => {
  it('rejects when no node is there, and says what to do', async () => {
    await node[Symbol.asyncDispose]();
    const error = await failure(connect(node.url, { ...QUICK, connectTimeoutMs: 100 }));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toContain(node.url);
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.message).toContain('`swarmbus node`');
    node = await FakeNode.start();
  });

  it('rejects when the node says nothing', async () => {
    node.greet = silent;
    expect(await codeOf(connect(node.url, { connectTimeoutMs: 50 }))).toBe('UNREACHABLE');
  });

  it('takes the next address if one does not answer', async () => {
    await using mute = await FakeNode.start();
    mute.greet = silent;
    const client = await open({ random: () => 0.99, connectTimeoutMs: 200 }, [mute.url, node.url]);
    expect(client.url).toBe(node.url);
  });

  it('waits for a node that comes up meanwhile', async () => {
    const { greet } = node;
    node.greet = (_hello, session) => {
      session.socket.terminate();
      if (node.sessions.length === 3) node.greet = greet;
      return null;
    };
    await open();
    expect(node.sessions).toHaveLength(4);
  });

  it.each<['UNAUTHENTICATED' | 'FORBIDDEN', number]>([
    ['UNAUTHENTICATED', 4401],
    ['FORBIDDEN', 4403],
  ])('rejects at once with %s, by refusal or by close code, and stops', async (code, closeCode) => {
    node.greet = (hello) => ({
      type: 'refused',
      id: hello.id,
      code,
      message: 'wrong token',
      info: null,
    });
    expect(await failure(connect(node.url, QUICK))).toMatchObject({
      code,
      message: `${node.url}: wrong token`,
    });
    node.greet = (_hello, { socket }) => {
      socket.close(closeCode, 'wrong token');
      return null;
    };
    expect(await failure(connect(node.url, QUICK))).toMatchObject({
      code,
      message: `${node.url}: wrong token`,
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(node.sessions).toHaveLength(2);
  });

  it('ends the client when the token is no longer good', async () => {
    const client = await open();
    node.answer = silent;
    const results = Promise.all([failure(client.get('a')), failure(client.set('b', 1))]);
    await until(() => node.requests.length === 2);
    node.session.socket.close(4401, 'token withdrawn');
    const [read, write] = await results;
    expect([read?.code, write?.code, write?.maybeApplied]).toEqual(['UNAUTHENTICATED', 'UNKNOWN', true]);
    expect(await client.closed).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await codeOf(client.get('a'))).toBe('CLOSED');
  });

  it.each<[string, ClientReply]>([
    ['a welcome without limits', { type: 'welcome', id: 1, info: {} }],
    ['another reply', { type: 'missing', id: 1 }],
    ['a refusal', { type: 'refused', id: 1, code: 'UNSUPPORTED', message: 'protocol 1', info: null }],
  ])('tells of %s in place of a welcome', async (_what, reply) => {
    node.greet = () => reply;
    const error = await failure(connect(node.url, { connectTimeoutMs: 500, reconnect: { minMs: 5000 } }));
    expect(error.code).toBe('UNREACHABLE');
    expect(error.message).toMatch(/not the protocol|protocol 1/);
  });

  it.each<[string, unknown, object]>([
    ['no address', [], {}],
    ['an address of another kind', 'http://127.0.0.1', {}],
    ['no address but text', ['ws://127.0.0.1', 'elsewhere'], {}],
    ['a token that is no text', 'ws://127.0.0.1', { token: null }],
  ])('refuses %s', async (_what, urls, options) => {
    expect(await codeOf(connect(urls as string, options))).toBe('BAD_REQUEST');
  });

  it('takes another WebSocket', async () => {
    const opened: string[] = [];
    const Recorded = function (url: string): WebSocket {
      opened.push(url);
      return new WebSocket(url);
    } as unknown as typeof WebSocket;
    const client = await open({ WebSocket: Recorded });
    expect(await client.get('k')).toBeUndefined();
    expect(opened).toEqual([node.url]);
  });
});

describe('the end', () => {
  it('close fails what is open and leaves no timer and no socket', async () => {
    const running = new Set<unknown>();
    const timers: Timers = {
      now: () => performance.now(),
      setTimeout: (callback, delayMs) => {
        const timer = setTimeout(() => {
          running.delete(timer);
          callback();
        }, delayMs);
        running.add(timer);
        return timer;
      },
      clearTimeout: (timer) => {
        running.delete(timer);
        clearTimeout(timer as NodeJS.Timeout);
      },
    };
    node.limits = { ...LIMITS, inFlightMax: 2 };
    node.answer = silent;
    const client = await open({ timers });
    const { signal } = new AbortController();
    const results = Promise.all([
      failure(client.get('a', { signal })),
      failure(client.set('b', 1)),
      failure(client.set('c', 1)),
    ]);
    await until(() => node.requests.length === 2);
    const { socket } = node.session;
    await client.close();
    const errors = await results;
    expect(errors.map(({ code, maybeApplied }) => [code, maybeApplied])).toEqual([
      ['CLOSED', false],
      ['CLOSED', true],
      ['CLOSED', false],
    ]);
    expect(running.size).toBe(0);
    await until(() => socket.readyState === WebSocket.CLOSED);
    expect(client.status).toBe('closed');
    expect(await client.closed).toBeUndefined();
    expect(await codeOf(client.get('a'))).toBe('CLOSED');
    await client.close();
  });

  it('close while reconnecting leaves no timer', async () => {
    const client = await open({ reconnect: { minMs: 10_000 } });
    node.session.socket.terminate();
    await until(() => client.status === 'connecting');
    const waiting = codeOf(client.get('k'));
    await client.close();
    expect(await waiting).toBe('CLOSED');
  });

  it('drain answers what is open, takes nothing more, and closes', async () => {
    const client = await open();
    await client.set('k', 1);
    const value = client.get('k');
    const drained = client.drain();
    expect(await codeOf(client.get('k'))).toBe('CLOSED');
    expect(await value).toBe(1);
    await drained;
    expect(client.status).toBe('closed');
  });

  it('drain of an idle client closes it', async () => {
    const client = await open();
    await client.drain();
    expect(client.status).toBe('closed');
  });

  it('comes with the block of an `await using`', async () => {
    let outer: Client;
    {
      await using client = await open();
      outer = client;
      expect(await client.get('k')).toBeUndefined();
    }
    expect(outer.status).toBe('closed');
  });
});
