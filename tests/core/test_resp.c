/* test_resp.c - the parser of requests by itself. */
#include <stdlib.h>

#include "check.h"
#include "wire/resp.h"

/* All commands of `data`, fed `step` bytes at a time in one buffer, as text: words in brackets, then the error if any.
 */
static char *parsed(const char *data, size_t len, size_t step, bool limited, size_t *text_len) {
  char *text = malloc(4 * len + 200);
  size_t n = 0;
  rd_parser p;
  rd_parser_init(&p);
  p.limited = limited;
  rd_parsed result = RD_PARSED_MORE;
  for (size_t have = step < len ? step : len;; have = len - have < step ? len : have + step) {
    rd_parser_forget(&p);
    while ((result = rd_parse(&p, (const uint8_t *)data, have)) == RD_PARSED_COMMAND) {
      text[n++] = '(';
      for (uint32_t i = p.first; i < p.len; i++) {
        text[n++] = '[';
        if (p.argv[i].len != 0) memcpy(text + n, p.argv[i].data, p.argv[i].len);
        n += p.argv[i].len;
        text[n++] = ']';
      }
      text[n++] = ')';
      rd_parser_forget(&p);
    }
    if (result == RD_PARSED_ERROR || have == len) break;
  }
  if (result == RD_PARSED_ERROR) n += (size_t)sprintf(text + n, "%s", p.error);
  rd_parser_free(&p);
  *text_len = n;
  return text;
}

static void check_parsed(const char *data, size_t len, bool limited, const char *expected, size_t expected_len) {
  for (size_t step = 1; step <= len; step = step < 3 ? step + 1 : step * 3) {
    size_t n;
    char *text = parsed(data, len, step, limited, &n);
    CHECK_BYTES(text, n, expected, expected_len);
    free(text);
  }
  size_t n;
  char *text = parsed(data, len, len, limited, &n);
  CHECK_BYTES(text, n, expected, expected_len);
  free(text);
}

#define SAME(data, expected) check_parsed(data, sizeof(data) - 1, false, expected, sizeof(expected) - 1)
#define LIMITED(data, expected) check_parsed(data, sizeof(data) - 1, true, expected, sizeof(expected) - 1)
#define ERROR "ERR Protocol error: "

static void arrays_of_bulks_are_parsed_at_any_split(void) {
  SAME("*1\r\n$4\r\nPING\r\n", "([PING])");
  SAME("*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$1\r\na\r\n", "([GET][])([a])");
  SAME("*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$12\r\nabcdefghijkl\r\n", "([SET][\r\n][abcdefghijkl])");
  SAME("*2\r\n$1\r\n\0\r\n$2\r\n$*\r\n", "([\0][$*])");
}

static void empty_commands_are_skipped(void) {
  SAME("*0\r\n*1\r\n$1\r\na\r\n", "([a])");
  SAME("*-1\r\n*-9223372036854775808\r\n*1\r\n$1\r\na\r\n", "([a])");
  SAME("\r\n\n   \r\n\t\nPING\r\n\r\n", "([PING])");
}

static void invalid_counts_are_protocol_errors(void) {
  SAME("*x\r\n", ERROR "invalid multibulk length");
  SAME("*\r\n", ERROR "invalid multibulk length");
  SAME("*-\r\n", ERROR "invalid multibulk length");
  SAME("*+1\r\n", ERROR "invalid multibulk length");
  SAME("*01\r\n", ERROR "invalid multibulk length");
  SAME("*-0\r\n", ERROR "invalid multibulk length");
  SAME("*1 \r\n", ERROR "invalid multibulk length");
  SAME("*9223372036854775808\r\n", ERROR "invalid multibulk length");
  SAME("*99999999999999999999999\r\n", ERROR "invalid multibulk length");
  SAME("*1\rx", ERROR "invalid multibulk length");
  SAME("*1\r\n$-1\r\n", ERROR "invalid bulk length");
  SAME("*1\r\n$\r\n", ERROR "invalid bulk length");
  SAME("*1\r\n$04\r\nPING\r\n", ERROR "invalid bulk length");
  SAME("*1\r\n$9223372036854775807\r\n", ERROR "invalid bulk length");
  SAME("*1\r\n$1\rx", ERROR "invalid bulk length");
  SAME("PING\r\n*1\r\n$1a\r\n", "([PING])" ERROR "invalid bulk length");
}

static void arguments_must_be_bulks(void) {
  SAME("*1\r\nx\r\n", ERROR "expected '$', got 'x'");
  SAME("*1\r\n:1\r\n", ERROR "expected '$', got ':'");
  SAME("*1\r\n\n\r\n", ERROR "expected '$', got ' '");
  SAME("*1\r\n\r\n", ERROR "expected '$', got ' '");
  SAME("*2\r\n$1\r\na\r\n*1\r\n", ERROR "expected '$', got '*'");
}

static void a_bulk_must_end_with_crlf(void) {
  SAME("*1\r\n$4\r\nPINGxx", ERROR "expected CRLF after a bulk");
  SAME("*1\r\n$4\r\nPING\rx", ERROR "expected CRLF after a bulk");
  SAME("*1\r\n$0\r\n$1", ERROR "expected CRLF after a bulk");
}

static void inline_commands_are_split_at_spaces(void) {
  SAME("PING\n", "([PING])");
  SAME("  SET\ta  b \r\nGET a\r\n", "([SET][a][b])([GET][a])");
  SAME(
      "a\x0b"
      "b \x0c"
      "c\r\n",
      "([a\x0b"
      "b][c])");
  SAME("a\rb\r\n", "([a][b])");
  SAME("$4\r\n", "([$4])");
}

static void inline_quotes_are_parsed_as_in_redis(void) {
  SAME("PING \"a b\"\r\n", "([PING][a b])");
  SAME("ECHO \"\\x41\\n\\r\\t\\b\\a\\q\\\"\\\\\"\r\n", "([ECHO][A\n\r\t\b\aq\"\\])");
  SAME("ECHO \"\\x4\\xzz\"\n", "([ECHO][x4xzz])");
  SAME("ECHO 'a \\' \\n \"'\n", "([ECHO][a ' \\n \"])");
  SAME("ECHO foo\"bar\" ''\n", "([ECHO][foobar][])");
  SAME("\"\"\nPING\n", "([])([PING])");
  SAME("ECHO \"a\"b\n", ERROR "unbalanced quotes in request");
  SAME("ECHO \"a\n", ERROR "unbalanced quotes in request");
  SAME("ECHO 'a\n", ERROR "unbalanced quotes in request");
  SAME("ECHO \"a\\\n", ERROR "unbalanced quotes in request");
  SAME("ECHO \"a\\\"\n", ERROR "unbalanced quotes in request");
  SAME("ECHO 'a'b\n", ERROR "unbalanced quotes in request");
}

/* A line of `n` bytes after `head`, then `tail`: returns the parser's result. */
static void check_line(const char *head, size_t n, const char *tail, bool error, const char *what) {
  size_t len = strlen(head) + n + strlen(tail);
  char *data = malloc(len);
  memcpy(data, head, strlen(head));
  memset(data + strlen(head), '1', n);
  memcpy(data + strlen(head) + n, tail, strlen(tail));
  for (int whole = 0; whole < 2; whole++) {
    rd_parser p;
    rd_parser_init(&p);
    rd_parsed result = RD_PARSED_MORE;
    for (size_t have = whole ? len : 1; have <= len && result == RD_PARSED_MORE; have++) {
      result = rd_parse(&p, (const uint8_t *)data, have);
    }
    CHECK_INT(result, error ? RD_PARSED_ERROR : RD_PARSED_COMMAND);
    if (error) CHECK_TEXT(p.error, strlen(p.error), what);
    rd_parser_free(&p);
  }
  free(data);
}

static void lines_are_bounded(void) {
  check_line("", RD_MAX_INLINE, "\n", false, "");
  check_line("", RD_MAX_INLINE + 1, "\n", true, ERROR "too big inline request");
  check_line("", RD_MAX_INLINE + 1, "", true, ERROR "too big inline request");
  check_line("*", RD_MAX_INLINE - 1, "\r\n", true, ERROR "invalid multibulk length");
  check_line("*", RD_MAX_INLINE, "", true, ERROR "too big mbulk count string");
  check_line("*1\r\n$", RD_MAX_INLINE - 1, "\r\n", true, ERROR "invalid bulk length");
  check_line("*1\r\n$", RD_MAX_INLINE, "\r\n", true, ERROR "too big bulk count string");
}

static void counts_are_bounded(void) {
  SAME("*1048576\r\n$1\r\na\r\n", "");
  SAME("*1048577\r\n", ERROR "invalid multibulk length");
  SAME("*1\r\n$536870912\r\nabc", "");
  SAME("*1\r\n$536870913\r\nabc", ERROR "invalid bulk length");
}

static void bounds_are_lower_before_authentication(void) {
  LIMITED("*10\r\n$1\r\na\r\n", "");
  LIMITED("*11\r\n", ERROR "unauthenticated multibulk length");
  LIMITED("*2\r\n$4\r\nAUTH\r\n$16384\r\n", "");
  LIMITED("*2\r\n$4\r\nAUTH\r\n$16385\r\n", ERROR "unauthenticated bulk length");
}

static void announced_arguments_take_no_memory(void) {
  rd_parser p;
  rd_parser_init(&p);
  const char data[] = "*1048576\r\n$536870912\r\n";
  CHECK_INT(rd_parse(&p, (const uint8_t *)data, sizeof data - 1), RD_PARSED_MORE);
  CHECK_INT(p.cap, 0);
  CHECK_INT(p.bulk, 536870912);
  rd_parser_free(&p);
}

static void bytes_may_move_under_an_unfinished_command(void) {
  const char whole[] = "*1\r\n$1\r\nz\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\n";
  for (size_t cut = 11; cut < sizeof whole - 1; cut++) {
    uint8_t first[64], second[64];
    memcpy(first, whole, cut);
    rd_parser p;
    rd_parser_init(&p);
    CHECK_INT(rd_parse(&p, first, cut), RD_PARSED_COMMAND);
    rd_parser_forget(&p);
    CHECK_INT(rd_parse(&p, first, cut), RD_PARSED_MORE);
    size_t from = p.start;
    CHECK_INT(from, 11);
    memcpy(second, whole + from, sizeof whole - 1 - from);
    rd_parser_moved(&p, (uintptr_t)first, cut, second, from);
    memset(first, '?', sizeof first);
    CHECK_INT(rd_parse(&p, second, sizeof whole - 1 - from), RD_PARSED_COMMAND);
    CHECK_INT(p.len - p.first, 3);
    CHECK_TEXT(p.argv[p.first].data, p.argv[p.first].len, "SET");
    CHECK_TEXT(p.argv[p.first + 1].data, p.argv[p.first + 1].len, "a");
    CHECK_TEXT(p.argv[p.first + 2].data, p.argv[p.first + 2].len, "hello");
    rd_parser_free(&p);
  }
}

int main(void) {
  RUN(arrays_of_bulks_are_parsed_at_any_split);
  RUN(empty_commands_are_skipped);
  RUN(invalid_counts_are_protocol_errors);
  RUN(arguments_must_be_bulks);
  RUN(a_bulk_must_end_with_crlf);
  RUN(inline_commands_are_split_at_spaces);
  RUN(inline_quotes_are_parsed_as_in_redis);
  RUN(lines_are_bounded);
  RUN(counts_are_bounded);
  RUN(bounds_are_lower_before_authentication);
  RUN(announced_arguments_take_no_memory);
  RUN(bytes_may_move_under_an_unfinished_command);
  return check_end();
}
