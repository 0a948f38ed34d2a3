/* restore.c - RESTORE: values from Redis's own format. */
#include "arena/longrun.h"
#include "commands/cmd.h"
#include "commands/dump.h"
#include "commands/restore_source.h"

/* The newest version that is accepted: Valkey 9 writes it. Types are recognized by their byte, so a newer number is
 * harmless; Redis 7.0 itself stops at its own 10. */
#define NEWEST 80
/* A collection is built entry by entry; a payload of so many bytes takes about a millisecond at worst. */
#define LONG_COLLECTION 512u

static bool is_string(rd_bytes payload) { return payload.len > 0 && payload.data[0] == RD_RDB_STRING; }

uint64_t rd_dump_len(rd_bytes payload) {
  rd_string s;
  if (payload.len == 0) return 0;
  rd_reader r = rd_reader_of((rd_bytes){payload.data + 1, payload.len - 1});
  bool is_one_string = is_string(payload) || rd_source_is_packed(payload.data[0]);
  if (!is_one_string || !rd_read_string(&r, &s)) return 0;
  return s.is_packed ? s.len : s.bytes.len;
}

static bool takes_long(rd_bytes payload) {
  return is_string(payload) ? rd_dump_len(payload) > RD_LONG_BYTES : payload.len > LONG_COLLECTION;
}

static rd_load load_string(rd_call *call, const rd_key *key, rd_bytes payload, int64_t expiry, bool keep) {
  rd_reader r = rd_reader_of((rd_bytes){payload.data + 1, payload.len - 1});
  rd_bytes value = {NULL, 0};
  rd_source_text text = {{0}, {NULL, 0, NULL}};
  rd_load load = rd_source_string(call, &r, &value, &text);
  if (load == RD_LOAD_OK && keep &&
      rd_set(call->store, key, value.data, value.len, expiry, RD_ENC_AUTO, RD_EVENT_NONE) != RD_OK)
    load = RD_LOAD_FULL;
  rd_scratch_free(call->store, &text.unpacked);
  return load;
}

static bool read_footer(rd_store *st, rd_bytes payload, unsigned *version) {
  if (payload.len < RD_PAYLOAD_FOOTER) return false;
  const uint8_t *footer = payload.data + payload.len - RD_PAYLOAD_FOOTER;
  uint64_t crc = 0;
  for (size_t i = 0; i < 8; i++) crc |= (uint64_t)footer[2 + i] << 8 * i;
  *version = footer[0] | (unsigned)footer[1] << 8;
  return *version <= NEWEST && rd_payload_checksum(st, (rd_bytes){payload.data, payload.len - 8}) == crc;
}

typedef struct restore_options {
  bool replace, absolute;
  int64_t idle, freq; /* -1: not given */
} restore_options;

/* False after an error reply. */
static bool parse_restore_options(rd_call *call, restore_options *o) {
  for (uint32_t i = 4; i < call->argc; i++) {
    bool more = i + 1 < call->argc;
    if (rd_arg_is(call->argv[i], "replace")) {
      o->replace = true;
    } else if (rd_arg_is(call->argv[i], "absttl")) {
      o->absolute = true;
    } else if (rd_arg_is(call->argv[i], "idletime") && more && o->freq == -1) {
      if (!rd_arg_integer(call, call->argv[++i], &o->idle)) return false;
      if (o->idle < 0) {
        rd_reply_error(call->out, "ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
    } else if (rd_arg_is(call->argv[i], "freq") && more && o->idle == -1) {
      if (!rd_arg_integer(call, call->argv[++i], &o->freq)) return false;
      if (o->freq < 0 || o->freq > 255) {
        rd_reply_error(call->out, "ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
    } else {
      rd_reply_syntax(call->out);
      return false;
    }
  }
  return true;
}

/* Set the key to the value of the payload. If the payload is invalid, the key is unchanged. */
static rd_load restore(rd_call *call, const rd_key *key, rd_bytes payload, unsigned version, int64_t expiry,
                       const restore_options *o) {
  rd_store *st = call->store;
  if (payload.len == 0) return RD_LOAD_BAD;
  bool is_stream = rd_payload_is_stream(payload.data[0]);
  if (!is_string(payload) && !is_stream && !rd_source_knows(payload.data[0], version)) return RD_LOAD_BAD;
  bool passed = expiry != RD_NO_EXPIRY && expiry <= (int64_t)st->now_ms;
  bool replaces = !passed && o->replace && rd_find_quiet(st, key, false) != NULL;
  rd_load got = (is_stream            ? rd_load_stream
                 : is_string(payload) ? load_string
                                      : rd_load_collection)(call, key, payload, expiry, !passed);
  if (got == RD_LOAD_OK && passed) rd_discard(st, key);
  if (got != RD_LOAD_OK || passed) return got;
  rd_item *it = rd_find_quiet(st, key, false);
  if (it == NULL) return got; /* a hash whose fields have all expired */
  if (replaces) rd_notify(st, key, RD_EVENT_NEW);
  rd_notify(st, key, RD_EVENT_RESTORE);
  if (o->idle >= 0) {
    uint64_t seconds = (uint64_t)o->idle;
    rd_item_set_idle(st, it, seconds > UINT64_MAX / 1000 ? UINT64_MAX : seconds * 1000);
  }
  if (o->freq >= 0) rd_item_set_freq(st, it, (unsigned)o->freq);
  return RD_LOAD_OK;
}

void rd_cmd_restore(rd_call *call) {
  restore_options options = {.idle = -1, .freq = -1};
  rd_bytes payload = call->argv[3];
  if (takes_long(payload) && !rd_may_take_long(call)) return;
  int64_t ttl, expiry = RD_NO_EXPIRY;
  unsigned version;
  if (!parse_restore_options(call, &options)) return;

  rd_key key = rd_call_key(call, 1);
  if (!options.replace && rd_find_write(call->store, &key) != NULL) {
    rd_reply_error(call->out, "BUSYKEY Target key name already exists.");
    return;
  }
  if (!rd_arg_integer(call, call->argv[2], &ttl)) return;
  if (ttl < 0) {
    rd_reply_error(call->out, "ERR Invalid TTL value, must be >= 0");
    return;
  }
  if (!read_footer(call->store, payload, &version)) {
    rd_reply_error(call->out, "ERR DUMP payload version or checksum are wrong");
    return;
  }
  payload.len -= RD_PAYLOAD_FOOTER;
  if (is_string(payload) && !rd_check_length(call, rd_dump_len(payload))) return;
  if (ttl > 0) {
    /* a time past the largest number becomes the largest one, and the last millisecond means "never" to the store */
    if (__builtin_add_overflow(ttl, options.absolute ? 0 : (int64_t)call->store->now_ms, &expiry)) expiry = INT64_MAX;
    if (expiry == RD_NO_EXPIRY) expiry--;
  }

  rd_load got = restore(call, &key, payload, version, expiry, &options);
  if (got == RD_LOAD_BAD)
    rd_reply_error(call->out, "ERR Bad data format");
  else if (got == RD_LOAD_FULL)
    rd_reply_oom(call->out);
  else
    rd_reply_ok(call->out);
}
