/* reward/summary: the few facts of a message that a table shows. */
#include "unit.h"

#include "proto/reward.pb-c.h"
#include "reward/summary.h"

static ProtobufCBinaryData bytes(struct str s)
{
    return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

static enum err_code summarise(const Rbr__V1__Reward *m, size_t arena_bytes, struct arena *a,
                               struct reward_summary *ret)
{
    struct err err;
    uint8_t *packed = mem_alloc(rbr__v1__reward__get_packed_size(m) + 1);
    size_t n = rbr__v1__reward__pack(m, packed);
    arena_init(a, arena_bytes);
    enum err_code code = reward_summarise((struct str){(const char *)packed, n}, a, ret, &err);
    mem_free(packed); /* the texts are copies */
    return code;
}

static void the_largest_components_by_magnitude(void **state RBR_UNUSED)
{
    static const struct {
        double values[4];
        size_t n;
        const char *first, *second;
    } cases[] = {
        {{1, -3, 2, 0}, 2, "b", "c"}, {{0, 0, 0, 5}, 1, "d", NULL}, {{0, 0, 0, 0}, 0, NULL, NULL},
        {{1, 1, -1, 1}, 2, "a", "b"}, {{1, 2, 3, -4}, 2, "d", "c"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
        Rbr__V1__Component c[4], *list[4];
        struct reward_summary s;
        struct arena a;
        for (size_t k = 0; k < 4; k++) {
            c[k] = (Rbr__V1__Component)RBR__V1__COMPONENT__INIT;
            c[k].name = bytes((struct str){&"abcd"[k], 1});
            c[k].value_presence_case = RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE;
            c[k].value = cases[i].values[k];
            list[k] = &c[k];
        }
        m.components = list;
        m.n_components = 4;
        assert_int_equal(summarise(&m, 65536, &a, &s), ERR_OK);
        assert_int_equal(s.n_largest, cases[i].n);
        if (s.n_largest > 0)
            assert_strs(s.largest[0].name, str_z(cases[i].first));
        if (s.n_largest > 1)
            assert_strs(s.largest[1].name, str_z(cases[i].second));
        arena_done(&a);
    }
}

static void the_facts(void **state RBR_UNUSED)
{
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__GraderUse g1 = RBR__V1__GRADER_USE__INIT, g2 = g1, *graders[] = {&g1, &g2};
    struct reward_summary s;
    struct arena a;
    g1.requests = 3;
    g2.requests = 4;
    m.completion_id = bytes(STR("c\0d"));
    m.group_id = bytes(STR("g\xff cut"));
    m.response_type = bytes(STR("t"));
    m.status = RBR__V1__STATUS__STATUS_PARTIAL;
    m.reason = RBR__V1__REASON__REASON_DEADLINE;
    m.graders = graders;
    m.n_graders = 2;
    assert_int_equal(summarise(&m, 65536, &a, &s), ERR_OK);
    assert_str(s.completion_id, "c\0d");
    assert_str(s.group_id, "g");
    assert_str(s.response_type, "t");
    assert_int_equal(s.predicted_class.n, 0);
    assert_int_equal(s.status, STATUS_PARTIAL);
    assert_int_equal(s.reason, REASON_DEADLINE);
    assert_int_equal(s.requests, 7);
    assert_false(s.has_reward);
    arena_done(&a);
    m.predicted_class = bytes(STR("good"));
    m.reward_presence_case = RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
    m.reward = -1.5;
    assert_int_equal(summarise(&m, 65536, &a, &s), ERR_OK);
    assert_str(s.predicted_class, "good");
    assert_true(s.has_reward && s.reward == -1.5);
    arena_done(&a);
}

/* Without a reward no component has a value, and none is the largest. */
static void a_failure_has_no_largest(void **state RBR_UNUSED)
{
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__Component c = RBR__V1__COMPONENT__INIT, *list[] = {&c};
    struct reward_summary s;
    struct arena a;
    c.weight = 5;
    m.components = list;
    m.n_components = 1;
    assert_int_equal(summarise(&m, 65536, &a, &s), ERR_OK);
    assert_int_equal(s.n_largest, 0);
    arena_done(&a);
}

static void limits_and_refusals(void **state RBR_UNUSED)
{
    static const struct str wrong[] = {STR_INIT(""), STR_INIT("{}\n"), STR_INIT("\x0a\x7fx")};
    struct reward_summary s;
    struct arena a;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        arena_init(&a, 4096);
        assert_int_equal(reward_summarise(wrong[i], &a, &s, &err), ERR_INVALID);
        assert_non_null(strstr(err.msg, "rbr.v1.Reward"));
        arena_done(&a);
    }
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    Rbr__V1__Component c = RBR__V1__COMPONENT__INIT, *list[] = {&c};
    c.value_presence_case = RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE;
    c.value = 1;
    m.components = list;
    m.n_components = 1;
    assert_int_equal(summarise(&m, 8, &a, &s), ERR_LIMIT); /* no room for its name */
    arena_done(&a);
    m.n_components = 0;
    m.completion_id = bytes(STR("c"));
    assert_int_equal(summarise(&m, 8, &a, &s), ERR_LIMIT);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_components_by_magnitude),
        cmocka_unit_test(the_facts),
        cmocka_unit_test(a_failure_has_no_largest),
        cmocka_unit_test(limits_and_refusals),
    };
    return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
