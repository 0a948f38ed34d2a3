/* format.c - string.format. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "script/budget.h"
#include "script/strings.h"
#include "script/text.h"

#define ITEM 512        /* more than the longest number: 1e308 with 99 digits behind the point */
#define LONG_STRING 100 /* longer than any width */

/* A number as a signed or an unsigned integer, as x86-64 converts it where C defines nothing. */
static long long to_signed(lua_Number n) {
  return n >= -9223372036854775808.0 && n < 9223372036854775808.0 ? (long long)n : INT64_MIN;
}

static unsigned long long to_unsigned(lua_Number n) {
  if (n < 9223372036854775808.0 || n != n) return (unsigned long long)to_signed(n);
  return n < 18446744073709551616.0 ? (unsigned long long)n : 0;
}

static void add_quoted(lua_State *L, rd_text *text, int argument) {
  size_t len;
  const char *s = rd_lua.aux_checklstring(L, argument, &len);
  (void)rd_text_room(text, len);
  rd_text_add_char(text, '"');
  for (size_t i = 0; i < len; i++) {
    switch (s[i]) {
      case '"':
      case '\\':
      case '\n':
        rd_text_add_char(text, '\\');
        rd_text_add_char(text, s[i]);
        break;
      case '\r':
        rd_text_add(text, "\\r", 2);
        break;
      case 0:
        rd_text_add(text, "\\000", 4);
        break;
      default:
        rd_text_add_char(text, s[i]);
    }
  }
  rd_text_add_char(text, '"');
  rd_spend(L, len / 8);
}

/* Read flags, width and precision behind a '%'. They go to `item`, which has room for them, a length of two letters,
 * the conversion and a NUL. Returns the place of the conversion. */
static const char *read_item(lua_State *L, const char *s, char *item, size_t *item_len) {
  const char *p = s + strspn(s, "-+ #0");
  if (p - s >= 6) rd_lua.aux_error(L, "invalid format (repeated flags)");
  for (int i = 0; i < 2 && *p >= '0' && *p <= '9'; i++) p++;
  if (*p == '.') {
    p++;
    for (int i = 0; i < 2 && *p >= '0' && *p <= '9'; i++) p++;
  }
  if (*p >= '0' && *p <= '9') rd_lua.aux_error(L, "invalid format (width or precision too long)");
  item[0] = '%';
  memcpy(item + 1, s, (size_t)(p - s));
  *item_len = 1 + (size_t)(p - s);
  return p;
}

int rd_format(lua_State *L) {
  int top = rd_lua.gettop(L), argument = 1;
  size_t len;
  const char *s = rd_lua.aux_checklstring(L, 1, &len), *end = s + len;
  rd_text text;
  rd_text_begin(&text, L);
  while (s < end) {
    const char *percent = memchr(s, '%', (size_t)(end - s));
    if (percent == NULL) percent = end;
    rd_text_add(&text, s, (size_t)(percent - s));
    s = percent;
    if (s == end) break;
    if (*++s == '%') {
      rd_text_add_char(&text, *s++);
      continue;
    }
    if (++argument > top) rd_lua.aux_argerror(L, argument, "no value");
    char item[20], formed[ITEM];
    size_t item_len;
    s = read_item(L, s, item, &item_len);
    char conversion = *s++;
    bool whole = conversion != 0 && strchr("dioxXu", conversion) != NULL;
    if (whole) {
      item[item_len++] = 'l';
      item[item_len++] = 'l';
    }
    item[item_len++] = conversion;
    item[item_len] = 0;
    int formed_len = 0;
    switch (conversion) {
      case 'c':
        formed_len = snprintf(formed, ITEM, item, (int)to_signed(rd_lua.aux_checknumber(L, argument)));
        break;
      case 'd':
      case 'i':
        formed_len = snprintf(formed, ITEM, item, to_signed(rd_lua.aux_checknumber(L, argument)));
        break;
      case 'o':
      case 'u':
      case 'x':
      case 'X':
        formed_len = snprintf(formed, ITEM, item, to_unsigned(rd_lua.aux_checknumber(L, argument)));
        break;
      case 'e':
      case 'E':
      case 'f':
      case 'g':
      case 'G':
        formed_len = snprintf(formed, ITEM, item, rd_lua.aux_checknumber(L, argument));
        break;
      case 'q':
        add_quoted(L, &text, argument);
        break;
      case 's': {
        size_t string_len;
        const char *string = rd_lua.aux_checklstring(L, argument, &string_len);
        if (strchr(item, '.') == NULL && string_len >= LONG_STRING) {
          rd_text_add(&text, string, string_len);
        } else {
          formed_len = snprintf(formed, ITEM, item, string);
        }
        break;
      }
      default:
        return rd_lua.aux_error(L, "invalid option '%%%c' to 'format'", conversion);
    }
    if (formed_len < 0 || formed_len >= ITEM) return rd_lua.aux_error(L, "invalid format");
    if (formed_len > 0) rd_text_add(&text, formed, strlen(formed)); /* Lua's %c adds no NUL */
  }
  rd_text_push(&text);
  return 1;
}
