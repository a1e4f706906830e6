#include "grader/hold.h"

#include <time.h>

#include "grader/call.h"
#include "obs/log.h"

enum { CLOCK_TEXT = 16 };

/* The first whole minute of everybody's clock that is not before. */
static const char *time_of_day(const struct grader *g, int64_t at_us, int64_t now,
                               char out[CLOCK_TEXT])
{
    time_t seconds = (time_t)((clock_wall_ms(g->clock) + (at_us - now) / 1000) / 1000 + 60);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || strftime(out, CLOCK_TEXT, "%H:%M UTC", &tm) == 0)
        return "some time";
    return out;
}

static void tell(struct grader *g, enum spend_news news, int64_t now)
{
    const struct spend *s = g->config.spend;
    char spent[32], ceiling[32], until[CLOCK_TEXT];
    (void)usd_print(s->spent, spent);
    (void)usd_print(s->ceiling, ceiling);
    if (news == SPEND_PAUSES)
        log_warning(
            "grader.paused",
            "%s USD spent in the last hour, and limits.max_grader_cost_per_hour is %s: "
            "nothing is asked or read, records wait, %zu questions of them here; goes on at "
            "%s",
            spent, ceiling, call_count(g), time_of_day(g, s->until_us, now, until));
    else if (news == SPEND_GOES_ON)
        log_warning("grader.goes_on",
                    "%s USD spent in the last hour, limits.max_grader_cost_per_hour is %s: goes on "
                    "after %.0f s; %zu questions waited",
                    spent, ceiling, (double)(now - s->since_us) / 1e6, call_count(g));
}

static void set(struct grader *g, enum grader_hold reason, bool holds, int64_t now)
{
    g->held = holds ? g->held | reason : g->held & ~(unsigned)reason;
    if (g->held != 0)
        stopclock_stop(&g->pool.stopclock, POOL_STOPPED_BY_HOLD, now);
    else
        stopclock_go(&g->pool.stopclock, POOL_STOPPED_BY_HOLD, now);
}

int64_t hold_tick(struct grader *g, int64_t now)
{
    struct spend *s = g->config.spend;
    if (s == NULL)
        return CLOCK_NEVER;
    spend_look(s, now);
    tell(g, spend_news(s), now);
    set(g, GRADER_HELD_BY_COST, s->pauses, now);
    return s->pauses ? s->until_us : CLOCK_NEVER;
}

bool hold_lets(const struct grader *g)
{
    return g->held == 0 && (g->config.spend == NULL || spend_may(g->config.spend));
}

void grader_hold(struct grader *g)
{
    set(g, GRADER_HELD_BY_ORDER, true, clock_mono_us(g->clock));
}

unsigned grader_held(const struct grader *g)
{
    return g->held;
}
