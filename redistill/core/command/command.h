/* command.h - the table of commands: the contents of a row, and how to find a command. */
#ifndef RD_COMMAND_H
#define RD_COMMAND_H

#include "base/base.h"

/* python: begin */
typedef struct rd_session rd_session;
typedef struct rd_call rd_call;
typedef void rd_command_fn(rd_call *call);
/* The bytes that the call will write beyond its arguments, or a bound on them; 0 for arguments that the command will
 * refuse. Reads only values whose shards this process holds, and changes nothing. */
typedef uint64_t rd_growth_fn(rd_call *call);
/* python: end */

/* python: begin */

/* Flags: the names that COMMAND INFO reports, and some that only the core uses. */
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
  /* internal flags */
  RD_CONTROL_PLANE = 1 << 24, /* answered by the control plane, outside the core */
  RD_OWN_LOCKS = 1 << 25,     /* takes the locks that it needs itself: FLUSHALL, SCAN, SWAPDB ... */
  RD_SYSCMD = 1 << 26,        /* COMMAND DOCS reports it as internal */
  RD_LISTS = 1 << 27,  /* a command of the control plane whose lists of arguments may be long (RD_MAX_CONTROL_LIST) */
  RD_PLACED = 1 << 28, /* a command of the control plane that changes something or looks at keys: in a transaction it
                          acts at its place. All others may be answered after the transaction's locks are released. */
  RD_WHOLE = 1 << 29,  /* begins on the worker's own stack, however long its arguments are */
};

/* Categories of ACL CAT, in the order in which COMMAND INFO reports them. */
enum {
  RD_ACL_KEYSPACE = 1 << 0,
  RD_ACL_READ = 1 << 1,
  RD_ACL_WRITE = 1 << 2,
  RD_ACL_SET = 1 << 3,
  RD_ACL_SORTEDSET = 1 << 4,
  RD_ACL_LIST = 1 << 5,
  RD_ACL_HASH = 1 << 6,
  RD_ACL_STRING = 1 << 7,
  RD_ACL_BITMAP = 1 << 8,
  RD_ACL_HYPERLOGLOG = 1 << 9,
  RD_ACL_GEO = 1 << 10,
  RD_ACL_STREAM = 1 << 11,
  RD_ACL_PUBSUB = 1 << 12,
  RD_ACL_ADMIN = 1 << 13,
  RD_ACL_FAST = 1 << 14,
  RD_ACL_SLOW = 1 << 15,
  RD_ACL_BLOCKING = 1 << 16,
  RD_ACL_DANGEROUS = 1 << 17,
  RD_ACL_CONNECTION = 1 << 18,
  RD_ACL_TRANSACTION = 1 << 19,
  RD_ACL_SCRIPTING = 1 << 20,
};

/* The use that a command makes of a key: the flags of COMMAND INFO, in its order. */
enum {
  RD_KEY_RO = 1 << 0, /* reads the key; RW: reads and writes it; OW: overwrites it; RM: deletes it */
  RD_KEY_RW = 1 << 1,
  RD_KEY_OW = 1 << 2,
  RD_KEY_RM = 1 << 3,
  RD_KEY_ACCESS = 1 << 4, /* shows the user (part of) the value */
  RD_KEY_UPDATE = 1 << 5,
  RD_KEY_INSERT = 1 << 6,
  RD_KEY_DELETE = 1 << 7,
  RD_KEY_NOT_KEY = 1 << 8,
  RD_KEY_INCOMPLETE = 1 << 9,
  RD_KEY_VARIABLE_FLAGS = 1 << 10, /* the arguments decide (rd_command_keys) */
  /* internal flags */
  RD_KEY_INSTEAD = 1 << 16, /* if this spec finds keys, the specs before it find none */
};

enum { RD_BEGIN_UNKNOWN, RD_BEGIN_INDEX, RD_BEGIN_KEYWORD };
enum { RD_FIND_UNKNOWN, RD_FIND_RANGE, RD_FIND_KEYNUM };

/* The positions of keys in argv, and the use that the command makes of them: COMMAND INFO's key specs. The search
 * for the first position:
 *
 *     index     `begin`
 *     keyword   behind the first argument that is `keyword`, from `begin` on; backwards from argc + begin when negative
 *     unknown   finds no keys, except for the key behind an option
 *
 * and from there:
 *
 *     range     every `step`th up to `last` behind it; `last` negative: to argc + last, or with `limit`, which makes
 *               sense with -1, to the end of the first 1/limit of the remaining arguments
 *     keynum    as many keys as the argument `last` behind it says, every `step`th from `first` behind it on */
typedef struct rd_key_spec {
  uint32_t flags; /* 0 ends the list */
  uint8_t begin_search, find_keys;
  bool by_option; /* the first position is that of an option's value (rd_option), whatever the search finds */
  int begin, last, step, limit, first;
  const char *keyword; /* lower case */
  const char *notes;   /* or NULL */
} rd_key_spec;

#define RD_MAX_KEY_SPECS 3u

/* An option of a command: a word, and the number of values that follow it. */
typedef struct rd_option {
  const char *word; /* lower case; NULL ends the list */
  int values;       /* RD_ALL_THE_REST: all arguments that follow */
  int spec;         /* the values of the last such option are keys of key_specs[spec - 1]; 0: they are no keys */
} rd_option;

#define RD_ALL_THE_REST (-1)

/* How the keys of a command are found. */
enum {
  RD_NO_KEYS,
  RD_ONE_KEY, /* argv[first_key] is the only key */
  RD_KEYS,    /* rd_command_keys finds them */
};

/* A command or a subcommand. All strings are ASCII without quotes or control bytes.
 *
 * `arguments` says in one line what COMMAND DOCS says as a tree. Arguments are separated by spaces:
 *
 *     name          a string                       name:type  of another type: integer, double, pattern, unix-time ...
 *     name#0        a key, of key spec 0           NX         a word of its own ("pure-token" nx)
 *     name:type#1   a pattern for such keys
 *     EX=name:type  the word EX, then the value    name{ a | b }  one of them       name( a b )  a block
 *     ~name         the word ~ (or =, *, $) that has this name
 *
 * with a `?` before what is optional, and behind it, in this order, `*` for what may be repeated (`*+` when its word is
 * repeated, too), `@6.2.0` for the version that brought it, `!2.8.12` for the one that deprecated it. */
typedef struct rd_command {
  rd_command_fn *run; /* NULL for a command of the control plane, and for a container that is no command by itself */
  uint32_t flags;
  int arity;    /* as in Redis: negative means at least; counts the name, and a subcommand's container */
  uint16_t id;  /* RD_ID_...: the index of its counters, below rd_command_count() */
  uint8_t keys; /* RD_NO_KEYS ... */
  /* The place of an argument that names an element of the key's value, and of the score that it will have; negative:
   * from argc on; 0: there is none. */
  int8_t element, score;
  int first_key, last_key, key_step;    /* as in Redis: 1, 1, 1 for GET; 1, -1, 2 for MSET; 0, 0, 0 for none */
  const struct rd_command *subcommands; /* ends with a NULL name; NULL when there are none */
  const char *name;                     /* lower case; of a subcommand only its own word */
  const char *full_name;                /* "client|list"; NULL unless it is a subcommand (see rd_command_full_name) */
  const char *summary;                  /* one sentence without a full stop */
  const char *since;                    /* the version of Redis that introduced it */
  rd_growth_fn *grows;                  /* NULL: the arguments are all that it writes */
  const char *group;      /* "string", "generic", "bitmap", "hyperloglog", "transactions", "connection", "server" ... */
  const char *complexity; /* NULL when Redis names none */
  uint32_t acl;           /* RD_ACL_ bits, the implied ones included */
  int options_from;       /* options begin at argv[options_from] */
  const rd_option *options; /* NULL unless keys stand behind options */
  rd_key_spec key_specs[RD_MAX_KEY_SPECS];
  const char *tips;             /* space-separated; NULL for none */
  const char *arguments;        /* NULL for none */
  const char *deprecated_since; /* NULL unless it is deprecated; then replaced_by names the replacement */
  const char *replaced_by;
} rd_command;

/* Find a command by name, in any case; NULL when unknown. `argc` and `argv` select the subcommand of a container.
 * When the container is known but the subcommand is not, the container is returned and *unknown_sub is set (false in
 * all other cases). A container named alone is returned as such. Takes a few nanoseconds for any name. */
const rd_command *rd_command_find(const rd_bytes *argv, uint32_t argc, bool *unknown_sub);
/* The same by full name: "get", "CLIENT|LIST". */
const rd_command *rd_command_find_full(rd_bytes name);
/* Commands and subcommands, by id: 0 .. rd_command_count() - 1, a container's subcommands right behind it. */
uint16_t rd_command_count(void);
const rd_command *rd_command_by_id(uint16_t id);
/* python: end */

/* "get", "client|list": the name in INFO commandstats and error texts. */
static inline const char *rd_command_full_name(const rd_command *cmd) {
  return cmd->full_name ? cmd->full_name : cmd->name;
}
/* True if `argc` fits the arity. */
static inline bool rd_command_arity_ok(const rd_command *cmd, uint32_t argc) {
  return cmd->arity >= 0 ? argc == (uint32_t)cmd->arity : argc >= (uint32_t)-cmd->arity;
}

#endif
