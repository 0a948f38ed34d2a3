/* subscribed.h - the subscriptions of this process's clients, and the delivery of messages to them.
 *
 * A name that a client subscribes to is a topic, in private memory, with its entry in the worker's roll (arena/roll.h)
 * and its clients. A message to another worker is a record in that worker's ring, or several if it is large; the
 * receiver joins them.
 *
 * Counting and sending are one step under the rolls' lock, and so are a change of a subscription and the reading of the
 * own ring before it. So each message that was counted for a client reaches it before its UNSUBSCRIBE is confirmed,
 * and no message from before a SUBSCRIBE reaches it. If only this worker has subscribers there is no lock to take. */
#ifndef RD_SUBSCRIBED_H
#define RD_SUBSCRIBED_H

#include "arena/ring.h"
#include "arena/roll.h"
#include "session/session.h"
#include "wire/reply.h"

/* python: begin */

#define RD_MAX_SUBSCRIPTIONS 65536u /* names of one client */
/* Bytes of messages that wait here for room in one ring, besides the last one. */
#define RD_MESSAGES_KEPT (64u << 20)

/* End all subscriptions of a session, and its tracking: it gets no more messages. Takes the lock itself. Messages that
 * wait in the ring are delivered before. */
void rd_unsubscribe_all(rd_session *s);
/* The number of names of a kind that the session subscribes to. */
uint32_t rd_session_subscriptions(const rd_session *s, rd_roll_kind kind);
/* Write the names of channels of a kind that clients of this process subscribe to, each behind its length (four bytes),
 * as far as they fit; start with *next 0. Returns the bytes written, and sets *next to where the next call goes on;
 * 0: there are no more. */
size_t rd_subscribed_names(const rd_store *st, rd_roll_kind kind, uint8_t *dst, size_t cap, uint32_t *next);
/* Messages to this worker that were lost since the last call, since it did not read its ring for long: true. All its
 * subscribers have been ended, as if they had overflowed. */
bool rd_subscribed_lost(rd_store *st);

/* python: end */

typedef struct rd_topic rd_topic;
typedef struct rd_link rd_link;

/* Its hand-over to another worker: moved.h. */
typedef struct rd_moving {
  uint64_t number; /* identifies it; 0: there is none */
  uint32_t slot;   /* the giver: its place in rd_roll.moving */
  uint32_t giver;  /* the taker: the block that gives it */
  bool waits;      /* the taker: the giver has not sent all yet */
  size_t saved;    /* the giver: the bytes of output that were saved with it */
} rd_moving;

/* The subscriptions of one session. */
typedef struct rd_subscribed {
  rd_link **links; /* in no order */
  uint32_t count, cap;
  rd_link **set; /* the same by topic: open addressing, a power of two of places, at most half of them used */
  uint32_t places;
  uint32_t kinds[RD_ROLL_KINDS];
  uint64_t bytes;      /* the memory of the names and of these arrays */
  rd_reply kept;       /* messages that wait for the end of a reply: pushed.h */
  uint64_t pushed;     /* bytes of messages since all output was sent, of a session that subscribes to nothing */
  uint64_t soft_since; /* milliseconds; 0: the output is not above the soft limit */
  bool ended;          /* over a limit, or handed over: it gets no more */
  uint64_t caught_up;  /* the last message of the backlog that came when it had all that are due to it */
  rd_moving move;
  rd_session *next, *before; /* all subscribers of this process */
} rd_subscribed;

typedef enum rd_subscribing { RD_SUBSCRIBED, RD_ALREADY, RD_NO_ROOM } rd_subscribing;

/* Take the lock for changes of subscriptions, and deliver what has been published before. False: see rd_rolls_lock. */
bool rd_subscribed_begin(rd_store *st, bool wait);
rd_subscribing rd_subscribe(rd_session *s, rd_roll_kind kind, rd_bytes name);
bool rd_unsubscribe(rd_session *s, rd_roll_kind kind, rd_bytes name); /* false: it did not subscribe */
/* The name of one of its subscriptions of a kind; its data is NULL: there is none. Valid until it is ended. */
rd_bytes rd_subscribed_any(const rd_session *s, rd_roll_kind kind);
/* As rd_unsubscribe_all, under the lock; the session stays among the subscribers. With `counted` false another worker
 * has taken them from the roll's counts already. */
void rd_subscribed_clear(rd_session *s, bool counted);
/* The state that messages to a session need, made when it is missing; NULL: no memory. */
rd_subscribed *rd_subscribed_of(rd_session *s);
void rd_subscribed_to_front(rd_session *s); /* of the store's list of subscribers */
/* The name of the subscription `i` below the session's count, and its kind. */
rd_bytes rd_subscribed_at(const rd_session *s, uint32_t i, rd_roll_kind *kind);

/* Publish to a channel or a shard channel. Returns false if the lock is held by another process for too long, or too
 * many messages wait to be delivered; with `wait` it waits instead. *count is the number of receivers. */
bool rd_publish(rd_store *st, rd_roll_kind kind, rd_bytes channel, rd_bytes message, bool wait, uint64_t *count);
/* Read a record of another worker. */
void rd_subscribed_read(rd_store *st, const rd_record *record);

#endif
