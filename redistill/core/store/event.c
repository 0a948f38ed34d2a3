/* event.c - names the events, and calls the listener: see event.h. */
#include "store/event.h"

#include "store/internal.h"
#include "store/item.h"

static const struct {
  const char *name;
  uint32_t class;
} events[] = {
#define RD_EVENT_ROW(id, name, class) [RD_EVENT_##id] = {name, RD_CLASS_##class},
    RD_EVENTS(RD_EVENT_ROW)
#undef RD_EVENT_ROW
};

const char *rd_event_name(rd_key_event event) { return events[event].name; }
uint32_t rd_event_class(rd_key_event event) { return events[event].class; }

void rd_listen(rd_store *st, uint32_t classes, rd_listener *listener, void *arg) {
  st->listening = listener != NULL ? classes : 0;
  st->listener = listener;
  st->listener_arg = arg;
}

void rd_change_key(rd_store *st, const rd_change *change, void *dst) {
  if (change->key != NULL)
    memcpy(dst, change->key, change->key_len);
  else
    rd_item_key(st, change->item, dst);
}

void rd_call_listener(rd_store *st, uint32_t slot, rd_key_event event, const rd_key *key, const rd_item *it) {
  if ((st->listening & events[event].class) == 0) return;
  rd_change change = {.event = event, .item = it};
  while (change.db < RD_DATABASES && rd_slot_of(st, change.db) != slot) change.db++;
  if (change.db == RD_DATABASES) return; /* the item was flushed, or is kept by rd_set_keeping */
  change.key_len = key != NULL ? key->len : rd_item_key_len(it);
  change.key = key != NULL ? key->data : rd_item_inline_key(it);
  change.hash = key != NULL ? key->hash : rd_item_hash(st, it);
  st->listener(st->listener_arg, st, &change);
}

void rd_notify_flush(rd_store *st) {
  if ((st->listening & events[RD_EVENT_FLUSHED].class) == 0) return;
  st->listener(st->listener_arg, st, &(rd_change){.event = RD_EVENT_FLUSHED, .key = (const uint8_t *)""});
}

bool rd_event_wanted(const rd_store *st, rd_key_event event) { return (st->listening & events[event].class) != 0; }

void rd_notify_listener(rd_store *st, const rd_key *key, rd_key_event event) {
  rd_call_listener(st, rd_slot_of(st, key->db), event, key, NULL);
}
