/* listpack.h - what writing a listpack shares with reading it. */
#ifndef RD_LISTPACK_H
#define RD_LISTPACK_H

#include "base/base.h"

#define RD_LISTPACK_END 0xffu

#define RD_LISTPACK_BACK 6u

/* Write the length that follows an entry of `len` bytes (below 2^35); returns how many bytes it takes, at least
 * `least`. Redis and Valkey disagree about 16383, 2097151 and 268435455, so no such entry should be written. */
unsigned rd_listpack_back(uint8_t to[RD_LISTPACK_BACK], uint64_t len, unsigned least);

#endif
