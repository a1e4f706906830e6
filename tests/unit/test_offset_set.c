/* stream/offset_set: what was added is in it and nothing else, by any way there; text that is no
 * set is refused. */
#include "unit.h"

#include "base/rng.h"
#include "stream/offset_set.h"

static void numbers_become_runs(void **state RBR_UNUSED)
{
    static const int64_t offsets[] = {0, 3, 7, 8, 9, 100};
    struct offset_set s = {0};
    struct buf text;
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++)
        offset_set_add(&s, offsets[i]);
    assert_int_equal(s.count, 6);
    assert_int_equal(s.n, 4);
    buf_init(&text, 100);
    offset_set_print(&s, &text);
    assert_str(buf_str(&text), "0,3,7-9,100");
    buf_done(&text);
    offset_set_done(&s);
}

static void text_that_is_no_set_is_refused(void **state RBR_UNUSED)
{
    static const char *const texts[] = {"",
                                        ",",
                                        "1,",
                                        "a",
                                        "-1",
                                        "1-",
                                        "-",
                                        "3-2",
                                        "1,1",
                                        "1,2",
                                        "2,1",
                                        "1-5,6",
                                        "1-5,3",
                                        "1 ",
                                        "+1",
                                        "1--2",
                                        "1-2-3",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "0x1"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct offset_set s = {0};
        if (offset_set_parse(str_z(texts[i]), &s))
            fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(s.n, 0);
        assert_false(offset_set_has(&s, 1));
    }
}

static void a_set_may_reach_to_the_last_offset(void **state RBR_UNUSED)
{
    struct offset_set s = {0};
    assert_true(offset_set_parse(STR("5,9223372036854775800-9223372036854775805"), &s));
    assert_true(offset_set_has(&s, INT64_MAX - 2));
    assert_false(offset_set_has(&s, INT64_MAX - 1));
    assert_int_equal(s.count, 7);
    offset_set_done(&s);
}

static void random_set(struct rng *rng)
{
    enum { SPAN = 300 };
    bool in[SPAN] = {false};
    struct offset_set s = {0}, again = {0};
    struct buf text;
    uint64_t count = 0, index = 0, density = rng_below(rng, 100);
    buf_init(&text, 1u << 16);
    for (int64_t o = 0; o < SPAN; o++) {
        in[o] = rng_below(rng, 100) < density;
        count += in[o];
        if (in[o])
            offset_set_add(&s, o);
    }
    offset_set_print(&s, &text);
    assert_int_equal(offset_set_parse(buf_str(&text), &again), count > 0);
    assert_int_equal(again.count, count);
    assert_int_equal(s.count, count);
    for (int64_t o = 0; o < SPAN; o++) {
        assert_int_equal(offset_set_has(&s, o), in[o]);
        assert_int_equal(offset_set_has(&again, o), in[o]);
        if (in[o])
            assert_int_equal(offset_set_at(&s, index++), o);
    }
    assert_false(offset_set_has(&s, -1));
    assert_false(offset_set_has(&s, SPAN));
    offset_set_done(&s);
    offset_set_done(&again);
    buf_done(&text);
}

static void random_sets_read_back(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, 11);
    for (int i = 0; i < 500; i++)
        random_set(&rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_become_runs),
        cmocka_unit_test(text_that_is_no_set_is_refused),
        cmocka_unit_test(a_set_may_reach_to_the_last_offset),
        cmocka_unit_test(random_sets_read_back),
    };
    return cmocka_run_group_tests_name("offset_set", tests, NULL, NULL);
}
