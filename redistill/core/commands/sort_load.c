/* sort_load.c - the elements that SORT sorts, and the values that its patterns name. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "arena/lock.h"
#include "arena/longrun.h"
#include "commands/sort.h"
#include "commands/value.h"
#include "types/hash.h"
#include "types/zset.h"

/* ---- loading ---- */

static void load_one(rd_sort_run *s, rd_sort_element *e, const uint8_t *member) {
  rd_store *st = s->call->store;
  uint64_t len = rd_element_len(st, member);
  uint8_t *text = rd_sort_take(s, len + 1);
  if (text == NULL) return;
  rd_element_read(st, member, text);
  text[len] = 0;
  e->text = (rd_bytes){text, (size_t)len};
}

/* The part of the elements that the result consists of. */
static void limit(rd_sort_run *s, uint64_t count) {
  uint64_t offset = s->offset < 0 ? 0 : (uint64_t)s->offset;
  uint64_t most = s->limit < 0 ? count : (uint64_t)s->limit;
  s->first = offset < count ? offset : count;
  s->n = count - s->first < most ? count - s->first : most;
}

bool rd_sort_load(rd_sort_run *s, const rd_item *it) {
  rd_call *c = s->call;
  rd_coll l;
  rd_key key = rd_call_key(c, 1);
  rd_coll_open(&l, c->store, &key, (rd_item *)(uintptr_t)it, rd_type_of(it));
  bool scored = rd_item_type(it) == RD_ZSET;
  if (scored) rd_coll_set_name(&l, RD_ZSET_SKIPLIST); /* as Redis, which converts it to sort it */
  uint64_t rank = 0;
  s->count = rd_coll_count(&l);
  limit(s, s->count);
  bool reversed = !s->ordered && s->desc && rd_item_type(it) != RD_SET;
  if (!s->ordered && rd_item_type(it) != RD_SET) {
    /* The result is a range of the value, which has an order. */
    rank = reversed ? s->count - s->first - s->n : s->first;
    s->count = s->n;
    s->first = 0;
  }
  s->elements = rd_sort_take(s, s->count * sizeof *s->elements);
  s->order = rd_sort_take(s, s->count * sizeof *s->order);
  if (s->no_memory || s->count > UINT32_MAX) return false;
  rd_pos p;
  bool more = s->count != 0 && rd_coll_at(&l, rank, &p);
  for (uint64_t i = 0; more && i < s->count; i++, more = rd_coll_next(&l, &p)) {
    load_one(s, &s->elements[i], scored ? rd_zset_member(p.at) : p.at);
    if (s->no_memory) return false;
    s->order[i] = (uint32_t)(reversed ? s->count - 1 - i : i);
    rd_sort_step(s);
  }
  return true;
}

/* ---- patterns ---- */

/* The name of the key that the pattern names, in s->name; and the field, with data NULL for none. Redis looks for the
 * star and the arrow up to a NUL. False: the pattern names no key, or there is no memory. */
static bool make_name(rd_sort_run *s, rd_bytes pattern, rd_bytes element, uint64_t *len, rd_bytes *field) {
  *field = (rd_bytes){NULL, 0};
  size_t text = strnlen((const char *)pattern.data, pattern.len);
  const uint8_t *star = memchr(pattern.data, '*', text);
  if (star == NULL) return false;
  const uint8_t *end = pattern.data + text, *behind = pattern.data + pattern.len;
  for (const uint8_t *p = star + 1; p + 2 < end; p++) {
    if (p[0] != '-' || p[1] != '>') continue;
    *field = (rd_bytes){p + 2, (size_t)(behind - p - 2)};
    behind = p;
    break;
  }
  size_t before = (size_t)(star - pattern.data), after = (size_t)(behind - star - 1);
  *len = before + element.len + after;
  if (*len > RD_MAX_KEY) return false;
  if (*len > s->name_cap) {
    s->name_cap = 2 * *len;
    s->name = rd_sort_take(s, s->name_cap);
    if (s->name == NULL) return false;
  }
  memcpy(s->name, pattern.data, before);
  if (element.len != 0) memcpy(s->name + before, element.data, element.len);
  memcpy(s->name + before + element.len, star + 1, after);
  return true;
}

/* The value of a field; NULL: there is none. */
static const uint8_t *field_of(rd_store *st, const rd_key *key, rd_item *it, rd_bytes name) {
  rd_coll h;
  rd_element field;
  rd_pos p;
  rd_coll_open(&h, st, key, it, rd_type_of(it));
  rd_element_of(&field, name);
  if (!rd_hash_find(&h, &field, &p) || rd_hash_time_passed(rd_hash_time(p.at), (int64_t)st->now_ms)) return NULL;
  return rd_hash_value(p.at);
}

bool rd_sort_find(rd_sort_run *s, rd_bytes pattern, rd_bytes element, rd_sort_value *v) {
  rd_store *st = s->call->store;
  uint64_t len;
  rd_bytes field;
  *v = (rd_sort_value){0};
  if (!make_name(s, pattern, element, &len, &field)) return false;
  rd_key key = rd_key_of(st, (rd_bytes){s->name, (size_t)len}, s->call->db);
  v->shard = rd_shard_of(st, key.hash);
  v->locked = rd_lock_shard(st, v->shard);
  rd_item *it = rd_find_read(st, &key);
  if (it != NULL && field.data == NULL && rd_item_type(it) == RD_STRING) v->string = it;
  if (it != NULL && field.data != NULL && rd_item_type(it) == RD_HASH) v->element = field_of(st, &key, it, field);
  if (v->string != NULL || v->element != NULL) return true;
  rd_sort_found(s, v);
  return false;
}

void rd_sort_found(rd_sort_run *s, const rd_sort_value *v) {
  if (v->locked) rd_unlock_shard(s->call->store, v->shard);
}

rd_bytes rd_sort_copy(rd_sort_run *s, const rd_sort_value *v) {
  rd_store *st = s->call->store;
  uint64_t len = v->string != NULL ? rd_item_len(v->string) : rd_element_len(st, v->element);
  uint8_t *text = rd_sort_take(s, len + 1);
  if (text == NULL) return (rd_bytes){NULL, 0};
  if (v->string != NULL)
    rd_item_read(st, v->string, 0, text, len);
  else
    rd_element_read(st, v->element, text);
  text[len] = 0;
  return (rd_bytes){text, (size_t)len};
}

/* ---- what to sort by ---- */

#define LONGEST_NUMBER 65536u /* digits of a longer number would take long to read */

/* A number as strtod reads it: also hexadecimal, infinite, or after spaces. */
static bool parse_score(rd_bytes text, double *score) {
  char *end;
  if (text.len > LONGEST_NUMBER) return false;
  errno = 0;
  *score = strtod((const char *)text.data, &end);
  return *end == 0 && errno != ERANGE && !isnan(*score);
}

bool rd_sort_weigh(rd_sort_run *s) {
  for (uint64_t i = 0; i < s->count; i++) {
    rd_sort_element *e = &s->elements[i];
    rd_bytes by = e->text;
    rd_sort_step(s);
    if (s->by != NULL) {
      by = (rd_bytes){NULL, 0};
      rd_sort_value v;
      if (rd_sort_is_itself(*s->by)) {
        by = e->text;
      } else if (rd_sort_find(s, *s->by, e->text, &v)) {
        by = rd_sort_copy(s, &v);
        rd_sort_found(s, &v);
      }
      if (s->no_memory) return false;
    }
    if (s->alpha)
      e->by = by;
    else if (by.data == NULL)
      e->score = 0;
    else if (!parse_score(by, &e->score))
      s->not_numeric = true;
  }
  return true;
}
