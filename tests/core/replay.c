/* replay.c - runs a fuzz target without libFuzzer: `fuzz_session 400` gives it 400 inputs, the same ones each time, and
 * `fuzz_session FILE...` gives it files, such as those that a fuzzer found.
 *
 * So the targets are compiled and run with the tests, with and without sanitizers. The inputs are words that the
 * targets know, in random order, with some bytes changed, or random bytes. Searching for other inputs is the fuzzer's
 * part. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = {
    "*1\r\n$4\r\nPING\r\n",
    "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nvalue\r\n",
    "SET a b\r\n",
    "SET b 12 EX 5\r\n",
    "APPEND a \"a longer text\"\r\n",
    "SETRANGE a 9000 x\r\n",
    "SETBIT b 70000 1\r\n",
    "BITCOUNT b\r\n",
    "BITOP NOT c b\r\n",
    "BITFIELD b SET i7 3 9 OVERFLOW FAIL INCRBY u5 #2 31\r\n",
    "PFADD h a b c\r\n",
    "PFCOUNT h a\r\n",
    "RENAME a b\r\n",
    "COPY b a REPLACE\r\n",
    "MOVE a 3\r\n",
    "MSET a 1 b 2 c 3\r\n",
    "MGET a b c\r\n",
    "INCR a\r\n",
    "DEL a b\r\n",
    "EXPIRE a 1\r\n",
    "KEYS *\r\n",
    "SCAN 0 MATCH [a-c]* COUNT 3\r\n",
    "WATCH a\r\n",
    "MULTI\r\n",
    "EXEC\r\n",
    "DISCARD\r\n",
    "AUTH pw\r\n",
    "RESET\r\n",
    "HELLO 3\r\n",
    "SELECT 1\r\n",
    "SWAPDB 0 1\r\n",
    "FLUSHDB\r\n",
    "DUMP a\r\n",
    "CLIENT INFO\r\n",
    "RESTORE a 0 \"\\x00\\x01x\\n\\x00\"\r\n",
    "LCS a b IDX\r\n",
    "SORT a\r\n",
    "*-1\r\n",
    "*3\r\n",
    "$",
    "\r\n",
    "\n~",
    "*",
    "?",
    "[^a-b\\]",
    "[1.5e3,{\"a\":\"\\u0041\\n\"},null]",
    "\x93\x01\x81\xa1x\xcc\xff\xc0",
    "<i3>h!4xIc0sd",
    "\\",
};

#define WORDS (sizeof words / sizeof *words)
#define MOST 24u

static uint64_t dice_state;
static uint32_t dice(uint64_t sides) {
  uint64_t x = dice_state += 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return (uint32_t)((x ^ x >> 31) % sides);
}

/* The target gets its bytes in a block of their own, so that the sanitizer detects a read outside of it. */
static void give(const uint8_t *data, size_t len) {
  uint8_t *alone = malloc(len > 0 ? len : 1);
  if (alone == NULL) abort();
  if (len > 0) memcpy(alone, data, len);
  LLVMFuzzerTestOneInput(alone, len);
  free(alone);
}

static void give_made(void) {
  uint8_t data[1 + MOST * 64];
  size_t len = 0;
  data[len++] = (uint8_t)dice(256);
  if (dice(3) == 0) {
    for (size_t most = 1 + dice(sizeof data); len < most;) data[len++] = (uint8_t)dice(256);
    give(data, len);
    return;
  }
  for (uint32_t n = dice(MOST); n > 0; n--) {
    if (dice(4) == 0) {
      for (uint32_t i = dice(20); i > 0; i--) data[len++] = (uint8_t)dice(256);
    } else {
      const char *word = words[dice(WORDS)];
      memcpy(data + len, word, strlen(word));
      len += strlen(word);
    }
  }
  for (uint32_t n = dice(2) * dice(6); n > 0; n--) data[dice(len)] = (uint8_t)dice(256);
  give(data, len);
}

static void give_file(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file == NULL) {
    perror(name);
    exit(2);
  }
  static uint8_t data[1 << 20];
  size_t len = fread(data, 1, sizeof data, file);
  fclose(file);
  give(data, len);
}

int main(int argc, char **argv) {
  char *end = "";
  unsigned long count = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
  if (argc < 2 || *end != 0) count = 0;
  for (unsigned long i = 0; i < count; i++) {
    dice_state = i << 32;
    give_made();
  }
  for (int i = 1; i < argc && count == 0; i++) give_file(argv[i]);
  printf("1 passed, 0 failed\n");
  return 0;
}
