/* reward/kept: the judgments of a published reward are those that were put into it, from the
 * message and from its line of JSON; what no grader answered is not among them. */
#include "rewards.h"

#include "reward/kept.h"
#include "reward/message.h"

#define POLICY                                                                                     \
    TEMPLATE ORDER "class_probability: exact\n"                                                    \
                   "policy: {id: p}\n"                                                             \
                   "simple_propositions: {a: {prompt: A}, b: {prompt: B}, c: {prompt: C}, "        \
                   "short: {check: {max_chars: 9}}}\n"                                             \
                   "completion_classes: {good: {t: {a: true, b: true, c: true, short: true}}, "    \
                   "bad: {t: {otherwise: true}}}\n"                                                \
                   "weights: {t: {good: 1}}\n"

struct scene {
    struct rewards r;
    struct buf packed, line;
    struct arena arena;
};

static void encode(struct scene *s)
{
    const struct reward_envelope envelope = {.topic = STR("in"), .scored_at_ms = 1700000000123};
    struct err err = {0};
    buf_init(&s->packed, 1 << 20);
    buf_init(&s->line, 1 << 20);
    (void)rewards_compute(&s->r);
    assert_int_equal(
        reward_encode(s->r.policy, &s->r.record, &s->r.judged, &s->r.reward, &envelope, &s->packed),
        ERR_OK);
    assert_int_equal(
        message_print(MESSAGE_REWARD, buf_str(&s->packed), MESSAGE_JSON_LINE, &s->line, &err),
        ERR_OK);
}

/* a and b were answered, b from the cache; c failed; `short` is a check. */
static void scene_init(struct scene *s)
{
    rewards_init(&s->r, policies_good(POLICY), 0);
    rewards_set(&s->r, "a", 0.123456789012345678);
    rewards_of(&s->r, "a")->mass = 0.987654321;
    rewards_set(&s->r, "b", 1);
    rewards_of(&s->r, "b")->cached = true;
    rewards_miss(&s->r, "c", REASON_GRADER_TIMEOUT);
    (void)snprintf(s->r.judged.use.response_model, sizeof(s->r.judged.use.response_model),
                   "model-7");
    arena_init(&s->arena, 1 << 20);
    encode(s);
}

static void scene_done(struct scene *s)
{
    arena_done(&s->arena);
    buf_done(&s->packed);
    buf_done(&s->line);
    rewards_done(&s->r);
}

static void is_judgment(struct scene *s, const char *name, const struct kept_judgment *k)
{
    const struct judgment *j = rewards_of(&s->r, name);
    assert_memory_equal(k->digest, j->digest, sizeof(k->digest));
    assert_true(rewards_same_bits(k->entry.probability, j->probability));
    assert_true(rewards_same_bits(k->entry.mass, (double)(float)j->mass));
    assert_int_equal(k->entry.graded_ms, 1700000000123);
    assert_int_equal(k->entry.model_n, 7);
    assert_memory_equal(k->entry.model, "model-7", 7);
}

static void graders_answers_come_back_as_they_were(void **state RBR_UNUSED)
{
    struct scene s;
    struct err err = {0};
    struct kept_judgment *kept;
    size_t n;
    scene_init(&s);
    for (int packed = 0; packed < 2; packed++) {
        assert_int_equal(packed ? kept_unpack(buf_str(&s.packed), &s.arena, &kept, &n, &err)
                                : kept_parse(buf_str(&s.line), &s.arena, &kept, &n, &err),
                         ERR_OK);
        assert_int_equal(n, 2);
        is_judgment(&s, "a", &kept[0]);
        is_judgment(&s, "b", &kept[1]);
    }
    scene_done(&s);
}

/* A model's name from outside: nothing that the cache's contract forbids. */
static void names_are_printable_and_bounded(void **state RBR_UNUSED)
{
    static const struct {
        const char *name;
        size_t n;
    } cases[] = {{"two words", 9}, {"tab\there", 3}, {"\xc3\xa4", 0}, {"", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene s;
        struct err err = {0};
        struct kept_judgment *kept;
        size_t n;
        scene_init(&s);
        char *model = s.r.judged.use.response_model;
        (void)snprintf(model, sizeof(s.r.judged.use.response_model), "%s", cases[i].name);
        buf_done(&s.packed);
        buf_done(&s.line);
        encode(&s);
        assert_int_equal(kept_unpack(buf_str(&s.packed), &s.arena, &kept, &n, &err), ERR_OK);
        assert_int_equal(kept[0].entry.model_n, cases[i].n);
        scene_done(&s);
    }
}

static void what_is_no_reward_is_refused(void **state RBR_UNUSED)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"{", "no reward: the text ends inside a value at byte 1"},
        {"[]", "no reward: it has no list of propositions"},
        {"{\"propositions\":{}}", "no reward: it has no list of propositions"},
        {"{\"propositions\":[],\"scored_at_ms\":\"1\"}",
         "no reward: it has no list of propositions"},
    };
    struct arena a;
    struct err err = {0};
    struct kept_judgment *kept;
    size_t n;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(kept_parse(str_z(cases[i].line), &a, &kept, &n, &err), ERR_INVALID);
        assert_string_equal(err.msg, cases[i].says);
    }
    assert_int_equal(kept_unpack(STR("\xff"), &a, &kept, &n, &err), ERR_INVALID);
    assert_string_equal(err.msg, "1 bytes that are no rbr.v1.Reward; is this the right topic?");
    arena_done(&a);
}

/* Odd members make no judgment; the others of the same reward are kept. */
static void odd_judgments_are_left_out(void **state RBR_UNUSED)
{
#define DIGEST "000102030405060708090a0b0c0d0e0f"
    static const struct str line = STR_INIT(
        "{\"propositions\":[1,{},{\"grader\":\"g\",\"digest\":\"00\",\"probability\":1,\"mass\":1},"
        "{\"grader\":\"g\",\"digest\":\"" DIGEST "\",\"mass\":1},"
        "{\"grader\":\"g\",\"digest\":\"" DIGEST "\",\"probability\":\"1\",\"mass\":1},"
        "{\"digest\":\"" DIGEST "\",\"probability\":1,\"mass\":1},"
        "{\"grader\":\"g\",\"digest\":\"" DIGEST "\",\"probability\":0.5,\"mass\":1}],"
        "\"graders\":[7,{\"name\":\"h\",\"response_model\":\"m\"}]}");
#undef DIGEST
    struct arena a;
    struct err err = {0};
    struct kept_judgment *kept;
    size_t n;
    arena_init(&a, 1 << 20);
    assert_int_equal(kept_parse(line, &a, &kept, &n, &err), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(kept[0].digest[15], 15);
    assert_float_equal(kept[0].entry.probability, 0.5, 0);
    assert_int_equal(kept[0].entry.model_n, 0);
    arena_done(&a);
}

static void more_than_the_arena_holds_is_a_limit(void **state RBR_UNUSED)
{
    struct scene s;
    struct arena small;
    struct err err = {0};
    struct kept_judgment *kept;
    size_t n;
    scene_init(&s);
    arena_init(&small, 64);
    assert_int_equal(kept_unpack(buf_str(&s.packed), &small, &kept, &n, &err), ERR_LIMIT);
    arena_done(&small);
    scene_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graders_answers_come_back_as_they_were),
        cmocka_unit_test(names_are_printable_and_bounded),
        cmocka_unit_test(what_is_no_reward_is_refused),
        cmocka_unit_test(odd_judgments_are_left_out),
        cmocka_unit_test(more_than_the_arena_holds_is_a_limit),
    };
    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
