/* One record on its way through the pipeline: its memory, and what is made of it: a ruling of the
 * live policy, and one of the shadow policy where there is one. Loop thread. */
#ifndef RBR_PIPELINE_ITEM_H
#define RBR_PIPELINE_ITEM_H

#include "pipeline/ruling.h"
#include "stream/source.h"

struct judging;
struct partition;

struct item {
    struct judging *judging;
    struct partition *partition; /* NULL: the assignment ended while a judge worked on it */
    struct record_origin origin;
    int64_t received_us; /* monotonic */
    int64_t received_ms; /* wall */
    size_t bytes; /* charged to the memory budget */
    struct record *record; /* NULL when the messages are made */
    struct str key, traceparent; /* of the input; key.p == NULL: none */
    struct ruling live;
    struct ruling *shadow; /* NULL: none, it gets one message */
    unsigned awaited; /* rulings that are still to come */
    struct item *next; /* free list, or orphans */
    struct item **link; /* orphans: what points to this */
    int64_t until_us; /* orphans: then it is cancelled */
};

void item_init(struct item *it, size_t arena_bytes);
void item_reset(struct item *it); /* ready for another record; keeps some memory */
void item_done(struct item *it);

/* Takes the record in, with the key and traceparent that its message needs; false: `ret_refusal`
 * says why it is none. */
bool item_decode(struct item *it, const struct source_record *in,
                 const struct record_limits *limits, struct refusal *ret_refusal) RBR_MUST_CHECK;

/* Until when it is wanted, as it says itself; CLOCK_NEVER when it does not. */
int64_t item_expires_us(const struct item *it);

/* The messages are made: gives back the memory of all they were made from. */
void item_let_go(struct item *it);

/* Gets a ruling of a shadow policy too, until it is reset. */
void item_add_shadow(struct item *it);

size_t item_message_bytes(const struct item *it); /* of all its messages */

/* Bytes held now, for the memory budget. */
size_t item_bytes(const struct item *it);

#endif
