/* zset.h - what the commands on sorted sets share. */
#ifndef RD_ZSET_COMMANDS_H
#define RD_ZSET_COMMANDS_H

#include "command/call.h"
#include "types/zset.h"

/* Look up the sorted set at argv[i] and open it; its item is NULL if the key does not exist. False after a WRONGTYPE
 * reply. */
bool rd_open_zset(rd_call *c, uint32_t i, bool for_write, rd_coll *z);

/* Parse the arguments of ZMPOP from the number of keys, argv[at], on. False after an error reply. */
bool rd_zset_parse_mpop(rd_call *c, uint32_t at, uint32_t *keys, bool *max, int64_t *count);
/* Pop up to `count` members of the first sorted set that exists; 0: one, with the reply of BZPOPMIN. False: none
 * exists, and nothing was replied. */
bool rd_zset_pop_first(rd_call *c, uint32_t first, uint32_t keys, bool max, uint64_t count);

/* Parse a score. False after an error reply. */
bool rd_parse_score(rd_call *c, rd_bytes text, double *score);

/* The options of ZADD and its relatives. Each member has `step` arguments, of which it is the last one. */
typedef struct rd_add_options {
  bool nx, xx, gt, lt, ch, incr;
  uint32_t first, n, step; /* `n` members, from argv[first] on */
} rd_add_options;

/* Add the members with these scores to the sorted set at argv[1], all or none, and reply. */
void rd_add_scores(rd_call *c, const rd_add_options *o, const double *scores);

/* Parse the arguments in front of a member as its score. False after an error reply. */
typedef bool rd_parse_added_fn(rd_call *c, const rd_bytes *argv, double *score);
/* Parse all scores and check the members' lengths, then as rd_add_scores. */
void rd_add(rd_call *c, const rd_add_options *o, rd_parse_added_fn *parse);

/* A reply with members. It may turn out to be long while it is written: then it is cut off where it began, and the
 * command must return, to be called again where it can pause. */
typedef struct rd_members {
  rd_call *call;
  bool scores; /* with the scores */
  bool pairs;  /* each member and its score are an array */
  bool writes; /* the command looked the key up for writing */
  size_t mark; /* where the reply began */
  uint64_t bytes;
  uint32_t n;
} rd_members;

/* Begin a reply: with pairs where RESP3 has them. */
rd_members rd_members_of(rd_call *c, bool scores);
/* Append the head of an array of `n` members. */
void rd_members_head(rd_members *m, uint64_t n);
/* Append a member. Calls rd_yield. False: the command must return. */
bool rd_members_add(rd_members *m, const uint8_t *entry);

/* `n` members from the place on, upwards, or downwards if `down`; they exist. */
bool rd_members_walk(rd_members *m, const rd_coll *z, rd_pos *p, uint64_t n, bool down);

/* True if a command that reads may go through `n` members. False: it must return, as above. */
static inline bool rd_may_read_members(rd_call *c, uint64_t n) {
  return rd_may_read(c, n > RD_LONG_KEYS ? RD_LONG_BYTES + 1 : 0);
}

#endif
