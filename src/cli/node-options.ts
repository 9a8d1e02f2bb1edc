/**
 * The options of a node: one schema for flags, the YAML file, and the environment, which all use the same names
 * (`--token-file`, `token-file:`, `SWARMBUS_TOKEN_FILE`). Defaults give way to the file, the file to the environment,
 * the environment to flags. Secrets come from files or the environment only, since everyone on a machine can read the
 * arguments of a process. Whatever is wrong is said in one line with its place, before anything is started.
 */
import { dirname, resolve } from 'node:path';
import { isMap, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { DEFAULT_SETTINGS } from '../actors/settings.js';
import type { NodeOptions as StartOptions } from '../node.js';
import { isUrl } from '../client/url-list.js';
import { isLoopback } from '../transport/admission.js';
import { linkUrl } from '../transport/link-url.js';
import { credentialsOf, PROXY_FORM, proxyFor, proxyUrl } from '../transport/proxy.js';
import { EXIT, failure, messageOf, type Failure } from './exit.js';
import { DURATION_FORM, formatSize, parseDuration, parseSize, SIZE_FORM } from './quantity.js';
import { readTextFile, secretFromEnv, secretFromFile, type Secret } from './secret.js';
import { didYouMean, nearest } from '../client/suggest.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevelOption = (typeof LOG_LEVELS)[number];

/** What a node is started with, and what only its process needs to know. */
export interface NodeOptions extends StartOptions {
  /** Serves clients beyond loopback without a token. */
  readonly open: boolean;
  /** Processes that are linked nodes behind the addresses; 1: the node is this process. */
  readonly workers: number;
  readonly logLevel: LogLevelOption;
}

export interface ParsedOptions {
  readonly options: NodeOptions;
  /** What is allowed yet unwise, each in one line. */
  readonly warnings: readonly string[];
  /** What was taken from elsewhere than options, each in one line. */
  readonly notes: readonly string[];
}

/** One option as a command line shows it. */
export interface Flag {
  readonly name: string;
  /** Null: the flag takes no value. */
  readonly metavar: string | null;
  readonly description: string;
  readonly default: string | null;
  readonly isList: boolean;
  readonly isAdvanced: boolean;
}

type About = Omit<Flag, 'name' | 'default'> & { readonly default: string | null };

const about = z.registry<About>();
const plain = (metavar: string | null, description: string, byDefault: string | null = null): About => ({
  metavar,
  description,
  default: byDefault,
  isList: false,
  isAdvanced: false,
});
const repeatable = (metavar: string, description: string, byDefault: string | null = null): About => ({
  ...plain(metavar, description, byDefault),
  isList: true,
});
const bound = (metavar: string, description: string, byDefault: string): About => ({
  ...plain(metavar, description, byDefault),
  isAdvanced: true,
});

interface Address {
  readonly host: string;
  readonly port: number;
}

/** The items of a Map, of which each entry of a node needs one, end at 2^24. */
const KEYS_MAX = 16_000_000;
/** What a key takes in a directory at most; a small node may be home to many keys of large ones. */
const DIRECTORY_BYTES_PER_KEY = 64;
const DIRECTORY_BYTES_MIN = 64 * 1024 * 1024;
/** Each is linked to each other. */
const WORKERS_MAX = 32;
const DAY_MS = 24 * 3600e3;
const ADDRESS_FORM = 'HOST:PORT, such as 127.0.0.1:7101, 0.0.0.0:7101 or [::1]:7101';
const LINK_FORM = 'ws://HOST:PORT or wss://HOST:PORT';
const ORIGIN_FORM = 'an origin such as https://app.example.com, or *';

/** Names that other programs use too, in small letters first as most of them do. */
const PROXY_VARIABLES = {
  ws: ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'],
  wss: ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'],
} as const;
const NO_PROXY = ['no_proxy', 'NO_PROXY'] as const;

/** A text that `read` understands; it returns undefined for any other. */
const textOf = <T>(form: string, read: (text: string) => T | undefined) =>
  z.string({ error: `must be ${form}` }).transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `must be ${form}` });
    return z.NEVER;
  });

/** A whole number between bounds, given as a number or as text. */
const numberOf = (
  form: string,
  read: (text: string) => number | undefined,
  show: (value: number) => string,
  min: number,
  max: number,
) =>
  z.preprocess(
    (input) => (typeof input === 'string' ? (read(input) ?? input) : input),
    z
      .int({ error: `must be ${form}` })
      .min(min, { error: `must be at least ${show(min)}` })
      .max(max, { error: `must be at most ${show(max)}` }),
  );
const size = (min: number, max = Number.MAX_SAFE_INTEGER) => numberOf(SIZE_FORM, parseSize, formatSize, min, max);
const duration = (min: number) => numberOf(DURATION_FORM, parseDuration, (ms) => `${ms}`, min, DAY_MS);
const count = (min: number, max: number) =>
  numberOf('a whole number', (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined), String, min, max);

const listOf = <S extends z.ZodType>(item: S, min = 0) =>
  z.preprocess(
    (input) => (Array.isArray(input) ? (input as unknown[]) : [input]),
    z.array(item).min(min, { error: 'must name at least one' }),
  );

const isTrue: Readonly<Record<string, boolean>> = { true: true, yes: true, 1: true, false: false, no: false, 0: false };
const yesOrNo = () =>
  z.preprocess(
    (input) => (typeof input === 'string' ? (isTrue[input.toLowerCase()] ?? input) : input),
    z.boolean({ error: 'must be true or false' }),
  );

const oneOf = <const T extends readonly string[]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

const label = () =>
  textOf('1 to 64 letters, digits, dots, dashes or underscores', (text) =>
    /^[A-Za-z0-9._-]{1,64}$/.test(text) ? text : undefined,
  );

const path = () => z.string({ error: 'must be the path of a file' }).min(1, { error: 'must be the path of a file' });

const FOLDER_FORM = 'must be the path of a directory';
const folder = () => z.string({ error: FOLDER_FORM }).min(1, { error: FOLDER_FORM });

const schema = z.strictObject({
  listen: listOf(textOf(ADDRESS_FORM, readAddress), 1).register(
    about,
    repeatable('HOST:PORT', 'address to listen on', '127.0.0.1:7101'),
  ),
  link: listOf(textOf(LINK_FORM, readLink))
    .optional()
    .register(about, repeatable('URL', `node to link to: ${LINK_FORM}`)),
  workers: count(1, WORKERS_MAX).register(
    about,
    plain('N', 'processes that share the addresses, linked nodes that divide --store and --keys (Linux)', '1'),
  ),
  'client-url': textOf(LINK_FORM, readClientUrl)
    .optional()
    .register(
      about,
      plain('URL', 'where clients reach this node, told to those of a node that leaves (default: where it listens)'),
    ),
  name: label()
    .optional()
    .register(about, plain('NAME', 'name of the node, unique in its swarm (default: HOSTNAME-PORT)')),
  swarm: label().register(about, plain('NAME', 'name of the swarm; nodes of others are refused', 'swarm')),
  store: size(0).register(about, plain('SIZE', 'room for keys and values; 0: store nothing, be a gateway', '256MiB')),
  keys: count(1, KEYS_MAX).register(about, plain('N', 'most keys to store', '1000000')),
  policy: oneOf(['lru', 'refuse']).register(
    about,
    plain(
      'lru|refuse',
      'where no node has room for an entry: lru drops those used least recently, refuse answers OVER_CAPACITY',
      'lru',
    ),
  ),
  directory: size(0)
    .optional()
    .register(
      about,
      plain('SIZE', 'memory to know who owns what; 0: know nothing (default: 64 bytes for each of --keys)'),
    ),
  data: folder()
    .optional()
    .register(about, plain('DIR', 'directory to keep entries and the id of the node in (default: memory only)')),
  open: yesOrNo().register(about, plain(null, 'serve clients beyond loopback without a token', 'false')),
  'token-file': path().optional().register(about, plain('FILE', 'file with the token that clients must present')),
  'link-secret-file': path()
    .optional()
    .register(about, plain('FILE', 'file with the secret that nodes must present to link')),
  origin: listOf(textOf(ORIGIN_FORM, readOrigin))
    .optional()
    .register(about, repeatable('ORIGIN', 'web origin whose pages may connect, * for all (default: the node itself)')),
  host: listOf(textOf('a host name', readHostName))
    .optional()
    .register(about, repeatable('NAME', 'host name by which clients may address the node')),
  'tls-cert': path().optional().register(about, plain('FILE', 'certificate (PEM): serve wss:// and https://')),
  'tls-key': path().optional().register(about, plain('FILE', 'its private key (PEM)')),
  'tls-ca': path().optional().register(about, plain('FILE', 'authorities (PEM) that links to other nodes trust')),
  proxy: textOf(`${PROXY_FORM}, or none`, readProxy)
    .optional()
    .register(about, plain('URL', `HTTP proxy to link through: ${PROXY_FORM}, or none`)),
  'proxy-auth-file': path().optional().register(about, plain('FILE', 'file with USER:PASSWORD for the proxy')),
  listener: oneOf(['uws', 'ws'])
    .optional()
    .register(about, plain('uws|ws', 'WebSocket server (default: uws where it can be loaded)')),
  'log-level': oneOf(LOG_LEVELS).register(about, plain('LEVEL', LOG_LEVELS.join(', '), 'info')),

  'frame-bytes-max': size(1024, 2 ** 30).register(about, bound('SIZE', 'largest frame of a client', '1MiB')),
  'link-frame-bytes-max': size(1024, 2 ** 30).register(about, bound('SIZE', 'largest frame of a node', '16MiB')),
  'key-bytes-max': size(1, 2 ** 20).register(about, bound('SIZE', 'largest key', '4KiB')),
  'value-bytes-max': size(1, 2 ** 30).register(about, bound('SIZE', 'largest value, encoded', '512KiB')),
  'in-flight-max': count(1, 1_000_000).register(about, bound('N', 'open requests of a session', '1024')),
  'connections-max': count(1, 1_000_000).register(about, bound('N', 'connections', '10000')),
  'backlog-bytes-max': size(1024).register(about, bound('SIZE', 'unsent bytes of a slow connection', '16MiB')),
  'request-timeout-ms': duration(1).register(about, bound('TIME', 'time for a request', '3s')),
  'heartbeat-ms': duration(1).register(about, bound('TIME', 'silence on a link before a beat is sent', '1s')),
  'heartbeat-timeout-ms': duration(1).register(about, bound('TIME', 'silence after which a link is dead', '5s')),
  'alone-after-ms': duration(0).register(about, bound('TIME', 'wait for links before serving alone', '10s')),
  'missed-ms': duration(0).register(about, bound('TIME', 'how long a node that vanished is missed', '30s')),
  'tombstone-ms': duration(0).register(about, bound('TIME', 'how long a delete is remembered', '10m')),
  'tombstones-max': count(0, KEYS_MAX).register(about, bound('N', 'deletes remembered', '100000')),
  'hello-timeout-ms': duration(1).register(about, bound('TIME', 'time for a client to present its token', '5s')),
  'drain-ms': duration(0).register(about, bound('TIME', 'time to leave in order', '10s')),
  'loss-window-ms': duration(2).register(
    about,
    bound('TIME', 'with --data: how old a change may be that a crash undoes', '1s'),
  ),
});

type Values = z.output<typeof schema>;
type Env = Readonly<Record<string, string | undefined>>;

const partial = schema.partial();
const names = Object.keys(schema.shape) as (keyof Values)[];
const aboutOf = (name: keyof Values): About => about.get(schema.shape[name])!;

/** All options of a node, in the order of its help. */
export const NODE_FLAGS: readonly Flag[] = names.map((name) => ({ name, ...aboutOf(name) }));

/** A place that options come from. */
interface Source {
  readonly input: unknown;
  /** Where a value or a name stands, for messages: `--store`, `SWARMBUS_STORE`, `node.yaml:3:8: store`. */
  where(path: readonly PropertyKey[]): string;
}

/**
 * Flags by name, without their dashes, with `config` for the YAML file. Throws a Failure of one line for what is
 * wrong; EXIT.usage is its code.
 */
export function parseNodeOptions(flags: Readonly<Record<string, unknown>>, env: Env, hostname: string): ParsedOptions {
  const { config: configFlag, ...ownFlags } = flags;
  const configFile = typeof configFlag === 'string' ? configFlag : env['SWARMBUS_CONFIG'] || undefined;
  const fromFile = configFile === undefined ? {} : readSource(fileSource(configFile));
  const fromEnv = readSource(envSource(env));
  const fromFlags = readSource({ input: ownFlags, where: ([name]) => `--${String(name)}` });
  const values: Values = { ...defaults(), ...withPathsFrom(configFile, fromFile), ...fromEnv, ...fromFlags };

  const token = readSecret('token', fromFlags['token-file'], values['token-file'], env);
  const linkSecret = readSecret('link-secret', fromFlags['link-secret-file'], values['link-secret-file'], env);
  if (linkSecret !== null && !/^[\x21-\x7e]+$/.test(linkSecret.text))
    throw usage('the link secret may hold printable ASCII without blanks only, since it travels in an HTTP header');

  const proxyAuth = readSecret('proxy-auth', fromFlags['proxy-auth-file'], values['proxy-auth-file'], env);
  const { proxies, notes } = chooseProxies(values, env, proxyAuth?.text ?? null);

  const options: NodeOptions = {
    listen: values.listen,
    isPortShared: false,
    linkSocket: null,
    links: values.link ?? [],
    clientUrl: values['client-url'] ?? null,
    name: values.name ?? nameFor(hostname, values.listen),
    swarm: values.swarm,
    storeBytesMax: values.store,
    keysMax: values.keys,
    policy: values.policy,
    directoryBytesMax: values.directory ?? directoryBytesFor(values.keys),
    tombstoneMs: values['tombstone-ms'],
    tombstonesMax: values['tombstones-max'],
    databasesAt: null,
    dataDir: values.data ?? null,
    open: values.open,
    workers: values.workers,
    token: token?.text ?? null,
    linkSecret: linkSecret?.text ?? null,
    origins: values.origin ?? [],
    hosts: values.host ?? [],
    tls: readTls(values['tls-cert'], values['tls-key']),
    tlsCaFile: readableFile('tls-ca', values['tls-ca']),
    proxy: proxies,
    listener: values.listener ?? null,
    logLevel: values['log-level'],
    frameBytesMax: values['frame-bytes-max'],
    linkFrameBytesMax: values['link-frame-bytes-max'],
    keyBytesMax: values['key-bytes-max'],
    valueBytesMax: values['value-bytes-max'],
    inFlightMax: values['in-flight-max'],
    connectionsMax: values['connections-max'],
    backlogBytesMax: values['backlog-bytes-max'],
    requestTimeoutMs: values['request-timeout-ms'],
    heartbeatMs: values['heartbeat-ms'],
    heartbeatTimeoutMs: values['heartbeat-timeout-ms'],
    aloneAfterMs: values['alone-after-ms'],
    missedMs: values['missed-ms'],
    helloTimeoutMs: values['hello-timeout-ms'],
    drainMs: values['drain-ms'],
    lossWindowMs: values['loss-window-ms'],
    replicaSizes: DEFAULT_SETTINGS.replicaSizes,
  };
  checkTogether(options);
  const unwise = [token?.warning, linkSecret?.warning, proxyAuth?.warning, argumentWarning(fromFlags.proxy)];
  const warnings = unwise.filter((warning) => typeof warning === 'string');
  return { options, warnings: [...slipsIn(env), ...warnings, ...checkOpenness(options)], notes };
}

/** The default of `--directory`. */
export function directoryBytesFor(keysMax: number): number {
  return Math.max(DIRECTORY_BYTES_MIN, keysMax * DIRECTORY_BYTES_PER_KEY);
}

function usage(message: string): Failure {
  return failure(EXIT.usage, message);
}

function defaults(): Values {
  const input = Object.fromEntries(
    names.flatMap((name) => {
      const text = aboutOf(name).default;
      return text === null ? [] : [[name, text]];
    }),
  );
  return schema.parse(input);
}

function readSource(source: Source): Partial<Values> {
  const parsed = partial.safeParse(source.input);
  if (parsed.success) return parsed.data;
  const [first, ...others] = parsed.error.issues;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw usage(messageFor(first!, source) + more);
}

function messageFor(issue: z.core.$ZodIssue, source: Source): string {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const isSecret = key === 'token' || key === 'link-secret' || key === 'proxy-auth';
    const advice = isSecret ? `; secrets are kept in files of their own, use ${key}-file` : didYouMean(key, names);
    return `${source.where([key])}: there is no such option${advice}`;
  }
  return `${source.where(issue.path)}: ${issue.message}, not ${shown(valueAt(source.input, issue.path))}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const step of path) {
    // A single value was taken for a list of one.
    if (typeof value !== 'object' || value === null) return value;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[step];
  }
  return value;
}

/** Never with what stands before an @: in a URL that is a password. */
function shown(value: unknown): string {
  const text = (JSON.stringify(value) ?? 'nothing').replace(/"(\w+:\/\/)?[^"]*@/g, '"$1***@');
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function fileSource(file: string): Source {
  const text = readTextFile('--config', file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const fault = document.errors[0];
  if (fault !== undefined) throw usage(`${at(fault.pos[0])}: ${fault.message}`);
  if (document.contents === null) return { input: {}, where: () => file };
  if (!isMap(document.contents))
    throw usage(`${file}:1:1: must hold a map of options, such as \`listen: 127.0.0.1:7101\``);
  let input: unknown;
  try {
    input = document.toJS();
  } catch (error) {
    throw usage(`${file}:1:1: ${messageOf(error)}`);
  }
  return { input, where: (path) => `${at(offsetOf(document, path))}: ${path.join('.')}` };
}

/** Where the value at the path begins; for an unknown option, where its name does. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  const [name] = path;
  const pair = isMap(document.contents) ? document.contents.items.find((item) => String(item.key) === name) : undefined;
  const isKnown = names.some((known) => known === name);
  const value = isKnown ? ((path.length > 1 ? document.getIn(path, true) : undefined) ?? pair?.value) : undefined;
  const item = value ?? pair?.key;
  const hasRange = typeof item === 'object' && item !== null && 'range' in item && Array.isArray(item.range);
  return hasRange ? Number((item.range as unknown[])[0]) : 0;
}

const variableOf = (name: string): string => `SWARMBUS_${name.toUpperCase().replaceAll('-', '_')}`;

function envSource(env: Env): Source {
  const given = names.flatMap((name) => {
    const text = env[variableOf(name)];
    // Compose files and unit files set variables to nothing where they mean to leave them unset.
    if (text === undefined || text === '') return [];
    return [[name, aboutOf(name).isList ? text.split(',').map((item) => item.trim()) : text]];
  });
  return { input: Object.fromEntries(given), where: ([name]) => variableOf(String(name)) };
}

/** Variables that look like options with a slip in them. Others may well be somebody else's, such as Kubernetes'. */
function slipsIn(env: Env): string[] {
  const known = ['config', 'token', 'link-secret', 'proxy-auth', 'url', ...names].map(variableOf);
  return Object.keys(env).flatMap((variable) => {
    if (!variable.startsWith('SWARMBUS_') || known.includes(variable)) return [];
    if (/^SWARMBUS_(SERVICE|PORT)(_|$)/.test(variable)) return [];
    const meant = nearest(variable, known);
    return meant === undefined ? [] : [`${variable} is not read; did you mean ${meant}?`];
  });
}

/** Files that the configuration names lie beside it, wherever the node was started from. */
function withPathsFrom(configFile: string | undefined, values: Partial<Values>): Partial<Values> {
  if (configFile === undefined) return values;
  const resolved: Partial<Values> = { ...values };
  for (const name of [
    'token-file',
    'link-secret-file',
    'proxy-auth-file',
    'tls-cert',
    'tls-key',
    'tls-ca',
    'data',
  ] as const) {
    const file = values[name];
    if (file !== undefined) resolved[name] = resolve(dirname(configFile), file);
  }
  return resolved;
}

/** A flag wins over the variable, the variable over the file that the environment or the YAML file names. */
function readSecret(
  name: 'token' | 'link-secret' | 'proxy-auth',
  flag: string | undefined,
  file: string | undefined,
  env: Env,
): Secret | null {
  const option = `--${name}-file`;
  if (flag !== undefined) return secretFromFile(option, flag);
  const variable = variableOf(name);
  const fromEnv = secretFromEnv(variable, env);
  if (fromEnv !== null && env[`${variable}_FILE`])
    throw usage(`${variable} and ${variable}_FILE are both set: keep one of them`);
  return fromEnv ?? (file === undefined ? null : secretFromFile(option, file));
}

/**
 * The proxy of the options, else those of the environment that other programs use as well, by the scheme of the link;
 * NO_PROXY makes exceptions from either. A variable that no link needs may hold what it likes.
 */
function chooseProxies(
  { proxy, link = [] }: Partial<Values>,
  env: Env,
  auth: string | null,
): { proxies: NodeOptions['proxy']; notes: string[] } {
  const noProxy = valueIn(env, NO_PROXY)?.text ?? '';
  const notes: string[] = [];
  const proxies: { ws: string | null; wss: string | null; noProxy: string } = { ws: null, wss: null, noProxy };
  if (auth !== null && !auth.includes(':')) throw usage('--proxy-auth-file must hold USER:PASSWORD');
  for (const scheme of ['ws', 'wss'] as const) {
    const given = proxy === undefined ? valueIn(env, PROXY_VARIABLES[scheme]) : { text: proxy, where: '--proxy' };
    const targets = link
      .map((text) => linkUrl(text))
      .filter((url) => url instanceof URL && url.protocol === `${scheme}:`);
    if (given === undefined || given.text === 'none') continue;
    const all = { ...proxies, [scheme]: given.text };
    const isUsed = targets.some((url) => url instanceof URL && proxyFor(url, all) !== null);
    if (!isUsed) continue;
    const url = proxyUrl(given.text);
    if (url === null)
      throw usage(
        `${given.where}: must be ${PROXY_FORM}, not ${shown(given.text)}; --proxy none links without a proxy`,
      );
    if (auth !== null) {
      if (credentialsOf(url) !== null)
        throw usage(`${given.where} and --proxy-auth-file both hold a password: keep one`);
      const [user = '', ...rest] = auth.split(':');
      url.username = encodeURIComponent(user);
      url.password = encodeURIComponent(rest.join(':'));
    }
    proxies[scheme] = url.href;
    notes.push(`links to ${scheme}:// go through the proxy ${url.host} (${given.where})`);
  }
  return { proxies: proxies.ws === null && proxies.wss === null ? null : proxies, notes };
}

function valueIn(env: Env, variables: readonly string[]): { text: string; where: string } | undefined {
  const where = variables.find((name) => env[name] !== undefined && env[name] !== '');
  return where === undefined ? undefined : { text: env[where]!, where };
}

function argumentWarning(proxy: string | undefined): string | null {
  const url = proxy === undefined || proxy === 'none' ? null : proxyUrl(proxy);
  if (url === null || credentialsOf(url) === null) return null;
  return 'every user of this machine can read the password in --proxy: put it into --proxy-auth-file';
}

function readableFile(name: string, file: string | undefined): string | null {
  if (file === undefined) return null;
  if (readTextFile(`--${name}`, file).trim() === '') throw usage(`--${name}: ${file} is empty, it must be a PEM file`);
  return file;
}

function readTls(cert: string | undefined, key: string | undefined): NodeOptions['tls'] {
  if ((cert === undefined) !== (key === undefined))
    throw usage(`--tls-cert and --tls-key belong together: --tls-${cert === undefined ? 'cert' : 'key'} is missing`);
  const certFile = readableFile('tls-cert', cert);
  const keyFile = readableFile('tls-key', key);
  return certFile === null || keyFile === null ? null : { certFile, keyFile };
}

function nameFor(hostname: string, listen: readonly Address[]): string {
  const port = listen[0]?.port || process.pid;
  const host = hostname.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 50) || 'node';
  return `${host}-${port}`;
}

function checkTogether(options: NodeOptions): void {
  const { keyBytesMax, valueBytesMax, frameBytesMax, linkFrameBytesMax } = options;
  // A frame carries a key, a value and the rest of the message; a link's one carries all that and a routing head.
  const room = keyBytesMax + valueBytesMax + 1024;
  if (room > frameBytesMax)
    throw usage(
      `--frame-bytes-max must be at least key-bytes-max + value-bytes-max + 1 KiB = ${room}, not ${frameBytesMax}`,
    );
  if (frameBytesMax + 1024 > linkFrameBytesMax)
    throw usage(
      `--link-frame-bytes-max must be at least frame-bytes-max + 1 KiB = ${frameBytesMax + 1024}, not ${linkFrameBytesMax}`,
    );
  if (options.heartbeatTimeoutMs < 2 * options.heartbeatMs)
    throw usage(
      `--heartbeat-timeout-ms must be at least twice heartbeat-ms = ${2 * options.heartbeatMs}, not ${options.heartbeatTimeoutMs}`,
    );
  const addresses = options.listen.filter(({ port }) => port !== 0).map(showAddress);
  const twice = addresses.find((address, i) => addresses.indexOf(address) !== i);
  if (twice !== undefined) throw usage(`--listen: ${twice} is given twice`);
}

function checkOpenness({ listen, token, linkSecret, open }: NodeOptions): string[] {
  const exposed = listen.find(({ host }) => !isLoopback(host));
  if (exposed === undefined) return [];
  const address = showAddress(exposed);
  if (token === null && !open)
    throw usage(
      `${address} is beyond loopback, and no client token is set: give one by --token-file or SWARMBUS_TOKEN, or serve everyone by --open`,
    );
  const warnings = [];
  if (token === null) warnings.push(`everyone who reaches ${address} may read and write: --open is given and no token`);
  if (linkSecret === null)
    warnings.push(
      `every node that reaches ${address} may join the swarm: give a secret by --link-secret-file or SWARMBUS_LINK_SECRET`,
    );
  return warnings;
}

function showAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function readAddress(text: string): Address | undefined {
  const [, v6, name, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

function readLink(text: string): string | undefined {
  return linkUrl(text) instanceof URL ? text : undefined;
}

function readClientUrl(text: string): string | undefined {
  return isUrl(text) ? text : undefined;
}

function readProxy(text: string): string | undefined {
  return text === 'none' || proxyUrl(text) !== null ? text : undefined;
}

function readOrigin(text: string): string | undefined {
  return text === '*' || (URL.canParse(text) && new URL(text).origin === text) ? text : undefined;
}

function readHostName(text: string): string | undefined {
  return /^[A-Za-z0-9._-]{1,253}$/.test(text) ? text.toLowerCase() : undefined;
}
