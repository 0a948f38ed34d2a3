/* scripts.h - EVAL and its relatives, and what a process keeps for them; for the files of this folder.
 *
 * A script runs on the worker's own stack, from its start to its end, with the shards locked that its keys are in. A
 * script names its keys, but nothing forces it to touch no others. So the first run of a script locks all shards; if it
 * touched only keys that it had named, later runs lock only these. A run that strays then begins again with all shards
 * locked, and the script is known as one that strays. That cannot be once it has changed something: then it waits for
 * a while for the shard, and gets an error if another process keeps that.
 *
 * The compiled functions are in the process's sandbox (script/sandbox.h), which is made for the first script. */
#ifndef RD_SCRIPTS_H
#define RD_SCRIPTS_H

#include "base/sha1.h"
#include "command/call.h"
#include "script/sandbox.h"
#include "session/internal.h"

/* The memory that Lua may use in one process, and the longest script, in bytes. */
#define RD_SCRIPT_MEMORY (64ull << 20)
#define RD_SCRIPT_BODY (1u << 20)
/* The scripts that one process keeps compiled; the one used longest ago makes room. */
#define RD_SCRIPTS_KEPT 500u
#define RD_SCRIPTS_BYTES (8u << 20)

/* What a script declares of itself in its first line, "#!lua flags=no-writes,allow-oom". */
typedef enum rd_script_flag {
  RD_SCRIPT_NO_WRITES = 1 << 0,
  RD_SCRIPT_ALLOW_OOM = 1 << 1,
  RD_SCRIPT_ALLOW_STALE = 1 << 2,
  RD_SCRIPT_NO_CLUSTER = 1 << 3,
  RD_SCRIPT_CROSS_SLOT = 1 << 4,
  RD_SCRIPT_DECLARES = 1 << 5, /* it has such a line */
} rd_script_flag;
#define RD_SCRIPT_FLAGS 5u /* those with a name */

typedef struct rd_script {
  uint8_t sha[RD_SHA1_BYTES];
  uint64_t hash;  /* of its body */
  rd_bytes body;  /* malloc'd */
  int function;   /* its number in the sandbox */
  uint32_t flags; /* rd_script_flag */
  bool tried;     /* it has run to its end with all shards locked */
  bool quick;     /* its last run ended within a slice */
  bool strays;    /* it has touched keys that it had not named */
  /* Whether the arena has it (store/scripts.h), as of this generation; and the time before which it is not tried again
   * to put it there, since there was no room: script_cache.c. */
  bool known, kept;
  uint32_t generation;
  uint64_t refused_until;
  uint64_t used; /* rd_scripts.runs at its last run */
  struct rd_script *next_by_sha, *next_by_body;
} rd_script;

/* A running script. */
typedef struct rd_script_run {
  const rd_call *call; /* EVAL */
  rd_session *session;
  rd_script *script;
  const rd_bytes *keys, *args;
  uint32_t key_count, arg_count;
  const char *function; /* the name of a function of a library; NULL: EVAL */
  bool read_only;
  bool refuses_growth; /* commands that may grow are refused, as long as it has changed nothing */
  bool wrote;
  bool all;                 /* all shards are locked */
  bool begins_again;        /* it has run for a slice, and must begin again where it can pause */
  bool published;           /* rd_running_begin */
  uint64_t looked_ns;       /* the time of the first look; 0: there was none */
  uint64_t unwanted_ns;     /* when its client had gone; 0: it has not */
  uint64_t later_ms;        /* the store's time when it last went on after a pause; 0: it has not paused */
  uint32_t admitted_before; /* rd_store.admitted_limit of others */
  bool strayed;             /* it touched a shard that is not locked, and must begin again */
  int resp;                 /* the protocol of replies, that redis.setresp sets */
  uint64_t began_us;        /* the time that TIME shows, in microseconds since the epoch */
  rd_reply *scratch;        /* the replies of its commands */
} rd_script_run;

#define RD_SCRIPT_BUCKETS 1024u
typedef struct rd_scripts {
  rd_sandbox *sandbox;
  rd_reply scratch;
  rd_script *by_sha[RD_SCRIPT_BUCKETS], *by_body[RD_SCRIPT_BUCKETS];
  rd_script *all[RD_SCRIPTS_KEPT];
  uint32_t count;
  uint64_t bytes; /* of their bodies */
  uint64_t runs;
  struct rd_library *libraries; /* functions.h */
  uint32_t libraries_seen;      /* the arena's number of them, if `follows` */
  bool follows;
} rd_scripts;

/* The process's scripts, made for the first one. NULL: there is no Lua, or no memory, and the reply says so; or a
 * script of another client pauses, and the command has to be tried again later. */
rd_scripts *rd_scripts_open(rd_call *c);
/* The script that this process has compiled; NULL: none. */
rd_script *rd_script_compiled(rd_scripts *scripts, const uint8_t *sha);
/* Compile a new script. NULL after an error reply. */
rd_script *rd_script_compile(rd_scripts *scripts, rd_reply *out, rd_bytes body, uint64_t hash);
/* The compiled script of this body. NULL after an error reply. */
rd_script *rd_script_by_body(rd_call *c, rd_scripts *scripts, rd_bytes body);

const char *rd_script_flag_name(unsigned flag);
/* Add the flag with this name. False: there is none. */
bool rd_script_flag_of(rd_bytes name, uint32_t *flags);
/* Run a script, or the function of this name, whose keys begin at argv[3]. */
void rd_script_start(rd_call *c, rd_scripts *scripts, rd_script *script, const char *function, uint32_t keys,
                     bool read_only);
/* functions.c */
void rd_libraries_free(rd_scripts *scripts);

/* ---- script_cache.c: the scripts of all processes ---- */

/* Have a compiled script in the arena, and there as one that stays if it is `loaded`. False: the command ends, with an
 * error reply or to be tried again later. A body of EVAL for which there is no room runs without. */
bool rd_script_share(rd_call *c, rd_script *script, bool loaded);
/* The script that any process has loaded or run. NULL: the command ends, with an error reply or to be tried again. */
rd_script *rd_script_by_sha(rd_call *c, rd_scripts *scripts, const uint8_t sha[RD_SHA1_BYTES]);
/* Tell all processes that the script strays. All shards are locked. */
void rd_script_strayed(rd_store *st, const rd_script *script);

/* Inside of cpcall, on a new sandbox: add the library `redis`, and `server`, its other name. */
void rd_open_redis(lua_State *L);

#endif
