/*
 * Latencies in nanoseconds, counted in buckets: below 1024 ns one for each, above that 1024 for each power of two, so
 * that a value is known to a tenth of a percent (the layout of HdrHistogram with three figures). histogram.mjs reads
 * what is printed here, and knows the same layout.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { STEPS_LOG2 = 10, BUCKETS = (64 - STEPS_LOG2 + 1) << STEPS_LOG2 };

static uint64_t histogram[BUCKETS];
static uint64_t histogram_max_ns;

static uint32_t bucket_of(uint64_t ns) {
  int shift = 63 - STEPS_LOG2 - __builtin_clzll(ns | 1);
  if (shift <= 0) return (uint32_t)ns;
  return ((uint32_t)shift << STEPS_LOG2) + (uint32_t)(ns >> shift);
}

static void record(uint64_t ns) {
  if (ns > histogram_max_ns) histogram_max_ns = ns;
  histogram[bucket_of(ns)]++;
}

/* Pairs of bucket and count, of those that hold anything. */
static void print_histogram(void) {
  const char *separator = "";
  putchar('[');
  for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
    if (histogram[bucket] == 0) continue;
    printf("%s[%u,%llu]", separator, bucket, (unsigned long long)histogram[bucket]);
    separator = ",";
  }
  putchar(']');
}

#endif
