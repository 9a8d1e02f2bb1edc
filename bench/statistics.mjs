// What is made of several measurements of one thing.

/** Median, least and greatest, and how many; null where something could not be measured. */
export function spread(values) {
  if (values.length === 0 || values.some((value) => value === null || !Number.isFinite(value))) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1), count: sorted.length };
}

/** The values of one thing, by the key that `keyOf` gives, in the order of the first of each. */
export function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** From so many rounds on, ranges say something. */
const ROUNDS_MIN = 3;
/** Below this a change is none, however steady the rounds were. */
const CHANGE_MIN = 0.03;

/**
 * Whether b differs from a beyond noise: their ranges don't overlap, and their medians are farther apart than half of
 * both ranges together, and than 3 %. Null if there are too few rounds to tell.
 */
export function differs(a, b) {
  if (a.count < ROUNDS_MIN || b.count < ROUNDS_MIN) return null;
  const isApart = a.max < b.min || b.max < a.min;
  const distance = Math.abs(a.median - b.median);
  const noise = (a.max - a.min + b.max - b.min) / 2;
  return isApart && distance > noise && distance > CHANGE_MIN * Math.abs(a.median);
}
