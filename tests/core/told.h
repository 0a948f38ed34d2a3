/* told.h - the keyspace events that redis-server 7.0 sends for each command of a table, which are compared with those
 * that a listener gets. `python tests/core/record.py FILE...` fills the tables in. */
#ifndef RD_TOLD_H
#define RD_TOLD_H

#include "oracle.h"
#include "store/event.h"
#include "store/expire.h"

/* The recorded events stand side by side, each with its class, database, name and key: "$0:set:a". */
typedef struct happening {
  const char *ask; /* an inline command; ">50": that many milliseconds pass; "+50": and then the sweep runs */
  const char *events;
} happening;
#define TOLD(ask, events) \
  { ask, events }

typedef struct ear {
  char text[4096];
  size_t len;
  unsigned unnamed; /* changes without an event */
} ear;

static inline void hear(void *arg, rd_store *st, const rd_change *c) {
  ear *e = arg;
  char key[2048];
  if (c->event == RD_EVENT_FLUSHED) return;
  if (c->event == RD_EVENT_NONE) {
    e->unnamed++;
    return;
  }
  CHECK(c->key_len < sizeof key);
  rd_change_key(st, c, key);
  char letter = RD_CLASS_LETTERS[__builtin_ctz(rd_event_class(c->event))];
  int n = snprintf(e->text + e->len, sizeof e->text - e->len, "%s%c%u:%s:%.*s", e->len > 0 ? " " : "", letter, c->db,
                   rd_event_name(c->event), (int)c->key_len, key);
  e->len += (size_t)n;
}

/* Send the commands at once, and byte by byte, and compare the events. */
static inline void replay_events(const happening *told, size_t n) {
  for (size_t step = 1; step < 4096; step += 4094) {
    rd_store st;
    int fd = rig_open(&st, 64u << 20, 16, RD_NOEVICTION);
    rig_client c = rig_client_new(&st, NULL);
    static ear e;
    rd_listen(&st, UINT32_MAX, hear, &e);
    for (size_t i = 0; i < n; i++) {
      const char *ask = told[i].ask;
      bool was_ok = check_ok;
      e.len = 0;
      e.text[0] = 0;
      check_ok = true;
      if (ask[0] == '>' || ask[0] == '+') {
        st.now_ms += strtoul(ask + 1, NULL, 10);
        for (int round = 0; ask[0] == '+' && round < 100; round++) rd_sweep(&st, 0, st.num_shards, 0);
      } else {
        rig_feed(&c, ask, strlen(ask), step);
        rig_feed(&c, "\r\n", 2, step);
      }
      CHECK_TEXT(e.text, e.len, told[i].events);
      if (!check_ok) printf("      after %s\n", ask);
      check_ok = check_ok && was_ok;
    }
    rig_client_free(&c);
    rig_close(&st, fd);
  }
}

#define REPLAY_EVENTS(table) replay_events(table, sizeof(table) / sizeof *(table))

#endif
