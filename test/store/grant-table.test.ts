import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FOREVER, GrantTable } from '../../src/store/grant-table.js';
import type { Grant, GrantLimits } from '../../src/store/grant-table.js';
import { parseScheme } from '../../src/store/replica-id.js';
import { packValue } from '../../src/transport/msgpack.js';
import type { Scheme } from '../../src/store/replica-id.js';

const limits = (scheme: string, grantsMax = 1000): GrantLimits => ({
  scheme: parseScheme(scheme) as Scheme,
  intervalTime: 100,
  skewTime: 10,
  grantsMax,
});

describe('sessions', () => {
  it('[RF] are granted for an interval and renewed by contact', () => {
    const table = new GrantTable(limits('0262'));
    const grant = table.grant('abc', 1000, 5) as Grant;
    expect(grant).toEqual({ number: 6, fromTime: 1000, untilTime: 1100 });
    expect(table.find('abc', 6)).toEqual(grant);
    expect(table.renew('abc', 6, 1000, 1050)?.untilTime).toBe(1150);
    expect(table.renew('abc', 6, 1020, 1000)?.untilTime).toBe(1150);
    expect(table.renew('abc', 6, 999, 1060)).toBeNull();
    expect(table.renew('abc', 6, 1151, 1060)).toBeNull();
    expect(table.renew('abd', 6, 1000, 1060)).toBeNull();
    expect(table.find('abd', 6)).toBeNull();
    // Late, but nobody has it meanwhile.
    expect(table.renew('abc', 6, 1020, 5000)).toEqual({ number: 6, fromTime: 1000, untilTime: 5100 });
  });

  it('[RF] are given to another one only after the interval and the skew', () => {
    const table = new GrantTable(limits('0271'));
    for (let i = 0; i < 63; i += 1) expect(table.grant('abc', 1000 + i, 0)?.number).toBe(i + 1);
    expect(table.grant('abc', 1110, 0)).toBeNull();
    expect(table.grant('abd', 1110, 0)?.number).toBe(1);
    expect(table.grant('abc', 1111, 0)).toEqual({ number: 1, fromTime: 1111, untilTime: 1211 });
    expect(table.renew('abc', 1, 1050, 1112)).toBeNull();
  });

  it('[RF] where a scheme has none, a client has its one replica for ever', () => {
    const table = new GrantTable(limits('0280'));
    expect(table.grant('abc', 1000, 3)).toEqual({ number: 0, fromTime: 1000, untilTime: FOREVER });
    expect(table.grant('abc', 1e9, 3)).toBeNull();
    expect(table.renew('abc', 0, 1e6, 2e6)?.untilTime).toBe(FOREVER);
    expect(GrantTable.decode(table.encode(), limits('0280'))?.encode()).toEqual(table.encode());
  });

  it('[RF] are bounded: what ended may be forgotten, and what is forgotten stays below', () => {
    const table = new GrantTable(limits('0262', 2));
    table.grant('a', 1000, 0);
    table.grant('b', 1050, 0);
    expect(table.grant('c', 1100, 0)).toBeNull();
    expect(table.grant('c', 1111, 0)?.fromTime).toBe(1111);
    expect([table.count, table.hasClient('a'), table.hasClient('b')]).toEqual([2, false, true]);
    // The clock is set back.
    const again = GrantTable.decode(table.encode(), limits('0262', 10)) as GrantTable;
    expect(again.grant('a', 500, 0)?.fromTime).toBe(1111);
  });

  it('[RF] never make a stamp twice, whoever comes and goes, through restarts too', () => {
    const step = fc.record({
      kind: fc.constantFrom('new', 'new', 'write', 'write', 'renew', 'restart', 'wait'),
      who: fc.nat(200),
      time: fc.nat(120),
      draw: fc.nat(70),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), fc.constantFrom(20, 1000), (steps, grantsMax) => {
        const some = limits('0271', grantsMax);
        // The client `a` has three sessions left, which are taken and given again.
        let table = GrantTable.decode(
          packValue([0, grantsMax === 20 ? [] : [['a', Array.from({ length: 60 }, (_, i) => [i + 4, 0, FOREVER])]]]),
          some,
        ) as GrantTable;
        let now = 1000;
        /** Clients hold their grants, and don't know whether somebody else has them. */
        const holders: { client: string; grant: Grant; last: number }[] = [];
        const written = new Map<string, number>();
        /** The last stamp that each id may have had. */
        const ends = new Map<string, number>();
        for (const { kind, who, time, draw } of steps) {
          const holder = holders[who % (holders.length || 1)];
          if (kind === 'new') {
            const client = who % 3 === 0 ? 'a' : 'b';
            const grant = table.grant(client, now, draw % 3);
            if (grant === null) continue;
            const id = `${client}/${grant.number}`;
            expect(grant.fromTime).toBeGreaterThan((ends.get(id) ?? -Infinity) + some.skewTime);
            ends.set(id, grant.untilTime);
            holders.push({ client, grant, last: grant.fromTime });
          } else if (kind === 'wait') now += time;
          else if (kind === 'restart') table = GrantTable.decode(table.encode(), some) as GrantTable;
          else if (holder === undefined) continue;
          else if (kind === 'renew') {
            const grant = table.renew(holder.client, holder.grant.number, holder.last, now);
            if (grant === null) holders.splice(holders.indexOf(holder), 1);
            else {
              holder.grant = grant;
              ends.set(`${holder.client}/${grant.number}`, grant.untilTime);
            }
          } else {
            // Within what it holds, and as far as clocks may differ.
            const stamp = Math.max(holder.last + 1, now - 10 + (time % 21));
            if (stamp > holder.grant.untilTime) continue;
            const name = `${holder.client}/${holder.grant.number}/${stamp}`;
            expect(written.has(name)).toBe(false);
            written.set(name, stamp);
            holder.last = stamp;
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are back from their bytes, and from no others', () => {
    const table = new GrantTable(limits('0262'));
    table.grant('a', 1000, 0);
    table.grant('a', 1001, 0);
    table.grant('b', 1002, 9);
    const bytes = table.encode();
    const again = GrantTable.decode(bytes, limits('0262'));
    expect(again?.encode()).toEqual(bytes);
    expect([again?.count, again?.find('b', 10)]).toEqual([3, { number: 10, fromTime: 1002, untilTime: 1102 }]);
    expect(GrantTable.decode(bytes, limits('0262', 2))).toBeNull();
    expect(GrantTable.decode(bytes, limits('0280'))).toBeNull();
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.nat(), (at, byte, cut) => {
        const mutated = Uint8Array.from(bytes);
        mutated[at % bytes.length] = byte;
        GrantTable.decode(mutated, limits('0262'));
        expect(GrantTable.decode(bytes.subarray(0, cut % bytes.length), limits('0262'))).toBeNull();
      }),
    );
  });
});
