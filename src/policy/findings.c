#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "policy/loader.h"

enum { TEXT_MAX = 700, SOURCE_MAX = 160 };

void findings_init(struct findings *f)
{
    *f = (struct findings){0};
    arena_init(&f->arena, 8u << 20);
}

void findings_done(struct findings *f)
{
    arena_done(&f->arena);
    mem_free(f->items);
    *f = (struct findings){0};
}

static void RBR_PRINTF(7, 0)
    add(struct findings *f, enum severity severity, struct str file, size_t line, size_t column,
        struct str source, const char *fmt, va_list args)
{
    char text[TEXT_MAX];
    struct finding finding = {.severity = severity, .line = line, .column = column};
    int n = vsnprintf(text, sizeof(text), fmt, args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?'; /* names are quoted in it: one line, no terminal codes */
    f->errors += severity == SEVERITY_ERROR;
    if (!arena_copy(&f->arena, file, &finding.file) ||
        !arena_copy(&f->arena, (struct str){text, length}, &finding.text) ||
        !arena_copy(&f->arena, source, &finding.source))
        return; /* thousands of findings: the first ones say enough */
    mem_grow((void **)&f->items, &f->cap, f->n, sizeof(*f->items));
    f->items[f->n++] = finding;
}

void findings_add(struct findings *f, enum severity severity, struct str file, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(f, severity, file, 0, 0, (struct str){0}, fmt, args);
    va_end(args);
}

static void RBR_PRINTF(6, 0)
    add_at(struct loader *l, enum severity severity, const struct yaml_file *file, size_t line,
           size_t column, const char *fmt, va_list args)
{
    add(l->findings, severity, file->name, line, column, yaml_line(file, line), fmt, args);
}

void loader_error(struct loader *l, const struct yaml *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_at(l, SEVERITY_ERROR, at->file, at->line, at->column, fmt, args);
    va_end(args);
}

void loader_warning(struct loader *l, const struct yaml *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_at(l, SEVERITY_WARNING, at->file, at->line, at->column, fmt, args);
    va_end(args);
}

void loader_key_error(struct loader *l, const struct yaml *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_at(l, SEVERITY_ERROR, at->file, at->key_line, at->key_column, fmt, args);
    va_end(args);
}

bool finding_print(const struct finding *f, struct buf *out)
{
    (void)buf_append_str(out, f->file);
    if (f->line > 0)
        (void)buf_printf(out, ":%zu:%zu", f->line, f->column);
    (void)buf_printf(out, ": %s: ", f->severity == SEVERITY_ERROR ? "error" : "warning");
    (void)buf_append_str(out, f->text);
    (void)buf_append_z(out, "\n");
    if (f->line == 0 || f->source.n == 0 || f->source.n > SOURCE_MAX)
        return !out->failed;
    (void)buf_append_z(out, "    ");
    (void)buf_append_str(out, f->source);
    (void)buf_append_z(out, "\n    ");
    for (size_t i = 1; i < f->column; i++)
        (void)buf_append_z(out, " ");
    return buf_append_z(out, "^\n");
}
