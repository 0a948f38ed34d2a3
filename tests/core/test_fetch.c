/* The prefetching of elements: replies with it are those without it. A session that parses one command at a time
 * prefetches nothing. */
#include <stdarg.h>

#include "rig.h"

enum { ELEMENTS = 45000, PIPELINES = 800 }; /* values of more than 4 MiB */

static uint64_t dice = 1;
static unsigned below(unsigned n) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)((dice >> 33) % n);
}

typedef struct request {
  char data[1 << 16];
  size_t len;
} request;

static void add(request *r, const char *words) {
  char copy[400], *rest = copy, *word;
  unsigned n = 0;
  snprintf(copy, sizeof copy, "%s", words);
  for (const char *at = words; at != NULL; at = strchr(at, ' ')) {
    n++;
    at += *at == ' ';
  }
  r->len += (size_t)sprintf(r->data + r->len, "*%u\r\n", n);
  while ((word = strsep(&rest, " ")) != NULL)
    r->len += (size_t)sprintf(r->data + r->len, "$%zu\r\n%s\r\n", strlen(word), word);
}

static void addf(request *r, const char *format, ...) {
  char words[400];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  add(r, words);
}

#define LONG "a-long-text-that-makes-the-value-large-enough-for-the-prefetching-of-its-elements-by-a-session"

static void fill_one(request *r, unsigned i) {
  addf(r, "HSET h f%u %s", i, LONG);
  addf(r, "SADD s m%u-%s", i, LONG);
  addf(r, "ZADD z %u m%u-%s", i, i, LONG);
}

/* A command of any kind on an element, which may exist, or whose arguments may be wrong. */
static void add_random(request *r) {
  unsigned i = below(ELEMENTS * 5 / 4), score = below(3) ? below(1000000) : below(9);
  switch (below(22)) {
    case 0:
      addf(r, "HGET h f%u", i);
      break;
    case 1:
      addf(r, "HSET h f%u v%u", i, score);
      break;
    case 2:
      addf(r, "HDEL h f%u f%u", i, i + 1);
      break;
    case 3:
      addf(r, "HINCRBY h n%u %u", i % 100, score);
      break;
    case 4:
      addf(r, "HGET h");
      break;
    case 5:
      addf(r, "SADD s m%u-%s x%u", i, LONG, i);
      break;
    case 6:
      addf(r, "SREM s m%u-%s", i, LONG);
      break;
    case 7:
      addf(r, "SISMEMBER s m%u-%s", i, LONG);
      break;
    case 8:
      addf(r, "SISMEMBER h m%u", i);
      break;
    case 9:
    case 10:
      addf(r, "ZADD z %u m%u-%s", score, i, LONG);
      break;
    case 11:
      addf(r, "ZADD z GT CH %u m%u-%s", score, i, LONG);
      break;
    case 12:
      addf(r, "ZADD z nan m%u-%s", i, LONG);
      break;
    case 13:
      addf(r, "ZADD z %u", score);
      break;
    case 14:
      addf(r, "ZADD z");
      break;
    case 15:
      addf(r, "ZRANK z m%u-%s", i, LONG);
      break;
    case 16:
      addf(r, "ZREVRANK z m%u-%s WITHSCORE", i, LONG);
      break;
    case 17:
      addf(r, "ZSCORE z m%u-%s", i, LONG);
      break;
    case 18:
      addf(r, "ZINCRBY z -%u m%u-%s", score, i, LONG);
      break;
    case 19:
      addf(r, "ZREM z m%u-%s", i, LONG);
      break;
    case 20:
      addf(r, "ZSCORE %s m%u", below(2) ? "nothing" : "s", i);
      break;
    default:
      addf(r, "GET h");
      break;
  }
}

/* A pipeline; commands for one key come in a row. */
static void add_pipeline(request *r) {
  unsigned kind = below(60);
  if (kind == 0) add(r, "MULTI");
  if (kind == 1) add(r, "RENAME z y");
  for (unsigned n = 1 + below(40); n > 0; n--) {
    add_random(r);
    if (kind == 2 && n == 20) add(r, "DEL h");
  }
  if (kind == 0) add(r, below(2) ? "EXEC" : "DISCARD");
  if (kind == 1) add(r, "RENAME y z");
}

static void replies_are_the_same_with_and_without_prefetching(void) {
  static request r;
  static const rd_limits limits = {
      .batch_size = 1, .output_high = 1u << 20, .query_limit = 1ull << 30, .multi_limit = 1ull << 30};
  rd_store store[2];
  int fd[2];
  rig_client client[2];
  for (unsigned k = 0; k < 2; k++) {
    fd[k] = rig_open(&store[k], 128u << 20, 4, RD_NOEVICTION);
    client[k] = rig_client_new(&store[k], k == 0 ? NULL : &limits);
  }
  for (unsigned i = 0; i < ELEMENTS + PIPELINES;) {
    r.len = 0;
    if (i < ELEMENTS)
      for (unsigned n = 0; n < 30; n++) fill_one(&r, i++);
    else
      for (i++; r.len < sizeof r.data / 4 && below(3) != 0;) add_pipeline(&r);
    for (unsigned k = 0; k < 2; k++) {
      client[k].len = 0;
      rd_retain_begin(&store[k], i % 2 == 0);
      rig_feed(&client[k], r.data, r.len, SIZE_MAX);
      rd_retain_end(&store[k]);
    }
    if (client[0].len != client[1].len || memcmp(client[0].out, client[1].out, client[0].len) != 0)
      CHECK_FAIL("step %u: the replies differ", i);
  }
  for (unsigned k = 0; k < 2; k++) {
    rig_client_free(&client[k]);
    rig_close(&store[k], fd[k]);
  }
}

int main(void) {
  RUN(replies_are_the_same_with_and_without_prefetching);
  return check_end();
}
