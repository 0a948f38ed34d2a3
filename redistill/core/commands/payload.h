/* payload.h - what DUMP and RESTORE share.
 *
 * A payload is a type byte, the value as an RDB file holds it (rdb/reader.h), and ten bytes at the end: the RDB version
 * (two bytes, low first) and the CRC-64 of all before (eight bytes, low first). */
#ifndef RD_PAYLOAD_H
#define RD_PAYLOAD_H

#include "command/call.h"
#include "rdb/writer.h"

#define RD_PAYLOAD_FOOTER 10u

/* The values of the type byte. */
enum {
  RD_RDB_STRING = 0,
  RD_RDB_LIST = 1,
  RD_RDB_SET = 2,
  RD_RDB_ZSET = 3,
  RD_RDB_HASH = 4,
  RD_RDB_ZSET_2 = 5,
  RD_RDB_HASH_ZIPMAP = 9,
  RD_RDB_LIST_ZIPLIST = 10,
  RD_RDB_SET_INTSET = 11,
  RD_RDB_ZSET_ZIPLIST = 12,
  RD_RDB_HASH_ZIPLIST = 13,
  RD_RDB_LIST_QUICKLIST = 14,
  RD_RDB_STREAM = 15,
  RD_RDB_HASH_LISTPACK = 16,
  RD_RDB_ZSET_LISTPACK = 17,
  RD_RDB_LIST_QUICKLIST_2 = 18,
  RD_RDB_STREAM_2 = 19,
  RD_RDB_SET_LISTPACK = 20,
  RD_RDB_STREAM_3 = 21,
  RD_RDB_HASH_TIMES_VALKEY = 22, /* a hash with fields that expire; Redis had another thing of this number */
  RD_RDB_HASH_TIMES = 24,
  RD_RDB_HASH_LISTPACK_TIMES = 25,
};

/* The number before each node of a list of type 18: one element, or a listpack. */
enum { RD_RDB_NODE_PLAIN = 1, RD_RDB_NODE_PACKED = 2 };

/* Bytes after which a long command may pause. */
#define RD_PIECE 262144u

/* The checksum of a payload. Calls rd_yield. */
uint64_t rd_payload_checksum(rd_store *st, rd_bytes payload);

/* ---- writing: the half of a type's row (store/type.h) that needs a client's memory ---- */

/* Write type byte and value of a collection as it is at the time `now`; it is called twice, to measure and to write.
 * Nothing is written if all fields of a hash have expired. Calls rd_yield. */
void rd_dump_collection(rd_store *st, const rd_key *key, rd_item *it, int64_t now, rd_writer *w);

/* The same of a stream. */
void rd_dump_stream(rd_store *st, const rd_key *key, rd_item *it, rd_writer *w);

/* Write an element (types/element.h) as a string. */
void rd_put_element(rd_store *st, rd_writer *w, const uint8_t *element);

/* ---- reading ---- */

/* RD_LOAD_BAD: the payload is invalid. RD_LOAD_FULL: the value is larger than the store, or than the memory. */
typedef enum rd_load { RD_LOAD_OK, RD_LOAD_BAD, RD_LOAD_FULL } rd_load;

/* Set the key to the collection of a payload, which lies before its footer and has a type byte that rd_source_knows.
 * If not `keep`, only verify the payload. */
rd_load rd_load_collection(rd_call *call, const rd_key *key, rd_bytes payload, int64_t expiry, bool keep);

/* The same of a stream: of a payload whose type byte is one of a stream's. */
static inline bool rd_payload_is_stream(uint8_t rdb) {
  return rdb == RD_RDB_STREAM || rdb == RD_RDB_STREAM_2 || rdb == RD_RDB_STREAM_3;
}
rd_load rd_load_stream(rd_call *call, const rd_key *key, rd_bytes payload, int64_t expiry, bool keep);

/* The entries in a listpack of a stream: their flags. */
enum { RD_RDB_ENTRY_DELETED = 1, RD_RDB_ENTRY_SAME_FIELDS = 2 };

#endif
