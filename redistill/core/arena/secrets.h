/* secrets.h - what use is made of each password: when last, how often, and by how many connections now.
 *
 * So that who changes passwords in turn can see when the old one is used no more, over all workers and restarts. A
 * secret is known by a number that its owner makes (of a hash of it); the arena never holds the secret. Call these
 * after rd_worker_join only. */
#ifndef RD_SECRETS_H
#define RD_SECRETS_H

#include "arena/arena.h"

/* python: begin */

/* Secrets that are remembered. The one that was not used for the longest time, and is not in use, makes room. */
#define RD_SECRETS 64u

/* A connection that got in with a secret; `now_ms` 0: it did so earlier, in another process. When all that are
 * remembered are in use, it is not counted. */
void rd_secret_enter(rd_store *st, uint64_t id, uint64_t now_ms);
/* The same connection is gone, or has another one. */
void rd_secret_leave(rd_store *st, uint64_t id);

typedef struct rd_secret_figures {
  uint64_t id;
  uint64_t last_used_ms; /* since the epoch */
  uint64_t uses;
  uint64_t connections; /* of all workers */
} rd_secret_figures;
/* Of place i, below RD_SECRETS; false: there is none. */
bool rd_secret_info(const rd_store *st, uint32_t i, rd_secret_figures *figures);

/* python: end */

#endif
