/* base/json: what is refused, with its kind and byte; what is read; what is written reads back. */
#include "unit.h"

#include <math.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/utf8.h"

static struct arena arena;

static int setup(void **state RBR_UNUSED)
{
    arena_init(&arena, 64u << 20);
    return 0;
}

static int teardown(void **state RBR_UNUSED)
{
    arena_done(&arena);
    return 0;
}

static struct json *parse(struct str text, struct json_fault *fault)
{
    char *exact = arena_alloc(&arena, text.n + 1); /* must outlive the tree */
    memcpy(exact, text.p, text.n);
    return json_parse(&arena, (struct str){exact, text.n}, fault);
}

static struct json *good(struct str text)
{
    struct json_fault fault;
    struct json *v = parse(text, &fault);
    if (v == NULL)
        fail_msg("%.*s: %s at %zu", STR_ARGS(text), json_fault_text(fault.kind), fault.offset);
    return v;
}

struct refused {
    struct str text;
    enum json_fault_kind kind;
    size_t offset;
};

#define R(text, kind, offset)                                                                      \
    {                                                                                              \
        STR_INIT(text), JSON_FAULT_##kind, offset                                                  \
    }

static const struct refused refused[] = {
    /* syntax */
    R("]", SYNTAX, 0),
    R("x", SYNTAX, 0),
    R("{a:1}", SYNTAX, 1),
    R("{'a':1}", SYNTAX, 1),
    R("{\"a\" 1}", SYNTAX, 5),
    R("{\"a\":}", SYNTAX, 5),
    R("{\"a\":1,}", SYNTAX, 7),
    R("[1,]", SYNTAX, 3),
    R("[,1]", SYNTAX, 1),
    R("[1 2]", SYNTAX, 3),
    R("[1}", SYNTAX, 2),
    R("{\"a\":1]", SYNTAX, 6),
    R("{1:2}", SYNTAX, 1),
    R("tru", TRUNCATED, 0),
    R("trux", SYNTAX, 0),
    R("True", SYNTAX, 0),
    R("nul", TRUNCATED, 0),
    R("nan", SYNTAX, 0),
    R("NaN", SYNTAX, 0),
    R("Infinity", SYNTAX, 0),
    R("-Infinity", SYNTAX, 1),
    R("undefined", SYNTAX, 0),
    R("// c\n1", SYNTAX, 0),
    R("\v1", SYNTAX, 0),
    R("\xef\xbb\xbf{}", SYNTAX, 0), /* a byte order mark */
    R("\0{}", SYNTAX, 0),
    /* numbers */
    R("+1", SYNTAX, 0),
    R(".5", SYNTAX, 0),
    R("1.", TRUNCATED, 2),
    R("1.x", SYNTAX, 2),
    R("[1.]", SYNTAX, 3),
    R("-", TRUNCATED, 1),
    R("[-]", SYNTAX, 2),
    R("1e", TRUNCATED, 2),
    R("1e+", TRUNCATED, 3),
    R("[1e]", SYNTAX, 3),
    R("0x10", TRAILING, 1),
    R("01", TRAILING, 1),
    R("-01", TRAILING, 2),
    R("1_000", TRAILING, 1),
    R("1e400", NOT_FINITE, 0),
    R("[0,-1e400]", NOT_FINITE, 3),
    R("{\"a\":1e999999999999}", NOT_FINITE, 5),
    /* strings */
    R("\"", TRUNCATED, 1),
    R("\"abc", TRUNCATED, 4),
    R("\"abc\\", TRUNCATED, 5),
    R("\"a\\\"", TRUNCATED, 4),
    R("\"\\x\"", SYNTAX, 2),
    R("\"\\'\"", SYNTAX, 2),
    R("\"\\\0\"", SYNTAX, 2),
    R("\"a\nb\"", CONTROL, 2),
    R("\"a\0b\"", CONTROL, 2),
    R("\"\\na\x1f\"", CONTROL, 4),
    R("\"12345678\t\"", CONTROL, 9),
    R("\"\\u12", TRUNCATED, 1),
    R("\"\\u12\"", SYNTAX, 1),
    R("\"\\u12\"  ", SYNTAX, 1),
    R("\"\\u12g4\"", SYNTAX, 1),
    R("\"\\U0041\"", SYNTAX, 2),
    R("\"\\ud800\"", LONE_SURROGATE, 1),
    R("\"ab\\udc00\"", LONE_SURROGATE, 3),
    R("\"\\udc00\\ud800\"", LONE_SURROGATE, 1),
    R("\"\\ud800\\u0041\"", LONE_SURROGATE, 1),
    R("\"\\ud800x\"", LONE_SURROGATE, 1),
    R("\"\\ud800\\ud800\\udc00\"", LONE_SURROGATE, 1),
    R("{\"\\udfff\":1}", LONE_SURROGATE, 2),
    /* UTF-8 comes first, wherever it is */
    R("\"\xff\"", NOT_UTF8, 1),
    R("\"\xc0\x80\"", NOT_UTF8, 1),
    R("\"\xed\xa0\x80\"", NOT_UTF8, 1),
    R("\"\xf4\x90\x80\x80\"", NOT_UTF8, 1),
    R("\"abc\xe2\x82\"", NOT_UTF8, 4),
    R("{\"\xe4\":1}", NOT_UTF8, 2),
    R("]\x80", NOT_UTF8, 1),
    /* ends and rests */
    R("", TRUNCATED, 0),
    R("  ", TRUNCATED, 2),
    R("[", TRUNCATED, 1),
    R("[1", TRUNCATED, 2),
    R("[1,", TRUNCATED, 3),
    R("{", TRUNCATED, 1),
    R("{\"a\"", TRUNCATED, 4),
    R("{\"a\":", TRUNCATED, 5),
    R("{\"a\":1", TRUNCATED, 6),
    R("{\"a\":1,", TRUNCATED, 7),
    R("{} {}", TRAILING, 3),
    R("1 2", TRAILING, 2),
    R("null,", TRAILING, 4),
    R("{}\0", TRAILING, 2),
    /* keys */
    R("{\"a\":1,\"a\":1}", DUPLICATE_KEY, 7),
    R("{\"a\":1, \"\\u0061\":2}", DUPLICATE_KEY, 8),
    R("{\"\\u00e9\":1,\"\xc3\xa9\":2}", DUPLICATE_KEY, 12),
    R("{\"\":1,\"\":2}", DUPLICATE_KEY, 6),
    R("[{\"x\":{\"k\":0,\"k\":0}}]", DUPLICATE_KEY, 13),
};

static void refused_with_kind_and_byte(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct refused *r = &refused[i];
        struct json_fault fault;
        const struct json *v = parse(r->text, &fault);
        if (v != NULL)
            fail_msg("%.*s was taken", STR_ARGS(r->text));
        if (fault.kind != r->kind || fault.offset != r->offset)
            fail_msg("%.*s: %s at %zu, want %s at %zu", STR_ARGS(r->text),
                     json_fault_text(fault.kind), fault.offset, json_fault_text(r->kind),
                     r->offset);
    }
}

/* Cut anywhere, a text is either refused or (numbers) another text: never read past its end. */
static void every_cut_of_a_text_is_handled(void **state RBR_UNUSED)
{
    static const struct str text =
        STR_INIT("{\"a\":[1,-2.5e+10,true,false,null],\"\\ud83d\\ude00\":\"x\\u0000y\\n\",\"b\":{"
                 "\"c\":\"\"}}");
    for (size_t n = 0; n < text.n; n++) {
        struct json_fault fault;
        char *exact = mem_resize(NULL, n);
        memcpy(exact, text.p, n);
        assert_null(json_parse(&arena, (struct str){exact, n}, &fault));
        assert_true(fault.offset <= n);
        assert_true(fault.kind == JSON_FAULT_TRUNCATED || fault.kind == JSON_FAULT_LONE_SURROGATE);
        mem_free(exact);
    }
    assert_non_null(good(text));
}

static void nested_to_32_and_no_deeper(void **state RBR_UNUSED)
{
    char text[200];
    struct json_fault fault;
    memset(text, '[', 100);
    memset(text + 32, ']', 32);
    assert_non_null(good((struct str){text, 64}));
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    assert_null(parse((struct str){text, 66}, &fault));
    assert_int_equal(fault.kind, JSON_FAULT_TOO_DEEP);
    assert_int_equal(fault.offset, 32);
    size_t size = 4u << 20; /* the stack does not care how deep */
    char *deep = mem_resize(NULL, size);
    memset(deep, '[', size);
    assert_null(json_parse(&arena, (struct str){deep, size}, &fault));
    assert_int_equal(fault.kind, JSON_FAULT_TOO_DEEP);
    mem_free(deep);
}

/* Objects above 24 members are checked all at once, at their end: the byte is still that of the
 * second key, as in small ones. */
static void duplicate_keys_of_large_objects(void **state RBR_UNUSED)
{
    static const size_t sizes[] = {2, 23, 24, 25, 26, 64, 1000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf b;
        struct json_fault fault;
        buf_init(&b, 1u << 20);
        (void)buf_append_z(&b, "{");
        for (size_t k = 0; k < sizes[i]; k++)
            (void)buf_printf(&b, "\"k%zu\": %zu,", k, k);
        size_t at = b.n + 1;
        (void)buf_append_z(&b, " \"k\\u0031\" : 0,\"z\":1}");
        assert_null(json_parse(&arena, buf_str(&b), &fault));
        assert_int_equal(fault.kind, JSON_FAULT_DUPLICATE_KEY);
        assert_int_equal(fault.offset, at);
        buf_done(&b);
    }
}

static void memory_is_bounded(void **state RBR_UNUSED)
{
    struct arena small;
    struct json_fault fault;
    char text[20001];
    memset(text, ',', sizeof(text));
    for (size_t i = 1; i < sizeof(text); i += 2)
        text[i] = '0';
    text[0] = '[';
    text[sizeof(text) - 1] = ']';
    arena_init(&small, 100000);
    assert_null(json_parse(&small, (struct str){text, sizeof(text)}, &fault));
    assert_int_equal(fault.kind, JSON_FAULT_TOO_LARGE);
    assert_true(small.used <= 100000);
    arena_reset(&small);
    memset(text, 'x', sizeof(text));
    memcpy(text, "\"\\n", 3);
    text[sizeof(text) - 1] = '"';
    small.max = 10000;
    assert_null(json_parse(&small, (struct str){text, sizeof(text)}, &fault));
    assert_int_equal(fault.kind, JSON_FAULT_TOO_LARGE);
    arena_done(&small);
    arena_init(&small, 10);
    assert_null(json_parse(&small, STR("1"), &fault));
    assert_int_equal(fault.kind, JSON_FAULT_TOO_LARGE);
    arena_done(&small);
}

/* The table that finds duplicates of a large object is memory like any other. */
static void memory_for_many_keys_is_bounded(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    for (int k = 0; k < 200; k++)
        (void)buf_printf(&b, "%c\"%d\":0", k > 0 ? ',' : '{', k);
    (void)buf_append_z(&b, "}");
    size_t refusals = 0;
    for (size_t max = 0; max < 65536; max += 512) {
        struct arena small;
        struct json_fault fault;
        arena_init(&small, max);
        if (json_parse(&small, buf_str(&b), &fault) == NULL) {
            assert_int_equal(fault.kind, JSON_FAULT_TOO_LARGE);
            refusals++;
        }
        arena_done(&small);
    }
    assert_in_range(refusals, 30, 100);
    buf_done(&b);
}

static void strings_are_unescaped(void **state RBR_UNUSED)
{
    static const struct {
        struct str text, value;
    } cases[] = {
        {STR_INIT("\"\""), STR_INIT("")},
        {STR_INIT("\"plain\""), STR_INIT("plain")},
        {STR_INIT("\"\\u0000\""), STR_INIT("\0")},
        {STR_INIT("\"a\\u0000b\\u0000\""), STR_INIT("a\0b\0")},
        {STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR_INIT("\"\\/\b\f\n\r\t")},
        {STR_INIT("\"\\u00e9\\u20AC\\uFFFF\""), STR_INIT("\xc3\xa9\xe2\x82\xac\xef\xbf\xbf")},
        {STR_INIT("\"\\ud83d\\uDE00\""), STR_INIT("\xf0\x9f\x98\x80")},
        {STR_INIT("\"\\udbff\\udfff!\""), STR_INIT("\xf4\x8f\xbf\xbf!")},
        {STR_INIT("\"\xf0\x9f\x98\x80\x7f\""), STR_INIT("\xf0\x9f\x98\x80\x7f")},
        {STR_INIT("\"12345678\\n12345678\""), STR_INIT("12345678\n12345678")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_strs(good(cases[i].text)->string, cases[i].value);
}

/* Eight bytes are looked at at a time: one beside those that matter, anywhere, is none of them. */
static void strings_of_all_lengths_end_at_their_quote(void **state RBR_UNUSED)
{
    static const char beside[] = " !#[]\x7f";
    char text[64];
    for (size_t i = 0; i < sizeof(beside) - 1; i++)
        for (size_t n = 0; n < 40; n++) {
            memset(text, beside[i], sizeof(text));
            text[0] = text[n + 1] = '"';
            struct str whole = {text, n + 2}, inside = {text + 1, n};
            assert_strs(good(whole)->string, inside);
            struct json_fault fault;
            text[n / 2 + 1] = '\n';
            assert_null(parse(whole, &fault));
            assert_int_equal(fault.offset, n / 2 + 1);
        }
}

static void numbers_are_read_as_strtod_reads_them(void **state RBR_UNUSED)
{
    static const char *const texts[] = {"0",
                                        "-0",
                                        "1",
                                        "-1.5",
                                        "0.1",
                                        "123456789012345",
                                        "1234567890123456",
                                        "0.30000000000000004",
                                        "1e3",
                                        "1E-5",
                                        "2.5e+10",
                                        "0.000000000000001",
                                        "0.0000000000000001",
                                        "4.9e-324",
                                        "1e-400",
                                        "9007199254740993",
                                        "1.7976931348623157e308"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        double want = strtod(texts[i], NULL), got = good(str_z(texts[i]))->number;
        assert_memory_equal(&got, &want, sizeof(want));
    }
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 100000; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s%llu.%0*llu", i % 2 == 0 ? "-" : "",
                       (unsigned long long)rng_below(&rng, 100000), (int)rng_below(&rng, 14) + 1,
                       (unsigned long long)rng_below(&rng, 10));
        double want = strtod(text, NULL), got = good(str_z(text))->number;
        if (got != want || signbit(got) != signbit(want))
            fail_msg("%s gave %.17g", text, got);
        if (i % 1000 == 0)
            arena_reset(&arena);
    }
}

static void the_tree_has_places_and_counts(void **state RBR_UNUSED)
{
    const struct json *v = good(STR(" {\"a\" : [1, \"x\"], \"b\\u0063\":{} , \"n\":null} "));
    assert_int_equal(v->type, JSON_OBJECT);
    assert_int_equal(v->count, 3);
    assert_int_equal(v->start, 1);
    assert_int_equal(v->end, 42);
    const struct json *a = json_get(v, STR("a"));
    assert_int_equal(a->type, JSON_ARRAY);
    assert_int_equal(a->start, 8);
    assert_int_equal(a->end, 16);
    assert_int_equal(a->count, 2);
    assert_int_equal(a->child->next->type, JSON_STRING);
    assert_int_equal(json_get(v, STR("bc"))->count, 0);
    assert_int_equal(json_get(v, STR("n"))->type, JSON_NULL);
    assert_null(json_get(v, STR("x")));
    assert_null(json_get(a, STR("a")));
    assert_null(json_get(NULL, STR("a")));
    assert_true(good(STR("true"))->boolean);
    assert_false(good(STR("false"))->boolean);
}

static void an_index_finds_every_member_and_no_other(void **state RBR_UNUSED)
{
    struct json_index index;
    struct buf b;
    buf_init(&b, 1u << 20);
    for (int k = 0; k < 1000; k++)
        (void)buf_printf(&b, "%c\"%d\":%d", k > 0 ? ',' : '{', k * 7 % 1000, k);
    (void)buf_append_z(&b, "}");
    const struct json *v = good(buf_str(&b));
    assert_true(json_index(&arena, v, &index));
    assert_int_equal(index.n, 1000);
    for (const struct json *m = v->child; m != NULL; m = m->next)
        assert_ptr_equal(json_index_get(&index, m->key), m);
    assert_null(json_index_get(&index, STR("1000")));
    assert_null(json_index_get(&index, STR("")));
    assert_true(json_index(&arena, NULL, &index));
    assert_null(json_index_get(&index, STR("0")));
    assert_true(json_index(&arena, good(STR("[1]")), &index));
    assert_int_equal(index.n, 0);
    buf_done(&b);
}

static void integers_have_no_fraction_and_a_range(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        int64_t min, max;
        bool ok;
    } cases[] = {
        {"5", 0, 5, true},
        {"6", 0, 5, false},
        {"-1", 0, 5, false},
        {"1.0", 0, 5, false},
        {"1e0", 0, 5, false},
        {"\"1\"", 0, 5, false},
        {"true", 0, 5, false},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, true},
        {"9223372036854775808", INT64_MIN, INT64_MAX, false},
    };
    int64_t n;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(json_integer(good(str_z(cases[i].text)), cases[i].min, cases[i].max, &n),
                         cases[i].ok);
    assert_false(json_integer(NULL, 0, 1, &n));
}

static void every_fault_has_a_text(void **state RBR_UNUSED)
{
    for (int k = JSON_FAULT_NONE; k <= JSON_FAULT_TOO_LARGE; k++)
        assert_true(strlen(json_fault_text((enum json_fault_kind)k)) > 0);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* The first character needing an escape, in a buffer without memory, was once an error. */
static void escapes_begin_anywhere(void **state RBR_UNUSED)
{
    static const struct {
        struct str text, want;
    } cases[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("\""), STR_INIT("\\\"")},
        {STR_INIT("a\\b"), STR_INIT("a\\\\b")},
        {STR_INIT("\n\r\t"), STR_INIT("\\n\\r\\t")},
        {STR_INIT("\0\x1f\x7f"), STR_INIT("\\u0000\\u001f\x7f")},
        {STR_INIT("\xf0\x9f\x98\x80/"), STR_INIT("\xf0\x9f\x98\x80/")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_true(json_escape(&b, cases[i].text));
        assert_strs(buf_str(&b), cases[i].want);
        buf_done(&b);
    }
    struct buf b;
    buf_init(&b, 3);
    assert_false(json_escape(&b, STR("\x01")));
    buf_reset(&b);
    assert_false(json_escape(&b, STR("abcd")));
    buf_reset(&b);
    assert_false(json_quote(&b, STR("ab")));
    buf_done(&b);
}

static void numbers_are_written_short_or_null(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 100);
    (void)json_number(&b, 0.1);
    (void)json_number(&b, (double)INFINITY);
    (void)json_number(&b, (double)NAN);
    (void)json_number(&b, -3);
    assert_str(buf_str(&b), "0.1nullnull-3");
    buf_done(&b);
}

static void random_text(struct rng *rng, struct buf *b)
{
    for (size_t n = rng_below(rng, 40); n > 0; n--) {
        char c[4];
        uint32_t point = (uint32_t)rng_below(rng, rng_below(rng, 3) == 0 ? 0x110000 : 0x100);
        if (point < 0xd800 || point > 0xdfff)
            (void)buf_append(b, c, utf8_encode(point, c));
    }
}

static void what_is_quoted_reads_back(void **state RBR_UNUSED)
{
    struct rng rng;
    struct buf text, quoted;
    rng_init(&rng, unit_seed());
    buf_init(&text, 1000);
    buf_init(&quoted, 10000);
    for (int i = 0; i < 50000; i++) {
        buf_reset(&text);
        buf_reset(&quoted);
        random_text(&rng, &text);
        assert_true(json_quote(&quoted, buf_str(&text)));
        assert_strs(good(buf_str(&quoted))->string, buf_str(&text));
        if (i % 1000 == 0)
            arena_reset(&arena);
    }
    buf_done(&text);
    buf_done(&quoted);
}

/* A random tree as text; written again from what was read, it is the same text. */
static void random_value(struct rng *rng, struct buf *b, unsigned depth)
{
    size_t kind = rng_below(rng, depth > 4 ? 4 : 6), n = rng_below(rng, 30);
    struct buf s;
    switch (kind) {
    case 0:
        (void)buf_append_z(b, rng_below(rng, 2) == 0 ? "true" : "null");
        return;
    case 1:
        (void)json_number(b, (double)(int64_t)rng_next(rng) / (double)(1 + rng_below(rng, 1000)));
        return;
    case 2:
    case 3:
        buf_init(&s, 1000);
        random_text(rng, &s);
        (void)json_quote(b, buf_str(&s));
        buf_done(&s);
        return;
    default:
        (void)buf_append_z(b, kind == 4 ? "[" : "{");
        for (size_t i = 0; i < n; i++) {
            (void)buf_printf(b, i > 0 ? "," : "%s", "");
            if (kind == 5)
                (void)buf_printf(b, "\"%zu\\u0000\":", i);
            random_value(rng, b, depth + 1 + (n > 5));
        }
        (void)buf_append_z(b, kind == 4 ? "]" : "}");
    }
}

static void write_value(struct buf *b, const struct json *v)
{
    static const char *const words[] = {"false", "true"};
    bool list = v->type == JSON_ARRAY;
    switch (v->type) {
    case JSON_NULL:
    case JSON_BOOL:
        (void)buf_append_z(b, v->type == JSON_NULL ? "null" : words[v->boolean]);
        return;
    case JSON_NUMBER:
        (void)json_number(b, v->number);
        return;
    case JSON_STRING:
        (void)json_quote(b, v->string);
        return;
    default:
        (void)buf_append_z(b, list ? "[" : "{");
        for (const struct json *m = v->child; m != NULL; m = m->next) {
            if (!list) {
                (void)json_quote(b, m->key);
                (void)buf_append_z(b, ":");
            }
            write_value(b, m);
            if (m->next != NULL)
                (void)buf_append_z(b, ",");
        }
        (void)buf_append_z(b, list ? "]" : "}");
    }
}

static void random_trees_read_back(void **state RBR_UNUSED)
{
    struct rng rng;
    struct buf text, again;
    rng_init(&rng, unit_seed());
    buf_init(&text, 8u << 20);
    buf_init(&again, 8u << 20);
    for (int i = 0; i < 300; i++) {
        buf_reset(&text);
        buf_reset(&again);
        random_value(&rng, &text, 0);
        write_value(&again, good(buf_str(&text)));
        assert_strs(buf_str(&again), buf_str(&text));
        arena_reset(&arena);
    }
    buf_done(&text);
    buf_done(&again);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(refused_with_kind_and_byte),
        T(every_cut_of_a_text_is_handled),
        T(nested_to_32_and_no_deeper),
        T(duplicate_keys_of_large_objects),
        T(memory_is_bounded),
        T(memory_for_many_keys_is_bounded),
        T(strings_are_unescaped),
        T(strings_of_all_lengths_end_at_their_quote),
        T(numbers_are_read_as_strtod_reads_them),
        T(the_tree_has_places_and_counts),
        T(an_index_finds_every_member_and_no_other),
        T(integers_have_no_fraction_and_a_range),
        T(every_fault_has_a_text),
        T(escapes_begin_anywhere),
        T(numbers_are_written_short_or_null),
        T(what_is_quoted_reads_back),
        T(random_trees_read_back),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
