/* replay/manifest: what is printed is read back; what is missing, wrong or unsafe is refused with
 * its place. */
#include "unit.h"

#include "replay/manifest.h"

#define HASH "80b84fdd0238d59dedf2380ac8104cef0dfeca9e9aa585a402331e9baa723791"

static const char whole[] =
    "# What `rbr replay run` does, on any number of hosts at once.\n"
    "version: 1\n"
    "id: \"20260115-a.b_c\"\n"
    "created: \"2026-01-15T10:15:30Z\"\n"
    "input: \"completions\"\n"
    "output: \"rewards.v8\"\n"
    "dead_letters: \"dead-letters\"\n"
    "policy:\n"
    "  files: [\"a \\\"b\\\".yaml\", \"weights.yaml\"]\n"
    "  hash: \"" HASH "\"\n"
    "grader: {name: \"local\", model: \"m/7 b\", revision: \"2\", dialect: \"chat\"}\n"
    "restore_from: [\"rewards\", \"rewards.v7\"]\n"
    "restore_since: \"2026-01-15T09:15:30Z\"\n"
    "estimate: {sampled: 200, records: 1880, asked: 10, saved: 30070, input_tokens: 4000, "
    "cost_usd: \"0.12\"}\n"
    "partitions:\n"
    "  - {partition: 0, start: 0, stop: 1000}\n"
    "  - {partition: 3, start: 17, stop: 9223372036854775806}\n";

static void what_is_printed_is_read_back(void **state RBR_UNUSED)
{
    struct manifest *m;
    struct err err = {0};
    struct buf text;
    assert_int_equal(manifest_parse(STR("m"), str_z(whole), &m, &err), ERR_OK);
    assert_str(m->id, "20260115-a.b_c");
    assert_str(m->input, "completions");
    assert_str(m->output, "rewards.v8");
    assert_str(m->dead_letters, "dead-letters");
    assert_int_equal(m->policy_files.n, 2);
    assert_str(m->policy_files.items[0], "a \"b\".yaml");
    assert_str(m->policy_hash, HASH);
    assert_str(m->grader.model, "m/7 b");
    assert_int_equal(m->restore_from.n, 2);
    assert_str(m->restore_from.items[1], "rewards.v7");
    assert_int_equal(m->failed_in.n, 0);
    assert_int_equal(m->estimate.saved, 30070);
    assert_int_equal(m->n_partitions, 2);
    assert_int_equal(m->partitions[1].partition, 3);
    assert_int_equal(m->partitions[1].start, 17);
    assert_int_equal(m->partitions[1].stop, INT64_MAX - 1);
    buf_init(&text, 1 << 16);
    assert_true(manifest_print(m, &text));
    assert_str(buf_str(&text), whole);
    buf_done(&text);
    manifest_free(m);
    manifest_free(NULL);
}

/* `whole` with one piece replaced; NULL where the piece is not in it. */
static char *replaced(const char *from, const char *to)
{
    static char text[4096];
    const char *at = strstr(whole, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
    return text;
}

static void a_manifest_of_failures_names_them(void **state RBR_UNUSED)
{
    struct manifest *m;
    struct err err = {0};
    char *text = replaced("restore_since: \"2026-01-15T09:15:30Z\"", "failed_in: rewards");
    static const char only[] = "  - {partition: 0, start: 5, stop: 10, only: \"5,7-9\"}\n";
    memcpy(strstr(text, "  - {partition: 0"), only, sizeof(only));
    assert_int_equal(manifest_parse(STR("m"), str_z(text), &m, &err), ERR_OK);
    assert_str(m->failed_in, "rewards");
    assert_int_equal(manifest_offsets(m), 4);
    assert_true(offset_set_has(&m->partitions[0].only, 8));
    assert_false(offset_set_has(&m->partitions[0].only, 6));
    manifest_free(m);
}

static void what_is_wrong_has_its_place(void **state RBR_UNUSED)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"version: 1", "version: 2", "m:2:10: this rbr reads manifests of version 1"},
        {"version: 1\n", "", "m:1:1: 'version' is missing"},
        {"id: \"20260115-a.b_c\"", "id: a b",
         "m:3:5: may have letters, digits, dots, underscores and dashes only"},
        {"id: \"20260115-a.b_c\"", "id: [a]", "m:3:1: is no text"},
        {"created:", "crated:",
         "m:4:1: a manifest of this version has no such key here; is it what rbr replay plan "
         "wrote?"},
        {"output: \"rewards.v8\"", "output: completions",
         "m:1:1: input, output and dead_letters must be three topics"},
        {"output: \"rewards.v8\"", "output: dead-letters",
         "m:1:1: input, output and dead_letters must be three topics"},
        {"hash: \"" HASH "\"", "hash: 80b8", "m:10:9: is no hash of 64 hex digits"},
        {"files: [\"a \\\"b\\\".yaml\", \"weights.yaml\"]", "files: []",
         "m:9:3: is no list of 1 to 16"},
        {"dialect: \"chat\"", "dialect: ''", "m:11:66: is no text"},
        {"start: 0,", "start: -1,", "m:16:27: is no whole number from 0 to 9223372036854775806"},
        {"start: 0,", "start: 1000,", "m:16:27: start must be below stop"},
        {"partition: 3", "partition: 0", "m:17:17: partitions must ascend"},
        {"stop: 1000}", "stop: 1000, only: \"3\"}", "m:16:17: 'only' and failed_in go together"},
        {"restore_since: \"2026-01-15T09:15:30Z\"", "failed_in: rewards",
         "m:16:17: 'only' and failed_in go together"},
        {"restore_from: [\"rewards\", \"rewards.v7\"]\n", "",
         "m:12:17: restore_since is of restore_from, which is missing"},
        {"restore_since: \"2026-01-15T09:15:30Z\"", "restore_since: today",
         "m:13:16: is no time like 2026-01-15T10:15:30Z"},
        {"restore_from: [\"rewards\", \"rewards.v7\"]", "restore_from: [a, b/c]",
         "m:12:19: may have letters, digits, dots, underscores and dashes only"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct manifest *m;
        struct err err = {0};
        char *text = replaced(cases[i].from, cases[i].to);
        assert_int_equal(manifest_parse(STR("m"), str_z(text), &m, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].says);
    }
}

static void failures_lie_within_their_range(void **state RBR_UNUSED)
{
    static const char *const only[] = {"1000", "0-1000", "7,3", "", "x", "5-"};
    for (size_t i = 0; i < ARRAY_LEN(only); i++) {
        struct manifest *m;
        struct err err = {0};
        char *text = replaced("restore_since: \"2026-01-15T09:15:30Z\"", "failed_in: rewards");
        char *at = strstr(text, "  - {partition: 0");
        (void)sprintf(at, "  - {partition: 0, start: 0, stop: 1000, only: \"%s\"}\n", only[i]);
        assert_int_equal(manifest_parse(STR("m"), str_z(text), &m, &err), ERR_INVALID);
        assert_string_equal(err.msg, i < 2
                                         ? "m:16:49: has offsets outside of start and stop"
                                         : "m:16:49: is no list of offsets, ascending: \"3,7-9\"");
    }
}

static void a_file_that_is_not_there_says_so(void **state RBR_UNUSED)
{
    struct manifest *m;
    struct err err = {0};
    assert_int_not_equal(manifest_load(STR("/nowhere/m.yaml"), &m, &err), ERR_OK);
    assert_non_null(strstr(err.msg, "/nowhere/m.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_back),
        cmocka_unit_test(a_manifest_of_failures_names_them),
        cmocka_unit_test(what_is_wrong_has_its_place),
        cmocka_unit_test(failures_lie_within_their_range),
        cmocka_unit_test(a_file_that_is_not_there_says_so),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
