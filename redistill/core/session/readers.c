/* readers.c - the table of keys that clients have read. It grows by linear hashing (Litwin, "Linear Hashing: A New Tool
 * for File and Table Addressing", 1980), so no read pays for the whole table. */
#include "session/readers.h"

#include <stdlib.h>

#include "arena/layout.h"
#include "arena/tracked.h"
#include "arena/worker.h"

/* STEP: names that are freed at once. Names with the same bit of the filter are in one chain, since a chain is chosen
 * by fewer low bits of the hash than the filter's. */
enum { FIRST_HEADS = 1024, MOST_HEADS = 1 << 22, STEP = 256, MALLOC_HEAD = 16 };
_Static_assert(MOST_HEADS <= RD_TRACKED_BITS, "a chain has all names with one bit of the filter");

struct rd_read_key {
  rd_read_key *chain;
  rd_read_key *older, *newer;
  uint64_t hash;
  uint32_t len, count, cap; /* cap 0: `one` is the only client */
  union {
    uint32_t one;
    uint32_t *many; /* ascending */
  } clients;
  uint8_t name[];
};

rd_bytes rd_read_name(const rd_read_key *k) { return (rd_bytes){k->name, k->len}; }

const uint32_t *rd_read_clients(const rd_read_key *k, uint32_t *count) {
  *count = k->count;
  return k->cap == 0 ? &k->clients.one : k->clients.many;
}

static uint64_t memory_of(const rd_read_key *k) {
  return sizeof *k + k->len + MALLOC_HEAD + (k->cap != 0 ? k->cap * sizeof(uint32_t) + MALLOC_HEAD : 0);
}

void rd_read_free(rd_store *st, rd_read_key *k) {
  rd_scratch_count(st, -memory_of(k));
  if (k->cap != 0) free(k->clients.many);
  free(k);
}

/* ---- the table ---- */

static rd_read_key **head_of(const rd_readers *r, uint64_t hash) {
  uint32_t at = (uint32_t)hash & (2 * r->level - 1);
  return &r->heads[at < r->level + r->split ? at : at & (r->level - 1)];
}

static rd_read_key *find(const rd_readers *r, rd_bytes name, uint64_t hash) {
  if (r->heads == NULL) return NULL;
  rd_read_key *k = *head_of(r, hash);
  while (k != NULL && (k->hash != hash || k->len != name.len || memcmp(k->name, name.data, name.len) != 0))
    k = k->chain;
  return k;
}

/* Divide one chain, if the table has more names than chains and memory for one more. */
static void grow(rd_store *st, rd_readers *r) {
  if (r->keys < r->level + r->split || r->level + r->split == MOST_HEADS) return;
  if (r->level + r->split == r->cap) {
    uint64_t more = r->cap * sizeof(rd_read_key *);
    rd_read_key **moved = rd_scratch_fits(st, more) ? realloc(r->heads, 2 * more) : NULL;
    if (moved == NULL) return;
    rd_scratch_count(st, more);
    r->heads = moved;
    r->cap *= 2;
  }
  rd_read_key **low = &r->heads[r->split], **high = &r->heads[r->level + r->split];
  *high = NULL;
  for (rd_read_key **link = low; *link != NULL;) {
    rd_read_key *k = *link;
    if ((k->hash & r->level) == 0) {
      link = &k->chain;
      continue;
    }
    *link = k->chain;
    k->chain = *high;
    *high = k;
  }
  if (++r->split == r->level) {
    r->level *= 2;
    r->split = 0;
  }
}

static bool begin(rd_store *st, rd_readers *r) {
  if (r->heads != NULL) return true;
  r->heads = calloc(FIRST_HEADS, sizeof *r->heads);
  if (r->heads == NULL) return false;
  rd_scratch_count(st, FIRST_HEADS * sizeof *r->heads);
  r->level = r->cap = FIRST_HEADS;
  return true;
}

static void publish(rd_store *st, const rd_readers *r) {
  rd_gauge_set(st, RD_GAUGE_tracking_keys, r->keys);
  rd_gauge_set(st, RD_GAUGE_tracking_items, r->items);
}

/* ---- notes ---- */

bool rd_readers_are_over(const rd_store *st, const rd_readers *r) {
  uint64_t workers = (uint64_t)__builtin_popcountll(rd_trackers(st));
  return st->tracking_keys != 0 && r->keys > 1 && r->keys > st->tracking_keys / (workers != 0 ? workers : 1);
}

static rd_read_noted add_key(rd_store *st, rd_readers *r, rd_bytes name, uint64_t hash, uint32_t client) {
  if (!rd_scratch_fits(st, sizeof(rd_read_key) + name.len)) return RD_READ_FULL;
  rd_read_key *k = begin(st, r) ? malloc(sizeof *k + name.len) : NULL;
  if (k == NULL) return RD_READ_FULL;
  grow(st, r);
  rd_read_key **head = head_of(r, hash);
  *k = (rd_read_key){.chain = *head, .older = r->newest, .hash = hash, .len = (uint32_t)name.len, .count = 1};
  k->clients.one = client;
  if (name.len != 0) memcpy(k->name, name.data, name.len);
  *head = k;
  *(r->newest != NULL ? &r->newest->newer : &r->oldest) = k;
  r->newest = k;
  r->keys++;
  r->items++;
  rd_scratch_count(st, memory_of(k));
  rd_tracked_set(st, hash, true);
  publish(st, r);
  return RD_READ_NOTED;
}

/* The place of a client among those of a key, or the place where it belongs. */
static uint32_t place_of(const uint32_t *clients, uint32_t count, uint32_t client) {
  uint32_t low = 0;
  while (count != 0) {
    uint32_t half = count / 2;
    if (clients[low + half] < client) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

static bool reserve(rd_store *st, rd_read_key *k) {
  if (k->cap > k->count) return true;
  uint32_t cap = k->cap == 0 ? 4 : 2 * k->cap, one = k->clients.one;
  uint64_t more = (cap - k->cap) * sizeof(uint32_t) + (k->cap == 0 ? MALLOC_HEAD : 0);
  if (!rd_scratch_fits(st, more)) return false;
  uint32_t *many = realloc(k->cap == 0 ? NULL : k->clients.many, cap * sizeof *many);
  if (many == NULL) return false;
  if (k->cap == 0) many[0] = one;
  rd_scratch_count(st, more);
  k->clients.many = many;
  k->cap = cap;
  return true;
}

rd_read_noted rd_readers_note(rd_store *st, rd_readers *r, rd_bytes name, uint64_t hash, uint32_t client) {
  rd_read_key *k = find(r, name, hash);
  if (k == NULL) return add_key(st, r, name, hash, client);
  uint32_t count;
  const uint32_t *clients = rd_read_clients(k, &count);
  uint32_t at = place_of(clients, count, client);
  if (at < count && clients[at] == client) return RD_READ_NOTED;
  if (!reserve(st, k)) return RD_READ_FULL;
  memmove(k->clients.many + at + 1, k->clients.many + at, (count - at) * sizeof *clients);
  k->clients.many[at] = client;
  k->count++;
  r->items++;
  publish(st, r);
  return RD_READ_NOTED;
}

/* ---- taking out ---- */

static void unlink_key(rd_store *st, rd_readers *r, rd_read_key *k) {
  rd_read_key **head = head_of(r, k->hash), **link = head;
  while (*link != k) link = &(*link)->chain;
  *link = k->chain;
  const rd_read_key *other = *head;
  while (other != NULL && rd_tracked_bit(other->hash) != rd_tracked_bit(k->hash)) other = other->chain;
  if (other == NULL && !r->keeps_bits) rd_tracked_set(st, k->hash, false);
  *(k->older != NULL ? &k->older->newer : &r->oldest) = k->newer;
  *(k->newer != NULL ? &k->newer->older : &r->newest) = k->older;
  r->keys--;
  r->items -= k->count;
  publish(st, r);
}

rd_read_key *rd_readers_take(rd_store *st, rd_readers *r, rd_bytes name, uint64_t hash) {
  rd_read_key *k = find(r, name, hash);
  if (k != NULL) unlink_key(st, r, k);
  return k;
}

rd_read_key *rd_readers_take_oldest(rd_store *st, rd_readers *r) {
  rd_read_key *k = r->oldest;
  if (k != NULL) unlink_key(st, r, k);
  return k;
}

/* ---- dropping all ---- */

void rd_readers_drop(rd_store *st, rd_readers *r) {
  if (r->heads == NULL) return;
  if (r->newest != NULL) {
    r->newest->newer = r->dropped;
    r->dropped = r->oldest;
  }
  rd_scratch_count(st, -(r->cap * sizeof *r->heads));
  free(r->heads);
  *r = (rd_readers){.dropped = r->dropped, .keeps_bits = r->keeps_bits};
  if (!r->keeps_bits) rd_tracked_clear(st);
  publish(st, r);
}

void rd_readers_step(rd_store *st, rd_readers *r) {
  for (int left = STEP; r->dropped != NULL && left != 0; left--) {
    rd_read_key *k = r->dropped;
    r->dropped = k->newer;
    rd_read_free(st, k);
  }
}

void rd_readers_free(rd_store *st, rd_readers *r) {
  rd_readers_drop(st, r);
  while (r->dropped != NULL) rd_readers_step(st, r);
}
