/** Compiled, never run: what the types of the client promise to its users. */
import { connect } from '../../src/client/index.js';
import type * as browser from '../../src/client/browser.js';
import type {
  Client,
  ClientStatus,
  ConnectOptions,
  Entry,
  ErrorCode,
  SocketConstructor,
  SwarmError,
} from '../../src/client/index.js';
import { WebSocket } from 'ws';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | undefined => undefined;

export async function check(signal: AbortSignal): Promise<void> {
  await using client = await connect(['ws://a:7101', 'wss://b'] as const, { token: 't', signal });
  holds<Equal<typeof client, Client>>();
  holds<Equal<typeof connect, typeof browser.connect>>();

  const anything = await client.get('k');
  holds<Equal<typeof anything, unknown>>();
  const text = await client.get<string>('k', { timeoutMs: 10, signal });
  holds<Equal<typeof text, string | undefined>>();
  const entry = await client.getEntry<number>('k');
  holds<Equal<typeof entry, Entry<number> | undefined>>();
  const { stamp } = await client.set('k', { any: ['thing', 1n, null, undefined] }, { ttlMs: 5 });
  holds<Equal<typeof stamp, string>>();
  const existed = await client.delete('k');
  holds<Equal<typeof existed, boolean>>();
  const status = client.status;
  holds<Equal<typeof status, ClientStatus>>();
  const end = await client.closed;
  holds<Equal<typeof end, SwarmError | undefined>>();
  const code = end?.code;
  holds<Equal<typeof code, ErrorCode | undefined>>();

  // @ts-expect-error A key is text.
  await client.get(1);
  // @ts-expect-error There is no such option.
  await client.set('k', 1, { ttl: 5 });
  // @ts-expect-error Clients are made by connect.
  await client.connect();
  // @ts-expect-error There is no such code.
  if (end?.code === 'NOT_FOUND') return;
}

export const socket: SocketConstructor = WebSocket;
export const options: ConnectOptions = {
  WebSocket,
  reconnect: { maxMs: 1 },
  onStatus: ({ error }) => error?.code,
};
