/* grader/retry: what each end of an attempt means, how long to wait, and the budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "base/rng.h"
#include "grader/retry.h"

static struct transport_req reply(int status, const char *body)
{
    return (struct transport_req){
        .outcome = TRANSPORT_REPLY, .status = status, .body = str_z(body), .retry_after_us = -1};
}

static const struct {
    int status;
    enum reason reason;
    bool retry, elsewhere;
    enum limiter_outcome load;
} statuses[] = {
    {429, REASON_GRADER_RATE_LIMITED, true, false, LIMITER_OVERLOAD},
    {503, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_OVERLOAD},
    {529, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_OVERLOAD},
    {408, REASON_GRADER_TIMEOUT, true, true, LIMITER_OVERLOAD},
    {409, REASON_GRADER_UNAVAILABLE, true, false, LIMITER_NEUTRAL},
    {500, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL},
    {502, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL},
    {504, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL},
    {400, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {401, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {403, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {404, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {413, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {422, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {204, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {301, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
    {418, REASON_GRADER_REJECTED, false, false, LIMITER_NEUTRAL},
};

static void every_status_has_its_meaning(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct transport_req req = reply(statuses[i].status, "{}");
        struct failure f = failure_of(&req);
        assert_int_equal(f.reason, statuses[i].reason);
        assert_int_equal(f.retry, statuses[i].retry);
        assert_int_equal(f.elsewhere, statuses[i].elsewhere);
        assert_int_equal(f.load, statuses[i].load);
        req.should_not_retry = true; /* x-should-retry: false */
        assert_false(failure_of(&req).retry);
    }
}

static void every_broken_transfer_has_its_meaning(void **state RBR_UNUSED)
{
    static const struct {
        enum transport_outcome outcome;
        enum reason reason;
        bool retry, elsewhere;
        enum limiter_outcome load;
    } cases[] = {
        {TRANSPORT_CONNECT, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL},
        {TRANSPORT_RESET, REASON_GRADER_UNAVAILABLE, true, true, LIMITER_NEUTRAL},
        {TRANSPORT_TIMEOUT, REASON_GRADER_TIMEOUT, true, true, LIMITER_OVERLOAD},
        {TRANSPORT_TOO_LARGE, REASON_UNPARSEABLE_VERDICT, true, true, LIMITER_NEUTRAL},
        {TRANSPORT_BAD_REPLY, REASON_UNPARSEABLE_VERDICT, true, true, LIMITER_NEUTRAL},
        {TRANSPORT_CANCELLED, REASON_DEADLINE, false, false, LIMITER_NEUTRAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct transport_req req = {.outcome = cases[i].outcome, .retry_after_us = -1};
        struct failure f = failure_of(&req);
        assert_int_equal(f.reason, cases[i].reason);
        assert_int_equal(f.retry, cases[i].retry);
        assert_int_equal(f.elsewhere, cases[i].elsewhere);
        assert_int_equal(f.load, cases[i].load);
    }
}

static void an_over_long_prompt_is_told_from_other_refusals(void **state RBR_UNUSED)
{
    static const char *const bodies[] = {
        "{\"error\":{\"code\":\"context_length_exceeded\"}}",
        "{\"message\":\"This model's maximum context length is 4096 tokens\"}",
        "{\"error\":{\"message\":\"Requested tokens (832) exceed context window of 512\"}}",
        "{\"error\":\"`inputs` must have less than 1024 tokens\"}",
        "{\"error\":{\"type\":\"exceed_context_size_error\"}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct transport_req req = reply(400, bodies[i]);
        struct failure f = failure_of(&req);
        assert_int_equal(f.reason, REASON_GRADER_CONTEXT_EXCEEDED);
        assert_false(f.retry);
        req.status = 500; /* only a refusal of the prompt is one */
        assert_int_equal(failure_of(&req).reason, REASON_GRADER_UNAVAILABLE);
    }
}

/* Full jitter: anything from 0 to the bound, which doubles up to the maximum. */
static void waits_spread_over_the_whole_range(void **state RBR_UNUSED)
{
    static const struct {
        unsigned attempts;
        int64_t most;
    } cases[] = {{1, 500}, {2, 1000}, {3, 2000}, {5, 8000}, {6, 8000}, {200, 8000}};
    struct rng rng;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t low = INT64_MAX, high = 0;
        for (int k = 0; k < 2000; k++) {
            int64_t wait = retry_wait_us(&rng, cases[i].attempts, 500, 8000, -1);
            assert_in_range(wait, 0, cases[i].most);
            low = wait < low ? wait : low;
            high = wait > high ? wait : high;
        }
        assert_true(low < cases[i].most / 20);
        assert_true(high > cases[i].most - cases[i].most / 20);
    }
    assert_in_range(retry_wait_us(&rng, 1, 9000, 8000, -1), 0, 8000); /* min above max */
    assert_int_equal(retry_wait_us(&rng, 1, 0, 0, -1), 0);
}

static void retry_after_is_the_least_up_to_its_cap(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (int k = 0; k < 100; k++) {
        assert_int_equal(retry_wait_us(&rng, 1, 500000, 8000000, 2000000), 2000000);
        assert_in_range(retry_wait_us(&rng, 3, 500000, 8000000, 1000), 1000, 2000000);
        assert_int_equal(retry_wait_us(&rng, 1, 500000, 8000000, 3600000000), 30000000);
    }
}

static void the_budget_is_a_tenth_of_requests_and_five_a_second(void **state RBR_UNUSED)
{
    struct retry_budget b;
    size_t taken = 0;
    retry_budget_init(&b, RETRY_BURST, 0);
    while (retry_budget_take(&b, 0))
        taken++;
    assert_int_equal(taken, 500); /* the burst */
    for (int i = 0; i < 101; i++)
        retry_budget_request(&b);
    for (taken = 0; retry_budget_take(&b, 0);)
        taken++;
    assert_int_equal(taken, 10);
    for (taken = 0; retry_budget_take(&b, 3000000);)
        taken++;
    assert_in_range(taken, 15, 16); /* and what was left of the tenth */
    for (taken = 0; retry_budget_take(&b, 3600000000);)
        taken++;
    assert_int_equal(taken, 500); /* it does not grow without bound */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_meaning),
        cmocka_unit_test(every_broken_transfer_has_its_meaning),
        cmocka_unit_test(an_over_long_prompt_is_told_from_other_refusals),
        cmocka_unit_test(waits_spread_over_the_whole_range),
        cmocka_unit_test(retry_after_is_the_least_up_to_its_cap),
        cmocka_unit_test(the_budget_is_a_tenth_of_requests_and_five_a_second),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
