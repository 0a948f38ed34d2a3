/* types.c - the tables of the types of values and of the kinds of block: see store/type.h. */
#include "store/kinds.h"
#include "types/hash_time.h"
#include "types/list.h"
#include "types/set.h"
#include "types/stream_group.h"
#include "types/string.h"
#include "types/zset.h"

const rd_type_row rd_types[RD_TYPES] = {
    [RD_STRING] = {.type = RD_STRING, .name = "string", .encodings = RD_ENC_TEXT + 1, .encoding = rd_string_encoding},
    [RD_LIST] = {.type = RD_LIST, .name = "list", RD_COLL_ROW, .encoding = rd_list_encoding, .coll = {&rd_list_kind}},
    [RD_SET] = {.type = RD_SET,
                .name = "set",
                RD_COLL_ROW,
                .encoding = rd_member_encoding,
                .coll = {&rd_member_kind},
                .fetch = rd_member_fetch},
    [RD_HASH] = {.type = RD_HASH,
                 .name = "hash",
                 RD_COLL_ROW,
                 .encoding = rd_hash_encoding,
                 .coll = {&rd_hash_kind, &rd_hash_time_kind},
                 .fetch = rd_hash_fetch,
                 .due = rd_hash_due,
                 .expire = rd_hash_expire},
    [RD_ZSET] = {.type = RD_ZSET,
                 .name = "zset",
                 RD_COLL_ROW,
                 .encoding = rd_zset_encoding,
                 .coll = {&rd_zset_scores, &rd_zset_hashes},
                 .fetch = rd_zset_fetch},
    [RD_STREAM] = {.type = RD_STREAM,
                   .name = "stream",
                   RD_COLL_FUNCTIONS,
                   .check = rd_stream_check,
                   .encoding = rd_stream_encoding,
                   .coll = {&rd_chunk_kind, &rd_group_kind},
                   .extra = sizeof(rd_stream_meta)},
};

/* A HyperLogLog's item has the type string, like everything that shows it; only the commands for HyperLogLogs look
 * at its bytes. */
const rd_type_row rd_hll_row = {.type = RD_STRING,
                                .name = "string",
                                .encodings = RD_ENC_TEXT + 1,
                                .is = rd_string_is_hll,
                                .is_not = "WRONGTYPE Key is not a valid HyperLogLog string value.",
                                .encoding = rd_string_encoding};

const rd_kind_row rd_kinds[RD_KINDS] = {RD_STORE_KINDS};
