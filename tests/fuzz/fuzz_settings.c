/* Any text as settings, its "#set " lines as overrides: settings or problems, never both; a line
 * for each problem, with nothing in it that a terminal would obey; the dump of what was taken loads
 * again, to the same dump. */
#include "../support/fuzz.h"

#include "base/utf8.h"
#include "settings/settings.h"

enum { SETS_MAX = 16, LINES_MAX = 100 };

static void check_problems(const struct settings_problems *p)
{
    struct str text = buf_str(&p->lines);
    size_t lines = 0;
    for (size_t i = 0; i < text.n; i++) {
        lines += text.p[i] == '\n';
        require((unsigned char)text.p[i] >= ' ' || text.p[i] == '\n');
    }
    require(lines == (p->n < LINES_MAX ? p->n : LINES_MAX));
    require(utf8_valid(text));
}

static struct settings *load(struct str text, const struct str *sets, size_t n)
{
    struct settings_problems p = {0};
    buf_init(&p.lines, 1u << 20);
    struct settings *s = settings_load(STR("w.yaml"), &text, sets, n, 0, &p);
    require((s == NULL) == (p.n > 0));
    check_problems(&p);
    buf_done(&p.lines);
    return s;
}

static size_t find_sets(struct str text, struct str sets[SETS_MAX])
{
    size_t n = 0;
    for (size_t from = 0; from < text.n && n < SETS_MAX;) {
        size_t newline = str_find(text, STR("\n"), from);
        size_t end = newline != SIZE_MAX ? newline : text.n;
        struct str line = str_sub(text, from, end);
        if (str_has_prefix(line, STR("#set ")))
            sets[n++] = str_sub(line, 5, line.n);
        from = end + 1;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {size > 0 ? (const char *)data : "", size}, sets[SETS_MAX];
    size_t n = find_sets(text, sets);
    struct buf first, second;
    struct settings *s = load(text, sets, n);
    if (s == NULL)
        return 0;
    buf_init(&first, 16u << 20);
    buf_init(&second, 16u << 20);
    require(settings_dump(s, &first));
    settings_free(s);
    if (first.n < 1u << 20) { /* what a settings file may have */
        s = load(buf_str(&first), NULL, 0);
        require(s != NULL && settings_dump(s, &second));
        require(str_eq(buf_str(&first), buf_str(&second)));
        settings_free(s);
    }
    buf_done(&first);
    buf_done(&second);
    return 0;
}
