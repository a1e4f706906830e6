/* Judgments that were made before, by completion: lines of JSON with a completion_id (or id) and
 * `propositions`, either a reward's array, as `rbr score --jsonl` prints them, or {name: true |
 * false | probability}. Lifecycle: given_init, given_add for each line, given_sort, given_find as
 * often as wanted, given_done. One thread. */
#ifndef RBR_FIT_GIVEN_H
#define RBR_FIT_GIVEN_H

#include "grader/judgment.h"
#include "policy/policy.h"

struct given_row {
    struct str completion_id;
    uint64_t line;
    struct judgment *judgments; /* per proposition of the policy; a grader's, as asked */
};

struct given {
    const struct policy *policy; /* outlives it */
    struct arena arena, scratch;
    struct given_row *items;
    size_t n, cap;
};

void given_init(struct given *g, const struct policy *policy);
void given_done(struct given *g);

/* ERR_INVALID, with a sentence that does not name the line, when it is no such line. */
enum err_code given_add(struct given *g, struct str text, uint64_t line,
                        struct err *err) RBR_MUST_CHECK;

/* After the last line. ERR_INVALID: two lines are of one completion. */
enum err_code given_sort(struct given *g, struct err *err) RBR_MUST_CHECK;

/* NULL when there are none for this completion. */
const struct judgment *given_find(const struct given *g, struct str completion_id);

#endif
