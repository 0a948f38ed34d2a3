/* load_stream.c - makes the requests of each workload. */
#include "load_stream.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
  const load_plan *plan;
  uint64_t dice;
  uint64_t next; /* key of FILL, or member of a key */
  uint32_t turn; /* the word at which the next command begins */
  unsigned long long turns_key, turns_member;
  double *sums; /* sums[i]: how likely one of the i + 1 most popular keys is; for MIXED */
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

/* Write a word, with values in the place of its %-letters, and return its end. */
static char *put_word(char *p, source *s, const char *word, unsigned long long key, unsigned long long member) {
  for (; *word != '\0'; word++) {
    if (*word != '%') {
      *p++ = *word;
      continue;
    }
    switch (*++word) {
      case 'k':
        p += sprintf(p, "%s%012llu", s->plan->prefix, key);
        break;
      case 'j':
        p += sprintf(p, "%s%06llu", s->plan->prefix, key);
        break;
      case 'm':
        p += sprintf(p, "member:%09llu", member);
        break;
      case 'f':
        p += sprintf(p, "f%07llu", member);
        break;
      case 'n':
        p += sprintf(p, "%llu", member + 1000000000);
        break;
      case 'i':
        p += sprintf(p, "%llu", member);
        break;
      case 's':
        p += sprintf(p, "%llu.5", member * 7919 % s->plan->members);
        break;
      case 'r':
        p += sprintf(p, "%llu.5", (unsigned long long)roll(s, s->plan->members));
        break;
      case 'x':
      case 'y':
        p += sprintf(p, "%.6f", (double)roll(s, 10000000) / 1e6);
        break;
      case 'v':
        memset(p, 'x', s->plan->value);
        p += s->plan->value;
        break;
      default:
        return p; /* words_are_known() has refused it */
    }
  }
  return p;
}

static bool words_are_known(const load_plan *plan) {
  for (uint32_t i = 0; i < plan->num_words; i++) {
    for (const char *at = plan->words[i]; (at = strchr(at, '%')) != NULL; at += 2) {
      if (at[1] == '\0' || strchr("kjmfnisrxyv", at[1]) == NULL) return false;
    }
  }
  return true;
}

static char *put_command(char *p, source *s, char *scratch) {
  const load_plan *plan = s->plan;
  unsigned long long member, key;
  if (plan->workload == FILL) {
    key = s->next / plan->members % plan->keys;
    member = s->next++ % plan->members;
  } else {
    if (s->turn == 0) {
      s->turns_key = roll(s, plan->keys);
      s->turns_member = roll(s, plan->members);
    }
    key = s->turns_key;
    member = s->turns_member;
  }
  uint32_t begin = s->turn, end = begin;
  while (end < plan->num_words && strcmp(plan->words[end], ";") != 0) end++;
  s->turn = end + 1 < plan->num_words ? end + 1 : 0;
  p += sprintf(p, "*%u\r\n", end - begin);
  for (uint32_t i = begin; i < end; i++) {
    size_t len = (size_t)(put_word(scratch, s, plan->words[i], key, member) - scratch);
    p += sprintf(p, "$%zu\r\n", len);
    memcpy(p, scratch, len);
    memcpy(p + len, "\r\n", 2);
    p += len + 2;
  }
  return p;
}

/* Most bytes of a word: each character of it may be a placeholder's, and stand for a value. */
static size_t longest_word(const load_plan *plan) {
  size_t longest = 0;
  for (uint32_t i = 0; i < plan->num_words; i++) {
    size_t len = strlen(plan->words[i]) * (32 + (strstr(plan->words[i], "%v") != NULL ? plan->value : 0));
    if (len > longest) longest = len;
  }
  return longest + 32;
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
    case COMMAND:
      return ANY;
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
  bool given = plan->num_words != 0;
  if (given && plan->protocol == MEMCACHED) return "a command is for RESP";
  if (plan->workload == COMMAND && !given) return "--command is missing";
  if (!words_are_known(plan)) return "an unknown placeholder";
  if (given) longest = 16 + plan->num_words * longest_word(plan);
  uint64_t commands = STREAM_BYTES / longest < STREAM_COMMANDS ? STREAM_BYTES / longest : STREAM_COMMANDS;
  if (plan->workload == FILL) commands = plan->keys * (given ? plan->members : 1);
  uint64_t batches = (commands + plan->pipeline - 1) / plan->pipeline;
  *s = (stream){.batches = (uint32_t)batches};
  s->bytes = malloc(batches * plan->pipeline * longest);
  s->ends = malloc(batches * sizeof *s->ends);
  s->kinds = malloc(batches * plan->pipeline);
  char *scratch = malloc(longest);
  const char *error = s->bytes == NULL || s->ends == NULL || s->kinds == NULL || scratch == NULL ? "no memory" : NULL;
  if (error == NULL && plan->workload == MIXED) error = make_sums(&from, plan->zipf);
  char *p = s->bytes;
  for (uint64_t i = 0; error == NULL && i < batches * plan->pipeline; i++) {
    workload what = plan->workload;
    if (what == MIXED) what = roll(&from, 11) == 0 ? SET : GET;
    if (what == FILL) what = given ? COMMAND : SET;
    if (what == COMMAND)
      p = put_command(p, &from, scratch);
    else
      p = plan->protocol == RESP ? put_resp(p, &from, what) : put_memcached(p, &from, what);
    s->kinds[i] = (uint8_t)kind_of(what);
    s->ends[i / plan->pipeline] = (size_t)(p - s->bytes);
  }
  free(from.sums);
  free(scratch);
  if (error != NULL) stream_free(s);
  return error;
}

void stream_free(stream *s) {
  free(s->bytes);
  free(s->ends);
  free(s->kinds);
  *s = (stream){0};
}
