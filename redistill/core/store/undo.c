/* undo.c - records the changes of blocks, and undoes them. */
#include "store/undo.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "arena/heap.h"
#include "arena/longrun.h"
#include "arena/worker.h"
#include "store/blob.h"

/* Bytes and blocks that one change, and a removal after it, record at most: two leaves and the nodes above them, each
 * time. */
#define READY_BYTES 65536u
#define READY_BLOCKS 64u
#define YIELD_RECORDS 64u
#define YIELD_KNOWN 64u /* entries of the hash table */
/* The log grows by segments, since extending a large block of memory may take milliseconds. A record is in one. */
#define SEGMENT (96u << 10)
#define FEW_SEGMENTS 16u /* a log of more is counted with the buffers of clients */
/* The segments behind these, and a table of more places, are mappings: if blocks that lie side by side are freed, the C
 * library may give many MiB back to the system in one call. */
#define FEW_PLACES 16384u
/* A record of one segment and a small table is kept for the next change: most are no longer. */
#define FIRST_PLACES 256u

enum kind { SAVED, OWNER, MADE, MADE_BLOB, RELEASED, RELEASED_BLOB, FORGOTTEN };

/* A record is this head, then `len` bytes, then its own length in a word, so that the log can be read backwards. */
struct record {
  rd_ref ref;
  uint32_t kind;
  uint32_t len;
};

/* A block that was saved or made, and the place of its record; 0: it was made, and is released again. */
struct known {
  rd_ref ref;
  size_t at;
};

struct segment {
  uint8_t *log;
  uint32_t used;
};

struct rd_undo {
  rd_store *st;
  struct segment *segments; /* the last that is in use is number `last`; one behind it may be there already */
  uint32_t last, n, cap;
  struct known *known; /* an open hash table, a power of two */
  uint32_t count, places;
  uint64_t counted; /* bytes in st->scratch */
};

/* Count the memory of a long record with the buffers of clients. false: it is more than the limit on these allows. */
static bool account(rd_undo *u, uint64_t bytes) {
  rd_store *st = u->st;
  rd_scratch_count(st, bytes - u->counted);
  u->counted = bytes;
  return rd_scratch_fits(st, 0);
}

static void *map(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory != MAP_FAILED ? memory : NULL;
}

static uint8_t *new_log(uint32_t i) { return i < FEW_SEGMENTS ? malloc(SEGMENT) : map(SEGMENT); }

/* A table of zeros. */
static struct known *new_known(uint32_t places) {
  return places <= FEW_PLACES ? calloc(places, sizeof(struct known)) : map(places * sizeof(struct known));
}

static void free_known(struct known *known, uint32_t places) {
  if (places <= FEW_PLACES)
    free(known);
  else
    munmap(known, places * sizeof *known);
}

static void undo_free(rd_undo *u) {
  if (u == NULL) return;
  for (uint32_t i = 0; i < u->n; i++) {
    if (i < FEW_SEGMENTS)
      free(u->segments[i].log);
    else
      munmap(u->segments[i].log, SEGMENT);
    if (i >= FEW_SEGMENTS || i % 4 == 3) rd_yield(u->st);
  }
  if (u->counted != 0) account(u, 0);
  free(u->segments);
  free_known(u->known, u->places);
  free(u);
}

/* Keep the record as the store's spare one. False: it has one, or this one is long. */
static bool keep(rd_undo *u) {
  rd_store *st = u->st;
  if (st->spare_undo != NULL || u->n != 1 || u->places > FIRST_PLACES) return false;
  u->segments[0].used = 0;
  if (u->count != 0) memset(u->known, 0, u->places * sizeof *u->known);
  u->count = 0;
  st->spare_undo = u;
  return true;
}

static void undo_end(rd_undo *u) {
  if (!keep(u)) undo_free(u);
}

/* Add a segment behind the last one. */
static bool lengthen(rd_undo *u) {
  if (u->n == u->cap) {
    uint32_t cap = u->cap == 0 ? 4 : u->cap * 2;
    struct segment *segments = realloc(u->segments, cap * sizeof *segments);
    if (segments == NULL) return false;
    u->segments = segments;
    u->cap = cap;
  }
  uint8_t *log = new_log(u->n);
  if (log == NULL) return false;
  u->segments[u->n++] = (struct segment){log, 0};
  return true;
}

rd_undo *rd_undo_new(rd_store *st) {
  rd_undo *u = st->spare_undo;
  st->spare_undo = NULL;
  if (u != NULL) return u;
  u = calloc(1, sizeof *u);
  if (u == NULL) return NULL;
  u->st = st;
  if (lengthen(u)) return u;
  undo_free(u);
  return NULL;
}

void rd_undo_forget_spare(rd_store *st) {
  undo_free(st->spare_undo);
  st->spare_undo = NULL;
}

/* ---- the blocks that are known ---- */

static struct known *find(const rd_undo *u, rd_ref ref) {
  uint32_t i = (uint32_t)(ref / RD_GRANULE * 0x9e3779b1u) & (u->places - 1);
  while (u->known[i].ref != 0 && u->known[i].ref != ref) i = (i + 1) & (u->places - 1);
  return &u->known[i];
}

static bool widen(rd_undo *u) {
  rd_undo wide = *u;
  wide.places = u->places == 0 ? FIRST_PLACES : u->places * 2;
  while ((u->count + READY_BLOCKS) * 2 > wide.places) wide.places *= 2;
  wide.known = new_known(wide.places);
  if (wide.known == NULL) return false;
  for (uint32_t i = 0; i < u->places; i++) {
    if (u->known[i].ref != 0) *find(&wide, u->known[i].ref) = u->known[i];
    if (i % YIELD_KNOWN == YIELD_KNOWN - 1) rd_yield(u->st);
  }
  free_known(u->known, u->places);
  *u = wide;
  return true;
}

bool rd_undo_ready(rd_undo *u) {
  if (u == NULL) return true;
  if (u->n == u->last + 1 && SEGMENT - u->segments[u->last].used < READY_BYTES) {
    if (!lengthen(u)) return false;
    if (u->n > FEW_SEGMENTS && !account(u, (uint64_t)u->n * SEGMENT + u->places * sizeof *u->known)) return false;
  }
  return (u->count + READY_BLOCKS) * 2 <= u->places || widen(u);
}

static void know(rd_undo *u, rd_ref ref, size_t at) {
  /* More than a removal was recorded since rd_undo_ready: without memory nothing could be undone any more. */
  if (RD_UNLIKELY((u->count + 1) * 2 > u->places) && !widen(u)) abort();
  struct known *k = find(u, ref);
  if (k->ref == 0) u->count++;
  *k = (struct known){ref, at + 1};
}

static bool is_known(const rd_undo *u, rd_ref ref) {
  if (u->places == 0) return false;
  const struct known *k = find(u, ref);
  return k->ref == ref && k->at != 0;
}

/* ---- the log ---- */

static uint8_t *log_at(const rd_undo *u, size_t at) { return u->segments[at / SEGMENT].log + at % SEGMENT; }

static size_t put(rd_undo *u, enum kind kind, rd_ref ref, const void *bytes, uint32_t len) {
  uint32_t whole = (uint32_t)sizeof(struct record) + len + (uint32_t)sizeof whole;
  if (SEGMENT - u->segments[u->last].used < whole) {
    /* More than a removal was recorded since rd_undo_ready, see know(). */
    if (RD_UNLIKELY(u->n == u->last + 1) && !lengthen(u)) abort();
    u->last++;
  }
  struct segment *s = &u->segments[u->last];
  uint8_t *to = s->log + s->used;
  size_t at = (size_t)u->last * SEGMENT + s->used;
  struct record r = {ref, kind, len};
  memcpy(to, &r, sizeof r);
  if (len > 0) memcpy(to + sizeof r, bytes, len);
  memcpy(to + whole - sizeof whole, &whole, sizeof whole);
  s->used += whole;
  return at;
}

void rd_undo_save(rd_store *st, rd_undo *u, rd_ref block) {
  if (RD_LIKELY(u == NULL) || is_known(u, block)) return;
  /* The first word is the heap's. */
  uint32_t head = sizeof(rd_blk), len = rd_blk_bytes(*rd_blk_at(st, block)) - head;
  know(u, block, put(u, SAVED, block + head, st->base + block + head, len));
}

void rd_undo_save_bytes(rd_store *st, rd_undo *u, rd_ref block, const void *at, uint32_t len) {
  if (RD_UNLIKELY(u != NULL) && !is_known(u, block)) put(u, SAVED, rd_ref_of(st, at), at, len);
}

void rd_undo_made(rd_undo *u, rd_ref block) {
  if (RD_UNLIKELY(u != NULL)) know(u, block, put(u, MADE, block, NULL, 0));
}

void rd_undo_made_blob(rd_undo *u, rd_ref blob) {
  if (RD_UNLIKELY(u != NULL)) know(u, blob, put(u, MADE_BLOB, blob, NULL, 0));
}

void rd_undo_owner(rd_undo *u, rd_ref blob, rd_ref leaf) {
  if (RD_UNLIKELY(u != NULL) && !is_known(u, blob)) put(u, OWNER, blob, &leaf, sizeof leaf);
}

/* A block that was made since the beginning can be released at once: nothing is left to undo. */
static bool forget(rd_undo *u, rd_ref block) {
  struct known *k = u->places != 0 ? find(u, block) : NULL;
  struct record r;
  if (k == NULL || k->ref != block || k->at == 0) return false;
  memcpy(&r, log_at(u, k->at - 1), sizeof r);
  if (r.kind != MADE && r.kind != MADE_BLOB) return false;
  r.kind = FORGOTTEN;
  memcpy(log_at(u, k->at - 1), &r, sizeof r);
  k->at = 0;
  return true;
}

void rd_undo_release(rd_store *st, uint32_t shard, rd_undo *u, rd_ref block) {
  if (RD_UNLIKELY(u != NULL) && !forget(u, block))
    put(u, RELEASED, block, NULL, 0);
  else
    rd_heap_release(st, shard, block);
}

void rd_undo_release_blob(rd_store *st, uint32_t shard, rd_undo *u, rd_ref blob) {
  if (RD_UNLIKELY(u != NULL) && !forget(u, blob))
    put(u, RELEASED_BLOB, blob, NULL, 0);
  else
    rd_blob_release(st, shard, blob);
}

static void commit_record(rd_store *st, uint32_t shard, const struct record *r) {
  if (r->kind == RELEASED) rd_heap_release(st, shard, r->ref);
  if (r->kind == RELEASED_BLOB) rd_blob_release(st, shard, r->ref);
}

void rd_undo_commit(rd_store *st, uint32_t shard, rd_undo *u) {
  if (u == NULL) return;
  for (uint32_t i = 0, n = 0; i < u->n; i++) {
    const struct segment *s = &u->segments[i];
    for (uint32_t at = 0; at < s->used; n++) {
      struct record r;
      memcpy(&r, s->log + at, sizeof r);
      at += (uint32_t)(sizeof r + r.len + sizeof(uint32_t));
      commit_record(st, shard, &r);
      if (n % YIELD_RECORDS == 0) rd_yield(st);
    }
  }
  undo_end(u);
}

static void undo_record(rd_store *st, uint32_t shard, const struct record *r, const uint8_t *bytes) {
  if (r->kind == SAVED) memcpy(st->base + r->ref, bytes, r->len);
  if (r->kind == OWNER) rd_blob_set_owner(st, r->ref, rd_ld64(bytes));
  if (r->kind == MADE) rd_heap_release(st, shard, r->ref);
  if (r->kind == MADE_BLOB) rd_blob_release(st, shard, r->ref);
}

void rd_undo_back(rd_store *st, uint32_t shard, rd_undo *u) {
  if (u == NULL) return;
  for (uint32_t i = u->n, n = 0; i-- > 0;) {
    const struct segment *s = &u->segments[i];
    for (uint32_t at = s->used; at > 0; n++) {
      struct record r;
      at -= rd_ld32(s->log + at - sizeof(uint32_t));
      memcpy(&r, s->log + at, sizeof r);
      undo_record(st, shard, &r, s->log + at + sizeof r);
      if (n % YIELD_RECORDS == 0) rd_yield(st);
    }
  }
  undo_end(u);
}
