/* Every setting with its value, as YAML that loads again. */
#include <stdint.h>

#include "base/json.h"
#include "settings/loading.h"

/* A JSON string is a YAML string; model names and paths need no thought about quoting. What looks
 * like a ${NAME} is none any more. */
static void print_text(struct buf *out, struct str s)
{
    (void)buf_append_z(out, "\"");
    for (size_t from = 0; from < s.n;) {
        size_t at = str_find(s, STR("${"), from);
        size_t end = at != SIZE_MAX ? at : s.n;
        (void)json_escape(out, str_sub(s, from, end));
        (void)buf_append_z(out, at != SIZE_MAX ? "$${" : "");
        from = at != SIZE_MAX ? at + 2 : s.n;
    }
    (void)buf_append_z(out, "\"");
}

static void print_list(struct buf *out, const struct setting_list *list)
{
    (void)buf_append_z(out, "[");
    for (size_t i = 0; i < list->n; i++) {
        (void)buf_append_z(out, i > 0 ? ", " : "");
        print_text(out, list->items[i]);
    }
    (void)buf_append_z(out, "]");
}

static void print_properties(struct buf *out, const struct setting_properties *p)
{
    (void)buf_append_z(out, "{");
    for (size_t i = 0; i < p->n; i++) {
        const struct setting_property *item = &p->items[i];
        (void)buf_append_z(out, i > 0 ? ", " : "");
        print_text(out, item->name);
        (void)buf_append_z(out, ": ");
        print_text(out, property_is_secret(item->name) ? STR("(not shown)") : item->value);
    }
    (void)buf_append_z(out, "}");
}

static void print_value(struct buf *out, const struct field *f, const void *value)
{
    char number[32];
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_LINES:
    case FIELD_NAME:
    case FIELD_TOPIC:
    case FIELD_BROKERS:
    case FIELD_PATH:
    case FIELD_URL:
        print_text(out, *(const struct str *)value);
        break;
    case FIELD_WORD:
        (void)buf_append_str(out, *(const struct str *)value);
        break;
    case FIELD_SWITCH:
        (void)buf_append_z(out, f->words[*(const bool *)value ? 1 : 0]);
        break;
    case FIELD_ENUM:
        (void)buf_append_z(out, f->words[*(const unsigned *)value]);
        break;
    case FIELD_FLAG:
        (void)buf_append_z(out, *(const bool *)value ? "true" : "false");
        break;
    case FIELD_TOPICS:
    case FIELD_PATHS:
    case FIELD_URLS:
    case FIELD_IDS:
        print_list(out, value);
        break;
    case FIELD_COUNT:
    case FIELD_SIZE:
    case FIELD_DURATION:
    case FIELD_DECIMAL:
        field_print_number(f->type, *(const uint64_t *)value, number);
        (void)buf_append_z(out, number);
        break;
    case FIELD_PROPERTIES:
        print_properties(out, value);
        break;
    case FIELD_TYPES:
        break;
    }
}

/* A section that was not needed may be without its required fields. */
static bool is_absent(const struct field *f, const void *value)
{
    if (field_is_list(f->type))
        return ((const struct setting_list *)value)->n == 0;
    if (f->type == FIELD_DECIMAL)
        return *(const uint64_t *)value == SETTINGS_UNSET;
    return f->required != 0 && ((const struct str *)value)->n == 0;
}

/* Prints the fields of `section` from the first on; returns the index after its last. */
static size_t print_section(struct buf *out, size_t first, struct str section, const void *base,
                            int indent)
{
    size_t i = first;
    const char *dash = section.n > 0 && section.p[section.n - 1] == ']' ? "- " : "";
    while (i < n_fields && field_below(&fields[i], section)) {
        const struct field *f = &fields[i];
        struct str key = field_key_below(f, section);
        const char *below = f->path + (section.n > 0 ? section.n + 1 : 0) + key.n;
        if (*below == '\0') {
            const void *value = (const char *)base + f->offset;
            i++;
            if (is_absent(f, value))
                continue;
            (void)buf_printf(out, "%*s%s%.*s: ", indent, "", dash, STR_ARGS(key));
            print_value(out, f, value);
            (void)buf_append_z(out, "\n");
        } else {
            struct str inner = {f->path, (size_t)(below - f->path)};
            (void)buf_printf(out, "%*s%s%.*s:\n", indent, "", dash, STR_ARGS(key));
            i = print_section(out, i, inner, base, indent + 2 + (dash[0] != '\0' ? 2 : 0));
        }
        if (dash[0] != '\0')
            indent += 2;
        dash = "";
    }
    return i;
}

static size_t print_graders(struct buf *out, size_t first, const struct settings *s)
{
    size_t end = first;
    while (end < n_fields && field_below(&fields[end], STR(GRADERS)))
        end++;
    (void)buf_append_z(out, s->n_graders > 0 ? "graders:\n" : "graders: []\n");
    for (size_t i = 0; i < s->n_graders; i++)
        (void)print_section(out, first, STR(GRADERS), &s->graders[i], 2);
    return end;
}

bool settings_dump(const struct settings *s, struct buf *out)
{
    (void)buf_append_z(out, "# Every setting of ");
    (void)buf_append_str(out, s->file);
    (void)buf_append_z(out, ", secrets not shown; paths as seen from here.\n");
    for (size_t i = 0; i < n_fields;) {
        struct str name = field_key_below(&fields[i], (struct str){0});
        if (field_below(&fields[i], STR(GRADERS))) {
            i = print_graders(out, i, s);
            continue;
        }
        (void)buf_printf(out, "%.*s:\n", STR_ARGS(name));
        i = print_section(out, i, name, s, 2);
    }
    return !out->failed;
}
