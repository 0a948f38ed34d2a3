/* seen.c - the members that a union has met. */
#include "commands/seen.h"

#include "arena/longrun.h"
#include "commands/value.h"

#define MOST_PLACES (1ull << 20) /* 24 MiB */
#define CLEARED 4096u            /* places at once */

struct rd_seen_member {
  uint64_t hash;
  uint64_t number;
  const uint8_t *at; /* its element; NULL: the place is free */
};

bool rd_seen_begin(rd_seen *s, rd_call *c, uint64_t members) {
  s->places = 64;
  while (s->places < 2 * members && s->places < 2 * MOST_PLACES) s->places *= 2;
  s->table = s->places > MOST_PLACES ? NULL : rd_scratch_take(c, s->places * sizeof *s->table);
  if (s->table == NULL) return false;
  for (uint64_t i = 0; i < s->places; i++) {
    s->table[i].at = NULL;
    if ((i + 1) % CLEARED == 0) rd_yield(c->store);
  }
  return true;
}

uint64_t rd_seen_add(rd_seen *s, rd_store *st, rd_element *e, const uint8_t *at, uint64_t fresh) {
  uint64_t hash = rd_element_hash(st, e), i = hash & (s->places - 1);
  for (; s->table[i].at != NULL; i = (i + 1) & (s->places - 1)) {
    if (s->table[i].hash == hash && rd_element_is(st, e, s->table[i].at)) return s->table[i].number;
  }
  s->table[i] = (struct rd_seen_member){hash, fresh, at};
  return fresh;
}

void rd_seen_end(rd_seen *s, rd_call *c) {
  if (s->table != NULL) rd_scratch_give(c->store, s->table, s->places * sizeof *s->table);
  s->table = NULL;
}
