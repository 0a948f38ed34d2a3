/* test_zset.c - commands on sorted sets: the replies of redis-server, and properties that no reply shows. */
#include <math.h>
#include <stdarg.h>

#include "oracle.h"

static const exchange adding[] = {
    SAID("ZADD z 1 a", ":1\r\n"),
    SAID("ZADD z 2 a", ":0\r\n"),
    SAID("ZADD z 1 a 2 b 3 c", ":2\r\n"),
    SAID("ZADD z 1.5 a 1.5 aa 1.5 A 1.5 \"\"", ":3\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES",
         "*12\r\n$0\r\n\r\n$3\r\n1.5\r\n$1\r\nA\r\n$3\r\n1.5\r\n$1\r\na\r\n$3\r\n1.5\r\n$2\r\naa\r\n$3\r\n"
         "1.5\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("ZADD z CH 5 a 6 new 3 c", ":2\r\n"),
    SAID("ZADD z NX 9 a 9 d", ":1\r\n"),
    SAID("ZADD z NX CH 9 a 9 e", ":1\r\n"),
    SAID("ZADD z XX 10 a 10 nothing", ":0\r\n"),
    SAID("ZADD z XX CH 11 a 10 nothing", ":1\r\n"),
    SAID("ZADD z GT 5 a", ":0\r\n"),
    SAID("ZADD z GT CH 12 a", ":1\r\n"),
    SAID("ZADD z LT 20 a", ":0\r\n"),
    SAID("ZADD z LT CH 4 a", ":1\r\n"),
    SAID("ZADD z GT 7 other", ":1\r\n"),
    SAID("ZADD z LT 7 third", ":1\r\n"),
    SAID("ZADD z XX GT 100 fourth", ":0\r\n"),
    SAID("ZADD z GT XX CH 50 third 1 other", ":1\r\n"),
    SAID("ZADD z INCR 5 a", "$1\r\n9\r\n"),
    SAID("ZADD z NX INCR 5 a", "$-1\r\n"),
    SAID("ZADD z XX INCR 5 a", "$2\r\n14\r\n"),
    SAID("ZADD z XX INCR 5 absent", "$-1\r\n"),
    SAID("ZADD z NX INCR 5 absent", "$1\r\n5\r\n"),
    SAID("ZADD z GT INCR -1 a", "$-1\r\n"),
    SAID("ZADD z GT INCR 1 a", "$2\r\n15\r\n"),
    SAID("ZADD z LT INCR 1 a", "$-1\r\n"),
    SAID("ZADD z LT INCR -1 a", "$2\r\n14\r\n"),
    SAID("ZADD z GT INCR 0 a", "$-1\r\n"),
    SAID("ZADD z ch xx 3 c", ":0\r\n"),
    SAID("ZADD z CH CH CH 8 c", ":1\r\n"),
    SAID("ZADD z inf top +inf top2 -inf bottom", ":3\r\n"),
    SAID("ZADD z 1e3 thousand 0x10 sixteen -0 zero .5 half 5. five", ":5\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES",
         "*40\r\n$6\r\nbottom\r\n$4\r\n-inf\r\n$4\r\nzero\r\n$1\r\n0\r\n$4\r\nhalf\r\n$3\r\n0.5\r\n$0\r\n"
         "\r\n$3\r\n1.5\r\n$1\r\nA\r\n$3\r\n1.5\r\n$2\r\naa\r\n$3\r\n1.5\r\n$1\r\nb\r\n$1\r\n2\r\n$6\r\nab"
         "sent\r\n$1\r\n5\r\n$4\r\nfive\r\n$1\r\n5\r\n$3\r\nnew\r\n$1\r\n6\r\n$5\r\nother\r\n$1\r\n7\r\n$1"
         "\r\nc\r\n$1\r\n8\r\n$1\r\nd\r\n$1\r\n9\r\n$1\r\ne\r\n$1\r\n9\r\n$1\r\na\r\n$2\r\n14\r\n$7\r\nsix"
         "teen\r\n$2\r\n16\r\n$5\r\nthird\r\n$2\r\n50\r\n$8\r\nthousand\r\n$4\r\n1000\r\n$3\r\ntop\r\n$3\r"
         "\ninf\r\n$4\r\ntop2\r\n$3\r\ninf\r\n"),
    SAID("ZCARD z", ":20\r\n"),
    SAID("ZCARD none", ":0\r\n"),
    SAID("ZADD z 3 same 3 same 4 same", ":1\r\n"),
    SAID("ZADD z CH 3 same 3 same 4 same", ":2\r\n"),
    SAID("ZADD z CH 4 same", ":0\r\n"),
    SAID("ZSCORE z same", "$1\r\n4\r\n"),
    SAID("ZADD z 0 nx", ":1\r\n"),
    SAID("ZADD z 0 nx 1 xx", ":1\r\n"),
    SAID("ZRANGE z 0 -1",
         "*23\r\n$6\r\nbottom\r\n$2\r\nnx\r\n$4\r\nzero\r\n$4\r\nhalf\r\n$2\r\nxx\r\n$0\r\n\r\n$1\r\nA\r\n"
         "$2\r\naa\r\n$1\r\nb\r\n$4\r\nsame\r\n$6\r\nabsent\r\n$4\r\nfive\r\n$3\r\nnew\r\n$5\r\nother\r\n$"
         "1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\na\r\n$7\r\nsixteen\r\n$5\r\nthird\r\n$8\r\nthousand\r\n$3"
         "\r\ntop\r\n$4\r\ntop2\r\n"),
};

static const exchange refused[] = {
    SAID("ZADD z", "-ERR wrong number of arguments for 'zadd' command\r\n"),
    SAID("ZADD z 1", "-ERR wrong number of arguments for 'zadd' command\r\n"),
    SAID("ZADD z 1 a 2", "-ERR syntax error\r\n"),
    SAID("ZADD z NX", "-ERR wrong number of arguments for 'zadd' command\r\n"),
    SAID("ZADD z NX 1", "-ERR syntax error\r\n"),
    SAID("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n"),
    SAID("ZADD z NX GT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"),
    SAID("ZADD z NX LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"),
    SAID("ZADD z GT LT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"),
    SAID("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair\r\n"),
    SAID("ZADD z INCR NX", "-ERR syntax error\r\n"),
    SAID("ZADD z x a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z 1 a x b", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z nan a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z \"\" a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z \" 1\" a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z \"1 \" a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z 1e5000 a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z 1e-5000 a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z -1e5000 a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z \"1\\x00\" a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD z 1,5 a", "-ERR value is not a valid float\r\n"),
    SAID("EXISTS z", ":0\r\n"),
    SAID("ZADD z XX 1 a", ":0\r\n"),
    SAID("ZADD z XX INCR 1 a", "$-1\r\n"),
    SAID("EXISTS z", ":0\r\n"),
    SAID("ZADD z inf a", ":1\r\n"),
    SAID("ZINCRBY z -inf a", "-ERR resulting score is not a number (NaN)\r\n"),
    SAID("ZADD z INCR -inf a", "-ERR resulting score is not a number (NaN)\r\n"),
    SAID("ZINCRBY z inf a", "$3\r\ninf\r\n"),
    SAID("ZINCRBY z x a", "-ERR value is not a valid float\r\n"),
    SAID("ZINCRBY z nan a", "-ERR value is not a valid float\r\n"),
    SAID("ZINCRBY z 1", "-ERR wrong number of arguments for 'zincrby' command\r\n"),
    SAID("ZINCRBY z 1 a b", "-ERR wrong number of arguments for 'zincrby' command\r\n"),
    SAID("ZSCORE z a", "$3\r\ninf\r\n"),
    SAID("SET s v", "+OK\r\n"),
    SAID("ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZADD s x a", "-ERR value is not a valid float\r\n"),
    SAID("ZADD s NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n"),
    SAID("ZADD s XX 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZINCRBY s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZINCRBY s x a", "-ERR value is not a valid float\r\n"),
    SAID("ZREM s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZCARD s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZSCORE s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZMSCORE s a b", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANK s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREVRANK s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZCOUNT s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZCOUNT s x 1", "-ERR min or max is not a float\r\n"),
    SAID("ZLEXCOUNT s - +", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZLEXCOUNT s x +", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGE s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANGE s x -1", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGE s 0 -1 JUNK", "-ERR syntax error\r\n"),
    SAID("ZRANGEBYSCORE s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANGEBYSCORE s x 1", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGEBYLEX s - +", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANGEBYLEX s x +", "-ERR min or max not valid string range item\r\n"),
    SAID("ZREVRANGE s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREVRANGEBYSCORE s 1 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREVRANGEBYLEX s + -", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREMRANGEBYRANK s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREMRANGEBYRANK s x -1", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZREMRANGEBYSCORE s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREMRANGEBYSCORE s x 1", "-ERR min or max is not a float\r\n"),
    SAID("ZREMRANGEBYLEX s - +", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZREMRANGEBYLEX s x +", "-ERR min or max not valid string range item\r\n"),
    SAID("ZPOPMIN s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZPOPMAX s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZPOPMIN s -1", "-ERR value is out of range, must be positive\r\n"),
    SAID("ZPOPMIN s 1 2", "-ERR syntax error\r\n"),
    SAID("ZMPOP 1 s MIN", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZMPOP 2 none s MIN", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZMPOP 1 s JUNK", "-ERR syntax error\r\n"),
    SAID("ZRANDMEMBER s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANDMEMBER s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANDMEMBER s x", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANDMEMBER s 1 JUNK", "-ERR syntax error\r\n"),
    SAID("ZSCAN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZSCAN s x", "-ERR invalid cursor\r\n"),
    SAID("ZSCAN s 0 JUNK", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GET z", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("APPEND z x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("INCR z", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("TYPE z", "+zset\r\n"),
    SAID("OBJECT ENCODING z", "$8\r\nlistpack\r\n"),
};

static const exchange reading[] = {
    SAID("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5\r\n"),
    SAID("ZSCORE z a", "$1\r\n1\r\n"),
    SAID("ZSCORE z x", "$-1\r\n"),
    SAID("ZSCORE none a", "$-1\r\n"),
    SAID("ZMSCORE z a x e", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n5\r\n"),
    SAID("ZMSCORE none a b", "*2\r\n$-1\r\n$-1\r\n"),
    SAID("ZMSCORE z", "-ERR wrong number of arguments for 'zmscore' command\r\n"),
    SAID("ZRANK z a", ":0\r\n"),
    SAID("ZRANK z e", ":4\r\n"),
    SAID("ZRANK z x", "$-1\r\n"),
    SAID("ZRANK none a", "$-1\r\n"),
    SAID("ZREVRANK z a", ":4\r\n"),
    SAID("ZREVRANK z e", ":0\r\n"),
    SAID("ZREVRANK z x", "$-1\r\n"),
    SAID("ZREM z x", ":0\r\n"),
    SAID("ZREM z a x a c", ":2\r\n"),
    SAID("ZREM none a", ":0\r\n"),
    SAID("ZRANGE z 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    SAID("ZINCRBY z 10 b", "$2\r\n12\r\n"),
    SAID("ZINCRBY z -100 e", "$3\r\n-95\r\n"),
    SAID("ZINCRBY z 3 new", "$1\r\n3\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES",
         "*8\r\n$1\r\ne\r\n$3\r\n-95\r\n$3\r\nnew\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nb\r\n$2\r\n12"
         "\r\n"),
    SAID("ZREM z b d e new", ":4\r\n"),
    SAID("EXISTS z", ":0\r\n"),
    SAID("ZREM z b", ":0\r\n"),
    SAID("ZINCRBY z 1 a", "$1\r\n1\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
};

static const exchange ranges[] = {
    SAID("ZADD z 1 a 2 b 3 c 3 d 4 e 5 f inf top -inf low", ":8\r\n"),
    SAID("ZRANGE z 0 0", "*1\r\n$3\r\nlow\r\n"),
    SAID("ZRANGE z 1 3", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    SAID("ZRANGE z -3 -1", "*3\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r\n"),
    SAID("ZRANGE z -100 100",
         "*8\r\n$3\r\nlow\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r"
         "\n"),
    SAID("ZRANGE z 5 1", "*0\r\n"),
    SAID("ZRANGE z 100 200", "*0\r\n"),
    SAID("ZRANGE z -1 -5", "*0\r\n"),
    SAID("ZRANGE z -100 -50", "*0\r\n"),
    SAID("ZRANGE z 0 9223372036854775807",
         "*8\r\n$3\r\nlow\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r"
         "\n"),
    SAID("ZRANGE z -9223372036854775808 9223372036854775807",
         "*8\r\n$3\r\nlow\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r"
         "\n"),
    SAID("ZRANGE z 0 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGE z 0 -1 REV",
         "*8\r\n$3\r\ntop\r\n$1\r\nf\r\n$1\r\ne\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n$3\r\nlow\r"
         "\n"),
    SAID("ZRANGE z 1 2 REV WITHSCORES", "*4\r\n$1\r\nf\r\n$1\r\n5\r\n$1\r\ne\r\n$1\r\n4\r\n"),
    SAID("ZRANGE z -2 -1 REV", "*2\r\n$1\r\na\r\n$3\r\nlow\r\n"),
    SAID("ZRANGE z 0 -9223372036854775808 REV", "*0\r\n"),
    SAID("ZRANGE z 9223372036854775807 -9223372036854775808 REV", "*0\r\n"),
    SAID("ZRANGE z 3 100 REV", "*5\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n$3\r\nlow\r\n"),
    SAID("ZREVRANGE z 0 -1 WITHSCORES",
         "*16\r\n$3\r\ntop\r\n$3\r\ninf\r\n$1\r\nf\r\n$1\r\n5\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\nd\r\n$1\r\n3"
         "\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n$3\r\nlow\r\n$4\r\n-inf\r"
         "\n"),
    SAID("ZREVRANGE z 2 1", "*0\r\n"),
    SAID("ZREVRANGE z 1 2 REV", "-ERR syntax error\r\n"),
    SAID("ZREVRANGE z 1 2 JUNK", "-ERR syntax error\r\n"),
    SAID("ZREVRANGE z a b", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGE none 0 -1", "*0\r\n"),
    SAID("ZRANGE z 0 -1 LIMIT 0 1",
         "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n"),
    SAID("ZRANGE z 0 -1 LIMIT 0 -1",
         "*8\r\n$3\r\nlow\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r"
         "\n"),
    SAID("ZRANGE z 0 -1 LIMIT 0", "-ERR syntax error\r\n"),
    SAID("ZRANGE z 0 -1 LIMIT a 1", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES WITHSCORES",
         "*16\r\n$3\r\nlow\r\n$4\r\n-inf\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3"
         "\r\n$1\r\nd\r\n$1\r\n3\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\nf\r\n$1\r\n5\r\n$3\r\ntop\r\n$3\r\ninf\r\n"),
    SAID("ZRANGE z 1 3 BYSCORE", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("ZRANGE z 3 1 BYSCORE", "*0\r\n"),
    SAID("ZRANGE z 3 1 BYSCORE REV", "*4\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"),
    SAID("ZRANGE z (1 (4 BYSCORE WITHSCORES",
         "*6\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n3\r\n"),
    SAID("ZRANGE z (4 (1 BYSCORE REV WITHSCORES",
         "*6\r\n$1\r\nd\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("ZRANGE z -inf +inf BYSCORE",
         "*8\r\n$3\r\nlow\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r"
         "\n"),
    SAID("ZRANGE z (-inf (+inf BYSCORE", "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"),
    SAID("ZRANGE z (inf inf BYSCORE", "*0\r\n"),
    SAID("ZRANGE z (3 3 BYSCORE", "*0\r\n"),
    SAID("ZRANGE z 3 (3 BYSCORE", "*0\r\n"),
    SAID("ZRANGE z 3 3 BYSCORE", "*2\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("ZRANGE z -inf inf BYSCORE LIMIT 2 3", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("ZRANGE z inf -inf BYSCORE REV LIMIT 2 3", "*3\r\n$1\r\ne\r\n$1\r\nd\r\n$1\r\nc\r\n"),
    SAID("ZRANGE z -inf inf BYSCORE LIMIT 0 0", "*0\r\n"),
    SAID("ZRANGE z -inf inf BYSCORE LIMIT -1 3", "*0\r\n"),
    SAID("ZRANGE z -inf inf BYSCORE LIMIT 7 -1", "*1\r\n$3\r\ntop\r\n"),
    SAID("ZRANGE z -inf inf BYSCORE LIMIT 8 -1", "*0\r\n"),
    SAID("ZRANGE z -inf inf BYSCORE LIMIT 3 -100", "*5\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$3\r\ntop\r\n"),
    SAID("ZRANGE z inf -inf BYSCORE REV LIMIT 7 10", "*1\r\n$3\r\nlow\r\n"),
    SAID("ZRANGE z inf -inf BYSCORE REV LIMIT 8 10", "*0\r\n"),
    SAID("ZRANGE z 1 3 BYSCORE BYSCORE", "-ERR syntax error\r\n"),
    SAID("ZRANGE z 1 3 BYSCORE BYLEX", "-ERR syntax error\r\n"),
    SAID("ZRANGE z 1 3 REV REV", "-ERR syntax error\r\n"),
    SAID("ZRANGE z - + BYLEX WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n"),
    SAID("ZRANGE z x + BYLEX", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGE z x 1 BYSCORE", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGE z 1 x BYSCORE", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGE z 1 nan BYSCORE", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGE z \"\" \"\" BYSCORE", "*0\r\n"),
    SAID("ZRANGE z ( 1 BYSCORE", "*1\r\n$1\r\na\r\n"),
    SAID("ZRANGE z \" 1\" 2 BYSCORE", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("ZRANGE z \"1 \" 2 BYSCORE", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGE z \"1\\x00junk\" 2 BYSCORE", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("ZRANGE z 1e400 1e500 BYSCORE", "*1\r\n$3\r\ntop\r\n"),
    SAID("ZRANGE z 0x1 0x3 BYSCORE", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("ZRANGE z ((1 2 BYSCORE", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGEBYSCORE z 2 4", "*4\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    SAID("ZRANGEBYSCORE z 2 4 WITHSCORES LIMIT 1 2", "*4\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n3\r\n"),
    SAID("ZRANGEBYSCORE z 2 4 LIMIT 1 2 WITHSCORES", "*4\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n3\r\n"),
    SAID("ZRANGEBYSCORE z 2 4 REV", "-ERR syntax error\r\n"),
    SAID("ZRANGEBYSCORE z 2 4 BYLEX", "-ERR syntax error\r\n"),
    SAID("ZRANGEBYSCORE z 2 4 LIMIT 1", "-ERR syntax error\r\n"),
    SAID("ZRANGEBYSCORE z 2 4 LIMIT 1 x", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGEBYSCORE z 2", "-ERR wrong number of arguments for 'zrangebyscore' command\r\n"),
    SAID("ZREVRANGEBYSCORE z 4 2", "*4\r\n$1\r\ne\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n"),
    SAID("ZREVRANGEBYSCORE z 4 (2 WITHSCORES LIMIT 0 1", "*2\r\n$1\r\ne\r\n$1\r\n4\r\n"),
    SAID("ZREVRANGEBYSCORE z 2 4", "*0\r\n"),
    SAID("ZCOUNT z 2 4", ":4\r\n"),
    SAID("ZCOUNT z (2 4", ":3\r\n"),
    SAID("ZCOUNT z -inf inf", ":8\r\n"),
    SAID("ZCOUNT z 4 2", ":0\r\n"),
    SAID("ZCOUNT z x 2", "-ERR min or max is not a float\r\n"),
    SAID("ZCOUNT none 1 2", ":0\r\n"),
};

static const exchange names[] = {
    SAID("ZADD z 0 a 0 b 0 c 0 d 0 e 0 aa 0 ab 0 10 0 9 0 \"\" 0 A", ":11\r\n"),
    SAID("ZRANGEBYLEX z - +",
         "*11\r\n$0\r\n\r\n$2\r\n10\r\n$1\r\n9\r\n$1\r\nA\r\n$1\r\na\r\n$2\r\naa\r\n$2\r\nab\r\n$1\r\nb\r"
         "\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    SAID("ZRANGEBYLEX z + -", "*0\r\n"),
    SAID("ZRANGEBYLEX z [a [c", "*5\r\n$1\r\na\r\n$2\r\naa\r\n$2\r\nab\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    SAID("ZRANGEBYLEX z (a (c", "*3\r\n$2\r\naa\r\n$2\r\nab\r\n$1\r\nb\r\n"),
    SAID("ZRANGEBYLEX z [a (a", "*0\r\n"),
    SAID("ZRANGEBYLEX z [aa [aa", "*1\r\n$2\r\naa\r\n"),
    SAID("ZRANGEBYLEX z (aa [aa", "*0\r\n"),
    SAID("ZRANGEBYLEX z [c [a", "*0\r\n"),
    SAID("ZRANGEBYLEX z [ [b",
         "*8\r\n$0\r\n\r\n$2\r\n10\r\n$1\r\n9\r\n$1\r\nA\r\n$1\r\na\r\n$2\r\naa\r\n$2\r\nab\r\n$1\r\nb\r\n"),
    SAID("ZRANGEBYLEX z ( (b", "*6\r\n$2\r\n10\r\n$1\r\n9\r\n$1\r\nA\r\n$1\r\na\r\n$2\r\naa\r\n$2\r\nab\r\n"),
    SAID("ZRANGEBYLEX z - [10", "*2\r\n$0\r\n\r\n$2\r\n10\r\n"),
    SAID("ZRANGEBYLEX z (10 [9", "*1\r\n$1\r\n9\r\n"),
    SAID("ZRANGEBYLEX z [1 [2", "*1\r\n$2\r\n10\r\n"),
    SAID("ZRANGEBYLEX z [bb +", "*3\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    SAID("ZRANGEBYLEX z - - ", "*0\r\n"),
    SAID("ZRANGEBYLEX z + +", "*0\r\n"),
    SAID("ZRANGEBYLEX z - + LIMIT 2 3", "*3\r\n$1\r\n9\r\n$1\r\nA\r\n$1\r\na\r\n"),
    SAID("ZRANGEBYLEX z - + LIMIT -1 3", "*0\r\n"),
    SAID("ZRANGEBYLEX z - + LIMIT 20 3", "*0\r\n"),
    SAID("ZRANGEBYLEX z a c", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGEBYLEX z -- +", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGEBYLEX z - ++", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGEBYLEX z \"\" +", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGEBYLEX z - + WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n"),
    SAID("ZRANGEBYLEX none - +", "*0\r\n"),
    SAID("ZREVRANGEBYLEX z + -",
         "*11\r\n$1\r\ne\r\n$1\r\nd\r\n$1\r\nc\r\n$1\r\nb\r\n$2\r\nab\r\n$2\r\naa\r\n$1\r\na\r\n$1\r\nA\r"
         "\n$1\r\n9\r\n$2\r\n10\r\n$0\r\n\r\n"),
    SAID("ZREVRANGEBYLEX z [c [a", "*5\r\n$1\r\nc\r\n$1\r\nb\r\n$2\r\nab\r\n$2\r\naa\r\n$1\r\na\r\n"),
    SAID("ZREVRANGEBYLEX z (c (a LIMIT 1 1", "*1\r\n$2\r\nab\r\n"),
    SAID("ZREVRANGEBYLEX z - +", "*0\r\n"),
    SAID("ZRANGE z [a [c BYLEX", "*5\r\n$1\r\na\r\n$2\r\naa\r\n$2\r\nab\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    SAID("ZRANGE z [c [a BYLEX REV", "*5\r\n$1\r\nc\r\n$1\r\nb\r\n$2\r\nab\r\n$2\r\naa\r\n$1\r\na\r\n"),
    SAID("ZRANGE z [c [a BYLEX REV LIMIT 1 2", "*2\r\n$1\r\nb\r\n$2\r\nab\r\n"),
    SAID("ZLEXCOUNT z - +", ":11\r\n"),
    SAID("ZLEXCOUNT z [a (c", ":4\r\n"),
    SAID("ZLEXCOUNT z (c [a", ":0\r\n"),
    SAID("ZLEXCOUNT none - +", ":0\r\n"),
    SAID("ZLEXCOUNT z a +", "-ERR min or max not valid string range item\r\n"),
    SAID("ZREMRANGEBYLEX z [aa [ab", ":2\r\n"),
    SAID("ZREMRANGEBYLEX z (d +", ":1\r\n"),
    SAID("ZREMRANGEBYLEX z [x [y", ":0\r\n"),
    SAID("ZREMRANGEBYLEX z + -", ":0\r\n"),
    SAID("ZREMRANGEBYLEX none - +", ":0\r\n"),
    SAID("ZRANGE z 0 -1",
         "*8\r\n$0\r\n\r\n$2\r\n10\r\n$1\r\n9\r\n$1\r\nA\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("ZREMRANGEBYLEX z - +", ":8\r\n"),
    SAID("EXISTS z", ":0\r\n"),
};

static const exchange removing[] = {
    SAID("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h", ":8\r\n"),
    SAID("ZREMRANGEBYRANK z 0 1", ":2\r\n"),
    SAID("ZREMRANGEBYRANK z -1 -1", ":1\r\n"),
    SAID("ZREMRANGEBYRANK z 5 1", ":0\r\n"),
    SAID("ZREMRANGEBYRANK z 100 200", ":0\r\n"),
    SAID("ZREMRANGEBYRANK z a b", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGE z 0 -1", "*5\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"),
    SAID("ZREMRANGEBYSCORE z (3 4", ":1\r\n"),
    SAID("ZREMRANGEBYSCORE z 100 200", ":0\r\n"),
    SAID("ZREMRANGEBYSCORE z inf -inf", ":0\r\n"),
    SAID("ZREMRANGEBYSCORE z x 1", "-ERR min or max is not a float\r\n"),
    SAID("ZREMRANGEBYSCORE none 0 1", ":0\r\n"),
    SAID("ZRANGE z 0 -1", "*4\r\n$1\r\nc\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"),
    SAID("ZREMRANGEBYRANK z 0 -1", ":4\r\n"),
    SAID("EXISTS z", ":0\r\n"),
    SAID("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", ":6\r\n"),
    SAID("ZPOPMIN z", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("ZPOPMAX z", "*2\r\n$1\r\nf\r\n$1\r\n6\r\n"),
    SAID("ZPOPMIN z 0", "*0\r\n"),
    SAID("ZPOPMAX z 2", "*4\r\n$1\r\ne\r\n$1\r\n5\r\n$1\r\nd\r\n$1\r\n4\r\n"),
    SAID("ZPOPMIN z x", "-ERR value is out of range, must be positive\r\n"),
    SAID("ZPOPMIN z -1", "-ERR value is out of range, must be positive\r\n"),
    SAID("ZPOPMIN z 1 1", "-ERR syntax error\r\n"),
    SAID("ZPOPMIN none", "*0\r\n"),
    SAID("ZPOPMIN none 0", "*0\r\n"),
    SAID("ZPOPMIN none 5", "*0\r\n"),
    SAID("ZPOPMIN z 100", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("EXISTS z", ":0\r\n"),
    SAID("ZADD y 1 a 2 b 3 c", ":3\r\n"),
    SAID("ZMPOP 1 y MIN", "*2\r\n$1\r\ny\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("ZMPOP 2 z y MAX COUNT 1", "*2\r\n$1\r\ny\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("ZMPOP 2 z none MIN", "*-1\r\n"),
    SAID("ZMPOP 0 y MIN", "-ERR numkeys should be greater than 0\r\n"),
    SAID("ZMPOP x y MIN", "-ERR numkeys should be greater than 0\r\n"),
    SAID("ZMPOP -1 y MIN", "-ERR numkeys should be greater than 0\r\n"),
    SAID("ZMPOP 3 y MIN", "-ERR syntax error\r\n"),
    SAID("ZMPOP 1 y JUNK", "-ERR syntax error\r\n"),
    SAID("ZMPOP 1 y", "-ERR wrong number of arguments for 'zmpop' command\r\n"),
    SAID("ZMPOP 1 y MIN COUNT", "-ERR syntax error\r\n"),
    SAID("ZMPOP 1 y MIN COUNT 0", "-ERR count should be greater than 0\r\n"),
    SAID("ZMPOP 1 y MIN COUNT x", "-ERR count should be greater than 0\r\n"),
    SAID("ZMPOP 1 y MIN COUNT 1 COUNT 1", "-ERR syntax error\r\n"),
    SAID("ZMPOP 1 y MIN JUNK 1", "-ERR syntax error\r\n"),
    SAID("ZMPOP 2 none y min count 100", "*2\r\n$1\r\ny\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("EXISTS y", ":0\r\n"),
};

static const exchange storing[] = {
    SAID("ZADD z 1 a 2 b 3 c 3 d 4 e 5 f inf top -inf low", ":8\r\n"),
    SAID("ZRANGESTORE d z 0 -1", ":8\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES",
         "*16\r\n$3\r\nlow\r\n$4\r\n-inf\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3"
         "\r\n$1\r\nd\r\n$1\r\n3\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\nf\r\n$1\r\n5\r\n$3\r\ntop\r\n$3\r\ninf\r\n"),
    SAID("ZRANGESTORE d z 1 2", ":2\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("ZRANGESTORE d z 1 2 REV", ":2\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES", "*4\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\nf\r\n$1\r\n5\r\n"),
    SAID("ZRANGESTORE d z (1 3 BYSCORE", ":3\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES", "*6\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n3\r\n"),
    SAID("ZRANGESTORE d z inf (1 BYSCORE REV LIMIT 1 3", ":3\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES", "*6\r\n$1\r\nd\r\n$1\r\n3\r\n$1\r\ne\r\n$1\r\n4\r\n$1\r\nf\r\n$1\r\n5\r\n"),
    SAID("ZRANGESTORE d z [a [c BYLEX LIMIT 0 0", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("ZRANGESTORE d z 0 -1 WITHSCORES", "-ERR syntax error\r\n"),
    SAID("ZRANGESTORE d z 0 -1 LIMIT 0 1",
         "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n"),
    SAID("ZRANGESTORE d z a b", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANGESTORE d z x y BYSCORE", "-ERR min or max is not a float\r\n"),
    SAID("ZRANGESTORE d z x y BYLEX", "-ERR min or max not valid string range item\r\n"),
    SAID("ZRANGESTORE d z 0", "-ERR wrong number of arguments for 'zrangestore' command\r\n"),
    SAID("SET d string", "+OK\r\n"),
    SAID("ZRANGESTORE d none 0 -1", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("ZRANGESTORE d none 0 -1", ":0\r\n"),
    SAID("SET d string EX 100", "+OK\r\n"),
    SAID("ZRANGESTORE d z 0 0", ":1\r\n"),
    SAID("TTL d", ":-1\r\n"),
    SAID("TYPE d", "+zset\r\n"),
    SAID("ZRANGESTORE z d 0 -1", ":1\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES", "*2\r\n$3\r\nlow\r\n$4\r\n-inf\r\n"),
    SAID("ZADD z 5 n", ":1\r\n"),
    SAID("ZRANGESTORE z z 1 1", ":1\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES", "*2\r\n$1\r\nn\r\n$1\r\n5\r\n"),
    SAID("ZRANGESTORE z z 5 6", ":0\r\n"),
    SAID("EXISTS z", ":0\r\n"),
    SAID("SET s v", "+OK\r\n"),
    SAID("ZRANGESTORE d s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("ZRANGE d 0 -1", "*1\r\n$3\r\nlow\r\n"),
    SAID("ZADD l 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 2 b 3 c", ":3\r\n"),
    SAID("ZRANGESTORE d l 0 -1", ":3\r\n"),
    SAID("OBJECT ENCODING d", "$8\r\nskiplist\r\n"),
    SAID("ZRANGESTORE d l 1 -1", ":2\r\n"),
    SAID("OBJECT ENCODING d", "$8\r\nlistpack\r\n"),
};

static const exchange resp3_shapes[] = {
    SAID("ZADD z 1 a 2 b 3 c", ":3\r\n"),
    SAID("ZSCORE z a", ",1\r\n"),
    SAID("ZSCORE z x", "_\r\n"),
    SAID("ZMSCORE z a x", "*2\r\n,1\r\n_\r\n"),
    SAID("ZINCRBY z 1 a", ",2\r\n"),
    SAID("ZADD z INCR 1 a", ",3\r\n"),
    SAID("ZADD z NX INCR 1 a", "_\r\n"),
    SAID("ZRANK z x", "_\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES", "*3\r\n*2\r\n$1\r\nb\r\n,2\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nc\r\n,3\r\n"),
    SAID("ZRANGE z 0 -1", "*3\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n"),
    SAID("ZRANGE none 0 -1 WITHSCORES", "*0\r\n"),
    SAID("ZREVRANGE z 0 0 WITHSCORES", "*1\r\n*2\r\n$1\r\nc\r\n,3\r\n"),
    SAID("ZRANGEBYSCORE z 2 3 WITHSCORES",
         "*3\r\n*2\r\n$1\r\nb\r\n,2\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nc\r\n,3\r\n"),
    SAID("ZREVRANGEBYSCORE z 3 2 WITHSCORES LIMIT 0 1", "*1\r\n*2\r\n$1\r\nc\r\n,3\r\n"),
    SAID("ZRANDMEMBER none", "_\r\n"),
    SAID("ZRANDMEMBER none 2", "*0\r\n"),
    SAID("ZRANDMEMBER z 3 WITHSCORES", "*3\r\n*2\r\n$1\r\nc\r\n,3\r\n*2\r\n$1\r\na\r\n,3\r\n*2\r\n$1\r\nb\r\n,2\r\n"),
    SAID("ZRANDMEMBER z 100", "*3\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("ZRANDMEMBER z 0 WITHSCORES", "*0\r\n"),
    SAID("ZSCAN z 0", "*2\r\n$1\r\n0\r\n*6\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("ZADD z inf d -inf e", ":2\r\n"),
    SAID("ZPOPMIN z", "*2\r\n$1\r\ne\r\n,-inf\r\n"),
    SAID("ZPOPMIN z 1", "*1\r\n*2\r\n$1\r\nb\r\n,2\r\n"),
    SAID("ZPOPMAX z 2", "*2\r\n*2\r\n$1\r\nd\r\n,inf\r\n*2\r\n$1\r\nc\r\n,3\r\n"),
    SAID("ZPOPMAX none 2", "*0\r\n"),
    SAID("ZMPOP 1 z MIN COUNT 1", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n,3\r\n"),
    SAID("ZMPOP 1 z MAX", "_\r\n"),
    SAID("ZMPOP 1 z MAX", "_\r\n"),
};

static const exchange random_and_scans[] = {
    SAID("ZADD z 1 a", ":1\r\n"),
    SAID("ZRANDMEMBER z", "$1\r\na\r\n"),
    SAID("ZRANDMEMBER z 1", "*1\r\n$1\r\na\r\n"),
    SAID("ZRANDMEMBER z 5", "*1\r\n$1\r\na\r\n"),
    SAID("ZRANDMEMBER z -3", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n"),
    SAID("ZRANDMEMBER z -2 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("ZRANDMEMBER z 1 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("ZRANDMEMBER z 0", "*0\r\n"),
    SAID("ZRANDMEMBER z 1 JUNK", "-ERR syntax error\r\n"),
    SAID("ZRANDMEMBER z 1 WITHSCORES 1", "-ERR syntax error\r\n"),
    SAID("ZRANDMEMBER z x", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANDMEMBER z x y z", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZRANDMEMBER z -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range\r\n"),
    SAID("ZRANDMEMBER z -4611686018427387904 WITHSCORES", "-ERR value is out of range\r\n"),
    SAID("ZRANDMEMBER none", "$-1\r\n"),
    SAID("ZRANDMEMBER none -5", "*0\r\n"),
    SAID("ZRANDMEMBER none 5 WITHSCORES", "*0\r\n"),
    SAID("ZADD z 2 b 3 c", ":2\r\n"),
    SAID("ZRANDMEMBER z 3", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"),
    SAID("ZRANDMEMBER z 100 WITHSCORES", "*6\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("ZSCAN z 0", "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("ZSCAN z 0 COUNT 1",
         "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("ZSCAN z 7", "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("ZSCAN z 0 MATCH [ab] COUNT 100", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("ZSCAN z 0 MATCH x", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("ZSCAN z 0 MATCH * MATCH b", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("ZSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("ZSCAN none 0 JUNK", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("ZSCAN none x", "-ERR invalid cursor\r\n"),
    SAID("ZSCAN z x", "-ERR invalid cursor\r\n"),
    SAID("ZSCAN z 0 COUNT 0", "-ERR syntax error\r\n"),
    SAID("ZSCAN z 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("ZSCAN z 0 COUNT", "-ERR syntax error\r\n"),
    SAID("ZSCAN z 0 TYPE zset", "-ERR syntax error\r\n"),
    SAID("ZSCAN z 0 JUNK", "-ERR syntax error\r\n"),
    SAID("ZSCAN z", "-ERR wrong number of arguments for 'zscan' command\r\n"),
};

static const exchange valkey_texts_of_scores[] = {
    SAID("ZADD z 0.1 a 1e20 b 1e21 c 1e17 d 123456789012345678 e 1e-7 f 0.00001 g 1.5e300 h -0 i inf j -inf k 3 l",
         ":12\r\n"),
    SAID("ZRANGE z 0 -1 WITHSCORES",
         "*24\r\n$1\r\nk\r\n$4\r\n-inf\r\n$1\r\ni\r\n$1\r\n0\r\n$1\r\nf\r\n$4\r\n1e-7\r\n$1\r\ng\r\n$7\r\n"
         "0.00001\r\n$1\r\na\r\n$3\r\n0.1\r\n$1\r\nl\r\n$1\r\n3\r\n$1\r\nd\r\n$18\r\n100000000000000000\r"
         "\n$1\r\ne\r\n$18\r\n123456789012345680\r\n$1\r\nb\r\n$5\r\n1e+20\r\n$1\r\nc\r\n$5\r\n1e+21\r\n$1"
         "\r\nh\r\n$8\r\n1.5e+300\r\n$1\r\nj\r\n$3\r\ninf\r\n"),
    SAID("ZSCAN z 0",
         "*2\r\n$1\r\n0\r\n*24\r\n$1\r\nk\r\n$4\r\n-inf\r\n$1\r\ni\r\n$1\r\n0\r\n$1\r\nf\r\n$4\r\n1e-7\r\n"
         "$1\r\ng\r\n$7\r\n0.00001\r\n$1\r\na\r\n$3\r\n0.1\r\n$1\r\nl\r\n$1\r\n3\r\n$1\r\nd\r\n$18\r\n1000"
         "00000000000000\r\n$1\r\ne\r\n$18\r\n123456789012345680\r\n$1\r\nb\r\n$5\r\n1e+20\r\n$1\r\nc\r\n$"
         "5\r\n1e+21\r\n$1\r\nh\r\n$8\r\n1.5e+300\r\n$1\r\nj\r\n$3\r\ninf\r\n"),
    SAID("ZINCRBY z 0.2 a", "$19\r\n0.30000000000000004\r\n"),
    SAID("ZADD z INCR -0 minus", "$2\r\n-0\r\n"),
    SAID("ZADD z INCR -0 minus", "$1\r\n0\r\n"),
    SAID("ZPOPMAX z 3", "*6\r\n$1\r\nj\r\n$3\r\ninf\r\n$1\r\nh\r\n$8\r\n1.5e+300\r\n$1\r\nc\r\n$5\r\n1e+21\r\n"),
    SAID("ZRANK z a WITHSCORE", "*2\r\n:5\r\n$19\r\n0.30000000000000004\r\n"),
    SAID("ZREVRANK z a withscore", "*2\r\n:4\r\n$19\r\n0.30000000000000004\r\n"),
    SAID("ZRANK z x WITHSCORE", "*-1\r\n"),
    SAID("ZRANK none x WITHSCORE", "*-1\r\n"),
    SAID("ZRANK z a JUNK", "-ERR syntax error\r\n"),
    SAID("ZRANK z a WITHSCORE 1", "-ERR wrong number of arguments for 'zrank' command\r\n"),
    SAID("ZREVRANK z", "-ERR wrong number of arguments for 'zrevrank' command\r\n"),
    SAID("ZMSCORE z a g", "*2\r\n$19\r\n0.30000000000000004\r\n$7\r\n0.00001\r\n"),
    SAID("ZADD y 0.1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("ZSCAN y 0",
         "*2\r\n$1\r\n0\r\n*2\r\n$77\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxx\r\n$19\r\n0.10000000000000001\r\n"),
    SAID("ZRANGE y 0 -1 WITHSCORES",
         "*2\r\n$77\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n$3"
         "\r\n0.1\r\n"),
    SAID("ZADD y -0 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":0\r\n"),
    SAID("ZSCAN y 0",
         "*2\r\n$1\r\n0\r\n*2\r\n$77\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxx\r\n$2\r\n-0\r\n"),
    SAID("ZRANGE y 0 -1 WITHSCORES",
         "*2\r\n$77\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n$2"
         "\r\n-0\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nskiplist\r\n"),
    SAID("ZADD w -0 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx -0 a", ":2\r\n"),
    SAID("ZSCORE w xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$2\r\n-0\r\n"),
    SAID("ZSCORE w a", "$2\r\n-0\r\n"),
};

static const exchange encodings[] = {
    SAID("ZADD z 1 a", ":1\r\n"),
    SAID("OBJECT ENCODING z", "$8\r\nlistpack\r\n"),
    SAID("ZADD z 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING z", "$8\r\nlistpack\r\n"),
    SAID("ZADD z 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING z", "$8\r\nskiplist\r\n"),
    SAID("ZREM z xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING z", "$8\r\nskiplist\r\n"),
    SAID("ZREM z a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":2\r\n"),
    SAID("ZADD z 1 a", ":1\r\n"),
    SAID("OBJECT ENCODING z", "$8\r\nlistpack\r\n"),
    SAID("TYPE z", "+zset\r\n"),
    SAID("ZADD y 0 m0 1 m1 2 m2 3 m3 4 m4 5 m5 6 m6 7 m7 8 m8 9 m9 10 m10 11 m11 12 m12 13 m13 14 m14 15 m15 16 m16 17 "
         "m17 18 m18 19 m19 20 m20 21 m21 22 m22 23 m23 24 m24 25 m25 26 m26 27 m27 28 m28 29 m29 30 m30 31 m31 32 m32 "
         "33 m33 34 m34 35 m35 36 m36 37 m37 38 m38 39 m39 40 m40 41 m41 42 m42 43 m43 44 m44 45 m45 46 m46 47 m47 48 "
         "m48 49 m49 50 m50 51 m51 52 m52 53 m53 54 m54 55 m55 56 m56 57 m57 58 m58 59 m59 60 m60 61 m61 62 m62 63 m63 "
         "64 m64 65 m65 66 m66 67 m67 68 m68 69 m69 70 m70 71 m71 72 m72 73 m73 74 m74 75 m75 76 m76 77 m77 78 m78 79 "
         "m79 80 m80 81 m81 82 m82 83 m83 84 m84 85 m85 86 m86 87 m87 88 m88 89 m89 90 m90 91 m91 92 m92 93 m93 94 m94 "
         "95 m95 96 m96 97 m97 98 m98 99 m99 100 m100 101 m101 102 m102 103 m103 104 m104 105 m105 106 m106 107 m107 "
         "108 m108 109 m109 110 m110 111 m111 112 m112 113 m113 114 m114 115 m115 116 m116 117 m117 118 m118 119 m119 "
         "120 m120 121 m121 122 m122 123 m123 124 m124 125 m125 126 m126 127 m127",
         ":128\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nlistpack\r\n"),
    SAID("ZADD y 5 m5", ":0\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nlistpack\r\n"),
    SAID("ZADD y 5 n", ":1\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nskiplist\r\n"),
    SAID("ZREMRANGEBYRANK y 1 -1", ":128\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nskiplist\r\n"),
};

static void adding_replies_as_redis(void) { REPLAY(adding); }
static void refusals_are_those_of_redis(void) { REPLAY(refused); }
static void reading_replies_as_redis(void) { REPLAY(reading); }
static void ranges_by_rank_and_score_are_those_of_redis(void) { REPLAY(ranges); }
static void ranges_by_name_are_those_of_redis(void) { REPLAY(names); }
static void removing_replies_as_redis(void) { REPLAY(removing); }
static void storing_a_range_replies_as_redis(void) { REPLAY(storing); }
static void resp3_has_its_own_shapes(void) { REPLAY3(resp3_shapes); }
static void random_members_and_scans_reply_as_redis(void) { REPLAY(random_and_scans); }
static void scores_have_the_texts_of_redis_7_2(void) { REPLAY(valkey_texts_of_scores); }

/* ---- a model ---- */

enum { MOST = 4000, NAME = 800 };

static rd_store st;
static rig_client client;
static int fd;
static uint64_t chance = 88172645463325252ull;

static unsigned below(unsigned n) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return (unsigned)((chance >> 32) * n >> 32);
}

typedef struct model {
  unsigned members; /* numbers of members that may be in it */
  double score[MOST];
  bool is_in[MOST];
  unsigned order[MOST], n; /* those that are in it, sorted */
} model;
static model m;

/* Member `i`: a number, a short name, a long one, or one that is outside of its entry. */
static const char *name_of(unsigned i) {
  static char name[8][NAME];
  static unsigned next;
  char *p = name[next++ % 8];
  if (i == 0)
    *p = 0;
  else if (i % 101 == 100)
    memset(p, 'a' + (int)(i % 2), 600), snprintf(p + 600, NAME - 600, "%u", i);
  else if (i % 4 == 0)
    snprintf(p, NAME, "%u", i * 1000003u);
  else if (i % 4 == 3)
    snprintf(p, NAME, "a longer name of a member, with its number at the end: %u", i);
  else
    snprintf(p, NAME, "m%u", i);
  return p;
}

static int before(const void *a, const void *b) {
  unsigned i = *(const unsigned *)a, k = *(const unsigned *)b;
  if (m.score[i] != m.score[k]) return m.score[i] < m.score[k] ? -1 : 1;
  return strcmp(name_of(i), name_of(k));
}

static void sort_model(void) {
  m.n = 0;
  for (unsigned i = 0; i < m.members; i++) {
    if (m.is_in[i]) m.order[m.n++] = i;
  }
  qsort(m.order, m.n, sizeof m.order[0], before);
}

static void open_model(unsigned members) {
  memset(&m, 0, sizeof m);
  m.members = members;
  fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
}

static void close_model(void) {
  rig_client_free(&client);
  rig_close(&st, fd);
}

/* Send the words of a command; returns the reply, which ends with a zero. */
static const char *ask(unsigned n, ...) {
  char head[40];
  va_list words;
  client.len = 0;
  rig_feed(&client, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", n), SIZE_MAX);
  va_start(words, n);
  for (unsigned i = 0; i < n; i++) {
    const char *word = va_arg(words, const char *);
    rig_feed(&client, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", strlen(word)), SIZE_MAX);
    rig_feed(&client, word, strlen(word), SIZE_MAX);
    rig_feed(&client, "\r\n", 2, SIZE_MAX);
  }
  va_end(words);
  if (client.len == client.cap) client.out = realloc(client.out, client.cap = client.len + 1);
  client.out[client.len] = 0;
  return (const char *)client.out;
}

static const char *number(double d) {
  static char text[8][40];
  static unsigned next;
  char *p = text[next++ % 8];
  snprintf(p, 40, "%.17g", d);
  return p;
}

/* Check that a range's reply has the members from `rank` on, `n` of them, upwards or downwards. */
static void check_members(const char *said, unsigned rank, unsigned n, bool down) {
  char line[NAME + 40];
  snprintf(line, sizeof line, "*%u\r\n", n);
  for (unsigned i = 0;; i++) {
    if (strncmp(said, line, strlen(line)) != 0) {
      CHECK_FAIL("entry %u of %u from %u on is %.60s", i, n, rank, said);
      return;
    }
    said += strlen(line);
    if (i == n) break;
    const char *name = name_of(m.order[down ? rank - i : rank + i]);
    snprintf(line, sizeof line, "$%zu\r\n%s\r\n", strlen(name), name);
  }
  CHECK(*said == 0);
}

static void check_said(const char *said, long long n, int where) {
  char line[40];
  snprintf(line, sizeof line, ":%lld\r\n", n);
  if (strcmp(said, line) != 0) CHECK_FAIL("in line %d: %.60s and not %lld", where, said, n);
}
#define check_int(said, n) check_said(said, n, __LINE__)

static unsigned rank_of(double score, bool behind) {
  unsigned n = 0;
  while (n < m.n && (m.score[m.order[n]] < score || (behind && m.score[m.order[n]] == score))) n++;
  return n;
}

static void compare_with_model(void) {
  sort_model();
  check_int(ask(2, "ZCARD", "z"), m.n);
  check_members(ask(4, "ZRANGE", "z", "0", "-1"), 0, m.n, false);
  for (unsigned k = 0; k < 20; k++) {
    unsigned i = below(m.members), rank = 0;
    while (rank < m.n && m.order[rank] != i) rank++;
    if (rank < m.n) {
      check_int(ask(3, "ZRANK", "z", name_of(i)), rank);
      check_int(ask(3, "ZREVRANK", "z", name_of(i)), m.n - 1 - rank);
    } else {
      CHECK(strcmp(ask(3, "ZRANK", "z", name_of(i)), "$-1\r\n") == 0);
    }
    double low = below(50), high = low + below(20);
    unsigned from = rank_of(low, false), to = rank_of(high, true);
    check_int(ask(4, "ZCOUNT", "z", number(low), number(high)), to - from);
    check_members(ask(4, "ZRANGEBYSCORE", "z", number(low), number(high)), from, to - from, false);
    if (to > from) check_members(ask(4, "ZREVRANGEBYSCORE", "z", number(high), number(low)), to - 1, to - from, true);
    if (to - from > 3)
      check_members(ask(7, "ZRANGEBYSCORE", "z", number(low), number(high), "LIMIT", "2", "1"), from + 2, 1, false);
    if (m.n > 4) check_members(ask(4, "ZREVRANGE", "z", "1", "3"), m.n - 2, 3, true);
  }
  CHECK(rd_check(&st, (char[200]){0}, 200) == 0);
}

static void change_one(void) {
  unsigned i = below(m.members), kind = below(100);
  const char *name = name_of(i);
  double score = below(2) ? below(60) : below(1000000) / 16.0;
  if (kind < 50) {
    check_int(ask(4, "ZADD", "z", number(score), name), !m.is_in[i]);
    m.is_in[i] = true;
    m.score[i] = score;
  } else if (kind < 70 && m.is_in[i]) {
    double by = below(3) - 1.0;
    ask(4, "ZINCRBY", "z", number(by), name);
    m.score[i] += by;
  } else if (kind < 92) {
    check_int(ask(3, "ZREM", "z", name), m.is_in[i]);
    m.is_in[i] = false;
  } else if (kind < 96) {
    sort_model();
    if (m.n > 0) m.is_in[m.order[0]] = false;
    ask(2, "ZPOPMIN", "z");
  } else if (kind < 98) {
    sort_model();
    if (m.n > 0) m.is_in[m.order[m.n - 1]] = false;
    ask(2, "ZPOPMAX", "z");
  } else if (m.members > 100 && below(10) == 0) {
    sort_model();
    unsigned from = rank_of(20, false), to = rank_of(20 + below(10), true);
    if (to > from) check_int(ask(4, "ZREMRANGEBYRANK", "z", number(from), number(to - 1.0)), to - from);
    for (unsigned k = from; k < to; k++) m.is_in[m.order[k]] = false;
  }
}

static void play(unsigned members, unsigned changes, unsigned looks) {
  open_model(members);
  for (unsigned i = 1; i <= changes && check_ok; i++) {
    change_one();
    if (i % (changes / looks) == 0) compare_with_model();
  }
  close_model();
}

static void few_members_behave_as_a_sorted_array(void) { play(12, 30000, 500); }
static void encodings_have_the_names_of_redis(void) { REPLAY(encodings); }
static void some_members_behave_as_a_sorted_array(void) { play(60, 30000, 300); }
static void many_members_behave_as_a_sorted_array(void) { play(MOST, 60000, 100); }

/* ---- random members ---- */

/* The bulks of a flat reply, one after another. */
static const char *next_bulk(const char *at, const char **text, size_t *len) {
  while (*at == '*') at = strchr(at, '\n') + 1;
  if (*at != '$') return NULL;
  char *end;
  *len = strtoul(at + 1, &end, 10);
  *text = end + 2;
  return *text + *len + 2;
}

static void check_even(const unsigned *seen, unsigned members, unsigned draws, const char *what) {
  double expected = (double)draws / members, sum = 0, free = members - 1;
  for (unsigned i = 0; i < members; i++) sum += (seen[i] - expected) * (seen[i] - expected) / expected;
  if (fabs(sum - free) > 5 * sqrt(2 * free)) CHECK_FAIL("%s: chi-square %.1f of %.0f members", what, sum, free + 1);
}

/* Draw `calls` times with the given count, from 1,000 members. */
static void draw(const char *count, unsigned calls, bool different) {
  static unsigned seen[1000], last[1000];
  unsigned draws = 0;
  memset(seen, 0, sizeof seen);
  memset(last, 0, sizeof last);
  for (unsigned call = 1; call <= calls; call++) {
    const char *text, *at = ask(3, "ZRANDMEMBER", "z", count);
    for (size_t len; (at = next_bulk(at, &text, &len)) != NULL; draws++) {
      unsigned i = (unsigned)strtoul(text + 1, NULL, 10);
      CHECK(i < 1000);
      if (different) CHECK(last[i] != call);
      last[i] = call;
      seen[i]++;
    }
  }
  CHECK_INT(draws, calls * labs(strtol(count, NULL, 10)));
  /* Without repetitions the numbers are more even than with them. */
  check_even(seen, 1000, draws, count);
}

static void random_members_are_equally_likely(void) {
  open_model(0);
  for (unsigned i = 0; i < 1000; i++) {
    char name[20];
    snprintf(name, sizeof name, "m%u", i);
    ask(4, "ZADD", "z", number(i / 7), name);
  }
  draw("-1000", 300, false);
  draw("-1", 100000, false);
  draw("1", 100000, true);
  draw("10", 20000, true);
  close_model();
}

/* ---- ZSCAN ---- */

enum { STAYING = 3000 };

/* Scan while members come, go and get other scores; each of the staying ones must be returned. */
static void scan_during_changes(unsigned scores, const char *count, bool shrinking) {
  static bool found[STAYING];
  unsigned calls = 0, others = shrinking ? 6000 : 0;
  char name[30], cursor[24] = "0";
  memset(found, 0, sizeof found);
  open_model(0);
  for (unsigned i = 0; i < STAYING + others; i++) {
    snprintf(name, sizeof name, i < STAYING ? "s%u" : "o%u", i);
    ask(4, "ZADD", "z", number(i % scores), name);
  }
  do {
    const char *text, *at = ask(5, "ZSCAN", "z", cursor, "COUNT", count);
    size_t len;
    at = strchr(at, '\n') + 1;
    at = next_bulk(at, &text, &len);
    CHECK(len < 17);
    snprintf(cursor, sizeof cursor, "%.*s", (int)len, text);
    while (at != NULL && (at = next_bulk(at, &text, &len)) != NULL) {
      if (*text == 's') found[strtoul(text + 1, NULL, 10)] = true;
      at = next_bulk(at, &text, &len);
    }
    for (unsigned k = 0; k < 200; k++) {
      unsigned i = below(STAYING);
      snprintf(name, sizeof name, "s%u", i);
      ask(4, "ZADD", "z", number(below(scores)), name);
      if (shrinking && others == 0) continue;
      snprintf(name, sizeof name, "o%u", shrinking ? STAYING + --others : below(100000));
      if (shrinking || below(3) == 0)
        ask(3, "ZREM", "z", name);
      else
        ask(4, "ZADD", "z", number(below(scores)), name);
    }
  } while (strcmp(cursor, "0") != 0 && ++calls < 3000);
  CHECK(calls < 3000);
  CHECK(calls > 5);
  for (unsigned i = 0; i < STAYING; i++) CHECK(found[i]);
  close_model();
}

static void a_scan_returns_all_members_that_stay(void) {
  scan_during_changes(1000000, "20", false);
  scan_during_changes(1000000, "20", true);
  scan_during_changes(100, "100", false);
  scan_during_changes(7, "50", false);
  scan_during_changes(1, "10", false);
  scan_during_changes(1, "10", true);
}

static void a_scan_ends_when_the_set_becomes_another(void) {
  open_model(0);
  for (unsigned i = 0; i < 2000; i++) ask(4, "ZADD", "z", number(i), number(i * 7));
  const char *text, *at = strchr(ask(3, "ZSCAN", "z", "0"), '\n') + 1;
  char cursor[24];
  size_t len;
  next_bulk(at, &text, &len);
  snprintf(cursor, sizeof cursor, "%.*s", (int)len, text);
  CHECK(strcmp(cursor, "0") != 0);
  ask(4, "ZREMRANGEBYRANK", "z", "3", "-1");
  CHECK(strncmp(ask(5, "ZSCAN", "z", cursor, "COUNT", "1000"), "*2\r\n$1\r\n0\r\n", 11) == 0);
  ask(2, "DEL", "z");
  ask(4, "ZADD", "z", "1", "a");
  CHECK(strcmp(ask(3, "ZSCAN", "z", cursor), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n") == 0);
  close_model();
}

int main(void) {
  RUN(adding_replies_as_redis);
  RUN(refusals_are_those_of_redis);
  RUN(reading_replies_as_redis);
  RUN(ranges_by_rank_and_score_are_those_of_redis);
  RUN(ranges_by_name_are_those_of_redis);
  RUN(removing_replies_as_redis);
  RUN(storing_a_range_replies_as_redis);
  RUN(resp3_has_its_own_shapes);
  RUN(random_members_and_scans_reply_as_redis);
  RUN(scores_have_the_texts_of_redis_7_2);
  RUN(few_members_behave_as_a_sorted_array);
  RUN(encodings_have_the_names_of_redis);
  RUN(some_members_behave_as_a_sorted_array);
  RUN(many_members_behave_as_a_sorted_array);
  RUN(random_members_are_equally_likely);
  RUN(a_scan_returns_all_members_that_stay);
  RUN(a_scan_ends_when_the_set_becomes_another);
  return check_end();
}
