/* crc64.h - the checksum at the end of a DUMP payload and of an RDB file. */
#ifndef RD_CRC64_H
#define RD_CRC64_H

#include "base/base.h"

/* python: begin */
/* The checksum `crc` (0 at the start) continued over `len` more bytes. Jones's polynomial, bits reversed, no final
 * inversion: "123456789" gives 0xe9c6d914c4b8d9ca. Takes about a cycle for a byte. */
uint64_t rd_crc64(uint64_t crc, const void *data, size_t len);
/* python: end */

#endif
