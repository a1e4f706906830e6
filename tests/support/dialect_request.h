/* Requests of a dialect about one completion, parsed back, for tests of dialects. Header only. */
#ifndef RBR_TESTS_DIALECT_REQUEST_H
#define RBR_TESTS_DIALECT_REQUEST_H

#include "unit.h"

#include "dialect_fixture.h"
#include "grading_fixture.h"

#define REQUEST_TEMPLATE "R: {response}\\nQ: {question}\\nYes or no?"

/* A policy, a prompt, and a dialect's frame for a grader with these options. */
struct request {
    struct policy *policy;
    struct grading_record record;
    struct prompt prompt;
    struct dialect_frame frame;
    struct arena arena;
    struct buf body;
};

static inline void request_init(struct request *r, const struct dialect *d, const char *policy,
                                struct dialect_options options, struct str response)
{
    *r = (struct request){.policy = grading_policy(policy), .frame = {.options = options}};
    arena_init(&r->arena, 64u << 20);
    buf_init(&r->body, 64u << 20);
    assert_int_equal(prompt_build(&r->arena, r->policy,
                                  grading_record(&r->record, STR("Who \"is\" it?"), response),
                                  &r->prompt),
                     ERR_OK);
    assert_true(d->frame(&r->arena, &r->frame));
}

/* The body that asks these; parsed. */
static inline const struct json *request_ask(struct request *r, const struct dialect *d,
                                             const uint16_t *propositions, size_t n)
{
    struct json_fault fault;
    buf_reset(&r->body);
    dialect_body(&r->body, d, &r->frame, &r->prompt, propositions, n);
    const struct json *root = json_parse(&r->arena, buf_str(&r->body), &fault);
    if (root == NULL)
        print_error("%s at %zu: %.*s\n", json_fault_text(fault.kind), fault.offset,
                    STR_ARGS(buf_str(&r->body)));
    assert_non_null(root);
    return root;
}

static inline void request_done(struct request *r)
{
    buf_done(&r->body);
    arena_done(&r->arena);
    policy_free(r->policy);
}

/* Bytes a judgment when this dialect asks 15 questions about a completion of 4 KB. */
static inline double request_bytes_per_judgment(const struct dialect *d)
{
    enum { QUESTIONS = 15, COMPLETION = 4096 };
    static const uint32_t yes = 9891, no = 2201;
    static char text[COMPLETION];
    struct request r;
    uint16_t asked[QUESTIONS];
    memset(text, 'a', sizeof(text));
    struct dialect_options options = {.model = STR("judge"),
                                      .top_logprobs = 20,
                                      .yes_ids = &yes,
                                      .n_yes_ids = 1,
                                      .no_ids = &no,
                                      .n_no_ids = 1};
    request_init(&r, d, GRADING_POLICY(REQUEST_TEMPLATE, ""), options,
                 (struct str){text, sizeof(text)});
    for (size_t i = 0; i < QUESTIONS; i++) /* the policy has six */
        asked[i] = (uint16_t)(i % r.policy->n_propositions);
    size_t each = d->questions_max < QUESTIONS ? d->questions_max : QUESTIONS, bytes = 0;
    for (size_t i = 0; i < QUESTIONS; i += each) {
        (void)request_ask(&r, d, asked + i, each);
        bytes += r.body.n;
    }
    request_done(&r);
    return (double)bytes / QUESTIONS;
}

#endif
