/* sort_order.c - the order of SORT: a stable merge sort of the elements' numbers, and the memory of a SORT. */
#include "arena/longrun.h"
#include "commands/sort.h"
#include "commands/value.h"

/* ---- memory ---- */

#define FIRST_CHUNK 4096u
#define MOST_CHUNK RD_MAPPED_FROM /* the system has it back at once */

struct rd_sort_chunk {
  struct rd_sort_chunk *next;
  uint64_t size, used;
  uint8_t data[];
};

void *rd_sort_take(rd_sort_run *s, uint64_t bytes) {
  struct rd_sort_chunk *chunk = s->chunks;
  bytes = rd_round_up(bytes, 8);
  if (chunk == NULL || chunk->size - chunk->used < bytes) {
    uint64_t size = chunk == NULL ? FIRST_CHUNK : 2 * chunk->size;
    if (size > MOST_CHUNK) size = MOST_CHUNK;
    if (size < bytes) size = bytes;
    chunk = rd_scratch_take(s->call, sizeof *chunk + size);
    if (chunk == NULL) {
      s->no_memory = true;
      return NULL;
    }
    chunk->next = s->chunks;
    chunk->size = size;
    chunk->used = 0;
    s->chunks = chunk;
  }
  void *taken = chunk->data + chunk->used;
  chunk->used += bytes;
  return taken;
}

void rd_sort_free(rd_sort_run *s) {
  while (s->chunks != NULL) {
    struct rd_sort_chunk *next = s->chunks->next;
    rd_scratch_give(s->call->store, s->chunks, sizeof *next + s->chunks->size);
    s->chunks = next;
    rd_sort_step(s);
  }
}

/* ---- sorting ---- */

static int compare_texts(rd_bytes a, rd_bytes b) {
  size_t both = a.len < b.len ? a.len : b.len;
  int order = both == 0 ? 0 : memcmp(a.data, b.data, both);
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Elements with the same score are in the order of their bytes; those without a value to sort by come first. */
static int compare(const rd_sort_run *s, const rd_sort_element *a, const rd_sort_element *b) {
  int order;
  if (!s->alpha)
    order = a->score == b->score ? compare_texts(a->text, b->text) : a->score > b->score ? 1 : -1;
  else if (s->by == NULL)
    order = compare_texts(a->text, b->text);
  else if (a->by.data == NULL || b->by.data == NULL)
    order = (a->by.data != NULL) - (b->by.data != NULL);
  else
    order = compare_texts(a->by, b->by);
  return s->desc ? -order : order;
}

void rd_sort_arrange(rd_sort_run *s) {
  uint32_t *from = s->order, *to = rd_sort_take(s, s->count * sizeof *to);
  if (to == NULL) return;
  for (uint64_t width = 1; width < s->count; width *= 2) {
    for (uint64_t begin = 0; begin < s->count; begin += 2 * width) {
      uint64_t a = begin, middle = begin + width < s->count ? begin + width : s->count;
      uint64_t b = middle, end = middle + width < s->count ? middle + width : s->count;
      for (uint64_t k = begin; k < end; k++) {
        bool first = b == end || (a < middle && compare(s, &s->elements[from[a]], &s->elements[from[b]]) <= 0);
        to[k] = from[first ? a++ : b++];
        rd_sort_step(s);
      }
    }
    uint32_t *sorted = to;
    to = from;
    from = sorted;
  }
  s->order = from;
}
