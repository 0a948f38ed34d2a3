/* listpack.h - what writing a listpack shares with reading it. */
#ifndef RD_LISTPACK_H
#define RD_LISTPACK_H

#include "base/base.h"

#define RD_LISTPACK_END 0xffu

/* Write the length that follows an entry of `len` bytes; returns how many bytes it takes. */
unsigned rd_listpack_back(uint8_t to[5], uint64_t len);

#endif
