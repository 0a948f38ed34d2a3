/* cmd.h - the commands that the core executes itself, one function each. */
/* Made by command/index.py of the rows in commands/table/: do not edit. */
/* clang-format off */
#ifndef RD_CMD_H
#define RD_CMD_H

#include "command/command.h"

/* connection */
rd_command_fn rd_cmd_echo;
rd_command_fn rd_cmd_ping;
rd_command_fn rd_cmd_quit;
rd_command_fn rd_cmd_select;

/* string */
rd_command_fn rd_cmd_set;
rd_command_fn rd_cmd_get;
rd_command_fn rd_cmd_getset;
rd_command_fn rd_cmd_getdel;
rd_command_fn rd_cmd_getex;
rd_command_fn rd_cmd_setex;
rd_command_fn rd_cmd_psetex;
rd_command_fn rd_cmd_setnx;
rd_command_fn rd_cmd_mset;
rd_command_fn rd_cmd_msetnx;
rd_command_fn rd_cmd_msetex;
rd_command_fn rd_cmd_mget;
rd_command_fn rd_cmd_digest;
rd_command_fn rd_cmd_delifeq;
rd_command_fn rd_cmd_delex;
rd_command_fn rd_cmd_append;
rd_command_fn rd_cmd_strlen;
rd_command_fn rd_cmd_getrange;
rd_command_fn rd_cmd_substr;
rd_command_fn rd_cmd_setrange;
rd_command_fn rd_cmd_incr;
rd_command_fn rd_cmd_decr;
rd_command_fn rd_cmd_incrby;
rd_command_fn rd_cmd_decrby;
rd_command_fn rd_cmd_incrbyfloat;
rd_command_fn rd_cmd_lcs;

/* hash */
rd_command_fn rd_cmd_hset;
rd_command_fn rd_cmd_hsetnx;
rd_command_fn rd_cmd_hmset;
rd_command_fn rd_cmd_hget;
rd_command_fn rd_cmd_hmget;
rd_command_fn rd_cmd_hgetall;
rd_command_fn rd_cmd_hkeys;
rd_command_fn rd_cmd_hvals;
rd_command_fn rd_cmd_hlen;
rd_command_fn rd_cmd_hstrlen;
rd_command_fn rd_cmd_hexists;
rd_command_fn rd_cmd_hdel;
rd_command_fn rd_cmd_hincrby;
rd_command_fn rd_cmd_hincrbyfloat;
rd_command_fn rd_cmd_hrandfield;
rd_command_fn rd_cmd_hscan;
rd_command_fn rd_cmd_hexpire;
rd_command_fn rd_cmd_hpexpire;
rd_command_fn rd_cmd_hexpireat;
rd_command_fn rd_cmd_hpexpireat;
rd_command_fn rd_cmd_httl;
rd_command_fn rd_cmd_hpttl;
rd_command_fn rd_cmd_hexpiretime;
rd_command_fn rd_cmd_hpexpiretime;
rd_command_fn rd_cmd_hpersist;
rd_command_fn rd_cmd_hgetdel;
rd_command_fn rd_cmd_hgetex;
rd_command_fn rd_cmd_hsetex;

/* list */
rd_command_fn rd_cmd_lpush;
rd_command_fn rd_cmd_rpush;
rd_command_fn rd_cmd_lpushx;
rd_command_fn rd_cmd_rpushx;
rd_command_fn rd_cmd_lpop;
rd_command_fn rd_cmd_rpop;
rd_command_fn rd_cmd_lmpop;
rd_command_fn rd_cmd_llen;
rd_command_fn rd_cmd_lindex;
rd_command_fn rd_cmd_lset;
rd_command_fn rd_cmd_linsert;
rd_command_fn rd_cmd_lrange;
rd_command_fn rd_cmd_ltrim;
rd_command_fn rd_cmd_lpos;
rd_command_fn rd_cmd_lrem;
rd_command_fn rd_cmd_rpoplpush;
rd_command_fn rd_cmd_lmove;
rd_command_fn rd_cmd_blpop;
rd_command_fn rd_cmd_brpop;
rd_command_fn rd_cmd_blmove;
rd_command_fn rd_cmd_brpoplpush;
rd_command_fn rd_cmd_blmpop;

/* set */
rd_command_fn rd_cmd_sadd;
rd_command_fn rd_cmd_srem;
rd_command_fn rd_cmd_scard;
rd_command_fn rd_cmd_sismember;
rd_command_fn rd_cmd_smismember;
rd_command_fn rd_cmd_smembers;
rd_command_fn rd_cmd_spop;
rd_command_fn rd_cmd_srandmember;
rd_command_fn rd_cmd_smove;
rd_command_fn rd_cmd_sinter;
rd_command_fn rd_cmd_sintercard;
rd_command_fn rd_cmd_sinterstore;
rd_command_fn rd_cmd_sunion;
rd_command_fn rd_cmd_sunionstore;
rd_command_fn rd_cmd_sdiff;
rd_command_fn rd_cmd_sdiffstore;
rd_command_fn rd_cmd_sscan;

/* sorted-set */
rd_command_fn rd_cmd_zadd;
rd_command_fn rd_cmd_zcard;
rd_command_fn rd_cmd_zcount;
rd_command_fn rd_cmd_zincrby;
rd_command_fn rd_cmd_zlexcount;
rd_command_fn rd_cmd_zmpop;
rd_command_fn rd_cmd_zmscore;
rd_command_fn rd_cmd_zpopmax;
rd_command_fn rd_cmd_zpopmin;
rd_command_fn rd_cmd_zrandmember;
rd_command_fn rd_cmd_zrange;
rd_command_fn rd_cmd_zrangebylex;
rd_command_fn rd_cmd_zrangebyscore;
rd_command_fn rd_cmd_zrangestore;
rd_command_fn rd_cmd_zrank;
rd_command_fn rd_cmd_zrem;
rd_command_fn rd_cmd_zremrangebylex;
rd_command_fn rd_cmd_zremrangebyrank;
rd_command_fn rd_cmd_zremrangebyscore;
rd_command_fn rd_cmd_zrevrange;
rd_command_fn rd_cmd_zrevrangebylex;
rd_command_fn rd_cmd_zrevrangebyscore;
rd_command_fn rd_cmd_zrevrank;
rd_command_fn rd_cmd_zscan;
rd_command_fn rd_cmd_zscore;
rd_command_fn rd_cmd_zdiff;
rd_command_fn rd_cmd_zdiffstore;
rd_command_fn rd_cmd_zinter;
rd_command_fn rd_cmd_zintercard;
rd_command_fn rd_cmd_zinterstore;
rd_command_fn rd_cmd_zunion;
rd_command_fn rd_cmd_zunionstore;
rd_command_fn rd_cmd_bzpopmin;
rd_command_fn rd_cmd_bzpopmax;
rd_command_fn rd_cmd_bzmpop;

/* stream */
rd_command_fn rd_cmd_xack;
rd_command_fn rd_cmd_xackdel;
rd_command_fn rd_cmd_xadd;
rd_command_fn rd_cmd_xautoclaim;
rd_command_fn rd_cmd_xclaim;
rd_command_fn rd_cmd_xdel;
rd_command_fn rd_cmd_xdelex;
rd_command_fn rd_cmd_xgroup_create;
rd_command_fn rd_cmd_xgroup_createconsumer;
rd_command_fn rd_cmd_xgroup_delconsumer;
rd_command_fn rd_cmd_xgroup_destroy;
rd_command_fn rd_cmd_xgroup_help;
rd_command_fn rd_cmd_xgroup_setid;
rd_command_fn rd_cmd_xinfo_consumers;
rd_command_fn rd_cmd_xinfo_groups;
rd_command_fn rd_cmd_xinfo_help;
rd_command_fn rd_cmd_xinfo_stream;
rd_command_fn rd_cmd_xlen;
rd_command_fn rd_cmd_xpending;
rd_command_fn rd_cmd_xrange;
rd_command_fn rd_cmd_xread;
rd_command_fn rd_cmd_xreadgroup;
rd_command_fn rd_cmd_xrevrange;
rd_command_fn rd_cmd_xsetid;
rd_command_fn rd_cmd_xtrim;

/* bitmap */
rd_command_fn rd_cmd_getbit;
rd_command_fn rd_cmd_setbit;
rd_command_fn rd_cmd_bitcount;
rd_command_fn rd_cmd_bitpos;
rd_command_fn rd_cmd_bitop;
rd_command_fn rd_cmd_bitfield;
rd_command_fn rd_cmd_bitfield_ro;

/* hyperloglog */
rd_command_fn rd_cmd_pfadd;
rd_command_fn rd_cmd_pfcount;
rd_command_fn rd_cmd_pfmerge;
rd_command_fn rd_cmd_pfdebug;
rd_command_fn rd_cmd_pfselftest;

/* geo */
rd_command_fn rd_cmd_geoadd;
rd_command_fn rd_cmd_geodist;
rd_command_fn rd_cmd_geohash;
rd_command_fn rd_cmd_geopos;
rd_command_fn rd_cmd_georadius;
rd_command_fn rd_cmd_georadius_ro;
rd_command_fn rd_cmd_georadiusbymember;
rd_command_fn rd_cmd_georadiusbymember_ro;
rd_command_fn rd_cmd_geosearch;
rd_command_fn rd_cmd_geosearchstore;

/* generic */
rd_command_fn rd_cmd_del;
rd_command_fn rd_cmd_unlink;
rd_command_fn rd_cmd_exists;
rd_command_fn rd_cmd_touch;
rd_command_fn rd_cmd_type;
rd_command_fn rd_cmd_keys;
rd_command_fn rd_cmd_scan;
rd_command_fn rd_cmd_randomkey;
rd_command_fn rd_cmd_rename;
rd_command_fn rd_cmd_renamenx;
rd_command_fn rd_cmd_copy;
rd_command_fn rd_cmd_move;
rd_command_fn rd_cmd_expire;
rd_command_fn rd_cmd_pexpire;
rd_command_fn rd_cmd_expireat;
rd_command_fn rd_cmd_pexpireat;
rd_command_fn rd_cmd_ttl;
rd_command_fn rd_cmd_pttl;
rd_command_fn rd_cmd_expiretime;
rd_command_fn rd_cmd_pexpiretime;
rd_command_fn rd_cmd_persist;
rd_command_fn rd_cmd_object_encoding;
rd_command_fn rd_cmd_object_freq;
rd_command_fn rd_cmd_object_idletime;
rd_command_fn rd_cmd_object_refcount;
rd_command_fn rd_cmd_object_help;
rd_command_fn rd_cmd_dump;
rd_command_fn rd_cmd_restore;
rd_command_fn rd_cmd_wait;
rd_command_fn rd_cmd_waitaof;
rd_command_fn rd_cmd_sort;
rd_command_fn rd_cmd_sort_ro;

/* transactions */
rd_command_fn rd_cmd_multi;
rd_command_fn rd_cmd_exec;
rd_command_fn rd_cmd_discard;
rd_command_fn rd_cmd_watch;
rd_command_fn rd_cmd_unwatch;

/* pubsub */
rd_command_fn rd_cmd_subscribe;
rd_command_fn rd_cmd_unsubscribe;
rd_command_fn rd_cmd_psubscribe;
rd_command_fn rd_cmd_punsubscribe;
rd_command_fn rd_cmd_publish;
rd_command_fn rd_cmd_ssubscribe;
rd_command_fn rd_cmd_sunsubscribe;
rd_command_fn rd_cmd_spublish;
rd_command_fn rd_cmd_pubsub_numpat;
rd_command_fn rd_cmd_pubsub_numsub;
rd_command_fn rd_cmd_pubsub_shardnumsub;

/* scripting */
rd_command_fn rd_cmd_eval;
rd_command_fn rd_cmd_eval_ro;
rd_command_fn rd_cmd_evalsha;
rd_command_fn rd_cmd_evalsha_ro;
rd_command_fn rd_cmd_script_load;
rd_command_fn rd_cmd_script_exists;
rd_command_fn rd_cmd_script_flush;
rd_command_fn rd_cmd_script_debug;
rd_command_fn rd_cmd_script_help;
rd_command_fn rd_cmd_script_kill;
rd_command_fn rd_cmd_function_load;
rd_command_fn rd_cmd_function_delete;
rd_command_fn rd_cmd_function_list;
rd_command_fn rd_cmd_function_stats;
rd_command_fn rd_cmd_function_flush;
rd_command_fn rd_cmd_function_help;
rd_command_fn rd_cmd_fcall;
rd_command_fn rd_cmd_fcall_ro;

/* server */
rd_command_fn rd_cmd_dbsize;
rd_command_fn rd_cmd_flushall;
rd_command_fn rd_cmd_flushdb;
rd_command_fn rd_cmd_memory_usage;
rd_command_fn rd_cmd_swapdb;

/* the growth of commands */
rd_growth_fn rd_grows_bitfield;
rd_growth_fn rd_grows_element;
rd_growth_fn rd_grows_hyperloglog;
rd_growth_fn rd_grows_longest;
rd_growth_fn rd_grows_restore;
rd_growth_fn rd_grows_setbit;
rd_growth_fn rd_grows_setrange;
rd_growth_fn rd_grows_values;

#endif
/* clang-format on */
