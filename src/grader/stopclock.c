#include "grader/stopclock.h"

void stopclock_init(struct stopclock *c, int64_t now_us)
{
    *c = (struct stopclock){.gone_us = now_us};
}

void stopclock_stop(struct stopclock *c, unsigned reason, int64_t since_us)
{
    if (since_us < c->gone_us)
        since_us = c->gone_us;
    if (c->reasons == 0 || since_us < c->since_us)
        c->since_us = since_us;
    c->reasons |= reason;
}

void stopclock_go(struct stopclock *c, unsigned reason, int64_t now_us)
{
    if ((c->reasons & reason) == 0)
        return;
    c->reasons &= ~reason;
    if (c->reasons != 0)
        return;
    c->stood_us += now_us - c->since_us;
    c->gone_us = now_us;
}

int64_t stopclock_us(const struct stopclock *c, int64_t now_us)
{
    return (c->reasons != 0 ? c->since_us : now_us) - c->stood_us;
}
