#include "grader/http_hints.h"

#include <curl/curl.h>
#include <strings.h>

#include "base/clock.h"
#include "base/num.h"

#define RETRY_AFTER_MAX_US 1e12 /* eleven days */

void http_hints_init(struct http_hints *h)
{
    *h = (struct http_hints){.retry_after_us = -1, .waiting = -1};
}

static bool header_is(struct str line, struct str name, struct str *value)
{
    if (line.n <= name.n || line.p[name.n] != ':' || strncasecmp(line.p, name.p, name.n) != 0)
        return false;
    *value = str_trim(str_sub(line, name.n + 1, line.n));
    return true;
}

/* A wait that was asked for, microseconds; -1 for a negative one. An absurd one is a long one. */
static int64_t wait_of(double us)
{
    if (us < 0)
        return -1;
    return us < RETRY_AFTER_MAX_US ? (int64_t)us : (int64_t)RETRY_AFTER_MAX_US;
}

/* Seconds (a fraction too) or an HTTP date. */
static int64_t retry_after(struct str value)
{
    double seconds;
    char text[64];
    if (num_parse_f64(value, &seconds))
        return wait_of(seconds * 1e6);
    if (value.n >= sizeof(text))
        return -1;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    time_t at = curl_getdate(text, NULL);
    double ms = (double)at * 1e3 - (double)clock_wall_ms(&clock_real);
    return at < 0 ? -1 : wait_of(ms * 1e3);
}

/* TEXT named_metrics.kv_cache_usage_perc=0.03, named_metrics.num_requests_waiting=2 */
static int64_t waiting_of(struct str value)
{
    static const struct str name = STR_INIT("num_requests_waiting=");
    size_t at = str_find(value, name, 0);
    double n;
    if (at == SIZE_MAX)
        return -1;
    struct str rest = str_sub(value, at + name.n, value.n);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != ',' && rest.p[end] != ' ')
        end++;
    return num_parse_f64(str_sub(rest, 0, end), &n) && n >= 0 && n < 1e9 ? (int64_t)n : -1;
}

void http_hints_line(struct http_hints *h, struct str line)
{
    struct str value;
    double ms;
    switch (line.n > 0 ? line.p[0] | 32 : 0) {
    case 'e':
        if (header_is(line, STR("endpoint-load-metrics"), &value))
            h->waiting = waiting_of(value);
        break;
    case 'r':
        if (header_is(line, STR("retry-after-ms"), &value) && num_parse_f64(value, &ms) && ms >= 0)
            h->retry_after_us = wait_of(ms * 1e3);
        else if (h->retry_after_us < 0 && header_is(line, STR("retry-after"), &value))
            h->retry_after_us = retry_after(value);
        break;
    case 'x':
        if (header_is(line, STR("x-should-retry"), &value))
            h->should_not_retry = str_eq(value, STR("false"));
        break;
    default:
        break;
    }
}
