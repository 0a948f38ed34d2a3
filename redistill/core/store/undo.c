/* undo.c - records the changes of blocks, and undoes them. */
#include "store/undo.h"

#include <stdlib.h>

#include "arena/heap.h"
#include "arena/longrun.h"
#include "store/blob.h"

/* Bytes and blocks that one change, and a removal after it, record at most: two leaves and the nodes above them, each
 * time. */
#define READY_BYTES 65536u
#define READY_BLOCKS 64u
#define YIELD_RECORDS 64u

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

struct rd_undo {
  uint8_t *log;
  size_t len, cap;
  struct known *known; /* an open hash table, a power of two */
  uint32_t count, places;
};

rd_undo *rd_undo_new(void) { return calloc(1, sizeof(rd_undo)); }

static void undo_free(rd_undo *u) {
  free(u->log);
  free(u->known);
  free(u);
}

/* ---- the blocks that are known ---- */

static struct known *find(const rd_undo *u, rd_ref ref) {
  uint32_t i = (uint32_t)(ref / RD_GRANULE * 0x9e3779b1u) & (u->places - 1);
  while (u->known[i].ref != 0 && u->known[i].ref != ref) i = (i + 1) & (u->places - 1);
  return &u->known[i];
}

static bool widen(rd_undo *u) {
  rd_undo wide = *u;
  wide.places = u->places == 0 ? 256 : u->places * 2;
  while ((u->count + READY_BLOCKS) * 2 > wide.places) wide.places *= 2;
  wide.known = calloc(wide.places, sizeof *wide.known);
  if (wide.known == NULL) return false;
  for (uint32_t i = 0; i < u->places; i++) {
    if (u->known[i].ref != 0) *find(&wide, u->known[i].ref) = u->known[i];
  }
  free(u->known);
  *u = wide;
  return true;
}

static bool lengthen(rd_undo *u, size_t more) {
  size_t cap = u->cap * 2 > u->len + more ? u->cap * 2 : u->len + more;
  uint8_t *log = realloc(u->log, cap);
  if (log == NULL) return false;
  u->log = log;
  u->cap = cap;
  return true;
}

bool rd_undo_ready(rd_undo *u) {
  if (u == NULL) return true;
  if (u->cap - u->len < READY_BYTES && !lengthen(u, READY_BYTES)) return false;
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

static size_t put(rd_undo *u, enum kind kind, rd_ref ref, const void *bytes, uint32_t len) {
  uint64_t whole = sizeof(struct record) + len + sizeof whole;
  if (RD_UNLIKELY(u->cap - u->len < whole) && !lengthen(u, READY_BYTES)) abort();
  size_t at = u->len;
  struct record r = {ref, kind, len};
  memcpy(u->log + at, &r, sizeof r);
  if (len > 0) memcpy(u->log + at + sizeof r, bytes, len);
  memcpy(u->log + at + whole - sizeof whole, &whole, sizeof whole);
  u->len += whole;
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
  memcpy(&r, u->log + k->at - 1, sizeof r);
  if (r.kind != MADE && r.kind != MADE_BLOB) return false;
  r.kind = FORGOTTEN;
  memcpy(u->log + k->at - 1, &r, sizeof r);
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

void rd_undo_commit(rd_store *st, uint32_t shard, rd_undo *u) {
  if (u == NULL) return;
  uint64_t whole = 0;
  for (size_t at = 0, n = 0; at < u->len; at += whole, n++) {
    struct record r;
    memcpy(&r, u->log + at, sizeof r);
    whole = sizeof r + r.len + sizeof whole;
    if (r.kind == RELEASED) rd_heap_release(st, shard, r.ref);
    if (r.kind == RELEASED_BLOB) rd_blob_release(st, shard, r.ref);
    if (n % YIELD_RECORDS == 0) rd_yield(st);
  }
  undo_free(u);
}

void rd_undo_back(rd_store *st, uint32_t shard, rd_undo *u) {
  if (u == NULL) return;
  for (size_t at = u->len, n = 0; at > 0; n++) {
    uint64_t whole;
    memcpy(&whole, u->log + at - sizeof whole, sizeof whole);
    at -= whole;
    struct record r;
    memcpy(&r, u->log + at, sizeof r);
    if (r.kind == SAVED) memcpy(st->base + r.ref, u->log + at + sizeof r, r.len);
    if (r.kind == OWNER) rd_blob_set_owner(st, r.ref, rd_ld64(u->log + at + sizeof r));
    if (r.kind == MADE) rd_heap_release(st, shard, r.ref);
    if (r.kind == MADE_BLOB) rd_blob_release(st, shard, r.ref);
    if (n % YIELD_RECORDS == 0) rd_yield(st);
  }
  undo_free(u);
}
