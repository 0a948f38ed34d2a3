/* fuzz_restore.c - the invariants:
 *
 *   - RESTORE of any payload replies OK or one error, and an error leaves the key unchanged;
 *   - DUMP of an accepted value gives a payload that RESTORE accepts, with the same value;
 *   - any value survives DUMP and RESTORE unchanged, of whatever type;
 *   - LZF: compressed bytes decompress to the original; other bytes are refused, and nothing outside is read or
 * written;
 *   - the store's own check passes.
 *
 * Input: one byte that chooses the meaning of the rest: a whole payload; a payload without its footer, which the target
 * adds, since no fuzzer guesses a CRC; a string; an LZF text; the elements of a collection, which commands make; or
 * those of a payload, of which then a byte is changed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arena/worker.h"
#include "base/crc64.h"
#include "base/lzf.h"
#include "rdb/writer.h"
#include "session/session.h"
#include "store/check.h"
#include "store/run.h"

static rd_store store;
static rd_session *session;

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

static void start(void) {
  static const rd_limits limits = {
      .batch_size = 16, .output_high = 1 << 28, .query_limit = 1 << 28, .output_limit = 1 << 28};
  rd_options options = {.max_memory = 64 << 20, .num_shards = 4, .policy = RD_NOEVICTION, .sample_size = 5};
  char err[256];
  int fd = memfd_create("fuzz", 0);
  expect(fd >= 0 && rd_create(&store, fd, &options, err, sizeof err) == 0, "no arena");
  expect(rd_worker_join(&store, 0) == 0, "no worker slot");
  session = rd_session_new(&store, &limits);
  expect(session != NULL, "no session");
  rd_session_state_of(session)->authenticated = true;
}

/* Send one command; its reply is valid until the next. */
static rd_bytes ask(const rd_bytes *argv, size_t argc) {
  size_t cap = 64, len;
  for (size_t i = 0; i < argc; i++) cap += argv[i].len + 64;
  uint8_t *request = malloc(cap);
  expect(request != NULL, "no memory");
  len = (size_t)sprintf((char *)request, "*%zu\r\n", argc);
  for (size_t i = 0; i < argc; i++) {
    len += (size_t)sprintf((char *)request + len, "$%zu\r\n", argv[i].len);
    if (argv[i].len > 0) memcpy(request + len, argv[i].data, argv[i].len);
    len += argv[i].len;
    memcpy(request + len, "\r\n", 2);
    len += 2;
  }
  rd_session_consumed(session, rd_session_output(session).len);
  expect(rd_session_feed(session, request, len, 1000000) == RD_MORE, "the session stopped");
  free(request);
  return rd_session_output(session);
}

#define WORD(text) ((rd_bytes){(const uint8_t *)(text), sizeof(text) - 1})
static rd_bytes restore(rd_bytes payload) {
  return ask((rd_bytes[]){WORD("RESTORE"), WORD("k"), WORD("0"), payload, WORD("REPLACE")}, 5);
}
static rd_bytes get(void) { return ask((rd_bytes[]){WORD("GET"), WORD("k")}, 2); }
static rd_bytes dump(void) { return ask((rd_bytes[]){WORD("DUMP"), WORD("k")}, 2); }

static bool begins(rd_bytes reply, const char *text) {
  return reply.len >= strlen(text) && memcmp(reply.data, text, strlen(text)) == 0;
}

static rd_bytes copy_of(rd_bytes b) {
  uint8_t *p = malloc(b.len > 0 ? b.len : 1);
  expect(p != NULL, "no memory");
  if (b.len > 0) memcpy(p, b.data, b.len);
  return (rd_bytes){p, b.len};
}

static bool same(rd_bytes a, rd_bytes b) { return a.len == b.len && memcmp(a.data, b.data, a.len) == 0; }

/* The bytes of a bulk reply. */
static rd_bytes bulk(rd_bytes reply) {
  expect(reply.len > 0 && reply.data[0] == '$', "not a bulk");
  size_t head = 1, n = 0;
  for (; reply.data[head] != '\r'; head++) n = n * 10 + (size_t)(reply.data[head] - '0');
  head += 2;
  expect(reply.len == head + n + 2, "the bulk has another length");
  return (rd_bytes){reply.data + head, n};
}

/* ---- the value of the key, as a number that is equal for equal values ---- */

/* The checksum of the next bulk of a reply, which continues `crc`. */
static uint64_t next_bulk(rd_bytes *reply, uint64_t crc) {
  const uint8_t *at = memchr(reply->data, '\n', reply->len);
  expect(at != NULL && reply->data[0] == '$', "not a bulk");
  size_t n = (size_t)strtoul((const char *)reply->data + 1, NULL, 10), head = (size_t)(at + 1 - reply->data);
  expect(reply->len >= head + n + 2, "the bulk ends too early");
  crc = rd_crc64(rd_crc64(crc, &n, sizeof n), reply->data + head, n);
  *reply = (rd_bytes){reply->data + head + n + 2, reply->len - head - n - 2};
  return crc;
}

/* Groups of `each` bulks, in order or in any order. */
static uint64_t digest_of(rd_bytes reply, unsigned each, bool ordered) {
  expect(reply.len > 3 && reply.data[0] == '*' && reply.data[1] != '0', "not an array of elements");
  const uint8_t *at = memchr(reply.data, '\n', reply.len);
  uint64_t digest = 0;
  reply = (rd_bytes){at + 1, reply.len - (size_t)(at + 1 - reply.data)};
  while (reply.len > 0) {
    uint64_t crc = ordered ? digest : each;
    for (unsigned i = 0; i < each; i++) crc = next_bulk(&reply, crc);
    digest = ordered ? crc : digest + crc;
  }
  return digest;
}

/* The replies that show all of a stream. */
static uint64_t digest_of_stream(void) {
  rd_bytes full = ask((rd_bytes[]){WORD("XRANGE"), WORD("k"), WORD("-"), WORD("+")}, 4);
  uint64_t crc = rd_crc64(0, full.data, full.len);
  full = ask((rd_bytes[]){WORD("XINFO"), WORD("GROUPS"), WORD("k")}, 3);
  crc = rd_crc64(crc, full.data, full.len);
  for (unsigned i = 0; i < 2; i++) {
    rd_bytes group = i == 0 ? WORD("g") : WORD("h");
    full = ask((rd_bytes[]){WORD("XPENDING"), WORD("k"), group, WORD("-"), WORD("+"), WORD("1000")}, 6);
    crc = rd_crc64(crc, full.data, full.len);
  }
  return crc;
}

static uint64_t digest(void) {
  rd_bytes type = ask((rd_bytes[]){WORD("TYPE"), WORD("k")}, 2);
  if (begins(type, "+stream")) return digest_of_stream();
  if (begins(type, "+list"))
    return digest_of(ask((rd_bytes[]){WORD("LRANGE"), WORD("k"), WORD("0"), WORD("-1")}, 4), 1, true);
  if (begins(type, "+zset"))
    return digest_of(ask((rd_bytes[]){WORD("ZRANGE"), WORD("k"), WORD("0"), WORD("-1"), WORD("WITHSCORES")}, 5), 2,
                     true);
  if (begins(type, "+set")) return digest_of(ask((rd_bytes[]){WORD("SMEMBERS"), WORD("k")}, 2), 1, false);
  if (begins(type, "+hash")) return digest_of(ask((rd_bytes[]){WORD("HGETALL"), WORD("k")}, 2), 2, false);
  rd_bytes value = bulk(get());
  return rd_crc64(0, value.data, value.len);
}

static bool exists(void) { return begins(ask((rd_bytes[]){WORD("EXISTS"), WORD("k")}, 2), ":1"); }

static void dumps_and_restores(void) {
  uint64_t before = digest();
  rd_bytes payload = copy_of(bulk(dump()));
  ask((rd_bytes[]){WORD("SET"), WORD("k"), WORD("another")}, 3);
  expect(begins(restore(payload), "+OK"), "RESTORE refused a payload of DUMP");
  expect(digest() == before, "RESTORE gave another value");
  free((void *)payload.data);
}

static void try_payload(rd_bytes payload) {
  ask((rd_bytes[]){WORD("SET"), WORD("k"), WORD("before")}, 3);
  rd_bytes reply = restore(payload);
  if (begins(reply, "+OK")) {
    if (exists()) dumps_and_restores(); /* not a hash whose fields have all expired */
  } else {
    expect(begins(reply, "-ERR ") || begins(reply, "-OOM "), "an unexpected reply");
    expect(same(bulk(get()), WORD("before")), "an error changed the key");
  }
}

static void try_sealed(rd_bytes body) {
  uint8_t *p = malloc(body.len + 10);
  expect(p != NULL, "no memory");
  if (body.len > 0) memcpy(p, body.data, body.len);
  p[body.len] = body.len > 0 && body.data[0] == 22 ? 80 : 10;
  p[body.len + 1] = 0;
  uint64_t crc = rd_crc64(0, p, body.len + 2);
  for (size_t i = 0; i < 8; i++) p[body.len + 2 + i] = (uint8_t)(crc >> 8 * i);
  try_payload((rd_bytes){p, body.len + 10});
  free(p);
}

/* ---- collections ---- */

#define LONGEST (12 * 255)

/* Cut an element off the input: mostly a short text or a number, sometimes a long one. False: there is none left. */
static bool cut(rd_bytes *input, rd_bytes *element, char number[RD_I64_TEXT], uint8_t longer[LONGEST]) {
  if (input->len < 2) return false;
  uint8_t how = input->data[0];
  size_t len = 1u + how % 8u;
  *input = (rd_bytes){input->data + 1, input->len - 1};
  if (len > input->len) len = input->len;
  *element = (rd_bytes){input->data, len};
  *input = (rd_bytes){input->data + len, input->len - len};
  if (how < 80) {
    uint64_t n = 0;
    memcpy(&n, element->data, len);
    int64_t extended = (int64_t)(n << (64 - 8 * len)) >> (64 - 8 * len);
    *element = (rd_bytes){(uint8_t *)number, rd_format_i64(number, extended)};
  } else if (how > 230) {
    memset(longer, element->data[0], LONGEST);
    memcpy(longer, element->data, len);
    *element = (rd_bytes){longer, 12u * how};
  }
  return true;
}

static void try_commands(rd_bytes input) {
  static const char *const names[] = {"RPUSH", "SADD", "HSET", "ZADD", "XADD"};
  if (input.len == 0) return;
  unsigned kind = input.data[0] % 5u;
  input = (rd_bytes){input.data + 1, input.len - 1};
  ask((rd_bytes[]){WORD("DEL"), WORD("k")}, 2);
  for (unsigned n = 0;; n++) {
    rd_bytes element;
    char number[RD_I64_TEXT], score[RD_I64_TEXT];
    uint8_t longer[LONGEST];
    if (!cut(&input, &element, number, longer)) break;
    rd_bytes other = {(uint8_t *)score, rd_format_i64(score, (int64_t)(n * 7919 % 100) - 50)};
    if (kind == 4) {
      rd_bytes field = n % 7 == 0 ? other : WORD("field");
      rd_bytes reply = ask((rd_bytes[]){WORD("XADD"), WORD("k"), WORD("*"), field, element}, 5);
      expect(reply.data[0] == '$', "XADD failed");
      continue;
    }
    rd_bytes argv[] = {{(const uint8_t *)names[kind], strlen(names[kind])},
                       WORD("k"),
                       kind == 3 ? other : element,
                       kind == 3 ? element : other};
    rd_bytes reply = ask(argv, kind < 2 ? 3 : 4);
    expect(reply.data[0] == ':', "a command failed");
  }
  if (exists()) dumps_and_restores();
}

/* Write the elements of the input as a value of a type; returns their number. */
static uint64_t put_elements(rd_writer *w, rd_bytes input, bool packed) {
  rd_bytes element;
  char number[RD_I64_TEXT];
  uint8_t longer[LONGEST];
  uint64_t n = 0;
  for (; cut(&input, &element, number, longer); n++) (packed ? rd_put_packed : rd_put_string)(w, element);
  return n;
}

static void try_made(rd_bytes input) {
  static const uint8_t types[] = {1, 2, 4, 16, 17, 20, 18, 25};
  if (input.len < 4) return;
  uint8_t type = types[input.data[0] & 7], at = input.data[1], with = input.data[2];
  input = (rd_bytes){input.data + 3, input.len - 3};
  bool packed = type >= 16;
  rd_writer size = {NULL, packed ? RD_LISTPACK_BYTES : 0};
  uint64_t n = put_elements(&size, input, packed);
  rd_writer w = {malloc(size.len + 40), 0};
  expect(w.to != NULL, "no memory");
  rd_put_bytes(&w, &type, 1);
  if (type == 25) rd_put_word(&w, 0);
  if (type == 18) rd_put_bytes(&w, (uint8_t[]){1, 2}, 2);
  rd_put_length(&w, packed ? size.len : type == 4 ? n / 2 : n);
  if (packed) rd_put_listpack(&w, size.len, n);
  put_elements(&w, input, packed);
  if (packed) rd_put_listpack_end(&w);
  if (at < 128) w.to[(at < 64 ? at : (size_t)at * at) % w.len] ^= with;
  try_sealed((rd_bytes){w.to, w.len});
  free(w.to);
}

/* Change the groups of the stream: read, acknowledge, claim, delete. */
static void use_groups(uint8_t how) {
  static const char *const names[] = {"g", "h"}, *const consumers[] = {"c", "another consumer", "", "x"};
  rd_bytes group = {(const uint8_t *)names[how & 1], 1};
  rd_bytes consumer = {(const uint8_t *)consumers[how >> 1 & 3], strlen(consumers[how >> 1 & 3])};
  switch (how >> 3 & 7) {
    case 0:
      ask((rd_bytes[]){WORD("XGROUP"), WORD("CREATE"), WORD("k"), group, how & 64 ? WORD("$") : WORD("0"),
                       WORD("MKSTREAM")},
          6);
      break;
    case 1:
      ask((rd_bytes[]){WORD("XGROUP"), WORD("CREATECONSUMER"), WORD("k"), group, consumer}, 5);
      break;
    case 2:
      ask((rd_bytes[]){WORD("XAUTOCLAIM"), WORD("k"), group, consumer, WORD("0"), WORD("0"), WORD("COUNT"), WORD("2")},
          8);
      break;
    case 3:
      ask((rd_bytes[]){WORD("XTRIM"), WORD("k"), WORD("MAXLEN"), how & 64 ? WORD("1") : WORD("6")}, 4);
      break;
    default:
      ask((rd_bytes[]){WORD("XREADGROUP"), WORD("GROUP"), group, consumer, WORD("COUNT"),
                       how & 64 ? WORD("1") : WORD("3"), WORD("STREAMS"), WORD("k"), WORD(">")},
          9);
      break;
  }
}

/* A stream that commands make, whose payload is changed in some bytes, or in its entries' numbers. */
static void try_stream(rd_bytes input) {
  if (input.len < 8) return;
  ask((rd_bytes[]){WORD("DEL"), WORD("k")}, 2);
  rd_bytes rest = {input.data + 6, input.len - 6}, element;
  char number[RD_I64_TEXT];
  uint8_t longer[LONGEST];
  for (unsigned n = 0; cut(&rest, &element, number, longer); n++) {
    rd_bytes field = n % 5 == 0 ? element : WORD("field");
    ask((rd_bytes[]){WORD("XADD"), WORD("k"), WORD("*"), field, element}, 5);
    if (n % 4 == 3) ask((rd_bytes[]){WORD("XTRIM"), WORD("k"), WORD("MAXLEN"), WORD("~"), WORD("3")}, 5);
    if (input.data[5] % 4 != 0) use_groups(n < 2 ? (uint8_t)n : element.data[0]);
  }
  if (!exists()) return;
  rd_bytes payload = copy_of(bulk(dump()));
  uint8_t *p = (uint8_t *)(uintptr_t)payload.data;
  size_t len = payload.len - 10;
  for (unsigned i = 0; i < 3; i++) {
    size_t at = input.data[2 * i] * (size_t)(1 + input.data[2 * i] / 64) % len;
    if (input.data[2 * i + 1] < 200) p[i == 2 ? len - 1 - at % (len < 250 ? len : 250) : at] ^= input.data[2 * i + 1];
    if (i == 0 && input.data[0] % 2 == 0) break;
  }
  p[0] = input.data[4] % 8 == 0 ? 21 : input.data[4] % 8 == 1 ? 15 : 19;
  try_sealed((rd_bytes){p, len});
  free(p);
}

static void try_lzf(rd_bytes text) {
  uint8_t *packed = malloc(text.len + 1), *back = malloc(text.len + 1);
  rd_bytes alone = copy_of(text);
  expect(packed != NULL && back != NULL, "no memory");
  for (size_t cap = 0; cap <= text.len; cap += 1 + cap / 3) {
    size_t n = rd_lzf_compress(alone.data, alone.len, packed, cap);
    expect(n <= cap, "it wrote more bytes than fit");
    if (n == 0) continue;
    expect(rd_lzf_decompress(packed, n, NULL, text.len), "the check refused compressed bytes");
    expect(rd_lzf_decompress(packed, n, back, text.len) && memcmp(back, alone.data, text.len) == 0,
           "not the same text");
  }
  free(back);
  for (size_t want = 0; want < 600; want += 1 + want / 2) {
    back = malloc(want > 0 ? want : 1);
    expect(back != NULL, "no memory");
    bool fits = rd_lzf_decompress(alone.data, alone.len, NULL, want);
    expect(rd_lzf_decompress(alone.data, alone.len, back, want) == fits, "the check and the decompression disagree");
    free(back);
  }
  free(packed);
  free((void *)alone.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (session == NULL) start();
  if (size < 1) return 0;
  rd_bytes rest = {data + 1, size - 1};
  switch (data[0] % 7) {
    case 0:
      try_payload(rest);
      break;
    case 1:
      try_sealed(rest);
      break;
    case 2:
      ask((rd_bytes[]){WORD("SET"), WORD("k"), rest}, 3);
      dumps_and_restores();
      break;
    case 3:
      try_commands(rest);
      break;
    case 4:
      try_made(rest);
      break;
    case 5:
      try_stream(rest);
      break;
    default:
      try_lzf(rest);
      break;
  }
  char err[256];
  if (data[0] < 24) expect(rd_check(&store, err, sizeof err) == 0, err);
  return 0;
}
