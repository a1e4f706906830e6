#include "yaml/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

struct reader {
    struct arena *arena;
    const struct yaml_file *file;
    struct yaml_fault *fault;
    struct fy_document *document;
};

static bool fail(struct reader *r, size_t line, size_t column, const char *text)
{
    r->fault->line = line;
    r->fault->column = column;
    (void)snprintf(r->fault->text, sizeof(r->fault->text), "%s", text);
    return false;
}

static void position(struct fy_node *node, size_t *line, size_t *column)
{
    struct fy_token *token = fy_node_get_scalar_token(node);
    const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;
    if (mark == NULL)
        return;
    *line = (size_t)mark->line + 1;
    *column = (size_t)mark->column + 1;
}

/* Line and column, from 1, of a byte of the text. */
static void place_of(struct str text, size_t offset, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset; i++) {
        *column = text.p[i] == '\n' ? 1 : *column + 1;
        *line += text.p[i] == '\n';
    }
}

static bool read_scalar(struct reader *r, struct fy_node *node, struct yaml *y)
{
    size_t n = 0;
    const char *p = fy_node_get_scalar(node, &n);
    enum fy_node_style style = fy_node_get_style(node);
    struct str text = {p, p != NULL ? n : 0};
    y->kind = YAML_SCALAR;
    y->quoted = style != FYNS_PLAIN && style != FYNS_ANY;
    y->null = !y->quoted && (text.n == 0 || str_eq(text, STR("~")) || str_eq(text, STR("null")));
    position(node, &y->line, &y->column);
    if (!arena_copy(r->arena, text, &y->text))
        return fail(r, y->line, y->column, "the file needs too much memory");
    return true;
}

static struct yaml *read_node(struct reader *r, struct fy_node *node, const struct yaml *at,
                              unsigned depth);

static bool read_key(struct reader *r, struct fy_node *node, struct yaml *member,
                     const struct yaml *map)
{
    struct yaml key = {.line = map->line, .column = map->column};
    if (node == NULL || fy_node_get_type(node) != FYNT_SCALAR)
        return fail(r, map->line, map->column, "a key must be a plain word");
    if (!read_scalar(r, node, &key))
        return false;
    if (key.text.n == 0)
        return fail(r, key.line, key.column, "a key must not be empty");
    member->key = key.text;
    member->key_line = key.line;
    member->key_column = key.column;
    return true;
}

static bool read_map(struct reader *r, struct fy_node *node, struct yaml *y, unsigned depth)
{
    struct yaml **tail = &y->child;
    struct fy_node_pair *pair;
    void *at = NULL;
    y->kind = YAML_MAP;
    while ((pair = fy_node_mapping_iterate(node, &at)) != NULL) {
        struct yaml key = {0};
        if (!read_key(r, fy_node_pair_key(pair), &key, y))
            return false;
        struct yaml where = {.line = key.key_line, .column = key.key_column};
        struct yaml *value = read_node(r, fy_node_pair_value(pair), &where, depth);
        if (value == NULL)
            return false;
        for (const struct yaml *other = y->child; other != NULL; other = other->next)
            if (str_eq(other->key, key.key))
                return fail(r, key.key_line, key.key_column, "this key is here twice; remove one");
        value->key = key.key;
        value->key_line = key.key_line;
        value->key_column = key.key_column;
        *tail = value;
        tail = &value->next;
        y->count++;
    }
    return true;
}

static bool read_list(struct reader *r, struct fy_node *node, struct yaml *y, unsigned depth)
{
    struct yaml **tail = &y->child;
    struct fy_node *item;
    void *at = NULL;
    y->kind = YAML_LIST;
    while ((item = fy_node_sequence_iterate(node, &at)) != NULL) {
        struct yaml *value = read_node(r, item, y, depth);
        if (value == NULL)
            return false;
        *tail = value;
        tail = &value->next;
        y->count++;
    }
    return true;
}

static struct yaml *read_node(struct reader *r, struct fy_node *node, const struct yaml *at,
                              unsigned depth)
{
    struct yaml *y = arena_array(r->arena, 1, sizeof(*y));
    if (y == NULL) {
        (void)fail(r, at->line, at->column, "the file needs too much memory");
        return NULL;
    }
    y->file = r->file;
    y->line = at->line;
    y->column = at->column;
    if (node != NULL)
        position(node, &y->line, &y->column);
    bool ok;
    if (depth >= YAML_DEPTH_MAX) {
        ok = fail(r, at->line, at->column, "nested too deep");
    } else if (node == NULL) {
        y->null = true;
        ok = true;
    } else if (fy_node_is_alias(node)) {
        ok = fail(r, y->line, y->column, "aliases are not supported; write the value out");
    } else if (fy_node_get_tag(node, &(size_t){0}) != NULL) {
        ok = fail(r, y->line, y->column, "tags are not supported; remove it");
    } else if (fy_node_get_type(node) == FYNT_SCALAR) {
        ok = read_scalar(r, node, y);
    } else if (fy_node_get_type(node) == FYNT_MAPPING) {
        ok = read_map(r, node, y, depth + 1);
    } else {
        ok = read_list(r, node, y, depth + 1);
    }
    return ok ? y : NULL;
}

/* It may quote half a character, or a control character. */
static void make_printable(char *text)
{
    struct str s = str_z(text);
    for (size_t good = utf8_valid_prefix(s); good < s.n; good = utf8_valid_prefix(s))
        text[good] = '?';
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
}

/* libfyaml's own message, made one line; false when it has none: there is just no document, but
 * comments or nothing. */
static bool syntax_fault(struct reader *r, struct fy_diag *diag)
{
    void *at = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &at);
    if (e == NULL)
        return false;
    (void)fail(r, e->line > 0 ? (size_t)e->line : 1, e->column > 0 ? (size_t)e->column : 1, e->msg);
    make_printable(r->fault->text);
    return true;
}

static void say_nothing(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)n;
}

static bool refuse_text(struct reader *r)
{
    struct str text = r->file->text;
    size_t good = utf8_valid_prefix(text);
    if (text.n > YAML_FILE_MAX)
        return !fail(r, 0, 0, "the file is larger than 1 MiB");
    const char *nul = text.n > 0 ? memchr(text.p, '\0', text.n) : NULL;
    if (nul != NULL && (size_t)(nul - text.p) < good)
        good = (size_t)(nul - text.p);
    if (good == text.n)
        return false;
    size_t line, column;
    place_of(text, good, &line, &column);
    return !fail(r, line, column, text.p[good] == '\0' ? "a NUL byte" : "invalid UTF-8");
}

static struct yaml *read_document(struct reader *r)
{
    struct yaml top = {.line = 1, .column = 1};
    void *at = NULL;
    struct fy_anchor *anchor = fy_document_anchor_iterate(r->document, &at);
    if (anchor != NULL) {
        size_t n;
        const char *name = fy_anchor_get_text(anchor, &n), *text = r->file->text.p;
        if (name > text && name < text + r->file->text.n) /* the reader's own copy otherwise */
            place_of(r->file->text, (size_t)(name - text) - 1, &top.line, &top.column);
        (void)fail(r, top.line, top.column, "anchors are not supported; write the value out");
        return NULL;
    }
    struct yaml *y = read_node(r, fy_document_root(r->document), &top, 0);
    if (y != NULL && y->kind == YAML_SCALAR && y->null)
        y->kind = YAML_MAP;
    return y;
}

/* The first scalar of a document stands for its place. */
static void place_of_document(struct fy_document *document, size_t *line, size_t *column)
{
    struct fy_node *node = fy_document_root(document);
    for (void *at = NULL; node != NULL && fy_node_get_type(node) != FYNT_SCALAR; at = NULL)
        node = fy_node_get_type(node) == FYNT_SEQUENCE
                   ? fy_node_sequence_iterate(node, &at)
                   : fy_node_pair_key(fy_node_mapping_iterate(node, &at));
    if (node != NULL)
        position(node, line, column);
}

/* False when there is a second document, or text after the first that is none. */
static bool is_alone(struct reader *r, struct fy_parser *parser, struct fy_diag *diag)
{
    size_t line = 0, column = 0;
    struct fy_document *second = fy_parse_load_document(parser);
    if (second == NULL)
        return !syntax_fault(r, diag);
    place_of_document(second, &line, &column);
    fy_parse_document_destroy(parser, second);
    return fail(r, line, column, "more than one document; remove what follows the '---'");
}

static struct yaml *parse(struct reader *r, struct fy_parser *parser, struct fy_diag *diag)
{
    struct yaml *y = NULL;
    r->document = fy_parse_load_document(parser);
    if (r->document != NULL) {
        y = read_document(r);
        if (y != NULL && !is_alone(r, parser, diag))
            y = NULL;
    } else if (!syntax_fault(r, diag) && (y = arena_array(r->arena, 1, sizeof(*y))) != NULL) {
        *y = (struct yaml){.kind = YAML_MAP, .file = r->file, .line = 1, .column = 1};
    }
    if (r->document != NULL)
        fy_parse_document_destroy(parser, r->document);
    return y;
}

struct yaml *yaml_parse(struct arena *a, const struct yaml_file *file, struct yaml_fault *ret_fault)
{
    struct reader r = {.arena = a, .file = file, .fault = ret_fault};
    struct yaml *y = NULL;
    *ret_fault = (struct yaml_fault){0};
    if (refuse_text(&r))
        return NULL;
    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.output_fn = say_nothing;
    struct fy_diag *diag = fy_diag_create(&diag_config);
    if (diag == NULL)
        abort(); /* out of memory */
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag};
    struct fy_parser *parser = fy_parser_create(&config);
    if (parser == NULL)
        abort(); /* likewise */
    /* An empty text would be read up to a NUL. */
    struct str text = file->text.n > 0 ? file->text : STR("\n");
    if (fy_parser_set_string(parser, text.p, text.n) == 0)
        y = parse(&r, parser, diag);
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return y;
}

enum err_code yaml_read(struct arena *a, struct str name, struct str *ret_text, struct err *err)
{
    char *path = mem_copy(name.p, name.n);
    FILE *f = fopen(path, "re");
    int reason = errno;
    mem_free(path);
    if (f == NULL)
        return err_set(err, ERR_IO, "%.*s: %s", STR_ARGS(name), strerror(reason));
    char *p = mem_resize(NULL, YAML_FILE_MAX + 1);
    size_t n = fread(p, 1, YAML_FILE_MAX + 1, f);
    bool bad = ferror(f) != 0;
    (void)fclose(f);
    enum err_code code = ERR_OK;
    if (bad)
        code = err_set(err, ERR_IO, "%.*s: cannot be read (is it a file?)", STR_ARGS(name));
    else if (n > YAML_FILE_MAX)
        code = err_set(err, ERR_LIMIT, "%.*s: the file is larger than 1 MiB", STR_ARGS(name));
    else if (!arena_copy(a, (struct str){p, n}, ret_text))
        code = err_set(err, ERR_LIMIT, "%.*s: the file needs too much memory", STR_ARGS(name));
    mem_free(p);
    return code;
}

struct yaml *yaml_get(const struct yaml *map, struct str key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (struct yaml *m = map->child; m != NULL; m = m->next)
        if (str_eq(m->key, key))
            return m;
    return NULL;
}

struct str yaml_line(const struct yaml_file *file, size_t line)
{
    struct str rest = file->text;
    for (size_t at = 1; line > 0; at++) {
        const char *end = rest.n > 0 ? memchr(rest.p, '\n', rest.n) : NULL;
        size_t n = end != NULL ? (size_t)(end - rest.p) : rest.n;
        if (at == line)
            return str_sub(rest, 0, n);
        if (end == NULL)
            break;
        rest = str_sub(rest, n + 1, rest.n);
    }
    return (struct str){0};
}
