import { describe, expect, it } from '@jest/globals';
import type { NodeId } from '../../src/store/node-id.js';
import { OwnerTable } from '../../src/store/owner-table.js';

const a = 'A' as NodeId;
const b = 'B' as NodeId;

describe('an owner table', () => {
  it('learns, learns anew and forgets', () => {
    const owners = new OwnerTable(10);
    owners.learn('k', a);
    expect(owners.get('k')).toBe(a);
    owners.learn('k', b);
    expect(owners.get('k')).toBe(b);
    owners.forget('k');
    owners.forget('k');
    expect(owners.get('k')).toBeUndefined();
    expect(owners.count).toBe(0);
  });

  it.each([3, 100_000])('keeps the %d keys asked for last', (ownersMax) => {
    const owners = new OwnerTable(ownersMax);
    for (let i = 0; i < ownersMax; i += 1) owners.learn(`k${i}`, a);
    owners.get('k0');
    owners.learn('one more', b);
    expect(owners.count).toBe(ownersMax);
    expect(owners.get('k0')).toBe(a);
    expect(owners.get('k1')).toBeUndefined();
  });

  it('learns nothing where nothing may be kept', () => {
    const owners = new OwnerTable(0);
    owners.learn('k', a);
    owners.forget('l');
    expect(owners.get('k')).toBeUndefined();
    expect(owners.count).toBe(0);
  });
});
