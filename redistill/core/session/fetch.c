/* fetch.c - prefetches the memory of elements. */
#include "session/fetch.h"

#include "store/coll.h"

_Static_assert(RD_MAX_BATCH <= RD_SOUGHT_MOST, "rd_fetch_elements");

/* The argument at the place, which counts from the end if it is negative. */
static rd_bytes argument(const rd_session *s, const rd_ahead *a, int place) {
  uint32_t at = place < 0 ? a->argc - (uint32_t)-place : (uint32_t)place;
  return at < a->argc && at > a->key_pos ? s->parser.argv[a->first + at] : (rd_bytes){NULL, 0};
}

/* The element that the command will find. false: none. */
static bool named_by(const rd_session *s, const rd_ahead *a, rd_sought *sought) {
  if (a->key_pos == 0 || a->command->element == 0 || a->large) return false; /* hashing much takes long */
  sought->name = argument(s, a, a->command->element);
  sought->score = argument(s, a, a->command->score);
  return sought->name.data != NULL;
}

void rd_fetch_several(rd_session *s, const rd_ahead *a) {
  rd_store *st = s->st;
  rd_sought sought[RD_MAX_BATCH];
  /* the input may have moved since the key was hashed, but argv has moved with it */
  rd_key key = {s->parser.argv[a->first + a->key_pos].data, a->key.len, s->state.db, a->key.hash};
  uint32_t n = 0;
  for (const rd_ahead *end = s->ahead + s->ahead_count; a < end && a->key.hash == key.hash; a++) {
    if (!named_by(s, a, &sought[n])) break;
    n++;
  }
  s->fetched = (uint32_t)(a - s->ahead);
  if (n < 2) return;
  int locked = rd_trylock_shard(st, rd_shard_of(st, key.hash)); /* 0: the caller has it */
  if (locked < 0) return;
  rd_coll_fetch(st, &key, sought, n);
  if (locked > 0) rd_leave_shard(st, rd_shard_of(st, key.hash));
}
