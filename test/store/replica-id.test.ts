import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseScheme } from '../../src/store/replica-id.js';
import type { Level, ReplicaId, Scheme } from '../../src/store/replica-id.js';

const scheme = (text: string): Scheme => {
  const parsed = parseScheme(text);
  if (parsed === null) throw new Error(`no scheme ${text}`);
  return parsed;
};
const id = (text: string, of: string): ReplicaId => {
  const parsed = scheme(of).parse(text);
  if (parsed === null) throw new Error(`no id ${text}`);
  return parsed;
};

describe('schemes', () => {
  it.each(['0280', '0262', '0163', '1261', '0172', '1234', '2350'])('[R6] %s is one', (text) => {
    expect(parseScheme(text)?.text).toBe(text);
    expect(parseScheme(text)?.hasSessions).toBe(!text.endsWith('0'));
  });

  it.each(['', '028', '02800', '0263', '0082', '0802', '1900', 'abcd', '-1+2'])('%j is none', (text) => {
    expect(parseScheme(text)).toBeNull();
  });
});

describe('replica ids', () => {
  it('[R6] Xgritzk0_D in 0163 is a session of gritzk at X', () => {
    const of = scheme('0163');
    const session = id('Xgritzk0_D', '0163');
    expect(of.chunksOf(session)).toEqual({ primus: '', peer: 'X', client: 'gritzk', session: '0_D' });
    expect(of.levelOf(session)).toBe('session');
    expect(of.isReplica(session)).toBe(true);
    expect(of.peerOf(session)).toBe('X');
    expect(of.clientOf(session)).toBe('Xgritzk');
    expect(of.isSessionOf(session, id('Xgritzk', '0163'))).toBe(true);
    expect(of.isSessionOf(session, id('Xgritz', '0163'))).toBe(false);
    expect(of.isSessionOf(session, id('Ygritzk', '0163'))).toBe(false);
    expect(of.isSessionOf(session, session)).toBe(false);
    expect(of.isUnder(session, id('X', '0163'))).toBe(true);
    expect(of.isPeer(id('X', '0163'))).toBe(true);
  });

  it('[R6] a client of eight characters in 0262 is no replica by itself', () => {
    const of = scheme('0262');
    const client = id('X0abcdef', '0262');
    expect([of.levelOf(client), of.isReplica(client)]).toEqual(['client', false]);
    expect(of.isReplica(id('X0abcdef01', '0262'))).toBe(true);
    expect(scheme('0280').isReplica(id('X0abcdef', '0280'))).toBe(true);
  });

  it('[R6] have no zero before a filled chunk', () => {
    expect(scheme('0262').parse('X000000001')).toBeNull();
    expect(scheme('0262').parse('00abcdef01')).toBeNull();
    expect(scheme('1261').parse('0XXabc')).toBeNull();
    expect(scheme('1261').parse('P00a')).toBeNull();
    expect(scheme('1261').peerOf(id('P', '1261'))).toBeNull();
    expect(scheme('1261').levelOf(id('P', '1261'))).toBe('primus');
    for (const text of ['', '0', '~', '~~~~~~~~~~', 'X0', 'X!', 'Xgritzk0_D1'])
      expect(scheme('0163').parse(text)).toBeNull();
  });

  it('are composed of what they have', () => {
    const schemes = fc.constantFrom('0280', '0262', '0163', '1261', '0172').map(scheme);
    fc.assert(
      fc.property(schemes, fc.array(fc.maxSafeNat(), { minLength: 4, maxLength: 4 }), fc.nat(3), (of, draws, depth) => {
        const levels = (['primus', 'peer', 'client', 'session'] as Level[]).filter((level) => of.widthOf(level) > 0);
        const filled = levels.slice(0, depth + 1);
        const chunks = Object.fromEntries(
          filled.map((level, i) => [level, of.chunkOf(level, 1 + ((draws[i] ?? 0) % of.countOf(level)))]),
        );
        // The peer `~` alone is reserved: never.
        fc.pre(Object.values(chunks)[0] !== '~');
        const whole = of.compose(chunks);
        expect(of.parse(whole)).toBe(whole);
        expect(of.chunksOf(whole)).toEqual({ primus: '', peer: '', client: '', session: '', ...chunks });
        expect(of.levelOf(whole)).toBe(filled.at(-1));
        for (let i = 1; i <= filled.length; i += 1) {
          const above = of.compose(Object.fromEntries(filled.slice(0, i).map((level) => [level, chunks[level]])));
          expect(of.isUnder(whole, above)).toBe(true);
          if (filled[i - 1] === 'peer') expect(of.peerOf(whole)).toBe(above);
          if (filled[i - 1] === 'client') expect(of.clientOf(whole)).toBe(above);
        }
        for (const [i, level] of filled.entries()) {
          expect(of.numberOf(level, chunks[level] ?? '')).toBe(1 + ((draws[i] ?? 0) % of.countOf(level)));
        }
      }),
    );
  });

  it('are not composed of what is none', () => {
    const of = scheme('0163');
    expect(() => of.compose({ client: 'abc' })).toThrow(RangeError);
    expect(() => of.compose({ peer: 'XY' })).toThrow(RangeError);
    expect(() => of.compose({ peer: '!' })).toThrow(RangeError);
    expect(() => of.compose({})).toThrow(RangeError);
    expect(() => of.chunkOf('session', 0)).toThrow(RangeError);
    expect(() => of.chunkOf('session', 64 ** 3)).toThrow(RangeError);
    expect([of.chunkOf('session', 1), of.chunkOf('session', 64)]).toEqual(['001', '01']);
    expect([of.numberOf('session', '0'), of.numberOf('session', '0001'), of.numberOf('session', '!')]).toEqual([
      NaN,
      NaN,
      NaN,
    ]);
  });
});
