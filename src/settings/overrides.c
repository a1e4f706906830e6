/* `--set a.b=c`: the path is walked into the tree, making what is missing on the way, so that what
 * follows reads, checks and reports an override like a line of the file. Its place is "--set a.b".
 */
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "settings/loading.h"

struct override {
    struct str path, value;
    const struct yaml_file *file; /* its name is "--set PATH" */
    struct yaml *node; /* where the walk has come to */
    struct str walked; /* the path up to there */
};

bool overrides_is_from(const struct loading *l, const struct yaml *y)
{
    return y->file != &l->file;
}

static bool is_index(struct str s, uint64_t *ret)
{
    return num_parse_u64(s, ret);
}

static void refuse(struct loading *l, const struct override *o, const char *what)
{
    problem(l, &(struct yaml){.file = o->file}, "%s%s", what,
            strchr(what, ';') != NULL ? "" : "; correct it");
}

static struct yaml *append(struct loading *l, const struct override *o, struct str key)
{
    struct yaml *y = loading_array(l, &l->arena, 1, sizeof(*y));
    if (y == NULL)
        return NULL;
    struct yaml **tail = &o->node->child;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *y = (struct yaml){.null = true, .key = key, .file = o->file};
    *tail = y;
    o->node->count++;
    return y;
}

static struct yaml *item(const struct override *o, uint64_t index)
{
    struct yaml *y = o->node->child;
    while (y != NULL && index-- > 0)
        y = y->next;
    return y;
}

static struct str default_name(void)
{
    return str_z(field_find(STR(GRADERS ".name"))->initial);
}

/* An item by its number, one past the last to add one, or by its name. */
static struct yaml *in_list(struct loading *l, const struct override *o, struct str key)
{
    char a[SHOWN_MAX], b[SHOWN_MAX], why[256];
    uint64_t index;
    if (is_index(key, &index)) {
        if (index <= o->node->count)
            return index < o->node->count ? item(o, index) : append(l, o, (struct str){0});
        (void)snprintf(why, sizeof(why), "%s has %zu items, counted from 0; use %zu to add one",
                       shown(o->walked, a), o->node->count, o->node->count);
        refuse(l, o, why);
        return NULL;
    }
    for (struct yaml *y = o->node->child; y != NULL; y = y->next) {
        const struct yaml *name = yaml_get(y, STR("name"));
        struct str text = name != NULL ? name->text : default_name();
        if (y->kind == YAML_MAP && str_eq(text, key))
            return y;
    }
    (void)snprintf(why, sizeof(why),
                   "%s has no item named '%s'; use a name that is there, or its number from 0",
                   shown(o->walked, a), shown(key, b));
    refuse(l, o, why);
    return NULL;
}

/* The node below the current one; made when it is missing. */
static struct yaml *step(struct loading *l, const struct override *o, struct str key)
{
    char a[SHOWN_MAX], text[256];
    uint64_t index;
    struct yaml *node = o->node;
    if (node->kind == YAML_SCALAR && node->null) {
        node->kind = is_index(key, &index) ? YAML_LIST : YAML_MAP;
        node->null = false;
    }
    if (node->kind == YAML_LIST)
        return in_list(l, o, key);
    if (node->kind == YAML_MAP) {
        struct yaml *y = yaml_get(node, key);
        return y != NULL ? y : append(l, o, key);
    }
    (void)snprintf(text, sizeof(text), "%s is one value and has no keys; shorten the path",
                   shown(o->walked, a));
    refuse(l, o, text);
    return NULL;
}

/* librdkafka's names have dots: below kafka.properties.X the rest of the path is one key. */
static size_t key_end(const struct override *o, size_t from)
{
    size_t dot = str_find(o->path, STR("."), from);
    const struct field *f = field_find(o->walked);
    return dot == SIZE_MAX || (f != NULL && f->type == FIELD_PROPERTIES) ? o->path.n : dot;
}

/* The value as a node: text as it is, but a list or a map when it begins with [ or {. */
static struct yaml *parse_value(struct loading *l, const struct override *o)
{
    struct yaml_fault fault;
    struct yaml *y;
    if (o->value.n == 0 || (o->value.p[0] != '[' && o->value.p[0] != '{')) {
        y = loading_array(l, &l->arena, 1, sizeof(*y));
        if (y != NULL)
            *y = (struct yaml){.text = o->value, .null = o->value.n == 0, .file = o->file};
        return y;
    }
    y = yaml_parse(&l->arena, o->file, &fault);
    if (y == NULL)
        refuse(l, o, fault.text);
    return y;
}

/* What comes from --set has no line. */
static void forget_places(struct yaml *y)
{
    y->line = y->column = y->key_line = y->key_column = 0;
    for (struct yaml *child = y->child; child != NULL; child = child->next)
        forget_places(child);
}

static void put(struct loading *l, struct override *o)
{
    struct yaml *value = parse_value(l, o);
    if (value == NULL)
        return;
    forget_places(value);
    value->key = o->node->key;
    value->next = o->node->next;
    *o->node = *value;
}

static void apply(struct loading *l, struct override *o)
{
    size_t steps = 0;
    for (size_t from = 0; from <= o->path.n; steps++) {
        size_t end = key_end(o, from);
        struct str key = str_sub(o->path, from, end);
        if (key.n == 0 || steps == YAML_DEPTH_MAX) {
            refuse(l, o,
                   key.n == 0 ? "an empty key in the path; write --set kafka.group=x"
                              : "the path is too deep; see docs/settings.md for the keys");
            return;
        }
        struct yaml *next = step(l, o, key);
        if (next == NULL)
            return;
        o->node = next;
        o->walked = str_sub(o->path, 0, end);
        from = end + 1;
    }
    put(l, o);
}

static bool is_text(struct str s)
{
    return utf8_valid(s) && (s.n == 0 || memchr(s.p, '\0', s.n) == NULL);
}

void overrides_apply(struct loading *l, const struct str *overrides, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char path[SHOWN_MAX], name[SHOWN_MAX + 8];
        struct str text = loading_copy(l, &l->arena, overrides[i]);
        size_t equals = str_find(text, STR("="), 0);
        struct override o = {
            .path = equals != SIZE_MAX ? str_sub(text, 0, equals) : text,
            .node = l->root,
        };
        struct yaml_file *file = loading_array(l, &l->arena, 1, sizeof(*file));
        if (file == NULL)
            return;
        if (equals != SIZE_MAX)
            o.value = str_sub(text, equals + 1, text.n);
        int length = snprintf(name, sizeof(name), "--set %s", shown(o.path, path));
        file->name = loading_copy(l, &l->arena, (struct str){name, (size_t)length});
        file->text = o.value;
        o.file = file;
        if (equals == SIZE_MAX)
            refuse(l, &o, "no value; write --set kafka.group=x");
        else if (!is_text(text))
            refuse(l, &o, "not UTF-8 text; correct it");
        else
            apply(l, &o);
    }
}
