/* settings: the table of fields, and that the files made from it are current. */
#include "unit.h"

#include "settings/fields.h"

static void the_table_is_sound(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < n_fields; i++) {
        const struct field *f = &fields[i];
        uint64_t min, max, initial;
        assert_ptr_equal(field_find(str_z(f->path)), f);
        assert_int_equal(f->doc[strlen(f->doc) - 1], '.');
        assert_true(f->required == 0 || f->initial == NULL);
        if (!field_is_number(f->type))
            continue;
        assert_true(field_parse_number(f->type, str_z(f->min), &min));
        assert_true(field_parse_number(f->type, str_z(f->max), &max));
        if (f->type == FIELD_DECIMAL && f->initial[0] == '\0')
            continue;
        assert_true(field_parse_number(f->type, str_z(f->initial), &initial));
        assert_true(min <= initial && initial <= max);
    }
}

static void numbers_are_printed_as_they_are_read(void **state RBR_UNUSED)
{
    static const struct {
        enum field_type type;
        uint64_t v;
        const char *text;
    } cases[] = {
        {FIELD_COUNT, 0, "0"},
        {FIELD_COUNT, 24000, "24000"},
        {FIELD_SIZE, 0, "0B"},
        {FIELD_SIZE, 1u << 30, "1GiB"},
        {FIELD_SIZE, 1500, "1500B"},
        {FIELD_SIZE, 1536, "1536B"},
        {FIELD_SIZE, 3u << 10, "3KiB"},
        {FIELD_DURATION, 0, "0s"},
        {FIELD_DURATION, 1, "1us"},
        {FIELD_DURATION, 1500000, "1500ms"},
        {FIELD_DURATION, 7200000000, "2h"},
        {FIELD_DURATION, 86400000000, "1d"},
        {FIELD_DECIMAL, 0, "0"},
        {FIELD_DECIMAL, 40000, "0.04"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[32];
        uint64_t back;
        field_print_number(cases[i].type, cases[i].v, out);
        assert_string_equal(out, cases[i].text);
        assert_true(field_parse_number(cases[i].type, str_z(out), &back));
        assert_int_equal(back, cases[i].v);
    }
}

static void assert_generated(bool (*generate)(struct buf *out), const char *path,
                             const char *option)
{
    struct buf b;
    char full[512];
    buf_init(&b, 1u << 20);
    assert_true(generate(&b));
    (void)snprintf(full, sizeof(full), "%s/%s", SOURCE_DIR, path);
    struct str there = unit_read_file(full);
    if (!str_eq(there, buf_str(&b)))
        fail_msg("%s is not what src/settings/fields.c gives; run: build/rbr check %s > %s", path,
                 option, path);
    mem_free((void *)(uintptr_t)there.p);
    buf_done(&b);
}

static void the_generated_files_are_current(void **state RBR_UNUSED)
{
    assert_generated(settings_document, "docs/settings.md", "--print-docs");
    assert_generated(settings_schema, "config/settings.schema.json", "--print-schema");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(numbers_are_printed_as_they_are_read),
        cmocka_unit_test(the_generated_files_are_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
