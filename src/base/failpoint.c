#include "base/failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"

static const char *const names[] = {
#define X(name, where) [FAILPOINT_##name] = #name,
    FAILPOINTS(X)
#undef X
};

static const char *const acts[] = {
    [FAILPOINT_NONE] = "none",
    [FAILPOINT_KILL] = "kill",
    [FAILPOINT_STOP] = "stop",
    [FAILPOINT_DELAY] = "delay",
};

/* ---- the text ---------------------------------------------------------------------------------
 */

static bool find_point(struct str name, enum failpoint *ret)
{
    for (int i = 0; i < FAILPOINT_COUNT; i++) {
        if (!str_eq(name, str_z(names[i])))
            continue;
        *ret = (enum failpoint)i;
        return true;
    }
    return false;
}

/* The part before the first `c` goes to the result, the rest, without it, stays in `s`. */
static struct str cut(struct str *s, char c)
{
    size_t at = str_find(*s, (struct str){&c, 1}, 0);
    struct str head = str_sub(*s, 0, at < s->n ? at : s->n);
    *s = str_sub(*s, at < s->n ? at + 1 : s->n, s->n);
    return head;
}

static bool parse_act(struct str text, enum failpoint_act *act, int64_t *delay_us)
{
    struct str word = cut(&text, ':');
    *act = FAILPOINT_NONE;
    for (int i = FAILPOINT_KILL; i <= FAILPOINT_DELAY; i++)
        if (str_eq(word, str_z(acts[i])))
            *act = (enum failpoint_act)i;
    if (*act == FAILPOINT_DELAY)
        return num_parse_duration_us(text, delay_us);
    return *act != FAILPOINT_NONE && text.n == 0;
}

/* ACT, ACT@N or ACT%P. */
static bool parse_what(struct str text, enum failpoint point, struct failpoint_plan *plan)
{
    struct str when = text, act = cut(&when, '%');
    bool by_chance = act.n < text.n;
    if (!by_chance) {
        when = text;
        act = cut(&when, '@');
    }
    plan->points[point].at = by_chance ? 0 : 1;
    if (!parse_act(act, &plan->points[point].act, &plan->points[point].delay_us))
        return false;
    if (by_chance)
        return num_parse_f64(when, &plan->points[point].per_cent);
    return act.n == text.n ||
           (num_parse_u64(when, &plan->points[point].at) && plan->points[point].at > 0);
}

enum err_code failpoint_parse(struct str text, struct failpoint_plan *ret, struct err *err)
{
    *ret = (struct failpoint_plan){0};
    rng_init(&ret->rng, 0);
    while (text.n > 0) {
        struct str what = cut(&text, ','), name = cut(&what, '=');
        uint64_t seed;
        enum failpoint point;
        if (str_eq(name, STR("seed"))) {
            if (!num_parse_u64(what, &seed))
                return err_set(err, ERR_INVALID, "seed: '%.*s' is no number", STR_ARGS(what));
            rng_init(&ret->rng, seed);
            continue;
        }
        if (!find_point(name, &point))
            return err_set(err, ERR_NOT_FOUND, "there is no failpoint '%.*s'", STR_ARGS(name));
        if (!parse_what(what, point, ret))
            return err_set(err, ERR_INVALID,
                           "%s: '%.*s' is none of kill, stop, delay:TIME with @N or %%P after it",
                           names[point], STR_ARGS(what));
    }
    return ERR_OK;
}

enum failpoint_act failpoint_next(struct failpoint_plan *plan, enum failpoint point)
{
    uint64_t at = plan->points[point].at;
    if (plan->points[point].act == FAILPOINT_NONE)
        return FAILPOINT_NONE;
    bool now = at > 0 ? ++plan->points[point].passed == at
                      : rng_unit(&plan->rng) * 100 < plan->points[point].per_cent;
    return now ? plan->points[point].act : FAILPOINT_NONE;
}

/* ---- this process -----------------------------------------------------------------------------
 */

static struct failpoint_plan plan;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the plan, once it is read */

static void read_plan(void)
{
    struct err err;
    if (failpoint_parse(str_z(getenv("RBR_FAILPOINTS")), &plan, &err) == ERR_OK)
        return;
    (void)dprintf(STDERR_FILENO, "RBR_FAILPOINTS: %s\n", err.msg);
    _exit(EXIT_FAILURE);
}

static void sleep_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (nanosleep(&t, &t) != 0)
        continue;
}

void failpoint_pass(enum failpoint point)
{
    (void)pthread_once(&once, read_plan);
    (void)pthread_mutex_lock(&lock);
    enum failpoint_act act = failpoint_next(&plan, point);
    (void)pthread_mutex_unlock(&lock);
    if (act == FAILPOINT_NONE)
        return;
    (void)dprintf(STDERR_FILENO, "failpoint %s: %s\n", names[point], acts[act]);
    if (act == FAILPOINT_DELAY)
        sleep_us(plan.points[point].delay_us);
    else
        (void)kill(getpid(), act == FAILPOINT_KILL ? SIGKILL : SIGSTOP);
}
