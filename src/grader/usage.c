#include "grader/usage.h"

#include <stddef.h>
#include <stdio.h>

#include "base/num.h"

enum { MICRO = 1000000 };

static const int64_t MINUTE_US = 60000000;

uint64_t usage_sum(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

void usage_add(struct usage *to, const struct usage *more)
{
    to->input_tokens = usage_sum(to->input_tokens, more->input_tokens);
    to->cached_input_tokens = usage_sum(to->cached_input_tokens, more->cached_input_tokens);
    to->output_tokens = usage_sum(to->output_tokens, more->output_tokens);
    to->cost_pico = usage_sum(to->cost_pico, more->cost_pico);
    to->unknown = usage_sum(to->unknown, more->unknown);
}

static uint64_t times(uint64_t tokens, uint64_t price)
{
    uint64_t product;
    return __builtin_mul_overflow(tokens, price, &product) ? UINT64_MAX : product;
}

uint64_t price_of(const struct price *p, const struct usage *u)
{
    uint64_t cached =
        u->cached_input_tokens < u->input_tokens ? u->cached_input_tokens : u->input_tokens;
    uint64_t input =
        usage_sum(times(u->input_tokens - cached, p->input), times(cached, p->cached_input));
    return usage_sum(input, times(u->output_tokens, p->output));
}

const char *usd_print(uint64_t pico, char out[32])
{
    const uint64_t micro = pico / MICRO + (pico % MICRO >= MICRO / 2);
    if (micro < MICRO)
        num_print_millionths(micro, out);
    else
        (void)snprintf(out, 32, "%.2f", (double)micro / MICRO);
    return out;
}

/* ---- the hour ---------------------------------------------------------------------------------
 */

static size_t place(int64_t minute)
{
    return (size_t)(minute % HOUR_MINUTES);
}

void hour_add(struct hour *h, const struct usage *u, int64_t now_us)
{
    int64_t now = now_us / MINUTE_US;
    if (h->minute < now - HOUR_MINUTES)
        h->minute = now - HOUR_MINUTES;
    while (h->minute < now)
        h->minutes[place(++h->minute)] = (struct usage){0};
    usage_add(&h->minutes[place(h->minute)], u);
}

/* The first minute that still counts and has a place. */
static int64_t first_minute(const struct hour *h, int64_t now_us)
{
    int64_t now = now_us / MINUTE_US > h->minute ? now_us / MINUTE_US : h->minute;
    return now >= HOUR_MINUTES ? now - HOUR_MINUTES + 1 : 0;
}

void hour_sum(const struct hour *h, int64_t now_us, struct usage *ret)
{
    *ret = (struct usage){0};
    for (int64_t m = first_minute(h, now_us); m <= h->minute; m++)
        usage_add(ret, &h->minutes[place(m)]);
}

int64_t hour_falls_to_us(const struct hour *h, uint64_t pico, int64_t now_us)
{
    uint64_t later = 0; /* what will still count */
    for (int64_t m = h->minute; m >= first_minute(h, now_us); m--) {
        later = usage_sum(later, h->minutes[place(m)].cost_pico);
        if (later > pico)
            return (m + HOUR_MINUTES) * MINUTE_US;
    }
    return now_us;
}
