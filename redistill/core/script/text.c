/* text.c - a text that grows, in Lua's memory. */
#include "script/text.h"

#include <stdint.h>
#include <string.h>

#include "script/budget.h"

#define LONGEST (SIZE_MAX / 4)

void rd_text_begin(rd_text *text, lua_State *L) {
  rd_lua.pushnil(L);
  text->L = L;
  text->place = rd_lua.gettop(L);
  text->data = text->first;
  text->len = 0;
  text->size = sizeof text->first;
}

char *rd_text_room(rd_text *text, size_t more) {
  if (more > LONGEST || text->len > LONGEST - more) rd_lua.aux_error(text->L, "resulting string too large");
  size_t need = text->len + more;
  if (need > text->size) {
    size_t size = text->size * 2 > need ? text->size * 2 : need;
    char *data = rd_lua.newuserdata(text->L, size);
    if (text->len > 0) memcpy(data, text->data, text->len);
    rd_lua.replace(text->L, text->place);
    text->data = data;
    text->size = size;
    rd_spend(text->L, size / RD_SPEND_BYTES);
  }
  return text->data + text->len;
}

void rd_text_add(rd_text *text, const char *bytes, size_t len) {
  if (len == 0) return;
  memcpy(rd_text_room(text, len), bytes, len);
  text->len += len;
}

void rd_text_add_value(rd_text *text, int index) {
  size_t len;
  const char *bytes = rd_lua.tolstring(text->L, index, &len);
  rd_text_add(text, bytes, len);
}

void rd_text_push(rd_text *text) {
  rd_lua.pushlstring(text->L, text->data, text->len);
  if (text->len > sizeof text->first) rd_spend(text->L, text->len / RD_SPEND_BYTES);
}
