/* restore_fixture.h - a client that restores payloads, with a right checksum, to the key k. */
#ifndef RESTORE_FIXTURE_H
#define RESTORE_FIXTURE_H
#include "base/crc64.h"
#include "rdb/writer.h"
#include "rig.h"

static rd_store st;
static rig_client client;
static int fd;

static void open_all(uint64_t memory) {
  fd = rig_open(&st, memory, 4, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
}

static void close_all(void) {
  rig_client_free(&client);
  rig_close(&st, fd);
}

static void request(const rd_bytes *argv, size_t argc) {
  size_t cap = 64, len;
  for (size_t i = 0; i < argc; i++) cap += argv[i].len + 40;
  char *text = malloc(cap);
  len = (size_t)sprintf(text, "*%zu\r\n", argc);
  for (size_t i = 0; i < argc; i++) {
    len += (size_t)sprintf(text + len, "$%zu\r\n", argv[i].len);
    memcpy(text + len, argv[i].data, argv[i].len);
    len += argv[i].len;
    memcpy(text + len, "\r\n", 2);
    len += 2;
  }
  client.len = 0;
  rig_feed(&client, text, len, len);
  free(text);
}

#define WORD(text) ((rd_bytes){(const uint8_t *)(text), sizeof(text) - 1})
#define TEXT(text) ((rd_bytes){(const uint8_t *)(text), strlen(text)})
#define SEND(...) request((rd_bytes[]){__VA_ARGS__}, sizeof((rd_bytes[]){__VA_ARGS__}) / sizeof(rd_bytes))
#define HEARD(text) CHECK_TEXT(client.out, client.len, text)
#define ASK(ask, reply)           \
  do {                            \
    client.len = 0;               \
    rig_say(&client, ask "\r\n"); \
    HEARD(reply);                 \
  } while (0)

/* RESTORE the body to the key k, with a version and a right checksum. */
static void restore(const void *body, size_t len, unsigned version) {
  rd_writer w = {malloc(len + 10), 0};
  rd_put_bytes(&w, body, len);
  rd_put_bytes(&w, (uint8_t[]){(uint8_t)version, 0}, 2);
  rd_put_word(&w, rd_crc64(0, w.to, w.len));
  SEND(WORD("RESTORE"), WORD("k"), WORD("0"), ((rd_bytes){w.to, w.len}), WORD("REPLACE"));
  free(w.to);
}

static bool said_ok(void) { return client.len == 5 && memcmp(client.out, "+OK\r\n", 5) == 0; }

#endif
