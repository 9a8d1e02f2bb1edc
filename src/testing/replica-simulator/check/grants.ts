/** No two writers write under one replica id at the same time (RULES RF). */
import type { Granted } from '../evidence.js';

export const checkGrants = (grants: readonly Granted[]): string[] => {
  const found: string[] = [];
  const byReplica = new Map<string, Granted[]>();
  for (const grant of grants) {
    const same = byReplica.get(grant.replica) ?? [];
    byReplica.set(grant.replica, same);
    const rival = same.find(
      ({ writer, fromTime, untilTime }) =>
        writer !== grant.writer && fromTime < grant.untilTime && grant.fromTime < untilTime,
    );
    if (rival !== undefined) found.push(`${grant.replica} was granted to writers ${rival.writer} and ${grant.writer}`);
    same.push(grant);
  }
  return found;
};
