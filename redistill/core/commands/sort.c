/* sort.c - SORT and SORT_RO: their options, and replying or storing the result. */
#include "commands/sort.h"

#include "arena/lock.h"
#include "arena/longrun.h"
#include "command/keys.h"
#include "commands/cmd.h"
#include "commands/value.h"
#include "types/list.h"

/* ---- options ---- */

enum { BY, LIMIT, GET, ASC, DESC, ALPHA, STORE }; /* their order in table/generic.def */

/* Redis looks for the star up to a NUL. */
static bool has_star(rd_bytes pattern) {
  return memchr(pattern.data, '*', strnlen((const char *)pattern.data, pattern.len)) != NULL;
}

static bool denied(rd_call *c, const char *error) {
  if (c->reads_all_keys(c)) return false;
  rd_reply_error(c->out, error);
  return true;
}

/* False after an error reply. */
static bool parse(rd_sort_run *s) {
  rd_call *c = s->call;
  s->ordered = true;
  s->limit = -1;
  for (uint32_t at = 2, values; at < c->argc;) {
    int option = rd_next_option(c->command, c->argv, c->argc, &at, &values);
    const rd_bytes *value = c->argv + values;
    switch (option) {
      case BY:
        s->by = value;
        if (!has_star(*value))
          s->ordered = false;
        else if (denied(c, "ERR BY option of SORT denied due to insufficient ACL permissions."))
          return false;
        break;
      case LIMIT:
        if (!rd_arg_integer(c, value[0], &s->offset) || !rd_arg_integer(c, value[1], &s->limit)) return false;
        break;
      case GET:
        if (denied(c, "ERR GET option of SORT denied due to insufficient ACL permissions.")) return false;
        s->gets++;
        break;
      case ASC:
      case DESC:
        s->desc = option == DESC;
        break;
      case ALPHA:
        s->alpha = true;
        break;
      case STORE:
        s->store = values;
        break;
      default:
        rd_reply_syntax(c->out);
        return false;
    }
  }
  return true;
}

/* Collect the patterns of GET. False: no memory. */
static bool collect_gets(rd_sort_run *s) {
  rd_call *c = s->call;
  if (s->gets == 0) return true;
  s->get = rd_sort_take(s, s->gets * sizeof *s->get);
  if (s->get == NULL) return false;
  uint32_t n = 0;
  for (uint32_t at = 2, values; at < c->argc;) {
    if (rd_next_option(c->command, c->argv, c->argc, &at, &values) == GET) s->get[n++] = c->argv + values;
  }
  return true;
}

static bool has_patterns(const rd_sort_run *s) { return s->gets != 0 || (s->by != NULL && s->ordered); }

/* ---- the result ---- */

static void reply_value(rd_sort_run *s, rd_bytes pattern, rd_bytes element) {
  rd_reply *out = s->call->out;
  rd_sort_value v;
  if (rd_sort_is_itself(pattern)) {
    rd_reply_bulk(out, element.data, element.len);
  } else if (!rd_sort_find(s, pattern, element, &v)) {
    rd_reply_null(out);
  } else {
    if (v.string != NULL)
      rd_reply_value(out, s->call->store, v.string, 0, rd_item_len(v.string));
    else
      rd_element_reply(out, s->call->store, v.element);
    rd_sort_found(s, &v);
  }
}

static void reply(rd_sort_run *s) {
  rd_reply *out = s->call->out;
  size_t mark = out->len;
  rd_reply_array(out, s->n * (s->gets != 0 ? s->gets : 1));
  for (uint64_t i = 0; i < s->n; i++) {
    rd_bytes element = s->elements[s->order[s->first + i]].text;
    if (s->gets == 0) rd_reply_bulk(out, element.data, element.len);
    for (uint32_t g = 0; g < s->gets; g++) {
      reply_value(s, *s->get[g], element);
      rd_sort_step(s);
      if (out->failed || s->no_memory) break;
    }
    rd_sort_step(s);
    if (out->failed || s->no_memory) break;
  }
  if (s->no_memory) rd_reply_oom_instead(out, mark);
}

/* ---- STORE ---- */

static rd_bytes result_at(rd_sort_run *s, uint64_t i) {
  rd_bytes element = s->elements[s->order[s->first + (s->gets != 0 ? i / s->gets : i)]].text;
  if (s->gets == 0) return element;
  rd_bytes pattern = *s->get[i % s->gets];
  if (rd_sort_is_itself(pattern)) return element;
  rd_sort_value v;
  if (!rd_sort_find(s, pattern, element, &v)) return (rd_bytes){(const uint8_t *)"", 0};
  rd_bytes text = rd_sort_copy(s, &v);
  rd_sort_found(s, &v);
  return text;
}

static bool push(rd_coll *l, rd_bytes text) {
  rd_element e;
  rd_element_of(&e, text);
  for (int attempt = 0; attempt < RD_COLL_ATTEMPTS; attempt++) {
    if (RD_LIKELY(rd_list_push(l, &e, false) == RD_OK)) return true;
    if (!rd_coll_reserve(l)) break;
  }
  return false;
}

/* Make the list aside, and give it to the key; an empty one deletes the key. */
static bool store_list(rd_sort_run *s, const rd_key *key, const rd_bytes *results, uint64_t n) {
  rd_coll l;
  rd_coll_build(&l, s->call->store, key, &rd_types[RD_LIST]);
  bool done = true;
  for (uint64_t i = 0; i < n && done; i++) {
    done = push(&l, results[i]);
    rd_sort_step(s);
  }
  if (!done) {
    rd_coll_abandon(&l);
    return false;
  }
  rd_list_built(&l);
  return rd_coll_finish(&l, RD_NO_EXPIRY, RD_EVENT_SORTSTORE);
}

static void store(rd_sort_run *s) {
  rd_call *c = s->call;
  uint64_t n = s->n * (s->gets != 0 ? s->gets : 1);
  rd_bytes *results = rd_sort_take(s, n * sizeof *results);
  for (uint64_t i = 0; i < n && !s->no_memory; i++) {
    results[i] = result_at(s, i);
    if (!s->no_memory && !rd_check_length(c, results[i].len)) return;
    rd_sort_step(s);
  }
  if (s->no_memory) {
    rd_reply_oom(c->out);
    return;
  }
  rd_key key = rd_call_key(c, s->store);
  rd_lock_shard(c->store, rd_shard_of(c->store, key.hash)); /* released at the command's end */
  if (store_list(s, &key, results, n)) {
    rd_note_changes(c->store, n);
    rd_reply_int(c->out, (int64_t)n);
  } else {
    rd_reply_oom(c->out);
  }
}

/* ---- the command ---- */

/* Lock the key, STORE's key, and all others if patterns name them. False: another process has a lock. */
static bool lock(const rd_sort_run *s) {
  rd_call *c = s->call;
  uint64_t wanted[RD_MAX_SHARDS / 64] = {0};
  rd_shards_of_call(c->store, c->command, c->argv, c->argc, wanted);
  for (uint32_t i = 0; has_patterns(s) && i < c->store->num_shards; i++) wanted[i >> 6] |= 1ull << (i & 63);
  return rd_lock_set_for_command(c->store, wanted);
}

static void run(rd_sort_run *s, rd_item *it, bool in_transaction) {
  rd_call *c = s->call;
  if (it != NULL) {
    rd_type type = rd_item_type(it);
    if (!s->ordered && type == RD_SET && s->store != 0) {
      /* A set has no order of its own, so the stored list gets one. */
      s->ordered = s->alpha = true;
      s->by = NULL;
    }
    if (!rd_sort_load(s, it)) {
      rd_reply_oom(c->out);
      return;
    }
    if (s->count > RD_LONG_KEYS && has_patterns(s) && !in_transaction) rd_unlock_all(c->store);
    if (s->ordered && rd_sort_weigh(s)) rd_sort_arrange(s);
  }
  if (s->no_memory)
    rd_reply_oom(c->out);
  else if (s->not_numeric)
    rd_reply_error(c->out, "ERR One or more scores can't be converted into double");
  else if (s->store != 0)
    store(s);
  else
    reply(s);
}

static bool is_brief(rd_call *c, const rd_key *key, rd_item *it) {
  rd_coll l;
  if (rd_item_value_bytes(c->store, it) > RD_LONG_BYTES) return false;
  rd_coll_open(&l, c->store, key, it, rd_type_of(it));
  return rd_coll_count(&l) <= RD_LONG_KEYS;
}

static void sort(rd_call *c) {
  rd_sort_run s = {.call = c};
  if (!parse(&s)) return;
  if (has_patterns(&s) && !rd_may_take_long(c)) return;
  rd_key key = rd_call_key(c, 1);
  bool in_transaction = rd_needs_shard(c->store, rd_shard_of(c->store, key.hash));
  if (!in_transaction && !lock(&s)) {
    c->verdict = RD_LATER;
    return;
  }
  rd_item *it = rd_find_read(c->store, &key);
  if (it != NULL && (rd_type_of(it)->coll[0] == NULL || rd_item_type(it) == RD_HASH)) {
    rd_reply_wrong_type(c->out);
    return;
  }
  if (it != NULL && !is_brief(c, &key, it) && !rd_may_read(c, UINT64_MAX)) return;
  if (collect_gets(&s))
    run(&s, it, in_transaction);
  else
    rd_reply_oom(c->out);
  rd_sort_free(&s);
}

void rd_cmd_sort(rd_call *c) { sort(c); }
void rd_cmd_sort_ro(rd_call *c) { sort(c); }
