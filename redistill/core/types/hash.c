/* hash.c - finding, setting and removing the fields of a hash. */
#include "types/hash.h"

#include "store/blob.h"
#include "store/coll_item.h"
#include "store/tree.h"
#include "types/hash_time.h"

/* ---- an entry ---- */

int64_t rd_hash_time(const uint8_t *entry) {
  if (RD_LIKELY(*entry != RD_HASH_TIMED)) return RD_NO_EXPIRY;
  int64_t time = 0;
  memcpy(&time, entry + 1, RD_HASH_TIME_BYTES - 1);
  return time;
}

static uint8_t *put_time(uint8_t *to, int64_t time) {
  *to = RD_HASH_TIMED;
  memcpy(to + 1, &time, RD_HASH_TIME_BYTES - 1);
  return to + RD_HASH_TIME_BYTES;
}

static uint32_t entry_size(const uint8_t *at, const uint8_t *end) {
  const uint8_t *p = at;
  if (p < end && *p == RD_HASH_TIMED) {
    if ((size_t)(end - p) <= RD_HASH_TIME_BYTES) return 0;
    p += RD_HASH_TIME_BYTES;
  }
  for (int part = 0; part < 2; part++) {
    uint32_t bytes = rd_element_size(p, end);
    if (bytes == 0) return 0;
    p += bytes;
  }
  return (uint32_t)(p - at);
}

static uint64_t entry_order(const rd_store *st, const uint8_t *entry) {
  return rd_hash_order(rd_element_hash_at(st, rd_hash_field(entry)));
}

static uint32_t entry_outside(const uint8_t *entry, uint32_t n) {
  const uint8_t *field = rd_hash_field(entry), *value = rd_hash_value(entry);
  uint32_t found = 0, at[2];
  if (*field == RD_ELEMENT_OUTSIDE) at[found++] = (uint32_t)(field - entry) + RD_ELEMENT_REF;
  if (*value == RD_ELEMENT_OUTSIDE) at[found++] = (uint32_t)(value - entry) + RD_ELEMENT_REF;
  return n < found ? at[n] : 0;
}

const rd_coll_kind rd_hash_kind = {
    .run_max = 1024, .size = entry_size, .order = entry_order, .outside = entry_outside, .second = rd_hash_time_entry};

void rd_hash_fetch(const rd_coll *c, const rd_sought each[], uint32_t n) {
  uint64_t order[RD_FETCH_MOST];
  rd_ref leaf[RD_FETCH_MOST];
  rd_element_orders(c->st, each, n, rd_hash_order, order);
  rd_tree_fetch(c, order, n, leaf);
}

/* ---- the name ---- */

const char *rd_hash_encoding(rd_store *st, const rd_item *it) {
  (void)st;
  return (it->type >> 4 & RD_COLL_NAME) == RD_HASH_LISTPACK ? "listpack" : "hashtable";
}

void rd_hash_name_for(rd_coll *c, uint64_t count) {
  if (RD_UNLIKELY(count > c->st->type_limits.hash_entries) && rd_coll_name(c) == RD_HASH_LISTPACK)
    rd_coll_set_name(c, RD_HASH_TABLE);
}

/* ---- fields ---- */

/* The entry of the field among those of a run; `end`: there is none. See rd_element_head_decides. */
static const uint8_t *find_in_run(const rd_coll *c, const rd_element *field, const uint8_t *at, const uint8_t *end) {
  rd_probe probe = rd_probe_of(field);
  while (at < end) {
    uint8_t head = *at, value_head = *rd_hash_value(at);
    uint32_t value = (uint32_t)(rd_hash_value(at) - at), step = rd_hash_bytes(at);
    if (head != RD_HASH_TIMED && rd_element_head_decides(head) && rd_element_head_decides(value_head)) {
      for (; at < end && *at == head && at[value] == value_head; at += step) {
        if (rd_probe_may_be(&probe, at) && rd_element_is(c->st, field, at)) return at;
      }
    }
    for (unsigned n = 0; n < RD_ELEMENT_CHANGED && at < end; n++, at = rd_hash_next(at, end)) {
      const uint8_t *name = rd_hash_field(at);
      if (rd_probe_may_be(&probe, name) && rd_element_is(c->st, field, name)) return at;
    }
  }
  return end;
}

bool rd_hash_find(const rd_coll *c, rd_element *field, rd_pos *p) {
  /* The order of a packed hash is not looked at: its fields need not be hashed. */
  uint64_t order = rd_coll_is_packed(c) ? 0 : rd_hash_order(rd_element_hash(c->st, field));
  rd_coll_run(c, order, p);
  p->at = find_in_run(c, field, p->at, p->end);
  return p->at < p->end;
}

static void release_new(rd_coll *c, const uint8_t *element) {
  if (*element == RD_ELEMENT_OUTSIDE) rd_blob_release(c->st, c->shard, rd_ld64(element + RD_ELEMENT_REF));
}

/* Write the new value over the old one, if that has as many bytes and nothing else of the entry changes. */
static bool overwrite(rd_coll *c, rd_pos *p, rd_element *value, int64_t time) {
  const uint8_t *old = rd_hash_value(p->at);
  uint32_t bytes = rd_element_bytes(value);
  if (value->is_outside || *old == RD_ELEMENT_OUTSIDE || rd_element_skip(old) != bytes || rd_hash_time(p->at) != time)
    return false;
  uint8_t element[RD_ELEMENT_MAX];
  rd_element_put(c, value, element);
  rd_coll_write(c, p, (uint32_t)(old - p->at), element, bytes);
  return true;
}

/* Replace the entry at the place by one with another value (NULL: the same) and time. */
static rd_result replace(rd_coll *c, rd_pos *p, rd_element *value, int64_t time) {
  uint8_t entry[RD_ENTRY_MAX], *at = entry;
  const uint8_t *field = rd_hash_field(p->at), *old = rd_hash_value(p->at);
  uint32_t field_bytes = (uint32_t)(old - field), old_bytes = rd_element_skip(old);
  if (RD_UNLIKELY(field_bytes + old_bytes > RD_ENTRY_MAX - RD_HASH_TIME_BYTES)) return RD_OOM; /* it is damaged */
  if (time != RD_NO_EXPIRY) at = put_time(at, time);
  memcpy(at, field, field_bytes);
  at += field_bytes;
  if (value == NULL) {
    memcpy(at, old, old_bytes);
    return rd_coll_replace(c, p, entry, (uint32_t)(at + old_bytes - entry));
  }
  uint8_t *end = rd_element_put(c, value, at);
  if (end == NULL) return RD_OOM;
  if (rd_coll_replace(c, p, entry, (uint32_t)(end - entry)) == RD_OK) return RD_OK;
  release_new(c, at);
  return RD_OOM;
}

static rd_result insert(rd_coll *c, rd_pos *p, rd_element *field, rd_element *value, int64_t time) {
  uint8_t entry[RD_ENTRY_MAX], *at = entry;
  if (time != RD_NO_EXPIRY) at = put_time(at, time);
  uint8_t *second = rd_element_put(c, field, at);
  if (second == NULL) return RD_OOM;
  uint8_t *end = rd_element_put(c, value, second);
  if (end != NULL) {
    if (rd_coll_insert(c, p, entry, (uint32_t)(end - entry)) == RD_OK) return RD_OK;
    release_new(c, second);
  }
  release_new(c, at);
  return RD_OOM;
}

/* Change the first tree, or the packed value. */
static rd_result change(rd_coll *c, rd_pos *p, bool found, rd_element *field, rd_element *value, int64_t time) {
  if (!found) return insert(c, p, field, value, time);
  if (value != NULL && overwrite(c, p, value, time)) return RD_OK;
  return replace(c, p, value, time);
}

/* The same, and keep the second tree alike: its new entry is made before the change, since it may fail, and the old one
 * removed after it. A packed value may become trees in the change; those lack its new entry then. RD_OOM: only if
 * changes are recorded may something have changed. */
static rd_result change_both(rd_coll *c, rd_pos *p, bool found, rd_element *field, rd_element *value, int64_t time) {
  int64_t before = found ? rd_hash_time(p->at) : RD_NO_EXPIRY;
  bool packed = rd_coll_is_packed(c), add = time != before && time != RD_NO_EXPIRY;
  uint64_t hash = rd_element_hash(c->st, field);
  if (add && !packed && !rd_hash_add_time(c, time, hash)) return RD_OOM;
  if (change(c, p, found, field, value, time) != RD_OK) {
    if (add && !packed) rd_hash_take_time(c, time, hash);
    return RD_OOM;
  }
  if (rd_coll_is_packed(c)) return RD_OK;
  if (add && packed && !rd_hash_add_time(c, time, hash)) return RD_OOM;
  if (time != before && before != RD_NO_EXPIRY) rd_hash_take_time(c, before, hash);
  return RD_OK;
}

static rd_result change_with_time(rd_coll *c, rd_pos *p, bool found, rd_element *field, rd_element *value,
                                  int64_t time) {
  uint64_t more = RD_HASH_TIME_BYTES + rd_element_bytes(field) + (value != NULL ? rd_element_bytes(value) : 0);
  uint64_t len = c->item != NULL ? rd_item_len(c->item) : 0;
  bool stays = !field->is_outside && (value == NULL || !value->is_outside) && rd_coll_may_pack(c, len + more);
  bool recorded = c->undo == NULL && time != RD_NO_EXPIRY && rd_coll_is_packed(c) && !stays;
  if (recorded && !rd_coll_begin(c)) return RD_OOM;
  rd_result result = change_both(c, p, found, field, value, time);
  if (recorded && result == RD_OK) rd_coll_commit(c);
  if (recorded && result != RD_OK) rd_coll_undo(c);
  if (result == RD_OK && time != RD_NO_EXPIRY) rd_hash_note_time(c, time);
  return result;
}

static inline rd_result change_any(rd_coll *c, rd_pos *p, bool found, rd_element *field, rd_element *value,
                                   int64_t time) {
  if (RD_LIKELY(time == RD_NO_EXPIRY && (!found || *p->at != RD_HASH_TIMED)))
    return change(c, p, found, field, value, time);
  return change_with_time(c, p, found, field, value, time);
}

rd_result rd_hash_put(rd_coll *c, rd_pos *p, bool found, rd_element *field, rd_element *value, int64_t time) {
  if (change_any(c, p, found, field, value, time) != RD_OK) return RD_OOM;
  const rd_type_limits *limits = &c->st->type_limits;
  if (!found) {
    /* An entry has two bytes at least: most packed hashes need not be counted. */
    bool is_small = rd_coll_is_packed(c) && rd_item_len(c->item) / 2 <= limits->hash_entries;
    if (!is_small) rd_hash_name_for(c, rd_coll_count(c));
  }
  if (RD_UNLIKELY(field->text.len > limits->hash_value || value->text.len > limits->hash_value) &&
      rd_coll_name(c) == RD_HASH_LISTPACK)
    rd_coll_set_name(c, RD_HASH_TABLE);
  return RD_OK;
}

rd_result rd_hash_set_time(rd_coll *c, rd_pos *p, rd_element *field, int64_t time) {
  return change_with_time(c, p, true, field, NULL, time);
}

void rd_hash_remove_at(rd_coll *c, rd_pos *p) {
  int64_t time = rd_hash_time(p->at);
  bool both = RD_UNLIKELY(time != RD_NO_EXPIRY) && !rd_coll_is_packed(c);
  uint64_t hash = both ? rd_element_hash_at(c->st, rd_hash_field(p->at)) : 0;
  rd_coll_remove(c, p);
  if (both) rd_hash_take_time(c, time, hash);
}

bool rd_hash_remove(rd_coll *c, rd_element *field) {
  rd_pos p;
  if (!rd_hash_find(c, field, &p)) return false;
  rd_hash_remove_at(c, &p);
  return true;
}
