/* The one way in which the generator gives up: a line on standard error and exit code 1. */
#ifndef FAIL_H
#define FAIL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void fail(const char *text, ...) {
  va_list values;
  va_start(values, text);
  vfprintf(stderr, text, values);
  fputc('\n', stderr);
  exit(1);
}

#endif
