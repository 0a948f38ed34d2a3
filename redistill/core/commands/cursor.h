/* cursor.h - what SCAN and the scans of collections share: the cursor and the options. */
#ifndef RD_CURSOR_H
#define RD_CURSOR_H

#include "base/glob.h"
#include "command/call.h"

/* A pattern of KEYS and of MATCH. */
typedef struct rd_pattern {
  rd_bytes text;
  bool all; /* everything matches: it is a lone star, or there is none */
} rd_pattern;

rd_pattern rd_pattern_of(rd_bytes text);
static inline bool rd_pattern_matches(const rd_pattern *p, rd_bytes text) {
  return p->all || rd_glob(p->text, text, false);
}

/* The same for an element of a collection. Without memory for a copy of it, the reply fails. */
bool rd_pattern_matches_element(rd_call *call, const rd_pattern *p, const uint8_t *element);

typedef struct rd_scan_options {
  uint64_t count; /* the approximate number of keys or elements to look at: 1 to RD_SCAN_MOST */
  rd_pattern match;
  bool no_values;       /* HSCAN's NOVALUES */
  const rd_bytes *type; /* SCAN's TYPE; NULL: any type */
} rd_scan_options;

/* The most keys or elements that one call looks at before other clients get their turn, whatever COUNT says. */
#define RD_SCAN_MOST 100000u

/* Words that not every scan has. */
enum { RD_SCAN_TYPE = 1, RD_SCAN_NOVALUES = 2 };

/* Parse a cursor. False after an error reply. */
bool rd_parse_cursor(rd_call *call, rd_bytes text, uint64_t *cursor);
/* Parse the options from argv[from] on; of those words only the ones in `words` are known. False after an error
 * reply. */
bool rd_parse_scan(rd_call *call, uint32_t from, unsigned words, rd_scan_options *options);
/* Put the head of a scan's reply before the array that begins at `at`: the cursor is known only afterwards. */
void rd_insert_cursor(rd_reply *out, size_t at, uint64_t cursor);

#endif
