/* fuzz_restore.c - the invariants:
 *
 *   - RESTORE of any payload replies OK or one error, and an error leaves the key unchanged;
 *   - DUMP of an accepted value gives a payload that RESTORE accepts, with the same value;
 *   - any value survives DUMP and RESTORE unchanged;
 *   - LZF: compressed bytes decompress to the original; other bytes are refused, and nothing outside is read or
 * written;
 *   - the store's own check passes.
 *
 * Input: one byte that chooses the meaning of the rest: a whole payload; a payload without its footer, which the target
 * adds, since no fuzzer guesses a CRC; a value; or an LZF text. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arena/worker.h"
#include "base/crc64.h"
#include "base/lzf.h"
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
  static const rd_limits limits = {16, 1 << 28, 1 << 28, 1 << 28, 0};
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

static void dumps_and_restores(void) {
  rd_bytes value = copy_of(get()), payload = copy_of(bulk(dump()));
  ask((rd_bytes[]){WORD("SET"), WORD("k"), WORD("another")}, 3);
  expect(begins(restore(payload), "+OK"), "RESTORE refused a payload of DUMP");
  expect(same(get(), value), "RESTORE gave another value");
  free((void *)value.data);
  free((void *)payload.data);
}

static void try_payload(rd_bytes payload) {
  ask((rd_bytes[]){WORD("SET"), WORD("k"), WORD("before")}, 3);
  rd_bytes reply = restore(payload);
  if (begins(reply, "+OK")) {
    dumps_and_restores();
  } else {
    expect(begins(reply, "-ERR ") || begins(reply, "-OOM "), "an unexpected reply");
    expect(same(bulk(get()), WORD("before")), "an error changed the key");
  }
}

static void try_sealed(rd_bytes body) {
  uint8_t *p = malloc(body.len + 10);
  expect(p != NULL, "no memory");
  if (body.len > 0) memcpy(p, body.data, body.len);
  p[body.len] = 10;
  p[body.len + 1] = 0;
  uint64_t crc = rd_crc64(0, p, body.len + 2);
  for (size_t i = 0; i < 8; i++) p[body.len + 2 + i] = (uint8_t)(crc >> 8 * i);
  try_payload((rd_bytes){p, body.len + 10});
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
  switch (data[0] & 3) {
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
    default:
      try_lzf(rest);
      break;
  }
  char err[256];
  if ((data[0] & 0xfc) == 0) expect(rd_check(&store, err, sizeof err) == 0, err);
  return 0;
}
