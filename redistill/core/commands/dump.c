/* dump.c - DUMP: values in Redis's own format. */
#include "commands/dump.h"

#include "arena/longrun.h"
#include "base/crc64.h"
#include "base/lzf.h"
#include "commands/cmd.h"
#include "commands/payload.h"
#include "commands/value.h"
#include "rdb/reader.h"

#define VERSION 10        /* the version that Redis 7.0 writes, and that all later ones read */
#define VALKEY_VERSION 80 /* for what Redis has in another form */
#define HEAD_MAX 20       /* bytes before a string: type, encoding and two lengths */
#define COMPRESS_MIN 21   /* bytes: shorter strings are not compressed */
#define ENTRY_COST 64     /* a byte of a collection takes as long as so many of a string, at worst */
#define LONGEST_INT32 11  /* bytes: -2147483648 */

uint64_t rd_payload_checksum(rd_store *st, rd_bytes payload) {
  uint64_t crc = 0;
  for (size_t done = 0; done < payload.len;) {
    size_t n = payload.len - done < RD_PIECE ? payload.len - done : RD_PIECE;
    crc = rd_crc64(crc, payload.data + done, n);
    done += n;
    rd_yield(st);
  }
  return crc;
}

/* ---- strings ---- */

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

/* Write type and value into `dst`, which has room for HEAD_MAX + len bytes. The lengths are known last and are written
 * directly before the value, so the result begins at dst + *at. Returns its length. */
static size_t put_string(rd_store *st, const rd_item *it, uint8_t *dst, size_t *at) {
  uint64_t len = rd_item_len(it);
  uint8_t head_bytes[HEAD_MAX], *body = dst + HEAD_MAX;
  rd_writer head = {head_bytes, 0};
  size_t body_len = 0;
  rd_put_bytes(&head, (uint8_t[]){RD_RDB_STRING}, 1);

  if (len <= LONGEST_INT32) {
    uint8_t text[LONGEST_INT32];
    rd_item_read(st, it, 0, text, len);
    rd_put_string(&head, (rd_bytes){text, (size_t)len});
  } else {
    if (len >= COMPRESS_MIN) body_len = compress(st, it, len, body, (size_t)len - 4);
    if (body_len > 0) {
      rd_put_bytes(&head, (uint8_t[]){RD_RDB_LZF}, 1);
      rd_put_length(&head, body_len);
    }
    rd_put_length(&head, len);
    if (body_len == 0) {
      rd_item_read(st, it, 0, body, len);
      body_len = (size_t)len;
    }
  }
  *at = HEAD_MAX - head.len;
  memcpy(dst + *at, head_bytes, head.len);
  return head.len + body_len;
}

uint64_t rd_serialized_len(rd_store *st, const rd_key *key, rd_item *it) {
  rd_writer size = {NULL, 0};
  uint64_t len = rd_item_len(it);
  if (rd_item_type(it) != RD_STRING) {
    uint64_t bytes = rd_item_value_bytes(st, it);
    if (bytes > RD_PIECE) return bytes;
    rd_dump_collection(st, key, it, (int64_t)st->now_ms, &size);
    return size.len - 1;
  }
  if (len <= LONGEST_INT32) {
    uint8_t text[LONGEST_INT32];
    rd_item_read(st, it, 0, text, len);
    rd_put_string(&size, (rd_bytes){text, (size_t)len});
    return size.len;
  }
  rd_put_length(&size, len);
  return size.len + len;
}

/* ---- the command ---- */

void rd_cmd_dump(rd_call *call) {
  enum { BULK_HEAD = 32 }; /* more than "$", any length in decimal and CRLF take */
  rd_reply *out = call->out;
  rd_store *st = call->store;
  rd_key key = rd_call_key(call, 1);
  rd_item *it = rd_find_read(st, &key);
  if (it == NULL) {
    rd_reply_null(out);
    return;
  }

  /* The payload is made in the reply buffer, and moved down when the length of its bulk is known. */
  bool is_string = rd_item_type(it) == RD_STRING;
  uint64_t bytes = rd_item_value_bytes(st, it);
  if (!rd_may_read(call, is_string ? bytes : bytes * ENTRY_COST)) return;
  int64_t now = (int64_t)st->now_ms; /* it may pass in a pause */
  rd_writer size = {NULL, HEAD_MAX + rd_item_len(it)};
  if (!is_string) {
    size.len = 0;
    rd_dump_collection(st, &key, it, now, &size);
    if (size.len == 0) {
      rd_reply_null(out);
      return;
    }
  }
  uint8_t *room = rd_reply_room(out, BULK_HEAD + (size_t)size.len + RD_PAYLOAD_FOOTER);
  if (room == NULL) return;
  rd_writer w = {room + BULK_HEAD, 0};
  if (is_string) {
    size_t at;
    w.len = put_string(st, it, w.to, &at);
    w.to += at;
  } else {
    rd_dump_collection(st, &key, it, now, &w);
    assert(w.len == size.len);
  }
  rd_put_bytes(&w, (uint8_t[]){w.to[0] == RD_RDB_HASH_TIMES_VALKEY ? VALKEY_VERSION : VERSION, 0}, 2);
  uint64_t crc = rd_payload_checksum(st, (rd_bytes){w.to, (size_t)w.len});
  rd_put_word(&w, crc);

  size_t n = (size_t)w.len, from = (size_t)(w.to - out->data);
  rd_reply_bulk_head(out, n);
  assert(out->len <= from);
  for (size_t done = 0; done < n;) {
    size_t piece = n - done < RD_PIECE ? n - done : RD_PIECE;
    memmove(out->data + out->len + done, out->data + from + done, piece);
    done += piece;
    rd_yield(st);
  }
  out->len += n;
  rd_reply_crlf(out);
}
