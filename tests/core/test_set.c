/* test_set.c - commands on sets: the replies of Redis and Valkey, and properties that no reply shows. */
#include <math.h>

#include "told.h"

static const exchange valkey_members[] = {
    SAID("SADD s a", ":1\r\n"),
    SAID("SADD s a b c b", ":2\r\n"),
    SAID("SADD s 1 -1 01 +1 \"\" \"a b\"", ":6\r\n"),
    SAID("SADD s", "-ERR wrong number of arguments for 'sadd' command\r\n"),
    SAID("SADD", "-ERR wrong number of arguments for 'sadd' command\r\n"),
    SAID("SCARD s", ":9\r\n"),
    SAID("SCARD none", ":0\r\n"),
    SAID("SISMEMBER s a", ":1\r\n"),
    SAID("SISMEMBER s x", ":0\r\n"),
    SAID("SISMEMBER s \"\"", ":1\r\n"),
    SAID("SISMEMBER s 1", ":1\r\n"),
    SAID("SISMEMBER s 001", ":0\r\n"),
    SAID("SISMEMBER none a", ":0\r\n"),
    SAID("SMISMEMBER s a x 1 \"\" a", "*5\r\n:1\r\n:0\r\n:1\r\n:1\r\n:1\r\n"),
    SAID("SMISMEMBER none a b", "*2\r\n:0\r\n:0\r\n"),
    SAID("SMISMEMBER s", "-ERR wrong number of arguments for 'smismember' command\r\n"),
    SAID("SMEMBERS s",
         "*9\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\n1\r\n$2\r\n-1\r\n$2\r\n01\r\n$2\r\n+1\r\n$0\r\n\r\n"
         "$3\r\na b\r\n"),
    SAID("SMEMBERS none", "*0\r\n"),
    SAID("SREM s x", ":0\r\n"),
    SAID("SREM s a a x b", ":2\r\n"),
    SAID("SREM none a", ":0\r\n"),
    SAID("SREM s", "-ERR wrong number of arguments for 'srem' command\r\n"),
    SAID("SMEMBERS s", "*7\r\n$1\r\nc\r\n$1\r\n1\r\n$2\r\n-1\r\n$2\r\n01\r\n$2\r\n+1\r\n$0\r\n\r\n$3\r\na b\r\n"),
    SAID("SREM s c 1 -1 01 +1 \"\" \"a b\"", ":7\r\n"),
    SAID("EXISTS s", ":0\r\n"),
    SAID("SADD s a", ":1\r\n"),
    SAID("SREM s a", ":1\r\n"),
    SAID("EXISTS s", ":0\r\n"),
    SAID("SADD i 3 1 2 100000 -5 0 70000 9223372036854775807 -9223372036854775808 300 -300", ":11\r\n"),
    SAID("SMEMBERS i",
         "*11\r\n$20\r\n-9223372036854775808\r\n$4\r\n-300\r\n$2\r\n-5\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r"
         "\n$1\r\n3\r\n$3\r\n300\r\n$5\r\n70000\r\n$6\r\n100000\r\n$19\r\n9223372036854775807\r\n"),
    SAID("SADD i 200 3", ":1\r\n"),
    SAID("SMEMBERS i",
         "*12\r\n$20\r\n-9223372036854775808\r\n$4\r\n-300\r\n$2\r\n-5\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r"
         "\n$1\r\n3\r\n$3\r\n200\r\n$3\r\n300\r\n$5\r\n70000\r\n$6\r\n100000\r\n$19\r\n9223372036854775807"
         "\r\n"),
    SAID("SREM i 0 100000", ":2\r\n"),
    SAID("SMEMBERS i",
         "*10\r\n$20\r\n-9223372036854775808\r\n$4\r\n-300\r\n$2\r\n-5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r"
         "\n$3\r\n200\r\n$3\r\n300\r\n$5\r\n70000\r\n$19\r\n9223372036854775807\r\n"),
    SAID("SADD i x", ":1\r\n"),
    SAID("SMEMBERS i",
         "*11\r\n$20\r\n-9223372036854775808\r\n$4\r\n-300\r\n$2\r\n-5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r"
         "\n$3\r\n200\r\n$3\r\n300\r\n$5\r\n70000\r\n$19\r\n9223372036854775807\r\n$1\r\nx\r\n"),
    SAID("SADD i 5 -7", ":2\r\n"),
    SAID("SMEMBERS i",
         "*13\r\n$20\r\n-9223372036854775808\r\n$4\r\n-300\r\n$2\r\n-5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r"
         "\n$3\r\n200\r\n$3\r\n300\r\n$5\r\n70000\r\n$19\r\n9223372036854775807\r\n$1\r\nx\r\n$1\r\n5\r\n$"
         "2\r\n-7\r\n"),
    SAID("TYPE i", "+set\r\n"),
    SAID("SADD \"\" m", ":1\r\n"),
    SAID("SMEMBERS \"\"", "*1\r\n$1\r\nm\r\n"),
    SAID("SADD t m", ":1\r\n"),
    SAID("EXPIRE t 100", ":1\r\n"),
    SAID("SADD t n", ":1\r\n"),
    SAID("TTL t", ":100\r\n"),
    SAID("SREM t m", ":1\r\n"),
    SAID("TTL t", ":100\r\n"),
    SAID("SCARD s x", "-ERR wrong number of arguments for 'scard' command\r\n"),
    SAID("SISMEMBER s", "-ERR wrong number of arguments for 'sismember' command\r\n"),
    SAID("SMEMBERS s x", "-ERR wrong number of arguments for 'smembers' command\r\n"),
};

static const exchange wrong_types[] = {
    SAID("SET v x", "+OK\r\n"),
    SAID("SADD v a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SREM v a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SCARD v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SISMEMBER v a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMISMEMBER v a b", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMEMBERS v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SPOP v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SPOP v 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SPOP v x", "-ERR value is out of range, must be positive\r\n"),
    SAID("SPOP v -1", "-ERR value is out of range, must be positive\r\n"),
    SAID("SPOP v 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SRANDMEMBER v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SRANDMEMBER v 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SRANDMEMBER v x", "-ERR value is not an integer or out of range\r\n"),
    SAID("SRANDMEMBER v 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SRANDMEMBER v -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("SSCAN v 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SSCAN v x", "-ERR invalid cursor\r\n"),
    SAID("SSCAN v 0 JUNK", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMOVE v none a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SADD s a b", ":2\r\n"),
    SAID("SMOVE v s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMOVE s v a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMOVE s v x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMOVE none v a", ":0\r\n"),
    SAID("SINTER v none", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SINTER none v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SINTER s v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SUNION s v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SDIFF s v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SDIFF none v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SDIFF v s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SINTERCARD 2 s v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SINTERCARD 2 none v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SINTERSTORE s s v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SUNIONSTORE s s v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SDIFFSTORE s none v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SMEMBERS none", "*0\r\n"),
    SAID("SCARD s", ":2\r\n"),
    SAID("GET s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("APPEND s x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("INCR s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("MGET s v", "*2\r\n$-1\r\n$1\r\nx\r\n"),
    SAID("SETNX s x", ":0\r\n"),
    SAID("PFADD s x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SET s x", "+OK\r\n"),
    SAID("TYPE s", "+string\r\n"),
};

static const exchange valkey_random[] = {
    SAID("SPOP none", "$-1\r\n"),
    SAID("SPOP none 3", "*0\r\n"),
    SAID("SPOP none 0", "*0\r\n"),
    SAID("SPOP none -1", "-ERR value is out of range, must be positive\r\n"),
    SAID("SPOP none x", "-ERR value is out of range, must be positive\r\n"),
    SAID("SPOP none 1 2", "-ERR syntax error\r\n"),
    SAID("SPOP none 9223372036854775808", "-ERR value is out of range, must be positive\r\n"),
    SAID("SRANDMEMBER none", "$-1\r\n"),
    SAID("SRANDMEMBER none 3", "*0\r\n"),
    SAID("SRANDMEMBER none -3", "*0\r\n"),
    SAID("SRANDMEMBER none x", "-ERR value is not an integer or out of range\r\n"),
    SAID("SRANDMEMBER none 1 2", "-ERR syntax error\r\n"),
    SAID("SRANDMEMBER none -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("SRANDMEMBER none 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("SADD one a", ":1\r\n"),
    SAID("SRANDMEMBER one", "$1\r\na\r\n"),
    SAID("SRANDMEMBER one 1", "*1\r\n$1\r\na\r\n"),
    SAID("SRANDMEMBER one 5", "*1\r\n$1\r\na\r\n"),
    SAID("SRANDMEMBER one -3", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n"),
    SAID("SRANDMEMBER one 0", "*0\r\n"),
    SAID("SPOP one 0", "*0\r\n"),
    SAID("SPOP one", "$1\r\na\r\n"),
    SAID("EXISTS one", ":0\r\n"),
    SAID("SADD one a", ":1\r\n"),
    SAID("SPOP one 1", "*1\r\n$1\r\na\r\n"),
    SAID("EXISTS one", ":0\r\n"),
    SAID("SADD s 3 1 2", ":3\r\n"),
    SAID("SRANDMEMBER s 3", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SRANDMEMBER s 4", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SPOP s 3", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("EXISTS s", ":0\r\n"),
    SAID("SADD s c b a", ":3\r\n"),
    SAID("SPOP s 100", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"),
    SAID("EXISTS s", ":0\r\n"),
    SAID("SPOP", "-ERR wrong number of arguments for 'spop' command\r\n"),
    SAID("SRANDMEMBER", "-ERR wrong number of arguments for 'srandmember' command\r\n"),
};

static const exchange valkey_moves[] = {
    SAID("SADD a x y", ":2\r\n"),
    SAID("SADD b y z", ":2\r\n"),
    SAID("SMOVE a b x", ":1\r\n"),
    SAID("SMEMBERS b", "*3\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\nx\r\n"),
    SAID("SMOVE a b y", ":1\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("SMEMBERS b", "*3\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\nx\r\n"),
    SAID("SMOVE b b y", ":1\r\n"),
    SAID("SMOVE b b none", ":0\r\n"),
    SAID("SMOVE none b y", ":0\r\n"),
    SAID("SMOVE b c y", ":1\r\n"),
    SAID("SMEMBERS c", "*1\r\n$1\r\ny\r\n"),
    SAID("SMOVE c d y", ":1\r\n"),
    SAID("EXISTS c", ":0\r\n"),
    SAID("SMEMBERS d", "*1\r\n$1\r\ny\r\n"),
    SAID("SMOVE d", "-ERR wrong number of arguments for 'smove' command\r\n"),
    SAID("SMOVE d e", "-ERR wrong number of arguments for 'smove' command\r\n"),
    SAID("SMOVE d e f g", "-ERR wrong number of arguments for 'smove' command\r\n"),
};

static const exchange valkey_scans[] = {
    SAID("SADD s a b abc 12 13", ":5\r\n"),
    SAID("SSCAN s 0", "*2\r\n$1\r\n0\r\n*5\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nabc\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("SSCAN s 0 MATCH a*", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\nabc\r\n"),
    SAID("SSCAN s 0 MATCH 1*", "*2\r\n$1\r\n0\r\n*2\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("SSCAN s 0 MATCH x", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SSCAN s 0 MATCH *", "*2\r\n$1\r\n0\r\n*5\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nabc\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("SSCAN s 0 MATCH ** COUNT 1",
         "*2\r\n$1\r\n0\r\n*5\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nabc\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("SSCAN s 0 COUNT 0", "-ERR syntax error\r\n"),
    SAID("SSCAN s 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("SSCAN s 0 COUNT -1", "-ERR syntax error\r\n"),
    SAID("SSCAN s 0 COUNT", "-ERR syntax error\r\n"),
    SAID("SSCAN s 0 MATCH", "-ERR syntax error\r\n"),
    SAID("SSCAN s 0 JUNK", "-ERR syntax error\r\n"),
    SAID("SSCAN s 0 TYPE set", "-ERR syntax error\r\n"),
    SAID("SSCAN s 0 COUNT 1 MATCH b", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"),
    SAID("SSCAN s x", "-ERR invalid cursor\r\n"),
    SAID("SSCAN s 5", "*2\r\n$1\r\n0\r\n*5\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nabc\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("SSCAN s 18446744073709551616", "-ERR invalid cursor\r\n"),
    SAID("SSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SSCAN none x", "-ERR invalid cursor\r\n"),
    SAID("SSCAN none 0 JUNK", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("SSCAN s", "-ERR wrong number of arguments for 'sscan' command\r\n"),
    SAID("SSCAN", "-ERR wrong number of arguments for 'sscan' command\r\n"),
    SAID("SADD i 5 3 4", ":3\r\n"),
    SAID("SSCAN i 0", "*2\r\n$1\r\n0\r\n*3\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"),
};

static const exchange valkey_algebra[] = {
    SAID("SADD a 1 2 3 4", ":4\r\n"),
    SAID("SADD b 3 4 5", ":3\r\n"),
    SAID("SADD c 4", ":1\r\n"),
    SAID("SINTER a b", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SINTER a b c", "*1\r\n$1\r\n4\r\n"),
    SAID("SINTER a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SINTER a none", "*0\r\n"),
    SAID("SINTER none", "*0\r\n"),
    SAID("SINTER a a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SINTER a b a b", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SUNION c", "*1\r\n$1\r\n4\r\n"),
    SAID("SUNION c none c", "*1\r\n$1\r\n4\r\n"),
    SAID("SUNION none", "*0\r\n"),
    SAID("SUNION none none", "*0\r\n"),
    SAID("SDIFF a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("SDIFF a b c", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("SDIFF a c", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SDIFF a none", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SDIFF none a", "*0\r\n"),
    SAID("SDIFF a a", "*0\r\n"),
    SAID("SDIFF c a", "*0\r\n"),
    SAID("SINTERCARD 2 a b", ":2\r\n"),
    SAID("SINTERCARD 3 a b c", ":1\r\n"),
    SAID("SINTERCARD 1 a", ":4\r\n"),
    SAID("SINTERCARD 2 a none", ":0\r\n"),
    SAID("SINTERCARD 2 a b LIMIT 1", ":1\r\n"),
    SAID("SINTERCARD 2 a b LIMIT 0", ":2\r\n"),
    SAID("SINTERCARD 2 a b LIMIT 100", ":2\r\n"),
    SAID("SINTERCARD 2 a b LIMIT 5 limit 1", ":1\r\n"),
    SAID("SINTERCARD 2 a b LIMIT -1", "-ERR LIMIT can't be negative\r\n"),
    SAID("SINTERCARD 2 a b LIMIT x", "-ERR LIMIT can't be negative\r\n"),
    SAID("SINTERCARD 2 a b LIMIT", "-ERR syntax error\r\n"),
    SAID("SINTERCARD 2 a b JUNK", "-ERR syntax error\r\n"),
    SAID("SINTERCARD 2 a b JUNK 1", "-ERR syntax error\r\n"),
    SAID("SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args\r\n"),
    SAID("SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n"),
    SAID("SINTERCARD -1 a", "-ERR numkeys should be greater than 0\r\n"),
    SAID("SINTERCARD x a", "-ERR numkeys should be greater than 0\r\n"),
    SAID("SINTERCARD 1", "-ERR wrong number of arguments for 'sintercard' command\r\n"),
    SAID("SINTER", "-ERR wrong number of arguments for 'sinter' command\r\n"),
    SAID("SUNION", "-ERR wrong number of arguments for 'sunion' command\r\n"),
    SAID("SDIFF", "-ERR wrong number of arguments for 'sdiff' command\r\n"),
    SAID("SADD t \"\" x", ":2\r\n"),
    SAID("SINTER t t", "*2\r\n$0\r\n\r\n$1\r\nx\r\n"),
    SAID("SUNION t t c", "*3\r\n$0\r\n\r\n$1\r\nx\r\n$1\r\n4\r\n"),
};

static const exchange valkey_stores[] = {
    SAID("SADD a 1 2 3 4", ":4\r\n"),
    SAID("SADD b 3 4 5", ":3\r\n"),
    SAID("SINTERSTORE d a b", ":2\r\n"),
    SAID("SMEMBERS d", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SUNIONSTORE d a b", ":5\r\n"),
    SAID("SMEMBERS d", "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"),
    SAID("SDIFFSTORE d a b", ":2\r\n"),
    SAID("SMEMBERS d", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("SINTERSTORE d a none", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("SINTERSTORE d a none", ":0\r\n"),
    SAID("SDIFFSTORE d a a", ":0\r\n"),
    SAID("SUNIONSTORE d none none", ":0\r\n"),
    SAID("SUNIONSTORE a a b", ":5\r\n"),
    SAID("SMEMBERS a", "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"),
    SAID("SDIFFSTORE a a b", ":2\r\n"),
    SAID("SMEMBERS a", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("SINTERSTORE b b", ":3\r\n"),
    SAID("SMEMBERS b", "*3\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"),
    SAID("SINTERSTORE b b none", ":0\r\n"),
    SAID("EXISTS b", ":0\r\n"),
    SAID("SET v x", "+OK\r\n"),
    SAID("SUNIONSTORE v a none a", ":2\r\n"),
    SAID("SMEMBERS v", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("SET v x", "+OK\r\n"),
    SAID("SUNIONSTORE v none", ":0\r\n"),
    SAID("EXISTS v", ":0\r\n"),
    SAID("SET v x", "+OK\r\n"),
    SAID("SDIFFSTORE v v a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SET e x EX 100", "+OK\r\n"),
    SAID("SUNIONSTORE e a", ":2\r\n"),
    SAID("TTL e", ":-1\r\n"),
    SAID("SUNIONSTORE", "-ERR wrong number of arguments for 'sunionstore' command\r\n"),
    SAID("SUNIONSTORE d", "-ERR wrong number of arguments for 'sunionstore' command\r\n"),
    SAID("SINTERSTORE d", "-ERR wrong number of arguments for 'sinterstore' command\r\n"),
    SAID("SDIFFSTORE d", "-ERR wrong number of arguments for 'sdiffstore' command\r\n"),
    SAID("SADD x 1 2 x y", ":4\r\n"),
    SAID("SADD y y 2", ":2\r\n"),
    SAID("SDIFFSTORE n x y", ":2\r\n"),
    SAID("SMEMBERS n", "*2\r\n$1\r\n1\r\n$1\r\nx\r\n"),
    SAID("SUNIONSTORE n y x", ":4\r\n"),
    SAID("SMEMBERS n", "*4\r\n$1\r\ny\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\nx\r\n"),
};

static const exchange resp3_shapes[] = {
    SAID("SADD s a", ":1\r\n"),
    SAID("SMEMBERS s", "~1\r\n$1\r\na\r\n"),
    SAID("SMEMBERS none", "~0\r\n"),
    SAID("SPOP none", "_\r\n"),
    SAID("SPOP none 1", "~0\r\n"),
    SAID("SRANDMEMBER none", "_\r\n"),
    SAID("SRANDMEMBER none 1", "*0\r\n"),
    SAID("SRANDMEMBER s 1", "*1\r\n$1\r\na\r\n"),
    SAID("SRANDMEMBER s -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"),
    SAID("SPOP s 0", "~0\r\n"),
    SAID("SINTER s s", "~1\r\n$1\r\na\r\n"),
    SAID("SINTER s none", "~0\r\n"),
    SAID("SUNION s", "~1\r\n$1\r\na\r\n"),
    SAID("SUNION none", "~0\r\n"),
    SAID("SDIFF s none", "~1\r\n$1\r\na\r\n"),
    SAID("SDIFF s s", "~0\r\n"),
    SAID("SMISMEMBER s a b", "*2\r\n:1\r\n:0\r\n"),
    SAID("SISMEMBER s a", ":1\r\n"),
    SAID("SINTERCARD 1 s", ":1\r\n"),
    SAID("SSCAN s 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
    SAID("SUNIONSTORE d s", ":1\r\n"),
    SAID("SPOP s 1", "~1\r\n$1\r\na\r\n"),
    SAID("SADD s a", ":1\r\n"),
    SAID("SPOP s 5", "~1\r\n$1\r\na\r\n"),
    SAID("SADD s a", ":1\r\n"),
    SAID("SPOP s", "$1\r\na\r\n"),
};

static const exchange valkey_encodings[] = {
    SAID("SADD a 1", ":1\r\n"),
    SAID("OBJECT ENCODING a", "$6\r\nintset\r\n"),
    SAID("SADD a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING a", "$8\r\nlistpack\r\n"),
    SAID("SADD a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING a", "$9\r\nhashtable\r\n"),
    SAID("SREM a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx "
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
         ":2\r\n"),
    SAID("OBJECT ENCODING a", "$9\r\nhashtable\r\n"),
    SAID("SADD b xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING b", "$8\r\nlistpack\r\n"),
    SAID("SADD c xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING c", "$9\r\nhashtable\r\n"),
    SAID("SADD c 1", ":1\r\n"),
    SAID("OBJECT ENCODING c", "$9\r\nhashtable\r\n"),
    SAID("SADD d x", ":1\r\n"),
    SAID("OBJECT ENCODING d", "$8\r\nlistpack\r\n"),
    SAID("SADD d 1", ":1\r\n"),
    SAID("SREM d x", ":1\r\n"),
    SAID("OBJECT ENCODING d", "$8\r\nlistpack\r\n"),
    SAID("SUNIONSTORE e d", ":1\r\n"),
    SAID("OBJECT ENCODING e", "$6\r\nintset\r\n"),
    SAID("SADD f 1 x", ":2\r\n"),
    SAID("OBJECT ENCODING f", "$8\r\nlistpack\r\n"),
    SAID("SMOVE f g 1", ":1\r\n"),
    SAID("OBJECT ENCODING g", "$6\r\nintset\r\n"),
    SAID("OBJECT ENCODING f", "$8\r\nlistpack\r\n"),
    SAID("SMOVE f g x", ":1\r\n"),
    SAID("OBJECT ENCODING g", "$8\r\nlistpack\r\n"),
};

static const happening told[] = {
    TOLD("SADD a x", "n0:new:a s0:sadd:a"),
    TOLD("SADD a x", ""),
    TOLD("SADD a x y z w v u", "s0:sadd:a"),
    TOLD("SREM a none", ""),
    TOLD("SREM none x", ""),
    TOLD("SREM a x y", "s0:srem:a"),
    TOLD("SCARD none", "m0:keymiss:none"),
    TOLD("SISMEMBER none a", "m0:keymiss:none"),
    TOLD("SMISMEMBER none a", "m0:keymiss:none"),
    TOLD("SMEMBERS none", "m0:keymiss:none"),
    TOLD("SMEMBERS a", ""),
    TOLD("SRANDMEMBER none", "m0:keymiss:none"),
    TOLD("SRANDMEMBER none 3", "m0:keymiss:none"),
    TOLD("SPOP none", ""),
    TOLD("SPOP none 3", ""),
    TOLD("SPOP a 0", ""),
    TOLD("SPOP a 1", "s0:spop:a"),
    TOLD("SPOP a 1", "s0:spop:a"),
    TOLD("SPOP a", "s0:spop:a"),
    TOLD("SPOP a", "s0:spop:a g0:del:a"),
    TOLD("EXISTS a", "m0:keymiss:a"),
    TOLD("SADD a x y", "n0:new:a s0:sadd:a"),
    TOLD("SPOP a 5", "s0:spop:a g0:del:a"),
    TOLD("SADD a x y", "n0:new:a s0:sadd:a"),
    TOLD("SREM a x y", "s0:srem:a g0:del:a"),
    TOLD("SADD a x y", "n0:new:a s0:sadd:a"),
    TOLD("SMOVE a b x", "s0:srem:a n0:new:b s0:sadd:b"),
    TOLD("SMOVE a b y", "s0:srem:a g0:del:a s0:sadd:b"),
    TOLD("SMOVE a b y", ""),
    TOLD("SMOVE b b y", ""),
    TOLD("SADD a y", "n0:new:a s0:sadd:a"),
    TOLD("SMOVE a b y", "s0:srem:a g0:del:a"),
    TOLD("SMOVE b c none", ""),
    TOLD("SMOVE none b x", ""),
    TOLD("SADD a y z", "n0:new:a s0:sadd:a"),
    TOLD("SINTER a none nothing", "m0:keymiss:none m0:keymiss:nothing"),
    TOLD("SUNION none a", "m0:keymiss:none"),
    TOLD("SDIFF none a", "m0:keymiss:none"),
    TOLD("SINTERCARD 2 none a", "m0:keymiss:none"),
    TOLD("SINTERSTORE d a b", "n0:new:d s0:sinterstore:d"),
    TOLD("SINTERSTORE d a b", "s0:sinterstore:d"),
    TOLD("SINTERSTORE d a none", "m0:keymiss:none g0:del:d"),
    TOLD("SINTERSTORE d a none", "m0:keymiss:none"),
    TOLD("SUNIONSTORE d a b", "n0:new:d s0:sunionstore:d"),
    TOLD("SUNIONSTORE d none", "m0:keymiss:none g0:del:d"),
    TOLD("SUNIONSTORE d none", "m0:keymiss:none"),
    TOLD("SDIFFSTORE d a none", "m0:keymiss:none n0:new:d s0:sdiffstore:d"),
    TOLD("SDIFFSTORE d a a", "g0:del:d"),
    TOLD("SUNIONSTORE a a b", "s0:sunionstore:a"),
    TOLD("SUNIONSTORE a a", "s0:sunionstore:a"),
    TOLD("SET str x", "n0:new:str $0:set:str"),
    TOLD("SUNIONSTORE str a", "s0:sunionstore:str"),
    TOLD("SSCAN none 0", "m0:keymiss:none"),
    TOLD("SSCAN a 0", ""),
    TOLD("SADD e x", "n0:new:e s0:sadd:e"),
    TOLD("PEXPIRE e 5", "g0:expire:e"),
    TOLD(">10", ""),
    TOLD("SADD e y", "x0:expired:e n0:new:e s0:sadd:e"),
    TOLD("PEXPIRE e 5", "g0:expire:e"),
    TOLD(">10", ""),
    TOLD("SUNIONSTORE e a e", "x0:expired:e m0:keymiss:e n0:new:e s0:sunionstore:e"),
};

static void members_are_added_found_and_removed(void) { REPLAY(valkey_members); }
static void other_types_are_refused(void) { REPLAY(wrong_types); }
static void random_members_have_the_asked_shape(void) { REPLAY(valkey_random); }
static void a_member_moves_from_set_to_set(void) { REPLAY(valkey_moves); }
static void a_small_set_is_scanned_at_once(void) { REPLAY(valkey_scans); }
static void sets_are_intersected_united_and_subtracted(void) { REPLAY(valkey_algebra); }
static void results_are_stored(void) { REPLAY(valkey_stores); }
static void resp3_has_sets(void) { REPLAY3(resp3_shapes); }
static void the_encoding_has_the_name_that_redis_gives_it(void) { REPLAY(valkey_encodings); }

static void events_are_those_of_redis(void) { REPLAY_EVENTS(told); }

/* ---- properties ---- */

static uint64_t seed = 88172645463325252ull;
static uint64_t roll(uint64_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (seed >> 20) % n;
}

enum { MEMBERS = 3000, LONGEST = 9000 };

/* The text of member `i`: a number, a short text, or sometimes a long one. */
static size_t text_of(char *to, uint32_t i) {
  if (i % 3 == 0) return (size_t)sprintf(to, "%s%llu", i % 2 == 0 ? "" : "-", (2ull * i + 1) << (i % 40));
  if (i % 97 == 0) return (size_t)sprintf(to, "l%0*u", (int)(i % 2 == 0 ? 600 : LONGEST - 1), i);
  return (size_t)sprintf(to, "m%0*u", (int)(i % 40), i);
}

/* The number of the member with that text; MEMBERS: there is none. */
static uint32_t member_of(const uint8_t *text, size_t len) {
  static char copy[LONGEST + 1], again[LONGEST + 1];
  if (len == 0 || len > LONGEST) return MEMBERS;
  memcpy(copy, text, len);
  copy[len] = 0;
  uint64_t n = strtoull(copy + (copy[0] < '0' || copy[0] > '9'), NULL, 10);
  if (copy[0] <= '9' && n != 0) n = (n >> __builtin_ctzll(n)) / 2;
  return n < MEMBERS && text_of(again, (uint32_t)n) == len && memcmp(again, text, len) == 0 ? (uint32_t)n : MEMBERS;
}

typedef struct model {
  rd_store st;
  int fd;
  rig_client c;
  bool there[MEMBERS];
  int64_t count;
} model;

static void model_open(model *m, uint64_t memory) {
  memset(m, 0, sizeof *m);
  m->fd = rig_open(&m->st, memory, 4, RD_NOEVICTION);
  m->c = rig_client_new(&m->st, NULL);
}
static void model_close(model *m) {
  rig_client_free(&m->c);
  rig_close(&m->st, m->fd);
}

static void say_head(model *m, unsigned argc) {
  char head[32];
  m->c.len = 0;
  rig_feed(&m->c, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", argc), 32);
}
static void say_word(model *m, const char *text, size_t len) {
  char head[32];
  rig_feed(&m->c, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len), 32);
  if (len != 0) rig_feed(&m->c, text, len, len);
  rig_feed(&m->c, "\r\n", 2, 2);
}
static void say_text(model *m, const char *text) { say_word(m, text, strlen(text)); }
static void say_number(model *m, long long n) {
  char text[24];
  say_word(m, text, (size_t)snprintf(text, sizeof text, "%lld", n));
}
static void say_member(model *m, uint32_t i) {
  char text[LONGEST + 1];
  say_word(m, text, text_of(text, i));
}
static void hears(model *m, int64_t n) {
  char text[32];
  snprintf(text, sizeof text, ":%lld\r\n", (long long)n);
  CHECK_TEXT(m->c.out, m->c.len, text);
}

/* Call `each` for every bulk of the reply. Returns the number of bulks; the first is skipped if `cursor`, which is then
 * set to it. */
static size_t each_bulk(model *m, uint64_t *cursor, void (*each)(void *arg, uint32_t member), void *arg) {
  size_t n = 0;
  const uint8_t *p = m->c.out, *end = p + m->c.len;
  while (p < end && check_ok) {
    const uint8_t *line = p;
    p = (const uint8_t *)memchr(p, '\n', (size_t)(end - p)) + 1;
    if (*line != '$') {
      if (*line != '*' && *line != '~') CHECK_FAIL("a reply of kind %c", *line);
      continue;
    }
    size_t len = strtoul((const char *)line + 1, NULL, 10);
    if (cursor != NULL && n++ == 0) {
      *cursor = strtoull((const char *)p, NULL, 10);
    } else {
      uint32_t member = member_of(p, len);
      if (member >= MEMBERS)
        CHECK_FAIL("no member: %.*s", (int)(len < 50 ? len : 50), p);
      else
        each(arg, member);
      n += cursor == NULL;
    }
    p += len + 2;
  }
  return cursor != NULL && n > 0 ? n - 1 : n;
}

static void count_up(void *arg, uint32_t member) { ((uint32_t *)arg)[member]++; }

static void holds_exactly_its_members(model *m) {
  uint32_t *seen = calloc(MEMBERS, sizeof *seen);
  say_head(m, 2);
  say_text(m, "SMEMBERS");
  say_text(m, "s");
  CHECK_INT(each_bulk(m, NULL, count_up, seen), m->count);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    if (seen[i] != m->there[i]) CHECK_FAIL("member %u: %u times instead of %u", i, seen[i], m->there[i]);
  }
  free(seen);
  char err[200];
  CHECK_INT(rd_check(&m->st, err, sizeof err), 0);
}

static void add_or_remove(model *m, bool add, uint32_t from, uint32_t below) {
  uint32_t n = 1 + (uint32_t)roll(4);
  int64_t changed = 0;
  say_head(m, 2 + n);
  say_text(m, add ? "SADD" : "SREM");
  say_text(m, "s");
  for (; n > 0; n--) {
    uint32_t i = from + (uint32_t)roll(below - from);
    say_member(m, i);
    changed += m->there[i] != add;
    m->there[i] = add;
  }
  m->count += add ? changed : -changed;
  hears(m, changed);
}

static void add_or_remove_one(model *m, bool add, uint32_t i) {
  say_head(m, 3);
  say_text(m, add ? "SADD" : "SREM");
  say_text(m, "s");
  say_member(m, i);
  hears(m, m->there[i] != add);
  m->count += add ? !m->there[i] : -(int64_t)m->there[i];
  m->there[i] = add;
}

static void ask(model *m, uint32_t i) {
  say_head(m, 3);
  say_text(m, "SISMEMBER");
  say_text(m, "s");
  say_member(m, i);
  hears(m, m->there[i]);
  say_head(m, 2);
  say_text(m, "SCARD");
  say_text(m, "s");
  hears(m, m->count);
}

static void a_set_holds_what_was_added_and_not_removed(void) {
  model *m = malloc(sizeof *m);
  for (int round = 0; round < 4; round++) {
    uint32_t below = round == 0 ? 10 : round == 1 ? 60 : MEMBERS;
    model_open(m, 64u << 20);
    for (int phase = 0; phase < 6 && check_ok; phase++) {
      for (uint32_t i = 0; i < (round < 2 ? 300 : 3000) && check_ok; i++) {
        uint64_t die = roll(100);
        if (die < 20)
          ask(m, (uint32_t)roll(MEMBERS));
        else
          add_or_remove(m, (die < 75) == (phase % 2 == 0), 0, below);
      }
      holds_exactly_its_members(m);
    }
    for (uint32_t i = 0; i < MEMBERS && m->count > 0; i += 4) add_or_remove(m, false, i, i + 4);
    model_close(m);
  }
  free(m);
}

/* Members are added and removed between the pages, but not those below a quarter. */
static void a_scan_returns_every_member_that_stays(void) {
  model *m = malloc(sizeof *m);
  for (int round = 0; round < 6; round++) {
    model_open(m, 64u << 20);
    uint32_t stays = round < 2 ? 50 : MEMBERS / 4;
    for (uint32_t i = 0; i < stays; i += 4) add_or_remove_one(m, true, i);
    for (int k = 0; k < 2000 && round % 2 == 1; k++) add_or_remove(m, true, stays, MEMBERS);
    uint32_t *seen = calloc(MEMBERS, sizeof *seen);
    uint64_t cursor = 0;
    uint32_t pages = 0;
    do {
      say_head(m, 5);
      say_text(m, "SSCAN");
      say_text(m, "s");
      char text[24];
      say_word(m, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)cursor));
      say_text(m, "COUNT");
      say_number(m, 1 + (long long)roll(30));
      each_bulk(m, &cursor, count_up, seen);
      CHECK(cursor < 1ull << 53);
      if (++pages > 5000) CHECK_FAIL("no end after %u pages", pages);
      for (uint64_t k = roll(40); k > 0 && stays < MEMBERS; k--) add_or_remove(m, round % 3 == 0, stays, MEMBERS);
    } while (cursor != 0 && check_ok);
    for (uint32_t i = 0; i < stays; i += 4) {
      if (seen[i] == 0) CHECK_FAIL("round %d: member %u was not returned", round, i);
    }
    free(seen);
    model_close(m);
  }
  free(m);
}

/* ---- the algebra, beside arrays ---- */

enum { SETS = 6, MANY = 20 };
typedef struct family {
  model m; /* its own array is not used */
  bool there[SETS][MEMBERS];
} family;

static void say_set(family *f, uint32_t set) {
  char name[8];
  snprintf(name, sizeof name, "s%u", set);
  say_text(&f->m, name);
}

static void fill(family *f, uint32_t set, uint32_t from, uint32_t below, uint32_t parts) {
  for (uint32_t i = from; i < below; i++) {
    if (roll(parts) != 0) continue;
    say_head(&f->m, 3);
    say_text(&f->m, "SADD");
    say_set(f, set);
    say_member(&f->m, i);
    hears(&f->m, !f->there[set][i]);
    f->there[set][i] = true;
  }
}

static bool belongs(const family *f, char kind, uint32_t member, const uint32_t *sources, uint32_t n) {
  uint32_t had = 0;
  for (uint32_t i = 0; i < n; i++) had += f->there[sources[i]][member];
  if (kind == 'I') return had == n;
  return kind == 'U' ? had > 0 : had == 1 && f->there[sources[0]][member];
}

static void holds(family *f, const bool *expected) {
  uint32_t seen[MEMBERS] = {0};
  each_bulk(&f->m, NULL, count_up, seen);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    if (seen[i] != expected[i]) CHECK_FAIL("member %u: %u times", i, seen[i]);
  }
}

static void compute(family *f) {
  static const struct {
    char kind;
    const char *reply, *store;
  } kinds[] = {{'I', "SINTER", "SINTERSTORE"}, {'U', "SUNION", "SUNIONSTORE"}, {'D', "SDIFF", "SDIFFSTORE"}};
  size_t k = roll(3);
  uint32_t n = 1 + (uint32_t)roll(roll(4) == 0 ? MANY : 3), sources[MANY];
  bool expected[MEMBERS];
  int64_t count = 0;
  for (uint32_t i = 0; i < n; i++) sources[i] = (uint32_t)roll(SETS);
  for (uint32_t i = 0; i < MEMBERS; i++) count += expected[i] = belongs(f, kinds[k].kind, i, sources, n);
  bool stores = roll(3) == 0;
  uint32_t to = (uint32_t)roll(SETS);
  say_head(&f->m, 1 + n + stores);
  say_text(&f->m, stores ? kinds[k].store : kinds[k].reply);
  if (stores) say_set(f, to);
  for (uint32_t i = 0; i < n; i++) say_set(f, sources[i]);
  if (!stores) {
    holds(f, expected);
    return;
  }
  hears(&f->m, count);
  memcpy(f->there[to], expected, sizeof expected);
  say_head(&f->m, 2);
  say_text(&f->m, "SMEMBERS");
  say_set(f, to);
  holds(f, expected);
}

static void the_algebra_is_right(void) {
  family *f = malloc(sizeof *f);
  for (uint32_t round = 0; round < 30 && check_ok; round++) {
    model_open(&f->m, 64u << 20);
    memset(f->there, 0, sizeof f->there);
    for (uint32_t set = 0; set < SETS - 1; set++) { /* the last one is absent */
      uint32_t from = (uint32_t)roll(MEMBERS), most = round % 3 == 0 ? 30 : MEMBERS;
      fill(f, set, from, from + most < MEMBERS ? from + most : MEMBERS, 1 + (uint32_t)roll(4));
    }
    for (int i = 0; i < 25 && check_ok; i++) compute(f);
    model_close(&f->m);
  }
  free(f);
}

/* Results that need more room than there is: sources are evicted while a result is built of them. */
static void results_are_whole_while_sources_are_evicted(void) {
  family *f = malloc(sizeof *f);
  static const rd_policy policies[] = {RD_NOEVICTION, RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_ALLKEYS_RANDOM};
  uint32_t refused = 0, smaller = 0, full = 0;
  for (uint32_t round = 0; round < 4 && check_ok; round++) {
    model_open(&f->m, 4u << 20);
    rd_set_policy(&f->m.st, policies[round], 5);
    for (uint32_t turn = 0; turn < 60 && check_ok; turn++) {
      for (uint32_t set = 0; set < 2; set++) {
        for (uint32_t i = set; i < MEMBERS / 2; i += 2) {
          say_head(&f->m, 3);
          say_text(&f->m, "SADD");
          say_set(f, set);
          say_member(&f->m, i);
        }
      }
      say_head(&f->m, 4);
      say_text(&f->m, "SUNIONSTORE");
      char to[8];
      snprintf(to, sizeof to, "d%u", turn);
      say_text(&f->m, to);
      say_set(f, 0);
      say_set(f, 1);
      refused += f->m.c.out[0] == '-';
      smaller += f->m.c.out[0] == ':' && strtoul((char *)f->m.c.out + 1, NULL, 10) < MEMBERS / 2;
      full += f->m.c.out[0] == ':' && strtoul((char *)f->m.c.out + 1, NULL, 10) == MEMBERS / 2;
      char err[200];
      if (turn % 8 == 0) CHECK_INT(rd_check(&f->m.st, err, sizeof err), 0);
    }
    CHECK(full > 0);
    if (round == 0) CHECK(refused > 0);
    model_close(&f->m);
  }
  printf("     %u refused, %u smaller, %u of all members\n", refused, smaller, full);
  free(f);
}

/* The chi-square of `n` counts that should be equal, against its expectation plus five standard deviations. */
static void is_uniform(const uint32_t *counts, uint32_t n, uint64_t total) {
  double expected = (double)total / n, sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  double freedom = n - 1, limit = freedom + 5 * sqrt(2 * freedom);
  if (sum > limit) CHECK_FAIL("chi-square of %u members is %.1f, above %.1f", n, sum, limit);
}

static void random_members_are_uniform(void) {
  model *m = malloc(sizeof *m);
  static const uint32_t sizes[] = {30, 1000};
  for (size_t k = 0; k < 2; k++) {
    uint32_t n = sizes[k];
    static const int counts[] = {1, -3, 5, 20, -50};
    for (size_t way = 0; way < 7; way++) {
      model_open(m, 64u << 20);
      for (uint32_t i = 0; i < n; i++) add_or_remove_one(m, true, i);
      uint32_t *seen = calloc(MEMBERS, sizeof *seen);
      uint64_t total = 0;
      while (total < 100ull * n && check_ok) {
        bool pops = way >= 5;
        say_head(m, way == 6 ? 2 : 3);
        say_text(m, pops ? "SPOP" : "SRANDMEMBER");
        say_text(m, "s");
        if (way < 5) say_number(m, counts[way]);
        if (way == 5) say_number(m, 7);
        uint32_t *chosen = calloc(MEMBERS, sizeof *chosen);
        total += each_bulk(m, NULL, count_up, chosen);
        for (uint32_t i = 0; i < n; i++) {
          seen[i] += chosen[i];
          if (pops && chosen[i] != 0) m->there[i] = false, m->count--;
        }
        for (uint32_t i = 0; i < n && pops; i++) {
          if (chosen[i] != 0) add_or_remove_one(m, true, i);
        }
        free(chosen);
      }
      is_uniform(seen, n, total);
      free(seen);
      model_close(m);
    }
  }
  free(m);
}

/* As Valkey 9 does: a union and a difference begin with an empty intset, an intersection of listpacks does not. */
static void a_threshold_of_no_integers_names_results_as_redis_does(void) {
  rd_store st;
  int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
  rd_type_limits limits = st.type_limits;
  limits.set_integers = 0;
  rd_set_type_limits(&st, &limits);
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "SADD s 1 2 3\r\nOBJECT ENCODING s\r\n", ":3\r\n$8\r\nlistpack\r\n");
  RIG_ASK(&c, "SUNIONSTORE to s\r\nOBJECT ENCODING to\r\n", ":3\r\n$9\r\nhashtable\r\n");
  RIG_ASK(&c, "SINTERSTORE to s s\r\nOBJECT ENCODING to\r\n", ":3\r\n$8\r\nlistpack\r\n");
  RIG_ASK(&c, "SDIFFSTORE to s none\r\nOBJECT ENCODING to\r\n", ":3\r\n$9\r\nhashtable\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void more_random_members_than_a_reply_can_hold_are_refused(void) {
  rd_store st;
  int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
  static const rd_limits limits = {
      .batch_size = 16, .output_high = 1u << 20, .output_limit = 60000, .query_limit = 1 << 20, .multi_limit = 1 << 20};
  rig_client c = rig_client_new(&st, &limits);
  RIG_ASK(&c, "SADD s a\r\nHSET h a 1\r\nZADD z 1 a\r\n", ":1\r\n:1\r\n:1\r\n");
  RIG_ASK(&c, "SRANDMEMBER s -9223372036854775807\r\n", "-ERR value is out of range\r\n");
  RIG_ASK(&c, "HRANDFIELD h -9223372036854775807\r\n", "-ERR value is out of range\r\n");
  RIG_ASK(&c, "ZRANDMEMBER z -10001\r\n", "-ERR value is out of range\r\n");
  RIG_ASK(&c, "ZRANDMEMBER z 9223372036854775807\r\n", "*1\r\n$1\r\na\r\n");
  RIG_ASK(&c, "SRANDMEMBER none -9223372036854775807\r\n", "*0\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(a_threshold_of_no_integers_names_results_as_redis_does);
  RUN(more_random_members_than_a_reply_can_hold_are_refused);
  RUN(members_are_added_found_and_removed);
  RUN(other_types_are_refused);
  RUN(random_members_have_the_asked_shape);
  RUN(a_member_moves_from_set_to_set);
  RUN(a_small_set_is_scanned_at_once);
  RUN(sets_are_intersected_united_and_subtracted);
  RUN(results_are_stored);
  RUN(resp3_has_sets);
  RUN(the_encoding_has_the_name_that_redis_gives_it);
  RUN(events_are_those_of_redis);
  RUN(a_set_holds_what_was_added_and_not_removed);
  RUN(a_scan_returns_every_member_that_stays);
  RUN(the_algebra_is_right);
  RUN(results_are_whole_while_sources_are_evicted);
  RUN(random_members_are_uniform);
  return check_end();
}
