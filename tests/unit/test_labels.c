/* grader/labels: P(yes) against numbers worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "grader/labels.h"

#define assert_near(got, want, by) assert_true(fabs((got) - (want)) <= (by))

static struct str yes_labels[] = {STR_INIT("yes"), STR_INIT("true")};
static struct str no_labels[] = {STR_INIT("no"), STR_INIT("false")};
static const struct policy policy = {.yes_labels = yes_labels,
                                     .n_yes_labels = 2,
                                     .no_labels = no_labels,
                                     .n_no_labels = 2,
                                     .min_mass = 0.5};

struct alternative {
    const char *token;
    double probability; /* its logprob is given as log of it */
};

static void a_token_is_stripped_of_decoration(void **state RBR_UNUSED)
{
    static const char *const cases[][2] = {
        {"Yes", "Yes"},
        {" yes", "yes"},
        {"yes\n", "yes"},
        {"\t\"Yes\".", "Yes"},
        {"**No**", "No"},
        {"'no',", "no"},
        {"`true`:", "true"},
        {"\xe2\x96\x81Yes", "Yes"},
        {"\xc4\xa0no", "no"},
        {"\xc4\x8aNo", "No"},
        {"\xe2\x80\x9cyes\xe2\x80\x9d", "yes"},
        {"", ""},
        {" \n\"*", ""},
        {"\xe2\x96\x81", ""},
        {"\xe2\x96", "\xe2\x96"}, /* half a mark is not one */
        {"y es", "y es"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str bare = label_strip(str_z(cases[i][0]));
        assert_int_equal(bare.n, strlen(cases[i][1]));
        assert_memory_equal(bare.p, cases[i][1], bare.n);
    }
}

static struct answer judge(const struct alternative *a, size_t n)
{
    struct labels_sum sum = {.policy = &policy};
    for (size_t i = 0; i < n; i++)
        assert_true(labels_add(&sum, str_z(a[i].token), log(a[i].probability)));
    return labels_judge(&sum);
}

static void p_is_the_share_of_yes_in_the_mass(void **state RBR_UNUSED)
{
    static const struct {
        struct alternative a[5];
        size_t n;
        double p, mass;
    } cases[] = {
        {{{"yes", 0.9}, {"no", 0.1}}, 2, 0.9, 1.0},
        {{{"Yes", 0.5}, {" yes", 0.2}, {"No", 0.1}, {"maybe", 0.2}}, 4, 0.875, 0.8},
        {{{"No", 0.75}, {"TRUE", 0.25}}, 2, 0.25, 1.0},
        {{{"yes", 0.6}}, 1, 1.0, 0.6},
        {{{"**no**", 0.6}, {"I", 0.4}}, 2, 0.0, 0.6},
        {{{"yes", 0.25}, {"false", 0.25}}, 2, 0.5, 0.5}, /* exactly min_mass */
        {{{"yes", 0.6}, {"yes", 0.6}, {"no", 0.2}}, 3, 0.75, 0.8}, /* listed twice, counted once */
        {{{"yes", 0.5}, {"yes", 0.1}, {"no", 0.2}}, 3, 0.75, 0.8}, /* two tokens that print alike */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer j = judge(cases[i].a, cases[i].n);
        assert_int_equal(j.reason, REASON_NONE);
        assert_near(j.probability, cases[i].p, 1e-12);
        assert_near(j.mass, cases[i].mass, 1e-12);
    }
}

static void too_little_or_too_much_mass_is_no_number(void **state RBR_UNUSED)
{
    static const struct {
        struct alternative a[3];
        size_t n;
        enum reason reason;
    } cases[] = {
        {{{"yes", 0.3}, {"no", 0.19}, {"I", 0.5}}, 3, REASON_LOW_PROBABILITY_MASS},
        {{{"Sure", 0.9}, {"yess", 0.05}, {"n o", 0.05}}, 3, REASON_LOW_PROBABILITY_MASS},
        {{{"", 0.9}, {"\n", 0.1}}, 2, REASON_LOW_PROBABILITY_MASS},
        {{{"yes", 0.9}, {"no", 0.9}}, 2, REASON_UNPARSEABLE_VERDICT},
        {{{NULL, 0}}, 0, REASON_LOW_PROBABILITY_MASS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer j = judge(cases[i].a, cases[i].n);
        assert_int_equal(j.reason, cases[i].reason);
        assert_true(j.probability == 0);
    }
}

static void a_mass_of_zero_is_never_divided_by(void **state RBR_UNUSED)
{
    struct policy lax = policy;
    lax.min_mass = 0;
    struct labels_sum sum = {.policy = &lax};
    assert_int_equal(labels_judge(&sum).reason, REASON_LOW_PROBABILITY_MASS);
    assert_true(labels_add(&sum, STR("yes"), -1e300)); /* underflows, and is below the list */
    assert_int_equal(labels_judge(&sum).reason, REASON_LOW_PROBABILITY_MASS);
    assert_true(labels_add(&sum, STR("yes"), -700)); /* tiny, but a probability */
    struct answer j = labels_judge(&sum);
    assert_int_equal(j.reason, REASON_NONE);
    assert_near(j.probability, 1, 0);
}

static void only_logprobs_are_counted(void **state RBR_UNUSED)
{
    static const struct {
        double logprob;
        bool ok, counts;
    } cases[] = {
        {0, true, true},
        {-0.0, true, true},
        {1e-6, true, true}, /* rounding */
        {0.01, false, false},
        {42, false, false},
        {(double)NAN, false, false},
        {(double)INFINITY, false, false},
        {-(double)INFINITY, true, false},
        {-9999, true, false}, /* "below the list" */
        {-9999.5, true, false},
        {-20, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct labels_sum sum = {.policy = &policy};
        assert_int_equal(labels_add(&sum, STR("yes"), cases[i].logprob), cases[i].ok);
        assert_int_equal(sum.yes > 0, cases[i].counts);
    }
}

static void more_labels_than_are_remembered_still_count(void **state RBR_UNUSED)
{
    struct labels_sum sum = {.policy = &policy};
    for (int i = 0; i < 40; i++)
        assert_true(labels_add(&sum, STR("yes"), log(0.01) - i * 1e-9));
    assert_near(sum.yes, 0.4, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_stripped_of_decoration),
        cmocka_unit_test(p_is_the_share_of_yes_in_the_mass),
        cmocka_unit_test(too_little_or_too_much_mass_is_no_number),
        cmocka_unit_test(a_mass_of_zero_is_never_divided_by),
        cmocka_unit_test(only_logprobs_are_counted),
        cmocka_unit_test(more_labels_than_are_remembered_still_count),
    };
    return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
