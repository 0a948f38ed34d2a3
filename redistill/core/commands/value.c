/* value.c - reads values in pieces, makes values grow, and replaces replies by errors. */
#include "commands/value.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "arena/longrun.h"
#include "arena/worker.h"

/* Smaller amounts are not counted. */
static bool counts(uint64_t n) { return n >= RD_LARGE_GROWTH; }

void *rd_scratch_take(rd_call *c, uint64_t n) {
  if (counts(n) && c->out->admit != NULL && !c->out->admit(c->out, (size_t)n)) return NULL;
  void *memory = malloc(n != 0 ? (size_t)n : 1);
  if (memory != NULL && counts(n)) rd_scratch_count(c->store, n);
  return memory;
}

/* Return the pages of much memory to the system step by step: free would return them all at once. */
static void __attribute__((noinline)) give_pages(rd_store *st, void *memory, uint64_t n) {
  const uintptr_t page = 4096, step = 1u << 20;
  uintptr_t at = ((uintptr_t)memory + page - 1) & ~(page - 1), end = ((uintptr_t)memory + n) & ~(page - 1);
  for (; at + step < end; at += step) {
    madvise((void *)at, step, MADV_DONTNEED);
    rd_yield(st);
  }
}

void rd_scratch_give(rd_store *st, void *memory, uint64_t n) {
  if (RD_UNLIKELY(n >= RD_MAPPED_FROM) && memory != NULL && st->running != NULL) give_pages(st, memory, n);
  free(memory);
  if (memory != NULL && counts(n)) rd_scratch_count(st, -n);
}

bool rd_scratch_value(rd_call *c, const rd_item *it, rd_scratch *out) {
  out->len = rd_item_len(it);
  out->data = rd_item_flat(it);
  out->owned = NULL;
  if (out->data) return true;
  out->owned = rd_scratch_take(c, out->len);
  if (!out->owned) return false;
  rd_item_read(c->store, it, 0, out->owned, out->len);
  out->data = out->owned;
  return true;
}

void rd_scratch_free(rd_store *st, rd_scratch *s) {
  rd_scratch_give(st, s->owned, s->len);
  s->owned = NULL;
}

rd_bytes rd_value_short(rd_store *st, const rd_item *it, void *buf, size_t cap) {
  uint64_t len = rd_item_len(it);
  if (len > cap) return (rd_bytes){NULL, 0};
  const uint8_t *flat = rd_item_flat(it);
  if (!flat) {
    rd_item_read(st, it, 0, buf, len);
    flat = buf;
  }
  return (rd_bytes){flat, (size_t)len};
}

bool rd_value_is(rd_store *st, const rd_item *it, rd_bytes bytes) {
  if (rd_item_len(it) != bytes.len) return false;
  for (uint64_t off = 0; off < bytes.len;) {
    rd_bytes piece = rd_item_piece(st, it, off);
    if (memcmp(piece.data, bytes.data + off, piece.len) != 0) return false;
    off += piece.len;
  }
  return true;
}

static void __attribute__((noinline))
reply_pieces(rd_reply *r, rd_store *st, const rd_item *it, uint64_t off, uint64_t len) {
  rd_reply_bulk_head(r, (size_t)len);
  uint8_t *room = rd_reply_room(r, (size_t)len);
  if (!room) return;
  rd_item_read(st, it, off, room, len);
  r->len += (size_t)len;
  rd_reply_crlf(r);
}

void rd_reply_value(rd_reply *r, rd_store *st, const rd_item *it, uint64_t off, uint64_t len) {
  const uint8_t *flat = rd_item_flat(it);
  if (RD_LIKELY(flat != NULL))
    rd_reply_bulk(r, flat + off, (size_t)len);
  else
    reply_pieces(r, st, it, off, len);
}

void rd_reply_oom_instead(rd_reply *r, size_t mark) {
  if (r->len > mark) r->len = mark;
  rd_reply_oom(r);
}

rd_result rd_grow(rd_call *c, const rd_key *key, rd_item **it, uint64_t len) {
  if (*it == NULL) {
    /* Set it at its full length at once: an empty value made first could stay behind if this process died. */
    if (rd_set(c->store, key, NULL, len, RD_NO_EXPIRY, RD_ENC_RAW, RD_EVENT_NONE) != RD_OK) return RD_OOM;
    *it = rd_find_quiet(c->store, key, false);
    return *it != NULL ? RD_OK : RD_OOM; /* it has just been set, so it exists */
  }
  if (len < rd_item_len(*it)) len = rd_item_len(*it);
  if (len == rd_item_len(*it) && rd_item_encoding(*it) == RD_ENC_RAW) return RD_OK;
  return rd_resize(c->store, key, it, len, RD_ENC_RAW);
}

bool rd_check_growth(rd_call *c, uint64_t had, uint64_t len) {
  const rd_store *st = c->store;
  if (len <= st->max_value || (len <= had && len <= st->max_bulk)) return true;
  const char *limit = len <= st->max_bulk ? "maxmemory-clients" : "proto-max-bulk-len";
  rd_reply_errorf(c->out, "ERR string exceeds maximum allowed size (%s)", limit);
  return false;
}

bool rd_reserve_for_call(const rd_call *c, rd_coll *coll) {
  uint64_t bytes = 0;
  for (uint32_t i = 2; i < c->argc; i++) bytes += c->argv[i].len;
  if (coll->wanted < bytes) coll->wanted = bytes;
  return rd_coll_reserve(coll);
}

bool rd_reserve_beside(const rd_coll *from, rd_coll *to) {
  rd_store *st = from->st;
  st->pin[1] = rd_ref_of(st, from->item);
  bool room = rd_coll_reserve(to);
  st->pin[1] = 0;
  return room;
}
