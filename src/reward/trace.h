/* Where a published reward came from, how it ended, and what its judgments took: what a replay
 * looks for among rewards. Texts lie in the caller's arena. No I/O, any thread. */
#ifndef RBR_REWARD_TRACE_H
#define RBR_REWARD_TRACE_H

#include "base/arena.h"
#include "base/err.h"
#include "record/reason.h"

struct reward_trace {
    struct str topic; /* of the record it is of; n == 0: not known */
    int32_t partition;
    int64_t offset;
    struct str replay_id; /* n == 0: of live traffic */
    enum status status; /* UNSPECIFIED: one of a newer version */
    bool retryable;
    int64_t scored_at_ms;
    uint32_t asked, saved; /* questions to graders, and answers that were kept */
    uint64_t input_tokens, output_tokens;
    double cost_usd;
};

/* ERR_INVALID says why it is no reward; ERR_LIMIT: more than the arena may hold. */
enum err_code reward_trace_unpack(struct str packed, struct arena *a, struct reward_trace *ret,
                                  struct err *err) RBR_MUST_CHECK;

#endif
