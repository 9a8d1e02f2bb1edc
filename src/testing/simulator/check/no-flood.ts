/** A settled swarm that is asked for what it has been asked for before does not search. */
export const checkNoFlood = (searchesWhenSettled: number): string[] =>
  searchesWhenSettled === 0 ? [] : [`${searchesWhenSettled} searches in a settled swarm`];
