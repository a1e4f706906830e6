#include "fit/rows.h"

#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "fit/shape.h"
#include "reward/features.h"

#define ROWS_MEMORY_MAX ((size_t)2 << 30) /* bytes */
#define LINE_MEMORY_MAX ((size_t)64 << 20)
#define RM_MAX          1e6 /* as a policy's weights */

void rows_init(struct rows *r, const struct policy *policy)
{
    *r = (struct rows){.policy = policy};
    arena_init(&r->arena, ROWS_MEMORY_MAX);
    arena_init(&r->scratch, LINE_MEMORY_MAX);
}

void rows_done(struct rows *r)
{
    arena_done(&r->arena);
    arena_done(&r->scratch);
    mem_free(r->items);
}

/* ---- the parts of a row -----------------------------------------------------------------------
 */

static enum err_code read_identity(const struct policy *policy, const struct json *v,
                                   struct row *row, struct err *err)
{
    struct str type = shape_text(v, STR("response_type")),
               category = shape_text(v, STR("category"));
    const struct json *labels = json_get(v, STR("labels"));
    row->prompt = shape_text(v, STR("prompt_id"));
    if (row->prompt.n == 0)
        row->prompt = shape_text(v, STR("group_id"));
    if (row->prompt.n == 0)
        return err_set(err, ERR_INVALID,
                       "neither prompt_id nor group_id; say which prompt it belongs to");
    row->label = labels != NULL && labels->type == JSON_ARRAY
                     ? shape_text(shape_entry(labels, STR("key"), STR("rank")), STR("value"))
                     : shape_text(labels, STR("rank"));
    if (row->label.n == 0)
        return err_set(err, ERR_INVALID, "no label; give its rank as labels: {\"rank\": \"...\"}");
    row->response_type = policy_route(policy, type, category);
    if (row->response_type == SIZE_MAX)
        return err_set(err, ERR_INVALID,
                       "response type '%.*s' is none of the policy's; correct it, or give it an "
                       "alias there",
                       STR_ARGS(type));
    return ERR_OK;
}

static enum err_code read_reward_model(const struct json *v, struct row *row, struct err *err)
{
    const struct json *score = json_get(v, STR("reward_model_score"));
    if (score == NULL)
        score =
            json_get(shape_entry(json_get(v, STR("components")), STR("name"), STR("reward_model")),
                     STR("raw"));
    if (score == NULL || score->type == JSON_NULL)
        return ERR_OK;
    if (score->type != JSON_NUMBER || fabs(score->number) > RM_MAX)
        return err_set(err, ERR_INVALID, "reward_model_score must be a number within +-1e6");
    row->has_reward_model = true;
    row->reward_model = score->number;
    return ERR_OK;
}

/* One judgment of either shape; NAN where there is none. */
static double judgment(const struct json *propositions, struct str name)
{
    const struct json *v = json_get(propositions, name);
    if (propositions != NULL && propositions->type == JSON_ARRAY) {
        const struct json *found = shape_entry(propositions, STR("id"), name);
        v = json_get(found, STR("calibrated"));
        if (v == NULL)
            v = json_get(found, STR("probability"));
    }
    if (v != NULL && v->type == JSON_BOOL)
        return v->boolean ? 1 : 0;
    return v != NULL && v->type == JSON_NUMBER ? v->number : NAN;
}

/* The first proposition without judgment that the rules or a feature of this type need. */
static size_t first_missing(const struct policy *policy, const struct response_type *type,
                            const double *p)
{
    bool used[POLICY_PROPOSITIONS_MAX] = {false};
    for (size_t k = 0; k < policy->n_classes; k++)
        if (type->has_rule[k])
            policy_mark(policy, &type->rules[k], used);
    for (size_t i = 0; i < type->n_features; i++) {
        const struct feature *f = &type->features[i];
        if (f->kind == FEATURE_PROPOSITION)
            used[f->index] = true;
        else if (f->kind == FEATURE_DERIVED)
            policy_mark(policy, &policy->derived[f->index].rule, used);
    }
    for (size_t i = 0; i < policy->n_propositions; i++)
        if (used[i] && isnan(p[i]))
            return i;
    return SIZE_MAX;
}

static enum err_code read_features(struct rows *r, const struct json *v, struct row *row,
                                   struct err *err)
{
    const struct policy *policy = r->policy;
    const struct response_type *type = &policy->response_types[row->response_type];
    const struct json *propositions = json_get(v, STR("propositions"));
    double p[POLICY_PROPOSITIONS_MAX];
    for (size_t i = 0; i < policy->n_propositions; i++) {
        struct str name = policy->propositions[i].name;
        p[i] = judgment(propositions, name);
        if (p[i] < 0 || p[i] > 1)
            return err_set(err, ERR_INVALID, "proposition '%.*s' is %g; a probability is 0 to 1",
                           STR_ARGS(name), p[i]);
    }
    row->features = arena_array(&r->arena, type->n_features, sizeof(*row->features));
    if (row->features == NULL)
        return err_set(err, ERR_LIMIT, "the rows need more than 2 GiB; fit on fewer");
    if (features_compute(policy, type, p, row->features))
        return ERR_OK;
    size_t missing = first_missing(policy, type, p);
    if (missing == SIZE_MAX)
        return err_set(err, ERR_INVALID,
                       "no class has a probability above 0; see `rbr check` about the rules");
    return err_set(err, ERR_INVALID,
                   "no judgment for proposition '%.*s', which %.*s needs; judge it with rbr score, "
                   "or leave the row out",
                   STR_ARGS(policy->propositions[missing].name), STR_ARGS(type->name));
}

/* ---- all of it --------------------------------------------------------------------------------
 */

enum err_code rows_add(struct rows *r, struct str text, uint64_t line, struct err *err)
{
    struct row row = {.line = line};
    struct json_fault fault;
    enum err_code code;
    arena_reset(&r->scratch);
    const struct json *v = json_parse(&r->scratch, text, &fault);
    if (v == NULL)
        return shape_fault(text, &fault, err);
    if (v->type != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "a row is one JSON object");
    if ((code = read_identity(r->policy, v, &row, err)) != ERR_OK ||
        (code = read_reward_model(v, &row, err)) != ERR_OK ||
        (code = read_features(r, v, &row, err)) != ERR_OK)
        return code;
    if (!arena_copy(&r->arena, row.prompt, &row.prompt) ||
        !arena_copy(&r->arena, row.label, &row.label))
        return err_set(err, ERR_LIMIT, "the rows need more than 2 GiB; fit on fewer");
    mem_grow((void **)&r->items, &r->cap, r->n, sizeof(*r->items));
    r->items[r->n++] = row;
    return ERR_OK;
}

enum err_code rows_reward_model(const struct rows *r, bool *ret, struct err *err)
{
    for (size_t i = 1; i < r->n; i++) {
        if (r->items[i].has_reward_model == r->items[0].has_reward_model)
            continue;
        const struct row *with = &r->items[r->items[i].has_reward_model ? i : 0];
        const struct row *without = &r->items[r->items[i].has_reward_model ? 0 : i];
        return err_set(err, ERR_INVALID,
                       "line %" PRIu64 " has no reward_model_score, line %" PRIu64
                       " has one; give it to every row, or say --no-reward-model",
                       without->line, with->line);
    }
    *ret = r->n > 0 && r->items[0].has_reward_model;
    return ERR_OK;
}
