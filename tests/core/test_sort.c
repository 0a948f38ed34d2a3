/* test_sort.c - SORT: replies and events of redis-server, and patterns whose keys lie in other shards. */
#include "told.h"

/* The elements themselves, as numbers and as texts; LIMIT. */
static const exchange plain[] = {
    SAID("RPUSH l 3 1 2 10 -5 1.5", ":6\r\n"),
    SAID("SORT l", "*6\r\n$2\r\n-5\r\n$1\r\n1\r\n$3\r\n1.5\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n10\r\n"),
    SAID("SORT l ASC", "*6\r\n$2\r\n-5\r\n$1\r\n1\r\n$3\r\n1.5\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n10\r\n"),
    SAID("SORT l DESC", "*6\r\n$2\r\n10\r\n$1\r\n3\r\n$1\r\n2\r\n$3\r\n1.5\r\n$1\r\n1\r\n$2\r\n-5\r\n"),
    SAID("SORT l DESC ASC", "*6\r\n$2\r\n-5\r\n$1\r\n1\r\n$3\r\n1.5\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n10\r\n"),
    SAID("SORT l ALPHA", "*6\r\n$2\r\n-5\r\n$1\r\n1\r\n$3\r\n1.5\r\n$2\r\n10\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT l ALPHA DESC", "*6\r\n$1\r\n3\r\n$1\r\n2\r\n$2\r\n10\r\n$3\r\n1.5\r\n$1\r\n1\r\n$2\r\n-5\r\n"),
    SAID("SORT l LIMIT 0 2", "*2\r\n$2\r\n-5\r\n$1\r\n1\r\n"),
    SAID("SORT l LIMIT 1 2", "*2\r\n$1\r\n1\r\n$3\r\n1.5\r\n"),
    SAID("SORT l LIMIT 2 -1", "*4\r\n$3\r\n1.5\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n10\r\n"),
    SAID("SORT l LIMIT -5 2", "*2\r\n$2\r\n-5\r\n$1\r\n1\r\n"),
    SAID("SORT l LIMIT 5 10", "*1\r\n$2\r\n10\r\n"),
    SAID("SORT l LIMIT 6 10", "*0\r\n"),
    SAID("SORT l LIMIT 100 1", "*0\r\n"),
    SAID("SORT l LIMIT 0 0", "*0\r\n"),
    SAID("SORT l LIMIT 9223372036854775807 9223372036854775807", "*0\r\n"),
    SAID("SORT l LIMIT -9223372036854775808 -9223372036854775808",
         "*6\r\n$2\r\n-5\r\n$1\r\n1\r\n$3\r\n1.5\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n10\r\n"),
    SAID("SORT l LIMIT 0 2 LIMIT 1 1", "*1\r\n$1\r\n1\r\n"),
    SAID("SORT none", "*0\r\n"),
    SAID("SORT none ALPHA LIMIT 0 1", "*0\r\n"),
    SAID("SORT none STORE d", ":0\r\n"),
    SAID("SORT_RO l DESC LIMIT 0 3", "*3\r\n$2\r\n10\r\n$1\r\n3\r\n$1\r\n2\r\n"),
    SAID("SORT_RO none", "*0\r\n"),
    SAID("LRANGE l 0 -1", "*6\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2\r\n$2\r\n10\r\n$2\r\n-5\r\n$3\r\n1.5\r\n"),
    SAID("RPUSH same 2 2.0 02 \" 2\" 0x2 2e0", ":6\r\n"),
    SAID("SORT same", "*6\r\n$2\r\n 2\r\n$2\r\n02\r\n$3\r\n0x2\r\n$1\r\n2\r\n$3\r\n2.0\r\n$3\r\n2e0\r\n"),
    SAID("SORT same DESC", "*6\r\n$3\r\n2e0\r\n$3\r\n2.0\r\n$1\r\n2\r\n$3\r\n0x2\r\n$2\r\n02\r\n$2\r\n 2\r\n"),
    SAID("RPUSH texts b a B \"\" aa ab \"a b\" 10 9", ":9\r\n"),
    SAID("SORT texts ALPHA",
         "*9\r\n$0\r\n\r\n$2\r\n10\r\n$1\r\n9\r\n$1\r\nB\r\n$1\r\na\r\n$3\r\na b\r\n$2\r\naa\r\n$2\r\nab\r"
         "\n$1\r\nb\r\n"),
    SAID("SORT texts ALPHA DESC LIMIT 1 3", "*3\r\n$2\r\nab\r\n$2\r\naa\r\n$3\r\na b\r\n"),
    SAID("SORT texts", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("RPUSH ends inf -inf 1e308 -1e308 0 -0", ":6\r\n"),
    SAID("SORT ends", "*6\r\n$4\r\n-inf\r\n$6\r\n-1e308\r\n$2\r\n-0\r\n$1\r\n0\r\n$5\r\n1e308\r\n$3\r\ninf\r\n"),
    SAID("RPUSH wrong 1 nan", ":2\r\n"),
    SAID("SORT wrong", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("DEL wrong", ":1\r\n"),
    SAID("RPUSH wrong 1 \"\"", ":2\r\n"),
    SAID("SORT wrong", "*2\r\n$0\r\n\r\n$1\r\n1\r\n"),
    SAID("RPUSH wrong \"1 \"", ":3\r\n"),
    SAID("SORT wrong", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("DEL wrong", ":1\r\n"),
    SAID("RPUSH wrong 1e999", ":1\r\n"),
    SAID("SORT wrong", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("DEL wrong", ":1\r\n"),
    SAID("RPUSH wrong 1e-999", ":1\r\n"),
    SAID("SORT wrong", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("SORT wrong LIMIT 0 0", "-ERR One or more scores can't be converted into double\r\n"),
};

/* BY and GET. */
static const exchange patterns[] = {
    SAID("RPUSH l 1 2 3 4", ":4\r\n"),
    SAID("MSET w_1 30 w_2 10 w_3 20 n_1 one n_2 two n_3 three", "+OK\r\n"),
    SAID("SORT l BY w_*", "*4\r\n$1\r\n4\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
    SAID("SORT l BY w_* DESC", "*4\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n4\r\n"),
    SAID("SORT l BY w_* LIMIT 1 2", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT l BY w_* GET n_*", "*4\r\n$-1\r\n$3\r\ntwo\r\n$5\r\nthree\r\n$3\r\none\r\n"),
    SAID("SORT l BY w_* GET # GET n_* GET w_* DESC",
         "*12\r\n$1\r\n1\r\n$3\r\none\r\n$2\r\n30\r\n$1\r\n3\r\n$5\r\nthree\r\n$2\r\n20\r\n$1\r\n2\r\n$3\r"
         "\ntwo\r\n$2\r\n10\r\n$1\r\n4\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET #", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l GET n_1", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET none_*", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET \"\"", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET *", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET #x", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l BY n_* ALPHA", "*4\r\n$1\r\n4\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n2\r\n"),
    SAID("SORT l BY n_* ALPHA DESC", "*4\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n4\r\n"),
    SAID("SORT l BY n_*", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("SORT l BY #", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l BY # ALPHA", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l BY * ALPHA", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l BY nosort", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l BY nosort DESC", "*4\r\n$1\r\n4\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
    SAID("SORT l BY nosort LIMIT 1 2", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT l BY nosort DESC LIMIT 1 2", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n"),
    SAID("SORT l BY nosort GET n_* GET #",
         "*8\r\n$3\r\none\r\n$1\r\n1\r\n$3\r\ntwo\r\n$1\r\n2\r\n$5\r\nthree\r\n$1\r\n3\r\n$-1\r\n$1\r\n4\r"
         "\n"),
    SAID("SORT l BY nosort LIMIT 3 5", "*1\r\n$1\r\n4\r\n"),
    SAID("SORT l BY nosort LIMIT 4 5", "*0\r\n"),
    SAID("SORT l BY nosort LIMIT 0 0", "*0\r\n"),
    SAID("SORT l BY w_* BY nosort", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l BY nosort BY w_*", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l BY w_*->f", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
    SAID("SORT l GET w_*->f", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET w_*->", "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SET w_1-> arrow", "+OK\r\n"),
    SAID("SORT l GET w_*->", "*4\r\n$5\r\narrow\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT l GET w_*->-> GET w_*x", "*8\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SET w_1* star", "+OK\r\n"),
    SAID("SORT l GET w_** LIMIT 0 1", "*1\r\n$4\r\nstar\r\n"),
    SAID("RPUSH w_5 list", ":1\r\n"),
    SAID("RPUSH l 5", ":5\r\n"),
    SAID("SORT l BY w_* GET w_*", "*5\r\n$-1\r\n$-1\r\n$2\r\n10\r\n$2\r\n20\r\n$2\r\n30\r\n"),
    SAID("SORT_RO l BY w_* GET n_*", "*5\r\n$-1\r\n$-1\r\n$3\r\ntwo\r\n$5\r\nthree\r\n$3\r\none\r\n"),
    SAID("SET big 1", "+OK\r\n"),
    SAID("SORT l BY big_*", "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"),
};

/* Sets, sorted sets, and fields of hashes. */
static const exchange other_types[] = {
    SAID("SADD s 3 1 2", ":3\r\n"),
    SAID("ZADD z 1 30 2 10 3 20", ":3\r\n"),
    SAID("HSET h_1 f 3 g x", ":2\r\n"),
    SAID("HSET h_2 f 1 g y", ":2\r\n"),
    SAID("HSET h_3 f 2", ":1\r\n"),
    SAID("MSET w_10 c w_20 b w_30 a", "+OK\r\n"),
    SAID("SORT s", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT s DESC", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
    SAID("SORT s LIMIT 1 1", "*1\r\n$1\r\n2\r\n"),
    SAID("SORT s ALPHA", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT s BY nosort STORE d", ":3\r\n"),
    SAID("LRANGE d 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT s BY h_*->f", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
    SAID("SORT s BY h_*->f GET # GET h_*->g GET h_*->f DESC",
         "*9\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n3\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\ny\r\n$1\r\n"
         "1\r\n"),
    SAID("SORT s BY h_*->none GET h_*->", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT s GET h_*", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"),
    SAID("SORT s BY h_* ALPHA", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT z", "*3\r\n$2\r\n10\r\n$2\r\n20\r\n$2\r\n30\r\n"),
    SAID("SORT z DESC LIMIT 0 2", "*2\r\n$2\r\n30\r\n$2\r\n20\r\n"),
    SAID("SORT z BY nosort", "*3\r\n$2\r\n30\r\n$2\r\n10\r\n$2\r\n20\r\n"),
    SAID("SORT z BY nosort DESC", "*3\r\n$2\r\n20\r\n$2\r\n10\r\n$2\r\n30\r\n"),
    SAID("SORT z BY nosort LIMIT 1 2", "*2\r\n$2\r\n10\r\n$2\r\n20\r\n"),
    SAID("SORT z BY nosort DESC LIMIT 1 2", "*2\r\n$2\r\n10\r\n$2\r\n30\r\n"),
    SAID("SORT z BY nosort DESC LIMIT 0 1", "*1\r\n$2\r\n20\r\n"),
    SAID("SORT z BY nosort LIMIT 2 10 GET # GET w_*", "*2\r\n$2\r\n20\r\n$1\r\nb\r\n"),
    SAID("SORT z BY w_* ALPHA", "*3\r\n$2\r\n30\r\n$2\r\n20\r\n$2\r\n10\r\n"),
    SAID("SORT z BY w_* ALPHA DESC", "*3\r\n$2\r\n10\r\n$2\r\n20\r\n$2\r\n30\r\n"),
    SAID("SORT z ALPHA STORE z", ":3\r\n"),
    SAID("LRANGE z 0 -1", "*3\r\n$2\r\n10\r\n$2\r\n20\r\n$2\r\n30\r\n"),
    SAID("SORT h_1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SORT s BY w_*->f", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SADD t abc b a", ":3\r\n"),
    SAID("SORT t ALPHA", "*3\r\n$1\r\na\r\n$3\r\nabc\r\n$1\r\nb\r\n"),
    SAID("SORT t", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("SORT t BY nosort STORE t", ":3\r\n"),
    SAID("LRANGE t 0 -1", "*3\r\n$1\r\na\r\n$3\r\nabc\r\n$1\r\nb\r\n"),
    SAID("ZADD y 1 a 2 b", ":2\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nlistpack\r\n"),
    SAID("SORT_RO y ALPHA", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("OBJECT ENCODING y", "$8\r\nskiplist\r\n"),
};

/* STORE. */
static const exchange storing[] = {
    SAID("RPUSH l 3 1 2", ":3\r\n"),
    SAID("MSET n_1 one n_2 two", "+OK\r\n"),
    SAID("SORT l STORE d", ":3\r\n"),
    SAID("LRANGE d 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("TYPE d", "+list\r\n"),
    SAID("SORT l DESC STORE d", ":3\r\n"),
    SAID("LRANGE d 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
    SAID("SORT l GET n_* STORE d", ":3\r\n"),
    SAID("LRANGE d 0 -1", "*3\r\n$3\r\none\r\n$3\r\ntwo\r\n$0\r\n\r\n"),
    SAID("SORT l GET # GET n_* LIMIT 0 2 STORE d", ":4\r\n"),
    SAID("LRANGE d 0 -1", "*4\r\n$1\r\n1\r\n$3\r\none\r\n$1\r\n2\r\n$3\r\ntwo\r\n"),
    SAID("SORT l STORE x STORE y", ":3\r\n"),
    SAID("EXISTS x", ":0\r\n"),
    SAID("LRANGE y 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SET s string", "+OK\r\n"),
    SAID("EXPIRE s 100", ":1\r\n"),
    SAID("SORT l STORE s", ":3\r\n"),
    SAID("TTL s", ":-1\r\n"),
    SAID("LRANGE s 0 -1", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
    SAID("SORT l DESC STORE l", ":3\r\n"),
    SAID("LRANGE l 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
    SAID("SORT l LIMIT 5 5 STORE y", ":0\r\n"),
    SAID("EXISTS y", ":0\r\n"),
    SAID("SORT none STORE d", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("SORT none STORE d", ":0\r\n"),
    SAID("SORT l BY nosort STORE d", ":3\r\n"),
    SAID("LRANGE d 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
    SAID("RPUSH bad x", ":1\r\n"),
    SAID("SORT bad STORE d", "-ERR One or more scores can't be converted into double\r\n"),
    SAID("LRANGE d 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
    SAID("SORT l GET l STORE e", ":3\r\n"),
    SAID("LRANGE e 0 -1", "*3\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n"),
};

/* Errors, and their order. */
static const exchange refusals[] = {
    SAID("SET s x", "+OK\r\n"),
    SAID("RPUSH l 1", ":1\r\n"),
    SAID("SORT s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SORT_RO s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SORT s FOO", "-ERR syntax error\r\n"),
    SAID("SORT l FOO", "-ERR syntax error\r\n"),
    SAID("SORT l BY", "-ERR syntax error\r\n"),
    SAID("SORT l GET", "-ERR syntax error\r\n"),
    SAID("SORT l STORE", "-ERR syntax error\r\n"),
    SAID("SORT l LIMIT 1", "-ERR syntax error\r\n"),
    SAID("SORT l LIMIT x y", "-ERR value is not an integer or out of range\r\n"),
    SAID("SORT l LIMIT 1 y", "-ERR value is not an integer or out of range\r\n"),
    SAID("SORT l LIMIT x y FOO", "-ERR value is not an integer or out of range\r\n"),
    SAID("SORT l FOO LIMIT x y", "-ERR syntax error\r\n"),
    SAID("SORT l BY store GET limit LIMIT 0 1 STORE d", ":1\r\n"),
    SAID("SORT_RO l STORE d", "-ERR syntax error\r\n"),
    SAID("SORT", "-ERR wrong number of arguments for 'sort' command\r\n"),
    SAID("SORT_RO", "-ERR wrong number of arguments for 'sort_ro' command\r\n"),
};

/* Absent values in RESP3. */
static const exchange resp3_sort[] = {
    SAID("RPUSH l 1 2", ":2\r\n"),
    SAID("SORT l GET none_*", "*2\r\n_\r\n_\r\n"),
    SAID("SORT none", "*0\r\n"),
    SAID("SORT l GET # STORE d", ":2\r\n"),
};

static const happening told[] = {
    TOLD("RPUSH l 3 1 2", "n0:new:l l0:rpush:l"),
    TOLD("SORT l", ""),
    TOLD("SORT none", "m0:keymiss:none"),
    TOLD("SORT none STORE d", "m0:keymiss:none"),
    TOLD("SORT l STORE d", "n0:new:d l0:sortstore:d"),
    TOLD("SORT l STORE d", "l0:sortstore:d"),
    TOLD("SORT l BY w_* GET n_*",
         "m0:keymiss:w_3 m0:keymiss:w_1 m0:keymiss:w_2 m0:keymiss:n_1 m0:keymiss:n_2 m0:keymiss:n_3"),
    TOLD("SORT l GET n_* LIMIT 0 1 STORE d", "m0:keymiss:n_1 l0:sortstore:d"),
    TOLD("SORT none STORE d", "m0:keymiss:none g0:del:d"),
    TOLD("SORT none STORE d", "m0:keymiss:none"),
    TOLD("SORT_RO none", "m0:keymiss:none"),
};

static void elements_are_sorted_as_by_redis(void) {
  REPLAY(plain);
  REPLAY(refusals);
  REPLAY3(resp3_sort);
}
static void sets_and_sorted_sets_are_sorted_as_by_redis(void) { REPLAY(other_types); }
static void patterns_name_the_keys_of_redis(void) { REPLAY(patterns); }
static void results_are_stored_as_by_redis(void) { REPLAY(storing); }
static void events_are_those_of_redis(void) { REPLAY_EVENTS(told); }

/* ---- BY and GET read keys that no argument names ---- */

#define BY_DENIED "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n"
#define GET_DENIED "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n"

static void select_command(rd_acl *acl, const char *name, bool all_keys) {
  uint16_t id = rd_command_find_full((rd_bytes){(const uint8_t *)name, strlen(name)})->id;
  CHECK(rd_acl_select(acl, &id, 1, all_keys, true));
}

static void patterns_are_for_users_who_may_read_all_keys(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 16, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  RIG_ASK(&c, "RPUSH l 2 1\r\n", ":2\r\n");
  rd_acl *some = rd_acl_new(), *readers = rd_acl_new(), *two = rd_acl_new();
  select_command(some, "sort", false);
  CHECK(rd_acl_allow_keys(some, (const uint8_t *)"l*\0w_*", 6, RD_ACL_MAY_READ | RD_ACL_MAY_WRITE));
  rd_session_set_acl(c.session, some);
  RIG_ASK(&c, "SORT l\r\n", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  RIG_ASK(&c, "SORT l BY nosort\r\n", "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
  RIG_ASK(&c, "SORT l BY w_*\r\n", BY_DENIED);
  RIG_ASK(&c, "SORT l GET #\r\n", GET_DENIED);
  RIG_ASK(&c, "SORT l BY w_* GET # FOO\r\n", BY_DENIED);
  RIG_ASK(&c, "SORT l FOO GET #\r\n", "-ERR syntax error\r\n");
  select_command(readers, "sort", false);
  CHECK(rd_acl_allow_keys(readers, (const uint8_t *)"*", 1, RD_ACL_MAY_READ));
  rd_session_set_acl(c.session, readers);
  RIG_ASK(&c, "SORT l BY w_* GET #\r\n", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  RIG_ASK(&c, "SORT l GET # STORE d\r\n", "-NOPERM 2 5\r\n");
  /* The selector with all keys does not allow SORT_RO. */
  select_command(two, "sort", true);
  select_command(two, "sort_ro", false);
  CHECK(rd_acl_allow_keys(two, (const uint8_t *)"l", 1, RD_ACL_MAY_READ));
  rd_session_set_acl(c.session, two);
  RIG_ASK(&c, "SORT l GET #\r\n", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  RIG_ASK(&c, "SORT_RO l GET #\r\n", GET_DENIED);
  RIG_ASK(&c, "SORT_RO l\r\n", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
  rd_session_set_acl(c.session, NULL);
  rd_acl_free(some);
  rd_acl_free(readers);
  rd_acl_free(two);
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(elements_are_sorted_as_by_redis);
  RUN(sets_and_sorted_sets_are_sorted_as_by_redis);
  RUN(patterns_name_the_keys_of_redis);
  RUN(results_are_stored_as_by_redis);
  RUN(events_are_those_of_redis);
  RUN(patterns_are_for_users_who_may_read_all_keys);
  return check_end();
}
