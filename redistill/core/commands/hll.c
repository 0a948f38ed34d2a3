/* hll.c - the commands on HyperLogLogs: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST. */
#include "types/hll.h"

#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/value.h"
#include "types/string.h"

static void reply_corrupt(rd_call *c) { rd_reply_error(c->out, "INVALIDOBJ Corrupted HLL object detected"); }

/* Look up argv[i], which must be a HyperLogLog, and read its header. NULL: it is absent (*absent), or an error was
 * replied. */
static rd_item *find_hll(rd_call *c, const rd_key *key, bool for_write, bool *absent, uint8_t head[RD_HLL_HEAD]) {
  rd_item *it = rd_call_value(c, key, &rd_hll_row, for_write, absent);
  if (it) rd_item_read(c->store, it, 0, head, RD_HLL_HEAD);
  return it;
}

static size_t sparse_max(const rd_call *c) {
  return c->store->hll_sparse < RD_HLL_MAX ? c->store->hll_sparse : RD_HLL_MAX;
}

/* Copy the value. false: it is too long to be valid, and the error was replied. */
static bool load(rd_call *c, const rd_item *it, rd_hll *h) {
  uint64_t len = rd_item_len(it);
  if (len > RD_HLL_MAX) {
    reply_corrupt(c);
    return false;
  }
  h->len = (size_t)len;
  h->sparse_max = sparse_max(c);
  rd_item_read(c->store, it, 0, h->data, len);
  return true;
}

/* Store the value under its key, whose item is `it` (NULL: absent). false after an -OOM reply. */
static bool save(rd_call *c, const rd_key *key, rd_item *it, const rd_hll *h, rd_key_event event) {
  rd_result r;
  if (!it)
    r = rd_set(c->store, key, h->data, h->len, RD_NO_EXPIRY, RD_ENC_RAW, event);
  else if (rd_item_len(it) == h->len && rd_item_encoding(it) == RD_ENC_RAW)
    r = RD_OK;
  else
    r = rd_resize(c->store, key, &it, h->len, RD_ENC_RAW);
  if (r != RD_OK) {
    rd_reply_oom(c->out);
    return false;
  }
  if (it) rd_write(c->store, key, it, 0, h->data, h->len, event);
  return true;
}

/* PFADD to a dense value changes single registers in place. */
static void add_dense(rd_call *c, const rd_key *key, rd_item *it, uint8_t head[RD_HLL_HEAD]) {
  if (rd_grow(c, key, &it, RD_HLL_DENSE) != RD_OK) { /* only for the encoding that OBJECT reports */
    rd_reply_oom(c->out);
    return;
  }
  uint64_t raised = 0;
  for (uint32_t i = 2; i < c->argc; i++) {
    unsigned reg;
    if ((i & 255) == 0) rd_yield(c->store);
    unsigned value = rd_hll_place(c->argv[i].data, c->argv[i].len, &reg);
    unsigned at = RD_HLL_AT(reg);
    uint8_t span[2];
    rd_item_read(c->store, it, RD_HLL_HEAD + at, span, RD_HLL_SPAN(at));
    if (rd_hll_get(span, reg) >= value) continue;
    rd_hll_put(span, reg, value);
    rd_write(c->store, key, it, RD_HLL_HEAD + at, span, RD_HLL_SPAN(at), RD_EVENT_NONE);
    raised++;
  }
  if (raised) {
    rd_hll_forget(head);
    rd_write(c->store, key, it, 0, head, RD_HLL_HEAD, RD_EVENT_PFADD);
  }
  rd_note_changes(c->store, raised);
  rd_reply_int(c->out, raised != 0);
}

void rd_cmd_pfadd(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_hll h;
  rd_item *it = find_hll(c, &key, true, &absent, h.data);
  if (it && rd_hll_is_dense(h.data)) {
    add_dense(c, &key, it, h.data);
    return;
  }
  if (it) {
    if (!load(c, it, &h)) return;
  } else if (absent) {
    rd_hll_init(&h, sparse_max(c));
  } else {
    return;
  }
  uint64_t changed = !it;
  for (uint32_t i = 2; i < c->argc; i++) {
    unsigned reg;
    if ((i & 255) == 0) rd_yield(c->store);
    unsigned value = rd_hll_place(c->argv[i].data, c->argv[i].len, &reg);
    int raised = rd_hll_raise(&h, reg, value);
    if (raised < 0) {
      reply_corrupt(c);
      return;
    }
    changed += (uint64_t)raised;
  }
  if (changed) {
    rd_hll_forget(h.data);
    if (!save(c, &key, it, &h, RD_EVENT_PFADD)) return;
  }
  rd_note_changes(c->store, changed);
  rd_reply_int(c->out, changed != 0);
}

/* Raise `registers` to those of the HyperLogLog at argv[i]. *dense is set when that is dense. false: an error was
 * replied. */
static bool merge_key(rd_call *c, uint32_t i, uint8_t *registers, bool *dense) {
  rd_key key = rd_call_key(c, i);
  bool absent;
  rd_hll h;
  rd_yield(c->store);
  rd_item *it = find_hll(c, &key, false, &absent, h.data);
  if (!it) return absent;
  if (rd_hll_is_dense(h.data)) *dense = true;
  if (!load(c, it, &h)) return false;
  if (rd_hll_merge(registers, &h)) return true;
  reply_corrupt(c);
  return false;
}

static void count_one(rd_call *c) {
  rd_key key = rd_call_key(c, 1);
  bool absent;
  rd_hll h;
  rd_item *it = find_hll(c, &key, false, &absent, h.data);
  if (!it) {
    if (absent) rd_reply_int(c->out, 0);
    return;
  }
  uint64_t count;
  if (!rd_hll_cached(h.data, &count)) {
    uint8_t registers[RD_HLL_REGISTERS] = {0};
    if (!load(c, it, &h)) return;
    if (!rd_hll_merge(registers, &h)) {
      reply_corrupt(c);
      return;
    }
    count = rd_hll_count(registers);
    rd_hll_cache(h.data, count);
    rd_write(c->store, &key, it, 0, h.data, RD_HLL_HEAD, RD_EVENT_NONE);
  }
  rd_reply_int(c->out, (int64_t)count);
}

void rd_cmd_pfcount(rd_call *c) {
  if (c->argc == 2) {
    count_one(c);
    return;
  }
  uint8_t registers[RD_HLL_REGISTERS] = {0};
  bool dense = false;
  for (uint32_t i = 1; i < c->argc; i++)
    if (!merge_key(c, i, registers, &dense)) return;
  rd_reply_int(c->out, (int64_t)rd_hll_count(registers));
}

void rd_cmd_pfmerge(rd_call *c) {
  uint8_t registers[RD_HLL_REGISTERS] = {0};
  bool dense = false;
  for (uint32_t i = 1; i < c->argc; i++)
    if (!merge_key(c, i, registers, &dense)) return;
  rd_key key = rd_call_key(c, 1);
  rd_item *it = rd_find_quiet(c->store, &key, false);
  rd_hll h;
  if (!it)
    rd_hll_init(&h, sparse_max(c));
  else if (!load(c, it, &h))
    return;
  if (dense && !rd_hll_is_dense(h.data) && !rd_hll_make_dense(&h)) {
    reply_corrupt(c);
    return;
  }
  for (unsigned reg = 0; reg < RD_HLL_REGISTERS; reg++) {
    if (registers[reg] == 0) continue;
    if (rd_hll_raise(&h, reg, registers[reg]) < 0) {
      reply_corrupt(c);
      return;
    }
  }
  rd_hll_forget(h.data);
  if (save(c, &key, it, &h, RD_EVENT_PFADD)) rd_reply_ok(c->out);
}

/* Make the value dense, if it is sparse. false: an error was replied. */
static bool densify(rd_call *c, const rd_key *key, rd_item *it, rd_hll *h) {
  if (rd_hll_is_dense(h->data)) return true;
  if (!rd_hll_make_dense(h)) {
    reply_corrupt(c);
    return false;
  }
  return save(c, key, it, h, RD_EVENT_NONE);
}

static void reply_registers(rd_call *c, const rd_hll *h) {
  uint8_t registers[RD_HLL_REGISTERS] = {0};
  rd_hll_merge(registers, h);
  rd_reply_array(c->out, RD_HLL_REGISTERS);
  for (unsigned i = 0; i < RD_HLL_REGISTERS; i++) rd_reply_int(c->out, registers[i]);
}

static void reply_runs(rd_call *c, const rd_hll *h) {
  if (rd_hll_is_dense(h->data)) {
    rd_reply_error(c->out, "ERR HLL encoding is not sparse");
    return;
  }
  long len = rd_hll_describe(h, NULL, 0);
  if (len < 0) {
    reply_corrupt(c);
    return;
  }
  rd_reply_bulk_head(c->out, (size_t)len);
  uint8_t *text = rd_reply_room(c->out, (size_t)len);
  if (text == NULL) return;
  rd_hll_describe(h, (char *)text, (size_t)len);
  c->out->len += (size_t)len;
  rd_reply_crlf(c->out);
}

void rd_cmd_pfdebug(rd_call *c) {
  rd_key key = rd_call_key(c, 2);
  bool absent;
  rd_hll h;
  rd_item *it = find_hll(c, &key, true, &absent, h.data);
  if (!it) {
    if (absent) rd_reply_error(c->out, "ERR The specified key does not exist");
    return;
  }
  if (!load(c, it, &h)) return;
  bool dense = rd_hll_is_dense(h.data);
  if (rd_arg_is(c->argv[1], "getreg")) {
    if (densify(c, &key, it, &h)) reply_registers(c, &h);
  } else if (rd_arg_is(c->argv[1], "decode")) {
    reply_runs(c, &h);
  } else if (rd_arg_is(c->argv[1], "encoding")) {
    rd_reply_simple(c->out, dense ? "dense" : "sparse");
  } else if (rd_arg_is(c->argv[1], "todense")) {
    if (densify(c, &key, it, &h)) rd_reply_int(c->out, !dense);
  } else {
    int len = c->argv[1].len > 128 ? 128 : (int)c->argv[1].len; /* like Redis, stop at a zero byte */
    rd_reply_errorf(c->out, "ERR Unknown PFDEBUG subcommand '%.*s'", len, (const char *)c->argv[1].data);
  }
}

void rd_cmd_pfselftest(rd_call *c) {
  if (rd_hll_selftest())
    rd_reply_ok(c->out);
  else
    rd_reply_error(c->out, "TESTFAILED HyperLogLogs do not count what they should");
}
