/* stream_read.h - options, replies and waiting of XREAD and XREADGROUP. */
#ifndef RD_STREAM_READ_H
#define RD_STREAM_READ_H

#include "commands/blocking.h"
#include "commands/stream.h"

#define RD_FEW_STREAMS 8u

typedef struct rd_read_options {
  uint64_t count; /* 0: all */
  bool blocks, no_ack;
  uint64_t milliseconds;
  uint32_t group;    /* argv[group] is the group, and the consumer follows; 0: not given */
  uint32_t first, n; /* the keys are argv[first] and those behind it, and then come as many ids */
} rd_read_options;

/* Parse the options; the keys are where rd_command_keys finds them. `grouped`: XREADGROUP. False after an error. */
bool rd_parse_read(rd_call *c, bool grouped, rd_read_options *o);
/* The stream at argv[o->first + i] follows in the reply. */
void rd_reply_stream_head(rd_call *c, const rd_read_options *o, uint32_t i);
/* End the array, or map, of `n` streams; without any the reply is cut off where it began. */
void rd_reply_streams_end(rd_call *c, const rd_entries *e, size_t array, uint64_t n);
/* Wait for the streams. In calls for one of them `ids[i]` stands behind the key. */
void rd_wait_for_streams(rd_call *c, const rd_read_options *o, const rd_bytes *ids, rd_bytes keeps);

#endif
