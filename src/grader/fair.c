#include "grader/fair.h"

void fair_wait(struct fair *f, size_t i)
{
    struct fair_share *s = &f->shares[i];
    if (!s->waits && s->clock < f->now)
        s->clock = f->now;
    s->waits = true;
}

void fair_rest(struct fair *f, size_t i)
{
    f->shares[i].waits = false;
}

size_t fair_next(const struct fair *f)
{
    size_t next = FAIR_NOBODY;
    for (size_t i = 0; i < f->n; i++)
        if (f->shares[i].waits &&
            (next == FAIR_NOBODY || f->shares[i].clock < f->shares[next].clock))
            next = i;
    return next;
}

void fair_serve(struct fair *f, size_t i, double cost)
{
    struct fair_share *s = &f->shares[i];
    f->now = s->clock;
    s->clock += cost / s->weight;
}
