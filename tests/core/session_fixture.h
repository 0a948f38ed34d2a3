/* session_fixture.h - the store and the replies of the tests of sessions. */
#ifndef SESSION_FIXTURE_H
#define SESSION_FIXTURE_H
#include "rig.h"
#include "session/blocked.h"

static rd_store st;
static int fd;

static void open_store(void) { fd = rig_open(&st, 64u << 20, 16, RD_ALLKEYS_LRU); }
static void close_store(void) { rig_close(&st, fd); }

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"

#endif
