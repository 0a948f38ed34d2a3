/* test_functions.c - libraries of functions that one worker has loaded are those of all, also after its death and a
 * restart; what changes in one changes in all. The workers are two stores over one arena. */
#include "pubsub_fixture.h"
#include "script/lua.h"
#include "store/scripts.h"

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

#define LIBRARY(name, function, body) \
  "#!lua name=" name "\\nredis.register_function('" function "',function(k,a) " body " end)"
#define LOAD(code) "FUNCTION LOAD \"" code "\"\r\n"
#define REPLACE(code) "FUNCTION LOAD REPLACE \"" code "\"\r\n"
#define NONE "-ERR Function not found\r\n"

static void each_worker_has_the_libraries_of_the_other(void) {
  open_both();
  IS(tell(&here, LOAD(LIBRARY("a", "f", "return 1"))), "$1\r\na\r\n");
  IS(tell(&there, "FCALL f 0\r\n"), ":1\r\n");
  IS(tell(&there, LOAD(LIBRARY("a", "g", "return 2"))), "-ERR Library 'a' already exists\r\n");
  IS(tell(&there, LOAD(LIBRARY("b", "f", "return 2"))), "-ERR Function f already exists\r\n");
  IS(tell(&there, REPLACE(LIBRARY("a", "f", "return 3"))), "$1\r\na\r\n");
  IS(tell(&here, "FCALL f 0\r\n"), ":3\r\n");
  IS(tell(&here, "FUNCTION DELETE a\r\n"), OK);
  IS(tell(&there, "FCALL f 0\r\n"), NONE);
  IS(tell(&there, LOAD(LIBRARY("b", "f", "return 2"))), "$1\r\nb\r\n");
  IS(tell(&here, "FUNCTION STATS\r\n"),
     "*4\r\n$14\r\nrunning_script\r\n$-1\r\n$7\r\nengines\r\n*2\r\n$3\r\nLUA\r\n*4\r\n$15\r\nlibraries_count\r\n:1\r\n$"
     "15\r\n"
     "functions_count\r\n:1\r\n");
  IS(tell(&here, "FUNCTION FLUSH\r\n"), OK);
  IS(tell(&there, "FCALL f 0\r\n"), NONE);
  CHECK_INT(rd_libraries_count(&st), 0);
  close_both();
}

static void a_library_keeps_its_state_when_another_one_changes(void) {
  open_both();
  tell(&here, LOAD("#!lua name=a\\nlocal n=0 redis.register_function('n',function() n=n+1 return n end)"));
  IS(tell(&here, "FCALL n 0\r\n"), ":1\r\n");
  tell(&there, LOAD(LIBRARY("b", "f", "return 1")));
  IS(tell(&here, "FCALL n 0\r\n"), ":2\r\n");
  IS(tell(&here, "FCALL f 0\r\n"), ":1\r\n");
  close_both();
}

static void libraries_outlive_their_worker_and_the_run(void) {
  open_both();
  tell(&there, LOAD(LIBRARY("a", "f", "return redis.call('incr',k[1])")));
  rig_client_free(&there);
  close_second();
  IS(tell(&here, "FCALL f 1 k\r\n"), ":1\r\n");
  rig_client_free(&here);
  char err[200];
  int kept = dup(st.fd);
  rd_worker_leave(&st);
  rd_detach(&st);
  CHECK_INT(rd_attach_alone(&st, kept, err, sizeof err), 0);
  CHECK(rd_worker_join(&st, 0) >= 0);
  here = client();
  IS(tell(&here, "FCALL f 1 k\r\n"), ":2\r\n");
  rig_client_free(&here);
  close_store();
  close(kept);
}

static void a_library_that_is_refused_leaves_the_others_and_nothing_behind(void) {
  open_both();
  tell(&here, LOAD(LIBRARY("a", "f", "return 1")));
  uint32_t generation = rd_libraries_generation(&st);
  CHECK(tell(&here, REPLACE("#!lua name=a\\nredis.register_function('g',function() end) error('x')"))[0] == '-');
  CHECK(tell(&here, REPLACE("#!lua name=a\\nlocal r='x' while true do r=r..r end"))[0] == '-');
  CHECK(tell(&here, LOAD("#!lua name=b\\nlocal f f=function() return 1+f() end f()"))[0] == '-');
  CHECK(strstr(tell(&here, LOAD("#!lua name=b\\nwhile true do end")), "FUNCTION LOAD timeout") != NULL);
  CHECK(tell(&here, LOAD("#!lua name=b\\nrawset(_G,'x',1)"))[0] == '-');
  CHECK(tell(&here, LOAD("\\x1bLua"))[0] == '-');
  CHECK(tell(&here, LOAD("#!lua name=b\\n\\x1bLua"))[0] == '-');
  CHECK_INT(rd_libraries_generation(&st), generation);
  IS(tell(&here, "FCALL f 0\r\n"), ":1\r\n");
  IS(tell(&here, "FCALL g 0\r\n"), NONE);
  close_both();
}

static void a_library_that_does_not_fit_is_refused(void) {
  open_both();
  rd_set_max_memory(&st, 8u << 20); /* the bound of all libraries is an eighth of it */
  static char line[300000];
  uint32_t loaded = 0;
  for (;; loaded++) {
    int n =
        sprintf(line, "FUNCTION LOAD \"#!lua name=l%u\\nredis.register_function('f%u',function() end)", loaded, loaded);
    memset(line + n, ' ', 50000);
    strcpy(line + n + 50000, "\"\r\n");
    if (tell(&here, line)[0] != '$') break;
  }
  CHECK(loaded > 10 && loaded < 21);
  CHECK_INT(rd_libraries_count(&st), loaded);
  IS(tell(&here, "FCALL f0 0\r\n"), "$-1\r\n");
  IS(tell(&there, "FCALL f0 0\r\n"), "$-1\r\n");
  close_both();
}

int main(void) {
  const char *wrong = rd_lua_load("liblua5.1.so.0");
  if (wrong != NULL) {
    printf("skipped: %s\n", wrong);
    return 0;
  }
  RUN(each_worker_has_the_libraries_of_the_other);
  RUN(a_library_keeps_its_state_when_another_one_changes);
  RUN(libraries_outlive_their_worker_and_the_run);
  RUN(a_library_that_is_refused_leaves_the_others_and_nothing_behind);
  RUN(a_library_that_does_not_fit_is_refused);
  return check_end();
}
