/* admission.c - admits or refuses connections, and counts both. Each worker has its own table of addresses, so that a
 * dead worker's counts can be removed: open addressing with linear probing, without tombstones. */
#include "arena/admission.h"

#include <errno.h>

#include "arena/layout.h"
#include "arena/memory.h"
#include "arena/worker.h"
#include "base/hash.h"

#define SECOND 1000000000u

void rd_admission_lock(rd_store *st) {
  pthread_mutex_t *lock = &st->head->admission.lock;
  /* A dead owner can have left only its own block incomplete, which is cleared when it is reaped. */
  if (pthread_mutex_lock(lock) == EOWNERDEAD) pthread_mutex_consistent(lock);
}

bool rd_admission_trylock(rd_store *st) {
  int error = pthread_mutex_trylock(&st->head->admission.lock);
  if (error == EOWNERDEAD) pthread_mutex_consistent(&st->head->admission.lock);
  return error == 0 || error == EOWNERDEAD;
}

void rd_admission_unlock(rd_store *st) { pthread_mutex_unlock(&st->head->admission.lock); }

/* Count a refused connection: the only place that does. */
static bool refuse(rd_store *st, rd_limit limit) {
  static const rd_stat counted_as[RD_LIMIT_COUNT] = {[RD_LIMIT_RATE] = RD_STAT_rejected_rate,
                                                     [RD_LIMIT_OPEN] = RD_STAT_rejected_maximum,
                                                     [RD_LIMIT_ADDRESS] = RD_STAT_rejected_address};
  rd_count_add(st, RD_STAT_connections_received, 1);
  rd_count_add(st, RD_STAT_rejected_connections, 1);
  rd_count_add(st, counted_as[limit], 1);
  return false;
}

/* ---- the number of connections ---- */

static bool open_room(const rd_store *st, bool local, uint32_t limit, uint32_t kept) {
  if (limit == 0) return true;
  uint64_t open = 0, remote = 0;
  for (uint32_t i = 0; i < RD_MAX_WORKERS; i++) {
    if (!rd_worker_used(st, i)) continue;
    open += rd_worker_at(st, i)->open;
    remote += rd_worker_at(st, i)->open - rd_worker_at(st, i)->local;
  }
  uint32_t others = kept < limit ? limit - kept : 1; /* places for connections that are not local */
  return open < limit && (local || remote < others);
}

bool rd_open_enter(rd_store *st, bool local, uint32_t limit, uint32_t kept) {
  rd_admission_lock(st);
  bool room = open_room(st, local, limit, kept);
  st->worker->local += room && local;
  st->worker->open += room;
  rd_admission_unlock(st);
  return room || refuse(st, RD_LIMIT_OPEN);
}

void rd_open_leave(rd_store *st, bool local) {
  rd_worker *w = st->worker;
  rd_admission_lock(st);
  if ((local ? w->local : w->open - w->local) > 0) {
    w->open--;
    w->local -= local;
  }
  rd_admission_unlock(st);
}

/* ---- by address ---- */

static uint32_t first_slot(const rd_store *st, const uint8_t address[16]) {
  return (uint32_t)rd_siphash(st->seed, address, 16) % RD_ADDRESS_SLOTS;
}

/* The pages of a slot, which may cross the border of two. */
static uint32_t first_page(uint32_t slot) { return slot * (uint32_t)sizeof(rd_address) / RD_PAGE; }
static uint32_t last_page(uint32_t slot) { return ((slot + 1) * (uint32_t)sizeof(rd_address) - 1) / RD_PAGE; }

static bool page_in_use(const rd_worker *w, uint32_t page) {
  return atomic_load_explicit(&w->address_pages[page / 64], memory_order_relaxed) >> (page % 64) & 1;
}

/* The connections counted in a slot. An unwritten page is not read, since that would allocate its memory. */
static uint32_t count_at(const rd_worker *w, uint32_t slot) {
  return page_in_use(w, first_page(slot)) && page_in_use(w, last_page(slot)) ? w->address[slot].count : 0;
}

/* The slot of an address, or the free slot that it would take. The bound is for tables that a dead process left torn.
 */
static uint32_t find(const rd_store *st, const rd_worker *w, const uint8_t address[16]) {
  uint32_t slot = first_slot(st, address);
  for (uint32_t n = 0; n < RD_ADDRESS_SLOTS && count_at(w, slot) != 0; n++) {
    if (memcmp(w->address[slot].bytes, address, 16) == 0) break;
    slot = (slot + 1) % RD_ADDRESS_SLOTS;
  }
  return slot;
}

/* Reserve the slot's pages, and mark them as in use. 0: no memory for them; 1: they were in use already; 2: they are
 * new. */
static int use_pages(const rd_store *st, rd_worker *w, uint32_t slot) {
  int result = 1;
  for (uint32_t page = first_page(slot); page <= last_page(slot); page++) {
    if (page_in_use(w, page)) continue;
    if (!rd_back(st, rd_ref_of(st, w->address) + (uint64_t)page * RD_PAGE, RD_PAGE)) return 0;
    atomic_fetch_or(&w->address_pages[page / 64], 1ull << (page % 64));
    result = 2;
  }
  return result;
}

static bool address_room(const rd_store *st, const uint8_t address[16], uint32_t limit) {
  if (limit == 0) return true;
  uint64_t open = 0;
  for (uint32_t i = 0; i < RD_MAX_WORKERS && open < limit; i++) {
    const rd_worker *other = rd_worker_at(st, i);
    if (rd_worker_used(st, i)) open += count_at(other, find(st, other, address));
  }
  return open < limit;
}

bool rd_address_enter(rd_store *st, const uint8_t address[16], uint32_t limit) {
  rd_worker *w = st->worker;
  bool fresh = false;
  rd_admission_lock(st);
  bool admitted = address_room(st, address, limit);
  if (admitted) {
    uint32_t slot = find(st, w, address);
    int pages = count_at(w, slot) == 0 && w->addresses < RD_ADDRESS_MAX ? use_pages(st, w, slot) : 0;
    if (count_at(w, slot) != 0) {
      w->address[slot].count++;
    } else if (pages != 0) {
      fresh = pages == 2;
      memcpy(w->address[slot].bytes, address, 16);
      w->address[slot].count = 1;
      w->addresses++;
    } else {
      admitted = limit == 0;
    }
  }
  rd_admission_unlock(st);
  if (fresh) rd_fit_pool(st);
  return admitted || refuse(st, RD_LIMIT_ADDRESS);
}

/* Close the gap: every entry after it, up to the next gap, that a search would no longer find moves up. */
static void close_gap(const rd_store *st, rd_worker *w, uint32_t gap) {
  for (uint32_t next = (gap + 1) % RD_ADDRESS_SLOTS; count_at(w, next) != 0; next = (next + 1) % RD_ADDRESS_SLOTS) {
    uint32_t from = first_slot(st, w->address[next].bytes);
    if ((next - from) % RD_ADDRESS_SLOTS < (next - gap) % RD_ADDRESS_SLOTS) continue;
    w->address[gap] = w->address[next];
    gap = next;
  }
  w->address[gap].count = 0;
}

void rd_address_leave(rd_store *st, const uint8_t address[16]) {
  rd_worker *w = st->worker;
  rd_admission_lock(st);
  uint32_t slot = find(st, w, address);
  if (count_at(w, slot) > 1) {
    w->address[slot].count--;
  } else if (count_at(w, slot) == 1) {
    close_gap(st, w, slot);
    w->addresses--;
  }
  rd_admission_unlock(st);
}

void rd_admission_clear(rd_worker *w) {
  w->open = w->local = w->addresses = 0;
  for (uint32_t i = 0; i < RD_SECRETS; i++) w->secret[i] = 0;
  for (uint32_t page = 0; page < RD_ADDRESS_PAGES; page++) {
    if (page_in_use(w, page)) memset((uint8_t *)w->address + page * RD_PAGE, 0, RD_PAGE);
  }
}

/* ---- the rate of new connections ---- */

/* The generic cell rate algorithm (ITU-T I.371): one number, the time at which the bucket will be full again. */
static bool rate_room(const rd_store *st, bool local, uint32_t per_second, uint32_t kept, uint64_t now_ns,
                      uint64_t *full_at) {
  *full_at = st->head->admission.full_at;
  if (*full_at < now_ns) *full_at = now_ns;
  if (*full_at > now_ns + SECOND) *full_at = now_ns + SECOND; /* after a clock went back, too */
  uint32_t step = SECOND / per_second;
  uint64_t room = local || kept == 0 ? SECOND : (uint64_t)step * (kept < per_second ? per_second - kept : 1);
  return *full_at + step <= now_ns + room;
}

bool rd_rate_take(rd_store *st, bool local, uint32_t per_second, uint32_t kept, uint64_t now_ns) {
  if (per_second == 0) return true;
  uint64_t full_at;
  rd_admission_lock(st);
  bool room = rate_room(st, local, per_second, kept, now_ns, &full_at);
  st->head->admission.full_at = room ? full_at + SECOND / per_second : full_at;
  rd_admission_unlock(st);
  return room || refuse(st, RD_LIMIT_RATE);
}

/* ---- at listening sockets ---- */

bool rd_address_local(const uint8_t *address) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, loopback[16] = {[15] = 1};
  if (address == NULL || memcmp(address, loopback, 16) == 0) return true;
  return memcmp(address, mapped, 12) == 0 && address[12] == 127;
}

/* Note the last refused address among those of its limit, unless it is there, or there are too many. */
static void note_address(rd_accept_limits *limits, rd_limit limit) {
  uint32_t count = limits->source_count[limit];
  if (count > RD_REFUSED_ADDRESSES) return;
  for (uint32_t i = 0; i < count; i++) {
    if (memcmp(limits->source[limit][i], limits->last[limit], 16) == 0) return;
  }
  if (count < RD_REFUSED_ADDRESSES) memcpy(limits->source[limit][count], limits->last[limit], 16);
  limits->source_count[limit] = count + 1;
}

rd_limit rd_refuse_early(rd_accept_limits *limits, const uint8_t *address, uint64_t now_ns) {
  rd_store *st = limits->st;
  uint64_t full_at;
  rd_limit found = RD_LIMIT_NONE;
  rd_admission_lock(st);
  bool local = rd_address_local(address);
  if (limits->per_second != 0 && !rate_room(st, local, limits->per_second, limits->kept, now_ns, &full_at))
    found = RD_LIMIT_RATE;
  else if (!open_room(st, local, limits->open, limits->kept))
    found = RD_LIMIT_OPEN;
  else if (address != NULL && !address_room(st, address, limits->address))
    found = RD_LIMIT_ADDRESS;
  rd_admission_unlock(st);
  if (found == RD_LIMIT_NONE) return found;
  refuse(st, found);
  limits->refused[found]++;
  memset(limits->last[found], 0, 16);
  if (address != NULL) memcpy(limits->last[found], address, 16);
  note_address(limits, found);
  return found;
}

/* ---- rd_check ---- */

const char *rd_admission_check(const rd_store *st, const rd_worker *w) {
  uint32_t found = 0;
  for (uint32_t slot = 0; slot < RD_ADDRESS_SLOTS; slot++) {
    if (count_at(w, slot) == 0) continue;
    found++;
    if (find(st, w, w->address[slot].bytes) != slot) return "an address that a search does not find";
  }
  return found == w->addresses ? NULL : "a wrong number of addresses";
}
