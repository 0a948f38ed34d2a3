/* test_strings.c - commands on strings: the replies of redis-server, and properties that no reply shows. */
#include "oracle.h"

/* SET's options, and what they do to the expiry. */
static const exchange set_options[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("GET k", "$1\r\nv\r\n"),
    SAID("SET k w NX", "$-1\r\n"),
    SAID("SET k w XX", "+OK\r\n"),
    SAID("GET k", "$1\r\nw\r\n"),
    SAID("SET new v XX", "$-1\r\n"),
    SAID("SET new v nx", "+OK\r\n"),
    SAID("SET k x GET", "$1\r\nw\r\n"),
    SAID("SET k x GET GET", "$1\r\nx\r\n"),
    SAID("SET missing x GET", "$-1\r\n"),
    SAID("SET k y NX GET", "$1\r\nx\r\n"),
    SAID("SET absent y XX GET", "$-1\r\n"),
    SAID("EXISTS absent", ":0\r\n"),
    SAID("SET k v EX 100", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET k v KEEPTTL", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET k v KEEPTTL KEEPTTL", "+OK\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("TTL k", ":-1\r\n"),
    SAID("SET k v px 100000", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET k v ExAt 99999999999", "+OK\r\n"),
    SAID("EXPIRETIME k", ":99999999999\r\n"),
    SAID("SET k v PXAT 99999999999999", "+OK\r\n"),
    SAID("PEXPIRETIME k", ":99999999999999\r\n"),
    SAID("SET k v EX 1 EX 100", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET k v EXAT 1", "+OK\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("SET k v PXAT 1 GET", "$-1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
    SAID("SET k \"\" GET", "$-1\r\n"),
    SAID("GET k", "$0\r\n\r\n"),
    SAID("SET \"\" \"\"", "+OK\r\n"),
    SAID("GET \"\"", "$0\r\n\r\n"),
};

/* Syntax and expiry errors of SET leave the key unchanged. */
static const exchange refusals[] = {
    SAID("SET k old", "+OK\r\n"),
    SAID("SET k v EX", "-ERR syntax error\r\n"),
    SAID("SET k v EX x", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k v EX 1.5", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v EX -1", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v PX 0", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v EXAT 0", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v PXAT -5", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v EX 9223372036854775", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v EXAT 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k v EX 10 PX 10", "-ERR syntax error\r\n"),
    SAID("SET k v EX 10 KEEPTTL", "-ERR syntax error\r\n"),
    SAID("SET k v KEEPTTL EX 10", "-ERR syntax error\r\n"),
    SAID("SET k v NX XX", "-ERR syntax error\r\n"),
    SAID("SET k v XX NX", "-ERR syntax error\r\n"),
    SAID("SET k v PERSIST", "-ERR syntax error\r\n"),
    SAID("SET k v foo", "-ERR syntax error\r\n"),
    SAID("SET k v EX x foo", "-ERR syntax error\r\n"),
    SAID("SET k v \"\"", "-ERR syntax error\r\n"),
    SAID("SET k v EX 0 GET", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET", "-ERR wrong number of arguments for 'set' command\r\n"),
    SAID("SET k", "-ERR wrong number of arguments for 'set' command\r\n"),
    SAID("SETEX k 0 v", "-ERR invalid expire time in 'setex' command\r\n"),
    SAID("SETEX k x v", "-ERR value is not an integer or out of range\r\n"),
    SAID("SETEX k -1 v", "-ERR invalid expire time in 'setex' command\r\n"),
    SAID("SETEX k 9223372036854775807 v", "-ERR invalid expire time in 'setex' command\r\n"),
    SAID("PSETEX k 0 v", "-ERR invalid expire time in 'psetex' command\r\n"),
    SAID("PSETEX k x v", "-ERR value is not an integer or out of range\r\n"),
    SAID("PSETEX k 9223372036854775807 v", "-ERR invalid expire time in 'psetex' command\r\n"),
    SAID("GETEX k EX 0", "-ERR invalid expire time in 'getex' command\r\n"),
    SAID("GETEX k PX x", "-ERR value is not an integer or out of range\r\n"),
    SAID("GETEX k PXAT -1", "-ERR invalid expire time in 'getex' command\r\n"),
    SAID("GETEX k EX 10 PERSIST", "-ERR syntax error\r\n"),
    SAID("GETEX k PERSIST EX 10", "-ERR syntax error\r\n"),
    SAID("GETEX k KEEPTTL", "-ERR syntax error\r\n"),
    SAID("GETEX k NX", "-ERR syntax error\r\n"),
    SAID("GETEX k EX", "-ERR syntax error\r\n"),
    SAID("GETEX nosuch foo", "-ERR syntax error\r\n"),
    SAID("GETEX nosuch EX x", "$-1\r\n"),
    SAID("GETEX nosuch EX 0", "$-1\r\n"),
    SAID("MSET a", "-ERR wrong number of arguments for 'mset' command\r\n"),
    SAID("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"),
    SAID("MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command\r\n"),
    SAID("GET k", "$3\r\nold\r\n"),
    SAID("TTL k", ":-1\r\n"),
};

/* GETSET, GETDEL, GETEX, SETNX, SETEX, PSETEX. */
static const exchange getters[] = {
    SAID("GETSET k 1", "$-1\r\n"),
    SAID("GETSET k 2", "$1\r\n1\r\n"),
    SAID("SETEX k 100 v", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("GETSET k w", "$1\r\nv\r\n"),
    SAID("TTL k", ":-1\r\n"),
    SAID("GETDEL k", "$1\r\nw\r\n"),
    SAID("GETDEL k", "$-1\r\n"),
    SAID("SETNX k a", ":1\r\n"),
    SAID("SETNX k b", ":0\r\n"),
    SAID("GET k", "$1\r\na\r\n"),
    SAID("PSETEX k 100000 v", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("GETEX k", "$1\r\nv\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("GETEX k PERSIST", "$1\r\nv\r\n"),
    SAID("TTL k", ":-1\r\n"),
    SAID("GETEX k PERSIST PERSIST", "$1\r\nv\r\n"),
    SAID("GETEX k EX 100", "$1\r\nv\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("GETEX k EX 1 EX 200", "$1\r\nv\r\n"),
    SAID("TTL k", ":200\r\n"),
    SAID("GETEX k EXAT 99999999999", "$1\r\nv\r\n"),
    SAID("EXPIRETIME k", ":99999999999\r\n"),
    SAID("GETEX k PXAT 99999999999999", "$1\r\nv\r\n"),
    SAID("PEXPIRETIME k", ":99999999999999\r\n"),
    SAID("GETEX k EXAT 1", "$1\r\nv\r\n"),
    SAID("EXISTS k", ":0\r\n"),
    SAID("GETEX k EXAT 1", "$-1\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("GETEX k PXAT 1", "$1\r\nv\r\n"),
    SAID("DBSIZE", ":0\r\n"),
};

/* MSET, MSETNX, MGET. */
static const exchange several_at_once[] = {
    SAID("MSET a 1 b 2 a 3", "+OK\r\n"),
    SAID("MGET a b c a", "*4\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n"),
    SAID("MSETNX c 1 d 2 c 4", ":1\r\n"),
    SAID("MGET c d", "*2\r\n$1\r\n4\r\n$1\r\n2\r\n"),
    SAID("MSETNX e 1 a 2", ":0\r\n"),
    SAID("MGET e a", "*2\r\n$-1\r\n$1\r\n3\r\n"),
    SAID("SET a v EX 100", "+OK\r\n"),
    SAID("MSET a w", "+OK\r\n"),
    SAID("TTL a", ":-1\r\n"),
    SAID("MSETNX \"\" x f \"\"", ":1\r\n"),
    SAID("MGET \"\" f", "*2\r\n$1\r\nx\r\n$0\r\n\r\n"),
};

/* APPEND, STRLEN, GETRANGE, SUBSTR, SETRANGE. */
static const exchange parts[] = {
    SAID("STRLEN k", ":0\r\n"),
    SAID("APPEND k Hello", ":5\r\n"),
    SAID("APPEND k \" World\"", ":11\r\n"),
    SAID("APPEND k \"\"", ":11\r\n"),
    SAID("STRLEN k", ":11\r\n"),
    SAID("GETRANGE k 0 4", "$5\r\nHello\r\n"),
    SAID("GETRANGE k -5 -1", "$5\r\nWorld\r\n"),
    SAID("GETRANGE k 0 -1", "$11\r\nHello World\r\n"),
    SAID("GETRANGE k -100 100", "$11\r\nHello World\r\n"),
    SAID("GETRANGE k 3 1", "$0\r\n\r\n"),
    SAID("GETRANGE k -3 -5", "$0\r\n\r\n"),
    SAID("GETRANGE k -1 -100", "$0\r\n\r\n"),
    SAID("GETRANGE k -100 -100", "$1\r\nH\r\n"),
    SAID("GETRANGE k -100 -90", "$1\r\nH\r\n"),
    SAID("GETRANGE k 11 20", "$0\r\n\r\n"),
    SAID("GETRANGE k 10 20", "$1\r\nd\r\n"),
    SAID("GETRANGE k x 1", "-ERR value is not an integer or out of range\r\n"),
    SAID("GETRANGE k 1 \"\"", "-ERR value is not an integer or out of range\r\n"),
    SAID("GETRANGE nosuch 0 -1", "$0\r\n\r\n"),
    SAID("GETRANGE nosuch x 0", "-ERR value is not an integer or out of range\r\n"),
    SAID("GETRANGE k 9223372036854775807 -9223372036854775808", "$0\r\n\r\n"),
    SAID("GETRANGE k -9223372036854775808 9223372036854775807", "$11\r\nHello World\r\n"),
    SAID("SUBSTR k 0 0", "$1\r\nH\r\n"),
    SAID("SETRANGE k 6 Redis", ":11\r\n"),
    SAID("GET k", "$11\r\nHello Redis\r\n"),
    SAID("SETRANGE k 13 !", ":14\r\n"),
    SAID("GET k", "$14\r\nHello Redis\000\000!\r\n"),
    SAID("SETRANGE k 0 \"\"", ":14\r\n"),
    SAID("SETRANGE nosuch 10 \"\"", ":0\r\n"),
    SAID("EXISTS nosuch", ":0\r\n"),
    SAID("SETRANGE new 3 abc", ":6\r\n"),
    SAID("GET new", "$6\r\n\000\000\000abc\r\n"),
    SAID("SETRANGE k -1 x", "-ERR offset is out of range\r\n"),
    SAID("SETRANGE k x x", "-ERR value is not an integer or out of range\r\n"),
    SAID("SETRANGE k -1 \"\"", "-ERR offset is out of range\r\n"),
    SAID("SETRANGE k 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
    SAID("SETRANGE k 536870911 xx", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
    SAID("SETRANGE k 9223372036854775807 xx", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
    SAID("SETRANGE k 9223372036854775807 \"\"", ":14\r\n"),
    SAID("SETRANGE nosuch 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
    SAID("EXISTS nosuch", ":0\r\n"),
    SAID("APPEND none \"\"", ":0\r\n"),
    SAID("EXISTS none", ":1\r\n"),
    SAID("GET k", "$14\r\nHello Redis\000\000!\r\n"),
    SAID("EXPIRE k 100", ":1\r\n"),
    SAID("APPEND k x", ":15\r\n"),
    SAID("SETRANGE k 0 y", ":15\r\n"),
    SAID("TTL k", ":100\r\n"),
};

/* INCR, DECR, INCRBY, DECRBY. */
static const exchange counters[] = {
    SAID("INCR k", ":1\r\n"),
    SAID("INCRBY k 10", ":11\r\n"),
    SAID("DECR k", ":10\r\n"),
    SAID("DECRBY k 3", ":7\r\n"),
    SAID("DECRBY k -3", ":10\r\n"),
    SAID("GET k", "$2\r\n10\r\n"),
    SAID("SET k 9", "+OK\r\n"),
    SAID("INCR k", ":10\r\n"),
    SAID("SET k 10", "+OK\r\n"),
    SAID("DECR k", ":9\r\n"),
    SAID("INCRBY k -20", ":-11\r\n"),
    SAID("SET k 9223372036854775806", "+OK\r\n"),
    SAID("INCR k", ":9223372036854775807\r\n"),
    SAID("INCR k", "-ERR increment or decrement would overflow\r\n"),
    SAID("INCRBY k 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
    SAID("SET k -9223372036854775807", "+OK\r\n"),
    SAID("DECR k", ":-9223372036854775808\r\n"),
    SAID("DECR k", "-ERR increment or decrement would overflow\r\n"),
    SAID("DECRBY k 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
    SAID("INCRBY k -9223372036854775808", "-ERR increment or decrement would overflow\r\n"),
    SAID("DECRBY k -9223372036854775808", "-ERR decrement would overflow\r\n"),
    SAID("DECRBY k x", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k x", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k \"\"", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k \" 1\"", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k +1", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k 01", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k -0", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("INCRBY k 1.0", "-ERR value is not an integer or out of range\r\n"),
    SAID("GET k", "$20\r\n-9223372036854775808\r\n"),
    SAID("SET k abc", "+OK\r\n"),
    SAID("INCR k", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("INCR k", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k \" 1\"", "+OK\r\n"),
    SAID("INCR k", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k 01", "+OK\r\n"),
    SAID("INCR k", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k 1.0", "+OK\r\n"),
    SAID("INCR k", "-ERR value is not an integer or out of range\r\n"),
    SAID("SET k 11111111111111111111111111111", "+OK\r\n"),
    SAID("DECR k", "-ERR value is not an integer or out of range\r\n"),
    SAID("GET k", "$29\r\n11111111111111111111111111111\r\n"),
    SAID("SET k 5 EX 100", "+OK\r\n"),
    SAID("INCR k", ":6\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("INCRBY nosuch x", "-ERR value is not an integer or out of range\r\n"),
    SAID("EXISTS nosuch", ":0\r\n"),
};

/* INCRBYFLOAT: long doubles, printed without an exponent. */
static const exchange float_counters[] = {
    SAID("INCRBYFLOAT k 0.1", "$3\r\n0.1\r\n"),
    SAID("INCRBYFLOAT k 0.2", "$3\r\n0.3\r\n"),
    SAID("INCRBYFLOAT k -0.3", "$1\r\n0\r\n"),
    SAID("INCRBYFLOAT k 3.0e3", "$4\r\n3000\r\n"),
    SAID("INCRBYFLOAT k -1e-30", "$4\r\n3000\r\n"),
    SAID("INCRBYFLOAT k 1e17", "$18\r\n100000000000003000\r\n"),
    SAID("INCRBYFLOAT k 1e-17", "$18\r\n100000000000003000\r\n"),
    SAID("SET k 10.50", "+OK\r\n"),
    SAID("INCRBYFLOAT k 0.1", "$4\r\n10.6\r\n"),
    SAID("INCRBYFLOAT k -5", "$3\r\n5.6\r\n"),
    SAID("SET k 5.0e3", "+OK\r\n"),
    SAID("INCRBYFLOAT k 2.0e2", "$4\r\n5200\r\n"),
    SAID("INCRBYFLOAT k 0x10", "$4\r\n5216\r\n"),
    SAID("INCRBYFLOAT k 1e40", "$40\r\n9999999999999999999783686092270256259072\r\n"),
    SAID("INCRBYFLOAT k -1e40", "$1\r\n0\r\n"),
    SAID("INCRBYFLOAT k 1e60", "$60\r\n999999999999999999999373423426722168652130621984886772203520\r\n"),
    SAID("SET k 0", "+OK\r\n"),
    SAID("INCRBYFLOAT k -0", "$1\r\n0\r\n"),
    SAID("INCRBYFLOAT k .5", "$3\r\n0.5\r\n"),
    SAID("INCRBYFLOAT k 5.", "$3\r\n5.5\r\n"),
    SAID("INCRBYFLOAT k nan", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k inf", "-ERR increment would produce NaN or Infinity\r\n"),
    SAID("INCRBYFLOAT k -inf", "-ERR increment would produce NaN or Infinity\r\n"),
    SAID("INCRBYFLOAT k -Infinity", "-ERR increment would produce NaN or Infinity\r\n"),
    SAID("INCRBYFLOAT k 1e5000", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k 1e-5000", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k \"\"", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k \" 1\"", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k \"1 \"", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k 1x", "-ERR value is not a valid float\r\n"),
    SAID("INCRBYFLOAT k \"1\\x00\"", "-ERR value is not a valid float\r\n"),
    SAID("GET k", "$3\r\n5.5\r\n"),
    SAID("SET k abc", "+OK\r\n"),
    SAID("INCRBYFLOAT k 1", "-ERR value is not a valid float\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("INCRBYFLOAT k 1", "-ERR value is not a valid float\r\n"),
    SAID("SET k inf", "+OK\r\n"),
    SAID("INCRBYFLOAT k 1", "-ERR increment would produce NaN or Infinity\r\n"),
    SAID("SET k nan", "+OK\r\n"),
    SAID("INCRBYFLOAT k 1", "-ERR value is not a valid float\r\n"),
    SAID("SET k \" 1\"", "+OK\r\n"),
    SAID("INCRBYFLOAT k 1", "-ERR value is not a valid float\r\n"),
    SAID("SET k 1 EX 100", "+OK\r\n"),
    SAID("INCRBYFLOAT k 1", "$1\r\n2\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("INCRBYFLOAT nosuch x", "-ERR value is not a valid float\r\n"),
    SAID("EXISTS nosuch", ":0\r\n"),
};

/* OBJECT ENCODING depends on how a string was made. */
static const exchange encodings[] = {
    SAID("SET k 1", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("SET k 01", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k -9223372036854775808", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("SET k 9223372036854775808", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k 12345678901234567890123456789012345678901234", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("SET k 123456789012345678901234567890123456789012345", "+OK\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nraw\r\n"),
    SAID("SET k 1", "+OK\r\n"),
    SAID("APPEND k 2", ":2\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nraw\r\n"),
    SAID("INCR k", ":13\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("APPEND k \"\"", ":2\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nraw\r\n"),
    SAID("INCRBYFLOAT k 1", "$2\r\n14\r\n"),
    SAID("OBJECT ENCODING k", "$6\r\nembstr\r\n"),
    SAID("INCR k", ":15\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("SETRANGE k 0 \"\"", ":2\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("SETRANGE k 0 1", ":2\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nraw\r\n"),
    SAID("APPEND fresh 12", ":2\r\n"),
    SAID("OBJECT ENCODING fresh", "$3\r\nint\r\n"),
    SAID("SETRANGE range 0 12", ":2\r\n"),
    SAID("OBJECT ENCODING range", "$3\r\nraw\r\n"),
    SAID("SETBIT bit 0 0", ":0\r\n"),
    SAID("OBJECT ENCODING bit", "$3\r\nraw\r\n"),
    SAID("SET bit 5", "+OK\r\n"),
    SAID("SETBIT bit 7 1", ":1\r\n"),
    SAID("OBJECT ENCODING bit", "$3\r\nraw\r\n"),
    SAID("BITOP OR dest bit", ":1\r\n"),
    SAID("OBJECT ENCODING dest", "$3\r\nraw\r\n"),
    SAID("SET field 5", "+OK\r\n"),
    SAID("BITFIELD field GET u8 0", "*1\r\n:53\r\n"),
    SAID("OBJECT ENCODING field", "$3\r\nint\r\n"),
    SAID("BITFIELD field OVERFLOW FAIL INCRBY u8 0 900", "*1\r\n$-1\r\n"),
    SAID("OBJECT ENCODING field", "$3\r\nraw\r\n"),
    SAID("PFADD hll a", ":1\r\n"),
    SAID("OBJECT ENCODING hll", "$3\r\nraw\r\n"),
    SAID("PFMERGE merged hll", "+OK\r\n"),
    SAID("OBJECT ENCODING merged", "$3\r\nraw\r\n"),
    SAID("MSET m 1 n x", "+OK\r\n"),
    SAID("OBJECT ENCODING m", "$3\r\nint\r\n"),
    SAID("GETSET m 12", "$1\r\n1\r\n"),
    SAID("OBJECT ENCODING m", "$3\r\nint\r\n"),
    SAID("SETEX m 10 12", "+OK\r\n"),
    SAID("OBJECT ENCODING m", "$3\r\nint\r\n"),
};

/* LCS and its options. */
static const exchange longest_common_subsequences[] = {
    SAID("MSET a ohmytext b mynewtext e \"\"", "+OK\r\n"),
    SAID("LCS a b", "$6\r\nmytext\r\n"),
    SAID("LCS a b LEN", ":6\r\n"),
    SAID("LCS a b IDX",
         "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*"
         "2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a b idx minmatchlen 4",
         "*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a b IDX WITHMATCHLEN",
         "*4\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n*3\r\n*2\r\n:2\r\n:"
         "3\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
         "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a b IDX MINMATCHLEN -1",
         "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*"
         "2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a b IDX MINMATCHLEN 100", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a b MINMATCHLEN 4", "$6\r\nmytext\r\n"),
    SAID("LCS a b WITHMATCHLEN", "$6\r\nmytext\r\n"),
    SAID("LCS a b LEN LEN", ":6\r\n"),
    SAID("LCS a b IDX LEN", "-ERR If you want both the length and indexes, please just use IDX.\r\n"),
    SAID("LCS a b IDX MINMATCHLEN x", "-ERR value is not an integer or out of range\r\n"),
    SAID("LCS a b IDX MINMATCHLEN", "-ERR syntax error\r\n"),
    SAID("LCS a b foo", "-ERR syntax error\r\n"),
    SAID("LCS a", "-ERR wrong number of arguments for 'lcs' command\r\n"),
    SAID("LCS a nosuch", "$0\r\n\r\n"),
    SAID("LCS nosuch a LEN", ":0\r\n"),
    SAID("LCS nosuch also IDX", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"),
    SAID("LCS a e", "$0\r\n\r\n"),
    SAID("LCS e e IDX WITHMATCHLEN", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"),
    SAID("LCS a a", "$8\r\nohmytext\r\n"),
    SAID("LCS a a IDX", "*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:0\r\n:7\r\n*2\r\n:0\r\n:7\r\n$3\r\nlen\r\n:8\r\n"),
    SAID("MSET a abcbdab b bdcaba", "+OK\r\n"),
    SAID("LCS a b", "$4\r\nbdab\r\n"),
    SAID("LCS b a", "$4\r\nbcba\r\n"),
    SAID("LCS a b IDX WITHMATCHLEN",
         "*4\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:5\r\n:6\r\n*2\r\n:3\r\n:4\r\n:2\r\n*3\r\n*2\r\n:3\r\n:"
         "4\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:4\r\n"),
    SAID("LCS b a IDX WITHMATCHLEN",
         "*4\r\n$7\r\nmatches\r\n*4\r\n*3\r\n*2\r\n:5\r\n:5\r\n*2\r\n:5\r\n:5\r\n:1\r\n*3\r\n*2\r\n:4\r\n:"
         "4\r\n*2\r\n:3\r\n:3\r\n:1\r\n*3\r\n*2\r\n:2\r\n:2\r\n*2\r\n:2\r\n:2\r\n:1\r\n*3\r\n*2\r\n:0\r\n:"
         "0\r\n*2\r\n:1\r\n:1\r\n:1\r\n$3\r\nlen\r\n:4\r\n"),
    SAID(
        "MSET a xxaayybbzzaaxxccyyddbbaxxaayybbzzaaxxccyyddbbaxxaayybbzzaaxxccyyddbba b aabbccddaabbccddaabbccddaabbcc",
        "+OK\r\n"),
    SAID("LCS a b", "$26\r\naabbccddaabbccddaabbccddbb\r\n"),
    SAID("LCS b a", "$26\r\naabbccddaabbccddaabbccddbb\r\n"),
    SAID("LCS a b IDX",
         "*4\r\n$7\r\nmatches\r\n*13\r\n*2\r\n*2\r\n:66\r\n:67\r\n*2\r\n:26\r\n:27\r\n*2\r\n*2\r\n:64\r\n:"
         "65\r\n*2\r\n:22\r\n:23\r\n*2\r\n*2\r\n:60\r\n:61\r\n*2\r\n:20\r\n:21\r\n*2\r\n*2\r\n:52\r\n:53\r"
         "\n*2\r\n:18\r\n:19\r\n*2\r\n*2\r\n:48\r\n:49\r\n*2\r\n:16\r\n:17\r\n*2\r\n*2\r\n:41\r\n:42\r\n*2"
         "\r\n:14\r\n:15\r\n*2\r\n*2\r\n:37\r\n:38\r\n*2\r\n:12\r\n:13\r\n*2\r\n*2\r\n:29\r\n:30\r\n*2\r\n"
         ":10\r\n:11\r\n*2\r\n*2\r\n:25\r\n:26\r\n*2\r\n:8\r\n:9\r\n*2\r\n*2\r\n:18\r\n:19\r\n*2\r\n:6\r\n"
         ":7\r\n*2\r\n*2\r\n:14\r\n:15\r\n*2\r\n:4\r\n:5\r\n*2\r\n*2\r\n:6\r\n:7\r\n*2\r\n:2\r\n:3\r\n*2\r"
         "\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:26\r\n"),
    SAID("LCS b a IDX MINMATCHLEN 2",
         "*4\r\n$7\r\nmatches\r\n*13\r\n*2\r\n*2\r\n:26\r\n:27\r\n*2\r\n:66\r\n:67\r\n*2\r\n*2\r\n:22\r\n:"
         "23\r\n*2\r\n:64\r\n:65\r\n*2\r\n*2\r\n:20\r\n:21\r\n*2\r\n:60\r\n:61\r\n*2\r\n*2\r\n:18\r\n:19\r"
         "\n*2\r\n:52\r\n:53\r\n*2\r\n*2\r\n:16\r\n:17\r\n*2\r\n:48\r\n:49\r\n*2\r\n*2\r\n:14\r\n:15\r\n*2"
         "\r\n:41\r\n:42\r\n*2\r\n*2\r\n:12\r\n:13\r\n*2\r\n:37\r\n:38\r\n*2\r\n*2\r\n:10\r\n:11\r\n*2\r\n"
         ":29\r\n:30\r\n*2\r\n*2\r\n:8\r\n:9\r\n*2\r\n:25\r\n:26\r\n*2\r\n*2\r\n:6\r\n:7\r\n*2\r\n:18\r\n:"
         "19\r\n*2\r\n*2\r\n:4\r\n:5\r\n*2\r\n:14\r\n:15\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:6\r\n:7\r\n*2\r"
         "\n*2\r\n:0\r\n:1\r\n*2\r\n:2\r\n:3\r\n$3\r\nlen\r\n:26\r\n"),
    SAID("SETRANGE big 20000 x", ":20001\r\n"),
    SAID("LCS big big LEN", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n"),
    SAID("SETRANGE big 10000 x", ":20001\r\n"),
    SAID("LCS big a LEN", ":2\r\n"),
};

/* Differences in RESP3: nulls, the map of LCS IDX. */
static const exchange resp3_replies[] = {
    SAID("GET nosuch", "_\r\n"),
    SAID("MSET a ohmytext b mynewtext", "+OK\r\n"),
    SAID("MGET a nosuch", "*2\r\n$8\r\nohmytext\r\n_\r\n"),
    SAID("SET a ohmytext NX", "_\r\n"),
    SAID("SET nosuch x XX GET", "_\r\n"),
    SAID("GETEX nosuch", "_\r\n"),
    SAID("LCS a b IDX WITHMATCHLEN",
         "%2\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n*3\r\n*2\r\n:2\r\n:"
         "3\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:6\r\n"),
    SAID("LCS a nosuch IDX", "%2\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"),
    SAID("LCS a b LEN", ":6\r\n"),
    SAID("INCRBYFLOAT f 0.5", "$3\r\n0.5\r\n"),
    SAID("BITFIELD n OVERFLOW FAIL INCRBY u2 0 9", "*1\r\n_\r\n"),
};

/* SET ... IFEQ, as Valkey has it. */
static const exchange valkey_set_if_equal[] = {
    SAID("SET k v IFEQ", "-ERR syntax error\r\n"),
    SAID("SET k v IFEQ x", "$-1\r\n"),
    SAID("EXISTS k", ":0\r\n"),
    SAID("SET k v", "+OK\r\n"),
    SAID("SET k w IFEQ x", "$-1\r\n"),
    SAID("SET k w IFEQ v", "+OK\r\n"),
    SAID("GET k", "$1\r\nw\r\n"),
    SAID("SET k x IFEQ w GET", "$1\r\nw\r\n"),
    SAID("SET k y IFEQ w GET", "$1\r\nx\r\n"),
    SAID("SET k x IFEQ x NX", "-ERR syntax error\r\n"),
    SAID("SET k x IFEQ x XX", "-ERR syntax error\r\n"),
    SAID("SET k x NX IFEQ x", "-ERR syntax error\r\n"),
    SAID("SET k x XX IFEQ x", "-ERR syntax error\r\n"),
    SAID("SET k x IFEQ x IFEQ x", "-ERR syntax error\r\n"),
    SAID("SET k x IFEQ x EX 0", "-ERR invalid expire time in 'set' command\r\n"),
    SAID("SET k x IFEQ x EX 100", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET k x IFEQ x", "+OK\r\n"),
    SAID("TTL k", ":-1\r\n"),
    SAID("SET k x EX 100 IFEQ x", "+OK\r\n"),
    SAID("SET k 5 KEEPTTL IFEQ x", "+OK\r\n"),
    SAID("TTL k", ":100\r\n"),
    SAID("SET k 6 IFEQ 5", "+OK\r\n"),
    SAID("SET k 6 IFEQ 05", "$-1\r\n"),
    SAID("SET nosuch 6 IFEQ 6 GET", "$-1\r\n"),
    SAID("GET k", "$1\r\n6\r\n"),
};

static void set_obeys_its_options(void) { REPLAY(set_options); }
static void a_refused_set_leaves_the_key_unchanged(void) { REPLAY(refusals); }
static void getters_may_change_the_key(void) { REPLAY(getters); }
static void several_keys_are_set_at_once(void) { REPLAY(several_at_once); }
static void parts_are_read_and_written(void) { REPLAY(parts); }
static void counters_stay_within_64_bits(void) { REPLAY(counters); }
static void float_counters_are_printed_without_an_exponent(void) { REPLAY(float_counters); }
static void the_encoding_depends_on_how_a_string_was_made(void) { REPLAY(encodings); }
static void lcs_finds_the_subsequence_that_redis_finds(void) { REPLAY(longest_common_subsequences); }
static void resp3_has_nulls_and_maps(void) { REPLAY3(resp3_replies); }
static void set_ifeq_behaves_as_in_valkey(void) { REPLAY(valkey_set_if_equal); }

/* ---- values in many pieces ---- */

static uint64_t rng = 88172645463325252ull;
static uint64_t next_random(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  return rng ^= rng << 17;
}

/* Send a command of `n` arguments; the reply is at the beginning of c->out. */
static void say(rig_client *c, unsigned n, const rd_bytes *argv) {
  char head[40];
  c->len = 0;
  rig_feed(c, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", n), SIZE_MAX);
  for (unsigned i = 0; i < n; i++) {
    rig_feed(c, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", argv[i].len), SIZE_MAX);
    if (argv[i].len) rig_feed(c, argv[i].data, argv[i].len, SIZE_MAX);
    rig_feed(c, "\r\n", 2, SIZE_MAX);
  }
}

static rd_bytes word(const char *text) { return (rd_bytes){(const uint8_t *)text, strlen(text)}; }

/* The reply must be this bulk. */
static void hears_bulk(const rig_client *c, const uint8_t *data, size_t len) {
  char head[40];
  size_t n = (size_t)snprintf(head, sizeof head, "$%zu\r\n", len);
  CHECK(c->len == n + len + 2 && memcmp(c->out, head, n) == 0 && (len == 0 || memcmp(c->out + n, data, len) == 0));
}

static void hears_int(const rig_client *c, long long value) {
  char text[40];
  int n = snprintf(text, sizeof text, ":%lld\r\n", value);
  CHECK_BYTES(c->out, c->len, text, (size_t)n);
}

enum { MODEL = 120000 };

/* A model of a string as an array of bytes. */
static void values_of_many_pieces_behave_like_short_ones(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  uint8_t *model = calloc(MODEL, 1), *patch = malloc(MODEL);
  size_t len = 0;
  for (int round = 0; round < 600 && check_ok; round++) {
    uint64_t kind = next_random() % 4, most = next_random() % 2 ? MODEL / 3 : 100;
    size_t n = next_random() % most, at = next_random() % (MODEL / 2);
    char a[24], b[24];
    for (size_t i = 0; i < n; i++) patch[i] = (uint8_t)next_random();
    if (kind == 0 && len + n <= MODEL) {
      say(&c, 3, (rd_bytes[]){word("APPEND"), word("k"), {patch, n}});
      memcpy(model + len, patch, n);
      len += n;
      hears_int(&c, (long long)len);
    } else if (kind == 1) {
      snprintf(a, sizeof a, "%zu", at);
      say(&c, 4, (rd_bytes[]){word("SETRANGE"), word("k"), word(a), {patch, n}});
      if (n > 0 && at + n > len) {
        if (at > len) memset(model + len, 0, at - len);
        len = at + n;
      }
      memcpy(model + at, patch, n);
      hears_int(&c, (long long)len);
    } else if (kind == 2) {
      snprintf(a, sizeof a, "%zu", at);
      snprintf(b, sizeof b, "%zu", at + n);
      say(&c, 4, (rd_bytes[]){word("GETRANGE"), word("k"), word(a), word(b)});
      size_t end = at + n + 1 < len ? at + n + 1 : len;
      hears_bulk(&c, model + at, at < end ? end - at : 0);
    } else if (round % 50 == 0) {
      say(&c, 4, (rd_bytes[]){word("SET"), word("k"), {patch, n}, word("GET")});
      if (c.out[1] != '-') hears_bulk(&c, model, len);
      memcpy(model, patch, n);
      len = n;
    }
    say(&c, 2, (rd_bytes[]){word("GET"), word("k")});
    if (c.out[1] != '-') hears_bulk(&c, model, len);
  }
  free(model);
  free(patch);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- LCS against the textbook table ---- */

static void lcs_has_the_textbook_length_for_any_strings(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  enum { MOST = 200 };
  static uint16_t table[MOST + 1][MOST + 1];
  for (int round = 0; round < 400 && check_ok; round++) {
    uint8_t a[MOST], b[MOST], found[MOST];
    size_t m = next_random() % MOST, n = next_random() % MOST;
    unsigned letters = 1 + (unsigned)(next_random() % 8);
    for (size_t i = 0; i < m; i++) a[i] = (uint8_t)('a' + next_random() % letters);
    for (size_t i = 0; i < n; i++) b[i] = (uint8_t)('a' + next_random() % letters);
    for (size_t i = 1; i <= m; i++) {
      for (size_t j = 1; j <= n; j++) {
        uint16_t up = table[i - 1][j], left = table[i][j - 1];
        table[i][j] = a[i - 1] == b[j - 1] ? (uint16_t)(table[i - 1][j - 1] + 1) : up > left ? up : left;
      }
    }
    size_t at = table[m][n];
    for (size_t i = m, j = n, k = at; k > 0;) {
      if (a[i - 1] == b[j - 1]) {
        found[--k] = a[i - 1];
        i--;
        j--;
      } else if (table[i - 1][j] > table[i][j - 1]) {
        i--;
      } else {
        j--;
      }
    }
    say(&c, 5, (rd_bytes[]){word("MSET"), word("a"), {a, m}, word("b"), {b, n}});
    say(&c, 4, (rd_bytes[]){word("LCS"), word("a"), word("b"), word("LEN")});
    hears_int(&c, (long long)at);
    say(&c, 3, (rd_bytes[]){word("LCS"), word("a"), word("b")});
    hears_bulk(&c, found, at);
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- no memory ---- */

#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

static void a_change_without_room_leaves_the_key_unchanged(void) {
  rd_store st;
  int fd = rig_open(&st, 8u << 20, 1, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  size_t huge = 16u << 20;
  uint8_t *data = malloc(huge);
  memset(data, 'x', huge);
  rd_bytes large = {data, huge};
  RIG_ASK(&c, "SET k 12 EX 100\r\nSET other abc\r\n", "+OK\r\n+OK\r\n");
  const struct {
    unsigned n;
    rd_bytes argv[8];
  } tries[] = {
      {3, {word("SET"), word("k"), large}},
      {4, {word("SET"), word("k"), large, word("GET")}},
      {4, {word("SET"), word("k"), large, word("KEEPTTL")}},
      {4, {word("SETEX"), word("k"), word("5"), large}},
      {3, {word("SETNX"), word("new"), large}},
      {3, {word("GETSET"), word("k"), large}},
      {3, {word("APPEND"), word("k"), large}},
      {3, {word("APPEND"), word("new"), large}},
      {4, {word("SETRANGE"), word("k"), word("20000000"), word("x")}},
      {4, {word("SETRANGE"), word("new"), word("20000000"), word("x")}},
      {4, {word("SETBIT"), word("k"), word("200000000"), word("1")}},
      {4, {word("SETBIT"), word("new"), word("200000000"), word("0")}},
      {6, {word("BITFIELD"), word("k"), word("SET"), word("u8"), word("200000000"), word("1")}},
      {5, {word("MSET"), word("other"), word("1"), word("k"), large}},
      {7, {word("MSET"), word("k"), word("1"), word("k"), word("2"), word("other"), large}},
      {5, {word("MSETNX"), word("new"), word("1"), word("newer"), large}},
  };
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    say(&c, tries[i].n, tries[i].argv);
    CHECK_TEXT(c.out, c.len, OOM);
    c.len = 0;
    RIG_ASK(&c, "MGET k other\r\nTTL k\r\nTTL other\r\nEXISTS new newer\r\nDBSIZE\r\nOBJECT ENCODING k\r\n",
            "*2\r\n$2\r\n12\r\n$3\r\nabc\r\n:100\r\n:-1\r\n:0\r\n:2\r\n$3\r\nint\r\n");
    if (!check_ok) printf("      after try %zu\n", i);
  }
  free(data);
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(set_obeys_its_options);
  RUN(a_refused_set_leaves_the_key_unchanged);
  RUN(getters_may_change_the_key);
  RUN(several_keys_are_set_at_once);
  RUN(parts_are_read_and_written);
  RUN(counters_stay_within_64_bits);
  RUN(float_counters_are_printed_without_an_exponent);
  RUN(the_encoding_depends_on_how_a_string_was_made);
  RUN(lcs_finds_the_subsequence_that_redis_finds);
  RUN(resp3_has_nulls_and_maps);
  RUN(set_ifeq_behaves_as_in_valkey);
  RUN(values_of_many_pieces_behave_like_short_ones);
  RUN(lcs_has_the_textbook_length_for_any_strings);
  RUN(a_change_without_room_leaves_the_key_unchanged);
  return check_end();
}
