/* crash_coll.h - for test_crash.c: collections of all types, in a database of their own, with elements that verify
 * themselves: a number, and what follows from it. */
#ifndef RD_CRASH_COLL_H
#define RD_CRASH_COLL_H

#include "base/crc64.h"
#include "rdb/writer.h"
#include "store/coll.h"
#include "store/type.h"
#include "types/element.h"

#define COLL_DB 2u
#define COLL_KEYS 24u      /* of each type */
#define COLL_NUMBERS 6000u /* different elements */
#define COLL_LONGEST 20100u

static uint64_t dice(uint64_t sides);
static uint64_t mix(uint64_t x);
static void put_word(const void *data, size_t len);
static void put_command(unsigned words, const char *line);
static void put_number(int64_t n);

#include "crash_stream.h"

/* The element of a number: of some an integer, most are short, some lie outside of their entry. */
static size_t coll_text(uint8_t *to, uint32_t n) {
  if (n % 8 == 1) return (size_t)sprintf((char *)to, "%u", n);
  size_t len = (size_t)sprintf((char *)to, "%u/", n), more = mix(n) % 24;
  if (n % 50 == 7) more = 180 + mix(n) % 400;
  if (n % 500 == 9) more = 2000 + mix(n) % 18000;
  for (size_t i = 0; i < more; i++) to[len + i] = (uint8_t)mix(n + i);
  return len + more;
}

static void put_element(uint32_t n) {
  static uint8_t text[COLL_LONGEST];
  put_word(text, coll_text(text, n));
}

static void put_elements(uint32_t count, bool scored, bool pairs) {
  for (; count > 0; count--) {
    uint32_t n = (uint32_t)dice(COLL_NUMBERS);
    if (scored) put_number((int64_t)(n % 100));
    put_element(n);
    if (pairs) put_element(n ^ 1);
  }
}

static void put_coll_key(char type) {
  char name[20];
  put_word(name, (size_t)sprintf(name, "%c:%u", type, (unsigned)dice(type == 'x' ? STREAM_KEYS : COLL_KEYS)));
}

static void put_coll_of(char type, unsigned words, const char *line) {
  put_command(words, line);
  put_coll_key(type);
}

/* The payload of RESTORE: a list (type 1) or a set (2) of different elements. */
static void put_payload(uint8_t type, uint32_t count) {
  static uint8_t payload[100 * (COLL_LONGEST + 16)], text[COLL_LONGEST];
  rd_writer w = {payload, 0};
  rd_put_bytes(&w, &type, 1);
  rd_put_length(&w, count);
  uint32_t first = (uint32_t)dice(COLL_NUMBERS - 100);
  for (uint32_t i = 0; i < count; i++) rd_put_string(&w, (rd_bytes){text, coll_text(text, first + i)});
  rd_put_bytes(&w, (uint8_t[]){10, 0}, 2);
  uint64_t crc = rd_crc64(0, payload, w.len);
  rd_put_bytes(&w, &crc, sizeof crc);
  put_word(payload, w.len);
}

static void put_restore(char type) {
  put_coll_of(type, 5, "RESTORE"), put_number(0), put_payload(type == 'l' ? 1 : 2, 1 + (uint32_t)dice(90)),
      put_word("REPLACE", 7);
}

static void put_hash(uint32_t n) {
  switch (dice(7)) {
    case 0:
      put_coll_of('h', 2 + n, "HDEL"), put_elements(n, false, false);
      break;
    case 1:
      put_coll_of('h', 2, "HGETALL");
      break;
    case 2:
      put_coll_of('h', 4 + n + 1, "HPEXPIRE"), put_number(1 + (int64_t)dice(50)), put_word("FIELDS", 6), put_number(n),
          put_elements(n, false, false);
      break;
    case 3:
      put_coll_of('h', 6 + 2 * n, "HSETEX"), put_word("PX", 2), put_number(1 + (int64_t)dice(500)),
          put_word("FIELDS", 6), put_number(n), put_elements(n, false, true);
      break;
    case 4:
      put_coll_of('h', 4 + n, "HGETDEL"), put_word("FIELDS", 6), put_number(n), put_elements(n, false, false);
      break;
    default:
      put_coll_of('h', 2 + 2 * n, "HSET"), put_elements(n, false, true);
      break;
  }
}

static void put_list(uint32_t n) {
  switch (dice(10)) {
    case 0:
      put_coll_of('l', 3, "LPOP"), put_number(n);
      break;
    case 1:
      put_coll_of('l', 4, "LTRIM"), put_number((int64_t)dice(20)), put_number(-1 - (int64_t)dice(20));
      break;
    case 2:
      put_coll_of('l', 4, "LSET"), put_number((int64_t)dice(50)), put_elements(1, false, false);
      break;
    case 3:
      put_coll_of('l', 5, "LINSERT"), put_word("BEFORE", 6), put_elements(2, false, false);
      break;
    case 4:
      put_coll_of('l', 5, "LMOVE"), put_coll_key('l'), put_word("LEFT", 4), put_word("RIGHT", 5);
      break;
    case 5:
      put_coll_of('l', 4, "LREM"), put_number(0), put_elements(1, false, false);
      break;
    case 6:
      put_restore('l');
      break;
    case 7: /* of a list, a set or a sorted set */
      put_coll_of("lsz"[dice(3)], 5, "SORT"), put_word("ALPHA", 5), put_word("STORE", 5), put_coll_key('l');
      break;
    default:
      put_coll_of('l', 2 + n, dice(2) == 0 ? "RPUSH" : "LPUSH"), put_elements(n, false, false);
      break;
  }
}

static void put_set(uint32_t n) {
  switch (dice(8)) {
    case 0:
      put_coll_of('s', 2 + n, "SREM"), put_elements(n, false, false);
      break;
    case 1:
      put_coll_of('s', 3, "SPOP"), put_number(n);
      break;
    case 2:
      put_coll_of('s', 4, "SMOVE"), put_coll_key('s'), put_elements(1, false, false);
      break;
    case 3:
      put_coll_of('s', 4, dice(2) == 0 ? "SUNIONSTORE" : "SINTERSTORE"), put_coll_key('s'), put_coll_key('s');
      break;
    case 4:
      put_restore('s');
      break;
    default:
      put_coll_of('s', 2 + n, "SADD"), put_elements(n, false, false);
      break;
  }
}

static void put_zset(uint32_t n) {
  switch (dice(7)) {
    case 0:
      put_coll_of('z', 2 + n, "ZREM"), put_elements(n, false, false);
      break;
    case 1:
      put_coll_of('z', 3, "ZPOPMIN"), put_number(n);
      break;
    case 2:
      put_coll_of('z', 4, "ZREMRANGEBYRANK"), put_number((int64_t)dice(30)), put_number((int64_t)dice(60));
      break;
    case 3:
      put_coll_of('z', 5, dice(2) == 0 ? "ZUNIONSTORE" : "ZDIFFSTORE"), put_number(2), put_coll_key('z'),
          put_coll_key('z');
      break;
    case 4:
      put_coll_of('z', 5, "ZRANGESTORE"), put_coll_key('z'), put_number(0), put_number(-1);
      break;
    default:
      put_coll_of('z', 2 + 2 * n, "ZADD"), put_elements(n, true, false);
      break;
  }
}

/* One command on collections; the session is in their database meanwhile. */
static void put_coll_request(int64_t expiry) {
  static const char types[] = "lshzx";
  uint32_t n = 1 + (uint32_t)dice(dice(20) == 0 ? 400 : 12);
  char type = types[dice(5)];
  bool in_multi = dice(6) == 0;
  put_command(2, "SELECT 2");
  if (in_multi) put_command(1, "MULTI");
  switch (dice(16)) {
    case 0:
      put_coll_of(type, 2, "DEL");
      break;
    case 1:
      put_coll_of(type, 3, "RENAME"), put_coll_key(type);
      break;
    case 2:
      put_coll_of(type, 4, "COPY"), put_coll_key(type), put_word("REPLACE", 7);
      break;
    case 3:
      put_coll_of(type, 3, "PEXPIREAT"), put_number(expiry);
      break;
    case 4:
      put_coll_of(type, 2, "PERSIST");
      break;
    default:
      break;
  }
  for (uint32_t i = in_multi ? 3 : 1; i > 0; i--) {
    switch (type) {
      case 'h':
        put_hash(n);
        break;
      case 'l':
        put_list(n);
        break;
      case 's':
        put_set(n);
        break;
      case 'x':
        put_stream(n);
        break;
      default:
        put_zset(n);
        break;
    }
  }
  if (in_multi) put_command(1, "EXEC");
  put_command(2, "SELECT 0");
}

/* ---- verifying ---- */

/* `text` has room for one byte more. */
static bool text_is_whole(uint8_t *text, uint64_t len) {
  static uint8_t wanted[COLL_LONGEST];
  text[len] = 0;
  size_t expected = coll_text(wanted, (uint32_t)strtoul((const char *)text, NULL, 10));
  return expected == len && memcmp(text, wanted, expected) == 0;
}

static bool element_is_whole(rd_store *st, const uint8_t *at) {
  static uint8_t text[COLL_LONGEST + 1];
  uint64_t len = rd_element_len(st, at);
  if (len == 0 || len > COLL_LONGEST) return false;
  rd_element_read(st, at, text);
  return text_is_whole(text, len);
}

/* The entry's first element, and where the one behind it begins, if the type has two. */
static const uint8_t *element_in(rd_type type, const uint8_t *entry) {
  if (type == RD_ZSET) return entry + 8;
  return type == RD_HASH && *entry > RD_ELEMENT_OUTSIDE ? entry + 7 : entry; /* a field with a time */
}

/* Every element is one that was written. */
static bool coll_is_whole(rd_store *st, const rd_item *it, char *complaint, size_t room) {
  rd_type type = rd_item_type(it);
  if (type == RD_STREAM) return stream_is_whole(st, it, complaint, room);
  const rd_type_row *row = rd_type_of(it);
  rd_coll c = {.st = st, .row = row, .kind = row->coll[0], .item = (rd_item *)(uintptr_t)it};
  rd_pos p;
  uint64_t n = 0;
  if (row->coll[0] == NULL) {
    snprintf(complaint, room, "a collection of the type %d", (int)type);
    return false;
  }
  for (bool more = rd_coll_first(&c, &p); more; more = rd_coll_next(&c, &p), n++) {
    const uint8_t *at = element_in(type, p.at);
    bool good = element_is_whole(st, at) && (type != RD_HASH || element_is_whole(st, at + rd_element_skip(at)));
    if (good) continue;
    snprintf(complaint, room, "a %s with a torn entry %llu", row->name, (unsigned long long)n);
    return false;
  }
  if (n > 0) return true;
  snprintf(complaint, room, "an empty %s", row->name);
  return false;
}

#endif
