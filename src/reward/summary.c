#include "reward/summary.h"

#include <math.h>

#include "base/utf8.h"
#include "proto/reward.pb-c.h"

static bool copy(struct arena *a, ProtobufCBinaryData in, struct str *ret)
{
    struct str s = {(const char *)in.data, in.len};
    return arena_copy(a, str_sub(s, 0, utf8_valid_prefix(s)), ret);
}

/* Keeps the largest few in order; of equals the first one stays in front. */
static void rank(const Rbr__V1__Component *c, const Rbr__V1__Component **top, size_t *n)
{
    size_t at = *n;
    if (c->value_presence_case != RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE || c->value == 0)
        return;
    while (at > 0 && fabs(c->value) > fabs(top[at - 1]->value))
        at--;
    if (at == SUMMARY_COMPONENTS)
        return;
    if (*n < SUMMARY_COMPONENTS)
        (*n)++;
    for (size_t i = *n - 1; i > at; i--)
        top[i] = top[i - 1];
    top[at] = c;
}

static bool fill(const Rbr__V1__Reward *m, struct arena *a, struct reward_summary *ret)
{
    const Rbr__V1__Component *top[SUMMARY_COMPONENTS] = {NULL};
    *ret = (struct reward_summary){
        .status = (enum status)m->status,
        .reason = (enum reason)m->reason,
        .has_reward = m->reward_presence_case == RBR__V1__REWARD__REWARD_PRESENCE_REWARD,
    };
    ret->reward = ret->has_reward ? m->reward : 0;
    for (size_t i = 0; i < m->n_components; i++)
        rank(m->components[i], top, &ret->n_largest);
    for (size_t i = 0; i < ret->n_largest && top[i] != NULL; i++) {
        ret->largest[i].value = top[i]->value;
        if (!copy(a, top[i]->name, &ret->largest[i].name))
            return false;
    }
    for (size_t i = 0; i < m->n_graders; i++)
        ret->requests += m->graders[i]->requests;
    return copy(a, m->completion_id, &ret->completion_id) && copy(a, m->group_id, &ret->group_id) &&
           copy(a, m->response_type, &ret->response_type) &&
           copy(a, m->predicted_class, &ret->predicted_class);
}

enum err_code reward_summarise(struct str packed, struct arena *a, struct reward_summary *ret,
                               struct err *err)
{
    if (packed.n == 0)
        return err_set(err, ERR_INVALID, "an empty value is no rbr.v1.Reward");
    Rbr__V1__Reward *m = rbr__v1__reward__unpack(NULL, packed.n, (const uint8_t *)packed.p);
    if (m == NULL)
        return err_set(err, ERR_INVALID,
                       "%zu bytes that are no rbr.v1.Reward; is this the right topic?", packed.n);
    bool ok = fill(m, a, ret);
    rbr__v1__reward__free_unpacked(m, NULL);
    return ok ? ERR_OK : err_set(err, ERR_LIMIT, "the reward's texts are longer than allowed");
}
