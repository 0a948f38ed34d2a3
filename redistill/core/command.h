/* command.h - the one table of commands, and what a command gets when it is called. */
#ifndef RD_COMMAND_H
#define RD_COMMAND_H

#include "base.h"
#include "reply.h"
#include "store.h"

struct rd_session;

/* One call of one command. */
typedef struct rd_call {
  rd_store *store;
  struct rd_session *session;
  rd_reply *out;
  const struct rd_command *command;
  unsigned db;
  uint32_t argc;
  const rd_bytes *argv; /* argv[0] is the command's name; for a subcommand argv[1] is its name */
} rd_call;

typedef void rd_command_fn(rd_call *call);

/* Flags: the names that COMMAND INFO reports, and two of ours. */
enum {
  RD_WRITE = 1 << 0,
  RD_READONLY = 1 << 1,
  RD_DENYOOM = 1 << 2,
  RD_FAST = 1 << 3,
  RD_ADMIN = 1 << 4,
  RD_NOSCRIPT = 1 << 5,
  RD_LOADING = 1 << 6,
  RD_STALE = 1 << 7,
  RD_NO_AUTH = 1 << 8,
  RD_PUBSUB = 1 << 9,
  RD_BLOCKING = 1 << 10,
  RD_SKIP_MONITOR = 1 << 11,
  RD_SKIP_SLOWLOG = 1 << 12,
  RD_MOVABLEKEYS = 1 << 13,
  RD_ALLOW_BUSY = 1 << 14,
  RD_NO_MULTI = 1 << 15,
  RD_NO_ASYNC_LOADING = 1 << 16,
  RD_NO_MANDATORY_KEYS = 1 << 17,
  RD_MAY_REPLICATE = 1 << 18,
  /* ours */
  RD_CONTROL_PLANE = 1 << 24, /* answered by the control plane, outside the core */
  RD_OWN_LOCKS = 1 << 25,     /* takes the locks it needs itself: FLUSHALL, SCAN, SWAPDB ... */
};

/* A command or a subcommand. */
typedef struct rd_command {
  const char *name;    /* lower case; of a subcommand its own word only */
  const char *summary; /* one sentence without a full stop */
  const char *since;   /* version of Redis that brought it */
  const char *group;   /* "string", "generic", "bitmap", "hyperloglog", "transactions", "connection", "server" ... */
  const char *complexity;
  int arity;           /* as in Redis: negative means at least; counts the name */
  uint32_t flags;
  uint32_t acl;        /* category bits, see command.c */
  int first_key, last_key, key_step; /* as in Redis: 1, 1, 1 for GET; 1, -1, 2 for MSET; 0, 0, 0 for none */
  const char *key_flags; /* of COMMAND INFO's key specs, e.g. "RW access update"; "" without keys */
  const char *tips;    /* space-separated, "" for none */
  rd_command_fn *run;  /* NULL for the control plane's */
  const struct rd_command *subcommands; /* ends with a NULL name; NULL when there are none */
  uint16_t id;         /* place in the counters; set in the table's order */
} rd_command;

/* Find by name, any case; NULL when unknown. `argc`/`argv` decide the subcommand where there are any: when the
 * container is known but the subcommand is not, the container is returned and *unknown_sub is set. */
const rd_command *rd_command_find(const rd_bytes *argv, uint32_t argc, bool *unknown_sub);
/* The table, ends with a NULL name. */
const rd_command *rd_command_table(void);
/* Positions in argv of the keys of this call, at most `cap` of them stored; the count, or -1 when the arguments make no
 * sense (as COMMAND GETKEYS: "Invalid arguments specified for command"). */
int rd_command_keys(const rd_command *cmd, const rd_bytes *argv, uint32_t argc, uint32_t *positions, uint32_t cap);

/* ---- arguments (args.c) ---- */

/* A canonical decimal signed 64-bit number (no sign "+", no leading zeros or spaces), as Redis's string2ll. */
bool rd_parse_i64(rd_bytes s, int64_t *out);
/* As Redis's long double for INCRBYFLOAT: no spaces, no NaN; false when it does not parse. */
bool rd_parse_long_double(rd_bytes s, long double *out);
bool rd_parse_double(rd_bytes s, double *out);
/* Case-insensitive comparison with a lower-case ASCII word. */
bool rd_arg_is(rd_bytes s, const char *word);
/* Decimal text of n; returns its length. */
#define RD_I64_TEXT 21
size_t rd_format_i64(char dst[RD_I64_TEXT], int64_t n);
/* Redis's human form of a long double, as INCRBYFLOAT stores it (%.17Lf without trailing zeros). Length, 0 on overflow. */
#define RD_LONG_DOUBLE_TEXT 5200
size_t rd_format_long_double(char *dst, size_t cap, long double v);

/* Find argv[i] as a key in the call's database. */
rd_key rd_call_key(rd_call *call, uint32_t i);
/* A read lookup that must be a string: the item, or NULL with *absent set, or NULL after a WRONGTYPE reply. */
rd_item *rd_call_string(rd_call *call, const rd_key *key, bool for_write, bool *absent);

#endif
