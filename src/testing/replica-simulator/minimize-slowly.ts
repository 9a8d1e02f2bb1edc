/** As `minimize` of the cache's simulator, where each attempt is a promise. */
export const minimizeSlowly = async <T>(
  items: readonly T[],
  attempt: (items: readonly T[]) => Promise<boolean>,
): Promise<void> => {
  let left = items;
  if (left.length > 0 && (await attempt([]))) return;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < left.length;) {
      const without = [...left.slice(0, at), ...left.slice(at + size)];
      if (without.length < left.length && without.length > 0 && (await attempt(without))) left = without;
      else at += size;
    }
  }
};
