/* hash_time.c - finds and removes fields of a hash that have expired. */
#include "types/hash_time.h"

#include "store/index.h"
#include "store/internal.h"
#include "store/item.h"

/* ---- the second tree ---- */

#define TIME_BYTES 6u
#define ENTRY_BYTES (TIME_BYTES + 8u)

static uint64_t time_of(const uint8_t *entry) {
  uint64_t time = 0;
  memcpy(&time, entry, TIME_BYTES);
  return time;
}
static uint64_t hash_of(const uint8_t *entry) { return rd_ld64(entry + TIME_BYTES); }

static uint32_t put_entry(uint8_t *to, int64_t time, uint64_t hash) {
  memcpy(to, &time, TIME_BYTES);
  rd_st64(to + TIME_BYTES, hash);
  return ENTRY_BYTES;
}

static uint32_t time_size(const uint8_t *at, const uint8_t *end) { return end - at < ENTRY_BYTES ? 0 : ENTRY_BYTES; }

static uint64_t time_order(const rd_store *st, const uint8_t *entry) {
  (void)st;
  return time_of(entry);
}

static int compare_hashes(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

static int time_compare(const rd_store *st, const uint8_t *a, const uint8_t *b) {
  (void)st;
  return compare_hashes(hash_of(a), hash_of(b));
}

static int compare_sought(void *arg, const uint8_t *entry) { return compare_hashes(*(uint64_t *)arg, hash_of(entry)); }

const rd_coll_kind rd_hash_time_kind = {
    .run_max = 1024, .sorted = true, .size = time_size, .order = time_order, .compare = time_compare};

uint32_t rd_hash_time_entry(const rd_store *st, const uint8_t *entry, uint8_t *to) {
  int64_t time = rd_hash_time(entry);
  if (time == RD_NO_EXPIRY) return 0;
  return put_entry(to, time, rd_element_hash_at(st, rd_hash_field(entry)));
}

bool rd_hash_add_time(rd_coll *c, int64_t time, uint64_t hash) {
  uint8_t entry[ENTRY_BYTES];
  rd_coll second = rd_coll_second(c);
  rd_pos p;
  rd_coll_lower(&second, (uint64_t)time, compare_sought, &hash, &p);
  bool done = rd_coll_insert(&second, &p, entry, put_entry(entry, time, hash)) == RD_OK;
  c->item = second.item;
  c->wanted = second.wanted;
  return done;
}

void rd_hash_take_time(rd_coll *c, int64_t time, uint64_t hash) {
  rd_coll second = rd_coll_second(c);
  rd_pos p;
  if (!rd_coll_lower(&second, (uint64_t)time, compare_sought, &hash, &p)) return;
  if (time_of(p.at) != (uint64_t)time || hash_of(p.at) != hash) return;
  rd_coll_remove(&second, &p);
  c->item = second.item;
}

void rd_hash_note_time(rd_coll *c, int64_t time) {
  uint32_t slot = rd_item_slot(c->item);
  const rd_index *ix = &rd_shard_at(c->st, c->shard)->index[slot];
  rd_place place;
  rd_coll_set_timed(c, true);
  rd_coll_set_name(c, RD_HASH_TABLE); /* as in Valkey */
  if (rd_index_find_ref(c->st, ix, c->key.hash, rd_ref_of(c->st, c->item), &place))
    rd_index_note_parts(c->st, c->shard, slot, place, time);
}

/* ---- what has expired ---- */

/* Find the field of an entry of the second tree. */
static bool find_timed(const rd_coll *c, int64_t time, uint64_t hash, rd_pos *p) {
  rd_coll_run(c, rd_hash_order(hash), p);
  for (; p->at < p->end; p->at = rd_hash_next(p->at, p->end)) {
    if (rd_hash_time(p->at) == time && rd_element_hash_at(c->st, rd_hash_field(p->at)) == hash) return true;
  }
  return false;
}

static uint32_t drop_from_packed(rd_coll *c, uint32_t most) {
  uint32_t n = 0;
  bool others = false;
  rd_pos p;
  rd_coll_first(c, &p);
  while (p.at < p.end) {
    int64_t time = rd_hash_time(p.at);
    if (rd_expired(c->st, time) && n < most) {
      rd_coll_remove(c, &p);
      n++;
    } else {
      others |= time != RD_NO_EXPIRY;
      p.at = rd_hash_next(p.at, p.end);
    }
  }
  if (!others) rd_coll_set_timed(c, false);
  return n;
}

static uint32_t drop_from_trees(rd_coll *c, uint32_t most) {
  uint32_t n = 0;
  for (; n < most; n++) {
    rd_coll second = rd_coll_second(c);
    rd_pos first, p;
    if (!rd_coll_first(&second, &first)) {
      rd_coll_set_timed(c, false);
      break;
    }
    int64_t time = (int64_t)time_of(first.at);
    uint64_t hash = hash_of(first.at);
    if (!rd_expired(c->st, time)) break;
    rd_coll_remove(&second, &first);
    c->item = second.item;
    if (find_timed(c, time, hash, &p)) rd_coll_remove(c, &p);
  }
  return n;
}

uint32_t rd_hash_drop_expired(rd_coll *c, uint32_t most) {
  return rd_coll_is_packed(c) ? drop_from_packed(c, most) : drop_from_trees(c, most);
}

uint64_t rd_hash_count_expired(const rd_coll *c) {
  rd_pos p;
  uint64_t n = 0;
  if (rd_coll_is_packed(c)) {
    for (bool more = rd_coll_first(c, &p); more; more = rd_coll_next(c, &p)) {
      n += rd_expired(c->st, rd_hash_time(p.at));
    }
    return n;
  }
  rd_coll second = rd_coll_second(c);
  rd_coll_lower(&second, c->st->now_ms, NULL, NULL, &p);
  return rd_coll_rank(&second, &p);
}

static uint64_t bytes_outside(const rd_store *st, const uint8_t *element) {
  return *element == RD_ELEMENT_OUTSIDE ? rd_element_len(st, element) : 0;
}

static uint64_t entry_bytes_outside(const rd_store *st, const uint8_t *entry) {
  return bytes_outside(st, rd_hash_field(entry)) + bytes_outside(st, rd_hash_value(entry));
}

uint64_t rd_hash_expired_bytes(const rd_coll *c) {
  rd_pos p, timed;
  uint64_t bytes = 0;
  if (rd_coll_is_packed(c)) {
    for (bool more = rd_coll_first(c, &p); more; more = rd_coll_next(c, &p)) {
      if (rd_expired(c->st, rd_hash_time(p.at))) bytes += entry_bytes_outside(c->st, p.at);
    }
    return bytes;
  }
  rd_coll second = rd_coll_second(c);
  for (bool more = rd_coll_first(&second, &timed); more; more = rd_coll_next(&second, &timed)) {
    int64_t time = (int64_t)time_of(timed.at);
    if (!rd_expired(c->st, time)) break;
    if (find_timed(c, time, hash_of(timed.at), &p)) bytes += entry_bytes_outside(c->st, p.at);
  }
  return bytes;
}

/* ---- for rd_types ---- */

int64_t rd_hash_due(rd_store *st, const rd_item *it) {
  rd_coll c;
  rd_pos p;
  rd_coll_open(&c, st, &(rd_key){NULL, 0, 0, 0}, (rd_item *)(uintptr_t)it, rd_type_of(it));
  if (!rd_coll_is_packed(&c)) {
    rd_coll second = rd_coll_second(&c);
    return rd_coll_first(&second, &p) ? (int64_t)time_of(p.at) : RD_NO_EXPIRY;
  }
  int64_t due = RD_NO_EXPIRY;
  for (bool more = rd_coll_first(&c, &p); more; more = rd_coll_next(&c, &p)) {
    int64_t time = rd_hash_time(p.at);
    if (time < due) due = time;
  }
  return due;
}

uint32_t rd_hash_expire(rd_store *st, rd_item *it, uint32_t most) {
  /* The item may move or leave, and its key with it: work on a copy. The stack is bounded, long keys are rare. */
  uint32_t len = rd_item_key_len(it);
  uint8_t *data = __builtin_alloca(len + 1);
  rd_item_key(st, it, data);
  rd_key key = {.data = data, .len = len, .hash = rd_item_hash(st, it)};
  while (key.db < RD_DATABASES && rd_slot_of(st, key.db) != rd_item_slot(it)) key.db++;
  if (key.db == RD_DATABASES) return 0; /* no database uses the slot */
  rd_coll c;
  rd_coll_open(&c, st, &key, it, rd_type_of(it));
  uint32_t n = rd_hash_drop_expired(&c, most);
  if (n > 0) rd_hash_expired(&c, RD_EVENT_HSWEPT);
  return n;
}

void rd_hash_expired(rd_coll *c, rd_key_event event) {
  uint32_t touched = c->st->touched; /* the running command, if any, did not change the key */
  rd_coll_changed(c, event);
  c->st->touched = touched;
}
