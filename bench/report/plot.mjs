// Plots as inline SVG: bars, and lines over linear, logarithmic or percentile axes. Everything that is text is escaped;
// colours come from the page's style sheet, so that a page can be dark.

import { decimal } from './text.mjs';

const WIDTH = 640;
const HEIGHT = 300;
const MARGIN = { left: 64, right: 16, top: 16, bottom: 40 };
const BAR_HEIGHT = 18;
const BAR_GAP = 6;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 190;
const TICKS = 5;
/** Classes c0 to c7 of the style sheet. */
const COLOURS = 8;
const OWN_COLOURS = {
  swarmbus: 0,
  'redis-server': 1,
  nats: 2,
  bare: 3,
  'swarmbus-1-hop': 4,
  'swarmbus-ws': 5,
  'nats-leaf': 6,
};

export function escapeText(text) {
  return String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** The same system has the same colour everywhere; others take what is left, in their order. */
export function colourClass(name, index) {
  return `c${OWN_COLOURS[name] ?? (index + 3) % COLOURS}`;
}

/** Bars from left to right, one below the other: { name, value, min, max, note }. */
export function barChart({ title, bars }) {
  const most = Math.max(...bars.map(({ value, max = value }) => Math.max(value, max)), Number.MIN_VALUE);
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const x = (value) => LABEL_WIDTH + (value / most) * room;
  const height = bars.length * (BAR_HEIGHT + BAR_GAP) + BAR_GAP;
  const rows = bars.map(({ name, value, min = value, max = value, note = '' }, i) => {
    const y = BAR_GAP + i * (BAR_HEIGHT + BAR_GAP);
    const middle = y + BAR_HEIGHT / 2;
    const shown = `${decimal(value)}${note === '' ? '' : ` (${note})`}`;
    return (
      `<text class="label" x="${LABEL_WIDTH - 8}" y="${middle}" text-anchor="end">${escapeText(name)}</text>` +
      `<rect class="fill ${colourClass(name, i)}" x="${LABEL_WIDTH}" y="${y}" width="${fixed(x(value) - LABEL_WIDTH)}" height="${BAR_HEIGHT}" rx="2">` +
      `<title>${escapeText(`${name}: ${decimal(value)}, ${decimal(min)} to ${decimal(max)}`)}</title></rect>` +
      `<line class="range" x1="${fixed(x(min))}" x2="${fixed(x(max))}" y1="${middle}" y2="${middle}"/>` +
      `<text class="value" x="${fixed(x(Math.max(value, max)) + 8)}" y="${middle}">${escapeText(shown)}</text>`
    );
  });
  return figure(title, '', `0 0 ${WIDTH} ${height}`, rows.join(''));
}

/**
 * Lines through points [x, y]. `xScale` is 'linear', 'log' or 'percentile' (of percents, denser towards 100), `yScale`
 * 'linear' or 'log'. `marks` are upright lines: { x, label }.
 */
export function lineChart({ title, xLabel, yLabel, series, xScale = 'linear', yScale = 'linear', marks = [] }) {
  const points = series.flatMap((one) => one.points);
  const x = axis(
    xScale,
    points.map((point) => point[0]),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const y = axis(
    yScale,
    points.map((point) => point[1]),
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const parts = [
    ...y.ticks.map(
      ({ at, text }) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${fixed(at)}" y2="${fixed(at)}"/>` +
        `<text class="tick" x="${MARGIN.left - 6}" y="${fixed(at)}" text-anchor="end">${text}</text>`,
    ),
    ...x.ticks.map(
      ({ at, text }) =>
        `<text class="tick" x="${fixed(at)}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${text}</text>`,
    ),
    ...marks.map(
      ({ x: value, label }, i) =>
        `<line class="mark" x1="${fixed(x.place(value))}" x2="${fixed(x.place(value))}" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}"/>` +
        `<text class="tick" x="${fixed(x.place(value) + 4)}" y="${MARGIN.top + 6 + 14 * (i % 4)}">${escapeText(label)}</text>`,
    ),
    ...series.map(({ name, points: own }, i) => {
      const path = own.map(([a, b], n) => `${n === 0 ? 'M' : 'L'}${fixed(x.place(a))} ${fixed(y.place(b))}`).join('');
      const dots = own.length > 40 ? '' : own.map(([a, b]) => dot(name, i, x.place(a), y.place(b), a, b)).join('');
      return `<path class="line ${colourClass(name, i)}" d="${path}"><title>${escapeText(name)}</title></path>${dots}`;
    }),
    `<text class="axis" x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeText(xLabel)}</text>`,
    `<text class="axis" x="14" y="${HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 ${HEIGHT / 2})">${escapeText(yLabel)}</text>`,
  ];
  const legend = series.map(({ name }, i) => `<span><i class="${colourClass(name, i)}"></i>${escapeText(name)}</span>`);
  return figure(title, `<div class="legend">${legend.join('')}</div>`, `0 0 ${WIDTH} ${HEIGHT}`, parts.join(''));
}

function figure(title, legend, viewBox, content) {
  const label = escapeText(title);
  return (
    `<figure><figcaption>${label}</figcaption>${legend}` +
    `<svg viewBox="${viewBox}" role="img" aria-label="${label}">${content}</svg></figure>`
  );
}

function dot(name, index, cx, cy, a, b) {
  const text = escapeText(`${name}: ${decimal(b)} at ${decimal(a)}`);
  return `<circle class="fill ${colourClass(name, index)}" cx="${fixed(cx)}" cy="${fixed(cy)}" r="3"><title>${text}</title></circle>`;
}

/** `place` gives where a value is, `ticks` what is written along the axis. */
function axis(scale, values, start, end) {
  const finite = values.filter(Number.isFinite);
  if (scale === 'percentile') return percentileAxis(finite, start, end);
  return scale === 'log' ? logAxis(finite, start, end) : linearAxis(finite, start, end);
}

function linearAxis(values, start, end) {
  const most = Math.max(...values, 0) || 1;
  const step = niceStep(most / TICKS);
  const top = Math.ceil(most / step - 1e-9) * step;
  const place = (value) => start + (value / top) * (end - start);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  return { place, ticks: ticks.map((value) => ({ at: place(value), text: shortNumber(value) })) };
}

function logAxis(values, start, end) {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  if (logs.length === 0) logs.push(0);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const [bottom, top] = high > low ? [low, high] : [low - 0.5, low + 0.5];
  const pad = 0.04 * (top - bottom);
  const place = (value) =>
    start + ((Math.log10(Math.max(value, 10 ** bottom)) - bottom + pad) / (top - bottom + 2 * pad)) * (end - start);
  const factors = top - bottom < 2 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(bottom); power <= Math.ceil(top); power++)
    for (const factor of factors) {
      const value = factor * 10 ** power;
      const log = Math.log10(value);
      if (log >= bottom - pad && log <= top + pad) ticks.push({ at: place(value), text: shortNumber(value) });
    }
  return { place, ticks };
}

/** 0, 90, 99, 99.9 ... at equal distances. */
function percentileAxis(values, start, end) {
  const nines = (percent) => -Math.log10(1 - Math.min(percent, 99.999999) / 100);
  const most = Math.max(...values.map(nines), 1);
  const place = (percent) => start + (nines(percent) / most) * (end - start);
  const shown = [0, 50, 90, 99, 99.9, 99.99, 99.999].filter((percent) => nines(percent) <= most + 1e-6);
  return { place, ticks: shown.map((percent) => ({ at: place(percent), text: `${percent} %` })) };
}

/** 1, 2 or 5 times a power of ten, not below the value. */
function niceStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * power >= value - 1e-12) * power;
}

function shortNumber(value) {
  const [factor, suffix] = value >= 1e6 ? [1e6, 'M'] : value >= 1e3 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / factor).toPrecision(3))}${suffix}`;
}

function fixed(value) {
  return Number.isFinite(value) ? value.toFixed(1) : '0';
}
