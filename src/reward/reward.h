/* From judgments to one reward: features, classes, components, their sum, and the message.
 *
 *   s(q,true) = P(q)   s(q,false) = 1 - P(q)
 *   P(derived) = product of s over its rule      u_k = product of s over class k's rule
 *   phi_k = u_k / Z, Z = sum u_k                 (Mu et al. 2024; docs/policies.md)
 *   reward = rm_weight * R_rm + sum w_i phi_i, then clip
 * All in double, in file order, nothing reordered: the components' values added in order are the
 * reward bit for bit (promise P4). A record without a usable verdict has no reward, never 0.0 (P3).
 * Pure; memory is the caller's arena; any thread. */
#ifndef RBR_REWARD_REWARD_H
#define RBR_REWARD_REWARD_H

#include "base/buf.h"
#include "judge/judge.h"

/* Which there are, and in which order, depends on policy and response type alone:
 * proto/reward.proto. */
struct component {
    struct str name; /* "reward_model", a feature's name, "clip", "clip_rounding" */
    double weight;
    bool has_raw; /* raw is known */
    double raw; /* R_rm or phi */
    double value; /* the addend; holds when the reward has one */
};

struct reward {
    enum status status;
    enum reason reason;
    char detail[160];
    bool retryable;
    bool mask_sample; /* the trainer should not use this sample: there is no reward */
    bool has_reward, has_score, has_bounds, has_classes;
    double reward;
    double score; /* probability of the best class */
    double reward_lower, reward_upper; /* on_ungraded: bounds, when they differ */
    struct component *components;
    size_t n_components;
    double *class_probability; /* per class of the policy; NAN where it is not known; arena */
    size_t predicted_class; /* largest phi, ties to the better class; when has_classes */
    double *probability; /* per proposition, as the rules used it; NAN where there is none */
};

/* Computes everything above from the judgments. Always fills *ret; ERR_LIMIT when the arena is
 * full. */
enum err_code reward_compute(struct arena *a, const struct policy *policy,
                             const struct record *record, const struct judged *judged,
                             struct reward *ret) RBR_MUST_CHECK;

/* Class probabilities alone: p[] per proposition in [0, 1]; out[] per class. False when Z is 0, or
 * a proposition that the rules use is NAN. */
bool classes_compute(const struct policy *policy, size_t response_type, const double *p,
                     double *out) RBR_MUST_CHECK;

/* The class with the largest probability; of equals the better one, which is the earlier. */
size_t classes_best(const double *probability, size_t n);

/* Where the record came from and when things happened. */
struct reward_envelope {
    struct str topic;
    int32_t partition;
    int64_t offset;
    int64_t received_at_ms, scored_at_ms; /* wall */
    uint32_t queue_ms; /* received -> judging started */
    struct str replay_id;
    struct str traceparent; /* from the header, else from the record */
};

/* Appends the packed rbr.v1.Reward message. ERR_LIMIT when `out` is full. */
enum err_code reward_encode(const struct policy *policy, const struct record *record,
                            const struct judged *judged, const struct reward *reward,
                            const struct reward_envelope *envelope, struct buf *out) RBR_MUST_CHECK;

/* reward_id: hex of the first 16 bytes of SHA-256 over run_id, completion_id, attempt and
 * policy_hash; the texts and the hash (32 bytes) each after its length, lengths and attempt as 8
 * bytes, big endian. */
void reward_id(const struct policy *policy, const struct record *record, char out[33]);

#endif
