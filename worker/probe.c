#include "worker/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "worker/grading.h"
#include "worker/options.h"

static const char probe_policy[] =
    "policy: {id: probe}\n"
    "prompt_template: |-\n"
    "  Here is a message:\n"
    "  {response}\n"
    "\n"
    "  Question: {question}\n"
    "  Answer \"yes\" or \"no\" and nothing else.\n"
    "completion_class_order: [both, other]\n"
    "completion_classes:\n"
    "  both: {probe: {known_yes: true, known_no: false}}\n"
    "  other: {probe: {not: {known_yes: true, known_no: false}}}\n"
    "simple_propositions:\n"
    "  known_yes: {prompt: \"Does the message say that Paris is in France?\"}\n"
    "  known_no: {prompt: \"Does the message mention a giraffe?\"}\n";

static const char probe_record[] =
    "{\"id\":\"probe\",\"prompt\":\"Where is Paris?\",\"completion\":\"Paris is in France.\","
    "\"response_type\":\"probe\"}";

enum { PROBE_DEADLINE_US = 60000000, PROBE_MEMORY = 1 << 20 };

struct probe {
    struct grading grading;
    struct judge_req judge;
    bool done;
};

static void on_judged(struct judge_req *req)
{
    CONTAINER_OF(req, struct probe, judge)->done = true;
}

static int64_t maintain(void *arg)
{
    struct probe *p = arg;
    if (p->done)
        loop_stop(&p->grading.loop);
    return grading_tick(&p->grading);
}

static bool print_judgment(const struct judgment *j, const char *expected)
{
    if (j->status != JUDGMENT_GRADED) {
        (void)printf("  expected %-3s  no probability: %s\n", expected, reason_name(j->reason));
        return false;
    }
    (void)printf("  expected %-3s  P(yes) %.4f  mass %.4f  %u ms\n", expected, j->probability,
                 j->mass, j->latency_ms);
    return true;
}

static bool print_answer(const struct probe_answer *a)
{
    bool ok = print_judgment(&a->judgments[0], "yes");
    ok = print_judgment(&a->judgments[1], "no") && ok;
    (void)printf("  model %s  input tokens %" PRIu64 "  cached %" PRIu64 "\n",
                 a->use.response_model[0] != '\0' ? a->use.response_model : "(not named)",
                 a->use.input_tokens, a->use.cached_input_tokens);
    if (ok && a->judgments[0].probability <= a->judgments[1].probability)
        (void)printf("  warning: it finds the wrong answer more likely; use a better model\n");
    return ok;
}

enum err_code probe_ask(const struct settings_grader *grader, struct str url,
                        const struct probe_question *q, struct probe_answer *ret, struct err *err)
{
    struct settings_grader one = *grader;
    struct probe p = {0};
    struct arena arena;
    one.endpoints.items = &url;
    one.endpoints.n = 1;
    enum err_code code = grading_init(&p.grading, q->policy, &one, maintain, &p, err);
    if (code != ERR_OK)
        return code;
    arena_init(&arena, PROBE_MEMORY);
    p.judge = (struct judge_req){.record = q->record,
                                 .arena = &arena,
                                 .deadline_us = clock_mono_us(&clock_real) + PROBE_DEADLINE_US,
                                 .done = on_judged};
    p.done = judge_start(&p.grading.judge, &p.judge);
    loop_run(&p.grading.loop);
    memcpy(ret->judgments, p.judge.result.judgments, sizeof(ret->judgments));
    ret->use = p.judge.result.use;
    grading_done(&p.grading);
    arena_done(&arena);
    return ERR_OK;
}

bool probe_question_init(struct probe_question *q)
{
    struct policy_file file = {STR("probe"), str_z(probe_policy)};
    struct refusal refusal;
    arena_init(&q->arena, PROBE_MEMORY);
    q->policy = options_load_policy(&file, 1, false, true);
    q->record = record_decode(&q->arena, str_z(probe_record), RECORD_JSON, &record_limits_default,
                              NULL, &refusal);
    return q->policy != NULL && q->record != NULL;
}

void probe_question_done(struct probe_question *q)
{
    policy_free(q->policy);
    arena_done(&q->arena);
}

static bool probe_endpoint(const struct settings_grader *grader, struct str url,
                           const struct probe_question *q)
{
    struct probe_answer answer;
    struct err err;
    (void)printf("%.*s %.*s (dialect %.*s, model %.*s)\n", STR_ARGS(grader->name), STR_ARGS(url),
                 STR_ARGS(grader->dialect), STR_ARGS(grader->model));
    if (probe_ask(grader, url, q, &answer, &err) != ERR_OK) {
        (void)printf("  %s\n", err.msg);
        return false;
    }
    return print_answer(&answer);
}

bool probe_graders(const struct settings *s)
{
    struct probe_question q;
    bool ready = probe_question_init(&q), ok = ready;
    for (size_t i = 0; ready && i < s->n_graders; i++)
        for (size_t k = 0; k < s->graders[i].endpoints.n; k++)
            ok = probe_endpoint(&s->graders[i], s->graders[i].endpoints.items[k], &q) && ok;
    probe_question_done(&q);
    return ok;
}
