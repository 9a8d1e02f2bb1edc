/**
 * The log of a node: one JSON object per line by pino, or, where a person is looking, one readable line each. Secrets
 * never get here: nobody passes options to the log.
 */
import { pino } from 'pino';
import { createColors } from 'picocolors';
import type { Log } from '../actors/runtime/env.js';
import type { LogLevelOption } from './node-options.js';
import { hasColours, isForPeople, type Outside } from './outside.js';

export function createLog(level: LogLevelOption, nodeName: string, outside: Pick<Outside, 'stdout' | 'env'>): Log {
  const { stdout, env } = outside;
  const isPretty = isForPeople(stdout);
  const readable = readableLines(hasColours(stdout, env));
  const logger = pino(
    {
      level,
      base: { name: nodeName },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void stdout.write(isPretty ? readable(line) : line) },
  );
  return (lineLevel, text, fields) => logger[lineLevel](fields ?? {}, text);
}

/** From pino's JSON to `12:34:56.789 info  alpha listening urls=ws://127.0.0.1:7101`. */
function readableLines(isColoured: boolean): (line: string) => string {
  const colours = createColors(isColoured);
  const paint: Readonly<Record<string, (text: string) => string>> = {
    debug: colours.dim,
    info: colours.green,
    warn: colours.yellow,
    error: colours.red,
  };
  return (line) => {
    const { level, time, name, msg, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    const clock = String(time).slice(11, 23);
    const label = String(level);
    const details = Object.entries(fields).map(([key, value]) => colours.dim(`${key}=`) + fieldText(value));
    return `${[colours.dim(clock), (paint[label] ?? String)(label.padEnd(5)), colours.dim(String(name)), String(msg), ...details].join(' ')}\n`;
  };
}

function fieldText(value: unknown): string {
  if (Array.isArray(value)) return value.map(fieldText).join(',');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
