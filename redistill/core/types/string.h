/* string.h - strings, which are the bytes of their items, and HyperLogLogs, which are strings. */
#ifndef RD_STRING_H
#define RD_STRING_H

#include "store/type.h"

/* Functions for the rows of rd_types: the encoding's name ("int", "embstr" or "raw"), and whether the bytes have the
 * header of a HyperLogLog. */
const char *rd_string_encoding(rd_store *st, const rd_item *it);
bool rd_string_is_hll(rd_store *st, const rd_item *it);

extern const rd_type_row rd_hll_row;

#endif
