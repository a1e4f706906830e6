#include "worker/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "worker/grading.h"

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
    int64_t due = grading_tick(&p->grading);
    if (grader_is_down(p->grading.grader))
        judge_cancel(&p->judge); /* nobody wants to wait for it here */
    if (p->done)
        loop_stop(&p->grading.loop);
    return due;
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
    bool ok = print_judgment(&a->judgments[KNOWN_YES], "yes");
    ok = print_judgment(&a->judgments[KNOWN_NO], "no") && ok;
    (void)printf("  model %s  input tokens %" PRIu64 "  cached %" PRIu64 "\n",
                 a->use.response_model[0] != '\0' ? a->use.response_model : "(not named)",
                 a->use.used.input_tokens, a->use.used.cached_input_tokens);
    if (ok && a->judgments[KNOWN_YES].probability <= a->judgments[KNOWN_NO].probability)
        (void)printf("  warning: it finds the wrong answer more likely; use a better model\n");
    if (!ok && a->error[0] != '\0')
        (void)printf("  last failure: %s\n", a->error);
    return ok;
}

enum err_code probe_ask(const struct settings_grader *grader, struct str url, const struct known *q,
                        struct probe_answer *ret, struct err *err)
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
    p.judge = (struct judge_req){
        .record = &q->record,
        .arena = &arena,
        .deadline_us = CLOCK_NEVER,
        .expires_us = clock_mono_us(&clock_real) + PROBE_DEADLINE_US,
        .done = on_judged,
    };
    p.done = judge_start(&p.grading.judge, &p.judge);
    loop_run(&p.grading.loop);
    memcpy(ret->judgments, p.judge.result.judgments, sizeof(ret->judgments));
    ret->use = p.judge.result.use;
    if (grader_is_down(p.grading.grader))
        grader_explain(p.grading.grader, ret->error);
    else
        (void)snprintf(ret->error, sizeof(ret->error), "%s", grader_last_error(p.grading.grader));
    for (size_t i = 0; i < 2; i++)
        if (grader_is_down(p.grading.grader) && ret->judgments[i].reason == REASON_DEADLINE)
            ret->judgments[i].reason = REASON_GRADER_UNAVAILABLE; /* it was we who gave up */
    grading_done(&p.grading);
    arena_done(&arena);
    return ERR_OK;
}

static bool probe_endpoint(const struct settings_grader *grader, struct str url,
                           const struct known *q)
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
    struct known q;
    bool ok = true;
    known_init(&q);
    for (size_t i = 0; i < s->n_graders; i++)
        for (size_t k = 0; k < s->graders[i].endpoints.n; k++)
            ok = probe_endpoint(&s->graders[i], s->graders[i].endpoints.items[k], &q) && ok;
    known_done(&q);
    return ok;
}
