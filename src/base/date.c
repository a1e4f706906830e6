#include "base/date.h"

#include <stdio.h>
#include <time.h>

struct cursor {
    struct str s;
    size_t at;
};

/* So many digits, as a number. */
static bool digits(struct cursor *c, size_t n, int *ret)
{
    if (c->s.n - c->at < n)
        return false;
    *ret = 0;
    for (; n > 0; n--, c->at++) {
        char d = c->s.p[c->at];
        if (d < '0' || d > '9')
            return false;
        *ret = 10 * *ret + (d - '0');
    }
    return true;
}

static bool one_of(struct cursor *c, const char *any)
{
    if (c->at == c->s.n || c->s.p[c->at] == '\0' || strchr(any, c->s.p[c->at]) == NULL)
        return false;
    c->at++;
    return true;
}

static bool fraction(struct cursor *c, int *ret_ms)
{
    int scale = 100, digit;
    *ret_ms = 0;
    if (!one_of(c, ".,"))
        return true;
    if (!digits(c, 1, &digit))
        return false;
    do {
        *ret_ms += digit * scale;
        scale /= 10;
    } while (digits(c, 1, &digit));
    return true;
}

/* Minutes east of UTC. */
static bool zone(struct cursor *c, int *ret)
{
    int hours, minutes;
    *ret = 0;
    if (one_of(c, "Zz"))
        return true;
    bool west = c->at < c->s.n && c->s.p[c->at] == '-';
    if (!one_of(c, "+-") || !digits(c, 2, &hours) || !one_of(c, ":") || !digits(c, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool is_day(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1970 && tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
           tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

bool date_parse(struct str s, int64_t *ret_ms)
{
    struct cursor c = {.s = s};
    struct tm tm = {0};
    int ms = 0, minutes = 0;
    if (!digits(&c, 4, &tm.tm_year) || !one_of(&c, "-") || !digits(&c, 2, &tm.tm_mon) ||
        !one_of(&c, "-") || !digits(&c, 2, &tm.tm_mday))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    if (c.at < s.n && (!one_of(&c, "Tt ") || !digits(&c, 2, &tm.tm_hour) || !one_of(&c, ":") ||
                       !digits(&c, 2, &tm.tm_min) || !one_of(&c, ":") ||
                       !digits(&c, 2, &tm.tm_sec) || !fraction(&c, &ms) || !zone(&c, &minutes)))
        return false;
    if (c.at != s.n || !is_day(&tm) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *ret_ms = ((int64_t)timegm(&tm) - (int64_t)minutes * 60) * 1000 + ms;
    return *ret_ms >= 0;
}

void date_print(int64_t ms, char out[DATE_MAX])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(out, DATE_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
