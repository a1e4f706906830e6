/* pipeline/budget: when each begins and ceases to hold, and what is said about it. */
#include "unit.h"

#include "pipeline/budget.h"

static struct budgets eighty(void)
{
    struct budgets b = {0};
    for (size_t i = 0; i < BUDGETS; i++)
        b.of[i].limit = 80;
    return b;
}

static void a_budget_holds_until_an_eighth_is_free(void **state RBR_UNUSED)
{
    static const struct {
        size_t used, limit;
        bool holds;
    } steps[] = {
        {79, 80, false}, {80, 80, true},  {79, 80, true}, {71, 80, true},   {70, 80, false},
        {79, 80, false}, {200, 80, true}, {71, 80, true}, {71, 200, false}, /* the limit moved away
                                                                             */
        {71, 71, true},  {0, 71, false},  {1, 1, true},   {0, 1, false},
    };
    for (size_t kind = 0; kind < BUDGETS; kind++) {
        struct budgets b = eighty();
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
            b.of[kind].used = steps[i].used;
            b.of[kind].limit = steps[i].limit;
            assert_int_equal(budgets_room(&b, 0), !steps[i].holds);
            assert_int_equal(budgets_holding(&b), steps[i].holds ? kind : BUDGETS);
        }
    }
}

static void the_one_that_holds_longest_is_named(void **state RBR_UNUSED)
{
    struct budgets b = eighty();
    b.of[BUDGET_RESULTS].used = 80;
    (void)budgets_room(&b, 1000);
    b.of[BUDGET_RECORDS].used = 80;
    (void)budgets_room(&b, 2000);
    assert_int_equal(budgets_holding(&b), BUDGET_RESULTS);
    b.of[BUDGET_RESULTS].used = 0;
    assert_false(budgets_room(&b, 3000));
    assert_int_equal(budgets_holding(&b), BUDGET_RECORDS);
    assert_string_equal(budget_name(budgets_holding(&b)), "records_in_flight");
}

static void long_holding_is_told_once_and_so_is_its_end(void **state RBR_UNUSED)
{
    const int64_t patience = BUDGET_PATIENCE_US;
    struct budgets b = eighty();
    b.of[BUDGET_QUESTIONS].used = 80;
    (void)budgets_room(&b, 5);
    assert_int_equal(budgets_watch(&b, 5 + patience - 1), BUDGET_NOTHING);
    assert_int_equal(budgets_watch(&b, 5 + patience), BUDGET_HOLDS);
    assert_int_equal(b.told, BUDGET_QUESTIONS);
    assert_int_equal(budgets_watch(&b, 5 + 2 * patience), BUDGET_NOTHING);
    b.of[BUDGET_MEMORY].used = 80; /* another joins, and outlasts it */
    (void)budgets_room(&b, 3 * patience);
    b.of[BUDGET_QUESTIONS].used = 0;
    (void)budgets_room(&b, 4 * patience - 1);
    assert_int_equal(budgets_watch(&b, 4 * patience - 1), BUDGET_EASED);
    assert_int_equal(b.told, BUDGET_QUESTIONS);
    assert_int_equal(budgets_watch(&b, 4 * patience - 1), BUDGET_NOTHING);
    assert_int_equal(budgets_watch(&b, 4 * patience), BUDGET_HOLDS);
    assert_int_equal(b.told, BUDGET_MEMORY);
}

/* Between two looks it had room, and used it up again. */
static void a_break_between_two_looks_is_an_end(void **state RBR_UNUSED)
{
    const int64_t patience = BUDGET_PATIENCE_US;
    struct budgets b = eighty();
    b.of[BUDGET_RESULTS].used = 80;
    (void)budgets_room(&b, 0);
    assert_int_equal(budgets_watch(&b, patience), BUDGET_HOLDS);
    b.of[BUDGET_RESULTS].used = 0;
    assert_true(budgets_room(&b, patience + 1));
    b.of[BUDGET_RESULTS].used = 80;
    assert_false(budgets_room(&b, patience + 2));
    assert_int_equal(budgets_watch(&b, patience + 3), BUDGET_EASED);
    assert_int_equal(b.told_since_us, 0);
    assert_int_equal(budgets_watch(&b, 2 * patience + 2), BUDGET_HOLDS);
}

/* A worker under load reads in stretches: that is no news. */
static void holding_in_turns_is_not_told(void **state RBR_UNUSED)
{
    struct budgets b = eighty();
    for (int64_t second = 0; second < 100; second++) {
        b.of[BUDGET_RECORDS].used = second % 2 == 0 ? 80 : 70;
        (void)budgets_room(&b, second * 1000000);
        assert_int_equal(budgets_watch(&b, second * 1000000), BUDGET_NOTHING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_holds_until_an_eighth_is_free),
        cmocka_unit_test(the_one_that_holds_longest_is_named),
        cmocka_unit_test(long_holding_is_told_once_and_so_is_its_end),
        cmocka_unit_test(a_break_between_two_looks_is_an_end),
        cmocka_unit_test(holding_in_turns_is_not_told),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
