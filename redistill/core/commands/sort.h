/* sort.h - a running SORT or SORT_RO, for the files that implement it.
 *
 * The elements are copied to private memory, which counts like a client's buffer, and sorted there. BY and GET name
 * keys by patterns, so the keys may lie in any shard. All shards are locked before the first element is read; so the
 * command is atomic. But when more than RD_LONG_KEYS elements are sorted with patterns, which may take seconds, the
 * locks are released once the elements are copied, and each lookup takes the lock that it needs: it sees its key as it
 * is at that moment. No lock is waited for while another is held, so nothing can wait for each other. A transaction
 * holds all locks throughout. */
#ifndef RD_SORT_H
#define RD_SORT_H

#include "arena/longrun.h"
#include "command/call.h"

typedef struct rd_sort_element {
  rd_bytes text; /* a NUL follows */
  union {
    double score;
    rd_bytes by; /* with ALPHA and BY: the value; data NULL: there is none */
  };
} rd_sort_element;

typedef struct rd_sort_run {
  rd_call *call;
  /* ---- the options ---- */
  bool ordered; /* false: BY without a star */
  bool alpha, desc;
  int64_t offset, limit; /* limit < 0: all */
  const rd_bytes *by;    /* NULL: the elements themselves */
  const rd_bytes **get;
  uint32_t gets;
  uint32_t store; /* the position of STORE's key in argv; 0: reply */
  /* ---- the elements ---- */
  rd_sort_element *elements;
  uint64_t count;
  uint32_t *order;   /* their order */
  uint64_t first, n; /* the result: n from order[first] on */
  bool not_numeric;  /* a score is no number */
  uint64_t steps;    /* since the last yield */
  /* ---- memory ---- */
  struct rd_sort_chunk *chunks;
  bool no_memory;
  uint8_t *name; /* a key's name is made here */
  uint64_t name_cap;
} rd_sort_run;

/* Memory until rd_sort_free. NULL: there is none, and no_memory is set. */
void *rd_sort_take(rd_sort_run *s, uint64_t bytes);
void rd_sort_free(rd_sort_run *s);
/* Call it for each element in a loop. */
static inline void rd_sort_step(rd_sort_run *s) {
  if (RD_UNLIKELY((++s->steps & 255) == 0)) rd_yield(s->call->store);
}

/* Copy the elements of a list, set or sorted set that the result needs, in the value's order. False: no memory. */
bool rd_sort_load(rd_sort_run *s, const rd_item *it);
/* Look up what to sort by. False: no memory. */
bool rd_sort_weigh(rd_sort_run *s);
/* Sort `order`. */
void rd_sort_arrange(rd_sort_run *s);

/* The value that a pattern names for an element. */
typedef struct rd_sort_value {
  const rd_item *string;  /* NULL if there is none */
  const uint8_t *element; /* of a hash: the field's value; NULL if there is none */
  uint32_t shard;
  bool locked; /* by rd_sort_find */
} rd_sort_value;
/* Find it; rd_sort_found must follow when it is no longer used. False: there is none. */
bool rd_sort_find(rd_sort_run *s, rd_bytes pattern, rd_bytes element, rd_sort_value *v);
void rd_sort_found(rd_sort_run *s, const rd_sort_value *v);
/* Copy it; a NUL follows. data is NULL without memory. */
rd_bytes rd_sort_copy(rd_sort_run *s, const rd_sort_value *v);
static inline bool rd_sort_is_itself(rd_bytes pattern) {
  return pattern.len != 0 && pattern.data[0] == '#' && (pattern.len == 1 || pattern.data[1] == 0);
}

#endif
