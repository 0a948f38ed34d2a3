/* events.h - publishes the events of keys (store/event.h): `notify-keyspace-events`.
 *
 * An event is noted while its command runs, since the key's value is in the middle of its change then, and is published
 * before the lock of a shard is released: so for one key all subscribers of all workers see the order of its changes.
 * `__keyspace@db__:key` gets the event's name (K), then `__keyevent@db__:event` gets the key (E).
 *
 * While no client of any worker subscribes to anything, no event is noted, and a command pays for two tests. */
#ifndef RD_EVENTS_H
#define RD_EVENTS_H

#include "store/event.h"

/* python: begin */

#define RD_NOTIFY_KEYSPACE (1u << 30) /* K */
#define RD_NOTIFY_KEYEVENT (1u << 31) /* E */

/* Set what all processes publish: classes of events, and K or E or both. */
void rd_set_notify(rd_store *st, uint32_t what);
/* Note the events of what follows as they are wanted now; a session does it when it is fed or resumed. */
void rd_events_begin(rd_store *st);
/* The class with this letter in `notify-keyspace-events`; 0: none. */
uint32_t rd_event_letter(char letter);

/* python: end */

/* Publish the events that are noted, if any. */
void rd_events_publish(rd_store *st);

#endif
