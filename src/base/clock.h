/* Time as a port: the real clock, or a fixture that a test moves by hand.
 *
 * Monotonic time drives deadlines and waits, in microseconds; wall time goes into messages, in
 * milliseconds since 1970. Nothing outside base/ calls clock_gettime. Any thread. */
#ifndef RBR_BASE_CLOCK_H
#define RBR_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*mono_us)(const struct clock *c);
    int64_t (*wall_ms)(const struct clock *c);
};

#define CLOCK_NEVER INT64_MAX

extern const struct clock clock_real;

/* A clock that stands still until its fields are changed. */
struct clock_fixture {
    struct clock clock;
    int64_t now_us; /* monotonic */
    int64_t wall_base_ms; /* wall = base + now_us / 1000 */
};

void clock_fixture_init(struct clock_fixture *f, int64_t now_us, int64_t wall_base_ms);

static inline int64_t clock_mono_us(const struct clock *c)
{
    return c->mono_us(c);
}

static inline int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c);
}

#endif
