/* The working of one reward, from the answer backwards: the verdict, the rule that decided, the
 * other classes, what they are made of, the judgments, and the sum. Every number stands in one
 * column; "?" is a number that is not known. */
#include "reward/explain.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "reward/classes.h"

enum { NAME_WIDTH = 46, LABEL_MAX = 160, DEPTH_MAX = 12 };

struct page {
    struct buf *out;
    const struct policy *policy;
    const struct record *record;
    const struct judged *judged;
    const struct reward *reward;
    const struct response_type *type;
    double derived[POLICY_PROPOSITIONS_MAX];
    double products[POLICY_CLASSES_MAX], z;
};

/* ---- pieces -----------------------------------------------------------------------------------
 */

/* Ids come from outside: no control character, C1 ones included, may reach the terminal. */
static void put_text(struct page *p, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0;
        (void)buf_append(p->out, c < 0x20 || c == 0x7f || c1 ? "?" : s.p + i, 1);
        i += c1;
    }
}

static void put_padded(struct page *p, struct str s, size_t to)
{
    put_text(p, s);
    for (size_t n = utf8_count(s); n < to; n++)
        (void)buf_append_z(p->out, " ");
}

/* Four decimals, or "3.2e-13" where they would be zeros; "?" for what is not known. */
static const char *in_short(double v, char out[24])
{
    if (isnan(v))
        return "?";
    (void)snprintf(out, 24, v != 0 && fabs(v) < 0.00005 ? "%.1e" : "%.4f", v);
    return out;
}

static void put_probability(struct page *p, double v)
{
    char number[24];
    (void)buf_printf(p->out, "%10s", in_short(v, number));
}

/* "    label        0.1234": the label at its depth, the number in the column of all numbers. */
static void put_line(struct page *p, unsigned depth, const char *label, double v)
{
    size_t indent = 2 + 2 * (size_t)depth;
    (void)buf_printf(p->out, "%*s", (int)indent, "");
    put_padded(p, str_z(label), indent < NAME_WIDTH ? NAME_WIDTH - indent : 0);
    put_probability(p, v);
}

static void end_line(struct page *p)
{
    (void)buf_append_z(p->out, "\n");
}

static void heading(struct page *p, const char *text)
{
    (void)buf_printf(p->out, "\n%s\n", text);
}

/* ---- rules ------------------------------------------------------------------------------------
 */

static double value_of(const struct page *p, const struct rule *r)
{
    return rule_probability(r, p->reward->probability, p->derived);
}

static void put_rule(struct page *p, const struct rule *r, unsigned depth, bool expand);

static void put_kids(struct page *p, const struct rule *r, unsigned depth, bool expand)
{
    for (size_t i = 0; i < r->n_kids && depth < DEPTH_MAX; i++)
        put_rule(p, &r->kids[i], depth, expand);
}

/* The parts of a conjunction stand at its own depth: they are the factors. */
static void put_factors(struct page *p, const struct rule *r, unsigned depth, bool expand)
{
    if (r->op == RULE_ALL)
        put_kids(p, r, depth, expand);
    else if (depth < DEPTH_MAX)
        put_rule(p, r, depth, expand);
}

static void put_literal(struct page *p, const struct rule *r, unsigned depth, bool expand)
{
    const struct policy *policy = p->policy;
    char label[LABEL_MAX], number[24];
    bool derived = r->ref_kind == REF_DERIVED;
    struct str name = derived ? policy->derived[r->ref].name : policy->propositions[r->ref].name;
    (void)snprintf(label, sizeof(label), "%s%.*s", r->want ? "" : "not ", STR_ARGS(name));
    put_line(p, depth, label, value_of(p, r));
    if (!r->want) {
        double other = derived ? p->derived[r->ref] : p->reward->probability[r->ref];
        if (!isnan(other))
            (void)buf_printf(p->out, "   1 - %s", in_short(other, number));
    }
    end_line(p);
    if (derived && expand)
        put_factors(p, &policy->derived[r->ref].rule, depth + 1, expand);
}

static void put_rule(struct page *p, const struct rule *r, unsigned depth, bool expand)
{
    static const char *const labels[] = {
        [RULE_ALL] = "all of",
        [RULE_ANY] = "any of",
        [RULE_NOT] = "not",
        [RULE_OTHERWISE] = "no other class holds",
    };
    if (r->op == RULE_LITERAL) {
        put_literal(p, r, depth, expand);
        return;
    }
    if (r->op == RULE_OTHERWISE) {
        (void)buf_printf(p->out, "%*s%s\n", (int)(2 + 2 * depth), "", labels[r->op]);
        return;
    }
    put_line(p, depth, labels[r->op], value_of(p, r));
    end_line(p);
    put_kids(p, r, depth + 1, expand);
}

/* ---- sections ---------------------------------------------------------------------------------
 */

static void put_verdict(struct page *p)
{
    const struct reward *r = p->reward;
    char number[32];
    put_text(p, p->record->completion_id);
    if (p->record->group_id.n > 0) {
        (void)buf_append_z(p->out, " of group ");
        put_text(p, p->record->group_id);
    }
    if (p->type != NULL) {
        (void)buf_append_z(p->out, ", judged as ");
        put_text(p, p->type->name);
    }
    (void)buf_append_z(p->out, " by policy ");
    put_text(p, p->policy->id);
    (void)buf_append_z(p->out, " ");
    put_text(p, p->policy->version);
    (void)buf_printf(p->out, "\n%s", status_name(r->status));
    if (r->reason != REASON_NONE)
        (void)buf_printf(p->out, " %s", reason_name(r->reason));
    if (r->has_reward) {
        (void)num_print_f64(r->reward, number);
        (void)buf_printf(p->out, ": reward %s", number);
    } else {
        (void)buf_append_z(p->out, ": no reward");
    }
    if (r->has_classes) {
        (void)buf_append_z(p->out, ", class ");
        put_text(p, p->policy->classes[r->predicted_class]);
    }
    if (r->detail[0] != '\0')
        (void)buf_printf(p->out, " (%s)", r->detail);
    end_line(p);
}

/* The winning class, its rule followed down to the judgments. */
static void put_decision(struct page *p)
{
    const struct reward *r = p->reward;
    size_t k = r->predicted_class;
    char label[LABEL_MAX], number[24];
    if (!r->has_classes)
        return;
    (void)snprintf(label, sizeof(label), "Why %.*s", STR_ARGS(p->policy->classes[k]));
    heading(p, label);
    put_line(p, 0, "probability", r->class_probability[k]);
    if (p->policy->class_probability == CLASS_PRODUCT && !isnan(p->products[k]))
        (void)buf_printf(p->out, "   product %s / Z %.4f", in_short(p->products[k], number), p->z);
    end_line(p);
    if (p->type->has_rule[k])
        put_factors(p, &p->type->rules[k], 1, true);
}

static void put_classes(struct page *p)
{
    const struct policy *policy = p->policy;
    bool product = policy->class_probability == CLASS_PRODUCT;
    char label[LABEL_MAX], number[24];
    heading(p,
            product
                ? "Classes, best first: probability = product of the factors / Z"
                : "Classes, best first: the probability of being the first one that holds (exact; "
                  "factors may share propositions)");
    for (size_t k = 0; k < policy->n_classes; k++) {
        bool won = p->reward->has_classes && k == p->reward->predicted_class;
        (void)snprintf(label, sizeof(label), "%s%.*s", won ? "> " : "",
                       STR_ARGS(policy->classes[k]));
        put_line(p, 0, label, p->reward->class_probability[k]);
        if (!p->type->has_rule[k])
            (void)buf_append_z(p->out, "   no rule for this response type");
        else if (product && !isnan(p->products[k]))
            (void)buf_printf(p->out, "   product %s", in_short(p->products[k], number));
        end_line(p);
        if (p->type->has_rule[k])
            put_factors(p, &p->type->rules[k], 1, false);
    }
    if (product) {
        put_line(p, 0, "Z, the sum of the products", p->z);
        end_line(p);
    }
}

static void mark_derived(const struct policy *policy, const struct rule *r, bool *used)
{
    if (r->op == RULE_LITERAL && r->ref_kind == REF_DERIVED && !used[r->ref]) {
        used[r->ref] = true;
        mark_derived(policy, &policy->derived[r->ref].rule, used);
    }
    for (size_t i = 0; i < r->n_kids; i++)
        mark_derived(policy, &r->kids[i], used);
}

static void put_derived(struct page *p)
{
    const struct policy *policy = p->policy;
    bool used[POLICY_PROPOSITIONS_MAX] = {false}, any = false;
    char label[LABEL_MAX];
    for (size_t k = 0; k < policy->n_classes; k++)
        if (p->type->has_rule[k])
            mark_derived(policy, &p->type->rules[k], used);
    for (size_t i = 0; i < p->type->n_features; i++)
        if (p->type->features[i].kind == FEATURE_DERIVED)
            used[p->type->features[i].index] = true;
    for (size_t i = 0; i < policy->n_derived; i++) {
        if (!used[i])
            continue;
        if (!any)
            heading(p, "Derived propositions: the product of their parts");
        any = true;
        (void)snprintf(label, sizeof(label), "%.*s", STR_ARGS(policy->derived[i].name));
        put_line(p, 0, label, p->derived[i]);
        end_line(p);
        put_factors(p, &policy->derived[i].rule, 1, false);
    }
}

/* Where a judgment comes from, or why there is none. */
static void put_origin(struct page *p, const struct proposition *q, const struct judgment *j)
{
    if (j == NULL || j->status == JUDGMENT_NOT_ASKED || j->status == JUDGMENT_PENDING) {
        (void)buf_append_z(p->out, "   not asked");
    } else if (j->status == JUDGMENT_UNGRADED) {
        (void)buf_printf(p->out, "   %s", reason_name(j->reason));
        if (j->attempts > 0)
            (void)buf_printf(p->out, " after %u attempt%s", j->attempts,
                             j->attempts > 1 ? "s" : "");
    } else if (q->check != NULL && j->has_digest) {
        (void)buf_append_z(p->out, "   check");
    } else if (!j->has_digest) {
        (void)buf_append_z(p->out, "   given label");
    } else {
        (void)buf_printf(p->out, "%10.4f   ", j->mass);
        put_text(p, p->judged->grader_name);
        if (j->cached)
            (void)buf_append_z(p->out, ", cached");
    }
}

static void put_propositions(struct page *p)
{
    const struct policy *policy = p->policy;
    char label[LABEL_MAX];
    (void)buf_printf(p->out, "\n%-*s%10s%10s%10s\n", NAME_WIDTH, "Propositions", "used", "P(yes)",
                     "mass");
    for (size_t i = 0; i < policy->n_propositions; i++) {
        const struct proposition *q = &policy->propositions[i];
        const struct judgment *j = p->judged->judgments != NULL ? &p->judged->judgments[i] : NULL;
        bool graded = j != NULL && j->status == JUDGMENT_GRADED;
        if (!p->type->asked[i])
            continue;
        (void)snprintf(label, sizeof(label), "%.*s", STR_ARGS(q->name));
        put_line(p, 0, label, p->reward->probability[i]);
        put_probability(p, graded ? j->probability : NAN);
        put_origin(p, q, j);
        if (!graded && !isnan(p->reward->probability[i]))
            (void)buf_append_z(p->out, ", the policy's prior used");
        else if (graded && p->reward->probability[i] != j->probability)
            (void)buf_printf(p->out, ", calibrated: sigmoid(%g logit(P) %+g)", q->calibration_a,
                             q->calibration_b);
        end_line(p);
    }
}

static void put_component(struct page *p, const struct component *c, bool clips)
{
    char label[LABEL_MAX], number[24];
    (void)snprintf(label, sizeof(label), "%.*s", STR_ARGS(c->name));
    (void)buf_append_z(p->out, "  ");
    put_padded(p, str_z(label), NAME_WIDTH - 2);
    if (clips)
        (void)buf_printf(p->out, "%10s   %10s", "", "");
    else
        (void)buf_printf(p->out, "%+10.4f x %10s", c->weight,
                         in_short(c->has_raw ? c->raw : NAN, number));
    if (p->reward->has_reward)
        (void)buf_printf(p->out, " = %+12.6g", c->value);
    end_line(p);
}

static void put_components(struct page *p)
{
    const struct reward *r = p->reward;
    char number[32];
    if (r->n_components == 0)
        return;
    (void)buf_printf(p->out, "\n%-*s%10s   %10s%s\n", NAME_WIDTH, "Reward", "weight", "value",
                     r->has_reward ? "         addend" : "");
    for (size_t i = 0; i < r->n_components; i++) {
        const struct component *c = &r->components[i];
        bool clips = p->policy->has_clip && i + 2 >= r->n_components;
        if (!clips || (r->has_reward && c->value != 0))
            put_component(p, c, clips);
    }
    if (r->has_reward) {
        (void)num_print_f64(r->reward, number);
        (void)buf_printf(p->out, "  %-*s%10s   %10s = %12s\n", NAME_WIDTH - 2, "sum, in this order",
                         "", "", number);
    }
    if (r->has_bounds)
        (void)buf_printf(p->out, "  with the missing answers yes or no, between %.6g and %.6g\n",
                         r->reward_lower, r->reward_upper);
}

enum err_code reward_explain(const struct policy *policy, const struct record *record,
                             const struct judged *judged, const struct reward *reward,
                             struct buf *out)
{
    struct page p = {
        .out = out, .policy = policy, .record = record, .judged = judged, .reward = reward};
    if (judged->response_type != SIZE_MAX)
        p.type = &policy->response_types[judged->response_type];
    put_verdict(&p);
    if (p.type != NULL) {
        derived_compute(policy, reward->probability, p.derived);
        p.z = products_compute(policy, p.type, reward->probability, p.derived, p.products);
        put_decision(&p);
        put_classes(&p);
        put_derived(&p);
        put_propositions(&p);
    }
    put_components(&p);
    return out->failed ? ERR_LIMIT : ERR_OK;
}
