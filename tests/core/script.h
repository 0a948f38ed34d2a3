/* script.h - requests in a short form, and the contents of a store.
 *
 * A script is commands separated by " ; ". Its words are separated by spaces:
 *
 *     @300x    a key of 300 bytes; "x" distinguishes it from others of the same length
 *     #9000x   a value of 9,000 bytes that repeats one text
 *     $9000x   a value of 9,000 bytes that does not compress
 *     %#9000x  the payload that DUMP gives for such a value (likewise %$9000x)
 *     &l300    the payload of a list of 300 elements, of which one is of 2,000 bytes; with h, s, z and x of a hash, a
 *              set, a sorted set or a stream
 *     other    itself; '' is the empty string
 *
 * or, when it begins with "raw ", one line of bytes to send unchanged. */
#ifndef RD_SCRIPT_H
#define RD_SCRIPT_H

#include "arena_fixture.h"
#include "base/hash.h"
#include "check.h"
#include "session/session.h"
#include "store/blob.h"
#include "store/coll.h"
#include "store/databases.h"
#include "store/type.h"

typedef struct text {
  uint8_t *data;
  size_t len, cap;
} text;

static inline void text_add(text *t, const void *data, size_t len) {
  if (t->cap - t->len < len) {
    t->cap = 2 * t->cap + len;
    t->data = realloc(t->data, t->cap);
  }
  if (len != 0) memcpy(t->data + t->len, data, len);
  t->len += len;
}
static inline void text_say(text *t, const char *s) { text_add(t, s, strlen(s)); }
static inline bool text_same(const text *a, const text *b) {
  return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}
static inline void text_free(text *t) {
  free(t->data);
  *t = (text){NULL, 0, 0};
}

static const rd_limits script_limits = {
    .batch_size = 16, .output_high = 1u << 30, .query_limit = 1ull << 30, .multi_limit = 1ull << 30};

static inline rd_session *script_session(rd_store *st) {
  rd_session *s = rd_session_new(st, &script_limits);
  if (s != NULL) rd_session_state_of(s)->authenticated = true;
  return s;
}

static inline void script_bulk(text *t, const void *data, size_t len) {
  char head[32];
  text_add(t, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len));
  text_add(t, data, len);
  text_say(t, "\r\n");
}

static inline void script_value(text *out, const char *word) {
  char *rest;
  size_t len = strtoul(word + 1, &rest, 10);
  uint8_t *p = malloc(len + 1);
  uint64_t x = 88172645463325252ull + (uint8_t)*rest;
  for (size_t i = 0; i < len; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    p[i] = word[0] == '$' ? (uint8_t)x : (uint8_t)("0123456789"[i % 10] + (i < 10 ? 0 : *rest % 4));
  }
  if (word[0] == '@') memset(p, 'k', len);
  if (word[0] == '@') memcpy(p, rest, strlen(rest) < len ? strlen(rest) : len);
  text_add(out, p, len);
  free(p);
}

/* Append the payload of DUMP of the key k after this request. */
static inline void script_dump_after(text *out, text *ask) {
  rd_store st = arena_new(16 * MIB, 1, RD_NOEVICTION);
  rd_session *s = script_session(&st);
  rd_session_feed(s, ask->data, ask->len, START_MS);
  rd_session_consumed(s, rd_session_output(s).len);
  ask->len = 0;
  text_say(ask, "*2\r\n$4\r\nDUMP\r\n$1\r\nk\r\n");
  rd_session_feed(s, ask->data, ask->len, START_MS);
  rd_bytes reply = rd_session_output(s);
  const uint8_t *line = memchr(reply.data, '$', reply.len);
  line = (const uint8_t *)memchr(line, '\n', (size_t)(reply.data + reply.len - line)) + 1;
  text_add(out, line, (size_t)(reply.data + reply.len - 2 - line));
  text_free(ask);
  rd_session_free(s);
  arena_free(&st);
}

static inline void script_dump(text *out, const char *word) {
  text ask = {0}, value = {0};
  text_say(&ask, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n");
  script_value(&value, word);
  script_bulk(&ask, value.data, value.len);
  text_free(&value);
  script_dump_after(out, &ask);
}

static inline void script_stream(text *out, unsigned n) {
  char line[96], large[2000];
  text ask = {0};
  memset(large, 'x', sizeof large);
  for (unsigned i = 0; i < n; i++) {
    text_say(&ask, "*5\r\n$4\r\nXADD\r\n$1\r\nk\r\n");
    script_bulk(&ask, line, (size_t)snprintf(line, sizeof line, "%u-%u", 1000 + i / 2, i));
    script_bulk(&ask, "field", 5);
    if (i == 1)
      script_bulk(&ask, large, sizeof large);
    else
      script_bulk(&ask, line, (size_t)snprintf(line, sizeof line, "value number %u", i));
  }
  script_dump_after(out, &ask);
}

static inline void script_collection(text *out, const char *word) {
  if (word[1] == 'x') {
    script_stream(out, (unsigned)strtoul(word + 2, NULL, 10));
    return;
  }
  static const char kinds[] = "lshz";
  static const char *const names[] = {"RPUSH", "SADD", "HSET", "ZADD"};
  size_t kind = (size_t)(strchr(kinds, word[1]) - kinds);
  unsigned n = (unsigned)strtoul(word + 2, NULL, 10), each = kind < 2 ? 1 : 2;
  char head[48], large[2000], small[16];
  text ask = {0};
  text_add(&ask, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", 2 + each * n));
  script_bulk(&ask, names[kind], strlen(names[kind]));
  script_bulk(&ask, "k", 1);
  memset(large, 'x', sizeof large);
  for (unsigned i = 0; i < n; i++) {
    size_t len = (size_t)snprintf(small, sizeof small, "m%u", i);
    if (kind == 3) script_bulk(&ask, small + 1, len - 1);
    script_bulk(&ask, i == 1 ? large : small, i == 1 ? sizeof large : len);
    if (kind == 2) script_bulk(&ask, small, len);
  }
  script_dump_after(out, &ask);
}

/* The bytes that a client sends for a script. */
static inline text script_bytes(const char *script) {
  text t = {0}, words = {0};
  if (strncmp(script, "raw ", 4) == 0) {
    text_say(&t, script + 4);
    text_say(&t, "\r\n");
    return t;
  }
  char *copy = strdup(script), *save = NULL;
  unsigned n = 0;
  char head[32];
  for (char *word = strtok_r(copy, " ", &save);; word = strtok_r(NULL, " ", &save)) {
    if (word == NULL || strcmp(word, ";") == 0) {
      if (n != 0) text_add(&t, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", n));
      text_add(&t, words.data, words.len);
      words.len = n = 0;
      if (word == NULL) break;
      continue;
    }
    text made = {0};
    if (word[0] == '@' || word[0] == '#' || word[0] == '$')
      script_value(&made, word);
    else if (word[0] == '%')
      script_dump(&made, word + 1);
    else if (word[0] == '&')
      script_collection(&made, word);
    else if (strcmp(word, "''") != 0)
      text_say(&made, word);
    script_bulk(&words, made.data, made.len);
    text_free(&made);
    n++;
  }
  free(copy);
  text_free(&words);
  return t;
}

/* ---- the contents of a store ---- */

typedef struct held {
  uint32_t db, key_len;
  uint64_t key, value; /* hashes */
  uint64_t len;
  int64_t expiry;
  uint32_t type, encoding;
} held;

typedef struct holdings {
  held *at;
  size_t n, cap;
  uint32_t db;
} holdings;

/* The hash of an entry of a collection; of a string outside of it the bytes count, and not their place. */
static inline uint64_t held_entry(const rd_coll *c, const rd_pos *p, const uint64_t seed[2]) {
  uint8_t entry[RD_ENTRY_MAX];
  uint32_t len = c->kind->size(p->at, p->end), off;
  memcpy(entry, p->at, len);
  for (uint32_t n = 0; c->kind->outside != NULL && (off = c->kind->outside(p->at, n)) != 0; n++) {
    rd_ref blob = rd_ld64(p->at + off);
    uint64_t size = rd_blob_len(c->st, blob), hash;
    uint8_t *bytes = malloc(size + 1);
    rd_blob_read(c->st, blob, 0, bytes, size);
    hash = rd_siphash(seed, bytes, size);
    memcpy(entry + off, &hash, sizeof hash);
    free(bytes);
  }
  return rd_siphash(seed, entry, len);
}

/* A collection counts by its entries, whatever its form; where only their hash gives them an order, in any order. */
static inline void held_entries(held *x, rd_store *st, const rd_item *it, const uint8_t *name, const uint64_t seed[2]) {
  rd_key key = rd_key_of(st, (rd_bytes){name, x->key_len}, x->db);
  rd_coll c;
  rd_pos p;
  rd_coll_open(&c, st, &key, (rd_item *)(uintptr_t)it, rd_type_of(it));
  bool ordered = c.kind->sorted || c.kind->order == NULL;
  x->len = rd_coll_count(&c);
  x->encoding = rd_coll_name(&c);
  for (bool more = rd_coll_first(&c, &p); more; more = rd_coll_next(&c, &p))
    x->value = x->value * (ordered ? 31 : 1) + held_entry(&c, &p, seed);
  if (c.row->extra == 0) return;
  uint8_t extra[256];
  rd_coll second = rd_coll_second(&c);
  rd_coll_read_extra(&c, extra);
  x->value = x->value * 31 + rd_siphash(seed, extra, c.row->extra);
  for (bool more = rd_coll_first(&second, &p); more; more = rd_coll_next(&second, &p))
    x->value = x->value * 31 + held_entry(&second, &p, seed);
}

static inline void held_visit(void *arg, rd_store *st, const rd_item *it) {
  static const uint64_t seed[2] = {7, 11};
  holdings *h = arg;
  held x;
  memset(&x, 0, sizeof x);
  x.db = h->db;
  x.key_len = rd_item_key_len(it);
  x.len = rd_item_len(it);
  x.expiry = rd_item_expiry(it);
  x.type = rd_item_type(it);
  x.encoding = rd_item_encoding(it);
  uint8_t *p = malloc(x.key_len + x.len + 1);
  rd_item_key(st, it, p);
  x.key = rd_siphash(seed, p, x.key_len);
  if (rd_type_of(it)->coll[0] != NULL) {
    held_entries(&x, st, it, p, seed);
  } else {
    rd_item_read(st, it, 0, p, x.len);
    x.value = rd_siphash(seed, p, x.len);
  }
  free(p);
  if (h->n == h->cap) h->at = realloc(h->at, (h->cap = 2 * h->cap + 64) * sizeof *h->at);
  h->at[h->n++] = x;
}

static inline int held_order(const void *a, const void *b) { return memcmp(a, b, sizeof(held)); }

/* All keys, sorted. */
static inline holdings holdings_of(rd_store *st) {
  holdings h = {0};
  for (h.db = 0; h.db < RD_DATABASES; h.db++) {
    uint64_t cursor = 0;
    do {
      rd_scan(st, h.db, &cursor, held_visit, &h);
    } while (cursor != 0);
  }
  if (h.n > 1) qsort(h.at, h.n, sizeof *h.at, held_order);
  return h;
}
static inline bool holdings_same(const holdings *a, const holdings *b) {
  return a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, a->n * sizeof *a->at) == 0);
}
static inline void holdings_show(const char *label, const holdings *h) {
  for (size_t i = 0; i < h->n && i < 8; i++) {
    const held *x = &h->at[i];
    printf("      %s db %u key %016llx (%u) value %016llx (%llu) expiry %lld type %u encoding %u\n", label, x->db,
           (unsigned long long)x->key, x->key_len, (unsigned long long)x->value, (unsigned long long)x->len,
           (long long)x->expiry, x->type, x->encoding);
  }
}
static inline void holdings_free(holdings *h) {
  free(h->at);
  *h = (holdings){0};
}

#endif
