/* script_call.c - the library `redis` of scripts: redis.call and the others. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "arena/running.h"
#include "command/command_table.h"
#include "command/keys.h"
#include "script/convert.h"
#include "session/admit.h"
#include "session/execute.h"
#include "session/monitor.h"
#include "session/scripts.h"
#include "session/slow_scripts.h"
#include "session/tracking.h"

enum { FEW_ARGS = 32, STRAY_WAIT_NS = 100000000 };

static rd_script_run *run_of(lua_State *L) {
  rd_script_run *run = rd_sandbox_of(L)->run;
  if (run == NULL) rd_lua.aux_error(L, "redis functions can only be called inside a script");
  return run;
}

/* Return {name = text} to the script. */
static int return_field(lua_State *L, const char *name, const char *text) {
  rd_lua.createtable(L, 0, 1);
  rd_lua.pushstring(L, text);
  rd_lua.setfield(L, -2, name);
  return 1;
}

static int raise_table(lua_State *L, const char *text) {
  return_field(L, "err", text);
  return rd_lua.error(L);
}

/* ---- redis.call, redis.pcall ---- */

/* An error of a call: redis.call raises it, redis.pcall returns it. */
static int fail(lua_State *L, bool raises, const char *text) {
  return_field(L, "err", text);
  return raises ? rd_lua.error(L) : 1;
}

/* Read the arguments, which stay on Lua's stack. `few` is used for up to FEW_ARGS. Returns NULL if one is of another
 * type. */
static rd_bytes *read_arguments(lua_State *L, rd_bytes *few, uint32_t argc) {
  rd_bytes *argv = argc <= FEW_ARGS ? few : rd_lua.newuserdata(L, argc * sizeof *argv);
  for (uint32_t i = 0; i < argc; i++) {
    int type = rd_lua.type(L, (int)i + 1);
    if (type == LUA_TNUMBER) { /* with all its digits, which Lua's own conversion does not keep */
      char text[40];
      int len = snprintf(text, sizeof text, "%.17g", rd_lua.tonumber(L, (int)i + 1));
      rd_lua.pushlstring(L, text, (size_t)len);
      rd_lua.replace(L, (int)i + 1);
    } else if (type != LUA_TSTRING) {
      return NULL;
    }
    argv[i].data = (const uint8_t *)rd_lua.tolstring(L, (int)i + 1, &argv[i].len);
  }
  return argv;
}

/* Have the shards that the command needs. NULL, or the error. */
static const char *reach(rd_script_run *run, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_store *st = run->session->st;
  if (RD_LIKELY(run->all)) return NULL;
  if (RD_LIKELY(cmd->keys == RD_ONE_KEY) && !(cmd->flags & RD_OWN_LOCKS)) {
    rd_key key = rd_key_of(st, argv[cmd->first_key], run->session->state.db);
    if (RD_LIKELY(rd_holds_shard(st, rd_shard_of(st, key.hash)))) return NULL;
  }
  uint64_t wanted[RD_MAX_SHARDS / 64] = {0};
  if (cmd->flags & RD_OWN_LOCKS)
    for (uint32_t i = 0; i < st->num_shards; i++) wanted[i >> 6] |= 1ull << (i & 63);
  else if (cmd->keys != RD_NO_KEYS)
    rd_shards_of_call(st, cmd, argv, argc, wanted);
  for (uint32_t i = 0; i < st->num_shards; i++) {
    if (!(wanted[i >> 6] >> (i & 63) & 1) || rd_holds_shard(st, i)) continue;
    if (!run->wrote) {
      run->strayed = true;
      return "ERR the script touches keys that it did not name";
    }
    run->script->strays = true;
    /* The other owner may wait for a shard of this script, so the wait has an end. */
    if (rd_lock_within(st, i, STRAY_WAIT_NS) != 0)
      return "ERR the script has touched a key that it did not name in KEYS, which is in use by another worker";
  }
  return NULL;
}

/* True if the command may have an effect, on others, too. */
static bool writes(const rd_command *cmd) {
  return cmd->flags & (RD_WRITE | RD_MAY_REPLICATE) || cmd->run == rd_cmd_publish || cmd->run == rd_cmd_spublish;
}

static bool one_is_long(const rd_bytes *argv, uint32_t argc) {
  for (uint32_t i = 1; i < argc; i++) {
    if (RD_UNLIKELY(argv[i].len > RD_MAX_KEY)) return true;
  }
  return false;
}

/* NULL, or the error for which the command is refused. */
static const char *refusal(rd_script_run *run, const rd_command *cmd, bool unknown_sub, const rd_bytes *argv,
                           uint32_t argc) {
  rd_session *s = run->session;
  uint32_t position;
  if (cmd == NULL || unknown_sub) return "ERR Unknown Redis command called from script";
  if (!rd_command_arity_ok(cmd, argc)) return "ERR Wrong number of args calling Redis command from script";
  if (cmd->flags & RD_NOSCRIPT || (cmd->flags & RD_CONTROL_PLANE && cmd->id != RD_ID_time))
    return "ERR This Redis command is not allowed from script";
  if (writes(cmd) && run->read_only) return "ERR Write commands are not allowed from read-only scripts.";
  if (s->acl != NULL) {
    rd_denial denial = rd_acl_check(s->acl, cmd, argv, argc, &position);
    if (denial == RD_DENIED_COMMAND) return "NOPERM The user executing the script can't run this command or subcommand";
    if (denial != RD_ALLOWED)
      return denial == RD_DENIED_KEY
                 ? "NOPERM The user executing the script can't access at least one of the keys mentioned in the "
                   "command arguments"
                 : "NOPERM The user executing the script can't publish to the channel mentioned in the command";
  }
  if (cmd->flags & RD_DENYOOM && run->refuses_growth && !run->wrote)
    return "OOM command not allowed when used memory > 'maxmemory'.";
  if (RD_UNLIKELY(one_is_long(argv, argc)) && rd_keys_too_long(cmd, argv, argc))
    return "ERR key is longer than 1048576 bytes";
  return reach(run, cmd, argv, argc);
}

/* The reply of TIME, which stands still while a script runs. */
static void reply_time(const rd_script_run *run, rd_reply *out) {
  rd_reply_array(out, 2);
  rd_reply_bulk_int(out, (int64_t)(run->began_us / 1000000));
  rd_reply_bulk_int(out, (int64_t)(run->began_us % 1000000));
}

static void execute(rd_script_run *run, const rd_command *cmd, const rd_bytes *argv, uint32_t argc) {
  rd_session *s = run->session;
  rd_store *st = s->st;
  uint32_t key_pos = rd_first_key_at(cmd, argc);
  rd_key key = {0};
  if (key_pos != 0) key = rd_key_of(st, argv[key_pos], s->state.db);
  rd_call call = {.store = st,
                  .session = s,
                  .out = run->scratch,
                  .command = cmd,
                  .db = s->state.db,
                  .argc = argc,
                  .argv = argv,
                  .first_pos = key_pos,
                  .whole = true,
                  .reads_all_keys = rd_reads_all_keys};
  struct rd_longrun *running = st->running;
  st->running = NULL; /* pauses are between commands */
  if (RD_UNLIKELY(st->monitoring)) rd_monitor_show(s, cmd, argv, argc);
  if (cmd->id == RD_ID_time) {
    reply_time(run, run->scratch);
  } else if (RD_UNLIKELY(s->state.tracks)) {
    rd_tracking_prepare(&call);
    rd_execute(&call, &key, true);
    rd_tracking_read(&call);
  } else {
    rd_execute(&call, &key, true);
  }
  st->running = running;
  if (call.verdict != RD_DONE) rd_reply_error(run->scratch, "ERR the command cannot run within a script");
  rd_account_to(s, cmd, run->scratch);
  if (writes(cmd)) run->wrote = true;
}

static int call(lua_State *L, bool raises) {
  rd_script_run *run = run_of(L);
  uint32_t argc = (uint32_t)rd_lua.gettop(L);
  rd_bytes few[FEW_ARGS];
  bool unknown_sub = false;
  if (argc == 0) return fail(L, raises, "ERR Please specify at least one argument for this redis lib call");
  rd_lua.aux_checkstack(L, 16, "too many arguments");
  rd_bytes *argv = read_arguments(L, few, argc);
  if (argv == NULL) return fail(L, raises, "ERR Lua redis lib command arguments must be strings or integers");
  const rd_command *cmd = rd_command_find(argv, argc, &unknown_sub);
  const char *refused = refusal(run, cmd, unknown_sub, argv, argc);
  if (refused != NULL) {
    rd_sandbox *sandbox = rd_sandbox_of(L);
    if (run->strayed) {
      sandbox->ending = refused;
      return rd_lua.error(L);
    }
    return fail(L, raises, refused);
  }
  if (RD_UNLIKELY(run->published) && cmd->flags & (RD_WRITE | RD_MAY_REPLICATE) &&
      !rd_running_write(run->session->st)) {
    rd_sandbox_of(L)->ending = RD_SCRIPT_KILLED;
    return rd_lua.error(L);
  }
  rd_reply *scratch = run->scratch;
  scratch->len = 0;
  scratch->resp = (uint8_t)run->resp;
  scratch->limit = RD_SCRIPT_MEMORY;
  execute(run, cmd, argv, argc);
  if (scratch->failed) {
    scratch->failed = false;
    return fail(L, raises, "ERR the reply is longer than a script may have memory");
  }
  rd_spend(L, 100 + scratch->len / 16);
  bool failed = scratch->data[0] == '-';
  rd_push_reply(L, scratch->data);
  return failed && raises ? rd_lua.error(L) : 1;
}

static int redis_call(lua_State *L) { return call(L, true); }
static int redis_pcall(lua_State *L) { return call(L, false); }

/* ---- the others ---- */

/* An error without a space in it has no code: it gets "ERR". */
static int redis_error_reply(lua_State *L) {
  if (rd_lua.gettop(L) != 1 || rd_lua.type(L, 1) != LUA_TSTRING)
    return return_field(L, "err", "ERR wrong number or type of arguments");
  const char *text = rd_lua.tolstring(L, 1, NULL);
  if (*text == '-') text++;
  if (strchr(text, ' ') == NULL) text = rd_lua.pushfstring(L, "ERR %s", text);
  return return_field(L, "err", text);
}

static int redis_status_reply(lua_State *L) {
  if (rd_lua.gettop(L) != 1 || rd_lua.type(L, 1) != LUA_TSTRING)
    return return_field(L, "err", "ERR wrong number or type of arguments");
  return return_field(L, "ok", rd_lua.tolstring(L, 1, NULL));
}

static int redis_sha1hex(lua_State *L) {
  if (rd_lua.gettop(L) != 1) return raise_table(L, "ERR wrong number of arguments");
  size_t len;
  const char *text = rd_lua.tolstring(L, 1, &len);
  uint8_t digest[RD_SHA1_BYTES];
  char hex[RD_SHA1_HEX];
  if (text == NULL) len = 0;
  rd_spend(L, len / 4);
  rd_sha1(text, len, digest);
  rd_sha1_hex(digest, hex);
  rd_lua.pushlstring(L, hex, sizeof hex);
  return 1;
}

/* The core writes no log: the level and the arguments are checked, and the text is dropped. */
static int redis_log(lua_State *L) {
  if (rd_lua.gettop(L) < 2) return raise_table(L, "ERR redis.log() requires two arguments or more.");
  if (!rd_lua.isnumber(L, 1)) return raise_table(L, "ERR First argument must be a number (log level).");
  double level = rd_lua.tonumber(L, 1);
  if (!(level >= 0 && level <= 3)) return raise_table(L, "ERR Invalid debug level.");
  return 0;
}

static int redis_setresp(lua_State *L) {
  rd_script_run *run = run_of(L);
  if (rd_lua.gettop(L) != 1) return raise_table(L, "ERR redis.setresp() requires one argument.");
  double version = rd_lua.tonumber(L, 1);
  if (version != 2 && version != 3) return raise_table(L, "ERR RESP version must be 2 or 3.");
  run->resp = (int)version;
  return 0;
}

/* There are no replicas and no log of commands: nothing follows from it. */
static int redis_set_repl(lua_State *L) {
  if (rd_lua.gettop(L) != 1) return raise_table(L, "ERR redis.set_repl() requires one argument.");
  double flags = rd_lua.tonumber(L, 1);
  if (!(flags >= 0 && flags <= 3))
    return raise_table(L, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  return 0;
}

static int redis_replicate_commands(lua_State *L) {
  rd_lua.pushboolean(L, 1);
  return 1;
}

/* There is no debugger. */
static int redis_breakpoint(lua_State *L) {
  rd_lua.pushboolean(L, 0);
  return 1;
}
static int redis_debug(lua_State *L) {
  (void)L;
  return 0;
}

static int redis_acl_check_cmd(lua_State *L) {
  const rd_script_run *run = run_of(L);
  uint32_t argc = (uint32_t)rd_lua.gettop(L), position;
  rd_bytes few[FEW_ARGS];
  bool unknown_sub = false, allowed = true;
  if (argc == 0) return raise_table(L, "ERR Please specify at least one argument for this redis lib call");
  rd_bytes *argv = read_arguments(L, few, argc);
  if (argv == NULL) return raise_table(L, "ERR Lua redis lib command arguments must be strings or integers");
  const rd_command *cmd = rd_command_find(argv, argc, &unknown_sub);
  if (cmd == NULL || unknown_sub) return raise_table(L, "ERR Invalid command passed to redis.acl_check_cmd()");
  const rd_acl *acl = run->session->acl;
  if (acl != NULL) allowed = rd_acl_check(acl, cmd, argv, argc, &position) == RD_ALLOWED;
  rd_lua.pushboolean(L, allowed);
  return 1;
}

static const struct {
  const char *name;
  lua_CFunction function;
} FUNCTIONS[] = {
    {"call", redis_call},
    {"pcall", redis_pcall},
    {"error_reply", redis_error_reply},
    {"status_reply", redis_status_reply},
    {"sha1hex", redis_sha1hex},
    {"log", redis_log},
    {"setresp", redis_setresp},
    {"set_repl", redis_set_repl},
    {"replicate_commands", redis_replicate_commands},
    {"breakpoint", redis_breakpoint},
    {"debug", redis_debug},
    {"acl_check_cmd", redis_acl_check_cmd},
};

static const struct {
  const char *name;
  int value;
} CONSTANTS[] = {
    {"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1},  {"LOG_NOTICE", 2}, {"LOG_WARNING", 3}, {"REPL_NONE", 0},
    {"REPL_AOF", 1},  {"REPL_REPLICA", 2}, {"REPL_SLAVE", 2}, {"REPL_ALL", 3},    {"REDIS_VERSION_NUM", 0x00070400},
};

void rd_open_redis(lua_State *L) {
  rd_lua_newtable(L);
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
    rd_lua_pushfunction(L, FUNCTIONS[i].function);
    rd_lua.setfield(L, -2, FUNCTIONS[i].name);
  }
  for (size_t i = 0; i < sizeof CONSTANTS / sizeof *CONSTANTS; i++) {
    rd_lua.pushnumber(L, CONSTANTS[i].value);
    rd_lua.setfield(L, -2, CONSTANTS[i].name);
  }
  rd_lua.pushstring(L, "7.4.0");
  rd_lua.setfield(L, -2, "REDIS_VERSION");
  rd_protect(L);
  rd_lua.pushvalue(L, -1);
  rd_sandbox_set_global(L, "server");
  rd_sandbox_set_global(L, "redis");
}
