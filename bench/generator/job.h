/*
 * A job, as job.mjs writes it: numbers (32 bits, little-endian) and blobs (their length, then their bytes).
 *
 * number protocol; number of bytes to read at once; numbers: kinds of reply that are right, least and greatest bytes
 * of a value; greeting of an asking connection; greeting of a watching one; number of batches, each a blob.
 *
 * A greeting is a number of steps. A step: number of variants of what is sent (the connection with number n sends
 * variant n modulo their number), each a blob; blob that the answer must contain; blob that it must end with.
 */
#ifndef JOB_H
#define JOB_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "fail.h"

typedef struct {
  uint32_t length;
  const uint8_t *bytes;
} Blob;

typedef struct {
  uint32_t variant_count;
  Blob *variants;
  Blob mark;
  Blob end;
} Step;

typedef struct {
  uint32_t count;
  Step *steps;
} Greeting;

typedef struct {
  uint32_t protocol;
  uint32_t read_bytes;
  uint32_t kinds;
  uint32_t value_bytes_min;
  uint32_t value_bytes_max;
  Greeting asking;
  Greeting watching;
  uint32_t batch_count;
  Blob *batches;
} Job;

static const uint8_t *job_at, *job_end;

static uint32_t take_number(void) {
  if (job_end - job_at < 4) fail("the job ends too early");
  uint32_t value = (uint32_t)job_at[0] | (uint32_t)job_at[1] << 8 | (uint32_t)job_at[2] << 16 | (uint32_t)job_at[3] << 24;
  job_at += 4;
  return value;
}

static Blob take_blob(void) {
  Blob blob = {take_number(), job_at};
  if ((uint64_t)(job_end - job_at) < blob.length) fail("the job ends too early");
  job_at += blob.length;
  return blob;
}

static void *new_array(size_t count, size_t size) {
  void *array = calloc(count > 0 ? count : 1, size);
  if (array == NULL) fail("no memory for %zu times %zu bytes", count, size);
  return array;
}

static Blob *take_blobs(uint32_t count) {
  Blob *blobs = new_array(count, sizeof *blobs);
  for (uint32_t i = 0; i < count; i++) blobs[i] = take_blob();
  return blobs;
}

static Greeting take_greeting(void) {
  Greeting greeting = {take_number(), NULL};
  greeting.steps = new_array(greeting.count, sizeof *greeting.steps);
  for (uint32_t i = 0; i < greeting.count; i++) {
    Step *step = &greeting.steps[i];
    step->variant_count = take_number();
    if (step->variant_count < 1) fail("step %u of a greeting says nothing", i);
    step->variants = take_blobs(step->variant_count);
    step->mark = take_blob();
    step->end = take_blob();
  }
  return greeting;
}

static Job read_job(const char *file) {
  FILE *stream = fopen(file, "rb");
  if (stream == NULL || fseek(stream, 0, SEEK_END) != 0) fail("%s: %s", file, strerror(errno));
  size_t size = (size_t)ftell(stream);
  rewind(stream);
  uint8_t *bytes = new_array(size, 1);
  if (fread(bytes, 1, size, stream) != size) fail("%s can't be read", file);
  fclose(stream);
  job_at = bytes;
  job_end = bytes + size;

  Job job;
  job.protocol = take_number();
  job.read_bytes = take_number();
  job.kinds = take_number();
  job.value_bytes_min = take_number();
  job.value_bytes_max = take_number();
  job.asking = take_greeting();
  job.watching = take_greeting();
  job.batch_count = take_number();
  job.batches = take_blobs(job.batch_count);
  return job;
}

#endif
