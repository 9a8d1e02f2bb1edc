import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyPattern } from '../../src/cli/load.js';
import { run } from '../../src/cli/program.js';
import { fakeOutside, swarmError, type FakeOptions, type FakeOutside } from './fake-outside.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-load-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Loaded {
  readonly code: number;
  readonly outside: FakeOutside;
  readonly stored: Readonly<Record<string, unknown>>;
}

async function load(name: string, text: string, args: string[], options: FakeOptions = {}): Promise<Loaded> {
  const path = join(folder, name);
  writeFileSync(path, text);
  const outside = fakeOutside(options);
  const code = await run(['load', path, ...args], outside);
  const stored = Object.fromEntries([...outside.store].map(([key, { value }]) => [key, value]));
  return { code, outside, stored };
}

describe('load', () => {
  it('stores the records of a JSON array', async () => {
    const { code, stored, outside } = await load('a.json', '[{"id":1,"a":"x"},{"id":2}]', ['--key', 'city:{id}']);
    expect(code).toBe(0);
    expect(stored).toEqual({ 'city:1': { id: 1, a: 'x' }, 'city:2': { id: 2 } });
    expect(outside.out()).toMatch(/^stored 2 in \d+\.\d s \([\d,]+\/s\)\n$/);
    expect(outside.closed).toBe(true);
  });

  it('stores JSON lines', async () => {
    const { code, stored } = await load('a.jsonl', '\uFEFF{"k":"a","v":1}\r\n\n{"k":"b","v":[2]}', [
      '--key',
      'k',
      '--value',
      'v',
    ]);
    expect(code).toBe(0);
    expect(stored).toEqual({ a: 1, b: [2] });
  });

  it('stores CSV as texts', async () => {
    const text = 'id;name\r\n1;"Köln; am Rhein"\r\n2;Ulm\r\n';
    const { stored } = await load('a.csv', text, ['--key', 'id', '--delimiter', ';']);
    expect(stored).toEqual({ 1: { id: '1', name: 'Köln; am Rhein' }, 2: { id: '2', name: 'Ulm' } });
  });

  it('reads standard input', async () => {
    const outside = fakeOutside({ stdin: '{"k":"a"}\n' });
    expect(await run(['load', '-', '--format', 'jsonl', '--key', 'k'], outside)).toBe(0);
    expect([...outside.store.keys()]).toEqual(['a']);
  });

  it('lets entries expire', async () => {
    const { outside } = await load('ttl.json', '[{"k":1}]', ['--key', 'k', '--ttl', '1h']);
    expect(outside.store.get('1')?.ttlMs).toBe(3_600_000);
  });

  it('takes data as it is', async () => {
    const { stored } = await load('mongo.json', '[{"_id":{"$oid":"x"},"$n":1}]', ['--key', '_id.$oid']);
    expect(stored).toEqual({ x: { _id: { $oid: 'x' }, $n: 1 } });
  });

  it('counts what fails, stores the rest, and ends with 1', async () => {
    const text = '{"k":"a"}\nbroken\n{"x":1}\n{"k":{}}\n{"k":"b"}\n';
    const { code, stored, outside } = await load('some.jsonl', text, ['--key', 'k']);
    expect(code).toBe(1);
    expect(Object.keys(stored)).toEqual(['a', 'b']);
    expect(outside.out()).toMatch(/^stored 2 in/);
    expect(outside.err()).toMatch(/^swarmbus: 3 failed \(3 unreadable\), first line 2: no JSON \(.*\)\n$/);
  });

  it('counts refusals by code', async () => {
    const set = async (key: string) => {
      if (key !== 'b') throw swarmError(key === 'a' ? 'TOO_LARGE' : 'BUSY', `no ${key}`);
      return { stamp: '' };
    };
    const { code, outside } = await load('no.json', '[{"k":"a"},{"k":"b"},{"k":"c"}]', ['--key', 'k'], {
      client: { set },
    });
    expect(code).toBe(1);
    expect(outside.err()).toBe('swarmbus: 2 failed (1 TOO_LARGE, 1 BUSY), first record 1: no a\n');
  });

  it('gives up when nothing succeeds any more', async () => {
    let asked = 0;
    const set = async () => {
      asked += 1;
      throw swarmError('TIMEOUT', 'too late');
    };
    const text = JSON.stringify(Array.from({ length: 5000 }, (_, k) => ({ k })));
    const { code, outside } = await load('gone.json', text, ['--key', 'k'], { client: { set } });
    expect(code).toBe(1);
    expect(asked).toBeLessThan(1500);
    expect(outside.err()).toMatch(/first record 1: too late; gave up after 1,000 failures in a row\n$/);
  });

  it('keeps no more requests open than it may', async () => {
    let open = 0;
    let openMax = 0;
    const set = async () => {
      open += 1;
      openMax = Math.max(openMax, open);
      await new Promise(setImmediate);
      open -= 1;
      return { stamp: '' };
    };
    const text = JSON.stringify(Array.from({ length: 100 }, (_, k) => ({ k })));
    const { code } = await load('many.json', text, ['--key', 'k', '--in-flight', '7'], { client: { set } });
    expect({ code, openMax, open }).toEqual({ code: 0, openMax: 7, open: 0 });
  });

  it('ends in order when interrupted', async () => {
    const outside: FakeOutside = fakeOutside({
      client: {
        set: async (key) => {
          if (key === '10') outside.signal('SIGINT');
          await new Promise(setImmediate);
          return { stamp: '' };
        },
      },
    });
    const path = join(folder, 'long.json');
    writeFileSync(path, JSON.stringify(Array.from({ length: 5000 }, (_, k) => ({ k }))));
    expect(await run(['load', path, '--key', 'k', '--in-flight', '2'], outside)).toBe(130);
    expect(outside.out()).toMatch(/^stored 1[012] in/);
    expect(outside.err()).toBe('swarmbus: interrupted; what was stored stays stored\n');
    expect({ closed: outside.closed, exits: outside.exits }).toEqual({ closed: true, exits: [] });
  });

  it.each<[string, string, string[], number, RegExp]>([
    ['obj.json', '{"a":1}', [], 1, /obj\.json holds no array: for one record per line use --format jsonl$/],
    ['bad.json', '[', [], 1, /bad\.json is no JSON \(.*\): for one record per line use --format jsonl$/],
    ['bad.csv', 'k,b\n"a"1\n', [], 1, /bad\.csv: line 2: after a closing quote .* not 1$/],
    ['twice.csv', 'k,k\n', [], 1, /twice\.csv: the heading names "k" twice$/],
    ['what.txt', '', [], 2, /the name .*what\.txt doesn't say what it holds: use --format json, jsonl or csv$/],
    ['a.csv', '', ['--delimiter', 'ab'], 2, /--delimiter: must be one character, such as ; or \\t, not "ab"$/],
  ])('refuses %s before it asks a node', async (name, text, args, exitCode, message) => {
    const { code, outside } = await load(name, text, ['--key', 'k', ...args]);
    expect(outside.err().trimEnd()).toMatch(message);
    expect({ code, connects: outside.connects }).toEqual({ code: exitCode, connects: [] });
  });

  it('refuses a file that is not there', async () => {
    const outside = fakeOutside();
    expect(await run(['load', 'absent.csv', '--key', 'k'], outside)).toBe(2);
    expect(outside.err()).toBe("swarmbus: absent.csv can't be read (ENOENT: no such file or directory)\n");
  });

  it('tells a quote that is never closed when it is at the end', async () => {
    const { code, outside } = await load('open.csv', 'k\n1\n"2\n', ['--key', 'k']);
    expect(code).toBe(1);
    expect(outside.err()).toMatch(/open\.csv: line 3: the quote is never closed\n$/);
    expect(outside.closed).toBe(true);
  });

  it('tells rows with too few or too many fields by their line', async () => {
    const { code, outside } = await load('ragged.csv', 'k,b\n1\n2,x\n', ['--key', 'k']);
    expect(code).toBe(1);
    expect(outside.err()).toBe('swarmbus: 1 failed (1 unreadable), first line 2: 1 fields where the heading has 2\n');
  });
});

describe('the key of a record', () => {
  const record = { id: 7, name: 'Ulm', loc: { type: 'Point' }, 'a.b': 'dotted', empty: '', none: null };

  it.each([
    ['id', '7'],
    ['name', 'Ulm'],
    ['loc.type', 'Point'],
    ['a.b', 'dotted'],
    ['city:{id}', 'city:7'],
    ['{name}/{loc.type}', 'Ulm/Point'],
  ])('%s is %s', (pattern, key) => expect(keyPattern(pattern)(record)).toBe(key));

  it.each([
    ['absent', 'there is no field absent'],
    ['city:{absent}', 'there is no field absent'],
    ['constructor', 'there is no field constructor'],
    ['loc', 'the field loc is neither a number nor a text'],
    ['empty', 'the field empty is neither a number nor a text'],
    ['none', 'the field none is neither a number nor a text'],
  ])('%s: %s', (pattern, message) => expect(() => keyPattern(pattern)(record)).toThrow(message));

  it('refuses a broken pattern', () =>
    expect(() => keyPattern('city:{id')).toThrow('--key: must be a field or a pattern'));
});
