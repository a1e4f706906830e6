/* Mode sample through the grader on virtual time: servers that give fewer samples than they are
 * asked for, and how they are gathered. */
#include "grader_bench.h"

#define YES     "{\"message\":{\"content\":\"yes\"}}"
#define NO      "{\"message\":{\"content\":\"No.\"}}"
#define HM      "{\"message\":{\"content\":\"Hm\"}}"
#define REFUSED "{\"finish_reason\":\"content_filter\"}"

enum { SAMPLES = 4, REPLIES_MAX = 8 };

static const char *const *replies; /* choices of each; NULL: 500 */

static struct fixture_reply next_reply(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct bench *b = arg;
    if (fixture_is_probe(call))
        return good(1000);
    assert_true(str_find(call->body, STR("\"n\":4"), 0) != SIZE_MAX);
    const char *choices = replies[b->n_sent++];
    if (choices == NULL)
        return (struct fixture_reply){.delay_us = 1000, .status = 500};
    int n = snprintf(text, sizeof(text), "{\"choices\":[%s]}", choices);
    return (struct fixture_reply){.delay_us = 1000, .status = 200, .body = {text, (size_t)n}};
}

static struct bench *sampling(const char *const *script)
{
    struct bench *b = mem_alloc(sizeof(*b));
    b->max_in_flight = 10;
    struct grader_config config = config_of(b, 1);
    config.ask.mode = DIALECT_SAMPLE;
    config.ask.samples = SAMPLES;
    start(b, &config, 7);
    b->server.answer = next_reply;
    replies = script;
    return b;
}

static void samples_are_gathered_until_they_are_enough(void **state RBR_UNUSED)
{
    static const struct {
        const char *what, *replies[REPLIES_MAX];
        size_t requests;
        enum reason reason;
        double p, mass;
    } cases[] = {
        {"all at once", {YES "," YES "," NO "," YES}, 1, REASON_NONE, .75, 1},
        {"it ignores n", {YES, NO, YES, YES}, 4, REASON_NONE, .75, 1},
        {"it has a limit of its own", {YES "," NO, NO "," NO}, 2, REASON_NONE, .25, 1},
        {"more than needed are left",
         {YES "," NO "," YES, NO "," NO "," YES},
         2,
         REASON_NONE,
         .5,
         1},
        {"then it gives all", {YES, NO "," NO "," NO "," NO}, 2, REASON_NONE, 0, 1},
        {"some say nothing", {YES, HM, NO, YES}, 4, REASON_NONE, 2. / 3, .75},
        {"most do", {HM, HM, HM, YES}, 4, REASON_LOW_PROBABILITY_MASS, 0, .25},
        {"all are refused", {REFUSED, REFUSED, REFUSED, REFUSED}, 4, REASON_GRADER_REJECTED, 0, 0},
        {"failures between them",
         {YES, NULL, NULL, NO, NULL, NULL, YES, YES},
         8,
         REASON_NONE,
         .75,
         1},
        {"failures in the end", {YES}, 7, REASON_GRADER_UNAVAILABLE, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = sampling(cases[i].replies);
        struct group *g = ask(b, 0, 1, CLOCK_NEVER);
        run(b);
        const struct judgment *j = &g->judgments[0];
        if (b->n_sent != cases[i].requests || g->done != 1 || j->reason != cases[i].reason ||
            fabs(j->probability - cases[i].p) > 1e-9 || fabs(j->mass - cases[i].mass) > 1e-9)
            fail_msg("%s: %zu requests, %s, P %g, mass %g", cases[i].what, b->n_sent,
                     reason_name(j->reason), j->probability, j->mass);
        assert_int_equal(j->attempts, cases[i].requests);
        bench_free(b);
    }
}

/* What is not whole when the group winds down is no answer. */
static void a_part_of_the_samples_is_no_answer(void **state RBR_UNUSED)
{
    static const char *const script[] = {YES, YES, YES, YES};
    struct bench *b = sampling(script);
    struct group *g = ask(b, 0, 1, CLOCK_NEVER);
    fixture_run(&b->server, tick, b, b->clock.now_us + 1500);
    assert_int_equal(b->n_sent, 2);
    grader_wind_down(&g->group);
    run(b);
    assert_int_equal(b->n_sent, 2);
    assert_int_equal(g->done, 1);
    assert_int_equal(g->judgments[0].status, JUDGMENT_UNGRADED);
    assert_int_equal(g->judgments[0].reason, REASON_DEADLINE);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_gathered_until_they_are_enough),
        cmocka_unit_test(a_part_of_the_samples_is_no_answer),
    };
    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
