/* What is in a policy: by name, by a record's words, by a rule. */
#include "policy/loader.h"

size_t policy_find_proposition(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->n_propositions; i++)
        if (str_eq(p->propositions[i].name, name))
            return i;
    return SIZE_MAX;
}

size_t policy_find_derived(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->n_derived; i++)
        if (str_eq(p->derived[i].name, name))
            return i;
    return SIZE_MAX;
}

size_t policy_find_class(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->n_classes; i++)
        if (str_eq(p->classes[i], name))
            return i;
    return SIZE_MAX;
}

size_t policy_find_type(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->n_response_types; i++)
        if (str_eq_folded(p->response_types[i].name, name))
            return i;
    return SIZE_MAX;
}

static size_t find_mapped(const struct name_map *names, size_t n, struct str name)
{
    for (size_t i = 0; name.n > 0 && i < n; i++)
        if (str_eq_folded(names[i].from, name))
            return names[i].response_type;
    return SIZE_MAX;
}

size_t policy_route(const struct policy *p, struct str response_type, struct str category)
{
    size_t by_category = find_mapped(p->categories, p->n_categories, category);
    if (p->route_by_category && by_category != SIZE_MAX)
        return by_category;
    size_t found = response_type.n > 0 ? policy_find_type(p, response_type) : SIZE_MAX;
    if (found == SIZE_MAX)
        found = find_mapped(p->aliases, p->n_aliases, response_type);
    return found != SIZE_MAX ? found : by_category;
}

void policy_mark(const struct policy *p, const struct rule *r, bool *used)
{
    if (r->op == RULE_LITERAL && r->ref_kind == REF_PROPOSITION)
        used[r->ref] = true;
    else if (r->op == RULE_LITERAL)
        for (size_t i = 0; i < p->n_propositions; i++)
            used[i] = used[i] || p->derived[r->ref].uses[i];
    for (size_t i = 0; i < r->n_kids; i++)
        policy_mark(p, &r->kids[i], used);
}
