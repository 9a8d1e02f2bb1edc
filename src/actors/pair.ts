/** Under which views a home and a member speak with each other: what they say counts under no others (RULES O1, O2). */
export interface Pair {
  readonly homeIncarnation: number;
  readonly homeView: number;
  readonly incarnation: number;
  readonly view: number;
}

export function samePair(a: Pair, b: Pair): boolean {
  return (
    a.view === b.view &&
    a.homeView === b.homeView &&
    a.incarnation === b.incarnation &&
    a.homeIncarnation === b.homeIncarnation
  );
}
