import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { VERSION } from '../../src/version.js';
import { runCommand } from './fake-outside.js';

const commands = ['node', 'get', 'set', 'delete', 'ping', 'topology', 'inspect', 'load', 'db', 'id', 'demo'];

describe('the command line', () => {
  it('knows its version, which is the package’s', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(VERSION).toBe(version);
    expect(await runCommand(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it('explains itself', async () => {
    const { code, out, err } = await runCommand(['--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of commands) expect(out).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(out).toContain('Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unreachable, 4 missing.');
  });

  it.each(commands)('explains %s, with examples', async (command) => {
    const explained = await runCommand([command, '--help']);
    expect(explained).toMatchObject({ code: 0, err: '' });
    expect(explained.out).toContain(`Usage: swarmbus ${command}`);
    expect(explained.out).toContain(`  $ `);
    expect(await runCommand(['help', command])).toEqual(explained);
  });

  it('without a command explains itself and fails', async () => {
    const { code, out, err } = await runCommand([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Commands:');
  });

  it.each<[string[], string]>([
    [['gett', 'k'], "unknown command 'gett' (Did you mean get?); see `swarmbus --help`"],
    [['--foo'], "unknown option '--foo'; see `swarmbus --help`"],
    [['get'], "missing required argument 'key'; see `swarmbus get --help`"],
    [
      ['touch', 'a', '1', 'b'],
      "too many arguments for 'touch'. Expected 2 arguments but got 3; see `swarmbus touch --help`",
    ],
    [['get', 'a', '--rwa'], "unknown option '--rwa' (Did you mean --raw?); see `swarmbus get --help`"],
    [['get', ''], 'a key has at least one character'],
    [['get', 'k', '--raw', '--meta'], '--raw and --meta exclude each other: keep one of them'],
    [['get', 'k', '--url', 'localhost:7101'], '--url: must be ws://HOST:PORT or wss://HOST:PORT, not "localhost:7101"'],
    [
      ['get', 'k', '--timeout', '0'],
      '--timeout: must be a duration such as 500 (milliseconds), 5s, 10m or 1h, not "0"',
    ],
    [
      ['get', 'k', '--token', 'x'],
      "unknown option '--token': secrets are no arguments, since others can see those; use --token-file",
    ],
    [['inspect', 'x'], "what must be one of node, topology, counters, actors, not 'x'; see `swarmbus inspect --help`"],
    [['help', 'ste'], "unknown command 'ste'; did you mean set?; see `swarmbus --help`"],
    [
      ['set', 'k', 'two', 'words'],
      "too many arguments for 'set'. Expected 2 arguments but got 3: put quotes around a value with blanks; see `swarmbus set --help`",
    ],
    [
      ['set', 'k', 'word'],
      `the value is no JSON (Unexpected token 'w', "word" is not valid JSON): texts need quotes that the shell leaves alone, '"text"', or --string`,
    ],
    [
      ['set', 'k', '[1, -9007199254740993]'],
      'the value holds -9007199254740993, which would be rounded: write {"$int": "-9007199254740993"} up to 64 bits',
    ],
    [['set', 'k', '1', '--if-stamp', 'x'], '--if-stamp: must be a stamp as get --meta prints it, not "x"'],
    [['incr', 'k', '9007199254740993'], 'by: must be a whole number within 2^53, not "9007199254740993"'],
    [['incr', 'k', 'two'], 'by: must be a whole number within 2^53, not "two"'],
    [['touch', 'k', 'x'], 'ttl: must be 0, or a duration such as 500 (milliseconds), 5s, 10m or 1h, not "x"'],
    [['set', 'k'], "missing required argument 'value'; see `swarmbus set --help`"],
    [
      ['set', 'k', 'v', '--ttl', 'soon'],
      '--ttl: must be a duration such as 500 (milliseconds), 5s, 10m or 1h, not "soon"',
    ],
    [['ping', '--count', '0'], '--count: must be a whole number from 1 to 1000000, not "0"'],
    [
      ['topology', '--format', 'x'],
      "--format must be one of text, json, mermaid, not 'x'; see `swarmbus topology --help`",
    ],
    [['load', 'a.csv'], "required option '--key <FIELD>' not specified; see `swarmbus load --help`"],
    [
      ['node', '--token', 'abc'],
      "unknown option '--token': secrets are no arguments, since others can see those; use --token-file",
    ],
    [['node', '--stor', '1'], "unknown option '--stor' (Did you mean --store?); see `swarmbus node --help`"],
    [['node', '--store', 'x'], '--store: must be a size such as 1048576, 256MiB or 1.5GB, not "x"'],
    [['demo', '--port', '65535'], '--port: must be a whole number from 1 to 65533, not "65535"'],
  ])('%j is a usage error of one line', async (args, message) => {
    expect(await runCommand(args)).toEqual({ code: 2, out: '', err: `swarmbus: ${message}\n` });
  });
});
