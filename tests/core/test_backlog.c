/* test_backlog.c - messages that take long to deliver: other clients are served meanwhile, and see no difference. */
#include "arena/layout.h"
#include "pubsub_fixture.h"
#include "session/backlog.h"
#include "session/handover.h"
#include "session/records.h"
#include "session/subscribed.h"

enum { MANY = 40, LARGE = 300000 };

/* Publish a message that begins with a number; `bytes` long. */
static void publish(rig_client *p, const char *channel, unsigned number, size_t bytes) {
  char *text = malloc(bytes + 200);
  int n = snprintf(text, 200, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, bytes);
  memset(text + n, '.', bytes);
  char digits[16];
  snprintf(digits, sizeof digits, "%08u", number);
  memcpy(text + n, digits, 8);
  memcpy(text + n + bytes, "\r\n", 2);
  rig_feed(p, text, (size_t)n + bytes + 2, (size_t)n + bytes + 2);
  free(text);
}

/* The numbers of the messages in what a client got since the last call, and its other words: "1 2 subscribe ". */
static const char *heard(rig_client *c) {
  static char words[1 << 16];
  size_t n = 0;
  words[0] = 0;
  rig_write(c);
  for (size_t at = 0; at < c->len;) {
    const uint8_t *end = memchr(c->out + at, '\n', c->len - at);
    if (end == NULL) break;
    const char *line = (const char *)c->out + at;
    size_t len = (size_t)(end - c->out) - at - 1;
    at += len + 2;
    bool word = len > 6 && line[0] >= 'a' && line[0] <= 'z' && memcmp(line, "message", 7) != 0 && line[1] != 'm';
    if (line[0] == '0')
      n += (size_t)snprintf(words + n, sizeof words - n, "%d ",
                            atoi((char[9]){line[0], line[1], line[2], line[3], line[4], line[5], line[6], line[7], 0}));
    else if (word || line[0] == '+')
      n += (size_t)snprintf(words + n, sizeof words - n, "%.*s ", (int)len, line);
  }
  c->len = 0;
  return words;
}

static rig_client subscriber(const char *command) {
  rig_client c = client();
  rig_say(&c, "HELLO 3\r\n");
  rig_say(&c, command);
  heard(&c);
  return c;
}

static void a_message_with_much_to_copy_is_delivered_in_slices(void) {
  open_store();
  rig_client c[MANY], p = client();
  for (int i = 0; i < MANY; i++) c[i] = subscriber(i % 2 ? "SUBSCRIBE a\r\n" : "PSUBSCRIBE ?\r\n");
  publish(&p, "a", 1, LARGE);
  IS(said(&p), ":40\r\n");
  publish(&p, "a", 2, 8); /* behind it, for all */
  int slices = 0;
  for (; rd_backlog_waits(&st); slices++) rd_backlog_go_on(&st);
  for (int i = 0; i < MANY; i++) IS(heard(&c[i]), "1 2 ");
  IS(said(&p), ":40\r\n");
  publish(&p, "a", 3, LARGE);
  size_t had = 0;
  CHECK(st.scratch > LARGE);
  rd_backlog_go_on(&st);
  for (int i = 0; i < MANY; i++) {
    rig_write(&c[i]);
    had += c[i].len != 0;
  }
  CHECK(had > 0 && had < MANY / 2);
  for (slices = 1; rd_backlog_waits(&st); slices++) rd_backlog_go_on(&st);
  CHECK_INT(slices, 3); /* of 40 * 300,000 bytes, 4 MiB each */
  for (int i = 0; i < MANY; i++) {
    IS(heard(&c[i]), "3 ");
    rig_client_free(&c[i]);
  }
  CHECK_INT(st.scratch, 0);
  rig_client_free(&p);
  close_store();
}

static void a_client_has_what_is_due_before_replies_confirmations_and_later_messages(void) {
  open_store();
  rig_client c[MANY], p = client();
  for (int i = 0; i < MANY; i++) c[i] = subscriber("SUBSCRIBE a b\r\n");
  publish(&p, "a", 1, LARGE);
  publish(&p, "b", 2, LARGE);
  rig_say(&c[3], "PING\r\n");
  IS(heard(&c[3]), "1 2 +PONG ");
  rig_say(&c[4], "UNSUBSCRIBE a\r\n");
  IS(heard(&c[4]), "1 2 unsubscribe ");
  rig_say(&c[5], "RESET\r\n");
  IS(heard(&c[5]), "1 2 +RESET ");
  rig_say(&c[6], "UNSUBSCRIBE a\r\nSUBSCRIBE a\r\nPUBLISH a 00000003\r\nPING\r\n");
  IS(heard(&c[6]), "1 2 unsubscribe subscribe 3 +PONG ");
  while (rd_backlog_waits(&st)) rd_backlog_go_on(&st);
  IS(heard(&c[7]), "1 2 3 ");
  IS(heard(&c[6]), "");
  IS(heard(&c[4]), "");
  publish(&c[8], "a", 4, LARGE); /* to itself */
  rig_say(&c[8], "PING\r\n");
  IS(heard(&c[8]), "1 2 3 4 +PONG ");
  for (int i = 0; i < MANY; i++) rig_client_free(&c[i]);
  CHECK_INT(st.scratch, 0);
  rig_client_free(&p);
  close_store();
}

/* Clients come, go, subscribe and unsubscribe between slices. What each should hear is known, since a message counts
 * for those who subscribe when it is published. */
static void whatever_changes_between_slices_each_gets_each_message_once_and_in_order(void) {
  enum { CLIENTS = 60, STEPS = 1500 };
  static const char *const names[] = {"a", "b", "a*", "?", "*b"};
  static const bool to_a[] = {true, false, true, true, false}, to_b[] = {false, true, false, true, true};
  static char expected[CLIENTS][8000];
  static size_t lengths[CLIENTS];
  static bool has[CLIENTS][5];
  rig_client c[CLIENTS], p;
  uint64_t dice = 16;
  open_store();
  p = client();
  for (int i = 0; i < CLIENTS; i++) {
    c[i] = subscriber("PING\r\n");
    lengths[i] = 0;
    memset(has[i], 0, sizeof has[i]);
  }
  for (unsigned step = 1; step <= STEPS && check_ok; step++) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    unsigned what = (unsigned)(dice >> 33) % 100, k = (unsigned)(dice >> 40) % 5;
    int i = (int)((dice >> 50) % CLIENTS);
    char text[100];
    if (what < 50) {
      snprintf(text, sizeof text, "%s%s %s\r\n", k > 1 ? "P" : "", has[i][k] ? "UNSUBSCRIBE" : "SUBSCRIBE", names[k]);
      rig_say(&c[i], text);
      lengths[i] += (size_t)snprintf(expected[i] + lengths[i], sizeof expected[i] - lengths[i], "%s%s ",
                                     k > 1 ? "p" : "", has[i][k] ? "unsubscribe" : "subscribe");
      has[i][k] = !has[i][k];
    } else if (what < 55) {
      rig_client_free(&c[i]);
      c[i] = subscriber("PING\r\n");
      lengths[i] = 0;
      expected[i][0] = 0;
      memset(has[i], 0, sizeof has[i]);
    } else if (what < 70) {
      bool a = k < 3;
      unsigned receivers = 0;
      publish(&p, a ? "a" : "b", step, what < 65 ? LARGE : 8);
      for (int j = 0; j < CLIENTS; j++) {
        for (unsigned n = 0; n < 5; n++) {
          if (!has[j][n] || !(a ? to_a[n] : to_b[n])) continue;
          receivers++;
          lengths[j] += (size_t)snprintf(expected[j] + lengths[j], sizeof expected[j] - lengths[j], "%u ", step);
        }
      }
      snprintf(text, sizeof text, ":%u\r\n", receivers);
      IS(said(&p), text);
    } else if (what < 90) {
      rd_backlog_go_on(&st);
    } else {
      rig_say(&c[i], "PING\r\n");
      lengths[i] += (size_t)snprintf(expected[i] + lengths[i], sizeof expected[i] - lengths[i], "+PONG ");
      IS(heard(&c[i]), expected[i]);
      lengths[i] = 0;
      expected[i][0] = 0;
    }
  }
  while (rd_backlog_waits(&st)) rd_backlog_go_on(&st);
  for (int i = 0; i < CLIENTS; i++) {
    IS(heard(&c[i]), expected[i]);
    rig_client_free(&c[i]);
  }
  CHECK_INT(st.scratch, 0);
  rig_client_free(&p);
  close_store();
}

static void a_publisher_waits_while_too_much_is_to_be_delivered(void) {
  open_store();
  rig_client a = subscriber("SUBSCRIBE a\r\n"), b = subscriber("SUBSCRIBE a\r\n"), p = client(), q = client();
  for (unsigned i = 0; i < 9; i++) publish(&p, "a", i, 8 << 20);
  CHECK(rd_backlog_is_full(&st));
  IS(said(&p), ":2\r\n:2\r\n:2\r\n:2\r\n:2\r\n:2\r\n:2\r\n:2\r\n:2\r\n");
  CHECK_INT(rd_session_feed(q.session, (const uint8_t *)"PUBLISH a 00000009\r\n", 20, st.now_ms), RD_BUSY);
  while (rd_backlog_is_full(&st)) rd_backlog_go_on(&st);
  CHECK_INT(rd_session_resume(q.session, st.now_ms), RD_MORE);
  IS(said(&q), ":2\r\n");
  IS(heard(&a), "0 1 2 3 4 5 6 7 8 9 ");
  rig_client_free(&a);
  rig_client_free(&b);
  CHECK_INT(st.scratch, 0);
  rig_client_free(&p);
  rig_client_free(&q);
  close_store();
}

static void a_session_that_moves_takes_what_is_due_with_it(void) {
  open_store();
  open_second();
  rig_client c[MANY], p = client(), moved = {.st = &second};
  for (int i = 0; i < MANY; i++) c[i] = subscriber("SUBSCRIBE a\r\n");
  publish(&p, "a", 1, LARGE);
  uint8_t *bytes = NULL;
  size_t len;
  char err[200];
  CHECK_INT(rd_session_save(c[0].session, (rd_bytes){NULL, 0}, &bytes, &len), RD_SAVED);
  publish(&p, "a", 2, LARGE);
  const rd_limits usual = {.batch_size = 16, .output_high = 1u << 20, .query_limit = 1ull << 30};
  moved.session = rd_session_load(&second, &usual, bytes, len, err, sizeof err);
  free(bytes);
  CHECK(moved.session != NULL);
  publish(&p, "a", 3, LARGE);
  rig_client_free(&c[0]);
  for (int i = 0; i < 20; i++) {
    rd_records_read(&second);
    rd_ring_flush(&st);
  }
  IS(heard(&moved), "1 2 3 ");
  for (int i = 1; i < MANY; i++) rig_client_free(&c[i]);
  rig_client_free(&moved);
  rig_client_free(&p);
  close_second();
  close_store();
}

int main(void) {
  RUN(a_message_with_much_to_copy_is_delivered_in_slices);
  RUN(a_client_has_what_is_due_before_replies_confirmations_and_later_messages);
  RUN(whatever_changes_between_slices_each_gets_each_message_once_and_in_order);
  RUN(a_publisher_waits_while_too_much_is_to_be_delivered);
  RUN(a_session_that_moves_takes_what_is_due_with_it);
  return check_end();
}
