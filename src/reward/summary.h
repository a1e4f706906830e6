/* The few facts of a packed Reward that a table shows. Pure. */
#ifndef RBR_REWARD_SUMMARY_H
#define RBR_REWARD_SUMMARY_H

#include "base/arena.h"
#include "base/err.h"
#include "record/reason.h"

enum { SUMMARY_COMPONENTS = 2 };

struct reward_summary {
    struct str completion_id, group_id, response_type, predicted_class; /* n == 0 when absent */
    enum status status;
    enum reason reason;
    bool has_reward;
    double reward;
    struct {
        struct str name;
        double value;
    } largest[SUMMARY_COMPONENTS]; /* by magnitude, of the components */
    size_t n_largest;
    uint32_t requests; /* sent to graders for it */
};

/* Texts are copied into `a`. ERR_INVALID when the bytes are no Reward. */
enum err_code reward_summarise(struct str packed, struct arena *a, struct reward_summary *ret,
                               struct err *err) RBR_MUST_CHECK;

#endif
