/* dump.h - the size that a payload of RESTORE declares. */
#ifndef RD_DUMP_H
#define RD_DUMP_H

#include "base/base.h"

/* Bytes of the value that a payload of RESTORE says it has; 0: it is none. */
uint64_t rd_dump_len(rd_bytes payload);

#endif
