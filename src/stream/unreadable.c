#include "stream/unreadable.h"

static int64_t narrow(struct unreadable *u)
{
    if (u->good - u->bad == 1)
        return u->good;
    int64_t next = u->bad + u->step;
    u->step *= 2;
    return next < u->good ? next : u->bad + (u->good - u->bad) / 2;
}

int64_t unreadable_failed(struct unreadable *u, int64_t at, int64_t batch, int64_t end)
{
    if (unreadable_searching(u)) {
        if (batch != u->batch)
            return unreadable_read(u, at);
        u->bad = at;
        return narrow(u);
    }
    u->times = u->times > 0 && u->batch == batch ? u->times + 1 : 1;
    u->batch = batch;
    if (u->times < UNREADABLE_TIMES)
        return at;
    u->from = u->bad = at > batch ? at : batch;
    u->good = end > u->bad ? end : u->bad + 1;
    u->step = 1;
    return narrow(u);
}

int64_t unreadable_read(struct unreadable *u, int64_t at)
{
    u->good = at;
    return narrow(u);
}

bool unreadable_next(struct unreadable *u, int64_t *ret)
{
    if (u->times < UNREADABLE_TIMES || unreadable_searching(u))
        return false;
    if (u->from == u->good) {
        u->times = 0;
        return false;
    }
    *ret = u->from++;
    return true;
}
