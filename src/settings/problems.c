#include <stdarg.h>
#include <stdio.h>

#include "settings/loading.h"

enum { LINES_MAX = 100, TEXT_MAX = 700 };

const char *shown(struct str s, char out[SHOWN_MAX])
{
    enum { CUT = SHOWN_MAX - 4 };
    size_t n = s.n <= CUT ? s.n : CUT;
    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--; /* not inside a character */
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?' : s.p[i];
    (void)snprintf(out + n, SHOWN_MAX - n, "%s", n < s.n ? "..." : "");
    return out;
}

/* Whether the place is "--set LABEL" already. */
static bool is_override_of(struct str file, struct str label)
{
    const struct str option = STR("--set ");
    return str_has_prefix(file, option) && str_eq(str_sub(file, option.n, file.n), label);
}

static void RBR_PRINTF(6, 0) add(struct loading *l, struct str file, size_t line, size_t column,
                                 const char *label, const char *fmt, va_list args)
{
    char text[TEXT_MAX];
    struct buf *out = &l->problems->lines;
    if (l->problems->n++ >= LINES_MAX)
        return; /* the first hundred say enough */
    (void)vsnprintf(text, sizeof(text), fmt, args);
    (void)buf_append_str(out, file);
    if (line > 0)
        (void)buf_printf(out, ":%zu:%zu", line, column);
    if (label[0] != '\0' && !is_override_of(file, str_z(label)))
        (void)buf_printf(out, ": %s", label);
    (void)buf_printf(out, ": %s\n", text);
}

/* A map in a list has no place of its own; its first key stands for it. */
static const struct yaml *place(const struct yaml *at, bool *key)
{
    if (at->kind == YAML_MAP && at->key.n == 0 && at->child != NULL && at->child->key_line > 0) {
        *key = true;
        return at->child;
    }
    return at;
}

static void RBR_PRINTF(5, 0) add_at(struct loading *l, const struct yaml *at, bool key,
                                    const char *label, const char *fmt, va_list args)
{
    at = place(at, &key);
    add(l, at->file->name, key ? at->key_line : at->line, key ? at->key_column : at->column, label,
        fmt, args);
}

void problem(struct loading *l, const struct yaml *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_at(l, at, false, "", fmt, args);
    va_end(args);
}

void problem_at_key(struct loading *l, const struct yaml *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_at(l, at, true, "", fmt, args);
    va_end(args);
}

void problem_of(struct loading *l, const struct field *f, const struct yaml *at, const char *fmt,
                ...)
{
    char label[FIELD_LABEL_MAX];
    va_list args;
    va_start(args, fmt);
    add_at(l, at, false, field_label(f, l->grader, label), fmt, args);
    va_end(args);
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static void out_of_memory(struct loading *l)
{
    problem(l, &(struct yaml){.file = &l->file},
            "the settings need too much memory; remove what is not needed");
}

void *loading_array(struct loading *l, struct arena *a, size_t count, size_t size)
{
    void *p = arena_array(a, count > 0 ? count : 1, size);
    if (p == NULL)
        out_of_memory(l);
    return p;
}

struct str loading_copy(struct loading *l, struct arena *a, struct str s)
{
    struct str copy = {0};
    if (!arena_copy(a, s, &copy)) {
        out_of_memory(l);
        return (struct str){0};
    }
    return copy;
}
