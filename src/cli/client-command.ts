/** What the commands that ask a running node have in common: where it is, who asks, how long they wait. */
import { Option, type Command } from 'commander';
import { collect } from './command.js';
import { codeOf, EXIT, failure, messageOf, type ExitCode } from './exit.js';
import type { Outside, SwarmClient } from './outside.js';
import { DURATION_FORM, parseDuration } from './quantity.js';
import { readToken } from './secret.js';

const URL_DEFAULT = 'ws://127.0.0.1:7101';

interface ClientOptions {
  readonly url?: readonly string[];
  readonly tokenFile?: string;
  readonly timeout: number;
}

export function addClientOptions(command: Command): void {
  command
    .optionsGroup('The node to ask:')
    .addOption(
      new Option('--url <URL>', `a node's address; repeatable (default: SWARMBUS_URL, else ${URL_DEFAULT})`).argParser(
        collect,
      ),
    )
    .option('--token-file <FILE>', 'file with the token that the node wants (or SWARMBUS_TOKEN)')
    .addOption(
      new Option('--timeout <TIME>', 'longest wait for the connection and for each answer')
        .argParser(durationOption('--timeout'))
        .default(5000, '5s'),
    );
}

/** Connects, does the work, and closes in every case. */
export async function withClient(
  command: Command,
  outside: Outside,
  work: (client: SwarmClient, urls: readonly string[]) => Promise<ExitCode>,
): Promise<ExitCode> {
  const options = command.opts<ClientOptions>();
  const urls = nodeUrls(options.url, outside.env);
  const token = readToken(options.tokenFile, outside.env);
  try {
    const client = await connectOnce(urls, token, options.timeout, outside);
    try {
      return await work(client, urls);
    } finally {
      await client.close();
    }
  } catch (error) {
    throw advised(error);
  }
}

/** The same with a client of each address. */
export async function withEachClient(
  command: Command,
  outside: Outside,
  work: (clients: readonly { readonly url: string; readonly client: SwarmClient }[]) => Promise<ExitCode>,
): Promise<ExitCode> {
  const options = command.opts<ClientOptions>();
  const urls = [...new Set(nodeUrls(options.url, outside.env))];
  const token = readToken(options.tokenFile, outside.env);
  const clients: { url: string; client: SwarmClient }[] = [];
  try {
    for (const url of urls) clients.push({ url, client: await connectOnce([url], token, options.timeout, outside) });
    return await work(clients);
  } catch (error) {
    throw advised(error);
  } finally {
    await Promise.all(clients.map(({ client }) => client.close()));
  }
}

/** How long the command waits for an answer, in ms. */
export function timeoutOf(command: Command): number {
  return command.opts<ClientOptions>().timeout;
}

/** A client tries for as long as it may; a command gives up when each address has failed once. */
async function connectOnce(
  urls: readonly string[],
  token: string | null,
  timeoutMs: number,
  outside: Outside,
): Promise<SwarmClient> {
  const attempts = new AbortController();
  const reasons: string[] = [];
  try {
    return await outside.connect(urls, {
      ...(token === null ? {} : { token }),
      connectTimeoutMs: timeoutMs,
      requestTimeoutMs: timeoutMs,
      name: 'swarmbus-cli',
      signal: attempts.signal,
      onStatus({ error }) {
        // What follows the last attempt is this command's own doing.
        if (error === null || attempts.signal.aborted) return;
        reasons.push(error.message);
        if (reasons.length >= urls.length) attempts.abort();
      },
    });
  } catch (error) {
    if (!['UNREACHABLE', 'ABORTED'].includes(codeOf(error))) throw error;
    const why = reasons.length > 0 ? reasons.join('; ') : `${urls.join(', ')}: silent for ${timeoutMs} ms`;
    throw failure(
      EXIT.unreachable,
      `no node answers (${why}): start one by \`swarmbus node\`, or name another by --url`,
    );
  }
}

/** Addresses of nodes, from `--url`, else SWARMBUS_URL, else the default. */
export function nodeUrls(given: readonly string[] | undefined, env: Outside['env']): readonly string[] {
  const fromEnv = collect(env['SWARMBUS_URL'] ?? '', undefined);
  const urls = given !== undefined && given.length > 0 ? given : fromEnv.length > 0 ? fromEnv : [URL_DEFAULT];
  for (const url of urls) {
    const protocol = URL.canParse(url) ? new URL(url).protocol : '';
    if (protocol !== 'ws:' && protocol !== 'wss:')
      throw failure(EXIT.usage, `--url: must be ws://HOST:PORT or wss://HOST:PORT, not ${JSON.stringify(url)}`);
  }
  return urls;
}

/** Reads a duration, above 0, into milliseconds. */
export function durationOption(name: string): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text);
    if (ms === undefined || ms === 0)
      throw failure(EXIT.usage, `${name}: must be ${DURATION_FORM}, not ${JSON.stringify(text)}`);
    return ms;
  };
}

/** Reads a whole number between bounds. */
export function countOption(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const count = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(count >= min && count <= max))
      throw failure(EXIT.usage, `${name}: must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
    return count;
  };
}

function infoOf(error: unknown): Readonly<Record<string, unknown>> {
  return (error as { info?: Readonly<Record<string, unknown>> | null }).info ?? {};
}

/** The stamp that a condition met, for the next attempt. */
function stampOf(error: unknown): string {
  const { stamp } = infoOf(error);
  return typeof stamp === 'string' ? `: its stamp is ${stamp}` : '';
}

/** The same failure with what to do about it. */
function advised(error: unknown): unknown {
  const code = codeOf(error);
  const message = messageOf(error);
  switch (code) {
    case 'UNAUTHENTICATED':
      return failure(EXIT.failed, `UNAUTHENTICATED: ${message}: give the token by --token-file or SWARMBUS_TOKEN`);
    case 'CONFLICT':
      return failure(EXIT.failed, `CONFLICT: ${message}${stampOf(error)}`);
    case 'UNKNOWN':
      if (infoOf(error)['name'] === 'no database')
        return failure(
          EXIT.failed,
          `${code}: ${message}: make one by \`swarmbus db create\`, see \`swarmbus db list\``,
        );
      return failure(EXIT.failed, `${code}: ${message}: try again, or another node by --url`);
    case 'BUSY':
    case 'DRAINING':
    case 'TIMEOUT':
      return failure(EXIT.failed, `${code}: ${message}: try again, or another node by --url`);
    default:
      // A failure of our own already says what to do, and a system error carries its advice in its text.
      return code === '' || message.startsWith(code) ? error : failure(EXIT.failed, `${code}: ${message}`);
  }
}
