/* script_cache.c - the scripts that all workers share (store/scripts.h), and SCRIPT LOAD, EXISTS, FLUSH, DEBUG, HELP.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "session/execute.h"
#include "session/scripts.h"
#include "store/scripts.h"

/* Before a body that found no room in the arena is tried again, in ms. */
enum { RETRY_MS = 1000 };

static bool in_transaction(const rd_call *c) { return c->session->state.locked; }

/* Lock a shard; *mine: it must be unlocked. False: the command has to be tried again later. */
static bool lock_one(rd_call *c, const rd_key *key, bool *mine) {
  int locked = rd_lock_shard_for_command(c->store, rd_shard_of(c->store, key->hash));
  *mine = locked == 1;
  if (locked < 0) c->verdict = RD_LATER;
  return locked >= 0;
}

static void unlock_one(rd_store *st, const rd_key *key, bool mine) {
  if (mine) rd_unlock_shard(st, rd_shard_of(st, key->hash));
}

static bool lock_all(rd_call *c) {
  if (in_transaction(c) || rd_lock_all_for_command(c->store)) return true;
  c->verdict = RD_LATER;
  return false;
}

static void unlock_all(rd_call *c) {
  if (!in_transaction(c)) rd_unlock_all(c->store);
}

static void note(rd_script *script, uint32_t generation, bool kept) {
  script->generation = generation;
  script->known = true;
  script->kept = kept;
}

static bool is_known(const rd_store *st, const rd_script *script) {
  return script->known && script->generation == rd_scripts_generation(st);
}

/* Look the script up in the arena. False: the command has to be tried again later. */
static bool look_up(rd_call *c, rd_script *script) {
  rd_store *st = c->store;
  rd_key key = rd_script_key(st, script->sha);
  rd_script_info info;
  bool mine;
  if (!lock_one(c, &key, &mine)) return false;
  bool kept = rd_script_find(st, &key, &info);
  note(script, rd_scripts_generation(st), kept);
  if (kept && info.flags & RD_SCRIPT_WANDERS) script->strays = true;
  unlock_one(st, &key, mine);
  return true;
}

bool rd_script_share(rd_call *c, rd_script *script, bool loaded) {
  rd_store *st = c->store;
  rd_key key = rd_script_key(st, script->sha);
  rd_script_used(st, &key);
  if (!loaded) {
    if (RD_UNLIKELY(!is_known(st, script)) && !look_up(c, script)) return false;
    if (RD_LIKELY(script->kept) || st->now_ms < script->refused_until) return true;
  }
  if (!lock_all(c)) return false;
  bool kept = rd_script_put(st, &key, script->body, loaded ? RD_SCRIPT_LOADED : 0) == RD_OK;
  note(script, rd_scripts_generation(st), kept);
  script->refused_until = kept ? 0 : st->now_ms + RETRY_MS;
  unlock_all(c);
  if (!kept && loaded) rd_reply_oom(c->out);
  return kept || !loaded;
}

rd_script *rd_script_by_sha(rd_call *c, rd_scripts *scripts, const uint8_t sha[RD_SHA1_BYTES]) {
  rd_store *st = c->store;
  rd_key key = rd_script_key(st, sha);
  rd_script *script = rd_script_compiled(scripts, sha);
  if (script != NULL) {
    if ((!script->kept || !is_known(st, script)) && !look_up(c, script)) return NULL;
    if (script->kept) rd_script_used(st, &key);
    if (script->kept) return script;
    rd_reply_error(c->out, "NOSCRIPT No matching script. Please use EVAL.");
    return NULL;
  }
  rd_script_info info;
  bool mine;
  if (!lock_one(c, &key, &mine)) return NULL;
  bool found = rd_script_find(st, &key, &info);
  uint8_t *body = found ? malloc(info.len + 1) : NULL;
  if (body != NULL) rd_script_read(st, &key, body);
  uint32_t generation = rd_scripts_generation(st);
  unlock_one(st, &key, mine);
  if (!found) {
    rd_reply_error(c->out, "NOSCRIPT No matching script. Please use EVAL.");
    return NULL;
  }
  if (body == NULL) {
    rd_reply_oom(c->out);
    return NULL;
  }
  script = rd_script_compile(scripts, c->out, (rd_bytes){body, info.len}, rd_siphash(st->seed, body, info.len));
  free(body);
  if (script == NULL) return NULL;
  script->strays = (info.flags & RD_SCRIPT_WANDERS) != 0;
  note(script, generation, true);
  rd_script_used(st, &key);
  return script;
}

void rd_script_strayed(rd_store *st, const rd_script *script) {
  rd_key key = rd_script_key(st, script->sha);
  if (rd_holds_shard(st, rd_shard_of(st, key.hash))) rd_script_mark(st, &key, RD_SCRIPT_WANDERS);
}

/* ---- SCRIPT ---- */

void rd_cmd_script_load(rd_call *c) {
  rd_scripts *scripts = rd_scripts_open(c);
  if (scripts == NULL) return;
  rd_script *script = rd_script_by_body(c, scripts, c->argv[2]);
  if (script == NULL || !rd_script_share(c, script, true)) return;
  char hex[RD_SHA1_HEX];
  rd_sha1_hex(script->sha, hex);
  rd_reply_bulk(c->out, hex, sizeof hex);
}

void rd_cmd_script_exists(rd_call *c) {
  size_t mark = c->out->len;
  rd_reply_array(c->out, c->argc - 2);
  for (uint32_t i = 2; i < c->argc; i++) {
    uint8_t sha[RD_SHA1_BYTES];
    bool found = false;
    if (rd_sha1_parse(c->argv[i], sha)) {
      rd_key key = rd_script_key(c->store, sha);
      rd_script_info info;
      bool mine;
      if (!lock_one(c, &key, &mine)) {
        if (!c->out->failed) c->out->len = mark;
        return;
      }
      found = rd_script_find(c->store, &key, &info);
      unlock_one(c->store, &key, mine);
    }
    rd_reply_int(c->out, found);
  }
}

/* Both ways of flushing are the same: nothing else waits for it longer than for a few milliseconds. */
void rd_cmd_script_flush(rd_call *c) {
  if (c->argc > 3 || (c->argc == 3 && !rd_arg_is(c->argv[2], "sync") && !rd_arg_is(c->argv[2], "async"))) {
    rd_reply_error(c->out, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    return;
  }
  if (!lock_all(c)) return;
  rd_scripts_flush(c->store);
  unlock_all(c);
  rd_reply_ok(c->out);
}

void rd_cmd_script_debug(rd_call *c) {
  if (rd_arg_is(c->argv[2], "no"))
    rd_reply_ok(c->out);
  else if (rd_arg_is(c->argv[2], "yes") || rd_arg_is(c->argv[2], "sync"))
    rd_reply_error(c->out, "ERR scripts cannot be debugged here");
  else
    rd_reply_error(c->out, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void rd_cmd_script_help(rd_call *c) {
  static const char *const lines[] = {
      "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "DEBUG (YES|SYNC|NO)",
      "    Set the debug mode for subsequent scripts executed.",
      "EXISTS <sha1> [<sha1> ...]",
      "    Return information about the existence of the scripts in the script cache.",
      "FLUSH [ASYNC|SYNC]",
      "    Flush the Lua scripts cache. Very dangerous on replicas.",
      "    When called without the optional mode argument, the behavior is determined by the",
      "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
      "    * ASYNC: Asynchronously flush the scripts cache.",
      "    * SYNC: Synchronously flush the scripts cache.",
      "KILL",
      "    Kill the currently executing Lua script.",
      "LOAD <script>",
      "    Load a script into the scripts cache without executing it.",
      "HELP",
      "    Prints this help.",
  };
  rd_reply_lines(c->out, lines, sizeof lines / sizeof lines[0]);
}
