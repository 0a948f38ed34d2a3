/* topics.h - the names that clients of this process subscribe to; for subscribed.c and delivery.c. */
#ifndef RD_TOPICS_H
#define RD_TOPICS_H

#include "session/subscribed.h"

/* A name, and the sessions that subscribe to it. */
struct rd_topic {
  rd_bytes name;
  uint32_t entry;   /* in the roll */
  uint32_t text;    /* a pattern: the place of its text in the roll */
  uint32_t pattern; /* a pattern: its index in rd_topics.patterns */
  uint32_t count, cap;
  rd_link **links;
  uint8_t kind;
  uint8_t bytes[];
};

struct rd_link {
  rd_session *session;
  rd_topic *topic;
  uint32_t at_topic, at_session; /* its index in the arrays of both */
  uint64_t since;                /* rd_header.published when it began: older records are not for it */
  uint64_t given;                /* the last message of the backlog that it had, or that came before it */
};

/* The parts of a message that have come from one worker. They count with the buffers of clients. */
typedef struct rd_parts {
  uint8_t *data;
  size_t len, total; /* 0: no message has begun */
} rd_parts;

/* Messages that are delivered in slices: backlog.h. */
typedef struct rd_delivery rd_delivery;
typedef struct rd_backlog {
  rd_delivery *first, *last; /* the oldest first */
  uint64_t serial;           /* counts them */
  size_t bytes;
  uint32_t count;
} rd_backlog;

typedef struct rd_topics {
  rd_topic **at; /* by their entries in the roll */
  uint32_t cap;
  rd_topic **patterns;
  uint32_t pattern_count, patterns_cap;
  uint64_t links; /* of all topics */
  rd_parts from[RD_MAX_WORKERS];
  rd_backlog backlog;
} rd_topics;

/* The topic with this name, whose hash includes its kind; NULL: no session of this process subscribes to it. */
rd_topic *rd_topic_find(const rd_store *st, uint64_t hash, rd_bytes name);

/* The link of a session to a topic; NULL: it does not subscribe to it. */
rd_link *rd_topic_link(const rd_subscribed *sub, const rd_topic *t);
/* Forget the parts that have come from a worker. */
void rd_parts_drop(rd_store *st, rd_parts *p);

#endif
