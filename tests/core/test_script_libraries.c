/* The libraries cjson, cmsgpack, struct and bit: redis-server's results, and what no server should be asked. */
#include "lua_rig.h"
#include "script/bit.h"
#include "script/cjson.h"
#include "script/cmsgpack.h"
#include "script/struct.h"

#define PRELUDE(line) line "\n"
#define LIBRARY(call, result)
static const char prelude[] =
#include "script_libraries.def"
    ;
#undef PRELUDE
#undef LIBRARY

typedef struct recorded {
  const char *call, *result;
} recorded;
#define PRELUDE(line)
#define LIBRARY(call, result) {call, result},
static const recorded calls[] = {
#include "script_libraries.def"
};

static void open_library(lua_rig *rig, const char *name, lua_CFunction open) {
  rd_lua_pushfunction(rig->L, open);
  rd_lua.call(rig->L, 0, 1);
  rd_lua.setfield(rig->L, LUA_GLOBALSINDEX, name);
}

static bool begin(lua_rig *rig) {
  if (!rig_begin(rig)) return false;
  open_library(rig, "cjson", rd_open_cjson);
  open_library(rig, "cmsgpack", rd_open_cmsgpack);
  open_library(rig, "struct", rd_open_struct);
  open_library(rig, "bit", rd_open_bit);
  return true;
}

static void results_are_those_of_redis(void) {
  lua_rig rig;
  if (!begin(&rig)) return;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    rd_cjson_reset(rd_cjson_settings_of(rig.L));
    static char script[8192];
    int len = snprintf(script, sizeof script, "%s%s", prelude, calls[i].call);
    CHECK(len > 0 && (size_t)len < sizeof script);
    const char *result = rig_run(&rig, script);
    if (strcmp(result, calls[i].result) == 0) continue;
    CHECK_FAIL("%s\n      is      %s\n      and not %s", calls[i].call, result, calls[i].result);
  }
  rig_end(&rig);
}

/* An error, whichever: of memory, of nesting, or of time. It leaves the state usable. */
static void check_refused(lua_rig *rig, const char *script, const char *part) {
  static char tried[1024];
  snprintf(tried, sizeof tried,
           "local ok, wrong = pcall(function() %s end) return tostring(ok) .. ' ' .. tostring(wrong)", script);
  const char *result = rig_run(rig, tried);
  /* Without memory for the text, the error of that is the result. */
  if (strstr(result, part) == NULL || (strncmp(result, "false ", 6) != 0 && strcmp(result, "not enough memory") != 0))
    CHECK_FAIL("%s\n      %.300s", script, result);
  CHECK_LUA(rig, "return cjson.encode({cjson.decode('[1]'), bit.bor(1, 2)})", "[[1],3]");
}

static void hostile_input_is_an_error(void) {
  lua_rig rig;
  if (!begin(&rig)) return;
  check_refused(&rig, "cjson.encode_max_depth(2^31 - 1) local t = {} t[1] = t cjson.encode(t)",
                "excessive nesting (79");
  check_refused(&rig, "cjson.encode_max_depth(2^31 - 1) local t = {} t.a = t cjson.encode(t)", "excessive nesting (39");
  check_refused(&rig, "cjson.decode_max_depth(2^31 - 1) cjson.decode(stock_string.rep('[', 100000))",
                "too many nested");
  check_refused(&rig, "cjson.decode_max_depth(2^31 - 1) cjson.decode(stock_string.rep('{\"a\":', 100000))",
                "too many nested");
  check_refused(&rig, "cmsgpack.unpack(stock_string.rep('\\145', 100000))", "stack overflow");
  check_refused(&rig, "cmsgpack.unpack(stock_string.rep('\\129\\1', 100000))", "stack overflow");
  check_refused(&rig, "cmsgpack.unpack(stock_string.rep('\\129', 100000))", "stack overflow");
  check_refused(&rig, "cmsgpack.unpack('\\221\\255\\255\\255\\255' .. stock_string.rep('\\1', 10))", "Missing bytes");
  check_refused(&rig, "struct.unpack(stock_string.rep('b', 9000), stock_string.rep('a', 9000))", "stack overflow");
  check_refused(&rig, "cmsgpack.pack(unpack({}, 1, 7999))", "");
  rd_cjson_reset(rd_cjson_settings_of(rig.L));
  rig_end(&rig);
}

static void memory_has_a_limit(void) {
  lua_rig rig;
  if (!begin(&rig)) return;
  rig.most_looks = UINT64_MAX;
  check_refused(&rig, "cjson.encode_sparse_array(false, 0) cjson.encode({[2^31 - 1] = 1})", "not enough memory");
  check_refused(&rig,
                "local s = stock_string.rep('\\1', 2^20) local t = {} for i = 1, 100 do t[i] = s end cjson.encode(t)",
                "not enough memory");
  check_refused(&rig,
                "local s = stock_string.rep('x', 2^20) local t = {} for i = 1, 100 do t[i] = s end cmsgpack.pack(t)",
                "not enough memory");
  check_refused(&rig,
                "local t, u = {}, {} for i = 1, 16 do u = {t} for j = 1, 20 do u[j] = t end t = u end cmsgpack.pack(t)",
                "not enough memory");
  check_refused(&rig,
                "local t = {} for i = 1, 100 do t[i] = 'c0' end struct.pack(stock_table.concat(t), "
                "unpack((function() local s, a = stock_string.rep('x', 2^20), {} for i = 1, 100 do a[i] = s end return "
                "a end)()))",
                "not enough memory");
  check_refused(&rig, "cjson.decode('[' .. stock_string.rep('[],', 2^21) .. '1]')", "not enough memory");
  rd_cjson_reset(rd_cjson_settings_of(rig.L));
  rig_end(&rig);
}

/* Whichever allocation fails, the error is Lua's, and nothing is lost. */
static void any_allocation_may_fail(void) {
  static const char *const scripts[] = {
      "return cjson.encode({stock_string.rep('x', 2000), {a = {1, 2.5, stock_string.rep('\\1', 300)}}})",
      "return '' ~= cjson.decode('[\"' .. stock_string.rep('\\\\n', 1000) .. "
      "'\",{\"a\":[1,2,3],\"b\":\"c\\\\u0041\"}]')",
      "return cmsgpack.unpack(cmsgpack.pack({stock_string.rep('x', 2000), {a = 1.5}, 7})) ~= 1",
      "return (struct.unpack('sd', struct.pack('sd', stock_string.rep('x', 2000), 2)))",
      "return cjson.new().encode({})",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    lua_rig rig;
    if (!begin(&rig)) return;
    const char *result = rig_run(&rig, scripts[i]);
    CHECK(strstr(result, "not enough memory") == NULL);
    size_t failures = 0;
    for (size_t more = 0; more < 40000; more += 8) {
      (void)rd_lua.gc(rig.L, LUA_GCCOLLECT, 0);
      rig.most_bytes = rig.bytes + more;
      result = rig_run(&rig, scripts[i]);
      bool failed = result != NULL && strstr(result, "not enough memory") != NULL;
      rig.most_bytes = 64 << 20;
      if (failed) failures++;
    }
    CHECK(failures > 10);
    rig_end(&rig);
  }
}

/* Work that takes long is looked at while it runs. */
static void long_work_can_be_ended(void) {
  static const char *const scripts[] = {
      "cjson.encode_sparse_array(false, 0) cjson.encode({[2^24] = 1})",
      "local t = {} for i = 1, 2^16 do t[i] = i end prepared = t",
      "for i = 1, 1000 do cjson.encode(prepared) end",
      "for i = 1, 1000 do cmsgpack.pack(prepared) end",
      "prepared = cjson.encode(prepared)",
      "for i = 1, 1000 do cjson.decode(prepared) end",
      "prepared = cmsgpack.pack(cjson.decode(prepared))",
      "for i = 1, 1000 do cmsgpack.unpack(prepared) end",
      "prepared = {} for i = 1, 200000 do prepared[i] = {} end",
      "cjson.encode(prepared)", /* each table may have any number of empty places */
      "cmsgpack.pack(prepared)",
      "prepared = stock_string.rep('x', 2^20)",
      "for i = 1, 1000 do struct.size(prepared) end",
      "for i = 1, 1000 do struct.pack(prepared) end",
      "for i = 1, 1000 do struct.unpack(prepared, prepared) end",
  };
  lua_rig rig;
  if (!begin(&rig)) return;
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    bool prepares = strstr(scripts[i], "prepared =") != NULL || strstr(scripts[i], "prepared[") != NULL;
    rig.most_looks = prepares ? UINT64_MAX : 50;
    const char *result = rig_run(&rig, scripts[i]);
    if (!prepares && strcmp(result, "s:1: out of time") != 0) CHECK_FAIL("%s: %s", scripts[i], result);
    if (prepares && strcmp(result, "nil") != 0) CHECK_FAIL("%s: %s", scripts[i], result);
  }
  rig_end(&rig);
}

static void settings_are_reset_and_apart(void) {
  lua_rig rig;
  if (!begin(&rig)) return;
  CHECK_LUA(&rig,
            "c = cjson.new() c.encode_number_precision(3) cjson.encode_number_precision(5) "
            "return c.encode(1/3) .. ' ' .. cjson.encode(1/3)",
            "0.333 0.33333");
  rd_cjson_reset(rd_cjson_settings_of(rig.L));
  CHECK_LUA(&rig, "return c.encode(1/3) .. ' ' .. cjson.encode(1/3)", "0.333 0.33333333333333");
  rig_end(&rig);
}

/* More than 8 bytes of a signed integer: Redis's result is that of a shift that C does not define. */
static void wide_integers_have_their_sign_in_the_last_64_bits(void) {
  lua_rig rig;
  if (!begin(&rig)) return;
  CHECK_LUA(&rig, "return (struct.unpack('<i9', '\\200\\0\\0\\0\\0\\0\\0\\0\\0'))", "200");
  CHECK_LUA(&rig, "return (struct.unpack('<i9', '\\255\\255\\255\\255\\255\\255\\255\\255\\255'))", "-1");
  CHECK_LUA(&rig, "return (struct.unpack('>i16', stock_string.rep('\\0', 15) .. '\\5'))", "5");
  rig_end(&rig);
}

int main(void) {
  RUN(hostile_input_is_an_error);
  RUN(memory_has_a_limit);
  RUN(any_allocation_may_fail);
  RUN(long_work_can_be_ended);
  RUN(settings_are_reset_and_apart);
  RUN(wide_integers_have_their_sign_in_the_last_64_bits);
  RUN(results_are_those_of_redis);
  return check_end();
}
