import { describe, expect, it } from '@jest/globals';
import type { NodeId } from '../../src/store/node-id.js';
import { OwnerTable } from '../../src/store/owner-table.js';

const a = 'A' as NodeId;
const b = 'B' as NodeId;

describe('an owner table', () => {
  it('learns, learns anew and forgets', () => {
    const owners = new OwnerTable(10);
    owners.learn('k', a);
    expect(owners.get('k')?.node).toBe(a);
    owners.learn('k', b);
    expect(owners.get('k')?.node).toBe(b);
    const learned = owners.learn('k', b);
    learned.sentCount = 1;
    expect(owners.learn('k', b)).toBe(learned);
    owners.forget('k');
    owners.forget('k');
    expect(owners.get('k')).toBeUndefined();
    expect(owners.count).toBe(0);
  });

  it.each([4, 500])('is bounded by %d, and keeps what is asked for', (ownersMax) => {
    const owners = new OwnerTable(ownersMax);
    for (let i = 0; i < 5 * ownersMax; i += 1) {
      owners.learn(`k${i}`, a);
      expect(owners.get('k0')?.node).toBe(a);
      expect(owners.count).toBeLessThanOrEqual(ownersMax);
    }
    expect(owners.get('k1')).toBeUndefined();
    // Half of the bound is sure, whatever was asked for before.
    for (let i = 5 * ownersMax - 1; i > 4.5 * ownersMax + 1; i -= 1) expect(owners.get(`k${i}`)?.node).toBe(a);
  });

  it('learns nothing where nothing may be kept', () => {
    const owners = new OwnerTable(0);
    owners.learn('k', a);
    owners.forget('l');
    expect(owners.get('k')).toBeUndefined();
    expect(owners.count).toBe(0);
  });
});
