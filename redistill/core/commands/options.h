/* options.h - options that several commands share: an expiry, and a condition that the key or its value must meet. */
#ifndef RD_OPTIONS_H
#define RD_OPTIONS_H

#include "command/call.h"

/* ---- EX seconds, PX milliseconds, EXAT seconds, PXAT milliseconds ---- */

typedef enum rd_expiry_unit {
  RD_NO_UNIT,
  RD_IN_SECONDS,
  RD_IN_MILLISECONDS,
  RD_AT_SECONDS,
  RD_AT_MILLISECONDS
} rd_expiry_unit;

/* The unit that the word stands for; RD_NO_UNIT: it is none of these words. */
rd_expiry_unit rd_expiry_unit_of(rd_bytes word);
/* Parse an expiry into milliseconds since the epoch; false after an error reply. A time that has passed is allowed:
 * the key then expires at once. */
bool rd_parse_expiry(rd_call *c, rd_bytes arg, rd_expiry_unit unit, int64_t *out);

/* ---- conditions ---- */

typedef enum rd_condition_kind {
  RD_ALWAYS,
  RD_IF_ABSENT,       /* NX */
  RD_IF_PRESENT,      /* XX */
  RD_IF_EQUAL,        /* IFEQ value */
  RD_IF_UNEQUAL,      /* IFNE value; an absent key meets it */
  RD_IF_DIGEST,       /* IFDEQ digest */
  RD_IF_OTHER_DIGEST, /* IFDNE digest; an absent key meets it */
} rd_condition_kind;

typedef struct rd_condition {
  rd_condition_kind kind;
  rd_bytes value; /* the argument of the last four */
} rd_condition;

/* The condition that the word stands for, if it is one of the last four; else RD_ALWAYS. */
rd_condition_kind rd_comparison_of(rd_bytes word);
/* True if a digest that the condition has is one; false after an error reply. */
bool rd_check_condition(rd_call *c, const rd_condition *condition);
/* True if the string `it` meets the condition; NULL: the key does not exist. Calls rd_yield. */
bool rd_meets(rd_call *c, const rd_condition *condition, const rd_item *it);
/* The bytes of the string that rd_meets will read. */
uint64_t rd_condition_reads(const rd_condition *condition, const rd_item *it);

/* The digest of a string: its XXH3 in 16 hexadecimal digits. Calls rd_yield. */
#define RD_DIGEST_LEN 16u
void rd_digest(rd_store *st, const rd_item *it, char text[RD_DIGEST_LEN]);

/* ---- the options of SET and MSETEX ---- */

typedef struct rd_set_options {
  rd_condition condition;
  bool get, keep; /* GET, KEEPTTL */
  rd_expiry_unit unit;
  const rd_bytes *time; /* the argument in units of `unit` */
} rd_set_options;

/* Parse argv[from ...]; false after an error reply. `one`: the command sets one key, so GET and the conditions on its
 * value are options, too. */
bool rd_parse_set_options(rd_call *c, uint32_t from, bool one, rd_set_options *o);
/* The expiry that the options stand for: for rd_set. false after an error reply. */
bool rd_expiry_of_options(rd_call *c, const rd_set_options *o, int64_t *expiry);

#endif
