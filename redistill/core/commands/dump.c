/* dump.c - DUMP and RESTORE: values in Redis's own format.
 *
 * A payload is a type byte, the value as an RDB file holds it, and ten bytes at the end: the RDB version (two bytes,
 * low first) and the CRC-64 of all before (eight bytes, low first). A string is one of
 *
 *   length, bytes                       the length: 00xxxxxx, 01xxxxxx + 1 byte, 0x80 + 4 bytes, 0x81 + 8 bytes, high
 * first 0xc0 int8 | 0xc1 int16 | 0xc2 int32     a number that has this decimal text, low byte first 0xc3, compressed
 * length, length, bytes  LZF
 */
#include "commands/dump.h"

#include "arena/longrun.h"
#include "arena/memory.h"
#include "base/crc64.h"
#include "base/lzf.h"
#include "commands/cmd.h"
#include "commands/value.h"

#define RDB_STRING 0
#define RDB_VERSION 10 /* the version that Redis 7.0 writes, and that all later ones read */
/* The newest version that is accepted: Valkey 9 writes it. Strings have been the same since RDB 1, and other types
 * are refused by their type byte, so a newer number is harmless; Redis 7.0 itself stops at its own 10. */
#define RDB_NEWEST 80
#define RDB_FOOTER 10
#define RDB_HEAD_MAX 20 /* type, encoding and two lengths */

enum { ENC_INT8 = 0xc0, ENC_INT16 = 0xc1, ENC_INT32 = 0xc2, ENC_LZF = 0xc3 };

#define COMPRESS_MIN 21  /* bytes: shorter strings are not compressed */
#define LONGEST_INT32 11 /* bytes: -2147483648 */

/* Bytes after which a long command may pause. */
#define PIECE 262144u

/* BAD: the payload is invalid. FULL: the value is larger than the store, or than the memory. */
typedef enum get_result { GOOD, BAD, FULL } get_result;

static uint64_t checksum(rd_store *st, const uint8_t *data, size_t len) {
  uint64_t crc = 0;
  for (size_t done = 0; done < len;) {
    size_t n = len - done < PIECE ? len - done : PIECE;
    crc = rd_crc64(crc, data + done, n);
    done += n;
    rd_yield(st);
  }
  return crc;
}

/* The functions that write and read values of a type: the half of a type's row (store/type.h) that needs a client's
 * memory. */
typedef struct rdb_row {
  uint32_t types; /* bit n: the row loads RDB type n */
  /* The most bytes that `dump` may write. */
  uint64_t (*room)(const rd_item *it);
  /* Write RDB type and value into `dst`, from *at on. Returns the length. */
  size_t (*dump)(rd_store *st, const rd_item *it, uint8_t *dst, size_t *at);
  /* The size of the value that a payload, from behind its RDB type on, declares; 0: the payload is invalid. A hint. */
  uint64_t (*len)(rd_bytes payload);
  /* Set the key to the value of a payload; without a key only verify the payload. */
  get_result (*load)(rd_call *call, const rd_key *key, unsigned rdb, rd_bytes payload, int64_t expiry);
} rdb_row;

static const rdb_row rows[RD_TYPES];

/* The row that loads a payload; NULL: there is none. */
static const rdb_row *row_of(rd_bytes payload) {
  if (payload.len == 0 || payload.data[0] >= 32) return NULL;
  for (const rdb_row *row = rows; row < rows + RD_TYPES; row++) {
    if (row->types >> payload.data[0] & 1) return row;
  }
  return NULL;
}

/* ---- DUMP ---- */

static size_t put_length(uint8_t *dst, uint64_t n) {
  if (n < 64) {
    dst[0] = (uint8_t)n;
    return 1;
  }
  if (n < 16384) {
    dst[0] = (uint8_t)(0x40 | n >> 8);
    dst[1] = (uint8_t)n;
    return 2;
  }
  size_t width = n <= UINT32_MAX ? 4 : 8;
  dst[0] = width == 4 ? 0x80 : 0x81;
  for (size_t i = 0; i < width; i++) dst[1 + i] = (uint8_t)(n >> 8 * (width - 1 - i));
  return 1 + width;
}

/* The short form of the text of a 32-bit number; 0: the text is no such number. */
static size_t put_integer(uint8_t *dst, rd_bytes text) {
  int64_t n;
  if (text.len > LONGEST_INT32 || !rd_parse_i64(text, &n) || n < INT32_MIN || n > INT32_MAX) return 0;
  size_t width = n >= INT8_MIN && n <= INT8_MAX ? 1 : n >= INT16_MIN && n <= INT16_MAX ? 2 : 4;
  dst[0] = width == 1 ? ENC_INT8 : width == 2 ? ENC_INT16 : ENC_INT32;
  for (size_t i = 0; i < width; i++) dst[1 + i] = (uint8_t)((uint64_t)n >> 8 * i);
  return 1 + width;
}

/* Compress the value into at most `cap` bytes; 0: they do not suffice. A large value is compressed in independent
 * pieces, so that nothing as large as the value has to be allocated. */
static size_t compress(rd_store *st, const rd_item *it, uint64_t len, uint8_t *dst, size_t cap) {
  uint8_t piece[16384];
  size_t total = 0;
  const uint8_t *flat = rd_item_flat(it);
  if (flat != NULL && len <= UINT32_MAX - 1) return rd_lzf_compress(flat, (size_t)len, dst, cap);
  for (uint64_t off = 0; off < len;) {
    size_t n = len - off < sizeof piece ? (size_t)(len - off) : sizeof piece;
    rd_item_read(st, it, off, piece, n);
    size_t done = rd_lzf_compress(piece, n, dst + total, cap - total);
    if (done == 0) return 0;
    rd_yield(st);
    total += done;
    off += n;
  }
  return total;
}

/* Write type and value into `dst`, which has room for RDB_HEAD_MAX + len bytes. The lengths are known last and are
 * written directly before the value, so the result begins at dst + *at. Returns its length. */
static size_t put_string(rd_store *st, const rd_item *it, uint8_t *dst, size_t *at) {
  uint64_t len = rd_item_len(it);
  uint8_t head[RDB_HEAD_MAX], *body = dst + RDB_HEAD_MAX;
  size_t head_len = 1, body_len = 0;
  head[0] = RDB_STRING;

  if (len <= LONGEST_INT32) {
    uint8_t text[LONGEST_INT32];
    rd_item_read(st, it, 0, text, len);
    head_len += put_integer(head + 1, (rd_bytes){text, (size_t)len});
  }
  if (head_len == 1) {
    if (len >= COMPRESS_MIN) body_len = compress(st, it, len, body, (size_t)len - 4);
    if (body_len > 0) {
      head[head_len++] = ENC_LZF;
      head_len += put_length(head + head_len, body_len);
    }
    head_len += put_length(head + head_len, len);
    if (body_len == 0) {
      rd_item_read(st, it, 0, body, len);
      body_len = (size_t)len;
    }
  }
  *at = RDB_HEAD_MAX - head_len;
  memcpy(dst + *at, head, head_len);
  return head_len + body_len;
}

static uint64_t string_room(const rd_item *it) { return RDB_HEAD_MAX + rd_item_len(it); }

void rd_cmd_dump(rd_call *call) {
  enum { BULK_HEAD = 32 }; /* more than "$", any length in decimal and CRLF take */
  rd_reply *out = call->out;
  rd_key key = rd_call_key(call, 1);
  const rd_item *it = rd_find_read(call->store, &key);
  if (it == NULL) {
    rd_reply_null(out);
    return;
  }

  /* The payload is made in the reply buffer, and moved down when the length of its bulk is known. */
  const rdb_row *row = &rows[rd_item_type(it)];
  if (!rd_may_read(call, rd_item_value_bytes(call->store, it))) return;
  uint8_t *room = rd_reply_room(out, BULK_HEAD + (size_t)row->room(it) + RDB_FOOTER);
  if (room == NULL) return;
  size_t at, n = row->dump(call->store, it, room + BULK_HEAD, &at);
  uint8_t *payload = room + BULK_HEAD + at;
  payload[n++] = RDB_VERSION;
  payload[n++] = 0;
  uint64_t crc = checksum(call->store, payload, n);
  for (size_t i = 0; i < 8; i++) payload[n++] = (uint8_t)(crc >> 8 * i);

  size_t from = (size_t)(payload - out->data);
  rd_reply_bulk_head(out, n);
  assert(out->len <= from);
  for (size_t done = 0; done < n;) {
    size_t piece = n - done < PIECE ? n - done : PIECE;
    memmove(out->data + out->len + done, out->data + from + done, piece);
    done += piece;
    rd_yield(call->store);
  }
  out->len += n;
  rd_reply_crlf(out);
}

/* ---- RESTORE ---- */

typedef struct reader {
  const uint8_t *p;
  const uint8_t *end;
} reader;

static size_t left(const reader *r) { return (size_t)(r->end - r->p); }

/* Read a little-endian signed number of `width` bytes. */
static bool get_integer(reader *r, size_t width, int64_t *n) {
  if (left(r) < width) return false;
  uint64_t v = 0;
  for (size_t i = 0; i < width; i++) v |= (uint64_t)r->p[i] << 8 * i;
  unsigned unused = (unsigned)(64 - 8 * width);
  *n = (int64_t)(v << unused) >> unused;
  r->p += width;
  return true;
}

/* Read a length; or, when `encoding` is given, the first byte 0xc0 .. 0xff of an encoded string, with *encoding set.
 * Without it the low six bits of such a byte are the length, as in Redis. */
static bool get_length(reader *r, uint64_t *n, bool *encoding) {
  if (encoding != NULL) *encoding = false;
  if (left(r) < 1) return false;
  uint8_t first = *r->p++;
  size_t more;
  switch (first >> 6) {
    case 0:
      *n = first;
      return true;
    case 1:
      *n = first & 0x3f;
      more = 1;
      break;
    case 2:
      if (first != 0x80 && first != 0x81) return false;
      *n = 0;
      more = first == 0x80 ? 4 : 8;
      break;
    default:
      if (encoding != NULL) *encoding = true;
      *n = encoding != NULL ? first : first & 0x3f;
      return true;
  }
  if (left(r) < more) return false;
  for (size_t i = 0; i < more; i++) *n = *n << 8 | r->p[i];
  r->p += more;
  return true;
}

/* A string of a payload: its bytes in `value`, which lie in the payload, in `text` or in *unpacked (to be freed
 * whatever happens). */
static void yield(void *store) { rd_yield(store); }

static get_result get_lzf(rd_call *call, reader *r, rd_bytes *value, rd_scratch *unpacked) {
  rd_store *st = call->store;
  uint64_t packed, len;
  if (!get_length(r, &packed, NULL) || !get_length(r, &len, NULL)) return BAD;
  if (packed > left(r) || len > RD_MAX_BULK) return BAD;
  /* validate first, so that no memory is allocated for a payload that only claims to be large */
  if (!rd_lzf_decompress_in_slices(r->p, (size_t)packed, NULL, (size_t)len, yield, st)) return BAD;
  if (len > rd_max_memory(st)) return FULL;
  unpacked->len = len;
  unpacked->owned = rd_scratch_take(call, len);
  if (unpacked->owned == NULL) return FULL;
  if (!rd_lzf_decompress_in_slices(r->p, (size_t)packed, unpacked->owned, (size_t)len, yield, st)) return BAD;
  *value = (rd_bytes){unpacked->owned, (size_t)len};
  return GOOD;
}

static get_result get_string(rd_call *call, reader *r, rd_bytes *value, char text[RD_I64_TEXT], rd_scratch *unpacked) {
  uint64_t n;
  bool encoded;
  if (!get_length(r, &n, &encoded)) return BAD;
  if (!encoded) {
    if (n > left(r) || n > RD_MAX_BULK) return BAD;
    *value = (rd_bytes){r->p, (size_t)n};
    return GOOD;
  }
  if (n == ENC_LZF) return get_lzf(call, r, value, unpacked);
  if (n != ENC_INT8 && n != ENC_INT16 && n != ENC_INT32) return BAD;
  int64_t number;
  if (!get_integer(r, n == ENC_INT8 ? 1 : n == ENC_INT16 ? 2 : 4, &number)) return BAD;
  *value = (rd_bytes){(const uint8_t *)text, rd_format_i64(text, number)};
  return GOOD;
}

static uint64_t string_len(rd_bytes payload) {
  reader r = {payload.data, payload.data + payload.len};
  uint64_t n, packed;
  bool encoded;
  if (!get_length(&r, &n, &encoded)) return 0;
  if (encoded && (n != ENC_LZF || !get_length(&r, &packed, NULL) || !get_length(&r, &n, NULL))) return 0;
  return n <= RD_MAX_BULK ? n : 0;
}

static get_result load_string(rd_call *call, const rd_key *key, unsigned rdb, rd_bytes payload, int64_t expiry) {
  reader r = {payload.data, payload.data + payload.len};
  rd_bytes value = {NULL, 0};
  char text[RD_I64_TEXT];
  rd_scratch unpacked = {NULL, 0, NULL};
  (void)rdb; /* there is only one RDB type of strings */
  get_result got = get_string(call, &r, &value, text, &unpacked);
  if (got == GOOD && key != NULL &&
      rd_set(call->store, key, value.data, value.len, expiry, RD_ENC_AUTO, RD_EVENT_NONE) != RD_OK)
    got = FULL;
  rd_scratch_free(call->store, &unpacked);
  return got;
}

static const rdb_row rows[RD_TYPES] = {
    [RD_STRING] = {1u << RDB_STRING, string_room, put_string, string_len, load_string},
};

uint64_t rd_dump_len(rd_bytes payload) {
  const rdb_row *row = row_of(payload);
  return row == NULL ? 0 : row->len((rd_bytes){payload.data + 1, payload.len - 1});
}

static bool footer_is_right(rd_store *st, rd_bytes payload) {
  if (payload.len < RDB_FOOTER) return false;
  const uint8_t *footer = payload.data + payload.len - RDB_FOOTER;
  uint64_t crc = 0;
  for (size_t i = 0; i < 8; i++) crc |= (uint64_t)footer[2 + i] << 8 * i;
  return (footer[0] | footer[1] << 8) <= RDB_NEWEST && checksum(st, payload.data, payload.len - 8) == crc;
}

typedef struct restore_options {
  bool replace, absolute;
  int64_t idle, freq; /* -1: not given */
} restore_options;

/* False after an error reply. */
static bool parse_restore_options(rd_call *call, restore_options *o) {
  for (uint32_t i = 4; i < call->argc; i++) {
    bool more = i + 1 < call->argc;
    if (rd_arg_is(call->argv[i], "replace")) {
      o->replace = true;
    } else if (rd_arg_is(call->argv[i], "absttl")) {
      o->absolute = true;
    } else if (rd_arg_is(call->argv[i], "idletime") && more && o->freq == -1) {
      if (!rd_parse_i64(call->argv[++i], &o->idle)) {
        rd_reply_not_integer(call->out);
        return false;
      }
      if (o->idle < 0) {
        rd_reply_error(call->out, "ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
    } else if (rd_arg_is(call->argv[i], "freq") && more && o->idle == -1) {
      if (!rd_parse_i64(call->argv[++i], &o->freq)) {
        rd_reply_not_integer(call->out);
        return false;
      }
      if (o->freq < 0 || o->freq > 255) {
        rd_reply_error(call->out, "ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
    } else {
      rd_reply_syntax(call->out);
      return false;
    }
  }
  return true;
}

/* Set the key to the value of the payload. If the payload is invalid, the key is unchanged. */
static get_result restore(rd_call *call, const rd_key *key, rd_bytes payload, int64_t expiry,
                          const restore_options *o) {
  rd_store *st = call->store;
  const rdb_row *row = row_of(payload);
  if (row == NULL) return BAD;
  bool passed = expiry != RD_NO_EXPIRY && expiry <= (int64_t)st->now_ms;
  bool replaces = !passed && o->replace && rd_find_quiet(st, key, false) != NULL;
  rd_bytes value = {payload.data + 1, payload.len - 1};
  get_result got = row->load(call, passed ? NULL : key, payload.data[0], value, expiry);
  if (got == GOOD && passed) rd_delete(st, key);
  if (got != GOOD || passed) return got;
  if (replaces) rd_notify(st, key, RD_EVENT_NEW);
  rd_notify(st, key, RD_EVENT_RESTORE);
  rd_item *it = rd_find_quiet(st, key, false);
  if (it != NULL && o->idle >= 0) {
    uint64_t seconds = (uint64_t)o->idle;
    rd_item_set_idle(st, it, seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000);
  }
  if (it != NULL && o->freq >= 0) rd_item_set_freq(st, it, (unsigned)o->freq);
  return GOOD;
}

void rd_cmd_restore(rd_call *call) {
  restore_options options = {.idle = -1, .freq = -1};
  rd_bytes payload = call->argv[3];
  if (rd_dump_len(payload) > RD_LONG_BYTES && !rd_may_take_long(call)) return;
  int64_t ttl, expiry = RD_NO_EXPIRY;
  if (!parse_restore_options(call, &options)) return;

  rd_key key = rd_call_key(call, 1);
  if (!options.replace && rd_find_write(call->store, &key) != NULL) {
    rd_reply_error(call->out, "BUSYKEY Target key name already exists.");
    return;
  }
  if (!rd_parse_i64(call->argv[2], &ttl)) {
    rd_reply_not_integer(call->out);
    return;
  }
  if (ttl < 0) {
    rd_reply_error(call->out, "ERR Invalid TTL value, must be >= 0");
    return;
  }
  if (!footer_is_right(call->store, payload)) {
    rd_reply_error(call->out, "ERR DUMP payload version or checksum are wrong");
    return;
  }
  if (!rd_check_length(call, rd_dump_len(payload))) return;
  if (ttl > 0) {
    /* a time past the largest number becomes the largest one, and the last millisecond means "never" to the store */
    if (__builtin_add_overflow(ttl, options.absolute ? 0 : (int64_t)call->store->now_ms, &expiry)) expiry = INT64_MAX;
    if (expiry == RD_NO_EXPIRY) expiry--;
  }

  get_result got = restore(call, &key, (rd_bytes){payload.data, payload.len - RDB_FOOTER}, expiry, &options);
  if (got == BAD)
    rd_reply_error(call->out, "ERR Bad data format");
  else if (got == FULL)
    rd_reply_oom(call->out);
  else
    rd_reply_ok(call->out);
}
