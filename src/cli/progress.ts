/** Progress of a long command: a bar with count and rate in a terminal, nothing elsewhere. */
import { SingleBar } from 'cli-progress';
import { isForPeople, type Outside } from './outside.js';

export interface Progress {
  /** How much of the whole is done, 0 to 1, and how many items that is. */
  update(fraction: number, count: number): void;
  /** Takes the bar away. Returns `1,234 in 5.6 s (220/s)`. */
  stop(): string;
}

export function createProgress(title: string, outside: Pick<Outside, 'stderr'>): Progress {
  const beganMs = performance.now();
  const seconds = (): number => (performance.now() - beganMs) / 1000;
  const rate = (count: number): string => `${formatCount(count / Math.max(seconds(), 0.001))}/s`;
  let last = 0;
  const bar = isForPeople(outside.stderr) ? createBar(title, outside.stderr) : undefined;
  return {
    update(fraction, count) {
      last = count;
      bar?.update(fraction, { count: formatCount(count), rate: rate(count) });
    },
    stop() {
      bar?.stop();
      return `${formatCount(last)} in ${seconds().toFixed(1)} s (${rate(last)})`;
    },
  };
}

function createBar(title: string, stream: NodeJS.WritableStream): SingleBar {
  const bar = new SingleBar({
    format: `${title} {bar} {percentage}% | {count} | {rate}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    stream,
    clearOnComplete: true,
    // The command handles signals itself.
    gracefulExit: false,
  });
  bar.start(1, 0, { count: '0', rate: '-' });
  return bar;
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}
