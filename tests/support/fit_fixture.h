/* A policy with two features and rows for it, for the tests of fit/. Header only. */
#ifndef RBR_TESTS_FIT_FIXTURE_H
#define RBR_TESTS_FIT_FIXTURE_H

#include "policies.h"

#include "fit/rows.h"

/* Features of t: kind, then the classes good and bad. Of u: warm. */
#define FIT_POLICY                                                                                 \
    TEMPLATE ORDER                                                                                 \
        "completion_classes: {good: {t: {kind: true}, u: {warm: true}},\n"                         \
        "                     bad: {t: {kind: false}, u: {warm: false}}}\n"                        \
        "simple_propositions: {kind: {prompt: Is it kind?}, warm: {prompt: Is it warm?}}\n"        \
        "features: {u: {propositions: [warm], classes: none}}\n"                                   \
        "reward: {rm_weight: 0.5}\n"

static inline enum err_code fit_add(struct rows *rows, const char *line, struct err *err)
{
    return rows_add(rows, str_z(line), rows->n + 1, err);
}

/* A row of response type t with P(kind) and R_rm. */
static inline void fit_row(struct rows *rows, const char *prompt, const char *rank, double kind,
                           double reward_model)
{
    char line[256];
    struct err err = {0};
    (void)snprintf(line, sizeof(line),
                   "{\"prompt_id\": \"%s\", \"response_type\": \"t\", \"labels\": {\"rank\": "
                   "\"%s\"}, \"propositions\": {\"kind\": %g}, \"reward_model_score\": %g}",
                   prompt, rank, kind, reward_model);
    if (fit_add(rows, line, &err) != ERR_OK)
        fail_msg("%s", err.msg);
}

#endif
