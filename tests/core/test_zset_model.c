/* test_zset_model.c - sorted sets beside a sorted array, the choice of random members, and scans during changes. */
#include <math.h>
#include <stdarg.h>

#include "rig.h"

enum { MOST = 4000, NAME = 800 };

static rd_store st;
static rig_client client;
static int fd;
static uint64_t chance = 88172645463325252ull;

static unsigned below(unsigned n) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return (unsigned)((chance >> 32) * n >> 32);
}

typedef struct model {
  unsigned members; /* numbers of members that may be in it */
  double score[MOST];
  bool is_in[MOST];
  unsigned order[MOST], n; /* those that are in it, sorted */
} model;
static model m;

/* Member `i`: a number, a short name, a long one, or one that is outside of its entry. */
static const char *name_of(unsigned i) {
  static char name[8][NAME];
  static unsigned next;
  char *p = name[next++ % 8];
  if (i == 0)
    *p = 0;
  else if (i % 101 == 100)
    memset(p, 'a' + (int)(i % 2), 600), snprintf(p + 600, NAME - 600, "%u", i);
  else if (i % 4 == 0)
    snprintf(p, NAME, "%u", i * 1000003u);
  else if (i % 4 == 3)
    snprintf(p, NAME, "a longer name of a member, with its number at the end: %u", i);
  else
    snprintf(p, NAME, "m%u", i);
  return p;
}

static int before(const void *a, const void *b) {
  unsigned i = *(const unsigned *)a, k = *(const unsigned *)b;
  if (m.score[i] != m.score[k]) return m.score[i] < m.score[k] ? -1 : 1;
  return strcmp(name_of(i), name_of(k));
}

static void sort_model(void) {
  m.n = 0;
  for (unsigned i = 0; i < m.members; i++) {
    if (m.is_in[i]) m.order[m.n++] = i;
  }
  qsort(m.order, m.n, sizeof m.order[0], before);
}

static void open_model(unsigned members) {
  memset(&m, 0, sizeof m);
  m.members = members;
  fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
}

static void close_model(void) {
  rig_client_free(&client);
  rig_close(&st, fd);
}

/* Send the words of a command; returns the reply, which ends with a zero. */
static const char *ask(unsigned n, ...) {
  char head[40];
  va_list words;
  client.len = 0;
  rig_feed(&client, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", n), SIZE_MAX);
  va_start(words, n);
  for (unsigned i = 0; i < n; i++) {
    const char *word = va_arg(words, const char *);
    rig_feed(&client, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", strlen(word)), SIZE_MAX);
    rig_feed(&client, word, strlen(word), SIZE_MAX);
    rig_feed(&client, "\r\n", 2, SIZE_MAX);
  }
  va_end(words);
  if (client.len == client.cap) client.out = realloc(client.out, client.cap = client.len + 1);
  client.out[client.len] = 0;
  return (const char *)client.out;
}

static const char *number(double d) {
  static char text[8][40];
  static unsigned next;
  char *p = text[next++ % 8];
  snprintf(p, 40, "%.17g", d);
  return p;
}

/* Check that a range's reply has the members from `rank` on, `n` of them, upwards or downwards. */
static void check_members(const char *said, unsigned rank, unsigned n, bool down) {
  char line[NAME + 40];
  snprintf(line, sizeof line, "*%u\r\n", n);
  for (unsigned i = 0;; i++) {
    if (strncmp(said, line, strlen(line)) != 0) {
      CHECK_FAIL("entry %u of %u from %u on is %.60s", i, n, rank, said);
      return;
    }
    said += strlen(line);
    if (i == n) break;
    const char *name = name_of(m.order[down ? rank - i : rank + i]);
    snprintf(line, sizeof line, "$%zu\r\n%s\r\n", strlen(name), name);
  }
  CHECK(*said == 0);
}

static void check_said(const char *said, long long n, int where) {
  char line[40];
  snprintf(line, sizeof line, ":%lld\r\n", n);
  if (strcmp(said, line) != 0) CHECK_FAIL("in line %d: %.60s and not %lld", where, said, n);
}
#define check_int(said, n) check_said(said, n, __LINE__)

static unsigned rank_of(double score, bool behind) {
  unsigned n = 0;
  while (n < m.n && (m.score[m.order[n]] < score || (behind && m.score[m.order[n]] == score))) n++;
  return n;
}

static void compare_with_model(void) {
  sort_model();
  check_int(ask(2, "ZCARD", "z"), m.n);
  check_members(ask(4, "ZRANGE", "z", "0", "-1"), 0, m.n, false);
  for (unsigned k = 0; k < 20; k++) {
    unsigned i = below(m.members), rank = 0;
    while (rank < m.n && m.order[rank] != i) rank++;
    if (rank < m.n) {
      check_int(ask(3, "ZRANK", "z", name_of(i)), rank);
      check_int(ask(3, "ZREVRANK", "z", name_of(i)), m.n - 1 - rank);
    } else {
      CHECK(strcmp(ask(3, "ZRANK", "z", name_of(i)), "$-1\r\n") == 0);
    }
    double low = below(50), high = low + below(20);
    unsigned from = rank_of(low, false), to = rank_of(high, true);
    check_int(ask(4, "ZCOUNT", "z", number(low), number(high)), to - from);
    check_members(ask(4, "ZRANGEBYSCORE", "z", number(low), number(high)), from, to - from, false);
    if (to > from) check_members(ask(4, "ZREVRANGEBYSCORE", "z", number(high), number(low)), to - 1, to - from, true);
    if (to - from > 3)
      check_members(ask(7, "ZRANGEBYSCORE", "z", number(low), number(high), "LIMIT", "2", "1"), from + 2, 1, false);
    char open[40];
    snprintf(open, sizeof open, "(%s", number(low));
    unsigned above = rank_of(low, true), most = below(130), n = m.n - above < most ? m.n - above : most;
    check_members(ask(7, "ZRANGEBYSCORE", "z", open, "inf", "LIMIT", "0", number(most)), above, n, false);
    if (to > above) check_members(ask(4, "ZRANGEBYSCORE", "z", open, number(high)), above, to - above, false);
    if (m.n > 4) check_members(ask(4, "ZREVRANGE", "z", "1", "3"), m.n - 2, 3, true);
  }
  CHECK(rd_check(&st, (char[200]){0}, 200) == 0);
}

static void change_one(void) {
  unsigned i = below(m.members), kind = below(100);
  const char *name = name_of(i);
  double score = below(2) ? below(60) : below(1000000) / 16.0;
  if (kind < 50) {
    check_int(ask(4, "ZADD", "z", number(score), name), !m.is_in[i]);
    m.is_in[i] = true;
    m.score[i] = score;
  } else if (kind < 70 && m.is_in[i]) {
    double by = below(3) - 1.0;
    ask(4, "ZINCRBY", "z", number(by), name);
    m.score[i] += by;
  } else if (kind < 92) {
    check_int(ask(3, "ZREM", "z", name), m.is_in[i]);
    m.is_in[i] = false;
  } else if (kind < 96) {
    sort_model();
    if (m.n > 0) m.is_in[m.order[0]] = false;
    ask(2, "ZPOPMIN", "z");
  } else if (kind < 98) {
    sort_model();
    if (m.n > 0) m.is_in[m.order[m.n - 1]] = false;
    ask(2, "ZPOPMAX", "z");
  } else if (m.members > 100 && below(10) == 0) {
    sort_model();
    unsigned from = rank_of(20, false), to = rank_of(20 + below(10), true);
    if (to > from) check_int(ask(4, "ZREMRANGEBYRANK", "z", number(from), number(to - 1.0)), to - from);
    for (unsigned k = from; k < to; k++) m.is_in[m.order[k]] = false;
  }
}

static void play(unsigned members, unsigned changes, unsigned looks) {
  open_model(members);
  for (unsigned i = 1; i <= changes && check_ok; i++) {
    change_one();
    if (i % (changes / looks) == 0) compare_with_model();
  }
  close_model();
}

static void few_members_behave_as_a_sorted_array(void) { play(12, 30000, 500); }
static void some_members_behave_as_a_sorted_array(void) { play(60, 30000, 300); }
static void many_members_behave_as_a_sorted_array(void) { play(MOST, 60000, 100); }

/* ---- random members ---- */

/* The bulks of a flat reply, one after another. */
static const char *next_bulk(const char *at, const char **text, size_t *len) {
  while (*at == '*') at = strchr(at, '\n') + 1;
  if (*at != '$') return NULL;
  char *end;
  *len = strtoul(at + 1, &end, 10);
  *text = end + 2;
  return *text + *len + 2;
}

static void check_even(const unsigned *seen, unsigned members, unsigned draws, const char *what) {
  double expected = (double)draws / members, sum = 0, free = members - 1;
  for (unsigned i = 0; i < members; i++) sum += (seen[i] - expected) * (seen[i] - expected) / expected;
  if (fabs(sum - free) > 5 * sqrt(2 * free)) CHECK_FAIL("%s: chi-square %.1f of %.0f members", what, sum, free + 1);
}

/* Draw `calls` times with the given count, from 1,000 members. */
static void draw(const char *count, unsigned calls, bool different) {
  static unsigned seen[1000], last[1000];
  unsigned draws = 0;
  memset(seen, 0, sizeof seen);
  memset(last, 0, sizeof last);
  for (unsigned call = 1; call <= calls; call++) {
    const char *text, *at = ask(3, "ZRANDMEMBER", "z", count);
    for (size_t len; (at = next_bulk(at, &text, &len)) != NULL; draws++) {
      unsigned i = (unsigned)strtoul(text + 1, NULL, 10);
      CHECK(i < 1000);
      if (different) CHECK(last[i] != call);
      last[i] = call;
      seen[i]++;
    }
  }
  CHECK_INT(draws, calls * labs(strtol(count, NULL, 10)));
  /* Without repetitions the numbers are more even than with them. */
  check_even(seen, 1000, draws, count);
}

static void random_members_are_equally_likely(void) {
  open_model(0);
  for (unsigned i = 0; i < 1000; i++) {
    char name[20];
    snprintf(name, sizeof name, "m%u", i);
    ask(4, "ZADD", "z", number(i / 7), name);
  }
  draw("-1000", 300, false);
  draw("-1", 100000, false);
  draw("1", 100000, true);
  draw("10", 20000, true);
  close_model();
}

/* ---- ZSCAN ---- */

enum { STAYING = 3000 };

/* Scan while members come, go and get other scores; each of the staying ones must be returned. */
static void scan_during_changes(unsigned scores, const char *count, bool shrinking) {
  static bool found[STAYING];
  unsigned calls = 0, others = shrinking ? 6000 : 0;
  char name[30], cursor[24] = "0";
  memset(found, 0, sizeof found);
  open_model(0);
  for (unsigned i = 0; i < STAYING + others; i++) {
    snprintf(name, sizeof name, i < STAYING ? "s%u" : "o%u", i);
    ask(4, "ZADD", "z", number(i % scores), name);
  }
  do {
    const char *text, *at = ask(5, "ZSCAN", "z", cursor, "COUNT", count);
    size_t len;
    at = strchr(at, '\n') + 1;
    at = next_bulk(at, &text, &len);
    CHECK(len < 17);
    snprintf(cursor, sizeof cursor, "%.*s", (int)len, text);
    while (at != NULL && (at = next_bulk(at, &text, &len)) != NULL) {
      if (*text == 's') found[strtoul(text + 1, NULL, 10)] = true;
      at = next_bulk(at, &text, &len);
    }
    for (unsigned k = 0; k < 200; k++) {
      unsigned i = below(STAYING);
      snprintf(name, sizeof name, "s%u", i);
      ask(4, "ZADD", "z", number(below(scores)), name);
      if (shrinking && others == 0) continue;
      snprintf(name, sizeof name, "o%u", shrinking ? STAYING + --others : below(100000));
      if (shrinking || below(3) == 0)
        ask(3, "ZREM", "z", name);
      else
        ask(4, "ZADD", "z", number(below(scores)), name);
    }
  } while (strcmp(cursor, "0") != 0 && ++calls < 3000);
  CHECK(calls < 3000);
  CHECK(calls > 5);
  for (unsigned i = 0; i < STAYING; i++) CHECK(found[i]);
  close_model();
}

static void a_scan_returns_all_members_that_stay(void) {
  scan_during_changes(1000000, "20", false);
  scan_during_changes(1000000, "20", true);
  scan_during_changes(100, "100", false);
  scan_during_changes(7, "50", false);
  scan_during_changes(1, "10", false);
  scan_during_changes(1, "10", true);
}

static void a_scan_ends_when_the_set_becomes_another(void) {
  open_model(0);
  for (unsigned i = 0; i < 2000; i++) ask(4, "ZADD", "z", number(i), number(i * 7));
  const char *text, *at = strchr(ask(3, "ZSCAN", "z", "0"), '\n') + 1;
  char cursor[24];
  size_t len;
  next_bulk(at, &text, &len);
  snprintf(cursor, sizeof cursor, "%.*s", (int)len, text);
  CHECK(strcmp(cursor, "0") != 0);
  ask(4, "ZREMRANGEBYRANK", "z", "3", "-1");
  CHECK(strncmp(ask(5, "ZSCAN", "z", cursor, "COUNT", "1000"), "*2\r\n$1\r\n0\r\n", 11) == 0);
  ask(2, "DEL", "z");
  ask(4, "ZADD", "z", "1", "a");
  CHECK(strcmp(ask(3, "ZSCAN", "z", cursor), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n") == 0);
  close_model();
}

int main(void) {
  RUN(few_members_behave_as_a_sorted_array);
  RUN(some_members_behave_as_a_sorted_array);
  RUN(many_members_behave_as_a_sorted_array);
  RUN(random_members_are_equally_likely);
  RUN(a_scan_returns_all_members_that_stay);
  RUN(a_scan_ends_when_the_set_becomes_another);
  return check_end();
}
