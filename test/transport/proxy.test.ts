import { describe, expect, it } from '@jest/globals';
import { credentialsOf, proxyFor, proxyUrl } from '../../src/transport/proxy.js';

describe('a proxy', () => {
  it('is a plain HTTP URL, or a host with its port', () => {
    for (const [text, href] of [
      ['http://p:3128', 'http://p:3128/'],
      ['http://p', 'http://p/'],
      ['p:3128', 'http://p:3128/'],
      ['http://u:p%40ss@[::1]:8080/', 'http://u:p%40ss@[::1]:8080/'],
    ] as const)
      expect(proxyUrl(text)?.href).toBe(href);
    const wrong = ['', 'https://p:1', 'socks5://p:1', 'http://', 'http://p:99999', 'http://p/x', 'http://p?x', 'a b'];
    for (const text of [...wrong, 'http://u:%E0%A4@p']) expect([text, proxyUrl(text)]).toEqual([text, null]);
  });

  it('hears user and password as they are, not as URLs write them', () => {
    expect(credentialsOf(new URL('http://u:p%40s%3As@h'))).toBe('u:p@s:s');
    expect(credentialsOf(new URL('http://u@h'))).toBe('u:');
    expect(credentialsOf(new URL('http://h'))).toBeNull();
  });

  it('is chosen by the scheme of the link', () => {
    const proxies = { ws: 'http://a:1', wss: 'http://b:2', noProxy: '' };
    const hostFor = (url: string, given: Parameters<typeof proxyFor>[1] = proxies) =>
      proxyFor(new URL(url), given)?.host ?? null;
    expect([hostFor('ws://n:7101'), hostFor('wss://n:7101')]).toEqual(['a:1', 'b:2']);
    expect(hostFor('ws://n', null)).toBeNull();
    expect(hostFor('ws://n', { ...proxies, ws: null })).toBeNull();
    expect(proxyFor(new URL('ws://n'), { ...proxies, ws: 'socks://x' })).toBeUndefined();
  });

  it.each<[string, string, boolean]>([
    ['', 'ws://localhost:1', false],
    ['*', 'ws://n:1', true],
    [' , ', 'ws://n:1', false],
    ['example.com', 'ws://example.com:1', true],
    ['example.com', 'ws://a.b.example.com:1', true],
    ['.example.com', 'ws://a.example.com', true],
    ['*.example.com', 'ws://a.example.com', true],
    ['EXAMPLE.com.', 'ws://Example.COM', true],
    ['example.com', 'ws://badexample.com', false],
    ['example.com', 'ws://example.com.evil', false],
    ['other,  example.com', 'ws://example.com', true],
    ['other example.com', 'ws://example.com', true],
    ['n:7101', 'ws://n:7101', true],
    ['n:7101', 'ws://n:7102', false],
    ['n:80', 'ws://n', true],
    ['n:443', 'wss://n', true],
    ['n:443', 'ws://n', false],
    ['127.0.0.1', 'ws://127.0.0.1:7101', true],
    ['127.0.0.1', 'ws://127.0.0.2:7101', false],
    ['localhost', 'ws://127.0.0.1:7101', false],
    ['127.0.0.0/8', 'ws://127.9.9.9:7101', true],
    ['10.0.0.0/8', 'ws://11.0.0.1', false],
    ['10.0.0.0/33', 'ws://10.0.0.1', false],
    ['10.0.0.0/8', 'ws://ten.example', false],
    ['[::1]', 'ws://[::1]:7101', true],
    ['::1', 'ws://[::1]:7101', true],
    ['[::1]:7101', 'ws://[::1]:7101', true],
    ['[::1]:7102', 'ws://[::1]:7101', false],
    ['fd00::/8', 'ws://[fd12::1]:1', true],
    ['fd00::/8', 'ws://[fe80::1]:1', false],
  ])('NO_PROXY=%j for %s: %p', (noProxy, url, isDirect) => {
    expect(proxyFor(new URL(url), { ws: 'p:1', wss: 'p:1', noProxy }) === null).toBe(isDirect);
  });
});
