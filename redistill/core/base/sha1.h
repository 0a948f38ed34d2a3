/* sha1.h - SHA-1 (FIPS 180-4), the name of a script. */
#ifndef RD_SHA1_H
#define RD_SHA1_H

#include "base/base.h"

#define RD_SHA1_BYTES 20
#define RD_SHA1_HEX 40

void rd_sha1(const void *data, size_t len, uint8_t digest[RD_SHA1_BYTES]);
/* The digest as 40 lower-case digits, without an end. */
void rd_sha1_hex(const uint8_t digest[RD_SHA1_BYTES], char hex[RD_SHA1_HEX]);
/* Read 40 hexadecimal digits of either case. False: it is something else. */
bool rd_sha1_parse(rd_bytes hex, uint8_t digest[RD_SHA1_BYTES]);

#endif
