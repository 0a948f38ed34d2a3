/* test_events.c - keyspace events: which events a listener gets for each command, named and ordered as by redis-server
 * 7.0. */
#include "told.h"

/* Of Redis 8.2; written from its documentation. */
static const happening references[] = {
    TOLD("XADD s 1-1 a b", "n0:new:s t0:xadd:s"),
    TOLD("XADD s 2-1 a b", "t0:xadd:s"),
    TOLD("XADD s 3-1 a b", "t0:xadd:s"),
    TOLD("XGROUP CREATE s g 0", "t0:xgroup-create:s"),
    TOLD("XREADGROUP GROUP g c STREAMS s >", "t0:xgroup-createconsumer:s"),
    TOLD("XDELEX s IDS 1 9-9", ""),
    TOLD("XDELEX s ACKED IDS 1 1-1", ""),
    TOLD("XDELEX s DELREF IDS 2 1-1 1-1", "t0:xdel:s"),
    TOLD("XACKDEL s g IDS 1 1-1", ""),
    TOLD("XACKDEL s g IDS 2 2-1 1-1", "t0:xdel:s"),
    TOLD("XTRIM s MAXLEN 0 ACKED", ""),
    TOLD("XADD s MAXLEN 0 ACKED 4-1 a b", "t0:xadd:s"),
    TOLD("XADD s MAXLEN 0 DELREF 5-1 a b", "t0:xadd:s t0:xtrim:s"),
    TOLD("XACKDEL none g IDS 1 2-1", ""),
    TOLD("XDELEX none IDS 1 2-1", ""),
};

static const happening told[] = {
    TOLD("GET none", "m0:keymiss:none"),
    TOLD("SET a 1", "n0:new:a $0:set:a"),
    TOLD("SET a 2", "$0:set:a"),
    TOLD("SET a 2 EX 100", "$0:set:a g0:expire:a"),
    TOLD("SET a 2 KEEPTTL", "$0:set:a"),
    TOLD("SET a 3 GET", "$0:set:a"),
    TOLD("SET none 3 XX", ""),
    TOLD("SET none 3 GET XX", "m0:keymiss:none"),
    TOLD("SET a 3 NX", ""),
    TOLD("SET fresh 3 GET PX 100000", "m0:keymiss:fresh n0:new:fresh $0:set:fresh g0:expire:fresh"),
    TOLD("SETNX a 1", ""),
    TOLD("SETNX b 1", "n0:new:b $0:set:b"),
    TOLD("SETEX a 100 1", "$0:set:a g0:expire:a"),
    TOLD("PSETEX a 100000 1", "$0:set:a g0:expire:a"),
    TOLD("PSETEX a 0 1", ""),
    TOLD("SET a 1 PXAT 1", "$0:set:a g0:expire:a"),
    TOLD("GET a", "x0:expired:a m0:keymiss:a"),
    TOLD("GETSET a 2", "m0:keymiss:a n0:new:a $0:set:a"),
    TOLD("GETSET a 3", "$0:set:a"),
    TOLD("GETDEL a", "g0:del:a"),
    TOLD("GETDEL a", "m0:keymiss:a"),
    TOLD("SET a 1", "n0:new:a $0:set:a"),
    TOLD("XADD stream 1-1 a b", "n0:new:stream t0:xadd:stream"),
    TOLD("XADD stream 1-2 a b", "t0:xadd:stream"),
    TOLD("XADD stream MAXLEN 2 1-3 a b", "t0:xadd:stream t0:xtrim:stream"),
    TOLD("XADD stream MAXLEN 9 1-4 a b", "t0:xadd:stream"),
    TOLD("XADD nostream NOMKSTREAM 1-4 a b", ""),
    TOLD("XTRIM stream MAXLEN 9", ""),
    TOLD("XTRIM stream MAXLEN 2", "t0:xtrim:stream"),
    TOLD("XDEL stream 9-9", ""),
    TOLD("XDEL stream 1-3 1-4", "t0:xdel:stream"),
    TOLD("XSETID stream 9-9", "t0:xsetid:stream"),
    TOLD("XRANGE nostream - +", "m0:keymiss:nostream"),
    TOLD("XLEN nostream", "m0:keymiss:nostream"),
    TOLD("XREVRANGE nostream + -", "m0:keymiss:nostream"),
    TOLD("XINFO STREAM stream", ""),
    TOLD("XGROUP CREATE stream g 0", "t0:xgroup-create:stream"),
    TOLD("XGROUP CREATE stream g 0", ""),
    TOLD("XGROUP CREATE made g 0 MKSTREAM", "n0:new:made t0:xgroup-create:made"),
    TOLD("XADD stream 10-1 a b", "t0:xadd:stream"),
    TOLD("XREADGROUP GROUP g c2 STREAMS stream >", "t0:xgroup-createconsumer:stream"),
    TOLD("XREADGROUP GROUP g c2 STREAMS stream 0", ""),
    TOLD("XCLAIM stream g c3 0 10-1", "t0:xgroup-createconsumer:stream"),
    TOLD("XAUTOCLAIM stream g c4 0 0", "t0:xgroup-createconsumer:stream"),
    TOLD("XPENDING stream g", ""),
    TOLD("XPENDING nostream g", "m0:keymiss:nostream"),
    TOLD("XACK stream g 10-1", ""),
    TOLD("XACK nostream g 10-1", "m0:keymiss:nostream"),
    TOLD("XGROUP SETID stream g 0", "t0:xgroup-setid:stream"),
    TOLD("XGROUP CREATECONSUMER stream g c2", ""),
    TOLD("XGROUP CREATECONSUMER stream g c5", "t0:xgroup-createconsumer:stream"),
    TOLD("XGROUP DELCONSUMER stream g c2", "t0:xgroup-delconsumer:stream"),
    TOLD("XGROUP DELCONSUMER stream g c6", ""),
    TOLD("XGROUP DESTROY made g", "t0:xgroup-destroy:made"),
    TOLD("XGROUP DESTROY made g", ""),
    TOLD("DEL made", "g0:del:made"),
    TOLD("COPY stream stream2", "n0:new:stream2 g0:copy_to:stream2"),
    TOLD("DEL stream stream2", "g0:del:stream g0:del:stream2"),
    TOLD("GETEX a", ""),
    TOLD("GETEX a EX 100", "g0:expire:a"),
    TOLD("GETEX a PERSIST", "g0:persist:a"),
    TOLD("GETEX a PERSIST", ""),
    TOLD("GETEX a PXAT 1", "g0:del:a"),
    TOLD("GETEX a EX 10", "m0:keymiss:a"),
    TOLD("MSET a 1 b 2 a 3", "n0:new:a $0:set:a $0:set:b $0:set:a"),
    TOLD("MSET e 1 e 2", "n0:new:e $0:set:e $0:set:e"),
    TOLD("MSETNX c 1 d 2", "n0:new:c $0:set:c n0:new:d $0:set:d"),
    TOLD("MSETNX c 1 x 2", ""),
    TOLD("MGET c none d nothing", "m0:keymiss:none m0:keymiss:nothing"),
    TOLD("INCR n", "n0:new:n $0:incrby:n"),
    TOLD("INCRBY n 5", "$0:incrby:n"),
    TOLD("DECR n", "$0:incrby:n"),
    TOLD("DECRBY n 200", "$0:incrby:n"),
    TOLD("INCRBYFLOAT n 1.5", "$0:incrbyfloat:n"),
    TOLD("INCRBYFLOAT float 1.5", "n0:new:float $0:incrbyfloat:float"),
    TOLD("INCR n", ""),
    TOLD("APPEND a xyz", "$0:append:a"),
    TOLD("APPEND appended xyz", "n0:new:appended $0:append:appended"),
    TOLD("APPEND a \"\"", "$0:append:a"),
    TOLD("APPEND empty \"\"", "n0:new:empty $0:append:empty"),
    TOLD("STRLEN none", "m0:keymiss:none"),
    TOLD("GETRANGE none 0 -1", "m0:keymiss:none"),
    TOLD("SUBSTR none 0 -1", "m0:keymiss:none"),
    TOLD("SETRANGE a 2 zz", "$0:setrange:a"),
    TOLD("SETRANGE a 2 \"\"", ""),
    TOLD("SETRANGE range 2 zz", "n0:new:range $0:setrange:range"),
    TOLD("SETRANGE none 2 \"\"", ""),
    TOLD("LCS a none", "m0:keymiss:none"),
    TOLD("LCS none nothing LEN", "m0:keymiss:none m0:keymiss:nothing"),
    TOLD("GETBIT none 1", "m0:keymiss:none"),
    TOLD("SETBIT a 1 0", ""),
    TOLD("SETBIT a 1 1", "$0:setbit:a"),
    TOLD("SETBIT a 1 1", ""),
    TOLD("SETBIT a 900 0", "$0:setbit:a"),
    TOLD("SETBIT bits 7 0", "n0:new:bits $0:setbit:bits"),
    TOLD("SETBIT bits 7 1", "$0:setbit:bits"),
    TOLD("BITCOUNT none", "m0:keymiss:none"),
    TOLD("BITPOS none 1", "m0:keymiss:none"),
    TOLD("BITOP AND dst a b", "n0:new:dst $0:set:dst"),
    TOLD("BITOP OR dst a b", "$0:set:dst"),
    TOLD("BITOP AND dst none nothing", "m0:keymiss:none m0:keymiss:nothing g0:del:dst"),
    TOLD("BITOP AND dst none nothing", "m0:keymiss:none m0:keymiss:nothing"),
    TOLD("BITFIELD a GET u8 0", ""),
    TOLD("BITFIELD none GET u8 0", "m0:keymiss:none"),
    TOLD("BITFIELD_RO none GET u8 0", "m0:keymiss:none"),
    TOLD("BITFIELD a SET u8 0 1", "$0:setbit:a"),
    TOLD("BITFIELD a SET u8 0 1", ""),
    TOLD("BITFIELD a INCRBY u8 0 0", ""),
    TOLD("BITFIELD a SET u8 0 3 SET u8 8 2", "$0:setbit:a"),
    TOLD("BITFIELD a OVERFLOW FAIL INCRBY u2 0 100", ""),
    TOLD("BITFIELD failed OVERFLOW FAIL INCRBY u2 0 100", "n0:new:failed"),
    TOLD("BITFIELD fields SET u8 0 0", "n0:new:fields $0:setbit:fields"),
    TOLD("BITFIELD fields SET u8 100 0 INCRBY u8 0 0", "$0:setbit:fields"),
    TOLD("PFADD hll a b c", "n0:new:hll $0:pfadd:hll"),
    TOLD("PFADD hll a", ""),
    TOLD("PFADD hll2", "n0:new:hll2 $0:pfadd:hll2"),
    TOLD("PFADD hll2", ""),
    TOLD("PFCOUNT hll", ""),
    TOLD("PFCOUNT hll", ""),
    TOLD("PFCOUNT none", "m0:keymiss:none"),
    TOLD("PFCOUNT hll none", "m0:keymiss:none"),
    TOLD("PFMERGE merged hll hll2", "m0:keymiss:merged n0:new:merged $0:pfadd:merged"),
    TOLD("PFMERGE merged none", "m0:keymiss:none $0:pfadd:merged"),
    TOLD("PFMERGE another none", "m0:keymiss:another m0:keymiss:none n0:new:another $0:pfadd:another"),
    TOLD("PFDEBUG TODENSE merged", ""),
    TOLD("PFADD merged d e f", "$0:pfadd:merged"),
    TOLD("PFADD merged d e f", ""),
    TOLD("PFCOUNT merged", ""),
    TOLD("PFDEBUG GETREG hll", ""),
    TOLD("PFDEBUG GETREG none", ""),
    TOLD("PFADD a x", ""),
    TOLD("DEL a none b", "g0:del:a g0:del:b"),
    TOLD("DEL a", ""),
    TOLD("UNLINK c none d d", "g0:del:c g0:del:d"),
    TOLD("EXISTS none n none", "m0:keymiss:none m0:keymiss:none"),
    TOLD("TOUCH none n", "m0:keymiss:none"),
    TOLD("TYPE none", "m0:keymiss:none"),
    TOLD("SET a 1", "n0:new:a $0:set:a"),
    TOLD("SET b 2", "n0:new:b $0:set:b"),
    TOLD("RENAME a b", "n0:new:b g0:rename_from:a g0:rename_to:b"),
    TOLD("RENAME b b", ""),
    TOLD("RENAME none b", ""),
    TOLD("SET c 3", "n0:new:c $0:set:c"),
    TOLD("RENAMENX b c", ""),
    TOLD("RENAMENX b d", "n0:new:d g0:rename_from:b g0:rename_to:d"),
    TOLD("RENAMENX none d", ""),
    TOLD("COPY d copy", "n0:new:copy g0:copy_to:copy"),
    TOLD("COPY d copy", ""),
    TOLD("COPY d copy REPLACE", "n0:new:copy g0:copy_to:copy"),
    TOLD("COPY d d2 DB 3", "n3:new:d2 g3:copy_to:d2"),
    TOLD("COPY none d2", "m0:keymiss:none"),
    TOLD("MOVE copy 3", "n3:new:copy g0:move_from:copy g3:move_to:copy"),
    TOLD("MOVE none 3", ""),
    TOLD("SET d2 1", "n0:new:d2 $0:set:d2"),
    TOLD("MOVE d2 3", ""),
    TOLD("MOVE d 3", "n3:new:d g0:move_from:d g3:move_to:d"),
    TOLD("SELECT 3", ""),
    TOLD("RENAME d d2", "n3:new:d2 g3:rename_from:d g3:rename_to:d2"),
    TOLD("SELECT 0", ""),
    TOLD("SET d 1", "n0:new:d $0:set:d"),
    TOLD("EXPIRE d 100", "g0:expire:d"),
    TOLD("EXPIRE d 100 NX", ""),
    TOLD("EXPIRE d 200 XX", "g0:expire:d"),
    TOLD("EXPIRE none 100", ""),
    TOLD("PEXPIRE d 100000", "g0:expire:d"),
    TOLD("EXPIREAT d 4000000000", "g0:expire:d"),
    TOLD("PEXPIREAT d 4000000000000", "g0:expire:d"),
    TOLD("PERSIST d", "g0:persist:d"),
    TOLD("PERSIST d", ""),
    TOLD("PERSIST none", ""),
    TOLD("EXPIRE d -1", "g0:del:d"),
    TOLD("EXPIRE d -1", ""),
    TOLD("SET d 1", "n0:new:d $0:set:d"),
    TOLD("PEXPIREAT d 1", "g0:del:d"),
    TOLD("TTL none", "m0:keymiss:none"),
    TOLD("PTTL none", "m0:keymiss:none"),
    TOLD("EXPIRETIME none", "m0:keymiss:none"),
    TOLD("PEXPIRETIME none", "m0:keymiss:none"),
    TOLD("SET d 1", "n0:new:d $0:set:d"),
    TOLD("DUMP none", "m0:keymiss:none"),
    TOLD("OBJECT ENCODING none", ""),
    TOLD("OBJECT REFCOUNT none", ""),
    TOLD("MEMORY USAGE none", ""),
    TOLD("WATCH none", ""),
    TOLD("UNWATCH", ""),
    TOLD("RESTORE r 0 \"\\x00\\x05\\x68\\x65\\x6c\\x6c\\x6f\\x0a\\x00\\x63\\x72\\xdf\\x76\\x65\\x34\\x20\\x0a\"",
         "n0:new:r g0:restore:r"),
    TOLD("RESTORE r 0 \"\\x00\\x05\\x68\\x65\\x6c\\x6c\\x6f\\x0a\\x00\\x63\\x72\\xdf\\x76\\x65\\x34\\x20\\x0a\"", ""),
    TOLD("RESTORE r 1000 \"\\x00\\x05\\x68\\x65\\x6c\\x6c\\x6f\\x0a\\x00\\x63\\x72\\xdf\\x76\\x65\\x34\\x20\\x0a\" "
         "REPLACE",
         "n0:new:r g0:restore:r"),
    TOLD("RESTORE r 1 \"\\x00\\x05\\x68\\x65\\x6c\\x6c\\x6f\\x0a\\x00\\x63\\x72\\xdf\\x76\\x65\\x34\\x20\\x0a\" "
         "REPLACE ABSTTL",
         "g0:del:r"),
    TOLD("RESTORE r 1 \"\\x00\\x05\\x68\\x65\\x6c\\x6c\\x6f\\x0a\\x00\\x63\\x72\\xdf\\x76\\x65\\x34\\x20\\x0a\" "
         "REPLACE ABSTTL",
         ""),
    TOLD("RESTORE r 1 \"\\x00\\x05\\x68\\x65\\x6c\\x6c\\x6f\\x0a\\x00\\x63\\x72\\xdf\\x76\\x65\\x34\\x20\\x0a\" ABSTTL",
         ""),
    TOLD("SET x 1 PX 20", "n0:new:x $0:set:x g0:expire:x"),
    TOLD("+30", "x0:expired:x"),
    TOLD("GET x", "m0:keymiss:x"),
    TOLD("SET y 1 PX 20", "n0:new:y $0:set:y g0:expire:y"),
    TOLD(">30", ""),
    TOLD("SET y 2", "x0:expired:y n0:new:y $0:set:y"),
    TOLD("SET y 2 PX 20", "$0:set:y g0:expire:y"),
    TOLD("SET z 2 PX 20", "n0:new:z $0:set:z g0:expire:z"),
    TOLD(">30", ""),
    TOLD("APPEND y more", "x0:expired:y n0:new:y $0:append:y"),
    TOLD("DEL z", "x0:expired:z"),
    TOLD("SET y 2 PX 20", "$0:set:y g0:expire:y"),
    TOLD(">30", ""),
    TOLD("RENAME y z", "x0:expired:y"),
    TOLD("EXISTS y", "m0:keymiss:y"),
    TOLD("SET y 2 PX 20", "n0:new:y $0:set:y g0:expire:y"),
    TOLD("SET z 2 PX 20", "n0:new:z $0:set:z g0:expire:z"),
    TOLD(">30", ""),
    TOLD("COPY y z", "x0:expired:y m0:keymiss:y"),
    TOLD("SET y 2", "n0:new:y $0:set:y"),
    TOLD("COPY y z", "x0:expired:z n0:new:z g0:copy_to:z"),
    TOLD("SET z 2 PX 20", "$0:set:z g0:expire:z"),
    TOLD(">30", ""),
    TOLD("COPY y z", "x0:expired:z n0:new:z g0:copy_to:z"),
    TOLD("MSETNX y 1 z 2", ""),
    TOLD("MULTI", ""),
    TOLD("SET m 1", ""),
    TOLD("INCR m", ""),
    TOLD("GET none", ""),
    TOLD("DEL m", ""),
    TOLD("EXEC", "n0:new:m $0:set:m $0:incrby:m m0:keymiss:none g0:del:m"),
    TOLD("SWAPDB 0 3", ""),
    TOLD("SET a 1", "n0:new:a $0:set:a"),
    TOLD("SELECT 3", ""),
    TOLD("SET a 1", "n3:new:a $3:set:a"),
    TOLD("RENAME a b", "n3:new:b g3:rename_from:a g3:rename_to:b"),
    TOLD("SELECT 0", ""),
    TOLD("FLUSHDB", ""),
    TOLD("FLUSHALL", ""),
    TOLD("GET a", "m0:keymiss:a"),
};

/* The events of commands that redis-server 7.0 does not have, as Valkey 9.1 reports those that it has. */
static const happening newer_told[] = {
    TOLD("MSETEX 2 a 1 b 2 EX 100", "n0:new:a $0:set:a g0:expire:a n0:new:b $0:set:b g0:expire:b"),
    TOLD("MSETEX 2 a 1 c 2 KEEPTTL", "$0:set:a n0:new:c $0:set:c"),
    TOLD("MSETEX 2 a 1 d 2 XX", ""),
    TOLD("MSETEX 2 y 1 y 2 EX 10", "n0:new:y $0:set:y g0:expire:y $0:set:y g0:expire:y"),
    TOLD("MSETEX 1 a 1 EXAT 1", "$0:set:a g0:expire:a"),
    TOLD("DIGEST a", "x0:expired:a m0:keymiss:a"),
    TOLD("SET b x IFNE x EX 9", "$0:set:b g0:expire:b"),
    TOLD("SET b x IFNE x", ""),
    TOLD("SET fresh x IFNE x", "n0:new:fresh $0:set:fresh"),
    TOLD("SET none x IFEQ x", ""),
    TOLD("DELIFEQ b y", ""),
    TOLD("DELIFEQ b x", "g0:del:b"),
    TOLD("DELIFEQ b x", ""),
    TOLD("DELEX c IFEQ 2", "g0:del:c"),
    TOLD("DELEX c IFNE 2", ""),
    TOLD("DELEX y", "g0:del:y"),
    TOLD("DELEX y", ""),
};

static void each_command_reports_the_events_of_redis(void) {
  REPLAY_EVENTS(told);
  REPLAY_EVENTS(newer_told);
  REPLAY_EVENTS(references);
}

/* ---- keys of every length, and changes by eviction and expiry ---- */

#define KEYS 400u
#define LONGEST 70000u

typedef struct counts {
  unsigned told[KEYS][RD_EVENT_PFADD + 1];
  unsigned other; /* keys that do not exist */
} counts;

/* Key `n`: short, too long for a small item, in pieces, in pieces of several chunks. */
static size_t name_of(uint32_t n, char *name) {
  static const size_t lengths[] = {0, 300, 4096, 4097, 20000, LONGEST};
  int len = snprintf(name, LONGEST, "key:%u:", n);
  size_t want = n % 8 < 6 ? lengths[n % 8] : 0;
  for (size_t i = (size_t)len; i < want; i++) name[i] = (char)('a' + (i * 7 + n) % 26);
  return want > (size_t)len ? want : (size_t)len;
}

static void count(void *arg, rd_store *st, const rd_change *c) {
  static char name[LONGEST], key[LONGEST];
  counts *sums = arg;
  CHECK(c->key_len <= LONGEST);
  rd_change_key(st, c, key);
  uint32_t n = (uint32_t)strtoul(key + 4, NULL, 10);
  if (n < KEYS && name_of(n, name) == c->key_len && memcmp(name, key, c->key_len) == 0)
    sums->told[n][c->event]++;
  else
    sums->other++;
}

static void set_keys(rd_store *st, uint32_t from, uint32_t to, size_t len, int64_t expiry) {
  static char name[LONGEST], value[10000];
  for (uint32_t n = from; n < to; n++) {
    rd_key key = rd_key_of(st, (rd_bytes){(const uint8_t *)name, name_of(n, name)}, 0);
    rd_lock_shard(st, rd_shard_of(st, key.hash));
    rd_set(st, &key, value, len, expiry, RD_ENC_AUTO, RD_EVENT_SET);
    rd_unlock_all(st);
  }
}

static bool is_there(rd_store *st, uint32_t n) {
  static char name[LONGEST];
  rd_key key = rd_key_of(st, (rd_bytes){(const uint8_t *)name, name_of(n, name)}, 0);
  rd_lock_shard(st, rd_shard_of(st, key.hash));
  bool there = rd_find_quiet(st, &key, false) != NULL;
  rd_unlock_all(st);
  return there;
}

static void each_eviction_is_reported_once(void) {
  static counts sums;
  rd_store st;
  int fd = rig_open(&st, 4u << 20, 4, RD_ALLKEYS_LRU);
  memset(&sums, 0, sizeof sums);
  rd_listen(&st, UINT32_MAX, count, &sums);
  set_keys(&st, 0, KEYS, 3000, RD_NO_EXPIRY);
  unsigned evicted = 0;
  for (uint32_t n = 0; n < KEYS; n++) {
    evicted += sums.told[n][RD_EVENT_EVICTED];
    CHECK_INT(sums.told[n][RD_EVENT_NEW], 1);
    CHECK_INT(sums.told[n][RD_EVENT_SET], 1);
    CHECK_INT(sums.told[n][RD_EVENT_EVICTED], !is_there(&st, n));
  }
  CHECK(evicted > KEYS / 4);
  CHECK_INT(evicted, rd_counter(&st, RD_STAT_evicted_keys));
  CHECK_INT(sums.other, 0);
  rig_close(&st, fd);
}

static void each_expiry_is_reported_once(void) {
  static counts sums;
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  memset(&sums, 0, sizeof sums);
  rd_listen(&st, RD_CLASS_EXPIRED, count, &sums);
  set_keys(&st, 0, KEYS, 100, 1700000000100);
  st.now_ms += 99;
  for (int i = 0; i < 100; i++) rd_sweep(&st, 0, 4, 0);
  CHECK_INT(rd_counter(&st, RD_STAT_expired_keys), 0);
  st.now_ms += 5000;
  for (uint32_t n = 0; n < KEYS; n += 3) CHECK(!is_there(&st, n)); /* at the lookup */
  for (int i = 0; i < 1000; i++) rd_sweep(&st, 0, 4, 0);
  for (uint32_t n = 0; n < KEYS; n++) {
    CHECK_INT(sums.told[n][RD_EVENT_EXPIRED], 1);
    CHECK_INT(sums.told[n][RD_EVENT_SET], 0); /* the listener is not set for these */
  }
  CHECK_INT(sums.other, 0);
  CHECK_INT(rd_counter(&st, RD_STAT_expired_keys), KEYS);
  rig_close(&st, fd);
}

static void flushed_keys_report_no_event(void) {
  static counts sums;
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  memset(&sums, 0, sizeof sums);
  set_keys(&st, 0, KEYS, 100, 1700000000100);
  rig_client c = rig_client_new(&st, NULL);
  rd_listen(&st, UINT32_MAX, count, &sums);
  rig_say(&c, "SELECT 1\r\nSET key:6: x\r\nSELECT 0\r\nFLUSHDB\r\n");
  st.now_ms += 5000;
  for (int i = 0; i < 2000; i++) rd_sweep(&st, 0, 4, 0);
  CHECK_INT(sums.told[6][RD_EVENT_SET], 1);
  for (uint32_t n = 0; n < KEYS; n++) {
    CHECK_INT(sums.told[n][RD_EVENT_EXPIRED] + sums.told[n][RD_EVENT_DEL] + sums.told[n][RD_EVENT_NONE], 0);
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* Values of 300 KiB, from any shard to any other and within one, and back under the first key. */
static void moving_a_large_value_reports_the_events_of_a_small_one(void) {
  static ear e;
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  for (int n = 0; n < 16; n++) {
    char ask[200], expected[200];
    snprintf(ask, sizeof ask, "SETRANGE large 300000 x\r\nSET to:%d x\r\n", n);
    rig_say(&c, ask);
    rd_listen(&st, UINT32_MAX, hear, &e);
    e.len = 0;
    snprintf(ask, sizeof ask, "RENAME large to:%d\r\nMOVE to:%d 1\r\nCOPY none x\r\n", n, n);
    rig_say(&c, ask);
    snprintf(expected, sizeof expected,
             "n0:new:to:%d g0:rename_from:large g0:rename_to:to:%d "
             "n1:new:to:%d g0:move_from:to:%d g1:move_to:to:%d m0:keymiss:none",
             n, n, n, n, n);
    CHECK_TEXT(e.text, e.len, expected);
    rd_listen(&st, 0, NULL, NULL);
    e.len = 0;
    rig_say(&c, "GET none\r\nSET a b\r\n");
    CHECK_INT(e.len, 0);
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* A command that proves to be long begins again. Its misses are reported and counted once. */
static void a_long_command_reports_each_miss_once(void) {
  static ear e;
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  rig_say(&c, "SETRANGE large 6000000 x\r\nSETRANGE larger 6000000 x\r\n");
  rd_listen(&st, UINT32_MAX, hear, &e);
  e.len = 0;
  for (int listening = 1; listening >= 0; listening--) {
    uint64_t misses = rd_counter(&st, RD_STAT_keyspace_misses), hits = rd_counter(&st, RD_STAT_keyspace_hits);
    rig_say(&c, "MGET none large other larger\r\nLCS large nothing LEN\r\nBITOP AND dst none large\r\nDEL dst\r\n");
    CHECK_INT(rd_counter(&st, RD_STAT_keyspace_misses) - misses, 4);
    CHECK_INT(rd_counter(&st, RD_STAT_keyspace_hits) - hits, 4);
    rd_listen(&st, 0, NULL, NULL);
  }
  CHECK_TEXT(e.text, e.len,
             "m0:keymiss:none m0:keymiss:other m0:keymiss:nothing m0:keymiss:none n0:new:dst $0:set:dst g0:del:dst");
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* Keys that MSET has set and then restored report nothing. */
static void an_mset_without_memory_reports_no_event(void) {
  static ear e;
  static char ask[600000];
  rd_store st;
  int fd = rig_open(&st, 4u << 20, 1, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  rig_say(&c, "SET key0 x\r\nSET key1 y\r\n");
  int at = snprintf(ask, sizeof ask, "*121\r\n$4\r\nMSET\r\n");
  for (int i = 0; i < 60; i++) {
    at += snprintf(ask + at, sizeof ask - (size_t)at, "$%d\r\nkey%d\r\n$8000\r\n%08000d\r\n", i < 10 ? 4 : 5, i, i);
  }
  rd_listen(&st, UINT32_MAX, hear, &e);
  unsigned failed = 0;
  for (int i = 0; i < 40 && failed == 0; i++) {
    char fill[60];
    snprintf(fill, sizeof fill, "SETRANGE fill%d 100000 x\r\n", i);
    rig_say(&c, fill);
    rig_say(&c, "DEL key0 key1\r\nSET key0 x\r\n");
    c.len = e.len = 0;
    e.text[0] = 0;
    rig_feed(&c, ask, (size_t)at, (size_t)at);
    if (c.len > 0 && c.out[0] == '-') {
      failed++;
      CHECK_TEXT(e.text, e.len, "");
      CHECK(e.unnamed > 0);
    } else {
      CHECK(e.len > 100);
    }
    rig_say(&c, "DEL key0 key1\r\n");
  }
  CHECK_INT(failed, 1);
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(each_command_reports_the_events_of_redis);
  RUN(each_eviction_is_reported_once);
  RUN(each_expiry_is_reported_once);
  RUN(flushed_keys_report_no_event);
  RUN(moving_a_large_value_reports_the_events_of_a_small_one);
  RUN(a_long_command_reports_each_miss_once);
  RUN(an_mset_without_memory_reports_no_event);
  return check_end();
}
