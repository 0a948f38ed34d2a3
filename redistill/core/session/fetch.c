/* fetch.c - prefetches the memory of elements. */
#include "session/fetch.h"

#include "session/internal.h"
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

void rd_fetch_elements(rd_session *s) {
  rd_store *st = s->st;
  if (s->state.in_multi) return; /* the commands will be queued */
  const rd_ahead *a = s->ahead, *end = a + s->ahead_count;
  while (a < end) {
    rd_sought sought[RD_MAX_BATCH];
    uint32_t n = 0;
    const rd_key *key = &a->key;
    while (a < end && named_by(s, a, &sought[n]) && a->key.hash == key->hash) {
      n++;
      a++;
    }
    if (n == 0) a++;
    if (n < 2) continue;
    uint32_t shard = rd_shard_of(st, key->hash);
    int locked = rd_trylock_shard(st, shard);
    if (locked < 0) continue;
    rd_coll_fetch(st, key, sought, n);
    if (locked > 0) rd_leave_shard(st, shard);
  }
}
