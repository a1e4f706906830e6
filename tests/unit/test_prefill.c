/* prefill: what an endpoint has to read. */
#include "unit.h"

#include "grader/prefill.h"

static const struct prefill_request large = {.key = 7, .shared = 100000, .own = 200};
static const struct prefill_request small = {.key = 8, .shared = 1000, .own = 200};

static void the_first_question_pays_for_all(void **state RBR_UNUSED)
{
    struct prefill p = {0};
    size_t first = prefill_start(&p, &large), second = prefill_start(&p, &large);
    assert_int_equal(first, 100200 / 4 + 1);
    assert_int_equal(second, 200 / 4 + 1);
    assert_int_equal(p.tokens, first + second);
    assert_true(prefill_is_cached(&p, &large));
    assert_false(prefill_is_cached(&p, &small));
    prefill_end(&p, first);
    prefill_end(&p, second);
    assert_int_equal(p.tokens, 0);
    assert_int_equal(prefill_tokens(&p, &large), 51); /* it stays for a while */
}

static void the_latest_are_remembered(void **state RBR_UNUSED)
{
    struct prefill p = {0};
    for (uint64_t key = 1; key <= 2 * (uint64_t)PREFILL_RECENT; key++)
        (void)prefill_start(&p, &(struct prefill_request){.key = key, .shared = 40, .own = 4});
    for (uint64_t key = 1; key <= 2 * (uint64_t)PREFILL_RECENT; key++)
        assert_int_equal(
            prefill_is_cached(&p, &(struct prefill_request){.key = key, .shared = 40, .own = 4}),
            key > PREFILL_RECENT);
}

static void a_bound_lets_one_through_and_small_ones_beside(void **state RBR_UNUSED)
{
    struct prefill p = {0};
    assert_true(prefill_has_room(&p, &large, 1000)); /* or it would wait for ever */
    size_t tokens = prefill_start(&p, &large);
    assert_false(prefill_has_room(&p, &small, 1000));
    assert_true(prefill_has_room(&p, &small, 25352)); /* 25051 and 301 are one too many */
    assert_false(prefill_has_room(&p, &small, 25351));
    assert_true(prefill_has_room(&p, &large, 1000)); /* it is read already */
    assert_true(prefill_has_room(&p, &small, 0)); /* no bound */
    prefill_end(&p, tokens);
    assert_true(prefill_has_room(&p, &small, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_question_pays_for_all),
        cmocka_unit_test(the_latest_are_remembered),
        cmocka_unit_test(a_bound_lets_one_through_and_small_ones_beside),
    };
    return cmocka_run_group_tests_name("prefill", tests, NULL, NULL);
}
