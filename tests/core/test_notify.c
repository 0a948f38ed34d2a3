/* test_notify.c - the events of keys, as messages: which channels, in which order, once, and at what cost when nobody
 * listens. test_events.c tests which events each command has. */
#include "arena/layout.h"
#include "faults.h"
#include "pubsub_fixture.h"
#include "session/events.h"
#include "session/records.h"
#include "store/event.h"
#include "store/expire.h"

#define ALL (((1u << 10) - 1) | RD_NOTIFY_KEYSPACE | RD_NOTIFY_KEYEVENT)

/* The channels and texts of the messages that a client with a pattern got: "channel=text ". Keys have no white space.
 */
static const char *events(rig_client *c) {
  static char found[1 << 16];
  size_t n = 0;
  char *words = (char *)(uintptr_t)said(c), *save = NULL, *channel = NULL;
  found[0] = 0;
  for (char *word = strtok_r(words, "\r\n", &save); word != NULL; word = strtok_r(NULL, "\r\n", &save)) {
    if (word[0] == '$' || word[0] == '*' || word[0] == '>' || strcmp(word, "pmessage") == 0) continue;
    if (channel == NULL) {
      channel = strncmp(word, "__key", 5) == 0 ? word : NULL;
      continue;
    }
    n += (size_t)snprintf(found + n, sizeof found - n, "%s=%s ", channel + 5, word);
    channel = NULL;
  }
  return found;
}

static rig_client listener(rd_store *on, const char *pattern) {
  rig_client c = rig_client_new(on, NULL);
  char text[100];
  snprintf(text, sizeof text, "PSUBSCRIBE %s\r\n", pattern);
  tell(&c, text);
  return c;
}

static void each_event_goes_to_the_channel_of_its_key_and_to_that_of_its_name(void) {
  open_store();
  rig_client c = listener(&st, "_*"), p = client();
  rd_set_notify(&st, ALL);
  IS(tell(&p, "SET a 1 EX 100\r\n"), OK);
  IS(events(&c), "space@0__:a=set event@0__:set=a space@0__:a=expire event@0__:expire=a ");
  tell(&p, "SELECT 3\r\nLPUSH l x\r\nLPOP l\r\nGET none\r\n");
  IS(events(&c),
     "space@3__:l=lpush event@3__:lpush=l space@3__:l=lpop event@3__:lpop=l space@3__:l=del event@3__:del=l ");
  rd_set_notify(&st, RD_NOTIFY_KEYEVENT | RD_CLASS_GENERIC | rd_event_letter('m') | rd_event_letter('n'));
  tell(&p, "SET b 1\r\nDEL b\r\nGET b\r\n");
  IS(events(&c), "event@3__:new=b event@3__:del=b event@3__:keymiss=b ");
  rd_set_notify(&st, RD_NOTIFY_KEYSPACE | RD_CLASS_STRING);
  tell(&p, "SET b 1\r\nFLUSHALL\r\n");
  IS(events(&c), "space@3__:b=set ");
  CHECK_INT(rd_event_letter('$'), RD_CLASS_STRING);
  CHECK_INT(rd_event_letter('K') | rd_event_letter('A') | rd_event_letter('?') | rd_event_letter(0), 0);
  rig_client_free(&c);
  rig_client_free(&p);
  close_store();
}

static void while_nobody_listens_no_event_is_noted(void) {
  open_store();
  rig_client p = client();
  tell(&p, "SET a 1\r\n");
  CHECK_INT(st.listening, 0);
  rd_set_notify(&st, ALL);
  tell(&p, "SET a 1\r\n");
  CHECK_INT(st.listening, 0);
  rig_client c = listener(&st, "_*");
  tell(&p, "SET a 1\r\n");
  CHECK(st.listening != 0);
  rd_set_notify(&st, ALL & ~(RD_NOTIFY_KEYSPACE | RD_NOTIFY_KEYEVENT)); /* neither K nor E */
  tell(&p, "SET a 1\r\n");
  CHECK_INT(st.listening, 0);
  rd_set_notify(&st, ALL);
  rig_client_free(&c);
  tell(&p, "SET a 1\r\n");
  CHECK_INT(st.listening, 0);
  CHECK(st.events == NULL || st.events->len == 0);
  rig_client_free(&p);
  close_store();
}

static void expired_comes_once_whoever_removes_the_key(void) {
  open_store();
  open_second();
  rig_client c = listener(&st, "_*expired"), p = client(), q = rig_client_new(&second, NULL);
  rd_set_notify(&st, ALL);
  tell(&p, "SET a 1 PX 10\r\nSET b 1 PX 10\r\n");
  st.now_ms += 20;
  second.now_ms = st.now_ms;
  IS(tell(&q, "GET a\r\n"), "$-1\r\n"); /* lazily, in the other worker */
  IS(tell(&p, "GET a\r\n"), "$-1\r\n");
  rd_records_read(&st);
  IS(events(&c), "event@0__:expired=a ");
  rd_events_begin(&second);
  while (!rd_sweep(&second, 0, second.num_shards, 0)) continue;
  while (!rd_sweep(&st, 0, st.num_shards, 0)) continue;
  rd_records_read(&st);
  IS(events(&c), "event@0__:expired=b ");
  rig_client_free(&c);
  rig_client_free(&p);
  rig_client_free(&q);
  close_second();
  close_store();
}

static void the_changes_of_a_key_come_in_their_order_whichever_worker_makes_them(void) {
  open_store();
  open_second();
  rig_client c = listener(&st, "_*:n"), d = listener(&second, "_*:n"), p = client(), q = rig_client_new(&second, NULL);
  rd_set_notify(&st, ALL);
  tell(&p, "SET n 1\r\n");
  tell(&q, "INCR n\r\n");
  tell(&p, "APPEND n 1\r\n");
  tell(&q, "DEL n\r\n");
  rd_records_read(&st);
  rd_records_read(&second);
  IS(events(&c), "space@0__:n=set space@0__:n=incrby space@0__:n=append space@0__:n=del ");
  IS(events(&d), "space@0__:n=set space@0__:n=incrby space@0__:n=append space@0__:n=del ");
  rig_client_free(&c);
  rig_client_free(&d);
  rig_client_free(&p);
  rig_client_free(&q);
  close_second();
  close_store();
}

static void a_transaction_publishes_before_its_locks_are_released_and_behind_its_own_reply(void) {
  open_store();
  rig_client p = client(), c = listener(&st, "_*");
  tell(&p, "HELLO 3\r\nSUBSCRIBE __keyspace@0__:a\r\n");
  rd_set_notify(&st, ALL);
  IS(tell(&p, "MULTI\r\nSET a 1\r\nINCR a\r\nDEL a\r\nEXEC\r\nGET a\r\n"), OK QUEUED QUEUED QUEUED
     "*3\r\n+OK\r\n:2\r\n:1\r\n"
     ">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:a\r\n$3\r\nset\r\n"
     ">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:a\r\n$6\r\nincrby\r\n"
     ">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:a\r\n$3\r\ndel\r\n"
     "_\r\n");
  IS(events(&c),
     "space@0__:a=set event@0__:set=a space@0__:a=incrby event@0__:incrby=a space@0__:a=del "
     "event@0__:del=a ");
  rig_client_free(&c);
  rig_client_free(&p);
  close_store();
}

static void long_keys_and_many_events_come_whole(void) {
  open_store();
  rig_client c = listener(&st, "__keyevent@0__:del"), p = client();
  enum { KEYS = 300, BYTES = 10000 };
  char *text = malloc((size_t)KEYS * (BYTES + 20) + 100);
  size_t n = 0;
  rd_set_notify(&st, ALL);
  for (int i = 0; i < KEYS; i++) {
    n = (size_t)sprintf(text, "*3\r\n$3\r\nSET\r\n$%d\r\n%0*d\r\n$1\r\nx\r\n", BYTES, BYTES, i);
    rig_feed(&p, text, n, n);
  }
  n = (size_t)sprintf(text, "*%d\r\n$3\r\nDEL\r\n", KEYS + 1);
  for (int i = 0; i < KEYS; i++) n += (size_t)sprintf(text + n, "$%d\r\n%0*d\r\n", BYTES, BYTES, i);
  said(&p);
  rig_feed(&p, text, n, n);
  free(text);
  IS(said(&p), ":300\r\n");
  rig_write(&c);
  size_t each =
      strlen("*4\r\n$8\r\npmessage\r\n$18\r\n__keyevent@0__:del\r\n$18\r\n__keyevent@0__:del\r\n$10000\r\n\r\n") +
      BYTES;
  CHECK_INT(c.len, KEYS * each);
  for (size_t i = 0; i < KEYS && c.len == KEYS * each; i++) {
    char digits[8];
    snprintf(digits, sizeof digits, "%05u", (unsigned)i);
    CHECK(memcmp(c.out + (i + 1) * each - 7, digits, 5) == 0);
  }
  rig_client_free(&c);
  rig_client_free(&p);
  close_store();
}

static void an_event_without_memory_is_not_lost_in_silence(void) {
  enum { BYTES = 9000 };
  static char request[BYTES + 100], wanted[2 * BYTES + 200];
  int len = snprintf(request, sizeof request, "*3\r\n$3\r\nSET\r\n$%d\r\n%0*d\r\n$1\r\nx\r\n", BYTES, BYTES, 7);
  snprintf(wanted, sizeof wanted, "space@0__:%0*d=set event@0__:set=%0*d ", BYTES, 7, BYTES, 7);
  unsigned failures = 0;
  for (uint64_t n = 0; n < 12; n++) {
    open_store();
    rig_client c = listener(&st, "_*"), p = client();
    rd_set_notify(&st, ALL);
    tell(&p, "PING\r\n");
    fault_arm(&process_fault, n, true);
    rd_session_feed(p.session, (const uint8_t *)request, (size_t)len, st.now_ms);
    fault_disarm(&process_fault);
    bool whole = strcmp(events(&c), wanted) == 0;
    bool set = strcmp(said(&p), OK) == 0, ended = rd_session_state_of(c.session)->overflowed != RD_OVERFLOW_NONE;
    CHECK(!set || whole || ended || rd_worker_at(&st, 0)->roll.lost != 0);
    failures += !whole;
    rig_client_free(&c);
    rig_client_free(&p);
    close_store();
  }
  CHECK(failures > 1);
}

int main(void) {
  RUN(each_event_goes_to_the_channel_of_its_key_and_to_that_of_its_name);
  RUN(while_nobody_listens_no_event_is_noted);
  RUN(expired_comes_once_whoever_removes_the_key);
  RUN(the_changes_of_a_key_come_in_their_order_whichever_worker_makes_them);
  RUN(a_transaction_publishes_before_its_locks_are_released_and_behind_its_own_reply);
  RUN(long_keys_and_many_events_come_whole);
  RUN(an_event_without_memory_is_not_lost_in_silence);
  return check_end();
}
