/* test_stream_refs.c - XDELEX, XACKDEL, and KEEPREF, DELREF and ACKED. No server here has them yet, so the replies are
 * written from the documentation of Redis 8.2. */
#include "oracle.h"
#include "pubsub_fixture.h"
#include "session/blocking.h"

#define NUMIDS "-ERR Number of IDs must be a positive integer\r\n"
#define MATCH "-ERR The `numids` parameter must match the number of arguments\r\n"
#define SYNTAX "-ERR syntax error\r\n"
#define ID "-ERR Invalid stream ID specified as stream command argument\r\n"
#define TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define SAID_ENTRY(id) "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
#define NO_PENDING "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"
#define PENDING(n, low, high) \
  "*4\r\n:" n "\r\n$3\r\n" low "\r\n$3\r\n" high "\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n" n "\r\n"

static const exchange arguments[] = {
    SAID("XDELEX s IDS 1", "-ERR wrong number of arguments for 'xdelex' command\r\n"),
    SAID("XDELEX s IDS 0 1-1", NUMIDS),
    SAID("XDELEX s IDS -1 1-1", NUMIDS),
    SAID("XDELEX s IDS x 1-1", NUMIDS),
    SAID("XDELEX s IDS 9223372036854775808 1-1", NUMIDS),
    SAID("XDELEX s IDS 2 1-1", MATCH),
    SAID("XDELEX s IDS 1 1-1 2-1", MATCH),
    SAID("XDELEX s IDS 4294967297 1-1", MATCH),
    SAID("XDELEX s IDS 9223372036854775807 1-1", MATCH),
    SAID("XDELEX s KEEPREF IDS 2 1-1 x", ID),
    SAID("XDELEX s KEEPREF DELREF IDS 1 1-1", SYNTAX),
    SAID("XDELEX s IDS 1 1-1 DELREF", MATCH),
    SAID("XDELEX s 1-1 2-1 3-1", SYNTAX),
    SAID("XDELEX s KEEPREF DELREF ACKED", SYNTAX),
    SAID("XDELEX s KEEPREF 1 1-1", SYNTAX),
    SAID("XDELEX s JUNK IDS 1 1-1", SYNTAX),
    SAID("XDELEX s ACKED 1-1 IDS", SYNTAX),
    SAID("XDELEX s acked ids 2 1-1 2", "*2\r\n:-1\r\n:-1\r\n"),
    SAID("EXISTS s", ":0\r\n"),
    SAID("XACKDEL s g IDS 1", "-ERR wrong number of arguments for 'xackdel' command\r\n"),
    SAID("XACKDEL s g IDS 0 1-1", NUMIDS),
    SAID("XACKDEL s g IDS 2 1-1", MATCH),
    SAID("XACKDEL s g DELREF IDS 1 1-1 1-2", MATCH),
    SAID("XACKDEL s g DELREF IDS 1 (1-1", ID),
    SAID("XACKDEL s g 1-1 2-1 3-1", SYNTAX),
    SAID("XACKDEL s g keepref ids 1 1-1", "*1\r\n:-1\r\n"),
    SAID("SET str v", "+OK\r\n"),
    SAID("XDELEX str IDS 1 1-1", TYPE),
    SAID("XACKDEL str g IDS 1 1-1", TYPE),
    SAID("XDELEX str IDS 2 1-1", MATCH),
    SAID("XADD s DELREF 1-1 f v", "$3\r\n1-1\r\n"),
    SAID("XADD s MAXLEN 5 ACKED 1-2 f v", "$3\r\n1-2\r\n"),
    SAID("XADD s ACKED MAXLEN 5 NOMKSTREAM 1-3 f v", "$3\r\n1-3\r\n"),
    SAID("XADD s KEEPREF MINID ~ 0 LIMIT 9 DELREF 1-4 f v", "$3\r\n1-4\r\n"),
    SAID("XADD s KEEPREF", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD s KEEPREF 1-9 f", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD s JUNKREF 1-9 f v", ID),
    SAID("XTRIM s MAXLEN 2 DELREF", ":2\r\n"),
    SAID("XTRIM s KEEPREF MAXLEN 1", ":1\r\n"),
    SAID("XTRIM s ACKED KEEPREF", "-ERR syntax error, XTRIM must be called with a trimming strategy\r\n"),
    SAID("XTRIM s MAXLEN ACKED 1", "-ERR value is not an integer or out of range\r\n"),
    SAID("XTRIM s MAXLEN 1 ACKED LIMIT 5", "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n"),
    SAID("XADD s 2-1 f v", "$3\r\n2-1\r\n"),
    SAID("XTRIM s MINID ~ 9 LIMIT 1 ACKED", ":0\r\n"), /* a node of two entries */
    SAID("XTRIM s MINID ~ 2 LIMIT 2 ACKED", ":0\r\n"),
    SAID("XTRIM s MINID ~ 9 LIMIT 2 ACKED", ":2\r\n"),
};

#define FIVE                                                                                       \
  SAID("XADD s 1-1 f v", "$3\r\n1-1\r\n"), SAID("XADD s 2-1 f v", "$3\r\n2-1\r\n"),                \
      SAID("XADD s 3-1 f v", "$3\r\n3-1\r\n"), SAID("XADD s 4-1 f v", "$3\r\n4-1\r\n"),            \
      SAID("XADD s 5-1 f v", "$3\r\n5-1\r\n"), SAID("XGROUP CREATE s g 0", "+OK\r\n"),             \
      SAID("XGROUP CREATE s h 0", "+OK\r\n"),                                                      \
      SAID("XREADGROUP GROUP g c COUNT 3 STREAMS s >",                                             \
           "*1\r\n*2\r\n$1\r\ns\r\n*3\r\n" SAID_ENTRY("1-1") SAID_ENTRY("2-1") SAID_ENTRY("3-1")), \
      SAID("XREADGROUP GROUP h c COUNT 4 STREAMS s >",                                             \
           "*1\r\n*2\r\n$1\r\ns\r\n*4\r\n" SAID_ENTRY("1-1") SAID_ENTRY("2-1") SAID_ENTRY("3-1") SAID_ENTRY("4-1"))

/* KEEPREF: the entry goes, and stays pending. */
static const exchange keeping[] = {
    FIVE,
    SAID("XDELEX s IDS 3 1-1 1-1 9-9", "*3\r\n:1\r\n:-1\r\n:-1\r\n"),
    SAID("XDELEX s KEEPREF IDS 1 5-1", "*1\r\n:1\r\n"),
    SAID("XPENDING s g", PENDING("3", "1-1", "3-1")),
    SAID("XACKDEL s g IDS 4 1-1 2-1 5-1 2-1", "*4\r\n:1\r\n:1\r\n:-1\r\n:-1\r\n"),
    SAID("XPENDING s g", PENDING("1", "3-1", "3-1")),
    SAID("XPENDING s h", PENDING("4", "1-1", "4-1")),
    SAID("XRANGE s - +", "*2\r\n" SAID_ENTRY("3-1") SAID_ENTRY("4-1")),
    SAID("XTRIM s MAXLEN 0 KEEPREF", ":2\r\n"),
    SAID("XPENDING s h", PENDING("4", "1-1", "4-1")),
};

/* DELREF: the entry goes, and is pending nowhere; even references to an entry that is gone already. */
static const exchange removing[] = {
    FIVE,
    SAID("XDELEX s DELREF IDS 2 1-1 5-1", "*2\r\n:1\r\n:1\r\n"),
    SAID("XPENDING s g", PENDING("2", "2-1", "3-1")),
    SAID("XPENDING s h", PENDING("3", "2-1", "4-1")),
    SAID("XDEL s 2-1", ":1\r\n"),
    SAID("XDELEX s DELREF IDS 1 2-1", "*1\r\n:-1\r\n"),
    SAID("XPENDING s g", PENDING("1", "3-1", "3-1")),
    SAID("XPENDING s h", PENDING("2", "3-1", "4-1")),
    SAID("XACKDEL s g DELREF IDS 2 4-1 3-1", "*2\r\n:-1\r\n:1\r\n"),
    SAID("XPENDING s g", NO_PENDING),
    SAID("XPENDING s h", PENDING("1", "4-1", "4-1")),
    SAID("XRANGE s - +", "*1\r\n" SAID_ENTRY("4-1")),
};

static const exchange trimming[] = {
    FIVE,
    SAID("XDEL s 1-1", ":1\r\n"),
    SAID("XTRIM s MINID 3 DELREF", ":1\r\n"),
    SAID("XPENDING s g", PENDING("2", "1-1", "3-1")), /* 1-1 was gone, and is no entry that was trimmed */
    SAID("XADD s MAXLEN 2 DELREF 6-1 f v", "$3\r\n6-1\r\n"),
    SAID("XPENDING s g", PENDING("1", "1-1", "1-1")),
    SAID("XPENDING s h", PENDING("1", "1-1", "1-1")),
    SAID("XRANGE s - +", "*2\r\n" SAID_ENTRY("5-1") SAID_ENTRY("6-1")),
};

/* ACKED: an entry goes if all groups have acknowledged it, and so were given it. */
static const exchange acknowledged[] = {
    FIVE,
    SAID("XDELEX s ACKED IDS 6 1-1 2-1 3-1 4-1 5-1 9-9", "*6\r\n:2\r\n:2\r\n:2\r\n:2\r\n:2\r\n:-1\r\n"),
    SAID("XACKDEL s g ACKED IDS 2 1-1 4-1", "*2\r\n:2\r\n:-1\r\n"),
    SAID("XPENDING s g", PENDING("2", "2-1", "3-1")),
    SAID("XACKDEL s h ACKED IDS 2 1-1 2-1", "*2\r\n:1\r\n:2\r\n"),
    SAID("XACK s g 2-1", ":1\r\n"),
    SAID("XDELEX s ACKED IDS 2 2-1 3-1", "*2\r\n:1\r\n:2\r\n"),
    SAID("XACKDEL s h ACKED IDS 1 4-1", "*1\r\n:2\r\n"), /* g was not given it */
    SAID("XRANGE s - +", "*3\r\n" SAID_ENTRY("3-1") SAID_ENTRY("4-1") SAID_ENTRY("5-1")),
    SAID("XGROUP SETID s g 4-1", "+OK\r\n"),
    SAID("XTRIM s MAXLEN 0 ACKED", ":1\r\n"), /* 4-1: the entry before it stays */
    SAID("XRANGE s - +", "*2\r\n" SAID_ENTRY("3-1") SAID_ENTRY("5-1")),
    SAID("XACK s g 3-1", ":1\r\n"),
    SAID("XACK s h 3-1", ":1\r\n"),
    SAID("XADD s MAXLEN 1 ACKED 6-1 f v", "$3\r\n6-1\r\n"),
    SAID("XRANGE s - +", "*2\r\n" SAID_ENTRY("5-1") SAID_ENTRY("6-1")), /* 5-1 was not delivered */
    SAID("XGROUP DESTROY s g", ":1\r\n"),
    SAID("XGROUP DESTROY s h", ":1\r\n"),
    SAID("XDELEX s ACKED IDS 1 5-1", "*1\r\n:1\r\n"),
    SAID("XTRIM s MINID 7 ACKED", ":1\r\n"),
};

static void replies_are_as_documented(void) {
  REPLAY(arguments);
  REPLAY(keeping);
  REPLAY(removing);
  REPLAY(trimming);
  REPLAY(acknowledged);
}

/* A watch notices entries that go, and not a mere acknowledgement. */
static void a_watch_notices_what_is_deleted(void) {
  static const struct {
    const char *change;
    bool noticed;
  } each[] = {{"XDELEX s IDS 1 1-1\r\n", true},           {"XDELEX s IDS 1 9-9\r\n", false},
              {"XDELEX s ACKED IDS 1 1-1\r\n", false},    {"XACKDEL s g IDS 1 1-1\r\n", true},
              {"XACKDEL s g ACKED IDS 1 1-1\r\n", false}, {"XACKDEL s g DELREF IDS 1 2-1\r\n", false},
              {"XTRIM s MAXLEN 0 ACKED\r\n", false},      {"XTRIM s MAXLEN 0 DELREF\r\n", true}};
  open_store();
  rig_client a = client(), p = client();
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    tell(&p, "DEL s\r\nXADD s 1-1 f v\r\nXGROUP CREATE s g 0\r\nXGROUP CREATE s h 0\r\n");
    tell(&p, "XREADGROUP GROUP g c STREAMS s >\r\nXREADGROUP GROUP h c STREAMS s >\r\n");
    tell(&a, "WATCH s\r\n");
    tell(&p, each[i].change);
    tell(&a, "MULTI\r\nPING\r\n");
    const char *reply = tell(&a, "EXEC\r\n");
    bool noticed = strcmp(reply, "*-1\r\n") == 0;
    if (noticed != each[i].noticed) CHECK_FAIL("%s%s", each[i].change, reply);
  }
  rig_client_free(&a);
  rig_client_free(&p);
  close_store();
}

/* Entries that go wake nobody, and those who wait are served by the next entry. */
static void readers_go_on_waiting(void) {
  open_store();
  rig_client a = client(), b = client(), p = client();
  tell(&p, "XADD s 1-1 f v\r\nXGROUP CREATE s g 0\r\nXREADGROUP GROUP g c STREAMS s >\r\n");
  IS(tell(&a, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n"), "");
  IS(tell(&b, "XREAD BLOCK 0 STREAMS s $\r\n"), "");
  IS(tell(&p, "XACKDEL s g IDS 1 1-1\r\nXDELEX s IDS 1 1-1\r\n"), "*1\r\n:1\r\n*1\r\n:-1\r\n");
  CHECK_INT(rd_waits_count(&st), 2);
  IS(tell(&p, "XADD s MAXLEN 0 DELREF 2-1 f v\r\nXLEN s\r\nXPENDING s g\r\n"), "$3\r\n2-1\r\n:0\r\n" NO_PENDING);
  CHECK_INT(rd_waits_count(&st), 2); /* it was gone before they could be served */
  IS(tell(&p, "XADD s MAXLEN 0 ACKED 3-1 f v\r\n"), "$3\r\n3-1\r\n");
  CHECK_INT(rd_waits_count(&st), 0);
  rig_client_free(&a);
  rig_client_free(&b);
  rig_client_free(&p);
  close_store();
}

int main(void) {
  RUN(replies_are_as_documented);
  RUN(a_watch_notices_what_is_deleted);
  RUN(readers_go_on_waiting);
  return check_end();
}
