/* run.h - opens and closes a store. A run is the time from the first process of an arena to its last. */
#ifndef RD_RUN_H
#define RD_RUN_H

#include "arena/arena.h"

/* python: begin */

/* Make an arena in the file `fd` (a memfd, or a file on a tmpfs), overwriting its contents, and map it. Returns 0,
 * or -1 with the reason in `err`. The caller keeps ownership of the descriptor. */
int rd_create(rd_store *st, int fd, const rd_options *options, char *err, size_t errlen);
/* Map an existing arena. -1: the file is not an arena, has another layout, or is torn or too short; `err` says
 * which. When no other process uses it, a run begins (st->began): all statistics begin at 0, except that damaged
 * shards count as lost, and the fields of the last run (layout.h lists them) are as in a new arena. */
int rd_attach(rd_store *st, int fd, char *err, size_t errlen);
/* The same when the caller knows that no other process uses the arena, whatever the arena records: a run begins. */
int rd_attach_alone(rd_store *st, int fd, char *err, size_t errlen);
void rd_detach(rd_store *st);

/* python: end */

#endif
