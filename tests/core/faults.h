/* faults.h - allocations that fail on demand: of the arena's heap (rd_heap_alloc) and of the process (malloc, calloc,
 * realloc). The program is linked with --wrap for these four, so every call of the core comes here first. */
#ifndef RD_FAULTS_H
#define RD_FAULTS_H

#include <stdlib.h>

#include "arena/heap.h"
#include "store/index.h"

typedef struct fault {
  bool armed;
  bool once;      /* only call number `at` fails, not the later ones */
  uint32_t kinds; /* arena: kinds of blocks whose allocations count, one bit each; 0: all */
  uint64_t at;    /* the first call that fails, from 0 */
  uint64_t calls; /* so far */
  uint64_t hits;  /* calls that failed */
} fault;

static fault arena_fault, process_fault;

static inline bool fault_strikes(fault *f) {
  if (!f->armed) return false;
  uint64_t n = f->calls++;
  if (f->once ? n != f->at : n < f->at) return false;
  f->hits++;
  return true;
}

static inline void fault_arm(fault *f, uint64_t at, bool once) {
  *f = (fault){.armed = true, .once = once, .at = at, .kinds = f->kinds};
}
static inline void fault_disarm(fault *f) { f->armed = false; }

rd_ref __real_rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind);
rd_ref __wrap_rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind);
rd_ref __wrap_rd_heap_alloc(rd_store *st, uint32_t shard, uint32_t bytes, rd_kind kind) {
  bool meant = arena_fault.kinds == 0 || (arena_fault.kinds >> kind & 1u) != 0;
  if (meant && fault_strikes(&arena_fault)) return 0;
  return __real_rd_heap_alloc(st, shard, bytes, kind);
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n) { return fault_strikes(&process_fault) ? NULL : __real_malloc(n); }

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size) { return fault_strikes(&process_fault) ? NULL : __real_calloc(n, size); }

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n) { return fault_strikes(&process_fault) ? NULL : __real_realloc(p, n); }

#endif
