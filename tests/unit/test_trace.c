/* reward/trace: where a reward came from and what it took, out of what was encoded. */
#include "rewards.h"

#include "reward/trace.h"

#define POLICY                                                                                     \
    TEMPLATE ORDER "policy: {id: p}\n"                                                             \
                   "simple_propositions: {a: {prompt: A}, b: {prompt: B}, c: {prompt: C}, short: " \
                   "{check: {max_chars: 9}}}\n"                                                    \
                   "completion_classes: {good: {t: {a: true, b: true, c: true, short: true}}, "    \
                   "bad: {t: {not: {a: true, b: true, c: true, short: true}}}}\n"                  \
                   "weights: {t: {good: 1}}\n"

static void what_was_encoded_is_found(void **state RBR_UNUSED)
{
    const struct reward_envelope envelope = {.topic = STR("in"),
                                             .partition = 7,
                                             .offset = INT64_C(1) << 40,
                                             .scored_at_ms = 1700000000123,
                                             .replay_id = STR("r-1")};
    struct rewards r;
    struct reward_trace t;
    struct arena a;
    struct buf packed;
    struct err err = {0};
    arena_init(&a, 1 << 20);
    buf_init(&packed, 1 << 20);
    rewards_init(&r, policies_good(POLICY), 0);
    *rewards_of(&r, "b") =
        (struct judgment){.status = JUDGMENT_GRADED, .mass = 1, .cached = true, .has_digest = true};
    rewards_miss(&r, "c", REASON_GRADER_TIMEOUT);
    rewards_of(&r, "short")->attempts = 0;
    r.judged.use.used.input_tokens = 100;
    r.judged.use.used.output_tokens = 3;
    r.judged.use.used.cost_pico = 2500000000000;
    (void)rewards_compute(&r);
    assert_int_equal(reward_encode(r.policy, &r.record, &r.judged, &r.reward, &envelope, &packed),
                     ERR_OK);
    assert_int_equal(reward_trace_unpack(buf_str(&packed), &a, &t, &err), ERR_OK);
    assert_str(t.topic, "in");
    assert_int_equal(t.partition, 7);
    assert_int_equal(t.offset, INT64_C(1) << 40);
    assert_str(t.replay_id, "r-1");
    assert_int_equal(t.status, r.reward.status);
    assert_int_equal(t.retryable, r.reward.retryable);
    assert_int_equal(t.scored_at_ms, 1700000000123);
    assert_int_equal(t.asked, 2); /* a, and c although it failed */
    assert_int_equal(t.saved, 1);
    assert_int_equal(t.input_tokens, 100);
    assert_int_equal(t.output_tokens, 3);
    assert_float_equal(t.cost_usd, 2.5, 1e-12);
    assert_int_equal(reward_trace_unpack(STR("\xff"), &a, &t, &err), ERR_INVALID);
    rewards_done(&r);
    buf_done(&packed);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_encoded_is_found)};
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
