/* stream_lag.c - estimates how many entries a group has read, and how many it has not, as Redis does. */
#include "types/stream_group.h"

int64_t rd_stream_reads_at(const rd_stream *s, rd_stream_id id) {
  const rd_stream_meta *m = &s->meta;
  rd_stream_id first;
  if (m->added == 0) return 0;
  int last = rd_id_compare(id, m->last);
  if (m->length == 0 && last <= 0) return (int64_t)m->added;
  if (!rd_id_is_zero(id) && rd_id_compare(id, m->deleted) < 0) return RD_READ_UNKNOWN;
  if (last == 0) return (int64_t)m->added;
  if (last > 0) return RD_READ_UNKNOWN;
  rd_stream_first_id(s, &first);
  int order = rd_id_compare(id, first);
  bool gap = !rd_id_is_zero(m->deleted) && rd_id_compare(m->deleted, first) >= 0;
  if (gap || order > 0) return RD_READ_UNKNOWN;
  return (int64_t)(m->added - m->length) + (order == 0);
}

bool rd_stream_lacks_after(const rd_stream *s, rd_stream_id id) {
  return s->meta.length != 0 && !rd_id_is_zero(s->meta.deleted) && rd_id_compare(id, s->meta.deleted) <= 0;
}

bool rd_group_lag(const rd_stream *s, const rd_group *g, int64_t *lag) {
  int64_t read = g->read;
  *lag = 0;
  if (s->meta.added == 0) return true;
  if (read == RD_READ_UNKNOWN || rd_stream_lacks_after(s, g->last)) read = rd_stream_reads_at(s, g->last);
  *lag = (int64_t)s->meta.added - read;
  return read != RD_READ_UNKNOWN;
}
