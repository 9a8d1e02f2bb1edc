import { describe, expect, it } from '@jest/globals';
import { UrlList, isUrl, isUsable } from '../../src/client/url-list.js';

const BACKOFF = { minMs: 100, maxMs: 1000 };
/** Leaves every list in its order. */
const unshuffled = (): number => 0.999_999;

function takeUrls(list: UrlList, count: number, nowMs = 0): string[] {
  return Array.from({ length: count }, () => list.next(nowMs).url);
}

describe('UrlList', () => {
  it('goes over all addresses in each round, the last good one first', () => {
    const list = new UrlList(['ws://a', 'ws://b', 'ws://c'], BACKOFF, unshuffled);
    expect(takeUrls(list, 4)).toEqual(['ws://a', 'ws://b', 'ws://c', 'ws://a']);
    list.succeed('ws://c');
    expect(takeUrls(list, 4)).toEqual(['ws://c', 'ws://a', 'ws://b', 'ws://c']);
  });

  it('shuffles, so that clients spread', () => {
    const urls = ['ws://a', 'ws://b', 'ws://c'];
    const firsts = Array.from({ length: 100 }, () => new UrlList(urls, BACKOFF, Math.random).next(0).url);
    expect(new Set(firsts)).toEqual(new Set(urls));
  });

  it('begins at once, and waits longer before each round', () => {
    const list = new UrlList(['ws://a', 'ws://b'], BACKOFF, () => 0.5);
    const waits = Array.from({ length: 14 }, () => list.next(0).waitMs);
    expect(waits).toEqual([0, 0, 50, 0, 100, 0, 200, 0, 400, 0, 500, 0, 500, 0]);
    list.succeed('ws://a');
    expect(list.next(0).waitMs).toBe(500);
    list.succeed('ws://a');
    list.settle();
    expect(list.next(0).waitMs).toBe(50);
  });

  it('keeps away from a node that leaves, and goes where it was sent', () => {
    const list = new UrlList(['ws://a', 'ws://b'], BACKOFF, unshuffled);
    list.succeed('ws://a');
    list.leave('ws://a', 500, ['ws://z']);
    expect(takeUrls(list, 4)).toEqual(['ws://z', 'ws://b', 'ws://z', 'ws://b']);
    expect(takeUrls(list, 3, 500)).toEqual(['ws://z', 'ws://a', 'ws://b']);
  });

  it('waits for the first that may be tried again if there is no other', () => {
    const list = new UrlList(['ws://a', 'ws://b'], BACKOFF, unshuffled);
    list.leave('ws://a', 9000, []);
    list.leave('ws://b', 5000, []);
    expect(list.next(1000)).toEqual({ url: 'ws://b', waitMs: 4000 });
    expect(list.next(5000).url).toBe('ws://b');
  });

  it('learns only so many addresses', () => {
    const list = new UrlList(['ws://a'], BACKOFF, unshuffled);
    list.leave(
      'ws://a',
      1,
      Array.from({ length: 1000 }, (_, i) => `ws://z${i}`),
    );
    expect(new Set(takeUrls(list, 100)).size).toBe(16);
  });
});

it.each<[unknown, boolean]>([
  ['ws://127.0.0.1:7101', true],
  ['wss://node.example/', true],
  ['http://127.0.0.1', false],
  ['ws://a#b', false],
  ['a', false],
  [7, false],
])('%p as an address: %p', (text, expected) => {
  expect(isUrl(text)).toBe(expected);
});

it('a node on an encrypted connection may not send clients to an open one', () => {
  expect(isUsable('ws://b', 'wss://a')).toBe(false);
  expect(isUsable('wss://b', 'wss://a')).toBe(true);
  expect(isUsable('ws://b', 'ws://a')).toBe(true);
});
