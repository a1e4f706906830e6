#include "pipeline/orphans.h"

#include "base/clock.h"

void orphans_add(struct orphans *o, struct item *it, int64_t until_us)
{
    if (o->first == NULL)
        o->end = &o->first;
    it->until_us = until_us;
    it->next = NULL;
    it->link = o->end;
    *o->end = it;
    o->end = &it->next;
    judging_wind_down(it);
}

void orphans_remove(struct orphans *o, struct item *it)
{
    *it->link = it->next;
    if (it->next != NULL)
        it->next->link = it->link;
    else
        o->end = it->link;
    it->next = NULL;
}

int64_t orphans_expire(struct orphans *o, int64_t now_us)
{
    for (struct item *it = o->first; it != NULL; it = it->next) {
        if (it->until_us > now_us)
            return it->until_us;
        judging_cancel(it);
    }
    return CLOCK_NEVER;
}
