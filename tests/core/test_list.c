/* test_list.c - lists: replies, events and encodings of redis-server and Valkey, and a model of long lists. */
#include "told.h"

/* Elements of all forms at both ends. */
static const exchange pushing_and_popping[] = {
    SAID("RPUSH l a b c", ":3\r\n"),
    SAID("LPUSH l x y z", ":6\r\n"),
    SAID("LRANGE l 0 -1", "*6\r\n$1\r\nz\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    SAID("LLEN l", ":6\r\n"),
    SAID("LLEN none", ":0\r\n"),
    SAID("LPUSHX none a", ":0\r\n"),
    SAID("RPUSHX none a b", ":0\r\n"),
    SAID("EXISTS none", ":0\r\n"),
    SAID("LPUSHX l p", ":7\r\n"),
    SAID("RPUSHX l q r", ":9\r\n"),
    SAID("LRANGE l 0 -1",
         "*9\r\n$1\r\np\r\n$1\r\nz\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nq\r\n$1"
         "\r\nr\r\n"),
    SAID("LPOP l", "$1\r\np\r\n"),
    SAID("RPOP l", "$1\r\nr\r\n"),
    SAID("LPOP l 2", "*2\r\n$1\r\nz\r\n$1\r\ny\r\n"),
    SAID("RPOP l 2", "*2\r\n$1\r\nq\r\n$1\r\nc\r\n"),
    SAID("LPOP l 0", "*0\r\n"),
    SAID("RPOP l 0", "*0\r\n"),
    SAID("LPOP none", "$-1\r\n"),
    SAID("RPOP none", "$-1\r\n"),
    SAID("LPOP none 0", "*-1\r\n"),
    SAID("RPOP none 3", "*-1\r\n"),
    SAID("LRANGE l 0 -1", "*3\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("RPOP l 100", "*3\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nx\r\n"),
    SAID("EXISTS l", ":0\r\n"),
    SAID("LPOP l", "$-1\r\n"),
    SAID("RPUSH n 1 -1 127 128 -128 -129 32767 32768 8388607 8388608 -8388608 -8388609 2147483647 2147483648 "
         "-2147483649 9223372036854775807 -9223372036854775808 9223372036854775808 -9223372036854775809 0 -0 00 +1 01 "
         "1.0",
         ":25\r\n"),
    SAID("LRANGE n 0 -1",
         "*25\r\n$1\r\n1\r\n$2\r\n-1\r\n$3\r\n127\r\n$3\r\n128\r\n$4\r\n-128\r\n$4\r\n-129\r\n$5\r\n32767"
         "\r\n$5\r\n32768\r\n$7\r\n8388607\r\n$7\r\n8388608\r\n$8\r\n-8388608\r\n$8\r\n-8388609\r\n$10\r\n"
         "2147483647\r\n$10\r\n2147483648\r\n$11\r\n-2147483649\r\n$19\r\n9223372036854775807\r\n$20\r\n-9"
         "223372036854775808\r\n$19\r\n9223372036854775808\r\n$20\r\n-9223372036854775809\r\n$1\r\n0\r\n$2"
         "\r\n-0\r\n$2\r\n00\r\n$2\r\n+1\r\n$2\r\n01\r\n$3\r\n1.0\r\n"),
    SAID("LPOS n 9223372036854775807", ":15\r\n"),
    SAID("LPOS n 00", ":21\r\n"),
    SAID("LPOS n -0", ":20\r\n"),
    SAID("LREM n 0 128", ":1\r\n"),
    SAID("LINDEX n 15", "$20\r\n-9223372036854775808\r\n"),
    SAID("RPUSH e \"\" \"\" \"\\x00\" \"\\r\\n\"", ":4\r\n"),
    SAID("LRANGE e 0 -1", "*4\r\n$0\r\n\r\n$0\r\n\r\n$1\r\n\000\r\n$2\r\n\r\n\r\n"),
    SAID("LREM e 1 \"\"", ":1\r\n"),
    SAID("LLEN e", ":3\r\n"),
    SAID("LPOP e", "$0\r\n\r\n"),
    SAID("LPOP e", "$1\r\n\000\r\n"),
    SAID("LPOP e", "$2\r\n\r\n\r\n"),
    SAID("LPOP e", "$-1\r\n"),
    SAID("EXISTS e", ":0\r\n"),
    SAID("TYPE n", "+list\r\n"),
    SAID("EXPIRE n 100", ":1\r\n"),
    SAID("RPUSH n x", ":25\r\n"),
    SAID("TTL n", ":100\r\n"),
    SAID("RPOP n", "$1\r\nx\r\n"),
    SAID("TTL n", ":100\r\n"),
};

/* Indexes and ranges, from both ends and beyond them. */
static const exchange positions[] = {
    SAID("RPUSH l a b c d e f", ":6\r\n"),
    SAID("LRANGE l 0 0", "*1\r\n$1\r\na\r\n"),
    SAID("LRANGE l 1 3", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("LRANGE l -3 -1", "*3\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"),
    SAID("LRANGE l -100 100", "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"),
    SAID("LRANGE l 5 10", "*1\r\n$1\r\nf\r\n"),
    SAID("LRANGE l 6 10", "*0\r\n"),
    SAID("LRANGE l 3 1", "*0\r\n"),
    SAID("LRANGE l -1 -3", "*0\r\n"),
    SAID("LRANGE l 0 -7", "*0\r\n"),
    SAID("LRANGE l -9223372036854775808 9223372036854775807",
         "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"),
    SAID("LRANGE l 9223372036854775807 9223372036854775807", "*0\r\n"),
    SAID("LRANGE none 0 -1", "*0\r\n"),
    SAID("LINDEX l 0", "$1\r\na\r\n"),
    SAID("LINDEX l 5", "$1\r\nf\r\n"),
    SAID("LINDEX l 6", "$-1\r\n"),
    SAID("LINDEX l -1", "$1\r\nf\r\n"),
    SAID("LINDEX l -6", "$1\r\na\r\n"),
    SAID("LINDEX l -7", "$-1\r\n"),
    SAID("LINDEX l -9223372036854775808", "$-1\r\n"),
    SAID("LINDEX l 9223372036854775807", "$-1\r\n"),
    SAID("LINDEX none 0", "$-1\r\n"),
    SAID("LINDEX none x", "$-1\r\n"),
    SAID("LSET l 0 A", "+OK\r\n"),
    SAID("LSET l -1 F", "+OK\r\n"),
    SAID("LSET l 2 333", "+OK\r\n"),
    SAID("LSET l 6 x", "-ERR index out of range\r\n"),
    SAID("LSET l -7 x", "-ERR index out of range\r\n"),
    SAID("LRANGE l 0 -1", "*6\r\n$1\r\nA\r\n$1\r\nb\r\n$3\r\n333\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nF\r\n"),
    SAID("LTRIM l 0 -1", "+OK\r\n"),
    SAID("LTRIM l 1 -2", "+OK\r\n"),
    SAID("LRANGE l 0 -1", "*4\r\n$1\r\nb\r\n$3\r\n333\r\n$1\r\nd\r\n$1\r\ne\r\n"),
    SAID("LTRIM l -3 1", "+OK\r\n"),
    SAID("LRANGE l 0 -1", "*1\r\n$3\r\n333\r\n"),
    SAID("LTRIM l 5 9", "+OK\r\n"),
    SAID("EXISTS l", ":0\r\n"),
    SAID("RPUSH l a b c", ":3\r\n"),
    SAID("LTRIM l 2 1", "+OK\r\n"),
    SAID("EXISTS l", ":0\r\n"),
    SAID("LTRIM l 0 0", "+OK\r\n"),
    SAID("RPUSH l a b c", ":3\r\n"),
    SAID("LTRIM l -100 0", "+OK\r\n"),
    SAID("LRANGE l 0 -1", "*1\r\n$1\r\na\r\n"),
    SAID("LTRIM l -9223372036854775808 9223372036854775807", "+OK\r\n"),
    SAID("LTRIM l 9223372036854775807 -9223372036854775808", "+OK\r\n"),
    SAID("EXISTS l", ":0\r\n"),
};

/* LPOS, LINSERT and LREM. */
static const exchange searching[] = {
    SAID("RPUSH l a b c 1 2 3 c c", ":8\r\n"),
    SAID("LPOS l a", ":0\r\n"),
    SAID("LPOS l c", ":2\r\n"),
    SAID("LPOS l c RANK 2", ":6\r\n"),
    SAID("LPOS l c RANK -1", ":7\r\n"),
    SAID("LPOS l c RANK -3", ":2\r\n"),
    SAID("LPOS l c RANK 4", "$-1\r\n"),
    SAID("LPOS l c RANK -4", "$-1\r\n"),
    SAID("LPOS l c COUNT 2", "*2\r\n:2\r\n:6\r\n"),
    SAID("LPOS l c COUNT 0", "*3\r\n:2\r\n:6\r\n:7\r\n"),
    SAID("LPOS l c COUNT 0 RANK 2", "*2\r\n:6\r\n:7\r\n"),
    SAID("LPOS l c COUNT 0 RANK -1", "*3\r\n:7\r\n:6\r\n:2\r\n"),
    SAID("LPOS l c COUNT 2 RANK -2", "*2\r\n:6\r\n:2\r\n"),
    SAID("LPOS l c COUNT 100 MAXLEN 3", "*1\r\n:2\r\n"),
    SAID("LPOS l c COUNT 0 MAXLEN 2", "*0\r\n"),
    SAID("LPOS l c MAXLEN 2", "$-1\r\n"),
    SAID("LPOS l c MAXLEN 3", ":2\r\n"),
    SAID("LPOS l c RANK -1 MAXLEN 1", ":7\r\n"),
    SAID("LPOS l c RANK -3 MAXLEN 5", "$-1\r\n"),
    SAID("LPOS l c MAXLEN 0 RANK 3", ":7\r\n"),
    SAID("LPOS l a RANK -1 COUNT 1", "*1\r\n:0\r\n"),
    SAID("LPOS l 2", ":4\r\n"),
    SAID("LPOS l zz", "$-1\r\n"),
    SAID("LPOS l zz COUNT 0", "*0\r\n"),
    SAID("LPOS l c RANK 9223372036854775807", "$-1\r\n"),
    SAID("LPOS l c RANK -9223372036854775807", "$-1\r\n"),
    SAID("LPOS none a", "$-1\r\n"),
    SAID("LPOS none a COUNT 1", "*0\r\n"),
    SAID("LPOS l c RANK 1 RANK 2 COUNT 5 COUNT 1", "*1\r\n:6\r\n"),
    SAID("LINSERT l BEFORE a first", ":9\r\n"),
    SAID("LINSERT l after c later", ":10\r\n"),
    SAID("LINSERT l BEFORE 2 2", ":11\r\n"),
    SAID("LINSERT l AFTER zz no", ":-1\r\n"),
    SAID("LINSERT none AFTER zz no", ":0\r\n"),
    SAID("LRANGE l 0 -1",
         "*11\r\n$5\r\nfirst\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$5\r\nlater\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r"
         "\n2\r\n$1\r\n3\r\n$1\r\nc\r\n$1\r\nc\r\n"),
    SAID("LREM l 1 c", ":1\r\n"),
    SAID("LRANGE l 0 -1",
         "*10\r\n$5\r\nfirst\r\n$1\r\na\r\n$1\r\nb\r\n$5\r\nlater\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r"
         "\n3\r\n$1\r\nc\r\n$1\r\nc\r\n"),
    SAID("LREM l -1 c", ":1\r\n"),
    SAID("LRANGE l 0 -1",
         "*9\r\n$5\r\nfirst\r\n$1\r\na\r\n$1\r\nb\r\n$5\r\nlater\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r"
         "\n3\r\n$1\r\nc\r\n"),
    SAID("LREM l 0 2", ":2\r\n"),
    SAID("LREM l 5 zz", ":0\r\n"),
    SAID("LREM l -5 c", ":1\r\n"),
    SAID("LRANGE l 0 -1", "*6\r\n$5\r\nfirst\r\n$1\r\na\r\n$1\r\nb\r\n$5\r\nlater\r\n$1\r\n1\r\n$1\r\n3\r\n"),
    SAID("DEL l", ":1\r\n"),
    SAID("RPUSH l x x y x x", ":5\r\n"),
    SAID("LREM l -2 x", ":2\r\n"),
    SAID("LRANGE l 0 -1", "*3\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\ny\r\n"),
    SAID("LREM l 2 x", ":2\r\n"),
    SAID("LREM l 0 y", ":1\r\n"),
    SAID("EXISTS l", ":0\r\n"),
    SAID("LREM l 0 y", ":0\r\n"),
    SAID("RPUSH l x x x", ":3\r\n"),
    SAID("LREM l -3 x", ":3\r\n"),
    SAID("EXISTS l", ":0\r\n"),
    SAID("RPUSH l x x x", ":3\r\n"),
    SAID("LREM l 100 x", ":3\r\n"),
    SAID("EXISTS l", ":0\r\n"),
};

/* LMOVE, RPOPLPUSH and LMPOP, also of a list to itself. */
static const exchange moving[] = {
    SAID("RPUSH a 1 2 3", ":3\r\n"),
    SAID("LMOVE a b LEFT RIGHT", "$1\r\n1\r\n"),
    SAID("LMOVE a b RIGHT LEFT", "$1\r\n3\r\n"),
    SAID("LRANGE a 0 -1", "*1\r\n$1\r\n2\r\n"),
    SAID("LRANGE b 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
    SAID("LMOVE a b LEFT LEFT", "$1\r\n2\r\n"),
    SAID("EXISTS a", ":0\r\n"),
    SAID("LRANGE b 0 -1", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
    SAID("LMOVE b b LEFT RIGHT", "$1\r\n2\r\n"),
    SAID("LRANGE b 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("LMOVE b b RIGHT LEFT", "$1\r\n2\r\n"),
    SAID("LRANGE b 0 -1", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
    SAID("LMOVE b b LEFT LEFT", "$1\r\n2\r\n"),
    SAID("LMOVE b b RIGHT RIGHT", "$1\r\n1\r\n"),
    SAID("LRANGE b 0 -1", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
    SAID("LMOVE none b LEFT LEFT", "$-1\r\n"),
    SAID("LMOVE none none2 LEFT LEFT", "$-1\r\n"),
    SAID("RPOPLPUSH b c", "$1\r\n1\r\n"),
    SAID("RPOPLPUSH b b", "$1\r\n3\r\n"),
    SAID("LRANGE b 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n"),
    SAID("RPOPLPUSH none b", "$-1\r\n"),
    SAID("RPUSH one x", ":1\r\n"),
    SAID("LMOVE one one LEFT RIGHT", "$1\r\nx\r\n"),
    SAID("RPOPLPUSH one one", "$1\r\nx\r\n"),
    SAID("LRANGE one 0 -1", "*1\r\n$1\r\nx\r\n"),
    SAID("EXPIRE one 100", ":1\r\n"),
    SAID("LMOVE one one RIGHT RIGHT", "$1\r\nx\r\n"),
    SAID("TTL one", ":100\r\n"),
    SAID("LMOVE one two left Right", "$1\r\nx\r\n"),
    SAID("TTL two", ":-1\r\n"),
    SAID("EXISTS one", ":0\r\n"),
    SAID("LMPOP 1 b LEFT", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n3\r\n"),
    SAID("LMPOP 2 none b RIGHT COUNT 10", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n2\r\n"),
    SAID("EXISTS b", ":0\r\n"),
    SAID("LMPOP 2 none b RIGHT", "*-1\r\n"),
    SAID("RPUSH b 1 2 3 4 5", ":5\r\n"),
    SAID("LMPOP 3 none b two left count 2", "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
    SAID("LMPOP 3 none b two RIGHT COUNT 2", "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n5\r\n$1\r\n4\r\n"),
    SAID("LMPOP 3 none b two RIGHT COUNT 9223372036854775807", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n3\r\n"),
};

/* Errors, and their order. */
static const exchange errors_of_lists[] = {
    SAID("SET s x", "+OK\r\n"),
    SAID("RPUSH l a b c a b c", ":6\r\n"),
    SAID("LPUSH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("RPUSH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LPUSHX s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("RPUSHX s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LPUSH l", "-ERR wrong number of arguments for 'lpush' command\r\n"),
    SAID("RPUSHX l", "-ERR wrong number of arguments for 'rpushx' command\r\n"),
    SAID("LPOP l -1", "-ERR value is out of range, must be positive\r\n"),
    SAID("LPOP l x", "-ERR value is out of range, must be positive\r\n"),
    SAID("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n"),
    SAID("LPOP s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LPOP s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("RPOP s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("RPOP l 9223372036854775808", "-ERR value is out of range, must be positive\r\n"),
    SAID("LREM l x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("LREM s x a", "-ERR value is not an integer or out of range\r\n"),
    SAID("LREM s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LINDEX s x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LINDEX l x", "-ERR value is not an integer or out of range\r\n"),
    SAID("LINDEX s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LSET none x y", "-ERR no such key\r\n"),
    SAID("LSET none 0 y", "-ERR no such key\r\n"),
    SAID("LSET s x y", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LSET l x y", "-ERR value is not an integer or out of range\r\n"),
    SAID("LSET l 100 y", "-ERR index out of range\r\n"),
    SAID("LINSERT l foo a b", "-ERR syntax error\r\n"),
    SAID("LINSERT s foo a b", "-ERR syntax error\r\n"),
    SAID("LINSERT s before a b", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LPOS l a RANK 0",
         "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negat"
         "ive to start from the end of the list\r\n"),
    SAID("LPOS l a RANK x", "-ERR value is not an integer or out of range\r\n"),
    SAID("LPOS l a COUNT -1", "-ERR COUNT can't be negative\r\n"),
    SAID("LPOS l a COUNT x", "-ERR COUNT can't be negative\r\n"),
    SAID("LPOS l a MAXLEN -1", "-ERR MAXLEN can't be negative\r\n"),
    SAID("LPOS l a MAXLEN x", "-ERR MAXLEN can't be negative\r\n"),
    SAID("LPOS l a RANK", "-ERR syntax error\r\n"),
    SAID("LPOS l a FOO 1", "-ERR syntax error\r\n"),
    SAID("LPOS none a FOO", "-ERR syntax error\r\n"),
    SAID("LPOS s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LPOS s a RANK 0",
         "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negat"
         "ive to start from the end of the list\r\n"),
    SAID("LMOVE l d LEFT x", "-ERR syntax error\r\n"),
    SAID("LMOVE l d x LEFT", "-ERR syntax error\r\n"),
    SAID("LMOVE none s LEFT LEFT", "$-1\r\n"),
    SAID("LMOVE s d LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LMOVE l s LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("RPOPLPUSH none s", "$-1\r\n"),
    SAID("RPOPLPUSH s l", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("RPOPLPUSH l s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0\r\n"),
    SAID("LMPOP x l LEFT", "-ERR numkeys should be greater than 0\r\n"),
    SAID("LMPOP -1 l LEFT", "-ERR numkeys should be greater than 0\r\n"),
    SAID("LMPOP 2 l LEFT", "-ERR syntax error\r\n"),
    SAID("LMPOP 1 l foo", "-ERR syntax error\r\n"),
    SAID("LMPOP 1 l LEFT COUNT 0", "-ERR count should be greater than 0\r\n"),
    SAID("LMPOP 1 l LEFT COUNT x", "-ERR count should be greater than 0\r\n"),
    SAID("LMPOP 1 l LEFT COUNT", "-ERR syntax error\r\n"),
    SAID("LMPOP 1 l LEFT COUNT 1 COUNT 1", "-ERR syntax error\r\n"),
    SAID("LMPOP 1 l LEFT COUNT 1 x", "-ERR syntax error\r\n"),
    SAID("LMPOP 2 none s LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LMPOP 2 s none LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LMPOP 9223372036854775807 l LEFT", "-ERR syntax error\r\n"),
    SAID("LMPOP 4294967297 l LEFT", "-ERR syntax error\r\n"),
    SAID("LRANGE none x y", "-ERR value is not an integer or out of range\r\n"),
    SAID("LRANGE s x y", "-ERR value is not an integer or out of range\r\n"),
    SAID("LRANGE s 0 y", "-ERR value is not an integer or out of range\r\n"),
    SAID("LRANGE s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LTRIM none x 1", "-ERR value is not an integer or out of range\r\n"),
    SAID("LTRIM s 0 x", "-ERR value is not an integer or out of range\r\n"),
    SAID("LTRIM s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LLEN s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LLEN l x", "-ERR wrong number of arguments for 'llen' command\r\n"),
    SAID("GET l", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("APPEND l x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("INCR l", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("STRLEN l", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GETRANGE l 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SETBIT l 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("PFADD l x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("SETRANGE l 0 \"\"", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LRANGE l 0 -1", "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    SAID("MGET l s", "*2\r\n$-1\r\n$1\r\nx\r\n"),
    SAID("SET l x", "+OK\r\n"),
    SAID("GET l", "$1\r\nx\r\n"),
};

/* Absent elements and lists in RESP3. */
static const exchange resp3_nulls[] = {
    SAID("LPOP none", "_\r\n"),
    SAID("LPOP none 1", "_\r\n"),
    SAID("LINDEX none 0", "_\r\n"),
    SAID("LPOS none a", "_\r\n"),
    SAID("LPOS none a COUNT 1", "*0\r\n"),
    SAID("LMPOP 1 none LEFT", "_\r\n"),
    SAID("LMOVE none n2 LEFT LEFT", "_\r\n"),
    SAID("RPUSH l a", ":1\r\n"),
    SAID("LPOS l b", "_\r\n"),
    SAID("LMPOP 1 l LEFT", "*2\r\n$1\r\nl\r\n*1\r\n$1\r\na\r\n"),
    SAID("LRANGE l 0 -1", "*0\r\n"),
};

/* Errors that 7.2 words differently. */
static const exchange valkey_newer_words[] = {
    SAID("RPUSH l a", ":1\r\n"),
    SAID("LREM l -9223372036854775808 a",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("LPOS l a RANK -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n"),
    SAID("LREM l 9223372036854775808 a", "-ERR value is not an integer or out of range\r\n"),
};

static const happening told[] = {
    TOLD("RPUSH l a b c", "n0:new:l l0:rpush:l"),
    TOLD("LPUSH l x", "l0:lpush:l"),
    TOLD("LPUSHX l y", "l0:lpush:l"),
    TOLD("LPUSHX none y", ""),
    TOLD("RPUSH l p q r", "l0:rpush:l"),
    TOLD("LPOP l", "l0:lpop:l"),
    TOLD("RPOP l 2", "l0:rpop:l"),
    TOLD("LPOP l 0", ""),
    TOLD("LPOP none", ""),
    TOLD("RPOP none 2", ""),
    TOLD("LINSERT l BEFORE a z", "l0:linsert:l"),
    TOLD("LINSERT l BEFORE none z", ""),
    TOLD("LSET l 0 s", "l0:lset:l"),
    TOLD("LSET l 100 s", ""),
    TOLD("LSET none 0 s", ""),
    TOLD("LREM l 0 a", "l0:lrem:l"),
    TOLD("LREM l 0 a", ""),
    TOLD("LTRIM l 0 -1", "l0:ltrim:l"),
    TOLD("LTRIM l 1 -1", "l0:ltrim:l"),
    TOLD("LTRIM none 0 1", ""),
    TOLD("LTRIM l 5 1", "l0:ltrim:l g0:del:l"),
    TOLD("RPUSH l a a", "n0:new:l l0:rpush:l"),
    TOLD("LREM l 0 a", "l0:lrem:l g0:del:l"),
    TOLD("RPUSH l a", "n0:new:l l0:rpush:l"),
    TOLD("LPOP l", "l0:lpop:l g0:del:l"),
    TOLD("RPUSH l a b", "n0:new:l l0:rpush:l"),
    TOLD("RPOP l 5", "l0:rpop:l g0:del:l"),
    TOLD("RPUSH l a b c", "n0:new:l l0:rpush:l"),
    TOLD("LMOVE l m LEFT RIGHT", "n0:new:m l0:rpush:m l0:lpop:l"),
    TOLD("LMOVE l m RIGHT LEFT", "l0:lpush:m l0:rpop:l"),
    TOLD("LMOVE l l LEFT LEFT", "l0:lpush:l l0:lpop:l"),
    TOLD("RPOPLPUSH l l", "l0:lpush:l l0:rpop:l"),
    TOLD("RPOPLPUSH l m", "l0:lpush:m l0:rpop:l g0:del:l"),
    TOLD("RPOPLPUSH none m", ""),
    TOLD("LMPOP 2 none m LEFT", "l0:lpop:m"),
    TOLD("LMPOP 2 none m RIGHT COUNT 5", "l0:rpop:m g0:del:m"),
    TOLD("LMPOP 2 none m RIGHT COUNT 5", ""),
    TOLD("LLEN none", "m0:keymiss:none"),
    TOLD("LRANGE none 0 1", "m0:keymiss:none"),
    TOLD("LINDEX none 0", "m0:keymiss:none"),
    TOLD("LPOS none 0", "m0:keymiss:none"),
    TOLD("RPUSH l a", "n0:new:l l0:rpush:l"),
    TOLD("EXPIRE l 100", "g0:expire:l"),
    TOLD("RPUSH l a", "l0:rpush:l"),
    TOLD("DEL l", "g0:del:l"),
    TOLD("RPUSH l a PX 20", "n0:new:l l0:rpush:l"),
    TOLD("PEXPIRE l 20", "g0:expire:l"),
    TOLD(">30", ""),
    TOLD("RPUSH l b", "x0:expired:l n0:new:l l0:rpush:l"),
    TOLD("LRANGE l 0 -1", ""),
    TOLD("PEXPIRE l 20", "g0:expire:l"),
    TOLD(">30", ""),
    TOLD("LMOVE l m LEFT LEFT", "x0:expired:l"),
};
static void the_ends_answer_as_redis(void) { REPLAY(pushing_and_popping); }
static void positions_answer_as_redis(void) { REPLAY(positions); }
static void searches_answer_as_redis(void) { REPLAY(searching); }
static void moves_answer_as_redis(void) { REPLAY(moving); }
static void errors_are_those_of_redis(void) {
  REPLAY(errors_of_lists);
  REPLAY(valkey_newer_words);
}
static void absent_lists_answer_in_resp3(void) { REPLAY3(resp3_nulls); }
static void events_are_those_of_redis(void) { REPLAY_EVENTS(told); }

/* ---- a plain array does the same ---- */

static uint64_t dice = 88172645463325252ull;
static uint64_t roll(uint64_t n) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return dice % n;
}

/* A list of numbers; rendering a number gives an element of a length and form that follow from it. */
typedef struct model {
  uint32_t *at;
  size_t n, cap;
} model;

static void model_insert(model *m, size_t i, uint32_t x) {
  if (m->n == m->cap) m->at = realloc(m->at, (m->cap = 2 * m->cap + 64) * sizeof *m->at);
  memmove(m->at + i + 1, m->at + i, (m->n++ - i) * sizeof *m->at);
  m->at[i] = x;
}
static void model_remove(model *m, size_t i, size_t n) {
  memmove(m->at + i, m->at + i + n, (m->n - i - n) * sizeof *m->at);
  m->n -= n;
}

/* 0: elements of all lengths; else all but one of so many are equally long. */
static uint32_t odd_one;

#define ELEMENT_MAX 20000u
static size_t element_of(uint32_t x, char *to) {
  if (odd_one != 0) return (size_t)sprintf(to, x % odd_one == 1 ? "longer:%012u" : "item:%08u", x);
  size_t len = (size_t)sprintf(to,
                               x % 3 == 0   ? "%d"
                               : x % 3 == 1 ? "item:%d"
                                            : "%d:",
                               (int)(x * 2654435761u) >> x % 29);
  size_t want = x % 50 == 7 ? 100 + x % 500 : x % 400 == 9 ? 500 + x % 3000 : x % 2000 == 10 ? ELEMENT_MAX - 1 : 0;
  for (; len < want; len++) to[len] = (char)('a' + (len + x) % 26);
  return len;
}

typedef struct words {
  uint8_t *data;
  size_t len, cap;
  unsigned n;
} words;

static void words_raw(words *w, const void *data, size_t len) {
  if (w->cap - w->len < len) w->data = realloc(w->data, w->cap = 2 * w->cap + len);
  memcpy(w->data + w->len, data, len);
  w->len += len;
}
static void words_bulk(words *w, const void *data, size_t len) {
  char head[32];
  words_raw(w, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len));
  words_raw(w, data, len);
  words_raw(w, "\r\n", 2);
  w->n++;
}
static void words_say(words *w, const char *text) { words_bulk(w, text, strlen(text)); }
static void words_number(words *w, int64_t n) {
  char text[32];
  words_bulk(w, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)n));
}
static void words_element(words *w, uint32_t x) {
  static char text[ELEMENT_MAX + 64];
  words_bulk(w, text, element_of(x, text));
}

/* Send the words, and compare the reply. */
static void ask_words(rig_client *c, words *ask, words *reply, const char *what) {
  char head[32];
  int n = snprintf(head, sizeof head, "*%u\r\n", ask->n);
  c->len = 0;
  rig_feed(c, head, (size_t)n, SIZE_MAX);
  rig_feed(c, ask->data, ask->len, SIZE_MAX);
  if (c->len != reply->len || (c->len > 0 && memcmp(c->out, reply->data, c->len) != 0)) {
    CHECK_FAIL("%s", what);
    check_print("asked  ", ask->data, ask->len);
    check_print("is     ", c->out, c->len);
    check_print("and not", reply->data, reply->len);
  }
  ask->len = reply->len = ask->n = reply->n = 0;
}

static void reply_number(words *w, int64_t n) {
  char text[32];
  words_raw(w, text, (size_t)snprintf(text, sizeof text, ":%lld\r\n", (long long)n));
}
static void reply_array(words *w, size_t n) {
  char text[32];
  words_raw(w, text, (size_t)snprintf(text, sizeof text, "*%zu\r\n", n));
}

/* The same element under other numbers, which the random choice below avoids. */
static uint32_t any_element(uint32_t kinds) { return (uint32_t)roll(kinds); }

static void compare_all(rig_client *c, const model *m, words *ask, words *reply) {
  words_say(ask, "LRANGE");
  words_say(ask, "l");
  words_number(ask, 0);
  words_number(ask, -1);
  reply_array(reply, m->n);
  for (size_t i = 0; i < m->n; i++) words_element(reply, m->at[i]);
  ask_words(c, ask, reply, "the whole list");
}

static bool same_element(uint32_t a, uint32_t b) {
  static char x[ELEMENT_MAX + 64], y[ELEMENT_MAX + 64];
  if (a == b) return true;
  size_t n = element_of(a, x);
  return n == element_of(b, y) && memcmp(x, y, n) == 0;
}

/* Random commands on a list of about `about` elements of `kinds` different ones. */
static void play(rd_policy policy, uint64_t memory, size_t about, uint32_t kinds, unsigned steps) {
  rd_store st;
  int fd = rig_open(&st, memory, 4, policy);
  rig_client c = rig_client_new(&st, NULL);
  model m = {0};
  words ask = {0}, reply = {0};
  for (unsigned step = 0; step < steps && check_ok; step++) {
    unsigned what = (unsigned)roll(16);
    bool left = roll(2) != 0;
    if (m.n < about / 2 && what > 7) what = 0;
    if (m.n > about * 2) what = 5;
    size_t i = m.n != 0 ? roll(m.n) : 0;
    uint32_t x = m.n != 0 && roll(2) ? m.at[i] : any_element(kinds);
    if (what < 3) {
      size_t n = roll(4) == 0 ? 1 + roll(about / 4 + 1) : 1;
      words_say(&ask, left ? "LPUSH" : "RPUSH");
      words_say(&ask, "l");
      for (size_t k = 0; k < n; k++) {
        uint32_t y = any_element(kinds);
        words_element(&ask, y);
        model_insert(&m, left ? 0 : m.n, y);
      }
      reply_number(&reply, (int64_t)m.n);
      ask_words(&c, &ask, &reply, "push");
    } else if (what < 5) {
      words_say(&ask, left ? "LPOP" : "RPOP");
      words_say(&ask, "l");
      size_t n = roll(3) == 0 ? 1 + roll(about / 8 + 1) : 0, most = n > m.n ? m.n : n;
      if (n != 0) words_number(&ask, (int64_t)n);
      if (m.n == 0) {
        words_raw(&reply, n != 0 ? "*-1\r\n" : "$-1\r\n", 5);
      } else {
        if (n != 0) reply_array(&reply, most);
        if (n == 0) most = 1;
        for (size_t k = 0; k < most; k++) words_element(&reply, m.at[left ? k : m.n - 1 - k]);
        model_remove(&m, left ? 0 : m.n - most, most);
      }
      ask_words(&c, &ask, &reply, "pop");
    } else if (what == 5) {
      size_t cut = m.n > about ? m.n - about : roll(m.n / 4 + 1), front = roll(cut + 1);
      words_say(&ask, "LTRIM");
      words_say(&ask, "l");
      words_number(&ask, (int64_t)front);
      words_number(&ask, -1 - (int64_t)(cut - front));
      if (front != 0 || cut != front) {
        model_remove(&m, m.n - (cut - front), cut - front);
        model_remove(&m, 0, front);
      }
      words_raw(&reply, "+OK\r\n", 5);
      ask_words(&c, &ask, &reply, "trim");
    } else if (what < 8) {
      words_say(&ask, "LINSERT");
      words_say(&ask, "l");
      words_say(&ask, left ? "BEFORE" : "AFTER");
      words_element(&ask, x);
      uint32_t y = any_element(kinds);
      words_element(&ask, y);
      size_t k = 0;
      while (k < m.n && !same_element(m.at[k], x)) k++;
      if (m.n == 0) {
        reply_number(&reply, 0);
      } else if (k == m.n) {
        reply_number(&reply, -1);
      } else {
        model_insert(&m, k + !left, y);
        reply_number(&reply, (int64_t)m.n);
      }
      ask_words(&c, &ask, &reply, "insert");
    } else if (what == 8) {
      int64_t count = (int64_t)roll(5) - 2;
      words_say(&ask, "LREM");
      words_say(&ask, "l");
      words_number(&ask, count);
      words_element(&ask, x);
      int64_t removed = 0, most = count == 0 ? INT64_MAX : count < 0 ? -count : count;
      if (count >= 0) {
        for (size_t k = 0; k < m.n && removed < most;) {
          if (same_element(m.at[k], x))
            model_remove(&m, k, 1), removed++;
          else
            k++;
        }
      } else {
        for (size_t k = m.n; k-- > 0 && removed < most;) {
          if (same_element(m.at[k], x)) model_remove(&m, k, 1), removed++;
        }
      }
      reply_number(&reply, removed);
      ask_words(&c, &ask, &reply, "remove");
    } else if (what < 11) {
      uint32_t y = any_element(kinds);
      words_say(&ask, "LSET");
      words_say(&ask, "l");
      words_number(&ask, left ? (int64_t)i : (int64_t)i - (int64_t)m.n);
      words_element(&ask, y);
      if (m.n == 0) {
        words_raw(&reply, "-ERR no such key\r\n", 18);
      } else {
        m.at[i] = y;
        words_raw(&reply, "+OK\r\n", 5);
      }
      ask_words(&c, &ask, &reply, "set");
    } else if (what < 13) {
      words_say(&ask, "LINDEX");
      words_say(&ask, "l");
      words_number(&ask, left ? (int64_t)i : (int64_t)i - (int64_t)m.n);
      if (m.n == 0)
        words_raw(&reply, "$-1\r\n", 5);
      else
        words_element(&reply, m.at[i]);
      ask_words(&c, &ask, &reply, "index");
    } else if (what == 13) {
      words_say(&ask, "LPOS");
      words_say(&ask, "l");
      words_element(&ask, x);
      words_say(&ask, "RANK");
      words_number(&ask, left ? 1 : -1);
      size_t k = 0;
      while (k < m.n && !same_element(m.at[left ? k : m.n - 1 - k], x)) k++;
      if (k == m.n)
        words_raw(&reply, "$-1\r\n", 5);
      else
        reply_number(&reply, (int64_t)(left ? k : m.n - 1 - k));
      ask_words(&c, &ask, &reply, "position");
    } else if (what == 14) {
      bool to_left = roll(2) != 0;
      words_say(&ask, "LMOVE");
      words_say(&ask, "l");
      words_say(&ask, "l");
      words_say(&ask, left ? "LEFT" : "RIGHT");
      words_say(&ask, to_left ? "LEFT" : "RIGHT");
      if (m.n == 0) {
        words_raw(&reply, "$-1\r\n", 5);
      } else {
        uint32_t y = m.at[left ? 0 : m.n - 1];
        words_element(&reply, y);
        model_remove(&m, left ? 0 : m.n - 1, 1);
        model_insert(&m, to_left ? 0 : m.n, y);
      }
      ask_words(&c, &ask, &reply, "move");
    } else {
      size_t n = m.n != 0 ? roll(m.n - i < 300 ? m.n - i + 1 : 300) : 0;
      words_say(&ask, "LRANGE");
      words_say(&ask, "l");
      words_number(&ask, (int64_t)i);
      words_number(&ask, (int64_t)(i + n) - 1);
      if (i == 0 && n == 0) {
        n = m.n; /* 0 -1 */
      }
      reply_array(&reply, n);
      for (size_t k = 0; k < n; k++) words_element(&reply, m.at[i + k]);
      ask_words(&c, &ask, &reply, "range");
    }
    if (step % (1 + steps / 20) == 0) {
      compare_all(&c, &m, &ask, &reply);
      char err[200] = "";
      if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("step %u: %s", step, err);
    }
  }
  free(m.at);
  free(ask.data);
  free(reply.data);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* ---- leaves of entries that are equally long ---- */

#define EVEN 1000u /* elements: some leaves */

/* The list `l` with `EVEN` elements, all of the same length. */
static void fill_evenly(rig_client *c, model *m, words *ask, words *reply) {
  words_say(ask, "DEL");
  words_say(ask, "l");
  reply_number(reply, m->n != 0);
  ask_words(c, ask, reply, "DEL");
  m->n = 0;
  words_say(ask, "RPUSH");
  words_say(ask, "l");
  for (uint32_t x = 0; x < EVEN; x++) {
    words_element(ask, 2 * x);
    model_insert(m, x, 2 * x);
  }
  reply_number(reply, EVEN);
  ask_words(c, ask, reply, "RPUSH");
}

/* The list's elements, by all ways to find one; and its leaves are sound. */
static void find_all(rig_client *c, const model *m, words *ask, words *reply) {
  compare_all(c, m, ask, reply);
  for (size_t i = 0; i < m->n; i += 1 + m->n / 97) {
    for (size_t back = 0; back < 2; back++) {
      words_say(ask, "LINDEX");
      words_say(ask, "l");
      words_number(ask, (int64_t)i - (int64_t)(back ? m->n : 0));
      words_element(reply, m->at[i]);
      ask_words(c, ask, reply, "LINDEX");
    }
  }
  words_say(ask, "LINDEX");
  words_say(ask, "l");
  words_number(ask, -1);
  words_element(reply, m->at[m->n - 1]);
  ask_words(c, ask, reply, "LINDEX -1");
  char err[200] = "";
  if (rd_check(c->st, err, sizeof err) != 0) CHECK_FAIL("%s", err);
}

static void pop_last(rig_client *c, model *m, words *ask, words *reply) {
  words_say(ask, "RPOP");
  words_say(ask, "l");
  words_element(reply, m->at[m->n - 1]);
  model_remove(m, m->n - 1, 1);
  ask_words(c, ask, reply, "RPOP");
}

/* Put a longer element at position `i`: in place of another, or before that. */
static void put_longer(rig_client *c, model *m, size_t i, bool replaces, words *ask, words *reply) {
  uint32_t longer = 2 * EVEN + 1;
  words_say(ask, replaces ? "LSET" : i == m->n ? "RPUSH" : "LINSERT");
  words_say(ask, "l");
  if (replaces) {
    words_number(ask, (int64_t)i);
    m->at[i] = longer;
    words_raw(reply, "+OK\r\n", 5);
  } else {
    if (i < m->n) {
      words_say(ask, "BEFORE");
      words_element(ask, m->at[i]);
    }
    model_insert(m, i, longer);
    reply_number(reply, (int64_t)m->n);
  }
  words_element(ask, longer);
  ask_words(c, ask, reply, "a longer element");
}

static void trim_to(rig_client *c, model *m, size_t from, size_t to, words *ask, words *reply) {
  words_say(ask, "LTRIM");
  words_say(ask, "l");
  words_number(ask, (int64_t)from);
  words_number(ask, (int64_t)to - 1);
  words_raw(reply, "+OK\r\n", 5);
  model_remove(m, to, m->n - to);
  model_remove(m, 0, from);
  ask_words(c, ask, reply, "LTRIM");
}

static void one_element_may_be_longer_than_all_others(void) {
  rd_store st;
  int fd = rig_open(&st, 64u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  model m = {0};
  words ask = {0}, reply = {0};
  odd_one = 2 * EVEN;
  const size_t places[] = {0, 1, EVEN / 2, EVEN - 2, EVEN - 1, EVEN};
  for (size_t k = 0; k < 2 * sizeof places / sizeof *places; k++) {
    bool replaces = k % 2 != 0;
    if (replaces && places[k / 2] == EVEN) continue;
    fill_evenly(&c, &m, &ask, &reply);
    find_all(&c, &m, &ask, &reply);
    put_longer(&c, &m, places[k / 2], replaces, &ask, &reply);
    find_all(&c, &m, &ask, &reply);
    pop_last(&c, &m, &ask, &reply);
    find_all(&c, &m, &ask, &reply);
    words_say(&ask, "LREM"); /* equal again, or already without it */
    words_say(&ask, "l");
    words_number(&ask, -1);
    words_element(&ask, 2 * EVEN + 1);
    size_t at = 0;
    while (at < m.n && m.at[at] != 2 * EVEN + 1) at++;
    reply_number(&reply, at < m.n);
    if (at < m.n) model_remove(&m, at, 1);
    ask_words(&c, &ask, &reply, "LREM");
    find_all(&c, &m, &ask, &reply);
    for (unsigned n = 0; n < 300; n++) put_longer(&c, &m, EVEN / 3, false, &ask, &reply); /* leaves are split */
    find_all(&c, &m, &ask, &reply);
    trim_to(&c, &m, EVEN / 3 - 5, EVEN / 3 + 310, &ask, &reply); /* both kinds in the leaves at the ends */
    find_all(&c, &m, &ask, &reply);
    while (m.n > 3) { /* leaves are joined */
      pop_last(&c, &m, &ask, &reply);
      if (m.n % 10 == 0) find_all(&c, &m, &ask, &reply);
    }
    find_all(&c, &m, &ask, &reply);
  }
  odd_one = 0;
  free(m.at);
  free(ask.data);
  free(reply.data);
  rig_client_free(&c);
  rig_close(&st, fd);
}

/* A push of several elements is undone when there is no memory for the last ones. */
static void equal_elements_stay_equal_when_a_push_is_undone(void) {
  rd_store st;
  int fd = rig_open(&st, 16u << 20, 4, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  model m = {0};
  words ask = {0}, reply = {0};
  char *big = calloc(1, 1u << 20);
  odd_one = 2 * EVEN;
  for (unsigned k = 0; k < 4; k++) {
    fill_evenly(&c, &m, &ask, &reply);
    if (k > 1) put_longer(&c, &m, k == 2 ? EVEN : 0, false, &ask, &reply);
    static const char oom[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    words_say(&ask, k % 2 ? "LPUSH" : "RPUSH");
    words_say(&ask, "l");
    for (uint32_t x = 0; x < 100; x++) words_element(&ask, 2 * x);
    words_element(&ask, 2 * EVEN + 1);
    for (uint32_t x = 0; x < 20; x++) words_bulk(&ask, big, 1u << 20);
    words_raw(&reply, oom, sizeof oom - 1);
    ask_words(&c, &ask, &reply, "a push without memory");
    find_all(&c, &m, &ask, &reply);
    pop_last(&c, &m, &ask, &reply);
    find_all(&c, &m, &ask, &reply);
  }
  odd_one = 0;
  free(big);
  free(m.at);
  free(ask.data);
  free(reply.data);
  rig_client_free(&c);
  rig_close(&st, fd);
}

static void lists_of_equally_long_elements_do_what_an_array_does(void) {
  static const uint32_t odd[] = {UINT32_MAX, 3000, 300, 30, 2};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    odd_one = odd[i];
    play(RD_NOEVICTION, 64u << 20, 300, 100000, 3000);
    play(RD_NOEVICTION, 64u << 20, 3000, 100000, 1000);
  }
  odd_one = 0;
}

static void a_list_does_what_an_array_does(void) {
  play(RD_NOEVICTION, 64u << 20, 8, 6, 4000);
  play(RD_NOEVICTION, 64u << 20, 20, 40000, 4000);
  play(RD_NOEVICTION, 64u << 20, 300, 300, 4000);
  play(RD_NOEVICTION, 64u << 20, 3000, 100000, 2000);
  play(RD_ALLKEYS_LRU, 64u << 20, 30000, 100000, 500);
}

/* The leaves of the list `l`, and those that are marked as even. */
static void count_leaves(rd_store *st, unsigned *leaves, unsigned *even) {
  rd_key key = rd_key_of(st, (rd_bytes){(const uint8_t *)"l", 1}, 0);
  rd_lock_shard(st, rd_shard_of(st, key.hash));
  rd_item *it = rd_find_quiet(st, &key, false);
  rd_coll c;
  rd_pos p;
  rd_coll_open(&c, st, &key, it, rd_type_of(it));
  rd_ref leaf = 0;
  *leaves = *even = 0;
  for (bool more = rd_coll_first(&c, &p); more; more = rd_coll_next(&c, &p)) {
    if (p.leaf == leaf) continue;
    leaf = p.leaf;
    ++*leaves;
    *even += rd_coll_even(&c, &p) != 0;
  }
  rd_unlock_all(st);
}

/* In such a leaf a place is found without looking at the entries before it. */
static void leaves_of_equally_long_elements_are_marked(void) {
  rd_store st;
  int fd = rig_open(&st, 16 << 20, 1, RD_NOEVICTION);
  rig_client c = rig_client_new(&st, NULL);
  char line[100];
  unsigned leaves, even;
  for (int i = 0; i < 2000; i++) {
    snprintf(line, sizeof line, "%s l element:%08d\r\n", i % 2 == 0 ? "RPUSH" : "LPUSH", i);
    rig_say(&c, line);
  }
  count_leaves(&st, &leaves, &even);
  CHECK(leaves > 10);
  CHECK_INT(even, leaves);
  rig_say(&c, "LSET l 1000 short\r\nLINSERT l BEFORE short a-longer-element-than-these\r\n");
  count_leaves(&st, &leaves, &even);
  CHECK(even < leaves && even + 2 >= leaves);
  rig_say(&c, "LTRIM l 0 100\r\n");
  count_leaves(&st, &leaves, &even);
  CHECK_INT(even, leaves);
  rig_client_free(&c);
  rig_close(&st, fd);
}

int main(void) {
  RUN(leaves_of_equally_long_elements_are_marked);
  RUN(the_ends_answer_as_redis);
  RUN(positions_answer_as_redis);
  RUN(searches_answer_as_redis);
  RUN(moves_answer_as_redis);
  RUN(errors_are_those_of_redis);
  RUN(absent_lists_answer_in_resp3);
  RUN(events_are_those_of_redis);
  RUN(a_list_does_what_an_array_does);
  RUN(one_element_may_be_longer_than_all_others);
  RUN(equal_elements_stay_equal_when_a_push_is_undone);
  RUN(lists_of_equally_long_elements_do_what_an_array_does);
  return check_end();
}
