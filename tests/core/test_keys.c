/* test_keys.c - keys, their expiry, and the keyspace: the replies of redis-server, and properties that no reply
 * shows. */
#include "oracle.h"
#include "store/expire.h"

static const exchange deleted_keys_are_counted_and_twice_named_keys_exist_twice_said[] = {
    SAID("SET a 1", "+OK\r\n"),
    SAID("SET b 2", "+OK\r\n"),
    SAID("EXISTS a b c a", ":3\r\n"),
    SAID("TOUCH a a nokey", ":2\r\n"),
    SAID("DEL a b c a", ":2\r\n"),
    SAID("EXISTS a b", ":0\r\n"),
    SAID("SET a 1", "+OK\r\n"),
    SAID("UNLINK a a", ":1\r\n"),
    SAID("DEL", "-ERR wrong number of arguments for 'del' command\r\n"),
    SAID("DBSIZE", ":0\r\n"),
};
static void del_counts_each_key_once_and_exists_counts_repetitions(void) {
  REPLAY(deleted_keys_are_counted_and_twice_named_keys_exist_twice_said);
}

static const exchange a_renamed_key_takes_value_and_expiry_along_said[] = {
    SAID("SET a 1", "+OK\r\n"),
    SAID("PEXPIREAT a 9000000000000", ":1\r\n"),
    SAID("SET b 2", "+OK\r\n"),
    SAID("RENAME a b", "+OK\r\n"),
    SAID("GET b", "$1\r\n1\r\n"),
    SAID("PEXPIRETIME b", ":9000000000000\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("RENAME nokey x", "-ERR no such key\r\n"),
    SAID("RENAME nokey nokey", "-ERR no such key\r\n"),
    SAID("RENAME b b", "+OK\r\n"),
    SAID("GET b", "$1\r\n1\r\n"),
    SAID("RENAMENX b b", ":0\r\n"),
    SAID("RENAMENX nokey x", "-ERR no such key\r\n"),
    SAID("SET c 3", "+OK\r\n"),
    SAID("RENAMENX b c", ":0\r\n"),
    SAID("RENAMENX b d", ":1\r\n"),
    SAID("GET d", "$1\r\n1\r\n"),
    SAID("PEXPIRETIME d", ":9000000000000\r\n"),
    SAID("DBSIZE", ":2\r\n"),
};
static void rename_moves_value_and_expiry(void) { REPLAY(a_renamed_key_takes_value_and_expiry_along_said); }

static const exchange a_copy_has_value_and_expiry_and_replaces_only_when_told_said[] = {
    SAID("SET a hello", "+OK\r\n"),
    SAID("PEXPIREAT a 9000000000000", ":1\r\n"),
    SAID("COPY a b", ":1\r\n"),
    SAID("GET b", "$5\r\nhello\r\n"),
    SAID("PEXPIRETIME b", ":9000000000000\r\n"),
    SAID("SET c 1", "+OK\r\n"),
    SAID("COPY a c", ":0\r\n"),
    SAID("GET c", "$1\r\n1\r\n"),
    SAID("COPY a c REPLACE", ":1\r\n"),
    SAID("GET c", "$5\r\nhello\r\n"),
    SAID("PEXPIRETIME c", ":9000000000000\r\n"),
    SAID("COPY nokey b", ":0\r\n"),
    SAID("COPY nokey b replace", ":0\r\n"),
    SAID("GET b", "$5\r\nhello\r\n"),
    SAID("COPY a a", "-ERR source and destination objects are the same\r\n"),
    SAID("COPY nokey nokey", "-ERR source and destination objects are the same\r\n"),
    SAID("COPY a a DB 0", "-ERR source and destination objects are the same\r\n"),
    SAID("COPY a a DB 1", ":1\r\n"),
    SAID("COPY a a DB 1", ":0\r\n"),
    SAID("COPY a z DB 1 DB 2 REPLACE replace", ":1\r\n"),
    SAID("SELECT 2", "+OK\r\n"),
    SAID("GET z", "$5\r\nhello\r\n"),
    SAID("PEXPIRETIME z", ":9000000000000\r\n"),
    SAID("DBSIZE", ":1\r\n"),
    SAID("SELECT 1", "+OK\r\n"),
    SAID("DBSIZE", ":1\r\n"),
    SAID("COPY a b DB", "-ERR syntax error\r\n"),
    SAID("COPY a b DB x", "-ERR value is not an integer or out of range\r\n"),
    SAID("COPY a b DB 16", "-ERR DB index is out of range\r\n"),
    SAID("COPY a b DB -1", "-ERR DB index is out of range\r\n"),
    SAID("COPY a b DB 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"),
    SAID("COPY a b DB 99999999999999999999", "-ERR value is not an integer or out of range\r\n"),
    SAID("COPY a b FOO", "-ERR syntax error\r\n"),
    SAID("COPY a", "-ERR wrong number of arguments for 'copy' command\r\n"),
    SAID("SELECT 0", "+OK\r\n"),
};
static void copy_takes_value_and_expiry_and_replaces_only_on_request(void) {
  REPLAY(a_copy_has_value_and_expiry_and_replaces_only_when_told_said);
}

static const exchange a_moved_key_is_in_the_other_database_only_said[] = {
    SAID("SET a hello", "+OK\r\n"),
    SAID("PEXPIREAT a 9000000000000", ":1\r\n"),
    SAID("MOVE a 1", ":1\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("MOVE a 1", ":0\r\n"),
    SAID("SELECT 1", "+OK\r\n"),
    SAID("GET a", "$5\r\nhello\r\n"),
    SAID("PEXPIRETIME a", ":9000000000000\r\n"),
    SAID("SELECT 0", "+OK\r\n"),
    SAID("SET a second", "+OK\r\n"),
    SAID("MOVE a 1", ":0\r\n"),
    SAID("GET a", "$6\r\nsecond\r\n"),
    SAID("MOVE a 0", "-ERR source and destination objects are the same\r\n"),
    SAID("MOVE nokey 0", "-ERR source and destination objects are the same\r\n"),
    SAID("MOVE a x", "-ERR value is not an integer or out of range\r\n"),
    SAID("MOVE a 16", "-ERR DB index is out of range\r\n"),
    SAID("MOVE a -1", "-ERR DB index is out of range\r\n"),
    SAID("MOVE a 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"),
    SAID("MOVE a", "-ERR wrong number of arguments for 'move' command\r\n"),
};
static void move_leaves_the_key_in_one_database(void) { REPLAY(a_moved_key_is_in_the_other_database_only_said); }

static const exchange expiry_obeys_its_conditions_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("EXPIREAT k 9000000000 XX", ":0\r\n"),
    SAID("EXPIREAT k 9000000000 GT", ":0\r\n"),
    SAID("EXPIREAT k 9000000000 NX", ":1\r\n"),
    SAID("EXPIREAT k 9000000001 NX", ":0\r\n"),
    SAID("EXPIRETIME k", ":9000000000\r\n"),
    SAID("EXPIREAT k 9000000000 GT", ":0\r\n"),
    SAID("EXPIREAT k 9000000000 LT", ":0\r\n"),
    SAID("EXPIREAT k 9000000001 gt", ":1\r\n"),
    SAID("EXPIREAT k 9000000000 Lt", ":1\r\n"),
    SAID("EXPIREAT k 9000000005 XX", ":1\r\n"),
    SAID("EXPIREAT k 9000000006 XX GT", ":1\r\n"),
    SAID("EXPIREAT k 9000000007 XX LT", ":0\r\n"),
    SAID("EXPIREAT k 9000000006 GT GT", ":0\r\n"),
    SAID("EXPIRETIME k", ":9000000006\r\n"),
    SAID("PERSIST k", ":1\r\n"),
    SAID("PERSIST k", ":0\r\n"),
    SAID("EXPIRETIME k", ":-1\r\n"),
    SAID("EXPIREAT k 9000000000 LT", ":1\r\n"),
    SAID("PEXPIREAT k 9000000000123 LT", ":0\r\n"),
    SAID("PEXPIREAT k 8999999999500 LT", ":1\r\n"),
    SAID("EXPIRETIME k", ":9000000000\r\n"),
    SAID("PEXPIRETIME k", ":8999999999500\r\n"),
    SAID("EXPIREAT nokey 9000000000", ":0\r\n"),
    SAID("PERSIST nokey", ":0\r\n"),
    SAID("EXPIRE k -1 GT", ":0\r\n"),
    SAID("EXISTS k", ":1\r\n"),
    SAID("EXPIRE k -1 LT", ":1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("EXPIRE k -1 GT", ":0\r\n"),
    SAID("EXISTS k", ":1\r\n"),
    SAID("PEXPIRE k 0", ":1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
};
static void expire_obeys_its_conditions(void) { REPLAY(expiry_obeys_its_conditions_said); }

static const exchange expiry_errors_come_in_order_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("EXPIRE k 10 foo", "-ERR Unsupported option foo\r\n"),
    SAID("EXPIRE k x foo", "-ERR Unsupported option foo\r\n"),
    SAID("EXPIRE k x nx xx", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("EXPIRE k 10 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("EXPIRE k 10 NX LT", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"),
    SAID("EXPIRE k 10 XX GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"),
    SAID("EXPIRE k x", "-ERR value is not an integer or out of range\r\n"),
    SAID("EXPIRE k 1.5", "-ERR value is not an integer or out of range\r\n"),
    SAID("EXPIRE k \"\"", "-ERR value is not an integer or out of range\r\n"),
    SAID("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
    SAID("EXPIRE nokey 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
    SAID("EXPIRE k 9223372036854775", "-ERR invalid expire time in 'expire' command\r\n"),
    SAID("EXPIREAT k 9223372036854776", "-ERR invalid expire time in 'expireat' command\r\n"),
    SAID("PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"),
    SAID("EXPIRE k 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("PEXPIREAT k x", "-ERR value is not an integer or out of range\r\n"),
    SAID("EXPIRE k", "-ERR wrong number of arguments for 'expire' command\r\n"),
    SAID("TTL k", ":-1\r\n"),
    SAID("EXPIREAT k -9223372036854776", "-ERR invalid expire time in 'expireat' command\r\n"),
    SAID("EXPIREAT k -9223372036854775", ":1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("PEXPIREAT k -9223372036854775808", ":1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
};
static void expire_reports_errors_in_the_order_of_redis(void) { REPLAY(expiry_errors_come_in_order_said); }

static const exchange times_of_absent_and_lasting_keys_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("TTL k", ":-1\r\n"),
    SAID("PTTL k", ":-1\r\n"),
    SAID("EXPIRETIME k", ":-1\r\n"),
    SAID("PEXPIRETIME k", ":-1\r\n"),
    SAID("TTL nokey", ":-2\r\n"),
    SAID("PTTL nokey", ":-2\r\n"),
    SAID("EXPIRETIME nokey", ":-2\r\n"),
    SAID("PEXPIRETIME nokey", ":-2\r\n"),
    SAID("TYPE k", "+string\r\n"),
    SAID("TYPE nokey", "+none\r\n"),
};
static void ttl_tells_absent_keys_from_keys_without_expiry(void) { REPLAY(times_of_absent_and_lasting_keys_said); }

static const exchange scan_checks_its_arguments_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN x", "-ERR invalid cursor\r\n"),
    SAID("SCAN -", "-ERR invalid cursor\r\n"),
    SAID("SCAN +0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN \" 0\"", "-ERR invalid cursor\r\n"),
    SAID("SCAN \"\"", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN \"0\\x00abc\"", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN 0x", "-ERR invalid cursor\r\n"),
    SAID("SCAN 18446744073709551616", "-ERR invalid cursor\r\n"),
    SAID("SCAN 0 COUNT", "-ERR syntax error\r\n"),
    SAID("SCAN 0 COUNT 0", "-ERR syntax error\r\n"),
    SAID("SCAN 0 COUNT -1", "-ERR syntax error\r\n"),
    SAID("SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("SCAN 0 COUNT 99999999999999999999", "-ERR value is not an integer or out of range\r\n"),
    SAID("SCAN 0 COUNT 9223372036854775807", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN 0 MATCH", "-ERR syntax error\r\n"),
    SAID("SCAN 0 TYPE", "-ERR syntax error\r\n"),
    SAID("SCAN 0 FOO", "-ERR syntax error\r\n"),
    SAID("SCAN 0 FOO 1", "-ERR syntax error\r\n"),
    SAID("SCAN x FOO", "-ERR invalid cursor\r\n"),
    SAID("SCAN 0 COUNT x FOO", "-ERR value is not an integer or out of range\r\n"),
    SAID("SCAN 0 TYPE string", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN 0 TYPE STRING", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN 0 TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SCAN 0 TYPE foo", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SCAN 0 TYPE string TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SCAN 0 MATCH a MATCH k*", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("SCAN 0 MATCH a", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SCAN 0 match [k] count 5 type string", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
    SAID("KEYS k", "*1\r\n$1\r\nk\r\n"),
    SAID("KEYS [^a]", "*1\r\n$1\r\nk\r\n"),
    SAID("KEYS a*", "*0\r\n"),
    SAID("KEYS", "-ERR wrong number of arguments for 'keys' command\r\n"),
    SAID("KEYS a b", "-ERR wrong number of arguments for 'keys' command\r\n"),
    SAID("RANDOMKEY", "$1\r\nk\r\n"),
    SAID("DBSIZE", ":1\r\n"),
};
static void scan_checks_its_arguments(void) { REPLAY(scan_checks_its_arguments_said); }

static const exchange the_empty_key_matches_a_lone_star_only_said[] = {
    SAID("SET \"\" v", "+OK\r\n"),
    SAID("KEYS *", "*1\r\n$0\r\n\r\n"),
    SAID("KEYS **", "*0\r\n"),
    SAID("KEYS \"\"", "*1\r\n$0\r\n\r\n"),
    SAID("SCAN 0 MATCH *", "*2\r\n$1\r\n0\r\n*1\r\n$0\r\n\r\n"),
    SAID("SCAN 0 MATCH **", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$0\r\n\r\n"),
};
static void the_empty_key_matches_only_a_lone_star(void) { REPLAY(the_empty_key_matches_a_lone_star_only_said); }

static const exchange flushing_and_swapping_check_their_arguments_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("FLUSHDB foo", "-ERR syntax error\r\n"),
    SAID("FLUSHDB SYNC ASYNC", "-ERR syntax error\r\n"),
    SAID("FLUSHALL ASYNC foo", "-ERR syntax error\r\n"),
    SAID("DBSIZE", ":1\r\n"),
    SAID("SWAPDB x y", "-ERR invalid first DB index\r\n"),
    SAID("SWAPDB 1 y", "-ERR invalid second DB index\r\n"),
    SAID("SWAPDB 0 16", "-ERR DB index is out of range\r\n"),
    SAID("SWAPDB 16 x", "-ERR invalid second DB index\r\n"),
    SAID("SWAPDB -1 0", "-ERR DB index is out of range\r\n"),
    SAID("SWAPDB 99999999999 0", "-ERR invalid first DB index\r\n"),
    SAID("SWAPDB 1 1", "+OK\r\n"),
    SAID("SWAPDB 0 1", "+OK\r\n"),
    SAID("DBSIZE", ":0\r\n"),
    SAID("RANDOMKEY", "$-1\r\n"),
    SAID("SELECT 1", "+OK\r\n"),
    SAID("GET k", "$1\r\nv\r\n"),
    SAID("FLUSHDB async", "+OK\r\n"),
    SAID("DBSIZE", ":0\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("FLUSHALL Sync", "+OK\r\n"),
    SAID("DBSIZE", ":0\r\n"),
    SAID("SELECT 0", "+OK\r\n"),
};
static void flushing_and_swapping_check_their_arguments(void) {
  REPLAY(flushing_and_swapping_check_their_arguments_said);
}

static const exchange object_tells_the_encoding_said[] = {
    SAID("SET k 10", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("SET k 9223372036854775807", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("SET k 9223372036854775808", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k 010", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k 12345678901234567890123456789012345678901234", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k 123456789012345678901234567890123456789012345", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nraw\r\n"),
    SAID("SET k 1", "+OK\r\n"),
    SAID("APPEND k 2", ":2\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nraw\r\n"),
    SAID("COPY k l", ":1\r\n"),
    SAID("OBJECT ENCODING l", "$3\r\nraw\r\n"),
    SAID("OBJECT ENCODING nokey", "$-1\r\n"),
    SAID("OBJECT FREQ nokey", "$-1\r\n"),
    SAID("OBJECT IDLETIME nokey", "$-1\r\n"),
    SAID("OBJECT REFCOUNT nokey", "$-1\r\n"),
    SAID("SET k text", "+OK\r\n"),
    SAID("OBJECT REFCOUNT k", ":1\r\n"),
    SAID("OBJECT IDLETIME k", ":0\r\n"),
    SAID("OBJECT FREQ k",
         "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that whe"
         "n switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n"),
    SAID("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n"),
    SAID("OBJECT ENCODING k l", "-ERR wrong number of arguments for 'object|encoding' command\r\n"),
    SAID("OBJECT HELP",
         "*15\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+ENCODING <key>\r\n+ "
         "   Return the kind of internal representation used in order to store the value\r\n+    associate"
         "d with a <key>.\r\n+FREQ <key>\r\n+    Return the access frequency index of the <key>. The retur"
         "ned integer is\r\n+    proportional to the logarithm of the recent access frequency of the key."
         "\r\n+IDLETIME <key>\r\n+    Return the idle time of the <key>, that is the approximated number o"
         "f\r\n+    seconds elapsed since the last access to the key.\r\n+REFCOUNT <key>\r\n+    Return th"
         "e number of references of the value associated with the specified\r\n+    <key>.\r\n+HELP\r\n+  "
         "  Prints this help.\r\n"),
    SAID("OBJECT HELP foo", "-ERR wrong number of arguments for 'object|help' command\r\n"),
};
static void object_encoding_shows_the_encoding(void) { REPLAY(object_tells_the_encoding_said); }

static const exchange memory_usage_checks_its_arguments_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("MEMORY USAGE nokey", "$-1\r\n"),
    SAID("MEMORY USAGE k SAMPLES", "-ERR syntax error\r\n"),
    SAID("MEMORY USAGE k SAMPLES -1", "-ERR syntax error\r\n"),
    SAID("MEMORY USAGE k SAMPLES x", "-ERR value is not an integer or out of range\r\n"),
    SAID("MEMORY USAGE nokey SAMPLES x", "-ERR value is not an integer or out of range\r\n"),
    SAID("MEMORY USAGE k FOO 1", "-ERR syntax error\r\n"),
    SAID("MEMORY USAGE nokey SAMPLES 1 samples 0", "$-1\r\n"),
    SAID("MEMORY USAGE", "-ERR wrong number of arguments for 'memory|usage' command\r\n"),
};
static void memory_usage_checks_its_arguments(void) { REPLAY(memory_usage_checks_its_arguments_said); }

/* ---- properties that no reply shows ---- */

static rd_store st;
static rig_client client;
static int fd;

static void open_store(uint32_t shards, rd_policy policy) {
  fd = rig_open(&st, 256u << 20, shards, policy);
  client = rig_client_new(&st, NULL);
}

static void close_store(void) {
  rig_client_free(&client);
  rig_close(&st, fd);
}

#define ASK(request, reply) RIG_ASK(&client, request "\r\n", reply)

static void a_key_expires_after_its_millisecond(void) {
  open_store(16, RD_NOEVICTION);
  ASK("SET k v", "+OK\r\n");
  ASK("EXPIRE k 10", ":1\r\n");
  ASK("TTL k", ":10\r\n");
  st.now_ms += 500;
  ASK("TTL k", ":10\r\n"); /* rounded to the nearest */
  ASK("PTTL k", ":9500\r\n");
  st.now_ms += 1;
  ASK("TTL k", ":9\r\n");
  st.now_ms += 9498;
  ASK("TTL k", ":0\r\n");
  ASK("PTTL k", ":1\r\n");
  st.now_ms += 1;
  ASK("PTTL k", ":0\r\n"); /* it exists to the end of the millisecond, as in Redis */
  ASK("EXISTS k", ":1\r\n");
  st.now_ms += 1;
  ASK("DBSIZE", ":1\r\n"); /* not swept yet, as in Redis */
  ASK("KEYS *", "*0\r\n");
  ASK("RANDOMKEY", "$-1\r\n");
  ASK("TTL k", ":-2\r\n");
  ASK("RENAME k l", "-ERR no such key\r\n");
  ASK("PERSIST k", ":0\r\n");
  ASK("DBSIZE", ":0\r\n");
  close_store();
}

static void idle_time_and_frequency_depend_on_the_policy(void) {
  static const char no_freq[] =
      "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
      "between policies at runtime LRU and LFU data will take some time to adjust.\r\n";
  static const char no_idle[] =
      "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between "
      "policies at runtime LRU and LFU data will take some time to adjust.\r\n";
  open_store(16, RD_ALLKEYS_LRU);
  ASK("SET k v", "+OK\r\n");
  st.now_ms += 100000;
  ASK("TYPE k", "+string\r\n"); /* TYPE does not count as a use of the key */
  ASK("EXISTS k", ":1\r\n");
  ASK("OBJECT IDLETIME k", ":100\r\n");
  ASK("OBJECT FREQ k", no_freq);
  ASK("TOUCH k", ":1\r\n");
  ASK("OBJECT IDLETIME k", ":0\r\n");
  ASK("RESTORE k 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" REPLACE IDLETIME 1000",
      "+OK\r\n");
  ASK("OBJECT IDLETIME k", ":1000\r\n");
  /* 24 bits of seconds, as in Redis; from 23 days on it is even seconds. */
  static const struct {
    const char *asked;
    unsigned long long told;
  } longer[] = {
      {"2013265", 2013265}, {"2013267", 2013266},   {"2147483", 2147482},   {"2147484", 2147484},
      {"5000000", 5000000}, {"16777214", 16777214}, {"16777216", 16777214}, {"9223372036854775807", 16777214}};
  for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) {
    char line[200], reply[32];
    snprintf(
        line, sizeof line,
        "RESTORE k 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" REPLACE IDLETIME %s\r\n",
        longer[i].asked);
    snprintf(reply, sizeof reply, ":%llu\r\n", longer[i].told);
    RIG_ASK(&client, line, "+OK\r\n");
    ASK("OBJECT IDLETIME k", reply);
  }
  st.now_ms += 10000;
  ASK("RESTORE j 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" IDLETIME 5000000", "+OK\r\n");
  st.now_ms += 100000;
  ASK("OBJECT IDLETIME j", ":5000100\r\n");
  ASK("TOUCH j", ":1\r\n");
  ASK("OBJECT IDLETIME j", ":0\r\n");
  rd_set_policy(&st, RD_ALLKEYS_LFU, 5);
  ASK("RESTORE k 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" REPLACE FREQ 77", "+OK\r\n");
  ASK("OBJECT FREQ k", ":77\r\n");
  ASK("OBJECT IDLETIME k", no_idle);
  close_store();
}

static void setting_the_clock_back_makes_no_key_idle(void) {
  static const uint64_t steps[] = {128, 600000, 86400000};
  open_store(16, RD_ALLKEYS_LRU);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    ASK("SET k v", "+OK\r\n");
    st.now_ms -= steps[i];
    ASK("OBJECT IDLETIME k", ":0\r\n");
    st.now_ms += steps[i] + 50000;
    ASK("OBJECT IDLETIME k", ":50\r\n");
  }
  rd_set_policy(&st, RD_ALLKEYS_LFU, 5);
  ASK("RESTORE k 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" REPLACE FREQ 77", "+OK\r\n");
  st.now_ms -= 86400000;
  ASK("OBJECT FREQ k", ":77\r\n");
  st.now_ms += 86400000 + 120000;
  ASK("OBJECT FREQ k", ":75\r\n");
  close_store();
}

static void memory_usage_equals_the_bytes_in_the_arena(void) {
  open_store(16, RD_NOEVICTION);
  ASK("SET k v", "+OK\r\n");
  rd_key key = rd_key_of(&st, (rd_bytes){(const uint8_t *)"k", 1}, 0);
  rd_lock_keys(&st, &key, 1);
  char reply[32];
  snprintf(reply, sizeof reply, ":%llu\r\n", (unsigned long long)rd_item_memory(&st, rd_find_quiet(&st, &key, false)));
  rd_unlock_all(&st);
  ASK("MEMORY USAGE k", reply);
  ASK("MEMORY USAGE k SAMPLES 0", reply);
  close_store();
}

static void keys_and_scan_list_long_keys_whole(void) {
  open_store(16, RD_NOEVICTION);
  for (size_t len = 511; len <= 9000; len += len < 514 ? 1 : 4243) {
    char *request = malloc(len + 100), *reply = malloc(len + 100);
    int n = sprintf(request, "SET ");
    memset(request + n, 'k', len);
    sprintf(request + n + len, " v\r\n");
    rig_say(&client, request);
    RIG_HEARD(&client, "+OK\r\n");
    n = sprintf(reply, "*1\r\n$%zu\r\n", len);
    memset(reply + n, 'k', len);
    sprintf(reply + n + len, "\r\n");
    ASK("KEYS k*", reply);
    ASK("RANDOMKEY", reply + 4);
    ASK("KEYS *j", "*0\r\n");
    ASK("FLUSHALL", "+OK\r\n");
    free(request);
    free(reply);
  }
  close_store();
}

/* ---- SCAN's guarantee ---- */

#define STAYING 500u
#define PASSING 50000u /* a hundred times as many are added and deleted */

static unsigned seen[STAYING];

static void set_or_delete(const char *verb, const char *kind, unsigned first, unsigned last) {
  char request[64];
  for (unsigned i = first; i < last; i++) {
    snprintf(request, sizeof request, "%s %s:%u%s\r\n", verb, kind, i, *verb == 'S' ? " v" : "");
    rig_say(&client, request);
  }
  client.len = 0;
}

/* One SCAN; marks the keys that stay, counts all, and returns the cursor. */
static uint64_t scan_page(uint64_t cursor, unsigned count, size_t *keys) {
  char request[80];
  snprintf(request, sizeof request, "SCAN %llu COUNT %u\r\n", (unsigned long long)cursor, count);
  rig_say(&client, request);
  char *text = strndup((char *)client.out, client.len), *p = text;
  unsigned long long next = 0;
  unsigned key;
  int found = sscanf(text, "*2\r\n$%*u\r\n%llu\r\n", &next);
  CHECK_INT(found, 1);
  while ((p = strchr(p, '$')) != NULL) {
    if (sscanf(++p, "%*u\r\nstays:%u\r\n", &key) == 1 && key < STAYING) seen[key]++;
    ++*keys;
  }
  --*keys; /* the cursor is a bulk, too */
  free(text);
  client.len = 0;
  return next;
}

/* Scan while `step` keys are added (grow) or deleted after each page, from few keys to many or back. */
static void scan_while(bool grow, unsigned step) {
  unsigned at = 0;
  size_t keys = 0;
  uint64_t cursor = 0;
  memset(seen, 0, sizeof seen);
  do {
    cursor = scan_page(cursor, 10, &keys);
    unsigned end = at + step < PASSING ? at + step : PASSING;
    set_or_delete(grow ? "SET" : "DEL", "passes", at, end);
    if (!grow) rd_sweep(&st, 0, st.num_shards, 1u << 20);
    at = end;
  } while (cursor != 0);
  unsigned missing = 0;
  for (unsigned i = 0; i < STAYING; i++) missing += seen[i] == 0;
  CHECK_INT(missing, 0);
  CHECK(at == PASSING); /* the index changed its size during the scan */
  set_or_delete(grow ? "SET" : "DEL", "passes", at, PASSING);
}

static void scan_returns_every_key_that_stays(void) {
  for (uint32_t shards = 1; shards <= 64; shards *= 8) {
    for (unsigned step = 2000; step <= 5000; step += 1500) {
      open_store(shards, RD_NOEVICTION);
      set_or_delete("SET", "stays", 0, STAYING);
      scan_while(true, step);
      scan_while(false, step);
      close_store();
    }
  }
}

static void scan_ends_from_any_cursor(void) {
  open_store(16, RD_NOEVICTION);
  set_or_delete("SET", "stays", 0, STAYING);
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < 300; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    uint64_t cursor = i < 64 ? 1ull << i : i < 128 ? (1ull << (i - 64)) - 1 : x >> (x & 63);
    size_t keys = 0, pages = 0;
    while ((cursor = scan_page(cursor, 50, &keys)) != 0 && pages < 10000) pages++;
    CHECK(pages < 10000);
  }
  close_store();
}

static void scan_visits_no_more_keys_than_its_bound(void) {
  size_t keys = 0;
  open_store(16, RD_NOEVICTION);
  set_or_delete("SET", "k", 0, 101000);
  uint64_t cursor = scan_page(0, 4000000000u, &keys);
  CHECK(cursor != 0);
  CHECK(keys >= 100000 && keys < 100200);
  while (cursor != 0) cursor = scan_page(cursor, 4000000000u, &keys);
  CHECK_INT(keys, 101000);
  close_store();
}

static void a_small_database_is_scanned_in_one_call(void) {
  size_t keys = 0;
  open_store(512, RD_NOEVICTION);
  set_or_delete("SET", "k", 0, 9);
  CHECK_INT(scan_page(0, 10, &keys), 0);
  CHECK_INT(keys, 9);
  close_store();
}

int main(void) {
  RUN(del_counts_each_key_once_and_exists_counts_repetitions);
  RUN(rename_moves_value_and_expiry);
  RUN(copy_takes_value_and_expiry_and_replaces_only_on_request);
  RUN(move_leaves_the_key_in_one_database);
  RUN(expire_obeys_its_conditions);
  RUN(expire_reports_errors_in_the_order_of_redis);
  RUN(ttl_tells_absent_keys_from_keys_without_expiry);
  RUN(scan_checks_its_arguments);
  RUN(the_empty_key_matches_only_a_lone_star);
  RUN(flushing_and_swapping_check_their_arguments);
  RUN(object_encoding_shows_the_encoding);
  RUN(memory_usage_checks_its_arguments);
  RUN(a_key_expires_after_its_millisecond);
  RUN(idle_time_and_frequency_depend_on_the_policy);
  RUN(setting_the_clock_back_makes_no_key_idle);
  RUN(memory_usage_equals_the_bytes_in_the_arena);
  RUN(keys_and_scan_list_long_keys_whole);
  RUN(scan_returns_every_key_that_stays);
  RUN(scan_ends_from_any_cursor);
  RUN(scan_visits_no_more_keys_than_its_bound);
  RUN(a_small_database_is_scanned_in_one_call);
  return check_end();
}
