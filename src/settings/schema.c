/* The JSON Schema of the settings, for editors, from the table. */
#include <inttypes.h>

#include "base/json.h"
#include "settings/fields.h"

/* A value may be, or hold, a ${NAME}. */
#define REFERENCE "\\\\$\\\\{"

static void print_words(struct buf *out, const struct field *f)
{
    (void)buf_append_z(out, "\"type\": \"string\", \"anyOf\": [{\"enum\": [");
    for (size_t i = 0; i < FIELD_WORDS_MAX && f->words[i] != NULL; i++)
        (void)buf_printf(out, "%s\"%s\"", i > 0 ? ", " : "", f->words[i]);
    (void)buf_append_z(out, "]}, {\"pattern\": \"" REFERENCE "\"}]");
}

static void print_number(struct buf *out, const struct field *f)
{
    uint64_t min = 0, max = 0;
    const char *units = f->type == FIELD_SIZE ? "B|KiB|MiB|GiB|KB|MB|GB" : "us|ms|s|m|h|d";
    if (f->type == FIELD_COUNT && field_parse_number(f->type, str_z(f->min), &min) &&
        field_parse_number(f->type, str_z(f->max), &max))
        (void)buf_printf(out,
                         "\"type\": [\"integer\", \"string\"], \"minimum\": %" PRIu64
                         ", \"maximum\": %" PRIu64 ", \"pattern\": \"" REFERENCE "\"",
                         min, max);
    else if (f->type == FIELD_DECIMAL)
        (void)buf_printf(out,
                         "\"type\": [\"number\", \"string\"%s], \"minimum\": %s, \"maximum\": %s, "
                         "\"pattern\": \"" REFERENCE "\"",
                         f->initial[0] == '\0' ? ", \"null\"" : "", f->min, f->max);
    else
        (void)buf_printf(out, "\"type\": \"string\", \"pattern\": \"^[0-9.]+(%s)$|" REFERENCE "\"",
                         units);
}

static void print_type(struct buf *out, const struct field *f)
{
    static const char scalar[] = "\"type\": [\"string\", \"number\", \"boolean\"]";
    if (f->words[0] != NULL)
        print_words(out, f);
    else if (field_is_number(f->type))
        print_number(out, f);
    else if (f->type == FIELD_FLAG)
        (void)buf_append_z(out,
                           "\"type\": [\"boolean\", \"string\"], \"pattern\": \"" REFERENCE "\"");
    else if (f->type == FIELD_PROPERTIES)
        (void)buf_printf(out, "\"type\": \"object\", \"additionalProperties\": {%s}", scalar);
    else if (f->max != NULL)
        (void)buf_printf(out,
                         "\"type\": \"array\", \"minItems\": %s, \"maxItems\": %s, \"items\": "
                         "{\"type\": %s, \"minLength\": 1}",
                         f->min, f->max,
                         f->type == FIELD_IDS ? "[\"integer\", \"string\"]" : "\"string\"");
    else if (f->required == 0)
        (void)buf_append_z(out, "\"type\": [\"string\", \"number\", \"boolean\", \"null\"]");
    else
        (void)buf_append_z(out, scalar);
}

static void print_field(struct buf *out, const struct field *f)
{
    (void)buf_append_z(out, "{\"description\": ");
    (void)json_quote(out, str_z(f->doc));
    (void)buf_append_z(out, ", ");
    print_type(out, f);
    if (f->initial != NULL && f->initial[0] != '\0') {
        (void)buf_append_z(out, ", \"default\": ");
        if (f->type == FIELD_COUNT || f->type == FIELD_DECIMAL || f->type == FIELD_FLAG)
            (void)buf_append_z(out, f->initial);
        else
            (void)json_quote(out, str_z(f->initial));
    }
    (void)buf_append_z(out, "}");
}

static void print_required(struct buf *out, size_t first, struct str section)
{
    bool any = false;
    for (size_t i = first; i < n_fields && field_below(&fields[i], section); i++) {
        struct str key = field_key_below(&fields[i], section);
        if ((fields[i].required & FIELD_REQUIRED) == 0 || !str_eq(key, field_key(&fields[i])))
            continue;
        (void)buf_append_z(out, any ? ", " : ", \"required\": [");
        (void)json_quote(out, key);
        any = true;
    }
    (void)buf_append_z(out, any ? "]" : "");
}

/* The inside of an object with the fields of `section` from the first on; returns the index after
 * its last. */
static size_t print_section(struct buf *out, size_t first, struct str section, int indent)
{
    size_t i = first;
    (void)buf_append_z(out, "\"type\": \"object\", \"additionalProperties\": false");
    print_required(out, first, section);
    (void)buf_append_z(out, ", \"properties\": {");
    while (i < n_fields && field_below(&fields[i], section)) {
        const struct field *f = &fields[i];
        struct str key = field_key_below(f, section);
        size_t from = section.n > 0 ? section.n + 1 : 0;
        bool list = f->path[from + key.n] == '[';
        struct str inner = {f->path, from + key.n + (list ? 2 : 0)};
        (void)buf_printf(out, "%s\n%*s\"%.*s\": ", i > first ? "," : "", indent, "", STR_ARGS(key));
        if (inner.n == strlen(f->path)) {
            print_field(out, f);
            i++;
            continue;
        }
        (void)buf_append_z(out, list ? "{\"type\": \"array\", \"maxItems\": 1, \"items\": {" : "{");
        i = print_section(out, i, inner, indent + 2);
        (void)buf_append_z(out, list ? "}}" : "}");
    }
    (void)buf_printf(out, "\n%*s}", indent - 2, "");
    return i;
}

bool settings_schema(struct buf *out)
{
    (void)buf_append_z(out, "{\"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
                            " \"title\": \"Settings of the rbr worker\",\n"
                            " \"$comment\": \"Made from src/settings/fields.c by rbr check "
                            "--print-schema; do not edit.\",\n ");
    (void)print_section(out, 0, (struct str){0}, 2);
    return buf_append_z(out, "}\n");
}
