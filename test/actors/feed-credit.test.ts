/** What channels of a node may have on their way. */
import { expect, it } from '@jest/globals';
import { FeedCredit } from '../../src/actors/replica/feed-credit.js';

const KIB = 1024;

it('a channel goes far beyond its own share while nobody else does, and gives back what it was lent', () => {
  const credit = new FeedCredit(256 * KIB, 4096 * KIB);
  const channel = credit.open();
  channel.add(200 * KIB);
  expect([channel.isLeft, credit.lentBytes]).toEqual([true, 0]);
  channel.add(100 * KIB);
  expect([channel.isLeft, credit.lentBytes]).toEqual([true, 44 * KIB]);
  channel.add(4096 * KIB);
  expect([channel.isLeft, credit.lentBytes]).toEqual([false, 4140 * KIB]);
  channel.add(-4200 * KIB);
  expect([channel.isLeft, credit.lentBytes]).toEqual([true, 0]);
});

it('others have their own share while all of the rest is lent', () => {
  const credit = new FeedCredit(256 * KIB, 4096 * KIB);
  const [first, second] = [credit.open(), credit.open()];
  first.add(5000 * KIB);
  expect(second.isLeft).toBe(true);
  second.add(256 * KIB);
  expect(second.isLeft).toBe(false);
  first.clear();
  expect([second.isLeft, credit.lentBytes]).toEqual([true, 0]);
});
