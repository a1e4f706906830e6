/* The grader's queue: which call is sent next.
 *
 * Runs share what is sent alike (fair.h), in tokens that the server has to read anew: a run of long
 * texts gets as many as the others, not as many requests. What is of one run goes first come, first
 * served. There are places for QUEUE_RUNS runs; of more, some share a place. Part of the grader
 * (grader_parts.h); loop thread. */
#ifndef RBR_GRADER_QUEUE_H
#define RBR_GRADER_QUEUE_H

#include "grader/call_list.h"
#include "grader/fair.h"
#include "grader/grader.h"

enum { QUEUE_RUNS = 32 };

struct queue {
    struct fair runs;
    struct fair_share shares[QUEUE_RUNS];
    struct call_list calls[QUEUE_RUNS];
};

void queue_init(struct queue *q); /* it stays where it is */

void queue_put(struct queue *q, struct grader_call *c);
void queue_take_out(struct queue *q, struct grader_call *c);

struct grader_call *queue_first(const struct queue *q); /* NULL: empty */

/* The first will be sent: its run pays for the tokens to be read (prefill.h). */
void queue_serve(struct queue *q, struct grader_call *c, size_t tokens);

#endif
