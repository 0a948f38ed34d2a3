/* dump.h - the size that a payload of RESTORE declares. */
#ifndef RD_DUMP_H
#define RD_DUMP_H

#include "base/base.h"

/* The size of the value that a payload of RESTORE declares; 0: the payload is invalid. */
uint64_t rd_dump_len(rd_bytes payload);

#endif
