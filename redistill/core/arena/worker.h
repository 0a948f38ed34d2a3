/* worker.h - the processes that share an arena: who they are, whether they live, and what they count.
 *
 * Each has a block of its own, which it alone writes; readers sum over the blocks. What a worker counted stays in its
 * block when it is gone, and its successor counts on; what it had (gauges, connections) goes with it. */
#ifndef RD_WORKER_H
#define RD_WORKER_H

#include "arena/arena.h"

/* python: begin */

/* ---- coming and going ---- */

/* Take a block, under a number that the caller chooses and others know it by (UINT32_MAX: the supervisor). A free block
 * or one whose process has died, which is then reaped. Its place; -1: all are taken;
 * -2: the system has no memory for it. */
int rd_worker_join(rd_store *st, uint32_t number);
void rd_worker_leave(rd_store *st);
/* Free block `i` if its process has died: its gauges and its connections count no longer. False: it is in use, or was
 * free, or somebody holds the lock: try again later. Waits for nobody, since the caller may be the one who ends a
 * process that was stopped with the lock. */
bool rd_worker_reap(rd_store *st, uint32_t i);
/* Whether a process other than this store's has joined and lives. */
bool rd_worker_others(const rd_store *st);
/* Whether this one has joined and no other has; one that died and was not reaped counts. Costs next to nothing. */
bool rd_worker_alone(const rd_store *st);

/* ---- what a worker says of itself, after it has joined ---- */

/* "I am alive": milliseconds of a monotonic clock, the same in all processes. */
void rd_worker_beat(rd_store *st, uint64_t now_ms);
/* All but `monitors`, which rd_monitors_add counts. */
void rd_gauge_set(rd_store *st, rd_gauge gauge, uint64_t value);
/* CPU time of this process so far, in microseconds. */
void rd_worker_cpu(rd_store *st, uint64_t user_us, uint64_t system_us);
void rd_count_add(rd_store *st, rd_stat stat, uint64_t n);
/* Its counters, to be added to in place. */
rd_counters *rd_my_counters(rd_store *st);

/* ---- the configuration, of which each process has a copy ----
 *
 * The supervisor counts the configurations. It sends a new one to all workers, then announces its generation: from then
 * on a worker that has not applied it serves nobody, whatever kept it from reading its channel (loop.h). */

void rd_announce(rd_store *st, uint32_t generation);
/* The one announced last; a restart goes on with it. A process that opens the arena has it. */
uint32_t rd_announced(const rd_store *st);
/* This process has applied the configuration of `generation`, or was found unable to. */
void rd_caught_up(rd_store *st, uint32_t generation);
/* Whether a configuration was announced that this process has not applied. One relaxed load. */
bool rd_behind(const rd_store *st);

/* ---- what others read ---- */

typedef struct rd_worker_figures {
  uint32_t pid, number;
  uint64_t heartbeat;
  uint64_t gauge[RD_GAUGE_COUNT];
  uint64_t commands; /* processed, by its predecessors in this block, too */
  uint64_t user_us, system_us;
  uint32_t connections;
} rd_worker_figures;
/* Of the worker in block i; false: nobody has joined there. */
bool rd_worker_info(const rd_store *st, uint32_t i, rd_worker_figures *figures);

/* Over all workers: the sum, or of a largest_... the largest. */
uint64_t rd_gauge_sum(const rd_store *st, rd_gauge gauge);
/* CPU time of all, those that are gone included; statistics that are reset leave it as it is. */
void rd_cpu_sum(const rd_store *st, uint64_t *user_us, uint64_t *system_us);
/* Sum of a counter, over those that are gone, too. */
uint64_t rd_counter(const rd_store *st, rd_stat stat);
/* The counters in block i, NULL when it was never used. */
const rd_counters *rd_worker_counters(const rd_store *st, uint32_t i);
/* All counters to 0, the peak to what is in use. What a worker adds at the same moment may be lost, or stay. */
void rd_reset_stats(rd_store *st);

/* ---- numbers that no two workers get both, from 1 on; a restart goes on with them ---- */

typedef enum rd_seq { RD_SEQ_CLIENT, RD_SEQ_SLOWLOG, RD_SEQ_DENIAL, RD_SEQ_COUNT } rd_seq;
uint64_t rd_next(rd_store *st, rd_seq seq);

/* ---- the highest use of memory ---- */

/* Look at the use of memory now; the highest that any worker ever saw. */
uint64_t rd_note_peak(rd_store *st);

/* python: end */

#endif
