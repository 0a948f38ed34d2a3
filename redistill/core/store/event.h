/* event.h - changes of keys, named like Redis's keyspace events, and the listener that the store calls for them.
 *
 * Every change of a key goes through rd_touched (internal.h); an event without a change goes through rd_notify. Both
 * call the one listener of this process, if any, from which messages, invalidations and wake-ups of blocked clients
 * come. Without a listener they only test one word, and compose no event. */
#ifndef RD_EVENT_H
#define RD_EVENT_H

#include "store/store.h"

/* True for an event of a stream's groups: for WATCH and for caches the key has not changed. */
static inline bool rd_event_is_of_group(rd_key_event event) { return event >= RD_EVENT_XGROUP_CREATE; }

/* The classes, with their letters in `notify-keyspace-events`; the letter `A` there is all but m and n. */
enum {
  RD_CLASS_GENERIC = 1 << 0,  /* g */
  RD_CLASS_STRING = 1 << 1,   /* $ */
  RD_CLASS_LIST = 1 << 2,     /* l */
  RD_CLASS_SET = 1 << 3,      /* s */
  RD_CLASS_HASH = 1 << 4,     /* h */
  RD_CLASS_ZSET = 1 << 5,     /* z */
  RD_CLASS_EXPIRED = 1 << 6,  /* x */
  RD_CLASS_EVICTED = 1 << 7,  /* e */
  RD_CLASS_STREAM = 1 << 8,   /* t */
  RD_CLASS_MODULE = 1 << 9,   /* d */
  RD_CLASS_MISS = 1 << 10,    /* m */
  RD_CLASS_NEW = 1 << 11,     /* n */
  RD_CLASS_UNNAMED = 1 << 12, /* no letter: changes that Redis publishes no event for */
  RD_CLASSES = (1 << 13) - 1, /* all of them */
};
#define RD_CLASS_LETTERS "g$lshzxetdmn" /* the letters of bit 0, 1, ... */

const char *rd_event_name(rd_key_event event); /* "set", "rename_from"; "" for RD_EVENT_NONE */
uint32_t rd_event_class(rd_key_event event);   /* one bit */

/* The event that a listener gets. RD_EVENT_FLUSHED has no key: databases were flushed or swapped. A key of more than
 * 4,096 bytes is stored in pieces: then `key` is NULL, unless the running command has it as an argument. */
typedef struct rd_change {
  rd_key_event event;
  unsigned db;
  uint32_t key_len;
  const uint8_t *key;
  uint64_t hash;
  const rd_item *item; /* set when `key` is NULL */
} rd_change;
/* Copy the key to `dst`. */
void rd_change_key(rd_store *st, const rd_change *change, void *dst);

/* Called in the middle of commands and of the sweep, with the key's shard locked: it must be quick, and may call
 * only rd_change_key on the store. The change is invalid after it returns. */
typedef void rd_listener(void *arg, rd_store *st, const rd_change *change);
/* Set the listener of this process for events of these classes; 0: no listener. It replaces the previous one. */
void rd_listen(rd_store *st, uint32_t classes, rd_listener *listener, void *arg);

#endif
