/* worker.h - the processes that share an arena: their blocks, whether each process is alive, and its counters.
 *
 * Each process has its own block, which it alone writes; readers sum over the blocks. A worker's counters stay in its
 * block after it ends, and its successor continues them. Its gauges and connections are removed with it. */
#ifndef RD_WORKER_H
#define RD_WORKER_H

#include "arena/arena.h"

/* python: begin */

/* ---- joining and leaving ---- */

/* Take a block for this process: a free block, or the block of a dead process, which is then reaped. The caller chooses
 * `number`, by which other processes know it (UINT32_MAX: the supervisor). Returns the index of the block; -1: all
 * blocks are taken; -2: the system has no memory for it. */
int rd_worker_join(rd_store *st, uint32_t number);
/* Reserve the memory of `count` blocks, those that are joined first, before keys can take it. False: the system has not
 * so much; a process that joins tries again. */
bool rd_workers_back(const rd_store *st, uint32_t count);
void rd_worker_leave(rd_store *st);
/* Free block `i` if its process has died; its gauges and connections then no longer count. False: the block is in use
 * or was free already, or another process holds the lock (try again later). Never waits: the caller may be the process
 * that ends a process which was stopped while it held the lock. */
bool rd_worker_reap(rd_store *st, uint32_t i);
/* True if another process has joined and is alive. */
bool rd_worker_others(const rd_store *st);
/* True if this process has joined and no other has. A dead process that was not reaped counts as joined. Very cheap. */
bool rd_worker_alone(const rd_store *st);

/* ---- figures that a worker publishes about itself, after it has joined ---- */

/* Publish the heartbeat: milliseconds of a monotonic clock, the same in all processes. */
void rd_worker_beat(rd_store *st, uint64_t now_ms);
/* Set any gauge except `monitors`, which rd_monitors_add counts. */
void rd_gauge_set(rd_store *st, rd_gauge gauge, uint64_t value);
/* Count `more` bytes (modulo 2^64) of temporary memory, or of messages that wait in this process, with the buffers of
 * its clients. */
void rd_scratch_count(rd_store *st, uint64_t more);
/* True if the buffers of the clients of all processes may grow so much beyond their limit (session/footprint.h). */
bool rd_scratch_fits(const rd_store *st, uint64_t more);
/* Publish the CPU time of this process so far, in microseconds. */
void rd_worker_cpu(rd_store *st, uint64_t user_us, uint64_t system_us);
void rd_count_add(rd_store *st, rd_stat stat, uint64_t n);
/* This process's counters. The caller adds to them in place. */
rd_counters *rd_my_counters(rd_store *st);

/* ---- the configuration, of which each process has a copy ----
 *
 * The supervisor numbers the configurations. It sends a new one to all workers, then announces its generation. From
 * then on a worker that has not applied it serves no client, whatever kept it from reading its channel (loop.h). */

void rd_announce(rd_store *st, uint32_t generation);
/* The generation announced last. It survives a restart. A process that opens the arena starts with this generation
 * applied. */
uint32_t rd_announced(const rd_store *st);
/* Record that this process has applied the configuration of `generation`, or was found unable to. */
void rd_caught_up(rd_store *st, uint32_t generation);
/* True if an announced configuration is not yet applied in this process. Costs one relaxed load. */
bool rd_behind(const rd_store *st);

/* ---- figures of other processes ---- */

typedef struct rd_worker_figures {
  uint32_t pid, number;
  uint64_t heartbeat;
  uint64_t gauge[RD_GAUGE_COUNT];
  uint64_t commands; /* commands processed, including those of its predecessors in this block */
  uint64_t user_us, system_us;
  uint32_t connections;
} rd_worker_figures;
/* The figures of the worker in block i. False: no process has joined there. */
bool rd_worker_info(const rd_store *st, uint32_t i, rd_worker_figures *figures);

/* A gauge over all workers: the sum, or the largest value for a largest_... gauge. */
uint64_t rd_gauge_sum(const rd_store *st, rd_gauge gauge);
/* CPU time of all workers, including those that have ended. rd_reset_stats does not change it. */
void rd_cpu_sum(const rd_store *st, uint64_t *user_us, uint64_t *system_us);
/* A counter summed over all workers, including those that have ended. */
uint64_t rd_counter(const rd_store *st, rd_stat stat);
/* The counters in block i; NULL when the block was never used. */
const rd_counters *rd_worker_counters(const rd_store *st, uint32_t i);
/* Set all counters to 0, and the peak to the memory in use now. An amount that a worker adds at the same moment may be
 * lost or kept. */
void rd_reset_stats(rd_store *st);

/* ---- numbers unique over all workers, from 1 on; a restart continues them ---- */

typedef enum rd_seq { RD_SEQ_CLIENT, RD_SEQ_SLOWLOG, RD_SEQ_DENIAL, RD_SEQ_WAIT, RD_SEQ_SCRIPT, RD_SEQ_COUNT } rd_seq;
uint64_t rd_next(rd_store *st, rd_seq seq);

/* ---- the highest use of memory ---- */

/* Measure the memory in use now. Returns the highest use that any worker has seen. */
uint64_t rd_note_peak(rd_store *st);

/* python: end */

#endif
