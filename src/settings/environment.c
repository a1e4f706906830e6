#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "settings/loading.h"

enum { VALUE_MAX = 64 * 1024 };

static bool is_name_char(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* Length of "${NAME}" at the start of the text; 0 when it is not well formed. */
static size_t reference_length(struct str s)
{
    size_t i = 2;
    while (i < s.n && is_name_char(s.p[i], i == 2))
        i++;
    return i > 2 && i < s.n && s.p[i] == '}' ? i + 1 : 0;
}

bool environment_is_reference(struct str text)
{
    return str_has_prefix(text, STR("${")) && reference_length(text) == text.n;
}

bool environment_failed(const struct yaml *y)
{
    return y->null && str_find(y->text, STR("${"), 0) != SIZE_MAX;
}

/* The value of "${NAME}"; false with a problem when there is none. */
static bool look_up(struct loading *l, const struct yaml *y, struct str reference, struct str *ret)
{
    char text[SHOWN_MAX];
    struct str name = str_sub(reference, 2, reference.n - 1);
    char *z = mem_copy(name.p, name.n);
    const char *value = getenv(z);
    mem_free(z);
    if (value == NULL) {
        problem(l, y, "environment variable %s is not set; set it, or write the value here",
                shown(name, text));
        return false;
    }
    *ret = str_z(value);
    if (!utf8_valid(*ret)) {
        problem(l, y, "environment variable %s is not UTF-8; correct it", shown(name, text));
        return false;
    }
    return true;
}

/* Replaces what is there to replace; false with a problem. */
static bool expand(struct loading *l, const struct yaml *y, struct buf *out)
{
    struct str rest = y->text;
    while (rest.n > 0) {
        size_t at = str_find(rest, STR("${"), 0);
        bool literal = at != SIZE_MAX && at > 0 && rest.p[at - 1] == '$';
        size_t plain = at == SIZE_MAX ? rest.n : literal ? at - 1 : at;
        (void)buf_append_str(out, str_sub(rest, 0, plain));
        rest = str_sub(rest, plain, rest.n);
        if (at == SIZE_MAX)
            break;
        if (literal) {
            (void)buf_append_z(out, "${");
            rest = str_sub(rest, 3, rest.n);
            continue;
        }
        struct str value;
        size_t n = reference_length(rest);
        if (n == 0) {
            problem(l, y,
                    "'${' begins no ${NAME} of letters, digits and _; complete it, or write "
                    "$${ for the characters themselves");
            return false;
        }
        if (!look_up(l, y, str_sub(rest, 0, n), &value))
            return false;
        (void)buf_append_str(out, value);
        rest = str_sub(rest, n, rest.n);
    }
    if (out->failed)
        problem(l, y, "longer than 64 KiB with its ${NAME} replaced; shorten it");
    return !out->failed;
}

void environment_replace(struct loading *l, struct yaml *y)
{
    for (struct yaml *child = y->child; child != NULL; child = child->next)
        environment_replace(l, child);
    if (y->kind != YAML_SCALAR || str_find(y->text, STR("${"), 0) == SIZE_MAX)
        return;
    struct buf b;
    buf_init(&b, VALUE_MAX);
    if (expand(l, y, &b))
        y->text = loading_copy(l, &l->arena, buf_str(&b));
    else
        y->null = true; /* its problem is reported; what wants a value is not to add another */
    buf_done(&b);
}
