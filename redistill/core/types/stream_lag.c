/* stream_lag.c - estimates how many entries a group has read, and how many it has not, as Redis does. */
#include "types/stream_group.h"

/* An entry behind the first one was deleted: what lies between it and an id before it cannot be counted. */
static bool has_gap(const rd_stream *s) {
  rd_stream_id first;
  if (s->meta.length == 0 || rd_id_is_zero(s->meta.deleted)) return false;
  rd_stream_first_id(s, &first);
  return rd_id_compare(s->meta.deleted, first) >= 0;
}

int64_t rd_stream_reads_at(const rd_stream *s, rd_stream_id id) {
  const rd_stream_meta *m = &s->meta;
  rd_stream_id first;
  if (m->added == 0) return 0;
  int last = rd_id_compare(id, m->last);
  if (m->length == 0 && last <= 0) return (int64_t)m->added;
  bool gap = has_gap(s);
  if (gap && !rd_id_is_zero(id) && rd_id_compare(id, m->deleted) < 0) return RD_READ_UNKNOWN;
  if (last == 0) return (int64_t)m->added;
  if (last > 0) return RD_READ_UNKNOWN;
  rd_stream_first_id(s, &first);
  int order = rd_id_compare(id, first);
  if (gap || order > 0) return RD_READ_UNKNOWN;
  return (int64_t)(m->added - m->length) + (order == 0);
}

bool rd_stream_lacks_after(const rd_stream *s, rd_stream_id id) {
  return has_gap(s) && rd_id_compare(id, s->meta.deleted) <= 0;
}

bool rd_group_lag(const rd_stream *s, const rd_group *g, int64_t *lag) {
  int64_t read = g->read;
  *lag = 0;
  if (s->meta.added == 0) return true;
  if (read == RD_READ_UNKNOWN || rd_stream_lacks_after(s, g->last)) read = rd_stream_reads_at(s, g->last);
  *lag = (int64_t)s->meta.added - read;
  return read != RD_READ_UNKNOWN;
}
