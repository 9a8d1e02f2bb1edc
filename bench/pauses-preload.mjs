// Loaded into a node before its own program: measures how long the event loop makes a timer of one millisecond wait. Each
// SIGUSR2 has what was counted since the last one written to the file that BENCH_PAUSES names, and counting starts anew.

import { renameSync, writeFileSync } from 'node:fs';
import { PerformanceObserver, monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

const file = process.env.BENCH_PAUSES;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();
let collectionsMs = [];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) collectionsMs.push(duration);
}).observe({ entryTypes: ['gc'] });

process.on('SIGUSR2', () => {
  const ms = (percent) => delays.percentile(percent) / NS_PER_MS;
  const report = {
    count: delays.count,
    p50Ms: ms(50),
    p99Ms: ms(99),
    p999Ms: ms(99.9),
    maxMs: delays.max / NS_PER_MS,
    collections: collectionsMs.length,
    collectionMaxMs: Math.max(0, ...collectionsMs),
  };
  delays.reset();
  collectionsMs = [];
  // Whoever waits for the file must not read half of it.
  writeFileSync(`${file}.part`, JSON.stringify(report));
  renameSync(`${file}.part`, file);
});
