/* test_dump.c - DUMP and RESTORE, and their parts: CRC-64 and LZF. */
#include "oracle.h"
/* the parts */
#include "base/crc64.h"
#include "base/lzf.h"

static const exchange values_are_dumped_in_the_format_of_redis_said[] = {
    SAID("DUMP nokey", "$-1\r\n"),
    SAID("SET k -1", "+OK\r\n"),
    SAID("DUMP k", "$13\r\n\000\300\377\n\000\014\223~$\205\010\235\305\r\n"),
    SAID("SET k 127", "+OK\r\n"),
    SAID("DUMP k", "$13\r\n\000\300\177\n\000\r\265\3531RT\305\024\r\n"),
    SAID("SET k 128", "+OK\r\n"),
    SAID("DUMP k", "$14\r\n\000\301\200\000\n\000\353z\263\265\020\317Ke\r\n"),
    SAID("SET k -129", "+OK\r\n"),
    SAID("DUMP k", "$14\r\n\000\301\177\377\n\000\027`\202(T\200\204\200\r\n"),
    SAID("SET k 32768", "+OK\r\n"),
    SAID("DUMP k", "$16\r\n\000\302\000\200\000\000\n\000E\330.\355\325\275\251\020\r\n"),
    SAID("SET k -32769", "+OK\r\n"),
    SAID("DUMP k", "$16\r\n\000\302\377\177\377\377\n\000\256\343LM\006\306\2056\r\n"),
    SAID("SET k 2147483648", "+OK\r\n"),
    SAID("DUMP k", "$22\r\n\000\n2147483648\n\000\347\261)\243L\035v\356\r\n"),
    SAID("SET k 010", "+OK\r\n"),
    SAID("DUMP k", "$15\r\n\000\003010\n\000\230\266t-T\372\226\317\r\n"),
    SAID("SET k -0", "+OK\r\n"),
    SAID("DUMP k", "$14\r\n\000\002-0\n\000\325A\037\331\326\320P\314\r\n"),
    SAID("SET k \"\"", "+OK\r\n"),
    SAID("DUMP k", "$12\r\n\000\000\n\000]\233\\@\017\177\242\332\r\n"),
    SAID("SET k aaaaaaaaaaaaaaaaaaaa", "+OK\r\n"),
    SAID("DUMP k", "$32\r\n\000\024aaaaaaaaaaaaaaaaaaaa\n\000\203\264k^\033\021\254\361\r\n"),
    SAID("SET k abcdefghijklmnopqrstuvwxyz", "+OK\r\n"),
    SAID("DUMP k", "$38\r\n\000\032abcdefghijklmnopqrstuvwxyz\n\000\236\033?4\253\374_y\r\n"),
    SAID("SET k abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:.,", "+OK\r\n"),
    SAID("DUMP k",
         "$78\r\n\000@AabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:.,\n\000vI\2310m'"
         "\0357\r\n"),
};
static void values_are_dumped_in_the_format_of_redis(void) { REPLAY(values_are_dumped_in_the_format_of_redis_said); }

static const exchange restore_checks_in_the_order_of_redis_said[] = {
    SAID("SET k v", "+OK\r\n"),
    SAID("RESTORE k x x", "-BUSYKEY Target key name already exists.\r\n"),
    SAID("RESTORE n x x", "-ERR value is not an integer or out of range\r\n"),
    SAID("RESTORE n -1 x", "-ERR Invalid TTL value, must be >= 0\r\n"),
    SAID("RESTORE n 0 x", "-ERR DUMP payload version or checksum are wrong\r\n"),
    SAID("RESTORE n 0 \"\"", "-ERR DUMP payload version or checksum are wrong\r\n"),
    SAID("RESTORE n 0 x foo", "-ERR syntax error\r\n"),
    SAID("RESTORE n 0 x IDLETIME", "-ERR syntax error\r\n"),
    SAID("RESTORE n 0 x IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0\r\n"),
    SAID("RESTORE n 0 x IDLETIME x", "-ERR value is not an integer or out of range\r\n"),
    SAID("RESTORE n 0 x FREQ", "-ERR syntax error\r\n"),
    SAID("RESTORE n 0 x FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
    SAID("RESTORE n 0 x FREQ -1", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
    SAID("RESTORE n 0 x FREQ x", "-ERR value is not an integer or out of range\r\n"),
    SAID("RESTORE n 0 x FREQ 1 IDLETIME 1", "-ERR syntax error\r\n"),
    SAID("RESTORE n 0 x IDLETIME 1 FREQ 1", "-ERR syntax error\r\n"),
    SAID("RESTORE n 0 x IDLETIME 1 IDLETIME 2", "-ERR DUMP payload version or checksum are wrong\r\n"),
    SAID("RESTORE n 0 x ABSTTL replace absttl", "-ERR DUMP payload version or checksum are wrong\r\n"),
    SAID("RESTORE n 0", "-ERR wrong number of arguments for 'restore' command\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\"",
         "-BUSYKEY Target key name already exists.\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbc\" REPLACE",
         "-ERR DUMP payload version or checksum are wrong\r\n"),
    SAID("GET k", "$1\r\nv\r\n"),
    SAID("RESTORE k 9000000000000 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" REPLACE ABSTTL "
         "IDLETIME 5",
         "+OK\r\n"),
    SAID("GET k", "$2\r\n10\r\n"),
    SAID("PEXPIRETIME k", ":9000000000000\r\n"),
    SAID("OBJECT ENCODING k", "$3\r\nint\r\n"),
    SAID("RESTORE k 1 \"\\x00\\xc0\\x0a\\x0a\\x00\\x6e\\x9f\\x57\\x45\\x0e\\xae\\x63\\xbb\" REPLACE ABSTTL", "+OK\r\n"),
    SAID("EXISTS k", ":0\r\n"),
};
static void restore_checks_in_the_order_of_redis(void) { REPLAY(restore_checks_in_the_order_of_redis_said); }

static const exchange restore_reads_every_form_of_a_string_said[] = {
    SAID("RESTORE k 0 \"\\x00\\x00\\x0a\\x00]\\x9b\\x5c@\\x0f\\x7f\\xa2\\xda\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$0\r\n\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x03foo\\x0a\\x00sI9\\xdbM\\xc1\\xba\\x97\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
    SAID("RESTORE k 0 \"\\x00@\\x03foo\\x0a\\x00\\xa6\\xad\\xff\\xbf\\xaf\\x85]\\xaf\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x80\\x00\\x00\\x00\\x03foo\\x0a\\x00!3\\xca\\xa0*\\xd0\\x07\\x98\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x81\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03foo\\x0a\\x00\\x99\\x05\\xd5>@~\\xfe\\x12\" "
         "REPLACE",
         "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x03fooJUNK\\x0a\\x00\\xd6\\xca\\xc8S\\xae>cQ\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc0\\xff\\x0a\\x00\\x0c\\x93~$\\x85\\x08\\x9d\\xc5\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$2\r\n-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc1\\xff\\x80\\x0a\\x00\\xdd\\x89\\xee\\x86j\\xacK\\xe6\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$6\r\n-32513\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc2\\xff\\x00\\x00\\x80\\x0a\\x00\\x01\\x8a\\x139\\xcd\\xf8\\x09\\xca\" REPLACE",
         "+OK\r\n"),
    SAID("GET k", "$11\r\n-2147483393\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x040012\\x0a\\x00\\xcb7\\xf6\\x0b\\xcb\\x11\\x08]\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$4\r\n0012\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x03\\x02abc\\x0a\\x00TpV \\xe8 7u\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nabc\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x05\\x0a\\x00a\\xe0\\x00\\x00\\x0a\\x00|!'\\x19\\xc4,\\x86l\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$10\r\naaaaaaaaaa\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x04\\x00a \\x00\\x0a\\x00,\\xaf\\x0e\\xa3_\\xc2#$\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$4\r\naaaa\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\xc5\\x0a\\x00a\\xe0\\x00\\x00\\x0a\\x00OR\\xcb\\x8f\\xcb\\xec\\x8f~\" REPLACE",
         "+OK\r\n"),
    SAID("GET k", "$10\r\naaaaaaaaaa\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x03foo\\x09\\x00\\xa3\\xbbh\\x17\\x19G\\xd9&\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x03foo\\x00\\x00.\\xd2e\\x9bB\\xbe\\x18M\" REPLACE", "+OK\r\n"),
    SAID("GET k", "$3\r\nfoo\r\n"),
};
static void restore_reads_every_encoding_of_a_string(void) { REPLAY(restore_reads_every_form_of_a_string_said); }

static const exchange restore_refuses_what_is_no_string_said[] = {
    SAID("RESTORE k 0 \"\\x0a\\x00]\\x9b\\x5c@\\x0f\\x7f\\xa2\\xda\" REPLACE", "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x0a\\x00]\\x9b\\x5c@\\x0f\\x7f\\xa2\\xda\" REPLACE", "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x06\\x03foo\\x0a\\x004\\xba\\xa0\\xc9H+\\x14\\xf3\" REPLACE", "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x07\\x03foo\\x0a\\x00\\xc6U\\xa2*\\xaev\\xbd\\x91\" REPLACE", "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\xff\\x03foo\\x0a\\x00\\x11\\x9d1\\x0b\\x97\\x04\\xa9\\xe8\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\xfe\\x00\\x03foo\\x0a\\x00|\\xe5\\xff\\xc3\\xc7\\x17\\x03\\x7f\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc4\\x00\\x00\\x00\\x00\\x0a\\x00\\x81\\x9a\\x8b9\\xe1\\xe3w2\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xff\\x00\\x00\\x00\\x00\\x0a\\x00?OT\\x90\\xd5\\xba\\xb1\\xa5\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x82\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x03foo\\x0a\\x00\\xd2\\xda\\xe5\\x1b#mg\\xfe\" "
         "REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x81\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfffoo\\x0a\\x00\\xbf\\xb7\\x83\\xc3\\xf6YC|\" "
         "REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\x80\\xff\\xff\\xff\\xfffoo\\x0a\\x00 \\x0d\\xb1\\x96\\xdf\\x7f,\\x8e\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x06\\x0a\\x00a\\xe0\\x00\\x00a\\x0a\\x00G\\xe8\\x92\\x99C\\xc4\\x15c\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x05\\x00a \\x00\\x0a\\x00\\xde@\\x0c@\\xb9\\x9f\\x8aF\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x03\\x00a \\x00\\x0a\\x00\\x99\\xb3\\x95R\\xbcu$\\x22\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x04\\x00a \\x01\\x0a\\x00\\x92\\x97Nmv\\x931\\xd0\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x03\\x04\\x00a \\x0a\\x00d\\xb9r\\xfdSv\\x82\\xe1\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x05\\x05a \\x00\\x0a\\x00g+\\xc1v\\xe3\\xa8\\x88V\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x00\\x01\\x0a\\x006\\xe4\\x9e\\xab\\xba}Y\\x81\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x80\\xff\\xff\\xff\\xff\\x00a \\x00\\x0a\\x00\\xb4\\xea\\xe5%F\\xc0AI\" "
         "REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
    SAID("RESTORE k 0 \"\\x00\\xc3\\x04\\x81\\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00a "
         "\\x00\\x0a\\x00\\x8dnn5\\xb1\\xc0,\\xd7\" REPLACE",
         "-ERR Bad data format\r\n"),
    SAID("GET k", "$-1\r\n"),
};
static void restore_refuses_an_invalid_string(void) { REPLAY(restore_refuses_what_is_no_string_said); }

/* ---- properties that no reply shows ---- */

static uint64_t slow_crc(const uint8_t *p, size_t len) {
  uint64_t crc = 0;
  for (size_t i = 0; i < len; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x95ac9329ac4bc9b5u : crc >> 1;
  }
  return crc;
}

static void the_checksum_equals_a_bitwise_one(void) {
  uint8_t data[600];
  CHECK(rd_crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9cau);
  for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7 + i / 256);
  for (size_t len = 0; len <= sizeof data; len++) CHECK(rd_crc64(0, data, len) == slow_crc(data, len));
  /* each byte, alone and before others: every entry of every table */
  for (unsigned byte = 0; byte < 256; byte++) {
    for (size_t after = 0; after < 8; after++) {
      uint8_t text[8] = {0};
      text[7 - after] = (uint8_t)byte;
      CHECK(rd_crc64(0, text, 8) == slow_crc(text, 8));
    }
  }
  CHECK(rd_crc64(rd_crc64(0, data, 100), data + 100, 500) == slow_crc(data, 600));
}

/* Fill with a text of one kind: 0 nothing repeats, 1 words, 2 one byte, 3 runs of two bytes, 4 far repeats. */
static void fill(uint8_t *p, size_t len, unsigned kind) {
  uint64_t x = 88172645463325252u + kind;
  for (size_t i = 0; i < len; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    p[i] = kind == 0   ? (uint8_t)(x >> 20)
           : kind == 1 ? (uint8_t) "to be or not to be, that is the question "[(x % 41 + i) % 41]
           : kind == 2 ? 'x'
           : kind == 3 ? (uint8_t)(i / 300 % 2)
           : i < 8190  ? (uint8_t)(x >> 20)
                       : p[i - 8190 - (i / 9000) % 4];
  }
}

static void compressed_bytes_decompress_to_the_original(void) {
  static const size_t lens[] = {1,   2,   3,   4,   5,    20,   21,   31,   32,   33,    34,    263,   264,
                                265, 266, 267, 511, 4095, 8191, 8192, 8193, 8200, 16384, 70000, 300000};
  for (unsigned kind = 0; kind < 5; kind++) {
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
      size_t len = lens[i], cap = len + len / 32 + 1;
      uint8_t *text = malloc(len), *packed = malloc(cap), *back = malloc(len);
      fill(text, len, kind);
      size_t n = rd_lzf_compress(text, len, packed, cap);
      CHECK(n > 0);
      if (kind == 2 && len > 300) CHECK(n < len / 50);
      CHECK(rd_lzf_decompress(packed, n, NULL, len));
      CHECK(rd_lzf_decompress(packed, n, back, len));
      CHECK_BYTES(back, len, text, len);
      CHECK(!rd_lzf_decompress(packed, n, NULL, len - 1));
      CHECK(!rd_lzf_decompress(packed, n, NULL, len + 1));
      CHECK(!rd_lzf_decompress(packed, n - 1, NULL, len));
      /* with one byte too few it does not fit, and nothing is written beyond the end */
      uint8_t *tight = malloc(n > 1 ? n - 1 : 1);
      CHECK_INT(rd_lzf_compress(text, len, tight, n - 1), 0);
      free(tight);
      tight = malloc(n);
      CHECK_INT(rd_lzf_compress(text, len, tight, n), n);
      free(tight);
      free(text);
      free(packed);
      free(back);
    }
  }
}

static rd_store st;
static rig_client client;

static void request(const rd_bytes *argv, size_t argc) {
  client.len = 0;
  char head[40];
  rig_feed(&client, head, (size_t)sprintf(head, "*%zu\r\n", argc), SIZE_MAX);
  for (size_t i = 0; i < argc; i++) {
    rig_feed(&client, head, (size_t)sprintf(head, "$%zu\r\n", argv[i].len), SIZE_MAX);
    if (argv[i].len > 0) rig_feed(&client, argv[i].data, argv[i].len, SIZE_MAX);
    rig_feed(&client, "\r\n", 2, SIZE_MAX);
  }
}
#define WORD(text) \
  (rd_bytes) { (const uint8_t *)(text), sizeof(text) - 1 }
#define SEND(...) request((rd_bytes[]){__VA_ARGS__}, sizeof((rd_bytes[]){__VA_ARGS__}) / sizeof(rd_bytes))
#define HEARD(text) CHECK_TEXT(client.out, client.len, text)

/* A copy of the bulk that was replied. */
static rd_bytes bulk(void) {
  size_t head = 1, n = 0;
  CHECK(client.len > 0 && client.out[0] == '$' && client.out[1] != '-');
  for (; client.out[head] >= '0' && client.out[head] <= '9'; head++) n = n * 10 + client.out[head] - '0';
  CHECK_INT(client.len, head + n + 4);
  uint8_t *p = malloc(n + 1);
  memcpy(p, client.out + head + 2, n);
  return (rd_bytes){p, n};
}

static void values_of_any_size_survive_dump_and_restore(void) {
  static const size_t lens[] = {0, 20, 21, 63, 64, 7900, 7901, 16383, 16384, 16385, 65536, 200000, 3000000};
  int fd = rig_open(&st, 64u << 20, 16, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
  for (unsigned kind = 0; kind < 5; kind++) {
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
      rd_bytes value = {malloc(lens[i] + 1), lens[i]};
      fill((uint8_t *)value.data, value.len, kind);
      SEND(WORD("SET"), WORD("k"), value);
      SEND(WORD("DUMP"), WORD("k"));
      rd_bytes payload = bulk();
      CHECK(payload.len <= value.len + 20);
      if (kind == 2 && value.len > 300) CHECK(payload.len < value.len / 40 + 30);
      SEND(WORD("RESTORE"), WORD("l"), WORD("0"), payload, WORD("REPLACE"));
      HEARD("+OK\r\n");
      SEND(WORD("GET"), WORD("l"));
      rd_bytes back = bulk();
      CHECK_BYTES(back.data, back.len, value.data, value.len);
      /* a change of any bit is detected */
      uint8_t *bit = (uint8_t *)payload.data + payload.len / 2;
      *bit ^= 4;
      SEND(WORD("RESTORE"), WORD("l"), WORD("0"), payload, WORD("REPLACE"));
      HEARD("-ERR DUMP payload version or checksum are wrong\r\n");
      free((void *)value.data);
      free((void *)payload.data);
      free((void *)back.data);
    }
  }
  rig_client_free(&client);
  rig_close(&st, fd);
}

/* RESTORE `body`, followed by a version and a valid checksum. */
static void restore_sealed(const char *body, size_t len, unsigned version) {
  uint8_t payload[100];
  memcpy(payload, body, len);
  payload[len++] = (uint8_t)version;
  payload[len++] = (uint8_t)(version >> 8);
  uint64_t crc = slow_crc(payload, len);
  for (int i = 0; i < 8; i++) payload[len++] = (uint8_t)(crc >> 8 * i);
  SEND(WORD("RESTORE"), WORD("k"), WORD("0"), ((rd_bytes){payload, len}), WORD("REPLACE"));
}

static void payloads_of_newer_servers_are_read_and_unknown_versions_refused(void) {
  int fd = rig_open(&st, 64u << 20, 16, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
  for (unsigned version = 0; version <= 80; version++) {
    restore_sealed("\0\3foo", 5, version);
    HEARD("+OK\r\n");
  }
  restore_sealed("\0\3foo", 5, 81);
  HEARD("-ERR DUMP payload version or checksum are wrong\r\n");
  restore_sealed("\0\3foo", 5, 65535);
  HEARD("-ERR DUMP payload version or checksum are wrong\r\n");
  rig_client_free(&client);
  rig_close(&st, fd);
}

/* Redis would read on into the footer; here the value must be complete. Types that only Redis has are refused, too. */
static void a_value_ends_before_the_footer(void) {
  int fd = rig_open(&st, 64u << 20, 16, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
  restore_sealed("\0\4foo", 5, 10);
  HEARD("-ERR Bad data format\r\n");
  restore_sealed("\0\xc0", 2, 10);
  HEARD("-ERR Bad data format\r\n");
  restore_sealed("\17\1\3foo", 6, 10); /* a stream */
  HEARD("-ERR Bad data format\r\n");
  SEND(WORD("EXISTS"), WORD("k"));
  HEARD(":0\r\n");
  rig_client_free(&client);
  rig_close(&st, fd);
}

static void a_value_larger_than_the_store_is_refused_and_the_key_stays(void) {
  int fd = rig_open(&st, 8u << 20, 4, RD_NOEVICTION);
  client = rig_client_new(&st, NULL);
  SEND(WORD("SET"), WORD("k"), WORD("before"));
  size_t copies = 40000; /* of 264 bytes each: ten megabytes */
  uint8_t *payload = malloc(3 * copies + 100);
  uint32_t packed = (uint32_t)(2 + 3 * copies), len = (uint32_t)(1 + 264 * copies);
  size_t n = 0;
  memcpy(payload, "\0\xc3\x80", 3);
  for (int i = 3; i >= 0; i--) payload[3 + 3 - i] = (uint8_t)(packed >> 8 * i);
  payload[7] = 0x80;
  for (int i = 3; i >= 0; i--) payload[8 + 3 - i] = (uint8_t)(len >> 8 * i);
  n = 12;
  memcpy(payload + n, "\0x", 2);
  n += 2;
  for (size_t i = 0; i < copies; i++, n += 3) memcpy(payload + n, "\xe0\xff\0", 3);
  payload[n++] = 10;
  payload[n++] = 0;
  uint64_t crc = rd_crc64(0, payload, n);
  for (int i = 0; i < 8; i++) payload[n++] = (uint8_t)(crc >> 8 * i);
  SEND(WORD("RESTORE"), WORD("k"), WORD("0"), ((rd_bytes){payload, n}), WORD("REPLACE"));
  HEARD("-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  SEND(WORD("GET"), WORD("k"));
  HEARD("$6\r\nbefore\r\n");
  free(payload);
  rig_client_free(&client);
  rig_close(&st, fd);
}

int main(void) {
  RUN(values_are_dumped_in_the_format_of_redis);
  RUN(restore_checks_in_the_order_of_redis);
  RUN(restore_reads_every_encoding_of_a_string);
  RUN(restore_refuses_an_invalid_string);
  RUN(the_checksum_equals_a_bitwise_one);
  RUN(compressed_bytes_decompress_to_the_original);
  RUN(values_of_any_size_survive_dump_and_restore);
  RUN(payloads_of_newer_servers_are_read_and_unknown_versions_refused);
  RUN(a_value_ends_before_the_footer);
  RUN(a_value_larger_than_the_store_is_refused_and_the_key_stays);
  return check_end();
}
