/* A published reward read back, from its packed message or from the line of JSON that
 * reward/message.h prints: what a comparison of rewards needs, and no more.
 *
 * Texts and arrays live in the caller's arena or in the text given in; both must outlive the facts.
 * No I/O, any thread. */
#ifndef RBR_REWARD_FACTS_H
#define RBR_REWARD_FACTS_H

#include "base/arena.h"
#include "base/err.h"
#include "record/reason.h"

struct reward_addend {
    struct str name;
    double value; /* finite */
};

struct reward_facts {
    struct str reward_id, completion_id; /* never empty */
    struct str run_id, group_id;
    struct str response_type, predicted_class; /* n == 0: not known */
    uint32_t attempt;
    enum status status; /* UNSPECIFIED: one of a newer version */
    bool has_reward; /* only with status OK or PARTIAL */
    double reward; /* finite; 0 without has_reward */
    const struct str *classes; /* the policy's, best first */
    size_t n_classes;
    const struct reward_addend *addends; /* of the reward, in order; those that have a value */
    size_t n_addends;
};

/* ERR_INVALID says why it is no reward; ERR_LIMIT: more than the arena may hold. */
enum err_code reward_facts_unpack(struct str packed, struct arena *a, struct reward_facts *ret,
                                  struct err *err) RBR_MUST_CHECK;
enum err_code reward_facts_parse(struct str line, struct arena *a, struct reward_facts *ret,
                                 struct err *err) RBR_MUST_CHECK;

#endif
