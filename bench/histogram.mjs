// Latencies as the generator counts them: pairs of bucket and count. generator/histogram.h has the layout of buckets,
// which is HdrHistogram's with three figures; what is written here is the text form that its plotter reads.

const STEPS_LOG2 = 10;
/** Lines for each halving of the distance to 100 %, as HdrHistogram writes them. */
const TICKS_PER_HALF = 5;

export const PERCENTILES = { p50: 50, p90: 90, p99: 99, p999: 99.9, p9999: 99.99 };

/** The bucket that a time in nanoseconds falls into. */
export function bucketOf(ns) {
  const shift = Math.max(0, Math.floor(Math.log2(Math.max(1, ns))) - STEPS_LOG2);
  return shift * 2 ** STEPS_LOG2 + Math.floor(ns / 2 ** shift);
}

/** The greatest time in nanoseconds that falls into the bucket. */
export function valueOf(bucket) {
  const shift = Math.floor(bucket / 2 ** STEPS_LOG2) - 1;
  if (shift < 1) return bucket;
  return (bucket - shift * 2 ** STEPS_LOG2 + 1) * 2 ** shift - 1;
}

/** All counts of several histograms together. */
export function mergeBuckets(histograms) {
  const counts = new Map();
  for (const buckets of histograms)
    for (const [bucket, count] of buckets) counts.set(bucket, (counts.get(bucket) ?? 0) + count);
  return [...counts].toSorted(([a], [b]) => a - b);
}

/** The least time in nanoseconds that `percent` of the counted ones don't exceed; null if nothing was counted. */
export function percentileNs(buckets, percent) {
  const total = totalOf(buckets);
  if (total === 0) return null;
  const wanted = Math.max(1, Math.ceil((total * percent) / 100 - 1e-9));
  let sum = 0;
  for (const [bucket, count] of buckets) {
    sum += count;
    if (sum >= wanted) return valueOf(bucket);
  }
  throw new Error('more counts were wanted than there are');
}

/** { p50, p90, ... } in microseconds, and `max`. */
export function latencyUs(buckets) {
  const of = (percent) => (percentileNs(buckets, percent) ?? NaN) / 1000;
  const named = Object.entries(PERCENTILES).map(([name, percent]) => [name, of(percent)]);
  return { ...Object.fromEntries(named), max: of(100) };
}

/** The distribution in HdrHistogram's text form: times in microseconds. */
export function toHgrm(buckets) {
  const total = totalOf(buckets);
  const lines = ['       Value     Percentile TotalCount 1/(1-Percentile)', ''];
  let sum = 0;
  let next = 0;
  for (const [bucket, count] of buckets) {
    sum += count;
    const share = sum / total;
    while (next <= share && next < 1) {
      lines.push(hgrmLine(valueOf(bucket), next, sum));
      const halvings = Math.floor(-Math.log2(1 - next)) + 1;
      next += 2 ** -halvings / TICKS_PER_HALF;
      if (1 - next < 0.5 / total) next = 1;
    }
  }
  const last = buckets.at(-1);
  if (last !== undefined) lines.push(hgrmLine(valueOf(last[0]), 1, total));
  const mean = buckets.reduce((all, [bucket, count]) => all + valueOf(bucket) * count, 0) / total;
  const max = last === undefined ? 0 : valueOf(last[0]);
  lines.push(`#[Mean    = ${us(mean)}, StdDeviation   = ${us(deviation(buckets, mean, total))}]`);
  lines.push(`#[Max     = ${us(max)}, Total count    = ${String(total).padStart(12)}]`);
  lines.push(
    `#[Buckets = ${String(buckets.length).padStart(12)}, SubBuckets     = ${String(2 ** STEPS_LOG2).padStart(12)}]`,
  );
  return `${lines.join('\n')}\n`;
}

function totalOf(buckets) {
  return buckets.reduce((sum, [, count]) => sum + count, 0);
}

function deviation(buckets, mean, total) {
  return Math.sqrt(buckets.reduce((sum, [bucket, count]) => sum + (valueOf(bucket) - mean) ** 2 * count, 0) / total);
}

function hgrmLine(ns, share, count) {
  const inverse = share === 1 ? 'inf' : (1 / (1 - share)).toFixed(2);
  return `${us(ns)} ${share.toFixed(12)} ${String(count).padStart(10)} ${inverse.padStart(14)}`;
}

function us(ns) {
  return (ns / 1000).toFixed(3).padStart(12);
}
