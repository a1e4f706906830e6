/* The packed rbr.v1.Reward. The hot path of the worker: every array of the message lies in one
 * allocation, texts are pointed to, and packing writes straight into the caller's buffer. */
#include <math.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "proto/reward.pb-c.h"
#include "reward/features.h"
#include "reward/reward.h"

/* Everything but the message itself, in one block of memory. */
struct parts {
    char *block, *next;
    Rbr__V1__Component **components;
    Rbr__V1__Proposition **propositions;
    Rbr__V1__ClassProbability **classes;
    Rbr__V1__RewardLabel **labels;
    ProtobufCBinaryData *weight_versions;
    ProtobufCBinaryData tripwires[5];
    Rbr__V1__GraderUse grader, *graders[1];
    Rbr__V1__Source source;
    char id[33];
};

/* Of the policy, which was checked when it was read, or our own. */
static ProtobufCBinaryData text(struct str s)
{
    return (ProtobufCBinaryData){.len = s.n, .data = (uint8_t *)(uintptr_t)s.p};
}

/* Of anything else: topics, headers and a server's words were not. One bad byte makes a reader
 * refuse the whole message, so what follows the first ill-formed one is left out. */
static ProtobufCBinaryData unchecked(struct str s)
{
    return text(str_sub(s, 0, utf8_valid_prefix(s)));
}

static uint32_t clamp_ms(int64_t us)
{
    int64_t ms = us / 1000;
    return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static size_t rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static void *take(struct parts *p, size_t count, size_t size)
{
    void *at = p->next;
    p->next += rounded(count * size);
    return at;
}

/* A list of n messages is n pointers and n structs. Counts are bounded by what was read. */
#define LIST_BYTES(n, type) (rounded((n) * sizeof(type *)) + rounded((n) * sizeof(type)))
#define TAKE_LIST(parts, list, n, type, init)                                                      \
    do {                                                                                           \
        (list) = take(parts, n, sizeof(type *));                                                   \
        type *items_ = take(parts, n, sizeof(type));                                               \
        for (size_t i_ = 0; i_ < (n); i_++) {                                                      \
            items_[i_] = (type)init;                                                               \
            (list)[i_] = &items_[i_];                                                              \
        }                                                                                          \
    } while (0)

static void parts_init(struct parts *p, const Rbr__V1__Reward *m)
{
    p->block =
        mem_resize(NULL, LIST_BYTES(m->n_components, Rbr__V1__Component) +
                             LIST_BYTES(m->n_propositions, Rbr__V1__Proposition) +
                             LIST_BYTES(m->n_classes, Rbr__V1__ClassProbability) +
                             LIST_BYTES(m->n_labels, Rbr__V1__RewardLabel) +
                             rounded(m->n_weight_versions * sizeof(ProtobufCBinaryData)) + 1);
    p->next = p->block;
    TAKE_LIST(p, p->components, m->n_components, Rbr__V1__Component, RBR__V1__COMPONENT__INIT);
    TAKE_LIST(p, p->propositions, m->n_propositions, Rbr__V1__Proposition,
              RBR__V1__PROPOSITION__INIT);
    TAKE_LIST(p, p->classes, m->n_classes, Rbr__V1__ClassProbability,
              RBR__V1__CLASS_PROBABILITY__INIT);
    TAKE_LIST(p, p->labels, m->n_labels, Rbr__V1__RewardLabel, RBR__V1__REWARD_LABEL__INIT);
    p->weight_versions = take(p, m->n_weight_versions, sizeof(ProtobufCBinaryData));
}

/* ---- sections of the message ------------------------------------------------------------------
 */

static void put_record(Rbr__V1__Reward *m, const struct record *r, struct parts *parts)
{
    m->completion_id = unchecked(r->completion_id);
    m->run_id = unchecked(r->run_id);
    m->attempt = r->attempt;
    m->group_id = unchecked(r->group_id);
    if (r->has_sample_index) {
        m->sample_index_presence_case = RBR__V1__REWARD__SAMPLE_INDEX_PRESENCE_SAMPLE_INDEX;
        m->sample_index = r->sample_index;
    }
    m->group_size = r->group_size;
    m->prompt_id = unchecked(r->prompt_id);
    m->data_source = unchecked(r->data_source);
    m->split = unchecked(r->split);
    m->weight_versions = parts->weight_versions;
    for (size_t i = 0; i < r->n_weight_versions; i++)
        m->weight_versions[i] = unchecked(r->weight_versions[i]);
    m->global_step = r->global_step;
    m->min_global_step = r->min_global_step;
    m->max_global_step = r->max_global_step;
    m->created_at_ms = r->created_at_ms;
    m->labels = parts->labels;
    for (size_t i = 0; i < r->n_labels; i++) {
        m->labels[i]->key = unchecked(r->labels[i].key);
        m->labels[i]->value = unchecked(r->labels[i].value);
    }
}

static void put_numbers(Rbr__V1__Reward *m, const struct reward *reward)
{
    if (reward->has_reward) {
        m->reward_presence_case = RBR__V1__REWARD__REWARD_PRESENCE_REWARD;
        m->reward = reward->reward;
    }
    if (reward->has_score) {
        m->score_presence_case = RBR__V1__REWARD__SCORE_PRESENCE_SCORE;
        m->score = reward->score;
    }
    if (reward->has_bounds) {
        m->reward_lower_presence_case = RBR__V1__REWARD__REWARD_LOWER_PRESENCE_REWARD_LOWER;
        m->reward_lower = reward->reward_lower;
        m->reward_upper_presence_case = RBR__V1__REWARD__REWARD_UPPER_PRESENCE_REWARD_UPPER;
        m->reward_upper = reward->reward_upper;
    }
}

static void put_components(Rbr__V1__Reward *m, const struct reward *reward, struct parts *parts)
{
    m->components = parts->components;
    for (size_t i = 0; i < reward->n_components; i++) {
        const struct component *c = &reward->components[i];
        Rbr__V1__Component *out = m->components[i];
        out->name = text(c->name);
        out->weight = c->weight;
        if (c->has_raw) {
            out->raw_presence_case = RBR__V1__COMPONENT__RAW_PRESENCE_RAW;
            out->raw = c->raw;
        }
        if (reward->has_reward) {
            out->value_presence_case = RBR__V1__COMPONENT__VALUE_PRESENCE_VALUE;
            out->value = c->value;
        }
    }
}

static void put_classes(Rbr__V1__Reward *m, const struct policy *policy,
                        const struct reward *reward, struct parts *parts)
{
    m->classes = parts->classes;
    for (size_t k = 0; k < m->n_classes; k++) {
        Rbr__V1__ClassProbability *out = m->classes[k];
        out->name = text(policy->classes[k]);
        if (isnan(reward->class_probability[k]))
            continue;
        out->probability_presence_case =
            RBR__V1__CLASS_PROBABILITY__PROBABILITY_PRESENCE_PROBABILITY;
        out->probability = reward->class_probability[k];
    }
    if (reward->has_classes)
        m->predicted_class = text(policy->classes[reward->predicted_class]);
}

static void put_judgment(Rbr__V1__Proposition *out, const struct judgment *j)
{
    out->status = RBR__V1__STATUS__STATUS_SKIPPED;
    if (j->status == JUDGMENT_GRADED) {
        out->status = RBR__V1__STATUS__STATUS_OK;
        out->probability_presence_case = RBR__V1__PROPOSITION__PROBABILITY_PRESENCE_PROBABILITY;
        out->probability = j->probability;
    } else if (j->status == JUDGMENT_UNGRADED) {
        out->status = RBR__V1__STATUS__STATUS_FAILED;
        out->reason = (Rbr__V1__Reason)j->reason;
    }
    out->cached = j->cached;
    out->mass = (float)j->mass;
    if (j->has_digest)
        out->digest = (ProtobufCBinaryData){.len = sizeof(j->digest),
                                            .data = (uint8_t *)(uintptr_t)j->digest};
    out->attempts = j->attempts;
    out->latency_ms = j->latency_ms;
}

/* The propositions that this response type asks about, also where nothing was asked. */
static void put_propositions(Rbr__V1__Reward *m, const struct policy *policy,
                             const struct judged *judged, const struct reward *reward,
                             struct parts *parts)
{
    static const struct judgment never = {.status = JUDGMENT_NOT_ASKED};
    const ProtobufCBinaryData grader = unchecked(judged->grader_name);
    m->propositions = parts->propositions;
    Rbr__V1__Proposition **next = m->propositions;
    for (size_t i = 0; m->n_propositions > 0 && i < policy->n_propositions; i++) {
        const struct proposition *q = &policy->propositions[i];
        if (!policy->response_types[judged->response_type].asked[i])
            continue;
        const struct judgment *j = judged->judgments != NULL ? &judged->judgments[i] : &never;
        Rbr__V1__Proposition *out = *next++;
        out->id = text(q->name);
        put_judgment(out, j);
        if (is_graders(q, j))
            out->grader = grader;
        double used = reward->probability[i];
        if (!isnan(used) && (j->status != JUDGMENT_GRADED || used != j->probability)) {
            out->calibrated_presence_case = RBR__V1__PROPOSITION__CALIBRATED_PRESENCE_CALIBRATED;
            out->calibrated = used;
        }
    }
}

static void put_grader(Rbr__V1__Reward *m, const struct policy *policy, const struct judged *judged,
                       struct parts *parts)
{
    Rbr__V1__GraderUse *out = &parts->grader;
    const struct grader_use *use = &judged->use;
    if (judged->grader_name.n == 0)
        return;
    *out = (Rbr__V1__GraderUse)RBR__V1__GRADER_USE__INIT;
    out->name = unchecked(judged->grader_name);
    out->request_model = unchecked(judged->grader_model);
    out->response_model = unchecked(str_z(use->response_model));
    out->system_fingerprint = unchecked(str_z(use->system_fingerprint));
    out->requests = use->requests;
    out->retries = use->retries;
    out->failures = use->failures;
    out->input_tokens = use->used.input_tokens;
    out->cached_input_tokens = use->used.cached_input_tokens;
    out->output_tokens = use->used.output_tokens;
    out->cost_usd = (double)use->used.cost_pico / PICO_PER_USD;
    out->usage_unknown = (uint32_t)use->used.unknown; /* of `requests` */
    for (size_t i = 0; judged->judgments != NULL && i < policy->n_propositions; i++)
        out->cache_hits += judged->judgments[i].cached &&
                           is_graders(&policy->propositions[i], &judged->judgments[i]);
    parts->graders[0] = out;
    m->n_graders = 1;
    m->graders = parts->graders;
}

static void put_tripwires(Rbr__V1__Reward *m, unsigned found, struct parts *parts)
{
    static const struct {
        enum tripwire bit;
        struct str name;
    } names[] = {
        {TRIPWIRE_CONTROL_TOKENS, STR_INIT("control_tokens")},
        {TRIPWIRE_EMBEDDED_NUL, STR_INIT("embedded_nul")},
        {TRIPWIRE_EMPTY_COMPLETION, STR_INIT("empty_completion")},
        {TRIPWIRE_FORGED_STRUCTURE, STR_INIT("forged_structure")},
        {TRIPWIRE_TRIVIAL_COMPLETION, STR_INIT("trivial_completion")},
    };
    _Static_assert(ARRAY_LEN(names) == ARRAY_LEN(parts->tripwires), "room for each");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if ((found & names[i].bit) != 0)
            parts->tripwires[m->n_tripwires++] = text(names[i].name);
    m->tripwires = parts->tripwires;
}

static void put_envelope(Rbr__V1__Reward *m, const struct reward_envelope *envelope,
                         struct parts *parts)
{
    parts->source = (Rbr__V1__Source)RBR__V1__SOURCE__INIT;
    parts->source.topic = unchecked(envelope->topic);
    parts->source.partition = envelope->partition;
    parts->source.offset = envelope->offset;
    m->source = &parts->source;
    m->received_at_ms = envelope->received_at_ms;
    m->scored_at_ms = envelope->scored_at_ms;
    m->queue_ms = envelope->queue_ms;
    m->replay_id = unchecked(envelope->replay_id);
    m->traceparent = unchecked(envelope->traceparent);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static enum err_code pack(const Rbr__V1__Reward *m, struct buf *out)
{
    size_t n = rbr__v1__reward__get_packed_size(m);
    char *to = buf_reserve(out, n);
    if (to == NULL)
        return ERR_LIMIT;
    out->n += rbr__v1__reward__pack(m, (uint8_t *)to);
    return ERR_OK;
}

enum err_code reward_encode(const struct policy *policy, const struct record *record,
                            const struct judged *judged, const struct reward *reward,
                            const struct reward_envelope *envelope, struct buf *out)
{
    Rbr__V1__Reward m = RBR__V1__REWARD__INIT;
    struct parts parts;
    const struct response_type *type =
        judged->response_type != SIZE_MAX ? &policy->response_types[judged->response_type] : NULL;
    m.n_components = reward->n_components;
    m.n_propositions = type != NULL ? type->n_asked : 0;
    m.n_classes = type != NULL ? policy->n_classes : 0;
    m.n_labels = record->n_labels;
    m.n_weight_versions = record->n_weight_versions;
    parts_init(&parts, &m);

    reward_id(policy, record, parts.id);
    m.reward_id = text(str_z(parts.id));
    put_record(&m, record, &parts);
    m.status = (Rbr__V1__Status)reward->status;
    m.reason = (Rbr__V1__Reason)reward->reason;
    m.detail = unchecked(str_z(reward->detail));
    m.retryable = reward->retryable;
    m.mask_sample = reward->mask_sample;
    put_numbers(&m, reward);
    put_components(&m, reward, &parts);
    put_classes(&m, policy, reward, &parts);
    put_propositions(&m, policy, judged, reward, &parts);
    put_tripwires(&m, judged->tripwires, &parts);
    m.policy_id = text(policy->id);
    m.policy_version = text(policy->version);
    m.policy_hash = text(str_z(policy->hash_hex));
    m.scorer_version = text(STR(RBR_VERSION));
    put_grader(&m, policy, judged, &parts);
    m.response_type = type != NULL ? text(type->name) : (ProtobufCBinaryData){0};
    m.grading_ms = clamp_ms(judged->grading_us);
    put_envelope(&m, envelope, &parts);

    enum err_code code = pack(&m, out);
    mem_free(parts.block);
    return code;
}
