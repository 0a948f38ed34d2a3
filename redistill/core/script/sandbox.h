/* sandbox.h - a Lua state in which scripts of clients run: what they can reach, and how much they may use.
 *
 * A script sees the globals of Redis's scripts and nothing else: no files, no processes, no bytecode. All scripts of a
 * process share one state. They cannot change what they share: each shared table is behind a protected one, an empty
 * table whose metatable refers to it and refuses changes; the functions that go around metatables (rawset,
 * setmetatable, table.insert ...) refuse protected tables, too.
 *
 * An error cannot end the process: all that runs in the state runs inside of rd_lua.cpcall, memory ends at a cap, and
 * recursion where Lua's own limits are. */
#ifndef RD_SCRIPT_SANDBOX_H
#define RD_SCRIPT_SANDBOX_H

#include "base/base.h"
#include "script/budget.h"

#define RD_SCRIPT_STEPS 100000 /* instructions, or steps of budget.h, between two looks at the time */
#define RD_SCRIPT_ERROR 4096   /* bytes of the text of an error, with its end */

typedef struct rd_sandbox {
  rd_budget budget; /* first: it is the allocator's `ud` */
  lua_State *L;
  uint64_t used, cap; /* bytes that Lua has, and may have */
  uint64_t settled;   /* `used` when garbage was last collected as a whole */
  uint64_t random;    /* the state of math.random */
  /* Called at each look of a running script. Returns NULL, or the error that ends the script, which no pcall catches.
   */
  const char *(*asked)(struct rd_sandbox *sandbox);
  struct rd_cjson_settings *json; /* those of the library cjson, which begin anew with each run */
  const char *ending;             /* the error that ends the running script; NULL: it may go on */
  uint32_t patience;              /* looks after which the library that is being loaded ends; 0: none is loaded */
  void *run;                      /* the running script, for the functions of its library; NULL: none */
  int line;                       /* where the last error was raised; 0: not known */
  char source[64];                /* ... and the name of the chunk */
  char error[RD_SCRIPT_ERROR];    /* its text, "" at the start of a run */
} rd_sandbox;

/* NULL: no memory. `cap` is at least 1 MiB. rd_lua is loaded. */
rd_sandbox *rd_sandbox_new(uint64_t cap);
void rd_sandbox_free(rd_sandbox *sandbox);

/* Inside of cpcall: replace the table at the top by a protected one. */
void rd_protect(lua_State *L);
/* True if the value is a protected table. */
bool rd_is_protected(lua_State *L, int index);
/* Raise the error that scripts get who change a protected table. */
int rd_refuse_change(lua_State *L);
/* Set a shared global to the value at the top, and pop it. Inside of cpcall, while no script runs. */
void rd_sandbox_set_global(lua_State *L, const char *name);

/* Compile a script and keep its function. Returns its number, above 0; 0: `sandbox->error` says why not. `chunk` is the
 * chunk's name as Lua wants it, "@user_script". */
int rd_sandbox_compile(rd_sandbox *sandbox, rd_bytes body, const char *chunk);
/* Inside of cpcall: push the function with this number. */
void rd_sandbox_push(lua_State *L, int number);
/* Inside of cpcall: keep the function at the top, and pop it. Returns its number. */
int rd_sandbox_keep(lua_State *L);
/* Free the function with this number. */
void rd_sandbox_forget(rd_sandbox *sandbox, int number);

/* Run `body(L, ud)` protected, as a script: random numbers begin with `seed`, nothing ends it yet. False: it ended with
 * an error, which is in `sandbox->error`, `line` and `source`. Afterwards the stack is empty. */
bool rd_sandbox_run(rd_sandbox *sandbox, lua_CFunction body, void *ud, uint32_t seed);
/* Inside of `body`: call the function below its `arguments`, with one result. Keeps where an error was raised. */
void rd_sandbox_call(lua_State *L, int arguments);

/* The sandbox of a state. */
static inline rd_sandbox *rd_sandbox_of(lua_State *L) {
  void *ud = NULL;
  (void)rd_lua.getallocf(L, &ud);
  return ud;
}

#endif
