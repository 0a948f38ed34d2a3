/* backlog.h - messages that take long to deliver: they are large, or have many receivers.
 *
 * Such a message is copied once, and delivered in slices between which the loop serves other clients. Nobody sees that:
 * before a client's command is executed, before it gets a later message, and before one of its subscriptions ends or
 * moves to another worker, the client gets the messages that are due to it. So a message still comes before the reply
 * to any command that was sent after it was published, and the messages of one publisher come in their order.
 *
 * At most RD_BACKLOG bytes wait. Beyond that PUBLISH is tried again later, or, where it cannot be, delivers older
 * messages first. They count with the buffers of clients. */
#ifndef RD_BACKLOG_H
#define RD_BACKLOG_H

#include "session/delivery.h"

#define RD_BACKLOG (64u << 20)

/* True if a message may take long when all these links have it. */
bool rd_backlog_may_be_long(const rd_message *m, uint64_t links);
/* Keep a message for its `receivers`, if it takes long. False: deliver it at once. */
bool rd_backlog_add(rd_store *st, uint64_t hash, const rd_message *m, uint64_t receivers);
bool rd_backlog_is_full(const rd_store *st);
/* python: begin */
bool rd_backlog_waits(const rd_store *st);
/* Deliver a slice, of a few milliseconds. The loop calls it, and the owner of sessions that no loop serves. */
void rd_backlog_go_on(rd_store *st);
/* python: end */
/* Push what is due to a session. */
void rd_backlog_catch_up(rd_session *s);
/* No session subscribes any more. */
void rd_backlog_forget(rd_store *st);

#endif
