/* functions.c - FUNCTION, FCALL and FCALL_RO. */
#include "session/functions.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/glob.h"
#include "session/execute.h"
#include "store/scripts.h"

enum { ERROR_TEXT = 800 };

/* ---- this process's libraries are those of the arena ---- */

static bool lock_all(rd_call *c) {
  if (c->session->state.locked || rd_lock_all_for_command(c->store)) return true;
  c->verdict = RD_LATER;
  return false;
}

static void unlock_all(rd_call *c) {
  if (!c->session->state.locked) rd_unlock_all(c->store);
}

static rd_library *find_library(const rd_scripts *scripts, const void *name, size_t len) {
  rd_library *library = scripts->libraries;
  while (library != NULL && (library->name_len != len || memcmp(library->name, name, len) != 0))
    library = library->next;
  return library;
}

static rd_function *find_function(const rd_scripts *scripts, rd_bytes name, const rd_library *but) {
  for (const rd_library *library = scripts->libraries; library != NULL; library = library->next) {
    rd_function *f = library == but ? NULL : rd_library_function(library, name);
    if (f != NULL) return f;
  }
  return NULL;
}

static void drop(rd_scripts *scripts, rd_library *library) {
  rd_library **link = &scripts->libraries;
  while (*link != library) link = &(*link)->next;
  *link = library->next;
  rd_library_free(scripts, library);
}

void rd_libraries_free(rd_scripts *scripts) {
  while (scripts->libraries != NULL) drop(scripts, scripts->libraries);
}

/* The codes of all libraries of the arena. */
typedef struct codes {
  rd_bytes *code;
  uint32_t count;
  bool failed;
} codes;

static bool collect(void *arg, rd_store *st, const rd_item *it) {
  codes *all = arg;
  rd_script_info info;
  if (!rd_script_of(st, it, &info)) return true;
  rd_bytes *grown = realloc(all->code, (all->count + 1) * sizeof *grown);
  uint8_t *code = malloc(info.len + 1);
  if (grown != NULL) all->code = grown;
  if (grown == NULL || code == NULL) {
    free(code);
    all->failed = true;
    return false;
  }
  rd_script_body(st, it, code);
  all->code[all->count++] = (rd_bytes){code, info.len};
  return true;
}

static bool is_among(const codes *all, rd_bytes code) {
  for (uint32_t i = 0; i < all->count; i++) {
    if (all->code[i].len == code.len && memcmp(all->code[i].data, code.data, code.len) == 0) return true;
  }
  return false;
}

static bool has_code(const rd_scripts *scripts, rd_bytes code) {
  for (const rd_library *l = scripts->libraries; l != NULL; l = l->next) {
    if (l->code.len == code.len && memcmp(l->code.data, code.data, code.len) == 0) return true;
  }
  return false;
}

static void add(rd_scripts *scripts, rd_library *library) {
  library->next = scripts->libraries;
  scripts->libraries = library;
}

/* Have this process's libraries as the arena has them. False: the command ends. */
static bool follow(rd_call *c, rd_scripts *scripts) {
  rd_store *st = c->store;
  char error[ERROR_TEXT];
  if (RD_LIKELY(scripts->follows && scripts->libraries_seen == rd_libraries_generation(st))) return true;
  codes all = {0};
  if (!lock_all(c)) return false;
  uint32_t generation = rd_libraries_generation(st);
  rd_libraries_each(st, collect, &all);
  unlock_all(c);
  if (!all.failed) {
    for (rd_library *l = scripts->libraries, *next; l != NULL; l = next) {
      next = l->next;
      if (!is_among(&all, l->code)) drop(scripts, l);
    }
    for (uint32_t i = 0; i < all.count; i++) {
      rd_library *fresh =
          has_code(scripts, all.code[i]) ? NULL : rd_library_load(scripts, all.code[i], error, sizeof error);
      if (fresh != NULL) add(scripts, fresh); /* another process has loaded it: it fails only without memory */
    }
    scripts->libraries_seen = generation;
    scripts->follows = true;
  }
  for (uint32_t i = 0; i < all.count; i++) free((void *)(uintptr_t)all.code[i].data);
  free(all.code);
  if (all.failed) rd_reply_oom(c->out);
  return !all.failed;
}

/* NULL: the command ends. */
static rd_scripts *open(rd_call *c) {
  rd_scripts *scripts = rd_scripts_open(c);
  return scripts != NULL && follow(c, scripts) ? scripts : NULL;
}

/* ---- FCALL ---- */

static void fcall(rd_call *c, bool read_only) {
  rd_scripts *scripts = open(c);
  if (scripts == NULL) return;
  rd_function *f = find_function(scripts, c->argv[1], NULL);
  int64_t keys;
  if (f == NULL)
    rd_reply_error(c->out, "ERR Function not found");
  else if (!rd_parse_i64(c->argv[2], &keys))
    rd_reply_error(c->out, "ERR Bad number of keys provided");
  else if (keys > (int64_t)c->argc - 3)
    rd_reply_error(c->out, "ERR Number of keys can't be greater than number of args");
  else if (keys < 0)
    rd_reply_error(c->out, "ERR Number of keys can't be negative");
  else
    rd_script_start(c, scripts, &f->script, f->name, (uint32_t)keys, read_only);
}

void rd_cmd_fcall(rd_call *c) { fcall(c, false); }
void rd_cmd_fcall_ro(rd_call *c) { fcall(c, true); }

/* ---- FUNCTION ---- */

/* The name of a function of `library` that another library has, besides `replaced`. */
static const char *taken(const rd_scripts *scripts, const rd_library *library, const rd_library *replaced) {
  for (uint32_t i = 0; i < library->count; i++) {
    const rd_function *f = &library->functions[i];
    if (find_function(scripts, (rd_bytes){(const uint8_t *)f->name, f->name_len}, replaced) != NULL) return f->name;
  }
  return NULL;
}

/* Keep a library, which has been compiled, in the arena and in this process. Returns false after an error reply, or if
 * the command must be tried again; then the library is freed. */
static bool keep(rd_call *c, rd_scripts *scripts, rd_library *library, bool replace) {
  rd_store *st = c->store;
  rd_library *old = find_library(scripts, library->name, library->name_len);
  const char *name = taken(scripts, library, old);
  bool kept = false;
  if (old != NULL && !replace) {
    rd_reply_errorf(c->out, "ERR Library '%s' already exists", library->name);
  } else if (name != NULL) {
    rd_reply_errorf(c->out, "ERR Function %s already exists", name);
  } else if (lock_all(c)) {
    if (rd_libraries_generation(st) != scripts->libraries_seen) {
      c->verdict = RD_LATER; /* another process has changed libraries meanwhile */
    } else {
      rd_key key = rd_library_key(st, (rd_bytes){(const uint8_t *)library->name, library->name_len});
      kept = rd_script_put(st, &key, library->code, 0) == RD_OK;
      if (kept) rd_note_changes(st, 1);
      if (!kept) rd_reply_oom(c->out);
      scripts->libraries_seen = rd_libraries_generation(st);
    }
    unlock_all(c);
  }
  if (!kept) {
    rd_library_free(scripts, library);
    return false;
  }
  if (old != NULL) drop(scripts, old);
  add(scripts, library);
  return true;
}

void rd_cmd_function_load(rd_call *c) {
  bool replace = false;
  for (uint32_t i = 2; i + 1 < c->argc; i++) {
    if (!rd_arg_is(c->argv[i], "replace")) {
      rd_reply_errorf(c->out, "ERR Unknown option given: %.*s", (int)(c->argv[i].len < 128 ? c->argv[i].len : 128),
                      (const char *)c->argv[i].data);
      return;
    }
    replace = true;
  }
  rd_bytes code = c->argv[c->argc - 1];
  rd_scripts *scripts = open(c);
  if (scripts == NULL) return;
  char error[ERROR_TEXT];
  if (code.len > RD_SCRIPT_BODY) {
    rd_reply_errorf(c->out, "ERR the library is longer than %u bytes", RD_SCRIPT_BODY);
    return;
  }
  rd_library *library = rd_library_load(scripts, code, error, sizeof error);
  if (library == NULL) {
    rd_reply_error(c->out, error);
    return;
  }
  if (keep(c, scripts, library, replace)) rd_reply_bulk(c->out, library->name, library->name_len);
}

void rd_cmd_function_delete(rd_call *c) {
  rd_scripts *scripts = open(c);
  if (scripts == NULL) return;
  rd_store *st = c->store;
  rd_key key = rd_library_key(st, c->argv[2]);
  if (!lock_all(c)) return;
  bool was = rd_library_remove(st, &key);
  unlock_all(c);
  if (was) rd_note_changes(st, 1);
  if (was)
    rd_reply_ok(c->out);
  else
    rd_reply_error(c->out, "ERR Library not found");
}

void rd_cmd_function_flush(rd_call *c) {
  if (c->argc > 3) {
    rd_reply_errorf(c->out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try FUNCTION HELP.",
                    (int)c->argv[1].len, (const char *)c->argv[1].data);
    return;
  }
  if (c->argc == 3 && !rd_arg_is(c->argv[2], "sync") && !rd_arg_is(c->argv[2], "async")) {
    rd_reply_error(c->out, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    return;
  }
  if (!lock_all(c)) return;
  rd_libraries_flush(c->store);
  unlock_all(c);
  rd_reply_ok(c->out);
}

static void reply_flags(rd_reply *out, uint32_t flags) {
  uint32_t n = 0;
  for (unsigned i = 0; i < RD_SCRIPT_FLAGS; i++) n += flags >> i & 1;
  rd_reply_set(out, n);
  for (unsigned i = 0; i < RD_SCRIPT_FLAGS; i++) {
    if (flags >> i & 1) rd_reply_simple(out, rd_script_flag_name(i));
  }
}

static void reply_library(rd_reply *out, const rd_library *l, bool with_code) {
  rd_reply_map(out, with_code ? 4 : 3);
  rd_reply_str(out, "library_name");
  rd_reply_bulk(out, l->name, l->name_len);
  rd_reply_str(out, "engine");
  rd_reply_str(out, "LUA");
  rd_reply_str(out, "functions");
  rd_reply_array(out, l->count);
  for (uint32_t i = 0; i < l->count; i++) {
    const rd_function *f = &l->functions[i];
    rd_reply_map(out, 3);
    rd_reply_str(out, "name");
    rd_reply_bulk(out, f->name, f->name_len);
    rd_reply_str(out, "description");
    if (f->description != NULL)
      rd_reply_bulk(out, f->description, f->description_len);
    else
      rd_reply_null(out);
    rd_reply_str(out, "flags");
    reply_flags(out, f->script.flags & ~(uint32_t)RD_SCRIPT_DECLARES);
  }
  if (!with_code) return;
  rd_reply_str(out, "library_code");
  rd_reply_bulk(out, l->code.data, l->code.len);
}

void rd_cmd_function_list(rd_call *c) {
  bool with_code = false;
  rd_bytes pattern = {NULL, 0};
  for (uint32_t i = 2; i < c->argc; i++) {
    if (!with_code && rd_arg_is(c->argv[i], "withcode")) {
      with_code = true;
    } else if (pattern.data == NULL && rd_arg_is(c->argv[i], "libraryname")) {
      if (i + 1 == c->argc) {
        rd_reply_error(c->out, "ERR library name argument was not given");
        return;
      }
      pattern = c->argv[++i];
    } else {
      rd_reply_errorf(c->out, "ERR Unknown argument %.*s", (int)(c->argv[i].len < 128 ? c->argv[i].len : 128),
                      (const char *)c->argv[i].data);
      return;
    }
  }
  rd_scripts *scripts = open(c);
  if (scripts == NULL) return;
  size_t mark = rd_reply_begin_array(c->out), n = 0;
  for (const rd_library *l = scripts->libraries; l != NULL; l = l->next) {
    if (pattern.data != NULL && !rd_glob(pattern, (rd_bytes){(const uint8_t *)l->name, l->name_len}, true)) continue;
    reply_library(c->out, l, with_code);
    n++;
  }
  rd_reply_end_array(c->out, mark, n);
}

/* Nothing runs while this is answered. */
void rd_cmd_function_stats(rd_call *c) {
  rd_scripts *scripts = open(c);
  if (scripts == NULL) return;
  int64_t libraries = 0, functions = 0;
  for (const rd_library *l = scripts->libraries; l != NULL; l = l->next, libraries++) functions += l->count;
  rd_reply_map(c->out, 2);
  rd_reply_str(c->out, "running_script");
  rd_reply_null(c->out);
  rd_reply_str(c->out, "engines");
  rd_reply_map(c->out, 1);
  rd_reply_str(c->out, "LUA");
  rd_reply_map(c->out, 2);
  rd_reply_str(c->out, "libraries_count");
  rd_reply_int(c->out, libraries);
  rd_reply_str(c->out, "functions_count");
  rd_reply_int(c->out, functions);
}

void rd_cmd_function_help(rd_call *c) {
  static const char *const lines[] = {
      "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "LOAD [REPLACE] <FUNCTION CODE>",
      "    Create a new library with the given library name and code.",
      "DELETE <LIBRARY NAME>",
      "    Delete the given library.",
      "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
      "    Return general information on all the libraries:",
      "    * Library name",
      "    * The engine used to run the Library",
      "    * Library description",
      "    * Functions list",
      "    * Library code (if WITHCODE is given)",
      "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
      "STATS",
      "    Return information about the current function running:",
      "    * Function name",
      "    * Command used to run the function",
      "    * Duration in MS that the function is running",
      "    If no function is running, return nil",
      "    In addition, returns a list of available engines.",
      "FLUSH [ASYNC|SYNC]",
      "    Delete all the libraries.",
      "    When called without the optional mode argument, the behavior is determined by the",
      "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
      "    * ASYNC: Asynchronously flush the libraries.",
      "    * SYNC: Synchronously flush the libraries.",
      "HELP",
      "    Prints this help.",
  };
  rd_reply_lines(c->out, lines, sizeof lines / sizeof lines[0]);
}
