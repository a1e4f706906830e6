#include "policy/check.h"

#include <regex.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "policy/loader.h"

enum { CHECK_JSON_BYTES = 16 * 1024 * 1024 };

enum json_want { WANT_OBJECT, WANT_ARRAY, WANT_ANY };

struct check {
    enum check_kind kind;
    struct str definition;
    regex_t regex; /* CHECK_REGEX */
    bool has_regex;
    struct str *words; /* CHECK_CONTAINS */
    size_t n_words;
    size_t chars; /* CHECK_MAX_CHARS, CHECK_MIN_CHARS */
    enum json_want json;
};

/* ---- compiling --------------------------------------------------------------------------------
 */

static bool compile_regex(struct loader *l, const struct yaml *y, struct check *c)
{
    struct str text;
    char reason[128];
    if (!read_text(l, y, &text))
        return false;
    bool fold = str_has_prefix(text, STR("(?i)"));
    int rc = regcomp(&c->regex, text.p + (fold ? 4 : 0),
                     REG_EXTENDED | REG_NOSUB | (fold ? REG_ICASE : 0));
    if (rc != 0) {
        (void)regerror(rc, &c->regex, reason, sizeof(reason));
        loader_error(l, y, "not a POSIX extended regular expression: %s", reason);
        return false;
    }
    c->has_regex = true;
    return true;
}

static bool compile_contains(struct loader *l, const struct yaml *y, struct check *c)
{
    if (!read_list(l, y, "contains"))
        return false;
    if (y->count == 0) {
        loader_error(l, y, "contains needs at least one text");
        return false;
    }
    c->words = policy_array(l, y->count, sizeof(*c->words));
    bool ok = true;
    for (const struct yaml *m = y->child; m != NULL; m = m->next)
        ok = read_text(l, m, &c->words[c->n_words++]) && ok;
    return ok;
}

static bool compile_chars(struct loader *l, const struct yaml *y, struct check *c)
{
    double n;
    if (!read_number(l, y, 0, 1e9, &n))
        return false;
    c->chars = (size_t)n;
    if ((double)c->chars != n) {
        loader_error(l, y, "'%.*s' must be a whole number", STR_ARGS(y->key));
        return false;
    }
    return true;
}

static bool compile_json(struct loader *l, const struct yaml *y, struct check *c)
{
    static const char *const words[] = {"object", "array", "any"};
    size_t i = 0;
    if (!read_word(l, y, words, ARRAY_LEN(words), &i))
        return false;
    c->json = (enum json_want)i;
    return true;
}

static const struct {
    const char *name;
    bool (*compile)(struct loader *l, const struct yaml *y, struct check *c);
} kinds[] = {
    [CHECK_REGEX] = {"regex", compile_regex},
    [CHECK_CONTAINS] = {"contains", compile_contains},
    [CHECK_MAX_CHARS] = {"max_chars", compile_chars},
    [CHECK_MIN_CHARS] = {"min_chars", compile_chars},
    [CHECK_JSON] = {"json", compile_json},
};

/* "regex" NUL text, "contains" NUL a NUL b ...: what the check means, nothing else. */
static struct str define(struct loader *l, const struct yaml *m)
{
    struct buf b;
    buf_init(&b, 2 * (size_t)YAML_FILE_MAX);
    (void)buf_append_str(&b, m->key);
    (void)buf_append(&b, "", 1);
    (void)buf_append_str(&b, m->text);
    for (const struct yaml *w = m->child; w != NULL; w = w->next) {
        (void)buf_append_str(&b, w->text);
        (void)buf_append(&b, "", 1);
    }
    struct str copy = policy_copy(l, buf_str(&b));
    buf_done(&b);
    return copy;
}

const struct check *check_compile(struct loader *l, const struct yaml *y)
{
    const char *names[ARRAY_LEN(kinds)];
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        names[i] = kinds[i].name;
    if (!read_map(l, y, "a check"))
        return NULL;
    read_known_keys(l, y, names, ARRAY_LEN(names));
    if (y->count != 1) {
        loader_error(l, y, "a check is one of: regex, contains, max_chars, min_chars, json");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_eq(y->child->key, str_z(kinds[i].name)))
            continue;
        struct check *c = policy_array(l, 1, sizeof(*c));
        c->kind = (enum check_kind)i;
        c->definition = define(l, y->child);
        return kinds[i].compile(l, y->child, c) ? c : NULL;
    }
    return NULL;
}

void check_free(const struct check *c)
{
    if (c != NULL && c->has_regex)
        regfree((regex_t *)(uintptr_t)&c->regex);
}

/* ---- testing ----------------------------------------------------------------------------------
 */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(struct str text, struct str word)
{
    for (size_t i = 0; i + word.n <= text.n; i++) {
        size_t k = 0;
        while (k < word.n && lower(text.p[i + k]) == lower(word.p[k]))
            k++;
        if (k == word.n)
            return true;
    }
    return false;
}

static bool contains_any(const struct check *c, struct str text)
{
    for (size_t i = 0; i < c->n_words; i++)
        if (contains(text, c->words[i]))
            return true;
    return false;
}

static bool is_json(enum json_want want, struct str text)
{
    struct arena a;
    struct json_fault fault;
    arena_init(&a, CHECK_JSON_BYTES);
    const struct json *v = json_parse(&a, text, &fault);
    bool ok = v != NULL &&
              (want == WANT_ANY || v->type == (want == WANT_OBJECT ? JSON_OBJECT : JSON_ARRAY));
    arena_done(&a);
    return ok;
}

/* REG_STARTEND gives the end explicitly: a NUL in the text does not hide what follows. */
static bool matches(const struct check *c, struct str text)
{
    regmatch_t whole = {.rm_so = 0, .rm_eo = (regoff_t)text.n};
    return regexec(&c->regex, text.n > 0 ? text.p : "", 1, &whole, REG_STARTEND) == 0;
}

bool check_holds(const struct check *c, struct str response)
{
    switch (c->kind) {
    case CHECK_REGEX:
        return matches(c, response);
    case CHECK_CONTAINS:
        return contains_any(c, response);
    case CHECK_MAX_CHARS:
        return utf8_count(response) <= c->chars;
    case CHECK_MIN_CHARS:
        return utf8_count(response) >= c->chars;
    case CHECK_JSON:
        return is_json(c->json, response);
    }
    return false;
}

struct str check_definition(const struct check *c)
{
    return c->definition;
}
