/* settings: ${NAME} and --set. */
#include "settings_fixture.h"

/* ---- ${NAME} ----------------------------------------------------------------------------------
 */

static void the_environment_is_put_in(void **state RBR_UNUSED)
{
    (void)setenv("RBR_TEST_A", "one", 1);
    (void)setenv("RBR_TEST_B2", "7", 1);
    (void)setenv("RBR_TEST_EMPTY", "", 1);
    (void)setenv("RBR_TEST_NESTED", "${RBR_TEST_A}", 1);
    (void)setenv("RBR_TEST_YAML", "a, b: [c]", 1);
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"${RBR_TEST_A}", "one"},
        {"x-${RBR_TEST_A}-${RBR_TEST_B2}-y", "x-one-7-y"},
        {"$RBR_TEST_A", "$RBR_TEST_A"},
        {"$${RBR_TEST_A}", "${RBR_TEST_A}"},
        {"a$${b", "a${b"},
        {"g${RBR_TEST_EMPTY}", "g"},
        {"${RBR_TEST_NESTED}", "${RBR_TEST_A}"}, /* once, not again and again */
        {"${RBR_TEST_YAML}", "a, b: [c]"}, /* text, not YAML */
        {"5$", "5$"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), KAFKA("  group: '%s'\n"), cases[i].in);
        struct settings *s = good(text, NULL);
        assert_strs(s->kafka.group, str_z(cases[i].out));
        settings_free(s);
    }
    struct settings *s = good(GRADER("  attempts: ${RBR_TEST_B2}\n"), NULL);
    assert_int_equal(s->graders[0].attempts, 7);
    settings_free(s);
}

static void a_missing_variable_is_one_problem_each(void **state RBR_UNUSED)
{
    (void)setenv("RBR_TEST_LATIN1", "\xe9", 1);
    struct loaded l = load("kafka:\n"
                           "  brokers: ${RBR_TEST_NOT_SET}\n"
                           "  start: ${RBR_TEST_NOT_SET}\n"
                           "  group: ${RBR_TEST_LATIN1}\n"
                           "  properties: {common: {debug: \"${RBR_TEST_NOT_SET}\"}}\n"
                           "policy: {files: [\"${RBR_TEST_NOT_SET}/p.yaml\"]}\n" G,
                           NULL);
    assert_problems(
        "missing variables", &l,
        "w.yaml:2:12: environment variable RBR_TEST_NOT_SET is not set; set it, or write the "
        "value here\n"
        "w.yaml:3:10: environment variable RBR_TEST_NOT_SET is not set; set it, or write the "
        "value here\n"
        "w.yaml:4:10: environment variable RBR_TEST_LATIN1 is not UTF-8; correct it\n"
        "w.yaml:5:33: environment variable RBR_TEST_NOT_SET is not set; set it, or write the "
        "value here\n"
        "w.yaml:6:19: environment variable RBR_TEST_NOT_SET is not set; set it, or write the "
        "value here\n");
    (void)unsetenv("RBR_TEST_LATIN1");
}

/* ---- --set ------------------------------------------------------------------------------------
 */

static void overrides_go_over_the_file(void **state RBR_UNUSED)
{
    (void)setenv("RBR_TEST_A", "one", 1);
    static const char *const sets[] = {
        "kafka.group=g=h",
        "kafka.properties.consumer.max.poll.interval.ms=100000",
        "limits.drain=${RBR_TEST_SECONDS}s",
        "graders.0.model=other",
        "graders.grader.timeouts.total=30s",
        "graders.0.endpoints.1=http://127.0.0.1:2",
        "policy.files=[a.yaml, 'b.yaml']",
        NULL,
    };
    (void)setenv("RBR_TEST_SECONDS", "20", 1);
    struct settings *s = good(K P G, sets);
    assert_str(s->kafka.group, "g=h");
    assert_str(s->kafka.brokers, "a:9092");
    assert_int_equal(s->kafka.consumer.n, 1);
    assert_str(s->kafka.consumer.items[0].name, "max.poll.interval.ms");
    assert_str(s->kafka.consumer.items[0].value, "100000");
    assert_int_equal(s->limits.drain_us, 20000000);
    assert_str(s->graders[0].model, "other");
    assert_int_equal(s->graders[0].total_timeout_us, 30000000);
    assert_int_equal(s->graders[0].endpoints.n, 2);
    assert_str(s->graders[0].endpoints.items[1], "http://127.0.0.1:2");
    assert_int_equal(s->policy_files.n, 2);
    assert_str(s->policy_files.items[1], "b.yaml");
    settings_free(s);
}

static void overrides_alone_make_a_configuration(void **state RBR_UNUSED)
{
    static const char *const sets[] = {
        "kafka.brokers=b:1",
        "kafka.brokers=c:1", /* the last one counts */
        "policy.files.0=p.yaml",
        "graders.0={name: g, model: m}",
        "graders.g.endpoints=[https://h]",
        "kafka.instance_id=", /* as if it were not there */
        NULL,
    };
    struct settings *s = good("", sets);
    assert_str(s->kafka.brokers, "c:1");
    assert_str(s->policy_files.items[0], "p.yaml");
    assert_str(s->graders[0].name, "g");
    assert_str(s->graders[0].endpoints.items[0], "https://h");
    settings_free(s);
}

struct wrong_set {
    const char *set, *lines;
};

static const struct wrong_set wrong_sets[] = {
    {"kafka.group", "--set kafka.group: no value; write --set kafka.group=x\n"},
    {"=x", "--set : an empty key in the path; write --set kafka.group=x\n"},
    {"kafka..group=x", "--set kafka..group: an empty key in the path; write --set kafka.group=x\n"},
    {"kafka.grup=x", "--set kafka.grup: unknown key 'grup' in kafka; did you mean 'group'?\n"},
    {"log.level=loud",
     "--set log.level: there is no 'loud'; write debug, info, warning or error\n"},
    {"kafka.group.x=1", "--set kafka.group.x: kafka.group: a map, where one value is wanted; write "
                        "group: VALUE\n"},
    {"kafka.brokers.x=1",
     "--set kafka.brokers.x: kafka.brokers is one value and has no keys; shorten the path\n"},
    {"graders.7.model=m",
     "--set graders.7.model: graders has 1 items, counted from 0; use 1 to add one\n"},
    {"graders.other.model=m", "--set graders.other.model: graders has no item named 'other'; use a "
                              "name that is there, or its number from 0\n"},
    {"graders.1={model: n, endpoints: [https://h]}",
     "--set graders.1: graders: there are 2, and the worker asks one; remove this one\n"},
    {"policy.files=[a",
     "--set policy.files: flow sequence without a closing bracket; correct it\n"},
    {"kafka.group=\xe9", "--set kafka.group: not UTF-8 text; correct it\n"},
    {"kafka.group=${RBR_TEST_NOT_SET}", "--set kafka.group: environment variable RBR_TEST_NOT_SET "
                                        "is not set; set it, or write the value here\n"},
    {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1",
     "--set a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: the path is too "
     "deep; see docs/settings.md for the keys\n"
     "--set a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: unknown key "
     "'a'; "
     "the keys there are kafka, policy, graders, limits, state, cache, canary, log\n"},
    {"kafka.properties.common.sasl.password=hunter2",
     "--set kafka.properties.common.sasl.password: a secret among the arguments is seen by every "
     "user of this machine; put it in the environment and write ${NAME} in the file\n"},
    {"kafka={properties: {producer: {ssl.key.password: hunter2}}, brokers: b}",
     "--set kafka: a secret among the arguments is seen by every user of this machine; put it in "
     "the environment and write ${NAME} in the file\n"},
};

static void every_wrong_override_gets_its_line(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(wrong_sets); i++) {
        const char *const sets[] = {wrong_sets[i].set, NULL};
        struct loaded l = load(K P G, sets);
        assert_problems(wrong_sets[i].set, &l, wrong_sets[i].lines);
    }
    (void)setenv("RBR_TEST_A", "one", 1);
    static const char *const fine[] = {"kafka.properties.common.sasl.password=${RBR_TEST_A}", NULL};
    struct settings *s = good(K P G, fine);
    assert_str(s->kafka.common.items[0].value, "one");
    settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_is_put_in),
        cmocka_unit_test(a_missing_variable_is_one_problem_each),
        cmocka_unit_test(overrides_go_over_the_file),
        cmocka_unit_test(overrides_alone_make_a_configuration),
        cmocka_unit_test(every_wrong_override_gets_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
