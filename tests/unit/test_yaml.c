/* yaml: what is read, where it was, and everything that is refused, with its place. */
#include "unit.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "yaml/yaml.h"

enum { MEMORY_MAX = 64 * 1024 * 1024 };

struct parsed {
    struct arena arena;
    struct yaml_file file;
    struct yaml_fault fault;
    struct yaml *root;
};

static void parse(struct parsed *p, struct str text)
{
    *p = (struct parsed){.file = {STR("t.yaml"), text}};
    arena_init(&p->arena, MEMORY_MAX);
    p->root = yaml_parse(&p->arena, &p->file, &p->fault);
}

static void done(struct parsed *p)
{
    arena_done(&p->arena);
}

/* ---- what is read -----------------------------------------------------------------------------
 */

static const char document[] = "# a comment\n"
                               "first: one word\n"
                               "second:\n"
                               "  - a\n"
                               "  - \"b\\0c\\u00e9\"\n"
                               "  - {x: 1, y: ~}\n"
                               "  -\n"
                               "third: |-\n"
                               "  two\n"
                               "  lines\n"
                               "no: 0.4*52\n"
                               "'quoted key': null\n"
                               "empty: {}\n"
                               "'null': 'null'\n";

static void text_stays_text_and_knows_its_place(void **state RBR_UNUSED)
{
    static const struct {
        const char *key, *text;
        size_t n, line, column, key_line, key_column;
        bool null, quoted;
    } cases[] = {
        {"first", "one word", 8, 2, 8, 2, 1, false, false},
        {"third", "two\nlines", 9, 9, 1, 8, 1, false, true},
        {"no", "0.4*52", 6, 11, 5, 11, 1, false, false},
        {"quoted key", "null", 4, 12, 15, 12, 2, true, false},
        {"null", "null", 4, 14, 10, 14, 2, false, true},
    };
    struct parsed p;
    parse(&p, STR(document));
    assert_non_null(p.root);
    assert_int_equal(p.root->kind, YAML_MAP);
    assert_int_equal(p.root->count, 7);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct yaml *y = yaml_get(p.root, str_z(cases[i].key));
        assert_non_null(y);
        assert_int_equal(y->kind, YAML_SCALAR);
        assert_strs(y->text, ((struct str){cases[i].text, cases[i].n}));
        assert_int_equal(y->line, cases[i].line);
        assert_int_equal(y->column, cases[i].column);
        assert_int_equal(y->key_line, cases[i].key_line);
        assert_int_equal(y->key_column, cases[i].key_column);
        assert_int_equal(y->null, cases[i].null);
        assert_int_equal(y->quoted, cases[i].quoted);
    }
    assert_null(yaml_get(p.root, STR("absent")));
    assert_null(yaml_get(yaml_get(p.root, STR("first")), STR("x")));
    assert_null(yaml_get(NULL, STR("x")));
    done(&p);
}

static void lists_and_maps_nest(void **state RBR_UNUSED)
{
    struct parsed p;
    parse(&p, STR(document));
    const struct yaml *list = yaml_get(p.root, STR("second"));
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->count, 4);
    assert_int_equal(list->line, 3);
    const struct yaml *item = list->child;
    assert_str(item->text, "a");
    assert_int_equal(item->line, 4);
    assert_int_equal(item->column, 5);
    assert_int_equal(item->key.n, 0);
    item = item->next;
    assert_str(item->text, "b\0c\xc3\xa9");
    item = item->next;
    assert_int_equal(item->kind, YAML_MAP);
    assert_int_equal(item->count, 2);
    assert_true(yaml_get(item, STR("y"))->null);
    item = item->next;
    assert_int_equal(item->kind, YAML_SCALAR);
    assert_true(item->null);
    assert_null(item->next);
    assert_int_equal(yaml_get(p.root, STR("empty"))->count, 0);
    assert_ptr_equal(item->file, &p.file);
    done(&p);
}

static void nothing_is_an_empty_map(void **state RBR_UNUSED)
{
    static const char *const texts[] = {"", "\n\n", "   ", "# only a comment\n", "---\n", "~\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct parsed p;
        parse(&p, str_z(texts[i]));
        if (p.root == NULL || p.root->kind != YAML_MAP || p.root->count != 0)
            fail_msg("case %zu: %s", i, p.fault.text);
        done(&p);
    }
}

static void the_tree_owns_its_text(void **state RBR_UNUSED)
{
    char text[] = "key: value\n";
    struct parsed p;
    parse(&p, STR(text));
    memset(text, 'x', sizeof(text) - 1);
    assert_str(yaml_get(p.root, STR("key"))->text, "value");
    done(&p);
}

static void a_line_is_found_by_its_number(void **state RBR_UNUSED)
{
    const struct yaml_file file = {STR("t"), STR("one\n\nthree\r\nlast")};
    assert_str(yaml_line(&file, 1), "one");
    assert_str(yaml_line(&file, 2), "");
    assert_str(yaml_line(&file, 3), "three\r");
    assert_str(yaml_line(&file, 4), "last");
    assert_int_equal(yaml_line(&file, 5).n, 0);
    assert_int_equal(yaml_line(&file, 0).n, 0);
}

/* ---- what is refused --------------------------------------------------------------------------
 */

struct refusal_case {
    const char *name, *text;
    size_t n, line, column;
    const char *says; /* the beginning */
};

#define TEXT(literal) literal, sizeof(literal) - 1
#define DEPTH_8       "[[[[[[[["

static const struct refusal_case refusals[] = {
    {"an anchor", TEXT("a: 1\nb: &x 1\n"), 2, 4, "anchors are not supported"},
    {"an anchor on a map", TEXT("a: &x {b: 1}\n"), 1, 4, "anchors are not supported"},
    {"an anchor on a list item", TEXT("- 1\n- &x 2\n"), 2, 3, "anchors are not supported"},
    {"an alias", TEXT("a: 1\nb: *x\n"), 2, 5, "aliases are not supported"},
    {"a merge of an alias", TEXT("a: {<<: *x}\n"), 1, 10, "aliases are not supported"},
    {"a tag", TEXT("a: !!int 3\n"), 1, 10, "tags are not supported"},
    {"a tag on a map", TEXT("a:\n  b: !x {c: 1}\n"), 2, 3, "tags are not supported"},
    {"a key twice", TEXT("a: 1\nb: 2\na: 3\n"), 3, 1, "duplicate key"},
    {"a key twice, deep down", TEXT("a: {b: {c: 1, c: 1}}\n"), 1, 15, "duplicate key"},
    {"a key twice, once in quotes", TEXT("a: 1\n'a': 3\n"), 2, 2, "duplicate key"},
    {"a key that is a list", TEXT("[a, b]: 1\n"), 1, 1, "a key must be a plain word"},
    {"a key that is a map", TEXT("x:\n  ? {a: 1}\n  : 2\n"), 1, 1, "a key must be a plain word"},
    {"an empty key", TEXT("a: 1\n'': 2\n"), 2, 2, "a key must not be empty"},
    {"a NUL", TEXT("a: 1\nb: \0\n"), 2, 4, "a NUL byte"},
    {"a NUL in a comment", TEXT("# \0\n"), 1, 3, "a NUL byte"},
    {"invalid UTF-8", TEXT("a: 1\n\nb: x\xff\n"), 3, 5, "invalid UTF-8"},
    {"an overlong form", TEXT("a: \xc0\xaf\n"), 1, 4, "invalid UTF-8"},
    {"a surrogate", TEXT("a: \xed\xa0\x80\n"), 1, 4, "invalid UTF-8"},
    {"a NUL after invalid UTF-8", TEXT("\xff\0"), 1, 1, "invalid UTF-8"},
    {"an open list", TEXT("a: [1, 2\n"), 2, 1, ""},
    {"an open string", TEXT("a: \"b\n"), 1, 5, ""},
    {"an escape of a control character", TEXT("a: \"\\\x10\"\n"), 1, 5, "invalid escape ' '"},
    {"an escape of half a character", TEXT("a: \"\\\xc3\xa9\"\n"), 1, 5, "invalid escape '"},
    {"a tab", TEXT("a:\n\tb: 1\n"), 2, 1, "tab character"},
    {"a second document", TEXT("a: 1\n---\nb: 2\n"), 3, 1, "more than one document"},
    {"a second document, a list", TEXT("a: 1\n---\n- [b]\n"), 3, 4, "more than one document"},
    {"an end, and no document", TEXT("a: 1\n...\n]\n"), 3, 1, ""},
    {"33 levels",
     TEXT("a: " DEPTH_8 DEPTH_8 DEPTH_8 DEPTH_8 "]]]]]]]]"
          "]]]]]]]]"
          "]]]]]]]]"
          "]]]]]]]]\n"),
     1, 1, "nested too deep"},
};

static void every_refusal_has_its_place(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal_case *c = &refusals[i];
        struct parsed p;
        parse(&p, (struct str){c->text, c->n});
        if (p.root != NULL || !str_has_prefix(str_z(p.fault.text), str_z(c->says)) ||
            p.fault.text[0] == '\0' || p.fault.line != c->line || p.fault.column != c->column)
            fail_msg("%s: %s, %zu:%zu: '%s'", c->name, p.root != NULL ? "taken" : "refused",
                     p.fault.line, p.fault.column, p.fault.text);
        for (const char *t = p.fault.text; *t != '\0'; t++)
            assert_true((unsigned char)*t >= ' ');
        assert_true(utf8_valid(str_z(p.fault.text)));
        done(&p);
    }
}

static void depth_is_bounded_however_deep(void **state RBR_UNUSED)
{
    static char text[YAML_FILE_MAX];
    struct parsed p;
    memset(text, '[', sizeof(text));
    parse(&p, STR(text));
    assert_null(p.root);
    done(&p);
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "- ", 2);
    parse(&p, STR(text));
    assert_null(p.root);
    done(&p);
    parse(&p, STR("a: " DEPTH_8 DEPTH_8 DEPTH_8 "]]]]]]]]"
                  "]]]]]]]]"
                  "]]]]]]]]\n"));
    assert_non_null(p.root);
    done(&p);
}

static void memory_is_bounded(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, YAML_FILE_MAX);
    while (b.n < YAML_FILE_MAX / 4)
        assert_true(buf_append_z(&b, "- a\n"));
    struct yaml_file file = {STR("t"), buf_str(&b)};
    struct yaml_fault fault;
    struct arena small;
    arena_init(&small, 1u << 18);
    assert_null(yaml_parse(&small, &file, &fault));
    assert_string_equal(fault.text, "the file needs too much memory");
    arena_done(&small);
    buf_done(&b);
}

static void a_file_of_1_mib_is_taken_and_no_more(void **state RBR_UNUSED)
{
    char *text = mem_alloc(YAML_FILE_MAX + 1);
    struct parsed p;
    memset(text, '#', YAML_FILE_MAX + 1);
    parse(&p, (struct str){text, YAML_FILE_MAX});
    assert_non_null(p.root);
    done(&p);
    parse(&p, (struct str){text, YAML_FILE_MAX + 1});
    assert_null(p.root);
    assert_string_equal(p.fault.text, "the file is larger than 1 MiB");
    assert_int_equal(p.fault.line, 0);
    done(&p);
    mem_free(text);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static void files_are_read_whole(void **state RBR_UNUSED)
{
    char path[] = "/tmp/rbr-yaml-XXXXXX";
    struct arena a;
    struct err err;
    struct str text;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: \0b\n", 6), 6);
    arena_init(&a, MEMORY_MAX);
    assert_int_equal(yaml_read(&a, str_z(path), &text, &err), ERR_OK);
    assert_str(text, "a: \0b\n");
    assert_int_equal(ftruncate(fd, YAML_FILE_MAX), 0);
    assert_int_equal(yaml_read(&a, str_z(path), &text, &err), ERR_OK);
    assert_int_equal(text.n, YAML_FILE_MAX);
    assert_int_equal(ftruncate(fd, YAML_FILE_MAX + 1), 0);
    assert_int_equal(yaml_read(&a, str_z(path), &text, &err), ERR_LIMIT);
    assert_non_null(strstr(err.msg, ": the file is larger than 1 MiB"));
    assert_int_equal(ftruncate(fd, 4096), 0);
    struct arena small;
    arena_init(&small, 100);
    assert_int_equal(yaml_read(&small, str_z(path), &text, &err), ERR_LIMIT);
    arena_done(&small);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(yaml_read(&a, str_z(path), &text, &err), ERR_IO);
    assert_non_null(strstr(err.msg, ": No such file or directory"));
    assert_int_equal(yaml_read(&a, STR("/tmp"), &text, &err), ERR_IO);
    assert_string_equal(err.msg, "/tmp: cannot be read (is it a file?)");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_text_and_knows_its_place),
        cmocka_unit_test(lists_and_maps_nest),
        cmocka_unit_test(nothing_is_an_empty_map),
        cmocka_unit_test(the_tree_owns_its_text),
        cmocka_unit_test(a_line_is_found_by_its_number),
        cmocka_unit_test(every_refusal_has_its_place),
        cmocka_unit_test(depth_is_bounded_however_deep),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_file_of_1_mib_is_taken_and_no_more),
        cmocka_unit_test(files_are_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
