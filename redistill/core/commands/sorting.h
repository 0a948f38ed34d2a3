/* sorting.h - sorting that lets other clients in. */
#ifndef RD_SORTING_H
#define RD_SORTING_H

#include "arena/arena.h"

/* Sort like qsort, but in place, without memory, and with calls of rd_yield. The order of equal elements is undefined.
 * `size` is at most RD_SORT_SIZE. */
#define RD_SORT_SIZE 512u
typedef int rd_compare_fn(void *arg, const void *a, const void *b);
void rd_sort(rd_store *st, void *base, size_t n, size_t size, rd_compare_fn *compare, void *arg);

#endif
