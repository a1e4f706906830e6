/* One value of each type: from YAML, with a problem that says what is wanted when it is not that.
 */
#include <assert.h>
#include <stdio.h>

#include "base/num.h"
#include "settings/loading.h"

static bool is_scalar(struct loading *l, const struct field *f, const struct yaml *y)
{
    if (y->kind == YAML_SCALAR)
        return true;
    problem_of(l, f, y, "a %s, where one value is wanted; write %s: VALUE",
               y->kind == YAML_LIST ? "list" : "map", strrchr(f->path, '.') + 1);
    return false;
}

/* ---- text -------------------------------------------------------------------------------------
 */

static bool has_control(struct str s, bool lines)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && !(lines && (s.p[i] == '\n' || s.p[i] == '\t'))) ||
            s.p[i] == 0x7f)
            return true;
    return false;
}

static bool only_has(struct str s, const char *others)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return s.n > 0;
}

static bool check_name(struct loading *l, const struct field *f, const struct yaml *y)
{
    uint64_t number;
    char text[SHOWN_MAX];
    if (y->text.n <= 64 && only_has(y->text, "_-") && !num_parse_u64(y->text, &number))
        return true;
    problem_of(l, f, y, "'%s' is no name; use up to 64 letters, digits, _ and -, not digits alone",
               shown(y->text, text));
    return false;
}

static bool check_topic(struct loading *l, const struct field *f, const struct yaml *y)
{
    char text[SHOWN_MAX];
    if (y->text.n <= 249 && only_has(y->text, "._-") && !str_eq(y->text, STR(".")) &&
        !str_eq(y->text, STR("..")))
        return true;
    problem_of(l, f, y, "'%s' is no topic; use up to 249 letters, digits, '.', _ and -",
               shown(y->text, text));
    return false;
}

static bool is_broker(struct str s)
{
    s = str_trim(s);
    if (str_has_prefix(s, STR("http://")) || str_has_prefix(s, STR("https://")))
        return false; /* what answers there is no broker */
    size_t scheme = str_find(s, STR("://"), 0);
    if (scheme != SIZE_MAX)
        s = str_sub(s, scheme + 3, s.n);
    size_t bracket = str_find(s, STR("]"), 0);
    size_t colon = str_find(s, STR(":"), bracket != SIZE_MAX ? bracket : 0);
    struct str host = str_sub(s, 0, colon != SIZE_MAX ? colon : s.n);
    uint64_t port = 9092;
    if (colon != SIZE_MAX && !num_parse_u64(str_sub(s, colon + 1, s.n), &port))
        return false;
    return port > 0 && port <= UINT16_MAX && only_has(host, bracket != SIZE_MAX ? "[]:%" : ".-_");
}

static bool check_brokers(struct loading *l, const struct field *f, const struct yaml *y)
{
    char text[SHOWN_MAX];
    for (size_t from = 0; from <= y->text.n;) {
        size_t comma = str_find(y->text, STR(","), from);
        size_t end = comma != SIZE_MAX ? comma : y->text.n;
        if (!is_broker(str_sub(y->text, from, end))) {
            problem_of(l, f, y, "'%s' is no broker; write host:port, several separated by commas",
                       shown(str_sub(y->text, from, end), text));
            return false;
        }
        from = end + 1;
    }
    return true;
}

static bool check_text(struct loading *l, const struct field *f, const struct yaml *y)
{
    if (!is_scalar(l, f, y))
        return false;
    if (y->text.n == 0 && f->initial != NULL && f->initial[0] == '\0')
        return true;
    if (y->text.n == 0) {
        problem_of(l, f, y, "is empty; write a value, or remove the line");
        return false;
    }
    if (has_control(y->text, f->type == FIELD_LINES)) {
        problem_of(l, f, y, "has a %scontrol character in it; remove it",
                   f->type == FIELD_LINES ? "" : "line end or other ");
        return false;
    }
    if (f->type == FIELD_NAME)
        return check_name(l, f, y);
    if (f->type == FIELD_TOPIC)
        return check_topic(l, f, y);
    return f->type != FIELD_BROKERS || check_brokers(l, f, y);
}

static struct str resolve(struct loading *l, struct str path)
{
    if (path.n == 0 || path.p[0] == '/' || l->folder.n == 0)
        return loading_copy(l, &l->settings->arena, path);
    char *p = loading_array(l, &l->settings->arena, l->folder.n + path.n + 1, 1);
    if (p == NULL)
        return (struct str){0};
    memcpy(p, l->folder.p, l->folder.n);
    memcpy(p + l->folder.n, path.p, path.n);
    return (struct str){p, l->folder.n + path.n};
}

/* Is the API's version in it, as in http://HOST:PORT/v1/chat/completions? */
static bool names_version(struct str url)
{
    size_t at = str_find(url, STR("/v1"), 0);
    return at != SIZE_MAX && (at + 3 == url.n || url.p[at + 3] == '/');
}

static bool check_url(struct loading *l, const struct field *f, const struct yaml *y)
{
    struct str url = y->text;
    char text[SHOWN_MAX];
    bool http = str_has_prefix(url, STR("http://")), https = str_has_prefix(url, STR("https://"));
    struct str rest = str_sub(url, http ? 7 : https ? 8 : url.n, url.n);
    const char *why = NULL;
    if (f->type == FIELD_URLS && str_has_prefix(url, STR("unix:/")))
        return true;
    if (str_find(url, STR("@"), 0) != SIZE_MAX) {
        /* Not shown: it may be a password. */
        problem_of(l, f, y, "credentials do not belong in a URL%s",
                   f->type == FIELD_URL ? "; use a proxy that needs none"
                                        : "; put the key in api_key_file");
        return false;
    }
    if (!http && !https)
        why = "begin it with http:// or https://";
    else if (rest.n == 0 || rest.p[0] == '/' || rest.p[0] == ':')
        why = "name a host: http://HOST:PORT";
    else if (str_find(url, STR("?"), 0) != SIZE_MAX || str_find(url, STR("#"), 0) != SIZE_MAX)
        why = "remove what follows ? or #: a path is added to it";
    else if (f->type == FIELD_URLS && names_version(url))
        why = "end it before /v1: the dialect's path, which begins with that, is added to it";
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] == ' ')
            why = "remove the space in it";
    if (why == NULL)
        return true;
    problem_of(l, f, y, "'%s' is no base URL; %s", shown(url, text), why);
    return false;
}

static void read_text(struct loading *l, const struct field *f, const struct yaml *y,
                      struct str *to)
{
    if (!check_text(l, f, y) || (f->type == FIELD_URL && y->text.n > 0 && !check_url(l, f, y)))
        return;
    *to =
        f->type == FIELD_PATH ? resolve(l, y->text) : loading_copy(l, &l->settings->arena, y->text);
}

/* ---- lists ------------------------------------------------------------------------------------
 */

static bool check_id(struct loading *l, const struct field *f, const struct yaml *y)
{
    uint64_t id;
    char text[SHOWN_MAX];
    if (num_parse_u64(y->text, &id) && id <= INT32_MAX)
        return true;
    problem_of(l, f, y, "'%s' is no token id; write a whole number", shown(y->text, text));
    return false;
}

static bool check_item(struct loading *l, const struct field *f, const struct yaml *y)
{
    if (y->kind != YAML_SCALAR || y->text.n == 0 || y->null) {
        problem_of(l, f, y, "an item that is %s; write one value",
                   y->kind == YAML_SCALAR ? "empty"
                   : y->kind == YAML_LIST ? "a list"
                                          : "a map");
        return false;
    }
    if (has_control(y->text, false)) {
        problem_of(l, f, y, "has a line end or other control character in it; remove it");
        return false;
    }
    if (f->type == FIELD_IDS)
        return check_id(l, f, y);
    if (f->type == FIELD_TOPICS)
        return check_topic(l, f, y);
    return f->type != FIELD_URLS || check_url(l, f, y);
}

/* Is an item before this one the same? */
static bool is_repeated(const struct yaml *list, const struct yaml *item)
{
    for (const struct yaml *y = list->child; y != item; y = y->next)
        if (y->kind == YAML_SCALAR && str_eq(y->text, item->text))
            return true;
    return false;
}

static void read_list(struct loading *l, const struct field *f, const struct yaml *y,
                      struct setting_list *to)
{
    uint64_t max = 0;
    char text[SHOWN_MAX];
    bool ok = num_parse_u64(str_z(f->max), &max);
    assert(ok);
    (void)ok;
    if (y->kind != YAML_LIST) {
        problem_of(l, f, y, "is not a list; write [a, b], or a line '- a' for each");
        return;
    }
    if (y->count == 0 || y->count > max) {
        problem_of(l, f, y, "has %zu items; write 1 to %s", y->count, f->max);
        return;
    }
    struct str *items = loading_array(l, &l->settings->arena, y->count, sizeof(*items));
    if (items == NULL)
        return;
    *to = (struct setting_list){.items = items};
    for (const struct yaml *item = y->child; item != NULL; item = item->next) {
        if (environment_failed(item) || !check_item(l, f, item))
            continue;
        if (is_repeated(y, item))
            problem_of(l, f, item, "'%s' is here twice; remove one", shown(item->text, text));
        items[to->n++] = f->type == FIELD_PATHS ? resolve(l, item->text)
                                                : loading_copy(l, &l->settings->arena, item->text);
    }
}

/* ---- words ------------------------------------------------------------------------------------
 */

enum { WORDS_SHOWN_MAX = 160 };

static void list_words(const struct field *f, char out[WORDS_SHOWN_MAX])
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < FIELD_WORDS_MAX && f->words[i] != NULL; i++) {
        bool last = i + 1 == FIELD_WORDS_MAX || f->words[i + 1] == NULL;
        const char *before = i == 0 ? "" : last ? " or " : ", ";
        n += (size_t)snprintf(out + n, WORDS_SHOWN_MAX - n, "%s%s", before, f->words[i]);
    }
}

static bool find_word(struct loading *l, const struct field *f, const struct yaml *y, size_t *ret)
{
    char text[SHOWN_MAX], words[WORDS_SHOWN_MAX];
    if (!is_scalar(l, f, y))
        return false;
    for (size_t i = 0; i < FIELD_WORDS_MAX && f->words[i] != NULL; i++) {
        if (!str_eq(y->text, str_z(f->words[i])))
            continue;
        *ret = i;
        return true;
    }
    list_words(f, words);
    problem_of(l, f, y, "there is no '%s'; write %s", shown(y->text, text), words);
    return false;
}

static void read_word(struct loading *l, const struct field *f, const struct yaml *y, void *to)
{
    size_t i;
    if (!find_word(l, f, y, &i))
        return;
    if (f->type == FIELD_WORD)
        *(struct str *)to = str_z(f->words[i]);
    else if (f->type == FIELD_SWITCH)
        *(bool *)to = i == 1;
    else
        *(unsigned *)to = (unsigned)i;
}

static void read_flag(struct loading *l, const struct field *f, const struct yaml *y, bool *to)
{
    char text[SHOWN_MAX];
    if (!is_scalar(l, f, y))
        return;
    bool yes = str_eq(y->text, STR("true")), no = str_eq(y->text, STR("false"));
    if (y->quoted || (!yes && !no))
        problem_of(l, f, y, "'%s' is neither true nor false; write one of them, without quotes",
                   shown(y->text, text));
    else
        *to = yes;
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static void refuse_number(struct loading *l, const struct field *f, const struct yaml *y)
{
    char text[SHOWN_MAX];
    (void)shown(y->text, text);
    if (f->type == FIELD_COUNT)
        problem_of(l, f, y, "'%s' is not a whole number; write digits alone, e.g. %s", text,
                   f->initial);
    else if (f->type == FIELD_SIZE)
        problem_of(
            l, f, y,
            "'%s' is not a size; write a number with B, KiB, MiB, GiB, KB, MB or GB, e.g. %s", text,
            f->initial);
    else if (f->type == FIELD_DECIMAL)
        problem_of(l, f, y,
                   "'%s' is not a number; write digits, a point and up to six digits, e.g. %s",
                   text, f->initial[0] != '\0' ? f->initial : "0.25");
    else
        problem_of(l, f, y,
                   "'%s' is not a duration; write a number with us, ms, s, m, h or d, e.g. %s",
                   text, f->initial);
}

static void read_number(struct loading *l, const struct field *f, const struct yaml *y,
                        uint64_t *to)
{
    uint64_t v, min = 0, max = 0;
    char text[SHOWN_MAX];
    bool ok = field_parse_number(f->type, str_z(f->min), &min) &&
              field_parse_number(f->type, str_z(f->max), &max);
    assert(ok);
    (void)ok;
    if (!is_scalar(l, f, y))
        return;
    if (f->initial[0] == '\0' && y->text.n == 0)
        *to = SETTINGS_UNSET;
    else if (!field_parse_number(f->type, y->text, &v))
        refuse_number(l, f, y);
    else if (v < min || v > max)
        problem_of(l, f, y, "%s is out of range; choose %s to %s", shown(y->text, text), f->min,
                   f->max);
    else
        *to = v;
}

/* ---- any --------------------------------------------------------------------------------------
 */

void value_read(struct loading *l, const struct field *f, const struct yaml *y, void *to)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_LINES:
    case FIELD_NAME:
    case FIELD_TOPIC:
    case FIELD_BROKERS:
    case FIELD_PATH:
    case FIELD_URL:
        read_text(l, f, y, to);
        break;
    case FIELD_TOPICS:
    case FIELD_PATHS:
    case FIELD_URLS:
    case FIELD_IDS:
        read_list(l, f, y, to);
        break;
    case FIELD_WORD:
    case FIELD_SWITCH:
    case FIELD_ENUM:
        read_word(l, f, y, to);
        break;
    case FIELD_FLAG:
        read_flag(l, f, y, to);
        break;
    case FIELD_COUNT:
    case FIELD_SIZE:
    case FIELD_DURATION:
    case FIELD_DECIMAL:
        read_number(l, f, y, to);
        break;
    case FIELD_PROPERTIES:
        properties_read(l, f, y, to);
        break;
    case FIELD_TYPES:
        break;
    }
}

void value_defaults(struct loading *l, struct str section, void *base)
{
    for (size_t i = 0; i < n_fields; i++) {
        const struct field *f = &fields[i];
        bool wanted = section.n > 0 ? field_below(f, section) : !field_below(f, STR(GRADERS));
        if (!wanted || f->initial == NULL)
            continue;
        struct yaml y = {.text = str_z(f->initial), .file = &l->file};
        value_read(l, f, &y, field_at(f, base));
    }
}
