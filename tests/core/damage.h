/* damage.h - arenas with changed bytes, for test_damage.c and fuzz_arena.c.
 *
 * An arena is made that holds every kind of block. Its image is kept, and copied back for each trial. */
#ifndef RD_DAMAGE_H
#define RD_DAMAGE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/admission.h"
#include "arena/heap.h"
#include "arena/layout.h"
#include "arena/lock.h"
#include "arena/memory.h"
#include "arena/worker.h"
#include "session/session.h"
#include "store/expire.h"
#include "store/reclaim.h"
#include "store/recovery.h"
#include "store/run.h"
#include "store/scripts.h"
#include "store/store.h"

#define DAMAGE_SHARDS 4u
#define DAMAGE_KEYS 4000u
#define DAMAGE_MEMORY (8u << 20)
#define DAMAGE_MS 1700000000000ull

typedef struct rd_image {
  int fd;
  uint64_t size; /* of the file */
  uint64_t used; /* bytes up to the last region that was ever used */
  uint8_t *bytes;
  rd_header head; /* as it was */
} rd_image;

static char damage_request[1 << 17];
static char damage_filler[1 << 16];

/* Commands in lines; the replies are ignored. */
static void damage_say(rd_session *s, uint64_t now_ms, const char *text, size_t len) {
  rd_status status = rd_session_feed(s, (const uint8_t *)text, len, now_ms);
  for (;;) {
    rd_session_consumed(s, rd_session_output(s).len);
    if (status == RD_CONTROL) rd_session_answer(s, (const uint8_t *)"+OK\r\n", 5);
    if (status != RD_FULL && status != RD_CONTROL) return;
    status = rd_session_resume(s, now_ms);
  }
}

#define DAMAGE_SAY(s, now, ...)                                                  \
  do {                                                                           \
    int damage_n = snprintf(damage_request, sizeof damage_request, __VA_ARGS__); \
    damage_say(s, now, damage_request, (size_t)damage_n);                        \
  } while (0)

static rd_session *damage_session(rd_store *st) {
  static const rd_limits limits = {
      .batch_size = 16, .output_high = 1 << 20, .query_limit = 1 << 30, .multi_limit = 1 << 30};
  rd_session *s = rd_session_new(st, &limits);
  rd_session_state_of(s)->authenticated = true;
  return s;
}

static const char *damage_key(uint32_t n) {
  static char name[6100];
  size_t len = n % 97 == 5 ? 300 : n % 401 == 7 ? 5000 : 0;
  int at = snprintf(name, sizeof name, "key:%u:", n);
  if (len > 0) memset(name + at, 'k', len), name[(size_t)at + len] = 0;
  return name;
}

/* Collections of each type: packed ones, trees, and trees with elements that lie outside of their entries. */
#define DAMAGE_COLLECTIONS 12u

static void damage_add(rd_session *s, uint32_t key, uint32_t n) {
  int len = n % 60 == 59 ? 700 + (int)(n % 7) * 3000 : (int)(n % 20) + 1;
  const char *text = damage_filler;
  DAMAGE_SAY(s, DAMAGE_MS, "RPUSH l:%u %u%.*s\r\nSADD s:%u %u%.*s %u\r\n", key, n, len, text, key, n, len, text, n);
  DAMAGE_SAY(s, DAMAGE_MS, "HSET h:%u %u%.*s %u\r\nZADD z:%u %u %u%.*s\r\n", key, n, len, text, n, key, n % 50, n, len,
             text);
}

static void damage_use_collections(rd_session *s, uint64_t now) {
  for (uint32_t key = 0; key < DAMAGE_COLLECTIONS; key++) {
    uint32_t k = key, n = key * 7 + 3;
    DAMAGE_SAY(s, now, "LRANGE l:%u 0 -1\r\nLINDEX l:%u %u\r\nLSET l:%u %u x\r\nLPOS l:%u none\r\n", k, k, n, k, n, k);
    DAMAGE_SAY(s, now, "LREM l:%u 0 x\r\nLINSERT l:%u BEFORE none x\r\nLPOP l:%u 3\r\nLTRIM l:%u 2 -2\r\n", k, k, k, k);
    DAMAGE_SAY(s, now, "SMEMBERS s:%u\r\nSPOP s:%u 3\r\nSRANDMEMBER s:%u 9\r\nSREM s:%u %u\r\n", k, k, k, k, n);
    DAMAGE_SAY(s, now, "SUNIONSTORE s:u s:%u s:0\r\nSINTER s:%u s:1\r\nSSCAN s:%u 0 COUNT 50\r\n", k, k, k);
    DAMAGE_SAY(s, now, "HGETALL h:%u\r\nHDEL h:%u %u\r\nHINCRBY h:%u n 1\r\nHRANDFIELD h:%u 9\r\n", k, k, n, k, k);
    DAMAGE_SAY(s, now, "ZRANGE z:%u 0 -1\r\nZPOPMIN z:%u 3\r\nZRANK z:%u %uv\r\nZCOUNT z:%u 3 20\r\n", k, k, k, n, k);
    DAMAGE_SAY(s, now, "ZUNIONSTORE z:u 2 z:%u s:%u\r\nZREMRANGEBYSCORE z:%u 10 12\r\n", k, k, k);
    DAMAGE_SAY(s, now, "SORT s:%u ALPHA STORE l:u\r\nDUMP h:%u\r\nDUMP z:%u\r\nMEMORY USAGE l:%u\r\n", k, k, k, k);
    for (uint32_t i = 0; i < 70; i++) damage_add(s, key, key * 100 + i);
    DAMAGE_SAY(s, now, "COPY l:%u l:c\r\nRENAME h:%u h:r\r\nRENAME z:%u z:r\r\nCOPY s:%u s:c REPLACE\r\n", k, k, k, k);
    DAMAGE_SAY(s, now, "PEXPIRE l:%u 100\r\nMOVE s:%u 3\r\nSET z:r x\r\nDEL l:c\r\n", k, k);
  }
}

/* Scripts of all sizes, and libraries: added, used, and at last removed. */
static void damage_scripts(rd_store *st, bool remove) {
  rd_lock_all(st);
  for (uint32_t n = 0; n < 40; n++) {
    uint8_t sha[RD_SHA_BYTES] = {(uint8_t)(n * 37), (uint8_t)n};
    rd_key key = n % 8 == 7 ? rd_library_key(st, (rd_bytes){sha, 9}) : rd_script_key(st, sha);
    rd_script_info script;
    rd_bytes body = {(const uint8_t *)damage_filler, n % 10 == 4 ? 30000 : n * 20};
    if (rd_script_find(st, &key, &script) && script.len <= sizeof damage_request)
      rd_script_read(st, &key, damage_request);
    rd_script_mark(st, &key, RD_SCRIPT_WANDERS);
    rd_script_put(st, &key, body, n % 3 == 0 ? RD_SCRIPT_LOADED : 0);
    if (remove && n % 16 == 7) rd_library_remove(st, &key);
  }
  if (remove) rd_scripts_flush(st);
  if (remove) rd_libraries_flush(st);
  rd_unlock_all(st);
}

static rd_image damage_image(rd_policy policy) {
  rd_image image = {.fd = memfd_create("redistill-damage", MFD_CLOEXEC)};
  rd_store st;
  char err[200] = "";
  rd_options o = {
      .max_memory = DAMAGE_MEMORY, .num_shards = DAMAGE_SHARDS, .policy = policy, .sample_size = 5, .seed = {3, 4}};
  if (rd_create(&st, image.fd, &o, err, sizeof err) != 0 || rd_worker_join(&st, 0) < 0) {
    fprintf(stderr, "no arena: %s\n", err);
    exit(2);
  }
  memset(damage_filler, 'v', sizeof damage_filler - 1);
  rd_session *s = damage_session(&st);
  for (uint32_t n = 0; n < DAMAGE_KEYS; n++) {
    int len = n % 200 == 3 ? 30000 : n % 50 == 1 ? 9000 : (int)(n % 300);
    DAMAGE_SAY(s, DAMAGE_MS, "SELECT %u\r\nSET %s %.*s%s\r\n", n % 5 == 0, damage_key(n), len + 1, damage_filler,
               n % 3 == 0 ? " EX 1000" : "");
  }
  DAMAGE_SAY(s, DAMAGE_MS, "SELECT 0\r\n");
  for (int i = 0; i < 20; i++) DAMAGE_SAY(s, DAMAGE_MS, "APPEND large %.*s\r\n", 40000, damage_filler);
  damage_scripts(&st, false);
  for (uint32_t key = 0; key < DAMAGE_COLLECTIONS; key++) {
    uint32_t count = key % 3 == 0 ? 15 : key % 3 == 1 ? 120 : 700;
    for (uint32_t n = 0; n < count; n++) damage_add(s, key, n);
  }
  DAMAGE_SAY(s, DAMAGE_MS, "SELECT 0\r\nDEL s:2 l:2\r\n"); /* there are graves */
  DAMAGE_SAY(s, DAMAGE_MS, "SELECT 2\r\nSET a b\r\nSET c d\r\nFLUSHDB\r\nDEL key:17: key:19:\r\n");
  rd_session_free(s);
  image.size = st.size;
  image.used = st.head->body_at + (uint64_t)st.head->pool.fresh * RD_REGION_SIZE;
  image.head = *st.head;
  rd_worker_leave(&st);
  image.bytes = malloc(image.used);
  memcpy(image.bytes, st.base, image.used);
  rd_detach(&st);
  return image;
}

/* Write the image to the file, and map it so that the test can damage it. A run resets the workers' blocks. */
static uint8_t *damage_lay(const rd_image *image) {
  uint8_t *base = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_SHARED, image->fd, 0);
  if (base == MAP_FAILED) exit(2);
  memcpy(base, image->bytes, image->head.workers_at);
  memcpy(base + image->head.regions_at, image->bytes + image->head.regions_at, image->used - image->head.regions_at);
  return base;
}

static inline void damage_free(rd_image *image) {
  close(image->fd);
  free(image->bytes);
}

/* Use every key as clients and the sweep do. The store is full afterwards. */
static void damage_use(rd_store *st) {
  uint64_t now = DAMAGE_MS + 10;
  st->now_ms = now;
  rd_session *s = damage_session(st);
  for (uint32_t n = 0; n < DAMAGE_KEYS; n++) {
    const char *key = damage_key(n);
    DAMAGE_SAY(s, now, "SELECT %u\r\nGET %s\r\nSTRLEN %s\r\n", n % 5 == 0, key, key);
    if (n % 7 == 0) DAMAGE_SAY(s, now, "APPEND %s %.*s\r\n", key, (int)(n % 500) + 1, damage_filler);
    if (n % 11 == 0) DAMAGE_SAY(s, now, "PERSIST %s\r\nEXPIRE %s 50\r\n", key, key);
    if (n % 13 == 0) DAMAGE_SAY(s, now, "DEL %s\r\n", key);
    if (n % 17 == 0) DAMAGE_SAY(s, now, "MSET %s x new:%u y\r\nRENAME new:%u newer:%u\r\n", key, n, n, n);
    if (n % 300 == 0) rd_sweep(st, 0, st->num_shards, 0);
  }
  DAMAGE_SAY(s, now, "SELECT 0\r\nGETRANGE large 0 -1\r\nSETRANGE large 700000 x\r\nDBSIZE\r\nRANDOMKEY\r\nKEYS *\r\n");
  damage_use_collections(s, now);
  damage_scripts(st, false);
  DAMAGE_SAY(s, now, "MULTI\r\nSET a b\r\nGET large\r\nEXEC\r\nSWAPDB 0 1\r\nCOPY large larger\r\n");
  for (uint32_t n = 0; n < 900; n++) DAMAGE_SAY(s, now, "SET more:%u %.*s\r\n", n, 12000, damage_filler); /* evicts */
  rd_set_max_memory(st, DAMAGE_MEMORY * 3 / 4);
  for (int i = 0; i < 50; i++) rd_shrink_step(st, 4);
  now += 2000000; /* keys with an expiry have expired */
  st->now_ms = now;
  DAMAGE_SAY(s, now, "SELECT 1\r\nFLUSHDB\r\nSELECT 0\r\nDEL large larger\r\n");
  damage_scripts(st, true);
  for (uint32_t i = 0; i < 2000; i++) rd_sweep(st, 0, st->num_shards, 0);
  rd_session_free(s);
  rd_unlock_all(st);
}

#endif
