#include "reward/trace.h"

#include "reward/unpack.h"

enum err_code reward_trace_unpack(struct str packed, struct arena *a, struct reward_trace *ret,
                                  struct err *err)
{
    const Rbr__V1__Reward *m = reward_unpack(packed, a, err);
    if (m == NULL)
        return err->code;
    *ret = (struct reward_trace){
        .replay_id = unpacked_str(m->replay_id),
        .status = unpacked_status(m),
        .retryable = m->retryable != 0,
        .scored_at_ms = m->scored_at_ms,
    };
    if (m->source != NULL) {
        ret->topic = unpacked_str(m->source->topic);
        ret->partition = m->source->partition;
        ret->offset = m->source->offset;
    }
    for (size_t i = 0; i < m->n_propositions; i++)
        ret->asked += m->propositions[i]->attempts > 0;
    for (size_t i = 0; i < m->n_graders; i++) {
        ret->saved += m->graders[i]->cache_hits;
        ret->input_tokens += m->graders[i]->input_tokens;
        ret->output_tokens += m->graders[i]->output_tokens;
        ret->cost_usd += m->graders[i]->cost_usd;
    }
    return ERR_OK;
}
