/* test_crash.c - two processes on one arena, one of which is killed with SIGKILL again and again at random points of a
 * write load.
 *
 * The invariant: whatever the dead process was doing, each value that can still be read was written by one of them, and
 * is whole; no process waits for the dead one; rd_check() finds every structure intact; and at most one shard was lost.
 *
 * A value shows whether it is whole: its first byte is a version, which together with the key determines every other
 * byte and the possible lengths. The load writes such values in every possible way, in an arena that is always full, so
 * a process also dies during evictions, while blocks are moved, and while regions are taken from other shards.
 * Meanwhile the surviving process reads and writes as well, so the locks are contended.
 *
 * RD_CRASH_KILLS sets the number of kills. RD_CRASH_SEED repeats the choices, except for the times of death. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/worker.h"
#include "check.h"
#include "command/call.h"
#include "commands/value.h"
#include "crash_coll.h"
#include "session/session.h"
#include "store/check.h"
#include "store/databases.h"
#include "store/evict.h"
#include "store/expire.h"
#include "store/reclaim.h"
#include "store/run.h"
#include "store/scripts.h"
#include "store/store.h"

#define SHARDS 8u
#define KEYS 3000u /* ids; two with the same id / 2 may hold each other's values */
#define DBS 2u
#define LONGEST (100u * 1024)
#define MEMORY (3u << 20)
#define HANG_SECONDS 30u
#define MAX_DEATH_US 1500u

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

static uint64_t dice_state;
static uint64_t dice(uint64_t sides) { return mix(dice_state += 0x9e3779b97f4a7c15ull) % sides; }

/* The message of a process that gives up, which the other one prints. */
static struct shared {
  _Atomic uint64_t writes; /* of all writers */
  char complaint[256];
} * shared;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---- keys and values that verify themselves ---- */

struct name {
  uint8_t data[6000];
  uint32_t len;
};

/* Most keys are short; some have a length of their own in an item, some are chunked like a value. */
static void name_of(struct name *n, uint32_t id) {
  n->len = 8 + id % 40;
  if (id % 50 == 7) n->len = 300;
  if (id % 200 == 9) n->len = 5000;
  for (uint32_t i = 4; i < n->len; i++) n->data[i] = (uint8_t)mix(id + i);
  memcpy(n->data, &id, 4);
}

static bool length_is_right(uint32_t id, uint8_t version, uint64_t len) {
  return len > 0 && (len < 8 || len % 7 == (id / 2 + version) % 7);
}

static uint64_t right_length(uint32_t id, uint8_t version, uint64_t len) {
  while (!length_is_right(id, version, len)) len++;
  return len;
}

static uint64_t word_of(uint32_t id, uint8_t version, uint64_t place) {
  return mix(((uint64_t)(id / 2) << 8 | version) * 0x9e3779b97f4a7c15ull + place);
}

/* Bytes [off, off + len) of the value of this version. */
static void value_bytes(uint8_t *dst, uint32_t id, uint8_t version, uint64_t off, uint64_t len) {
  for (uint64_t i = 0; i < len;) {
    uint64_t at = off + i, word = word_of(id, version, at / 8), in = at % 8;
    uint64_t n = 8 - in < len - i ? 8 - in : len - i;
    memcpy(dst + i, (uint8_t *)&word + in, n);
    i += n;
  }
  if (off == 0 && len > 0) dst[0] = version;
}

static uint64_t random_length(void) {
  uint64_t bits = dice(17);
  return 1 + dice(bits == 16 ? LONGEST - 8 : 2ull << bits);
}

/* Describe the error in a value; nothing when it is right. */
static bool whole(rd_store *st, uint32_t id, const rd_item *it, char *complaint, size_t room) {
  static uint8_t wanted[LONGEST + 16];
  uint64_t len = rd_item_len(it);
  uint8_t version = 0;
  if (len > 0) rd_item_read(st, it, 0, &version, 1);
  if (len > LONGEST + 8 || !length_is_right(id, version, len)) {
    snprintf(complaint, room, "key %u: version %u has %llu bytes", id, version, (unsigned long long)len);
    return false;
  }
  int64_t expiry = rd_item_expiry(it);
  if (expiry != RD_NO_EXPIRY && expiry % 8 != id / 2 % 8) {
    snprintf(complaint, room, "key %u: an expiry that was never set, %lld", id, (long long)expiry);
    return false;
  }
  value_bytes(wanted, id, version, 0, len);
  for (uint64_t off = 0; off < len;) {
    rd_bytes piece = rd_item_piece(st, it, off);
    if (memcmp(piece.data, wanted + off, piece.len) != 0) {
      snprintf(complaint, room, "key %u: %llu bytes of version %u are torn in the piece at %llu", id,
               (unsigned long long)len, version, (unsigned long long)off);
      return false;
    }
    off += piece.len;
  }
  return true;
}

static int64_t random_expiry(const rd_store *st, uint32_t id) {
  int64_t when = (int64_t)st->now_ms + (int64_t)(dice(2) == 0 ? dice(40) : dice(100000));
  return when - when % 8 + id / 2 % 8;
}

/* ---- the load ---- */

static uint8_t bytes[LONGEST + 16];

static void set(rd_store *st, const rd_key *key, uint32_t id) {
  uint8_t version = (uint8_t)dice(256);
  uint64_t len = right_length(id, version, random_length()), cut = dice(len + 1);
  value_bytes(bytes, id, version, 0, len);
  rd_bytes parts[2] = {{bytes, cut}, {bytes + cut, len - cut}};
  uint64_t kind = dice(4);
  int64_t expiry = kind == 0 ? RD_KEEP_EXPIRY : kind == 1 ? random_expiry(st, id) : RD_NO_EXPIRY;
  rd_set_parts(st, key, parts, 2, expiry, RD_ENC_AUTO, RD_EVENT_SET);
}

/* As APPEND: the next bytes of the present version. */
static void append(rd_store *st, const rd_key *key, uint32_t id) {
  rd_item *it = rd_find_write(st, key);
  rd_call call = {.store = st};
  uint64_t had = it ? rd_item_len(it) : 0;
  uint8_t version = (uint8_t)dice(256);
  if (it) rd_item_read(st, it, 0, &version, 1);
  uint64_t len = right_length(id, version, had + random_length() / 4);
  if (len > LONGEST || rd_grow(&call, key, &it, len) != RD_OK) return;
  value_bytes(bytes, id, version, had, len - had);
  rd_write(st, key, it, had, bytes, len - had, RD_EVENT_NONE);
}

/* As SETRANGE over all of the value, longer or shorter than it was. */
static void overwrite(rd_store *st, const rd_key *key, uint32_t id) {
  rd_item *it = rd_find_write(st, key);
  if (it == NULL) return;
  uint8_t version = (uint8_t)dice(256);
  uint64_t len = right_length(id, version, dice(2) == 0 ? rd_item_len(it) : random_length());
  if (len > LONGEST || rd_resize(st, key, &it, len, RD_ENC_RAW) != RD_OK) return;
  value_bytes(bytes, id, version, 0, len);
  uint64_t cut = dice(len);
  rd_write(st, key, it, cut, bytes + cut, len - cut, RD_EVENT_NONE);
  rd_write(st, key, it, 0, bytes, cut, RD_EVENT_NONE);
}

static void cut_off(rd_store *st, const rd_key *key, uint32_t id) {
  rd_item *it = rd_find_write(st, key);
  if (it == NULL) return;
  uint8_t version;
  rd_item_read(st, it, 0, &version, 1);
  uint64_t len = right_length(id, version, 1 + dice(rd_item_len(it)));
  if (len < rd_item_len(it)) rd_resize(st, key, &it, len, RD_ENC_RAW);
}

static void expire(rd_store *st, const rd_key *key, uint32_t id) {
  rd_item *it = rd_find_write(st, key);
  if (it != NULL) rd_set_expiry(st, key, &it, dice(4) == 0 ? RD_NO_EXPIRY : random_expiry(st, id), RD_EVENT_EXPIRE);
}

static void copy(rd_store *st, const rd_key *key, uint32_t id) {
  static struct name other;
  name_of(&other, id ^ 1);
  rd_key to = rd_key_of(st, (rd_bytes){other.data, other.len}, (unsigned)dice(DBS));
  rd_unlock_all(st);
  rd_key both[2] = {*key, to};
  rd_lock_keys(st, both, 2);
  rd_copy(st, key, &to, RD_EVENT_COPY_TO);
}

/* ---- the same through a session: pipelines, commands on several keys, transactions ---- */

static rd_session *session; /* of this process */
static uint8_t *request;    /* RESP */
static size_t request_len;
#define REQUEST_ROOM (24u * (LONGEST + 16384u))

static void put_word(const void *data, size_t len) {
  request_len += (size_t)sprintf((char *)request + request_len, "$%zu\r\n", len);
  memcpy(request + request_len, data, len);
  memcpy(request + request_len + len, "\r\n", 2);
  request_len += len + 2;
}

/* Begin a command of so many words with those of `line`. */
static void put_command(unsigned words, const char *line) {
  request_len += (size_t)sprintf((char *)request + request_len, "*%u\r\n", words);
  while (*line) {
    size_t len = strcspn(line, " ");
    put_word(line, len);
    line += len + (line[len] == ' ');
  }
}

static void put_key(uint32_t id) {
  static struct name n;
  name_of(&n, id);
  put_word(n.data, n.len);
}

static void put_value(uint32_t id) {
  uint8_t version = (uint8_t)dice(256);
  uint64_t len = right_length(id, version, random_length());
  value_bytes(bytes, id, version, 0, len);
  put_word(bytes, len);
}

static void put_number(int64_t n) {
  char text[RD_I64_TEXT];
  put_word(text, rd_format_i64(text, n));
}

static void put_request(const rd_store *st, uint32_t id) {
  uint32_t other = (uint32_t)dice(KEYS / 8);
  uint64_t what = dice(8);
  bool in_multi = what == 4 || dice(3) == 0; /* between its DEL and its SETRANGE the other process may set the key */
  if (in_multi) put_command(1, "MULTI");
  switch (what) {
    case 0:
      put_command(5, "MSET"), put_key(id), put_value(id), put_key(other), put_value(other);
      break;
    case 1:
      put_command(3, "RENAME"), put_key(id), put_key(id ^ 1);
      break;
    case 2:
      put_command(4, "COPY"), put_key(id), put_key(id ^ 1), put_word("REPLACE", 7);
      break;
    case 3:
      put_command(2, "GETDEL"), put_key(id);
      break;
    case 4: /* a key that grows from nothing, and one more while the locks are held */
      put_command(2, "DEL"), put_key(other);
      put_command(4, "SETRANGE"), put_key(other), put_word("0", 1), put_value(other);
      break;
    case 5:
      put_command(3, "PEXPIREAT"), put_key(id), put_number(random_expiry(st, id));
      break;
    case 6:
      put_command(4, "GETEX"), put_key(id), put_word("PXAT", 4), put_number(random_expiry(st, id));
      break;
    default:
      put_command(5, "SET"), put_key(id), put_value(id), put_word("PXAT", 4), put_number(random_expiry(st, id));
      break;
  }
  if (in_multi) put_command(3, "SET"), put_key(other), put_value(other);
  if (in_multi) put_command(1, dice(8) == 0 ? "DISCARD" : "EXEC");
}

static bool by_command(rd_store *st) {
  static const rd_limits limits = {
      .batch_size = 16, .output_high = 1 << 20, .query_limit = 1 << 30, .multi_limit = 1 << 30};
  if (session == NULL) {
    session = rd_session_new(st, &limits);
    rd_session_state_of(session)->authenticated = true;
    if (request == NULL) request = malloc(REQUEST_ROOM);
  }
  rd_status status = RD_MORE;
  /* Locks are retained although the process is not alone: even then no process may wait for ever or see a torn value.
   */
  rd_retain_begin(st, dice(2) == 0);
  for (uint64_t feeds = 1 + dice(8); feeds > 0 && status == RD_MORE; feeds--) {
    request_len = 0;
    for (uint64_t n = 1 + dice(3); n > 0; n--) {
      if (dice(2) == 0)
        put_coll_request((int64_t)st->now_ms + (int64_t)dice(200));
      else
        put_request(st, (uint32_t)dice(KEYS / 8));
    }
    status = rd_session_feed(session, request, request_len, st->now_ms);
    for (;;) {
      rd_session_consumed(session, rd_session_output(session).len);
      if (status != RD_FULL && status != RD_BUSY) break;
      status = rd_session_resume(session, st->now_ms);
    }
  }
  rd_retain_end(st);
  if (status == RD_MORE) return true;
  snprintf(shared->complaint, sizeof shared->complaint, "a session wants to end, status %d", (int)status);
  return false;
}

/* Rare commands that change all keys. */
static void upheaval(rd_store *st) {
  switch (dice(6)) {
    case 0:
      rd_flush_db(st, (unsigned)dice(DBS));
      break;
    case 1:
      rd_swap_db(st, 0, 1);
      break;
    case 2:
      if (dice(4) == 0) rd_flush_all(st);
      break;
    case 3:
      rd_lock_all(st);
      rd_unlock_all(st);
      break;
    default:
      rd_set_max_memory(st, MEMORY - dice(MEMORY / 4));
      rd_shrink_step(st, 4);
      break;
  }
  rd_unlock_all(st);
}

/* Scripts come and go; the first bytes of a body say the others. */
static bool script(rd_store *st) {
  static uint8_t body[40000], read[40000];
  uint32_t id = (uint32_t)dice(40), len = id % 7 == 3 ? 30000 : 20 + id * 30;
  uint8_t sha[RD_SHA_BYTES] = {(uint8_t)(id * 41), (uint8_t)id};
  rd_key key = dice(4) == 0 ? rd_library_key(st, (rd_bytes){sha, 5}) : rd_script_key(st, sha);
  for (uint32_t i = 0; i < len; i++) body[i] = (uint8_t)mix(id + i);
  rd_lock_all(st);
  rd_script_info found;
  bool good = true;
  if (rd_script_find(st, &key, &found)) {
    good = found.len == len;
    if (good) rd_script_read(st, &key, read);
    good = good && memcmp(body, read, len) == 0;
    rd_script_mark(st, &key, RD_SCRIPT_WANDERS);
  }
  if (!good) snprintf(shared->complaint, sizeof shared->complaint, "a script is not whole");
  rd_script_put(st, &key, (rd_bytes){body, len}, dice(2) == 0 ? RD_SCRIPT_LOADED : 0);
  if (key.db == RD_LIBRARY_DB && dice(4) == 0) rd_library_remove(st, &key);
  if (dice(30) == 0) rd_scripts_flush(st);
  rd_unlock_all(st);
  return good;
}

/* One random command. false, with a complaint: a value was not whole. */
static bool act(rd_store *st, unsigned reads_of_16) {
  static struct name n;
  st->now_ms = now_us() / 1000;
  uint32_t id = (uint32_t)dice(dice(2) == 0 ? KEYS : KEYS / 8);
  name_of(&n, id);
  rd_key key = rd_key_of(st, (rd_bytes){n.data, n.len}, dice(5) == 0 ? 1 : 0);
  rd_lock_keys(st, &key, 1);
  bool good = true;
  if (dice(16) < reads_of_16) {
    const rd_item *it = rd_find_read(st, &key);
    good = it == NULL || whole(st, id, it, shared->complaint, sizeof shared->complaint);
  } else {
    switch (dice(20)) {
      case 0:
      case 1:
        rd_delete(st, &key);
        break;
      case 2:
      case 3:
      case 4:
        append(st, &key, id);
        break;
      case 5:
      case 6:
      case 7:
        overwrite(st, &key, id);
        break;
      case 8:
        cut_off(st, &key, id);
        break;
      case 9:
      case 10:
        expire(st, &key, id);
        break;
      case 11:
        copy(st, &key, id);
        break;
      case 12:
        rd_unlock_all(st);
        rd_sweep(st, 0, SHARDS, 20000);
        break;
      case 13:
      case 14:
        rd_unlock_all(st);
        good = by_command(st);
        break;
      case 15:
        if (dice(100) == 0) {
          rd_unlock_all(st);
          upheaval(st);
        }
        break;
      case 16:
        if (dice(8) == 0) {
          rd_unlock_all(st);
          good = script(st);
          break;
        }
        set(st, &key, id);
        break;
      default:
        set(st, &key, id);
        break;
    }
    atomic_fetch_add_explicit(&shared->writes, 1, memory_order_relaxed);
  }
  rd_unlock_all(st);
  return good;
}

/* ---- the process that is killed ---- */

static uint64_t ticks(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The kernel kills this process in so many microseconds, wherever it is then. */
static void die_in(uint64_t us) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
  struct itimerspec when = {.it_value = {.tv_sec = 0, .tv_nsec = (long)us * 1000}};
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &when, NULL) != 0) _exit(4);
}

static void be_killed(int fd) {
  static rd_store st;
  session = NULL;             /* the session from before the fork uses another view of the arena */
  bool early = dice(16) == 0; /* while it attaches */
  uint64_t us = 1 + dice(MAX_DEATH_US);
  if (early) die_in(1 + dice(100));
  if (rd_attach(&st, fd, shared->complaint, sizeof shared->complaint) != 0) _exit(2);
  if (rd_worker_join(&st, 0) < 0) {
    snprintf(shared->complaint, sizeof shared->complaint, "no worker slot is free");
    _exit(2);
  }
  st.clock = ticks;
  st.rng = dice_state | 1;
  if (!early) die_in(us);
  while (act(&st, 1)) continue;
  _exit(3);
}

/* ---- the process that survives ---- */

struct tally {
  uint64_t values, present, collections, kills, lost, evicted, emptied;
};

struct walk {
  uint64_t seen;
  char complaint[200];
};

static void visit(void *arg, rd_store *st, const rd_item *it) {
  struct walk *w = arg;
  static struct name has, wanted;
  uint32_t id = UINT32_MAX;
  if (rd_item_key_len(it) >= 4 && rd_item_key_len(it) <= sizeof has.data) {
    rd_item_key(st, it, has.data);
    memcpy(&id, has.data, 4);
  }
  w->seen++;
  if (id < KEYS) name_of(&wanted, id);
  if (id >= KEYS || wanted.len != rd_item_key_len(it) || memcmp(wanted.data, has.data, wanted.len) != 0) {
    snprintf(w->complaint, sizeof w->complaint, "a key that was never written, of %u bytes", rd_item_key_len(it));
  } else {
    whole(st, id, it, w->complaint, sizeof w->complaint);
  }
}

static void visit_collection(void *arg, rd_store *st, const rd_item *it) {
  struct walk *w = arg;
  w->seen++;
  coll_is_whole(st, it, w->complaint, sizeof w->complaint);
}

/* Check everything that must hold when no other process is there. Takes the locks that a dead process left. */
static bool all_is_well(rd_store *st, struct tally *t) {
  static struct name n;
  char complaint[300] = "";
  for (uint32_t id = 0; id < KEYS * DBS; id++) {
    name_of(&n, id / DBS);
    rd_key key = rd_key_of(st, (rd_bytes){n.data, n.len}, id % DBS);
    rd_lock_keys(st, &key, 1);
    const rd_item *it = rd_find_quiet(st, &key, false);
    bool good = it == NULL || whole(st, id / DBS, it, complaint, sizeof complaint);
    t->values += it != NULL;
    rd_unlock_all(st);
    if (!good) CHECK_FAIL("%s", complaint);
    if (!good) return false;
  }
  if (rd_check(st, complaint, sizeof complaint) != 0) {
    CHECK_FAIL("rd_check: %s", complaint);
    return false;
  }
  for (unsigned db = 0; db <= COLL_DB; db++) {
    struct walk w;
    uint64_t cursor, steps;
    for (int pass = 0; pass < 2; pass++) { /* the first removes what has expired, and may so meet keys twice */
      w = (struct walk){0};
      cursor = steps = 0;
      do rd_scan(st, db, &cursor, db == COLL_DB ? visit_collection : visit, &w);
      while (cursor != 0 && ++steps < 1000000 && w.complaint[0] == 0);
    }
    t->present += w.seen;
    if (db == COLL_DB) t->collections += w.seen;
    if (w.complaint[0] == 0 && cursor != 0) snprintf(w.complaint, sizeof w.complaint, "SCAN does not end");
    if (w.complaint[0] == 0 && w.seen > rd_count(st, db))
      snprintf(w.complaint, sizeof w.complaint, "SCAN found too many");
    if (w.complaint[0] != 0) CHECK_FAIL("%s", w.complaint);
    if (w.complaint[0] != 0) return false;
  }
  return true;
}

static void hang(int sig) {
  (void)sig;
  static const char text[] = "    a process waits for ever after a kill\n0 passed, 1 failed\n";
  ssize_t ignored = write(1, text, sizeof text - 1);
  (void)ignored;
  _exit(1);
}

static pid_t start_writer(int fd) {
  fflush(stdout);
  dice_state += 77;
  pid_t writer = fork();
  if (writer == 0) be_killed(fd);
  return writer;
}

static bool was_killed(int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
  CHECK_FAIL("the writer ended by itself, status %#x; %s", (unsigned)status, shared->complaint);
  return false;
}

/* A writer works beside this process until it is killed. */
static bool kill_one(rd_store *st, int fd) {
  pid_t writer = start_writer(fd), ended = 0;
  int status = 0;
  for (unsigned i = 0; ended == 0; i++) {
    if (!act(st, 12)) {
      CHECK_FAIL("%s", shared->complaint);
      kill(writer, SIGKILL);
      waitpid(writer, &status, 0);
      return false;
    }
    if (i % 8 == 7) ended = waitpid(writer, &status, WNOHANG);
  }
  return was_killed(status);
}

/* The writer is alone with the arena. So only the next writer recovers the arena, and may be killed while it does. */
static bool kill_alone(rd_store *st, int fd, unsigned deaths) {
  char err[200];
  bool good = true;
  rd_session_free(session);
  session = NULL;
  rd_worker_leave(st);
  rd_detach(st);
  for (; good && deaths > 0; deaths--) {
    int status = 0;
    waitpid(start_writer(fd), &status, 0);
    good = was_killed(status);
  }
  if (rd_attach(st, fd, err, sizeof err) == 0 && rd_worker_join(st, 0) >= 0) return good;
  CHECK_FAIL("the arena of a dead process cannot be attached: %s", err);
  exit(check_end());
}

/* Kill writers, and check what they left. */
static bool kill_and_verify(rd_store *st, int fd, struct tally *t) {
  bool alone = t->kills % 8 == 7;
  uint64_t lost = alone ? 0 : rd_counter(st, RD_STAT_shards_lost); /* a new run counts from 0 */
  if (alone) {
    t->evicted += rd_counter(st, RD_STAT_evicted_keys);
    t->emptied += rd_counter(st, RD_STAT_evicted_regions);
  }
  unsigned deaths = alone ? 1 + (unsigned)dice(3) : 1;
  bool good = alone ? kill_alone(st, fd, deaths) : kill_one(st, fd);
  st->clock = ticks;
  st->now_ms = now_us() / 1000;
  good = good && all_is_well(st, t);
  lost = rd_counter(st, RD_STAT_shards_lost) - lost;
  if (lost > deaths) CHECK_FAIL("%llu shards were lost by %u deaths", (unsigned long long)lost, deaths);
  t->lost += lost;
  t->kills += deaths;
  return good && lost <= deaths;
}

static void a_kill_leaves_whole_values_and_free_locks_and_costs_at_most_one_shard(void) {
  const char *text = getenv("RD_CRASH_KILLS");
  uint64_t kills = text ? strtoull(text, NULL, 10) : 1000;
  text = getenv("RD_CRASH_SEED");
  uint64_t seed = text ? strtoull(text, NULL, 10) : now_us();
  dice_state = seed;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int fd = memfd_create("crash", MFD_CLOEXEC);
  static rd_store st;
  static const rd_policy policies[] = {RD_ALLKEYS_LRU,    RD_ALLKEYS_S3FIFO, RD_NOEVICTION,   RD_ALLKEYS_LFU,
                                       RD_ALLKEYS_RANDOM, RD_VOLATILE_TTL,   RD_VOLATILE_LRU, RD_VOLATILE_LFU};
  rd_options options = {.max_memory = MEMORY, .num_shards = SHARDS, .policy = policies[0], .sample_size = 5};
  options.seed[0] = mix(seed);
  options.seed[1] = mix(seed + 1);
  char err[200] = "";
  CHECK(shared != MAP_FAILED && fd >= 0);
  if (rd_create(&st, fd, &options, err, sizeof err) != 0 || rd_worker_join(&st, 0) < 0) {
    CHECK_FAIL("no arena: %s", err);
    return;
  }
  st.clock = ticks;
  signal(SIGALRM, hang);
  struct tally t = {0};
  unsigned policy = 0;
  while (t.kills < kills) {
    if (dice(16) == 0) rd_set_policy(&st, policies[policy++ % (sizeof policies / sizeof *policies)], 5);
    alarm(HANG_SECONDS);
    if (!kill_and_verify(&st, fd, &t)) {
      printf("    kill %llu, policy %s, RD_CRASH_SEED=%llu\n", (unsigned long long)t.kills,
             rd_policy_name(rd_get_policy(&st)), (unsigned long long)seed);
      break;
    }
  }
  alarm(0);
  printf(
      "    %llu kills, %llu shards lost; %llu writes, %llu values and %llu collections verified; %llu keys evicted, "
      "%llu "
      "regions emptied\n",
      (unsigned long long)t.kills, (unsigned long long)t.lost, (unsigned long long)shared->writes,
      (unsigned long long)t.values, (unsigned long long)t.collections,
      (unsigned long long)(t.evicted + rd_counter(&st, RD_STAT_evicted_keys)),
      (unsigned long long)(t.emptied + rd_counter(&st, RD_STAT_evicted_regions)));
  CHECK(t.lost > 0 || kills < 100); /* otherwise no process died during a change, and nothing was tested */
  rd_lock_all(&st);
  rd_scripts_flush(&st);
  rd_libraries_flush(&st);
  rd_unlock_all(&st);
  rd_flush_all(&st);
  while (!rd_sweep(&st, 0, SHARDS, 0)) continue;
  for (uint32_t i = 0; i < SHARDS; i++) {
    const rd_shard *sh = rd_shard_at(&st, i);
    CHECK_INT(sh->heap.used, sh->ghosts * rd_round_up(RD_GHOST_BYTES, RD_GRANULE)); /* the deaths lost no block */
  }
  rd_session_free(session);
  free(request);
  rd_worker_leave(&st);
  rd_detach(&st);
  close(fd);
}

int main(void) {
  RUN(a_kill_leaves_whole_values_and_free_locks_and_costs_at_most_one_shard);
  return check_end();
}
