/* text.h - a text that grows, in Lua's memory. */
#ifndef RD_SCRIPT_TEXT_H
#define RD_SCRIPT_TEXT_H

#include "script/lua.h"

/* It lives in a C function's frame and needs one place of the Lua stack, at which it keeps its memory once it is longer
 * than `first`. An error that leaves the frame leaves nothing behind but garbage. */
typedef struct rd_text {
  lua_State *L;
  int place;
  char *data;
  size_t len, size;
  char first[512];
} rd_text;

/* Begin an empty text. Pushes the value that keeps its place. */
void rd_text_begin(rd_text *text, lua_State *L);
/* Memory for `more` bytes behind the text. It raises "not enough memory", or "resulting string too large". */
char *rd_text_room(rd_text *text, size_t more);
void rd_text_add(rd_text *text, const char *bytes, size_t len);
/* Add a value of the stack that is a string or a number; a number becomes a string there. */
void rd_text_add_value(rd_text *text, int index);
/* Push the text as a string. The text is not used again. */
void rd_text_push(rd_text *text);

static inline void rd_text_add_char(rd_text *text, char c) {
  if (text->len == text->size) (void)rd_text_room(text, 1);
  text->data[text->len++] = c;
}

#endif
