/* load_stream.c - makes the requests of each workload. */
#include "load_stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
  const load_plan *plan;
  uint64_t dice;
  uint64_t next; /* key of FILL */
  double *sums;  /* sums[i]: how likely one of the i + 1 most popular keys is; for MIXED */
} source;

static uint64_t roll(source *s, uint64_t n) {
  s->dice ^= s->dice << 13;
  s->dice ^= s->dice >> 7;
  s->dice ^= s->dice << 17;
  return (s->dice >> 16) % n;
}

static uint64_t pick_zipf(source *s) {
  double x = (double)roll(s, 1ull << 46) / (double)(1ull << 46) * s->sums[s->plan->keys - 1];
  uint64_t low = 0, high = s->plan->keys - 1;
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (s->sums[middle] < x)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static unsigned long long pick_key(source *s) {
  if (s->plan->workload == FILL) return s->next++ % s->plan->keys;
  return s->sums != NULL ? pick_zipf(s) : roll(s, s->plan->keys);
}

static char *put_value(char *p, uint32_t len) {
  memset(p, '1', len); /* digits: a value of one byte can be counted up */
  memcpy(p + len, "\r\n", 2);
  return p + len + 2;
}

static char *put_resp(char *p, source *s, workload what) {
  static const char *const names[] = {[GET] = "GET", [SET] = "SET", [MGET] = "MGET", [MSET] = "MSET", [INCR] = "INCR"};
  unsigned keys = what == MGET || what == MSET ? MANY : 1, words = what == SET || what == MSET ? 2 : 1;
  p += sprintf(p, "*%u\r\n$%zu\r\n%s\r\n", 1 + keys * words, strlen(names[what]), names[what]);
  for (unsigned i = 0; i < keys; i++) {
    p += sprintf(p, "$%u\r\n%s%012llu\r\n", KEY_LENGTH, s->plan->prefix, pick_key(s));
    if (words == 2) p = put_value(p + sprintf(p, "$%u\r\n", s->plan->value), s->plan->value);
  }
  return p;
}

static char *put_memcached(char *p, source *s, workload what) {
  const char *prefix = s->plan->prefix;
  if (what == SET) {
    p += sprintf(p, "set %s%012llu 0 0 %u\r\n", prefix, pick_key(s), s->plan->value);
    return put_value(p, s->plan->value);
  }
  if (what == INCR) return p + sprintf(p, "incr %s%012llu 1\r\n", prefix, pick_key(s));
  p += sprintf(p, "get");
  for (unsigned i = 0; i < (what == MGET ? MANY : 1); i++) p += sprintf(p, " %s%012llu", prefix, pick_key(s));
  return p + sprintf(p, "\r\n");
}

static reply_kind kind_of(workload what) {
  switch (what) {
    case GET:
      return VALUE;
    case MGET:
      return VALUES;
    case INCR:
      return NUMBER;
    default:
      return STORED;
  }
}

static const char *make_sums(source *s, double exponent) {
  double sum = 0;
  s->sums = malloc(s->plan->keys * sizeof *s->sums);
  if (s->sums == NULL) return "no memory";
  for (uint64_t i = 0; i < s->plan->keys; i++) s->sums[i] = sum += pow((double)i + 1, -exponent);
  return NULL;
}

const char *stream_make(stream *s, const load_plan *plan, uint64_t seed) {
  source from = {.plan = plan, .dice = seed * 2654435761u + 88172645463325252ull};
  size_t longest = 64 + (plan->workload == MSET || plan->workload == MGET ? MANY : 1) * (64 + (size_t)plan->value);
  if (plan->protocol == MEMCACHED && plan->workload == MSET) return "memcached's protocol has no MSET";
  uint64_t commands = STREAM_BYTES / longest < STREAM_COMMANDS ? STREAM_BYTES / longest : STREAM_COMMANDS;
  if (plan->workload == FILL) commands = plan->keys;
  uint64_t batches = (commands + plan->pipeline - 1) / plan->pipeline;
  *s = (stream){.batches = (uint32_t)batches};
  s->bytes = malloc(batches * plan->pipeline * longest);
  s->ends = malloc(batches * sizeof *s->ends);
  s->kinds = malloc(batches * plan->pipeline);
  const char *error = s->bytes == NULL || s->ends == NULL || s->kinds == NULL ? "no memory" : NULL;
  if (error == NULL && plan->workload == MIXED) error = make_sums(&from, plan->zipf);
  char *p = s->bytes;
  for (uint64_t i = 0; error == NULL && i < batches * plan->pipeline; i++) {
    workload what = plan->workload;
    if (what == MIXED) what = roll(&from, 11) == 0 ? SET : GET;
    if (what == FILL) what = SET;
    p = plan->protocol == RESP ? put_resp(p, &from, what) : put_memcached(p, &from, what);
    s->kinds[i] = (uint8_t)kind_of(what);
    s->ends[i / plan->pipeline] = (size_t)(p - s->bytes);
  }
  free(from.sums);
  if (error != NULL) stream_free(s);
  return error;
}

void stream_free(stream *s) {
  free(s->bytes);
  free(s->ends);
  free(s->kinds);
  *s = (stream){0};
}
