/* The sections of a policy file, one function each, in the order in which they build on each other.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "policy/loader.h"

static struct yaml *section(struct loader *l, const char *key)
{
    return yaml_get(l->root, str_z(key));
}

static struct yaml *required(struct loader *l, const char *key)
{
    struct yaml *y = section(l, key);
    if (y == NULL)
        loader_error(l, l->root, "'%s' is missing", key);
    return y;
}

/* ---- propositions -----------------------------------------------------------------------------
 */

static bool name_is_free(struct loader *l, const struct yaml *y)
{
    const struct policy *p = l->policy;
    bool is_word = str_eq(y->key, STR("any")) || str_eq(y->key, STR("all")) ||
                   str_eq(y->key, STR("not")) || str_eq(y->key, STR("otherwise")) ||
                   str_eq(y->key, STR("reward_model")) || str_eq(y->key, STR("clip")) ||
                   str_eq(y->key, STR("clip_rounding"));
    if (is_word) {
        loader_key_error(l, y, "'%.*s' is a word of the policy language; choose another name",
                         STR_ARGS(y->key));
        return false;
    }
    if (policy_find_proposition(p, y->key) != SIZE_MAX ||
        policy_find_derived(p, y->key) != SIZE_MAX || policy_find_class(p, y->key) != SIZE_MAX) {
        loader_key_error(
            l, y,
            "the name '%.*s' is taken; propositions, derived propositions and classes share names",
            STR_ARGS(y->key));
        return false;
    }
    return true;
}

static void load_proposition(struct loader *l, const struct yaml *y, struct proposition *p)
{
    static const char *const keys[] = {"prompt", "check"};
    const struct yaml *prompt = yaml_get(y, STR("prompt")), *check = yaml_get(y, STR("check"));
    p->name = policy_copy(l, y->key);
    if (!read_map(l, y, "a proposition"))
        return;
    read_known_keys(l, y, keys, ARRAY_LEN(keys));
    if ((prompt == NULL) == (check == NULL)) {
        loader_error(l, y, "proposition '%.*s' needs either 'prompt' or 'check'", STR_ARGS(y->key));
        return;
    }
    if (check != NULL)
        p->check = check_compile(l, check);
    else if (read_text(l, prompt, &p->question) && str_trim(p->question).n == 0)
        loader_error(l, prompt, "the question of '%.*s' is empty", STR_ARGS(y->key));
}

void load_propositions(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = required(l, "simple_propositions");
    if (y == NULL || !read_map(l, y, "simple_propositions"))
        return;
    if (y->count > POLICY_PROPOSITIONS_MAX) {
        loader_error(l, y, "more than %d propositions", POLICY_PROPOSITIONS_MAX);
        return;
    }
    p->propositions = policy_array(l, y->count, sizeof(*p->propositions));
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        if (!name_is_free(l, m))
            continue;
        load_proposition(l, m, &p->propositions[p->n_propositions]);
        p->n_propositions++;
    }
}

void load_derived(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = section(l, "derived_propositions");
    if (y == NULL || y->null || !read_map(l, y, "derived_propositions"))
        return;
    if (y->count > POLICY_PROPOSITIONS_MAX) {
        loader_error(l, y, "more than %d derived propositions", POLICY_PROPOSITIONS_MAX);
        return;
    }
    /* All names first, so that a use before the definition is told from an unknown name. */
    p->derived = policy_array(l, y->count, sizeof(*p->derived));
    size_t known = 0;
    for (const struct yaml *m = y->child; m != NULL; m = m->next)
        if (name_is_free(l, m))
            p->derived[p->n_derived++].name = policy_copy(l, m->key);
    for (const struct yaml *m = y->child; m != NULL; m = m->next)
        if (known < p->n_derived && str_eq(p->derived[known].name, m->key)) {
            struct derived *d = &p->derived[known];
            d->uses = policy_array(l, p->n_propositions, sizeof(*d->uses));
            if (read_rule(l, m, known, false, &d->rule))
                policy_mark(p, &d->rule, d->uses);
            known++;
        }
}

/* ---- classes ----------------------------------------------------------------------------------
 */

static void load_class_order(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = required(l, "completion_class_order");
    if (y == NULL || !read_list(l, y, "completion_class_order"))
        return;
    if (y->count == 0 || y->count > POLICY_CLASSES_MAX) {
        loader_error(l, y, "completion_class_order needs 1 to %d classes, best first",
                     POLICY_CLASSES_MAX);
        return;
    }
    p->classes = policy_array(l, y->count, sizeof(*p->classes));
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        struct yaml named = *m;
        named.key = m->text;
        named.key_line = m->line;
        named.key_column = m->column;
        if (m->kind != YAML_SCALAR || m->text.n == 0)
            loader_error(l, m, "a class must be a plain word");
        else if (name_is_free(l, &named))
            p->classes[p->n_classes++] = policy_copy(l, m->text);
    }
}

static struct response_type *type_for(struct loader *l, const struct yaml *y)
{
    struct policy *p = l->policy;
    size_t i = policy_find_type(p, y->key);
    if (i != SIZE_MAX)
        return &p->response_types[i];
    if (p->n_response_types == POLICY_TYPES_MAX) {
        loader_key_error(l, y, "more than %d response types", POLICY_TYPES_MAX);
        return NULL;
    }
    assert(p->response_types != NULL);
    struct response_type *type = &p->response_types[p->n_response_types++];
    type->name = policy_copy(l, y->key);
    type->rules = policy_array(l, p->n_classes, sizeof(*type->rules));
    type->has_rule = policy_array(l, p->n_classes, sizeof(*type->has_rule));
    type->asked = policy_array(l, p->n_propositions, sizeof(*type->asked));
    return type;
}

void load_classes(struct loader *l)
{
    struct policy *p = l->policy;
    load_class_order(l);
    const struct yaml *y = required(l, "completion_classes");
    if (y == NULL || !read_map(l, y, "completion_classes"))
        return;
    p->response_types = policy_array(l, POLICY_TYPES_MAX, sizeof(*p->response_types));
    for (const struct yaml *c = y->child; c != NULL; c = c->next) {
        char hint[96];
        size_t class = policy_find_class(p, c->key);
        if (class == SIZE_MAX) {
            loader_key_error(l, c, "class '%.*s' is not in completion_class_order%s",
                             STR_ARGS(c->key),
                             did_you_mean(c->key, p->classes, p->n_classes, hint));
            continue;
        }
        if (!read_map(l, c, "a class"))
            continue;
        for (const struct yaml *t = c->child; t != NULL; t = t->next) {
            struct response_type *type = type_for(l, t);
            if (type == NULL)
                continue;
            if (type->has_rule[class])
                loader_key_error(l, t, "class '%.*s' has two rules for %.*s", STR_ARGS(c->key),
                                 STR_ARGS(type->name));
            else
                type->has_rule[class] = read_rule(l, t, p->n_derived, true, &type->rules[class]);
        }
    }
    if (p->n_response_types == 0)
        loader_error(l, y, "completion_classes names no response type");
}

/* ---- template ---------------------------------------------------------------------------------
 */

static bool placeholder(struct str name, enum segment_kind *ret)
{
    static const char *const names[] = {
        [SEGMENT_QUESTION] = "question",
        [SEGMENT_RESPONSE] = "response",
        [SEGMENT_CONVERSATION] = "conversation",
    };
    for (size_t i = SEGMENT_QUESTION; i < ARRAY_LEN(names); i++)
        if (str_eq(name, str_z(names[i]))) {
            *ret = (enum segment_kind)i;
            return true;
        }
    return false;
}

static void add_segment(struct policy *p, enum segment_kind kind, struct str text)
{
    if (kind != SEGMENT_TEXT || text.n > 0)
        p->segments[p->n_segments++] = (struct segment){kind, text};
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < 'a' || s.p[i] > 'z') && (s.p[i] < 'A' || s.p[i] > 'Z') && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= 40;
}

/* One pass: text, {name}, and {{ or }} for a brace. A brace that opens no name is plain text. */
static bool cut_template(struct loader *l, const struct yaml *y)
{
    struct policy *p = l->policy;
    struct str t = p->prompt_template;
    size_t start = 0, i = 0;
    p->segments = policy_array(l, t.n + 1, sizeof(*p->segments));
    while (i < t.n) {
        bool twice = i + 1 < t.n && t.p[i + 1] == t.p[i];
        if ((t.p[i] == '{' || t.p[i] == '}') && twice) {
            add_segment(p, SEGMENT_TEXT, str_sub(t, start, i + 1));
            start = i += 2;
            continue;
        }
        size_t close = t.p[i] == '{' ? str_find(t, STR("}"), i) : SIZE_MAX;
        if (close == SIZE_MAX || !is_name(str_sub(t, i + 1, close))) {
            i++;
            continue;
        }
        enum segment_kind kind;
        if (!placeholder(str_sub(t, i + 1, close), &kind)) {
            loader_error(
                l, y, "the template names {%.*s}; there are {question}, {response}, {conversation}",
                STR_ARGS(str_sub(t, i + 1, close)));
            return false;
        }
        add_segment(p, SEGMENT_TEXT, str_sub(t, start, i));
        add_segment(p, kind, (struct str){0});
        p->has_conversation = p->has_conversation || kind == SEGMENT_CONVERSATION;
        start = i = close + 1;
    }
    add_segment(p, SEGMENT_TEXT, str_sub(t, start, t.n));
    return true;
}

static size_t first_segment(const struct policy *p, enum segment_kind kind)
{
    for (size_t i = 0; i < p->n_segments; i++)
        if (p->segments[i].kind == kind)
            return i;
    return SIZE_MAX;
}

void load_template(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = required(l, "prompt_template");
    if (y == NULL || !read_text(l, y, &p->prompt_template))
        return;
    if (!cut_template(l, y))
        return;
    load_fences(p);
    size_t question = first_segment(p, SEGMENT_QUESTION), placeholders = 0;
    for (size_t i = 0; i < p->n_segments; i++)
        placeholders += p->segments[i].kind != SEGMENT_TEXT;
    if (placeholders > POLICY_PLACEHOLDERS_MAX)
        loader_error(l, y, "more than %d placeholders in the template", POLICY_PLACEHOLDERS_MAX);
    if (question == SIZE_MAX)
        loader_error(l, y, "the template lacks {question}");
    if (first_segment(p, SEGMENT_RESPONSE) == SIZE_MAX)
        loader_error(l, y, "the template lacks {response}");
    for (size_t i = question; i < p->n_segments; i++)
        if (p->segments[i].kind == SEGMENT_RESPONSE ||
            p->segments[i].kind == SEGMENT_CONVERSATION) {
            loader_warning(l, y,
                           "{question} stands before {response} or {conversation}: servers cannot "
                           "reuse their prefix "
                           "cache between the questions on one completion; move it behind");
            break;
        }
}

/* ---- routing ----------------------------------------------------------------------------------
 */

static bool maps_name(const struct name_map *names, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_folded(names[i].from, name))
            return true;
    return false;
}

static void load_names(struct loader *l, const struct yaml *y, struct name_map **ret, size_t *ret_n)
{
    struct policy *p = l->policy;
    if (y == NULL || !read_map(l, y, "names of response types"))
        return;
    *ret = policy_array(l, y->count, sizeof(**ret));
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        struct name_map *map = &(*ret)[*ret_n];
        if (maps_name(*ret, *ret_n, m->key)) {
            loader_key_error(l, m, "the name '%.*s' is here twice (case, ' ' and '-' do not count)",
                             STR_ARGS(m->key));
            continue;
        }
        map->response_type = m->kind == YAML_SCALAR ? policy_find_type(p, m->text) : SIZE_MAX;
        if (map->response_type == SIZE_MAX) {
            loader_error(l, m, "no response type '%.*s' in completion_classes", STR_ARGS(m->text));
            continue;
        }
        map->from = policy_copy(l, m->key);
        (*ret_n)++;
    }
}

void load_routes(struct loader *l)
{
    static const char *const keys[] = {"route_by", "aliases", "categories", "unrouted"};
    static const char *const by[] = {"response_type", "behavior_category"};
    static const char *const unrouted[] = {"skip", "reward_model_only", "fail"};
    struct policy *p = l->policy;
    const struct yaml *y = section(l, "response_types"), *m;
    size_t word;
    if (y == NULL || !read_map(l, y, "response_types"))
        return;
    read_known_keys(l, y, keys, ARRAY_LEN(keys));
    if ((m = yaml_get(y, STR("route_by"))) != NULL && read_word(l, m, by, ARRAY_LEN(by), &word))
        p->route_by_category = word == 1;
    if ((m = yaml_get(y, STR("unrouted"))) != NULL &&
        read_word(l, m, unrouted, ARRAY_LEN(unrouted), &word))
        p->unrouted = (enum unrouted)word;
    load_names(l, yaml_get(y, STR("aliases")), &p->aliases, &p->n_aliases);
    load_names(l, yaml_get(y, STR("categories")), &p->categories, &p->n_categories);
}

/* ---- features and weights ---------------------------------------------------------------------
 */

static void add_feature(struct response_type *type, enum feature_kind kind, size_t index,
                        struct str name)
{
    type->features[type->n_features++] =
        (struct feature){.kind = kind, .index = index, .name = name};
}

static bool find_feature(const struct response_type *type, struct str name, size_t *ret)
{
    for (size_t i = 0; i < type->n_features; i++)
        if (str_eq(type->features[i].name, name)) {
            *ret = i;
            return true;
        }
    return false;
}

static void listed_feature(struct loader *l, struct response_type *type, const struct yaml *y)
{
    struct policy *p = l->policy;
    size_t i = policy_find_proposition(p, y->text), at;
    if (find_feature(type, y->text, &at))
        loader_error(l, y, "feature '%.*s' is listed twice", STR_ARGS(y->text));
    else if (i != SIZE_MAX)
        add_feature(type, FEATURE_PROPOSITION, i, p->propositions[i].name);
    else if ((i = policy_find_derived(p, y->text)) != SIZE_MAX)
        add_feature(type, FEATURE_DERIVED, i, p->derived[i].name);
    else
        loader_error(l, y, "no proposition '%.*s' to make a feature of", STR_ARGS(y->text));
}

static void class_features(struct loader *l, struct response_type *type, const struct yaml *y)
{
    struct policy *p = l->policy;
    static const char *const words[] = {"all", "none"};
    size_t word = 0;
    if (y != NULL && y->kind == YAML_LIST) {
        for (const struct yaml *m = y->child; m != NULL; m = m->next) {
            size_t class = policy_find_class(p, m->text), at;
            if (class == SIZE_MAX || find_feature(type, m->text, &at))
                loader_error(l, m, "'%.*s' is no class, or listed twice", STR_ARGS(m->text));
            else
                add_feature(type, FEATURE_CLASS, class, p->classes[class]);
        }
        return;
    }
    if (y != NULL && !read_word(l, y, words, ARRAY_LEN(words), &word))
        return;
    for (size_t i = 0; word == 0 && i < p->n_classes; i++)
        add_feature(type, FEATURE_CLASS, i, p->classes[i]);
}

static void rule_propositions(const struct policy *p, const struct response_type *type, bool *used)
{
    for (size_t c = 0; c < p->n_classes; c++)
        if (type->has_rule[c])
            policy_mark(p, &type->rules[c], used);
}

static void type_features(struct loader *l, struct response_type *type, const struct yaml *y)
{
    static const char *const keys[] = {"propositions", "classes"};
    struct policy *p = l->policy;
    const struct yaml *listed = yaml_get(y, STR("propositions"));
    type->features =
        policy_array(l, p->n_propositions + p->n_derived + p->n_classes, sizeof(*type->features));
    if (y != NULL && read_map(l, y, "features of a response type"))
        read_known_keys(l, y, keys, ARRAY_LEN(keys));
    if (listed != NULL && read_list(l, listed, "propositions")) {
        for (const struct yaml *m = listed->child; m != NULL; m = m->next)
            listed_feature(l, type, m);
    } else if (listed == NULL) {
        bool used[POLICY_PROPOSITIONS_MAX] = {false};
        rule_propositions(p, type, used);
        for (size_t i = 0; i < p->n_propositions; i++)
            if (used[i])
                add_feature(type, FEATURE_PROPOSITION, i, p->propositions[i].name);
    }
    class_features(l, type, yaml_get(y, STR("classes")));
}

static void mark_asked(const struct policy *p, struct response_type *type)
{
    rule_propositions(p, type, type->asked);
    for (size_t i = 0; i < type->n_features; i++) {
        const struct feature *f = &type->features[i];
        if (f->kind == FEATURE_PROPOSITION)
            type->asked[f->index] = true;
        else if (f->kind == FEATURE_DERIVED)
            policy_mark(p, &p->derived[f->index].rule, type->asked);
    }
    for (size_t i = 0; i < p->n_propositions; i++) {
        type->asked[i] = type->asked[i] || p->ask_all;
        type->n_asked += type->asked[i];
    }
}

/* Every key of a map by response type must name one. */
static void check_types(struct loader *l, const struct yaml *y)
{
    struct policy *p = l->policy;
    struct str names[POLICY_TYPES_MAX];
    char hint[96];
    for (size_t i = 0; i < p->n_response_types; i++)
        names[i] = p->response_types[i].name;
    bool seen[POLICY_TYPES_MAX] = {false};
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        size_t i = policy_find_type(p, m->key);
        if (i == SIZE_MAX)
            loader_key_error(l, m, "no response type '%.*s' in completion_classes%s",
                             STR_ARGS(m->key),
                             did_you_mean(m->key, names, p->n_response_types, hint));
        else if (seen[i])
            loader_key_error(l, m, "response type '%.*s' is here twice; remove one",
                             STR_ARGS(m->key));
        else
            seen[i] = true;
    }
}

static const struct yaml *for_type(const struct yaml *map, const struct response_type *type)
{
    for (const struct yaml *m = map != NULL ? map->child : NULL; m != NULL; m = m->next)
        if (str_eq_folded(m->key, type->name))
            return m;
    return NULL;
}

void load_features(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = section(l, "features");
    if (y != NULL && read_map(l, y, "features"))
        check_types(l, y);
    for (size_t i = 0; i < p->n_response_types; i++) {
        type_features(l, &p->response_types[i], for_type(y, &p->response_types[i]));
        mark_asked(p, &p->response_types[i]);
    }
}

static void type_weights(struct loader *l, struct response_type *type, const struct yaml *y)
{
    struct str names[POLICY_PROPOSITIONS_MAX * 2 + POLICY_CLASSES_MAX];
    char hint[96];
    if (!read_map(l, y, "weights of a response type"))
        return;
    for (size_t i = 0; i < type->n_features; i++)
        names[i] = type->features[i].name;
    type->has_weights = true;
    for (const struct yaml *m = y->child; m != NULL; m = m->next) {
        size_t i;
        if (!find_feature(type, m->key, &i)) {
            loader_key_error(l, m, "a weight for '%.*s', which is no feature of %.*s%s",
                             STR_ARGS(m->key), STR_ARGS(type->name),
                             did_you_mean(m->key, names, type->n_features, hint));
            continue;
        }
        type->features[i].weighted = read_number(l, m, -1e6, 1e6, &type->features[i].weight);
    }
}

void load_weights(struct loader *l)
{
    struct policy *p = l->policy;
    const struct yaml *y = section(l, "weights");
    if (y == NULL || y->null || !read_map(l, y, "weights"))
        return;
    check_types(l, y);
    for (size_t i = 0; i < p->n_response_types; i++) {
        const struct yaml *m = for_type(y, &p->response_types[i]);
        if (m != NULL)
            type_weights(l, &p->response_types[i], m);
    }
}

/* ---- identity ---------------------------------------------------------------------------------
 */

static struct str base_name(struct str path)
{
    size_t start = path.n;
    while (start > 0 && path.p[start - 1] != '/')
        start--;
    struct str name = str_sub(path, start, path.n);
    size_t dot = name.n;
    while (dot > 0 && name.p[dot - 1] != '.')
        dot--;
    return dot > 1 ? str_sub(name, 0, dot - 1) : name;
}

void load_identity(struct loader *l, struct str first_file)
{
    static const char *const keys[] = {"id", "version"};
    struct policy *p = l->policy;
    const struct yaml *y = section(l, "policy"), *m;
    p->id = policy_copy(l, base_name(first_file));
    if (y == NULL || !read_map(l, y, "policy"))
        return;
    read_known_keys(l, y, keys, ARRAY_LEN(keys));
    if ((m = yaml_get(y, STR("id"))) != NULL)
        (void)read_text(l, m, &p->id);
    if ((m = yaml_get(y, STR("version"))) != NULL)
        (void)read_text(l, m, &p->version);
}
