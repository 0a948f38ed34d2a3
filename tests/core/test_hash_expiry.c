/* test_hash_expiry.c - fields that expire: the replies of Valkey 9, events, the sweep, and a model. */
#include "told.h"

static const exchange valkey_expiry[] = {
    SAID("hset h a 1 b 2 c 3", ":3\r\n"),
    SAID("hexpire h 100 fields 2 a x", "*2\r\n:1\r\n:-2\r\n"),
    SAID("hexpire h 100 nx fields 2 a b", "*2\r\n:0\r\n:1\r\n"),
    SAID("hexpire h 50 gt fields 2 a c", "*2\r\n:0\r\n:0\r\n"),
    SAID("hexpire h 50 lt fields 2 a c", "*2\r\n:1\r\n:1\r\n"),
    SAID("hexpire h 50 xx fields 2 a c", "*2\r\n:1\r\n:1\r\n"),
    SAID("hexpire h 50 xx nx fields 2 a c", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("hexpire h 50 gt lt fields 2 a c", "-ERR GT and LT options at the same time are not compatible\r\n"),
    SAID("hexpire h 500 xx gt fields 1 a", "*1\r\n:1\r\n"),
    SAID("hexpire h 50 nx nx fields 1 a", "*1\r\n:0\r\n"),
    SAID("hexpire h 50 fields 1 a nx",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire none 50 fields 1 a", "*1\r\n:-2\r\n"),
    SAID("hexpire h x fields 1 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hexpire h -1 fields 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"),
    SAID("hexpire none -1 fields 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"),
    SAID("hexpire h 0 fields 1 zz", "*1\r\n:-2\r\n"),
    SAID("hexpire h 0 fields 1 a", "*1\r\n:2\r\n"),
    SAID("hgetall h", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("hexpire h 100 fields 0 b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 fields 0", "-ERR wrong number of arguments for 'hexpire' command\r\n"),
    SAID("hexpire h 100 fields 3 b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 fields 1 b c",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 fields x b", "-ERR value is not an integer or out of range\r\n"),
    SAID("hexpire h 100 fields -1 b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 field 1 b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 junk fields 1 b", "-ERR Unsupported option junk\r\n"),
    SAID("hexpire h 100 fields 2 b b", "*2\r\n:1\r\n:1\r\n"),
    SAID("httl h fields 3 b c zz", "*3\r\n:100\r\n:50\r\n:-2\r\n"),
    SAID("httl none fields 2 b c", "*2\r\n:-2\r\n:-2\r\n"),
    SAID("httl h fields 2 b", "-ERR syntax error\r\n"),
    SAID("httl h fields 0 b", "-ERR syntax error\r\n"),
    SAID("httl h field 1 b", "-ERR syntax error\r\n"),
    SAID("httl h 1 b b", "-ERR syntax error\r\n"),
    SAID("httl h fields x b", "-ERR value is not an integer or out of range\r\n"),
    SAID("httl h fields 1 b c", "-ERR syntax error\r\n"),
    SAID("hpersist h fields 3 b b c", "*3\r\n:1\r\n:-1\r\n:1\r\n"),
    SAID("hpersist none fields 1 b", "*1\r\n:-2\r\n"),
    SAID("hpersist h fields 1 zz", "*1\r\n:-2\r\n"),
    SAID("object encoding h", "$9\r\nhashtable\r\n"),
    SAID("set s v", "+OK\r\n"),
    SAID("hexpire s 100 fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hexpire s x fields 1 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("httl s fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("httl s fields 5 a", "-ERR syntax error\r\n"),
    SAID("hpersist s fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hgetex s fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hsetex s fields 1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hgetdel s fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hexpireat h 1 fields 1 c", "*1\r\n:2\r\n"),
    SAID("hgetall h", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("hpexpireat h 1 fields 2 b c", "*2\r\n:2\r\n:-2\r\n"),
    SAID("exists h", ":0\r\n"),
};

static const exchange valkey_getex_and_setex[] = {
    SAID("hset h a 1 b 2 c 3", ":3\r\n"),
    SAID("hgetex h fields 2 a x", "*2\r\n$1\r\n1\r\n$-1\r\n"),
    SAID("hgetex h ex 100 fields 2 a x", "*2\r\n$1\r\n1\r\n$-1\r\n"),
    SAID("httl h fields 2 a b", "*2\r\n:100\r\n:-1\r\n"),
    SAID("hgetex h ex 100 px 100 fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h ex 100 ex 50 fields 1 a", "*1\r\n$1\r\n1\r\n"),
    SAID("hgetex h ex fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h ex 0 fields 1 a", "*1\r\n$1\r\n1\r\n"),
    SAID("hgetex h ex -1 fields 1 a", "-ERR invalid expire time in 'hgetex' command\r\n"),
    SAID("hgetex h ex x fields 1 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hgetex h persist fields 1 a", "*1\r\n$-1\r\n"),
    SAID("hgetex h persist persist fields 1 a", "*1\r\n$-1\r\n"),
    SAID("hgetex h persist ex 10 fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h fields 1 a persist",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h fields 1 a ex 10",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h fields 2 a ex 10",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h fields 0 a", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h fields 1 a b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h fields 3 a b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hgetex h junk fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h nx fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h fields a", "-ERR wrong number of arguments for 'hgetex' command\r\n"),
    SAID("hgetex h 1 a b", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex none fields 2 a b", "*2\r\n$-1\r\n$-1\r\n"),
    SAID("hgetex none ex 100 fields 2 a b", "*2\r\n$-1\r\n$-1\r\n"),
    SAID("hgetex h exat 1 fields 1 a", "*1\r\n$-1\r\n"),
    SAID("hgetall h", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
    SAID("hgetex h pxat 1 fields 2 b c", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("exists h", ":0\r\n"),
    SAID("hsetex h ex 100 fields 2 a 1 b 2", ":1\r\n"),
    SAID("httl h fields 2 a b", "*2\r\n:100\r\n:100\r\n"),
    SAID("hsetex h fields 1 a 5", ":1\r\n"),
    SAID("httl h fields 2 a b", "*2\r\n:-1\r\n:100\r\n"),
    SAID("hsetex h keepttl fields 1 b 7", ":1\r\n"),
    SAID("httl h fields 2 a b", "*2\r\n:-1\r\n:100\r\n"),
    SAID("hsetex h fnx fields 2 a 1 zz 5", ":0\r\n"),
    SAID("hsetex h fnx fields 2 z1 1 z2 5", ":1\r\n"),
    SAID("hsetex h fxx fields 2 z1 1 nope 5", ":0\r\n"),
    SAID("hsetex h fxx fields 2 z1 1 z2 6", ":1\r\n"),
    SAID("hgetall h",
         "*8\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nb\r\n$1\r\n7\r\n$2\r\nz1\r\n$1\r\n1\r\n$2\r\nz2\r\n$1\r\n6\r\n"),
    SAID("hsetex h fnx fxx fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h fnx fnx fields 1 q 1", ":1\r\n"),
    SAID("hsetex h nx fields 1 a 1", ":0\r\n"),
    SAID("hsetex h xx fields 1 a 1", ":1\r\n"),
    SAID("hsetex none nx fields 1 a 1", ":1\r\n"),
    SAID("hsetex none2 xx fields 1 a 1", ":0\r\n"),
    SAID("hsetex h nx xx fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h fields 1 a", "-ERR wrong number of arguments for 'hsetex' command\r\n"),
    SAID("hsetex h fields 1 a 1 b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 1 a 1 b 2",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 2 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 0 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h ex 0 fields 1 a 1", ":1\r\n"),
    SAID("hsetex h ex -5 fields 1 a 1", "-ERR invalid expire time in 'hsetex' command\r\n"),
    SAID("hsetex h exat 1 fields 1 a 1", ":1\r\n"),
    SAID("hexists h a", ":0\r\n"),
    SAID("hsetex new exat 1 fields 1 a 1", ":1\r\n"),
    SAID("exists new", ":0\r\n"),
    SAID("hsetex new fxx fields 1 a 1", ":0\r\n"),
    SAID("hsetex new fnx fields 1 a 1", ":1\r\n"),
    SAID("hsetex h ex 10 keepttl fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h keepttl ex 10 fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h ex 10 px 10 fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h persist fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h fields 1 a 1 ex 10",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 2 a 1 ex 10", ":1\r\n"),
    SAID("hsetex h ex 10", "-ERR wrong number of arguments for 'hsetex' command\r\n"),
    SAID("hsetex h fields 2 a 1 a 2", ":1\r\n"),
    SAID("hsetex new3 fnx fields 2 a 1 a 2", ":1\r\n"),
    SAID("hget new3 a", "$1\r\n2\r\n"),
    SAID("hgetdel h fields 2 a nope", "*2\r\n$1\r\n2\r\n$-1\r\n"),
    SAID("hgetdel h fields 1", "-ERR wrong number of arguments for 'hgetdel' command\r\n"),
    SAID("hgetdel h fields 0 a", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetdel h fields 2 a", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetdel h fields 1 a b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetdel h field 1 a", "-ERR syntax error\r\n"),
    SAID("hgetdel h fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hgetdel none fields 2 a b", "*2\r\n$1\r\n1\r\n$-1\r\n"),
    SAID("hgetdel h fields 3 b b z1", "*3\r\n$1\r\n7\r\n$-1\r\n$1\r\n1\r\n"),
    SAID("hkeys h", "*3\r\n$2\r\nz2\r\n$1\r\nq\r\n$2\r\nex\r\n"),
    SAID("hgetdel h fields 3 z2 q a", "*3\r\n$1\r\n6\r\n$1\r\n1\r\n$-1\r\n"),
    SAID("exists h", ":1\r\n"),
};

static const exchange valkey_order_of_errors[] = {
    SAID("set s v", "+OK\r\n"),
    SAID("hset h a 1 b 2 fields 3", ":3\r\n"),
    SAID("hexpire h x fields 0 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h x junk fields 1 a", "-ERR Unsupported option junk\r\n"),
    SAID("hexpire h -1 junk fields 1 a", "-ERR Unsupported option junk\r\n"),
    SAID("hexpire h -1 nx xx fields 1 a", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("hexpire h x nx xx fields 1 a", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("hexpire h x nx xx fields 0 a", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("hexpire h -1 fields 0 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h -1 fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hexpire h x fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hexpire h 1 nx xx fields 0 a", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
    SAID("hexpire h 1 junk fields 0 a", "-ERR Unsupported option junk\r\n"),
    SAID("hexpire h 1 junk fields x a", "-ERR Unsupported option junk\r\n"),
    SAID("hexpire h x field 1 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire s x field 1 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire s 1 field 1 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire s 1 junk fields 1 a", "-ERR Unsupported option junk\r\n"),
    SAID("hexpire h 100 nx fields 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 nx nx fields",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 fields fields 1 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hexpire h 100 fields 1 fields", "*1\r\n:1\r\n"),
    SAID("hexpire h 100 FIELDS 1 fields", "*1\r\n:1\r\n"),
    SAID("hexpire h 100 fields 2 fields 1", "*2\r\n:1\r\n:-2\r\n"),
    SAID("hexpire h 100 fields 9223372036854775807 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hexpire h 100 fields 9223372036854775808 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hexpire h 9223372036854775808 fields 1 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hpexpireat h -1 fields 1 a", "-ERR invalid expire time in 'hpexpireat' command\r\n"),
    SAID("hpexpireat h 0 fields 1 a", "*1\r\n:2\r\n"),
    SAID("hset h a 1", ":1\r\n"),
    SAID("hexpireat h 0 fields 1 a", "*1\r\n:2\r\n"),
    SAID("hset h a 1", ":1\r\n"),
    SAID("httl h fields", "-ERR wrong number of arguments for 'httl' command\r\n"),
    SAID("httl h fields 1", "-ERR wrong number of arguments for 'httl' command\r\n"),
    SAID("httl h fields 9223372036854775808 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("httl s fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("httl s field 1 a", "-ERR syntax error\r\n"),
    SAID("httl none field 1 a", "-ERR syntax error\r\n"),
    SAID("httl h xx fields 1 a", "-ERR syntax error\r\n"),
    SAID("httl h FIELDS 1 a", "*1\r\n:-1\r\n"),
    SAID("hpersist h field 1 a", "-ERR syntax error\r\n"),
    SAID("hpersist h fields 0 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hpersist h fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hpersist h fields 2 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hpersist h fields 1 a b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hpersist s fields 2 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hpersist h x fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hgetex h ex x fields x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hgetex h ex x fields 0 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h ex -1 fields 0 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex h ex -1 junk fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex s ex -1 fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hgetex s ex x fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hgetex s junk fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex s fields 2 a", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetex none ex -1 fields 1 a", "-ERR invalid expire time in 'hgetex' command\r\n"),
    SAID("hgetex h ex 9223372036854775807 fields 1 a", "-ERR invalid expire time in 'hgetex' command\r\n"),
    SAID("hgetex h keepttl fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h fields fields 1 a", "-ERR value is not an integer or out of range\r\n"),
    SAID("hgetex h ex fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetex h fields 1", "-ERR wrong number of arguments for 'hgetex' command\r\n"),
    SAID("hgetex h ex 5 fields 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex s ex -1 fields 1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hsetex s ex x fields 1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hsetex h ex x fields x a 1", "-ERR value is not an integer or out of range\r\n"),
    SAID("hsetex h ex x fields 0 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h ex x fields 2 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h ex -1 fields 2 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h junk fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h ex x junk fields 1 a 1", "-ERR syntax error\r\n"),
    SAID("hsetex h fnx fields 1 a 1 fxx",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields x a 1", "-ERR value is not an integer or out of range\r\n"),
    SAID("hsetex h field 1 a 1", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fnx field 1 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h ex 5 fields 1 a",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h ex 5 fields 1 a 1 b",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 3 a 1 b 2 c",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 4611686018427387904 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex h fields 9223372036854775807 a 1",
         "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hsetex none xx ex -1 fields 1 a 1", ":0\r\n"),
    SAID("hsetex none fxx ex 0 fields 1 a 1", ":0\r\n"),
    SAID("hsetex h xx fnx fields 1 a 1", ":0\r\n"),
    SAID("hsetex h xx fxx ex 5 fields 1 a 1", ":1\r\n"),
    SAID("hsetex h ex 5 xx fxx fields 1 a 1", ":1\r\n"),
    SAID("hsetex h ex 5 ex 6 fields 1 a 1", ":1\r\n"),
    SAID("httl h fields 1 a", "*1\r\n:6\r\n"),
    SAID("hsetex h keepttl keepttl fields 1 a 1", ":1\r\n"),
    SAID("httl h fields 1 a", "*1\r\n:6\r\n"),
    SAID("hsetex h keepttl fnx fields 2 zz 1 a 1", ":0\r\n"),
    SAID("hsetex s fnx fields 1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hsetex s xx fields 1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hsetex s nx fields 1 a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("hgetdel s fields 0 a", "-ERR numfields should be greater than 0 and match the provided number of fields\r\n"),
    SAID("hgetdel s field 1 a", "-ERR syntax error\r\n"),
    SAID("hgetdel h x fields 1 a", "-ERR syntax error\r\n"),
    SAID("hgetdel h fields 2 a a", "*2\r\n$1\r\n1\r\n$-1\r\n"),
    SAID("hset h a 1", ":1\r\n"),
    SAID("hgetdel h fields 2 a a", "*2\r\n$1\r\n1\r\n$-1\r\n"),
    SAID("hexpire h 100 fields 1 nosuch", "*1\r\n:-2\r\n"),
    SAID("hexpire h 0 fields 2 b b", "*2\r\n:2\r\n:-2\r\n"),
    SAID("hexpire h 0 xx fields 2 fields zz", "*2\r\n:2\r\n:-2\r\n"),
    SAID("hexpire h 100 lt fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hexpire h 100 gt fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hexpire h 200 gt fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hexpire h 200 lt fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hexpire h 200 gt xx fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hexpire h 0 gt fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hexpire h 0 nx fields 1 fields", "*1\r\n:-2\r\n"),
    SAID("hgetall h", "*0\r\n"),
};

static const exchange valkey_times_are_kept[] = {
    SAID("hset h a 1 b 2", ":2\r\n"),
    SAID("hexpireat h 4000000000 fields 1 a", "*1\r\n:1\r\n"),
    SAID("hexpiretime h fields 3 a b c", "*3\r\n:4000000000\r\n:-1\r\n:-2\r\n"),
    SAID("hpexpiretime h fields 3 a b c", "*3\r\n:4000000000000\r\n:-1\r\n:-2\r\n"),
    SAID("hpexpireat h 4000000000499 fields 1 a", "*1\r\n:1\r\n"),
    SAID("hexpiretime h fields 1 a", "*1\r\n:4000000000\r\n"),
    SAID("hpexpireat h 4000000000500 fields 1 a", "*1\r\n:1\r\n"),
    SAID("hexpiretime h fields 1 a", "*1\r\n:4000000001\r\n"),
    SAID("hpexpireat h 200000000000000 fields 1 a", "*1\r\n:1\r\n"),
    SAID("hpexpiretime h fields 1 a", "*1\r\n:200000000000000\r\n"),
    SAID("hincrby h a 5", ":6\r\n"),
    SAID("hpexpiretime h fields 1 a", "*1\r\n:200000000000000\r\n"),
    SAID("hincrbyfloat h a 0.5", "$3\r\n6.5\r\n"),
    SAID("hpexpiretime h fields 1 a", "*1\r\n:200000000000000\r\n"),
    SAID("hsetnx h a 5", ":0\r\n"),
    SAID("hpexpiretime h fields 1 a", "*1\r\n:200000000000000\r\n"),
    SAID("copy h h2", ":1\r\n"),
    SAID("hpexpiretime h2 fields 2 a b", "*2\r\n:200000000000000\r\n:-1\r\n"),
    SAID("rename h2 h3", "+OK\r\n"),
    SAID("hpexpiretime h3 fields 2 a b", "*2\r\n:200000000000000\r\n:-1\r\n"),
    SAID("move h3 1", ":1\r\n"),
    SAID("select 1", "+OK\r\n"),
    SAID("hpexpiretime h3 fields 2 a b", "*2\r\n:200000000000000\r\n:-1\r\n"),
    SAID("select 0", "+OK\r\n"),
    SAID("ttl h", ":-1\r\n"),
    SAID("expire h 1000", ":1\r\n"),
    SAID("ttl h", ":1000\r\n"),
    SAID("hpexpiretime h fields 2 a b", "*2\r\n:200000000000000\r\n:-1\r\n"),
    SAID("persist h", ":1\r\n"),
    SAID("hset h a 1", ":0\r\n"),
    SAID("hpexpiretime h fields 2 a b", "*2\r\n:-1\r\n:-1\r\n"),
    SAID("hpexpire h 100000 fields 2 a b", "*2\r\n:1\r\n:1\r\n"),
    SAID("hmset h a 1", "+OK\r\n"),
    SAID("httl h fields 2 a b", "*2\r\n:-1\r\n:100\r\n"),
    SAID("hgetall h", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("hlen h", ":2\r\n"),
    SAID("hscan h 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"),
    SAID("object encoding h", "$9\r\nhashtable\r\n"),
    SAID("hpersist h fields 2 a b", "*2\r\n:-1\r\n:1\r\n"),
    SAID("object encoding h", "$9\r\nhashtable\r\n"),
    SAID("hpexpire h 100000 fields 1 a", "*1\r\n:1\r\n"),
    SAID("getdel h", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("set h x", "+OK\r\n"),
    SAID("get h", "$1\r\nx\r\n"),
    SAID("httl h fields 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
};

static const happening valkey_told[] = {
    TOLD("HSET h a 1 b 2 c 3 d 4", "n0:new:h h0:hset:h"),
    TOLD("HEXPIRE h 100 FIELDS 2 a b", "h0:hexpire:h"),
    TOLD("HEXPIRE h 100 NX FIELDS 2 a b", ""),
    TOLD("HEXPIRE h 100 FIELDS 1 none", ""),
    TOLD("HPERSIST h FIELDS 1 a", "h0:hpersist:h"),
    TOLD("HPERSIST h FIELDS 1 a", ""),
    TOLD("HPERSIST h FIELDS 2 a b", "h0:hpersist:h"),
    TOLD("HEXPIRE h 0 FIELDS 2 a b", "h0:hexpired:h"),
    TOLD("HEXPIRE h 0 FIELDS 1 a", ""),
    TOLD("HEXPIREAT h 1 FIELDS 2 c d", "h0:hexpired:h g0:del:h"),
    TOLD("HSET h a 1 b 2 c 3 d 4", "n0:new:h h0:hset:h"),
    TOLD("HPEXPIREAT h 1 FIELDS 2 a none", "h0:hexpired:h"),
    TOLD("HGETEX h FIELDS 1 b", ""),
    TOLD("HGETEX h EX 100 FIELDS 3 b c none", "h0:hexpire:h"),
    TOLD("HGETEX h PERSIST FIELDS 2 b d", "h0:hpersist:h"),
    TOLD("HGETEX h PERSIST FIELDS 1 d", ""),
    TOLD("HGETEX h EXAT 1 FIELDS 2 b none", "h0:hexpired:h"),
    TOLD("HGETEX h EXAT 1 FIELDS 2 c d", "h0:hexpired:h g0:del:h"),
    TOLD("HSETEX h FIELDS 2 a 1 b 2", "n0:new:h h0:hset:h"),
    TOLD("HSETEX h EX 100 FIELDS 2 a 1 b 2", "h0:hset:h h0:hexpire:h"),
    TOLD("HSETEX h KEEPTTL FIELDS 1 a 2", "h0:hset:h"),
    TOLD("HSETEX h FIELDS 1 a 2", "h0:hset:h"),
    TOLD("HSETEX h FNX FIELDS 1 a 2", ""),
    TOLD("HSETEX h EXAT 1 FIELDS 1 a 2", "h0:hset:h h0:hexpire:h h0:hexpired:h"),
    TOLD("HSETEX h EXAT 1 FIELDS 1 none 2", "h0:hset:h h0:hexpire:h h0:hexpired:h"),
    TOLD("HSETEX h EXAT 1 FIELDS 2 b 2 c 3", "h0:hset:h h0:hexpire:h h0:hexpired:h g0:del:h"),
    TOLD("HSETEX new EXAT 1 FIELDS 2 b 2 c 3", "n0:new:new h0:hset:new h0:hexpire:new h0:hexpired:new g0:del:new"),
    TOLD("HSETEX h EX 100 FIELDS 2 a 1 b 2", "n0:new:h h0:hset:h h0:hexpire:h"),
    TOLD("HINCRBY h a 5", "h0:hincrby:h"),
    TOLD("HGETDEL h FIELDS 1 none", ""),
    TOLD("HGETDEL h FIELDS 2 a none", "h0:hdel:h"),
    TOLD("HGETDEL h FIELDS 1 b", "h0:hdel:h g0:del:h"),
    TOLD("HGETEX none FIELDS 1 a", "m0:keymiss:none"),
    TOLD("HGETDEL none FIELDS 1 a", ""),
    TOLD("HTTL none FIELDS 1 a", "m0:keymiss:none"),
    TOLD("HEXPIRE none 5 FIELDS 1 a", ""),
    TOLD("HPERSIST none FIELDS 1 a", ""),
    TOLD("HSETEX none XX FIELDS 1 a 1", ""),
    TOLD("HSET h a 1 b 2 c 3", "n0:new:h h0:hset:h"),
    TOLD("HPEXPIRE h 50 FIELDS 2 a b", "h0:hexpire:h"),
    TOLD("+100", "x0:hexpired:h"),
    TOLD("HGET h a", ""),
    TOLD("HPEXPIRE h 50 FIELDS 1 c", "h0:hexpire:h"),
    TOLD("+100", "x0:hexpired:h g0:del:h"),
    TOLD("EXISTS h", "m0:keymiss:h"),
    TOLD("HSET h a 1 b 2", "n0:new:h h0:hset:h"),
    TOLD("HPEXPIRE h 50 FIELDS 1 a", "h0:hexpire:h"),
    TOLD(">100", ""),
    TOLD("HSET h a 5", "h0:hexpired:h h0:hset:h"),
};

static void times_of_fields_are_set_and_read(void) { REPLAY(valkey_expiry); }
static void values_and_times_are_set_and_read_at_once(void) { REPLAY(valkey_getex_and_setex); }
static void errors_come_in_the_order_of_valkey(void) { REPLAY(valkey_order_of_errors); }
static void times_are_kept_as_long_as_the_value(void) { REPLAY(valkey_times_are_kept); }

static void listeners_are_told_of_times_as_by_valkey(void) {
  replay_events(valkey_told, sizeof valkey_told / sizeof *valkey_told);
}

/* ---- the sweep ---- */

static void sweep(rd_store *st) {
  for (int i = 0; i < 10000 && !rd_sweep(st, 0, st->num_shards, 1000000); i++) continue;
}

static void check_whole(rd_store *st) {
  char err[200] = "";
  if (rd_check(st, err, sizeof err) != 0) CHECK_FAIL("rd_check: %s", err);
}

/* The sweep removes expired fields, of packed and of large hashes, and the key with the last one; keys with fields that
 * expire are not counted as keys with an expiry. */
static void the_sweep_gives_back_the_memory_of_expired_fields(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  static const uint32_t sizes[] = {1, 3, 40, 41, 500, 5000};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes && check_ok; s++) {
    uint64_t empty = rd_used_memory(&st);
    char text[200];
    for (uint32_t i = 0; i < sizes[s]; i++) {
      snprintf(text, sizeof text, "HSETEX h PX %u FIELDS 1 field:%u 0123456789012345\r\n", 10000 + i * 10, i);
      RIG_ASK(&c, text, ":1\r\n");
    }
    RIG_ASK(&c, "HSET h stays 1\r\n", ":1\r\n");
    CHECK_INT(rd_count_volatile(&st, 0), 0);
    sweep(&st);
    check_whole(&st);
    snprintf(text, sizeof text, ":%u\r\n", sizes[s] + 1);
    RIG_ASK(&c, "HLEN h\r\n", text);

    st.now_ms += 10000 + sizes[s] / 2 * 10 + 1; /* half of them */
    check_whole(&st);
    uint64_t before = rd_used_memory(&st);
    st.now_ms += 4096; /* the sweep's times are coarse */
    sweep(&st);
    check_whole(&st);
    CHECK(sizes[s] < 500 || rd_used_memory(&st) < before);
    st.now_ms += sizes[s] * 10 + 8192;
    sweep(&st);
    check_whole(&st);
    RIG_ASK(&c, "HGETALL h\r\n", "*2\r\n$5\r\nstays\r\n$1\r\n1\r\n");
    RIG_ASK(&c, "HPEXPIRE h 5 FIELDS 1 stays\r\n", "*1\r\n:1\r\n");
    st.now_ms += 8192;
    sweep(&st);
    CHECK_INT(rd_count(&st, 0), 0);
    sweep(&st);
    CHECK(rd_used_memory(&st) <= empty + (64u << 10));
    check_whole(&st);
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* No command sees an expired field, whether the sweep has removed it or not. */
static void no_command_sees_an_expired_field(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  for (int large = 0; large < 2; large++) {
    RIG_ASK(&c, "FLUSHALL\r\nHSET h a 1 b 2\r\n", "+OK\r\n:2\r\n");
    for (int i = 0; i < (large ? 1000 : 10); i++) {
      char text[100];
      snprintf(text, sizeof text, "HSETEX h PX 1000 FIELDS 1 x%d %d\r\n", i, i);
      RIG_ASK(&c, text, ":1\r\n");
    }
    RIG_ASK(&c, "HPEXPIRE h 1000 FIELDS 1 a\r\nHPEXPIRE h 9000 FIELDS 1 b\r\n", "*1\r\n:1\r\n*1\r\n:1\r\n");
    RIG_ASK(&c, "COPY h copy\r\nRENAME copy other\r\n", ":1\r\n+OK\r\n");
    st.now_ms += 1000;
    RIG_ASK(&c, "HGET h x5\r\nHEXISTS h a\r\n", "$1\r\n5\r\n:1\r\n");
    st.now_ms += 1;
    RIG_ASK(&c, "HGETALL other\r\nHLEN other\r\n", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n:1\r\n");
    RIG_ASK(&c, "HSCAN h 0 COUNT 100000\r\n", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    RIG_ASK(&c, "HRANDFIELD h 5\r\nHSETNX h a 7\r\nHINCRBY h x1 1\r\nHTTL h FIELDS 2 a x1\r\n",
            "*1\r\n$1\r\nb\r\n:1\r\n:1\r\n*2\r\n:-1\r\n:-1\r\n");
    RIG_ASK(&c, "HDEL h a x1\r\n", ":2\r\n");
    st.now_ms += 8000;
    RIG_ASK(&c, "HGET h b\r\nEXISTS h\r\nHSTRLEN other b\r\nEXISTS other\r\nDBSIZE\r\n",
            "$-1\r\n:0\r\n:0\r\n:0\r\n:0\r\n");
    check_whole(&st);
  }
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* SORT's patterns, DUMP and RESTORE know a field through the last millisecond of its life, like HGET, and not longer.
 */
static void a_field_lives_as_long_for_sort_and_dump(void) {
  rd_store st;
  int fd = rig_open(&st, 8u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "HSETEX h PX 1000 FIELDS 1 f v\r\nRPUSH l h\r\n", ":1\r\n:1\r\n");
  st.now_ms += 1000;
  RIG_ASK(&c, "SORT l BY nosort GET *->f\r\n", "*1\r\n$1\r\nv\r\n");
  rig_feed(&c, "DUMP h\r\n", 8, 8);
  char text[200], ask[400] = "*4\r\n$7\r\nRESTORE\r\n$4\r\ncopy\r\n$1\r\n0\r\n";
  size_t n = strlen(ask);
  memcpy(ask + n, c.out, c.len); /* a bulk, as the request has one */
  n += c.len;
  c.len = 0;
  rig_feed(&c, ask, n, n);
  RIG_ASK(&c, "HGET copy f\r\n", "+OK\r\n$1\r\nv\r\n");
  snprintf(text, sizeof text, "*1\r\n:%llu\r\n", (unsigned long long)st.now_ms);
  RIG_ASK(&c, "HPEXPIRETIME copy FIELDS 1 f\r\n", text);
  st.now_ms += 1;
  RIG_ASK(&c, "SORT l BY nosort GET *->f\r\nDUMP h\r\n", "*1\r\n$-1\r\n$-1\r\n");
  RIG_ASK(&c, "HLEN h\r\nDUMP h\r\nHLEN copy\r\n", ":0\r\n$-1\r\n:0\r\n");
  check_whole(&st);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- a hash beside a plain array ---- */

enum { FIELDS = 800 };
static uint64_t seed = 88172645463325252ull;
static uint32_t below(uint32_t n) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 32) % n;
}

typedef struct model {
  uint32_t value[FIELDS]; /* 0: there is none */
  uint64_t expiry[FIELDS];
} model;

static void random_step(rig_client *c, model *m, uint32_t size) {
  uint32_t i = below(size), value = 1 + below(1000), ms = 1 + below(20000);
  uint64_t now = c->st->now_ms;
  char ask[200], reply[100];
  bool there = m->value[i] != 0 && m->expiry[i] >= now;
  if (!there) m->value[i] = 0;
  switch (below(8)) {
    case 0:
    case 1:
      snprintf(ask, sizeof ask, "HSETEX h PX %u FIELDS 1 f%u %u\r\n", ms, i, value);
      RIG_ASK(c, ask, ":1\r\n");
      m->value[i] = value;
      m->expiry[i] = now + ms;
      break;
    case 2:
      snprintf(ask, sizeof ask, "HSET h f%u %u\r\n", i, value);
      RIG_ASK(c, ask, there ? ":0\r\n" : ":1\r\n");
      m->value[i] = value;
      m->expiry[i] = UINT64_MAX;
      break;
    case 3:
      snprintf(ask, sizeof ask, "HPEXPIRE h %u FIELDS 1 f%u\r\n", ms, i);
      RIG_ASK(c, ask, there ? "*1\r\n:1\r\n" : "*1\r\n:-2\r\n");
      if (there) m->expiry[i] = now + ms;
      break;
    case 4:
      snprintf(ask, sizeof ask, "HPERSIST h FIELDS 1 f%u\r\n", i);
      RIG_ASK(c, ask, !there ? "*1\r\n:-2\r\n" : m->expiry[i] == UINT64_MAX ? "*1\r\n:-1\r\n" : "*1\r\n:1\r\n");
      m->expiry[i] = UINT64_MAX;
      break;
    case 5:
      snprintf(ask, sizeof ask, "HDEL h f%u\r\n", i);
      RIG_ASK(c, ask, there ? ":1\r\n" : ":0\r\n");
      m->value[i] = 0;
      break;
    case 6:
      snprintf(ask, sizeof ask, "HINCRBY h f%u 1\r\n", i);
      snprintf(reply, sizeof reply, ":%u\r\n", there ? m->value[i] + 1 : 1);
      RIG_ASK(c, ask, reply);
      if (!there) m->expiry[i] = UINT64_MAX;
      m->value[i] = there ? m->value[i] + 1 : 1;
      break;
    default:
      snprintf(ask, sizeof ask, "HPEXPIRETIME h FIELDS 1 f%u\r\n", i);
      snprintf(reply, sizeof reply, "*1\r\n:%lld\r\n",
               !there                       ? -2ll
               : m->expiry[i] == UINT64_MAX ? -1ll
                                            : (long long)m->expiry[i]);
      RIG_ASK(c, ask, reply);
  }
}

static void fields_live_exactly_as_long_as_they_should(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  model *m = calloc(1, sizeof *m);
  for (int round = 0; round < 20000 && check_ok; round++) {
    random_step(&c, m, round / 4000 % 2 == 0 ? 30 : FIELDS);
    if (below(10) == 0) st.now_ms += below(1000);
    if (below(200) == 0) sweep(&st);
    if (round % 1000 == 0) check_whole(&st);
    if (round % 100 == 0) {
      uint32_t live = 0;
      char reply[40];
      for (uint32_t i = 0; i < FIELDS; i++) live += m->value[i] != 0 && m->expiry[i] >= st.now_ms;
      snprintf(reply, sizeof reply, ":%u\r\n", live);
      RIG_ASK(&c, "HLEN h\r\n", reply);
    }
  }
  free(m);
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(times_of_fields_are_set_and_read);
  RUN(values_and_times_are_set_and_read_at_once);
  RUN(errors_come_in_the_order_of_valkey);
  RUN(times_are_kept_as_long_as_the_value);
  RUN(listeners_are_told_of_times_as_by_valkey);
  RUN(the_sweep_gives_back_the_memory_of_expired_fields);
  RUN(no_command_sees_an_expired_field);
  RUN(a_field_lives_as_long_for_sort_and_dump);
  RUN(fields_live_exactly_as_long_as_they_should);
  return check_end();
}
