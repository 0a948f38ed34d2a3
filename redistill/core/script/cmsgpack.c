/* cmsgpack.c - MessagePack. */
#include "script/cmsgpack.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "script/budget.h"
#include "script/text.h"

#define NESTING 16
/* The work of one table beside its elements. A search for its next element can pass any number of empty places, which
 * are not seen from here. */
#define TABLE_STEPS 500

typedef struct packer {
  lua_State *L;
  rd_text text;
  uint32_t work;
} packer;

static void spend(lua_State *L, uint32_t *work, size_t steps) {
  if (*work + steps < 4096) {
    *work += (uint32_t)steps;
    return;
  }
  rd_spend(L, *work + steps);
  *work = 0;
}

/* A byte, and a number in so many more of them, the most significant first. */
static void put(packer *p, unsigned kind, uint64_t number, unsigned size) {
  char *to = rd_text_room(&p->text, 1 + size);
  *to++ = (char)kind;
  for (unsigned i = 0; i < size; i++) to[i] = (char)(number >> (8 * (size - 1 - i)));
  p->text.len += 1 + size;
}

static void put_integer(packer *p, int64_t n) {
  uint64_t bits = (uint64_t)n;
  if (n >= -32 && n <= 127)
    put(p, (uint8_t)n, 0, 0);
  else if (n >= 0)
    put(p,
        n <= UINT8_MAX    ? 0xcc
        : n <= UINT16_MAX ? 0xcd
        : n <= UINT32_MAX ? 0xce
                          : 0xcf,
        bits,
        n <= UINT8_MAX    ? 1
        : n <= UINT16_MAX ? 2
        : n <= UINT32_MAX ? 4
                          : 8);
  else
    put(p,
        n >= INT8_MIN    ? 0xd0
        : n >= INT16_MIN ? 0xd1
        : n >= INT32_MIN ? 0xd2
                         : 0xd3,
        bits,
        n >= INT8_MIN    ? 1
        : n >= INT16_MIN ? 2
        : n >= INT32_MIN ? 4
                         : 8);
}

/* An integer of 64 bits, a float if it has the same value, or a double. */
static void put_number(packer *p, double n) {
  if (n >= -0x1p63 && n < 0x1p63 && n == (double)(int64_t)n) {
    put_integer(p, (int64_t)n);
  } else if ((double)(float)n == n) {
    float single = (float)n;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    put(p, 0xca, bits, 4);
  } else {
    uint64_t bits;
    memcpy(&bits, &n, sizeof bits);
    put(p, 0xcb, bits, 8);
  }
}

static void put_string(packer *p, int index) {
  size_t len;
  const char *bytes = rd_lua.tolstring(p->L, index, &len);
  spend(p->L, &p->work, len / RD_SPEND_BYTES);
  if (len < 32)
    put(p, 0xa0 | (unsigned)len, 0, 0);
  else if (len <= UINT8_MAX)
    put(p, 0xd9, len, 1);
  else if (len <= UINT16_MAX)
    put(p, 0xda, len, 2);
  else
    put(p, 0xdb, len, 4);
  rd_text_add(&p->text, bytes, len);
}

/* The header of an array (0x90 and 0xdc) or a map (0x80 and 0xde). */
static void put_count(packer *p, unsigned small, unsigned large, uint32_t count) {
  if (count < 16)
    put(p, small | count, 0, 0);
  else if (count <= UINT16_MAX)
    put(p, large, count, 2);
  else
    put(p, large + 1, count, 4);
}

static void put_value(packer *p, int index, int depth);

static void put_table(packer *p, int index, int depth) {
  lua_State *L = p->L;
  uint32_t count = 0;
  double most = 0;
  bool array = true;
  rd_lua.pushvalue(L, index);
  spend(L, &p->work, TABLE_STEPS);
  for (rd_lua.pushnil(L); rd_lua.next(L, -2); rd_lua_pop(L, 1), count++) {
    double key = rd_lua.type(L, -2) == LUA_TNUMBER ? rd_lua.tonumber(L, -2) : 0;
    if (!(key >= 1 && floor(key) == key)) array = false;
    if (key > most) most = key;
    spend(L, &p->work, 1);
  }
  if (array && most == count) {
    put_count(p, 0x90, 0xdc, count);
    for (uint32_t i = 1; i <= count; i++) {
      rd_lua.rawgeti(L, -1, (int)i);
      put_value(p, -1, depth);
      rd_lua_pop(L, 1);
    }
  } else {
    put_count(p, 0x80, 0xde, count);
    for (rd_lua.pushnil(L); rd_lua.next(L, -2); rd_lua_pop(L, 1)) {
      put_value(p, -2, depth);
      put_value(p, -1, depth);
    }
  }
  rd_lua_pop(L, 1);
}

/* Add the value at `index`, which is within `depth` tables. */
static void put_value(packer *p, int index, int depth) {
  lua_State *L = p->L;
  spend(L, &p->work, 1);
  switch (rd_lua.type(L, index)) {
    case LUA_TSTRING:
      put_string(p, index);
      return;
    case LUA_TNUMBER:
      put_number(p, rd_lua.tonumber(L, index));
      return;
    case LUA_TBOOLEAN:
      put(p, rd_lua.toboolean(L, index) ? 0xc3 : 0xc2, 0, 0);
      return;
    case LUA_TTABLE:
      if (depth == NESTING) break;
      rd_lua.aux_checkstack(L, 5, "in function mp_encode_lua_table_as_map");
      put_table(p, index, depth + 1);
      return;
    default:
      break;
  }
  put(p, 0xc0, 0, 0);
}

static int cmsgpack_pack(lua_State *L) {
  packer p = {.L = L, .work = 0};
  int arguments = rd_lua.gettop(L);
  if (arguments == 0) rd_lua.aux_argerror(L, 0, "MessagePack pack needs input.");
  rd_lua.aux_checkstack(L, 1, "Too many arguments for MessagePack pack.");
  rd_text_begin(&p.text, L);
  for (int i = 1; i <= arguments; i++) put_value(&p, i, 0);
  rd_text_push(&p.text);
  return 1;
}

typedef struct unpacker {
  lua_State *L;
  const uint8_t *at;
  size_t left;
  uint32_t work;
} unpacker;

static void bad_format(unpacker *u) { rd_lua.aux_error(u->L, "Bad data format in input."); }

/* The next `size` bytes, or an error. */
static const uint8_t *take(unpacker *u, size_t size) {
  if (u->left < size) rd_lua.aux_error(u->L, "Missing bytes in input.");
  const uint8_t *at = u->at;
  u->at += size;
  u->left -= size;
  return at;
}

static uint64_t number(unpacker *u, unsigned size) {
  const uint8_t *at = take(u, size);
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++) value = value << 8 | at[i];
  return value;
}

static void push_value(unpacker *u);

static void push_string(unpacker *u, size_t len) {
  spend(u->L, &u->work, len / RD_SPEND_BYTES);
  const uint8_t *at = take(u, len);
  rd_lua.pushlstring(u->L, (const char *)at, len);
}

/* Elements are read as they come, so that a count that is too large costs nothing. Calls within calls end where the
 * stack does, after 4000 of them. */
static void push_array(unpacker *u, uint64_t count) {
  rd_lua_newtable(u->L);
  rd_lua.aux_checkstack(u->L, 1, "in function mp_decode_to_lua_array");
  for (uint64_t i = 1; i <= count; i++) {
    rd_lua.pushnumber(u->L, (lua_Number)i);
    push_value(u);
    rd_lua.rawset(u->L, -3);
  }
}

static void push_map(unpacker *u, uint64_t count) {
  rd_lua_newtable(u->L);
  for (; count > 0; count--) {
    push_value(u);
    push_value(u);
    rd_lua.rawset(u->L, -3); /* nil and what is not a number are no keys: an error */
  }
}

static void push_value(unpacker *u) {
  lua_State *L = u->L;
  rd_lua.aux_checkstack(L, 1, "too many return values at once; use unpack_one or unpack_limit instead.");
  spend(L, &u->work, 1);
  uint8_t kind = *take(u, 1);
  if (kind < 0x80 || kind >= 0xe0) {
    rd_lua.pushnumber(L, (int8_t)kind);
    return;
  }
  if (kind < 0x90) {
    push_map(u, kind & 15);
    return;
  }
  if (kind < 0xa0) {
    push_array(u, kind & 15);
    return;
  }
  if (kind < 0xc0) {
    push_string(u, kind & 31);
    return;
  }
  switch (kind) {
    case 0xc0:
      rd_lua.pushnil(L);
      return;
    case 0xc2:
    case 0xc3:
      rd_lua.pushboolean(L, kind & 1);
      return;
    case 0xca: {
      uint32_t bits = (uint32_t)number(u, 4);
      float value;
      memcpy(&value, &bits, sizeof value);
      rd_lua.pushnumber(L, value);
      return;
    }
    case 0xcb: {
      uint64_t bits = number(u, 8);
      double value;
      memcpy(&value, &bits, sizeof value);
      rd_lua.pushnumber(L, value);
      return;
    }
    case 0xcc:
    case 0xcd:
    case 0xce:
      rd_lua.pushnumber(L, (lua_Number)number(u, 1U << (kind - 0xcc)));
      return;
    case 0xd0:
      rd_lua.pushnumber(L, (int8_t)number(u, 1));
      return;
    case 0xd1:
      rd_lua.pushnumber(L, (int16_t)number(u, 2));
      return;
    case 0xd2:
      rd_lua.pushnumber(L, (int32_t)number(u, 4));
      return;
    case 0xcf: /* beyond 2^63 it is below zero, as in Redis */
    case 0xd3:
      rd_lua.pushnumber(L, (lua_Number)(int64_t)number(u, 8));
      return;
    case 0xd9:
    case 0xda:
    case 0xdb:
      push_string(u, number(u, 1U << (kind - 0xd9)));
      return;
    case 0xdc:
    case 0xdd:
      push_array(u, number(u, kind == 0xdc ? 2 : 4));
      return;
    case 0xde:
    case 0xdf:
      push_map(u, number(u, kind == 0xde ? 2 : 4));
      return;
    default:
      bad_format(u);
  }
}

/* Push at most `limit` values, and before them an offset; all values and no offset if limit and offset are 0. Returns
 * the number of results. */
static int unpack(lua_State *L, lua_Integer limit, lua_Integer offset) {
  size_t len;
  bool all = limit == 0 && offset == 0;
  const char *data = rd_lua.aux_checklstring(L, 1, &len);
  if (offset < 0 || limit < 0) /* it says "limit", and tells the length */
    rd_lua.aux_error(L, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset, (int)len);
  if ((size_t)offset > len) rd_lua.aux_error(L, "Start offset %d greater than input length %d.", (int)offset, (int)len);
  if (all) limit = INT_MAX;
  unpacker u = {L, (const uint8_t *)data + offset, len - (size_t)offset, 0};
  rd_lua.settop(L, 1);
  int results = 0;
  for (; u.left > 0 && results < limit; results++) push_value(&u);
  if (all) return results;
  rd_lua.aux_checkstack(L, 1, "in function mp_unpack_full");
  rd_lua.pushnumber(L, u.left == 0 ? -1 : (lua_Number)(len - u.left));
  rd_lua.insert(L, 2);
  return results + 1;
}

static int cmsgpack_unpack(lua_State *L) { return unpack(L, 0, 0); }

static int cmsgpack_unpack_one(lua_State *L) {
  lua_Integer offset = rd_lua.aux_optinteger(L, 2, 0);
  return unpack(L, 1, offset);
}

static int cmsgpack_unpack_limit(lua_State *L) {
  lua_Integer limit = rd_lua.aux_checkinteger(L, 2), offset = rd_lua.aux_optinteger(L, 3, 0);
  return unpack(L, limit, offset);
}

int rd_open_cmsgpack(lua_State *L) {
  static const struct {
    const char *name;
    lua_CFunction function;
  } functions[] = {
      {"pack", cmsgpack_pack},
      {"unpack", cmsgpack_unpack},
      {"unpack_one", cmsgpack_unpack_one},
      {"unpack_limit", cmsgpack_unpack_limit},
  };
  static const char *const texts[][2] = {
      {"_NAME", "cmsgpack"},
      {"_VERSION", "lua-cmsgpack 0.4.0"},
      {"_DESCRIPTION", "MessagePack C implementation for Lua"},
  };
  rd_lua.createtable(L, 0, 7);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    rd_lua_pushfunction(L, functions[i].function);
    rd_lua.setfield(L, -2, functions[i].name);
  }
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    rd_lua.pushstring(L, texts[i][1]);
    rd_lua.setfield(L, -2, texts[i][0]);
  }
  return 1;
}
