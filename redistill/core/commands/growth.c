/* growth.c - the bytes that commands write beyond their arguments (rd_growth_fn). */
#include "arena/lock.h"
#include "base/bits.h"
#include "command/call.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/dump.h"
#include "types/element.h"
#include "types/hll.h"

/* ---- values that are copied ---- */

/* The key at argv[i], and its value, as far as this process holds the shard. */
static rd_item *value_of(rd_call *call, uint32_t i, rd_key *key) {
  *key = rd_call_key(call, i);
  return rd_holds_shard(call->store, rd_shard_of(call->store, key->hash)) ? rd_find_quiet(call->store, key, false)
                                                                          : NULL;
}

/* A member of a set that becomes one of a sorted set gets a score, and a second entry. */
#define SCORE_COST 24u

static uint64_t value_bytes(rd_call *call, uint32_t i) {
  rd_key key;
  rd_item *it = value_of(call, i, &key);
  if (it == NULL) return 0;
  uint64_t bytes = rd_item_value_bytes(call->store, it);
  if ((call->command->acl & RD_ACL_SORTEDSET) == 0 || rd_item_type(it) != RD_SET) return bytes;
  rd_coll c;
  rd_coll_open(&c, call->store, &key, it, rd_type_of(it));
  return bytes + SCORE_COST * rd_coll_count(&c);
}

/* The sum of the values that the call reads, and the longest of them. */
static uint64_t read_bytes(rd_call *call, uint64_t *longest) {
  rd_keys keys;
  uint64_t sum = 0;
  *longest = 0;
  rd_command_keys(call->command, call->argv, call->argc, &keys);
  for (uint32_t r = 0; r < keys.runs; r++) {
    const rd_key_run *run = &keys.run[r];
    for (uint32_t i = 0; i < run->count && (run->flags & RD_KEY_RO) != 0; i++) {
      uint64_t bytes = value_bytes(call, run->first + i * run->step);
      sum += bytes;
      if (bytes > *longest) *longest = bytes;
    }
  }
  return sum;
}

uint64_t rd_grows_values(rd_call *call) {
  uint64_t longest;
  return read_bytes(call, &longest);
}

uint64_t rd_grows_longest(rd_call *call) {
  uint64_t longest;
  read_bytes(call, &longest);
  return longest;
}

/* An element that moves from one list to another. It is not known which one, if commands before it in a transaction
 * change the list, so the longest of a few at both ends counts. */
uint64_t rd_grows_element(rd_call *call) {
  rd_key key;
  rd_item *it = value_of(call, 1, &key);
  if (it == NULL || rd_item_type(it) != RD_LIST) return 0;
  rd_coll c;
  rd_pos p;
  uint64_t longest = 0;
  rd_coll_open(&c, call->store, &key, it, rd_type_of(it));
  for (int last = 0; last < 2; last++) {
    bool more = last ? rd_coll_last(&c, &p) : rd_coll_first(&c, &p);
    for (int n = 0; more && n < 4; n++) {
      uint64_t bytes = rd_element_len(call->store, p.at);
      if (bytes > longest) longest = bytes;
      more = last ? rd_coll_prev(&c, &p) : rd_coll_next(&c, &p);
    }
  }
  return longest;
}

/* ---- strings that become longer ---- */

uint64_t rd_grows_setrange(rd_call *call) {
  const rd_bytes *argv = call->argv;
  uint64_t most = call->store->max_value;
  int64_t n;
  if (!rd_parse_i64(argv[2], &n) || n < 0 || argv[3].len == 0 || argv[3].len > most) return 0;
  return (uint64_t)n <= most - argv[3].len ? (uint64_t)n : 0; /* the bytes before the argument's own */
}

static uint64_t bytes_before(const rd_call *call, rd_bytes offset, unsigned width) {
  uint64_t n;
  return rd_bits_offset(offset, width, call->store->max_value, &n) ? n >> 3 : 0;
}

uint64_t rd_grows_setbit(rd_call *call) { return bytes_before(call, call->argv[2], 0); }

/* GET type offset, SET type offset value, INCRBY type offset increment, OVERFLOW how. */
uint64_t rd_grows_bitfield(rd_call *call) {
  const rd_bytes *argv = call->argv;
  uint64_t most = 0;
  for (uint32_t i = 2; i < call->argc;) {
    uint32_t words = rd_arg_is(argv[i], "overflow") ? 2 : rd_arg_is(argv[i], "get") ? 3 : 4;
    if (words > call->argc - i) return 0; /* a syntax error: nothing will be written */
    int64_t width;
    rd_bytes type = argv[i + 1];
    if (words == 4 && type.len > 1 && rd_parse_i64((rd_bytes){type.data + 1, type.len - 1}, &width) && width > 0 &&
        width <= 64) {
      uint64_t len = bytes_before(call, argv[i + 2], (unsigned)width);
      if (len > most) most = len;
    }
    i += words;
  }
  return most;
}

/* ---- others ---- */

uint64_t rd_grows_hyperloglog(rd_call *call) {
  (void)call;
  return RD_HLL_DENSE;
}

uint64_t rd_grows_restore(rd_call *call) { return rd_dump_len(call->argv[3]); }
