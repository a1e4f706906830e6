/* pool: endpoints that come and go while their grader is asked. */
#include "grader_bench.h"

struct crowd {
    struct bench *b;
    int gone[ENDPOINTS_MAX];
};

static void on_gone(void *arg, struct transport_endpoint *e)
{
    struct crowd *c = arg;
    assert_int_equal(e->in_flight, 0);
    c->gone[e->index]++;
}

/* A grader that has the first n of four endpoints. */
static struct crowd *crowd_new(size_t n)
{
    struct crowd *c = mem_alloc(sizeof(*c));
    c->b = mem_alloc(sizeof(*c->b));
    c->b->max_in_flight = 8;
    struct grader_config config = config_of(c->b, n);
    config.gone = on_gone;
    config.gone_arg = c;
    start(c->b, &config, 7);
    c->b->good_from = 0;
    return c;
}

static void crowd_free(struct crowd *c)
{
    bench_free(c->b);
    mem_free(c);
}

static size_t join(struct crowd *c, size_t endpoint)
{
    c->gone[endpoint] = 0;
    return grader_join(c->b->grader, &c->b->endpoints[endpoint], STR("new"));
}

static void run_for(struct bench *b, int64_t us)
{
    int64_t until = b->clock.now_us + us;
    fixture_run(&b->server, tick, b, until);
    b->clock.now_us = until;
}

static struct grader_stats stats(const struct bench *b)
{
    struct grader_stats s;
    grader_stats(b->grader, &s);
    return s;
}

/* Questions that keep all endpoints busy. */
static void ask_many(struct bench *b, size_t first)
{
    for (size_t i = first; i < first + 20; i++)
        (void)ask(b, i, QUESTIONS, CLOCK_NEVER);
}

static void expect_graded(const struct bench *b, size_t first)
{
    for (size_t i = first; i < first + 20; i++)
        for (size_t q = 0; q < QUESTIONS; q++)
            assert_int_equal(b->groups[i].judgments[q].status, JUDGMENT_GRADED);
}

static void a_new_one_is_asked(void **state RBR_UNUSED)
{
    struct crowd *c = crowd_new(1);
    ask_many(c->b, 0);
    (void)tick(c->b);
    assert_int_equal(stats(c->b).limit, 8);
    (void)join(c, 1);
    (void)tick(c->b);
    assert_int_equal(c->b->endpoints[1].in_flight, 8);
    assert_int_equal(stats(c->b).endpoints, 2);
    assert_int_equal(stats(c->b).limit, 16);
    run(c->b);
    expect_graded(c->b, 0);
    crowd_free(c);
}

static void one_that_left_may_finish_and_is_then_let_go(void **state RBR_UNUSED)
{
    struct crowd *c = crowd_new(2);
    ask_many(c->b, 0);
    (void)tick(c->b);
    assert_int_equal(c->b->endpoints[0].in_flight, 8);
    grader_leave(c->b->grader, 0);
    (void)tick(c->b);
    assert_int_equal(c->gone[0], 0);
    assert_int_equal(stats(c->b).endpoints, 1);
    assert_int_equal(stats(c->b).limit, 8);
    run(c->b);
    expect_graded(c->b, 0);
    assert_int_equal(c->b->server.cancelled, 0);
    assert_int_equal(c->b->endpoints[0].requests, 8);
    assert_int_equal(c->gone[0], 1);
    run_for(c->b, 60 * SECOND);
    assert_int_equal(c->gone[0], 1);
    crowd_free(c);
}

/* Its place is somebody else's then, who knows nothing of its failures. */
static void a_place_is_used_again(void **state RBR_UNUSED)
{
    struct crowd *c = crowd_new(2);
    c->b->reply = (struct fixture_reply){.status = 500};
    c->b->broken = 1;
    c->b->dead = true;
    c->b->good_from = UINT64_MAX;
    ask_many(c->b, 0);
    run_for(c->b, 30 * SECOND);
    assert_int_equal(stats(c->b).endpoints_working, 1);
    grader_leave(c->b->grader, 1);
    run_for(c->b, SECOND);
    assert_int_equal(join(c, 2), 1);
    assert_int_equal(stats(c->b).endpoints_working, 2);
    assert_int_equal(join(c, 3), 2);
    ask_many(c->b, 20);
    run(c->b);
    expect_graded(c->b, 0);
    expect_graded(c->b, 20);
    assert_true(c->b->endpoints[2].requests > 10 && c->b->endpoints[3].requests > 10);
    crowd_free(c);
}

/* ---- outages ----------------------------------------------------------------------------------
 */

static void without_the_one_that_worked_the_grader_is_down(void **state RBR_UNUSED)
{
    struct crowd *c = crowd_new(2);
    c->b->reply = (struct fixture_reply){.status = 500};
    c->b->broken = 1;
    c->b->dead = true;
    c->b->good_from = UINT64_MAX;
    ask_many(c->b, 0);
    run_for(c->b, 30 * SECOND);
    int64_t left_us = c->b->clock.now_us;
    grader_leave(c->b->grader, 0);
    assert_true(grader_is_down(c->b->grader));
    run_for(c->b, 100 * SECOND);
    assert_int_equal(grader_down_for_us(c->b->grader), c->b->clock.now_us - left_us);
    char why[GRADER_WORDS_MAX];
    grader_explain(c->b->grader, why);
    assert_non_null(strstr(why, "HTTP 500"));
    c->b->good_from = 0;
    run_for(c->b, 5 * SECOND);
    assert_false(grader_is_down(c->b->grader));
    crowd_free(c);
}

static void a_new_one_ends_an_outage_at_once(void **state RBR_UNUSED)
{
    struct crowd *c = crowd_new(1);
    c->b->reply = (struct fixture_reply){.delay_us = 1000, .outcome = TRANSPORT_CONNECT};
    c->b->broken = 0;
    c->b->dead = true;
    c->b->good_from = UINT64_MAX;
    ask_many(c->b, 0);
    run_for(c->b, 100 * SECOND);
    assert_true(grader_is_down(c->b->grader));
    (void)join(c, 1);
    assert_true(grader_is_down(c->b->grader)); /* its probe is asked first */
    run_for(c->b, SECOND / 10);
    assert_false(grader_is_down(c->b->grader));
    grader_leave(c->b->grader, 0);
    run(c->b);
    expect_graded(c->b, 0);
    assert_int_equal(c->gone[0], 1);
    crowd_free(c);
}

/* A question out of attempts waits for a probe that nobody will send. */
static void a_suspect_of_one_that_left_is_asked_elsewhere(void **state RBR_UNUSED)
{
    struct crowd *c = crowd_new(1);
    c->b->good_from = UINT64_MAX;
    c->b->reply = (struct fixture_reply){.status = 500};
    c->b->dead = true;
    struct group *g = ask(c->b, 0, 1, CLOCK_NEVER);
    while (c->b->probes == 0) /* it is doubted: the suspect waits */
        run_for(c->b, SECOND / 100);
    c->b->broken = 0;
    (void)join(c, 1);
    grader_leave(c->b->grader, 0);
    run(c->b);
    assert_int_equal(g->judgments[0].status, JUDGMENT_GRADED);
    crowd_free(c);
}

/* ---- chance -----------------------------------------------------------------------------------
 */

static void by_chance_every_question_ends_and_nobody_is_let_go_too_early(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed();
    for (int round = 0; round < 60; round++, seed++) {
        struct crowd *c = crowd_new(2);
        size_t places[ENDPOINTS_MAX] = {0, 1};
        bool in[ENDPOINTS_MAX] = {true, true};
        size_t n_in = 2, n = 0;
        struct rng rng;
        rng_init(&rng, seed);
        c->b->chaos = true;
        for (int step = 0; step < 300; step++) {
            size_t e = rng_below(&rng, ENDPOINTS_MAX);
            if (rng_below(&rng, 3) == 0)
                (void)ask(c->b, n++, QUESTIONS, c->b->clock.now_us + 60 * SECOND);
            if (in[e] && n_in > 1 && rng_below(&rng, 4) == 0) {
                grader_leave(c->b->grader, places[e]);
                in[e] = false;
                n_in--;
            } else if (!in[e] && c->b->endpoints[e].in_flight == 0 && rng_below(&rng, 2) == 0) {
                (void)tick(c->b); /* it is let go */
                places[e] = join(c, e);
                in[e] = true;
                n_in++;
            }
            assert_int_equal(stats(c->b).endpoints, n_in);
            run_for(c->b, (int64_t)rng_below(&rng, SECOND));
        }
        run(c->b);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(c->b->groups[i].done, 1);
        for (size_t e = 0; e < ENDPOINTS_MAX; e++)
            assert_true(!in[e] || c->gone[e] == 0);
        crowd_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_is_asked),
        cmocka_unit_test(one_that_left_may_finish_and_is_then_let_go),
        cmocka_unit_test(a_place_is_used_again),
        cmocka_unit_test(without_the_one_that_worked_the_grader_is_down),
        cmocka_unit_test(a_new_one_ends_an_outage_at_once),
        cmocka_unit_test(a_suspect_of_one_that_left_is_asked_elsewhere),
        cmocka_unit_test(by_chance_every_question_ends_and_nobody_is_let_go_too_early),
    };
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
