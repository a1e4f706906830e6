/* pipeline with a shadow policy on virtual time: two rewards of each record, and a live one that
 * nothing the shadow does can change, fail, or hold up for longer than it may. */
#include "pipeline_bench.h"

/* How the grader answers what the shadow alone asks; the rest as pipeline_bench.h does. */
struct shadow_bench {
    struct bench *b;
    struct fixture_reply own;
};

static struct fixture_reply answer_own(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    struct shadow_bench *s = arg;
    if (s->b->down || fixture_is_probe(call) ||
        str_find(call->body, STR("Is it long?"), 0) == SIZE_MAX)
        return answer(s->b, call);
    struct fixture_reply reply = s->own;
    if (reply.status == 200)
        reply.body = fixture_chat(text, 0.7, 0.3);
    return reply;
}

static struct shadow_bench *begin(bool with_shadow)
{
    struct shadow_bench *s = mem_alloc(sizeof(*s));
    s->b = bench_new();
    s->b->w.shadow = with_shadow ? grading_policy(WORLD_SHADOW) : NULL;
    s->b->config.shadow_wait_us = 2 * SECOND;
    s->own = (struct fixture_reply){.delay_us = 30 * MILLISECOND, .status = 200};
    return s;
}

static void work(struct shadow_bench *s, int64_t us)
{
    if (s->b->k == NULL) {
        s->b->k = world_start(&s->b->w, 0, &s->b->config, 1, answer_own, s);
        s->b->k->member.answer = end_of_batch;
        s->b->k->member.arg = s->b;
        broker_assign(s->b->broker, &s->b->k->member, 0, 2);
    }
    run(s->b, us);
}

static void end(struct shadow_bench *s)
{
    struct policy *shadow = s->b->w.shadow;
    bench_free(s->b);
    policy_free(shadow);
    mem_free(s);
}

static const struct broker_message *shadow_of(const struct shadow_bench *s, int64_t offset)
{
    for (size_t i = 0; i < s->b->broker->n_shadows; i++)
        if (s->b->broker->shadows[i].offset == offset)
            return &s->b->broker->shadows[i];
    fail_msg("no shadow reward of offset %" PRId64, offset);
    return NULL;
}

static void each_record_has_a_reward_of_each_policy(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    put_many(s->b, 0, 3);
    (void)put_json(s->b, 0, "{}", "checks", "");
    broker_append(s->b->broker, 0, STR("k"), STR("{"))->malformed = true;
    work(s, 5 * SECOND);
    assert_true(broker_all_committed(s->b->broker));
    assert_int_equal(s->b->broker->n_messages, 5);
    assert_int_equal(s->b->broker->n_shadows, 4); /* a dead letter is one for both */
    assert_int_equal(message(s->b, 0, 0)->status, STATUS_OK);
    assert_int_equal(shadow_of(s, 0)->status, STATUS_OK);
    assert_int_equal(message(s->b, 0, 3)->status, STATUS_OK);
    assert_int_equal(shadow_of(s, 3)->status, STATUS_SKIPPED); /* a type that it does not know */
    assert_int_equal(message(s->b, 0, 0)->batch, shadow_of(s, 0)->batch);
    struct pipeline_stats st = stats(s->b);
    assert_int_equal(st.committed, 5);
    assert_int_equal(st.rewards[STATUS_OK], 4);
    assert_int_equal(st.shadow_rewards[STATUS_OK], 3);
    assert_int_equal(st.shadow_rewards[STATUS_SKIPPED], 1);
    assert_int_equal(st.dead_letters, 1);
    end(s);
}

static void what_both_ask_is_asked_once_without_a_cache_too(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    put_many(s->b, 0, 1);
    s->b->k = NULL;
    work(s, 0);
    s->b->k->judge.cache = s->b->k->shadow.cache = NULL;
    work(s, 5 * SECOND);
    assert_int_equal(s->b->k->server.requests, 3); /* q0 is s0, q1, own */
    Rbr__V1__Reward *live = broker_unpack(message(s->b, 0, 0)->record.value);
    Rbr__V1__Reward *shadow = broker_unpack(shadow_of(s, 0)->record.value);
    assert_int_equal(live->propositions[0]->attempts, 1);
    assert_int_equal(shadow->propositions[0]->attempts, 0);
    assert_true(shadow->propositions[0]->cached && !shadow->propositions[1]->cached);
    assert_true(shadow->propositions[0]->probability == live->propositions[0]->probability);
    assert_memory_equal(shadow->propositions[0]->digest.data, live->propositions[0]->digest.data,
                        JUDGMENT_DIGEST_BYTES);
    rbr__v1__reward__free_unpacked(live, NULL);
    rbr__v1__reward__free_unpacked(shadow, NULL);
    end(s);
}

/* The reward as it is, without when what happened; adds the time from reading to scoring. */
static struct str timeless(struct broker *b, const struct broker_message *m, int64_t *ms)
{
    Rbr__V1__Reward *r = broker_unpack(m->record.value);
    *ms += r->scored_at_ms - r->received_at_ms;
    r->received_at_ms = r->scored_at_ms = 0;
    r->queue_ms = r->grading_ms = 0;
    for (size_t i = 0; i < r->n_propositions; i++)
        r->propositions[i]->latency_ms = 0;
    size_t n = rbr__v1__reward__get_packed_size(r);
    uint8_t *packed = arena_alloc(&b->memory, n);
    (void)rbr__v1__reward__pack(r, packed);
    rbr__v1__reward__free_unpacked(r, NULL);
    return (struct str){(char *)packed, n};
}

static void the_live_reward_is_as_it_would_be_without(void **state RBR_UNUSED)
{
    static const char *const texts[] = {"ordinary text", "late text", "reject text", "garbage text",
                                        ""};
    static const struct fixture_reply owns[] = {
        {.delay_us = 30 * MILLISECOND, .status = 200},
        {.delay_us = CLOCK_NEVER},
        {.delay_us = MILLISECOND, .status = 500},
        {.delay_us = MILLISECOND, .status = 429},
        {.delay_us = MILLISECOND, .status = 400},
        {.delay_us = MILLISECOND, .status = 200, .body = STR_INIT("{]")},
        {.delay_us = MILLISECOND, .outcome = TRANSPORT_RESET},
    };
    for (size_t k = 0; k < ARRAY_LEN(owns); k++) {
        struct shadow_bench *with = begin(true), *without = begin(false);
        with->own = owns[k];
        for (size_t i = 0; i < 20; i++) {
            char text[64];
            (void)snprintf(text, sizeof(text), "%s %zu", texts[i % ARRAY_LEN(texts)], i);
            (void)put(with->b, 0, text);
            (void)put(without->b, 0, text);
        }
        work(with, 200 * SECOND);
        work(without, 200 * SECOND);
        assert_true(broker_all_committed(with->b->broker));
        assert_int_equal(with->b->broker->n_shadows, 20);
        int64_t ms_with = 0, ms_without = 0;
        for (int64_t i = 0; i < 20; i++) {
            const struct broker_message *a = message(with->b, 0, i), *b = message(without->b, 0, i);
            assert_strs(timeless(with->b->broker, a, &ms_with),
                        timeless(without->b->broker, b, &ms_without));
            assert_strs(a->record.key, b->record.key);
            assert_int_equal(a->record.n_headers, b->record.n_headers);
        }
        assert_true(ms_with <= ms_without);
        end(with);
        end(without);
    }
}

static void a_live_reward_waits_so_long_and_no_longer(void **state RBR_UNUSED)
{
    static const int64_t waits[] = {0, SECOND, 5 * SECOND};
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        struct shadow_bench *s = begin(true);
        s->b->config.shadow_wait_us = waits[i];
        s->own.delay_us = CLOCK_NEVER;
        put_many(s->b, 0, 1);
        work(s, s->b->reward_us);
        int64_t judged_us = s->b->w.clock.now_us;
        work(s, 10 * SECOND);
        int64_t waited = s->b->k->member.published_us - judged_us;
        assert_true(waited >= waits[i] && waited < waits[i] + 300 * MILLISECOND);
        assert_int_equal(message(s->b, 0, 0)->status, STATUS_OK);
        assert_int_equal(shadow_of(s, 0)->status, STATUS_EXPIRED);
        assert_int_equal(shadow_of(s, 0)->reason, REASON_DEADLINE);
        end(s);
    }
}

/* The other way round nothing is given up. */
static void a_shadow_that_is_quicker_waits(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->b->config.shadow_wait_us = 0;
    s->own.delay_us = MILLISECOND;
    (void)put(s->b, 0, "late text");
    work(s, 10 * SECOND);
    assert_int_equal(message(s->b, 0, 0)->status, STATUS_OK);
    assert_int_equal(shadow_of(s, 0)->status, STATUS_OK);
    end(s);
}

/* Deadlines stand still in an outage. What a live reward waits for its shadow does not. */
static void an_outage_holds_up_no_live_reward_that_is_there(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->own.delay_us = CLOCK_NEVER;
    put_many(s->b, 0, 1);
    work(s, SECOND);
    s->b->down = true;
    for (int i = 0; i < 6; i++) { /* failures enough to see it */
        char text[64];
        (void)snprintf(text, sizeof(text), "another text %d", i);
        (void)put(s->b, 1, text);
    }
    work(s, SECOND / 2);
    assert_true(grader_is_down(s->b->k->grader));
    assert_int_equal(s->b->broker->n_messages, 0);
    work(s, SECOND);
    assert_true(grader_is_down(s->b->k->grader));
    assert_int_equal(message(s->b, 0, 0)->status, STATUS_OK);
    assert_int_equal(shadow_of(s, 0)->status, STATUS_EXPIRED);
    s->b->down = false;
    work(s, 60 * SECOND);
    assert_true(broker_all_committed(s->b->broker));
    assert_int_equal(message(s->b, 1, 0)->status, STATUS_OK);
    end(s);
}

static void a_shadows_failure_is_its_own(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->own = (struct fixture_reply){.delay_us = MILLISECOND, .status = 400};
    put_many(s->b, 0, 1);
    work(s, 5 * SECOND);
    assert_int_equal(message(s->b, 0, 0)->status, STATUS_OK);
    assert_int_equal(shadow_of(s, 0)->status, STATUS_FAILED);
    assert_int_equal(shadow_of(s, 0)->reason, REASON_GRADER_REJECTED);
    end(s);
}

static void a_shadow_reward_too_large_for_its_topic_is_a_dead_letter_of_its_own(
    void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->b->broker->limit[SINK_SHADOW] = 50;
    put_many(s->b, 0, 2);
    work(s, 5 * SECOND);
    assert_true(broker_all_committed(s->b->broker));
    assert_int_equal(message(s->b, 0, 1)->record.to, SINK_REWARDS);
    assert_int_equal(message(s->b, 0, 1)->status, STATUS_OK);
    const struct sink_record *r = &shadow_of(s, 1)->record;
    assert_int_equal(r->to, SINK_DEAD_LETTERS);
    assert_str(broker_header(r, "__connect.errors.stage"), "shadow publish");
    assert_str(broker_header(r, "rbr-reason"), "MESSAGE_TOO_LARGE");
    assert_int_equal(stats(s->b).dead_letters, 2);
    assert_int_equal(stats(s->b).committed, 2);
    end(s);
}

static void a_live_reward_too_large_leaves_the_shadows(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->b->broker->limit[SINK_REWARDS] = 50;
    put_many(s->b, 0, 2);
    work(s, 5 * SECOND);
    assert_int_equal(message(s->b, 0, 1)->record.to, SINK_DEAD_LETTERS);
    assert_int_equal(shadow_of(s, 1)->status, STATUS_OK);
    end(s);
}

static void a_revoked_record_whose_shadow_is_awaited_is_judged_again(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->b->config.shadow_wait_us = 20 * SECOND;
    s->b->config.drain_us = SECOND;
    s->own.delay_us = CLOCK_NEVER;
    put_many(s->b, 0, 4);
    work(s, SECOND);
    assert_int_equal(stats(s->b).unfinished, 4);
    s->b->k->member.to_revoke = true;
    work(s, 5 * SECOND);
    assert_int_equal(s->b->broker->n_messages, 0);
    assert_int_equal(stats(s->b).dropped, 4);
    assert_int_equal(stats(s->b).in_flight, 0);
    s->own.delay_us = MILLISECOND;
    broker_assign(s->b->broker, &s->b->k->member, 0, 2);
    work(s, 5 * SECOND);
    assert_int_equal(s->b->broker->n_messages, 4);
    assert_int_equal(s->b->broker->n_shadows, 4);
    end(s);
}

static void a_batch_takes_so_many_records_of_two_messages(void **state RBR_UNUSED)
{
    struct shadow_bench *s = begin(true);
    s->b->config.batch_records = 3;
    put_many(s->b, 0, 10);
    work(s, 20 * SECOND);
    assert_true(broker_all_committed(s->b->broker));
    assert_int_equal(s->b->broker->n_shadows, 10);
    for (size_t i = 0; i + 3 < 10; i++)
        assert_true(message(s->b, 0, (int64_t)i)->batch != message(s->b, 0, (int64_t)i + 3)->batch);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_has_a_reward_of_each_policy),
        cmocka_unit_test(what_both_ask_is_asked_once_without_a_cache_too),
        cmocka_unit_test(the_live_reward_is_as_it_would_be_without),
        cmocka_unit_test(a_live_reward_waits_so_long_and_no_longer),
        cmocka_unit_test(a_shadow_that_is_quicker_waits),
        cmocka_unit_test(an_outage_holds_up_no_live_reward_that_is_there),
        cmocka_unit_test(a_shadows_failure_is_its_own),
        cmocka_unit_test(a_shadow_reward_too_large_for_its_topic_is_a_dead_letter_of_its_own),
        cmocka_unit_test(a_live_reward_too_large_leaves_the_shadows),
        cmocka_unit_test(a_revoked_record_whose_shadow_is_awaited_is_judged_again),
        cmocka_unit_test(a_batch_takes_so_many_records_of_two_messages),
    };
    return cmocka_run_group_tests_name("shadow", tests, NULL, NULL);
}
