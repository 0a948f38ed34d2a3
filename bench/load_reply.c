/* load_reply.c - reads replies in RESP and in memcached's text protocol. */
#include "load_reply.h"

#include <stdio.h>
#include <string.h>

typedef enum step { GOES_ON, ENDED, MALFORMED } step;

static bool is(const char *line, size_t len, const char *word) {
  return strlen(word) == len && memcmp(line, word, len) == 0;
}
static bool starts(const char *line, size_t len, const char *word) {
  return strlen(word) <= len && memcmp(line, word, strlen(word)) == 0;
}

/* The digits of `p`, all of them; false when there are none, others, or more than a length can have. */
static bool number(const char *p, size_t len, uint64_t *n) {
  *n = 0;
  if (len == 0 || len > 19) return false;
  for (size_t i = 0; i < len; i++) {
    if (p[i] < '0' || p[i] > '9') return false;
    *n = *n * 10 + (uint64_t)(p[i] - '0');
  }
  return true;
}

static void keep_error(tally *t, const char *line, size_t len) {
  if (t->error[0] == '\0') snprintf(t->error, sizeof t->error, "%.*s", (int)len, line);
}

static step error_reply(tally *t, const char *line, size_t len) {
  t->errors++;
  keep_error(t, line, len);
  return ENDED;
}

/* A value follows: its length must be that of the values that were set. */
static step value_follows(replies *r, tally *t, const load_plan *plan, uint64_t len) {
  if (len != plan->value) return MALFORMED;
  t->hits++;
  r->skip = len;
  r->value = true;
  return GOES_ON;
}

static step resp_bulk(replies *r, tally *t, const load_plan *plan, const char *line, size_t len) {
  uint64_t n;
  if (is(line, len, "$-1") || is(line, len, "_")) {
    t->misses++;
    return --r->left == 0 ? ENDED : GOES_ON;
  }
  return line[0] == '$' && number(line + 1, len - 1, &n) ? value_follows(r, t, plan, n) : MALFORMED;
}

/* A line of a reply of any form: `left` counts the parts of it that are still to come. */
static step resp_any(replies *r, tally *t, const char *line, size_t len) {
  uint64_t n;
  if (!r->inside) r->left = 1;
  r->inside = true;
  if (strchr("*~>%", line[0]) != NULL && number(line + 1, len - 1, &n)) {
    r->left += (uint32_t)(line[0] == '%' ? 2 * n : n);
  } else if (line[0] == '$' && number(line + 1, len - 1, &n)) {
    t->hits++;
    r->skip = n;
    r->value = true;
    return GOES_ON;
  } else if (strchr("+:,#(_", line[0]) == NULL && !is(line, len, "$-1") && !is(line, len, "*-1")) {
    return MALFORMED;
  }
  return --r->left == 0 ? ENDED : GOES_ON;
}

static step resp_line(replies *r, tally *t, const load_plan *plan, reply_kind kind, const char *line, size_t len) {
  uint64_t n;
  if (len == 0) return MALFORMED;
  if (line[0] == '-' && !r->inside) return error_reply(t, line, len);
  if (kind == ANY) return resp_any(r, t, line, len);
  if (r->inside || kind == VALUE) {
    if (!r->inside) r->left = 1;
    r->inside = true;
    return resp_bulk(r, t, plan, line, len);
  }
  if (kind == STORED) return is(line, len, "+OK") ? ENDED : MALFORMED;
  if (kind == NUMBER) return line[0] == ':' && number(line + 1, len - 1, &n) ? ENDED : MALFORMED;
  if (line[0] != '*' || !number(line + 1, len - 1, &n) || n != MANY) return MALFORMED;
  r->inside = true;
  r->left = MANY;
  return GOES_ON;
}

/* VALUE lines name the keys that were found, and END ends them: the other keys were missed. */
static step memcached_line(replies *r, tally *t, const load_plan *plan, reply_kind kind, const char *line, size_t len) {
  uint64_t n;
  if (is(line, len, "ERROR") || starts(line, len, "CLIENT_ERROR") || starts(line, len, "SERVER_ERROR") ||
      is(line, len, "NOT_FOUND") || is(line, len, "NOT_STORED"))
    return error_reply(t, line, len);
  if (kind == STORED) return is(line, len, "STORED") ? ENDED : MALFORMED;
  if (kind == NUMBER) return number(line, len, &n) ? ENDED : MALFORMED;
  if (!r->inside) r->left = kind == VALUES ? MANY : 1;
  r->inside = true;
  if (is(line, len, "END")) {
    t->misses += r->left;
    return ENDED;
  }
  const char *last = memrchr(line, ' ', len);
  if (!starts(line, len, "VALUE ") || r->left == 0) return MALFORMED;
  if (!number(last + 1, len - (size_t)(last + 1 - line), &n)) return MALFORMED;
  return value_follows(r, t, plan, n);
}

static step take_line(replies *r, tally *t, const load_plan *plan, reply_kind kind, const char *line, size_t len) {
  if (r->value) {
    if (len != 0) return MALFORMED;
    r->value = false;
    r->left--;
    return r->left == 0 && plan->protocol == RESP ? ENDED : GOES_ON;
  }
  return (plan->protocol == RESP ? resp_line : memcached_line)(r, t, plan, kind, line, len);
}

int replies_read(replies *r, tally *t, const load_plan *plan, const uint8_t *kinds, uint32_t awaited, const char *data,
                 size_t len) {
  const char *p = data, *end = data + len;
  uint32_t done = 0;
  while (p < end) {
    if (r->skip != 0) {
      size_t n = r->skip < (size_t)(end - p) ? r->skip : (size_t)(end - p);
      p += n;
      r->skip -= n;
      continue;
    }
    if (done == awaited) {
      keep_error(t, "more replies than commands", 26);
      return -1;
    }
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    if (stop == NULL && (size_t)(end - p) <= sizeof r->line) {
      r->kept = (uint32_t)(end - p);
      memcpy(r->line, p, r->kept);
      break;
    }
    step got = MALFORMED;
    if (stop != NULL && stop > p && stop[-1] == '\r')
      got = take_line(r, t, plan, kinds[done], p, (size_t)(stop - 1 - p));
    if (got == MALFORMED) {
      size_t shown = (size_t)((stop != NULL ? stop : end) - p);
      keep_error(t, p, shown < 100 ? shown : 100);
      return -1;
    }
    if (got == ENDED) {
      t->commands[kinds[done++]]++;
      r->inside = false;
    }
    p = stop + 1;
  }
  return (int)done;
}
