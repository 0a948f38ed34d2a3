/* records.h - reads this process's ring, and passes each record to the part that it is for. */
#ifndef RD_RECORDS_H
#define RD_RECORDS_H

#include "arena/arena.h"

/* Read the records that are in the ring now. The process has joined. */
void rd_records_read(rd_store *st);

#endif
