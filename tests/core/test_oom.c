/* test_oom.c - commands without memory. Every command that allocates runs with its Nth allocation failing, for every N:
 * only that one, and that one with all that follow. For each N, either the reply is -OOM and every key keeps its value,
 * type, encoding and TTL, or the failure did not matter and the command has done all that its reply says. Then the same
 * command, with memory, succeeds. */
#include "command/index.h"
#include "faults.h"
#include "script.h"
#include "store/databases.h"
#include "store/expire.h"

#define OOM "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

/* One command on one state. */
typedef struct scene {
  const char *before; /* script that makes the state */
  const char *command;
} scene;

typedef struct stage {
  rd_store st;
  rd_session *session;
  text said;
  rd_status status;
} stage;

static void stage_say(stage *g, const text *request) {
  g->said.len = 0;
  g->status = rd_session_feed(g->session, request->data, request->len, START_MS);
  for (;;) {
    rd_bytes out = rd_session_output(g->session);
    text_add(&g->said, out.data, out.len);
    rd_session_consumed(g->session, out.len);
    if (g->status != RD_BUSY) return;
    g->status = rd_session_resume(g->session, START_MS);
  }
}

static void stage_open(stage *g, uint64_t memory, uint32_t shards, const text *before) {
  *g = (stage){.st = arena_new(memory, shards, RD_NOEVICTION)};
  g->session = script_session(&g->st);
  if (before->len != 0) stage_say(g, before);
  if (g->said.len != 0 && g->said.data[0] == '-') check_print("the state is refused: ", g->said.data, g->said.len);
}

static void stage_close(stage *g) {
  rd_session_free(g->session);
  text_free(&g->said);
  arena_free(&g->st);
}

static bool says_oom(const text *said) { return said->len == strlen(OOM) && memcmp(said->data, OOM, said->len) == 0; }

/* The allocations to try among `calls`: all when they are few, otherwise the first and last ones and some in between.
 */
static uint64_t next_try(uint64_t n, uint64_t calls) {
  if (calls <= 64 || n < 16 || n + 16 >= calls) return n + 1;
  uint64_t next = n + 1 + (calls - 32) / 16;
  return next + 16 > calls ? calls - 16 : next;
}

static unsigned runs, refusals, harmless;
static bool played[RD_COMMANDS]; /* by the command's id */

static void note_played(const char *line) {
  const char *rest = line + strcspn(line, " ") + 1;
  rd_bytes words[] = {{(const uint8_t *)line, strcspn(line, " ")}, {(const uint8_t *)rest, strcspn(rest, " ")}};
  bool unknown;
  const rd_command *cmd = rd_command_find(words, 2, &unknown);
  if (cmd == NULL) CHECK_FAIL("%s: no such command", line);
  if (cmd != NULL) played[cmd->id] = true;
}

static void play_one(const scene *sc, uint64_t memory, uint32_t shards) {
  text before = script_bytes(sc->before), command = script_bytes(sc->command);
  note_played(sc->command);

  stage g;
  stage_open(&g, memory, shards, &before);
  holdings old = holdings_of(&g.st);
  fault_arm(&arena_fault, UINT64_MAX, false);
  stage_say(&g, &command);
  fault_disarm(&arena_fault);
  uint64_t calls = arena_fault.calls;
  text success = {0};
  text_add(&success, g.said.data, g.said.len);
  holdings now = holdings_of(&g.st);
  if (success.len == 0 || success.data[0] == '-') {
    CHECK_FAIL("%s: fails with memory, too", sc->command);
    check_print("says ", success.data, success.len);
  }
  if (calls == 0) CHECK_FAIL("%s ... %s: allocates nothing", sc->before, sc->command);
  CHECK(arena_is_whole(&g.st));
  stage_close(&g);

  for (int once = 0; once < 2; once++) {
    for (uint64_t n = 0; n < calls && check_ok; n = next_try(n, calls)) {
      stage_open(&g, memory, shards, &before);
      fault_arm(&arena_fault, n, once);
      stage_say(&g, &command);
      fault_disarm(&arena_fault);
      holdings h = holdings_of(&g.st);
      runs++;
      bool ok = arena_is_whole(&g.st) && g.status == RD_MORE;
      if (says_oom(&g.said)) {
        refusals++;
        ok = ok && holdings_same(&h, &old);
        if (!ok) {
          CHECK_FAIL("%s: changed by a refusal (%s %llu of %llu)", sc->command, once ? "only" : "from",
                     (unsigned long long)n, (unsigned long long)calls);
          holdings_show("was", &old);
          holdings_show("is ", &h);
        }
        holdings_free(&h);
        stage_say(&g, &command);
        h = holdings_of(&g.st);
        ok = ok && arena_is_whole(&g.st);
      } else {
        harmless++;
      }
      if (ok && (!text_same(&g.said, &success) || !holdings_same(&h, &now))) {
        CHECK_FAIL("%s: not done right (%s %llu of %llu)", sc->command, once ? "only" : "from", (unsigned long long)n,
                   (unsigned long long)calls);
        check_print("says ", g.said.data, g.said.len);
        holdings_show("should be", &now);
        holdings_show("is       ", &h);
        ok = false;
      }
      if (!ok)
        CHECK_FAIL("%s ... %s: failure %s %llu of %llu", sc->before, sc->command, once ? "only" : "from",
                   (unsigned long long)n, (unsigned long long)calls);
      holdings_free(&h);
      stage_close(&g);
    }
  }
  holdings_free(&old);
  holdings_free(&now);
  text_free(&success);
  text_free(&before);
  text_free(&command);
}

#define PLAY(memory, shards, ...)                                                                                   \
  do {                                                                                                              \
    static const scene scenes[] = {__VA_ARGS__};                                                                    \
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0] && check_ok; i++) play_one(&scenes[i], memory, shards); \
  } while (0)

/* ---- one key ---- */

static void a_refused_new_key_leaves_nothing_behind(void) {
  PLAY(8 * MIB, 4, {"", "SET @8a #10a"}, {"", "SET @8a ''"}, {"", "SET @8a #300a"}, {"", "SET @8a #9000a"},
       {"", "SET @8a #100000a"}, {"", "SET @300a #10a"}, {"", "SET @300a #9000a"}, {"", "SET @300a ''"},
       {"", "SET @5000a #10a"}, {"", "SET @5000a #9000a"}, {"", "SET @5000a ''"}, {"", "SET @255a #7900a"},
       {"", "SET @255a #7909a PX 5000"}, {"", "SET @255a #7910a PX 5000"}, {"", "SET @8a #10a EX 100"},
       {"", "SET @300a #10a PX 100000"}, {"", "SET @5000a #9000a EXAT 2000000100"}, {"", "SETNX @8a #300a"},
       {"", "SETEX @8a 100 #300a"}, {"", "PSETEX @300a 100000 #9000a"}, {"", "APPEND @8a #300a"},
       {"", "SETRANGE @8a 20000 #10a"}, {"", "SETRANGE @5000a 300 #10a"}, {"", "SETBIT @8a 7 1"},
       {"", "SETBIT @300a 800000 1"}, {"", "BITFIELD @8a SET u8 0 200 INCRBY i16 9000 5"}, {"", "PFADD @8a a b c"},
       {"", "INCR @8a"}, {"", "INCRBY @300a 77"}, {"", "DECR @5000a"}, {"", "INCRBYFLOAT @8a 1.5"},
       {"", "GETSET @8a #10a"}, {"", "SET @8a #10a GET"}, {"", "RESTORE @8a 0 %#300a"},
       {"", "RESTORE @8a 5000 %#100000a"}, {"", "RESTORE @300a 0 %$9000a"}, {"", "RESTORE @5000a 0 %$10a"});
}

static void a_refused_replacement_leaves_the_old_value(void) {
  PLAY(8 * MIB, 4, {"SET @8a #10b", "SET @8a #300a"}, {"SET @8a #10b", "SET @8a #9000a"},
       {"SET @8a #9000b", "SET @8a #10a"}, {"SET @8a #9000b", "SET @8a #100000a"},
       {"SET @8a #100000b", "SET @8a #9000a"}, {"SET @300a #10b", "SET @300a #11a"},
       {"SET @5000a #9000b", "SET @5000a #10a"}, {"SET @8a #10b EX 100", "SET @8a #300a KEEPTTL"},
       {"SET @8a #9000b EX 100", "SET @8a #9001a KEEPTTL"}, {"SET @8a #10b", "SET @8a #10a EX 100"},
       {"SET @8a #300b", "SET @8a #9000a GET"}, {"SET @8a #9000b PX 900000", "SET @8a #100000a XX GET EX 5"},
       {"SET @8a #10b", "SET @8a #300a IFEQ #10b"}, {"SET @8a #10b", "SET @8a #9000a IFNE x GET"},
       {"SET @8a w", "SET @8a #300a IFDNE f7042be43fb80714 EX 9"}, {"SET @8a #300b EX 9", "GETSET @8a #9000a"},
       {"SET @8a #10b", "SETEX @8a 100 #10a"}, {"SET @300a #10b", "SETEX @300a 100 #10a"},
       {"SET @8a 9", "INCRBY @8a 1234567890"}, {"SET @300a 9", "INCR @300a"}, {"SET @300a 99 EX 50", "INCR @300a"},
       {"SET @5000a 9", "DECRBY @5000a 100"}, {"SET @8a 9", "INCRBYFLOAT @8a 0.123456789012"},
       {"SET @300a 9 EX 50", "INCRBYFLOAT @300a 0.5"}, {"SET @8a #10b EX 50", "RESTORE @8a 0 %#9000a REPLACE"},
       {"SET @8a #9000b EX 50", "RESTORE @8a 77 %$100000a REPLACE"});
}

static void refused_growth_leaves_the_old_length(void) {
  PLAY(8 * MIB, 4, {"SET @8a #10b", "APPEND @8a #30a"}, {"SET @8a #10b EX 100", "APPEND @8a #300a"},
       {"SET @8a #300b", "APPEND @8a #7500a"}, {"SET @8a #7000b", "APPEND @8a #2000a"},
       {"SET @8a #9000b", "APPEND @8a #10a"}, {"SET @8a #9000b", "APPEND @8a #100000a"},
       {"SET @8a #8168b", "APPEND @8a #8168a"}, {"SET @8a #8168b", "APPEND @8a #8169a"},
       {"SET @8a #100000b EX 100", "APPEND @8a #9000a"}, {"SET @300a ''", "APPEND @300a #10a"},
       {"SET @300a #10b", "APPEND @300a #9000a"}, {"SET @5000a ''", "APPEND @5000a #10a"},
       {"SET @5000a #10b", "APPEND @5000a #9000a"}, {"SET @8a #8000b EX 9", "APPEND @8a #180a"},
       {"SET @8a #10b", "SETRANGE @8a 20 #10a"}, {"SET @8a #10b", "SETRANGE @8a 9000 #300a"},
       {"SET @8a #9000b", "SETRANGE @8a 100000 #10a"}, {"SET @8a #10b", "SETBIT @8a 800 1"},
       {"SET @8a #10b EX 9", "SETBIT @8a 800000 1"}, {"SET @8a #9000b", "SETBIT @8a 800000 1"},
       {"SET @8a #10b", "BITFIELD @8a SET u8 0 200 SET i64 4000 5 INCRBY u2 100 1"},
       {"SET @8a #9000b EX 9", "BITFIELD @8a OVERFLOW SAT INCRBY i8 0 5 SET i64 400000 5"},
       {"PFADD @8a a", "PFADD @8a b c d e f g h i j k l m n o p q r s t u v w x y z"},
       {"PFADD @300a a", "PFADD @300a b c d e f g h i j k l m n o p q r s t u v w x y z"});
}

static void a_refused_expiry_leaves_the_key_without_one(void) {
  PLAY(8 * MIB, 4, {"SET @8a #10b", "EXPIRE @8a 100"}, {"SET @8a #300b", "PEXPIRE @8a 100000"},
       {"SET @8a #9000b", "EXPIREAT @8a 2000000100"}, {"SET @300a #9000b", "PEXPIREAT @300a 1700000100000"},
       {"SET @5000a ''", "EXPIRE @5000a 100"}, {"SET @8a #100000b", "EXPIRE @8a 100 NX"},
       {"SET @255a #7900b", "EXPIRE @255a 100 LT"}, {"SET @8a #10b", "GETEX @8a EX 100"},
       {"SET @8a #9000b", "GETEX @8a PX 100000"}, {"SET @300a #10b", "GETEX @300a EXAT 2000000100"},
       {"SET @8a #100000b", "GETEX @8a PXAT 2000000100000"});
}

/* ---- collections that are built aside ---- */

static void a_refused_restore_leaves_the_old_value(void) {
  PLAY(8 * MIB, 4, {"", "RESTORE @8a 0 &l5"}, {"", "RESTORE @8a 5000 &l500"}, {"", "RESTORE @300a 0 &s5"},
       {"", "RESTORE @8a 0 &s300"}, {"", "RESTORE @8a 0 &h5"}, {"", "RESTORE @8a 5000 &h300"},
       {"", "RESTORE @300a 5000 &z5"}, {"", "RESTORE @8a 0 &z300"}, {"", "RESTORE @8a 0 &x1"},
       {"SET @8a #300b", "RESTORE @8a 5000 &x300 REPLACE"}, {"SET @8a #300b", "RESTORE @8a 0 &h5 REPLACE"},
       {"SET @8a #9000b", "RESTORE @8a 5000 &z300 REPLACE"}, {"SADD @8a a b c", "RESTORE @8a 0 &s300 REPLACE"},
       {"RPUSH @8a a b c ; EXPIRE @8a 100", "RESTORE @8a 0 &l5 REPLACE"},
       {"HSET @300a f #300a g #9000a", "RESTORE @300a 5000 &h300 REPLACE"},
       {"ZADD @8a 1 a 2 b", "RESTORE @8a 0 &z300 REPLACE IDLETIME 5"});
}

/* ---- hashes ---- */

#define PAIRS_10 "a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10"

static void a_refused_change_of_a_hash_leaves_its_fields(void) {
  PLAY(8 * MIB, 4, {"", "HSET @8a f v"}, {"", "HSET @300a f #300a"}, {"", "HSET @5000a f v"}, {"", "HSET @8a f #600a"},
       {"HSET @8a f v", "HSET @8a f #9000a"}, {"HSET @8a f #600a", "HSET @8a f #9000a"},
       {"HSET @8a f v g #600a", "HSET @8a #600c #600b f #9000c"}, {"HSET @8a f v", "RENAME @8a @300b"},
       {"HSET @8a f v g #600a", "COPY @8a @300b"},
       {"HSET @300a a #200a b #200b c #200c d #200d", "HSET @300a e #200e f #200f"},
       {"HSET @8a a #200a b #200b c #200c d #200d", "HSET @8a e #200e f #200f"}, {"", "HSET @8a " PAIRS_10},
       {"", "HMSET @8a f #300a g #300b h #100c"}, {"", "HSETNX @8a f #300a"}, {"", "HINCRBY @8a f 5"},
       {"", "HINCRBYFLOAT @8a f 1.5"}, {"HSET @8a f v", "HSET @8a g #300a"}, {"HSET @8a f v", "HSET @8a f #300a"},
       {"HSET @8a f v", "HSET @8a f #300a g #300b f #10a h v"},
       {"HSET @8a f v ; EXPIRE @8a 100", "HSET @8a g #300a h 1"}, {"HSET @8a f v", "HSETNX @8a g #300a"},
       {"HSET @8a f 5", "HINCRBY @8a f 5000000000"}, {"HSET @8a f 5", "HINCRBYFLOAT @8a f 0.123456789012"},
       {"HSET @8a " PAIRS_10, "HSET @8a j #200a i #200b h #200c"}, {"HSET @8a f v", "COPY @8a @8b"},
       {"HSET @8a f v", "EXPIRE @8a 100"}, {"HSET @8a f v", "RENAME @8a @8bcd"}, {"SET @8a #300a", "COPY @8a @8b"});
}

#define LONG_PAIRS "a #100a b #100b c #100c d #100d e #100e f #100f g #100g h #100h i #100i j #100j"
#define FIELDS_10 "FIELDS 10 a b c d e f g h i j"
#define HALF_TIMED "HSET @8a a #200a b #200b c #200c d #200d ; HEXPIRE @8a 50 FIELDS 2 a b"

static void a_refused_expiry_of_fields_leaves_their_times(void) {
  PLAY(8 * MIB, 4, {"HSET @8a f v", "HEXPIRE @8a 100 FIELDS 1 f"}, {"HSET @300a f v", "HEXPIRE @300a 100 FIELDS 1 f"},
       {"HSET @8a f #600a", "HEXPIRE @8a 100 FIELDS 1 f"}, {"HSET @8a " PAIRS_10, "HEXPIRE @8a 100 " FIELDS_10},
       {"HSET @8a " LONG_PAIRS, "HEXPIRE @8a 100 " FIELDS_10},
       {"HSET @8a " LONG_PAIRS " ; HEXPIRE @8a 50 " FIELDS_10, "HEXPIRE @8a 100 FIELDS 5 a c e g i"},
       {"HSET @8a a #200a b #200b c #200c d #200d e #160e", "HEXPIRE @8a 100 FIELDS 5 a b c d e"},
       {HALF_TIMED, "HSETEX @8a EX 9 FIELDS 1 e #200e"}, {HALF_TIMED, "HSETEX @8a EX 9 FIELDS 1 a #400e"},
       {HALF_TIMED, "HSET @8a a #400e c 1"}, {"", "HSETEX @8a EX 9 FIELDS 1 e #200e"},
       {"", "HSETEX @8a EX 9 FIELDS 1 e #900e"}, {"", "HSETEX @300a EX 9 FIELDS 1 e v"},
       {"", "HSETEX @8a EX 9 FIELDS 2 e #900e f #9000f"}, {"HSET @8a " LONG_PAIRS, "HGETEX @8a EX 9 FIELDS 2 a b"},
       {"HSET @8a f v", "HGETEX @8a EX 9 FIELDS 1 f"},
       {"HSET @8a " LONG_PAIRS " ; HEXPIRE @8a 50 " FIELDS_10, "COPY @8a @8b"},
       {"HSET @8a " LONG_PAIRS " ; HEXPIRE @8a 50 FIELDS 2 a b", "HSETEX @8a KEEPTTL FIELDS 3 a #500a b #600b z 1"});
}

/* ---- sets ---- */

#define LONG_10 "#100a #101b #102c #103d #104e #105f #106g #107h #108i #109j"

static void a_refused_change_of_a_set_leaves_its_members(void) {
  PLAY(8 * MIB, 4, {"", "SADD @8a 1"}, {"", "SADD @8a x 1 2 y #300a"}, {"", "SADD @300a 3 1 2"}, {"", "SADD @8a #600a"},
       {"", "SADD @8a x #9000a #100000b y"}, {"", "SADD @8a " LONG_10},
       {"SADD @8a 1 2 3 4 5", "SADD @8a 1000000 -77777777777"},
       {"SADD @8a 1 2 3 ; EXPIRE @8a 100", "SADD @8a #40a #41b"}, {"SADD @8a x", "SADD @8a #300a x #300b 1 #300c"},
       {"SADD @8a #300a #301b #302c", "SADD @8a #303d"},
       {"SADD @8a " LONG_10, "SADD @8a #600a #10b #111c #112d #113e #114f"}, {"SADD @8a " LONG_10, "SADD @8a #9000a"},
       {"SADD @8a x y", "SMOVE @8a @8b x"}, {"SADD @8a x ; EXPIRE @8a 9", "SMOVE @8a @300b x"},
       {"SADD @8a #9000x y", "SMOVE @8a @8b #9000x"},
       {"SADD @8a " LONG_10 " ; SADD @8b #300a #301b #302c", "SMOVE @8a @8b #100a"});
}

static void a_refused_result_leaves_the_old_value(void) {
  PLAY(8 * MIB, 4, {"SADD @8a 1 2 3 ; SADD @8b 3 4", "SUNIONSTORE @8c @8a @8b"},
       {"SADD @8a 1 2 3 ; SADD @8b 3 4 ; SET @8c #300x EX 100", "SUNIONSTORE @8c @8a @8b"},
       {"SADD @8a " LONG_10 " #600x ; SADD @8b " LONG_10 " #9000y", "SUNIONSTORE @8a @8a @8b"},
       {"SADD @8a " LONG_10 " ; SADD @8b #111a #100a #102c", "SINTERSTORE @8b @8b @8a"},
       {"SADD @8a " LONG_10 " ; SADD @8b #111a #100a ; SADD @8c #10a ; EXPIRE @8c 9", "SDIFFSTORE @8c @8a @8b"},
       {"SADD @8a #9000a #9001b", "SUNIONSTORE @300c @8a"},
       {"ZADD @8a 1 a 2 b ; SADD @8b b c", "ZUNIONSTORE @8c 2 @8a @8b"},
       {"ZADD @8a 1 #300a 2 #301b 3 #302c 4 #600d ; SADD @8b b #303c ; SET @8c x EX 9", "ZUNIONSTORE @8c 2 @8a @8b"},
       {"ZADD @8a 1 #300a 2 #301b 3 #302c 4 #600d ; SADD @8b #300a #9000b", "ZINTERSTORE @8b 2 @8b @8a WEIGHTS 2 3"},
       {"ZADD @8a 1 #300a 2 #301b 3 #302c 4 #600d 5 #9000e ; SADD @8b b", "ZDIFFSTORE @8a 2 @8a @8b"});
}

/* ---- lists ---- */

static void a_refused_change_of_a_list_leaves_its_elements(void) {
  PLAY(8 * MIB, 4, {"", "RPUSH @8a x"}, {"", "LPUSH @8a x 1 #300a y"}, {"", "RPUSH @300a #600a"},
       {"", "RPUSH @8a x #9000a #100000b y"}, {"", "LPUSH @8a " LONG_10 " " LONG_10 " " LONG_10},
       {"RPUSH @8a x ; EXPIRE @8a 100", "LPUSH @8a #40a #41b"}, {"RPUSH @8a x", "RPUSHX @8a #300a #9000b 1 #300c"},
       {"RPUSH @8a x", "LPUSHX @8a #300a #600b"}, {"RPUSH @8a " LONG_10 " " LONG_10, "RPUSH @8a #200a #201b"},
       {"RPUSH @8a " LONG_10 " " LONG_10, "LPUSH @8a #500a #9000b #500c"},
       {"RPUSH @8a " LONG_10 " " LONG_10 " " LONG_10, "RPUSH @8a " LONG_10 " " LONG_10},
       {"RPUSH @8a a b c", "LINSERT @8a BEFORE b #300a"}, {"RPUSH @8a a b c", "LINSERT @8a AFTER b #9000a"},
       {"RPUSH @8a " LONG_10 " b " LONG_10, "LINSERT @8a AFTER b #500a"}, {"RPUSH @8a a b c", "LSET @8a 1 #300a"},
       {"RPUSH @8a a #9000b c", "LSET @8a 1 #9001a"}, {"RPUSH @8a " LONG_10 " b " LONG_10, "LSET @8a 10 #500a"},
       {"RPUSH @8a x y", "LMOVE @8a @8b LEFT LEFT"}, {"RPUSH @8a x ; EXPIRE @8a 9", "RPOPLPUSH @8a @300b"},
       {"RPUSH @8a x y", "BLMOVE @8a @8b LEFT LEFT 0"}, {"RPUSH @8a x #900y", "BRPOPLPUSH @8a @300b 0"},
       {"RPUSH @8a #9000x y", "LMOVE @8a @8b LEFT RIGHT"}, {"RPUSH @8a #300x y", "LMOVE @8a @8a LEFT RIGHT"},
       {"RPUSH @8a #9000x y", "LMOVE @8a @8a LEFT RIGHT"}, {"RPUSH @8a #100x " LONG_10 " #100y", "RPOPLPUSH @8a @8a"},
       {"RPUSH @8a #100x ; RPUSH @8b " LONG_10 " #200a #201b", "LMOVE @8a @8b LEFT LEFT"},
       {"RPUSH @8a 3 1 2", "SORT @8a STORE @8b"}, {"RPUSH @8a 3 1 2 ; SET @8b #9000b EX 9", "SORT @8a DESC STORE @8b"},
       {"RPUSH @8a " LONG_10 " #9000b", "SORT @8a ALPHA STORE @8a"},
       {"SADD @8a a b c ; MSET w_a #9000a w_b 2", "SORT @8a ALPHA GET w_* GET # STORE @300c"});
}

/* ---- several keys ---- */

static void a_refused_move_or_copy_leaves_both_keys(void) {
  PLAY(64 * MIB, 4, {"SET @8a #10b EX 9", "RENAME @8a @8b"}, {"SET @8a #9000b", "RENAME @8a @300b"},
       {"SET @300a #9000b", "RENAME @300a @8b"}, {"SET @5000a #100000b EX 9", "RENAME @5000a @8b"},
       {"SET @8a #300b ; SET @8b #10b", "RENAME @8a @8b"}, {"SET @8a #9000b ; SET @8b #9000c EX 8", "RENAME @8a @8b"},
       {"SET @8a #10b ; SET @300b #10c", "RENAME @8a @300b"}, {"SET @8a #300b", "RENAMENX @8a @8b"},
       {"SET @8a #10b EX 9", "COPY @8a @8b"}, {"SET @8a #100000b", "COPY @8a @5000b"},
       {"SET @8a #300b ; SET @8b #10c EX 5", "COPY @8a @8b REPLACE"}, {"SET @8a #300b EX 9", "COPY @8a @8a DB 3"},
       {"SET @300a #9000b EX 9", "MOVE @300a 3"}, {"SET @8a #10b", "MOVE @8a 15"},
       {"SET @8a #10b ; SET @8b #300b", "BITOP OR @8c @8a @8b"},
       {"SET @8a #9000b ; SET @8b #300b EX 9", "BITOP XOR @8b @8a @8b"}, {"SET @8a #100000b", "BITOP NOT @300c @8a"},
       {"SET @8a #9000b ; SET @8b #100b", "BITOP AND @8b @8a @8b"},
       {"PFADD @8a a b c ; PFADD @8b d e f", "PFMERGE @8c @8a @8b"},
       {"PFADD @8a a b c ; PFADD @8b d e f ; EXPIRE @8a 100", "PFMERGE @8a @8b"},
       {"PFADD @8a a ; SETRANGE @8a 15 ''", "PFMERGE @300c @8a"});
}

static void mset_sets_all_or_nothing(void) {
  PLAY(2100000, 4, {"", "MSET @8a #10a @8b #300b @8c #9000c"}, {"SET @8a #10x EX 9", "MSET @8a #300a @8b #10a"},
       {"SET @8a #300x EX 9 ; SET @8b #9000x", "MSET @8a #10a @8b #9001a @300c #10a"},
       {"SET @8a #10x ; SET @8b #10x ; SET @8c #10x", "MSET @8a #9000a @8b #9000b @8c #9000c"},
       {"SET @8a #9000x EX 5 ; SET @8b #9000x ; SET @8c #9000x", "MSET @8a #10a @8b #10b @8c #10c"},
       {"SET @300a #10x ; SET @5000b #10x", "MSET @300a #20a @5000b #20b @8c #20c"},
       {"SET @8a #10x", "MSET @8a #300a @8a #9000b @8b #10a"},
       {"APPEND @8a 12 ; APPEND @8a 3", "MSET @8a #300a @8b #300b"}, {"", "MSETNX @8a #10a @8b #300b @8c #9000c"},
       {"SET @8z #10z", "MSETNX @300a #10a @8b #100000b @8b #10b"},
       {"", "MSETEX 3 @8a #10a @8b #300b @8c #9000c NX EX 100"},
       {"SET @8a #10x EX 9 ; SET @8b #9000x", "MSETEX 3 @8a #300a @8b #9001a @8b #10b XX KEEPTTL"},
       {"SET @8a #10x ; SET @300b #10x", "MSETEX 2 @8a #10a @300b #10b EX 100"});
}

static void mset_far_from_the_limit_sets_all_or_nothing(void) {
  PLAY(64 * MIB, 4, {"", "MSET @8a #10a @8b #300b @8c #9000c"}, {"SET @8a #10x EX 9", "MSET @8a #300a @8b #10a"},
       {"SET @8a #300x EX 9 ; SET @8b #9000x", "MSET @8a #10a @8b #9001a @300c #10a"},
       {"SET @8a #9000x EX 5 ; SET @8b #9000x ; SET @8c #9000x", "MSET @8a #10a @8b #10b @8c #10c"},
       {"", "MSETNX @8a #10a @8b #300b @8c #9000c"});
}

static void a_refused_large_value_leaves_nothing_behind(void) {
  PLAY(64 * MIB, 1, {"", "SET @8a #10000000a"}, {"SET @8a #8338000b EX 9", "APPEND @8a #2000000a"},
       {"SET @8a #10b", "SETRANGE @8a 10000000 #10a"}, {"SET @8a #10000000b", "COPY @8a @300b"},
       {"SET @8a #10000000b", "EXPIRE @8a 100"});
}

/* Commands with which a key may grow, except PFDEBUG. A new one needs a scene above. */
static void every_command_that_may_be_refused_was_played(void) {
  for (uint16_t id = 0; id < rd_command_count(); id++) {
    const rd_command *cmd = rd_command_by_id(id);
    if ((cmd->flags & RD_DENYOOM) == 0 || cmd->keys == RD_NO_KEYS || id == RD_ID_pfdebug || id == RD_ID_xsetid)
      continue;
    if (!played[id]) CHECK_FAIL("%s has no scene", rd_command_full_name(cmd));
  }
}

/* ---- the index: its growth can be postponed without harm ---- */

#define INDEX_KINDS (1u << RD_SEGMENT | 1u << RD_DIR)

static rd_result put_number(rd_store *st, uint32_t i) {
  rd_key key = key_of(st, &i, sizeof i, 0);
  rd_lock_keys(st, &key, 1);
  rd_result r = rd_set(st, &key, &i, sizeof i, RD_NO_EXPIRY, RD_ENC_AUTO, RD_EVENT_SET);
  rd_unlock_all(st);
  return r;
}

static bool has_number(rd_store *st, uint32_t i) {
  rd_key key = key_of(st, &i, sizeof i, 0);
  rd_lock_keys(st, &key, 1);
  const rd_item *it = rd_find_quiet(st, &key, false);
  bool has = it != NULL && rd_item_len(it) == sizeof i && memcmp(rd_item_flat(it), &i, sizeof i) == 0;
  rd_unlock_all(st);
  return has;
}

static bool drop_number(rd_store *st, uint32_t i) {
  rd_key key = key_of(st, &i, sizeof i, 0);
  rd_lock_keys(st, &key, 1);
  bool was = rd_delete(st, &key);
  rd_unlock_all(st);
  return was;
}

static bool all_numbers(rd_store *st, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (!has_number(st, i)) return false;
  }
  return rd_count(st, 0) == n;
}

/* Delete 0 .. n - 1, every other one without memory for the overflow buckets that a smaller index may need; then
 * nothing may be left. */
static void drop_all_numbers(rd_store *st, uint32_t n, uint32_t check_each) {
  for (uint32_t i = 0; i < n && check_ok; i++) {
    fault_arm(&arena_fault, i % 2 ? 0 : UINT64_MAX, false);
    CHECK(drop_number(st, i));
    fault_disarm(&arena_fault);
    if (i % check_each == 0 && !arena_is_whole(st)) CHECK_FAIL("broken after %u of %u are gone", i, n);
  }
  while (!rd_sweep(st, 0, 1, 0)) continue; /* shrinks the index, which could not shrink before */
  CHECK(arena_is_whole(st));
  CHECK_INT(rd_shard_at(st, 0)->heap.used, 0);
  CHECK_INT(st->head->pool.in_use, 0);
}

static void adding_a_key_succeeds_or_fails_whole_while_the_index_grows(void) {
  rd_store st = arena_new(64 * MIB, 1, RD_NOEVICTION);
  uint32_t n = 0;
  while (n < 1200 && check_ok) {
    for (uint64_t at = 0; check_ok; at++) {
      fault_arm(&arena_fault, at, n % 3 == 0);
      rd_result r = put_number(&st, n);
      fault_disarm(&arena_fault);
      CHECK(arena_is_whole(&st));
      CHECK(has_number(&st, n) == (r == RD_OK));
      CHECK_INT(rd_count(&st, 0), n + (r == RD_OK));
      if (r == RD_OK && (n % 2 || arena_fault.hits == 0)) break;
      if (r == RD_OK) drop_number(&st, n); /* try again with a later failure */
    }
    n++;
  }
  CHECK(all_numbers(&st, n));
  drop_all_numbers(&st, n, 1);
  arena_free(&st);
}

/* From `have` keys on the index cannot grow for `more` keys; afterwards it does. */
static void starve(uint32_t have, uint32_t more) {
  rd_store st = arena_new(64 * MIB, 1, RD_NOEVICTION);
  uint32_t n = 0;
  for (; n < have; n++) CHECK(put_number(&st, n) == RD_OK);
  arena_fault.kinds = INDEX_KINDS;
  fault_arm(&arena_fault, 0, false);
  for (; n < have + more; n++) CHECK(put_number(&st, n) == RD_OK);
  fault_disarm(&arena_fault);
  CHECK(arena_fault.hits > 0);
  arena_fault.kinds = 0;
  CHECK(arena_is_whole(&st));
  CHECK(all_numbers(&st, n));
  uint32_t end = n + n;
  for (; n < end; n++) CHECK(put_number(&st, n) == RD_OK);
  CHECK(arena_is_whole(&st));
  CHECK(all_numbers(&st, n));
  const rd_index *ix = &rd_shard_at(&st, 0)->index[rd_slot_of(&st, 0)];
  if (ix->count > 8 * ix->buckets)
    CHECK_FAIL("%u keys in %u buckets (starved from %u to %u)", ix->count, ix->buckets, have, have + more);
  drop_all_numbers(&st, n, 50);
  arena_free(&st);
}

static void an_index_without_memory_finds_all_keys_and_grows_later(void) {
  starve(1, 100);
  starve(1, 400);
  starve(100, 300);
  starve(479, 500);
  starve(480, 5000);
}

/* The steps at which the index gets a directory, and a directory of directories: each allocation of them fails, and
 * then the keys are deleted before the next try. */
static void a_failed_growth_of_the_index_leaves_nothing_behind(void) {
  static const uint32_t buckets[] = {64, 4 * 64, 8 * 64, 512 * 64};
  for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
    for (uint64_t at = 0; at < 3 && check_ok; at++) {
      rd_store st = arena_new(128 * MIB, 1, RD_NOEVICTION);
      const rd_index *ix = &rd_shard_at(&st, 0)->index[rd_slot_of(&st, 0)];
      uint32_t n = 0;
      while (ix->buckets < buckets[i] || 2 * (n + 1) <= 15 * ix->buckets) CHECK(put_number(&st, n++) == RD_OK);
      arena_fault.kinds = INDEX_KINDS;
      fault_arm(&arena_fault, at, false);
      CHECK(put_number(&st, n++) == RD_OK);
      fault_disarm(&arena_fault);
      arena_fault.kinds = 0;
      CHECK(arena_is_whole(&st));
      if (at == 0) CHECK_INT(ix->buckets, buckets[i]);
      drop_all_numbers(&st, n, 100000);
      arena_free(&st);
    }
  }
}

/* ---- the process's own memory: parsing, replies, scratch. A command that cannot be answered is not executed. ---- */

static bool begins_with(const text *whole, const text *part) {
  return part->len <= whole->len && (part->len == 0 || memcmp(whole->data, part->data, part->len) == 0);
}

/* A new client sends the whole request, in that many pieces. Returns the status; the replies are in g->said. */
static rd_status meet(stage *g, const text *request, size_t pieces, uint64_t at, bool once) {
  g->said.len = 0;
  fault_arm(&process_fault, at, once);
  rd_session *s = script_session(&g->st);
  rd_status status = s != NULL ? RD_MORE : RD_CLOSE;
  size_t step = request->len / pieces + 1;
  for (size_t from = 0; from < request->len && status != RD_CLOSE; from += step) {
    size_t n = request->len - from < step ? request->len - from : step;
    status = rd_session_feed(s, request->data + from, n, START_MS);
  }
  fault_disarm(&process_fault);
  if (s == NULL) return status;
  rd_bytes out = rd_session_output(s);
  text_add(&g->said, out.data, out.len);
  rd_session_free(s);
  return status;
}

static bool told(const char *said) {
  return strstr(said, OOM) != NULL ||
         strstr(said, "-ERR Insufficient memory") != NULL; /* LCS replies Redis's own error */
}

static void play_process(const scene *sc, uint64_t memory, size_t pieces) {
  text before = script_bytes(sc->before), request = script_bytes(sc->command), success = {0};
  stage g;
  stage_open(&g, memory, 4, &before);
  holdings old = holdings_of(&g.st);
  CHECK(meet(&g, &request, pieces, UINT64_MAX, false) == RD_MORE);
  uint64_t calls = process_fault.calls;
  text_add(&success, g.said.data, g.said.len);
  holdings now = holdings_of(&g.st);
  stage_close(&g);

  for (int once = 0; once < 2; once++) {
    for (uint64_t n = 0; n < calls && check_ok; n = next_try(n, calls)) {
      stage_open(&g, memory, 4, &before);
      rd_status status = meet(&g, &request, pieces, n, once);
      holdings h = holdings_of(&g.st);
      runs++;
      bool ok = arena_is_whole(&g.st) && process_fault.hits > 0;
      if (status == RD_CLOSE) {
        refusals++;
        ok = ok && begins_with(&success, &g.said) && holdings_same(&h, &old);
      } else if (text_same(&g.said, &success)) {
        harmless++;
        ok = ok && holdings_same(&h, &now);
      } else {
        refusals++;
        text_add(&g.said, "", 1);
        ok = ok && told((const char *)g.said.data) && holdings_same(&h, &old);
      }
      if (!ok) {
        CHECK_FAIL("%s ... %s: in %zu pieces, failure %s %llu of %llu, status %d", sc->before, sc->command, pieces,
                   once ? "only" : "from", (unsigned long long)n, (unsigned long long)calls, status);
        check_print("says ", g.said.data, g.said.len);
        holdings_show("was", &old);
        holdings_show("is ", &h);
      } else if (holdings_same(&h, &old)) {
        meet(&g, &request, pieces, UINT64_MAX, false);
        CHECK(text_same(&g.said, &success));
      }
      holdings_free(&h);
      stage_close(&g);
    }
  }
  holdings_free(&old);
  holdings_free(&now);
  text_free(&success);
  text_free(&before);
  text_free(&request);
}

static void a_client_without_memory_gets_an_error_or_is_closed_and_changes_nothing(void) {
  static const scene scenes[] = {
      {"", "SET @8a #10a"},
      {"SET @8a 5", "INCR @8a"},
      {"SET @8a 5", "INCRBYFLOAT @8a 1e300"},
      {"", "SET @8a #100000a"},
      {"", "SET @5000a #9000a EX 100"},
      {"SET @8a #100000a", "GET @8a"},
      {"SET @8a #9000a ; SET @300b #9000b", "MGET @8a @300b @8c"},
      {"SET @8a #100000a EX 9", "GETDEL @8a"},
      {"SET @8a #100000a", "GETEX @8a EX 100"},
      {"SET @8a #100000a EX 9", "GETSET @8a #10a"},
      {"SET @8a #100000a EX 9", "SET @8a #10a GET KEEPTTL"},
      {"SET @8a #9000a", "APPEND @8a #9000b"},
      {"SET @8a #9000a ; SET @8b #300a", "BITOP OR @8c @8a @8b"},
      {"SET @8a #300a ; SET @8b #300b", "LCS @8a @8b"},
      {"SET @8a #9000a ; SET @8b #300b", "LCS @8a @8b IDX WITHMATCHLEN"},
      {"", "RPUSH @8a #10a #300b #9000c"},
      {"RPUSH @8a #10a #300b #9000c", "LRANGE @8a 0 -1"},
      {"RPUSH @8a #10a #300b #9000c", "LPOP @8a 3"},
      {"RPUSH @8a #10a #300b #9000c", "RPOP @8a"},
      {"RPUSH @8a #10a #300b #9000c", "LMOVE @8a @8b RIGHT LEFT"},
      {"RPUSH @8a a b a b a", "LPOS @8a a COUNT 0"},
      {"RPUSH @8a #10a #300b #9000c", "SORT @8a ALPHA"},
      {"RPUSH @8a 3 1 2 ; MSET w_3 1 w_1 #9000a w_2 3", "SORT @8a ALPHA BY w_* GET w_* GET #"},
      {"RPUSH @8a 3 1 2 ; MSET w_3 1 w_1 #100000a w_2 3", "SORT @8a GET w_* STORE @8b"},
      {"", "RESTORE @8a 0 %#100000a"},
      {"SET @8a #9000a", "RESTORE @8a 0 %#9000a REPLACE"},
      {"SET @8a $9000a", "DUMP @8a"},
      {"SET @8a 1 ; SET @5000b 2 ; SET @9000c 3", "KEYS *"},
      {"SET @8a 1 ; SET @5000b 2 ; SET @9000c 3", "SCAN 0 COUNT 100"},
      {"SET @5000b 2", "RANDOMKEY"},
      {"SET @8a 1", "WATCH @8a @8b @300c @8d @8e @8f @8g @8h @8i @8j @8k @8l @8m @8n @8o @8p @8q @8r @8s"},
      {"SET @8a 1", "BITFIELD @8a SET u8 0 200 INCRBY i16 9000 5 GET u4 0"},
      {"", "PFADD @8a a b c"},
      {"SET @8a #10x ; SET @8b #9000x", "MSET @8a #300a @8b #10b @8c #9000c"},
      {"SET @8a #10x ; SET @8b #10x", "DEL @8a @8b @8c"},
      {"SET @8a #10x", "RENAME @8a @300b"},
      {"", "raw SET 'a quoted key' \"and \\x41 value\""},
      {"",
       "MSET a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1 k 1 l 1 m 1 n 1 o 1 p 1 q 1 r 1 s 1 t 1 u 1 v 1 w 1 x 1 y 1 z 1 "
       "A 1 B 1 C 1 D 1 E 1 F 1 G 1 H 1 I 1"},
      {"SET @8a #10x EX 9", "MULTI ; SET @8a #9000a ; SET @300b #300b ; GET @300b ; EXEC"},
      {"SET @8a 1", "MULTI ; INCR @8a ; DISCARD"},
      {"SET @8a 1", "OBJECT HELP"},
      {"SET @8a #100000a", "GET @8a ; SET @8a #10a"},
      {"", "SET @8a #10a ; GET @8a"},
  };
  for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
    for (size_t pieces = 1; pieces <= 3; pieces += 2) play_process(&scenes[i], 2100000, pieces);
  }
}

/* ---- a full store: random commands, and its contents before and after each ---- */

static uint64_t dice = 88172645463325252ull;
static uint64_t roll(uint64_t n) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return dice % n;
}

static const char *random_size(void) {
  static const char *const sizes[] = {"10", "20", "60", "200", "300", "1000", "4000", "7000", "9000", "60000", "99999"};
  return sizes[roll(sizeof sizes / sizeof sizes[0])];
}

static void random_mset(char *out, size_t cap) {
  size_t at = (size_t)snprintf(out, cap, "MSET");
  uint64_t pairs = 1 + roll(6);
  for (uint64_t i = 0; i < pairs; i++) {
    at += (size_t)snprintf(out + at, cap - at, " @%s%c%c #%s%c", roll(10) ? "8" : "300", (char)('a' + roll(26)),
                           (char)('a' + roll(8)), random_size(), (char)('a' + roll(26)));
  }
}

/* True if every key of `h` is in `of` with the same value. */
static bool holdings_within(const holdings *h, const holdings *of) {
  size_t k = 0;
  for (size_t i = 0; i < h->n; i++) {
    while (k < of->n && held_order(&of->at[k], &h->at[i]) < 0) k++;
    if (k == of->n || held_order(&of->at[k], &h->at[i]) != 0) return false;
  }
  return true;
}

/* With a policy that evicts, old values may be gone, but no new one may be there. */
static void fill_up(uint64_t memory, uint32_t shards, rd_policy policy, unsigned steps) {
  stage g;
  text nothing = {0};
  unsigned refused = 0;
  stage_open(&g, memory, shards, &nothing);
  rd_set_policy(&g.st, policy, 5);
  for (unsigned i = 0; i < steps && check_ok; i++) {
    char script[1200];
    random_mset(script, sizeof script);
    if (roll(12) == 0) snprintf(script, sizeof script, "DEL @8%c%c", (char)('a' + roll(26)), (char)('a' + roll(8)));
    if (roll(4) == 0)
      snprintf(script, sizeof script, "EXPIRE @8%c%c 100", (char)('a' + roll(26)), (char)('a' + roll(8)));
    text request = script_bytes(script);
    holdings old = holdings_of(&g.st);
    stage_say(&g, &request);
    if (says_oom(&g.said)) {
      refused++;
      holdings h = holdings_of(&g.st);
      bool ok = policy == RD_NOEVICTION ? holdings_same(&old, &h) : holdings_within(&h, &old);
      if (!ok) CHECK_FAIL("%s: %zu keys, now %zu", script, old.n, h.n);
      holdings_free(&h);
    }
    if (i % 16 == 0) CHECK(arena_is_whole(&g.st));
    text_free(&request);
    holdings_free(&old);
  }
  CHECK(arena_is_whole(&g.st));
  for (uint32_t i = 0; i < shards; i++) CHECK_INT(rd_shard_at(&g.st, i)->index[RD_KEPT_SLOT].count, 0);
  if (policy == RD_NOEVICTION && refused < 30) CHECK_FAIL("only %u refused", refused);
  runs += refused;
  refusals += refused;
  stage_close(&g);
}

static void a_full_store_sets_all_or_nothing(void) {
  fill_up(2000000, 1, RD_NOEVICTION, 400);
  fill_up(4000000, 4, RD_NOEVICTION, 500);
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_VOLATILE_LRU, RD_VOLATILE_TTL};
  for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) fill_up(2000000, i % 2 ? 2 : 1, policies[i], 300);
}

/* ---- transactions: a command that is refused does not stop the others ---- */

static void a_refused_command_in_a_transaction_affects_no_other(void) {
  static const char *const commands[] = {"SET @8a #10a", "SET @300b #9000b", "APPEND @8c #300c",
                                         "MSET @8d #10d @8e #300e"};
  enum { N = sizeof commands / sizeof commands[0] };
  static const char *const replies[N] = {"+OK\r\n", "+OK\r\n", ":310\r\n", "+OK\r\n"};
  text before = script_bytes("SET @8a #300x EX 9 ; SET @8c #10x EX 9 ; SET @8d #10x"), request = {0};
  text_say(&request, "*1\r\n$5\r\nMULTI\r\n");
  for (int i = 0; i < N; i++) {
    text one = script_bytes(commands[i]);
    text_add(&request, one.data, one.len);
    text_free(&one);
  }
  text_say(&request, "*1\r\n$4\r\nEXEC\r\n");
  unsigned tried = 0;
  for (int once = 0; once < 2; once++) {
    for (uint64_t n = 0; check_ok; n++) {
      stage g, twin;
      stage_open(&g, 64 * MIB, 4, &before);
      fault_arm(&arena_fault, n, once);
      stage_say(&g, &request);
      fault_disarm(&arena_fault);
      uint64_t hits = arena_fault.hits;
      /* A second store executes the commands that were not refused, without failures. */
      stage_open(&twin, 64 * MIB, 4, &before);
      text_add(&g.said, "", 1);
      const char *p = strstr((const char *)g.said.data, "*4\r\n");
      CHECK(p != NULL);
      if (p != NULL) p += 4;
      for (int i = 0; i < N && check_ok; i++) {
        if (strncmp(p, OOM, strlen(OOM)) == 0) {
          p += strlen(OOM);
          CHECK(hits > 0);
          refusals++;
          continue;
        }
        if (strncmp(p, replies[i], strlen(replies[i])) != 0) CHECK_FAIL("%s: says %.60s", commands[i], p);
        p += strlen(replies[i]);
        text one = script_bytes(commands[i]);
        stage_say(&twin, &one);
        text_free(&one);
      }
      CHECK(p != NULL && *p == 0);
      holdings mine = holdings_of(&g.st), its = holdings_of(&twin.st);
      CHECK(holdings_same(&mine, &its));
      CHECK(arena_is_whole(&g.st));
      holdings_free(&mine);
      holdings_free(&its);
      stage_close(&g);
      stage_close(&twin);
      runs++;
      tried++;
      if (hits == 0) break;
    }
  }
  CHECK(tried > 10);
  text_free(&before);
  text_free(&request);
}

/* ---- sorted sets ---- */

#define MEMBERS_8 "1 #100a 2 #101a 3 #102a 4 #103a 5 #104a 6 #105a 7 #106a 8 #107a"
#define MEMBERS_16 MEMBERS_8 " 11 #110a 12 #111a 13 #112a 14 #113a 15 #114a 16 #115a 17 #116a 18 #117a"
#define MEMBERS_32                                                           \
  MEMBERS_16                                                                 \
  " 21 #120a 22 #121a 23 #122a 24 #123a 25 #124a 26 #125a 27 #126a 28 #127a" \
  " 31 #130a 32 #131a 33 #132a 34 #133a 35 #134a 36 #135a 37 #136a 38 #137a"

static void a_refused_change_of_a_large_sorted_set_changes_nothing(void) {
  PLAY(8 * MIB, 4, {"", "ZADD @8a 1 #600a"}, {"", "ZADD @300a 1 a"}, {"", "ZADD @5000a 1 a 2 #600b"},
       {"", "ZADD @8a " MEMBERS_16}, {"ZADD @8a " MEMBERS_8, "ZADD @8a 9 #200a"},
       {"ZADD @8a " MEMBERS_8, "ZADD @8a 0 #200a 10 #201a 4 #104a"}, {"ZADD @8a " MEMBERS_8, "ZINCRBY @8a 2.5 #9000a"},
       {"ZADD @8a " MEMBERS_8 " ; EXPIRE @8a 100", "ZADD @8a 1 #9000a 2 #600b"},
       {"ZADD @8a " MEMBERS_16, "ZADD @8a 9 #200a 9 #201a 9 #202a 9 #203a 9 #204a"},
       {"ZADD @8a " MEMBERS_32, "ZADD @8a CH 100 #100a 0 #135a 14.5 #120a 9 #250a"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a 30 #601a", "ZADD @8a 30 #600a"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a 30 #601a", "ZADD @8a CH 30 #600a 1 #601a 5 #602a"},
       {"ZADD @300a " MEMBERS_32, "ZADD @300a 8 #400a 9 #401a"}, {"ZADD @8a " MEMBERS_32 " 1 #600a", "COPY @8a @8b"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a", "ZRANGESTORE @8b @8a 0 -2"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a", "ZRANGESTORE @8a @8a 1 -1 REV"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a", "EXPIRE @8a 100"}, {"ZADD @8a " MEMBERS_32, "RENAME @8a @300b"});
}

static void a_refused_change_of_a_sorted_set_changes_nothing(void) {
  PLAY(8 * MIB, 4, {"", "ZADD @8a 1 a"}, {"", "ZINCRBY @8a 5 #200a"}, {"ZADD @8a 1 a", "ZADD @8a 2 #100b"},
       {"ZADD @8a 1 a", "ZADD @8a 2 #100b 3 #200c"}, {"ZADD @8a 1 a", "ZADD @8a CH 5 a 2 #100b 0 #200c"},
       {"ZADD @8a 1 a ; EXPIRE @8a 100", "ZADD @8a 2 #400b"},
       {"ZADD @8a 1 a 2 b 3 c", "ZADD @8a NX 0 a 2 #100b 1 #150c"}, {"ZADD @8a 1 a", "ZINCRBY @8a 7 #300b"},
       {"ZADD @8a 1 a 2 b", "EXPIRE @8a 100"}, {"ZADD @8a 1 a 2 #100b 3 c", "ZRANGESTORE @8b @8a 0 1"},
       {"ZADD @8a 1 a 2 #100b 3 c", "ZRANGESTORE @8a @8a 0 1"},
       {"ZADD @8a 1 a 2 #100b ; SET @8b #300c EX 100", "ZRANGESTORE @8b @8a 2 1 BYSCORE REV"});
}

static void a_refused_change_of_places_changes_nothing(void) {
  PLAY(8 * MIB, 4, {"", "GEOADD @8a 1 2 a"}, {"", "GEOADD @300a 1 2 #600a 3 4 b"},
       {"GEOADD @8a 1 2 a", "GEOADD @8a CH 2 3 a 4 5 #300b"},
       {"ZADD @8a " MEMBERS_32, "GEOADD @8a 1 2 #200a 3 4 #201a 5 6 #9000a 7 8 #100a"},
       {"GEOADD @8a 1 2 a 1 2 #100b", "GEOSEARCHSTORE @8b @8a FROMLONLAT 1 2 BYRADIUS 1 km"},
       {"GEOADD @8a 1 2 a 1 2 #100b ; SET @8b #300c EX 100",
        "GEOSEARCHSTORE @8b @8a FROMMEMBER a BYBOX 1 1 m STOREDIST"},
       {"GEOADD @8a 1 2 a 1 2 #100b 1 3 c", "GEORADIUS @8a 1 2 1 km STORE @8a"},
       {"GEOADD @8a 1 2 a 1 2 #100b 1 3 c", "GEORADIUSBYMEMBER @8a a 1 km STORE @8b STOREDIST @300c"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a 2 #9000b", "GEORADIUS @8a -180 -85.05 900 km STOREDIST @300b"},
       {"ZADD @8a " MEMBERS_32 " 1 #600a 2 #9000b",
        "GEOSEARCHSTORE @8a @8a FROMMEMBER #600a BYRADIUS 9 km COUNT 20 DESC"});
}

#define ADDED(id) " ; XADD @8a " id " field #300a field #200b"
#define ADDED_8 ADDED("1-1") ADDED("1-2") ADDED("2-1") ADDED("3-1") ADDED("4-1") ADDED("5-1") ADDED("6-1") ADDED("7-1")

static void a_refused_entry_of_a_stream_changes_nothing(void) {
  PLAY(8 * MIB, 4, {"", "XADD @8a 1-1 a b"}, {"", "XADD @300a 1-1 a #600b"},
       {"", "XADD @5000a 1-1 a #9000b c #100000d"}, {"XADD @8a 1-1 a b", "XADD @8a 1-2 a #300b"},
       {"XADD @8a 1-1 a b", "XADD @8a 1-2 other #500b"}, {"XADD @8a 1-1 a b", "XADD @8a 1-2 a #9000b"},
       {"XADD @8a 1-1 a b ; XDEL @8a 1-1", "XADD @8a 1-2 a #200b"},
       {"SET @8b x" ADDED_8, "XADD @8a 9-1 field #300a field #200b"},
       {"SET @8b x" ADDED_8, "XADD @8a MAXLEN 3 9-1 field #300a field #600b"},
       {"XADD @8a 1-1 a b ; EXPIRE @8a 100", "XADD @8a MINID 1-2 1-2 a #700b"},
       {"SET @8b x" ADDED_8 " ; XADD @8a 9-1 a #2000c", "COPY @8a @8b REPLACE"},
       {"SET @8b x" ADDED_8 " ; XADD @8a 9-1 a #2000c", "RENAME @8a @300b"}, {"SET @8b x" ADDED_8, "EXPIRE @8a 100"});
}

#define GROUPED "SET @8b x" ADDED_8 " ; XGROUP CREATE @8a g 0 ; XGROUP CREATECONSUMER @8a g c"
#define PENDING GROUPED " ; XREADGROUP GROUP g c STREAMS @8a >"

static void a_refused_change_of_a_group_changes_nothing(void) {
  PLAY(8 * MIB, 4, {"", "XGROUP CREATE @8a #100g 0 MKSTREAM"}, {GROUPED, "XGROUP CREATE @8a #9000g 0"},
       {GROUPED, "XGROUP CREATECONSUMER @8a g #300c"}, {GROUPED, "XGROUP CREATECONSUMER @8a g #9000c"},
       {GROUPED, "XREADGROUP GROUP g c STREAMS @8a >"}, {GROUPED, "XREADGROUP GROUP g c COUNT 3 STREAMS @8a >"},
       {GROUPED, "XREADGROUP GROUP g c COUNT 1 STREAMS @8a >"},
       {GROUPED, "XREADGROUP GROUP g #300d COUNT 1 STREAMS @8a >"}, {PENDING, "XCLAIM @8a g #300d 0 1-1 2-1 7-1"},
       {GROUPED, "XCLAIM @8a g #9000d 0 1-1 2-1 7-1 FORCE"}, {GROUPED, "XCLAIM @8a g #9000d 0 1-1 FORCE LASTID 7-7"},
       {PENDING, "XADD @8a MAXLEN 3 DELREF 9-1 field #300a field #600b"},
       {PENDING " ; XACK @8a g 1-1 3-1", "XADD @8a MAXLEN 0 ACKED 9-1 field #9000b"},
       {PENDING, "XAUTOCLAIM @8a g #300d 0 0"}, {PENDING, "COPY @8a @8b REPLACE"}, {PENDING, "RENAME @8a @300b"});
}

int main(void) {
  RUN(a_refused_new_key_leaves_nothing_behind);
  RUN(a_refused_replacement_leaves_the_old_value);
  RUN(refused_growth_leaves_the_old_length);
  RUN(a_refused_expiry_leaves_the_key_without_one);
  RUN(a_refused_restore_leaves_the_old_value);
  RUN(a_refused_change_of_a_hash_leaves_its_fields);
  RUN(a_refused_change_of_a_list_leaves_its_elements);
  RUN(a_refused_expiry_of_fields_leaves_their_times);
  RUN(a_refused_move_or_copy_leaves_both_keys);
  RUN(a_refused_change_of_a_set_leaves_its_members);
  RUN(a_refused_result_leaves_the_old_value);
  RUN(mset_sets_all_or_nothing);
  RUN(mset_far_from_the_limit_sets_all_or_nothing);
  RUN(a_refused_large_value_leaves_nothing_behind);
  RUN(adding_a_key_succeeds_or_fails_whole_while_the_index_grows);
  RUN(an_index_without_memory_finds_all_keys_and_grows_later);
  RUN(a_failed_growth_of_the_index_leaves_nothing_behind);
  RUN(a_full_store_sets_all_or_nothing);
  RUN(a_refused_change_of_a_sorted_set_changes_nothing);
  RUN(a_refused_change_of_a_large_sorted_set_changes_nothing);
  RUN(a_refused_change_of_places_changes_nothing);
  RUN(a_refused_entry_of_a_stream_changes_nothing);
  RUN(a_refused_change_of_a_group_changes_nothing);
  RUN(every_command_that_may_be_refused_was_played);
  RUN(a_refused_command_in_a_transaction_affects_no_other);
  RUN(a_client_without_memory_gets_an_error_or_is_closed_and_changes_nothing);
  printf("%u failures tried: %u refusals, %u that did not matter\n", runs, refusals, harmless);
  return check_end();
}
