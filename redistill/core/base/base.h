/* base.h - basic definitions that every file of the core uses.
 *
 * The core includes no Python.h, reads no clock, logs nothing and has no mutable globals. */
#ifndef RD_BASE_H
#define RD_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RD_LIKELY(x) __builtin_expect(!!(x), 1)
#define RD_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define RD_PREFETCH(p) __builtin_prefetch((p))
#define RD_PREFETCH_WRITE(p) __builtin_prefetch((p), 1)
#if defined(__x86_64__)
#define RD_RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RD_RELAX() __asm__ volatile("isb")
#else
#define RD_RELAX() ((void)0)
#endif
/* Blocks of so many bytes are mapped by the C library (rd_host_bound_heap): they grow without being copied. */
#define RD_MAPPED_FROM (4u << 20)
#define RD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* python: begin */
/* Bounds on what a client may send. Each has a test at N and at N + 1. */
#define RD_MAX_INLINE 65536u               /* bytes of an inline command's line, and of any header line */
#define RD_MAX_ARGS 1048576u               /* arguments of one command */
#define RD_MAX_BULK (512ull * 1024 * 1024) /* bytes of one argument, and of a value */
#define RD_MAX_KEY (1024u * 1024)          /* bytes of a key */
#define RD_MAX_ARGS_NOAUTH 10u             /* the same, before authentication */
#define RD_MAX_BULK_NOAUTH 16384u

/* A command of the control plane is copied out of the core, and each of its arguments costs as much there as a whole
 * command costs in the core. */
#define RD_MAX_CONTROL_ARGS 4096u                 /* arguments of a command */
#define RD_MAX_CONTROL_LIST 131072u               /* arguments of a command that takes long lists (flag RD_LISTS) */
#define RD_MAX_CONTROL_BYTES (4u * 1024u * 1024u) /* bytes of all arguments together */
/* The bound on all such commands of a transaction together, since a transaction holds up other clients until it
 * ends. */
#define RD_MAX_CONTROL_ARGS_QUEUED 128u
#define RD_MAX_CONTROL_BYTES_QUEUED 65536u
/* The part of an unknown or denied command that is passed to the control plane, for the error that quotes it. */
#define RD_MAX_QUOTED_ARGS 64u
#define RD_MAX_QUOTED_BYTES 1024u /* bytes of each argument */

#define RD_HLL_SPARSE_MAX 3000u /* bytes of a HyperLogLog that grows and is sparse, by default */

#define RD_DATABASES 16u

/* A reference into the arena: a byte offset from its start. 0 refers to nothing. */
typedef uint64_t rd_ref;

/* A stretch of bytes, owned elsewhere. */
typedef struct rd_bytes {
  const uint8_t *data;
  size_t len;
} rd_bytes;
/* python: end */

/* Unaligned loads and stores in the byte order of the host; an arena is not moved between machines. */
static inline uint16_t rd_ld16(const void *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline uint32_t rd_ld32(const void *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline uint64_t rd_ld64(const void *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}
/* True if memcmp(a, b, n) == 0, for short runs of bytes, without a call: 8 to 16 bytes are two words that may
 * overlap. */
static inline bool rd_same(const uint8_t *a, const uint8_t *b, size_t n) {
  for (; n > 16; n -= 8, a += 8, b += 8) {
    if (rd_ld64(a) != rd_ld64(b)) return false;
  }
  if (n >= 8) return ((rd_ld64(a) ^ rd_ld64(b)) | (rd_ld64(a + n - 8) ^ rd_ld64(b + n - 8))) == 0;
  if (n >= 4) return ((rd_ld32(a) ^ rd_ld32(b)) | (rd_ld32(a + n - 4) ^ rd_ld32(b + n - 4))) == 0;
  for (; n > 0; n--) {
    if (a[n - 1] != b[n - 1]) return false;
  }
  return true;
}
/* `n` rounded up to a multiple of `unit`. */
static inline uint64_t rd_round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }
static inline void rd_st32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void rd_st64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

#endif
