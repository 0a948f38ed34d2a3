/* test_stream.c - commands on streams: the replies of redis-server. */
#include "oracle.h"

static const exchange adding[] = {
    SAID("XADD s 1-1 a 1 b 2", "$3\r\n1-1\r\n"),
    SAID("XADD s 1-1 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XADD s 0-9 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XADD s 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0\r\n"),
    SAID("XADD s 0 a 1", "-ERR The ID specified in XADD must be greater than 0-0\r\n"),
    SAID("XADD s 1-* a 3 b 4", "$3\r\n1-2\r\n"),
    SAID("XADD s 2-* a 5", "$3\r\n2-0\r\n"),
    SAID("XADD s 2-* c 5", "$3\r\n2-1\r\n"),
    SAID("XADD s 1-* c 5", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XADD s 3 a 5 b 6", "$3\r\n3-0\r\n"),
    SAID("XADD s 3 a 5 b 6", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XADD s 4-18446744073709551615 a 5 b 6", "$22\r\n4-18446744073709551615\r\n"),
    SAID("XADD s 5-007 a \"\" \"\" 6", "$3\r\n5-7\r\n"),
    SAID("XADD s \" 6-+8\" a -1 b 70000", "$3\r\n6-8\r\n"),
    SAID("XADD s \"7--08\" a -1 b 70000", "$22\r\n7-18446744073709551608\r\n"),
    SAID("XADD s 8-- a -1 b 70000", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s -8 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s 8-8-8 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s 18446744073709551616 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s - a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s + a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s (1 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s *1 a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s x a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s \"\" a 1", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD s 9-9 a", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD s 9-9", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD s 9-9 a b c", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD s * a b c", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD s 0-0 a b c", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD none NOMKSTREAM * a b", "$-1\r\n"),
    SAID("XADD none NOMKSTREAM 0-0 a b", "-ERR The ID specified in XADD must be greater than 0-0\r\n"),
    SAID("EXISTS none", ":0\r\n"),
    SAID("XADD s nomkstream 9-9 a b", "$3\r\n9-9\r\n"),
    SAID("XADD zero 0-* a b", "$3\r\n0-1\r\n"),
    SAID("XRANGE zero - +", "*1\r\n*2\r\n$3\r\n0-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("XLEN s", ":10\r\n"),
    SAID("XLEN none", ":0\r\n"),
    SAID("XRANGE s - +",
         "*10\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n*2\r\n$3\r\n1-2\r\n*"
         "4\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n4\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n5\r\n"
         "*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\nc\r\n$1\r\n5\r\n*2\r\n$3\r\n3-0\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1"
         "\r\nb\r\n$1\r\n6\r\n*2\r\n$22\r\n4-18446744073709551615\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nb\r"
         "\n$1\r\n6\r\n*2\r\n$3\r\n5-7\r\n*4\r\n$1\r\na\r\n$0\r\n\r\n$0\r\n\r\n$1\r\n6\r\n*2\r\n$3\r\n6-8"
         "\r\n*4\r\n$1\r\na\r\n$2\r\n-1\r\n$1\r\nb\r\n$5\r\n70000\r\n*2\r\n$22\r\n7-18446744073709551608\r"
         "\n*4\r\n$1\r\na\r\n$2\r\n-1\r\n$1\r\nb\r\n$5\r\n70000\r\n*2\r\n$3\r\n9-9\r\n*2\r\n$1\r\na\r\n$1"
         "\r\nb\r\n"),
    SAID("XREVRANGE s + -",
         "*10\r\n*2\r\n$3\r\n9-9\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$22\r\n7-18446744073709551608\r\n*4"
         "\r\n$1\r\na\r\n$2\r\n-1\r\n$1\r\nb\r\n$5\r\n70000\r\n*2\r\n$3\r\n6-8\r\n*4\r\n$1\r\na\r\n$2\r\n-"
         "1\r\n$1\r\nb\r\n$5\r\n70000\r\n*2\r\n$3\r\n5-7\r\n*4\r\n$1\r\na\r\n$0\r\n\r\n$0\r\n\r\n$1\r\n6\r"
         "\n*2\r\n$22\r\n4-18446744073709551615\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nb\r\n$1\r\n6\r\n*2\r"
         "\n$3\r\n3-0\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nb\r\n$1\r\n6\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\n"
         "c\r\n$1\r\n5\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n5\r\n*2\r\n$3\r\n1-2\r\n*4\r\n$1\r\na"
         "\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n4\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$"
         "1\r\n2\r\n"),
    SAID("TYPE s", "+stream\r\n"),
    SAID("OBJECT ENCODING s", "$6\r\nstream\r\n"),
    SAID("SET str v", "+OK\r\n"),
    SAID("XADD str 1-1 a b", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XADD str x a b", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XLEN str", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XRANGE str - +", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XRANGE str x +", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XDEL str 1-1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XTRIM str MAXLEN 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XSETID str 1-1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XINFO STREAM str", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("LPUSH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GET s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XADD end 18446744073709551615-18446744073709551615 a b",
         "$41\r\n18446744073709551615-18446744073709551615\r\n"),
    SAID("XADD end * a b", "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n"),
    SAID("XADD end 1-1 a b", "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n"),
    SAID("XADD end 18446744073709551615-* a b",
         "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n"),
    SAID("XRANGE end - +",
         "*1\r\n*2\r\n$41\r\n18446744073709551615-18446744073709551615\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("XRANGE end (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval\r\n"),
    SAID("XADD far 1-1 a b", "$3\r\n1-1\r\n"),
    SAID("XADD far 18446744073709551615-0 a b", "$22\r\n18446744073709551615-0\r\n"),
    SAID("XADD far * a b", "$22\r\n18446744073709551615-1\r\n"),
    SAID("XRANGE far - +",
         "*3\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$22\r\n18446744073709551615-0\r\n*2\r"
         "\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$22\r\n18446744073709551615-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
};

static const exchange ranges[] = {
    SAID("XADD s 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD s 1-2 a 2", "$3\r\n1-2\r\n"),
    SAID("XADD s 2-0 a 3", "$3\r\n2-0\r\n"),
    SAID("XADD s 2-5 b 4", "$3\r\n2-5\r\n"),
    SAID("XADD s 9-0 a 5 c 6", "$3\r\n9-0\r\n"),
    SAID("XRANGE s 1 1",
         "*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n"),
    SAID("XRANGE s 1 2",
         "*4\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4\r"
         "\n"),
    SAID("XRANGE s 1-2 2-4",
         "*2\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3"
         "\r\n"),
    SAID("XRANGE s (1-1 2",
         "*3\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3"
         "\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4\r\n"),
    SAID("XRANGE s (1 (2",
         "*4\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4\r"
         "\n"),
    SAID("XRANGE s (1-2 (9-0",
         "*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4"
         "\r\n"),
    SAID("XRANGE s (9-0 +", "*0\r\n"),
    SAID("XRANGE s 3 8", "*0\r\n"),
    SAID("XRANGE s 10 +", "*0\r\n"),
    SAID("XRANGE s + -", "*0\r\n"),
    SAID("XRANGE s 2 1", "*0\r\n"),
    SAID("XRANGE s - + COUNT 2",
         "*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n"),
    SAID("XRANGE s 2-0 + COUNT 2",
         "*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4"
         "\r\n"),
    SAID("XRANGE s - + COUNT 0", "*-1\r\n"),
    SAID("XRANGE s - + COUNT -7", "*-1\r\n"),
    SAID("XRANGE none - + COUNT 0", "*0\r\n"),
    SAID("XRANGE s - + COUNT 2 COUNT 1", "*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("XRANGE s - + COUNT", "-ERR syntax error\r\n"),
    SAID("XRANGE s - + COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("XRANGE s - + LIMIT 1", "-ERR syntax error\r\n"),
    SAID("XRANGE s (- +", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XRANGE s - (+", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XRANGE s (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval\r\n"),
    SAID("XRANGE s (18446744073709551615 +", "*0\r\n"),
    SAID("XRANGE s - (0-0", "-ERR invalid end ID for the interval\r\n"),
    SAID("XRANGE s - (0", "*0\r\n"),
    SAID("XRANGE s ( +", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XRANGE s x +", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XRANGE s - x", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XREVRANGE s 2 1",
         "*4\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3"
         "\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r"
         "\n"),
    SAID("XREVRANGE s (2-5 (1-1",
         "*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n"),
    SAID("XREVRANGE s + - COUNT 2",
         "*2\r\n*2\r\n$3\r\n9-0\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nc\r\n$1\r\n6\r\n*2\r\n$3\r\n2-5\r\n*2"
         "\r\n$1\r\nb\r\n$1\r\n4\r\n"),
    SAID("XREVRANGE s 2-1 - COUNT 2",
         "*2\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n"),
    SAID("XREVRANGE s - +", "*0\r\n"),
    SAID("XREVRANGE s 0 -", "*0\r\n"),
    SAID("XREVRANGE s x y", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XREVRANGE none + -", "*0\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:5\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n9-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentrie"
         "s-added\r\n:5\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:0\r\n$11\r\nfir"
         "st-entry\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n$10\r\nlast-entry\r\n*2\r\n$3\r\n9-0"
         "\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nc\r\n$1\r\n6\r\n"),
    SAID("XINFO STREAM none", "-ERR no such key\r\n"),
    SAID("XINFO STREAM s bad",
         "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n"),
    SAID("XINFO STREAM s FULL COUNT",
         "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n"),
    SAID("XINFO STREAM s FULL COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("XINFO GROUPS s", "*0\r\n"),
    SAID("XINFO GROUPS none", "-ERR no such key\r\n"),
    SAID("XINFO CONSUMERS s nog", "-NOGROUP No such consumer group 'nog' for key name 's'\r\n"),
    SAID("XINFO HELP",
         "*9\r\n+XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+CONSUMERS <key> <group"
         "name>\r\n+    Show consumers of <groupname>.\r\n+GROUPS <key>\r\n+    Show the stream consumer g"
         "roups.\r\n+STREAM <key> [FULL [COUNT <count>]\r\n+    Show information about the stream.\r\n+HEL"
         "P\r\n+    Prints this help.\r\n"),
    SAID("XINFO", "-ERR wrong number of arguments for 'xinfo' command\r\n"),
    SAID("XINFO foo", "-ERR unknown subcommand 'foo'. Try XINFO HELP.\r\n"),
};

static const exchange valkey_refused[] = {
    SAID("XADD s 4-18446744073709551615 a b", "$22\r\n4-18446744073709551615\r\n"),
    SAID("XADD s 4-* a b", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XSETID s 20 ENTRIESADDED 10 MAXDELETEDID 19-5", "+OK\r\n"),
    SAID("XSETID s 19-4", "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:1\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$4\r\n20-0\r\n$20\r\nmax-deleted-entry-id\r\n$4\r\n19-5\r\n$13\r\nentr"
         "ies-added\r\n:10\r\n$23\r\nrecorded-first-entry-id\r\n$22\r\n4-18446744073709551615\r\n$6\r\ngro"
         "ups\r\n:0\r\n$11\r\nfirst-entry\r\n*2\r\n$22\r\n4-18446744073709551615\r\n*2\r\n$1\r\na\r\n$1\r"
         "\nb\r\n$10\r\nlast-entry\r\n*2\r\n$22\r\n4-18446744073709551615\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
};

static const exchange valkey_reading[] = {
    SAID("XADD s 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD s 1-2 a 2", "$3\r\n1-2\r\n"),
    SAID("XADD t 5 c d", "$3\r\n5-0\r\n"),
    SAID("XREAD STREAMS s 0",
         "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*"
         "2\r\n$1\r\na\r\n$1\r\n2\r\n"),
    SAID("XREAD COUNT 1 STREAMS s t none 0 0 0",
         "*2\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nt\r\n*1"
         "\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("XREAD COUNT 0 STREAMS s t 1-1 5",
         "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n"),
    SAID("XREAD COUNT -3 BLOCK 0 STREAMS t s $ 1",
         "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*"
         "2\r\n$1\r\na\r\n$1\r\n2\r\n"),
    SAID("XREAD STREAMS s t $ $", "*-1\r\n"),
    SAID("XREAD STREAMS s none + +", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n"),
    SAID("XREAD STREAMS STREAMS 0", "*-1\r\n"),
    SAID("XREAD STREAMS s 18446744073709551615-18446744073709551615", "*-1\r\n"),
    SAID("XREAD STREAMS s t 1",
         "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.\r\n"),
    SAID("XREAD STREAMS s x", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XREAD STREAMS s >",
         "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> o"
         "ption.\r\n"),
    SAID("XREAD STREAMS s t x",
         "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.\r\n"),
    SAID("XREAD STREAMS", "-ERR wrong number of arguments for 'xread' command\r\n"),
    SAID("XREAD COUNT 1 STREAMS", "-ERR syntax error\r\n"),
    SAID("XREAD COUNT x STREAMS s 0", "-ERR value is not an integer or out of range\r\n"),
    SAID("XREAD BLOCK x STREAMS s 0", "-ERR timeout is not an integer or out of range\r\n"),
    SAID("XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative\r\n"),
    SAID("XREAD GROUP g c STREAMS s 0",
         "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.\r\n"),
    SAID("XREAD NOACK STREAMS s 0",
         "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.\r\n"),
    SAID("XREAD JUNK STREAMS s 0", "-ERR syntax error\r\n"),
    SAID("SET string x", "+OK\r\n"),
    SAID("XREAD STREAMS s string 0 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("XREAD STREAMS string x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
};

static const exchange valkey_full[] = {
    SAID("XADD s 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD s 1-2 a 2", "$3\r\n1-2\r\n"),
    SAID("XADD s 2-0 a 3", "$3\r\n2-0\r\n"),
    SAID("XINFO STREAM s FULL COUNT 2",
         "*18\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n2-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentrie"
         "s-added\r\n:3\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$7\r\nentries\r\n*2\r\n*2\r\n$3"
         "\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n$6\r\ngrou"
         "ps\r\n*0\r\n"),
    SAID("XINFO STREAM s FULL",
         "*18\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n2-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentrie"
         "s-added\r\n:3\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$7\r\nentries\r\n*3\r\n*2\r\n$3"
         "\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r"
         "\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n$6\r\ngroups\r\n*0\r\n"),
    SAID("XINFO stream s FULL COUNT 0",
         "*18\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n2-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentrie"
         "s-added\r\n:3\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$7\r\nentries\r\n*3\r\n*2\r\n$3"
         "\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r"
         "\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n$6\r\ngroups\r\n*0\r\n"),
    SAID("XINFO STREAM s FULL COUNT -1",
         "*18\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n2-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentrie"
         "s-added\r\n:3\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$7\r\nentries\r\n*3\r\n*2\r\n$3"
         "\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n*2\r\n$3\r"
         "\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n$6\r\ngroups\r\n*0\r\n"),
};

static const exchange resp3_shapes[] = {
    SAID("XADD s 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD s 1-2 a 2", "$3\r\n1-2\r\n"),
    SAID("XRANGE s - +",
         "*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\n2"
         "\r\n"),
    SAID("XRANGE s - + COUNT 0", "_\r\n"),
    SAID("XINFO STREAM s",
         "%10\r\n$6\r\nlength\r\n:2\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n1-2\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentrie"
         "s-added\r\n:2\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:0\r\n$11\r\nfir"
         "st-entry\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n$10\r\nlast-entry\r\n*2\r\n$3\r\n1-2"
         "\r\n*2\r\n$1\r\na\r\n$1\r\n2\r\n"),
    SAID("XADD n NOMKSTREAM * a 1", "_\r\n"),
    SAID("XINFO GROUPS s", "*0\r\n"),
};

static const exchange removing[] = {
    SAID("XADD s 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD s 1-2 a 2", "$3\r\n1-2\r\n"),
    SAID("XADD s 1-3 a 3", "$3\r\n1-3\r\n"),
    SAID("XADD s 2-0 a 3", "$3\r\n2-0\r\n"),
    SAID("XADD s 2-5 b 4", "$3\r\n2-5\r\n"),
    SAID("XADD s 9-0 a 5 c 6", "$3\r\n9-0\r\n"),
    SAID("XDEL s 1-2 1-2 7-7", ":1\r\n"),
    SAID("XRANGE s - +",
         "*5\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\n1-3\r\n*2\r\n$1\r\na\r\n$1\r\n3"
         "\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4\r"
         "\n*2\r\n$3\r\n9-0\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nc\r\n$1\r\n6\r\n"),
    SAID("XDEL s 1-1 2", ":2\r\n"),
    SAID("XRANGE s - +",
         "*3\r\n*2\r\n$3\r\n1-3\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4"
         "\r\n*2\r\n$3\r\n9-0\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nc\r\n$1\r\n6\r\n"),
    SAID("XDEL s 1-3 x", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XDEL none x", ":0\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n9-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n2-0\r\n$13\r\nentrie"
         "s-added\r\n:6\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-3\r\n$6\r\ngroups\r\n:0\r\n$11\r\nfir"
         "st-entry\r\n*2\r\n$3\r\n1-3\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n$10\r\nlast-entry\r\n*2\r\n$3\r\n9-0"
         "\r\n*4\r\n$1\r\na\r\n$1\r\n5\r\n$1\r\nc\r\n$1\r\n6\r\n"),
    SAID("XDEL s 9-0", ":1\r\n"),
    SAID("XREVRANGE s + -",
         "*2\r\n*2\r\n$3\r\n2-5\r\n*2\r\n$1\r\nb\r\n$1\r\n4\r\n*2\r\n$3\r\n1-3\r\n*2\r\n$1\r\na\r\n$1\r\n3"
         "\r\n"),
    SAID("XADD s 8-0 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XADD s 9-1 a 1", "$3\r\n9-1\r\n"),
    SAID("XDEL s 1-3 2-5 9-1", ":3\r\n"),
    SAID("XLEN s", ":0\r\n"),
    SAID("EXISTS s", ":1\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n$16\r\nradix-tree-nodes\r\n:1\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n9-1\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n9-1\r\n$13\r\nentrie"
         "s-added\r\n:7\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n0-0\r\n$6\r\ngroups\r\n:0\r\n$11\r\nfir"
         "st-entry\r\n$-1\r\n$10\r\nlast-entry\r\n$-1\r\n"),
    SAID("XRANGE s - +", "*0\r\n"),
    SAID("XADD s 9-2 a 1", "$3\r\n9-2\r\n"),
    SAID("XRANGE s - +", "*1\r\n*2\r\n$3\r\n9-2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("XTRIM s MAXLEN 0", ":1\r\n"),
    SAID("XTRIM none MAXLEN 0", ":0\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n$16\r\nradix-tree-nodes\r\n:1\r\n$1"
         "7\r\nlast-generated-id\r\n$3\r\n9-2\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n9-1\r\n$13\r\nentrie"
         "s-added\r\n:8\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n0-0\r\n$6\r\ngroups\r\n:0\r\n$11\r\nfir"
         "st-entry\r\n$-1\r\n$10\r\nlast-entry\r\n$-1\r\n"),
    SAID("XADD t 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD t 1-2 a 2", "$3\r\n1-2\r\n"),
    SAID("XADD t 1-3 a 3", "$3\r\n1-3\r\n"),
    SAID("XADD t 2-1 a 4", "$3\r\n2-1\r\n"),
    SAID("XADD t 3-1 a 4", "$3\r\n3-1\r\n"),
    SAID("XADD t MAXLEN 4 4-1 a 4", "$3\r\n4-1\r\n"),
    SAID("XRANGE t - +",
         "*4\r\n*2\r\n$3\r\n1-3\r\n*2\r\n$1\r\na\r\n$1\r\n3\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\na\r\n$1\r\n4"
         "\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\na\r\n$1\r\n4\r"
         "\n"),
    SAID("XTRIM t MINID 2", ":1\r\n"),
    SAID("XRANGE t - +",
         "*3\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\na\r\n$1\r\n4"
         "\r\n*2\r\n$3\r\n4-1\r\n*2\r\n$1\r\na\r\n$1\r\n4\r\n"),
    SAID("XTRIM t MINID = 3-1", ":1\r\n"),
    SAID("XTRIM t MAXLEN ~ 1", ":0\r\n"),
    SAID("XTRIM t MINID ~ 9", ":2\r\n"),
    SAID("XTRIM t MAXLEN = 1", ":0\r\n"),
    SAID("XTRIM t MAXLEN ~ 0", ":0\r\n"),
    SAID("XADD t MINID 6 5-1 a 4", "$3\r\n5-1\r\n"),
    SAID("XLEN t", ":0\r\n"),
    SAID("XTRIM t", "-ERR wrong number of arguments for 'xtrim' command\r\n"),
    SAID("XTRIM t MAXLEN", "-ERR wrong number of arguments for 'xtrim' command\r\n"),
    SAID("XTRIM t MAXLEN x", "-ERR value is not an integer or out of range\r\n"),
    SAID("XTRIM t MAXLEN -1", "-ERR The MAXLEN argument must be >= 0.\r\n"),
    SAID("XTRIM t MAXLEN ~ -1", "-ERR The MAXLEN argument must be >= 0.\r\n"),
    SAID("XTRIM t MAXLEN ~", "-ERR value is not an integer or out of range\r\n"),
    SAID("XTRIM t MAXLEN =", "-ERR value is not an integer or out of range\r\n"),
    SAID("XTRIM t MAXLEN 1 MINID 1",
         "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n"),
    SAID("XTRIM t MAXLEN 1 MAXLEN 1",
         "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n"),
    SAID("XTRIM t MINID x", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XTRIM t MINID -", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XTRIM t LIMIT 5", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy\r\n"),
    SAID("XTRIM t LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy\r\n"),
    SAID("XTRIM t MAXLEN 1 LIMIT 5", "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n"),
    SAID("XTRIM t MAXLEN = 1 LIMIT 0", "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n"),
    SAID("XTRIM t MAXLEN ~ 1 LIMIT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("XTRIM t MAXLEN ~ 1 LIMIT -1", "-ERR The LIMIT argument must be >= 0.\r\n"),
    SAID("XTRIM t MAXLEN ~ 1 LIMIT 0", ":0\r\n"),
    SAID("XTRIM t LIMIT 10 MAXLEN ~ 1", ":0\r\n"),
    SAID("XTRIM t NOMKSTREAM MAXLEN 1", "-ERR syntax error\r\n"),
    SAID("XTRIM t MAXLEN ~ 1 foo", "-ERR syntax error\r\n"),
    SAID("XADD t LIMIT 5 * a b", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy\r\n"),
    SAID("XADD t MAXLEN 5 LIMIT 5 * a b", "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n"),
    SAID("XADD t MAXLEN ~ 5 LIMIT", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XADD t MAXLEN", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD t MAXLEN 5 7-7", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD t MAXLEN 5 7-7 a", "-ERR wrong number of arguments for 'xadd' command\r\n"),
    SAID("XADD t MAXLEN 5 MINID 7 7-7 a b",
         "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n"),
    SAID("XADD t MAXLEN * 7-7 a b", "-ERR value is not an integer or out of range\r\n"),
    SAID("XLEN t", ":0\r\n"),
};

static const exchange setting[] = {
    SAID("XSETID none 1-1", "-ERR no such key\r\n"),
    SAID("XADD s 1-1 a 1", "$3\r\n1-1\r\n"),
    SAID("XADD s 5-1 a 1", "$3\r\n5-1\r\n"),
    SAID("XSETID s 4-1", "-ERR The ID specified in XSETID is smaller than the target stream top item\r\n"),
    SAID("XSETID s 5-1", "+OK\r\n"),
    SAID("XSETID s 9", "+OK\r\n"),
    SAID("XADD s 8-1 a 1", "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"),
    SAID("XADD s 9-* a 1", "$3\r\n9-1\r\n"),
    SAID("XSETID s 20 ENTRIESADDED 1",
         "-ERR The entries_added specified in XSETID is smaller than the target stream length\r\n"),
    SAID("XSETID s 20 ENTRIESADDED -1", "-ERR entries_added must be positive\r\n"),
    SAID("XSETID s 20 ENTRIESADDED x", "-ERR value is not an integer or out of range\r\n"),
    SAID("XSETID s 20 ENTRIESADDED", "-ERR syntax error\r\n"),
    SAID("XSETID s 20 ENTRIESADDED 10 MAXDELETEDID 21",
         "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id\r\n"),
    SAID("XSETID s 20 ENTRIESADDED 10 MAXDELETEDID 19-5", "+OK\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:3\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$1"
         "7\r\nlast-generated-id\r\n$4\r\n20-0\r\n$20\r\nmax-deleted-entry-id\r\n$4\r\n19-5\r\n$13\r\nentr"
         "ies-added\r\n:10\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-1\r\n$6\r\ngroups\r\n:0\r\n$11\r\n"
         "first-entry\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n$10\r\nlast-entry\r\n*2\r\n$3\r\n9"
         "-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    SAID("XSETID s 19-5", "+OK\r\n"),
    SAID("XSETID s 19-5 MAXDELETEDID 0-0", "+OK\r\n"),
    SAID("XSETID s *", "-ERR Invalid stream ID specified as stream command argument\r\n"),
    SAID("XSETID s", "-ERR wrong number of arguments for 'xsetid' command\r\n"),
    SAID("XSETID s 30 FOO 1", "-ERR syntax error\r\n"),
    SAID("XTRIM s MAXLEN 0", ":3\r\n"),
    SAID("XSETID s 19-5 ENTRIESADDED 0", "+OK\r\n"),
    SAID("XINFO STREAM s",
         "*20\r\n$6\r\nlength\r\n:0\r\n$15\r\nradix-tree-keys\r\n:0\r\n$16\r\nradix-tree-nodes\r\n:1\r\n$1"
         "7\r\nlast-generated-id\r\n$4\r\n19-5\r\n$20\r\nmax-deleted-entry-id\r\n$4\r\n19-5\r\n$13\r\nentr"
         "ies-added\r\n:0\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n0-0\r\n$6\r\ngroups\r\n:0\r\n$11\r\nf"
         "irst-entry\r\n$-1\r\n$10\r\nlast-entry\r\n$-1\r\n"),
};

static void adding_replies_as_redis(void) { REPLAY(adding); }
static void ranges_reply_as_redis(void) { REPLAY(ranges); }
static void removing_and_trimming_reply_as_redis(void) { REPLAY(removing); }
static void setting_the_id_replies_as_redis(void) { REPLAY(setting); }

static void full_figures_are_those_of_valkey(void) { REPLAY(valkey_full); }
static void reading_replies_as_valkey(void) { REPLAY(valkey_reading); }
static void refusals_are_those_of_redis_7_2(void) { REPLAY(valkey_refused); }
static void resp3_has_its_own_shapes(void) { REPLAY3(resp3_shapes); }

int main(void) {
  RUN(adding_replies_as_redis);
  RUN(ranges_reply_as_redis);
  RUN(removing_and_trimming_reply_as_redis);
  RUN(setting_the_id_replies_as_redis);
  RUN(full_figures_are_those_of_valkey);
  RUN(reading_replies_as_valkey);
  RUN(refusals_are_those_of_redis_7_2);
  RUN(resp3_has_its_own_shapes);
  return check_end();
}
