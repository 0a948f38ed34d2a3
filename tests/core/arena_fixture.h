/* arena_fixture.h - an arena for a test: a memfd, a fixed seed, a clock that the test sets. */
#ifndef RD_ARENA_FIXTURE_H
#define RD_ARENA_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/lock.h"
#include "arena/worker.h"
#include "store/check.h"
#include "store/run.h"
#include "store/store.h"

#define MIB (1024ull * 1024)
#define START_MS 1700000000000ull

/* An arena of these bytes; a failure ends the program. */
static inline rd_store arena_new(uint64_t max_memory, uint32_t shards, rd_policy policy) {
  rd_store st;
  char err[200] = "";
  int fd = memfd_create("redistill-test", MFD_CLOEXEC);
  rd_options o = {.max_memory = max_memory, .num_shards = shards, .policy = policy, .sample_size = 5, .seed = {1, 2}};
  if (fd < 0 || rd_create(&st, fd, &o, err, sizeof err) != 0 || rd_worker_join(&st, 0) < 0) {
    fprintf(stderr, "no arena: %s\n", err);
    exit(2);
  }
  st.now_ms = START_MS;
  return st;
}

static inline void arena_free(rd_store *st) {
  int fd = st->fd;
  rd_detach(st);
  close(fd);
}

static inline rd_key key_of(rd_store *st, const void *data, size_t len, unsigned db) {
  return rd_key_of(st, (rd_bytes){data, len}, db);
}

/* Check the whole arena, and print the first violation. */
static inline bool arena_is_whole(rd_store *st) {
  char err[300] = "";
  int n = rd_check(st, err, sizeof err);
  if (n != 0) printf("    rd_check: %d violations, first: %s\n", n, err);
  return n == 0;
}

#endif
