/* bit.c - operations on words of 32 bits. */
#include "script/bit.h"

#include <stdint.h>
#include <string.h>

/* The argument modulo 2^32, rounded to an integer, halves to even: in the sum the last bit of the fraction is worth 1.
 * Beyond 2^51 the sum loses bits of the number, as in Redis. */
static uint32_t word(lua_State *L, int argument) {
  volatile double sum = rd_lua.aux_checknumber(L, argument) + 6755399441055744.0; /* 1.5 * 2^52 */
  double rounded = sum;
  uint64_t bits;
  memcpy(&bits, &rounded, sizeof bits);
  return (uint32_t)bits;
}

static int push(lua_State *L, uint32_t value) {
  rd_lua.pushinteger(L, (int32_t)value);
  return 1;
}

static int bit_tobit(lua_State *L) { return push(L, word(L, 1)); }
static int bit_bnot(lua_State *L) { return push(L, ~word(L, 1)); }
static int bit_bswap(lua_State *L) { return push(L, __builtin_bswap32(word(L, 1))); }

static int bit_band(lua_State *L) {
  uint32_t value = word(L, 1);
  for (int i = rd_lua.gettop(L); i > 1; i--) value &= word(L, i);
  return push(L, value);
}

static int bit_bor(lua_State *L) {
  uint32_t value = word(L, 1);
  for (int i = rd_lua.gettop(L); i > 1; i--) value |= word(L, i);
  return push(L, value);
}

static int bit_bxor(lua_State *L) {
  uint32_t value = word(L, 1);
  for (int i = rd_lua.gettop(L); i > 1; i--) value ^= word(L, i);
  return push(L, value);
}

static uint32_t rotated(uint32_t value, uint32_t by) {
  by &= 31;
  return value << by | value >> (-by & 31);
}

static int bit_lshift(lua_State *L) {
  uint32_t value = word(L, 1), by = word(L, 2) & 31;
  return push(L, value << by);
}

static int bit_rshift(lua_State *L) {
  uint32_t value = word(L, 1), by = word(L, 2) & 31;
  return push(L, value >> by);
}

static int bit_arshift(lua_State *L) {
  uint32_t value = word(L, 1), by = word(L, 2) & 31;
  uint32_t sign = value >> 31 ? ~(UINT32_MAX >> by) : 0;
  return push(L, value >> by | sign);
}

static int bit_rol(lua_State *L) {
  uint32_t value = word(L, 1);
  return push(L, rotated(value, word(L, 2)));
}

static int bit_ror(lua_State *L) {
  uint32_t value = word(L, 1);
  return push(L, rotated(value, 0U - word(L, 2)));
}

/* The second argument is the number of digits, at most 8; below zero they are upper case. */
static int bit_tohex(lua_State *L) {
  uint32_t value = word(L, 1);
  int64_t digits = rd_lua.type(L, 2) == LUA_TNONE ? 8 : (int32_t)word(L, 2);
  const char *digit = "0123456789abcdef";
  if (digits < 0) { /* in 64 bits the least number can be negated (CVE-2024-31449) */
    digits = -digits;
    digit = "0123456789ABCDEF";
  }
  char text[8];
  size_t len = digits > 8 ? 8 : (size_t)digits;
  for (size_t i = len; i > 0; value >>= 4) text[--i] = digit[value & 15];
  rd_lua.pushlstring(L, text, len);
  return 1;
}

int rd_open_bit(lua_State *L) {
  static const struct {
    const char *name;
    lua_CFunction function;
  } functions[] = {
      {"tobit", bit_tobit}, {"bnot", bit_bnot},     {"band", bit_band},     {"bor", bit_bor},
      {"bxor", bit_bxor},   {"lshift", bit_lshift}, {"rshift", bit_rshift}, {"arshift", bit_arshift},
      {"rol", bit_rol},     {"ror", bit_ror},       {"bswap", bit_bswap},   {"tohex", bit_tohex},
  };
  rd_lua.createtable(L, 0, 12);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    rd_lua_pushfunction(L, functions[i].function);
    rd_lua.setfield(L, -2, functions[i].name);
  }
  return 1;
}
