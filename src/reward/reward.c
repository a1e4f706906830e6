/* One reward from the judgments of one record. Every way to arrive at numbers goes through `fill`:
 * it evaluates classes, components and their ordered sum for one set of probabilities. What differs
 * is how probabilities come about when judgments are missing (on_ungraded), and what may then be
 * published. */
#include "reward/reward.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "base/sha256.h"
#include "reward/classes.h"
#include "reward/features.h"

enum {
    BOUNDS_MAX = 10, /* missing propositions: 1,024 evaluations of about a microsecond each */
};

/* Sums that anyone can repeat need plain doubles; CMakeLists.txt forbids fused operations. */
_Static_assert(FLT_EVAL_METHOD == 0, "double expressions are evaluated as doubles");

static const double agreement = 1e-9; /* on_ungraded: bounds */

struct evaluation {
    const struct policy *policy;
    const struct record *record;
    const struct judged *judged;
    const struct response_type *type; /* NULL: not routed */
    struct reward *reward;
    bool rewards; /* this policy gives records of this response type rewards */
    double derived[POLICY_PROPOSITIONS_MAX];
    size_t missing[POLICY_PROPOSITIONS_MAX];
    size_t n_missing;
};

/* ---- components -------------------------------------------------------------------------------
 */

/* A record outside all response types is scored by its reward model because the policy says so in
 * `unrouted`, also where `reward_model: ignore` leaves it out of the others. */
static bool uses_reward_model(const struct evaluation *e)
{
    return e->type == NULL || e->policy->reward_model != REWARD_MODEL_IGNORE;
}

/* Weights that weigh nothing make no reward. */
static bool gives_rewards(const struct evaluation *e)
{
    if (e->policy->classify_only)
        return false;
    if (e->type == NULL)
        return e->judged->reward_model_only;
    bool any = uses_reward_model(e);
    for (size_t i = 0; i < e->type->n_features; i++)
        any = any || e->type->features[i].weighted;
    return any && e->type->has_weights;
}

static void add(struct reward *r, struct str name, double weight)
{
    r->components[r->n_components++] = (struct component){.name = name, .weight = weight};
}

/* Names and weights, which the policy alone decides. */
static bool list_components(struct evaluation *e, struct arena *a)
{
    struct reward *r = e->reward;
    const struct response_type *type = e->type;
    e->rewards = gives_rewards(e);
    if (!e->rewards)
        return true;
    r->components =
        arena_array(a, (type != NULL ? type->n_features : 0) + 3, sizeof(*r->components));
    if (r->components == NULL)
        return false;
    if (uses_reward_model(e))
        add(r, STR("reward_model"), e->policy->rm_weight);
    for (size_t i = 0; type != NULL && i < type->n_features; i++)
        if (type->features[i].weighted)
            add(r, type->features[i].name, type->features[i].weight);
    if (e->policy->has_clip) {
        add(r, STR("clip"), 0);
        add(r, STR("clip_rounding"), 0);
    }
    return true;
}

static double put(struct component *c, bool known, double raw)
{
    c->has_raw = known;
    c->raw = known ? raw : 0;
    c->value = known ? c->weight * raw : 0;
    return c->value;
}

/* Raw values and addends; returns the sum before clipping. `classes` may be NULL: not known. */
static double put_components(struct evaluation *e, const double *classes)
{
    struct component *c = e->reward->components;
    double sum = 0;
    if (!e->rewards)
        return 0;
    if (uses_reward_model(e))
        sum += put(c++, e->record->has_reward_model_score, e->record->reward_model_score);
    for (size_t i = 0; e->type != NULL && i < e->type->n_features; i++) {
        const struct feature *f = &e->type->features[i];
        if (!f->weighted)
            continue;
        double phi = feature_value(f, e->reward->probability, e->derived, classes);
        sum += put(c++, !isnan(phi), phi);
    }
    return sum;
}

/* The bound B is reached exactly: the addends after the sum S are v = fl(B - S) and then
 * w = fl(B - fl(S + v)), and fl(fl(S + v) + w) is B.
 *   Where fl(S + v) is exact, it is B + e with e the rounding error of v, which is a double itself
 *   (the error of an addition always is), so w = -e is exact and the sum is B. It is exact when v
 * lies within a factor of two of -S (Sterbenz), that is unless |B| > |S| and they differ in sign,
 * or |S| < |B| / 2. Then |v| <= 2 |B|, the error of v is at most one unit in the last place of B,
 * and fl(S + v) is B or beside it: w is exact by Sterbenz, and so is the sum. w is 0 unless B has
 * bits below those of S: a bound such as 0.3. */
static double clip(const struct evaluation *e, double sum)
{
    const struct policy *p = e->policy;
    struct reward *r = e->reward;
    if (!e->rewards || !p->has_clip)
        return sum;
    struct component *cut = &r->components[r->n_components - 2], *rounding = cut + 1;
    cut->value = rounding->value = 0;
    if (isfinite(sum) && (sum < p->clip_low || sum > p->clip_high)) {
        double bound = sum < p->clip_low ? p->clip_low : p->clip_high;
        cut->value = bound - sum;
        rounding->value = bound - (sum + cut->value);
    }
    return sum + cut->value + rounding->value;
}

/* Classes and components for the probabilities at hand; *ret is the sum. False when no class is
 * possible. */
static bool fill(struct evaluation *e, double *ret)
{
    struct reward *r = e->reward;
    derived_compute(e->policy, r->probability, e->derived);
    if (!classes_from(e->policy, e->type, r->probability, e->derived, r->class_probability))
        return false;
    r->predicted_class = classes_best(r->class_probability, e->policy->n_classes);
    *ret = clip(e, put_components(e, r->class_probability));
    return true;
}

/* ---- outcomes ---------------------------------------------------------------------------------
 */

static void settle(struct evaluation *e, enum status status, enum reason reason, const char *detail)
{
    struct reward *r = e->reward;
    r->status = status;
    r->reason = reason;
    r->retryable = status != STATUS_OK && reason_retryable(reason);
    (void)snprintf(r->detail, sizeof(r->detail), "%s", detail);
}

static void forget_classes(struct evaluation *e)
{
    struct reward *r = e->reward;
    r->has_classes = r->has_score = r->has_reward = false;
    for (size_t k = 0; k < e->policy->n_classes; k++)
        r->class_probability[k] = NAN;
}

/* No usable verdict: of the features only those stay that judgments gave. */
static void fail(struct evaluation *e, enum reason reason, const char *detail)
{
    forget_classes(e);
    derived_compute(e->policy, e->reward->probability, e->derived);
    (void)put_components(e, NULL);
    settle(e, STATUS_FAILED, reason, detail);
}

/* `status` FAILED or PARTIAL by the first missing judgment. A later try succeeds only where it can
 * get all of them. */
static void blame_missing(struct evaluation *e, enum status status)
{
    const struct policy *policy = e->policy;
    struct reward *r = e->reward;
    enum reason first = REASON_NONE;
    bool retryable = true;
    char more[32] = "";
    for (size_t i = e->n_missing; i > 0; i--) {
        const struct judgment *j =
            e->judged->judgments != NULL ? &e->judged->judgments[e->missing[i - 1]] : NULL;
        /* Asked, and neither graded nor ungraded: the judge was not let finish. */
        first = j != NULL && j->status == JUDGMENT_UNGRADED ? j->reason : REASON_MISSING_INPUT;
        retryable = retryable && reason_retryable(first);
    }
    if (e->n_missing > 1)
        (void)snprintf(more, sizeof(more), " and %zu more", e->n_missing - 1);
    struct str name = policy->propositions[e->missing[0]].name;
    settle(e, status, first, "");
    r->retryable = retryable;
    (void)snprintf(r->detail, sizeof(r->detail), "no judgment for %.*s%s",
                   (int)(name.n < 100 ? name.n : 100), name.p, more);
}

static void fail_missing(struct evaluation *e)
{
    fail(e, REASON_NONE, "");
    blame_missing(e, STATUS_FAILED);
}

static void allow_reward(struct evaluation *e, double sum)
{
    struct reward *r = e->reward;
    if (!e->rewards)
        return;
    r->has_reward = true;
    r->reward = sum;
}

/* A sum nothing went into is no verdict. */
static bool lacks_input(const struct evaluation *e)
{
    if (!e->rewards || !uses_reward_model(e) || e->record->has_reward_model_score)
        return false;
    size_t own = e->reward->n_components - (e->policy->has_clip ? 2 : 0);
    return own == 1 || e->policy->reward_model == REWARD_MODEL_REQUIRE;
}

/* ---- ways -------------------------------------------------------------------------------------
 */

static void complete(struct evaluation *e)
{
    struct reward *r = e->reward;
    double sum;
    if (!fill(e, &sum)) {
        fail(e, REASON_NOT_FINITE,
             "the classes' products sum to 0: no class is possible; see `rbr check`");
        return;
    }
    r->has_classes = r->has_score = true;
    r->score = r->class_probability[0];
    settle(e, STATUS_OK, REASON_NONE, "");
    if (isfinite(sum))
        allow_reward(e, sum);
    else
        settle(e, STATUS_FAILED, REASON_NOT_FINITE, "the sum of the components is not finite");
}

static void by_prior(struct evaluation *e)
{
    struct reward *r = e->reward;
    for (size_t i = 0; i < e->n_missing; i++)
        if (!e->policy->propositions[e->missing[i]].has_prior) {
            fail_missing(e);
            return;
        }
    for (size_t i = 0; i < e->n_missing; i++)
        r->probability[e->missing[i]] = e->policy->propositions[e->missing[i]].prior;
    complete(e);
    if (r->status != STATUS_OK)
        return;
    blame_missing(e, STATUS_PARTIAL);
    r->has_reward = r->has_reward && e->policy->train_on_partial;
}

/* What all answers to the missing questions have in common. */
struct common {
    double low, high; /* of the reward */
    double class_low[POLICY_CLASSES_MAX], class_high[POLICY_CLASSES_MAX]; /* of each class */
    size_t predicted;
    bool same_class;
};

static void assign(struct evaluation *e, size_t answers)
{
    for (size_t i = 0; i < e->n_missing; i++)
        e->reward->probability[e->missing[i]] = (answers >> i & 1) != 0 ? 1 : 0;
}

static bool try_all(struct evaluation *e, struct common *c)
{
    const struct reward *r = e->reward;
    *c = (struct common){.low = INFINITY, .high = -INFINITY, .same_class = true};
    for (size_t answers = 0; answers < (size_t)1 << e->n_missing; answers++) {
        double sum;
        assign(e, answers);
        if (!fill(e, &sum) || !isfinite(sum))
            return false;
        c->low = fmin(c->low, sum);
        c->high = fmax(c->high, sum);
        c->predicted = answers == 0 ? r->predicted_class : c->predicted;
        c->same_class = c->same_class && r->predicted_class == c->predicted;
        for (size_t k = 0; k < e->policy->n_classes; k++) {
            double phi = r->class_probability[k];
            c->class_low[k] = answers == 0 ? phi : fmin(c->class_low[k], phi);
            c->class_high[k] = answers == 0 ? phi : fmax(c->class_high[k], phi);
        }
    }
    return true;
}

/* Publishes of the evaluation with every missing answer "no" only what holds whatever the answers
 * are: raw values that depend on an answer go. */
static void keep_common(struct evaluation *e, const struct common *c)
{
    struct reward *r = e->reward;
    for (size_t i = 0; i < e->n_missing; i++)
        r->probability[e->missing[i]] = NAN;
    for (size_t k = 0; k < e->policy->n_classes; k++)
        if (c->class_high[k] - c->class_low[k] > agreement)
            r->class_probability[k] = NAN;
    derived_compute(e->policy, r->probability, e->derived);
    struct component *next = r->components;
    if (e->rewards && uses_reward_model(e))
        next++;
    for (size_t i = 0; e->rewards && i < e->type->n_features; i++) {
        const struct feature *f = &e->type->features[i];
        if (!f->weighted)
            continue;
        next->has_raw = !isnan(feature_value(f, r->probability, e->derived, r->class_probability));
        next++;
    }
    r->has_classes = c->same_class;
    r->predicted_class = c->predicted;
    r->has_score = !isnan(r->class_probability[0]);
    r->score = r->has_score ? r->class_probability[0] : 0;
}

/* A proposition is true or false; what is missing is only the grader's word on it. So the bounds
 * are the least and the greatest reward over all 2^m plain answers, evaluated one by one: neither
 * classes nor reward are monotone in a proposition, so no corner may be left out. (An undecided
 * answer, say P = 0.5, lies between them under `exact`, where classes are linear in each P; under
 * `product`, whose normalised products are not, it may lie slightly outside.) */
static void by_bounds(struct evaluation *e)
{
    struct reward *r = e->reward;
    struct common c;
    double sum;
    if (e->n_missing > BOUNDS_MAX || !try_all(e, &c)) {
        for (size_t i = 0; i < e->n_missing; i++)
            r->probability[e->missing[i]] = NAN;
        fail_missing(e);
        return;
    }
    assign(e, 0);
    if (!fill(e, &sum)) /* try_all has just done it */
        return;
    keep_common(e, &c);
    if (c.same_class && c.high - c.low <= agreement) {
        settle(e, STATUS_OK, REASON_NONE, "the missing judgments cannot change class or reward");
        allow_reward(e, sum);
        return;
    }
    blame_missing(e, STATUS_PARTIAL);
    r->has_bounds = e->rewards;
    r->reward_lower = r->has_bounds ? c.low : 0;
    r->reward_upper = r->has_bounds ? c.high : 0;
}

static void judge_routed(struct evaluation *e)
{
    features_probabilities(e->policy, e->judged, e->reward->probability);
    if (e->judged->status != STATUS_OK) {
        fail(e, REASON_NONE, "");
        settle(e, e->judged->status, e->judged->reason, e->judged->detail);
        return;
    }
    if (lacks_input(e)) {
        fail(e, REASON_MISSING_INPUT, "reward_model_score is missing");
        return;
    }
    e->n_missing = features_missing(e->policy, e->type, e->reward->probability, e->missing);
    if (e->n_missing == 0)
        complete(e);
    else if (e->policy->on_ungraded == UNGRADED_BOUNDS)
        by_bounds(e);
    else if (e->policy->on_ungraded == UNGRADED_PRIOR)
        by_prior(e);
    else
        fail_missing(e);
}

static void judge_unrouted(struct evaluation *e)
{
    double sum = clip(e, put_components(e, NULL));
    settle(e, e->judged->status, e->judged->reason, e->judged->detail);
    if (e->judged->status != STATUS_OK || !e->rewards)
        return;
    if (lacks_input(e))
        settle(e, STATUS_FAILED, REASON_MISSING_INPUT, "reward_model_score is missing");
    else if (!isfinite(sum))
        settle(e, STATUS_FAILED, REASON_NOT_FINITE, "the sum of the components is not finite");
    else
        allow_reward(e, sum);
}

enum err_code reward_compute(struct arena *a, const struct policy *policy,
                             const struct record *record, const struct judged *judged,
                             struct reward *ret)
{
    struct evaluation e = {.policy = policy, .record = record, .judged = judged, .reward = ret};
    if (judged->response_type != SIZE_MAX)
        e.type = &policy->response_types[judged->response_type];
    *ret = (struct reward){.status = STATUS_FAILED, .mask_sample = true};
    ret->class_probability = arena_array(a, policy->n_classes, sizeof(double));
    ret->probability = arena_array(a, policy->n_propositions, sizeof(double));
    if (ret->class_probability == NULL || ret->probability == NULL || !list_components(&e, a))
        return ERR_LIMIT;
    if (e.type != NULL) {
        judge_routed(&e);
    } else {
        forget_classes(&e);
        for (size_t i = 0; i < policy->n_propositions; i++)
            ret->probability[i] = NAN;
        judge_unrouted(&e);
    }
    ret->mask_sample = !ret->has_reward;
    return ERR_OK;
}

void reward_id(const struct policy *policy, const struct record *record, char out[33])
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES];
    sha256_init(&h);
    sha256_field(&h, record->run_id);
    sha256_field(&h, record->completion_id);
    sha256_u64(&h, record->attempt);
    sha256_field(&h, (struct str){(const char *)policy->hash, sizeof(policy->hash)});
    sha256_finish(&h, digest);
    sha256_done(&h);
    hex_encode(digest, 16, out);
}
