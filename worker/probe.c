#include "worker/probe.h"

#include <inttypes.h>
#include <stdio.h>

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

static bool print_result(const struct judged *judged)
{
    const struct grader_use *use = &judged->use;
    bool ok = print_judgment(&judged->judgments[0], "yes");
    ok = print_judgment(&judged->judgments[1], "no") && ok;
    (void)printf("  model %s  input tokens %" PRIu64 "  cached %" PRIu64 "\n",
                 use->response_model[0] != '\0' ? use->response_model : "(not named)",
                 use->input_tokens, use->cached_input_tokens);
    if (ok && judged->judgments[0].probability <= judged->judgments[1].probability)
        (void)printf("  warning: it finds the wrong answer more likely; use a better model\n");
    return ok;
}

/* One endpoint of one grader. */
static bool probe_endpoint(const struct settings_grader *grader, struct str *url,
                           const struct policy *policy, const struct record *record)
{
    struct settings_grader one = *grader;
    struct probe p = {0};
    struct arena arena;
    struct err err;
    one.endpoints.items = url;
    one.endpoints.n = 1;
    (void)printf("%.*s %.*s (dialect %.*s, model %.*s)\n", STR_ARGS(grader->name), STR_ARGS(*url),
                 STR_ARGS(grader->dialect), STR_ARGS(grader->model));
    if (grading_init(&p.grading, policy, &one, maintain, &p, &err) != ERR_OK) {
        (void)printf("  %s\n", err.msg);
        return false;
    }
    arena_init(&arena, PROBE_MEMORY);
    p.judge = (struct judge_req){.record = record,
                                 .arena = &arena,
                                 .deadline_us = clock_mono_us(&clock_real) + PROBE_DEADLINE_US,
                                 .done = on_judged};
    p.done = judge_start(&p.grading.judge, &p.judge);
    loop_run(&p.grading.loop);
    bool ok = print_result(&p.judge.result);
    grading_done(&p.grading);
    arena_done(&arena);
    return ok;
}

bool probe_graders(const struct settings *s)
{
    struct policy_file file = {STR("probe"), str_z(probe_policy)};
    struct policy *policy = options_load_policy(&file, 1, false, true);
    struct arena arena;
    struct refusal refusal;
    arena_init(&arena, PROBE_MEMORY);
    struct record *record = record_decode(&arena, str_z(probe_record), RECORD_JSON,
                                          &record_limits_default, NULL, &refusal);
    bool ok = policy != NULL && record != NULL;
    for (size_t i = 0; policy != NULL && record != NULL && i < s->n_graders; i++)
        for (size_t k = 0; k < s->graders[i].endpoints.n; k++)
            ok =
                probe_endpoint(&s->graders[i], &s->graders[i].endpoints.items[k], policy, record) &&
                ok;
    arena_done(&arena);
    policy_free(policy);
    return ok;
}
