/* test_hash.c - commands on hashes: the replies of redis-server, and properties that no reply shows. */
#include "told.h"

static const exchange setting[] = {
    SAID("HSET h a 1", ":1\r\n"),
    SAID("HSET h a 2 b 3 c 4", ":2\r\n"),
    SAID("HGET h a", "$1\r\n2\r\n"),
    SAID("HGET h b", "$1\r\n3\r\n"),
    SAID("HGET h nothing", "$-1\r\n"),
    SAID("HGET none a", "$-1\r\n"),
    SAID("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"),
    SAID("HSET h a", "-ERR wrong number of arguments for 'hset' command\r\n"),
    SAID("HSET h d 1 d 2", ":1\r\n"),
    SAID("HGET h d", "$1\r\n2\r\n"),
    SAID("HMSET h e 5 f 6", "+OK\r\n"),
    SAID("HMSET h e", "-ERR wrong number of arguments for 'hmset' command\r\n"),
    SAID("HMSET h e 5 f", "-ERR wrong number of arguments for 'hmset' command\r\n"),
    SAID("HMGET h a e x f a", "*5\r\n$1\r\n2\r\n$1\r\n5\r\n$-1\r\n$1\r\n6\r\n$1\r\n2\r\n"),
    SAID("HMGET none a b", "*2\r\n$-1\r\n$-1\r\n"),
    SAID("HSETNX h a 9", ":0\r\n"),
    SAID("HSETNX h g 7", ":1\r\n"),
    SAID("HSETNX new a 1", ":1\r\n"),
    SAID("HSETNX new a 2", ":0\r\n"),
    SAID("HGETALL new", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HGETALL h",
         "*14\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\nd\r\n$1\r\n2\r\n$"
         "1\r\ne\r\n$1\r\n5\r\n$1\r\nf\r\n$1\r\n6\r\n$1\r\ng\r\n$1\r\n7\r\n"),
    SAID("HKEYS h", "*7\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n"),
    SAID("HVALS h", "*7\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n2\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"),
    SAID("HGETALL none", "*0\r\n"),
    SAID("HKEYS none", "*0\r\n"),
    SAID("HVALS none", "*0\r\n"),
    SAID("HLEN h", ":7\r\n"),
    SAID("HLEN none", ":0\r\n"),
    SAID("HSTRLEN h a", ":1\r\n"),
    SAID("HSTRLEN h x", ":0\r\n"),
    SAID("HSTRLEN none x", ":0\r\n"),
    SAID("HEXISTS h a", ":1\r\n"),
    SAID("HEXISTS h x", ":0\r\n"),
    SAID("HEXISTS none x", ":0\r\n"),
    SAID("HDEL h x", ":0\r\n"),
    SAID("HDEL h a a x b", ":2\r\n"),
    SAID("HDEL none a", ":0\r\n"),
    SAID("HGETALL h",
         "*10\r\n$1\r\nc\r\n$1\r\n4\r\n$1\r\nd\r\n$1\r\n2\r\n$1\r\ne\r\n$1\r\n5\r\n$1\r\nf\r\n$1\r\n6\r\n$"
         "1\r\ng\r\n$1\r\n7\r\n"),
    SAID("HDEL h c d e f g", ":5\r\n"),
    SAID("EXISTS h", ":0\r\n"),
    SAID("TYPE new", "+hash\r\n"),
    SAID("HDEL new a b", ":1\r\n"),
    SAID("EXISTS new", ":0\r\n"),
    SAID("HSET h \"\" \"\"", ":1\r\n"),
    SAID("HGET h \"\"", "$0\r\n\r\n"),
    SAID("HSTRLEN h \"\"", ":0\r\n"),
    SAID("HGETALL h", "*2\r\n$0\r\n\r\n$0\r\n\r\n"),
    SAID("HSET \"\" f v", ":1\r\n"),
    SAID("HGET \"\" f", "$1\r\nv\r\n"),
};

static const exchange numbers[] = {
    SAID("HINCRBY h n 5", ":5\r\n"),
    SAID("HINCRBY h n -7", ":-2\r\n"),
    SAID("HGET h n", "$2\r\n-2\r\n"),
    SAID("HINCRBY h n 9223372036854775807", ":9223372036854775805\r\n"),
    SAID("HINCRBY h n 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
    SAID("HGET h n", "$19\r\n9223372036854775805\r\n"),
    SAID("HSET h m 9223372036854775807", ":1\r\n"),
    SAID("HINCRBY h m 1", "-ERR increment or decrement would overflow\r\n"),
    SAID("HSET h m -9223372036854775808", ":0\r\n"),
    SAID("HINCRBY h m -1", "-ERR increment or decrement would overflow\r\n"),
    SAID("HINCRBY h m x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HINCRBY h m 1.5", "-ERR value is not an integer or out of range\r\n"),
    SAID("HINCRBY h m \"\"", "-ERR value is not an integer or out of range\r\n"),
    SAID("HINCRBY h m 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("HSET h t abc s \"\" u \" 1\" v 01 w +1 x -0 y 1.0", ":7\r\n"),
    SAID("HINCRBY h t 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBY h s 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBY h u 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBY h v 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBY h w 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBY h x 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBY h y 1", "-ERR hash value is not an integer\r\n"),
    SAID("HINCRBYFLOAT h f 1.5", "$3\r\n1.5\r\n"),
    SAID("HINCRBYFLOAT h f 1.5", "$1\r\n3\r\n"),
    SAID("HINCRBYFLOAT h f 0.1", "$3\r\n3.1\r\n"),
    SAID("HINCRBYFLOAT h f x", "-ERR value is not a valid float\r\n"),
    SAID("HINCRBYFLOAT h f \"\"", "-ERR value is not a valid float\r\n"),
    SAID("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity\r\n"),
    SAID("HINCRBYFLOAT h f -inf", "-ERR value is NaN or Infinity\r\n"),
    SAID("HINCRBYFLOAT h f nan", "-ERR value is not a valid float\r\n"),
    SAID("HINCRBYFLOAT h f 1e5000", "-ERR value is not a valid float\r\n"),
    SAID("HINCRBYFLOAT h t 1", "-ERR hash value is not a float\r\n"),
    SAID("HINCRBYFLOAT h s 1", "-ERR hash value is not a float\r\n"),
    SAID("HINCRBYFLOAT h u 1", "-ERR hash value is not a float\r\n"),
    SAID("HINCRBYFLOAT h v 1", "$1\r\n2\r\n"),
    SAID("HINCRBYFLOAT h x 1", "$1\r\n1\r\n"),
    SAID("HINCRBYFLOAT h y 1e3", "$4\r\n1001\r\n"),
    SAID("HINCRBYFLOAT h i 1e60", "$60\r\n999999999999999999999373423426722168652130621984886772203520\r\n"),
    SAID("HINCRBYFLOAT h big 17179869184.00390625", "$20\r\n17179869184.00390625\r\n"),
    SAID("HINCRBYFLOAT h big -17179869184.00390625", "$1\r\n0\r\n"),
    SAID("HSET h inf inf nan nan", ":2\r\n"),
    SAID("HINCRBYFLOAT h inf 1", "-ERR increment would produce NaN or Infinity\r\n"),
    SAID("HINCRBYFLOAT h nan 1", "-ERR hash value is not a float\r\n"),
    SAID("HINCRBY h", "-ERR wrong number of arguments for 'hincrby' command\r\n"),
    SAID("HINCRBY h a", "-ERR wrong number of arguments for 'hincrby' command\r\n"),
    SAID("HINCRBYFLOAT h a", "-ERR wrong number of arguments for 'hincrbyfloat' command\r\n"),
    SAID("HINCRBY none a x", "-ERR value is not an integer or out of range\r\n"),
    SAID("EXISTS none", ":0\r\n"),
    SAID("HLEN h", ":14\r\n"),
};

static const exchange wrong_types[] = {
    SAID("SET s v", "+OK\r\n"),
    SAID("HSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HSET s a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"),
    SAID("HSETNX s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HMSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HGET s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HMGET s a b", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HGETALL s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HKEYS s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HVALS s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HLEN s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HSTRLEN s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HEXISTS s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HDEL s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HINCRBY s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HINCRBY s a x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HINCRBYFLOAT s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HINCRBYFLOAT s a x", "-ERR value is not a valid float\r\n"),
    SAID("HRANDFIELD s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HRANDFIELD s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HRANDFIELD s x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HRANDFIELD s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HSCAN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HSCAN s x", "-ERR invalid cursor\r\n"),
    SAID("HSCAN s 0 JUNK", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("HSET h a 1", ":1\r\n"),
    SAID("GET h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("APPEND h x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("INCR h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GETRANGE h 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SETRANGE h 0 x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("BITCOUNT h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("PFADD h x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("MGET h s", "*2\r\n$-1\r\n$1\r\nv\r\n"),
    SAID("SETNX h x", ":0\r\n"),
    SAID("TYPE h", "+hash\r\n"),
    SAID("OBJECT ENCODING h", "$8\r\nlistpack\r\n"),
    SAID("SET h x", "+OK\r\n"),
    SAID("TYPE h", "+string\r\n"),
};

static const exchange randoms[] = {
    SAID("HRANDFIELD none", "$-1\r\n"),
    SAID("HRANDFIELD none 1", "*0\r\n"),
    SAID("HRANDFIELD none -1", "*0\r\n"),
    SAID("HRANDFIELD none 0", "*0\r\n"),
    SAID("HRANDFIELD none 5 WITHVALUES", "*0\r\n"),
    SAID("HRANDFIELD none x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HRANDFIELD none 1 JUNK", "-ERR syntax error\r\n"),
    SAID("HRANDFIELD none 1 WITHVALUES JUNK", "-ERR syntax error\r\n"),
    SAID("HSET h a 1", ":1\r\n"),
    SAID("HRANDFIELD h", "$1\r\na\r\n"),
    SAID("HRANDFIELD h 0", "*0\r\n"),
    SAID("HRANDFIELD h 1", "*1\r\n$1\r\na\r\n"),
    SAID("HRANDFIELD h 5", "*1\r\n$1\r\na\r\n"),
    SAID("HRANDFIELD h -3", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n"),
    SAID("HRANDFIELD h 1 withvalues", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HRANDFIELD h 7 WITHVALUES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HRANDFIELD h -3 WITHVALUES", "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HRANDFIELD h 0 WITHVALUES", "*0\r\n"),
    SAID("HRANDFIELD h x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HRANDFIELD h 1.5", "-ERR value is not an integer or out of range\r\n"),
    SAID("HRANDFIELD h 1 x", "-ERR syntax error\r\n"),
    SAID("HRANDFIELD h x x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HRANDFIELD h 9223372036854775807", "*1\r\n$1\r\na\r\n"),
    SAID("HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n"),
    SAID("HRANDFIELD h 9223372036854775808", "-ERR value is not an integer or out of range\r\n"),
    SAID("HRANDFIELD h -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("HRANDFIELD h -9223372036854775808 WITHVALUES",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("HRANDFIELD h -9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n"),
    SAID("HRANDFIELD h -4611686018427387904 WITHVALUES", "-ERR value is out of range\r\n"),
    SAID("HRANDFIELD h 4611686018427387904 WITHVALUES", "-ERR value is out of range\r\n"),
    SAID("HRANDFIELD h 4611686018427387903 WITHVALUES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HRANDFIELD h -9223372036854775808 JUNK",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("HSET h b 2", ":1\r\n"),
    SAID("HRANDFIELD h 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("HRANDFIELD h 3 WITHVALUES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
};

static const exchange scans[] = {
    SAID("HSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("HSCAN none x", "-ERR invalid cursor\r\n"),
    SAID("HSCAN none 0 JUNK", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("HSET h a 1 b 2 abc 3 12 4 13 five", ":5\r\n"),
    SAID("HSCAN h 0",
         "*2\r\n$1\r\n0\r\n*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$3\r\nabc\r\n$1\r\n3\r\n$2\r"
         "\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h 0 MATCH a*", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$3\r\nabc\r\n$1\r\n3\r\n"),
    SAID("HSCAN h 0 MATCH 1*", "*2\r\n$1\r\n0\r\n*4\r\n$2\r\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h 0 MATCH x", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("HSCAN h 0 MATCH *",
         "*2\r\n$1\r\n0\r\n*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$3\r\nabc\r\n$1\r\n3\r\n$2\r"
         "\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h 0 MATCH ** COUNT 1",
         "*2\r\n$1\r\n0\r\n*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$3\r\nabc\r\n$1\r\n3\r\n$2\r"
         "\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h 0 COUNT 0", "-ERR syntax error\r\n"),
    SAID("HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("HSCAN h 0 COUNT -1", "-ERR syntax error\r\n"),
    SAID("HSCAN h 0 COUNT", "-ERR syntax error\r\n"),
    SAID("HSCAN h 0 MATCH", "-ERR syntax error\r\n"),
    SAID("HSCAN h 0 JUNK", "-ERR syntax error\r\n"),
    SAID("HSCAN h 0 TYPE hash", "-ERR syntax error\r\n"),
    SAID("HSCAN h 0 COUNT 1 MATCH b", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("HSCAN h x", "-ERR invalid cursor\r\n"),
    SAID("HSCAN h \"\"",
         "*2\r\n$1\r\n0\r\n*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$3\r\nabc\r\n$1\r\n3\r\n$2\r"
         "\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h -1",
         "*2\r\n$1\r\n0\r\n*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$3\r\nabc\r\n$1\r\n3\r\n$2\r"
         "\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h 5",
         "*2\r\n$1\r\n0\r\n*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$3\r\nabc\r\n$1\r\n3\r\n$2\r"
         "\n12\r\n$1\r\n4\r\n$2\r\n13\r\n$4\r\nfive\r\n"),
    SAID("HSCAN h 18446744073709551616", "-ERR invalid cursor\r\n"),
    SAID("HSCAN h", "-ERR wrong number of arguments for 'hscan' command\r\n"),
    SAID("HSCAN", "-ERR wrong number of arguments for 'hscan' command\r\n"),
};

static const exchange valkey_scans_without_values[] = {
    SAID("HSET h a 1 b 2 abc 3 12 4 13 five", ":5\r\n"),
    SAID("HSCAN h 0 NOVALUES", "*2\r\n$1\r\n0\r\n*5\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nabc\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("HSCAN h 0 NOVALUES MATCH a*", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\nabc\r\n"),
    SAID("HSCAN h 0 MATCH a* NOVALUES COUNT 1", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$3\r\nabc\r\n"),
    SAID("HSCAN h 0 novalues novalues",
         "*2\r\n$1\r\n0\r\n*5\r\n$1\r\na\r\n$1\r\nb\r\n$3\r\nabc\r\n$2\r\n12\r\n$2\r\n13\r\n"),
    SAID("HSCAN h 0 COUNT NOVALUES", "-ERR value is not an integer or out of range\r\n"),
    SAID("HSCAN h 0 MATCH NOVALUES", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("HSCAN none 0 NOVALUES", "*2\r\n$1\r\n0\r\n*0\r\n"),
};

static const exchange resp3_shapes[] = {
    SAID("HSET h a 1 b x", ":2\r\n"),
    SAID("HGETALL h", "%2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\nx\r\n"),
    SAID("HGETALL none", "%0\r\n"),
    SAID("HKEYS h", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("HVALS h", "*2\r\n$1\r\n1\r\n$1\r\nx\r\n"),
    SAID("HKEYS none", "*0\r\n"),
    SAID("HGET h x", "_\r\n"),
    SAID("HMGET h x a", "*2\r\n_\r\n$1\r\n1\r\n"),
    SAID("HMGET none x", "*1\r\n_\r\n"),
    SAID("HRANDFIELD none", "_\r\n"),
    SAID("HRANDFIELD none 1", "*0\r\n"),
    SAID("HRANDFIELD none 1 WITHVALUES", "*0\r\n"),
    SAID("HRANDFIELD h 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("HRANDFIELD h 2 WITHVALUES", "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\nx\r\n"),
    SAID("HSET one a 1", ":1\r\n"),
    SAID("HRANDFIELD one -3 WITHVALUES",
         "*3\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HRANDFIELD one -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"),
    SAID("HRANDFIELD one 1 WITHVALUES", "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("HRANDFIELD one", "$1\r\na\r\n"),
    SAID("HSCAN h 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\nx\r\n"),
    SAID("HSCAN none 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
    SAID("HINCRBYFLOAT h f 1.5", "$3\r\n1.5\r\n"),
};

static const exchange encodings[] = {
    SAID("HSET h a 1", ":1\r\n"),
    SAID("OBJECT ENCODING h", "$8\r\nlistpack\r\n"),
    SAID("HSET h a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":0\r\n"),
    SAID("OBJECT ENCODING h", "$8\r\nlistpack\r\n"),
    SAID("HSET h a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":0\r\n"),
    SAID("OBJECT ENCODING h", "$9\r\nhashtable\r\n"),
    SAID("HSET h a 1", ":0\r\n"),
    SAID("OBJECT ENCODING h", "$9\r\nhashtable\r\n"),
    SAID("HSET f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1", ":1\r\n"),
    SAID("OBJECT ENCODING f", "$8\r\nlistpack\r\n"),
    SAID("HSET f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1", ":1\r\n"),
    SAID("OBJECT ENCODING f", "$9\r\nhashtable\r\n"),
    SAID("HDEL f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING f", "$9\r\nhashtable\r\n"),
    SAID("HSETNX n a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("OBJECT ENCODING n", "$9\r\nhashtable\r\n"),
    SAID("HSET i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1", ":1\r\n"),
    SAID("HINCRBY i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1", ":2\r\n"),
    SAID("OBJECT ENCODING i", "$9\r\nhashtable\r\n"),
    SAID("HSETNX x a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":1\r\n"),
    SAID("HSETNX x a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ":0\r\n"),
    SAID("OBJECT ENCODING x", "$9\r\nhashtable\r\n"),
};

static const happening told[] = {
    TOLD("HSET h a 1", "n0:new:h h0:hset:h"),
    TOLD("HSET h a 1 b 2 c 3", "h0:hset:h"),
    TOLD("HMSET h a 1 d 2", "h0:hset:h"),
    TOLD("HSETNX h a 1", ""),
    TOLD("HSETNX h e 1", "h0:hset:h"),
    TOLD("HSETNX new e 1", "n0:new:new h0:hset:new"),
    TOLD("HINCRBY h n 1", "h0:hincrby:h"),
    TOLD("HINCRBY h a x", ""),
    TOLD("HINCRBY num a 5", "n0:new:num h0:hincrby:num"),
    TOLD("HINCRBYFLOAT h n 1.5", "h0:hincrbyfloat:h"),
    TOLD("HINCRBYFLOAT h f x", ""),
    TOLD("HINCRBYFLOAT float f 1", "n0:new:float h0:hincrbyfloat:float"),
    TOLD("HGET h a", ""),
    TOLD("HGET none a", "m0:keymiss:none"),
    TOLD("HMGET none a", "m0:keymiss:none"),
    TOLD("HMGET h none", ""),
    TOLD("HGETALL none", "m0:keymiss:none"),
    TOLD("HKEYS none", "m0:keymiss:none"),
    TOLD("HVALS none", "m0:keymiss:none"),
    TOLD("HLEN none", "m0:keymiss:none"),
    TOLD("HSTRLEN none a", "m0:keymiss:none"),
    TOLD("HEXISTS none a", "m0:keymiss:none"),
    TOLD("HRANDFIELD none", "m0:keymiss:none"),
    TOLD("HRANDFIELD none 5", "m0:keymiss:none"),
    TOLD("HSCAN none 0", "m0:keymiss:none"),
    TOLD("HDEL none a", ""),
    TOLD("HDEL h none", ""),
    TOLD("HDEL h a none b", "h0:hdel:h"),
    TOLD("HDEL new e", "h0:hdel:new g0:del:new"),
    TOLD("HDEL h c d e n", "h0:hdel:h g0:del:h"),
    TOLD("EXISTS h", "m0:keymiss:h"),
    TOLD("HSET h a 1", "n0:new:h h0:hset:h"),
    TOLD("COPY h h2", "n0:new:h2 g0:copy_to:h2"),
    TOLD("RENAME h2 h3", "n0:new:h3 g0:rename_from:h2 g0:rename_to:h3"),
    TOLD("MOVE h3 1", "n1:new:h3 g0:move_from:h3 g1:move_to:h3"),
    TOLD("EXPIRE h 100", "g0:expire:h"),
    TOLD("DEL h", "g0:del:h"),
    TOLD("HSET h a 1 b 2", "n0:new:h h0:hset:h"),
    TOLD("SET h x", "$0:set:h"),
    TOLD("HSET h a 1", ""),
};

static void fields_are_set_read_and_deleted(void) { REPLAY(setting); }
static void counters_stay_within_64_bits(void) { REPLAY(numbers); }
static void other_types_are_refused(void) { REPLAY(wrong_types); }
static void random_fields_have_the_asked_shape(void) { REPLAY(randoms); }
static void a_small_hash_is_scanned_at_once(void) {
  REPLAY(scans);
  REPLAY(valkey_scans_without_values);
}
static void listeners_are_told_what_redis_tells(void) { replay_events(told, sizeof told / sizeof *told); }
static void resp3_has_maps_and_pairs(void) { REPLAY3(resp3_shapes); }
static void the_encoding_has_the_name_that_redis_gives_it(void) { REPLAY(encodings); }

/* ---- properties ---- */

static uint64_t seed = 88172645463325252ull;
static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

static void say(rig_client *c, unsigned argc, const rd_bytes *argv) {
  char head[32];
  size_t n = (size_t)snprintf(head, sizeof head, "*%u\r\n", argc);
  c->len = 0;
  rig_feed(c, head, n, n);
  for (unsigned i = 0; i < argc; i++) {
    n = (size_t)snprintf(head, sizeof head, "$%zu\r\n", argv[i].len);
    rig_feed(c, head, n, n);
    if (argv[i].len != 0) rig_feed(c, argv[i].data, argv[i].len, argv[i].len);
    rig_feed(c, "\r\n", 2, 2);
  }
}
static rd_bytes word(const char *text) { return (rd_bytes){(const uint8_t *)text, strlen(text)}; }
static rd_bytes number(char text[RD_I64_TEXT], int64_t n) {
  return (rd_bytes){(const uint8_t *)text, rd_format_i64(text, n)};
}

/* A reply as a list of its bulks and integers, in order; heads of arrays are left out. */
typedef struct parts {
  rd_bytes at[8192];
  size_t n;
} parts;

static void parse_reply(const rig_client *c, parts *found) {
  found->n = 0;
  for (size_t i = 0; i < c->len;) {
    const uint8_t *line = c->out + i, *end = memchr(line, '\n', c->len - i);
    long long n = strtoll((const char *)line + 1, NULL, 10);
    i = (size_t)(end + 1 - c->out);
    if (*line == '*' || *line == '%') continue;
    if (found->n == sizeof found->at / sizeof *found->at) break;
    if (*line == '$' && n >= 0) {
      found->at[found->n++] = (rd_bytes){c->out + i, (size_t)n};
      i += (size_t)n + 2;
    } else {
      found->at[found->n++] = (rd_bytes){*line == '$' ? NULL : line + 1, (size_t)(end - 2 - line)};
    }
  }
}

static void hears_int(rig_client *c, long long n) {
  char text[32];
  snprintf(text, sizeof text, ":%lld\r\n", n);
  CHECK_TEXT(c->out, c->len, text);
}

/* ---- a hash beside a plain array ---- */

enum { FIELDS = 3000, VALUE_MAX = 70000 };

typedef struct model {
  bool there[FIELDS];
  uint64_t value[FIELDS]; /* what its value is made of */
  uint32_t count;
} model;

/* The text of a field: a number, a short text or a long one. */
static rd_bytes field_of(uint8_t *to, uint32_t i) {
  size_t len = i % 3 == 0   ? (size_t)sprintf((char *)to, "%u", i)
               : i % 3 == 1 ? (size_t)sprintf((char *)to, "field:%u", i)
                            : (size_t)sprintf((char *)to, "%*u", (int)(i % 900), i);
  return (rd_bytes){to, len};
}
static rd_bytes value_of(uint8_t *to, uint64_t made_of) {
  static const uint32_t lengths[] = {3, 20, 100, 190, 191, 192, 500, 511, 512, 513, 1500, 9000, VALUE_MAX};
  if (made_of % 3 == 0) return (rd_bytes){to, rd_format_i64((char *)to, (int64_t)made_of >> (made_of >> 8 & 63))};
  uint32_t kind = made_of % 64 < 60 ? (uint32_t)(made_of % 3) : (uint32_t)(made_of >> 6) % 13;
  for (uint32_t i = 0; i < lengths[kind]; i++) to[i] = (uint8_t)(made_of + i * 7);
  return (rd_bytes){to, lengths[kind]};
}

static void step(rig_client *c, model *m, uint64_t bias) {
  static uint8_t field[1000], value[VALUE_MAX];
  uint32_t i = (uint32_t)(next_random() % FIELDS);
  rd_bytes f = field_of(field, i);
  uint64_t what = next_random() % 100;
  if (what < bias) {
    uint64_t made_of = next_random();
    say(c, 4, (rd_bytes[]){word("HSET"), word("h"), f, value_of(value, made_of)});
    hears_int(c, !m->there[i]);
    m->count += !m->there[i];
    m->there[i] = true;
    m->value[i] = made_of;
  } else if (what < 80) {
    say(c, 3, (rd_bytes[]){word("HDEL"), word("h"), f});
    hears_int(c, m->there[i]);
    m->count -= m->there[i];
    m->there[i] = false;
  } else {
    say(c, 3, (rd_bytes[]){word("HGET"), word("h"), f});
    parts *reply = malloc(sizeof *reply);
    parse_reply(c, reply);
    CHECK_INT(reply->n, 1);
    if (!m->there[i]) {
      CHECK(reply->n == 1 && reply->at[0].data == NULL);
    } else {
      rd_bytes v = value_of(value, m->value[i]);
      if (reply->n == 1) CHECK_BYTES(reply->at[0].data, reply->at[0].len, v.data, v.len);
    }
    free(reply);
  }
}

static void a_hash_holds_what_was_set_while_it_grows_and_shrinks(void) {
  rd_store st;
  int fd = rig_open(&st, 256u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  model *m = calloc(1, sizeof *m);
  static const uint64_t biases[] = {60, 10, 70, 5, 40};
  for (size_t phase = 0; phase < 5 && check_ok; phase++) {
    for (int n = 0; n < 8000 && check_ok; n++) step(&c, m, biases[phase]);
    say(&c, 2, (rd_bytes[]){word("HLEN"), word("h")});
    hears_int(&c, m->count);
    parts *all = malloc(sizeof *all);
    say(&c, 2, (rd_bytes[]){word("HKEYS"), word("h")});
    parse_reply(&c, all);
    CHECK_INT(all->n, m->count);
    free(all);
    char err[200];
    CHECK_INT(rd_check(&st, err, sizeof err), 0);
  }
  for (uint32_t i = 0; i < FIELDS; i++) {
    uint8_t field[1000];
    say(&c, 3, (rd_bytes[]){word("HDEL"), word("h"), field_of(field, i)});
    hears_int(&c, m->there[i]);
  }
  c.len = 0;
  RIG_ASK(&c, "EXISTS h\r\n", ":0\r\n");
  free(m);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- HSCAN ---- */

static void set_numbered(rig_client *c, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++) {
    char field[32];
    snprintf(field, sizeof field, "field:%u", i);
    say(c, 4, (rd_bytes[]){word("HSET"), word("h"), word(field), word("v")});
  }
}
static void delete_numbered(rig_client *c, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; i++) {
    char field[32];
    snprintf(field, sizeof field, "field:%u", i);
    say(c, 3, (rd_bytes[]){word("HDEL"), word("h"), word(field)});
  }
}

static void a_field_that_stays_is_returned_by_every_scan(void) {
  enum { STAY = 40, MOST = 6000 };
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  parts *reply = malloc(sizeof *reply);
  for (int round = 0; round < 60 && check_ok; round++) {
    uint32_t size = round % 3 == 0 ? STAY : STAY + (uint32_t)(next_random() % (MOST - STAY));
    say(&c, 2, (rd_bytes[]){word("DEL"), word("h")});
    set_numbered(&c, 0, size);
    bool seen[STAY] = {false};
    char cursor[32] = "0";
    int calls = 0;
    do {
      char count[RD_I64_TEXT];
      say(&c, 5,
          (rd_bytes[]){word("HSCAN"), word("h"), word(cursor), word("COUNT"),
                       number(count, 1 + (int64_t)(next_random() % 200))});
      parse_reply(&c, reply);
      CHECK_INT(reply->n % 2, 1);
      snprintf(cursor, sizeof cursor, "%.*s", (int)reply->at[0].len, (const char *)reply->at[0].data);
      CHECK(strtoull(cursor, NULL, 10) < 1ull << 53);
      for (size_t i = 1; i < reply->n; i += 2) {
        char field[32];
        snprintf(field, sizeof field, "%.*s", (int)reply->at[i].len, (const char *)reply->at[i].data);
        unsigned n = (unsigned)atoi(field + 6);
        if (n < STAY) seen[n] = true;
      }
      /* Between two calls the hash grows or shrinks, often to one that is packed. */
      if (next_random() % 3 == 0) {
        uint32_t other = next_random() % 2 ? STAY : STAY + (uint32_t)(next_random() % (MOST - STAY));
        if (other > size)
          set_numbered(&c, size, other);
        else
          delete_numbered(&c, other, size);
        size = other;
      }
      if (++calls > 100000) CHECK_FAIL("a scan does not end");
    } while (strcmp(cursor, "0") != 0 && check_ok);
    for (int i = 0; i < STAY; i++) CHECK(seen[i]);
  }
  free(reply);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- HRANDFIELD ---- */

/* Pearson's statistic of `times` draws over 1,000 fields has mean 999 and deviation 45: 1,250 is exceeded by chance
 * once in ten million runs. */
static void draws_are_uniform(rig_client *c, const char *count, unsigned calls) {
  enum { N = 1000 };
  static uint32_t hits[N];
  memset(hits, 0, sizeof hits);
  parts *reply = malloc(sizeof *reply);
  uint64_t drawn = 0;
  for (unsigned i = 0; i < calls; i++) {
    say(c, 3, (rd_bytes[]){word("HRANDFIELD"), word("h"), word(count)});
    parse_reply(c, reply);
    bool twice[N] = {false};
    for (size_t k = 0; k < reply->n; k++) {
      char field[32];
      snprintf(field, sizeof field, "%.*s", (int)reply->at[k].len, (const char *)reply->at[k].data);
      unsigned n = (unsigned)atoi(field + 6);
      if (n >= N) break;
      hits[n]++;
      if (count[0] != '-' && twice[n]) CHECK_FAIL("a field twice");
      twice[n] = true;
      drawn++;
    }
  }
  double expected = (double)drawn / N, sum = 0;
  for (int i = 0; i < N; i++) sum += (hits[i] - expected) * (hits[i] - expected) / expected;
  /* Draws without replacement vary less. */
  double free_part = count[0] == '-' ? 1 : 1 - atof(count) / N;
  if (sum > 1250 * free_part) CHECK_FAIL("HRANDFIELD h %s: chi-square is %.0f", count, sum);
  free(reply);
}

static void random_fields_are_uniform(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  set_numbered(&c, 0, 1000);
  draws_are_uniform(&c, "-100", 2000);
  draws_are_uniform(&c, "1", 100000);
  draws_are_uniform(&c, "10", 10000);
  draws_are_uniform(&c, "200", 1000);
  draws_are_uniform(&c, "300", 1000);
  draws_are_uniform(&c, "900", 1000);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- finding ---- */

/* Names of one length and of others that end, or begin, alike. */
static void alike(char to[80], uint32_t i) {
  switch (i % 4) {
    case 0:
      snprintf(to, 80, "%04u:the same end", i);
      break;
    case 1:
      snprintf(to, 80, "the same beginning:%04u", i);
      break;
    case 2:
      memset(to, 'x', 60);
      snprintf(to + i % 30, 40, "%u-12345678", i);
      break;
    default:
      snprintf(to, 80, "%u", i);
  }
}

static void names_that_are_alike_are_told_apart(void) {
  static const char *const values[] = {"1", "a value of one length", "another value of another length", ""};
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  for (uint32_t shape = 0; shape < 5; shape++) { /* all values of one length, or of several */
    for (uint32_t most = 20; most <= 2000; most *= 10) {
      c.len = 0;
      RIG_ASK(&c, "FLUSHALL\r\n", "+OK\r\n");
      for (uint32_t i = 0; i < 2 * most; i++) {
        char name[80];
        uint32_t n = i % most;
        alike(name, n);
        const char *value = values[shape < 4 ? shape : n / 7 % 4];
        say(&c, 4, (rd_bytes[]){word("HSET"), word("h"), word(name), word(value)});
        hears_int(&c, i < most);
        say(&c, 3, (rd_bytes[]){word("SADD"), word("s"), word(name)});
        hears_int(&c, i < most);
      }
    }
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- thresholds ---- */

static void a_hash_of_many_fields_is_shown_as_a_hashtable(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  for (uint32_t most = 0; most < 600; most = most < 4 ? most + 1 : most * 4) {
    st.type_limits.hash_entries = most;
    c.len = 0;
    RIG_ASK(&c, "FLUSHALL\r\n", "+OK\r\n");
    set_numbered(&c, 0, most);
    c.len = 0;
    if (most > 0) RIG_ASK(&c, "OBJECT ENCODING h\r\n", "$8\r\nlistpack\r\n");
    set_numbered(&c, most, most + 1);
    c.len = 0;
    RIG_ASK(&c, "OBJECT ENCODING h\r\nHDEL h field:0\r\nHSET h x x\r\nOBJECT ENCODING h\r\n",
            "$9\r\nhashtable\r\n:1\r\n:1\r\n$9\r\nhashtable\r\n");
  }
  st.type_limits.hash_entries = 3;
  /* Redis decides by the number of pairs before it looks at them. */
  RIG_ASK(&c, "HSET p a 1 a 2 a 3\r\nOBJECT ENCODING p\r\nHSET p a 1 a 2 a 3 a 4\r\nOBJECT ENCODING p\r\n",
          ":1\r\n$8\r\nlistpack\r\n:0\r\n$9\r\nhashtable\r\n");
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(fields_are_set_read_and_deleted);
  RUN(counters_stay_within_64_bits);
  RUN(other_types_are_refused);
  RUN(random_fields_have_the_asked_shape);
  RUN(a_small_hash_is_scanned_at_once);
  RUN(listeners_are_told_what_redis_tells);
  RUN(resp3_has_maps_and_pairs);
  RUN(the_encoding_has_the_name_that_redis_gives_it);
  RUN(a_hash_of_many_fields_is_shown_as_a_hashtable);
  RUN(names_that_are_alike_are_told_apart);
  RUN(a_hash_holds_what_was_set_while_it_grows_and_shrinks);
  RUN(a_field_that_stays_is_returned_by_every_scan);
  RUN(random_fields_are_uniform);
  return check_end();
}
