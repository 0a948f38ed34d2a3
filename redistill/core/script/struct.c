/* struct.c - binary forms of numbers and strings. */
#include "script/struct.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "script/budget.h"
#include "script/text.h"

enum { ALIGNMENT = 8, INTEGER = 32 };

/* A format, and its state as far as it was read. It ends with a byte of zero, of which Lua's strings have one. */
typedef struct format {
  lua_State *L;
  const char *at;
  size_t alignment;
  bool big;
} format;

static void begin(format *f, lua_State *L) {
  *f = (format){L, rd_lua.aux_checklstring(L, 1, NULL), 1, __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__};
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The number that follows, or `otherwise`. */
static int number(format *f, int otherwise) {
  if (!is_digit(*f->at)) return otherwise;
  int value = 0;
  do {
    int digit = *f->at - '0';
    if (value > INT_MAX / 10 || value * 10 > INT_MAX - digit) rd_lua.aux_error(f->L, "integral size overflow");
    value = value * 10 + digit;
    f->at++;
  } while (is_digit(*f->at));
  return value;
}

/* The bytes of a value, of which a string may have more; 0 for what is no value. Reads the number after `option`. */
static size_t size_of(format *f, char option) {
  switch (option) {
    case 'b':
    case 'B':
    case 'x':
      return 1;
    case 'h':
    case 'H':
      return sizeof(short);
    case 'l':
    case 'L':
      return sizeof(long);
    case 'T':
      return sizeof(size_t);
    case 'f':
      return sizeof(float);
    case 'd':
      return sizeof(double);
    case 'c':
      return (size_t)number(f, 1);
    case 'i':
    case 'I': {
      int size = number(f, sizeof(int));
      if (size > INTEGER) rd_lua.aux_error(f->L, "integral size %d is larger than limit of %d", size, (int)INTEGER);
      return (size_t)size;
    }
    default:
      return 0;
  }
}

/* The bytes before a value that begins at `position`, unless it is aligned there. */
static size_t padding(const format *f, size_t position, char option, size_t size) {
  if (size == 0 || option == 'c') return 0;
  if (size > f->alignment) size = f->alignment;
  return (size - (position & (size - 1))) & (size - 1);
}

/* Follow an option that is no value. */
static void control(format *f, char option) {
  switch (option) {
    case ' ':
      return;
    case '<':
    case '>':
      f->big = option == '>';
      return;
    case '!': {
      int alignment = number(f, ALIGNMENT);
      if (alignment <= 0 || (alignment & (alignment - 1)) != 0)
        rd_lua.aux_error(f->L, "alignment %d is not a power of 2", alignment);
      f->alignment = (size_t)alignment;
      return;
    }
    default:
      rd_lua.aux_argerror(f->L, 1, rd_lua.pushfstring(f->L, "invalid format option '%c'", option));
  }
}

/* The integer modulo 2^64. A number out of range, for which C has no answer, becomes what it becomes on x86. */
static uint64_t integer(lua_Number n) {
  if (n < 0) return n < -0x1p63 ? (uint64_t)INT64_MIN : (uint64_t)(int64_t)n;
  if (n < 0x1p64) return (uint64_t)n;
  return n != n ? (uint64_t)INT64_MIN : 0;
}

/* Work is reported once it is as much as some thousand options. */
static void spend(lua_State *L, size_t *work, size_t more) {
  if ((*work += more) < 4096) return;
  *work = 0;
  rd_spend(L, 4096 + more);
}

static void put(rd_text *text, const format *f, const void *value, size_t size) {
  const char *bytes = value;
  bool turn = f->big != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
  for (size_t i = 0; i < size; i++) rd_text_add_char(text, bytes[turn ? size - 1 - i : i]);
}

static void get(void *value, const format *f, const char *data, size_t size) {
  char *bytes = value;
  bool turn = f->big != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
  for (size_t i = 0; i < size; i++) bytes[turn ? size - 1 - i : i] = data[i];
}

static void put_integer(rd_text *text, const format *f, uint64_t value, size_t size) {
  char bytes[INTEGER];
  for (size_t i = 0; i < size; i++, value = i < 8 ? value >> 8 : 0)
    bytes[f->big ? size - 1 - i : i] = (char)(i < 8 ? value & 255 : 0);
  rd_text_add(text, bytes, size);
}

/* Only the last 64 bits count. In shorter ones the sign is the first bit. */
static lua_Number get_integer(const format *f, const char *data, size_t size, bool with_sign) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | (uint8_t)data[f->big ? i : size - 1 - i];
  if (!with_sign) return (lua_Number)value;
  if (size > 0 && size < 8 && value >> (size * 8 - 1) != 0) value |= UINT64_MAX << (size * 8 - 1);
  return (lua_Number)(int64_t)value;
}

static int struct_pack(lua_State *L) {
  format f;
  rd_text text;
  size_t work = 0;
  begin(&f, L);
  rd_lua.pushnil(L); /* an argument that is missing is nil, and not what comes next on the stack */
  rd_text_begin(&text, L);
  int argument = 2;
  for (char option; (option = *f.at) != '\0';) {
    f.at++;
    size_t size = size_of(&f, option), pad = padding(&f, text.len, option, size);
    spend(L, &work, 1 + pad);
    for (; pad > 0; pad--) rd_text_add_char(&text, '\0');
    switch (option) {
      case 'b':
      case 'B':
      case 'h':
      case 'H':
      case 'l':
      case 'L':
      case 'T':
      case 'i':
      case 'I':
        put_integer(&text, &f, integer(rd_lua.aux_checknumber(L, argument++)), size);
        break;
      case 'x':
        rd_text_add_char(&text, '\0');
        break;
      case 'f': {
        float value = (float)rd_lua.aux_checknumber(L, argument++);
        put(&text, &f, &value, sizeof value);
        break;
      }
      case 'd': {
        double value = rd_lua.aux_checknumber(L, argument++);
        put(&text, &f, &value, sizeof value);
        break;
      }
      case 'c':
      case 's': {
        size_t len;
        const char *bytes = rd_lua.aux_checklstring(L, argument++, &len);
        if (size == 0) size = len;
        if (len < size) rd_lua.aux_argerror(L, argument, "string too short"); /* of the next one: so says Redis */
        spend(L, &work, size / RD_SPEND_BYTES);
        rd_text_add(&text, bytes, size);
        if (option == 's') rd_text_add_char(&text, '\0');
        break;
      }
      default:
        control(&f, option);
    }
  }
  rd_text_push(&text);
  return 1;
}

static int struct_unpack(lua_State *L) {
  format f;
  size_t len, work = 0;
  begin(&f, L);
  const char *data = rd_lua.aux_checklstring(L, 2, &len);
  size_t position = (size_t)rd_lua.aux_optinteger(L, 3, 1);
  if (position == 0) rd_lua.aux_argerror(L, 3, "offset must be 1 or greater");
  position--;
  int results = 0;
  for (char option; (option = *f.at) != '\0';) {
    f.at++;
    size_t size = size_of(&f, option);
    position += padding(&f, position, option, size);
    if (size > len || position > len - size) rd_lua.aux_argerror(L, 2, "data string too short");
    rd_lua.aux_checkstack(L, 2, "too many results");
    spend(L, &work, 1);
    switch (option) {
      case 'b':
      case 'B':
      case 'h':
      case 'H':
      case 'l':
      case 'L':
      case 'T':
      case 'i':
      case 'I':
        rd_lua.pushnumber(L, get_integer(&f, data + position, size, option >= 'a'));
        results++;
        break;
      case 'x':
        break;
      case 'f': {
        float value;
        get(&value, &f, data + position, sizeof value);
        rd_lua.pushnumber(L, value);
        results++;
        break;
      }
      case 'd': {
        double value;
        get(&value, &f, data + position, sizeof value);
        rd_lua.pushnumber(L, value);
        results++;
        break;
      }
      case 'c':
        if (size == 0) {
          if (results == 0 || !rd_lua.isnumber(L, -1)) rd_lua.aux_error(L, "format 'c0' needs a previous size");
          size = integer(rd_lua.tonumber(L, -1));
          rd_lua_pop(L, 1);
          results--;
          if (size > len || position > len - size) rd_lua.aux_argerror(L, 2, "data string too short");
        }
        spend(L, &work, size / RD_SPEND_BYTES);
        rd_lua.pushlstring(L, data + position, size);
        results++;
        break;
      case 's': {
        const char *end = memchr(data + position, '\0', len - position);
        if (end == NULL) rd_lua.aux_error(L, "unfinished string in data");
        size = (size_t)(end - (data + position)) + 1;
        spend(L, &work, size / RD_SPEND_BYTES);
        rd_lua.pushlstring(L, data + position, size - 1);
        results++;
        break;
      }
      default:
        control(&f, option);
    }
    position += size;
  }
  rd_lua.pushinteger(L, (lua_Integer)(position + 1));
  return results + 1;
}

static int struct_size(lua_State *L) {
  format f;
  size_t position = 0, work = 0;
  begin(&f, L);
  for (char option; (option = *f.at) != '\0';) {
    f.at++;
    size_t size = size_of(&f, option);
    position += padding(&f, position, option, size);
    spend(L, &work, 1);
    if (option == 's') rd_lua.aux_argerror(L, 1, "option 's' has no fixed size");
    if (option == 'c' && size == 0) rd_lua.aux_argerror(L, 1, "option 'c0' has no fixed size");
    if (!isalnum((unsigned char)option)) control(&f, option); /* an unknown letter has no size here */
    position += size;
  }
  rd_lua.pushinteger(L, (lua_Integer)position);
  return 1;
}

int rd_open_struct(lua_State *L) {
  rd_lua.createtable(L, 0, 3);
  rd_lua_pushfunction(L, struct_pack);
  rd_lua.setfield(L, -2, "pack");
  rd_lua_pushfunction(L, struct_unpack);
  rd_lua.setfield(L, -2, "unpack");
  rd_lua_pushfunction(L, struct_size);
  rd_lua.setfield(L, -2, "size");
  return 1;
}
