/* tracking.h - client-side caching (CLIENT TRACKING): tells clients that a key which they have read has changed.
 *
 * Reads. A session that tracks notes the keys of each read-only command (readers.h). They are put into the filter of
 * this worker (arena/tracked.h) before the command runs, so before the keys' shards are locked: whoever changes a key
 * later finds it there. They are noted when the command has run, so that the expiry of a key that it met is no change;
 * a command that pauses notes them before, since the ring is read while it pauses. Clients in BCAST mode note nothing;
 * they name prefixes.
 *
 * Changes. The listener for events (events.h) calls rd_tracking_note for every change, under the lock of the key's
 * shard. Clients of this process are told at once, behind the reply of the command that runs; each other worker whose
 * filter has the key gets RD_RECORD_CHANGED before the shard is unlocked. So a message comes before the reply to
 * anything that its client sends after the change was confirmed. A flushed or swapped database, an emptied shard, the
 * death of a worker, and a record that finds no room invalidate everything: clients get null.
 *
 * BCAST. The keys are collected for each prefix and sent at the end of a turn, or when they are many.
 *
 * REDIRECT. The client with that id subscribes, in its own worker, to a topic of the kind RD_REDIRECT, and messages
 * are published to it. So they reach it wherever it is, also while it is handed over, and in order. When nobody
 * subscribes to the topic the client has gone: `tracking-redir-broken`.
 *
 * The limits of the class `pubsub` hold for the bytes of messages that such a client leaves unread. */
#ifndef RD_TRACKING_H
#define RD_TRACKING_H

#include "command/call.h"
#include "session/session.h"

/* python: begin */

typedef enum rd_tracking_flag {
  RD_TRACKING_ON = 1 << 0,
  RD_TRACKING_BCAST = 1 << 1,
  RD_TRACKING_OPTIN = 1 << 2,
  RD_TRACKING_OPTOUT = 1 << 3,
  RD_TRACKING_NOLOOP = 1 << 4,
  RD_TRACKING_CACHING = 1 << 5, /* CLIENT CACHING was called for the next command */
  RD_TRACKING_BROKEN = 1 << 6,  /* the client of REDIRECT has gone */
} rd_tracking_flag;

/* CLIENT TRACKING ON: `flags` of BCAST, OPTIN, OPTOUT and NOLOOP; `redirect` is a client's id or 0. The prefixes are
 * added; they are distinct, in ascending order, and none of them is one of the session's already. False: no memory,
 * and nothing is changed. */
bool rd_tracking_on(rd_session *s, uint32_t flags, uint64_t redirect, const rd_bytes *prefixes, uint32_t n);
void rd_tracking_off(rd_session *s);
uint32_t rd_tracking_flags(const rd_session *s);    /* 0: it does not track */
uint64_t rd_tracking_redirect(const rd_session *s); /* 0: itself */
uint32_t rd_tracking_prefix_count(const rd_session *s);
rd_bytes rd_tracking_prefix(const rd_session *s, uint32_t i);
/* CLIENT CACHING: the next command is, or is not, tracked. */
void rd_tracking_caching(rd_session *s);
/* The session is to get the messages of others that name it in REDIRECT. False: no memory. */
bool rd_tracking_receive(rd_session *s);
/* Send what clients are to be told. The loop does it each turn. */
void rd_tracking_flush(rd_store *st);
bool rd_tracking_waits(const rd_store *st); /* True if it would send something. */
/* `tracking-table-max-keys`; 0: no limit. Each process sets it for itself. */
void rd_set_tracking_limit(rd_store *st, uint64_t keys);

/* python: end */

struct rd_change;
struct rd_record;

/* Before a call runs: from now on this process hears of changes of the keys that it reads. Then note these keys, before
 * the ring is read. */
void rd_tracking_prepare(const rd_call *call);
void rd_tracking_read(const rd_call *call);
/* A count that changes whenever a note was taken out of the table. */
uint64_t rd_tracking_removals(const rd_store *st);
/* For the listener: a key has changed; and before the shard is unlocked. */
void rd_tracking_note(rd_store *st, const struct rd_change *change);
void rd_tracking_release(rd_store *st);
/* Read RD_RECORD_CHANGED or RD_RECORD_FLUSHED. */
void rd_tracking_hear(rd_store *st, const struct rd_record *record);
/* Deliver a message of another client to the one that REDIRECT names: keys as an array of RESP, or nothing for null. */
void rd_tracking_deliver(rd_session *s, rd_bytes a, rd_bytes b);
/* A command of a session that tracks, or did, has ended. */
void rd_tracking_end_command(rd_session *s);
/* Everything that the session's client has is invalid. */
void rd_tracking_forget(rd_session *s);
/* The session is about to be freed. */
void rd_tracking_end(rd_session *s);

#endif
