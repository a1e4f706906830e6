/* reward/encode: the packed message, read back through the generated code. */
#include "rewards.h"

#include "proto/reward.pb-c.h"

#define POLICY                                                                                     \
    TEMPLATE "policy: {id: safety, version: '7'}\n"                                                \
             "completion_class_order: [good, bad]\n"                                               \
             "simple_propositions: {a: {prompt: A}, b: {prompt: B}, short: {check: {max_chars: "   \
             "9}}}\n"                                                                              \
             "completion_classes: {good: {t: {a: true}}, bad: {t: {a: false}}}\n"                  \
             "features: {t: {propositions: [a, short], classes: all}}\n"                           \
             "weights: {t: {a: 0.5, short: 0.25, good: 2}}\n"

static const struct reward_envelope envelope = {
    .topic = STR_INIT("completions"),
    .partition = 3,
    .offset = INT64_C(1) << 40,
    .received_at_ms = 1000,
    .scored_at_ms = 2000,
    .queue_ms = 7,
    .replay_id = STR_INIT("replay-1"),
    .traceparent = STR_INIT("00-aa-bb-01"),
};

/* Encodes what `r` computes; the caller frees the message. */
static Rbr__V1__Reward *encode(struct rewards *r, const struct reward_envelope *e)
{
    struct buf out;
    buf_init(&out, 1u << 20);
    (void)buf_append_z(&out, "key"); /* it appends */
    (void)rewards_compute(r);
    assert_int_equal(reward_encode(r->policy, &r->record, &r->judged, &r->reward, e, &out), ERR_OK);
    assert_memory_equal(out.p, "key", 3);
    Rbr__V1__Reward *m = rbr__v1__reward__unpack(NULL, out.n - 3, (const uint8_t *)out.p + 3);
    assert_non_null(m);
    buf_done(&out);
    return m;
}

static void end(Rbr__V1__Reward *m)
{
    rbr__v1__reward__free_unpacked(m, NULL);
}

static struct str text(ProtobufCBinaryData b)
{
    return (struct str){(const char *)b.data, b.len};
}

static void the_record_comes_through(void **state RBR_UNUSED)
{
    struct rewards r;
    static struct str versions[] = {STR_INIT("w1"), STR_INIT("w2")};
    static struct label labels[] = {{STR_INIT("k"), STR_INIT("v")},
                                    {STR_INIT("n\0l"), STR_INIT("")}};
    rewards_init(&r, policies_good(POLICY), 0);
    r.record = (struct record){.completion_id = STR("c\0d"),
                               .run_id = STR("run"),
                               .group_id = STR("g"),
                               .prompt_id = STR("p"),
                               .data_source = STR("ds"),
                               .split = STR("train"),
                               .attempt = 2,
                               .group_size = 8,
                               .has_sample_index = true,
                               .sample_index = 0,
                               .weight_versions = versions,
                               .n_weight_versions = 2,
                               .global_step = 12,
                               .min_global_step = 11,
                               .max_global_step = INT64_MAX,
                               .created_at_ms = 999,
                               .labels = labels,
                               .n_labels = 2};
    Rbr__V1__Reward *m = encode(&r, &envelope);
    char id[33];
    reward_id(r.policy, &r.record, id);
    assert_strs(text(m->reward_id), str_z(id));
    assert_str(text(m->completion_id), "c\0d");
    assert_str(text(m->run_id), "run");
    assert_str(text(m->group_id), "g");
    assert_str(text(m->prompt_id), "p");
    assert_str(text(m->data_source), "ds");
    assert_str(text(m->split), "train");
    assert_int_equal(m->attempt, 2);
    assert_int_equal(m->group_size, 8);
    assert_int_equal(m->sample_index_presence_case,
                     RBR__V1__REWARD__SAMPLE_INDEX_PRESENCE_SAMPLE_INDEX);
    assert_int_equal(m->n_weight_versions, 2);
    assert_str(text(m->weight_versions[1]), "w2");
    assert_true(m->global_step == 12 && m->min_global_step == 11);
    assert_true(m->max_global_step == INT64_MAX && m->created_at_ms == 999);
    assert_int_equal(m->n_labels, 2);
    assert_str(text(m->labels[0]->value), "v");
    assert_str(text(m->labels[1]->key), "n\0l");
    end(m);
    rewards_done(&r);
}

static void policy_source_and_times(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY), 0);
    r.judged.grading_us = 123456;
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_str(text(m->policy_id), "safety");
    assert_str(text(m->policy_version), "7");
    assert_strs(text(m->policy_hash), str_z(r.policy->hash_hex));
    assert_str(text(m->scorer_version), RBR_VERSION);
    assert_str(text(m->response_type), "t");
    assert_str(text(m->source->topic), "completions");
    assert_int_equal(m->source->partition, 3);
    assert_true(m->source->offset == INT64_C(1) << 40);
    assert_true(m->received_at_ms == 1000 && m->scored_at_ms == 2000);
    assert_int_equal(m->queue_ms, 7);
    assert_int_equal(m->grading_ms, 123);
    assert_str(text(m->replay_id), "replay-1");
    assert_str(text(m->traceparent), "00-aa-bb-01");
    end(m);
    r.judged.grading_us = INT64_MAX; /* nonsense stays in range */
    m = encode(&r, &envelope);
    assert_int_equal(m->grading_ms, UINT32_MAX);
    end(m);
    r.judged.grading_us = -5000;
    m = encode(&r, &envelope);
    assert_int_equal(m->grading_ms, 0);
    end(m);
    rewards_done(&r);
}

static void judgments_with_their_provenance(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY "calibration: {a: {a: 2, b: 0}}\n"), 0);
    r.judged.grader_model = STR("m");
    r.judged.use = (struct grader_use){.requests = 4,
                                       .retries = 1,
                                       .failures = 2,
                                       .used = {.input_tokens = 100,
                                                .cached_input_tokens = 50,
                                                .output_tokens = 6,
                                                .cost_pico = 1250000000000,
                                                .unknown = 3}};
    (void)snprintf(r.judged.use.response_model, sizeof(r.judged.use.response_model), "m-1");
    (void)snprintf(r.judged.use.system_fingerprint, sizeof(r.judged.use.system_fingerprint), "fp");
    struct judgment *a = rewards_of(&r, "a");
    a->probability = .25;
    a->mass = .75;
    a->cached = true;
    a->latency_ms = 9;
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_int_equal(m->n_propositions, 2); /* b is not asked */
    const Rbr__V1__Proposition *p = m->propositions[0];
    assert_str(text(p->id), "a");
    assert_true(p->probability_presence_case != 0 && p->probability == .25);
    assert_true(p->calibrated_presence_case != 0 && fabs(p->calibrated - .1) < 1e-12);
    assert_int_equal(p->status, RBR__V1__STATUS__STATUS_OK);
    assert_str(text(p->grader), "g");
    assert_true(p->cached && p->mass == .75f && p->attempts == 1 && p->latency_ms == 9);
    assert_int_equal(p->digest.len, JUDGMENT_DIGEST_BYTES);
    assert_memory_equal(p->digest.data, a->digest, JUDGMENT_DIGEST_BYTES);
    p = m->propositions[1]; /* a check: a digest, and no grader */
    assert_str(text(p->id), "short");
    assert_int_equal(p->grader.len, 0);
    assert_int_equal(p->digest.len, JUDGMENT_DIGEST_BYTES);
    assert_int_equal(p->calibrated_presence_case, 0);
    assert_true(p->probability_presence_case != 0 && p->probability == 0); /* 0 is a judgment */
    assert_int_equal(m->n_graders, 1);
    const Rbr__V1__GraderUse *g = m->graders[0];
    assert_str(text(g->name), "g");
    assert_str(text(g->request_model), "m");
    assert_str(text(g->response_model), "m-1");
    assert_str(text(g->system_fingerprint), "fp");
    assert_int_equal(g->requests, 4);
    assert_int_equal(g->retries, 1);
    assert_int_equal(g->failures, 2);
    assert_int_equal(g->cache_hits, 1);
    assert_true(g->input_tokens == 100 && g->cached_input_tokens == 50 && g->output_tokens == 6);
    assert_true(g->cost_usd == 1.25);
    assert_int_equal(g->usage_unknown, 3);
    end(m);
    rewards_done(&r);
}

static void given_labels_have_no_grader(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY), 0);
    r.judged.grader_name = STR("");
    *rewards_of(&r, "a") =
        (struct judgment){.status = JUDGMENT_GRADED, .probability = 1, .mass = 1, .cached = true};
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_int_equal(m->propositions[0]->digest.len, 0);
    assert_int_equal(m->propositions[0]->grader.len, 0);
    assert_int_equal(m->n_graders, 0);
    end(m);
    rewards_done(&r);
}

static void a_reward_is_its_components(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY "reward: {clip: [-0.3, 0.3]}\n"), 0);
    rewards_set(&r, "a", .9);
    Rbr__V1__Reward *m = encode(&r, &envelope);
    double sum = 0;
    assert_int_equal(m->n_components, 6);
    for (size_t i = 0; i < m->n_components; i++) {
        assert_int_equal(m->components[i]->value_presence_case,
                         RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE);
        sum += m->components[i]->value;
    }
    assert_int_equal(m->reward_presence_case, RBR__V1__REWARD__REWARD_PRESENCE_REWARD);
    assert_true(m->reward == .3 && rewards_same_bits(sum, m->reward));
    assert_false(m->mask_sample);
    assert_int_equal(m->status, RBR__V1__STATUS__STATUS_OK);
    assert_true(m->score_presence_case != 0 && m->score == .9);
    assert_int_equal(m->n_classes, 2);
    assert_str(text(m->classes[0]->name), "good");
    assert_true(m->classes[0]->probability_presence_case != 0 && m->classes[0]->probability == .9);
    assert_str(text(m->predicted_class), "good");
    assert_int_equal(m->components[0]->raw_presence_case, 0); /* no reward model score */
    assert_int_equal(m->reward_lower_presence_case, 0);
    end(m);
    rewards_done(&r);
}

/* A failure lists the same names, and not one number that nobody measured. */
static void a_failure_is_never_a_number(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY "reward: {clip: [-1, 1]}\n"), 0);
    rewards_miss(&r, "a", REASON_GRADER_TIMEOUT);
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_int_equal(m->status, RBR__V1__STATUS__STATUS_FAILED);
    assert_int_equal(m->reason, RBR__V1__REASON__REASON_GRADER_TIMEOUT);
    assert_str(text(m->detail), "no judgment for a");
    assert_true(m->retryable && m->mask_sample);
    assert_int_equal(m->reward_presence_case, 0);
    assert_int_equal(m->score_presence_case, 0);
    assert_int_equal(m->predicted_class.len, 0);
    assert_int_equal(m->n_components, 6);
    for (size_t i = 0; i < m->n_components; i++)
        assert_int_equal(m->components[i]->value_presence_case, 0);
    assert_int_equal(m->components[1]->raw_presence_case, 0);
    assert_int_not_equal(m->components[2]->raw_presence_case, 0); /* the check was answered */
    assert_int_equal(m->n_classes, 2);
    for (size_t k = 0; k < m->n_classes; k++)
        assert_int_equal(m->classes[k]->probability_presence_case, 0);
    assert_int_equal(m->propositions[0]->probability_presence_case, 0);
    assert_int_equal(m->propositions[0]->status, RBR__V1__STATUS__STATUS_FAILED);
    assert_int_equal(m->propositions[0]->reason, RBR__V1__REASON__REASON_GRADER_TIMEOUT);
    assert_int_equal(m->propositions[0]->attempts, 3);
    end(m);
    rewards_done(&r);
}

static void what_was_not_asked_is_skipped(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY), 0);
    struct judgment *kept = r.judged.judgments;
    r.judged.status = STATUS_FAILED;
    r.judged.reason = REASON_INVALID_RECORD;
    r.judged.judgments = NULL;
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_int_equal(m->n_propositions, 2);
    assert_str(text(m->propositions[1]->id), "short");
    assert_int_equal(m->propositions[0]->status, RBR__V1__STATUS__STATUS_SKIPPED);
    end(m);
    r.judged.judgments = kept;
    rewards_done(&r);
}

static void bounds_and_priors(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY "grading: {on_ungraded: bounds}\n"), 0);
    rewards_miss(&r, "a", REASON_GRADER_TIMEOUT);
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_int_equal(m->status, RBR__V1__STATUS__STATUS_PARTIAL);
    assert_true(m->reward_lower_presence_case != 0 && m->reward_lower == 0);
    assert_true(m->reward_upper_presence_case != 0 && m->reward_upper == 2.5);
    assert_int_equal(m->reward_presence_case, 0);
    end(m);
    rewards_done(&r);
    rewards_init(&r, policies_good(POLICY "grading: {on_ungraded: prior, prior: {a: 0.2}}\n"), 0);
    rewards_miss(&r, "a", REASON_GRADER_TIMEOUT);
    m = encode(&r, &envelope);
    assert_int_equal(m->propositions[0]->probability_presence_case, 0);
    assert_true(m->propositions[0]->calibrated_presence_case != 0);
    assert_true(m->propositions[0]->calibrated == .2);
    end(m);
    rewards_done(&r);
}

static void unrouted_has_no_type(void **state RBR_UNUSED)
{
    struct rewards r;
    rewards_init(&r, policies_good(POLICY), SIZE_MAX);
    r.judged.status = STATUS_SKIPPED;
    r.judged.reason = REASON_NO_POLICY;
    Rbr__V1__Reward *m = encode(&r, &envelope);
    assert_int_equal(m->status, RBR__V1__STATUS__STATUS_SKIPPED);
    assert_int_equal(m->response_type.len, 0);
    assert_int_equal(m->n_propositions + m->n_classes + m->n_components, 0);
    end(m);
    rewards_done(&r);
}

static void tripwires_by_name(void **state RBR_UNUSED)
{
    static const struct {
        unsigned found;
        size_t n;
        const char *last;
    } cases[] = {
        {0, 0, ""},
        {TRIPWIRE_CONTROL_TOKENS, 1, "control_tokens"},
        {TRIPWIRE_EMBEDDED_NUL, 1, "embedded_nul"},
        {TRIPWIRE_CONTROL_TOKENS | TRIPWIRE_EMBEDDED_NUL | TRIPWIRE_EMPTY_COMPLETION, 3,
         "empty_completion"},
        {31, 5, "trivial_completion"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rewards r;
        rewards_init(&r, policies_good(POLICY), 0);
        r.judged.tripwires = cases[i].found;
        Rbr__V1__Reward *m = encode(&r, &envelope);
        assert_int_equal(m->n_tripwires, cases[i].n);
        if (cases[i].n > 0)
            assert_strs(text(m->tripwires[cases[i].n - 1]), str_z(cases[i].last));
        end(m);
        rewards_done(&r);
    }
}

/* Topics, headers and a server's words were never checked; one bad byte makes Python refuse it all.
 */
static void unchecked_bytes_stay_out(void **state RBR_UNUSED)
{
    struct rewards r;
    struct reward_envelope bad = envelope;
    bad.topic = STR("caf\xe9.jsonl");
    bad.traceparent = STR("\xff");
    rewards_init(&r, policies_good(POLICY), 0);
    r.judged.grader_name = STR("g\xc3");
    (void)snprintf(r.judged.detail, sizeof(r.judged.detail), "ok\xed\xa0\x80");
    r.judged.status = STATUS_FAILED;
    Rbr__V1__Reward *m = encode(&r, &bad);
    assert_str(text(m->source->topic), "caf");
    assert_int_equal(m->traceparent.len, 0);
    assert_str(text(m->graders[0]->name), "g");
    assert_str(text(m->detail), "ok");
    end(m);
    rewards_done(&r);
}

static void a_full_buffer_is_an_error(void **state RBR_UNUSED)
{
    struct rewards r;
    struct buf out;
    rewards_init(&r, policies_good(POLICY), 0);
    (void)rewards_compute(&r);
    buf_init(&out, 100);
    assert_int_equal(reward_encode(r.policy, &r.record, &r.judged, &r.reward, &envelope, &out),
                     ERR_LIMIT);
    assert_int_equal(out.n, 0);
    buf_done(&out);
    rewards_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_comes_through),
        cmocka_unit_test(policy_source_and_times),
        cmocka_unit_test(judgments_with_their_provenance),
        cmocka_unit_test(given_labels_have_no_grader),
        cmocka_unit_test(a_reward_is_its_components),
        cmocka_unit_test(a_failure_is_never_a_number),
        cmocka_unit_test(what_was_not_asked_is_skipped),
        cmocka_unit_test(bounds_and_priors),
        cmocka_unit_test(unrouted_has_no_type),
        cmocka_unit_test(tripwires_by_name),
        cmocka_unit_test(unchecked_bytes_stay_out),
        cmocka_unit_test(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
