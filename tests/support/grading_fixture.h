/* Policies from text and records by hand, for tests of grading. Header only. */
#ifndef RBR_TESTS_GRADING_FIXTURE_H
#define RBR_TESTS_GRADING_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "policy/policy.h"
#include "record/record.h"

/* Six questions, one type; `options` are further top-level lines. */
#define GRADING_POLICY(template, options)                                                          \
    "policy: {id: test}\n"                                                                         \
    "prompt_template: \"" template "\"\n"                                                          \
                                   "completion_class_order: [good, bad]\n"                         \
                                   "completion_classes:\n"                                         \
                                   "  good: {plain: {q0: true, q1: false, q2: true, q3: true, "    \
                                   "q4: true, q5: true}}\n"                                        \
                                   "  bad: {plain: {not: {q0: true, q1: false, q2: true, q3: "     \
                                   "true, q4: true, q5: true}}}\n"                                 \
                                   "simple_propositions:\n"                                        \
                                   "  q0: {prompt: \"Does it answer \\\"fully\\\"?\"}\n"           \
                                   "  q1: {prompt: \"Is it rude?\"}\n"                             \
                                   "  q2: {prompt: \"Is it short?\"}\n"                            \
                                   "  q3: {prompt: \"Is it in German\\n(or Dutch)?\"}\n"           \
                                   "  q4: {prompt: \"Does it cite a source? \\u00e4\"}\n"          \
                                   "  q5: {prompt: \"Does it end well?\"}\n" options

static inline struct policy *grading_policy(const char *text)
{
    struct findings findings;
    struct policy_file file = {STR("test.yaml"), {text, strlen(text)}};
    findings_init(&findings);
    struct policy *p = policy_load(&file, 1, &findings);
    for (size_t i = 0; p == NULL && i < findings.n; i++)
        (void)fprintf(stderr, "%zu:%zu: %.*s\n", findings.items[i].line, findings.items[i].column,
                      STR_ARGS(findings.items[i].text));
    findings_done(&findings);
    if (p == NULL)
        abort();
    return p;
}

/* One user turn and one assistant turn. */
struct grading_record {
    struct record record;
    struct message turns[2];
};

static inline const struct record *grading_record(struct grading_record *r, struct str user,
                                                  struct str assistant)
{
    *r = (struct grading_record){0};
    r->turns[0] = (struct message){.role = STR("user"), .content = user};
    r->turns[1] = (struct message){.role = STR("assistant"), .content = assistant};
    r->record = (struct record){.completion_id = STR("c"),
                                .prompt = &r->turns[0],
                                .n_prompt = 1,
                                .completion = &r->turns[1],
                                .n_completion = 1,
                                .response_type = STR("plain")};
    return &r->record;
}

#endif
