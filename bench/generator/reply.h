/*
 * What comes back, in each of the three protocols: one reply is read from its first byte to its last, and reported by
 * kind, by the id of its request where it has one, and by the length of its value.
 */
#ifndef REPLY_H
#define REPLY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The numbers are those of job.mjs. */
enum { RESP, SWARMBUS, NATS, PROTOCOLS };
enum { VALUE = 1, MISSING = 2, STORED = 4, REFUSED = 8, CHANGE = 16, NUMBER = 32, PING = 64, NOTHING = 128 };
enum { INCOMPLETE = 0, MALFORMED = -1, LINE_MAX_BYTES = 4096 };
static const uint32_t NO_ID = UINT32_MAX;

typedef struct {
  uint32_t kind;
  uint32_t id;
  uint32_t value_bytes;
} Reply;

/* All scanners return the bytes that the reply takes, INCOMPLETE or MALFORMED. */

static int64_t line_bytes(const uint8_t *bytes, uint32_t length) {
  const uint8_t *end = memchr(bytes, '\n', length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES);
  if (end != NULL) return end - bytes + 1;
  return length < LINE_MAX_BYTES ? INCOMPLETE : MALFORMED;
}

/* Redis: https://redis.io/docs/reference/protocol-spec/ */
static int64_t scan_resp(const uint8_t *bytes, uint32_t length, Reply *reply) {
  int64_t line = line_bytes(bytes, length);
  if (line <= 0) return line;
  long number = strtol((const char *)bytes + 1, NULL, 10);
  *reply = (Reply){NOTHING, NO_ID, 0};
  switch (bytes[0]) {
    case '+':
      reply->kind = STORED;
      return line;
    case '-':
      reply->kind = REFUSED;
      return line;
    case ':':
      reply->kind = NUMBER;
      return line;
    case '$':
      if (number < 0) {
        reply->kind = MISSING;
        return line;
      }
      reply->kind = VALUE;
      reply->value_bytes = (uint32_t)number;
      line += number + 2;
      return line <= length ? line : INCOMPLETE;
    case '*': {
      Reply item;
      for (long i = 0; i < number; i++) {
        if ((uint32_t)line == length) return INCOMPLETE;
        int64_t taken = scan_resp(bytes + line, length - (uint32_t)line, &item);
        if (taken <= 0) return taken;
        line += taken;
      }
      reply->kind = CHANGE;
      return line;
    }
    default:
      return MALFORMED;
  }
}

static uint64_t big_endian(const uint8_t *bytes, uint32_t length) {
  uint64_t value = 0;
  for (uint32_t i = 0; i < length; i++) value = value << 8 | bytes[i];
  return value;
}

/* The bytes of one MessagePack value. */
static int64_t value_bytes(const uint8_t *bytes, uint32_t length) {
  uint64_t at = 0, left = 1;
  while (left > 0) {
    if (at >= length) return INCOMPLETE;
    uint8_t head = bytes[at++];
    uint32_t size = 0;
    uint64_t content = 0, items = 0;
    if (head < 0x80 || head >= 0xe0 || head == 0xc0 || head == 0xc2 || head == 0xc3) content = 0;
    else if (head < 0x90) items = 2 * (uint64_t)(head & 0x0f);
    else if (head < 0xa0) items = head & 0x0f;
    else if (head < 0xc0) content = head & 0x1f;
    else if (head >= 0xc4 && head <= 0xc6) size = 1u << (head - 0xc4);
    else if (head >= 0xc7 && head <= 0xc9) size = 1u << (head - 0xc7), content = 1;
    else if (head == 0xca || head == 0xcb) content = head == 0xca ? 4 : 8;
    else if (head >= 0xcc && head <= 0xd3) content = 1u << ((head - 0xcc) & 3);
    else if (head >= 0xd4 && head <= 0xd8) content = 1 + (1u << (head - 0xd4));
    else if (head >= 0xd9 && head <= 0xdb) size = 1u << (head - 0xd9);
    else if (head >= 0xdc) size = (head & 1) ? 4 : 2;
    else return MALFORMED;
    if (size > 0) {
      if (at + size > length) return INCOMPLETE;
      uint64_t number = big_endian(bytes + at, size);
      at += size;
      if (head == 0xdc || head == 0xdd) items = number;
      else if (head == 0xde || head == 0xdf) items = 2 * number;
      else content += number;
    }
    at += content;
    left += items - 1;
  }
  return at <= length ? (int64_t)at : INCOMPLETE;
}

/* One message of a node: [tag, id, ...fields], of which the last is the value. */
static int64_t scan_swarmbus(const uint8_t *bytes, uint32_t length, Reply *reply) {
  enum { TAG_VALUE = 34, TAG_MISSING = 35, TAG_STORED = 36, TAG_CHANGE = 40, TAG_REFUSED = 63 };
  if (length < 3) return INCOMPLETE;
  uint32_t fields = bytes[0] & 0x0f;
  if ((bytes[0] & 0xf0) != 0x90 || fields < 2) return MALFORMED;
  *reply = (Reply){NOTHING, bytes[2] < 0x80 ? bytes[2] : NO_ID, 0};
  uint32_t at = 3;
  const uint8_t *first = bytes + at;
  for (uint32_t i = 2; i < fields; i++) {
    int64_t taken = value_bytes(bytes + at, length - at);
    if (taken <= 0) return taken;
    at += (uint32_t)taken;
    reply->value_bytes = (uint32_t)taken;
  }
  switch (bytes[1]) {
    case TAG_VALUE:
      reply->kind = VALUE;
      break;
    case TAG_MISSING:
      reply->kind = MISSING;
      break;
    case TAG_STORED:
      reply->kind = STORED;
      break;
    case TAG_CHANGE:
      /* Any other kind of change, a gap above all, means that the node could not keep up. */
      reply->kind = fields > 2 && length >= 7 && memcmp(first, "\xa3set", 4) == 0 ? CHANGE : REFUSED;
      break;
    case TAG_REFUSED:
      reply->kind = REFUSED;
      break;
    default:
      return MALFORMED;
  }
  return at;
}

/* NATS: https://docs.nats.io/reference/reference-protocols/nats-protocol. The id is the last part of the subject. */
static int64_t scan_nats(const uint8_t *bytes, uint32_t length, Reply *reply) {
  int64_t line = line_bytes(bytes, length);
  if (line <= 0) return line;
  const char *text = (const char *)bytes;
  *reply = (Reply){NOTHING, NO_ID, 0};
  if (memcmp(text, "PING", 4) == 0) {
    reply->kind = PING;
    return line;
  }
  if (text[0] == '-') {
    reply->kind = REFUSED;
    return line;
  }
  if (text[0] == '+' || memcmp(text, "PONG", 4) == 0 || memcmp(text, "INFO", 4) == 0) return line;
  int has_headers = text[0] == 'H';
  if (memcmp(text + has_headers, "MSG ", 4) != 0) return MALFORMED;
  /* The sizes are the last words of the line; the subject is the first. */
  const char *end = text + line - 2, *word = end;
  while (word > text && word[-1] != ' ') word--;
  uint32_t total = (uint32_t)strtoul(word, NULL, 10), head = 0;
  if (has_headers) {
    const char *former = word - 1;
    while (former > text && former[-1] != ' ') former--;
    head = (uint32_t)strtoul(former, NULL, 10);
  }
  if ((uint64_t)line + total + 2 > length) return INCOMPLETE;
  const char *subject = text + 4 + has_headers, *subject_end = memchr(subject, ' ', (size_t)(end - subject));
  if (subject_end == NULL || head > total) return MALFORMED;
  const char *id = subject_end, *body = text + line;
  while (id > subject && id[-1] >= '0' && id[-1] <= '9') id--;
  if (id < subject_end && id > subject && id[-1] == '.') reply->id = (uint32_t)strtoul(id, NULL, 10);
  reply->value_bytes = total - head;
  if (has_headers) {
    /* "NATS/1.0" alone, or with a status behind it. */
    if (head < 10 || memcmp(body, "NATS/1.0", 8) != 0) return MALFORMED;
    reply->kind = body[8] == '\r' ? VALUE : memcmp(body + 8, " 404", 4) == 0 ? MISSING : REFUSED;
  } else if (reply->id == NO_ID) {
    reply->kind = CHANGE;
  } else {
    reply->kind = memmem(body, total, "\"error\"", 7) == NULL ? STORED : REFUSED;
  }
  return line + total + 2;
}

#endif
