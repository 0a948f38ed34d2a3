/* test_geo.c - places on the earth: the arithmetic, and the replies and events of redis-server. */
#include <math.h>

#include "base/geohash.h"
#include "commands/geo_found.h"
#include "told.h"

static const exchange members[] = {
    SAID("GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2\r\n"),
    SAID("GEOADD k CH 13.361389 38.115556 Palermo 15.1 37.502669 Catania", ":1\r\n"),
    SAID("GEOADD k NX CH 1 2 Palermo 2 41 x", ":1\r\n"),
    SAID("GEOADD k XX CH 1 2 y 15.087269 37.502669 Catania", ":1\r\n"),
    SAID("GEOADD k nx xx 1 2 a", "-ERR syntax error\r\n"),
    SAID("GEOADD k 1 2 a nx", "-ERR syntax error\r\n"),
    SAID("GEOADD k CH CH CH", "-ERR syntax error\r\n"),
    SAID("GEOADD k NX NX XX", "-ERR syntax error\r\n"),
    SAID("GEOADD k x 2 a", "-ERR value is not a valid float\r\n"),
    SAID("GEOADD k 1 x a", "-ERR value is not a valid float\r\n"),
    SAID("GEOADD k nan 0 a", "-ERR value is not a valid float\r\n"),
    SAID("GEOADD k inf 0 a", "-ERR invalid longitude,latitude pair inf,0.000000\r\n"),
    SAID("GEOADD k 180.0000001 85 a", "-ERR invalid longitude,latitude pair 180.000000,85.000000\r\n"),
    SAID("GEOADD k 1 85.05112879 a", "-ERR invalid longitude,latitude pair 1.000000,85.051129\r\n"),
    SAID("GEOADD k 1 2", "-ERR wrong number of arguments for 'geoadd' command\r\n"),
    SAID("GEOADD none 1 2 b 200 2 c", "-ERR invalid longitude,latitude pair 200.000000,2.000000\r\n"),
    SAID("GEOADD none XX 1 2 b", ":0\r\n"),
    SAID("EXISTS none", ":0\r\n"),
    SAID("GEODIST k Palermo Catania", "$11\r\n166274.1516\r\n"),
    SAID("GEODIST k Palermo Catania km", "$8\r\n166.2742\r\n"),
    SAID("GEODIST k Palermo Catania MI", "$8\r\n103.3182\r\n"),
    SAID("GEODIST k Palermo Catania ft", "$11\r\n545518.8700\r\n"),
    SAID("GEODIST k Palermo Catania xx", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
    SAID("GEODIST k Palermo none", "$-1\r\n"),
    SAID("GEODIST k Palermo Palermo", "$6\r\n0.0000\r\n"),
    SAID("GEODIST none a b", "$-1\r\n"),
    SAID("GEODIST none a b xx", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
    SAID("GEODIST k a b m d", "-ERR syntax error\r\n"),
    SAID("GEODIST k a", "-ERR wrong number of arguments for 'geodist' command\r\n"),
    SAID("GEOPOS k Palermo none Catania",
         "*3\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n*2\r\n$20\r\n15"
         ".08726745843887329\r\n$20\r\n37.50266842333162032\r\n"),
    SAID("GEOPOS none a b", "*2\r\n*-1\r\n*-1\r\n"),
    SAID("GEOPOS k", "*0\r\n"),
    SAID("GEOHASH k Palermo none x", "*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nsp33jxb6760\r\n"),
    SAID("GEOHASH none a", "*1\r\n$-1\r\n"),
    SAID("GEOHASH k", "*0\r\n"),
    SAID("GEOADD edge 180 85.05112878 ne -180 -85.05112878 sw 180 -85.05112878 se -180 85.05112878 nw 0 0 middle",
         ":5\r\n"),
    SAID("GEOPOS edge ne sw se nw middle",
         "*5\r\n*2\r\n$3\r\n180\r\n$19\r\n85.0511287799999991\r\n*2\r\n$22\r\n-179.99999731779098511\r\n$2"
         "1\r\n-85.05112751263942528\r\n*2\r\n$3\r\n180\r\n$21\r\n-85.05112751263942528\r\n*2\r\n$22\r\n-1"
         "79.99999731779098511\r\n$19\r\n85.0511287799999991\r\n*2\r\n$19\r\n0.00000268220901489\r\n$19\r"
         "\n0.00000126736058093\r\n"),
    SAID("GEOHASH edge ne sw se nw middle",
         "*5\r\n$11\r\nbp05b5048p0\r\n$11\r\n00bh0hbj200\r\n$11\r\n00bh0hbj200\r\n$11\r\nbp05b5048p0\r\n$1"
         "1\r\ns0000000000\r\n"),
    SAID("ZRANGE edge 0 -1 WITHSCORES",
         "*10\r\n$2\r\nsw\r\n$1\r\n0\r\n$6\r\nmiddle\r\n$16\r\n3377699720527872\r\n$2\r\nnw\r\n$16\r\n4503"
         "599627370496\r\n$2\r\nse\r\n$16\r\n9007199254740992\r\n$2\r\nne\r\n$17\r\n13510798882111488\r\n"),
    SAID("GEODIST edge ne sw", "$13\r\n18919844.5891\r\n"),
    SAID("GEODIST edge nw sw", "$13\r\n18919844.5891\r\n"),
    SAID("GEODIST edge middle se mi", "$9\r\n6562.2006\r\n"),
    SAID("ZADD odd -5 neg 1e300 big -1e300 nbig inf inf -inf ninf 0.5 half 4503599627370496 p52 9223372036854775808 "
         "p63 13835058055282163712 p64",
         ":9\r\n"),
    SAID("GEOPOS odd neg big nbig inf ninf half p52 p63 p64",
         "*9\r\n*2\r\n$3\r\n180\r\n$19\r\n85.0511287799999991\r\n*2\r\n$22\r\n-179.99999731779098511\r\n$2"
         "1\r\n-85.05112751263942528\r\n*2\r\n$3\r\n180\r\n$21\r\n-85.05112751263942528\r\n*2\r\n$22\r\n-1"
         "79.99999731779098511\r\n$21\r\n-85.05112751263942528\r\n*2\r\n$3\r\n180\r\n$21\r\n-85.0511275126"
         "3942528\r\n*2\r\n$22\r\n-179.99999731779098511\r\n$21\r\n-85.05112751263942528\r\n*2\r\n$22\r\n-"
         "179.99999731779098511\r\n$19\r\n85.0511287799999991\r\n*2\r\n$3\r\n180\r\n$21\r\n-85.05112751263"
         "942528\r\n*2\r\n$3\r\n180\r\n$19\r\n85.0511287799999991\r\n"),
    SAID("GEOHASH odd neg big nbig inf ninf half p52 p63 p64",
         "*9\r\n$11\r\nbp05b5048p0\r\n$11\r\n00bh0hbj200\r\n$11\r\n00bh0hbj200\r\n$11\r\n00bh0hbj200\r\n$1"
         "1\r\n00bh0hbj200\r\n$11\r\n00bh0hbj200\r\n$11\r\nbp05b5048p0\r\n$11\r\n00bh0hbj200\r\n$11\r\nbp0"
         "5b5048p0\r\n"),
    SAID("GEODIST odd neg half", "$13\r\n18919844.5891\r\n"),
    SAID("GEODIST odd neg p52", "$6\r\n0.0257\r\n"),
    SAID("GEODIST odd inf p63", "$6\r\n0.0257\r\n"),
    SAID("SET s x", "+OK\r\n"),
    SAID("GEOADD s 1 2 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GEOADD s 1 200 a", "-ERR invalid longitude,latitude pair 1.000000,200.000000\r\n"),
    SAID("GEOPOS s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GEODIST s a b", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GEODIST s a b xx", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
    SAID("GEOHASH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
};

static const exchange searches[] = {
    SAID("GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 "
         "38.788135 edge2",
         ":4\r\n"),
    SAID("GEOADD line 179.9 10 east -179.9 10 west 179.95 10.1 east2 0 0 far", ":4\r\n"),
    SAID("GEOADD pole 0 85 a 90 85 b 180 85 c -90 85 d 45 84.9 e", ":5\r\n"),
    SAID("GEOADD same 1 1 a 1 1 b 1 1 c 1.1 1 d", ":4\r\n"),
    SAID("SET s x", "+OK\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 15 37 BYRADIUS 200 km", "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST WITHCOORD WITHHASH",
         "*2\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n*2\r\n$20\r\n15.0872674584388"
         "7329\r\n$20\r\n37.50266842333162032\r\n*4\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n:347909995623069"
         "8\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n"),
    SAID("GEOSEARCH k withhash BYBOX 400 400 km WITHDIST FROMLONLAT 15 37 DESC",
         "*4\r\n*3\r\n$5\r\nedge1\r\n$8\r\n279.7405\r\n:3479273021651468\r\n*3\r\n$5\r\nedge2\r\n$8\r\n279"
         ".7403\r\n:3481342659049484\r\n*3\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n:3479099956230698\r\n*3\r"
         "\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 200 KM COUNT 1", "*1\r\n$7\r\nPalermo\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 200 km COUNT 2 ANY WITHCOORD",
         "*2\r\n*2\r\n$7\r\nPalermo\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r"
         "\n*2\r\n$5\r\nedge1\r\n*2\r\n$19\r\n12.7584877610206604\r\n$20\r\n38.78813451624225195\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 200 km ANY COUNT 2 DESC WITHDIST",
         "*2\r\n*2\r\n$5\r\nedge1\r\n$7\r\n91.4007\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 0 m WITHDIST", "*1\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYBOX 0 0 ft WITHDIST", "*1\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n"),
    SAID("GEOSEARCH k FROMMEMBER none BYBOX 400 400 km", "-ERR could not decode requested zset member\r\n"),
    SAID("GEOSEARCH none FROMMEMBER none BYBOX 400 400 km", "*0\r\n"),
    SAID("GEOSEARCH none FROMMEMBER none BYBOX 400 400 xx",
         "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
    SAID("GEOSEARCH k BYBOX 400 400 km ASC DESC ASC",
         "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH\r\n"),
    SAID("GeoSearch k FROMLONLAT 1 1 ASC DESC ASC",
         "-ERR exactly one of BYRADIUS and BYBOX can be specified for GeoSearch\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m ANY", "-ERR the ANY argument requires COUNT argument\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0", "-ERR COUNT must be > 0\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m COUNT x", "-ERR value is not an integer or out of range\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m COUNT", "-ERR syntax error\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m COUNT 9999999999999999999",
         "-ERR value is not an integer or out of range\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS -1 m", "-ERR radius cannot be negative\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS nan m", "-ERR need numeric radius\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS inf m",
         "*4\r\n$7\r\nPalermo\r\n$5\r\nedge1\r\n$7\r\nCatania\r\n$5\r\nedge2\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX inf 1 m", "*0\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX 1 inf m", "*0\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX inf inf m",
         "*4\r\n$7\r\nPalermo\r\n$5\r\nedge1\r\n$7\r\nCatania\r\n$5\r\nedge2\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX 41000 41000 km ASC",
         "*4\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n$5\r\nedge1\r\n$5\r\nedge2\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX x 1 m", "-ERR need numeric width\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX 1 x m", "-ERR need numeric height\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX -1 1 m", "-ERR height or width cannot be negative\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX 1 -1 mx", "-ERR height or width cannot be negative\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYBOX 1 1 mx", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m BYBOX 1 1 m", "-ERR syntax error\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 FROMMEMBER Palermo BYBOX 1 1 m", "-ERR syntax error\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 FROMLONLAT 15 37 BYRADIUS 1 m BYRADIUS 200 km",
         "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 181 1 BYRADIUS 1 m", "-ERR invalid longitude,latitude pair 181.000000,1.000000\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 86 BYRADIUS 1 m", "-ERR invalid longitude,latitude pair 1.000000,86.000000\r\n"),
    SAID("GEOSEARCH k FROMLONLAT inf 86 BYRADIUS 1 m", "-ERR invalid longitude,latitude pair inf,86.000000\r\n"),
    SAID("GEOSEARCH k FROMLONLAT nan 86 BYRADIUS 1 m", "-ERR value is not a valid float\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m STORE d", "-ERR syntax error\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST", "-ERR syntax error\r\n"),
    SAID("GEOSEARCH s FROMMEMBER a BYBOX 1 1 xx",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GEOSEARCH line FROMLONLAT 180 10 BYRADIUS 20 km WITHDIST",
         "*2\r\n*2\r\n$4\r\neast\r\n$7\r\n10.9537\r\n*2\r\n$5\r\neast2\r\n$7\r\n12.3976\r\n"),
    SAID("GEOSEARCH line FROMLONLAT -180 10 BYRADIUS 20 km WITHDIST",
         "*3\r\n*2\r\n$4\r\nwest\r\n$7\r\n10.9537\r\n*2\r\n$4\r\neast\r\n$7\r\n10.9537\r\n*2\r\n$5\r\neast"
         "2\r\n$7\r\n12.3976\r\n"),
    SAID("GEOSEARCH line FROMLONLAT -179.99 10 BYBOX 60 60 km ASC WITHDIST",
         "*3\r\n*2\r\n$4\r\nwest\r\n$6\r\n9.8584\r\n*2\r\n$4\r\neast\r\n$7\r\n12.0491\r\n*2\r\n$5\r\neast2"
         "\r\n$7\r\n12.9187\r\n"),
    SAID("GEOSEARCH pole FROMLONLAT 0 85.05 BYRADIUS 1200 km WITHDIST",
         "*4\r\n*2\r\n$1\r\na\r\n$6\r\n5.5614\r\n*2\r\n$1\r\ne\r\n$8\r\n427.5829\r\n*2\r\n$1\r\nb\r\n$8\r"
         "\n782.0739\r\n*2\r\n$1\r\nd\r\n$8\r\n782.0739\r\n"),
    SAID("GEOSEARCH pole FROMLONLAT 180 85.05112878 BYRADIUS 600 km WITHDIST",
         "*1\r\n*2\r\n$1\r\nc\r\n$6\r\n5.6869\r\n"),
    SAID("GEOSEARCH pole FROMMEMBER a BYBOX 9000 900 km WITHDIST",
         "*4\r\n*2\r\n$1\r\na\r\n$6\r\n0.0000\r\n*2\r\n$1\r\ne\r\n$8\r\n429.5490\r\n*2\r\n$1\r\nb\r\n$8\r"
         "\n785.9890\r\n*2\r\n$1\r\nd\r\n$8\r\n785.9890\r\n"),
    SAID("GEOSEARCH same FROMMEMBER a BYRADIUS 100 km ASC", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"),
    SAID("GEOSEARCH same FROMMEMBER a BYRADIUS 100 km DESC", "*4\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    SAID("GEOSEARCH same FROMMEMBER a BYRADIUS 100 km COUNT 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAID("GEORADIUS k 15 37 200 km", "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"),
    SAID("GEORADIUS k 15 37 200 km WITHDIST DESC COUNT 2",
         "*2\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n"),
    SAID("GEORADIUS s 1 200 -1 xx", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GEORADIUS none 1 200 -1 xx", "-ERR invalid longitude,latitude pair 1.000000,200.000000\r\n"),
    SAID("GEORADIUS none 1 20 -1 xx", "-ERR radius cannot be negative\r\n"),
    SAID("GEORADIUS none 1 20 1 xx", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
    SAID("GEORADIUS none 1 20 x xx", "-ERR need numeric radius\r\n"),
    SAID("GEORADIUS k 1 20 1 m BYRADIUS 1 m", "-ERR syntax error\r\n"),
    SAID("GEORADIUS k 1 20 1", "-ERR wrong number of arguments for 'georadius' command\r\n"),
    SAID("GEORADIUS_RO k 15 37 200 km WITHDIST",
         "*2\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n"),
    SAID("GEORADIUS_RO k 15 37 200 km STORE d", "-ERR syntax error\r\n"),
    SAID("GEORADIUSBYMEMBER k none 1 m", "-ERR could not decode requested zset member\r\n"),
    SAID("GEORADIUSBYMEMBER none none 1 xx", "*0\r\n"),
    SAID("GEORADIUSBYMEMBER k Palermo x m", "-ERR need numeric radius\r\n"),
    SAID("GEORADIUSBYMEMBER k Palermo 200 km WITHDIST",
         "*3\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n*2\r\n$5\r\nedge1\r\n$7\r\n91.4007\r\n*2\r\n$7\r\nC"
         "atania\r\n$8\r\n166.2742\r\n"),
    SAID("GEORADIUSBYMEMBER_RO k Palermo 200 km WITHDIST ASC",
         "*3\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n*2\r\n$5\r\nedge1\r\n$7\r\n91.4007\r\n*2\r\n$7\r\nC"
         "atania\r\n$8\r\n166.2742\r\n"),
    SAID("GEORADIUSBYMEMBER_RO k Palermo 200 km STOREDIST x", "-ERR syntax error\r\n"),
};

static const exchange ties[] = {
    SAID("GEOADD k 13.4 52.5 m0 13.5 52.4 m1 13.6 52.6 m2 13.4 52.5 m3 13.6 52.6 m4 13.4 52.5 m5 13.5 52.4 m6 13.6 "
         "52.6 m7 13.4 52.5 m8 13.6 52.6 m9 13.4 52.5 m10 13.5 52.4 m11 13.6 52.6 m12 13.4 52.5 m13 13.6 52.6 m14 13.4 "
         "52.5 m15 13.5 52.4 m16 13.6 52.6 m17 13.4 52.5 m18 13.6 52.6 m19 13.4 52.5 m20 13.5 52.4 m21 13.6 52.6 m22 "
         "13.4 52.5 m23 13.6 52.6 m24",
         ":25\r\n"),
    SAID("GEOADD k 13.4 52.5 m25 13.5 52.4 m26 13.6 52.6 m27 13.4 52.5 m28 13.6 52.6 m29 13.4 52.5 m30 13.5 52.4 m31 "
         "13.6 52.6 m32 13.4 52.5 m33 13.6 52.6 m34 13.4 52.5 m35 13.5 52.4 m36 13.6 52.6 m37 13.4 52.5 m38 13.6 52.6 "
         "m39 13.4 52.5 m40 13.5 52.4 m41 13.6 52.6 m42 13.4 52.5 m43 13.6 52.6 m44 13.4 52.5 m45 13.5 52.4 m46 13.6 "
         "52.6 m47 13.4 52.5 m48 13.6 52.6 m49",
         ":25\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 1", "*1\r\n$2\r\nm3\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 1", "*1\r\n$3\r\nm34\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 2", "*2\r\n$2\r\nm3\r\n$3\r\nm33\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 2", "*2\r\n$3\r\nm34\r\n$3\r\nm29\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 5",
         "*5\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 5",
         "*5\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 11",
         "*11\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 11",
         "*11\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 19",
         "*19\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\n"
         "m18\r\n$3\r\nm20\r\n$3\r\nm23\r\n$3\r\nm25\r\n$3\r\nm28\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 19",
         "*19\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n$2\r\nm7\r\n$3\r\nm49\r\n$3\r\nm47\r\n$3\r"
         "\nm44\r\n$3\r\nm42\r\n$2\r\nm4\r\n$3\r\nm39\r\n$3\r\nm37\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 20",
         "*20\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\n"
         "m18\r\n$3\r\nm20\r\n$3\r\nm23\r\n$3\r\nm25\r\n$3\r\nm28\r\n$3\r\nm30\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 20",
         "*20\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n$2\r\nm7\r\n$3\r\nm49\r\n$3\r\nm47\r\n$3\r"
         "\nm44\r\n$3\r\nm42\r\n$2\r\nm4\r\n$3\r\nm39\r\n$3\r\nm37\r\n$3\r\nm32\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 21",
         "*21\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\n"
         "m18\r\n$3\r\nm20\r\n$3\r\nm23\r\n$3\r\nm25\r\n$3\r\nm28\r\n$3\r\nm30\r\n$3\r\nm36\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 21",
         "*21\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n$2\r\nm7\r\n$3\r\nm49\r\n$3\r\nm47\r\n$3\r"
         "\nm44\r\n$3\r\nm42\r\n$2\r\nm4\r\n$3\r\nm39\r\n$3\r\nm37\r\n$3\r\nm32\r\n$2\r\nm1\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 25",
         "*25\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\n"
         "m18\r\n$3\r\nm20\r\n$3\r\nm23\r\n$3\r\nm25\r\n$3\r\nm28\r\n$3\r\nm30\r\n$3\r\nm36\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 25",
         "*25\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n$2\r\nm7\r\n$3\r\nm49\r\n$3\r\nm47\r\n$3\r"
         "\nm44\r\n$3\r\nm42\r\n$2\r\nm4\r\n$3\r\nm39\r\n$3\r\nm37\r\n$3\r\nm32\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 40",
         "*40\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\n"
         "m18\r\n$3\r\nm20\r\n$3\r\nm23\r\n$3\r\nm25\r\n$3\r\nm28\r\n$3\r\nm30\r\n$3\r\nm36\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$2\r\nm1\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2\r"
         "\nm6\r\n$2\r\nm9\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24\r"
         "\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 40",
         "*40\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n$2\r\nm7\r\n$3\r\nm49\r\n$3\r\nm47\r\n$3\r"
         "\nm44\r\n$3\r\nm42\r\n$2\r\nm4\r\n$3\r\nm39\r\n$3\r\nm37\r\n$3\r\nm32\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$2\r\nm0\r\n$2\r\nm5\r\n$3\r\nm48\r\n$3\r\nm45\r\n$3\r\nm43\r\n$3\r\nm40\r\n$3\r\nm38"
         "\r\n$3\r\nm35\r\n$3\r\nm33\r\n$3\r\nm30\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 49",
         "*49\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r"
         "\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\n"
         "m18\r\n$3\r\nm20\r\n$3\r\nm23\r\n$3\r\nm25\r\n$3\r\nm28\r\n$3\r\nm30\r\n$3\r\nm36\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$2\r\nm1\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2\r"
         "\nm6\r\n$2\r\nm9\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24\r"
         "\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3\r"
         "\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 49",
         "*49\r\n$3\r\nm34\r\n$3\r\nm29\r\n$3\r\nm27\r\n$3\r\nm24\r\n$3\r\nm22\r\n$2\r\nm2\r\n$3\r\nm19\r"
         "\n$3\r\nm17\r\n$3\r\nm14\r\n$3\r\nm12\r\n$2\r\nm9\r\n$2\r\nm7\r\n$3\r\nm49\r\n$3\r\nm47\r\n$3\r"
         "\nm44\r\n$3\r\nm42\r\n$2\r\nm4\r\n$3\r\nm39\r\n$3\r\nm37\r\n$3\r\nm32\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$2\r\nm0\r\n$2\r\nm5\r\n$3\r\nm48\r\n$3\r\nm45\r\n$3\r\nm43\r\n$3\r\nm40\r\n$3\r\nm38"
         "\r\n$3\r\nm35\r\n$3\r\nm33\r\n$3\r\nm30\r\n$2\r\nm3\r\n$3\r\nm28\r\n$3\r\nm25\r\n$3\r\nm23\r\n$3"
         "\r\nm20\r\n$3\r\nm18\r\n$3\r\nm15\r\n$3\r\nm13\r\n$3\r\nm10\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 50",
         "*50\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\nm18\r\n$3\r\nm20\r\n$3\r\nm23\r"
         "\n$3\r\nm25\r\n$3\r\nm28\r\n$2\r\nm3\r\n$3\r\nm30\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r"
         "\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$3\r\nm12\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24"
         "\r\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3"
         "\r\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n$2\r\nm9\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 50",
         "*50\r\n$3\r\nm12\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24\r"
         "\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3\r"
         "\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n$2\r\nm9\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\nm18\r\n$3\r\nm20\r\n$3\r\nm23"
         "\r\n$3\r\nm25\r\n$3\r\nm28\r\n$2\r\nm3\r\n$3\r\nm30\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3"
         "\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 60",
         "*50\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\nm18\r\n$3\r\nm20\r\n$3\r\nm23\r"
         "\n$3\r\nm25\r\n$3\r\nm28\r\n$2\r\nm3\r\n$3\r\nm30\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r"
         "\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$3\r\nm12\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24"
         "\r\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3"
         "\r\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n$2\r\nm9\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC COUNT 60",
         "*50\r\n$3\r\nm12\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24\r"
         "\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3\r"
         "\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n$2\r\nm9\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\nm18\r\n$3\r\nm20\r\n$3\r\nm23"
         "\r\n$3\r\nm25\r\n$3\r\nm28\r\n$2\r\nm3\r\n$3\r\nm30\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3"
         "\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n"),
    SAID("GEOADD few 13.4 52.5 m0 13.5 52.4 m1 13.6 52.6 m2 13.4 52.5 m3 13.6 52.6 m4 13.4 52.5 m5 13.5 52.4 m6",
         ":7\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 1", "*1\r\n$2\r\nm3\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 2", "*2\r\n$2\r\nm3\r\n$2\r\nm0\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 3", "*3\r\n$2\r\nm3\r\n$2\r\nm0\r\n$2\r\nm5\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 4",
         "*4\r\n$2\r\nm3\r\n$2\r\nm0\r\n$2\r\nm5\r\n$2\r\nm1\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 5",
         "*5\r\n$2\r\nm3\r\n$2\r\nm0\r\n$2\r\nm5\r\n$2\r\nm1\r\n$2\r\nm6\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 6",
         "*6\r\n$2\r\nm3\r\n$2\r\nm0\r\n$2\r\nm5\r\n$2\r\nm1\r\n$2\r\nm6\r\n$2\r\nm4\r\n"),
    SAID("GEOSEARCH few FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 7",
         "*7\r\n$2\r\nm0\r\n$2\r\nm3\r\n$2\r\nm5\r\n$2\r\nm1\r\n$2\r\nm6\r\n$2\r\nm2\r\n$2\r\nm4\r\n"),
    SAID("GEOADD ten 13.4 52.5 m0 13.5 52.4 m1 13.6 52.6 m2 13.4 52.5 m3 13.6 52.6 m4 13.4 52.5 m5 13.5 52.4 m6 13.6 "
         "52.6 m7 13.4 52.5 m8 13.6 52.6 m9",
         ":10\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 1", "*1\r\n$2\r\nm4\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 2", "*2\r\n$2\r\nm4\r\n$2\r\nm2\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 3",
         "*3\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 4",
         "*4\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n$2\r\nm7\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 5",
         "*5\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n$2\r\nm7\r\n$2\r\nm1\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 6",
         "*6\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n$2\r\nm7\r\n$2\r\nm1\r\n$2\r\nm6\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 7",
         "*7\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n$2\r\nm7\r\n$2\r\nm1\r\n$2\r\nm6\r\n$2\r\nm8\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 8",
         "*8\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n$2\r\nm7\r\n$2\r\nm1\r\n$2\r\nm6\r\n$2\r\nm8\r\n$2\r\n"
         "m5\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 9",
         "*9\r\n$2\r\nm4\r\n$2\r\nm2\r\n$2\r\nm9\r\n$2\r\nm7\r\n$2\r\nm1\r\n$2\r\nm6\r\n$2\r\nm8\r\n$2\r\n"
         "m5\r\n$2\r\nm3\r\n"),
    SAID("GEOSEARCH ten FROMLONLAT 13.45 52.45 BYBOX 90 90 km DESC COUNT 10",
         "*10\r\n$2\r\nm2\r\n$2\r\nm4\r\n$2\r\nm7\r\n$2\r\nm9\r\n$2\r\nm1\r\n$2\r\nm6\r\n$2\r\nm0\r\n$2\r"
         "\nm3\r\n$2\r\nm5\r\n$2\r\nm8\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 13", ":13\r\n"),
    SAID("ZRANGE d 0 -1",
         "*13\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$2\r\nm3\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n"
         "$3\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km ASC",
         "*50\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\nm18\r\n$3\r\nm20\r\n$3\r\nm23\r"
         "\n$3\r\nm25\r\n$3\r\nm28\r\n$2\r\nm3\r\n$3\r\nm30\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3\r"
         "\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$3\r\nm12\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24"
         "\r\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3"
         "\r\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n$2\r\nm9\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km DESC",
         "*50\r\n$3\r\nm12\r\n$3\r\nm14\r\n$3\r\nm17\r\n$3\r\nm19\r\n$2\r\nm2\r\n$3\r\nm22\r\n$3\r\nm24\r"
         "\n$3\r\nm27\r\n$3\r\nm29\r\n$3\r\nm32\r\n$3\r\nm34\r\n$3\r\nm37\r\n$3\r\nm39\r\n$2\r\nm4\r\n$3\r"
         "\nm42\r\n$3\r\nm44\r\n$3\r\nm47\r\n$3\r\nm49\r\n$2\r\nm7\r\n$2\r\nm9\r\n$2\r\nm1\r\n$3\r\nm11\r"
         "\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n$3\r\nm41\r\n$3\r\nm46\r\n$2"
         "\r\nm6\r\n$2\r\nm0\r\n$3\r\nm10\r\n$3\r\nm13\r\n$3\r\nm15\r\n$3\r\nm18\r\n$3\r\nm20\r\n$3\r\nm23"
         "\r\n$3\r\nm25\r\n$3\r\nm28\r\n$2\r\nm3\r\n$3\r\nm30\r\n$3\r\nm33\r\n$3\r\nm35\r\n$3\r\nm38\r\n$3"
         "\r\nm40\r\n$3\r\nm43\r\n$3\r\nm45\r\n$3\r\nm48\r\n$2\r\nm5\r\n$2\r\nm8\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 13.45 52.45 BYRADIUS 90 km COUNT 7 ANY DESC",
         "*7\r\n$2\r\nm1\r\n$3\r\nm11\r\n$3\r\nm16\r\n$3\r\nm21\r\n$3\r\nm26\r\n$3\r\nm31\r\n$3\r\nm36\r\n"),
};

static const exchange resp3_searches[] = {
    SAID("GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 17.241510 "
         "38.788135 edge2",
         ":4\r\n"),
    SAID("GEOADD line 179.9 10 east -179.9 10 west 179.95 10.1 east2 0 0 far", ":4\r\n"),
    SAID("GEOADD pole 0 85 a 90 85 b 180 85 c -90 85 d 45 84.9 e", ":5\r\n"),
    SAID("GEOADD same 1 1 a 1 1 b 1 1 c 1.1 1 d", ":4\r\n"),
    SAID("SET s x", "+OK\r\n"),
    SAID("GEOPOS k Palermo none", "*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n"),
    SAID("GEODIST k Palermo Catania", "$11\r\n166274.1516\r\n"),
    SAID("GEODIST k Palermo none", "_\r\n"),
    SAID("GEOHASH k Palermo none", "*2\r\n$11\r\nsqc8b49rny0\r\n_\r\n"),
    SAID("GEOSEARCH k FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST WITHCOORD WITHHASH",
         "*2\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n*2\r\n,15.08726745843887329\r"
         "\n,37.50266842333162032\r\n*4\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n:3479099956230698\r\n*2\r\n,"
         "13.36138933897018433\r\n,38.11555639549629859\r\n"),
    SAID("GEOSEARCH k withhash BYBOX 400 400 km WITHDIST FROMLONLAT 15 37 DESC",
         "*4\r\n*3\r\n$5\r\nedge1\r\n$8\r\n279.7405\r\n:3479273021651468\r\n*3\r\n$5\r\nedge2\r\n$8\r\n279"
         ".7403\r\n:3481342659049484\r\n*3\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n:3479099956230698\r\n*3\r"
         "\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 200 km COUNT 2 ANY WITHCOORD",
         "*2\r\n*2\r\n$7\r\nPalermo\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n*2\r\n$5\r"
         "\nedge1\r\n*2\r\n,12.7584877610206604\r\n,38.78813451624225195\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 200 km ANY COUNT 2 DESC WITHDIST",
         "*2\r\n*2\r\n$5\r\nedge1\r\n$7\r\n91.4007\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYRADIUS 0 m WITHDIST", "*1\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n"),
    SAID("GEOSEARCH k FROMMEMBER Palermo BYBOX 0 0 ft WITHDIST", "*1\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n"),
    SAID("GEOSEARCH line FROMLONLAT 180 10 BYRADIUS 20 km WITHDIST",
         "*2\r\n*2\r\n$4\r\neast\r\n$7\r\n10.9537\r\n*2\r\n$5\r\neast2\r\n$7\r\n12.3976\r\n"),
    SAID("GEOSEARCH line FROMLONLAT -180 10 BYRADIUS 20 km WITHDIST",
         "*3\r\n*2\r\n$4\r\nwest\r\n$7\r\n10.9537\r\n*2\r\n$4\r\neast\r\n$7\r\n10.9537\r\n*2\r\n$5\r\neast"
         "2\r\n$7\r\n12.3976\r\n"),
    SAID("GEOSEARCH line FROMLONLAT -179.99 10 BYBOX 60 60 km ASC WITHDIST",
         "*3\r\n*2\r\n$4\r\nwest\r\n$6\r\n9.8584\r\n*2\r\n$4\r\neast\r\n$7\r\n12.0491\r\n*2\r\n$5\r\neast2"
         "\r\n$7\r\n12.9187\r\n"),
    SAID("GEOSEARCH pole FROMLONLAT 0 85.05 BYRADIUS 1200 km WITHDIST",
         "*4\r\n*2\r\n$1\r\na\r\n$6\r\n5.5614\r\n*2\r\n$1\r\ne\r\n$8\r\n427.5829\r\n*2\r\n$1\r\nb\r\n$8\r"
         "\n782.0739\r\n*2\r\n$1\r\nd\r\n$8\r\n782.0739\r\n"),
    SAID("GEOSEARCH pole FROMLONLAT 180 85.05112878 BYRADIUS 600 km WITHDIST",
         "*1\r\n*2\r\n$1\r\nc\r\n$6\r\n5.6869\r\n"),
    SAID("GEOSEARCH pole FROMMEMBER a BYBOX 9000 900 km WITHDIST",
         "*4\r\n*2\r\n$1\r\na\r\n$6\r\n0.0000\r\n*2\r\n$1\r\ne\r\n$8\r\n429.5490\r\n*2\r\n$1\r\nb\r\n$8\r"
         "\n785.9890\r\n*2\r\n$1\r\nd\r\n$8\r\n785.9890\r\n"),
    SAID("GEORADIUS k 15 37 200 km WITHDIST DESC COUNT 2",
         "*2\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n"),
    SAID("GEORADIUS_RO k 15 37 200 km WITHDIST",
         "*2\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n"),
    SAID("GEORADIUSBYMEMBER k Palermo 200 km WITHDIST",
         "*3\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n*2\r\n$5\r\nedge1\r\n$7\r\n91.4007\r\n*2\r\n$7\r\nC"
         "atania\r\n$8\r\n166.2742\r\n"),
    SAID("GEORADIUSBYMEMBER_RO k Palermo 200 km WITHDIST ASC",
         "*3\r\n*2\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n*2\r\n$5\r\nedge1\r\n$7\r\n91.4007\r\n*2\r\n$7\r\nC"
         "atania\r\n$8\r\n166.2742\r\n"),
};

static const exchange stores[] = {
    SAID("GEOADD k 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1", ":3\r\n"),
    SAID("GEORADIUS k 15 37 200 km STORE d", ":2\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES",
         "*4\r\n$7\r\nPalermo\r\n$16\r\n3479099956230698\r\n$7\r\nCatania\r\n$16\r\n3479447370796909\r\n"),
    SAID("GEORADIUS k 15 37 200 km STORE e STOREDIST d", ":2\r\n"),
    SAID("EXISTS e", ":0\r\n"),
    SAID("ZRANGEBYSCORE d 56.44125 56.44126", "*1\r\n$7\r\nCatania\r\n"),
    SAID("GEORADIUS k 15 37 200 km STOREDIST e STORE d", ":2\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES",
         "*4\r\n$7\r\nPalermo\r\n$16\r\n3479099956230698\r\n$7\r\nCatania\r\n$16\r\n3479447370796909\r\n"),
    SAID("GEORADIUS k 15 37 200 km STORE d WITHDIST",
         "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r"
         "\n"),
    SAID("GEORADIUS k 15 37 200 km WITHCOORD STOREDIST d",
         "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r"
         "\n"),
    SAID("GEORADIUS none 1 20 1 m STORE", "-ERR syntax error\r\n"),
    SAID("GEORADIUS none 1 20 1 m STORE s WITHHASH",
         "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r"
         "\n"),
    SAID("GEORADIUSBYMEMBER k Palermo 200 km STORE d", ":3\r\n"),
    SAID("OBJECT ENCODING d", "$8\r\nlistpack\r\n"),
    SAID("GEORADIUSBYMEMBER none none -1 m STORE d WITHDIST",
         "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r"
         "\n"),
    SAID("GEORADIUSBYMEMBER none none -1 m STORE d", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("SET d x EX 100", "+OK\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST", ":2\r\n"),
    SAID("TTL d", ":-1\r\n"),
    SAID("TYPE d", "+zset\r\n"),
    SAID("ZRANGEBYSCORE d 190.4424 190.4425", "*1\r\n$7\r\nPalermo\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1", ":1\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES", "*2\r\n$7\r\nCatania\r\n$16\r\n3479447370796909\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 15 37 BYRADIUS 200 km DESC COUNT 1", ":1\r\n"),
    SAID("ZRANGE d 0 -1 WITHSCORES", "*2\r\n$7\r\nPalermo\r\n$16\r\n3479099956230698\r\n"),
    SAID("geosearchstore d k FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST",
         "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 15 37 BYRADIUS 200 km STORE x", "-ERR syntax error\r\n"),
    SAID("geosearchstore d k FROMLONLAT 15 37 ASC ASC",
         "-ERR exactly one of BYRADIUS and BYBOX can be specified for geosearchstore\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 15 37 ASC", "-ERR wrong number of arguments for 'geosearchstore' command\r\n"),
    SAID("GEOSEARCHSTORE d k FROMLONLAT 0 0 BYRADIUS 1 m", ":0\r\n"),
    SAID("EXISTS d", ":0\r\n"),
    SAID("GEOSEARCHSTORE d none FROMMEMBER x BYRADIUS 1 m", ":0\r\n"),
    SAID("SET s x", "+OK\r\n"),
    SAID("GEOSEARCHSTORE d s FROMMEMBER x BYRADIUS 1 m",
         "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    SAID("GEOSEARCHSTORE s k FROMLONLAT 15 37 BYRADIUS 200 km", ":2\r\n"),
    SAID("TYPE s", "+zset\r\n"),
    SAID("GEOSEARCHSTORE k k FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1", ":1\r\n"),
    SAID("ZRANGE k 0 -1 WITHSCORES", "*2\r\n$7\r\nCatania\r\n$16\r\n3479447370796909\r\n"),
    SAID("GEOSEARCHSTORE k k FROMLONLAT 0 0 BYRADIUS 200 km COUNT 1", ":0\r\n"),
    SAID("EXISTS k", ":0\r\n"),
};

static const happening told[] = {
    TOLD("GEOADD k 1 1 a 2 2 b", "n0:new:k z0:zadd:k"),
    TOLD("GEOADD k 1 1 a", ""),
    TOLD("GEOADD k XX 3 3 c", ""),
    TOLD("GEOADD k CH 1 1.5 a", "z0:zadd:k"),
    TOLD("GEOPOS none a", "m0:keymiss:none"),
    TOLD("GEODIST none a b", "m0:keymiss:none"),
    TOLD("GEOHASH none a", "m0:keymiss:none"),
    TOLD("GEOSEARCH none FROMMEMBER a BYRADIUS 1 m", "m0:keymiss:none"),
    TOLD("GEOSEARCH k FROMMEMBER a BYRADIUS 1 m", ""),
    TOLD("GEOSEARCHSTORE d k FROMMEMBER a BYRADIUS 1 m", "n0:new:d z0:geosearchstore:d"),
    TOLD("GEOSEARCHSTORE d k FROMMEMBER a BYRADIUS 1 m STOREDIST", "z0:geosearchstore:d"),
    TOLD("GEOSEARCHSTORE d k FROMLONLAT 50 50 BYRADIUS 1 m", "g0:del:d"),
    TOLD("GEOSEARCHSTORE d k FROMLONLAT 50 50 BYRADIUS 1 m", ""),
    TOLD("GEORADIUS k 1 1.5 1 km STORE d", "n0:new:d z0:georadiusstore:d"),
    TOLD("GEORADIUSBYMEMBER k a 1 km STOREDIST d", "z0:georadiusstore:d"),
    TOLD("GEORADIUSBYMEMBER none a 1 km STOREDIST d", "m0:keymiss:none g0:del:d"),
    TOLD("GEORADIUS none 1 1 1 km STORE d", "m0:keymiss:none"),
    TOLD("GEORADIUS k 1 1.5 1 km STORE k", "z0:georadiusstore:k"),
};

static void members_have_places(void) { REPLAY(members); }
static void areas_are_searched(void) { REPLAY(searches); }
static void resp3_has_doubles_for_degrees(void) { REPLAY3(resp3_searches); }
static void a_limit_cuts_through_equal_distances(void) { REPLAY(ties); }
static void results_are_stored(void) { REPLAY(stores); }
static void events_are_those_of_redis(void) { REPLAY_EVENTS(told); }

/* ---- arithmetic ---- */

static double degrees_at(uint64_t *seed, double most) {
  *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
  return ((double)(*seed >> 11) / (double)(1ull << 53) * 2 - 1) * most;
}

static void a_place_is_in_the_cell_of_its_hash(void) {
  uint64_t seed = 1;
  for (int i = 0; i < 100000; i++) {
    rd_geo_point p = {degrees_at(&seed, RD_GEO_LON_MAX), degrees_at(&seed, RD_GEO_LAT_MAX)}, low, high;
    uint64_t hash = rd_geohash_of(p);
    CHECK(hash < 1ull << 52);
    rd_geo_cell c = rd_geohash_cell(hash);
    rd_geo_cell_corners(c, &low, &high);
    CHECK(low.lon <= p.lon && p.lon <= high.lon && low.lat <= p.lat && p.lat <= high.lat);
    CHECK(rd_geohash_of(rd_geo_cell_middle(c)) == hash);
    for (unsigned steps = 1; steps <= RD_GEO_STEPS; steps++) {
      rd_geo_cell outer = rd_geo_cell_of(p, steps);
      CHECK(hash - rd_geo_cell_hash(outer) < rd_geo_cell_size(outer));
    }
  }
}

static void neighbours_go_around_the_map(void) {
  rd_geo_cell c = {7, 0, 3};
  rd_geo_cell east = rd_geo_cell_beside(c, 1, 0), south = rd_geo_cell_beside(c, 0, -1);
  CHECK(east.lon == 0 && east.lat == 0);
  CHECK(south.lon == 7 && south.lat == 7);
  rd_geo_cell back = rd_geo_cell_beside(rd_geo_cell_beside(c, 1, -1), -1, 1);
  CHECK(back.lon == c.lon && back.lat == c.lat);
  rd_geo_cell edge = rd_geo_cell_of((rd_geo_point){180, 85.05112878}, 3); /* behind the last cell */
  CHECK(edge.lon == 8 && edge.lat == 8);
  CHECK(rd_geo_cell_beside(edge, -1, 0).lon == 7);
}

static void any_score_is_a_hash(void) {
  CHECK(rd_geohash_of_score(0) == 0);
  CHECK(rd_geohash_of_score(0.9) == 0);
  CHECK(rd_geohash_of_score(-0.9) == 0);
  CHECK(rd_geohash_of_score(4503599627370495.0) == (1ull << 52) - 1);
  CHECK(rd_geohash_of_score(-1) == UINT64_MAX);
  CHECK(rd_geohash_of_score(0x1p63) == 1ull << 63);
  CHECK(rd_geohash_of_score(0x1.8p63) == 3ull << 62);
  CHECK(rd_geohash_of_score(0x1p64) == 0);
  CHECK(rd_geohash_of_score(INFINITY) == 0);
  CHECK(rd_geohash_of_score(-INFINITY) == 1ull << 63);
  CHECK(rd_geohash_of_score(-1e300) == 1ull << 63);
}

static void distances_are_those_of_a_sphere(void) {
  const double quarter = RD_GEO_EARTH * 3.14159265358979323846 / 2;
  rd_geo_point zero = {0, 0}, east = {90, 0}, far = {180, 0}, west = {-180, 0};
  CHECK(fabs(rd_geo_distance(zero, east) - quarter) < 1e-6);
  CHECK(fabs(rd_geo_distance(zero, far) - 2 * quarter) < 1e-6);
  CHECK(rd_geo_distance(far, west) < 1e-6);
  CHECK(rd_geo_distance(east, east) == 0);
  CHECK(fabs(rd_geo_lat_distance(-45, 45) - quarter) < 1e-6);
  uint64_t seed = 7;
  for (int i = 0; i < 10000; i++) {
    rd_geo_point a = {degrees_at(&seed, 180), degrees_at(&seed, 85)},
                 b = {degrees_at(&seed, 180), degrees_at(&seed, 85)};
    rd_geo_point c = {degrees_at(&seed, 180), degrees_at(&seed, 85)};
    double ab = rd_geo_distance(a, b), bc = rd_geo_distance(b, c), ac = rd_geo_distance(a, c);
    CHECK(ab == rd_geo_distance(b, a));
    CHECK(ac <= ab + bc + 1e-3);
    CHECK(ab >= rd_geo_lat_distance(a.lat, b.lat) - 1e-3);
  }
}

static void check_degrees(double degrees) {
  char mine[RD_GEO_TEXT], other[400];
  size_t len = rd_geo_format_degrees(mine, degrees);
  size_t wanted = (size_t)snprintf(other, sizeof other, "%.17f", degrees);
  while (other[wanted - 1] == '0') wanted--;
  if (other[wanted - 1] == '.') wanted--;
  if (wanted == 2 && memcmp(other, "-0", 2) == 0) wanted = (size_t)snprintf(other, sizeof other, "0");
  CHECK_BYTES(mine, len, other, wanted);
}

static void degrees_have_seventeen_digits(void) {
  static const double each[] = {0,
                                -0.0,
                                180,
                                -180,
                                0.5,
                                1e-17,
                                5e-18,
                                4.9e-18,
                                1.5e-17,
                                -1e-18,
                                2.5e-17,
                                1e-30,
                                5e-324,
                                1e-16,
                                0x1p-57,
                                0x3p-58,
                                0x1p-56,
                                0x1p-70,
                                85.05112878,
                                179.99999999999997,
                                0.99999999999999989,
                                1 - 0x1p-53,
                                0x1p-17,
                                0x3p-18,
                                9.99999999999999911};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    check_degrees(each[i]);
    check_degrees(-each[i]);
  }
  uint64_t seed = 3;
  for (int i = 0; i < 20000; i++) check_degrees(degrees_at(&seed, i % 3 == 0 ? 180 : i % 3 == 1 ? 1e-3 : 1e-12));
}

static void distances_have_four_digits(void) {
  static const struct {
    double distance;
    const char *text;
  } each[] = {{0, "0.0000"},        {0.00004, "0.0000"},          {0.00006, "0.0001"},
              {1, "1.0000"},        {0.99996, "1.0000"},          {20015086.796, "20015086.7960"},
              {12.3456, "12.3456"}, {65666294.0, "65666294.0000"}};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    char text[RD_GEO_TEXT];
    size_t len = rd_geo_format_distance(text, each[i].distance);
    CHECK_BYTES(text, len, each[i].text, strlen(each[i].text));
  }
}

/* ---- the first of many results ---- */

typedef enum pattern { RISING, FALLING, EQUAL, SAW, ORGAN_PIPE, RANDOM, FEW_VALUES, PATTERNS } pattern;

static double patterned(pattern p, uint64_t i, uint64_t n, uint64_t *seed) {
  switch (p) {
    case RISING:
      return (double)i;
    case FALLING:
      return (double)(n - i);
    case EQUAL:
      return 1;
    case SAW:
      return (double)(i % 97);
    case ORGAN_PIPE:
      return (double)(i < n / 2 ? i : n - i);
    case RANDOM:
      return degrees_at(seed, 1e6);
    default:
      return floor(degrees_at(seed, 4));
  }
}

static int by_distance(const void *a, const void *b) {
  double x = ((const rd_geo_found_one *)a)->distance, y = ((const rd_geo_found_one *)b)->distance;
  return (x > y) - (x < y);
}

/* What is found with a limit has the distances of the first ones of a whole sort. */
static void check_limit(rd_store *st, pattern p, uint64_t n, uint64_t limit, bool down) {
  rd_reply out;
  rd_reply_init(&out);
  rd_call call = {.store = st, .out = &out};
  rd_geo_found f;
  rd_geo_found_init(&f, &call);
  f.sorted = true;
  f.down = down;
  f.limit = limit;
  uint64_t seed = n + limit;
  rd_geo_found_one *all = malloc(n * sizeof *all);
  for (uint64_t i = 0; i < n; i++) {
    all[i] = (rd_geo_found_one){.distance = patterned(p, i, n, &seed), .rank = i};
    CHECK(rd_geo_found_add(&f, all[i]));
  }
  qsort(all, n, sizeof *all, by_distance);
  CHECK(rd_geo_found_arrange(&f));
  CHECK(f.n == (n < limit ? n : limit));
  for (uint64_t i = 0; i < f.n && check_ok; i++) CHECK(f.at[i].distance == all[down ? n - 1 - i : i].distance);
  rd_geo_found_free(&f);
  rd_reply_free(&out);
  free(all);
}

static void the_first_results_are_those_of_a_whole_sort(void) {
  static const uint64_t sizes[] = {1, 2, 6, 7, 8, 40, 41, 64, 65, 1000, 16383, 16384, 16385, 70000};
  rd_store st;
  int fd = rig_open(&st, 8u << 20, 4, RD_NOEVICTION);
  for (pattern p = 0; p < PATTERNS; p++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      uint64_t n = sizes[i], limits[] = {1, 3, 32, n / 2 + 1, n - 1 + (n == 1), n, n + 1, UINT64_MAX};
      for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) check_limit(&st, p, n, limits[k], k % 2 == 1);
    }
  }
  rig_close(&st, fd);
}

int main(void) {
  RUN(the_first_results_are_those_of_a_whole_sort);
  RUN(a_limit_cuts_through_equal_distances);
  RUN(a_place_is_in_the_cell_of_its_hash);
  RUN(neighbours_go_around_the_map);
  RUN(any_score_is_a_hash);
  RUN(distances_are_those_of_a_sphere);
  RUN(degrees_have_seventeen_digits);
  RUN(distances_have_four_digits);
  RUN(members_have_places);
  RUN(areas_are_searched);
  RUN(resp3_has_doubles_for_degrees);
  RUN(results_are_stored);
  RUN(events_are_those_of_redis);
  return check_end();
}
