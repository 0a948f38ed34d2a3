/* delivery.h - a message in the form in which clients get it; for delivery.c and backlog.c. */
#ifndef RD_DELIVERY_H
#define RD_DELIVERY_H

#include "session/pushed.h"
#include "session/topics.h"

typedef struct rd_message {
  rd_roll_kind kind;
  rd_bytes channel, part[2];
  uint64_t number; /* UINT64_MAX: it is published in this process, now */
} rd_message;

/* The form for one topic's clients. */
typedef struct rd_form {
  uint8_t small[4096];
  uint8_t *words; /* what stands before the text */
  rd_push push;
} rd_form;

/* False: no memory. */
bool rd_form_begin(rd_form *f, const rd_topic *t, const rd_message *m);
void rd_form_end(rd_form *f);

#endif
