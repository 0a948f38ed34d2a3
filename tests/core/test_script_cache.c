/* test_script_cache.c - scripts that one worker has loaded or run are known to all: after the death of that worker and
 * after a restart, too, and no more once they are flushed. The workers are two stores over one arena. */
#include "base/sha1.h"
#include "pubsub_fixture.h"
#include "script/lua.h"
#include "store/scripts.h"

#define NOSCRIPT "-NOSCRIPT No matching script. Please use EVAL.\r\n"
#define ONE "e0e1f9fabfc9d4800c877a703b823ac0578ff8db" /* return 1 */

static rig_client here, there;

static void open_both(void) {
  open_store();
  open_second();
  here = client();
  there = rig_client_new(&second, NULL);
}

static void close_both(void) {
  CHECK_INT(st.held[0] | second.held[0], 0);
  rig_client_free(&there);
  rig_client_free(&here);
  close_second();
  close_store();
}

static const char *sha_of(const char *body) {
  static char hex[RD_SHA1_HEX + 1];
  uint8_t digest[RD_SHA1_BYTES];
  rd_sha1(body, strlen(body), digest);
  rd_sha1_hex(digest, hex);
  return hex;
}

/* EVALSHA of a body, by its SHA-1 alone. */
static const char *by_sha(rig_client *c, const char *body) {
  char line[100];
  snprintf(line, sizeof line, "EVALSHA %s 0\r\n", sha_of(body));
  return tell(c, line);
}

static const char *run(rig_client *c, const char *body) {
  char line[1000];
  snprintf(line, sizeof line, "EVAL \"%s\" 0\r\n", body);
  return tell(c, line);
}

static void each_worker_knows_the_scripts_of_the_other(void) {
  open_both();
  IS(tell(&there, "EVALSHA " ONE " 0\r\n"), NOSCRIPT);
  IS(tell(&here, "SCRIPT LOAD \"return 1\"\r\n"), "$40\r\n" ONE "\r\n");
  IS(tell(&there, "EVALSHA " ONE " 0\r\n"), ":1\r\n");
  IS(run(&there, "return 2"), ":2\r\n");
  IS(by_sha(&here, "return 2"), ":2\r\n");
  IS(tell(&here, "SCRIPT EXISTS " ONE " x ffffffffffffffffffffffffffffffffffffffff\r\n"), "*3\r\n:1\r\n:0\r\n:0\r\n");
  CHECK_INT(rd_scripts_count(&st), 2);
  close_both();
}

static void a_flush_reaches_all_workers(void) {
  open_both();
  run(&here, "return 1");
  IS(tell(&there, "EVALSHA " ONE " 0\r\n"), ":1\r\n");
  IS(tell(&there, "SCRIPT FLUSH\r\n"), OK);
  IS(tell(&here, "EVALSHA " ONE " 0\r\n"), NOSCRIPT);
  IS(tell(&there, "EVALSHA " ONE " 0\r\n"), NOSCRIPT);
  IS(run(&here, "return 1"), ":1\r\n"); /* compiled already, it comes back */
  IS(tell(&there, "EVALSHA " ONE " 0\r\n"), ":1\r\n");
  CHECK_INT(rd_scripts_count(&st), 1);
  close_both();
}

static void scripts_outlive_their_worker_and_the_run(void) {
  open_both();
  run(&there, "return 7");
  tell(&there, "SCRIPT LOAD \"return 1\"\r\n");
  rig_client_free(&there);
  close_second();
  IS(by_sha(&here, "return 7"), ":7\r\n");
  rig_client_free(&here);
  char err[200];
  int kept = dup(st.fd);
  rd_worker_leave(&st);
  rd_detach(&st);
  CHECK_INT(rd_attach_alone(&st, kept, err, sizeof err), 0);
  CHECK(rd_worker_join(&st, 0) >= 0);
  here = client();
  IS(by_sha(&here, "return 7"), ":7\r\n");
  IS(tell(&here, "EVALSHA " ONE " 0\r\n"), ":1\r\n");
  rig_client_free(&here);
  close_store();
  close(kept);
}

static void bodies_of_eval_leave_and_loaded_ones_stay(void) {
  open_both();
  char body[60], line[100];
  tell(&here, "SCRIPT LOAD \"return 1\"\r\n");
  run(&here, "return 1"); /* running it does not make it one that leaves */
  for (uint32_t n = 1000; n < 1000 + 2 * RD_SCRIPTS_EVALED; n++) {
    snprintf(body, sizeof body, "return %u", n);
    snprintf(line, sizeof line, ":%u\r\n", n);
    IS(run(&here, body), line);
  }
  CHECK(rd_scripts_count(&st) <= RD_SCRIPTS_EVALED + 1);
  IS(by_sha(&there, "return 1000"), NOSCRIPT);
  IS(by_sha(&here, "return 1000"), NOSCRIPT); /* not even where it is compiled */
  IS(by_sha(&there, body), line);
  IS(tell(&there, "EVALSHA " ONE " 0\r\n"), ":1\r\n");
  close_both();
}

static void a_script_that_strays_is_known_as_one(void) {
  open_both();
  const char *body = "return redis.call('incr','some-key-that-it-does-not-name')";
  char line[200];
  run(&here, body);
  snprintf(line, sizeof line, "EVALSHA %s 1 k\r\n",
           sha_of("redis.call('incr',ARGV[1]) return redis.call('get',KEYS[1])"));
  IS(tell(&here, "EVAL \"redis.call('incr',ARGV[1]) return redis.call('get',KEYS[1])\" 1 k k\r\n"), "$1\r\n1\r\n");
  snprintf(line, sizeof line, "EVALSHA %s 1 k ", sha_of("redis.call('incr',ARGV[1]) return redis.call('get',KEYS[1])"));
  rd_script_info info = {0};
  uint8_t sha[RD_SHA1_BYTES];
  const char *hex = sha_of("redis.call('incr',ARGV[1]) return redis.call('get',KEYS[1])");
  CHECK(rd_sha1_parse((rd_bytes){(const uint8_t *)hex, RD_SHA1_HEX}, sha));
  rd_key key = rd_script_key(&st, sha);
  for (char other = 'a'; other <= 'z'; other++) { /* one of these is in another shard */
    char request[220];
    snprintf(request, sizeof request, "%s%c\r\n", line, other);
    CHECK(tell(&here, request)[0] == '$');
  }
  rd_lock_keys(&st, &key, 1);
  CHECK(rd_script_find(&st, &key, &info));
  rd_unlock_all(&st);
  CHECK_INT(info.flags, RD_SCRIPT_WANDERS);
  close_both();
}

static void scripts_that_do_not_fit_run_and_are_not_kept(void) {
  open_both();
  rd_set_max_memory(&st, 8u << 20); /* the bound of all bodies is an eighth of it */
  static char body[40000], line[42000];
  memset(body, ' ', sizeof body - 1);
  uint32_t loaded = 0;
  for (;; loaded++) {
    int n = snprintf(body, sizeof body, "return %u --", 1000 + loaded);
    body[n] = ' ';
    snprintf(line, sizeof line, "SCRIPT LOAD \"%s\"\r\n", body);
    if (tell(&here, line)[0] != '$') break;
  }
  CHECK(loaded > 20 && loaded < 27);
  snprintf(line, sizeof line, "EVAL \"%s\" 0\r\n", body);
  CHECK(tell(&here, line)[0] == ':');
  IS(by_sha(&here, body), NOSCRIPT);
  IS(tell(&here, "SCRIPT FLUSH ASYNC\r\n"), OK);
  st.now_ms += 1000; /* it is not tried all the time */
  CHECK(tell(&here, line)[0] == ':');
  CHECK(by_sha(&there, body)[0] == ':');
  close_both();
}

static void scripts_are_loaded_within_a_transaction(void) {
  open_both();
  IS(tell(&here, "MULTI\r\nSCRIPT LOAD \"return 1\"\r\nEVALSHA " ONE " 0\r\nSCRIPT EXISTS " ONE "\r\nSCRIPT FLUSH\r\n"
                 "EVALSHA " ONE " 0\r\nEVAL \"return 3\" 0\r\nEXEC\r\n"),
     OK QUEUED QUEUED QUEUED QUEUED QUEUED QUEUED "*6\r\n$40\r\n" ONE "\r\n:1\r\n*1\r\n:1\r\n" OK NOSCRIPT ":3\r\n");
  IS(by_sha(&there, "return 3"), ":3\r\n");
  close_both();
}

int main(void) {
  const char *wrong = rd_lua_load("liblua5.1.so.0");
  if (wrong != NULL) {
    printf("skipped: %s\n", wrong);
    return 0;
  }
  RUN(each_worker_knows_the_scripts_of_the_other);
  RUN(a_flush_reaches_all_workers);
  RUN(scripts_outlive_their_worker_and_the_run);
  RUN(bodies_of_eval_leave_and_loaded_ones_stay);
  RUN(a_script_that_strays_is_known_as_one);
  RUN(scripts_that_do_not_fit_run_and_are_not_kept);
  RUN(scripts_are_loaded_within_a_transaction);
  return check_end();
}
