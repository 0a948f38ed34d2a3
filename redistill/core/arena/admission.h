/* admission.h - decides which connections are admitted, over all workers: by their number, by address, and by the rate
 * of new ones. All decisions are made here, and all refusals are counted here.
 *
 * One call checks a limit and counts the connection, or counts its refusal, under one lock of the arena. So a limit
 * holds exactly however many workers accept. Reaping a dead worker's block removes its connections. A limit of 0 means
 * no limit; the connection is still counted. Connections that must be admitted (handed over by another worker) enter
 * with limit 0. Call these functions only after rd_worker_join. */
#ifndef RD_ADMISSION_H
#define RD_ADMISSION_H

#include "arena/arena.h"

/* python: begin */

/* The number of addresses that one worker can count. The table has RD_ADDRESS_SLOTS slots; a quarter stays free to keep
 * searches short. */
#define RD_ADDRESS_SLOTS 16384u
#define RD_ADDRESS_MAX (RD_ADDRESS_SLOTS / 4 * 3)

/* Count one more connection, unless `limit` connections are open. `kept` of the `limit` places are reserved for `local`
 * connections (from the same machine), but at least one place is open to all. False: the connection is refused, and the
 * refusal is counted. */
bool rd_open_enter(rd_store *st, bool local, uint32_t limit, uint32_t kept);
void rd_open_leave(rd_store *st, bool local);

/* The same for the connections of one address: 16 bytes, IPv4 as ::ffff:a.b.c.d. When this worker already counts
 * RD_ADDRESS_MAX other addresses, or the system has no memory for one more, a new address is refused; without a limit
 * it is admitted and not counted. */
bool rd_address_enter(rd_store *st, const uint8_t address[16], uint32_t limit);
/* Count one connection of the address less; an address that is not counted is ignored. */
void rd_address_leave(rd_store *st, const uint8_t address[16]);

/* Take one of the `per_second` new connections that are admitted in a second, at `now_ns` (monotonic, the same in all
 * processes): a token bucket that holds one second's worth and fills steadily. The last `kept` of it are for `local`
 * connections, but at least one is for all. False as for rd_open_enter. */
bool rd_rate_take(rd_store *st, bool local, uint32_t per_second, uint32_t kept, uint64_t now_ns);

/* ---- at listening sockets ---- */

typedef enum rd_limit { RD_LIMIT_NONE, RD_LIMIT_RATE, RD_LIMIT_OPEN, RD_LIMIT_ADDRESS, RD_LIMIT_COUNT } rd_limit;

#define RD_REFUSED_ADDRESSES 64u

/* The limits that the loop applies as it accepts, before the owner sees a connection. */
typedef struct rd_accept_limits {
  rd_store *st;
  uint32_t open, kept, address, per_second; /* the limits, as above */
  const char *words[RD_LIMIT_COUNT];        /* the error line sent to a client that this limit refuses; NULL: none */
  uint64_t refused[RD_LIMIT_COUNT];         /* connections refused with these limits, for the log */
  uint8_t last[RD_LIMIT_COUNT][16];         /* the last refused address; all 0: a UNIX socket */
  /* The different addresses refused since the owner last set the count to 0: one more than the array has when there
   * were more. */
  uint8_t source[RD_LIMIT_COUNT][RD_REFUSED_ADDRESSES][16];
  uint32_t source_count[RD_LIMIT_COUNT];
} rd_accept_limits;

/* Refuse a connection from `address` (NULL: over a UNIX socket) that exceeds a limit, and count the refusal. Returns
 * that limit. RD_LIMIT_NONE: no limit is exceeded; nothing is counted, and the connection must still enter. */
rd_limit rd_refuse_early(rd_accept_limits *limits, const uint8_t *address, uint64_t now_ns);
/* True if the address is a loopback address of this machine. NULL (a UNIX socket) counts as one. */
bool rd_address_local(const uint8_t *address);

/* ---- for worker.c and check.c ---- */

void rd_admission_lock(rd_store *st);
bool rd_admission_trylock(rd_store *st); /* without waiting; false: another process holds it */
void rd_admission_unlock(rd_store *st);
/* Set the connection counts of a worker's block to 0. */
void rd_admission_clear(rd_worker *w);
/* Check a worker's table of addresses. Returns a text that describes the damage, or NULL when the table is whole. */
const char *rd_admission_check(const rd_store *st, const rd_worker *w);

/* python: end */

#endif
