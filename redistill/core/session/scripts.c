/* scripts.c - EVAL, EVALSHA, EVAL_RO, EVALSHA_RO. */
#include "session/scripts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "command/keys.h"
#include "script/convert.h"
#include "session/execute.h"
#include "session/growth.h"
#include "session/slow_scripts.h"
#include "store/internal.h"

enum { KEEP_SCRATCH = 64 << 10 };

/* ---- the process's scripts ---- */

static int open_redis(lua_State *L) {
  rd_open_redis(L);
  return 0;
}

static void forget(rd_store *st);

/* NULL: no memory. */
static rd_scripts *scripts_of(rd_store *st) {
  if (RD_LIKELY(st->scripts != NULL)) return st->scripts;
  rd_scripts *scripts = calloc(1, sizeof *scripts);
  if (scripts == NULL) return NULL;
  scripts->sandbox = rd_sandbox_new(RD_SCRIPT_MEMORY);
  if (scripts->sandbox == NULL || !rd_sandbox_run(scripts->sandbox, open_redis, NULL, 0)) {
    rd_sandbox_free(scripts->sandbox);
    free(scripts);
    return NULL;
  }
  rd_reply_init(&scripts->scratch);
  scripts->sandbox->asked = rd_script_look;
  st->forget_scripts = forget;
  return st->scripts = scripts;
}

static rd_script **bucket_by_sha(rd_scripts *scripts, const uint8_t *sha) {
  return &scripts->by_sha[rd_ld64(sha) % RD_SCRIPT_BUCKETS];
}

rd_script *rd_script_compiled(rd_scripts *scripts, const uint8_t *sha) {
  rd_script *script = *bucket_by_sha(scripts, sha);
  while (script != NULL && memcmp(script->sha, sha, RD_SHA1_BYTES) != 0) script = script->next_by_sha;
  return script;
}

static rd_script *find_body(rd_scripts *scripts, rd_bytes body, uint64_t hash) {
  rd_script *script = scripts->by_body[hash % RD_SCRIPT_BUCKETS];
  while (script != NULL &&
         (script->hash != hash || script->body.len != body.len || memcmp(script->body.data, body.data, body.len) != 0))
    script = script->next_by_body;
  return script;
}

static void drop(rd_scripts *scripts, uint32_t at) {
  rd_script *script = scripts->all[at];
  rd_script **link = bucket_by_sha(scripts, script->sha);
  while (*link != script) link = &(*link)->next_by_sha;
  *link = script->next_by_sha;
  link = &scripts->by_body[script->hash % RD_SCRIPT_BUCKETS];
  while (*link != script) link = &(*link)->next_by_body;
  *link = script->next_by_body;
  scripts->all[at] = scripts->all[--scripts->count];
  scripts->bytes -= script->body.len;
  rd_sandbox_forget(scripts->sandbox, script->function);
  free((void *)(uintptr_t)script->body.data);
  free(script);
}

static void make_room(rd_scripts *scripts, size_t bytes) {
  while (scripts->count == RD_SCRIPTS_KEPT || (scripts->count > 0 && scripts->bytes + bytes > RD_SCRIPTS_BYTES)) {
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < scripts->count; i++) {
      if (scripts->all[i]->used < scripts->all[oldest]->used) oldest = i;
    }
    drop(scripts, oldest);
  }
}

static void forget(rd_store *st) {
  rd_scripts *scripts = st->scripts;
  while (scripts->count > 0) drop(scripts, scripts->count - 1);
  rd_libraries_free(scripts);
  rd_sandbox_free(scripts->sandbox);
  rd_reply_free(&scripts->scratch);
  free(scripts);
  st->scripts = NULL;
  st->forget_scripts = NULL;
}

/* ---- the first line ---- */

static bool is_word(rd_bytes text, const char *word) {
  return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

const char *rd_script_flag_name(unsigned flag) {
  static const char *const names[RD_SCRIPT_FLAGS] = {"no-writes", "allow-oom", "allow-stale", "no-cluster",
                                                     "allow-cross-slot-keys"};
  return names[flag];
}

bool rd_script_flag_of(rd_bytes name, uint32_t *flags) {
  for (unsigned i = 0; i < RD_SCRIPT_FLAGS; i++) {
    if (name.data == NULL || !is_word(name, rd_script_flag_name(i))) continue;
    *flags |= 1u << i;
    return true;
  }
  return false;
}

/* Take the part up to `separator` off the text. */
static rd_bytes part(rd_bytes *text, uint8_t separator) {
  const uint8_t *end = text->len == 0 ? NULL : memchr(text->data, separator, text->len);
  rd_bytes found = {text->data, end == NULL ? text->len : (size_t)(end - text->data)};
  size_t taken = found.len + (end != NULL);
  *text = (rd_bytes){text->data + taken, text->len - taken};
  return found;
}

/* Read the line that begins with "#!", and leave in *body what follows, with the end of that line. False after an
 * error reply. */
static bool read_declaration(rd_reply *out, rd_bytes *body, uint32_t *flags) {
  if (body->len < 2 || memcmp(body->data, "#!", 2) != 0) return true;
  *flags = RD_SCRIPT_DECLARES;
  const uint8_t *end = memchr(body->data, '\n', body->len);
  if (end == NULL) {
    rd_reply_error(out, "ERR Invalid script shebang");
    return false;
  }
  rd_bytes line = {body->data, (size_t)(end - body->data)}, word = part(&line, ' ');
  *body = (rd_bytes){end, body->len - (size_t)(end - body->data)};
  if (!is_word(word, "#!lua")) {
    rd_reply_errorf(out, "ERR Unexpected engine in script shebang: %.*s", (int)(word.len < 128 ? word.len : 128),
                    (const char *)word.data);
    return false;
  }
  while (line.len != 0) {
    word = part(&line, ' ');
    if (word.len == 0) continue;
    if (word.len < 6 || memcmp(word.data, "flags=", 6) != 0) {
      rd_reply_errorf(out, "ERR Unknown lua shebang option: %.*s", (int)(word.len < 128 ? word.len : 128),
                      (const char *)word.data);
      return false;
    }
    for (word = (rd_bytes){word.data + 6, word.len - 6}; word.len != 0;) {
      rd_bytes name = part(&word, ',');
      if (rd_script_flag_of(name, flags)) continue;
      rd_reply_errorf(out, "ERR Unexpected flag in script shebang: %.*s", (int)(name.len < 128 ? name.len : 128),
                      (const char *)name.data);
      return false;
    }
  }
  return true;
}

/* ---- finding and compiling ---- */

rd_script *rd_script_compile(rd_scripts *scripts, rd_reply *out, rd_bytes body, uint64_t hash) {
  rd_script *script = NULL;
  rd_bytes text = body;
  uint32_t flags = 0;
  if (body.len > RD_SCRIPT_BODY) {
    rd_reply_errorf(out, "ERR the script is longer than %u bytes", RD_SCRIPT_BODY);
    return NULL;
  }
  if (!read_declaration(out, &text, &flags)) return NULL;
  make_room(scripts, body.len);
  int function = rd_sandbox_compile(scripts->sandbox, text, "@user_script");
  if (function == 0) {
    rd_reply_errorf(out, "ERR Error compiling script (new function): %.500s", scripts->sandbox->error);
    return NULL;
  }
  uint8_t *copy = malloc(body.len + 1);
  if (copy != NULL) script = calloc(1, sizeof *script);
  if (script == NULL) {
    free(copy);
    rd_sandbox_forget(scripts->sandbox, function);
    rd_reply_oom(out);
    return NULL;
  }
  if (body.len != 0) memcpy(copy, body.data, body.len);
  *script = (rd_script){.hash = hash, .body = {copy, body.len}, .function = function, .flags = flags};
  rd_sha1(body.data, body.len, script->sha);
  rd_script **link = bucket_by_sha(scripts, script->sha);
  script->next_by_sha = *link;
  *link = script;
  link = &scripts->by_body[hash % RD_SCRIPT_BUCKETS];
  script->next_by_body = *link;
  *link = script;
  scripts->all[scripts->count++] = script;
  scripts->bytes += body.len;
  return script;
}

rd_script *rd_script_by_body(rd_call *c, rd_scripts *scripts, rd_bytes body) {
  uint64_t hash = rd_siphash(c->store->seed, body.data, body.len);
  rd_script *script = find_body(scripts, body, hash);
  return script != NULL ? script : rd_script_compile(scripts, c->out, body, hash);
}

rd_scripts *rd_scripts_open(rd_call *c) {
  if (!rd_lua_loaded()) {
    rd_reply_error(c->out, "ERR scripts need Lua 5.1, which was not found: install liblua5.1-0, and restart");
    return NULL;
  }
  rd_scripts *scripts = scripts_of(c->store);
  if (scripts == NULL) {
    rd_reply_oom(c->out);
  } else if (RD_UNLIKELY(scripts->sandbox->run != NULL)) { /* a script of another client pauses */
    c->verdict = RD_LATER;
    return NULL;
  }
  return scripts;
}

/* NULL: the command ends, with an error reply or to be tried again later. */
static rd_script *find(rd_call *c, rd_scripts *scripts, bool by_sha) {
  uint8_t sha[RD_SHA1_BYTES];
  if (!by_sha) {
    rd_script *script = rd_script_by_body(c, scripts, c->argv[1]);
    return script != NULL && rd_script_share(c, script, false) ? script : NULL;
  }
  if (rd_sha1_parse(c->argv[1], sha)) return rd_script_by_sha(c, scripts, sha);
  rd_reply_error(c->out, "NOSCRIPT No matching script. Please use EVAL.");
  return NULL;
}

/* ---- running ---- */

static void push_strings(lua_State *L, const rd_bytes *strings, uint32_t count) {
  rd_lua.createtable(L, (int)count, 0);
  for (uint32_t i = 0; i < count; i++) {
    rd_lua.pushlstring(L, (const char *)strings[i].data, strings[i].len);
    rd_lua.rawseti(L, -2, (int)i + 1);
  }
}

/* A function gets the keys and the arguments as its own arguments. */
static int body_of_function(lua_State *L) {
  rd_script_run *run = rd_lua.touserdata(L, 1);
  rd_lua.pushnil(L);
  rd_sandbox_set_global(L, "KEYS");
  rd_lua.pushnil(L);
  rd_sandbox_set_global(L, "ARGV");
  rd_sandbox_push(L, run->script->function);
  push_strings(L, run->keys, run->key_count);
  push_strings(L, run->args, run->arg_count);
  rd_sandbox_call(L, 2);
  rd_append_value(L, run->call->out, run->resp);
  return 0;
}

static int body(lua_State *L) {
  rd_script_run *run = rd_lua.touserdata(L, 1);
  push_strings(L, run->keys, run->key_count);
  rd_sandbox_set_global(L, "KEYS");
  push_strings(L, run->args, run->arg_count);
  rd_sandbox_set_global(L, "ARGV");
  rd_sandbox_push(L, run->script->function);
  rd_sandbox_call(L, 0);
  rd_append_value(L, run->call->out, run->resp);
  return 0;
}

/* The error with which the script ended, and where. */
static void reply_error(rd_reply *out, const rd_sandbox *sandbox, const rd_script_run *run) {
  char hex[RD_SHA1_HEX + 1] = "", text[sizeof sandbox->error + 256];
  rd_sha1_hex(run->script->sha, hex);
  const char *name = run->function != NULL ? run->function : hex;
  int len = snprintf(text, sizeof text, "%s", sandbox->error);
  if (sandbox->line > 0)
    snprintf(text + len, sizeof text - (size_t)len, " script: %.100s, on %s:%d.", name, sandbox->source, sandbox->line);
  rd_reply_error(out, text);
}

/* Run the script once. Returns false if it must begin again, with all shards locked. */
static bool run_once(rd_scripts *scripts, rd_script_run *run) {
  rd_reply *out = run->call->out;
  rd_session *s = run->session;
  rd_sandbox *sandbox = scripts->sandbox;
  size_t mark = out->len;
  uint32_t errors = out->errors;
  unsigned db = s->state.db;
  bool no_pauses = s->no_pauses;
  s->no_pauses = true; /* nothing waits or pauses within a script */
  sandbox->run = run;
  bool ended =
      rd_sandbox_run(sandbox, run->function != NULL ? body_of_function : body, run, (uint32_t)rd_random_u64(s->st));
  sandbox->run = NULL;
  rd_script_slow_ended(run);
  s->no_pauses = no_pauses;
  s->state.db = db;
  if (scripts->scratch.cap > KEEP_SCRATCH) rd_reply_free(&scripts->scratch);
  scripts->scratch.len = 0;
  scripts->scratch.failed = false;
  if (ended) return true;
  if (!out->failed) out->len = mark;
  out->errors = errors;
  if ((run->strayed || run->begins_again) && !run->wrote) return false;
  reply_error(out, sandbox, run);
  return true;
}

/* Lock the shards that the script needs. False: it has to be tried again later. */
static bool lock_for(const rd_call *c, rd_script_run *run) {
  rd_store *st = c->store;
  run->all = !run->script->tried || run->script->strays || run->key_count == 0;
  if (c->session->state.locked) { /* EXEC has locked all of them */
    run->all = true;
    return true;
  }
  if (run->all) return rd_lock_all_for_command(st);
  uint64_t wanted[RD_MAX_SHARDS / 64] = {0};
  rd_shards_of_call(st, c->command, c->argv, c->argc, wanted);
  return rd_lock_set_for_command(st, wanted);
}

static void run_script(rd_call *c, rd_scripts *scripts, rd_script_run *run) {
  rd_store *st = c->store;
  run->script->used = ++scripts->runs;
  if (!lock_for(c, run)) {
    c->verdict = RD_LATER;
    return;
  }
  uint32_t admitted = run->admitted_before = st->admitted_limit;
  st->admitted_limit = st->head->pool.limit + st->head->pool.reserve;
  if (run_once(scripts, run)) {
    run->script->quick = !run->published;
    if (run->all) run->script->tried = true;
    if (run->all && run->script->strays) rd_script_strayed(st, run->script);
  } else {
    if (run->strayed) run->script->strays = true;
    if (run->begins_again) run->script->quick = false;
    if (!c->session->state.locked) rd_unlock_all(st);
    c->verdict = run->begins_again ? RD_LONG : RD_LATER; /* dispatched again, a script that strayed locks all shards */
  }
  st->admitted_limit = admitted;
}

void rd_script_start(rd_call *c, rd_scripts *scripts, rd_script *script, const char *function, uint32_t keys,
                     bool read_only) {
  rd_store *st = c->store;
  if (!script->quick && !c->whole && st->running == NULL && st->clock != NULL) {
    const char *busy = rd_busy_error(st);
    if (busy != NULL)
      rd_reply_error(c->out, busy); /* it would wait for all shards */
    else
      c->verdict = RD_LONG; /* where it can pause */
    return;
  }
  bool over = rd_may_be_over(st) && !rd_growth_allowed(st);
  rd_script_run run = {.call = c,
                       .session = c->session,
                       .script = script,
                       .function = function,
                       .keys = c->argv + 3,
                       .key_count = keys,
                       .args = c->argv + 3 + keys,
                       .arg_count = c->argc - 3 - keys,
                       .read_only = read_only || (script->flags & RD_SCRIPT_NO_WRITES) != 0,
                       .refuses_growth = over && (script->flags & RD_SCRIPT_ALLOW_OOM) == 0,
                       .resp = 2,
                       .began_us = st->wall != NULL ? st->wall() : st->now_ms * 1000,
                       .scratch = &scripts->scratch};
  if (script->flags & RD_SCRIPT_DECLARES && !(script->flags & RD_SCRIPT_NO_WRITES)) {
    if (read_only) {
      rd_reply_error(c->out, "ERR Can not execute a script with write flag using *_ro command.");
      return;
    }
    if (run.refuses_growth) {
      rd_reply_error(c->out,
                     "OOM allow-oom flag is not set on the script, can not run it when used memory > "
                     "'maxmemory'");
      return;
    }
  }
  run_script(c, scripts, &run);
}

static void eval(rd_call *c, bool by_sha, bool read_only) {
  int64_t keys;
  if (!rd_arg_integer(c, c->argv[2], &keys)) return;
  if (keys > (int64_t)c->argc - 3) {
    rd_reply_error(c->out, "ERR Number of keys can't be greater than number of args");
    return;
  }
  if (keys < 0) {
    rd_reply_error(c->out, "ERR Number of keys can't be negative");
    return;
  }
  rd_scripts *scripts = rd_scripts_open(c);
  rd_script *script = scripts != NULL ? find(c, scripts, by_sha) : NULL;
  if (script != NULL) rd_script_start(c, scripts, script, NULL, (uint32_t)keys, read_only);
}

void rd_cmd_eval(rd_call *c) { eval(c, false, false); }
void rd_cmd_eval_ro(rd_call *c) { eval(c, false, true); }
void rd_cmd_evalsha(rd_call *c) { eval(c, true, false); }
void rd_cmd_evalsha_ro(rd_call *c) { eval(c, true, true); }
