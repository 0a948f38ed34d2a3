/* test_stream_model.c - a stream and its groups beside plain arrays. After each command the whole stream, its groups
 * and their pending entries are compared, also after each allocation of the command has failed in turn: then the
 * command has done all or nothing. */
#include <stdarg.h>

#include "faults.h"
#include "rig.h"

enum { MOST = 6000, GROUPS = 3, CONSUMERS = 4, NAMES = 40, ROOM = 4 << 20 };

static rd_store st;
static rig_client client;
static int fd;
static uint64_t chance;
static unsigned refusals; /* -OOM */

static unsigned below(unsigned n) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return (unsigned)((chance >> 32) * n >> 32);
}

/* ---- the arrays ---- */

typedef struct entry {
  unsigned id; /* the id is id / 4 and id % 4 */
  unsigned made;
} entry;

typedef struct delivery {
  unsigned id, consumer, times;
  uint64_t at;
} delivery;

typedef struct group {
  bool exists, has[CONSUMERS];
  unsigned last, n;
  delivery each[MOST];
} group;

typedef struct model {
  bool exists;
  unsigned n, last, made;
  entry each[MOST];
  group groups[GROUPS];
} model;
static model m;
static unsigned longest; /* strings may have so many bytes */

static unsigned find_entry(unsigned id) { /* the first one that is not before it */
  unsigned i = 0;
  while (i < m.n && m.each[i].id < id) i++;
  return i;
}
static bool has_entry(unsigned id) {
  unsigned i = find_entry(id);
  return i < m.n && m.each[i].id == id;
}
static unsigned find_pending(const group *g, unsigned id) {
  unsigned i = 0;
  while (i < g->n && g->each[i].id < id) i++;
  return i;
}
static bool is_pending(const group *g, unsigned id) {
  unsigned i = find_pending(g, id);
  return i < g->n && g->each[i].id == id;
}
static void drop_pending(group *g, unsigned i) {
  memmove(g->each + i, g->each + i + 1, (--g->n - i) * sizeof g->each[0]);
}
static void put_pending(group *g, unsigned id, unsigned consumer, unsigned times) {
  unsigned i = find_pending(g, id);
  if (!is_pending(g, id)) memmove(g->each + i + 1, g->each + i, (g->n++ - i) * sizeof g->each[0]);
  g->each[i] = (delivery){id, consumer, times, st.now_ms};
}
static void drop_entries(unsigned i, unsigned n) {
  memmove(m.each + i, m.each + i + n, (m.n - i - n) * sizeof m.each[0]);
  m.n -= n;
}

/* ---- text ---- */

typedef struct text {
  char *at;
  size_t len;
} text;
static text want, state, now; /* the expected reply, the expected state, the state */

static __attribute__((format(printf, 2, 3))) void put(text *t, const char *form, ...) {
  va_list args;
  if (t->at == NULL) t->at = malloc(ROOM);
  va_start(args, form);
  t->len += (size_t)vsnprintf(t->at + t->len, ROOM - t->len, form, args);
  va_end(args);
  if (t->len >= ROOM) exit(1);
}
static void put_bulk(text *t, const char *s) { put(t, "$%zu\r\n%s\r\n", strlen(s), s); }
static const char *id_of(unsigned id) {
  static char ids[4][24];
  static unsigned next;
  char *p = ids[next++ % 4];
  snprintf(p, 24, "%u-%u", id / 4, id % 4);
  return p;
}

static const char *const group_names[GROUPS] = {"g", "h", "a group of a name that is longer"};
static const char *consumer_name(unsigned k) {
  static char longer[NAMES * 16];
  if (k < CONSUMERS - 1) return ((const char *const[]){"alice", "bob", ""})[k];
  if (longer[0] == 0) memset(longer, 'c', sizeof longer - 1);
  return longer;
}

/* The field and the value of the entry that was made as number `made`: every seventh has other fields, some are long.
 */
static const char *field_of(unsigned made) { return made % 7 == 3 ? "another field" : "f"; }
static const char *value_of(unsigned made) {
  static char value[4000];
  unsigned n = made % 5 == 0 ? made * 7919 % (longest + 1) : 0;
  memset(value, 'v', n);
  snprintf(value + n, sizeof value - n, "%u", made * 31);
  return value;
}

static void put_entry(text *t, unsigned i) {
  put(t, "*2\r\n");
  put_bulk(t, id_of(m.each[i].id));
  put(t, "*2\r\n");
  put_bulk(t, field_of(m.each[i].made));
  put_bulk(t, value_of(m.each[i].made));
}

/* ---- requests ---- */

static char request[1 << 16];
static size_t request_len;

/* The words of a command, of which each is a bulk. */
static void say_words(unsigned n, const char *const *words) {
  request_len = (size_t)sprintf(request, "*%u\r\n", n);
  for (unsigned i = 0; i < n; i++)
    request_len += (size_t)sprintf(request + request_len, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
}
#define SAY(...)                                       \
  do {                                                 \
    const char *const words_[] = {__VA_ARGS__};        \
    say_words(sizeof words_ / sizeof *words_, words_); \
  } while (0)

static void send_request(void) {
  client.len = 0;
  rig_feed(&client, request, request_len, SIZE_MAX);
}

/* ---- the state ---- */

static void expected_state(void) {
  state.len = 0;
  put(&state, "*%u\r\n", m.n);
  for (unsigned i = 0; i < m.n; i++) put_entry(&state, i);
  for (unsigned i = 0; i < GROUPS; i++) {
    const group *g = &m.groups[i];
    if (!m.exists || !g->exists) {
      put(&state, "-");
      continue;
    }
    put(&state, "*%u\r\n", g->n);
    for (unsigned k = 0; k < g->n; k++) {
      put(&state, "*4\r\n");
      put_bulk(&state, id_of(g->each[k].id));
      put_bulk(&state, consumer_name(g->each[k].consumer));
      put(&state, ":%llu\r\n:%u\r\n", (unsigned long long)(st.now_ms - g->each[k].at), g->each[k].times);
    }
  }
}

static void state_now(void) {
  now.len = 0;
  SAY("XRANGE", "s", "-", "+");
  send_request();
  put(&now, "%.*s", (int)client.len, client.out);
  for (unsigned i = 0; i < GROUPS; i++) {
    SAY("XPENDING", "s", group_names[i], "-", "+", "100000");
    send_request();
    put(&now, "%.*s", client.out[0] == '-' ? 1 : (int)client.len, client.out);
  }
}

/* The groups' last ids and numbers of consumers, and each consumer's pending entries. */
static void compare_groups(void) {
  for (unsigned i = 0; i < GROUPS && m.exists; i++) {
    const group *g = &m.groups[i];
    if (!g->exists) continue;
    unsigned consumers = 0;
    for (unsigned k = 0; k < CONSUMERS; k++) {
      if (!g->has[k]) continue;
      unsigned owned = 0;
      for (unsigned p = 0; p < g->n; p++) owned += g->each[p].consumer == k;
      text line = {0};
      put(&line, "$4\r\nname\r\n");
      put_bulk(&line, consumer_name(k));
      put(&line, "$7\r\npending\r\n:%u\r\n", owned);
      SAY("XINFO", "CONSUMERS", "s", group_names[i]);
      send_request();
      if (memmem(client.out, client.len, line.at, line.len) == NULL) CHECK_FAIL("no consumer %u of group %u", k, i);
      free(line.at);
      consumers++;
    }
    text line = {0};
    put(&line, "$4\r\nname\r\n");
    put_bulk(&line, group_names[i]);
    put(&line, "$9\r\nconsumers\r\n:%u\r\n$7\r\npending\r\n:%u\r\n$17\r\nlast-delivered-id\r\n", consumers, g->n);
    put_bulk(&line, id_of(g->last));
    SAY("XINFO", "GROUPS", "s");
    send_request();
    if (memmem(client.out, client.len, line.at, line.len) == NULL) CHECK_FAIL("group %u is another", i);
    free(line.at);
  }
}

static bool compare(const char *when) {
  char err[200] = "";
  expected_state();
  state_now();
  bool same = state.len == now.len && memcmp(state.at, now.at, now.len) == 0;
  size_t at = 0;
  while (!same && at < state.len && at < now.len && state.at[at] == now.at[at]) at++;
  if (!same) {
    size_t from = at < 60 ? 0 : at - 60;
    CHECK_FAIL("%s: the state differs at %zu", when, at);
    check_print("is  ", now.at + from, now.len - from);
    check_print("not ", state.at + from, state.len - from);
  }
  if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("%s: %s", when, err);
  return same;
}

/* ---- commands: each says its request, changes the arrays, and puts the expected reply ---- */

static unsigned some_id(void) {
  if (m.n > 0 && below(4) > 0) return m.each[below(m.n)].id;
  return below(m.last + 6) + 4;
}
static unsigned some_pending(const group *g) { return g->n > 0 && below(5) > 0 ? g->each[below(g->n)].id : some_id(); }
static const char *number(unsigned n) {
  static char numbers[4][16];
  static unsigned next;
  char *p = numbers[next++ % 4];
  snprintf(p, 16, "%u", n);
  return p;
}

static void forget_all(void) {
  m.exists = false;
  m.n = m.last = 0;
  for (unsigned i = 0; i < GROUPS; i++) m.groups[i] = (group){0};
}

static void add(void) {
  unsigned id = m.last + 1 + (below(3) == 0) * below(200), made = ++m.made;
  if (id < 4) id = 4;
  if (m.n == MOST) {
    drop_entries(0, 1);
    SAY("XADD", "s", "MAXLEN", number(MOST), id_of(id), field_of(made), value_of(made));
  } else {
    SAY("XADD", "s", id_of(id), field_of(made), value_of(made));
  }
  m.exists = true;
  m.each[m.n++] = (entry){id, made};
  m.last = id;
  put_bulk(&want, id_of(id));
}

static void delete_some(void) {
  unsigned ids[3] = {some_id(), some_id(), some_id()}, n = 0;
  SAY("XDEL", "s", id_of(ids[0]), id_of(ids[1]), id_of(ids[2]));
  for (unsigned i = 0; i < 3; i++) {
    if (!has_entry(ids[i])) continue;
    drop_entries(find_entry(ids[i]), 1);
    n++;
  }
  put(&want, ":%u\r\n", n);
}

static void trim(void) {
  unsigned n = 0;
  if (below(2)) {
    unsigned keep = m.n == 0 ? 0 : m.n - (below(10) == 0 ? below(m.n + 1) : below(m.n < 6 ? m.n : 6));
    SAY("XTRIM", "s", "MAXLEN", number(keep));
    n = m.n - keep;
  } else {
    unsigned id = m.n == 0 ? 4 : m.each[below(10) == 0 ? below(m.n) : below(m.n < 6 ? m.n : 6)].id;
    SAY("XTRIM", "s", "MINID", id_of(id));
    n = find_entry(id);
  }
  drop_entries(0, n);
  put(&want, ":%u\r\n", n);
}

/* False, and the error is expected, if there is no such group. */
static bool there(const group *g) {
  if (!m.exists || !g->exists) put(&want, "-");
  return m.exists && g->exists;
}

static void read_new(unsigned i) {
  group *g = &m.groups[i];
  unsigned k = below(CONSUMERS), count = 1 + below(below(8) == 0 ? 300 : 9);
  bool kept = below(6) > 0;
  if (kept)
    SAY("XREADGROUP", "GROUP", group_names[i], consumer_name(k), "COUNT", number(count), "STREAMS", "s", ">");
  else
    SAY("XREADGROUP", "GROUP", group_names[i], consumer_name(k), "COUNT", number(count), "NOACK", "STREAMS", "s", ">");
  if (!there(g)) return;
  g->has[k] = true;
  unsigned from = find_entry(g->last + 1), n = m.n - from < count ? m.n - from : count;
  if (n == 0) {
    put(&want, "*-1\r\n");
    return;
  }
  put(&want, "*1\r\n*2\r\n$1\r\ns\r\n*%u\r\n", n);
  for (unsigned e = from; e < from + n; e++) {
    put_entry(&want, e);
    g->last = m.each[e].id;
    if (kept) put_pending(g, m.each[e].id, k, 1);
  }
}

static void read_again(unsigned i) {
  group *g = &m.groups[i];
  unsigned k = below(CONSUMERS), count = 1 + below(9), after = below(2) ? 0 : some_pending(g), n = 0;
  SAY("XREADGROUP", "GROUP", group_names[i], consumer_name(k), "COUNT", number(count), "STREAMS", "s", id_of(after));
  if (!there(g)) return;
  g->has[k] = true;
  for (unsigned p = 0; p < g->n; p++) n += g->each[p].consumer == k && g->each[p].id > after;
  if (n > count) n = count;
  put(&want, "*1\r\n*2\r\n$1\r\ns\r\n*%u\r\n", n);
  for (unsigned p = 0; p < g->n && n > 0; p++) {
    delivery *e = &g->each[p];
    if (e->consumer != k || e->id <= after) continue;
    n--;
    if (has_entry(e->id)) {
      put_entry(&want, find_entry(e->id));
      e->times++;
      e->at = st.now_ms;
    } else {
      put(&want, "*2\r\n");
      put_bulk(&want, id_of(e->id));
      put(&want, "*-1\r\n");
    }
  }
}

static void acknowledge(unsigned i) {
  group *g = &m.groups[i];
  unsigned ids[3] = {some_pending(g), some_pending(g), some_pending(g)}, n = 0;
  SAY("XACK", "s", group_names[i], id_of(ids[0]), id_of(ids[1]), id_of(ids[2]));
  for (unsigned k = 0; k < 3 && m.exists && g->exists; k++) {
    if (!is_pending(g, ids[k])) continue;
    drop_pending(g, find_pending(g, ids[k]));
    n++;
  }
  put(&want, ":%u\r\n", n);
}

/* Claim one entry as a command does. False: it was deleted, and is not pending any more. *claimed: it was. */
static bool claim_one(group *g, unsigned id, unsigned k, unsigned idle, bool ids_only, bool force, bool *claimed) {
  bool was = is_pending(g, id);
  delivery *e = &g->each[find_pending(g, id)];
  *claimed = false;
  if (was && !has_entry(id)) {
    drop_pending(g, find_pending(g, id));
    return false;
  }
  if (!has_entry(id) || (!was && !force) || (was && st.now_ms - e->at < idle)) return true;
  *claimed = true;
  put_pending(g, id, k, (was ? e->times : 1) + !ids_only);
  return true;
}

static void claim(unsigned i) {
  group *g = &m.groups[i];
  unsigned ids[3], k = below(CONSUMERS), idle = below(2) * below(3000), how = below(3), n = 0;
  static text found;
  found.len = 0;
  for (unsigned e = 0; e < 3; e++) ids[e] = some_pending(g);
  if (how == 0)
    SAY("XCLAIM", "s", group_names[i], consumer_name(k), number(idle), id_of(ids[0]), id_of(ids[1]), id_of(ids[2]));
  else
    SAY("XCLAIM", "s", group_names[i], consumer_name(k), number(idle), id_of(ids[0]), id_of(ids[1]), id_of(ids[2]),
        how == 1 ? "JUSTID" : "FORCE");
  if (!there(g)) return;
  g->has[k] = true;
  for (unsigned e = 0; e < 3; e++) {
    bool claimed;
    claim_one(g, ids[e], k, idle, how == 1, how == 2, &claimed);
    if (!claimed) continue;
    n++;
    if (how == 1)
      put_bulk(&found, id_of(ids[e]));
    else
      put_entry(&found, find_entry(ids[e]));
  }
  put(&want, "*%u\r\n%.*s", n, (int)found.len, found.len ? found.at : "");
}

static void claim_all(unsigned i) {
  group *g = &m.groups[i];
  unsigned k = below(CONSUMERS), idle = below(2) * below(3000), count = 1 + below(6), n = 0, n_gone = 0;
  unsigned from = below(2) ? 0 : some_pending(g), attempts = 10 * count, left = count;
  static text found, gone;
  found.len = gone.len = 0;
  SAY("XAUTOCLAIM", "s", group_names[i], consumer_name(k), number(idle), id_of(from), "COUNT", number(count));
  if (!there(g)) return;
  g->has[k] = true;
  unsigned p = find_pending(g, from);
  for (; p < g->n && left > 0 && attempts > 0; attempts--) {
    bool claimed;
    unsigned id = g->each[p].id;
    if (!claim_one(g, id, k, idle, false, false, &claimed)) {
      put_bulk(&gone, id_of(id));
      n_gone++;
      left--;
      continue;
    }
    if (claimed) put_entry(&found, find_entry(id)), n++, left--;
    p++;
  }
  put(&want, "*3\r\n");
  put_bulk(&want, id_of(p < g->n ? g->each[p].id : 0));
  put(&want, "*%u\r\n%.*s*%u\r\n%.*s", n, (int)found.len, found.len ? found.at : "", n_gone, (int)gone.len,
      gone.len ? gone.at : "");
}

static void change_group(unsigned i) {
  group *g = &m.groups[i];
  unsigned k = below(CONSUMERS), id = below(2) ? 0 : some_id(), pending = 0;
  switch (m.exists && g->exists ? below(12) : 0) {
    case 1:
      SAY("XGROUP", "DESTROY", "s", group_names[i]);
      *g = (group){0};
      put(&want, ":1\r\n");
      break;
    case 2:
    case 3:
      SAY("XGROUP", "DELCONSUMER", "s", group_names[i], consumer_name(k));
      for (unsigned p = g->n; p-- > 0;) {
        if (g->each[p].consumer == k) drop_pending(g, p), pending++;
      }
      g->has[k] = false;
      put(&want, ":%u\r\n", pending);
      break;
    case 4:
    case 5:
    case 6:
      SAY("XGROUP", "CREATECONSUMER", "s", group_names[i], consumer_name(k));
      put(&want, ":%u\r\n", !g->has[k]);
      g->has[k] = true;
      break;
    case 7:
    case 8:
      SAY("XGROUP", "SETID", "s", group_names[i], id_of(id));
      g->last = id;
      put(&want, "+OK\r\n");
      break;
    default:
      SAY("XGROUP", "CREATE", "s", group_names[i], id_of(id), "MKSTREAM");
      if (m.exists && g->exists) {
        put(&want, "-");
        break;
      }
      *g = (group){.exists = true, .last = id};
      m.exists = true;
      put(&want, "+OK\r\n");
      break;
  }
}

/* Say a command, and do the same to the arrays. */
static void choose(void) {
  unsigned kind = below(100), i = below(8) > 0 ? below(2) : below(GROUPS);
  want.len = 0;
  if (kind < 26)
    add();
  else if (kind < 31)
    delete_some();
  else if (kind < 34)
    trim();
  else if (kind < 54)
    read_new(i);
  else if (kind < 61)
    read_again(i);
  else if (kind < 75)
    acknowledge(i);
  else if (kind < 83)
    claim(i);
  else if (kind < 90)
    claim_all(i);
  else
    change_group(i);
}

/* ---- steps ---- */

static model before;

static bool says_oom(void) { return client.len > 4 && memcmp(client.out, "-OOM", 4) == 0; }

static void check_reply(void) {
  if (want.len == 1) {
    CHECK(client.len > 0 && client.out[0] == '-' && !says_oom());
    return;
  }
  CHECK_BYTES(client.out, client.len, want.at, want.len);
  if (!check_ok) check_print("after", request, request_len);
}

/* The command with each of its allocations failing in turn, alone or with all that follow, until none fails. */
static void step(bool failing) {
  static model after;
  static char said[sizeof request];
  memcpy(&before, &m, sizeof m);
  choose();
  size_t len = request_len;
  memcpy(said, request, len);
  memcpy(&after, &m, sizeof m);
  for (uint64_t at = 0; check_ok; at += 1 + at / 8) {
    bool armed = failing && at < 200;
    if (armed) fault_arm(&arena_fault, at, below(2));
    memcpy(request, said, len);
    request_len = len;
    send_request();
    fault_disarm(&arena_fault);
    if (!armed || !says_oom()) break;
    refusals++;
    memcpy(&m, &before, sizeof m);
    compare("refused");
  }
  memcpy(&m, &after, sizeof m);
  check_reply();
}

/* The stream goes to another name by way of a copy and of a payload, with its groups. */
static void move_away(void) {
  static text payload;
  bool there = m.exists;
  SAY("COPY", "s", "t");
  send_request();
  CHECK_TEXT(client.out, client.len, there ? ":1\r\n" : ":0\r\n");
  SAY("MEMORY", "USAGE", "s");
  send_request();
  if (!there) return;
  SAY("DUMP", "t");
  send_request();
  CHECK(client.out[0] == '$');
  payload.len = 0;
  if (payload.at == NULL) payload.at = malloc(ROOM);
  payload.len = (size_t)sprintf(payload.at, "*4\r\n$7\r\nRESTORE\r\n$1\r\nu\r\n$1\r\n0\r\n");
  memcpy(payload.at + payload.len, client.out, client.len);
  payload.len += client.len;
  SAY("DEL", "s");
  send_request();
  if (below(2)) {
    client.len = 0;
    rig_feed(&client, payload.at, payload.len, SIZE_MAX);
    CHECK_TEXT(client.out, client.len, "+OK\r\n");
    SAY("RENAME", "u", "s");
  } else {
    SAY("RENAME", "t", "s");
  }
  send_request();
  CHECK_TEXT(client.out, client.len, "+OK\r\n");
  SAY("DEL", "t", "u");
  send_request();
}

static void play(unsigned steps, unsigned entries, unsigned most, unsigned look, bool failing, uint64_t seed) {
  chance = 88172645463325252ull * seed;
  longest = most;
  refusals = 0;
  forget_all();
  m.made = 0;
  fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
  for (unsigned i = 1; i <= entries; i++) {
    want.len = 0;
    add();
    send_request();
  }
  for (unsigned i = 1; i <= steps && check_ok; i++) {
    st.now_ms += below(1000);
    step(failing);
    if (i % 37 == 0) move_away();
    if (i % look == 0) compare("done"), compare_groups();
    if (!check_ok) check_print("last", request, request_len);
    if (below(300) == 0 && entries == 0) {
      SAY("DEL", "s");
      send_request();
      forget_all();
    }
  }
  CHECK(!failing || refusals > 30);
  rig_client_free(&client);
  rig_close(&st, fd);
}

static void a_short_stream_behaves_as_arrays(void) { play(4000, 0, 20, 1, false, 3); }
static void long_values_behave_as_arrays(void) { play(2000, 0, 2500, 1, false, 5); }
static void a_long_stream_behaves_as_arrays(void) { play(3000, 3000, 60, 25, false, 7); }
static void without_memory_a_command_does_all_or_nothing(void) {
  play(1500, 0, 20, 1, true, 9);
  play(800, 0, 2500, 1, true, 11);
  play(400, 1500, 60, 10, true, 13);
}

int main(void) {
  RUN(a_short_stream_behaves_as_arrays);
  RUN(long_values_behave_as_arrays);
  RUN(a_long_stream_behaves_as_arrays);
  RUN(without_memory_a_command_does_all_or_nothing);
  return check_end();
}
