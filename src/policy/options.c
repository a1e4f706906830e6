/* calibration, grading, reward and class_probability: how judgments are read and summed up. */
#include "policy/loader.h"

static const struct yaml *member(struct loader *l, const char *section, const char *key)
{
    return yaml_get(yaml_get(l->root, str_z(section)), str_z(key));
}

static void word(struct loader *l, const char *section, const char *key, const char *const *words,
                 size_t n, size_t *value)
{
    const struct yaml *y = member(l, section, key);
    if (y != NULL)
        (void)read_word(l, y, words, n, value);
}

static void number(struct loader *l, const char *section, const char *key, double min, double max,
                   double *value)
{
    const struct yaml *y = member(l, section, key);
    if (y != NULL)
        (void)read_number(l, y, min, max, value);
}

static void flag(struct loader *l, const char *section, const char *key, bool *value)
{
    static const char *const words[] = {"off", "on", "false", "true"};
    size_t i = *value ? 1 : 0;
    word(l, section, key, words, ARRAY_LEN(words), &i);
    *value = i % 2 == 1;
}

static size_t proposition(struct loader *l, const struct yaml *y)
{
    size_t i = policy_find_proposition(l->policy, y->key);
    if (i == SIZE_MAX)
        loader_key_error(l, y, "no proposition '%.*s'", STR_ARGS(y->key));
    return i;
}

static void load_calibration(struct loader *l)
{
    static const char *const keys[] = {"a", "b"};
    const struct yaml *y = yaml_get(l->root, STR("calibration"));
    if (y == NULL || y->null || !read_map(l, y, "calibration"))
        return;
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        size_t i = proposition(l, m);
        const struct yaml *a = yaml_get(m, STR("a")), *b = yaml_get(m, STR("b"));
        if (i == SIZE_MAX || !read_map(l, m, "a calibration"))
            continue;
        read_known_keys(l, m, keys, ARRAY_LEN(keys));
        struct proposition *p = &l->policy->propositions[i];
        if (a == NULL || b == NULL) {
            loader_error(l, m, "a calibration needs a and b: P' = sigmoid(a logit(P) + b)");
            continue;
        }
        bool ok = read_number(l, a, -1e3, 1e3, &p->calibration_a);
        p->has_calibration = read_number(l, b, -1e3, 1e3, &p->calibration_b) && ok;
    }
}

static void load_priors(struct loader *l)
{
    const struct yaml *y = member(l, "grading", "prior");
    if (y == NULL || !read_map(l, y, "prior"))
        return;
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        size_t i = proposition(l, m);
        if (i != SIZE_MAX)
            l->policy->propositions[i].has_prior =
                read_number(l, m, 0, 1, &l->policy->propositions[i].prior);
    }
}

static void one_label_list(struct loader *l, const struct yaml *y, struct str **ret, size_t *ret_n)
{
    if (y == NULL || !read_list(l, y, "labels"))
        return;
    *ret = policy_array(l, y->count, sizeof(**ret));
    *ret_n = 0;
    for (const struct yaml *m = y->child; m != NULL; m = m->next)
        if (read_text(l, m, &(*ret)[*ret_n])) {
            char *p = (char *)(uintptr_t)(*ret)[*ret_n].p; /* the policy's own copy */
            for (size_t i = 0; i < m->text.n; i++)
                p[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] - 'A' + 'a') : p[i];
            (*ret_n)++;
        }
    if (*ret_n == 0)
        loader_error(l, y, "labels need at least one word each");
}

static void load_labels(struct loader *l)
{
    static struct str yes = {"yes", 3}, no = {"no", 2};
    static const char *const keys[] = {"yes", "no"};
    struct policy *p = l->policy;
    const struct yaml *y = member(l, "grading", "labels");
    p->yes_labels = &yes;
    p->no_labels = &no;
    p->n_yes_labels = p->n_no_labels = 1;
    if (y == NULL || !read_map(l, y, "labels"))
        return;
    read_known_keys(l, y, keys, ARRAY_LEN(keys));
    one_label_list(l, yaml_get(y, STR("yes")), &p->yes_labels, &p->n_yes_labels);
    one_label_list(l, yaml_get(y, STR("no")), &p->no_labels, &p->n_no_labels);
}

static void load_grading(struct loader *l)
{
    static const char *const keys[] = {"min_mass",         "on_ungraded", "layout",
                                       "empty_completion", "neutralise",  "ask",
                                       "labels",           "prior",       "train_on_partial"};
    static const char *const ungraded[] = {"fail", "bounds", "prior"};
    static const char *const layouts[] = {"inline", "chat"};
    static const char *const empty[] = {"grade", "skip", "fail"};
    static const char *const ask[] = {"used", "all"};
    struct policy *p = l->policy;
    const struct yaml *y = yaml_get(l->root, STR("grading"));
    size_t i_ungraded = UNGRADED_FAIL, i_layout = LAYOUT_INLINE, i_empty = EMPTY_GRADE, i_ask = 0;
    p->min_mass = 0.5;
    p->neutralise = true;
    load_labels(l);
    if (y == NULL || y->null || !read_map(l, y, "grading"))
        return;
    read_known_keys(l, y, keys, ARRAY_LEN(keys));
    number(l, "grading", "min_mass", 0, 1, &p->min_mass);
    word(l, "grading", "on_ungraded", ungraded, ARRAY_LEN(ungraded), &i_ungraded);
    word(l, "grading", "layout", layouts, ARRAY_LEN(layouts), &i_layout);
    word(l, "grading", "empty_completion", empty, ARRAY_LEN(empty), &i_empty);
    word(l, "grading", "ask", ask, ARRAY_LEN(ask), &i_ask);
    flag(l, "grading", "neutralise", &p->neutralise);
    flag(l, "grading", "train_on_partial", &p->train_on_partial);
    p->on_ungraded = (enum on_ungraded)i_ungraded;
    p->layout = (enum layout)i_layout;
    p->empty_completion = (enum empty_completion)i_empty;
    p->ask_all = i_ask == 1;
    load_priors(l);
}

static void load_clip(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = member(l, "reward", "clip");
    if (y == NULL || y->null || !read_list(l, y, "clip"))
        return;
    if (y->count != 2) {
        loader_error(l, y, "clip takes two numbers: [lowest, highest]");
        return;
    }
    p->has_clip = read_number(l, y->child, -1e9, 1e9, &p->clip_low) &&
                  read_number(l, y->child->next, -1e9, 1e9, &p->clip_high);
    if (p->has_clip && p->clip_low >= p->clip_high)
        loader_error(l, y, "clip's first number must be below its second");
}

static void load_reward(struct loader *l)
{
    static const char *const keys[] = {"reward_model", "rm_weight", "clip", "classify_only"};
    static const char *const uses[] = {"add", "require", "ignore"};
    struct policy *p = l->policy;
    const struct yaml *y = yaml_get(l->root, STR("reward"));
    size_t use = REWARD_MODEL_ADD;
    p->rm_weight = 1;
    if (y == NULL || y->null || !read_map(l, y, "reward"))
        return;
    read_known_keys(l, y, keys, ARRAY_LEN(keys));
    word(l, "reward", "reward_model", uses, ARRAY_LEN(uses), &use);
    number(l, "reward", "rm_weight", -1e6, 1e6, &p->rm_weight);
    flag(l, "reward", "classify_only", &p->classify_only);
    p->reward_model = (enum reward_model)use;
    load_clip(l);
}

void load_options(struct loader *l)
{
    static const char *const words[] = {"product", "exact"};
    const struct yaml *y = yaml_get(l->root, STR("class_probability"));
    size_t i = CLASS_PRODUCT;
    if (y != NULL)
        (void)read_word(l, y, words, ARRAY_LEN(words), &i);
    l->policy->class_probability = (enum class_probability)i;
    load_calibration(l);
    load_grading(l);
    load_reward(l);
}
