/* The policy hash: SHA-256 over the compiled policy's meaning, in a fixed order of sections. File
 * order counts where it decides the order of components; comments, key order of options and the
 * split into files do not. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "policy/check.h"
#include "policy/loader.h"

static void hash_rule(struct sha256 *h, const struct rule *r)
{
    sha256_u64(h, r->op);
    sha256_u64(h, r->op == RULE_LITERAL ? r->ref_kind : 0);
    sha256_u64(h, r->op == RULE_LITERAL ? r->ref : 0);
    sha256_u64(h, r->want);
    sha256_u64(h, r->n_kids);
    for (size_t i = 0; i < r->n_kids; i++)
        hash_rule(h, &r->kids[i]);
}

static void hash_propositions(struct sha256 *h, const struct policy *p)
{
    sha256_u64(h, p->n_propositions);
    for (size_t i = 0; i < p->n_propositions; i++) {
        const struct proposition *q = &p->propositions[i];
        sha256_field(h, q->name);
        sha256_field(h, q->question);
        sha256_field(h, q->check != NULL ? check_definition(q->check) : (struct str){0});
        sha256_u64(h, q->has_calibration);
        sha256_f64(h, q->has_calibration ? q->calibration_a : 0);
        sha256_f64(h, q->has_calibration ? q->calibration_b : 0);
        sha256_u64(h, q->has_prior);
        sha256_f64(h, q->has_prior ? q->prior : 0);
    }
    sha256_u64(h, p->n_derived);
    for (size_t i = 0; i < p->n_derived; i++) {
        sha256_field(h, p->derived[i].name);
        hash_rule(h, &p->derived[i].rule);
    }
}

static void hash_type(struct sha256 *h, const struct policy *p, const struct response_type *t)
{
    sha256_field(h, t->name);
    for (size_t c = 0; c < p->n_classes; c++) {
        sha256_u64(h, t->has_rule[c]);
        if (t->has_rule[c])
            hash_rule(h, &t->rules[c]);
    }
    sha256_u64(h, t->has_weights);
    sha256_u64(h, t->n_features);
    for (size_t i = 0; i < t->n_features; i++) {
        const struct feature *f = &t->features[i];
        sha256_u64(h, f->kind);
        sha256_u64(h, f->index);
        sha256_u64(h, f->weighted);
        sha256_f64(h, f->weighted ? f->weight : 0);
    }
}

/* Response types and the names that lead to them have no order of their own: the file's is that of
 * its keys. They are hashed sorted by name. */
static int by_type_name(const void *a, const void *b)
{
    return str_order((*(const struct response_type *const *)a)->name,
                     (*(const struct response_type *const *)b)->name);
}

static int by_from(const void *a, const void *b)
{
    return str_order((*(const struct name_map *const *)a)->from,
                     (*(const struct name_map *const *)b)->from);
}

static void hash_types(struct sha256 *h, const struct policy *p)
{
    const struct response_type *sorted[POLICY_TYPES_MAX] = {0};
    for (size_t i = 0; i < p->n_response_types; i++)
        sorted[i] = &p->response_types[i];
    qsort(sorted, p->n_response_types, sizeof(sorted[0]), by_type_name);
    sha256_u64(h, p->n_response_types);
    for (size_t i = 0; i < p->n_response_types; i++)
        hash_type(h, p, sorted[i]);
}

static void hash_names(struct sha256 *h, const struct policy *p, const struct name_map *names,
                       size_t n)
{
    const struct name_map **sorted = mem_array(n, sizeof(const struct name_map *));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &names[i];
    qsort(sorted, n, sizeof(const struct name_map *), by_from);
    sha256_u64(h, n);
    for (size_t i = 0; i < n; i++) {
        sha256_field(h, sorted[i]->from);
        sha256_field(h, p->response_types[sorted[i]->response_type].name);
    }
    mem_free(sorted);
}

static void hash_options(struct sha256 *h, const struct policy *p)
{
    sha256_u64(h, p->class_probability);
    sha256_f64(h, p->min_mass);
    sha256_u64(h, p->on_ungraded);
    sha256_u64(h, p->train_on_partial);
    sha256_u64(h, p->layout);
    sha256_u64(h, p->empty_completion);
    sha256_u64(h, p->neutralise);
    sha256_u64(h, p->ask_all);
    sha256_fields(h, p->yes_labels, p->n_yes_labels);
    sha256_fields(h, p->no_labels, p->n_no_labels);
    sha256_u64(h, p->reward_model);
    sha256_f64(h, p->rm_weight);
    sha256_u64(h, p->has_clip);
    sha256_f64(h, p->has_clip ? p->clip_low : 0);
    sha256_f64(h, p->has_clip ? p->clip_high : 0);
    sha256_u64(h, p->classify_only);
    sha256_u64(h, p->route_by_category);
    sha256_u64(h, p->unrouted);
}

void policy_digest(struct policy *p)
{
    struct sha256 h;
    sha256_init(&h);
    sha256_field(&h, STR("rbr-policy-1"));
    sha256_field(&h, p->prompt_template);
    hash_propositions(&h, p);
    sha256_u64(&h, p->n_classes);
    for (size_t i = 0; i < p->n_classes; i++)
        sha256_field(&h, p->classes[i]);
    hash_types(&h, p);
    hash_names(&h, p, p->aliases, p->n_aliases);
    hash_names(&h, p, p->categories, p->n_categories);
    hash_options(&h, p);
    sha256_finish(&h, p->hash);
    sha256_done(&h);
    hex_encode(p->hash, sizeof(p->hash), p->hash_hex);
}
