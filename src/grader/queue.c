#include "grader/queue.h"

#include "grader/grader_parts.h"

void queue_init(struct queue *q)
{
    *q = (struct queue){.runs = {.shares = q->shares, .n = QUEUE_RUNS}};
    for (size_t i = 0; i < QUEUE_RUNS; i++)
        q->shares[i].weight = 1;
}

static size_t run_of(const struct grader_call *c)
{
    return c->group->run % QUEUE_RUNS;
}

void queue_put(struct queue *q, struct grader_call *c)
{
    size_t run = run_of(c);
    call_list_append(&q->calls[run], c);
    fair_wait(&q->runs, run);
}

void queue_take_out(struct queue *q, struct grader_call *c)
{
    size_t run = run_of(c);
    call_list_remove(&q->calls[run], c);
    if (q->calls[run].first == NULL)
        fair_rest(&q->runs, run);
}

struct grader_call *queue_first(const struct queue *q)
{
    size_t run = fair_next(&q->runs);
    return run != FAIR_NOBODY ? q->calls[run].first : NULL;
}

void queue_serve(struct queue *q, struct grader_call *c, size_t tokens)
{
    fair_serve(&q->runs, run_of(c), (double)tokens);
}
