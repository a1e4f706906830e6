/* One worker and what it is fed, for tests of the pipeline: the completion's first word says how
 * the grader behaves, a list how batches end. What must hold in every situation (each record one
 * message, in order, nothing committed above an unfinished one) the fixture broker checks by
 * itself, and `run` asks it. Header only. */
#ifndef RBR_TESTS_PIPELINE_BENCH_H
#define RBR_TESTS_PIPELINE_BENCH_H

#include "unit.h"

#include "fixture_worker.h"

struct bench {
    struct world w;
    struct broker *broker;
    struct worker *k;
    struct pipeline_config config;
    int64_t reward_us; /* how long the grader takes for an ordinary record */
    bool down; /* the grader: 500 for everything */
    struct batch_end *ends; /* of the next batches, then committed in 5 ms */
    size_t n_ends, n_batches;
    uint64_t records;
};

/* The completion's first word says how the grader behaves. */
static inline struct fixture_reply answer(void *arg, const struct fixture_call *call)
{
    static char text[1024];
    static const struct {
        struct str word;
        struct fixture_reply reply;
    } replies[] = {
        {STR_INIT("hang "), {.delay_us = CLOCK_NEVER}},
        {STR_INIT("late "), {.delay_us = 3 * SECOND, .status = 200}},
        {STR_INIT("error "), {.delay_us = 1000, .status = 500}},
        {STR_INIT("busy "), {.delay_us = 1000, .status = 429}},
        {STR_INIT("reject "), {.delay_us = 1000, .status = 400}},
        {STR_INIT("garbage "), {.delay_us = 1000, .status = 200, .body = STR_INIT("{]")}},
        {STR_INIT("reset "), {.delay_us = 1000, .outcome = TRANSPORT_RESET}},
    };
    struct bench *b = arg;
    if (b->down)
        return (struct fixture_reply){.delay_us = 1000, .status = 500};
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        if (str_find(call->body, replies[i].word, 0) == SIZE_MAX)
            continue;
        struct fixture_reply reply = replies[i].reply;
        if (reply.status == 200 && reply.body.n == 0)
            reply.body = fixture_chat(text, 0.9, 0.1);
        return reply;
    }
    return (struct fixture_reply){
        .delay_us = b->reward_us, .status = 200, .body = fixture_chat(text, 0.9, 0.1)};
}

static inline struct batch_end end_of_batch(void *arg, const struct sink_batch *batch)
{
    struct bench *b = arg;
    (void)batch;
    if (b->n_batches++ < b->n_ends)
        return b->ends[b->n_batches - 1];
    return (struct batch_end){.delay_us = 5 * MILLISECOND};
}

static inline struct bench *bench_new(void)
{
    struct bench *b = mem_alloc(sizeof(*b));
    world_init(&b->w, grading_policy(WORLD_POLICY));
    b->broker = &b->w.broker;
    b->config = pipeline_config_default;
    b->reward_us = 20 * MILLISECOND;
    return b;
}

/* A worker with partitions 0 .. n - 1; n == 0: none yet. */
static inline void start(struct bench *b, size_t n)
{
    b->k = world_start(&b->w, 0, &b->config, 1, answer, b);
    b->k->member.answer = end_of_batch;
    b->k->member.arg = b;
    if (n > 0)
        broker_assign(b->broker, &b->k->member, 0, n);
}

static inline void check(struct bench *b)
{
    if (b->broker->violation[0] != '\0')
        fail_msg("%s", b->broker->violation);
}

static inline void run(struct bench *b, int64_t us)
{
    world_run(&b->w, us);
    check(b);
}

static inline void finish(struct bench *b)
{
    run(b, 60 * SECOND);
    assert_true(pipeline_finished(b->k->pipeline));
    world_end(&b->w, 0);
    check(b);
}

static inline void stop(struct bench *b)
{
    pipeline_stop(b->k->pipeline);
    finish(b);
}

static inline void bench_free(struct bench *b)
{
    struct policy *policy = b->w.policy;
    if (b->k != NULL && b->w.workers[0] != NULL)
        stop(b);
    world_done(&b->w);
    policy_free(policy);
    mem_free(b);
}

/* A prompt of its own: nothing is asked together. `rest`: further JSON members, each after a comma.
 */
static inline struct broker_record *put_json(struct bench *b, int32_t partition,
                                             const char *completion, const char *type,
                                             const char *rest)
{
    char key[32], value[2048];
    (void)snprintf(key, sizeof(key), "key-%" PRIu64, b->records);
    int n = snprintf(value, sizeof(value),
                     "{\"id\":\"r%" PRIu64 "\",\"prompt\":\"u%" PRIu64 "\",\"completion\":\"%s\","
                     "\"response_type\":\"%s\"%s}",
                     b->records, b->records, completion, type, rest);
    b->records++;
    assert_true(n < (int)sizeof(value));
    return broker_append(b->broker, partition, str_z(key), (struct str){value, (size_t)n});
}

static inline struct broker_record *put(struct bench *b, int32_t partition, const char *completion)
{
    return put_json(b, partition, completion, "plain", "");
}

static inline void put_many(struct bench *b, int32_t partition, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)put(b, partition, "ordinary text");
}

static inline void set_headers(struct bench *b, struct broker_record *r, const struct header *h,
                               size_t n)
{
    r->headers = broker_keep_headers(b->broker, h, n);
    r->n_headers = n;
}

static inline const struct broker_message *message(const struct bench *b, int32_t partition,
                                                   int64_t offset)
{
    for (size_t i = 0; i < b->broker->n_messages; i++) {
        const struct broker_message *m = &b->broker->messages[i];
        if (m->record.partition == partition && m->offset == offset)
            return m;
    }
    fail_msg("no message for partition %" PRId32 ", offset %" PRId64, partition, offset);
    return NULL;
}

static inline int64_t committed(const struct bench *b, int32_t partition)
{
    return b->broker->logs[partition].committed;
}

static inline struct pipeline_stats stats(const struct bench *b)
{
    struct pipeline_stats s;
    pipeline_stats(b->k->pipeline, &s);
    return s;
}

#endif
