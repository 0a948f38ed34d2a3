/* prefixes.c - finds the prefixes of a key, and collects changed keys for each. */
#include "session/prefixes.h"

#include <stdlib.h>

#include "arena/tracked.h"
#include "arena/worker.h"

enum { MALLOC_HEAD = 16 };

static int compare(rd_bytes a, rd_bytes b) {
  size_t n = a.len < b.len ? a.len : b.len;
  int order = n != 0 ? memcmp(a.data, b.data, n) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool begins_with(rd_bytes text, rd_bytes prefix) {
  return prefix.len <= text.len && (prefix.len == 0 || memcmp(text.data, prefix.data, prefix.len) == 0);
}

/* The number of prefixes that are not behind `name`. */
static uint32_t count_up_to(const rd_prefixes *p, rd_bytes name) {
  uint32_t low = 0, count = p->count;
  while (count != 0) {
    uint32_t half = count / 2;
    if (compare(p->at[low + half]->name, name) <= 0) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

rd_prefix *rd_prefixes_match(const rd_prefixes *p, rd_bytes key) {
  uint32_t n = count_up_to(p, key);
  rd_prefix *x = n != 0 ? p->at[n - 1] : NULL;
  while (x != NULL && !begins_with(key, x->name)) x = x->shorter;
  return x;
}

/* ---- the set of prefixes ---- */

/* After a change: find each one's shorter prefix, and tell other processes the first bytes. */
static void arrange(rd_store *st, rd_prefixes *p) {
  uint64_t first[4] = {0};
  for (uint32_t i = 0; i < p->count; i++) {
    rd_prefix *x = p->at[i], *s = i != 0 ? p->at[i - 1] : NULL;
    while (s != NULL && !begins_with(x->name, s->name)) s = s->shorter;
    x->shorter = s;
    if (x->name.len == 0)
      memset(first, 0xff, sizeof first);
    else
      first[x->name.data[0] >> 6] |= 1ull << (x->name.data[0] & 63);
  }
  rd_tracked_set_first(st, first);
  rd_gauge_set(st, RD_GAUGE_tracking_prefixes, p->count);
}

static bool reserve(rd_prefixes *p, uint32_t n) {
  if (p->count + n <= p->cap) return true;
  uint32_t cap = p->count + n + p->count / 2;
  rd_prefix **at = realloc(p->at, cap * sizeof(rd_prefix *));
  if (at == NULL) return false;
  p->at = at;
  rd_prefix **dirty = realloc(p->dirty, cap * sizeof(rd_prefix *));
  if (dirty == NULL) return false;
  p->dirty = dirty;
  p->cap = cap;
  return true;
}

static bool add_client(rd_prefix *x, rd_tracker *t) {
  if (x->count == x->cap) {
    uint32_t cap = x->cap + x->cap / 2 + 1;
    rd_tracker **clients = realloc(x->clients, cap * sizeof(rd_tracker *));
    if (clients == NULL) return false;
    x->clients = clients;
    x->cap = cap;
  }
  x->clients[x->count++] = t;
  return true;
}

static uint64_t memory_of(const rd_prefix *x) { return sizeof *x + x->name.len + MALLOC_HEAD; }

static rd_prefix *new_prefix(rd_store *st, rd_bytes name) {
  if (!rd_scratch_fits(st, sizeof(rd_prefix) + name.len)) return NULL;
  rd_prefix *x = calloc(1, sizeof *x + name.len);
  if (x == NULL) return NULL;
  if (name.len != 0) memcpy(x->bytes, name.data, name.len);
  x->name = (rd_bytes){x->bytes, name.len};
  rd_reply_init(&x->keys);
  rd_scratch_count(st, memory_of(x));
  return x;
}

static void free_prefix(rd_store *st, rd_prefix *x) {
  rd_scratch_count(st, -(memory_of(x) + x->keys.cap));
  rd_reply_free(&x->keys);
  free(x->clients);
  free(x);
}

static void remove_client(rd_prefix *x, const rd_tracker *t) {
  uint32_t i = 0;
  while (i < x->count && x->clients[i] != t) i++;
  if (i < x->count) x->clients[i] = x->clients[--x->count];
}

bool rd_prefixes_add(rd_store *st, rd_prefixes *p, rd_tracker *t, const rd_bytes *names, uint32_t n,
                     rd_prefix **added) {
  if (!reserve(p, n)) return false;
  uint32_t done = 0, fresh = 0;
  rd_prefix **made = n != 0 ? malloc(n * sizeof(rd_prefix *)) : NULL;
  bool ok = made != NULL || n == 0;
  for (; ok && done < n; done++) {
    uint32_t place = count_up_to(p, names[done]);
    rd_prefix *x = place != 0 ? p->at[place - 1] : NULL;
    if (x == NULL || compare(x->name, names[done]) != 0) {
      x = new_prefix(st, names[done]);
      if (x != NULL) made[fresh++] = x;
    }
    if (x == NULL || !add_client(x, t)) break;
    added[done] = x;
  }
  ok = ok && done == n;
  if (ok) {
    uint32_t old = p->count, to = p->count + fresh;
    for (uint32_t i = fresh; i-- > 0;) {
      while (old != 0 && compare(p->at[old - 1]->name, made[i]->name) > 0) p->at[--to] = p->at[--old];
      p->at[--to] = made[i];
    }
    p->count += fresh;
    arrange(st, p);
  } else {
    while (done-- > 0) remove_client(added[done], t);
    while (fresh-- > 0) free_prefix(st, made[fresh]);
  }
  free(made);
  return ok;
}

void rd_prefixes_remove(rd_store *st, rd_prefixes *p, const rd_tracker *t, rd_prefix **from, uint32_t n) {
  if (n == 0) return;
  for (uint32_t i = 0; i < n; i++) remove_client(from[i], t);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < p->dirty_count; i++) {
    if (p->dirty[i]->count != 0) p->dirty[kept++] = p->dirty[i];
  }
  p->dirty_count = kept;
  kept = 0;
  for (uint32_t i = 0; i < p->count; i++) {
    if (p->at[i]->count != 0)
      p->at[kept++] = p->at[i];
    else
      free_prefix(st, p->at[i]);
  }
  p->count = kept;
  arrange(st, p);
}

void rd_prefixes_free(rd_store *st, rd_prefixes *p) {
  for (uint32_t i = 0; i < p->count; i++) free_prefix(st, p->at[i]);
  free(p->at);
  free(p->dirty);
  *p = (rd_prefixes){0};
}

/* ---- changed keys ---- */

static void mark_dirty(rd_prefixes *p, rd_prefix *x) {
  if (x->dirty) return;
  x->dirty = true;
  p->dirty[p->dirty_count++] = x;
}

bool rd_prefix_collect(rd_store *st, rd_prefixes *p, rd_prefix *x, rd_bytes key, uint32_t writer) {
  rd_changed_key head = {writer, (uint32_t)key.len};
  size_t before = x->keys.cap, more = sizeof head + key.len;
  mark_dirty(p, x);
  if (x->keys.cap - x->keys.len < more && !rd_scratch_fits(st, before + more)) return false;
  if (rd_reply_room(&x->keys, more) == NULL) {
    x->keys.failed = false;
    return false;
  }
  rd_scratch_count(st, x->keys.cap - before);
  rd_reply_raw(&x->keys, &head, sizeof head);
  if (key.len != 0) rd_reply_raw(&x->keys, key.data, key.len);
  return true;
}

void rd_prefix_forget_keys(rd_store *st, rd_prefix *x) {
  rd_scratch_count(st, -(uint64_t)x->keys.cap);
  rd_reply_free(&x->keys);
  x->keys.len = 0;
}

static int by_name(const void *a, const void *b) {
  return compare((*(rd_prefix *const *)a)->name, (*(rd_prefix *const *)b)->name);
}

uint32_t rd_prefixes_take_dirty(rd_prefixes *p) {
  uint32_t n = p->dirty_count;
  if (n > 1) qsort(p->dirty, n, sizeof(rd_prefix *), by_name);
  for (uint32_t i = 0; i < n; i++) p->dirty[i]->dirty = false;
  p->dirty_count = 0;
  return n;
}

typedef struct found {
  rd_bytes key;
  uint32_t writer;
} found;

/* The same keys stand in the order in which they changed. */
static int by_key(const void *a, const void *b) {
  const found *x = a, *y = b;
  int order = compare(x->key, y->key);
  return order != 0 ? order : (x->key.data > y->key.data) - (x->key.data < y->key.data);
}

static uint32_t list_keys(const rd_prefix *x, found *to) {
  uint32_t n = 0;
  for (size_t at = 0; at < x->keys.len; n++) {
    rd_changed_key head;
    memcpy(&head, x->keys.data + at, sizeof head);
    if (to != NULL) to[n] = (found){{x->keys.data + at + sizeof head, head.len}, head.writer};
    at += sizeof head + head.len;
  }
  return n;
}

bool rd_prefix_has_writer(const rd_prefix *x, uint32_t writer) {
  for (size_t at = 0; at < x->keys.len;) {
    rd_changed_key head;
    memcpy(&head, x->keys.data + at, sizeof head);
    if (head.writer == writer) return true;
    at += sizeof head + head.len;
  }
  return false;
}

uint32_t rd_prefix_write(const rd_prefix *x, uint32_t but, rd_reply *to, bool *ok) {
  uint32_t n = list_keys(x, NULL), kept = 0;
  found *keys = n != 0 ? malloc(n * sizeof *keys) : NULL;
  *ok = keys != NULL || n == 0;
  if (keys == NULL) return 0;
  list_keys(x, keys);
  qsort(keys, n, sizeof *keys, by_key);
  for (uint32_t i = 0; i < n; i++) {
    bool last = i + 1 == n || compare(keys[i].key, keys[i + 1].key) != 0;
    if (last && (but == 0 || keys[i].writer != but)) keys[kept++] = keys[i];
  }
  if (kept != 0) rd_reply_array(to, kept);
  for (uint32_t i = 0; i < kept; i++) rd_reply_bulk(to, keys[i].key.data, keys[i].key.len);
  free(keys);
  *ok = !to->failed;
  return kept;
}
