/* object.c - figures about a value: OBJECT, MEMORY USAGE. */
#include "command/call.h"
#include "commands/cmd.h"
#include "store/type.h"

/* Find the key in argv[2]; NULL after a null reply. The access data of the value are not changed. */
static rd_item *find(rd_call *call) {
  rd_key key = rd_call_key(call, 2);
  rd_item *it = rd_find_quiet(call->store, &key, false);
  rd_count_lookup(call->store, it != NULL); /* no event is reported for a miss */
  if (it == NULL) rd_reply_null(call->out);
  return it;
}

void rd_cmd_object_encoding(rd_call *call) {
  const rd_item *it = find(call);
  if (it != NULL) rd_reply_str(call->out, rd_type_of(it)->encoding(call->store, it));
}

/* Values are never shared. */
void rd_cmd_object_refcount(rd_call *call) {
  if (find(call) != NULL) rd_reply_int(call->out, 1);
}

static bool counts_frequency(rd_policy policy) {
  return policy == RD_ALLKEYS_LFU || policy == RD_VOLATILE_LFU || policy == RD_ALLKEYS_S3FIFO;
}

void rd_cmd_object_freq(rd_call *call) {
  const rd_item *it = find(call);
  if (it == NULL) return;
  if (!counts_frequency(rd_get_policy(call->store))) {
    rd_reply_error(call->out,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
                   "switching between policies at runtime LRU and LFU data will take some time to adjust.");
    return;
  }
  rd_reply_int(call->out, (int64_t)rd_item_freq(call->store, it));
}

void rd_cmd_object_idletime(rd_call *call) {
  const rd_item *it = find(call);
  if (it == NULL) return;
  if (counts_frequency(rd_get_policy(call->store))) {
    rd_reply_error(call->out,
                   "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
                   "between policies at runtime LRU and LFU data will take some time to adjust.");
    return;
  }
  /* the store counts in steps of 128 ms and drops the rest, so 100 seconds must not become 99 */
  rd_reply_int(call->out, (int64_t)((rd_item_idle_ms(call->store, it) + 255) / 1000));
}

void rd_cmd_object_help(rd_call *call) {
  static const char *const lines[] = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. The returned integer is",
      "    proportional to the logarithm of the recent access frequency of the key.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, that is the approximated number of",
      "    seconds elapsed since the last access to the key.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
      "HELP",
      "    Prints this help.",
  };
  rd_reply_lines(call->out, lines, sizeof lines / sizeof lines[0]);
}

/* The bytes of the arena that the key takes. They are known exactly, so SAMPLES is validated and changes nothing. */
void rd_cmd_memory_usage(rd_call *call) {
  for (uint32_t i = 3; i < call->argc; i += 2) {
    int64_t samples;
    if (!rd_arg_is(call->argv[i], "samples") || i + 1 == call->argc) {
      rd_reply_syntax(call->out);
      return;
    }
    if (!rd_arg_integer(call, call->argv[i + 1], &samples)) return;
    if (samples < 0) {
      rd_reply_syntax(call->out);
      return;
    }
  }
  rd_key key = rd_call_key(call, 2);
  const rd_item *it = rd_find_quiet(call->store, &key, false);
  if (it == NULL) {
    rd_reply_null(call->out);
    return;
  }
  rd_reply_int(call->out, (int64_t)rd_item_memory(call->store, it));
}
