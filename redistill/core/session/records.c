/* records.c - one place for all kinds of records. */
#include "session/records.h"

#include "arena/ring.h"
#include "session/blocked.h"
#include "session/blocking.h"
#include "session/monitor.h"
#include "session/moved.h"
#include "session/subscribed.h"
#include "session/tracking.h"

void rd_records_read(rd_store *st) {
  rd_record r;
  for (size_t left = RD_RING_BYTES; left >= RD_RING_HEAD && rd_ring_read(st, &r);) {
    size_t len = RD_RING_HEAD + r.part[0].len + r.part[1].len;
    left -= len < left ? len : left;
    if (r.kind == RD_RECORD_MONITOR) rd_monitor_add(st, &r);
    if (r.kind == RD_RECORD_MESSAGE) rd_subscribed_read(st, &r);
    if (r.kind == RD_RECORD_MOVED || r.kind == RD_RECORD_LATE) rd_moved_read(st, &r);
    if (r.kind == RD_RECORD_PAUSE) rd_wake_held(st);
    if (r.kind == RD_RECORD_WAKE) rd_waits_read(st, &r);
    if (r.kind == RD_RECORD_CHANGED || r.kind == RD_RECORD_FLUSHED) rd_tracking_hear(st, &r);
    rd_ring_done(st, &r);
  }
  if (RD_UNLIKELY(st->tracking != NULL)) rd_tracking_flush(st);
}
