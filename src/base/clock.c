#include "base/clock.h"

#include <time.h>

#include "base/attr.h"

static int64_t real_mono_us(const struct clock *c RBR_UNUSED)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t real_wall_ms(const struct clock *c RBR_UNUSED)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const struct clock clock_real = {.mono_us = real_mono_us, .wall_ms = real_wall_ms};

static int64_t fixture_mono_us(const struct clock *c)
{
    return ((const struct clock_fixture *)(const void *)c)->now_us;
}

static int64_t fixture_wall_ms(const struct clock *c)
{
    const struct clock_fixture *f = (const struct clock_fixture *)(const void *)c;
    return f->wall_base_ms + f->now_us / 1000;
}

void clock_fixture_init(struct clock_fixture *f, int64_t now_us, int64_t wall_base_ms)
{
    *f = (struct clock_fixture){
        .clock = {.mono_us = fixture_mono_us, .wall_ms = fixture_wall_ms},
        .now_us = now_us,
        .wall_base_ms = wall_base_ms,
    };
}
