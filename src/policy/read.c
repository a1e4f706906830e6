#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"
#include "policy/loader.h"

bool read_bool(struct loader *l, const struct yaml *y, bool *ret)
{
    bool yes = str_eq(y->text, STR("true")), no = str_eq(y->text, STR("false"));
    if (y->kind != YAML_SCALAR || y->quoted || (!yes && !no)) {
        loader_error(l, y, "'%.*s' must be true or false", STR_ARGS(y->key));
        return false;
    }
    *ret = yes;
    return true;
}

bool read_number(struct loader *l, const struct yaml *y, double min, double max, double *ret)
{
    double v;
    if (y->kind != YAML_SCALAR || y->quoted || !num_parse_f64(y->text, &v)) {
        loader_error(l, y, "'%.*s' must be one finite number (formulas are not evaluated)",
                     STR_ARGS(y->key));
        return false;
    }
    if (v < min || v > max) {
        loader_error(l, y, "'%.*s' must be between %g and %g", STR_ARGS(y->key), min, max);
        return false;
    }
    *ret = v;
    return true;
}

bool read_text(struct loader *l, const struct yaml *y, struct str *ret)
{
    if (y->kind != YAML_SCALAR || y->null) {
        loader_error(l, y, "'%.*s' must be text", STR_ARGS(y->key));
        return false;
    }
    *ret = policy_copy(l, y->text);
    return true;
}

bool read_map(struct loader *l, const struct yaml *y, const char *what)
{
    if (y->kind == YAML_MAP)
        return true;
    loader_error(l, y, "%s must be a map (NAME: ...)", what);
    return false;
}

bool read_list(struct loader *l, const struct yaml *y, const char *what)
{
    if (y->kind == YAML_LIST)
        return true;
    loader_error(l, y, "%s must be a list ([a, b])", what);
    return false;
}

bool read_word(struct loader *l, const struct yaml *y, const char *const *words, size_t n,
               size_t *ret)
{
    char all[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (y->kind == YAML_SCALAR && str_eq(y->text, str_z(words[i]))) {
            *ret = i;
            return true;
        }
        used +=
            (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    loader_error(l, y, "'%.*s' must be one of: %s", STR_ARGS(y->key), all);
    return false;
}

const char *did_you_mean(struct str name, const struct str *names, size_t n, char out[96])
{
    size_t best = 3;
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(name, names[i], 3);
        if (d >= best || d >= name.n)
            continue;
        best = d;
        (void)snprintf(out, 96, "; did you mean '%.*s'?", STR_ARGS(names[i]));
    }
    return out;
}

void read_known_keys(struct loader *l, const struct yaml *map, const char *const *keys, size_t n)
{
    enum { KEYS_MAX = 24 };
    struct str names[KEYS_MAX];
    char hint[96];
    for (size_t i = 0; i < n && i < KEYS_MAX; i++)
        names[i] = str_z(keys[i]);
    for (const struct yaml *m = map->child; m != NULL; m = m->next) {
        bool found = false;
        for (size_t i = 0; i < n && !found; i++)
            found = str_eq(m->key, names[i]);
        if (!found)
            loader_key_error(l, m, "unknown key '%.*s'%s", STR_ARGS(m->key),
                             did_you_mean(m->key, names, n, hint));
    }
}

void *policy_array(struct loader *l, size_t count, size_t size)
{
    void *p = arena_array(&l->policy->arena, count > 0 ? count : 1, size);
    if (p == NULL)
        abort();
    return p;
}

struct str policy_copy(struct loader *l, struct str s)
{
    struct str copy;
    if (!arena_copy(&l->policy->arena, s, &copy))
        abort();
    return copy;
}
