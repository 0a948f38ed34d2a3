/* crash_stream.h - for crash_coll.h: streams, their groups, and how they verify themselves. Ids are 0-1, 0-2, ..., so
 * that commands that name ids meet entries; no command moves a group back. */
#ifndef RD_CRASH_STREAM_H
#define RD_CRASH_STREAM_H

#include "store/blob.h"
#include "types/stream.h"
#include "types/stream_group.h"

#define STREAM_KEYS 2u /* few, so that they have groups most of the time */
#define STREAM_IDS 150u
#define STREAM_CONSUMERS 10u /* the name of one lies outside of its entry */

static size_t coll_text(uint8_t *to, uint32_t n);
static void put_element(uint32_t n);
static void put_elements(uint32_t count, bool scored, bool pairs);
static void put_coll_key(char type);
static void put_coll_of(char type, unsigned words, const char *line);

static void put_group(void) { put_word(dice(2) == 0 ? "g0" : "g1", 2); }
static void put_consumer(void) { put_element((uint32_t)dice(STREAM_CONSUMERS)); }
static void put_id(uint64_t seq) {
  char text[30];
  put_word(text, (size_t)sprintf(text, "0-%u", (unsigned)seq));
}
static void put_ids(uint32_t count) {
  for (; count > 0; count--) put_id(dice(STREAM_IDS));
}

static void put_reading(uint32_t n) {
  bool no_ack = dice(8) == 0, again = dice(4) == 0;
  put_command(no_ack ? 10 : 9, "XREADGROUP GROUP"), put_group(), put_consumer();
  if (no_ack) put_word("NOACK", 5);
  put_word("COUNT", 5), put_number(n), put_word("STREAMS", 7), put_coll_key('x');
  if (again)
    put_id(dice(STREAM_IDS));
  else
    put_word(">", 1);
}

static void put_group_change(void) {
  switch (dice(8)) {
    case 0:
      put_command(4, "XGROUP DESTROY"), put_coll_key('x'), put_group();
      break;
    case 1:
      put_command(5, "XGROUP DELCONSUMER"), put_coll_key('x'), put_group(), put_consumer();
      break;
    case 2:
      put_command(5, "XGROUP CREATECONSUMER"), put_coll_key('x'), put_group(), put_consumer();
      break;
    default:
      put_command(6, "XGROUP CREATE"), put_coll_key('x'), put_group(), put_word("0", 1), put_word("MKSTREAM", 8);
      break;
  }
}

/* The words of a policy. */
static void put_refs(void) {
  static const char *const words[] = {"KEEPREF", "DELREF", "ACKED"};
  const char *word = words[dice(3)];
  put_word(word, strlen(word));
}

static void put_deletion(uint32_t n) {
  if (dice(2) == 0)
    put_coll_of('x', 5 + n, "XDELEX");
  else
    put_coll_of('x', 6 + n, "XACKDEL"), put_group();
  put_refs(), put_word("IDS", 3), put_number(n), put_ids(n);
}

static void put_stream(uint32_t n) {
  switch (dice(18)) {
    case 16:
      put_deletion(n == 0 ? 1 : n);
      break;
    case 17:
      put_coll_of('x', 5, "XTRIM"), put_word("MAXLEN", 6), put_number((int64_t)dice(60)), put_refs();
      break;
    case 0:
      put_coll_of('x', 4, "XTRIM"), put_word("MAXLEN", 6), put_number((int64_t)dice(60));
      break;
    case 1:
      put_coll_of('x', 4, "XTRIM"), put_word("MINID", 5), put_id(dice(STREAM_IDS));
      break;
    case 2:
      put_coll_of('x', 2 + n, "XDEL"), put_ids(n);
      break;
    case 3:
    case 4:
      put_coll_of('x', 3 + n, "XACK"), put_group(), put_ids(n);
      break;
    case 5:
      put_coll_of('x', 5 + n, "XCLAIM"), put_group(), put_consumer(), put_number(0), put_ids(n);
      break;
    case 6:
      put_coll_of('x', 8, "XAUTOCLAIM"), put_group(), put_consumer(), put_number(0), put_id(dice(STREAM_IDS)),
          put_word("COUNT", 5), put_number(n);
      break;
    case 7:
    case 8:
      put_group_change();
      break;
    case 9:
    case 10:
    case 11:
      put_reading(n);
      break;
    case 12:
      put_coll_of('x', 8, "XADD"), put_word("MAXLEN", 6), put_word("~", 1), put_number((int64_t)dice(100)),
          put_word("0-*", 3), put_elements(1, false, true);
      break;
    default:
      put_coll_of('x', 3 + 2 * n, "XADD"), put_word("0-*", 3), put_elements(n, false, true);
      break;
  }
}

/* ---- verifying ---- */

static bool element_is_whole(rd_store *st, const uint8_t *at);
static bool text_is_whole(uint8_t *text, uint64_t len);

/* The strings of an entry that lies outside. */
static bool blob_is_whole(rd_store *st, rd_ref blob, uint32_t strings) {
  static uint8_t text[30000];
  uint64_t off = 0, end = rd_blob_len(st, blob), len;
  for (; strings > 0; strings--) {
    uint8_t head[RD_VARINT] = {0};
    if (off >= end) return false;
    rd_blob_read(st, blob, off, head, end - off < sizeof head ? end - off : sizeof head);
    off += (uint64_t)(rd_varint_get(head, &len) - head);
    if (len >= sizeof text || len > end - off) return false;
    rd_blob_read(st, blob, off, text, len);
    if (!text_is_whole(text, len)) return false;
    off += len;
  }
  return off == end;
}

static bool entry_is_whole(rd_store *st, const rd_spot *spot) {
  if (spot->fields == NULL) return blob_is_whole(st, rd_chunk_blob(spot->chunk), 2 * spot->n);
  const uint8_t *field = spot->fields, *value = spot->values;
  for (uint32_t i = 0; i < spot->n; i++) {
    if (!element_is_whole(st, field) || !element_is_whole(st, value)) return false;
    field += rd_element_skip(field);
    value += rd_element_skip(value);
  }
  return true;
}

/* Each pending entry is in the list of its consumer, and in no other; the group has read up to it. */
static const char *group_error(const rd_stream *s, const rd_group *g) {
  rd_consumer k;
  rd_pending e;
  rd_pos p;
  uint64_t owned = 0, pending = 0;
  for (bool more = rd_consumer_first(s, g->number, &k); more; more = rd_consumer_next(s, g->number, &k)) {
    if (!element_is_whole(s->c.st, k.name)) return "a torn consumer";
    owned += rd_owned_count(s, k.number);
  }
  bool more = rd_pending_lower(s, g->number, (rd_stream_id){0, 0}, &e);
  for (; more; more = rd_pending_next(s, g->number, &e)) {
    pending++;
    if (!rd_owned_lower(s, e.consumer, e.id, &p) || rd_id_compare(rd_owned_id(&p), e.id) != 0)
      return "a pending entry that its consumer has not";
    if (rd_id_compare(e.id, g->last) > 0) return "a pending entry that will be delivered as new";
  }
  if (pending != rd_pending_count(s, g->number)) return "a wrong number of pending entries";
  return owned == pending ? NULL : "an entry that two consumers have";
}

static bool stream_is_whole(rd_store *st, const rd_item *it, char *complaint, size_t room) {
  rd_stream s = {.c = {.st = st, .row = rd_type_of(it), .kind = rd_type_of(it)->coll[0]}};
  s.c.item = (rd_item *)(uintptr_t)it;
  rd_stream_reopen(&s);
  rd_stream_pos at;
  rd_stream_id before = {0, 0};
  rd_group g;
  const char *error = NULL;
  bool more = rd_stream_lower(&s, before, &at);
  for (; more && error == NULL; more = rd_stream_next(&s, &at)) {
    if (rd_id_compare(at.spot.id, before) <= 0) error = "entries out of order";
    before = at.spot.id;
    if (error == NULL && !entry_is_whole(st, &at.spot)) error = "a torn entry";
  }
  if (rd_id_compare(before, s.meta.last) > 0) error = "an entry behind the last id";
  for (more = rd_group_first(&s, &g); more && error == NULL; more = rd_group_next(&s, &g)) error = group_error(&s, &g);
  if (error != NULL) snprintf(complaint, room, "a stream: %s", error);
  return error == NULL;
}

#endif
