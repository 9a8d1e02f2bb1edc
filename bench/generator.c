/*
 * The part of the load generator whose speed matters: one thread, one epoll, and for each batch one read of the clock,
 * one write and one read. In JavaScript the same loop takes longer per batch than redis-server does, so that it would
 * measure itself. It knows no protocol: requests, greeting and the form of every reply come encoded from load.mjs.
 *
 * usage: generator JOB PORT CONNECTIONS IN_FLIGHT WARM_UP_MS MEASURE_MS
 *
 * Closed loop: each connection has one batch of IN_FLIGHT requests under way and sends the next when all replies to it
 * are in. Latency is that of a batch, from its write to its last reply. Writes `measuring` when the warm-up is over, and
 * then one line of JSON; what goes wrong, among it any reply of another form, ends it with a line on standard error.
 *
 * JOB is a file of numbers (32 bits, little-endian) and blobs (their length, then their bytes): blob greeting, blob mark
 * of its answer; number 1 if replies come in WebSocket frames, else 0; number of forms of a reply, each one number (the
 * reply's bytes), one number (where its id is, or NONE) and two blobs of one length (how it begins, and 1 for each byte
 * of that which counts); number of batches, each a blob.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  READ_BYTES = 1 << 18,
  FORMS_MAX = 4,
  IDS_MAX = 128,
  OPEN_TIMEOUT_MS = 5000,
  /* After the measurement all replies must come in within this time; one that does not is lost. */
  LAST_REPLIES_TIMEOUT_MS = 5000,
  /* Each power of two of nanoseconds is divided into so many steps: three figures. */
  STEPS_LOG2 = 10,
  BUCKETS = (64 - STEPS_LOG2 + 1) << STEPS_LOG2,
};
static const uint32_t NONE = UINT32_MAX;

typedef struct {
  uint32_t length;
  const uint8_t *bytes;
} Blob;

typedef struct {
  uint32_t length;
  uint32_t id_at;
  Blob head;
  Blob counts;
} Form;

typedef struct {
  int socket;
  uint32_t next_batch;
  uint32_t open_count;
  uint64_t sent_at;
  uint64_t answered[IDS_MAX / 64];
  uint32_t length;
  uint8_t *bytes;
} Connection;

static Blob greeting, answer_mark;
static uint32_t is_framed, form_count, batch_count, in_flight;
static Form forms[FORMS_MAX];
static Blob *batches;
static uint64_t histogram[BUCKETS];

static void fail(const char *text, ...) {
  va_list values;
  va_start(values, text);
  vfprintf(stderr, text, values);
  fputc('\n', stderr);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* The job */

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

static void read_job(const char *file) {
  FILE *stream = fopen(file, "rb");
  if (stream == NULL || fseek(stream, 0, SEEK_END) != 0) fail("%s: %s", file, strerror(errno));
  size_t size = (size_t)ftell(stream);
  rewind(stream);
  uint8_t *bytes = malloc(size + 1);
  if (bytes == NULL || fread(bytes, 1, size, stream) != size) fail("%s can't be read", file);
  fclose(stream);
  job_at = bytes;
  job_end = bytes + size;

  greeting = take_blob();
  answer_mark = take_blob();
  is_framed = take_number();
  form_count = take_number();
  if (form_count < 1 || form_count > FORMS_MAX) fail("%u forms of a reply", form_count);
  for (uint32_t i = 0; i < form_count; i++) {
    Form *form = &forms[i];
    form->length = take_number();
    form->id_at = take_number();
    form->head = take_blob();
    form->counts = take_blob();
    if (form->head.length < 1 || form->head.length > form->length || form->counts.length != form->head.length ||
        (form->id_at != NONE && form->id_at >= form->length))
      fail("form %u of a reply is wrong", i);
  }
  batch_count = take_number();
  batches = calloc(batch_count, sizeof *batches);
  if (batch_count < 1 || batches == NULL) fail("no batches");
  for (uint32_t i = 0; i < batch_count; i++) batches[i] = take_blob();
}

/* Replies */

static void unexpected(const uint8_t *bytes, uint32_t length) {
  fputs("unexpected reply ", stderr);
  for (uint32_t i = 0; i < length && i < 60; i++) {
    if (bytes[i] >= 0x20 && bytes[i] < 0x7f) fputc(bytes[i], stderr);
    else fprintf(stderr, "\\x%02x", bytes[i]);
  }
  fail("");
}

/* Whether what is there of the reply has this form; a byte that differs shows at once, before the reply is complete. */
static int fits(const Form *form, const uint8_t *bytes, uint32_t length) {
  uint32_t end = form->head.length < length ? form->head.length : length;
  for (uint32_t i = 0; i < end; i++)
    if (form->counts.bytes[i] && bytes[i] != form->head.bytes[i]) return 0;
  return 1;
}

/* Counts the complete replies, and returns how many bytes they took. */
static uint32_t scan_replies(Connection *connection, const uint8_t *bytes, uint32_t length) {
  uint32_t at = 0;
  while (at < length) {
    const Form *form = forms;
    while (form < forms + form_count && !fits(form, bytes + at, length - at)) form++;
    if (form == forms + form_count) unexpected(bytes + at, length - at);
    if (form->length > length - at) break;
    if (connection->open_count == 0) fail("more replies than requests");
    if (form->id_at != NONE) {
      uint32_t id = bytes[at + form->id_at];
      if (id >= in_flight) unexpected(bytes + at, form->length);
      uint64_t bit = (uint64_t)1 << (id & 63);
      if (connection->answered[id >> 6] & bit) fail("a second reply to one request");
      connection->answered[id >> 6] |= bit;
    }
    connection->open_count--;
    at += form->length;
  }
  return at;
}

/* The same for replies in WebSocket frames; a reply never goes beyond its frame. */
static uint32_t scan_frames(Connection *connection, const uint8_t *bytes, uint32_t length) {
  enum { BINARY = 0x82, PING = 0x89, CLOSE = 0x88 };
  uint32_t at = 0;
  while (length - at >= 2) {
    const uint8_t *head = bytes + at;
    uint32_t payload = head[1], start = 2;
    if (payload == 126) {
      if (length - at < 4) break;
      payload = (uint32_t)head[2] << 8 | head[3];
      start = 4;
    } else if (payload > 126) {
      if (length - at < 10) break;
      payload = (uint32_t)head[6] << 24 | (uint32_t)head[7] << 16 | (uint32_t)head[8] << 8 | head[9];
      start = 10;
    }
    if (payload > READ_BYTES) fail("a frame of %u bytes", payload);
    if (start + payload > length - at) break;
    if (head[0] == BINARY) {
      if (scan_replies(connection, head + start, payload) != payload) fail("a frame ends within a reply");
    } else if (head[0] == CLOSE && payload >= 2) {
      fail("the node closed the connection: %u %.*s", head[start] << 8 | head[start + 1], (int)payload - 2,
           (const char *)head + start + 2);
    } else if (head[0] != PING) {
      /* A node pings connections that have been silent for minutes, and no run is silent for so long. */
      fail("unexpected frame %u", head[0]);
    }
    at += start + payload;
  }
  return at;
}

/* Connections */

static void send_all(int socket, Blob blob) {
  while (blob.length > 0) {
    ssize_t sent = send(socket, blob.bytes, blob.length, MSG_NOSIGNAL);
    if (sent > 0) {
      blob.bytes += sent;
      blob.length -= (uint32_t)sent;
    } else if (errno == EAGAIN) {
      /* All former replies are in, so that the server has nothing to do but to take this. */
      struct pollfd ready = {.fd = socket, .events = POLLOUT};
      if (poll(&ready, 1, OPEN_TIMEOUT_MS) == 0) fail("a batch is not taken");
    } else if (errno != EINTR) {
      fail("the connection broke: %s", strerror(errno));
    }
  }
}

/* Reads what is there, 0 if nothing is. */
static uint32_t receive(Connection *connection) {
  if (connection->length == READ_BYTES) fail("a reply does not end");
  ssize_t got = recv(connection->socket, connection->bytes + connection->length, READ_BYTES - connection->length, 0);
  if (got > 0) {
    connection->length += (uint32_t)got;
    return (uint32_t)got;
  }
  if (got == 0) fail("the connection was closed");
  if (errno != EAGAIN && errno != EINTR) fail("the connection broke: %s", strerror(errno));
  return 0;
}

static void greet(Connection *connection) {
  send_all(connection->socket, greeting);
  const uint8_t *end = NULL;
  while (end == NULL) {
    struct pollfd ready = {.fd = connection->socket, .events = POLLIN};
    if (poll(&ready, 1, OPEN_TIMEOUT_MS) == 0) fail("no answer to the greeting");
    receive(connection);
    end = memmem(connection->bytes, connection->length, "\r\n\r\n", 4);
  }
  if (memmem(connection->bytes, (size_t)(end - connection->bytes), answer_mark.bytes, answer_mark.length) == NULL)
    fail("the greeting was refused: %.*s", (int)strcspn((char *)connection->bytes, "\r"), connection->bytes);
  if (end + 4 != connection->bytes + connection->length) fail("bytes came in that nobody asked for");
  connection->length = 0;
}

static void open_connection(Connection *connection, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connection->bytes = malloc(READ_BYTES);
  connection->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (connection->bytes == NULL || connection->socket < 0 ||
      connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0)
    fail("port %u: %s", port, strerror(errno));
  int yes = 1;
  setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (greeting.length > 0) greet(connection);
}

static void send_batch(Connection *connection, uint64_t now) {
  connection->open_count = in_flight;
  memset(connection->answered, 0, sizeof connection->answered);
  connection->sent_at = now;
  send_all(connection->socket, batches[connection->next_batch]);
  connection->next_batch = connection->next_batch + 1 == batch_count ? 0 : connection->next_batch + 1;
}

/* Whether the reply to the batch is complete now. */
static int take_replies(Connection *connection) {
  if (receive(connection) == 0) return 0;
  uint32_t taken = is_framed ? scan_frames(connection, connection->bytes, connection->length)
                             : scan_replies(connection, connection->bytes, connection->length);
  connection->length -= taken;
  memmove(connection->bytes, connection->bytes + taken, connection->length);
  if (connection->open_count > 0) return 0;
  if (connection->length > 0) fail("more replies than requests");
  return 1;
}

/* Latencies */

static uint32_t bucket_of(uint64_t ns) {
  int shift = 63 - STEPS_LOG2 - __builtin_clzll(ns | 1);
  if (shift <= 0) return (uint32_t)ns;
  return ((uint32_t)shift << STEPS_LOG2) + (uint32_t)(ns >> shift);
}

/* The greatest value that falls into the bucket. */
static uint64_t value_of(uint32_t bucket) {
  uint32_t shift = bucket >> STEPS_LOG2;
  if (shift <= 1) return bucket;
  shift -= 1;
  return ((uint64_t)(bucket - (shift << STEPS_LOG2)) + 1) * ((uint64_t)1 << shift) - 1;
}

static double percentile_us(uint64_t count, double percent) {
  uint64_t left = (uint64_t)((double)count * percent / 100);
  uint32_t bucket = 0;
  while (bucket < BUCKETS - 1 && histogram[bucket] <= left) left -= histogram[bucket++];
  return (double)value_of(bucket) / 1000;
}

int main(int argc, char **argv) {
  if (argc != 7) fail("usage: generator JOB PORT CONNECTIONS IN_FLIGHT WARM_UP_MS MEASURE_MS");
  /* Nobody would read the result any more. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  read_job(argv[1]);
  uint16_t port = (uint16_t)atoi(argv[2]);
  uint32_t connection_count = (uint32_t)atoi(argv[3]);
  in_flight = (uint32_t)atoi(argv[4]);
  if (connection_count < 1 || in_flight < 1 || in_flight > IDS_MAX) fail("numbers out of range");

  Connection *connections = calloc(connection_count, sizeof *connections);
  struct epoll_event *events = calloc(connection_count, sizeof *events);
  int epoll = epoll_create1(0);
  if (connections == NULL || events == NULL || epoll < 0) fail("%s", strerror(errno));
  for (uint32_t i = 0; i < connection_count; i++) {
    /* Each starts at another place of the batches. */
    connections[i].next_batch = (uint32_t)((uint64_t)i * batch_count / connection_count);
    open_connection(&connections[i], port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].socket, &event) != 0) fail("%s", strerror(errno));
  }

  uint64_t started_at = now_ns() + (uint64_t)atoi(argv[5]) * 1000000u;
  uint64_t ends_at = started_at + (uint64_t)atoi(argv[6]) * 1000000u;
  uint64_t count = 0, max_ns = 0, measured_ns = 0;
  double cpu_before = 0, cpu = 0;
  int is_measuring = 0, is_ending = 0;
  uint32_t open_connections = connection_count;
  for (uint32_t i = 0; i < connection_count; i++) send_batch(&connections[i], now_ns());

  while (open_connections > 0) {
    int ready = epoll_wait(epoll, events, (int)connection_count, 100);
    if (ready < 0 && errno != EINTR) fail("%s", strerror(errno));
    uint64_t now = now_ns();
    if (!is_measuring && !is_ending && now >= started_at) {
      is_measuring = 1;
      started_at = now;
      cpu_before = cpu_seconds();
      puts("measuring");
      fflush(stdout);
    }
    if (is_measuring && now >= ends_at) {
      is_measuring = 0;
      is_ending = 1;
      measured_ns = now - started_at;
      cpu = cpu_seconds() - cpu_before;
    }
    if (is_ending && now > ends_at + LAST_REPLIES_TIMEOUT_MS * (uint64_t)1000000u)
      fail("%u connections wait for replies in vain", open_connections);
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (!take_replies(connection)) continue;
      now = now_ns();
      if (is_measuring) {
        uint64_t latency = now - connection->sent_at;
        if (latency > max_ns) max_ns = latency;
        histogram[bucket_of(latency)]++;
        count++;
      }
      if (is_ending) open_connections--;
      else send_batch(connection, now);
    }
  }
  if (count == 0) fail("no reply within %s ms", argv[6]);

  double seconds = (double)measured_ns / 1e9;
  printf("{\"batchCount\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f,"
         "\"latencyUs\":{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}}\n",
         (unsigned long long)count, seconds, cpu, percentile_us(count, 50), percentile_us(count, 99),
         percentile_us(count, 99.9), (double)max_ns / 1000);
  return 0;
}
