/* fuzz_arena.c - the invariant: an arena with any bytes changed is refused, or it serves: once it is in doubt, no
 * process dies of it, whatever is done to its keys, and at the end its own check passes.
 *
 * Input: a byte that chooses the policy, then changes of ten bytes each: an offset among the bytes in use (five bytes,
 * little-endian), the number of bytes to change (1 to 4), and the bytes to combine with them by XOR. */
#include "damage.h"
#include "store/check.h"
#include "store/run.h"

static void expect(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

/* An offset among the bytes with contents: all but the workers' blocks. */
static uint64_t place_of(const rd_image *image, uint64_t n) {
  uint64_t tables = image->head.workers_at, body = image->used - image->head.regions_at;
  n %= tables + body;
  return n < tables ? n : image->head.regions_at + (n - tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static rd_image images[3];
  static const rd_policy policies[3] = {RD_ALLKEYS_LRU, RD_ALLKEYS_S3FIFO, RD_NOEVICTION};
  if (size < 1) return 0;
  rd_image *image = &images[data[0] % 3];
  if (image->bytes == NULL) *image = damage_image(policies[data[0] % 3]);
  uint8_t *base = damage_lay(image);
  for (size_t at = 1; at + 10 <= size; at += 10) {
    uint64_t place = 0;
    memcpy(&place, data + at, 5);
    for (unsigned i = 0; i < 1u + data[at + 5] % 4; i++) base[place_of(image, place + i)] ^= data[at + 6 + i];
  }
  munmap(base, image->size);
  rd_store st;
  char err[300] = "";
  if (rd_attach_alone(&st, image->fd, err, sizeof err) != 0) return 0;
  expect(rd_worker_join(&st, 0) == 0, "no worker slot");
  rd_doubt(&st);
  damage_use(&st);
  expect(rd_check(&st, err, sizeof err) == 0, err);
  rd_worker_leave(&st);
  rd_detach(&st);
  return 0;
}
