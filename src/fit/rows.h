/* Ranked completions as rows: one line of JSON each, with judgments, a rank and perhaps R_rm.
 *
 *   prompt_id (else group_id)   the prompt: only completions of one prompt are compared
 *   response_type, category     as in a completion
 *   propositions                {name: true | false | probability}, or a reward's array
 *   labels                      its entry `rank`: the word that the orderings know (orderings.h)
 *   reward_model_score          R_rm; a reward has it as the component reward_model
 *
 * So a file of completions with given judgments will do, and so will what `rbr score --jsonl`
 * prints. Features are computed here, by the policy's rules. Lifecycle: rows_init, rows_add for
 * each line, rows_done. Rows own their texts. One thread. */
#ifndef RBR_FIT_ROWS_H
#define RBR_FIT_ROWS_H

#include "policy/policy.h"

struct row {
    uint64_t line; /* in the file, from 1 */
    size_t response_type; /* of the policy */
    struct str prompt, label;
    double *features; /* of the response type, in its order; all finite */
    bool has_reward_model;
    double reward_model; /* R_rm */
};

struct rows {
    const struct policy *policy; /* outlives it */
    struct arena arena; /* texts and features */
    struct arena scratch; /* one line's JSON */
    struct row *items; /* in file order */
    size_t n, cap;
};

void rows_init(struct rows *r, const struct policy *policy);
void rows_done(struct rows *r);

/* One line. ERR_INVALID, with a sentence that does not name the line, when it is no such row. */
enum err_code rows_add(struct rows *r, struct str text, uint64_t line,
                       struct err *err) RBR_MUST_CHECK;

/* Whether R_rm is there in all rows. ERR_INVALID, naming a line, when only some have it. */
enum err_code rows_reward_model(const struct rows *r, bool *ret, struct err *err) RBR_MUST_CHECK;

#endif
