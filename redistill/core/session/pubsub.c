/* pubsub.c - SUBSCRIBE and its kin, PUBLISH and SPUBLISH, and the figures of PUBSUB. */
#include "arena/layout.h"
#include "command/call.h"
#include "session/internal.h"
#include "session/subscribed.h"

enum { AT_ONCE = 256 }; /* names for which the lock is held at once */

/* True if the command can neither be put aside nor tried again. */
static bool must_wait(const rd_call *c) { return c->whole || c->session->state.in_exec || c->store->running != NULL; }

/* ---- confirmations ---- */

/* The number in a confirmation: channels and patterns together, or shard channels. */
static uint32_t shown_count(const rd_session *s, rd_roll_kind kind) {
  if (kind == RD_SHARD_CHANNEL) return rd_session_subscriptions(s, kind);
  return rd_session_subscriptions(s, RD_CHANNEL) + rd_session_subscriptions(s, RD_PATTERN);
}

/* Confirm the change of one subscription; a name without data is null. */
static void confirm(rd_call *c, const char *word, rd_roll_kind kind, rd_bytes name) {
  rd_reply_push(c->out, 3);
  rd_reply_str(c->out, word);
  if (name.data == NULL)
    rd_reply_null(c->out);
  else
    rd_reply_bulk(c->out, name.data, name.len);
  rd_reply_int(c->out, shown_count(c->session, kind));
  c->session->confirmed = c->out->len; /* CLIENT REPLY does not suppress it */
}

/* ---- subscribing ---- */

static void subscribe(rd_call *c, const char *word, rd_roll_kind kind) {
  if (c->argc > RD_LONG_KEYS && !rd_may_take_long(c)) return;
  for (uint32_t i = 1; i < c->argc;) {
    if (!rd_subscribed_begin(c->store, i > 1 || must_wait(c))) {
      c->verdict = RD_LATER;
      return;
    }
    for (uint32_t end = c->argc - i < AT_ONCE ? c->argc : i + AT_ONCE; i < end; i++) {
      if (rd_subscribe(c->session, kind, c->argv[i]) == RD_NO_ROOM)
        rd_reply_oom(c->out);
      else
        confirm(c, word, kind, c->argv[i]);
    }
    rd_rolls_unlock(c->store);
    if (i < c->argc && !rd_yield(c->store)) return;
  }
}

void rd_cmd_subscribe(rd_call *c) { subscribe(c, "subscribe", RD_CHANNEL); }
void rd_cmd_psubscribe(rd_call *c) { subscribe(c, "psubscribe", RD_PATTERN); }
void rd_cmd_ssubscribe(rd_call *c) { subscribe(c, "ssubscribe", RD_SHARD_CHANNEL); }

/* End the subscription to one name and confirm it. */
static void end_one(rd_call *c, const char *word, rd_roll_kind kind, rd_bytes name) {
  /* The name may be in memory that ends with the subscription: the text comes first, the count last. */
  rd_reply_push(c->out, 3);
  rd_reply_str(c->out, word);
  rd_reply_bulk(c->out, name.data, name.len);
  rd_unsubscribe(c->session, kind, name);
  rd_reply_int(c->out, shown_count(c->session, kind));
  c->session->confirmed = c->out->len;
}

static void unsubscribe(rd_call *c, const char *word, rd_roll_kind kind) {
  uint32_t left = c->argc > 1 ? c->argc - 1 : rd_session_subscriptions(c->session, kind), i = 1;
  if (left == 0) {
    confirm(c, word, kind, (rd_bytes){NULL, 0});
    return;
  }
  if (left > RD_LONG_KEYS && !rd_may_take_long(c)) return;
  for (bool first = true; left != 0; first = false) {
    if (!rd_subscribed_begin(c->store, !first || must_wait(c))) {
      c->verdict = RD_LATER;
      return;
    }
    for (uint32_t end = left > AT_ONCE ? left - AT_ONCE : 0; left != end; left--) {
      end_one(c, word, kind, c->argc > 1 ? c->argv[i++] : rd_subscribed_any(c->session, kind));
    }
    rd_rolls_unlock(c->store);
    if (left != 0 && !rd_yield(c->store)) return;
  }
}

void rd_cmd_unsubscribe(rd_call *c) { unsubscribe(c, "unsubscribe", RD_CHANNEL); }
void rd_cmd_punsubscribe(rd_call *c) { unsubscribe(c, "punsubscribe", RD_PATTERN); }
void rd_cmd_sunsubscribe(rd_call *c) { unsubscribe(c, "sunsubscribe", RD_SHARD_CHANNEL); }

/* ---- publishing ---- */

static void publish(rd_call *c, rd_roll_kind kind) {
  uint64_t count;
  if (!rd_publish(c->store, kind, c->argv[1], c->argv[2], must_wait(c), &count)) {
    c->verdict = RD_LATER;
    return;
  }
  rd_count_stat(c->store, RD_STAT_messages_published, 1);
  rd_reply_int(c->out, (int64_t)count);
}

void rd_cmd_publish(rd_call *c) { publish(c, RD_CHANNEL); }
void rd_cmd_spublish(rd_call *c) { publish(c, RD_SHARD_CHANNEL); }

/* ---- figures ---- */

static void count_subscribers(rd_call *c, rd_roll_kind kind) {
  if (!rd_rolls_lock(c->store, must_wait(c))) {
    c->verdict = RD_LATER;
    return;
  }
  rd_reply_array(c->out, 2 * (size_t)(c->argc - 2));
  for (uint32_t i = 2; i < c->argc; i++) {
    uint64_t hash = rd_roll_hash(c->store, kind, c->argv[i]), n = 0;
    for (uint64_t rolls = rd_rolls_used(c->store); rolls != 0; rolls &= rolls - 1) {
      n += rd_roll_count(c->store, (uint32_t)__builtin_ctzll(rolls), hash);
    }
    rd_reply_bulk(c->out, c->argv[i].data, c->argv[i].len);
    rd_reply_int(c->out, (int64_t)n);
  }
  rd_rolls_unlock(c->store);
}

void rd_cmd_pubsub_numsub(rd_call *c) { count_subscribers(c, RD_CHANNEL); }
void rd_cmd_pubsub_shardnumsub(rd_call *c) { count_subscribers(c, RD_SHARD_CHANNEL); }
void rd_cmd_pubsub_numpat(rd_call *c) { rd_reply_int(c->out, (int64_t)rd_roll_distinct(c->store, RD_PATTERN)); }
