/* quality: which endpoints are another model, and which have lost their mass. */
#include "unit.h"

#include "grader/quality.h"

enum { ENDPOINTS_MAX = 5 };

/* ---- the model --------------------------------------------------------------------------------
 */

static void replies_name_their_model(void **state RBR_UNUSED)
{
    /* One reply after another: endpoint, model, and '!' when it is another one. "m" is
     * configured. */
    static const struct {
        const char *what;
        size_t n;
        const char *replies;
    } cases[] = {
        {"all alike", 4, "0m 1m 2m 3m 0m"},
        {"an alias, by all", 4, "0m-24 1m-24 2m-24 3m-24 0m-24"},
        {"one of four is another", 4, "0m 1m 2m 3x! 3x!"},
        {"one of four, and an alias", 4, "0m-24 1m-24 2m-24 3x! 0m-24"},
        {"the other one answers first", 4, "3x 0m 1m 3x! 2m"},
        {"also with an alias, once there are two", 4, "3x 0m-24 1m-24 3x! 2m-24"},
        {"one by one to a new version", 4, "0a 1a 2a 3a 0b! 1b 2b 3a! 3b"},
        {"back to what it should be", 4, "0m 1m 2m 3x! 3m 3x!"},
        {"the configured one is never another", 4, "0a 1a 2a 3m 0a"},
        {"two, and one says what is configured", 2, "0m 1x! 0m"},
        {"two that agree on nothing", 2, "0a 1b 0a"},
        {"three, two of them right", 3, "0m 1m 2x!"},
        {"half and half", 4, "0a 1a 2b! 3b 0a 2b"},
        {"half and half, one of them configured", 4, "0m 1m 2b! 3b! 0m"},
        {"one endpoint may be many servers", 1, "0m 0x 0m 0y"},
        {"names are missing", 4, "0m 1m 2 3x! 2"},
        {"no names", 3, "0 1 2 0"},
        {"one name is no agreement", 3, "0 1 2x 0 2x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quality q;
        char replies[128], *rest = replies;
        (void)snprintf(replies, sizeof(replies), "%s", cases[i].replies);
        quality_init(&q, cases[i].n, STR("m"));
        for (const char *r; (r = strtok_r(rest, " ", &rest)) != NULL;) {
            size_t n = strlen(r);
            bool other = r[n - 1] == '!';
            struct str name = {r + 1, n - 1 - other};
            if (quality_is_other_model(&q, (size_t)(r[0] - '0'), name) != other)
                fail_msg("%s: %s", cases[i].what, r);
        }
        quality_done(&q);
    }
}

static void names_are_cut_and_printable(void **state RBR_UNUSED)
{
    struct quality q;
    char name[300];
    memset(name, 'a', sizeof(name));
    name[1] = '\n';
    name[2] = '\0';
    quality_init(&q, 2, STR(""));
    assert_false(quality_is_other_model(&q, 0, (struct str){name, sizeof(name)}));
    assert_int_equal(strlen(q.endpoints[0].model), QUALITY_MODEL_MAX - 1);
    assert_memory_equal(q.endpoints[0].model, "a??a", 4);
    quality_done(&q);
}

/* ---- the mass ---------------------------------------------------------------------------------
 */

static void answers(struct quality *q, size_t endpoint, int n, double mass)
{
    for (int i = 0; i < n; i++)
        quality_mass(q, endpoint, mass, mass < 0.5);
}

static void a_collapse_is_seen_against_the_others(void **state RBR_UNUSED)
{
    static const struct {
        const char *what;
        size_t n;
        struct {
            int n;
            double mass;
        } answers[3][2]; /* of each endpoint: first these, then those; what matters is the last */
        bool collapsed;
    } cases[] = {
        {"one of three", 3, {{{50, .95}}, {{50, .98}}, {{50, .1}}}, true},
        {"after it was well", 3, {{{50, .95}}, {{50, .98}}, {{50, .9}, {26, .1}}}, true},
        {"half of them is not most", 3, {{{50, .95}}, {{50, .98}}, {{50, .9}, {25, .1}}}, false},
        {"49 answers are too few", 3, {{{50, .95}}, {{50, .98}}, {{49, .1}}}, false},
        {"the others have said too little", 3, {{{30, .95}}, {{19, .98}}, {{50, .1}}}, false},
        {"just enough of them together", 3, {{{30, .95}}, {{20, .98}}, {{50, .1}}}, true},
        {"low, but not less than half", 3, {{{50, .9}}, {{50, .9}}, {{50, .46}}}, false},
        {"less than half", 3, {{{50, .9}}, {{50, .9}}, {{50, .44}}}, true},
        {"a weak model everywhere", 3, {{{50, .1}}, {{50, .12}}, {{50, .08}}}, false},
        {"nothing at all", 3, {{{50, .9}}, {{50, .9}}, {{50, 0}}}, true},
        {"nothing anywhere", 2, {{{50, 0}}, {{50, 0}}}, false},
        {"usable, though others have twice as much", 2, {{{50, 1}}, {{50, .5}}}, false},
        {"alone", 1, {{{50, .1}}}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quality q;
        quality_init(&q, cases[i].n, STR("m"));
        for (size_t e = 0; e < cases[i].n; e++)
            for (size_t k = 0; k < 2; k++)
                answers(&q, e, cases[i].answers[e][k].n, cases[i].answers[e][k].mass);
        if (quality_has_collapsed(&q, cases[i].n - 1) != cases[i].collapsed)
            fail_msg("%s", cases[i].what);
        quality_forget_masses(&q, cases[i].n - 1);
        assert_false(quality_has_collapsed(&q, cases[i].n - 1));
        quality_done(&q);
    }
}

static void a_probe_is_measured_by_the_same(void **state RBR_UNUSED)
{
    struct quality q;
    quality_init(&q, 3, STR("m"));
    answers(&q, 0, 25, .9);
    assert_false(quality_is_poor(&q, 2, 0.01)); /* too little to compare with */
    answers(&q, 1, 25, .8);
    assert_true(quality_is_poor(&q, 2, 0.4));
    assert_false(quality_is_poor(&q, 2, 0.45));
    answers(&q, 2, 50, .01); /* its own do not count */
    assert_true(quality_is_poor(&q, 2, 0.4));
    quality_done(&q);
}

static void low_answers_are_worth_another_try_until_one_knows(void **state RBR_UNUSED)
{
    static const struct {
        const char *what, *mine, *other; /* answers: '.' usable, 'l' low */
        bool doubtful;
    } cases[] = {
        {"nobody has said anything", "", "", true},
        {"it was well so far", "........", "", false},
        {"it was well, but for three", ".....lll", "........", false},
        {"half of the last were low", "........llll", "........", true},
        {"as many, but not of the last", "llll........", "........", false},
        {"the others are no better", "llllllll", "llllllll", false},
        {"of the others one knows little", "llllllll", "lllllll", true},
        {"one knows little of it", "lll", "llllllll", false},
        {"one knows little of it, and the others are well", ".......", "........", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quality q;
        quality_init(&q, 2, STR("m"));
        for (const char *a = cases[i].mine; *a != '\0'; a++)
            answers(&q, 0, 1, *a == 'l' ? 0.1 : 0.9);
        for (const char *a = cases[i].other; *a != '\0'; a++)
            answers(&q, 1, 1, *a == 'l' ? 0.1 : 0.9);
        if (quality_is_doubtful(&q, 0) != cases[i].doubtful)
            fail_msg("%s", cases[i].what);
        quality_done(&q);
    }
    struct quality alone;
    quality_init(&alone, 1, STR("m"));
    assert_false(quality_is_doubtful(&alone, 0));
    quality_done(&alone);
}

static void who_has_left_has_no_say(void **state RBR_UNUSED)
{
    struct quality q;
    quality_init(&q, 0, STR("m"));
    for (size_t i = 0; i < 3; i++) {
        quality_join(&q, i);
        assert_false(quality_is_other_model(&q, i, STR("m-1")));
    }
    quality_leave(&q, 0);
    quality_leave(&q, 1);
    assert_false(quality_is_other_model(&q, 2, STR("m-2"))); /* one voice is no agreement */
    answers(&q, 2, 8, 0.1);
    assert_false(quality_is_doubtful(&q, 2)); /* there is nobody else to ask */
    quality_join(&q, 0);
    assert_true(quality_is_doubtful(&q, 2));
    quality_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_name_their_model),
        cmocka_unit_test(names_are_cut_and_printable),
        cmocka_unit_test(a_collapse_is_seen_against_the_others),
        cmocka_unit_test(a_probe_is_measured_by_the_same),
        cmocka_unit_test(who_has_left_has_no_say),
        cmocka_unit_test(low_answers_are_worth_another_try_until_one_knows),
    };
    return cmocka_run_group_tests_name("quality", tests, NULL, NULL);
}
