import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { WebSocket } from 'ws';
import * as browser from '../../src/client/browser.js';
import * as nodejs from '../../src/client/index.js';
import { FakeNode } from './fake-node.js';

const globals = globalThis as { WebSocket?: unknown; location?: unknown };
const before = { WebSocket: globals.WebSocket, location: globals.location };
afterEach(() => {
  globals.WebSocket = before.WebSocket;
  if (before.location === undefined) delete globals.location;
});

describe('the browser entry', () => {
  it('exports what the one for Node exports', () => {
    // But for where replicas are kept.
    const others = (exports: object, own: string): string[] =>
      Object.keys(exports)
        .filter((name) => name !== own)
        .sort();
    expect(others(browser, 'indexedDbStorage')).toEqual(others(nodejs, 'fileStorage'));
  });

  it('uses the global WebSocket', async () => {
    await using node = await FakeNode.start();
    globals.WebSocket = WebSocket;
    await using client = await browser.connect(node.url);
    await client.set('k', 'v');
    expect(await client.get('k')).toBe('v');
  });

  it('says what to do where there is none', async () => {
    delete globals.WebSocket;
    const error = await browser.connect('ws://127.0.0.1:1', { connectTimeoutMs: 30 }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('option `WebSocket`') });
  });

  it('explains a failure that the browser keeps silent about', async () => {
    globals.location = new URL('http://page.example/');
    globals.WebSocket = class {
      addEventListener(type: string, listener: (event: object) => void): void {
        if (type === 'close') setTimeout(() => listener({ code: 1006, reason: '' }), 1);
      }
      close(): void {}
    };
    const error = await browser.connect('ws://127.0.0.1:7101', { connectTimeoutMs: 30 }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('Local Network Access') });
  });

  it('bundles without anything of Node, and runs under a strict content policy', () => {
    const options = ['--bundle', '--format=esm', '--minify', '--log-level=error'];
    const bundle = execFileSync('node_modules/.bin/esbuild', ['src/client/browser.ts', ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(bundle).not.toMatch(/\beval\(|new Function|\brequire\(|["']node:|["']ws["']/);
    expect(bundle).toContain('as connect');
    expect(bundle.length).toBeLessThan(132_000);
  });
});
