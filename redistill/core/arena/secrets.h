/* secrets.h - the use of each password: its last use, the number of uses, and its open connections.
 *
 * An operator who rotates passwords sees here when the old one is no longer used, over all workers and restarts. A
 * number that the owner derives from a hash identifies each secret; the arena never holds the secret itself. Call these
 * functions only after rd_worker_join. */
#ifndef RD_SECRETS_H
#define RD_SECRETS_H

#include "arena/arena.h"

/* python: begin */

/* The number of secrets that are remembered. A new secret replaces the least recently used one that has no
 * connection. */
#define RD_SECRETS 64u

/* Count a connection that authenticated with a secret. `now_ms` 0: it authenticated earlier, in another process. When
 * all remembered secrets have connections, a new secret is not counted. */
void rd_secret_enter(rd_store *st, uint64_t id, uint64_t now_ms);
/* Stop counting that connection: it has closed, or has authenticated with another secret. */
void rd_secret_leave(rd_store *st, uint64_t id);

typedef struct rd_secret_figures {
  uint64_t id;
  uint64_t last_used_ms; /* milliseconds since the epoch */
  uint64_t uses;
  uint64_t connections; /* open connections now, over all workers */
} rd_secret_figures;
/* The figures in slot i (below RD_SECRETS). False: the slot is empty. */
bool rd_secret_info(const rd_store *st, uint32_t i, rd_secret_figures *figures);

/* python: end */

#endif
