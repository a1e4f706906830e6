#include "grader/spend.h"

enum { FREE_SHARE = 8 };

void spend_init(struct spend *s, uint64_t ceiling)
{
    *s = (struct spend){.ceiling = ceiling};
}

void spend_start(struct spend *s, uint64_t estimate)
{
    s->in_air = usage_sum(s->in_air, estimate);
}

void spend_end(struct spend *s, uint64_t estimate, uint64_t cost, int64_t now_us)
{
    const struct usage used = {.cost_pico = cost};
    s->in_air -= estimate < s->in_air ? estimate : s->in_air;
    s->spent = usage_sum(s->spent, cost);
    hour_add(&s->hour, &used, now_us);
}

void spend_look(struct spend *s, int64_t now_us)
{
    uint64_t enough = s->ceiling - s->ceiling / FREE_SHARE;
    struct usage used;
    if (s->ceiling == SPEND_NO_CEILING)
        return;
    hour_sum(&s->hour, now_us, &used);
    s->spent = used.cost_pico;
    if (!s->pauses && s->spent >= s->ceiling) {
        s->pauses = true;
        s->since_us = now_us;
    } else if (s->pauses && s->spent <= enough) {
        s->pauses = false;
    }
    if (s->pauses)
        s->until_us =
            hour_falls_to_us(&s->hour, enough > s->in_air ? enough - s->in_air : 0, now_us);
}

bool spend_may(const struct spend *s)
{
    return s->ceiling == SPEND_NO_CEILING ||
           (!s->pauses && usage_sum(s->spent, s->in_air) < s->ceiling);
}

enum spend_news spend_news(struct spend *s)
{
    if (s->pauses == s->told)
        return SPEND_NOTHING;
    s->told = s->pauses;
    return s->pauses ? SPEND_PAUSES : SPEND_GOES_ON;
}
