/* restore_collection.c - builds a collection from a payload, entry by entry, so that nothing of the payload is trusted:
 * what the entries say is verified by restore_source.c, and duplicates and a wrong order are found when they are added.
 */
#include "commands/restore_source.h"
#include "store/coll.h"
#include "types/hash.h"
#include "types/list.h"
#include "types/set.h"
#include "types/zset.h"

/* The time of a field, at most the latest that a hash can hold. */
static int64_t time_of(const rd_source_entry *entry) {
  return entry->expiry == RD_NO_EXPIRY || entry->expiry <= RD_HASH_TIME_MAX ? entry->expiry : RD_HASH_TIME_MAX;
}

/* Add an entry to the value; *bad: it has one like it, or the entry is not in its place. RD_OOM: nothing has changed.
 */
static rd_result put(rd_coll *c, const rd_source_entry *entry, bool *bad) {
  rd_element first, second;
  rd_zset_place place;
  rd_pos p;
  rd_result result;
  bool added = true;
  rd_element_of(&first, entry->first);
  switch (c->row->type) {
    case RD_LIST:
      return rd_list_push(c, &first, false);
    case RD_SET:
      result = rd_member_add(c, &first, 1, &added);
      *bad = result == RD_OK && !added;
      return result;
    case RD_ZSET:
      *bad = rd_zset_find(c, &first, &place);
      if (*bad) return RD_OK;
      result = rd_zset_add(c, &place, &first, entry->score);
      *bad = result == RD_OK && entry->is_ordered && rd_coll_next(c, &place.at);
      return result;
    default:
      rd_element_of(&second, entry->second);
      *bad = rd_hash_find(c, &first, &p);
      return *bad ? RD_OK : rd_hash_put(c, &p, false, &first, &second, time_of(entry));
  }
}

static rd_load add(rd_coll *c, const rd_source_entry *entry) {
  bool bad = false;
  if (rd_hash_time_passed(entry->expiry, (int64_t)c->st->now_ms))
    return RD_LOAD_OK; /* a field that has expired meanwhile */
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (put(c, entry, &bad) == RD_OK) return bad ? RD_LOAD_BAD : RD_LOAD_OK;
    if (!rd_coll_reserve(c)) break;
  }
  return RD_LOAD_FULL;
}

static rd_load add_all(rd_coll *c, rd_source *s) {
  rd_source_entry entry;
  rd_got got;
  while ((got = rd_source_next(s, &entry)) == RD_GOT) {
    rd_load load = add(c, &entry);
    if (load != RD_LOAD_OK) return load;
  }
  if (got == RD_GOT_BAD) return s->full ? RD_LOAD_FULL : RD_LOAD_BAD;
  return s->count > 0 ? RD_LOAD_OK : RD_LOAD_BAD;
}

/* The most entries of a value that is packed in Redis. */
static uint64_t packed_limit(const rd_coll *c) {
  const rd_type_limits *limits = &c->st->type_limits;
  return c->row->type == RD_HASH  ? limits->hash_entries
         : c->row->type == RD_SET ? limits->set_entries
                                  : limits->zset_entries;
}

static void name(rd_coll *c, const rd_source *s) {
  enum { LISTPACK = 0, LARGE = 2 }; /* RD_COLL_NAME */
  rd_source_naming naming = rd_source_name(s);
  if (c->item == NULL) return;
  if (naming == RD_NAMED_LARGE || naming == RD_NAMED_BY_COUNT)
    rd_coll_set_name(c, naming == RD_NAMED_BY_COUNT && s->count <= packed_limit(c) ? LISTPACK : LARGE);
  else if (c->row->type == RD_LIST)
    rd_list_built(c);
}

rd_load rd_load_collection(rd_call *call, const rd_key *key, rd_bytes payload, int64_t expiry, bool keep) {
  rd_coll c;
  rd_source s;
  rd_coll_build(&c, call->store, key, &rd_types[rd_source_type(payload.data[0])]);
  rd_load load = rd_source_open(&s, call, payload) ? add_all(&c, &s) : RD_LOAD_BAD;
  rd_source_close(&s);
  if (load == RD_LOAD_OK) name(&c, &s);
  if (load == RD_LOAD_OK && keep) return rd_coll_finish(&c, expiry, RD_EVENT_NONE) ? RD_LOAD_OK : RD_LOAD_FULL;
  rd_coll_abandon(&c);
  return load;
}
