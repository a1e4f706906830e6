/* health: when an endpoint is doubted, left alone, probed and asked again. */
#include "unit.h"

#include "grader/health.h"

#define SECOND INT64_C(1000000)

enum { ENDPOINTS_MAX = 8 };

static void bad(struct health *h, int n, int64_t now)
{
    for (int i = 0; i < n; i++)
        health_bad(h, now - 1, now);
}

static void failures_in_a_row_raise_a_doubt(void **state RBR_UNUSED)
{
    static const struct {
        const char *results; /* b: bad, g: good, one a second, the last is at 100 s */
        enum health_state state;
    } cases[] = {
        {"", HEALTH_CLOSED},
        {"bbbb", HEALTH_CLOSED},
        {"bbbbb", HEALTH_DOUBTED},
        {"gggggbbbbb", HEALTH_DOUBTED},
        {"bbbbgbbbb", HEALTH_CLOSED},
        {"bbbbgbbbbb", HEALTH_DOUBTED},
        {"bgbgbgbgbgbgbgbgbgbgbg", HEALTH_CLOSED}, /* ten seconds hold ten of them */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct health h;
        int64_t now = 100 * SECOND - (int64_t)strlen(cases[i].results) * SECOND;
        health_init(&h);
        for (const char *r = cases[i].results; *r != '\0'; r++, now += SECOND)
            if (*r == 'b')
                bad(&h, 1, now);
            else
                health_good(&h, now);
        assert_int_equal(h.state, cases[i].state);
        assert_true(health_is_asked(&h)); /* a doubt stops nobody */
    }
}

static void mostly_failures_raise_a_doubt(void **state RBR_UNUSED)
{
    static const struct {
        int good, bad;
        int64_t apart; /* between the good ones and the bad ones */
        enum health_state state;
    } cases[] = {
        {9, 10, 0, HEALTH_CLOSED}, /* 19 results say nothing yet */
        {10, 10, 0, HEALTH_CLOSED}, /* a half is not more than a half */
        {9, 11, 0, HEALTH_DOUBTED},
        {100, 101, 9 * SECOND, HEALTH_DOUBTED},
        {12, 11, 9 * SECOND, HEALTH_CLOSED},
        {12, 11, 10 * SECOND, HEALTH_CLOSED}, /* forgotten, and 11 are too few */
        {1000, 20, 10 * SECOND, HEALTH_DOUBTED},
        {1000, 20, 1000 * SECOND, HEALTH_DOUBTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct health h;
        int64_t now = 500 * SECOND;
        health_init(&h);
        for (int k = 0; k < cases[i].good; k++)
            health_good(&h, now);
        now += cases[i].apart;
        for (int k = 0; k < cases[i].bad; k++) {
            h.in_a_row = 0; /* that is another rule */
            bad(&h, 1, now);
        }
        assert_int_equal(h.state, cases[i].state);
    }
}

/* With few requests at a time, five that hang take too long. */
static void one_long_silence_raises_a_doubt(void **state RBR_UNUSED)
{
    struct health h;
    int64_t now = 50 * SECOND;
    health_init(&h);
    health_bad(&h, now - 5 * SECOND + 1, now);
    assert_int_equal(h.state, HEALTH_CLOSED);
    health_good(&h, now);
    health_bad(&h, now, now + 6 * SECOND);
    assert_int_equal(h.state, HEALTH_CLOSED); /* it answered another meanwhile */
    health_bad(&h, now + 1, now + 6 * SECOND);
    assert_int_equal(h.state, HEALTH_DOUBTED);
}

static void a_doubt_is_probed_at_once_and_lost_without_an_answer(void **state RBR_UNUSED)
{
    struct health h;
    int64_t now = 50 * SECOND;
    health_init(&h);
    assert_int_equal(health_due(&h, false, now), HEALTH_WAIT);
    bad(&h, 5, now);
    assert_int_equal(h.bad_since_us, now - 1);
    assert_int_equal(health_due(&h, false, now), HEALTH_PROBE);
    assert_int_equal(health_due(&h, false, now), HEALTH_WAIT);
    assert_int_equal(health_due(&h, false, now + 5 * SECOND - 1), HEALTH_WAIT);
    health_doubt(&h, now + 4 * SECOND); /* it has no more time for that */
    assert_int_equal(health_due(&h, false, now + 5 * SECOND), HEALTH_LOST);
    health_good(&h, now + 2 * SECOND); /* answered others, but not since the last reason */
    assert_int_equal(health_due(&h, false, now + 5 * SECOND), HEALTH_PROBE);
    assert_int_equal(health_due(&h, false, now + 10 * SECOND), HEALTH_LOST);
    health_good(&h, now + 9 * SECOND);
    assert_int_equal(health_due(&h, false, now + 10 * SECOND), HEALTH_FOUND);
}

static void doubts_without_end_are_probed_ten_times_a_second(void **state RBR_UNUSED)
{
    struct health h;
    int64_t began = 50 * SECOND;
    int probes = 0;
    health_init(&h);
    for (int64_t now = began; now < began + 10 * SECOND; now += SECOND / 1000) {
        bad(&h, 5, now);
        if (health_due(&h, false, now) != HEALTH_PROBE)
            continue;
        probes++;
        health_close(&h, 1, 0, false, now); /* it is answered at once */
    }
    assert_int_equal(probes, 100);
}

static void probes_back_off_unless_the_grader_is_down(void **state RBR_UNUSED)
{
    static const int64_t alone[] = {5, 10, 20, 40, 60, 60}, down[] = {4, 4, 4, 4, 4, 4};
    for (int is_down = 0; is_down < 2; is_down++) {
        struct health all[2];
        int64_t now = 1000 * SECOND;
        health_init(&all[0]);
        health_init(&all[1]);
        if (is_down)
            assert_false(health_open(all, 2, 1, now));
        assert_int_equal(health_open(all, 2, 0, now), is_down);
        for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
            int64_t wait = (is_down ? down : alone)[i] * SECOND;
            assert_int_equal(health_due(&all[0], is_down, now + wait - 1), HEALTH_WAIT);
            now += wait;
            assert_int_equal(health_due(&all[0], is_down, now), HEALTH_PROBE);
        }
        health_close(all, 2, 0, is_down, now);
        assert_int_equal(all[0].state, HEALTH_CLOSED);
        bad(&all[0], 4, now); /* and it begins anew */
        assert_int_equal(all[0].state, HEALTH_CLOSED);
        if (is_down) /* the other may be back as well */
            assert_int_equal(health_due(&all[1], false, now), HEALTH_PROBE);
        assert_false(health_open(all, 2, 0, now) != is_down);
        assert_int_equal(all[0].probe_us, now + (is_down ? 4 : 5) * SECOND);
    }
}

/* A backoff of a minute does not delay the end of an outage. */
static void going_down_shortens_every_wait(void **state RBR_UNUSED)
{
    struct health all[2];
    int64_t now = 1000 * SECOND;
    health_init(&all[0]);
    health_init(&all[1]);
    (void)health_open(all, 2, 0, now);
    for (int i = 0; i < 6; i++)
        (void)health_due(&all[0], false, now = all[0].probe_us);
    assert_int_equal(all[0].probe_us, now + 60 * SECOND);
    assert_true(health_open(all, 2, 1, now + SECOND));
    assert_int_equal(all[0].probe_us, now + SECOND + 4 * SECOND);
}

static void no_more_than_half_are_out_unless_all_fail(void **state RBR_UNUSED)
{
    for (size_t n = 1; n <= ENDPOINTS_MAX; n++) {
        struct health all[ENDPOINTS_MAX];
        int64_t now = 1000 * SECOND;
        for (size_t i = 0; i < n; i++)
            health_init(&all[i]);
        for (size_t i = 0; i < n; i++) {
            size_t out = 0;
            assert_int_equal(health_open(all, n, i, now), i + 1 == n);
            for (size_t k = 0; k < n; k++)
                out += !health_is_asked(&all[k]);
            size_t expected = i + 1 < n / 2 ? i + 1 : n / 2;
            assert_int_equal(out, i + 1 == n ? n : expected);
        }
        /* One works again: the others, of which we know nothing, stay out for their own probes. */
        health_close(all, n, 0, true, now);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(health_is_asked(&all[k]), k == 0);
    }
}

static void who_is_gone_does_not_count(void **state RBR_UNUSED)
{
    struct health all[4];
    for (size_t i = 0; i < 4; i++)
        health_init(&all[i]);
    assert_false(health_leave(all, 4, 3, 10));
    assert_false(health_is_asked(&all[3]));
    assert_int_equal(health_due(&all[3], false, INT64_MAX - 1), HEALTH_WAIT);
    assert_false(health_open(all, 4, 0, 10));
    assert_false(health_is_asked(&all[0])); /* one of three */
    assert_false(health_open(all, 4, 1, 10));
    assert_true(health_is_asked(&all[1])); /* that would be two of three */
    assert_true(health_leave(all, 4, 2, 10)); /* the last that worked */
    assert_false(health_is_asked(&all[1]));
    health_join(&all[2], true, 20);
    assert_int_equal(health_due(&all[2], true, 20), HEALTH_PROBE);
    health_close(all, 4, 2, true, 30);
    assert_true(health_is_asked(&all[2]));
    health_join(&all[3], false, 40);
    assert_true(health_is_asked(&all[3]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_raise_a_doubt),
        cmocka_unit_test(mostly_failures_raise_a_doubt),
        cmocka_unit_test(one_long_silence_raises_a_doubt),
        cmocka_unit_test(a_doubt_is_probed_at_once_and_lost_without_an_answer),
        cmocka_unit_test(doubts_without_end_are_probed_ten_times_a_second),
        cmocka_unit_test(probes_back_off_unless_the_grader_is_down),
        cmocka_unit_test(going_down_shortens_every_wait),
        cmocka_unit_test(who_is_gone_does_not_count),
        cmocka_unit_test(no_more_than_half_are_out_unless_all_fail),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
