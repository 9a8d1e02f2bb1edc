import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_FLAGS, parseNodeOptions, type NodeOptions, type ParsedOptions } from '../../src/cli/node-options.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-options-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

type Given = Readonly<Record<string, unknown>>;
type Env = Readonly<Record<string, string>>;
const parse = (flags: Given = {}, env: Env = {}): ParsedOptions => parseNodeOptions(flags, env, 'alpha');
const options = (flags: Given = {}, env: Env = {}): NodeOptions => parse(flags, env).options;

describe('the options of a node', () => {
  it('have defaults', () => {
    expect(parse()).toEqual({
      warnings: [],
      notes: [],
      options: {
        listen: [{ host: '127.0.0.1', port: 7101 }],
        isPortShared: false,
        linkSocket: null,
        links: [],
        name: 'alpha-7101',
        swarm: 'swarm',
        storeBytesMax: 256 * 2 ** 20,
        keysMax: 1_000_000,
        policy: 'lru',
        directoryBytesMax: 64 * 2 ** 20,
        tombstoneMs: 600_000,
        tombstonesMax: 100_000,
        databasesAt: null,
        dataDir: null,
        open: false,
        workers: 1,
        token: null,
        linkSecret: null,
        origins: [],
        hosts: [],
        tls: null,
        tlsCaFile: null,
        proxy: null,
        listener: null,
        logLevel: 'info',
        frameBytesMax: 2 ** 20,
        linkFrameBytesMax: 16 * 2 ** 20,
        keyBytesMax: 4096,
        valueBytesMax: 512 * 1024,
        inFlightMax: 1024,
        connectionsMax: 10_000,
        clientUrl: null,
        backlogBytesMax: 16 * 2 ** 20,
        requestTimeoutMs: 3000,
        heartbeatMs: 1000,
        heartbeatTimeoutMs: 5000,
        aloneAfterMs: 10_000,
        missedMs: 30_000,
        helloTimeoutMs: 5000,
        drainMs: 10_000,
        lossWindowMs: 1000,
        replicaSizes: { feedBytes: 65_536, creditBytes: 262_144, lentBytes: 4_194_304, patchBytes: 65_536 },
      },
    });
  });

  it('give way in order: defaults, file, environment, flags', () => {
    const config = file('order.yaml', 'store: 1MB\nkeys: 1\nswarm: file\nlisten: [127.0.0.1:1, 127.0.0.1:2]\n');
    const env = { SWARMBUS_CONFIG: config, SWARMBUS_KEYS: '2', SWARMBUS_SWARM: 'env' };
    expect(options({ swarm: 'flag' }, env)).toMatchObject({
      storeBytesMax: 1e6,
      keysMax: 2,
      swarm: 'flag',
      listen: [{ port: 1 }, { port: 2 }],
      name: 'alpha-1',
    });
    expect(options({ listen: ['[::1]:9'] }, env).listen).toEqual([{ host: '::1', port: 9 }]);
  });

  it('have the same names everywhere', () => {
    const values: Given = {
      listen: ['localhost:7', '[::1]:8'],
      link: ['ws://a:1', 'wss://b:2'],
      name: 'n.1_-',
      swarm: 's',
      store: '0',
      keys: 5,
      open: true,
      origin: ['https://a.example', '*'],
      host: ['node.example'],
      listener: 'ws',
      'log-level': 'silent',
      'in-flight-max': 7,
      'drain-ms': '1m',
    };
    const yaml = Object.entries(values).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    const env = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        `SWARMBUS_${name.toUpperCase().replaceAll('-', '_')}`,
        Array.isArray(value) ? value.join(', ') : String(value),
      ]),
    );
    const flags = { ...values, keys: '5', 'in-flight-max': '7' };
    const expected = options(flags);
    expect(expected).toMatchObject({
      links: ['ws://a:1', 'wss://b:2'],
      drainMs: 60_000,
      origins: ['https://a.example', '*'],
    });
    expect(options({}, env)).toEqual(expected);
    expect(options({ config: file('same.yaml', yaml.join('\n')) })).toEqual(expected);
  });

  it('take an empty variable for an unset one', () => {
    expect(options({}, { SWARMBUS_STORE: '', SWARMBUS_TOKEN: '' })).toEqual(options());
  });

  it('make a name of any host name', () => {
    expect(parseNodeOptions({}, {}, 'büro rechner').options.name).toBe('b-ro-rechner-7101');
    expect(parseNodeOptions({}, {}, 'x'.repeat(99)).options.name).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
    expect(parseNodeOptions({ listen: ['127.0.0.1:0'] }, {}, 'h').options.name).toBe(`h-${process.pid}`);
  });

  it('are described, each of them', () => {
    for (const flag of NODE_FLAGS) expect(flag.description).not.toBe('');
    expect(NODE_FLAGS.map(({ name }) => name)).toContain('link-secret-file');
  });

  it.each<[string, Given, string]>([
    [
      'address',
      { listen: ['7101'] },
      '--listen: must be HOST:PORT, such as 127.0.0.1:7101, 0.0.0.0:7101 or [::1]:7101, not "7101"',
    ],
    [
      'port',
      { listen: ['127.0.0.1:70000'] },
      '--listen: must be HOST:PORT, such as 127.0.0.1:7101, 0.0.0.0:7101 or [::1]:7101, not "127.0.0.1:70000"',
    ],
    [
      'bare IPv6',
      { listen: ['::1:7101'] },
      '--listen: must be HOST:PORT, such as 127.0.0.1:7101, 0.0.0.0:7101 or [::1]:7101, not "::1:7101"',
    ],
    ['address twice', { listen: ['127.0.0.1:1', '127.0.0.1:1'] }, '--listen: 127.0.0.1:1 is given twice'],
    ['link', { link: ['http://a:1'] }, '--link: must be ws://HOST:PORT or wss://HOST:PORT, not "http://a:1"'],
    ['name', { name: 'a b' }, '--name: must be 1 to 64 letters, digits, dots, dashes or underscores, not "a b"'],
    ['size', { store: '12 elephants' }, '--store: must be a size such as 1048576, 256MiB or 1.5GB, not "12 elephants"'],
    ['count', { keys: '0' }, '--keys: must be at least 1, not "0"'],
    ['count too large', { keys: '99999999' }, '--keys: must be at most 16000000, not "99999999"'],
    ['count with a fraction', { keys: '1.5' }, '--keys: must be a whole number, not "1.5"'],
    [
      'duration',
      { 'drain-ms': 'soon' },
      '--drain-ms: must be a duration such as 500 (milliseconds), 5s, 10m or 1h, not "soon"',
    ],
    ['choice', { listener: 'http' }, '--listener: must be one of uws, ws, not "http"'],
    ['level', { 'log-level': 'loud' }, '--log-level: must be one of debug, info, warn, error, silent, not "loud"'],
    [
      'origin',
      { origin: ['example.com'] },
      '--origin: must be an origin such as https://app.example.com, or *, not "example.com"',
    ],
    [
      'origin with a path',
      { origin: ['https://a.b/'] },
      '--origin: must be an origin such as https://app.example.com, or *, not "https://a.b/"',
    ],
    ['host', { host: ['a:1'] }, '--host: must be a host name, not "a:1"'],
    ['bound', { 'frame-bytes-max': '1' }, '--frame-bytes-max: must be at least 1 KiB, not "1"'],
    [
      'value beyond frame',
      { 'value-bytes-max': '1MiB' },
      '--frame-bytes-max must be at least key-bytes-max + value-bytes-max + 1 KiB = 1053696, not 1048576',
    ],
    [
      'frame beyond link frame',
      { 'frame-bytes-max': '16MiB' },
      '--link-frame-bytes-max must be at least frame-bytes-max + 1 KiB = 16778240, not 16777216',
    ],
    [
      'heartbeat',
      { 'heartbeat-ms': '4s' },
      '--heartbeat-timeout-ms must be at least twice heartbeat-ms = 8000, not 5000',
    ],
    ['half a key pair', { 'tls-cert': 'cert.pem' }, '--tls-cert and --tls-key belong together: --tls-key is missing'],
    [
      'absent file',
      { 'tls-ca': 'absent.pem' },
      "--tls-ca: absent.pem can't be read (ENOENT: no such file or directory)",
    ],
    [
      'absent configuration',
      { config: 'absent.yaml' },
      "--config: absent.yaml can't be read (ENOENT: no such file or directory)",
    ],
    [
      'several',
      { keys: '0', store: 'x' },
      '--store: must be a size such as 1048576, 256MiB or 1.5GB, not "x" (and 1 more)',
    ],
  ])('refuse a wrong %s in one line', (_, flags, message) => {
    expect(() => parse(flags)).toThrow(expect.objectContaining({ message, exitCode: 2 }));
  });

  it('name the variable that is wrong', () => {
    expect(() => parse({}, { SWARMBUS_LOG_LEVEL: 'loud' })).toThrow(/^SWARMBUS_LOG_LEVEL: must be one of/);
    expect(() => parse({}, { SWARMBUS_LISTEN: '127.0.0.1:1,x' })).toThrow(
      /^SWARMBUS_LISTEN: must be HOST:PORT.* not "x"$/,
    );
    expect(() => parse({}, { SWARMBUS_OPEN: 'maybe' })).toThrow('SWARMBUS_OPEN: must be true or false, not "maybe"');
  });

  it('warn of variables that look like slips, and of no others', () => {
    const env = {
      SWARMBUS_STORR: '1',
      SWARMBUS_SERVICE_HOST: '10.0.0.1',
      SWARMBUS_PORT: 'tcp://10.0.0.1',
      SWARMBUS_URL: 'x',
    };
    expect(parse({}, env).warnings).toEqual(['SWARMBUS_STORR is not read; did you mean SWARMBUS_STORE?']);
  });
});

describe('the YAML file', () => {
  it.each<[string, string, string]>([
    [
      'an unknown name',
      '# mine\nstore: 1MB\nlog-levl: info\n',
      ':3:1: log-levl: there is no such option; did you mean log-level?',
    ],
    ['another form of a name', 'tokenFile: x\n', ':1:1: tokenFile: there is no such option; did you mean token-file?'],
    ['a name unlike any', 'elephants: 12\n', ':1:1: elephants: there is no such option'],
    [
      'a secret',
      'token: abc\n',
      ':1:1: token: there is no such option; secrets are kept in files of their own, use token-file',
    ],
    [
      'a wrong value',
      'name: a\nstore:   lots\n',
      ':2:10: store: must be a size such as 1048576, 256MiB or 1.5GB, not "lots"',
    ],
    [
      'a wrong item',
      'link:\n  - ws://a:1\n  - b\n',
      ':3:5: link.1: must be ws://HOST:PORT or wss://HOST:PORT, not "b"',
    ],
    [
      'a number for a text',
      'name: 12\n',
      ':1:7: name: must be 1 to 64 letters, digits, dots, dashes or underscores, not 12',
    ],
    ['no value', 'swarm:\n', ':1:7: swarm: must be 1 to 64 letters, digits, dots, dashes or underscores, not null'],
    ['an empty list', 'listen: []\n', ':1:9: listen: must name at least one, not []'],
    [
      'broken YAML',
      'name: a\nlisten: [::1\n',
      ':3:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['a name twice', 'name: a\nname: b\n', ':2:1: Map keys must be unique'],
    ['a list at the top', '- a\n', ':1:1: must hold a map of options, such as `listen: 127.0.0.1:7101`'],
    ['a reference to nothing', 'name: *a\n', ':1:1: Unresolved alias (the anchor must be set before the alias): a'],
  ])('says where %s stands', (_, text, message) => {
    const config = file('wrong.yaml', text);
    let said = '';
    try {
      parse({ config });
    } catch (error) {
      said = (error as Error).message;
    }
    expect(said).toBe(config + message);
  });

  it('may be empty, or JSON', () => {
    expect(options({ config: file('empty.yaml', '# nothing\n') })).toEqual(options());
    expect(options({ config: file('a.json', '{"store": "1KB", "link": "ws://a:1"}') })).toMatchObject({
      storeBytesMax: 1000,
      links: ['ws://a:1'],
    });
  });

  it('names files relative to itself', () => {
    file('token', 'secret\n');
    expect(options({ config: file('files.yaml', 'token-file: token\n') }).token).toBe('secret');
  });
});

describe('secrets', () => {
  it('come from a file, trimmed, or from the environment', () => {
    const path = file('secret', '  s3cret\n');
    expect(options({ 'token-file': path, 'link-secret-file': path })).toMatchObject({
      token: 's3cret',
      linkSecret: 's3cret',
    });
    expect(options({}, { SWARMBUS_TOKEN: 'a', SWARMBUS_LINK_SECRET: 'b' })).toMatchObject({
      token: 'a',
      linkSecret: 'b',
    });
    expect(options({}, { SWARMBUS_TOKEN_FILE: path }).token).toBe('s3cret');
    expect(options({ 'token-file': path }, { SWARMBUS_TOKEN: 'a' }).token).toBe('s3cret');
    expect(options({ config: file('s.yaml', 'token-file: secret\n') }, { SWARMBUS_TOKEN: 'a' }).token).toBe('a');
  });

  it('are refused when empty, odd or given twice', () => {
    const empty = file('blank', ' \n');
    expect(() => parse({ 'token-file': empty })).toThrow(
      /blank is empty: put a secret into it, such as the output of `openssl rand -hex 32`$/,
    );
    expect(() => parse({ 'token-file': file('two', 'a\nb\n') })).toThrow(
      /two must hold one line of at most 4096 characters$/,
    );
    expect(() => parse({}, { SWARMBUS_LINK_SECRET: 'ü' })).toThrow('printable ASCII');
    expect(() => parse({}, { SWARMBUS_TOKEN: 'a', SWARMBUS_TOKEN_FILE: empty })).toThrow(
      'SWARMBUS_TOKEN and SWARMBUS_TOKEN_FILE are both set: keep one of them',
    );
  });

  it('warn when everyone can read their file', () => {
    const path = file('public', 'secret', 0o644);
    expect(parse({ 'token-file': path }).warnings).toEqual([`${path} can be read by every user: chmod 600 ${path}`]);
  });

  it('never appear in a message', () => {
    const path = file('quiet', 'the-secret\nsecond line');
    expect(() => parse({ 'token-file': path })).not.toThrow('the-secret');
  });
});

describe('a node beyond loopback', () => {
  it.each(['127.0.0.1:1', '127.8.9.1:1', '[::1]:1', 'localhost:1'])('%s is loopback', (address) => {
    expect(parse({ listen: [address] }).warnings).toEqual([]);
  });

  it.each(['0.0.0.0:1', '[::]:1', '192.168.0.1:1', 'node.example:1', '128.0.0.1:1'])('%s needs a token', (address) => {
    expect(() => parse({ listen: ['127.0.0.1:9', address] })).toThrow(
      `${address} is beyond loopback, and no client token is set: give one by --token-file or SWARMBUS_TOKEN, or serve everyone by --open`,
    );
  });

  it('warns of what is open', () => {
    const listen = ['0.0.0.0:7101'];
    const links =
      'every node that reaches 0.0.0.0:7101 may join the swarm: give a secret by --link-secret-file or SWARMBUS_LINK_SECRET';
    const clients = 'everyone who reaches 0.0.0.0:7101 may read and write: --open is given and no token';
    expect(parse({ listen, open: true }).warnings).toEqual([clients, links]);
    expect(parse({ listen }, { SWARMBUS_TOKEN: 'a' }).warnings).toEqual([links]);
    expect(parse({ listen }, { SWARMBUS_TOKEN: 'a', SWARMBUS_LINK_SECRET: 'b' }).warnings).toEqual([]);
  });

  it('serves wss:// with a key pair', () => {
    const pem = file('pair.pem', '-----BEGIN');
    expect(options({ 'tls-cert': pem, 'tls-key': pem, 'tls-ca': pem })).toMatchObject({
      tls: { certFile: pem, keyFile: pem },
      tlsCaFile: pem,
    });
  });
});

describe('proxies', () => {
  const link = ['ws://a:1', 'wss://b:2'];

  it('of the option are for all links, those of the environment go by scheme', () => {
    expect(options({ link, proxy: 'p:3128' }, { HTTPS_PROXY: 'x:1' }).proxy).toEqual({
      ws: 'http://p:3128/',
      wss: 'http://p:3128/',
      noProxy: '',
    });
    const env = { HTTP_PROXY: 'http://h:1', https_proxy: 's:2', HTTPS_PROXY: 'not:3', ALL_PROXY: 'z:4', NO_PROXY: 'c' };
    expect(parse({ link }, env)).toMatchObject({
      options: { proxy: { ws: 'http://h:1/', wss: 'http://s:2/', noProxy: 'c' } },
      notes: [
        'links to ws:// go through the proxy h:1 (HTTP_PROXY)',
        'links to wss:// go through the proxy s:2 (https_proxy)',
      ],
    });
    expect(options({ link }, { all_proxy: 'z:4', HTTP_PROXY: '' }).proxy).toMatchObject({ ws: 'http://z:4/' });
    expect(parse({ link, proxy: 'none' }, env)).toMatchObject({ options: { proxy: null }, notes: [] });
    expect(parse({}, env)).toMatchObject({ options: { proxy: null }, notes: [] });
    expect(options({ link }, { ...env, NO_PROXY: 'a,b' }).proxy).toBeNull();
  });

  it('are refused by name where a link needs them, and only there', () => {
    expect(() => parse({ proxy: 'socks5://u:hush@p:1' })).toThrow(
      expect.objectContaining({
        message: '--proxy: must be http://[USER:PASSWORD@]HOST:PORT, or none, not "socks5://***@p:1"',
      }),
    );
    expect(() => parse({ link }, { ALL_PROXY: 'socks5://u:hush@p:1' })).toThrow(
      expect.objectContaining({
        message:
          'ALL_PROXY: must be http://[USER:PASSWORD@]HOST:PORT, not "socks5://***@p:1"; --proxy none links without a proxy',
      }),
    );
    expect(options({}, { ALL_PROXY: 'socks5://p:1' }).proxy).toBeNull();
    expect(options({ link: ['ws://a:1'] }, { HTTPS_PROXY: 'socks5://p:1' }).proxy).toBeNull();
    expect(() => parse({ link: ['ws://u:hush@a'] })).toThrow(/not "ws:\/\/\*\*\*@a"$/);
    expect(() => parse({ proxy: 'u:hu/sh@p:1' })).toThrow(/not "\*\*\*@p:1"$/);
  });

  it('get their password from a file or a variable; an argument is warned of', () => {
    const path = file('proxy-auth', 'ada:l@v:e\n');
    const proxy = { ws: 'http://ada:l%40v%3Ae@p:1/', wss: null, noProxy: '' };
    const given = { link: ['ws://a:1'], proxy: 'http://p:1' };
    expect(parse({ ...given, 'proxy-auth-file': path })).toMatchObject({ options: { proxy }, warnings: [] });
    expect(parse(given, { SWARMBUS_PROXY_AUTH: 'ada:l@v:e' })).toMatchObject({ options: { proxy }, warnings: [] });
    expect(options({ ...given, 'proxy-auth-file': path }).proxy).toEqual(proxy);
    const open = { ...given, proxy: 'http://ada:hush@p:1' };
    expect(parse(open).warnings).toEqual([
      'every user of this machine can read the password in --proxy: put it into --proxy-auth-file',
    ]);
    expect(parse(open).notes).toEqual(['links to ws:// go through the proxy p:1 (--proxy)']);
    expect(parse({ link: ['ws://a:1'] }, { SWARMBUS_PROXY: 'http://ada:hush@p:1' }).warnings).toEqual([]);
    expect(() => parse({ ...open, 'proxy-auth-file': path })).toThrow('both hold a password: keep one');
    expect(() => parse(given, { SWARMBUS_PROXY_AUTH: 'ada' })).toThrow('must hold USER:PASSWORD');
    expect(() => parse({ config: file('p.yaml', 'proxy-auth: a:b\n') })).toThrow(/use proxy-auth-file$/);
  });
});
