/* admission.h - how many connections there are, over all workers: in all, by address, and new ones in a second.
 *
 * Who is let in is decided and counted in one step, under one lock of the arena, so that a limit holds exactly however
 * many workers accept. The counts of a worker that died go when its block is reaped. A limit of 0 is none, but what
 * comes is counted all the same: connections that must be let in (handed over by another worker) enter with limit 0.
 * Call them after rd_worker_join only. */
#ifndef RD_ADMISSION_H
#define RD_ADMISSION_H

#include "arena/arena.h"

/* python: begin */

/* Addresses that one worker can count: RD_ADDRESS_SLOTS is the room, of which a quarter stays free for the search's
 * sake. */
#define RD_ADDRESS_SLOTS 16384u
#define RD_ADDRESS_MAX (RD_ADDRESS_SLOTS / 4 * 3)

/* One more connection, unless there are `limit`. Of the `limit` places `kept` are for `local` ones only (of the same
 * machine), but at least one is for all. Whether it was let in. */
bool rd_open_enter(rd_store *st, bool local, uint32_t limit, uint32_t kept);
void rd_open_leave(rd_store *st, bool local);

/* The same for those of one address: 16 bytes, IPv4 as ::ffff:a.b.c.d. When this worker counts RD_ADDRESS_MAX others
 * already, or the system has no memory for one more, a new address is refused, or without a limit let in and not
 * counted. */
bool rd_address_enter(rd_store *st, const uint8_t address[16], uint32_t limit);
/* Does nothing for an address that is not counted. */
void rd_address_leave(rd_store *st, const uint8_t address[16]);

/* Whether one more connection may come at `now_ns` (monotonic, the same in all processes) when there may be
 * `per_second`: a bucket that holds one second's worth and fills steadily. */
bool rd_rate_take(rd_store *st, uint32_t per_second, uint64_t now_ns);

/* ---- at the gate ---- */

typedef enum rd_limit { RD_LIMIT_NONE, RD_LIMIT_RATE, RD_LIMIT_OPEN, RD_LIMIT_ADDRESS, RD_LIMIT_COUNT } rd_limit;

/* What is turned away at listening sockets before the owner hears of it, and what was. */
typedef struct rd_gate {
  rd_store *st;
  uint32_t open, kept, address, per_second; /* the limits, as above */
  const char *words[RD_LIMIT_COUNT];        /* what is said to whom a limit refuses; NULL: nothing */
  uint64_t refused[RD_LIMIT_COUNT];
  uint8_t last[RD_LIMIT_COUNT][16]; /* the address of the last of them; all 0: over a UNIX socket */
} rd_gate;

/* The limit that would refuse who comes from `address` (NULL: over a UNIX socket), without letting anybody in. */
rd_limit rd_gate_limit(const rd_gate *g, const uint8_t *address, uint64_t now_ns);
/* Whether the address is of this machine's loopback; NULL is. */
bool rd_address_local(const uint8_t *address);

/* ---- for worker.c and check.c ---- */

void rd_admission_lock(rd_store *st);
bool rd_admission_trylock(rd_store *st); /* without waiting: false, somebody has it */
void rd_admission_unlock(rd_store *st);
/* Forget what a worker's block counts. */
void rd_admission_clear(rd_worker *w);
/* What is wrong with a worker's table; NULL: nothing. */
const char *rd_admission_check(const rd_store *st, const rd_worker *w);

/* python: end */

#endif
