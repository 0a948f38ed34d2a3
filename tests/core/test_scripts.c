/* test_scripts.c - bodies of scripts and libraries in the arena: all processes have them, they outlive each of them,
 * keep within their bounds, and never leave for keys. */
#include "arena/memory.h"
#include "faults.h"
#include "processes.h"
#include "store/databases.h"
#include "store/expire.h"
#include "store/reclaim.h"
#include "store/scripts.h"

static rd_store st;

typedef struct sha {
  uint8_t bytes[RD_SHA_BYTES];
} sha;

static sha sha_of(uint32_t n) {
  sha s;
  for (uint32_t i = 0; i < RD_SHA_BYTES; i++) s.bytes[i] = (uint8_t)((n + 1) * 2654435761u >> (i % 4 * 8)) ^ (uint8_t)i;
  return s;
}

static size_t body_of(uint8_t *to, uint32_t n, size_t len) {
  size_t at = (size_t)sprintf((char *)to, "return %u --", n);
  for (; at < len; at++) to[at] = (uint8_t)(n + at);
  return at;
}

static uint8_t scratch[3 << 20], wanted[3 << 20];

static rd_result put(uint32_t n, size_t len, uint32_t flags) {
  sha s = sha_of(n);
  rd_key key = rd_script_key(&st, s.bytes);
  rd_lock_all(&st);
  rd_result done = rd_script_put(&st, &key, (rd_bytes){scratch, body_of(scratch, n, len)}, flags);
  rd_unlock_all(&st);
  return done;
}

static bool find_in(rd_store *store, uint32_t n, rd_script_info *script) {
  sha s = sha_of(n);
  rd_key key = rd_script_key(store, s.bytes);
  rd_lock_keys(store, &key, 1);
  bool found = rd_script_find(store, &key, script);
  rd_unlock_all(store);
  return found;
}
static bool has(uint32_t n) {
  rd_script_info script;
  return find_in(&st, n, &script);
}

static void check_body(rd_store *store, uint32_t n, size_t len, uint32_t flags) {
  rd_script_info script = {0};
  sha s = sha_of(n);
  rd_key key = rd_script_key(store, s.bytes);
  CHECK(find_in(store, n, &script));
  size_t real = body_of(wanted, n, len);
  CHECK_INT(script.flags, flags);
  CHECK_INT(script.len, real);
  if (script.len != real) return;
  rd_lock_keys(store, &key, 1);
  rd_script_read(store, &key, scratch);
  rd_unlock_all(store);
  CHECK(memcmp(scratch, wanted, real) == 0);
}

static void use(uint32_t n) {
  sha s = sha_of(n);
  rd_key key = rd_script_key(&st, s.bytes);
  rd_script_used(&st, &key);
}

static void flush(void) {
  rd_lock_all(&st);
  rd_scripts_flush(&st);
  rd_unlock_all(&st);
}

static rd_result put_library(const char *name, const char *code) {
  rd_key key = rd_library_key(&st, (rd_bytes){(const uint8_t *)name, (uint32_t)strlen(name)});
  rd_lock_all(&st);
  rd_result done = rd_script_put(&st, &key, (rd_bytes){(const uint8_t *)code, strlen(code)}, 0);
  rd_unlock_all(&st);
  return done;
}

static bool remove_library(const char *name) {
  rd_key key = rd_library_key(&st, (rd_bytes){(const uint8_t *)name, (uint32_t)strlen(name)});
  rd_lock_all(&st);
  bool was = rd_library_remove(&st, &key);
  rd_unlock_all(&st);
  return was;
}

static bool set_key(uint32_t n, uint32_t len) {
  char name[20];
  rd_key key = key_of(&st, name, (size_t)sprintf(name, "key:%u", n), 0);
  rd_lock_keys(&st, &key, 1);
  memset(scratch, 'v', len);
  rd_result done = rd_set(&st, &key, scratch, len, RD_NO_EXPIRY, RD_ENC_RAW, RD_EVENT_SET);
  rd_unlock_all(&st);
  return done == RD_OK;
}

/* ---- what is kept ---- */

static void a_body_is_found_by_its_sha_with_its_flags(void) {
  st = arena_new(16 * MIB, 16, RD_NOEVICTION);
  CHECK(!has(1));
  CHECK_INT(put(1, 0, 0), RD_OK);
  CHECK_INT(put(2, 5000, RD_SCRIPT_LOADED), RD_OK);
  CHECK_INT(put(3, 1 << 20, 0), RD_OK);
  check_body(&st, 1, 0, 0);
  check_body(&st, 2, 5000, RD_SCRIPT_LOADED);
  check_body(&st, 3, 1 << 20, 0);
  CHECK(!has(4));
  CHECK_INT(rd_scripts_count(&st), 3);
  CHECK(rd_scripts_bytes(&st) >= 3 * RD_SCRIPT_COST + 5000 + (1 << 20));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void a_body_that_is_added_again_gets_flags_and_loses_none(void) {
  st = arena_new(16 * MIB, 16, RD_NOEVICTION);
  put(1, 100, 0);
  uint64_t bytes = rd_scripts_bytes(&st);
  sha s = sha_of(1);
  rd_key key = rd_script_key(&st, s.bytes);
  rd_lock_keys(&st, &key, 1);
  rd_script_mark(&st, &key, RD_SCRIPT_WANDERS | RD_SCRIPT_LOADED); /* the second one is not for it to set */
  rd_unlock_all(&st);
  check_body(&st, 1, 100, RD_SCRIPT_WANDERS);
  put(1, 100, RD_SCRIPT_LOADED);
  check_body(&st, 1, 100, RD_SCRIPT_WANDERS | RD_SCRIPT_LOADED);
  put(1, 100, 0);
  check_body(&st, 1, 100, RD_SCRIPT_WANDERS | RD_SCRIPT_LOADED);
  CHECK_INT(rd_scripts_count(&st), 1);
  CHECK_INT(rd_scripts_bytes(&st), bytes);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void bodies_are_no_keys(void) {
  st = arena_new(16 * MIB, 16, RD_ALLKEYS_LRU);
  uint32_t touched = st.touched;
  uint64_t used = rd_used_memory(&st);
  put(1, 100000, RD_SCRIPT_LOADED);
  put(2, 10, 0);
  put_library("lib", "code");
  CHECK_INT(st.touched, touched); /* nothing that INFO or a replica would call a change */
  CHECK(rd_used_memory(&st) > used);
  for (unsigned db = 0; db < RD_DATABASES; db++) CHECK_INT(rd_count(&st, db), 0);
  set_key(1, 10);
  rd_flush_db(&st, 0);
  CHECK_INT(rd_count(&st, 0), 0);
  set_key(1, 10);
  rd_flush_all(&st);
  rd_unlock_all(&st);
  CHECK_INT(rd_count(&st, 0), 0);
  check_body(&st, 1, 100000, RD_SCRIPT_LOADED);
  for (int i = 0; i < 200; i++) rd_sweep(&st, 0, st.num_shards, 0);
  check_body(&st, 2, 10, 0);
  CHECK_INT(rd_libraries_count(&st), 1);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void full_memory_evicts_keys_and_moves_bodies(void) {
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_ALLKEYS_RANDOM, RD_VOLATILE_TTL};
  for (size_t p = 0; p < sizeof policies / sizeof *policies; p++) {
    st = arena_new(8 * MIB, 4, policies[p]);
    for (uint32_t n = 0; n < 100; n++) {
      for (uint32_t k = 0; k < 30; k++) set_key(n * 30 + k, 300);
      CHECK_INT(put(n, n % 10 == 3 ? 20000 : 10 + n * 7, n % 2 == 0 ? RD_SCRIPT_LOADED : 0), RD_OK);
    }
    for (uint32_t n = 3000; n < 40000; n++) set_key(n, n % 100 == 0 ? 20000 : 300);
    rd_set_max_memory(&st, 5 * MIB);
    for (int i = 0; i < 200; i++) rd_shrink_step(&st, 4);
    rd_unlock_all(&st);
    for (uint32_t shard = 0; shard < st.num_shards; shard++) { /* every region that can be emptied is */
      rd_lock_shard(&st, shard);
      for (uint32_t r = 0; r < st.head->pool.fresh; r++) {
        if (st.regions[r].owner == shard + 1) rd_empty_region(&st, shard, r);
      }
      rd_unlock_shard(&st, shard);
    }
    for (uint32_t n = 0; n < 100; n++)
      check_body(&st, n, n % 10 == 3 ? 20000 : 10 + n * 7, n % 2 == 0 ? RD_SCRIPT_LOADED : 0);
    CHECK(arena_is_whole(&st));
    arena_free(&st);
  }
}

/* ---- bounds ---- */

/* The numbers of scripts that share no time of use with others. */
static void choose(uint32_t *id, uint32_t n) {
  static bool taken[RD_SCRIPT_TIMES];
  memset(taken, 0, sizeof taken);
  for (uint32_t i = 0, next = 0; i < n; next++) {
    sha s = sha_of(next);
    bool *place = &taken[rd_script_key(&st, s.bytes).hash % RD_SCRIPT_TIMES];
    if (*place) continue;
    *place = true;
    id[i++] = next;
  }
}

static void the_least_recently_used_bodies_of_eval_leave_first(void) {
  uint32_t id[RD_SCRIPTS_EVALED + 2];
  st = arena_new(64 * MIB, 16, RD_NOEVICTION);
  choose(id, RD_SCRIPTS_EVALED + 2);
  put(id[0], 10, RD_SCRIPT_LOADED);
  for (uint32_t n = 1; n <= RD_SCRIPTS_EVALED; n++) {
    st.now_ms++;
    CHECK_INT(put(id[n], 10, 0), RD_OK);
  }
  CHECK_INT(rd_scripts_count(&st), RD_SCRIPTS_EVALED + 1);
  uint32_t generation = rd_scripts_generation(&st);
  st.now_ms++;
  use(id[1]);
  put(id[2], 10, 0); /* it is there: nothing has to leave, and it is used */
  CHECK_INT(rd_scripts_count(&st), RD_SCRIPTS_EVALED + 1);
  CHECK_INT(rd_scripts_generation(&st), generation);
  CHECK_INT(put(id[RD_SCRIPTS_EVALED + 1], 10, 0), RD_OK);
  CHECK(rd_scripts_generation(&st) != generation);
  CHECK_INT(rd_scripts_count(&st), RD_SCRIPTS_EVALED + 2 - RD_SCRIPTS_REMOVED);
  CHECK(has(id[0]) && has(id[1]) && has(id[2]) && has(id[RD_SCRIPTS_EVALED + 1]));
  for (uint32_t n = 3; n <= RD_SCRIPTS_EVALED; n++) CHECK_INT(has(id[n]), n >= 3 + RD_SCRIPTS_REMOVED);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void bodies_of_one_moment_leave_in_the_order_of_their_adding(void) {
  st = arena_new(64 * MIB, 16, RD_NOEVICTION);
  for (uint32_t n = 0; n <= RD_SCRIPTS_EVALED; n++) put(n, 10, 0);
  for (uint32_t n = 0; n <= RD_SCRIPTS_EVALED; n++) CHECK_INT(has(n), n >= RD_SCRIPTS_REMOVED);
  arena_free(&st);
}

static void a_clock_that_was_set_back_ends_nothing(void) {
  st = arena_new(64 * MIB, 16, RD_NOEVICTION);
  for (uint32_t n = 0; n < 3 * RD_SCRIPTS_EVALED; n++) {
    st.now_ms += n % 2 == 0 ? 5000 : (uint64_t)-70000;
    CHECK_INT(put(n, 10, 0), RD_OK);
    CHECK(has(n));
  }
  CHECK(rd_scripts_count(&st) <= RD_SCRIPTS_EVALED);
  arena_free(&st);
}

static void loaded_bodies_stay_and_the_bound_refuses_more(void) {
  st = arena_new(16 * MIB, 16, RD_NOEVICTION);
  CHECK_INT(rd_scripts_most(&st), 2 * MIB);
  put(9999, 12000, 0);
  uint32_t n = 0;
  while (put(n, 20000, RD_SCRIPT_LOADED) == RD_OK) n++;
  CHECK_INT(n, 2 * MIB / (20000 + RD_SHA_BYTES + 16 + RD_SCRIPT_COST + 20036 / 64));
  CHECK(rd_scripts_bytes(&st) <= rd_scripts_most(&st));
  CHECK(!has(9999)); /* it made room */
  for (uint32_t i = 0; i < n; i++) CHECK(has(i));
  CHECK_INT(put(5000, 20000, 0), RD_OOM);
  CHECK_INT(put_library("large", (memset(wanted, 'x', 20000), wanted[20000] = 0, (char *)wanted)), RD_OOM);
  CHECK_INT(put(0, 20000, RD_SCRIPT_LOADED), RD_OK); /* it is there */
  CHECK(arena_is_whole(&st));
  flush();
  CHECK_INT(put(5000, 20000, 0), RD_OK);
  arena_free(&st);
}

static void a_body_above_the_bound_removes_nothing(void) {
  st = arena_new(16 * MIB, 16, RD_NOEVICTION);
  for (uint32_t n = 0; n < 20; n++) put(n, 100, 0);
  CHECK_INT(put(100, 2 * MIB - 500, 0), RD_OOM);
  CHECK_INT(put(101, 2 * MIB + 1, RD_SCRIPT_LOADED), RD_OOM);
  CHECK_INT(rd_scripts_count(&st), 20);
  arena_free(&st);
}

/* ---- flushing, libraries ---- */

static void flushing_scripts_leaves_libraries_and_keys(void) {
  st = arena_new(64 * MIB, 4, RD_NOEVICTION);
  set_key(1, 10);
  put_library("lib", "code");
  uint64_t bytes = rd_scripts_bytes(&st);
  for (uint32_t n = 0; n < 2000; n++) put(n, n % 300 == 0 ? 50000 : 50, RD_SCRIPT_LOADED);
  uint32_t generation = rd_scripts_generation(&st), libraries = rd_libraries_generation(&st);
  flush();
  CHECK(rd_scripts_generation(&st) != generation);
  CHECK_INT(rd_libraries_generation(&st), libraries);
  CHECK_INT(rd_scripts_count(&st), 0);
  CHECK_INT(rd_libraries_count(&st), 1);
  CHECK_INT(rd_scripts_bytes(&st), bytes);
  CHECK_INT(rd_count(&st, 0), 1);
  CHECK(arena_is_whole(&st));
  rd_lock_all(&st);
  rd_libraries_flush(&st);
  rd_unlock_all(&st);
  CHECK_INT(rd_scripts_bytes(&st), 0);
  CHECK(rd_libraries_generation(&st) != libraries);
  arena_free(&st);
}

typedef struct seen {
  uint32_t n;
  char text[200];
} seen;

static bool see(void *arg, rd_store *store, const rd_item *it) {
  seen *s = arg;
  rd_script_info script;
  CHECK(rd_script_of(store, it, &script));
  uint8_t name[20], code[50];
  rd_item_key(store, it, name);
  rd_script_body(store, it, code);
  snprintf(s->text + strlen(s->text), sizeof s->text - strlen(s->text), "%.*s=%.*s ", (int)rd_item_key_len(it), name,
           (int)script.len, code);
  return ++s->n < 2;
}

static void a_library_is_replaced_removed_and_listed(void) {
  st = arena_new(64 * MIB, 1, RD_NOEVICTION);
  uint32_t generation = rd_libraries_generation(&st);
  CHECK_INT(put_library("a", "first"), RD_OK);
  CHECK(rd_libraries_generation(&st) != generation);
  CHECK_INT(put_library("a", "second, longer"), RD_OK);
  seen s = {0};
  rd_lock_all(&st);
  rd_libraries_each(&st, see, &s);
  rd_unlock_all(&st);
  CHECK_TEXT(s.text, strlen(s.text), "a=second, longer ");
  put_library("b", "");
  put_library("c", "");
  s = (seen){0};
  rd_lock_all(&st);
  rd_libraries_each(&st, see, &s);
  rd_unlock_all(&st);
  CHECK_INT(s.n, 2); /* it ends when it is told to */
  CHECK(arena_is_whole(&st));
  generation = rd_libraries_generation(&st);
  CHECK(remove_library("a") && !remove_library("a"));
  CHECK(rd_libraries_generation(&st) != generation);
  CHECK(remove_library("b") && remove_library("c"));
  CHECK_INT(rd_scripts_bytes(&st), 0);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* ---- without memory ---- */

static void without_memory_nothing_is_added_and_counts_stay_right(void) {
  for (int once = 0; once < 2; once++) {
    bool struck = true;
    for (uint64_t at = 0; struck; at++) {
      st = arena_new(16 * MIB, 4, RD_NOEVICTION);
      for (uint32_t n = 0; n < 60; n++) put(n, 50, n % 2);
      put_library("lib", "code");
      uint64_t bytes = rd_scripts_bytes(&st);
      fault_arm(&arena_fault, at, once);
      rd_result loaded = put(100, 30000, RD_SCRIPT_LOADED), small = put(101, 10, 0),
                again = put(4, 50, RD_SCRIPT_LOADED);
      rd_result library = put_library("lib", "code, more than before and not in place");
      fault_disarm(&arena_fault);
      struck = arena_fault.hits != 0;
      CHECK_INT(again, RD_OK);
      CHECK_INT(has(100), loaded == RD_OK);
      CHECK_INT(has(101), small == RD_OK);
      if (loaded != RD_OK && small != RD_OK && library != RD_OK) CHECK_INT(rd_scripts_bytes(&st), bytes);
      CHECK_INT(rd_libraries_count(&st), 1);
      CHECK(arena_is_whole(&st));
      CHECK_INT(put(100, 30000, RD_SCRIPT_LOADED), RD_OK);
      CHECK(arena_is_whole(&st));
      arena_free(&st);
    }
  }
}

static void a_full_arena_that_may_not_evict_refuses_a_body(void) {
  st = arena_new(6 * MIB, 4, RD_NOEVICTION);
  for (uint32_t n = 0; set_key(n, 1000); n++) continue;
  rd_result done = RD_OK;
  uint32_t n = 0;
  while (n < 1000 && (done = put(n, 5000, RD_SCRIPT_LOADED)) == RD_OK) n++;
  CHECK_INT(done, RD_OOM);
  CHECK(!has(n));
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

/* ---- processes ---- */

static void in_another_process(rd_store *own) {
  own->now_ms = START_MS;
  sha s = sha_of(7);
  rd_key key = rd_script_key(own, s.bytes);
  rd_lock_all(own);
  rd_script_put(own, &key, (rd_bytes){scratch, body_of(scratch, 7, 9000)}, RD_SCRIPT_LOADED);
  rd_unlock_all(own);
}

static void what_one_process_adds_all_have_and_it_outlives_them(void) {
  st = arena_new(16 * MIB, 16, RD_NOEVICTION);
  pid_t pid = start(&st, 1, in_another_process);
  check_body(&st, 7, 9000, RD_SCRIPT_LOADED);
  stop(pid);
  check_body(&st, 7, 9000, RD_SCRIPT_LOADED);
  put_library("lib", "code");
  int fd = dup(st.fd);
  char err[200];
  rd_detach(&st); /* the run ends; the next one attaches */
  CHECK_INT(rd_attach_alone(&st, fd, err, sizeof err), 0);
  CHECK(rd_worker_join(&st, 0) >= 0);
  st.now_ms = START_MS;
  check_body(&st, 7, 9000, RD_SCRIPT_LOADED);
  CHECK_INT(rd_libraries_count(&st), 1);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void die_within_a_change(rd_store *own) {
  sha s = sha_of(5);
  rd_key key = rd_script_key(own, s.bytes);
  rd_lock_keys(own, &key, 1);
  rd_mark_dirty(own, rd_shard_of(own, key.hash));
}

static void a_lost_shard_loses_its_own_bodies_and_counts(void) {
  st = arena_new(16 * MIB, 4, RD_NOEVICTION);
  for (uint32_t n = 0; n < 100; n++) put(n, 100, n % 2);
  sha s = sha_of(5);
  uint32_t lost = rd_shard_of(&st, rd_script_key(&st, s.bytes).hash), generation = rd_scripts_generation(&st);
  stop(start(&st, 1, die_within_a_change));
  for (uint32_t n = 0; n < 100; n++) {
    s = sha_of(n);
    CHECK_INT(has(n), rd_shard_of(&st, rd_script_key(&st, s.bytes).hash) != lost);
  }
  CHECK(rd_scripts_generation(&st) != generation);
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

static void the_check_finds_a_wrong_count(void) {
  st = arena_new(16 * MIB, 1, RD_NOEVICTION);
  put(1, 100, RD_SCRIPT_LOADED);
  char err[200] = "";
  rd_shard_at(&st, 0)->script_bytes++;
  CHECK_INT(rd_check(&st, err, sizeof err), 1);
  CHECK(strstr(err, "scripts of") != NULL);
  rd_shard_at(&st, 0)->script_bytes--;
  rd_shard_at(&st, 0)->scripts_loaded++;
  CHECK_INT(rd_check(&st, err, sizeof err), 1);
  rd_shard_at(&st, 0)->scripts_loaded--;
  CHECK(arena_is_whole(&st));
  arena_free(&st);
}

int main(void) {
  RUN(a_body_is_found_by_its_sha_with_its_flags);
  RUN(a_body_that_is_added_again_gets_flags_and_loses_none);
  RUN(bodies_are_no_keys);
  RUN(full_memory_evicts_keys_and_moves_bodies);
  RUN(the_least_recently_used_bodies_of_eval_leave_first);
  RUN(bodies_of_one_moment_leave_in_the_order_of_their_adding);
  RUN(a_clock_that_was_set_back_ends_nothing);
  RUN(loaded_bodies_stay_and_the_bound_refuses_more);
  RUN(a_body_above_the_bound_removes_nothing);
  RUN(flushing_scripts_leaves_libraries_and_keys);
  RUN(a_library_is_replaced_removed_and_listed);
  RUN(without_memory_nothing_is_added_and_counts_stay_right);
  RUN(a_full_arena_that_may_not_evict_refuses_a_body);
  RUN(what_one_process_adds_all_have_and_it_outlives_them);
  RUN(a_lost_shard_loses_its_own_bodies_and_counts);
  RUN(the_check_finds_a_wrong_count);
  return check_end();
}
