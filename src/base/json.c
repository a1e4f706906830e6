#include "base/json.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/utf8.h"

struct reader {
    struct arena *arena;
    const char *text;
    size_t n;
    size_t at;
    struct json_fault fault;
};

const char *json_fault_text(enum json_fault_kind kind)
{
    static const char *const texts[] = {
#define X(kind, text) [JSON_FAULT_##kind] = text,
        JSON_FAULTS(X)
#undef X
    };
    return texts[kind];
}

static bool fail_at(struct reader *r, enum json_fault_kind kind, size_t offset)
{
    r->fault = (struct json_fault){kind, offset};
    return false;
}

static bool fail(struct reader *r, enum json_fault_kind kind)
{
    return fail_at(r, r->at >= r->n && kind == JSON_FAULT_SYNTAX ? JSON_FAULT_TRUNCATED : kind,
                   r->at);
}

static inline void skip_space(struct reader *r)
{
    while (r->at < r->n) {
        char c = r->text[r->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        r->at++;
    }
}

/* ---- strings ----------------------------------------------------------------------------------
 */

/* Which of eight bytes, the first one lowest, is the first that is ", \ or a control character; 8
 * when none. What a subtraction borrows reaches only bytes above the first that is found. */
static size_t first_special(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t quote = v ^ (ones * '"'), back = v ^ (ones * '\\');
    uint64_t found = ((quote - ones) & ~quote) | ((back - ones) & ~back) | ((v - ones * 0x20) & ~v);
    found &= high;
    return found != 0 ? (size_t)__builtin_ctzll(found) / 8 : 8;
}

/* Position of the first byte at or after `from` that is ", \ or a control character; n when none.
 */
static size_t plain_run(const char *p, size_t from, size_t n)
{
    size_t i = from;
    while (n - i >= 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        size_t at = first_special(le64toh(v));
        i += at;
        if (at < 8)
            return i;
    }
    while (i < n && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] >= 0x20)
        i++;
    return i;
}

static bool hex4(const struct reader *r, size_t at, uint32_t *ret)
{
    uint32_t v = 0;
    if (r->n - at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        char c = r->text[at + i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
        v = v << 4 | digit;
    }
    *ret = v;
    return true;
}

/* \uXXXX, or a pair of them; r->at is behind the 'u'. Appends to out, returns bytes written; 0 on a
 * fault. */
static size_t unescape_unicode(struct reader *r, char *out)
{
    uint32_t c, low;
    size_t start = r->at - 2;
    if (!hex4(r, r->at, &c)) {
        bool cut = r->n - r->at < 4 && memchr(r->text + r->at, '"', r->n - r->at) == NULL;
        (void)fail_at(r, cut ? JSON_FAULT_TRUNCATED : JSON_FAULT_SYNTAX, start);
        return 0;
    }
    r->at += 4;
    if (c >= 0xd800 && c <= 0xdfff) {
        if (c > 0xdbff || r->n - r->at < 6 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u' ||
            !hex4(r, r->at + 2, &low) || low < 0xdc00 || low > 0xdfff) {
            (void)fail_at(r, JSON_FAULT_LONE_SURROGATE, start);
            return 0;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        r->at += 6;
    }
    return utf8_encode(c, out);
}

static size_t unescape(struct reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->n) {
        (void)fail(r, JSON_FAULT_TRUNCATED);
        return 0;
    }
    char c = r->text[r->at++];
    if (c == 'u')
        return unescape_unicode(r, out);
    const char *hit = memchr(from, c, sizeof(from) - 1);
    if (hit == NULL) {
        (void)fail_at(r, JSON_FAULT_SYNTAX, r->at - 1);
        return 0;
    }
    *out = to[hit - from];
    return 1;
}

/* The end of the literal (its closing quote), ignoring what escapes mean; n when it has none. */
static size_t closing_quote(const struct reader *r)
{
    size_t i = r->at;
    while (i < r->n) {
        i = plain_run(r->text, i, r->n);
        if (i >= r->n || r->text[i] == '"')
            return i;
        i += r->text[i] == '\\' ? 2 : 1;
    }
    return r->n;
}

/* A literal with escapes, from `first` (the first backslash) on. */
static bool read_escaped(struct reader *r, size_t start, size_t first, struct str *ret)
{
    r->at = first;
    size_t end = closing_quote(r);
    char *out =
        arena_alloc(r->arena, end - start + 1); /* an escape is never shorter than what it means */
    if (out == NULL)
        return fail(r, JSON_FAULT_TOO_LARGE);
    size_t n = first - start;
    memcpy(out, r->text + start, n);
    while (r->at < r->n && r->text[r->at] != '"') {
        size_t run = plain_run(r->text, r->at, r->n);
        memcpy(out + n, r->text + r->at, run - r->at);
        n += run - r->at;
        r->at = run;
        if (run == r->n || r->text[run] == '"')
            continue;
        if (r->text[run] != '\\')
            return fail(r, JSON_FAULT_CONTROL);
        r->at++;
        size_t wrote = unescape(r, out + n);
        if (wrote == 0)
            return false;
        n += wrote;
    }
    if (r->at >= r->n)
        return fail(r, JSON_FAULT_TRUNCATED);
    r->at++;
    *ret = (struct str){out, n};
    return true;
}

/* r->at is at the opening quote. */
static bool read_string(struct reader *r, struct str *ret)
{
    size_t start = ++r->at;
    size_t end = plain_run(r->text, start, r->n);
    r->at = end;
    if (end < r->n && r->text[end] == '\\')
        return read_escaped(r, start, end, ret);
    if (end >= r->n)
        return fail(r, JSON_FAULT_TRUNCATED);
    if (r->text[end] != '"')
        return fail(r, JSON_FAULT_CONTROL);
    r->at = end + 1;
    *ret = (struct str){r->text + start, end - start};
    return true;
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static bool is_at(const struct reader *r, char c)
{
    return r->at < r->n && r->text[r->at] == c;
}

struct digits {
    uint64_t value; /* of all, while they are at most 19 */
    size_t n;
};

/* One at least; they follow those in `d`. */
static bool read_digits(struct reader *r, struct digits *d)
{
    uint64_t value = d->value;
    size_t at = r->at;
    while (at < r->n && r->text[at] >= '0' && r->text[at] <= '9')
        value = value * 10 + (uint64_t)(r->text[at++] - '0');
    if (at == r->at)
        return fail(r, JSON_FAULT_SYNTAX);
    *d = (struct digits){value, d->n + (at - r->at)};
    r->at = at;
    return true;
}

/* Decimals with at most 15 digits and a small power of ten are exact in double arithmetic: one
 * integer, one division. The others go the slow way. */
static bool read_number(struct reader *r, struct json *v)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    struct digits d = {0}, power = {0};
    size_t start = r->at, whole;
    bool negative = is_at(r, '-');
    r->at += negative;
    if (is_at(r, '0')) {
        r->at++;
        d.n = 1;
    } else if (!read_digits(r, &d)) {
        return false;
    }
    whole = d.n;
    if (is_at(r, '.')) {
        r->at++;
        if (!read_digits(r, &d))
            return false;
    }
    if (is_at(r, 'e') || is_at(r, 'E')) {
        r->at++;
        r->at += is_at(r, '+') || is_at(r, '-');
        if (!read_digits(r, &power))
            return false;
    }
    v->type = JSON_NUMBER;
    v->string = (struct str){r->text + start, r->at - start};
    if (power.n == 0 && d.n < ARRAY_LEN(powers)) {
        double n = (double)(int64_t)d.value;
        if (d.n > whole) /* dividing takes as long as all the rest */
            n /= powers[d.n - whole];
        v->number = negative ? -n : n;
        return true;
    }
    if (!num_parse_f64(v->string, &v->number))
        return fail_at(r, JSON_FAULT_NOT_FINITE, start);
    return true;
}

/* ---- values -----------------------------------------------------------------------------------
 */

static bool read_value(struct reader *r, struct json *v, unsigned depth);

static bool read_word(struct reader *r, const char *word, size_t n)
{
    if (r->n - r->at < n || memcmp(r->text + r->at, word, n) != 0) {
        size_t have = r->n - r->at;
        bool cut = have < n && memcmp(r->text + r->at, word, have) == 0;
        return fail_at(r, cut ? JSON_FAULT_TRUNCATED : JSON_FAULT_SYNTAX, r->at);
    }
    r->at += n;
    return true;
}

static struct json *new_value(struct reader *r)
{
    static const struct json empty; /* a copy is quicker than gcc's memset */
    struct json *v = arena_alloc(r->arena, sizeof(*v));
    if (v == NULL)
        (void)fail(r, JSON_FAULT_TOO_LARGE);
    else
        *v = empty;
    return v;
}

/* Duplicate keys: small objects by comparing, large ones by sorting. No hash: keys may be chosen so
 * that they collide. */
enum { COMPARE_MAX = 24 };

static int compare_keys(struct str a, struct str b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return a.n > 0 ? memcmp(a.p, b.p, a.n) : 0;
}

static int by_key(const void *a, const void *b)
{
    const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;
    int order = compare_keys(x->key, y->key);
    return order != 0 ? order : x->key_start < y->key_start ? -1 : x->key_start > y->key_start;
}

bool json_index(struct arena *a, const struct json *v, struct json_index *ret)
{
    size_t n = v != NULL && v->type == JSON_OBJECT ? v->count : 0;
    const struct json **members = arena_array(a, n, sizeof(*members));
    if (members == NULL)
        return false;
    *ret = (struct json_index){.members = members};
    for (const struct json *m = n > 0 ? v->child : NULL; m != NULL; m = m->next)
        members[ret->n++] = m;
    if (n > 1)
        qsort(members, n, sizeof(const struct json *), by_key);
    return true;
}

const struct json *json_index_get(const struct json_index *index, struct str key)
{
    size_t low = 0, high = index->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(index->members[middle]->key, key);
        if (order == 0)
            return index->members[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The first member whose key is already there; NULL when none. */
static bool find_duplicate(struct reader *r, const struct json *object, const struct json **ret)
{
    struct json_index index;
    if (!json_index(r->arena, object, &index))
        return fail(r, JSON_FAULT_TOO_LARGE);
    *ret = NULL;
    for (size_t i = 1; i < index.n; i++) {
        const struct json *m = index.members[i];
        if (str_eq(m->key, index.members[i - 1]->key) &&
            (*ret == NULL || m->key_start < (*ret)->key_start))
            *ret = m;
    }
    return true;
}

static bool is_new_key(const struct json *object, struct str key)
{
    if (object->count >= COMPARE_MAX)
        return true; /* checked at the end, all at once */
    for (const struct json *m = object->child; m != NULL; m = m->next)
        if (str_eq(m->key, key))
            return false;
    return true;
}

static bool read_member(struct reader *r, const struct json *object, struct json *m, unsigned depth)
{
    m->key_start = r->at;
    if (r->at >= r->n || r->text[r->at] != '"')
        return fail(r, JSON_FAULT_SYNTAX);
    if (!read_string(r, &m->key))
        return false;
    if (!is_new_key(object, m->key))
        return fail_at(r, JSON_FAULT_DUPLICATE_KEY, m->key_start);
    skip_space(r);
    if (r->at >= r->n || r->text[r->at] != ':')
        return fail(r, JSON_FAULT_SYNTAX);
    r->at++;
    skip_space(r);
    return read_value(r, m, depth);
}

/* The inside of [..] or {..}; r->at is behind the opening bracket. */
static bool read_children(struct reader *r, struct json *v, char close, unsigned depth)
{
    struct json **tail = &v->child;
    skip_space(r);
    if (r->at < r->n && r->text[r->at] == close) {
        r->at++;
        return true;
    }
    for (;;) {
        struct json *child = new_value(r);
        if (child == NULL)
            return false;
        if (!(v->type == JSON_OBJECT ? read_member(r, v, child, depth)
                                     : read_value(r, child, depth)))
            return false;
        *tail = child;
        tail = &child->next;
        v->count++;
        skip_space(r);
        if (r->at >= r->n || (r->text[r->at] != ',' && r->text[r->at] != close))
            return fail(r, JSON_FAULT_SYNTAX);
        if (r->text[r->at++] == close)
            break;
        skip_space(r);
    }
    if (v->type == JSON_OBJECT && v->count > COMPARE_MAX) {
        const struct json *twice;
        if (!find_duplicate(r, v, &twice))
            return false;
        if (twice != NULL)
            return fail_at(r, JSON_FAULT_DUPLICATE_KEY, twice->key_start);
    }
    return true;
}

static bool read_container(struct reader *r, struct json *v, unsigned depth)
{
    char open = r->text[r->at];
    if (depth >= JSON_DEPTH_MAX)
        return fail(r, JSON_FAULT_TOO_DEEP);
    v->type = open == '{' ? JSON_OBJECT : JSON_ARRAY;
    r->at++;
    return read_children(r, v, open == '{' ? '}' : ']', depth + 1);
}

static bool read_any(struct reader *r, struct json *v, unsigned depth)
{
    switch (r->text[r->at]) {
    case '{':
    case '[':
        return read_container(r, v, depth);
    case '"':
        v->type = JSON_STRING;
        return read_string(r, &v->string);
    case 't':
        v->type = JSON_BOOL;
        v->boolean = true;
        return read_word(r, "true", 4);
    case 'f':
        v->type = JSON_BOOL;
        return read_word(r, "false", 5);
    case 'n':
        v->type = JSON_NULL;
        return read_word(r, "null", 4);
    default:
        return read_number(r, v);
    }
}

static bool read_value(struct reader *r, struct json *v, unsigned depth)
{
    if (r->at >= r->n)
        return fail(r, JSON_FAULT_SYNTAX);
    v->start = r->at;
    if (!read_any(r, v, depth))
        return false;
    v->end = r->at;
    return true;
}

struct json *json_parse(struct arena *a, struct str text, struct json_fault *ret_fault)
{
    struct reader r = {.arena = a, .text = text.p, .n = text.n};
    size_t good = utf8_valid_prefix(text);
    struct json *v = NULL;
    if (good < text.n)
        (void)fail_at(&r, JSON_FAULT_NOT_UTF8, good);
    else
        v = new_value(&r);
    if (v != NULL) {
        skip_space(&r);
        bool ok = read_value(&r, v, 0);
        skip_space(&r);
        if (ok && r.at < r.n)
            (void)fail(&r, JSON_FAULT_TRAILING);
    }
    *ret_fault = r.fault;
    return r.fault.kind == JSON_FAULT_NONE ? v : NULL;
}

struct json *json_get(const struct json *v, struct str key)
{
    if (v == NULL || v->type != JSON_OBJECT)
        return NULL;
    for (struct json *m = v->child; m != NULL; m = m->next)
        if (str_eq(m->key, key))
            return m;
    return NULL;
}

bool json_integer(const struct json *v, int64_t min, int64_t max, int64_t *ret)
{
    int64_t n;
    if (v == NULL || v->type != JSON_NUMBER || !num_parse_i64(v->string, &n) || n < min || n > max)
        return false;
    *ret = n;
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

bool json_escape(struct buf *b, struct str s)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    while (at < s.n) {
        size_t run = plain_run(s.p, at, s.n);
        if (!buf_append(b, s.p + at, run - at))
            return false;
        if (run == s.n)
            break;
        unsigned char c = (unsigned char)s.p[run];
        char out[6] = {'\\', (char)c};
        size_t n = 2;
        switch (c) {
        case '"':
        case '\\':
            break;
        case '\n':
            out[1] = 'n';
            break;
        case '\t':
            out[1] = 't';
            break;
        case '\r':
            out[1] = 'r';
            break;
        default:
            memcpy(out, "\\u00", 4);
            out[4] = hex[c >> 4];
            out[5] = hex[c & 15];
            n = 6;
        }
        if (!buf_append(b, out, n))
            return false;
        at = run + 1;
    }
    return !b->failed;
}

bool json_quote(struct buf *b, struct str s)
{
    (void)buf_append(b, "\"", 1);
    (void)json_escape(b, s);
    return buf_append(b, "\"", 1);
}

bool json_number(struct buf *b, double v)
{
    char text[32];
    if (!isfinite(v))
        return buf_append_z(b, "null");
    return buf_append(b, text, num_print_f64(v, text));
}
