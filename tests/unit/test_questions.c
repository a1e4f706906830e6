/* questions: escaped once for each policy, also when several take turns. */
#include "unit.h"

#include "grader/questions.h"
#include "grading_fixture.h"

static struct policy *policy_with(const char *options)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "%s%s", GRADING_POLICY("{response} {question}", ""),
                   options);
    return grading_policy(text);
}

static void policies_that_take_turns_keep_theirs(void **state RBR_UNUSED)
{
    struct policy *policies[QUESTIONS_SHELF] = {0};
    const struct questions *first[QUESTIONS_SHELF] = {0};
    struct questions_shelf shelf = {0};
    for (size_t i = 0; i < QUESTIONS_SHELF; i++) {
        char options[64];
        (void)snprintf(options, sizeof(options), "grading: {min_mass: 0.%zu}\n", i + 1);
        policies[i] = policy_with(options);
        first[i] = questions_of(&shelf, policies[i]);
        assert_str(first[i]->escaped[0], "Does it answer \\\"fully\\\"?");
    }
    for (size_t turn = 0; turn < 3; turn++)
        for (size_t i = 0; i < QUESTIONS_SHELF; i++)
            assert_ptr_equal(questions_of(&shelf, policies[i]), first[i]);
    questions_shelf_done(&shelf);
    for (size_t i = 0; i < QUESTIONS_SHELF; i++)
        policy_free(policies[i]);
}

/* A group that is on its way may be of a policy that nobody asks for any more. */
static void the_one_not_asked_for_longest_gives_way_but_stays_with_its_user(void **state RBR_UNUSED)
{
    struct questions_shelf shelf = {0};
    struct policy *p = policy_with("");
    struct questions *kept = questions_share(questions_of(&shelf, p));
    for (size_t i = 0; i < QUESTIONS_SHELF; i++) {
        char options[64];
        (void)snprintf(options, sizeof(options), "grading: {min_mass: 0.%zu}\n", i + 1);
        struct policy *other = policy_with(options);
        (void)questions_of(&shelf, other);
        policy_free(other);
    }
    assert_int_equal(kept->users, 1);
    assert_str(kept->escaped[1], "Is it rude?");
    assert_true(questions_of(&shelf, p) != kept);
    questions_drop(kept);
    questions_shelf_done(&shelf);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_that_take_turns_keep_theirs),
        cmocka_unit_test(the_one_not_asked_for_longest_gives_way_but_stays_with_its_user),
    };
    return cmocka_run_group_tests_name("questions", tests, NULL, NULL);
}
