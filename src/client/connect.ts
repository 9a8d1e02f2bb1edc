/** The way from addresses and options to a client that is connected. */
import { aborted } from './call.js';
import { Client } from './client.js';
import type { ConnectOptions } from './client-options.js';
import { SwarmError } from './errors.js';
import { checkConnectOptions } from './option-names.js';
import type { OpenSocket } from './socket.js';
import { isUrl } from './url-list.js';

/** What `connect` of both entries does; they differ in the socket. */
export function connectBy(
  openSocket: OpenSocket,
  urls: string | readonly string[],
  options: ConnectOptions,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    checkConnectOptions(options);
    const { token, name, signal, WebSocket } = options;
    const list = typeof urls === 'string' ? [urls] : [...urls];
    const wrong = list.find((url): boolean => !isUrl(url));
    if (list.length === 0 || wrong !== undefined) {
      const message = wrong === undefined ? 'no address given' : `${wrong} is no address of a node`;
      throw new SwarmError('BAD_REQUEST', `${message}: one looks like ws://127.0.0.1:7101`);
    }
    if (!isText(token) || !isText(name)) {
      throw new SwarmError('BAD_REQUEST', 'token and name are texts');
    }
    if (signal?.aborted === true) throw aborted(signal, false);
    const open = WebSocket === undefined ? openSocket : (url: string) => new WebSocket(url);
    const client = new Client(open, list, options, (error) => {
      if (error === null) resolve(client);
      else reject(error);
    });
    if (options.offline === true) resolve(client);
  });
}

function isText(text: unknown): boolean {
  return text === undefined || typeof text === 'string';
}
