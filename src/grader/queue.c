#include "grader/queue.h"

#include "grader/grader_parts.h"

static const double weights[GRADER_CLASSES] = {[GRADER_LIVE] = 8, [GRADER_SHADOW] = 1};

void queue_init(struct queue *q)
{
    *q = (struct queue){.classes = {.shares = q->shares, .n = GRADER_CLASSES}};
    for (size_t i = 0; i < GRADER_CLASSES; i++) {
        struct queue_class *class = &q->of[i];
        q->shares[i].weight = weights[i];
        class->runs = (struct fair){.shares = class->shares, .n = QUEUE_RUNS};
        for (size_t k = 0; k < QUEUE_RUNS; k++)
            class->shares[k].weight = 1;
    }
}

static size_t run_of(const struct grader_call *c)
{
    return c->group->run % QUEUE_RUNS;
}

void queue_put(struct queue *q, struct grader_call *c)
{
    size_t run = run_of(c);
    struct queue_class *class = &q->of[c->group->class];
    call_list_append(&class->calls[run], c);
    fair_wait(&class->runs, run);
    fair_wait(&q->classes, c->group->class);
}

void queue_take_out(struct queue *q, struct grader_call *c)
{
    size_t run = run_of(c);
    struct queue_class *class = &q->of[c->group->class];
    call_list_remove(&class->calls[run], c);
    if (class->calls[run].first != NULL)
        return;
    fair_rest(&class->runs, run);
    if (fair_next(&class->runs) == FAIR_NOBODY)
        fair_rest(&q->classes, c->group->class);
}

struct grader_call *queue_first(const struct queue *q)
{
    size_t class = fair_next(&q->classes);
    if (class == FAIR_NOBODY)
        return NULL;
    return q->of[class].calls[fair_next(&q->of[class].runs)].first;
}

/* A server reads what the questions about one completion share once, if it has a prefix cache. */
static double cost_of(const struct grader_call *c)
{
    const struct prompt *p = c->group->prompt;
    size_t bytes = c->group->use.requests == 0 ? p->shared_bytes : 0;
    for (size_t i = 0; i < c->n_asked; i++)
        bytes += p->policy->propositions[c->asked[i]].question.n;
    return (double)bytes;
}

void queue_serve(struct queue *q, struct grader_call *c)
{
    double cost = cost_of(c);
    fair_serve(&q->of[c->group->class].runs, run_of(c), cost);
    fair_serve(&q->classes, c->group->class, cost);
}
