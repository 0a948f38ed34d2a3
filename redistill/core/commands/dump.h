/* dump.h - sizes: of the value that a payload of RESTORE declares, and of a key's value in an RDB file. */
#ifndef RD_DUMP_H
#define RD_DUMP_H

#include "base/base.h"
#include "store/item.h"

/* The size of the value that a payload of RESTORE declares; 0: the payload is invalid. */
uint64_t rd_dump_len(rd_bytes payload);

/* The bytes of the key's value in an RDB file, without its type. A string counts without compression. A collection of
 * more than 256 KiB is not measured: it counts as the bytes that it takes here. */
uint64_t rd_serialized_len(rd_store *st, const rd_key *key, rd_item *it);

#endif
