#include "worker/spending.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "obs/log.h"

enum { MONEY_MAX = 32 };

static const char *money(const struct grader_stats *s, uint64_t pico, char out[MONEY_MAX])
{
    return s->has_price ? usd_print(pico, out) : "not_priced";
}

void spending_log(const struct grader *g, struct usage *last)
{
    struct grader_stats s;
    char cost[MONEY_MAX], hour_cost[MONEY_MAX];
    grader_stats(g, &s);
    if (memcmp(&s.used, last, sizeof(*last)) == 0)
        return;
    *last = s.used;
    log_info("grader.usage",
             "grader=%.*s input_tokens=%" PRIu64 " cached_input_tokens=%" PRIu64
             " output_tokens=%" PRIu64 " usage_unknown=%" PRIu64 " cost_usd=%s"
             " hour_input_tokens=%" PRIu64 " hour_cached_input_tokens=%" PRIu64
             " hour_output_tokens=%" PRIu64 " hour_usage_unknown=%" PRIu64 " hour_cost_usd=%s",
             STR_ARGS(grader_title(g)), s.used.input_tokens, s.used.cached_input_tokens,
             s.used.output_tokens, s.used.unknown, money(&s, s.used.cost_pico, cost),
             s.hour.input_tokens, s.hour.cached_input_tokens, s.hour.output_tokens, s.hour.unknown,
             money(&s, s.hour.cost_pico, hour_cost));
}

const char *spending_text(const struct grader *g, char out[SPENDING_TEXT_MAX])
{
    struct grader_stats s;
    char cost[MONEY_MAX];
    grader_stats(g, &s);
    int n =
        snprintf(out, SPENDING_TEXT_MAX,
                 "%" PRIu64 " input tokens (%" PRIu64 " of them cached), %" PRIu64 " output tokens",
                 s.used.input_tokens, s.used.cached_input_tokens, s.used.output_tokens);
    if (s.has_price)
        n += snprintf(out + n, SPENDING_TEXT_MAX - (size_t)n, ", %s USD",
                      usd_print(s.used.cost_pico, cost));
    if (s.used.unknown > 0)
        (void)snprintf(out + n, SPENDING_TEXT_MAX - (size_t)n,
                       "; %" PRIu64 " requests do not say what they used", s.used.unknown);
    return out;
}
