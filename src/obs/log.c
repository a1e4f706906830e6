#include "obs/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LINE_MAX_BYTES = 4096,
    EVENTS_MAX = 128, /* event names whose rate is watched; later ones are not limited */
    PER_SECOND = 10,
};

struct rate {
    const char *event; /* static text: compared by address first */
    int64_t second;
    unsigned lines, suppressed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level threshold = LOG_LEVEL_INFO;
static enum log_format shape = LOG_FORMAT_TEXT;
static struct rate rates[EVENTS_MAX];
static size_t n_rates;

void log_configure(enum log_level level, enum log_format format)
{
    (void)pthread_mutex_lock(&lock);
    threshold = level;
    shape = format;
    (void)pthread_mutex_unlock(&lock);
}

static struct rate *rate_of(const char *event)
{
    for (size_t i = 0; i < n_rates; i++)
        if (rates[i].event == event || strcmp(rates[i].event, event) == 0)
            return &rates[i];
    if (n_rates == EVENTS_MAX)
        return NULL;
    rates[n_rates] = (struct rate){.event = event};
    return &rates[n_rates++];
}

/* False when the event had its share of this second. *ret_suppressed: lines left out in an earlier
 * second. */
static bool allowed(const char *event, int64_t second, unsigned *ret_suppressed)
{
    struct rate *r = rate_of(event);
    *ret_suppressed = 0;
    if (r == NULL)
        return true;
    if (r->second != second) {
        *ret_suppressed = r->suppressed;
        r->second = second;
        r->lines = 0;
        r->suppressed = 0;
    }
    if (r->lines >= PER_SECOND) {
        r->suppressed++;
        return false;
    }
    r->lines++;
    return true;
}

/* Copies text so that it stays one line (and, for JSON, one string); returns bytes written. */
static size_t escape(char *to, size_t room, const char *text, bool json)
{
    size_t n = 0;
    for (; *text != '\0' && n + 7 < room; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(to + n, room - n, json ? "\\u%04x" : "\\x%02x", c);
        } else {
            if (json && (c == '"' || c == '\\'))
                to[n++] = '\\';
            to[n++] = (char)c;
        }
    }
    to[n] = '\0';
    return n;
}

static void write_line(enum log_level level, const char *event, const char *text,
                       unsigned suppressed, int64_t now_ms)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char line[LINE_MAX_BYTES + 256], stamp[40], more[48] = "";
    struct tm tm;
    time_t seconds = now_ms / 1000;
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    bool json = shape == LOG_FORMAT_JSON;
    if (suppressed > 0)
        (void)snprintf(more, sizeof(more), json ? ",\"suppressed\":%u" : " suppressed=%u",
                       suppressed);
    int head =
        snprintf(line, sizeof(line),
                 json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%s\",\"text\":\""
                      : "%s.%03dZ %s %s ",
                 stamp, (int)(now_ms % 1000), names[level], event);
    size_t n = (size_t)head;
    n += escape(line + n, LINE_MAX_BYTES - n, text, json);
    n += (size_t)snprintf(line + n, sizeof(line) - n, json ? "\"%s}\n" : "%s\n", more);
    ssize_t wrote = write(STDERR_FILENO, line, n);
    (void)wrote; /* nowhere left to say so */
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    unsigned suppressed;
    int64_t now_ms = clock_wall_ms(&clock_real);
    (void)pthread_mutex_lock(&lock);
    if (level >= threshold && allowed(event, now_ms / 1000, &suppressed)) {
        va_list args;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        write_line(level, event, text, suppressed, now_ms);
    }
    (void)pthread_mutex_unlock(&lock);
}
