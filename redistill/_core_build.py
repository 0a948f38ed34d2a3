"""Builds `redistill._core`: the C core behind cffi, in API mode.

Two switches in the environment change how: ``REDISTILL_ASSERTS=1`` keeps the core's asserts in (what the tests run),
``REDISTILL_SANITIZE=1`` adds AddressSanitizer and UBSan (the process must then preload libasan).
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

# What Python calls. The structs are those of the headers, which the compiler holds them against; "..." leaves out
# what Python does not look at.
DECLARATIONS = """
typedef struct { const uint8_t *data; size_t len; } rd_bytes;

/* arena.h, stats.h */
#define RD_MAGIC ...
#define RD_DATABASES ...
#define RD_MAX_WORKERS ...
#define RD_STAT_COUNT ...
#define RD_GAUGE_COUNT ...
#define RD_COMMAND_IDS ...
#define RD_LATENCY_BUCKETS ...
#define RD_ERROR_CODES ...
#define RD_POLICIES ...
typedef enum { RD_MORE, RD_CONTROL, RD_CLOSE, RD_FULL, RD_PAUSED, RD_BUSY, ... } rd_status;
typedef int... rd_policy;
typedef uint64_t rd_clock(void);
typedef struct rd_session rd_session;

typedef struct rd_store {
  uint64_t size;
  uint32_t num_shards;
  uint64_t now_ms;
  bool began;
  rd_clock *clock, *wall;
  struct rd_slowlog *slowlog;
  ...;
} rd_store;

typedef struct rd_options {
  uint64_t max_memory;
  uint64_t map_size;
  uint32_t num_shards;
  rd_policy policy;
  uint32_t sample_size;
  uint64_t seed[2];
  ...;
} rd_options;

uint64_t rd_min_memory(uint32_t num_shards, uint32_t workers);
int rd_create(rd_store *st, int fd, const rd_options *options, char *err, size_t errlen);
int rd_attach(rd_store *st, int fd, char *err, size_t errlen);
int rd_attach_alone(rd_store *st, int fd, char *err, size_t errlen);
void rd_detach(rd_store *st);
const char *rd_set_max_memory(rd_store *st, uint64_t bytes);
bool rd_shrink_step(rd_store *st, uint32_t budget);
bool rd_is_over(const rd_store *st);
uint64_t rd_max_memory(const rd_store *st);
uint64_t rd_used_memory(const rd_store *st);
uint64_t rd_fixed_memory(const rd_store *st);
uint64_t rd_committed_memory(const rd_store *st);
void rd_set_value_limits(rd_store *st, uint64_t bulk, uint64_t sparse);
void rd_set_policy(rd_store *st, rd_policy policy, uint32_t sample_size);
rd_policy rd_get_policy(const rd_store *st);
const char *rd_policy_name(rd_policy policy);
void rd_set_active_expire(rd_store *st, bool on);
bool rd_get_active_expire(const rd_store *st);
bool rd_sweep(rd_store *st, uint32_t first, uint32_t last, uint64_t budget_ns);
int rd_check(rd_store *st, char *err, size_t errlen);
uint32_t rd_lock_owner(const rd_store *st);
void rd_doubt(rd_store *st);

/* worker.h */
int rd_worker_join(rd_store *st, uint32_t number);
void rd_worker_leave(rd_store *st);
bool rd_worker_reap(rd_store *st, uint32_t i);
void rd_announce(rd_store *st, uint32_t generation);
uint32_t rd_announced(const rd_store *st);
void rd_caught_up(rd_store *st, uint32_t generation);
bool rd_behind(const rd_store *st);
void rd_worker_beat(rd_store *st, uint64_t now_ms);
void rd_gauge_set(rd_store *st, unsigned int gauge, uint64_t value);
void rd_worker_cpu(rd_store *st, uint64_t user_us, uint64_t system_us);
void rd_count_add(rd_store *st, unsigned int stat, uint64_t n);
typedef struct rd_worker_figures {
  uint32_t pid, number;
  uint64_t heartbeat, gauge[...], commands, user_us, system_us;
  uint32_t connections;
  ...;
} rd_worker_figures;
bool rd_worker_info(const rd_store *st, uint32_t i, rd_worker_figures *figures);
uint64_t rd_gauge_sum(const rd_store *st, unsigned int gauge);
void rd_cpu_sum(const rd_store *st, uint64_t *user_us, uint64_t *system_us);
uint64_t rd_counter(const rd_store *st, unsigned int stat);
void rd_reset_stats(rd_store *st);
enum { RD_SEQ_CLIENT, RD_SEQ_SLOWLOG, RD_SEQ_DENIAL, ... };
uint64_t rd_next(rd_store *st, unsigned int seq);
uint64_t rd_note_peak(rd_store *st);

/* admission.h */
bool rd_open_enter(rd_store *st, bool local, uint32_t limit, uint32_t kept);
void rd_open_leave(rd_store *st, bool local);
bool rd_address_enter(rd_store *st, const uint8_t *address, uint32_t limit);
void rd_address_leave(rd_store *st, const uint8_t *address);
bool rd_rate_take(rd_store *st, uint32_t per_second, uint64_t now_ns);
enum rd_limit { RD_LIMIT_RATE, RD_LIMIT_OPEN, RD_LIMIT_ADDRESS, RD_LIMIT_COUNT, ... };
typedef struct rd_gate {
  rd_store *st;
  uint32_t open, kept, address, per_second;
  const char *words[...];
  uint64_t refused[...];
  uint8_t last[...][16];
  ...;
} rd_gate;

/* ring.h */
void rd_ring_set_wakers(rd_store *st, const int *wakers);

/* secrets.h */
#define RD_SECRETS ...
void rd_secret_enter(rd_store *st, uint64_t id, uint64_t now_ms);
void rd_secret_leave(rd_store *st, uint64_t id);
typedef struct rd_secret_figures { uint64_t id, last_used_ms, uses, connections; } rd_secret_figures;
bool rd_secret_info(const rd_store *st, uint32_t i, rd_secret_figures *figures);

/* store.h */
uint64_t rd_count(rd_store *st, unsigned db);
uint64_t rd_count_volatile(rd_store *st, unsigned db);
int64_t rd_average_ttl(rd_store *st, unsigned db);

/* command.h */
enum {
  RD_WRITE, RD_READONLY, RD_DENYOOM, RD_FAST, RD_ADMIN, RD_NOSCRIPT, RD_LOADING, RD_STALE, RD_NO_AUTH, RD_PUBSUB,
  RD_BLOCKING, RD_SKIP_MONITOR, RD_SKIP_SLOWLOG, RD_MOVABLEKEYS, RD_ALLOW_BUSY, RD_NO_MULTI, RD_NO_ASYNC_LOADING,
  RD_NO_MANDATORY_KEYS, RD_MAY_REPLICATE, RD_CONTROL_PLANE, RD_SYSCMD, ...
};
typedef struct rd_key_spec {
  uint32_t flags;
  uint8_t begin_search, find_keys;
  int begin, last, step, limit, first;
  const char *keyword, *notes;
  ...;
} rd_key_spec;
typedef struct rd_command {
  const char *name, *full_name, *summary, *since, *group, *complexity;
  int arity;
  uint32_t flags, acl;
  int first_key, last_key, key_step;
  rd_key_spec key_specs[...];
  const char *tips, *arguments, *deprecated_since, *replaced_by;
  const struct rd_command *subcommands;
  uint16_t id;
  ...;
} rd_command;
uint16_t rd_command_count(void);
const rd_command *rd_command_by_id(uint16_t id);
typedef struct rd_key_run { uint32_t first, count, step, flags; } rd_key_run;
typedef struct rd_keys { uint32_t count, runs; bool understood; rd_key_run run[...]; } rd_keys;
void rd_command_keys(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, rd_keys *keys);

/* base.h */
#define RD_MAX_CONTROL_ARGS ...
#define RD_MAX_CONTROL_LIST ...
#define RD_MAX_CONTROL_BYTES ...
#define RD_MAX_CONTROL_ARGS_QUEUED ...
#define RD_MAX_CONTROL_BYTES_QUEUED ...
#define RD_MAX_QUOTED_ARGS ...
#define RD_MAX_QUOTED_BYTES ...

/* session.h */
typedef struct rd_limits {
  uint32_t batch_size;
  uint64_t output_high;
  uint64_t query_limit;
  uint64_t multi_limit;
  uint64_t output_limit;
  ...;
} rd_limits;
enum { RD_OVERFLOW_NONE, RD_OVERFLOW_OUTPUT, RD_OVERFLOW_CLIENTS, ... };
typedef struct rd_session_state {
  uint32_t db;
  uint8_t resp;
  bool authenticated, no_touch, no_evict, monitors, close_after_reply;
  uint8_t reply_mode;
  bool in_multi, in_exec, locked, owed;
  uint32_t multi_queued;
  uint64_t multi_bytes;
  uint32_t watching;
  uint64_t query_bytes, query_cap;
  uint64_t output_bytes, output_cap;
  uint64_t commands, owner;
  uint8_t overflowed;
  uint8_t denied;
  uint32_t denied_at;
  const rd_command *last;
  ...;
} rd_session_state;
void rd_session_set_limits(rd_session *s, const rd_limits *limits);
rd_session *rd_session_new(rd_store *st, const rd_limits *limits);
void rd_session_free(rd_session *s);
bool rd_session_suspended(const rd_session *s);
const rd_command *rd_session_command(const rd_session *s);
uint32_t rd_session_argc(const rd_session *s);
rd_bytes rd_session_arg(const rd_session *s, uint32_t i);
bool rd_session_answer_part(rd_session *s, const uint8_t *data, size_t len);
void rd_session_answer(rd_session *s, const uint8_t *data, size_t len);
void rd_session_owe(rd_session *s);
bool rd_session_abandon(rd_session *s);
bool rd_session_push(rd_session *s, const uint8_t *data, size_t len);
rd_session_state *rd_session_state_of(rd_session *s);
void rd_session_reset(rd_session *s);
void rd_session_trim(rd_session *s);
void rd_session_drop(rd_session *s);

/* footprint.h */
void rd_set_client_limit(rd_store *st, uint64_t bytes, uint64_t readable);
uint64_t rd_client_to_cut(rd_store *st);
bool rd_buffers_shrank(rd_store *st);
size_t rd_clients_with_buffers(const rd_store *st, uint64_t *owners, size_t cap);

typedef struct rd_slow_entry {
  uint64_t nanoseconds;
  const rd_command *command;
  uint64_t now_ms;
  uint32_t argc, text_len;
  uint8_t text[...];
  ...;
} rd_slow_entry;
typedef struct rd_slowlog rd_slowlog;
rd_slowlog *rd_slowlog_new(uint32_t capacity, uint64_t threshold_ns);
void rd_slowlog_free(rd_slowlog *log);
void rd_slowlog_set_threshold(rd_slowlog *log, uint64_t threshold_ns);
const rd_slow_entry *rd_slowlog_take(rd_slowlog *log);
void rd_set_pause(rd_store *st, unsigned mode, uint64_t until_ms);
unsigned rd_get_pause(const rd_store *st, uint64_t *until_ms);

/* acl.h */
typedef struct rd_acl rd_acl;
#define RD_ACL_MAY_READ ...
#define RD_ACL_MAY_WRITE ...
typedef enum { RD_ALLOWED, RD_DENIED_COMMAND, RD_DENIED_KEY, ... } rd_denial;
rd_acl *rd_acl_new(void);
void rd_acl_free(rd_acl *acl);
bool rd_acl_select(rd_acl *acl, const uint16_t *ids, size_t count, bool all_keys);
bool rd_acl_allow_keys(rd_acl *acl, const uint8_t *patterns, size_t len, unsigned access);
rd_denial rd_acl_check(const rd_acl *acl, const rd_command *cmd, const rd_bytes *argv, uint32_t argc,
                       uint32_t *position);
void rd_session_set_acl(rd_session *s, const rd_acl *acl);

/* handover.h */
typedef enum { RD_SAVED, RD_SAVE_LATER, RD_SAVE_NO_MEMORY, ... } rd_saved;
rd_saved rd_session_save(const rd_session *s, rd_bytes taken, uint8_t **bytes, size_t *len);
rd_session *rd_session_load(rd_store *st, const rd_limits *limits, const uint8_t *data, size_t len, char *err,
                            size_t errlen);
void free(void *memory);

/* monitor.h */
void rd_session_monitor(rd_session *s, bool on);
void rd_monitor_share(rd_store *st);
size_t rd_monitor_pending(const rd_store *st);
size_t rd_monitor_take(rd_store *st, uint8_t *dst, size_t cap);
uint64_t rd_monitor_dropped(const rd_store *st);
bool rd_session_set_peer(rd_session *s, const char *text);

/* glob.h */
#define RD_GLOB_STEPS ...
bool rd_glob_within(rd_bytes pattern, rd_bytes text, bool nocase, uint64_t *steps);

/* stats.h */
typedef struct rd_command_stats {
  uint64_t calls, nanoseconds, rejected, failed;
  uint32_t histogram[...];
} rd_command_stats;
typedef struct rd_error_stats { char code[...]; uint64_t count; } rd_error_stats;

/* host.h */
uint64_t rd_monotonic_ns(void);
uint64_t rd_wall_ms(void);
uint64_t rd_wall_us(void);
bool rd_host_die_with_parent(void);
bool rd_host_adopt_orphans(void);
void rd_host_trim(void);
void rd_host_bound_heap(void);
#define RD_HOST_SLOW ...
#define RD_HOST_MONITORED ...
int64_t rd_host_feed(const rd_store *st, rd_session *s, const uint8_t *data, size_t len, uint64_t now_ms, uint8_t *dst,
                     size_t cap);
int64_t rd_host_resume(const rd_store *st, rd_session *s, uint64_t now_ms, uint8_t *dst, size_t cap);
uint32_t rd_host_argc(const rd_session *s);
size_t rd_host_argv(const rd_session *s, uint32_t *lengths, uint8_t *dst);
size_t rd_host_take(rd_session *s, uint8_t *dst, size_t cap);
const char *rd_host_stat_name(unsigned stat);
const char *rd_host_gauge_name(unsigned gauge);
void rd_host_command_stats(const rd_store *st, unsigned id, rd_command_stats *sum);
const rd_error_stats *rd_host_error_stats(const rd_store *st, unsigned worker);
typedef struct rd_details { uint64_t place; const char *encoding; uint64_t len, idle_ms; uint32_t shard; } rd_details;
bool rd_host_details(rd_store *st, unsigned db, const uint8_t *key, size_t len, rd_details *out);

/* loop.h */
typedef struct rd_loop rd_loop;
typedef struct rd_conn rd_conn;
#define RD_LOOP_STATUS ...
#define RD_LOOP_SLOW ...
#define RD_LOOP_END ...
#define RD_LOOP_LOST ...
#define RD_LOOP_OVER ...
#define RD_LOOP_DRAINED ...
#define RD_LOOP_MONITORED ...
#define RD_LOOP_CROWDED ...
#define RD_LOOP_COMES ...
typedef struct rd_event { uint64_t tag; uint32_t what; int32_t error; } rd_event;
typedef struct rd_work { uint64_t tag, commands, bytes; } rd_work;
typedef struct rd_tls {
  int (*read)(void *ssl, void *data, int len);
  int (*write)(void *ssl, const void *data, int len);
  int (*get_error)(const void *ssl, int result);
  int (*pending)(const void *ssl);
  void (*clear_error)(void);
} rd_tls;
rd_loop *rd_loop_new(size_t buffer_size);
void rd_loop_free(rd_loop *l);
int rd_loop_fd(const rd_loop *l);
bool rd_loop_set_buffer(rd_loop *l, size_t size);
void rd_loop_set_output_limit(rd_loop *l, uint64_t bytes);
bool rd_loop_hear(rd_loop *l, rd_store *st, int fd);
bool rd_loop_watch(rd_loop *l, int fd);
bool rd_loop_watched(const rd_loop *l);
bool rd_loop_behind(const rd_loop *l);
int rd_loop_turn(rd_loop *l, int timeout_ms, uint64_t now_ms);
const rd_event *rd_loop_events(const rd_loop *l);
int rd_loop_scan(rd_loop *l, uint64_t quiet_us, uint64_t silent_us, bool *more);
size_t rd_loop_busiest(rd_loop *l, rd_work *out, size_t cap);
rd_conn *rd_loop_add(rd_loop *l, int fd, rd_session *s, uint64_t tag, void *ssl, uint64_t now_ms);
void rd_loop_remove(rd_loop *l, rd_conn *c);
rd_conn *rd_loop_listen(rd_loop *l, int fd, uint64_t tag, rd_gate *gate);
unsigned rd_loop_resume(rd_loop *l, rd_conn *c, uint64_t now_ms);
bool rd_loop_flush(rd_loop *l, rd_conn *c);
void rd_loop_pause(rd_loop *l, rd_conn *c);
bool rd_conn_busy(const rd_conn *c);
uint64_t rd_conn_active_us(const rd_conn *c);
void rd_loop_set_tls(rd_loop *l, const rd_tls *tls);
"""


HEADERS = (
    "host.h",
    "arena/admission.h",
    "arena/lock.h",
    "arena/memory.h",
    "arena/ring.h",
    "arena/secrets.h",
    "arena/worker.h",
    "base/glob.h",
    "net/loop.h",
    "session/acl.h",
    "session/footprint.h",
    "session/handover.h",
    "session/monitor.h",
    "session/session.h",
    "session/slowlog.h",
    "store/check.h",
    "store/databases.h",
    "store/expire.h",
    "store/pause.h",
    "store/reclaim.h",
    "store/run.h",
)


def compiler_flags(asserts: bool, sanitize: bool) -> tuple[list[str], list[str]]:
    """Flags for compiling and for linking."""
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-fvisibility=hidden", "-fstack-protector-strong"]
    link = ["-Wl,-z,relro", "-Wl,-z,now"]
    if sanitize:
        sanitizers = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
        return [*flags, *sanitizers, "-g", "-O1", "-UNDEBUG", "-U_FORTIFY_SOURCE"], [*link, *sanitizers]
    # Python's own flags bring -DNDEBUG, and some of them a level of fortification.
    flags += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]
    if asserts:
        return [*flags, "-g", "-O1", "-UNDEBUG"], link
    # Inlining across the files is worth a seventh of a GET. Other compilers want other linkers for it.
    whole = ["-O3", "-flto=auto"] if "gcc" in os.environ.get("CC", sysconfig.get_config_var("CC") or "") else ["-O3"]
    return [*flags, *whole, "-DNDEBUG"], [*link, *whole]


def builder(core: str) -> FFI:
    """The FFI whose `compile` makes the extension module; `core` is the path of core/ from the working directory."""
    compile_flags, link_flags = compiler_flags(
        bool(os.environ.get("REDISTILL_ASSERTS")), bool(os.environ.get("REDISTILL_SANITIZE"))
    )

    def files(pattern: str) -> list[str]:
        return sorted(f"{core}/{path.relative_to(HERE / 'core')}" for path in (HERE / "core").rglob(pattern))

    ffi = FFI()
    ffi.cdef(DECLARATIONS)
    ffi.set_source(
        "redistill._core",
        "#include <stdlib.h>\n" + "".join(f'#include "{header}"\n' for header in HEADERS),
        sources=files("*.c"),
        depends=files("*.h"),
        include_dirs=[core],
        libraries=["pthread", "m"],
        extra_compile_args=compile_flags,
        extra_link_args=link_flags,
    )
    return ffi


ffibuilder = builder("redistill/core")
"""For setup.py, which works in the directory it stands in."""

if __name__ == "__main__":
    # Beside the sources, for tests. Not in the project's own directory: setuptools would read its pyproject.toml there.
    os.chdir(HERE)
    built = Path(builder(str(HERE / "core")).compile(tmpdir="../build/core", verbose=True))
    # A process that runs has the old file mapped: it must not be written over.
    os.replace(shutil.copy(built, HERE / "_core.new"), HERE / built.name)
