/* oracle.h - conversations with redis-server 7.0, which are repeated with a session.
 *
 * The replies are recorded, not written by hand: `python tests/core/record.py FILE...` asks the servers and fills them
 * in. A table begins with an empty keyspace; a table whose name begins with resp3_ speaks RESP3, and one with valkey_
 * was recorded from Valkey 9. */
#ifndef RD_ORACLE_H
#define RD_ORACLE_H

#include "rig.h"
#include "store/databases.h"

typedef struct exchange {
  const char *ask; /* an inline command */
  const char *reply;
  size_t len;
} exchange;

#define SAID(ask, reply) \
  { ask, reply, sizeof(reply) - 1 }

static inline void replay_step(rd_store *st, uint8_t resp, const exchange *table, size_t n, size_t step) {
  rd_flush_all(st);
  rig_client c = rig_client_new(st, NULL);
  rd_session_state_of(c.session)->resp = resp;
  for (size_t i = 0; i < n; i++) {
    rig_feed(&c, table[i].ask, strlen(table[i].ask), step);
    rig_feed(&c, "\r\n", 2, step);
    bool was_ok = check_ok;
    check_ok = true;
    CHECK_BYTES(c.out, c.len, table[i].reply, table[i].len);
    if (!check_ok) printf("      after %s\n", table[i].ask);
    check_ok = check_ok && was_ok;
    c.len = 0;
  }
  rig_client_free(&c);
}

/* Send the conversation at once, and byte by byte; then check the whole arena. */
static inline void replay(uint8_t resp, const exchange *table, size_t n) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 16, RD_NOEVICTION);
  replay_step(&st, resp, table, n, SIZE_MAX);
  replay_step(&st, resp, table, n, 1);
  rig_close(&st, fd);
}
#define REPLAY(table) replay(2, table, sizeof(table) / sizeof *(table))
#define REPLAY3(table) replay(3, table, sizeof(table) / sizeof *(table))

#endif
