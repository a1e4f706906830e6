#include "replay/manifest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/date.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/num.h"
#include "yaml/yaml.h"

enum { MEMORY = 256 << 20, TEXT_MAX = 1024, HASH_HEX = 64 };

struct reader {
    struct manifest *m;
    struct yaml_file file;
    struct err *err; /* the first problem */
    bool failed;
};

/* ---- values -----------------------------------------------------------------------------------
 */

static bool RBR_PRINTF(3, 4) fail(struct reader *r, const struct yaml *at, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (r->failed)
        return false;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->failed = true;
    (void)err_set(r->err, ERR_INVALID, "%.*s:%zu:%zu: %s", STR_ARGS(r->file.name), at->line,
                  at->column, text);
    return false;
}

static bool known_keys(struct reader *r, const struct yaml *map, const char *const *keys)
{
    if (map->kind != YAML_MAP)
        return fail(r, map, "is not a map of keys and values");
    for (const struct yaml *y = map->child; y != NULL; y = y->next) {
        size_t i = 0;
        while (keys[i] != NULL && !str_eq(y->key, str_z(keys[i])))
            i++;
        const struct yaml key = {.line = y->key_line, .column = y->key_column};
        if (keys[i] == NULL)
            return fail(r, &key,
                        "a manifest of this version has no such key here; is it what rbr replay "
                        "plan wrote?");
    }
    return true;
}

static const struct yaml *get(struct reader *r, const struct yaml *map, const char *key)
{
    const struct yaml *y = yaml_get(map, str_z(key));
    if (y == NULL)
        (void)fail(r, map, "'%s' is missing", key);
    return y;
}

static bool is_text(struct reader *r, const struct yaml *y, size_t max)
{
    if (y->kind != YAML_SCALAR || y->null || y->text.n == 0)
        return fail(r, y, "is no text");
    if (y->text.n > max)
        return fail(r, y, "is longer than %zu bytes", max);
    for (size_t i = 0; i < y->text.n; i++)
        if ((unsigned char)y->text.p[i] < ' ' || y->text.p[i] == 0x7f)
            return fail(r, y, "has a control character in it");
    return true;
}

/* Letters, digits, dot, underscore and dash: topics and ids. */
static bool is_name(struct reader *r, const struct yaml *y, size_t max)
{
    if (!is_text(r, y, max))
        return false;
    for (size_t i = 0; i < y->text.n; i++) {
        char c = y->text.p[i];
        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' &&
            c != '_' && c != '-')
            return fail(r, y, "may have letters, digits, dots, underscores and dashes only");
    }
    return true;
}

static bool is_hash(struct reader *r, const struct yaml *y, size_t max)
{
    if (!is_text(r, y, max) || y->text.n != max)
        return fail(r, y, "is no hash of %zu hex digits", max);
    for (size_t i = 0; i < max; i++) {
        char c = y->text.p[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return fail(r, y, "is no hash of %zu hex digits", max);
    }
    return true;
}

typedef bool check_fn(struct reader *r, const struct yaml *y, size_t max);

enum { TOPIC_MAX = 249 }; /* Kafka's */

static void read_text(struct reader *r, const struct yaml *map, const char *key, check_fn *check,
                      size_t max, struct str *ret)
{
    const struct yaml *y = get(r, map, key);
    if (y != NULL && check(r, y, max))
        *ret = y->text;
}

static void read_optional(struct reader *r, const struct yaml *map, const char *key,
                          check_fn *check, size_t max, struct str *ret)
{
    const struct yaml *y = yaml_get(map, str_z(key));
    if (y != NULL && check(r, y, max))
        *ret = y->text;
}

static void read_number(struct reader *r, const struct yaml *map, const char *key, int64_t max,
                        int64_t *ret)
{
    const struct yaml *y = get(r, map, key);
    int64_t v;
    if (y == NULL)
        return;
    if (y->kind != YAML_SCALAR || !num_parse_i64(y->text, &v) || v < 0 || v > max)
        (void)fail(r, y, "is no whole number from 0 to %" PRId64, max);
    else
        *ret = v;
}

static void read_count(struct reader *r, const struct yaml *map, const char *key, uint64_t *ret)
{
    int64_t v = 0;
    read_number(r, map, key, INT64_MAX, &v);
    *ret = (uint64_t)v;
}

static void read_list(struct reader *r, const struct yaml *y, check_fn *check, size_t max,
                      struct manifest_list *ret)
{
    if (y == NULL)
        return;
    if (y->kind != YAML_LIST || y->count == 0 || y->count > MANIFEST_LIST_MAX) {
        (void)fail(r, y, "is no list of 1 to %d", MANIFEST_LIST_MAX);
        return;
    }
    ret->items = arena_array(&r->m->arena, y->count, sizeof(*ret->items));
    for (const struct yaml *item = y->child; ret->items != NULL && item != NULL; item = item->next)
        if (check(r, item, max))
            ret->items[ret->n++] = item->text;
}

/* ---- sections -----------------------------------------------------------------------------------
 */

static void read_policy(struct reader *r, const struct yaml *map)
{
    static const char *const keys[] = {"files", "hash", NULL};
    if (map == NULL || !known_keys(r, map, keys))
        return;
    read_list(r, get(r, map, "files"), is_text, TEXT_MAX, &r->m->policy_files);
    read_text(r, map, "hash", is_hash, HASH_HEX, &r->m->policy_hash);
}

static void read_grader(struct reader *r, const struct yaml *map)
{
    static const char *const keys[] = {"name", "model", "revision", "dialect", NULL};
    struct manifest_grader *g = &r->m->grader;
    if (map == NULL || !known_keys(r, map, keys))
        return;
    read_text(r, map, "name", is_text, TEXT_MAX, &g->name);
    read_text(r, map, "model", is_text, TEXT_MAX, &g->model);
    read_optional(r, map, "revision", is_text, TEXT_MAX, &g->revision);
    read_text(r, map, "dialect", is_text, TEXT_MAX, &g->dialect);
}

/* Failures, and all of them within the range. */
static void read_only(struct reader *r, const struct yaml *map, struct manifest_partition *p)
{
    const struct yaml *y = yaml_get(map, STR("only"));
    if ((y != NULL) != (r->m->failed_in.n > 0))
        (void)fail(r, map->child, "'only' and failed_in go together");
    else if (y == NULL)
        return;
    else if (y->kind != YAML_SCALAR || !offset_set_parse(y->text, &p->only))
        (void)fail(r, y, "is no list of offsets, ascending: \"3,7-9\"");
    else if (p->only.runs[0].from < p->start || p->only.runs[p->only.n - 1].to > p->stop)
        (void)fail(r, y, "has offsets outside of start and stop");
}

static void read_partition(struct reader *r, const struct yaml *map)
{
    static const char *const keys[] = {"partition", "start", "stop", "only", NULL};
    struct manifest *m = r->m;
    struct manifest_partition *p = &m->partitions[m->n_partitions];
    int64_t number = 0;
    if (!known_keys(r, map, keys))
        return;
    read_number(r, map, "partition", INT32_MAX, &number);
    read_number(r, map, "start", INT64_MAX - 1, &p->start);
    read_number(r, map, "stop", INT64_MAX - 1, &p->stop);
    p->partition = (int32_t)number;
    m->n_partitions++;
    if (r->failed)
        return;
    if (p->start >= p->stop)
        (void)fail(r, yaml_get(map, STR("start")), "start must be below stop");
    else if (m->n_partitions > 1 && p->partition <= p[-1].partition)
        (void)fail(r, yaml_get(map, STR("partition")), "partitions must ascend");
    else
        read_only(r, map, p);
}

static void read_partitions(struct reader *r, const struct yaml *list)
{
    struct manifest *m = r->m;
    if (list == NULL)
        return;
    if (list->kind != YAML_LIST || list->count == 0 || list->count > MANIFEST_PARTITIONS_MAX) {
        (void)fail(r, list, "is no list of 1 to %d partitions", MANIFEST_PARTITIONS_MAX);
        return;
    }
    m->partitions = arena_array(&m->arena, list->count, sizeof(*m->partitions));
    if (m->partitions == NULL)
        (void)fail(r, list, "needs too much memory");
    for (const struct yaml *y = list->child; !r->failed && y != NULL; y = y->next)
        read_partition(r, y);
}

static void read_estimate(struct reader *r, const struct yaml *map)
{
    static const char *const keys[] = {"sampled",      "records",  "asked", "saved",
                                       "input_tokens", "cost_usd", NULL};
    struct manifest_estimate *e = &r->m->estimate;
    if (map == NULL || !known_keys(r, map, keys))
        return;
    read_count(r, map, "sampled", &e->sampled);
    read_count(r, map, "records", &e->records);
    read_count(r, map, "asked", &e->asked);
    read_count(r, map, "saved", &e->saved);
    read_count(r, map, "input_tokens", &e->input_tokens);
    read_optional(r, map, "cost_usd", is_text, TEXT_MAX, &e->cost_usd);
}

static void read_since(struct reader *r, const struct yaml *root)
{
    const struct yaml *y = yaml_get(root, STR("restore_since"));
    if (y == NULL)
        return;
    if (r->m->restore_from.n == 0)
        (void)fail(r, y, "restore_since is of restore_from, which is missing");
    else if (y->kind != YAML_SCALAR || !date_parse(y->text, &r->m->restore_since_ms) ||
             r->m->restore_since_ms == 0)
        (void)fail(r, y, "is no time like 2026-01-15T10:15:30Z");
}

/* The output must not be read back, or hide among other things. */
static void check_topics(struct reader *r, const struct yaml *root)
{
    const struct manifest *m = r->m;
    if (str_eq(m->output, m->input) || str_eq(m->output, m->dead_letters) ||
        str_eq(m->dead_letters, m->input))
        (void)fail(r, root, "input, output and dead_letters must be three topics");
}

static void read_all(struct reader *r, const struct yaml *root)
{
    static const char *const keys[] = {
        "version",  "id",     "created",      "input",         "output",    "dead_letters",
        "policy",   "grader", "restore_from", "restore_since", "failed_in", "partitions",
        "estimate", NULL};
    struct manifest *m = r->m;
    int64_t version = 1;
    if (!known_keys(r, root, keys))
        return;
    read_number(r, root, "version", INT32_MAX, &version);
    if (version != 1)
        (void)fail(r, yaml_get(root, STR("version")), "this rbr reads manifests of version 1");
    read_text(r, root, "id", is_name, MANIFEST_ID_MAX, &m->id);
    read_text(r, root, "created", is_text, TEXT_MAX, &m->created);
    read_text(r, root, "input", is_name, TOPIC_MAX, &m->input);
    read_text(r, root, "output", is_name, TOPIC_MAX, &m->output);
    read_text(r, root, "dead_letters", is_name, TOPIC_MAX, &m->dead_letters);
    read_policy(r, get(r, root, "policy"));
    read_grader(r, get(r, root, "grader"));
    read_list(r, yaml_get(root, STR("restore_from")), is_name, TOPIC_MAX, &m->restore_from);
    read_since(r, root);
    read_optional(r, root, "failed_in", is_name, TOPIC_MAX, &m->failed_in);
    read_partitions(r, get(r, root, "partitions"));
    read_estimate(r, yaml_get(root, STR("estimate")));
    check_topics(r, root);
}

enum err_code manifest_parse(struct str name, struct str text, struct manifest **ret,
                             struct err *err)
{
    struct manifest *m = mem_alloc(sizeof(*m));
    struct reader r = {.m = m, .file = {.name = name, .text = text}, .err = err};
    struct yaml_fault fault;
    arena_init(&m->arena, MEMORY);
    const struct yaml *root = yaml_parse(&m->arena, &r.file, &fault);
    if (root == NULL) {
        r.failed = true;
        (void)err_set(err, ERR_INVALID, "%.*s:%zu:%zu: %s", STR_ARGS(name), fault.line,
                      fault.column, fault.text);
    } else {
        read_all(&r, root);
    }
    if (r.failed) {
        manifest_free(m);
        return err->code;
    }
    *ret = m;
    return ERR_OK;
}

enum err_code manifest_load(struct str file, struct manifest **ret, struct err *err)
{
    struct arena arena;
    struct str text;
    arena_init(&arena, MEMORY);
    enum err_code code = yaml_read(&arena, file, &text, err);
    if (code == ERR_OK)
        code = manifest_parse(file, text, ret, err);
    arena_done(&arena);
    return code;
}

void manifest_free(struct manifest *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n_partitions; i++)
        offset_set_done(&m->partitions[i].only);
    arena_done(&m->arena);
    mem_free(m);
}

/* ---- printing -----------------------------------------------------------------------------------
 */

static void print_text(struct buf *out, const char *before, struct str s)
{
    (void)buf_append_z(out, before);
    (void)json_quote(out, s); /* a JSON string is a YAML string */
}

static void print_list(struct buf *out, const char *before, const struct manifest_list *list)
{
    (void)buf_append_z(out, before);
    for (size_t i = 0; i < list->n; i++)
        print_text(out, i > 0 ? ", " : "[", list->items[i]);
    (void)buf_append_z(out, "]\n");
}

static void print_partition(struct buf *out, const struct manifest_partition *p)
{
    (void)buf_printf(out, "  - {partition: %" PRId32 ", start: %" PRId64 ", stop: %" PRId64,
                     p->partition, p->start, p->stop);
    if (p->only.n > 0) {
        (void)buf_append_z(out, ", only: \"");
        offset_set_print(&p->only, out);
        (void)buf_append_z(out, "\"");
    }
    (void)buf_append_z(out, "}\n");
}

static void print_estimate(struct buf *out, const struct manifest_estimate *e)
{
    (void)buf_printf(out,
                     "estimate: {sampled: %" PRIu64 ", records: %" PRIu64 ", asked: %" PRIu64
                     ", saved: %" PRIu64 ", input_tokens: %" PRIu64,
                     e->sampled, e->records, e->asked, e->saved, e->input_tokens);
    if (e->cost_usd.n > 0)
        print_text(out, ", cost_usd: ", e->cost_usd);
    (void)buf_append_z(out, "}\n");
}

bool manifest_print(const struct manifest *m, struct buf *out)
{
    const struct manifest_estimate *e = &m->estimate;
    char date[DATE_MAX];
    (void)buf_append_z(out, "# What `rbr replay run` does, on any number of hosts at once.\n"
                            "version: 1\n");
    (void)buf_printf(out, "id: \"%.*s\"", STR_ARGS(m->id));
    print_text(out, "\ncreated: ", m->created);
    (void)buf_printf(out, "\ninput: \"%.*s\"\noutput: \"%.*s\"\ndead_letters: \"%.*s\"\n",
                     STR_ARGS(m->input), STR_ARGS(m->output), STR_ARGS(m->dead_letters));
    print_list(out, "policy:\n  files: ", &m->policy_files);
    (void)buf_printf(out, "  hash: \"%.*s\"\n", STR_ARGS(m->policy_hash));
    print_text(out, "grader: {name: ", m->grader.name);
    print_text(out, ", model: ", m->grader.model);
    if (m->grader.revision.n > 0)
        print_text(out, ", revision: ", m->grader.revision);
    print_text(out, ", dialect: ", m->grader.dialect);
    (void)buf_append_z(out, "}\n");
    if (m->restore_from.n > 0)
        print_list(out, "restore_from: ", &m->restore_from);
    if (m->restore_since_ms > 0) {
        date_print(m->restore_since_ms, date);
        (void)buf_printf(out, "restore_since: \"%s\"\n", date);
    }
    if (m->failed_in.n > 0)
        (void)buf_printf(out, "failed_in: \"%.*s\"\n", STR_ARGS(m->failed_in));
    if (e->sampled > 0)
        print_estimate(out, e);
    (void)buf_append_z(out, "partitions:\n");
    for (size_t i = 0; i < m->n_partitions; i++)
        print_partition(out, &m->partitions[i]);
    return !out->failed;
}

uint64_t manifest_offsets(const struct manifest *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n_partitions; i++) {
        const struct manifest_partition *p = &m->partitions[i];
        n += p->only.n > 0 ? p->only.count : (uint64_t)(p->stop - p->start);
    }
    return n;
}
