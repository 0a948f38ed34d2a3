/* longrun.c - gives a long-running command its own stack, and switches to that stack and back. */
#include "arena/longrun.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "arena/lock.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define LEAVE(save, stack, size) __sanitizer_start_switch_fiber(save, stack, size)
#define ARRIVE(save, stack, size) __sanitizer_finish_switch_fiber(save, stack, size)
#else
#define LEAVE(save, stack, size) ((void)0)
#define ARRIVE(save, stack, size) ((void)0)
#endif

/* No command of the core takes 30 KB. A script takes more: 200 calls of C functions within each other, of which gsub is
 * the largest, and the matcher of patterns in the last one. Only what is used is memory. */
#define STACK (2048u * 1024u)
#define GUARD 65536u /* a multiple of every page size */

/* The store's fields that belong to the running command. */
typedef struct context {
  uint64_t held[RD_MAX_SHARDS / 64];
  uint32_t dirty, changing_slot;
  uint64_t changing_hash;
  rd_ref pin[2];
  bool no_touch, no_growth, builds, may_borrow, borrows, retains, retained;
  uint32_t touched;
  uint64_t noted;
  struct rd_longrun *running;
} context;

struct rd_longrun {
  rd_store *st;
  void (*work)(void *arg);
  void *arg;
  uint8_t *memory; /* the guard pages, then the stack */
  bool ended, unwanted, no_pauses, waits;
  uint64_t until; /* when its slice ends */
  ucontext_t own, caller;
  context state; /* the command's fields of the store, while it pauses */
  const void *caller_stack;
  size_t caller_size;
  void *fake;
};

static void save(rd_store *st, context *c) {
  memcpy(c->held, st->held, sizeof c->held);
  memcpy(c->pin, st->pin, sizeof c->pin);
  c->dirty = st->dirty;
  c->changing_slot = st->changing_slot;
  c->changing_hash = st->changing_hash;
  c->no_touch = st->no_touch;
  c->no_growth = st->no_growth;
  c->builds = st->builds;
  c->may_borrow = st->may_borrow;
  c->borrows = st->borrows;
  c->touched = st->touched;
  c->noted = st->noted;
  c->retains = st->retains;
  c->retained = st->retained;
  c->running = st->running;
}

static void restore(rd_store *st, const context *c) {
  memcpy(st->held, c->held, sizeof c->held);
  memcpy(st->pin, c->pin, sizeof c->pin);
  st->dirty = c->dirty;
  st->changing_slot = c->changing_slot;
  st->changing_hash = c->changing_hash;
  st->no_touch = c->no_touch;
  st->no_growth = c->no_growth;
  st->builds = c->builds;
  st->may_borrow = c->may_borrow;
  st->borrows = c->borrows;
  st->touched = c->touched;
  st->noted = c->noted;
  st->retains = c->retains;
  st->retained = c->retained;
  st->running = c->running;
}

static void begin(unsigned high, unsigned low) {
  rd_longrun *l = (rd_longrun *)(uintptr_t)((uint64_t)high << 32 | low);
  ARRIVE(NULL, &l->caller_stack, &l->caller_size);
  l->work(l->arg);
  rd_mark_clean(l->st); /* a transaction's command leaves its locks, and only this context knows of the mark */
  l->ended = true;
  LEAVE(NULL, l->caller_stack, l->caller_size);
  swapcontext(&l->own, &l->caller);
  __builtin_unreachable();
}

static rd_longrun *new_memory(void) {
  rd_longrun *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (l->memory != MAP_FAILED && mprotect(l->memory, GUARD, PROT_NONE) == 0) return l;
  if (l->memory != MAP_FAILED) munmap(l->memory, GUARD + STACK);
  free(l);
  return NULL;
}

static void free_memory(rd_longrun *l) {
  munmap(l->memory, GUARD + STACK);
  free(l);
}

rd_longrun *rd_longrun_new(rd_store *st, void (*work)(void *arg), void *arg) {
  if (st->retained) rd_unlock_all(st);
  rd_longrun *l = st->spare != NULL ? st->spare : new_memory();
  st->spare = NULL;
  if (l == NULL) return NULL;
  l->st = st;
  l->work = work;
  l->arg = arg;
  l->ended = l->unwanted = l->no_pauses = l->waits = false;
  getcontext(&l->own);
  l->own.uc_stack.ss_sp = l->memory + GUARD;
  l->own.uc_stack.ss_size = STACK;
  l->own.uc_link = NULL;
  uint64_t self = (uint64_t)(uintptr_t)l;
  makecontext(&l->own, (void (*)(void))(uintptr_t)begin, 2, (unsigned)(self >> 32), (unsigned)self);
  save(st, &l->state);
  l->state.retains = l->state.retained = false;
  l->state.changing_slot = 0;
  l->state.running = l;
  memset(st->held, 0, sizeof st->held);
  st->dirty = 0;
  return l;
}

/* Switch to the work's stack. Returns when the work pauses or has ended. */
static void switch_to_work(rd_longrun *l) {
  rd_store *st = l->st;
  context outer;
  save(st, &outer);
  restore(st, &l->state);
  void *fake = NULL;
  (void)fake;
  LEAVE(&fake, l->memory + GUARD, STACK);
  swapcontext(&l->caller, &l->own);
  ARRIVE(fake, NULL, NULL);
  save(st, &l->state);
  restore(st, &outer);
}

bool rd_longrun_is_unlocked(const rd_longrun *l) {
  uint64_t any = 0;
  for (size_t w = 0; w < RD_MAX_SHARDS / 64; w++) any |= l->state.held[w];
  return any == 0 && !l->ended;
}

static void lend(rd_longrun *l, struct rd_session *s) {
  rd_store *st = l->st;
  if (rd_longrun_is_unlocked(l)) return;
  assert(st->lender == NULL);
  memcpy(st->lent, l->state.held, sizeof st->lent);
  st->lender = s;
  st->lending = l;
}

bool rd_longrun_continue(rd_longrun *l, struct rd_session *s) {
  rd_store *st = l->st;
  if (st->lending == l) {
    memset(st->lent, 0, sizeof st->lent);
    st->lender = NULL;
    st->lending = NULL;
  }
  if (!l->ended) {
    if (st->retained) rd_unlock_all(st);
    l->until = st->clock() + RD_SLICE_NS;
    switch_to_work(l);
  }
  if (!l->ended) {
    lend(l, s);
    return false;
  }
  for (size_t w = 0; w < RD_MAX_SHARDS / 64; w++) {
    st->held[w] |= l->state.held[w];
    l->state.held[w] = 0;
  }
  st->touched = l->state.touched;
  st->noted = l->state.noted;
  return true;
}

void rd_longrun_finish(rd_longrun *l, bool wanted) {
  l->no_pauses = true;
  l->unwanted = !wanted;
  if (!l->ended) switch_to_work(l);
}

void rd_longrun_free(rd_longrun *l) {
  if (l->st->spare == NULL)
    l->st->spare = l;
  else
    free_memory(l);
}

void rd_longrun_forget_spare(rd_store *st) {
  if (st->spare != NULL) free_memory(st->spare);
  st->spare = NULL;
}

/* Mark the shard that the work is changing as paused. If only one of its values is changing, its next owner after a
 * death then removes that value, and keeps the shard. */
static void mark_paused(rd_store *st) {
  uint32_t shard = st->dirty - 1;
  rd_shard *sh = rd_shard_at(st, shard);
  bool here = rd_shard_of(st, st->changing_hash) == shard;
  sh->paused_slot = st->changing_slot - 1;
  sh->paused_hash = st->changing_hash;
  sh->paused_item = here ? st->item_of(st, shard, sh->paused_slot, st->changing_hash) : 0;
  RD_COMPILER_BARRIER();
  sh->dirty = RD_SHARD_PAUSED;
}

static void pause_work(rd_longrun *l) {
  rd_store *st = l->st;
  if (st->dirty != 0 && st->changing_slot != 0) mark_paused(st);
  LEAVE(&l->fake, l->caller_stack, l->caller_size);
  swapcontext(&l->own, &l->caller);
  ARRIVE(l->fake, &l->caller_stack, &l->caller_size);
  if (st->dirty != 0) rd_shard_at(st, st->dirty - 1)->dirty = RD_SHARD_DIRTY;
  RD_COMPILER_BARRIER();
}

bool rd_longrun_wait(rd_longrun *l) {
  l->waits = true;
  if (!l->no_pauses) pause_work(l);
  l->waits = false;
  return !l->no_pauses;
}

bool rd_longrun_waits(const rd_longrun *l) { return l->waits; }

bool rd_longrun_yield(rd_longrun *l) {
  if (!l->no_pauses && l->st->clock() >= l->until) pause_work(l);
  return !l->unwanted;
}

bool rd_longrun_yield_whole(rd_longrun *l) {
  rd_mark_clean(l->st);
  return rd_longrun_yield(l);
}

/* ---- lent locks ---- */

void rd_lend_all(rd_store *st, struct rd_session *s) {
  memcpy(st->lent, st->held, sizeof st->lent);
  memset(st->held, 0, sizeof st->held);
  st->lender = s;
}

void rd_take_back(rd_store *st) {
  for (size_t w = 0; w < RD_MAX_SHARDS / 64; w++) st->held[w] |= st->lent[w];
  memset(st->lent, 0, sizeof st->lent);
  st->lender = NULL;
}

bool rd_reclaim_lent(rd_store *st, uint32_t shard) {
  if (st->lending != NULL && !st->lending->ended) {
    rd_longrun_finish(st->lending, true);
    memcpy(st->lent, st->lending->state.held, sizeof st->lent);
  }
  return !rd_is_lent(st, shard);
}
