/** Sizes and durations as people write them: 256MiB, 10KB, 5s, 1h. KB = 1000, KiB = 1024. */

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};
const DURATION_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  MS: 1,
  S: 1e3,
  M: 60e3,
  MIN: 60e3,
  H: 3600e3,
  D: 24 * 3600e3,
};

export const SIZE_FORM = 'a size such as 1048576, 256MiB or 1.5GB';
export const DURATION_FORM = 'a duration such as 500 (milliseconds), 5s, 10m or 1h';

/** Whole bytes, or undefined if the text is no size. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_UNITS);
}

/** Whole milliseconds, or undefined if the text is no duration. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_UNITS);
}

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit] = /^(\d{1,16}(?:\.\d{1,9})?) ?([A-Za-z]{0,3})$/.exec(text.trim()) ?? [];
  const factor = units[unit?.toUpperCase() ?? 'none'];
  if (digits === undefined || factor === undefined) return undefined;
  const amount = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(amount) ? amount : undefined;
}

export function formatSize(bytes: number): string {
  const units = ['GiB', 'MiB', 'KiB'];
  for (const [i, unit] of units.entries()) {
    const factor = 2 ** (10 * (units.length - i));
    if (bytes >= factor) return `${Number((bytes / factor).toFixed(1))} ${unit}`;
  }
  return `${bytes} B`;
}
