// Numbers as text.

const MIB = 2 ** 20;

/** Figures for values whose size is not known ahead: three of them, or all before the point. */
function digitsFor(value) {
  const magnitude = Math.abs(value);
  if (magnitude >= 100 || magnitude === 0) return 0;
  return magnitude >= 10 ? 1 : 2;
}

export function decimal(value, digits) {
  if (value === undefined || value === null || !Number.isFinite(value)) return '-';
  const shown = digits ?? digitsFor(value);
  return value.toLocaleString('en', { minimumFractionDigits: shown, maximumFractionDigits: shown });
}

/** Median (least to greatest), or the one value. */
export function withSpread(spread, digits) {
  if (spread === null) return '-';
  const text = (value) => decimal(value, digits ?? digitsFor(spread.median));
  if (spread.count === 1) return text(spread.median);
  return `${text(spread.median)} (${text(spread.min)} to ${text(spread.max)})`;
}

export function bytesText(bytes) {
  return bytes === null || bytes === undefined ? '-' : `${decimal(bytes / MIB, 1)} MiB`;
}

export function reachedText({ reached }) {
  return reached === null ? 'not measured' : withSpread(reached);
}

export function holdsText({ holds }) {
  if (holds === null) return '-';
  return holds ? 'yes' : 'no';
}
