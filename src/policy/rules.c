#include "policy/loader.h"

enum { HINTS_MAX = POLICY_PROPOSITIONS_MAX * 2 };

static bool unknown_name(struct loader *l, const struct yaml *y, size_t n_derived)
{
    const struct policy *p = l->policy;
    struct str names[HINTS_MAX];
    size_t n = 0;
    char hint[96];
    size_t later = policy_find_derived(p, y->key);
    if (later != SIZE_MAX && later >= n_derived) {
        loader_key_error(l, y,
                         "derived proposition '%.*s' is used before it is defined; move it up",
                         STR_ARGS(y->key));
        return false;
    }
    for (size_t i = 0; i < p->n_propositions && n < HINTS_MAX; i++)
        names[n++] = p->propositions[i].name;
    for (size_t i = 0; i < n_derived && n < HINTS_MAX; i++)
        names[n++] = p->derived[i].name;
    loader_key_error(l, y, "no proposition '%.*s'%s", STR_ARGS(y->key),
                     did_you_mean(y->key, names, n, hint));
    return false;
}

static bool read_literal(struct loader *l, const struct yaml *y, size_t n_derived, struct rule *ret)
{
    *ret = (struct rule){.op = RULE_LITERAL};
    if (!read_bool(l, y, &ret->want))
        return false;
    ret->ref = policy_find_proposition(l->policy, y->key);
    if (ret->ref != SIZE_MAX)
        return true;
    ret->ref_kind = REF_DERIVED;
    ret->ref = policy_find_derived(l->policy, y->key);
    if (ret->ref < n_derived)
        return true;
    return unknown_name(l, y, n_derived);
}

static bool read_kids(struct loader *l, const struct yaml *y, size_t n_derived, enum rule_op op,
                      struct rule *ret)
{
    bool ok = true;
    *ret = (struct rule){.op = op, .kids = policy_array(l, y->count, sizeof(struct rule))};
    if (y->count == 0) {
        loader_error(l, y, "a rule must not be empty");
        return false;
    }
    for (const struct yaml *kid = y->child; kid != NULL; kid = kid->next)
        ok = read_rule(l, kid, n_derived, false, &ret->kids[ret->n_kids++]) && ok;
    return ok;
}

static bool read_member(struct loader *l, const struct yaml *y, size_t n_derived, bool top,
                        struct rule *ret)
{
    if (str_eq(y->key, STR("any")))
        return read_list(l, y, "any") && read_kids(l, y, n_derived, RULE_ANY, ret);
    if (str_eq(y->key, STR("all")))
        return read_list(l, y, "all") && read_kids(l, y, n_derived, RULE_ALL, ret);
    if (str_eq(y->key, STR("not"))) {
        *ret = (struct rule){
            .op = RULE_NOT, .kids = policy_array(l, 1, sizeof(struct rule)), .n_kids = 1};
        return read_rule(l, y, n_derived, false, &ret->kids[0]);
    }
    if (str_eq(y->key, STR("otherwise"))) {
        bool on;
        *ret = (struct rule){.op = RULE_OTHERWISE};
        if (!top) {
            loader_key_error(l, y, "'otherwise' can only be the whole rule of a class");
            return false;
        }
        if (!read_bool(l, y, &on))
            return false;
        if (!on)
            loader_error(l, y, "'otherwise' must be true");
        return on;
    }
    return read_literal(l, y, n_derived, ret);
}

bool read_rule(struct loader *l, const struct yaml *y, size_t n_derived, bool top_of_class,
               struct rule *ret)
{
    if (!read_map(l, y, "a rule"))
        return false;
    if (y->count == 0) {
        loader_error(l, y, "a rule must not be empty");
        return false;
    }
    if (y->count == 1)
        return read_member(l, y->child, n_derived, top_of_class, ret);
    bool ok = true;
    *ret = (struct rule){.op = RULE_ALL, .kids = policy_array(l, y->count, sizeof(struct rule))};
    for (const struct yaml *m = y->child; m != NULL; m = m->next)
        ok = read_member(l, m, n_derived, false, &ret->kids[ret->n_kids++]) && ok;
    return ok;
}
