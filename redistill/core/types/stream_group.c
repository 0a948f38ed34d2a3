/* stream_group.c - finds, adds and removes the entries of a stream's second tree. */
#include "types/stream_group.h"

#include "arena/longrun.h"
#include "store/blob.h"
#include "store/tree.h"

enum { GROUP = 1, CONSUMER, HEAD, PENDING, OWNED };
enum {
  RUN = 1000,
  START = 5, /* bytes of a name that are in its order */
  GROUP_NAME = 1 + START + 4 + 16 + 8,
  CONSUMER_NAME = 5 + START + 4 + 8 + 8,
  HEAD_NAME = 5,
  PENDING_LEN = 5 + 16 + 8 + 8 + 4,
  OWNED_LEN = 5 + 16,
  LONGEST = CONSUMER_NAME + RD_ELEMENT_MAX,
  ORDER_BITS = 42, /* of an order: the rest is the owner */
};

/* ---- entries ---- */

static uint32_t name_offset(uint8_t kind) {
  return kind == GROUP ? GROUP_NAME : kind == CONSUMER ? CONSUMER_NAME : kind == HEAD ? HEAD_NAME : 0;
}

static uint32_t size(const uint8_t *at, const uint8_t *end) {
  if (at >= end) return 0;
  uint32_t name = name_offset(*at), len = *at == PENDING ? PENDING_LEN : *at == OWNED ? OWNED_LEN : 0;
  if (name != 0) {
    if (end - at <= (ptrdiff_t)name) return 0;
    len = rd_element_size(at + name, end);
    return len == 0 ? 0 : name + len;
  }
  return len != 0 && len <= (size_t)(end - at) ? len : 0;
}

static inline uint32_t owner_at(const uint8_t *entry) { return *entry == GROUP ? 0 : rd_ld32(entry + 1); }

/* The order of an owner's entry. Numbers and times that are too large have the highest one, and `compare` decides. */
static uint64_t order_of(uint32_t owner, uint64_t within) {
  uint64_t most = ((uint64_t)1 << ORDER_BITS) - 1;
  if (owner >= UINT64_MAX >> ORDER_BITS) return UINT64_MAX;
  return (uint64_t)owner << ORDER_BITS | (within < most ? within : most);
}

static uint64_t start_at(const uint8_t *at) {
  uint64_t n = 0;
  for (unsigned i = 0; i < START; i++) n = n << 8 | at[i];
  return n;
}

static uint64_t order(const rd_store *st, const uint8_t *entry) {
  (void)st;
  uint32_t owner = owner_at(entry);
  if (*entry == HEAD) return order_of(owner, 0);
  if (*entry == GROUP || *entry == CONSUMER) return order_of(owner, start_at(entry + (*entry == GROUP ? 1 : 5)));
  return order_of(owner, rd_ld64(entry + 5));
}

/* The class of an entry among those of its owner: HEAD comes first. */
static int class_of(uint8_t kind) { return kind == HEAD ? 0 : kind == GROUP || kind == CONSUMER ? 1 : 2; }

static int compare(const rd_store *st, const uint8_t *a, const uint8_t *b) {
  uint32_t x = owner_at(a), y = owner_at(b);
  if (x != y) return x < y ? -1 : 1;
  if (class_of(*a) != class_of(*b)) return class_of(*a) - class_of(*b);
  if (class_of(*a) == 2) return rd_id_compare(rd_id_at(a + 5), rd_id_at(b + 5));
  return *a == HEAD ? 0 : rd_element_compare_at(st, a + name_offset(*a), b + name_offset(*b));
}

static uint32_t outside(const uint8_t *entry, uint32_t n) {
  uint32_t name = name_offset(*entry);
  return n == 0 && name != 0 && rd_element_is_outside(entry + name) ? name + RD_ELEMENT_REF : 0;
}

const rd_coll_kind rd_group_kind = {
    .run_max = RUN, .sorted = true, .size = size, .order = order, .compare = compare, .outside = outside};

/* ---- finding ---- */

typedef struct sought {
  const rd_store *st;
  uint32_t owner;
  int class;
  rd_bytes name;
  rd_stream_id id;
} sought;

static int compare_sought(void *arg, const uint8_t *entry) {
  const sought *x = arg;
  uint32_t owner = owner_at(entry);
  if (owner != x->owner) return owner < x->owner ? 1 : -1;
  int class = class_of(*entry);
  if (class != x->class) return x->class - class;
  if (class == 2) return rd_id_compare(x->id, rd_id_at(entry + 5));
  if (class == 0) return 0;
  int order = rd_element_compare(x->st, entry + name_offset(*entry), x->name);
  return order < 0 ? 1 : -(order > 0);
}

static void start_of(rd_bytes name, uint8_t start[START]) {
  memset(start, 0, START);
  if (name.len > 0) memcpy(start, name.data, name.len < START ? name.len : START);
}

/* The place of a name, or of an id, among an owner's entries. True: an entry of that owner and class is there. */
static bool lower(const rd_stream *s, uint32_t owner, int class, rd_bytes name, rd_stream_id id, rd_pos *p) {
  if (s->c.item == NULL) return false;
  rd_coll t = rd_coll_second(&s->c);
  sought x = {t.st, owner, class, name, id};
  uint8_t start[START];
  start_of(name, start);
  uint64_t within = class == 2 ? id.ms : class == 1 ? start_at(start) : 0;
  return rd_coll_lower(&t, order_of(owner, within), compare_sought, &x, p) && owner_at(p->at) == owner &&
         class_of(*p->at) == class;
}

static bool lower_id(const rd_stream *s, uint32_t owner, rd_stream_id id, rd_pos *p) {
  return lower(s, owner, 2, (rd_bytes){NULL, 0}, id, p);
}

static bool lower_name(const rd_stream *s, uint32_t owner, rd_bytes name, rd_pos *p) {
  return lower(s, owner, 1, name, (rd_stream_id){0, 0}, p);
}

static bool find_name(const rd_stream *s, uint32_t owner, rd_bytes name, rd_pos *p) {
  return lower_name(s, owner, name, p) && rd_element_compare(s->c.st, p->at + name_offset(*p->at), name) == 0;
}

/* The next entry, if it has this owner. */
static bool next(const rd_stream *s, uint32_t owner, rd_pos *p) {
  rd_coll t = rd_coll_second(&s->c);
  return rd_coll_next(&t, p) && owner_at(p->at) == owner;
}

/* The rank of the first entry whose owner, or for the class 2 whose id too, is not below. */
static uint64_t rank(const rd_stream *s, uint32_t owner, int class) {
  rd_pos p;
  rd_coll t = rd_coll_second(&s->c);
  sought x = {t.st, owner, class, {NULL, 0}, {0, 0}};
  rd_coll_lower(&t, order_of(owner, 0), compare_sought, &x, &p);
  return rd_coll_rank(&t, &p);
}

static uint64_t count(const rd_stream *s, uint32_t owner) {
  return s->c.item == NULL ? 0 : rank(s, owner + 1, 0) - rank(s, owner, 0);
}

/* ---- changing ---- */

/* Insert an entry; the name, if it has one, ends it. */
static rd_result insert(rd_stream *s, uint8_t *entry, uint32_t len, const rd_bytes *name, rd_pos *p) {
  rd_coll t = rd_coll_second(&s->c);
  rd_element e = {.is_outside = false};
  if (name != NULL) {
    rd_element_of(&e, *name);
    const uint8_t *end = rd_element_put(&t, &e, entry + len);
    s->c.wanted = t.wanted;
    if (end == NULL) return RD_OOM;
    len = (uint32_t)(end - entry);
  }
  rd_result done = rd_coll_insert(&t, p, entry, len);
  s->c.wanted = t.wanted;
  if (done != RD_OK && e.is_outside) rd_blob_release(t.st, t.shard, rd_ld64(entry + outside(entry, 0)));
  return done;
}

static void remove_at(rd_stream *s, rd_pos *p) {
  rd_coll t = rd_coll_second(&s->c);
  rd_coll_remove(&t, p);
}

static void overwrite(rd_stream *s, rd_pos *p, uint32_t off, const void *bytes, uint32_t len) {
  rd_coll t = rd_coll_second(&s->c);
  rd_coll_write(&t, p, off, bytes, len);
}

/* Remove all entries of an owner. */
static void remove_all(rd_stream *s, uint32_t owner) {
  enum { AT_ONCE = 128 };
  rd_coll t = rd_coll_second(&s->c);
  for (uint64_t left = count(s, owner), n; left > 0; left -= n) {
    n = left < AT_ONCE ? left : AT_ONCE;
    rd_coll_remove_range(&t, rank(s, owner, 0), n, NULL, NULL);
    rd_yield(t.st);
  }
}

/* ---- groups ---- */

static bool group_at(rd_group *g) {
  const uint8_t *at = g->p.at;
  if (*at != GROUP) return false;
  g->number = rd_ld32(at + 1 + START);
  g->last = rd_id_at(at + 5 + START);
  g->read = (int64_t)rd_ld64(at + 21 + START);
  g->name = at + GROUP_NAME;
  return true;
}

uint64_t rd_groups_count(const rd_stream *s) { return count(s, 0); }

bool rd_group_find(const rd_stream *s, rd_bytes name, rd_group *g) {
  return s->meta.groups != 0 && find_name(s, 0, name, &g->p) && group_at(g);
}

bool rd_group_first(const rd_stream *s, rd_group *g) {
  return s->meta.groups != 0 && lower_name(s, 0, (rd_bytes){NULL, 0}, &g->p) && group_at(g);
}

bool rd_group_next(const rd_stream *s, rd_group *g) { return next(s, 0, &g->p) && group_at(g); }

bool rd_group_at(const rd_stream *s, uint32_t rank, rd_group *g) {
  rd_coll t = rd_coll_second(&s->c);
  return rank < s->meta.groups && rd_coll_at(&t, rank, &g->p) && group_at(g);
}

rd_result rd_group_create(rd_stream *s, rd_bytes name, rd_stream_id last, int64_t read) {
  uint8_t entry[LONGEST];
  rd_pos p;
  if (s->meta.number > UINT32_MAX - 3) return RD_OOM;
  lower_name(s, 0, name, &p);
  entry[0] = GROUP;
  start_of(name, entry + 1);
  rd_st32(entry + 1 + START, s->meta.number + 1);
  rd_id_put(entry + 5 + START, last);
  rd_st64(entry + 21 + START, (uint64_t)read);
  if (insert(s, entry, GROUP_NAME, &name, &p) != RD_OK) return RD_OOM;
  s->meta.number += 2;
  s->meta.groups++;
  rd_stream_save(s);
  return RD_OK;
}

void rd_group_write(rd_stream *s, rd_group *g) {
  uint8_t fresh[24];
  rd_id_put(fresh, g->last);
  rd_st64(fresh + 16, (uint64_t)g->read);
  overwrite(s, &g->p, 5 + START, fresh, sizeof fresh);
}

void rd_group_save(rd_stream *s, rd_bytes name, rd_group *g) {
  if (find_name(s, 0, name, &g->p)) rd_group_write(s, g);
}

void rd_group_destroy(rd_stream *s, rd_bytes name) {
  rd_group g;
  rd_consumer k;
  if (!rd_group_find(s, name, &g)) return;
  while (rd_consumer_first(s, g.number, &k)) {
    uint32_t number = k.number;
    remove_at(s, &k.p);
    remove_all(s, number);
    rd_yield(s->c.st);
  }
  remove_all(s, g.number + 1);
  if (!find_name(s, 0, name, &g.p)) return;
  remove_at(s, &g.p);
  s->meta.groups--;
  rd_stream_save(s);
}

/* ---- consumers ---- */

static bool consumer_at(uint32_t group, rd_consumer *k) {
  const uint8_t *at = k->p.at;
  if (*at != CONSUMER || owner_at(at) != group) return false;
  k->number = rd_ld32(at + 5 + START);
  k->seen = (int64_t)rd_ld64(at + 9 + START);
  k->active = (int64_t)rd_ld64(at + 17 + START);
  k->name = at + CONSUMER_NAME;
  return true;
}

uint64_t rd_consumers_count(const rd_stream *s, uint32_t group) { return count(s, group); }

bool rd_consumer_find(const rd_stream *s, uint32_t group, rd_bytes name, rd_consumer *k) {
  return find_name(s, group, name, &k->p) && consumer_at(group, k);
}

bool rd_consumer_first(const rd_stream *s, uint32_t group, rd_consumer *k) {
  return lower_name(s, group, (rd_bytes){NULL, 0}, &k->p) && consumer_at(group, k);
}

bool rd_consumer_next(const rd_stream *s, uint32_t group, rd_consumer *k) {
  return next(s, group, &k->p) && consumer_at(group, k);
}

rd_result rd_consumer_create(rd_stream *s, uint32_t group, rd_bytes name, int64_t seen, int64_t active) {
  uint8_t entry[LONGEST];
  rd_pos p;
  if (s->meta.number > UINT32_MAX - 3) return RD_OOM;
  uint32_t number = s->meta.number + 1;
  entry[0] = CONSUMER;
  rd_st32(entry + 1, group);
  start_of(name, entry + 5);
  rd_st32(entry + 5 + START, number);
  rd_st64(entry + 9 + START, (uint64_t)seen);
  rd_st64(entry + 17 + START, (uint64_t)active);
  lower_name(s, group, name, &p);
  if (insert(s, entry, CONSUMER_NAME, &name, &p) != RD_OK) return RD_OOM;
  entry[0] = HEAD;
  rd_st32(entry + 1, number);
  lower(s, number, 0, (rd_bytes){NULL, 0}, (rd_stream_id){0, 0}, &p);
  if (insert(s, entry, HEAD_NAME, &name, &p) != RD_OK) {
    if (find_name(s, group, name, &p)) remove_at(s, &p);
    return RD_OOM;
  }
  s->meta.number = number;
  rd_stream_save(s);
  return RD_OK;
}

void rd_consumer_save(rd_stream *s, rd_consumer *k) {
  uint8_t fresh[16];
  rd_st64(fresh, (uint64_t)k->seen);
  rd_st64(fresh + 8, (uint64_t)k->active);
  overwrite(s, &k->p, 9 + START, fresh, sizeof fresh);
}

void rd_consumer_remove(rd_stream *s, uint32_t group, rd_bytes name) {
  rd_consumer k;
  rd_pos p;
  rd_pending e;
  if (!rd_consumer_find(s, group, name, &k)) return;
  remove_at(s, &k.p);
  while (rd_owned_lower(s, k.number, (rd_stream_id){0, 0}, &p)) {
    rd_stream_id id = rd_owned_id(&p);
    remove_at(s, &p);
    if (rd_pending_find(s, group, id, &e)) remove_at(s, &e.p);
    rd_yield(s->c.st);
  }
  remove_all(s, k.number);
}

const uint8_t *rd_consumer_name(const rd_stream *s, uint32_t consumer) {
  rd_pos p;
  return lower(s, consumer, 0, (rd_bytes){NULL, 0}, (rd_stream_id){0, 0}, &p) ? p.at + HEAD_NAME : NULL;
}

/* ---- pending entries ---- */

static bool pending_at(uint32_t group, rd_pending *e) {
  const uint8_t *at = e->p.at;
  if (*at != PENDING || owner_at(at) != group + 1) return false;
  e->id = rd_id_at(at + 5);
  e->time = (int64_t)rd_ld64(at + 21);
  e->count = rd_ld64(at + 29);
  e->consumer = rd_ld32(at + 37);
  return true;
}

uint64_t rd_pending_count(const rd_stream *s, uint32_t group) { return count(s, group + 1); }
uint64_t rd_owned_count(const rd_stream *s, uint32_t consumer) { return count(s, consumer) - 1; }

bool rd_pending_lower(const rd_stream *s, uint32_t group, rd_stream_id id, rd_pending *e) {
  return lower_id(s, group + 1, id, &e->p) && pending_at(group, e);
}

bool rd_pending_next(const rd_stream *s, uint32_t group, rd_pending *e) {
  return next(s, group + 1, &e->p) && pending_at(group, e);
}

bool rd_pending_find(const rd_stream *s, uint32_t group, rd_stream_id id, rd_pending *e) {
  return rd_pending_lower(s, group, id, e) && rd_id_compare(e->id, id) == 0;
}

bool rd_owned_lower(const rd_stream *s, uint32_t consumer, rd_stream_id id, rd_pos *p) {
  return lower_id(s, consumer, id, p);
}

bool rd_owned_next(const rd_stream *s, uint32_t consumer, rd_pos *p) { return next(s, consumer, p); }

static rd_result own(rd_stream *s, uint32_t consumer, rd_stream_id id) {
  uint8_t entry[OWNED_LEN];
  rd_pos p;
  entry[0] = OWNED;
  rd_st32(entry + 1, consumer);
  rd_id_put(entry + 5, id);
  lower_id(s, consumer, id, &p);
  return insert(s, entry, OWNED_LEN, NULL, &p);
}

static void disown(rd_stream *s, uint32_t consumer, rd_stream_id id) {
  rd_pos p;
  if (lower_id(s, consumer, id, &p) && rd_id_compare(rd_owned_id(&p), id) == 0) remove_at(s, &p);
}

/* Insert a pending entry at its place. */
static rd_result insert_pending(rd_stream *s, uint32_t group, rd_stream_id id, uint32_t consumer, int64_t time,
                                uint64_t times, rd_pos *p) {
  uint8_t entry[PENDING_LEN];
  entry[0] = PENDING;
  rd_st32(entry + 1, group + 1);
  rd_id_put(entry + 5, id);
  rd_st64(entry + 21, (uint64_t)time);
  rd_st64(entry + 29, times);
  rd_st32(entry + 37, consumer);
  return insert(s, entry, PENDING_LEN, NULL, p);
}

rd_result rd_pending_put(rd_stream *s, uint32_t group, rd_stream_id id, uint32_t consumer, int64_t time,
                         uint64_t times) {
  rd_pending e;
  uint8_t fresh[PENDING_LEN - 21];
  bool found = rd_pending_find(s, group, id, &e);
  if (!found) {
    if (insert_pending(s, group, id, consumer, time, times, &e.p) != RD_OK) return RD_OOM;
    if (own(s, consumer, id) == RD_OK) return RD_OK;
    if (rd_pending_find(s, group, id, &e)) remove_at(s, &e.p);
    return RD_OOM;
  }
  if (e.consumer != consumer) {
    if (own(s, consumer, id) != RD_OK) return RD_OOM;
    disown(s, e.consumer, id);
  }
  rd_st64(fresh, (uint64_t)time);
  rd_st64(fresh + 8, times);
  rd_st32(fresh + 16, consumer);
  if (rd_pending_find(s, group, id, &e)) overwrite(s, &e.p, 21, fresh, sizeof fresh);
  return RD_OK;
}

void rd_pending_again(rd_stream *s, rd_pending *e, int64_t time, uint64_t times) {
  uint8_t fresh[16];
  rd_st64(fresh, (uint64_t)time);
  rd_st64(fresh + 8, times);
  overwrite(s, &e->p, 21, fresh, sizeof fresh);
}

rd_result rd_pending_load(rd_stream *s, uint32_t group, rd_stream_id id, int64_t time, uint64_t times) {
  rd_pos p;
  lower_id(s, group + 1, id, &p);
  return insert_pending(s, group, id, 0, time, times, &p);
}

rd_result rd_pending_give(rd_stream *s, uint32_t group, rd_stream_id id, uint32_t consumer, bool *given) {
  rd_pending e;
  uint8_t number[4];
  *given = rd_pending_find(s, group, id, &e) && e.consumer == 0;
  if (!*given) return RD_OK;
  if (own(s, consumer, id) != RD_OK) return RD_OOM;
  rd_st32(number, consumer);
  if (rd_pending_find(s, group, id, &e)) overwrite(s, &e.p, 37, number, sizeof number);
  return RD_OK;
}

bool rd_pending_remove(rd_stream *s, uint32_t group, rd_stream_id id) {
  rd_pending e;
  if (!rd_pending_find(s, group, id, &e)) return false;
  remove_at(s, &e.p);
  disown(s, e.consumer, id);
  return true;
}
