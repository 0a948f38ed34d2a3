/* cmd.h - the commands that the core executes itself, one function each (one file a group). The command table points
 * here. */
#ifndef RD_CMD_H
#define RD_CMD_H

#include "command/command.h"

/* ---- connection and transactions (session.c, multi.c) ---- */

rd_command_fn rd_cmd_ping, rd_cmd_echo, rd_cmd_select, rd_cmd_quit;
rd_command_fn rd_cmd_multi, rd_cmd_exec, rd_cmd_discard, rd_cmd_watch, rd_cmd_unwatch;

/* ---- end of connection and transactions ---- */

/* ---- strings, bitmaps, HyperLogLog (string.c, counter.c, range.c, bitmap.c, bitfield.c,
 * hll.c, lcs.c) ---- */

rd_command_fn rd_cmd_get, rd_cmd_set, rd_cmd_setnx, rd_cmd_setex, rd_cmd_psetex;
rd_command_fn rd_cmd_getset, rd_cmd_getdel, rd_cmd_getex;
rd_command_fn rd_cmd_mget, rd_cmd_mset, rd_cmd_msetnx;
rd_command_fn rd_cmd_incr, rd_cmd_decr, rd_cmd_incrby, rd_cmd_decrby, rd_cmd_incrbyfloat;
rd_command_fn rd_cmd_append, rd_cmd_strlen, rd_cmd_getrange, rd_cmd_substr, rd_cmd_setrange;
rd_command_fn rd_cmd_lcs;
rd_command_fn rd_cmd_getbit, rd_cmd_setbit, rd_cmd_bitcount, rd_cmd_bitpos, rd_cmd_bitop;
rd_command_fn rd_cmd_bitfield, rd_cmd_bitfield_ro;
rd_command_fn rd_cmd_pfadd, rd_cmd_pfcount, rd_cmd_pfmerge, rd_cmd_pfdebug, rd_cmd_pfselftest;

/* ---- end of strings ---- */

/* ---- keys (key.c, expire.c, scan.c, object.c, dump.c) ---- */

rd_command_fn rd_cmd_del, rd_cmd_unlink, rd_cmd_exists, rd_cmd_touch, rd_cmd_type;
rd_command_fn rd_cmd_rename, rd_cmd_renamenx, rd_cmd_copy, rd_cmd_move;

rd_command_fn rd_cmd_expire, rd_cmd_pexpire, rd_cmd_expireat, rd_cmd_pexpireat;
rd_command_fn rd_cmd_ttl, rd_cmd_pttl, rd_cmd_expiretime, rd_cmd_pexpiretime, rd_cmd_persist;

/* These walk the whole keyspace and lock for themselves (RD_OWN_LOCKS). */
rd_command_fn rd_cmd_keys, rd_cmd_scan, rd_cmd_randomkey, rd_cmd_dbsize;
rd_command_fn rd_cmd_flushdb, rd_cmd_flushall, rd_cmd_swapdb;

rd_command_fn rd_cmd_object_encoding, rd_cmd_object_freq, rd_cmd_object_idletime, rd_cmd_object_refcount;
rd_command_fn rd_cmd_object_help;
rd_command_fn rd_cmd_memory_usage;

rd_command_fn rd_cmd_dump, rd_cmd_restore;
/* Bytes of the value that a payload of RESTORE says it has; 0: it is none. */
uint64_t rd_dump_len(rd_bytes payload);

/* ---- end of keys ---- */

#endif
