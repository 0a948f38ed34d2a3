/* cjson_decode.c - the value of a JSON text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "script/budget.h"
#include "script/cjson_settings.h"
#include "script/text.h"

typedef enum token {
  OBJECT_BEGIN,
  OBJECT_END,
  ARRAY_BEGIN,
  ARRAY_END,
  STRING,
  NUMBER,
  BOOLEAN,
  NOTHING,
  COLON,
  COMMA,
  END,
  ERROR
} token;

/* A text, and what was read of it last. The byte behind a Lua string is zero, so `at` may be looked at and compared
 * with words without a look at the length. */
typedef struct decoder {
  lua_State *L;
  const rd_cjson_settings *settings;
  const char *data, *at;
  int depth;
  uint32_t work;
  token token;
  size_t place;      /* the first byte of the token; of an error, the byte to name */
  const char *wrong; /* of an error */
  const char *bytes; /* of a string */
  size_t len;
  double number;
  bool boolean;
  rd_text text; /* strings with escapes are put together here */
} decoder;

static void spend(decoder *d, size_t steps) {
  if (d->work + steps < 4096) {
    d->work += (uint32_t)steps;
    return;
  }
  rd_spend(d->L, d->work + steps);
  d->work = 0;
}

static token failed(decoder *d, const char *wrong) {
  d->place = (size_t)(d->at - d->data);
  d->wrong = wrong;
  return ERROR;
}

static void unexpected(decoder *d, const char *wanted) {
  static const char *const names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END", "T_STRING", "T_NUMBER",
                                      "T_BOOLEAN",   "T_NULL",    "T_COLON",     "T_COMMA",   "T_END"};
  const char *found = d->token == ERROR ? d->wrong : names[d->token];
  rd_lua.aux_error(d->L, "Expected %s but found %s at character %d", wanted, found, (int)(d->place + 1));
}

/* The four hexadecimal digits at `at`, or -1. A byte of zero is none, so nothing behind the text is read. */
static int32_t four_digits(const char *at) {
  int32_t value = 0;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* Read \uXXXX, or two of them that are one character, and add it in UTF-8. */
static bool read_unicode(decoder *d) {
  int32_t code = four_digits(d->at + 2);
  if (code < 0) return false;
  size_t read = 6;
  if (code >= 0xd800 && code < 0xe000) {
    if (code >= 0xdc00 || d->at[6] != '\\' || d->at[7] != 'u') return false;
    int32_t low = four_digits(d->at + 8);
    if (low < 0xdc00 || low >= 0xe000) return false;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    read = 12;
  }
  if (code < 0x80) {
    rd_text_add_char(&d->text, (char)code);
  } else {
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const int first[] = {0, 0xc0, 0xe0, 0xf0};
    rd_text_add_char(&d->text, (char)(first[more] | code >> (6 * more)));
    while (more-- > 0) rd_text_add_char(&d->text, (char)(0x80 | (code >> (6 * more) & 0x3f)));
  }
  d->at += read;
  return true;
}

static bool read_escape(decoder *d) {
  char c = d->at[1];
  static const char known[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  const char *at = c == '\0' ? NULL : strchr(known, c);
  if (at == NULL) return false;
  rd_text_add_char(&d->text, meant[at - known]);
  d->at += 2;
  return true;
}

/* A byte of zero ends a text, also within it; all other bytes are taken as they are. */
static token read_string(decoder *d) {
  const char *from = ++d->at;
  d->text.len = 0;
  bool pieces = false;
  for (;;) {
    size_t plain = strcspn(d->at, "\"\\");
    spend(d, 1 + plain / 8);
    d->at += plain;
    if (*d->at == '"') break;
    if (*d->at == '\0') return failed(d, "unexpected end of string");
    pieces = true;
    rd_text_add(&d->text, from, (size_t)(d->at - from));
    if (d->at[1] == 'u') {
      if (!read_unicode(d)) return failed(d, "invalid unicode escape code");
    } else if (!read_escape(d)) {
      return failed(d, "invalid escape code");
    }
    from = d->at;
  }
  if (pieces) {
    rd_text_add(&d->text, from, (size_t)(d->at - from));
    d->bytes = d->text.data;
    d->len = d->text.len;
  } else {
    d->bytes = from;
    d->len = (size_t)(d->at - from);
  }
  d->at++;
  return STRING;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Whether a number begins at `at` that JSON does not know: +1, 01, 0x1, infinity, nan. */
static bool foreign_number(const char *at) {
  if (*at == '+') return true;
  if (*at == '-') at++;
  if (*at == '0') return is_digit(at[1]) || (at[1] | 0x20) == 'x';
  return strncasecmp(at, "inf", 3) == 0 || strncasecmp(at, "nan", 3) == 0;
}

static token read_number(decoder *d) {
  const char *at = d->at;
  uint64_t digits = 0;
  while (is_digit(*at) && at - d->at < 15) digits = digits * 10 + (uint64_t)(*at++ - '0');
  if (at > d->at && memchr(",]} \t\r\n", *at, 8) != NULL) { /* most numbers; 8: with the byte of zero */
    d->number = (double)digits;
    d->at = at;
    return NUMBER;
  }
  char *end;
  d->number = strtod(d->at, &end);
  if (end == d->at) return failed(d, "invalid number");
  spend(d, (size_t)(end - d->at));
  d->at = end;
  return NUMBER;
}

static token read_word(decoder *d, const char *word, size_t len, token result) {
  if (strncmp(d->at, word, len) != 0) return failed(d, "invalid token");
  d->at += len;
  return result;
}

static token read_token(decoder *d) {
  size_t space = strspn(d->at, " \t\r\n");
  d->at += space;
  d->place = (size_t)(d->at - d->data);
  spend(d, 1 + space / 8);
  switch (*d->at) {
    case '\0':
      return END;
    case '{':
      return d->at++, OBJECT_BEGIN;
    case '}':
      return d->at++, OBJECT_END;
    case '[':
      return d->at++, ARRAY_BEGIN;
    case ']':
      return d->at++, ARRAY_END;
    case ':':
      return d->at++, COLON;
    case ',':
      return d->at++, COMMA;
    case '"':
      return read_string(d);
    case 't':
      d->boolean = true;
      return read_word(d, "true", 4, BOOLEAN);
    case 'f':
      d->boolean = false;
      return read_word(d, "false", 5, BOOLEAN);
    case 'n':
      if (strncmp(d->at, "null", 4) == 0) return read_word(d, "null", 4, NOTHING);
      break;
    default:
      break;
  }
  bool taken = d->settings->decode_numbers != RD_CJSON_REFUSED;
  if (*d->at == '-' || is_digit(*d->at))
    return taken || !foreign_number(d->at) ? read_number(d) : failed(d, "invalid number");
  return taken && foreign_number(d->at) ? read_number(d) : failed(d, "invalid token");
}

static void next(decoder *d) { d->token = read_token(d); }

static void read_value(decoder *d);

/* Begin a value that has others. A C function has at most 8000 places, of which each depth takes one or two: so the
 * calls within calls are bounded, too. */
static void descend(decoder *d, int places) {
  d->depth++;
  if (d->depth > d->settings->decode_depth || !rd_lua.checkstack(d->L, places))
    rd_lua.aux_error(d->L, "Found too many nested data structures (%d) at character %d", d->depth,
                     (int)(d->at - d->data));
  rd_lua_newtable(d->L);
  next(d);
}

static void read_object(decoder *d) {
  descend(d, 3);
  while (d->token != OBJECT_END) {
    if (d->token != STRING) unexpected(d, "object key string");
    rd_lua.pushlstring(d->L, d->bytes, d->len);
    next(d);
    if (d->token != COLON) unexpected(d, "colon");
    next(d);
    read_value(d);
    rd_lua.rawset(d->L, -3);
    next(d);
    if (d->token == OBJECT_END) break;
    if (d->token != COMMA) unexpected(d, "comma or object end");
    next(d);
    if (d->token != STRING) unexpected(d, "object key string"); /* not the end: {"a":1,} */
  }
  d->depth--;
}

static void read_array(decoder *d) {
  descend(d, 2);
  for (int i = 1; i > 1 || d->token != ARRAY_END; i++) {
    read_value(d);
    rd_lua.rawseti(d->L, -2, i);
    next(d);
    if (d->token == ARRAY_END) break;
    if (d->token != COMMA) unexpected(d, "comma or array end");
    next(d);
  }
  d->depth--;
}

/* Push the value that begins with the token. */
static void read_value(decoder *d) {
  switch (d->token) {
    case STRING:
      rd_lua.pushlstring(d->L, d->bytes, d->len);
      return;
    case NUMBER:
      rd_lua.pushnumber(d->L, d->number);
      return;
    case BOOLEAN:
      rd_lua.pushboolean(d->L, d->boolean);
      return;
    case NOTHING:
      rd_lua.pushlightuserdata(d->L, NULL);
      return;
    case OBJECT_BEGIN:
      read_object(d);
      return;
    case ARRAY_BEGIN:
      read_array(d);
      return;
    default:
      unexpected(d, "value");
  }
}

int rd_cjson_decode(lua_State *L) {
  decoder d = {.L = L, .settings = rd_lua.touserdata(L, rd_lua_upvalue(1))};
  size_t len;
  if (rd_lua.gettop(L) != 1) rd_lua.aux_argerror(L, 1, "expected 1 argument");
  d.data = d.at = rd_lua.aux_checklstring(L, 1, &len);
  if (len >= 2 && (d.data[0] == '\0' || d.data[1] == '\0'))
    rd_lua.aux_error(L, "JSON parser does not support UTF-16 or UTF-32");
  rd_text_begin(&d.text, L);
  next(&d);
  read_value(&d);
  next(&d);
  if (d.token != END) unexpected(&d, "the end");
  return 1;
}
