/*
 * The part of the load generator whose speed matters: one thread, one epoll, and for each batch one read of the clock,
 * one write and one read. In JavaScript the same loop takes longer per batch than redis-server does, so that it would
 * measure itself. Requests and greetings come encoded from job.mjs; of replies it knows the three protocols (reply.h).
 *
 * usage: generator JOB NAME=NUMBER...
 *
 *   port          of the loopback address
 *   connections   that ask, 1 by default
 *   in-flight     requests in each batch
 *   warm-up-ms, measure-ms
 *   rate          open loop: batches per second, all connections together; 0 (default): closed loop
 *   once          1: ends when each batch has been sent once, instead of after measure-ms; without warm-up
 *   patient       1: a refusal counts instead of ending the run
 *   watchers      connections that don't ask; a batch is complete when each of them has got a change for each request
 *   hold          1: opens the connections, writes `holding`, and waits until standard input ends
 *
 * Closed loop: each connection has one batch under way and sends the next when all replies to it are in; latency is that
 * of a batch, from its write to its last reply. Open loop: batches are due at equal distances, whether former ones are
 * answered or not; one that is due while its connection waits is sent as soon as that is free, and latency counts from
 * when it was due. What was due and never sent until the end counts with the time that it has waited by then.
 *
 * Writes `measuring` when the warm-up is over, and then one line of JSON; what goes wrong, among it any reply that is
 * not right, ends it with a line on standard error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "fail.h"
#include "histogram.h"
#include "job.h"
#include "reply.h"

enum {
  IDS_MAX = 128,
  EVENTS_MAX = 1024,
  OPEN_TIMEOUT_MS = 10000,
  /* After the measurement all replies must come in within this time; one that does not is lost. */
  LAST_REPLIES_TIMEOUT_MS = 10000,
  SLICE_MS = 100,
  SLICES_MAX = 1200,
};
#define NS_PER_MS ((uint64_t)1000000)

typedef struct {
  int socket;
  uint32_t number;
  int is_watcher;
  uint32_t next_batch;
  /* Requests of the present batch without reply; 0: the connection is free. */
  uint32_t open_count;
  /* Open loop: how many of its batches were sent. */
  uint64_t sent_count;
  /* When the present batch was sent, or due. */
  uint64_t since;
  uint64_t answered[IDS_MAX / 64];
  uint32_t length;
  uint8_t *bytes;
} Connection;

typedef struct {
  uint32_t port, connections, in_flight, warm_up_ms, measure_ms, rate, once, patient, watchers, hold;
} Options;

static Options options = {.connections = 1, .in_flight = 1};
static Job job;
static uint64_t started_at, ends_at, first_due_at;
static uint64_t request_count, batch_count, refused_count, unsent_count, last_done_at, stall_ns;
static uint64_t slices[SLICES_MAX];
static int is_measuring, is_ending;
static uint32_t free_connections;
/* Changes that the watchers have yet to get. */
static uint64_t changes_due;

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

static void read_options(int count, char **texts) {
  static const struct {
    const char *name;
    uint32_t *value;
  } names[] = {
    {"port", &options.port},
    {"connections", &options.connections},
    {"in-flight", &options.in_flight},
    {"warm-up-ms", &options.warm_up_ms},
    {"measure-ms", &options.measure_ms},
    {"rate", &options.rate},
    {"once", &options.once},
    {"patient", &options.patient},
    {"watchers", &options.watchers},
    {"hold", &options.hold},
  };
  for (int i = 0; i < count; i++) {
    size_t length = strcspn(texts[i], "="), n = 0, known = sizeof names / sizeof *names;
    while (n < known && (strlen(names[n].name) != length || strncmp(names[n].name, texts[i], length) != 0)) n++;
    char *end = NULL;
    unsigned long value = texts[i][length] == '=' ? strtoul(texts[i] + length + 1, &end, 10) : 0;
    if (n == known || end == NULL || *end != 0 || end[-1] == '=' || value > UINT32_MAX) fail("%s: not an option", texts[i]);
    *names[n].value = (uint32_t)value;
  }
  if (options.connections < 1 || options.in_flight < 1 || options.in_flight > IDS_MAX) fail("numbers out of range");
  if (options.watchers > 0 && options.connections != 1) fail("only one connection may ask while others watch");
}

/* Replies */

static void unexpected(const uint8_t *bytes, uint32_t length) {
  fputs("unexpected reply ", stderr);
  for (uint32_t i = 0; i < length && i < 120; i++) {
    if (bytes[i] >= 0x20 && bytes[i] < 0x7f) fputc(bytes[i], stderr);
    else fprintf(stderr, "\\x%02x", bytes[i]);
  }
  fail("");
}

static void send_all(int socket, Blob blob);

static void take_change(const uint8_t *bytes, uint32_t length) {
  if (changes_due == 0) unexpected(bytes, length);
  changes_due--;
}

static void take_reply(Connection *connection, const Reply *reply, const uint8_t *bytes, uint32_t length) {
  if (reply->kind == NOTHING) return;
  if (reply->kind == PING) {
    send_all(connection->socket, (Blob){6, (const uint8_t *)"PONG\r\n"});
    return;
  }
  if (connection->is_watcher) {
    if (reply->kind != CHANGE) unexpected(bytes, length);
    take_change(bytes, length);
    return;
  }
  if (reply->kind == REFUSED && options.patient) refused_count += is_measuring;
  else if ((reply->kind & job.kinds) == 0) unexpected(bytes, length);
  else if (reply->kind == VALUE && (reply->value_bytes < job.value_bytes_min || reply->value_bytes > job.value_bytes_max))
    unexpected(bytes, length);
  if (connection->open_count == 0) fail("more replies than requests");
  if (reply->id != NO_ID) {
    if (reply->id >= options.in_flight) unexpected(bytes, length);
    uint64_t bit = (uint64_t)1 << (reply->id & 63);
    if (connection->answered[reply->id >> 6] & bit) fail("a second reply to one request");
    connection->answered[reply->id >> 6] |= bit;
  }
  connection->open_count--;
}

/* Takes the complete replies, and returns how many bytes they took. */
static uint32_t scan_replies(Connection *connection, const uint8_t *bytes, uint32_t length) {
  static int64_t (*const scanners[PROTOCOLS])(const uint8_t *, uint32_t, Reply *) = {scan_resp, scan_swarmbus, scan_nats};
  int64_t (*scan)(const uint8_t *, uint32_t, Reply *) = scanners[job.protocol];
  uint32_t at = 0;
  while (at < length) {
    Reply reply;
    int64_t taken = scan(bytes + at, length - at, &reply);
    if (taken == MALFORMED) unexpected(bytes + at, length - at);
    if (taken == INCOMPLETE) break;
    take_reply(connection, &reply, bytes + at, (uint32_t)taken);
    at += (uint32_t)taken;
  }
  return at;
}

/* The same for replies in WebSocket frames; a reply never goes beyond its frame. */
static uint32_t scan_frames(Connection *connection, const uint8_t *bytes, uint32_t length) {
  enum { BINARY_FRAME = 0x82, PING_FRAME = 0x89, CLOSE_FRAME = 0x88 };
  uint32_t at = 0;
  while (length - at >= 2) {
    const uint8_t *head = bytes + at;
    uint64_t payload = head[1];
    uint32_t start = 2;
    if (payload == 126) {
      if (length - at < 4) break;
      payload = big_endian(head + 2, 2);
      start = 4;
    } else if (payload > 126) {
      if (length - at < 10) break;
      payload = big_endian(head + 2, 8);
      start = 10;
    }
    if (payload > job.read_bytes) fail("a frame of %llu bytes", (unsigned long long)payload);
    if (start + payload > length - at) break;
    if (head[0] == BINARY_FRAME) {
      if (scan_replies(connection, head + start, (uint32_t)payload) != payload) fail("a frame ends within a reply");
    } else if (head[0] == CLOSE_FRAME && payload >= 2) {
      fail("the node closed the connection: %u %.*s", head[start] << 8 | head[start + 1], (int)payload - 2,
           (const char *)head + start + 2);
    } else if (head[0] != PING_FRAME) {
      /* A node pings connections that have been silent for minutes, and no run is silent for so long. */
      fail("unexpected frame %u", head[0]);
    }
    at += start + (uint32_t)payload;
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
  if (connection->length == job.read_bytes) fail("a reply does not end");
  ssize_t got = recv(connection->socket, connection->bytes + connection->length, job.read_bytes - connection->length, 0);
  if (got > 0) {
    connection->length += (uint32_t)got;
    return (uint32_t)got;
  }
  if (got == 0) fail("the connection was closed");
  if (errno != EAGAIN && errno != EINTR) fail("the connection broke: %s", strerror(errno));
  return 0;
}

static int is_answered(const Connection *connection, const Step *step) {
  const Blob *mark = &step->mark, *end = &step->end;
  if (connection->length < end->length) return 0;
  if (memcmp(connection->bytes + connection->length - end->length, end->bytes, end->length) != 0) return 0;
  return memmem(connection->bytes, connection->length, mark->bytes, mark->length) != NULL;
}

static void greet(Connection *connection, const Greeting *greeting) {
  for (uint32_t i = 0; i < greeting->count; i++) {
    const Step *step = &greeting->steps[i];
    send_all(connection->socket, step->variants[connection->number % step->variant_count]);
    while (!is_answered(connection, step)) {
      struct pollfd ready = {.fd = connection->socket, .events = POLLIN};
      if (poll(&ready, 1, OPEN_TIMEOUT_MS) == 0) {
        connection->bytes[connection->length] = 0;
        fail("the greeting was refused: %.*s", (int)strcspn((char *)connection->bytes, "\r"), connection->bytes);
      }
      receive(connection);
    }
    connection->length = 0;
  }
}

static void open_connection(Connection *connection, uint32_t number, int is_watcher) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connection->number = number;
  connection->is_watcher = is_watcher;
  /* Scanners may look some bytes beyond what is there, and the text of a failure ends with a zero. */
  connection->bytes = malloc((size_t)job.read_bytes + 16);
  connection->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (connection->bytes == NULL || connection->socket < 0 ||
      connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0)
    fail("port %u: %s", options.port, strerror(errno));
  int yes = 1;
  setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  greet(connection, is_watcher ? &job.watching : &job.asking);
}

static int open_all(Connection *connections) {
  int epoll = epoll_create1(0);
  if (epoll < 0) fail("%s", strerror(errno));
  uint32_t all = options.connections + options.watchers;
  for (uint32_t i = 0; i < all; i++) {
    int is_watcher = i >= options.connections;
    /* Each asks its own batches: some protocols name the connection in the request. */
    connections[i].next_batch = i;
    open_connection(&connections[i], is_watcher ? i - options.connections : i, is_watcher);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].socket, &event) != 0) fail("%s", strerror(errno));
  }
  return epoll;
}

/* Batches */

static uint64_t due_at(uint64_t number) {
  return first_due_at + (uint64_t)((double)number * 1e9 / options.rate);
}

/* Whether there was one to send. */
static int send_batch(Connection *connection, uint64_t since) {
  if (options.once && connection->sent_count * options.connections + connection->number >= job.batch_count) return 0;
  connection->open_count = options.in_flight;
  memset(connection->answered, 0, sizeof connection->answered);
  connection->since = since;
  free_connections--;
  changes_due = (uint64_t)options.watchers * options.in_flight;
  send_all(connection->socket, job.batches[connection->next_batch]);
  connection->sent_count++;
  connection->next_batch += options.connections;
  if (connection->next_batch >= job.batch_count) connection->next_batch = connection->number;
  return 1;
}

/* Open loop: sends the connection's next batch, if it is due. */
static void send_due(Connection *connection, uint64_t now) {
  if (is_ending) return;
  uint64_t due = due_at(connection->sent_count * options.connections + connection->number);
  if (due <= now) send_batch(connection, due);
}

static void count_batch(const Connection *connection, uint64_t now) {
  int counts = options.rate > 0 ? connection->since >= started_at && connection->since < ends_at : is_measuring;
  if (counts) record(now - connection->since);
  if (!is_measuring) return;
  batch_count++;
  request_count += options.in_flight;
  uint64_t slice = (now - started_at) / (SLICE_MS * NS_PER_MS);
  if (slice < SLICES_MAX) slices[slice] += options.in_flight;
  if (now - last_done_at > stall_ns) stall_ns = now - last_done_at;
  last_done_at = now;
}

/* What was due and could not be sent. */
static void count_unsent(const Connection *connection) {
  for (uint64_t n = connection->sent_count;; n++) {
    uint64_t due = due_at(n * options.connections + connection->number);
    if (due >= ends_at) return;
    if (due < started_at) continue;
    record(ends_at - due);
    unsent_count++;
  }
}

/* Whether the connection's batch is complete now. */
static int take_replies(Connection *connection) {
  if (receive(connection) == 0) return 0;
  uint32_t before = connection->open_count;
  uint32_t taken = job.protocol == SWARMBUS ? scan_frames(connection, connection->bytes, connection->length)
                                            : scan_replies(connection, connection->bytes, connection->length);
  connection->length -= taken;
  if (taken > 0) memmove(connection->bytes, connection->bytes + taken, connection->length);
  return before > 0 && connection->open_count == 0;
}

static void hold(void) {
  char byte;
  puts("holding");
  fflush(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

static void arm(int timer, uint64_t at) {
  struct itimerspec time = {.it_value = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)}};
  if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &time, NULL) != 0) fail("%s", strerror(errno));
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage: generator JOB NAME=NUMBER...");
  /* Nobody would read the result any more. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* Many connections are many files. */
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  job = read_job(argv[1]);
  read_options(argc - 2, argv + 2);
  if (job.protocol >= PROTOCOLS) fail("no protocol %u", job.protocol);
  if (!options.hold && job.batch_count < options.connections) fail("%u batches", job.batch_count);

  Connection *connections = new_array(options.connections + options.watchers, sizeof *connections);
  struct epoll_event *events = new_array(EVENTS_MAX, sizeof *events);
  int epoll = open_all(connections);
  if (options.hold) {
    hold();
    return 0;
  }

  free_connections = options.connections;
  first_due_at = now_ns();
  started_at = first_due_at + options.warm_up_ms * NS_PER_MS;
  ends_at = started_at + options.measure_ms * NS_PER_MS;
  if (options.once) ends_at = UINT64_MAX;
  int timer = -1;
  uint64_t next_due = 0;
  if (options.rate > 0) {
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) != 0) fail("%s", strerror(errno));
    arm(timer, first_due_at + 1);
  } else {
    for (uint32_t i = 0; i < options.connections; i++) send_batch(&connections[i], now_ns());
  }

  uint64_t measured_ns = 0;
  double cpu_before = 0, cpu = 0;
  while (!is_ending || free_connections < options.connections) {
    int ready = epoll_wait(epoll, events, EVENTS_MAX, 100);
    if (ready < 0 && errno != EINTR) fail("%s", strerror(errno));
    uint64_t now = now_ns();
    if (!is_measuring && !is_ending && now >= started_at) {
      is_measuring = 1;
      if (options.rate == 0) {
        ends_at += options.once ? 0 : now - started_at;
        started_at = now;
      }
      last_done_at = now;
      cpu_before = cpu_seconds();
      puts("measuring");
      fflush(stdout);
    }
    for (int i = 0; i < ready; i++) {
      Connection *connection = events[i].data.ptr;
      if (connection == NULL || !take_replies(connection) || changes_due > 0) {
        /* The last change may come after the reply to the one connection that asks. */
        if (connection == NULL || !connection->is_watcher || changes_due > 0) continue;
        connection = &connections[0];
        if (connection->open_count > 0 || free_connections == options.connections) continue;
      }
      now = now_ns();
      free_connections++;
      count_batch(connection, now);
      if (is_ending) continue;
      if (options.rate > 0) send_due(connection, now);
      else if (!send_batch(connection, now) && free_connections == options.connections) ends_at = now;
    }
    if (is_measuring && now >= ends_at) {
      is_measuring = 0;
      is_ending = 1;
      measured_ns = now - started_at;
      cpu = cpu_seconds() - cpu_before;
      if (now - last_done_at > stall_ns) stall_ns = now - last_done_at;
      if (options.rate > 0) {
        close(timer);
        for (uint32_t i = 0; i < options.connections; i++) count_unsent(&connections[i]);
      }
    }
    if (is_ending && now > ends_at + LAST_REPLIES_TIMEOUT_MS * NS_PER_MS)
      fail("%u connections wait for replies in vain", options.connections - free_connections);
    if (options.rate > 0 && !is_ending) {
      for (; due_at(next_due) <= now; next_due++) {
        Connection *connection = &connections[next_due % options.connections];
        if (connection->open_count == 0) send_due(connection, now);
      }
      arm(timer, due_at(next_due));
    }
  }
  if (batch_count == 0) fail("no reply within %u ms", options.measure_ms);

  printf("{\"requestCount\":%llu,\"batchCount\":%llu,\"refusedCount\":%llu,\"unsentCount\":%llu,\"seconds\":%.6f,"
         "\"cpuSeconds\":%.6f,\"maxNs\":%llu,\"stallMs\":%.3f,\"sliceMs\":%d,\"slices\":[",
         (unsigned long long)request_count, (unsigned long long)batch_count, (unsigned long long)refused_count,
         (unsigned long long)unsent_count, (double)measured_ns / 1e9, cpu, (unsigned long long)histogram_max_ns,
         (double)stall_ns / 1e6, SLICE_MS);
  uint64_t slice_count = measured_ns / (SLICE_MS * NS_PER_MS);
  for (uint64_t i = 0; i < slice_count && i < SLICES_MAX; i++)
    printf("%s%llu", i > 0 ? "," : "", (unsigned long long)slices[i]);
  fputs("],\"buckets\":", stdout);
  print_histogram();
  fputs("}\n", stdout);
  return 0;
}
