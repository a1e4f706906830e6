/* Judgments by hand and the reward they make. Header only. */
#ifndef RBR_TESTS_REWARDS_H
#define RBR_TESTS_REWARDS_H

#include <math.h>

#include "policies.h"

#include "base/rng.h"
#include "reward/reward.h"

struct rewards {
    struct arena arena;
    struct policy *policy;
    struct record record;
    struct judged judged;
    struct reward reward;
};

/* Every proposition that type `type` asks is graded P = 0 by grader "g"; SIZE_MAX: not routed. */
static inline void rewards_init(struct rewards *r, struct policy *policy, size_t type)
{
    *r = (struct rewards){.policy = policy};
    arena_init(&r->arena, 1u << 20);
    r->record.completion_id = STR("c-1");
    r->judged.status = STATUS_OK;
    r->judged.response_type = type;
    r->judged.grader_name = STR("g");
    r->judged.judgments = mem_array(policy->n_propositions, sizeof(struct judgment));
    for (size_t i = 0; type != SIZE_MAX && i < policy->n_propositions; i++)
        if (policy->response_types[type].asked[i])
            r->judged.judgments[i] = (struct judgment){.status = JUDGMENT_GRADED,
                                                       .mass = 1,
                                                       .attempts = 1,
                                                       .has_digest = true,
                                                       .digest = {(uint8_t)i, 0xab}};
}

/* The policy too. */
static inline void rewards_done(struct rewards *r)
{
    mem_free(r->judged.judgments);
    arena_done(&r->arena);
    policy_free(r->policy);
}

static inline struct judgment *rewards_of(struct rewards *r, const char *name)
{
    size_t i = policy_find_proposition(r->policy, str_z(name));
    assert_true(i != SIZE_MAX);
    return &r->judged.judgments[i];
}

static inline void rewards_set(struct rewards *r, const char *name, double p)
{
    rewards_of(r, name)->probability = p;
}

static inline void rewards_miss(struct rewards *r, const char *name, enum reason reason)
{
    *rewards_of(r, name) =
        (struct judgment){.status = JUDGMENT_UNGRADED, .reason = reason, .attempts = 3};
}

static inline const struct reward *rewards_compute(struct rewards *r)
{
    arena_reset(&r->arena);
    assert_int_equal(reward_compute(&r->arena, r->policy, &r->record, &r->judged, &r->reward),
                     ERR_OK);
    assert_true(r->reward.mask_sample == !r->reward.has_reward);
    return &r->reward;
}

/* What a reader of the message does: add from 0.0, left to right. */
static inline double rewards_sum(const struct reward *r)
{
    double sum = 0;
    for (size_t i = 0; i < r->n_components; i++)
        sum += r->components[i].value;
    return sum;
}

static inline bool rewards_same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

#endif
