/* cjson_settings.h - declarations that the files of the library cjson share. */
#ifndef RD_SCRIPT_CJSON_SETTINGS_H
#define RD_SCRIPT_CJSON_SETTINGS_H

#include "script/cjson.h"

/* Infinity and what is not a number. */
typedef enum rd_cjson_numbers {
  RD_CJSON_REFUSED,
  RD_CJSON_TAKEN,
  RD_CJSON_NULL /* in encode alone: they become null */
} rd_cjson_numbers;

struct rd_cjson_settings {
  int sparse_as_object, sparse_ratio, sparse_safe;
  int encode_depth, decode_depth;
  int digits;
  int keep_buffer; /* without effect: each text has a buffer of its own */
  int encode_numbers, decode_numbers;
};

/* The functions encode(value) and decode(text), whose first upvalue is the settings. */
int rd_cjson_encode(lua_State *L);
int rd_cjson_decode(lua_State *L);

#endif
