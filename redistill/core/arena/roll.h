/* roll.h - what the clients of each worker subscribe to: channels, patterns and shard channels.
 *
 * Each worker's block has a roll, which only its owner writes: a table from the hash of a name to the number of the
 * owner's clients that subscribe to it, and the text of the patterns. PUBLISH reads the rolls of all workers, so it
 * counts its receivers and knows which workers to tell. The names of channels are not in the arena: the worker that
 * gets a message finds its clients by the name. Two names of one 64-bit hash make a count too high (chance 2^-64 for a
 * pair), and misroute nothing.
 *
 * A roll is read and written under one lock, rd_rolls_lock, except that its owner reads it without. The lock is taken
 * behind the shards' and before a ring's. If a process dies while it changes its roll, the next one to lock empties
 * that roll: the clients have ended with the process.
 *
 * The worker that takes a subscriber over (session/moved.h) lowers counts in the roll of the one that gave it, and
 * changes nothing else there: such an entry may have the count 0. Its owner writes whole counts, so a taker that dies
 * between two of them leaves nothing wrong behind: the owner ends the subscriber, and with it sets the same counts.
 *
 * The memory of a roll is taken when it is needed, and counts as fixed memory (memory.h). */
#ifndef RD_ROLL_H
#define RD_ROLL_H

#include "arena/arena.h"

/* python: begin */

/* RD_REDIRECT: the invalidations for the client whose id is the name, in eight bytes (session/tracking.h). */
typedef enum rd_roll_kind { RD_CHANNEL, RD_PATTERN, RD_SHARD_CHANNEL, RD_REDIRECT, RD_ROLL_KINDS } rd_roll_kind;

#define RD_ROLL_ENTRIES (1u << 18)  /* names that the clients of one worker can subscribe to together */
#define RD_ROLL_PATTERNS (1u << 20) /* bytes of all patterns of one worker, with eight bytes for each */

/* The number of different names of a kind, over all workers. */
uint64_t rd_roll_distinct(const rd_store *st, rd_roll_kind kind);

/* python: end */

#define RD_ROLL_HEADS (1u << 16)
#define RD_MOVES 64u /* subscribers that a worker hands over at the same time */

typedef struct rd_roll_entry {
  uint64_t hash; /* its low two bits are the kind */
  uint32_t count;
  uint32_t next; /* 1 + the next entry of the chain, or of the free ones; 0: none */
} rd_roll_entry;

/* The head of a roll, in the worker's block. */
typedef struct rd_roll {
  _Atomic uint32_t changing; /* the owner is changing it */
  uint32_t entries;          /* in use */
  uint32_t used;             /* entries that were ever in use */
  uint32_t free;             /* 1 + the first free one of these; 0: none */
  uint32_t pattern_bytes;
  uint32_t patterns;       /* entries that are patterns */
  _Atomic uint64_t backed; /* bytes that the system has given: the heads, then pieces of the entries and the patterns */
  uint32_t backed_entries, backed_patterns;
  _Atomic uint32_t lost;             /* a message to this worker was lost: ring.h */
  _Atomic uint64_t moving[RD_MOVES]; /* the subscribers that it hands over, each by a number; 0: none */
} rd_roll;

/* Its tables. */
typedef struct rd_roll_tables {
  uint32_t head[RD_ROLL_HEADS]; /* 1 + the first entry of each chain; 0: none */
  rd_roll_entry entry[RD_ROLL_ENTRIES];
  uint8_t pattern[RD_ROLL_PATTERNS]; /* {length, count, bytes} for each, at multiples of four */
} rd_roll_tables;

/* Lock all rolls. With `wait` false it waits for RD_LOCK_WAIT_NS at most. False: another process still has the lock. */
bool rd_rolls_lock(rd_store *st, bool wait);
void rd_rolls_unlock(rd_store *st);
/* The workers with subscriptions: bit i is block i. A relaxed load. */
uint64_t rd_rolls_used(const rd_store *st);

/* A message to the worker is lost: it ends its subscribers (rd_subscribed_lost). Counts it. */
void rd_roll_lose(rd_store *st, rd_worker *w);

/* ---- reading ---- */

uint64_t rd_roll_hash(const rd_store *st, rd_roll_kind kind, rd_bytes name);
/* The number of clients of block `place` that subscribe to the name with this hash. */
uint64_t rd_roll_count(const rd_store *st, uint32_t place, uint64_t hash);
/* True if the pattern matches the channel. All patterns of all workers share GLOB_STEPS, and each has the same part, so
 * that patterns that backtrack hold up nobody for long: one that takes more steps does not match. Ordinary patterns
 * need as many as the channel has bytes; with 1,000 patterns each has 33,000. */
bool rd_roll_glob(const rd_store *st, rd_bytes pattern, rd_bytes channel);
/* The number of pairs of a client of block `place` and a pattern that matches `channel`. */
uint64_t rd_roll_matches(const rd_store *st, uint32_t place, rd_bytes channel);

/* ---- the owner's changes, under the lock ---- */

#define RD_NO_ENTRY UINT32_MAX
/* The own entry of the hash that follows `after`, or the first one (RD_NO_ENTRY); RD_NO_ENTRY: there is none. */
uint32_t rd_roll_find(const rd_store *st, uint64_t hash, uint32_t after);
/* Add an entry, with count 1. RD_NO_ENTRY: the roll is full, or there is no memory. */
uint32_t rd_roll_add(rd_store *st, uint64_t hash);
/* Set the count of an entry; 0: it ends. */
void rd_roll_set(rd_store *st, uint32_t entry, uint32_t count);

/* Append a pattern's text with its count. False: no room; the caller may clear and append all again. */
bool rd_roll_add_pattern(rd_store *st, rd_bytes text, uint32_t count, uint32_t *at);
/* Set the count of the pattern at `at`; 0: it matches nothing any more, and its bytes stay until all are cleared. */
void rd_roll_set_pattern(rd_store *st, uint32_t at, uint32_t count);
void rd_roll_clear_patterns(rd_store *st);

/* ---- the change of another worker's roll, under the lock ---- */

/* True if the entry has this hash and a client; a pattern's text must be at `text`, too. */
bool rd_roll_has(const rd_store *st, uint32_t place, uint32_t entry, uint64_t hash);
bool rd_roll_has_pattern(const rd_store *st, uint32_t place, uint32_t text, rd_bytes pattern);
/* Take one client from the entry, and from the text if it is a pattern. Both were found to be there. */
void rd_roll_take(rd_store *st, uint32_t place, uint32_t entry, uint32_t text);

/* ---- for worker.c, lock.c, memory.c and check.c ---- */

/* Empty the roll of a block whose owner has ended; the caller has the lock. */
void rd_roll_end(rd_store *st, rd_worker *w);
const char *rd_roll_check(const rd_store *st, const rd_worker *w);

#endif
