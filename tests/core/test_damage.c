/* test_damage.c - arenas in which some bytes were changed: of the header, the tables, the shards, the blocks or their
 * contents.
 *
 * Such an arena is refused, or the damaged shards are emptied. A process may die of a damaged arena, since it follows
 * references without verifying them first. The next process knows of the death, so no damage kills two processes; and
 * an arena in doubt kills none, since each shard is verified before its first use.
 *
 * RD_DAMAGE_ROUNDS sets the number of arenas, RD_DAMAGE_SEED repeats the choices. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"
#include "damage.h"
#include "store/check.h"
#include "store/expire.h"
#include "store/index.h"
#include "store/run.h"

#define SECONDS 60u /* a trial that takes longer hangs */
#define ALLOWED 1u  /* deaths */

static uint64_t dice_state;
static uint64_t dice(uint64_t sides) {
  uint64_t x = dice_state += 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return (x ^ x >> 31) % sides;
}

static unsigned rounds(unsigned by_default) {
  const char *asked = getenv("RD_DAMAGE_ROUNDS"), *seed = getenv("RD_DAMAGE_SEED");
  dice_state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
  return asked != NULL ? (unsigned)strtoul(asked, NULL, 10) : by_default;
}

/* ---- damage ---- */

static rd_ref a_block(const rd_image *image, const uint8_t *base, int kind) {
  uint32_t regions = image->head.pool.fresh;
  for (int tries = 0; tries < 2000; tries++) {
    rd_ref ref = image->head.body_at + dice(regions) * RD_REGION_SIZE + RD_GRANULE;
    rd_ref end = (ref | (RD_REGION_SIZE - 1)) + 1;
    for (uint64_t n = dice(60); ref < end; n--) {
      rd_blk b;
      memcpy(&b, base + ref, sizeof b);
      if (n == 0 && (kind < 0 || rd_blk_kind(b) == (rd_kind)kind)) return ref;
      if (n == 0) n = 1;
      if (rd_blk_granules(b) < 2) break;
      ref += rd_blk_bytes(b);
    }
  }
  return image->head.body_at + RD_GRANULE;
}

static void change(uint8_t *at) {
  switch (dice(5)) {
    case 0:
      *at ^= (uint8_t)(1u << dice(8));
      break;
    case 1:
      *at = 0;
      break;
    case 2:
      *at = 0xff;
      break;
    default:
      *at = (uint8_t)dice(256);
      break;
  }
}

static const char *damage(const rd_image *image, uint8_t *base) {
  const rd_header *h = &image->head;
  rd_shard *shards = (rd_shard *)(void *)(base + h->shards_at);
  uint64_t regions = h->pool.fresh * sizeof(rd_region);
  uint64_t count = 1 + dice(8);
  switch (dice(11)) {
    case 0:
      while (count-- > 0) change(base + dice(sizeof(rd_header)));
      return "header";
    case 1:
      while (count-- > 0) change(base + h->regions_at + dice(regions));
      return "region table";
    case 2:
      while (count-- > 0) change(base + h->shards_at + dice(DAMAGE_SHARDS * sizeof(rd_shard)));
      return "shards";
    case 3: {
      rd_index *ix = &shards[dice(DAMAGE_SHARDS)].index[dice(2)];
      ix->root = dice(3) == 0 ? dice(UINT64_MAX) : dice(2) == 0 ? h->body_at + dice(image->used) : ix->root + 8;
      return "root of an index";
    }
    case 4: {
      rd_ref page = h->body_at + dice(image->used - h->body_at) / RD_PAGE * RD_PAGE;
      memset(base + page, dice(2) == 0 ? 0 : 0xff, RD_PAGE);
      return "a page";
    }
    case 5: {
      rd_ref from = h->body_at + dice(image->used - h->body_at) / RD_PAGE * RD_PAGE;
      rd_ref to = h->body_at + dice(image->used - h->body_at) / RD_PAGE * RD_PAGE;
      memmove(base + to, base + from, RD_PAGE);
      return "a page of another place";
    }
    case 6:
      for (; count > 0; count--) change(base + a_block(image, base, -1) + dice(4));
      return "heads of blocks";
    case 7: { /* copy another block's reference, so that two refer to it, or to a circle */
      rd_ref one = a_block(image, base, (int)dice(2) == 0 ? RD_SEGMENT : RD_TABLE), two = a_block(image, base, -1);
      uint32_t lo = (uint32_t)(two / RD_GRANULE);
      rd_ref at = one + (dice(3) == 0 ? 16 + dice(100) * 8 : 64 + dice(60) * 64 + dice(10) * 4);
      if (dice(2) == 0)
        memcpy(base + at, &lo, sizeof lo);
      else
        memcpy(base + at, &two, sizeof two);
      return "references";
    }
    case 8: {
      static const int kinds[] = {RD_ITEM,  RD_CHUNK, RD_TABLE, RD_SEGMENT, RD_DIR, RD_OVERFLOW,
                                  RD_GHOST, RD_FREE,  RD_LEAF,  RD_NODE,    RD_BLOB};
      for (; count > 0; count--) change(base + a_block(image, base, kinds[dice(11)]) + 4 + dice(24));
      return "what stands behind the heads of blocks";
    }
    case 9:
      for (; count > 0; count--) change(base + a_block(image, base, RD_SEGMENT) + 64 + dice(4096));
      return "buckets";
    default:
      count *= 40;
      while (count-- > 0) change(base + h->body_at + dice(image->used - h->body_at));
      return "anything";
  }
}

/* ---- trials ---- */

/* In this process: attach the arena, put all of it in doubt, use it. Returns whether it was refused. */
static bool use_in_doubt(const rd_image *image, const char *what) {
  rd_store st;
  char err[300] = "";
  if (rd_attach_alone(&st, image->fd, err, sizeof err) != 0) return true;
  CHECK_INT(rd_worker_join(&st, 0), 0);
  rd_doubt(&st);
  damage_use(&st);
  if (rd_check(&st, err, sizeof err) != 0) CHECK_FAIL("after damage to %s: %s", what, err);
  rd_worker_leave(&st);
  rd_detach(&st);
  return false;
}

static void an_arena_in_doubt_kills_no_process(void) {
  unsigned refused = 0, all = rounds(45);
  rd_image images[] = {damage_image(RD_ALLKEYS_LRU), damage_image(RD_ALLKEYS_S3FIFO), damage_image(RD_NOEVICTION)};
  for (unsigned i = 0; i < all && check_ok; i++) {
    const rd_image *image = &images[i % 3];
    uint8_t *base = damage_lay(image);
    const char *what = damage(image, base);
    munmap(base, image->size);
    alarm(SECONDS);
    refused += use_in_doubt(image, what);
    alarm(0);
  }
  for (int i = 0; i < 3; i++) damage_free(&images[i]);
  printf("    %u arenas, %u refused\n", all, refused);
  CHECK(refused < all / 5 + 1);
}

/* The same in a process of its own, which may die. Returns 0: it ended normally; 1: it died; 2: it hung. */
static int use_elsewhere(const rd_image *image) {
  pid_t pid = fork();
  if (pid == 0) {
    rd_store st;
    char err[300] = "";
    int quiet = getenv("RD_DAMAGE_LOUD") ? 2 : open("/dev/null", O_WRONLY);
    dup2(quiet, 2);
    alarm(SECONDS);
    if (rd_attach_alone(&st, image->fd, err, sizeof err) != 0) _exit(0);
    if (rd_worker_join(&st, 0) < 0) _exit(3);
    damage_use(&st);
    if (rd_check(&st, err, sizeof err) != 0) rd_doubt(&st); /* damage that no command has met yet */
    damage_use(&st);
    int violations = rd_check(&st, err, sizeof err);
    if (violations != 0) printf("    left: %s\n", err);
    fflush(stdout);
    _exit(violations != 0 ? 4 : 0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return 2;
  if (WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 4)) {
    CHECK_FAIL("it ended with status %d", WEXITSTATUS(status));
  }
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void a_damaged_arena_kills_at_most_one_process(void) {
  unsigned all = rounds(36), died = 0, twice = 0, hung = 0, most = 0;
  rd_image images[] = {damage_image(RD_ALLKEYS_LRU), damage_image(RD_ALLKEYS_S3FIFO), damage_image(RD_VOLATILE_LRU)};
  for (unsigned i = 0; i < all && check_ok; i++) {
    const rd_image *image = &images[i % 3];
    uint8_t *base = damage_lay(image);
    const char *what = damage(image, base);
    munmap(base, image->size);
    unsigned deaths = 0;
    for (int end; deaths <= ALLOWED && (end = use_elsewhere(image)) != 0;) {
      deaths++;
      hung += end == 2;
      if (end == 2) printf("    hung: round %u, %s\n", i, what);
    }
    died += deaths > 0;
    twice += deaths > 1;
    if (deaths > most) most = deaths;
    if (deaths > ALLOWED) CHECK_FAIL("round %u: damage to %s killed %u in a row", i, what, deaths);
  }
  for (int i = 0; i < 3; i++) damage_free(&images[i]);
  printf("    %u arenas: %u killed a process, %u two; %u hung\n", all, died, twice, hung);
}

static void an_index_with_an_invalid_root_is_emptied_at_attach(void) {
  rd_image image = damage_image(RD_ALLKEYS_LRU);
  uint8_t *base = damage_lay(&image);
  rd_shard *shards = (rd_shard *)(void *)(base + image.head.shards_at);
  shards[2].index[0].root = 0xdeadbeef00;
  rd_store st;
  char err[300];
  CHECK_INT(rd_attach_alone(&st, image.fd, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&st, 0), 0);
  CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), 1);
  CHECK_INT(shards[2].index[0].count, 0);
  CHECK(shards[1].index[0].count > 100);
  CHECK_INT(st.head->doubt, image.head.doubt + 1); /* there may be more damage than this */
  for (uint32_t i = 0; i < DAMAGE_SHARDS; i++) rd_lock_shard(&st, i);
  rd_unlock_all(&st);
  CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), 1);
  CHECK_INT(rd_check(&st, err, sizeof err), 0);
  munmap(base, image.size);
  rd_detach(&st);
  damage_free(&image);
}

/* A kind has six bits, and those without a row have no meaning. */
static void a_block_of_unknown_kind_empties_its_shard(void) {
  for (unsigned kind = RD_BLOB + 1; kind < RD_KINDS && check_ok; kind += 9) {
    rd_image image = damage_image(RD_ALLKEYS_LRU);
    uint8_t *base = damage_lay(&image);
    rd_blk b, unknown;
    rd_ref at = a_block(&image, base, RD_ITEM);
    memcpy(&b, base + at, sizeof b);
    unknown = RD_BLK(rd_blk_granules(b), rd_blk_prev(b), kind);
    CHECK_INT(rd_blk_granules(unknown), rd_blk_granules(b));
    CHECK_INT(rd_blk_prev(unknown), rd_blk_prev(b));
    CHECK_INT(rd_blk_kind(unknown), kind);
    memcpy(base + at, &unknown, sizeof unknown);
    munmap(base, image.size);
    rd_store st;
    char err[300] = "";
    CHECK_INT(rd_attach_alone(&st, image.fd, err, sizeof err), 0);
    CHECK_INT(rd_worker_join(&st, 0), 0);
    CHECK(rd_check(&st, err, sizeof err) > 0);
    CHECK(strstr(err, "unknown kind") != NULL);
    rd_doubt(&st);
    for (uint32_t i = 0; i < DAMAGE_SHARDS; i++) rd_lock_shard(&st, i);
    rd_unlock_all(&st);
    CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), 1);
    CHECK_INT(rd_check(&st, err, sizeof err), 0);
    rd_detach(&st);
    damage_free(&image);
  }
}

/* Make every overflow bucket refer to itself, or to the bucket that refers to it. */
static unsigned close_circles(rd_store *st, bool itself) {
  unsigned circles = 0;
  for (uint32_t shard = 0; shard < DAMAGE_SHARDS; shard++) {
    for (uint32_t slot = 0; slot < 2; slot++) {
      const rd_index *ix = &st->shards[shard].index[slot];
      for (uint32_t n = 0; n < ix->buckets; n++) {
        rd_bucket *first = rd_index_bucket(st, ix, n), *over = rd_bucket_next(st, first);
        if (over == NULL) continue;
        over->bits |= RD_BUCKET_OVERFLOW;
        over->tag[RD_BUCKET_SLOTS - 1] = 0;
        rd_ref at = rd_ref_of(st, itself ? over : first) - sizeof(rd_index_block);
        rd_entry_set_ref(over, RD_BUCKET_SLOTS - 1, at);
        circles++;
      }
    }
  }
  return circles;
}

/* No other process would end one that follows a circle for ever, and no shard is verified without a reason. */
static void a_circular_chain_is_left_and_its_shard_verified(void) {
  static const char *const says[] = {"SET absent:%u x\r\n", "GET absent:%u\r\n", "SCAN 0 COUNT 100%u\r\n",
                                     "KEYS *%u\r\n", "FLUSHDB\r\nPING %u\r\n"};
  static const rd_policy policies[] = {RD_ALLKEYS_LRU, RD_NOEVICTION, RD_ALLKEYS_S3FIFO};
  for (unsigned i = 0; i < sizeof says / sizeof *says * 6 && check_ok; i++) {
    rd_image image = damage_image(policies[i % 3]);
    munmap(damage_lay(&image), image.size);
    rd_store st;
    char err[300] = "";
    CHECK_INT(rd_attach_alone(&st, image.fd, err, sizeof err), 0);
    CHECK_INT(rd_worker_join(&st, 0), 0);
    unsigned circles = close_circles(&st, i / 3 % 2 == 0);
    CHECK(circles > 10);
    st.now_ms = DAMAGE_MS + 2000000; /* keys with an expiry have expired */
    alarm(SECONDS);
    rd_session *s = damage_session(&st);
    if (i % 2 == 0) rd_retain_begin(&st, true);
    for (unsigned n = 0; n < 3000; n++) {
      int len = snprintf(damage_request, sizeof damage_request, says[i / 6], n);
      damage_say(s, st.now_ms, damage_request, (size_t)len);
      if (n % 50 == 0) rd_retain_end(&st); /* then it locks and verifies the shards that it needs */
    }
    rd_retain_end(&st);
    rd_session_free(s);
    for (unsigned n = 0; n < 2000; n++) rd_sweep(&st, 0, DAMAGE_SHARDS, 0);
    rd_check(&st, err, sizeof err); /* damage that no command has met */
    rd_doubt(&st);
    CHECK_INT(rd_check(&st, err, sizeof err), 0);
    if (!check_ok) printf("    round %u: %s\n", i, err);
    CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), DAMAGE_SHARDS);
    alarm(0);
    rd_detach(&st);
    damage_free(&image);
  }
}

/* A process that died while it held a shard leaves it suspect; a whole shard is kept. */
static void a_shard_whose_owner_died_is_verified(void) {
  for (int damaged = 0; damaged < 2; damaged++) {
    for (int others = 0; others < 2; others++) {
      rd_image image = damage_image(RD_ALLKEYS_LRU);
      munmap(damage_lay(&image), image.size);
      rd_store st, again;
      char err[300];
      CHECK_INT(rd_attach_alone(&st, image.fd, err, sizeof err), 0);
      CHECK_INT(rd_worker_join(&st, 0), 0);
      pid_t pid = fork();
      if (pid == 0) {
        if (rd_attach(&again, image.fd, err, sizeof err) != 0 || rd_worker_join(&again, 1) < 0) _exit(2);
        rd_lock_shard(&again, 1);
        if (damaged) again.shards[1].index[0].with_ttl += 5;
        kill(getpid(), SIGKILL);
      }
      waitpid(pid, NULL, 0);
      uint32_t keys = st.shards[1].index[0].count;
      rd_store *next = &st;
      if (!others) {
        rd_worker_leave(&st);
        rd_detach(&st);
        CHECK_INT(rd_attach_alone(&again, image.fd, err, sizeof err), 0);
        next = &again;
      }
      for (uint32_t i = 0; i < DAMAGE_SHARDS; i++) rd_lock_shard(next, i);
      rd_unlock_all(next);
      CHECK_INT(next->shards[1].index[0].count, damaged ? 0 : keys);
      CHECK_INT(rd_counter(next, RD_STAT_shards_lost), damaged);
      CHECK_INT(next->head->doubt, damaged || !others); /* only a process that was there can know the cause of death */
      CHECK_INT(rd_check(next, err, sizeof err), 0);
      rd_detach(next);
      damage_free(&image);
    }
  }
}

/* The process dies while it verifies the shard: then the shard is emptied without another verification. */
static void an_unverifiable_shard_is_emptied(void) {
  rd_image image = damage_image(RD_ALLKEYS_LRU);
  munmap(damage_lay(&image), image.size);
  rd_store st;
  char err[300];
  CHECK_INT(rd_attach_alone(&st, image.fd, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&st, 0), 0);
  pid_t pid = fork();
  if (pid == 0) {
    rd_store own;
    if (rd_attach(&own, image.fd, err, sizeof err) != 0 || rd_worker_join(&own, 1) < 0) _exit(2);
    rd_lock_shard(&own, 1);
    rd_suspect(&own, 1);
    rd_unlock_shard(&own, 1);
    rd_ref root = own.shards[1].index[0].root / RD_PAGE * RD_PAGE;
    munmap(own.base + root, RD_PAGE); /* as a page that the system does not have */
    signal(SIGSEGV, SIG_DFL);
    rd_lock_shard(&own, 1);
    _exit(0);
  }
  int status;
  waitpid(pid, &status, 0);
  CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
  rd_lock_shard(&st, 1);
  CHECK_INT(st.shards[1].index[0].count, 0);
  CHECK_INT(st.shards[1].dirty, 0);
  rd_unlock_all(&st);
  CHECK_INT(rd_check(&st, err, sizeof err), 0);
  rd_detach(&st);
  damage_free(&image);
}

/* The sweep verifies shards that no client uses. */
static void the_sweep_verifies_all_shards_in_doubt(void) {
  rd_image image = damage_image(RD_ALLKEYS_LRU);
  munmap(damage_lay(&image), image.size);
  rd_store st;
  char err[300];
  CHECK_INT(rd_attach_alone(&st, image.fd, err, sizeof err), 0);
  CHECK_INT(rd_worker_join(&st, 0), 0);
  st.shards[3].index[1].count++;
  rd_doubt(&st);
  st.now_ms = DAMAGE_MS;
  for (int i = 0; i < 10000 && rd_counter(&st, RD_STAT_shards_lost) == 0; i++) rd_sweep(&st, 0, DAMAGE_SHARDS, 0);
  CHECK_INT(st.shards[3].index[1].count, 0);
  for (uint32_t i = 0; i < DAMAGE_SHARDS; i++) {
    while (rd_in_doubt(&st, &st.shards[i])) rd_sweep(&st, 0, DAMAGE_SHARDS, 0);
  }
  CHECK_INT(rd_counter(&st, RD_STAT_shards_lost), 1);
  CHECK_INT(rd_check(&st, err, sizeof err), 0);
  rd_detach(&st);
  damage_free(&image);
}

int main(void) {
  RUN(an_index_with_an_invalid_root_is_emptied_at_attach);
  RUN(a_block_of_unknown_kind_empties_its_shard);
  RUN(a_circular_chain_is_left_and_its_shard_verified);
  RUN(a_shard_whose_owner_died_is_verified);
  RUN(an_unverifiable_shard_is_emptied);
  RUN(the_sweep_verifies_all_shards_in_doubt);
  RUN(an_arena_in_doubt_kills_no_process);
  RUN(a_damaged_arena_kills_at_most_one_process);
  return check_end();
}
