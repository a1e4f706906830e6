/* base/arena: alignment, the maximum, reset, and that what it hands out does not overlap. */
#include "unit.h"

#include "base/arena.h"
#include "base/rng.h"

static void allocations_are_aligned_and_apart(void **state RBR_UNUSED)
{
    struct rng rng;
    struct arena a;
    struct {
        unsigned char *p;
        size_t n;
    } got[400];
    rng_init(&rng, unit_seed());
    arena_init(&a, 64u << 20);
    for (size_t i = 0; i < ARRAY_LEN(got); i++) {
        got[i].n = 1 + rng_below(&rng, rng_below(&rng, 20) == 0 ? 100000 : 300);
        got[i].p = arena_alloc(&a, got[i].n);
        assert_non_null(got[i].p);
        assert_int_equal((uintptr_t)got[i].p % 16, 0);
        memset(got[i].p, (int)(i % 251), got[i].n);
    }
    for (size_t i = 0; i < ARRAY_LEN(got); i++)
        for (size_t k = 0; k < got[i].n; k++)
            assert_int_equal(got[i].p[k], i % 251);
    arena_done(&a);
}

static void the_maximum_holds(void **state RBR_UNUSED)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 10000, 1u << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct arena a;
        arena_init(&a, sizes[i]);
        size_t handed = 0;
        while (arena_alloc(&a, 16) != NULL) {
            handed += 16;
            assert_true(a.used <= sizes[i]);
            assert_true(handed <= sizes[i]);
        }
        assert_true(handed + 8192 > sizes[i] || handed > sizes[i] / 2); /* not refused too early */
        assert_null(arena_alloc(&a, sizes[i] + 1));
        arena_done(&a);
        assert_int_equal(a.used, 0);
    }
}

static void absurd_sizes_are_refused_not_wrapped(void **state RBR_UNUSED)
{
    struct arena a;
    struct str copy;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    assert_null(arena_array(&a, SIZE_MAX / 2, 16));
    arena_done(&a);
    arena_init(&a, 64);
    assert_false(arena_copy(&a, (struct str){"x", 1000}, &copy));
    assert_null(arena_array(&a, 10, 100));
    arena_done(&a);
}

static void reset_keeps_the_first_block_only(void **state RBR_UNUSED)
{
    struct arena a;
    arena_init(&a, 8u << 20);
    arena_reset(&a); /* of an empty one */
    void *first = arena_alloc(&a, 10);
    size_t used = a.used;
    for (int i = 0; i < 1000; i++)
        assert_non_null(arena_alloc(&a, 3000));
    assert_true(a.used > used);
    arena_reset(&a);
    assert_int_equal(a.used, used);
    assert_ptr_equal(arena_alloc(&a, 10), first);
    arena_done(&a);
}

/* A record is some long texts with small things between them. */
static void a_long_text_costs_its_length(void **state RBR_UNUSED)
{
    enum { TEXT = 50000, SMALL = 100, TEXTS = 20 };
    struct arena a;
    arena_init(&a, 8u << 20);
    for (int i = 0; i < TEXTS; i++) {
        assert_non_null(arena_alloc(&a, TEXT));
        assert_non_null(arena_alloc(&a, SMALL));
    }
    assert_true(a.used < TEXTS * (TEXT + SMALL) + 16384);
    arena_reset(&a);
    assert_true(a.used <= 4096); /* the texts are gone, also the first */
    arena_done(&a);
}

static void arrays_are_zeroed_and_copies_end_in_nul(void **state RBR_UNUSED)
{
    struct arena a;
    struct str copy;
    arena_init(&a, 1u << 20);
    memset(arena_alloc(&a, 1000), 0xff, 1000);
    arena_reset(&a);
    const unsigned char *p = arena_array(&a, 10, 100);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    assert_true(arena_copy(&a, STR("a\0b"), &copy));
    assert_str(copy, "a\0b");
    assert_int_equal(copy.p[3], 0);
    assert_true(arena_copy(&a, (struct str){NULL, 0}, &copy));
    assert_int_equal(copy.n, 0);
    assert_int_equal(copy.p[0], 0);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(the_maximum_holds),
        cmocka_unit_test(absurd_sizes_are_refused_not_wrapped),
        cmocka_unit_test(reset_keeps_the_first_block_only),
        cmocka_unit_test(a_long_text_costs_its_length),
        cmocka_unit_test(arrays_are_zeroed_and_copies_end_in_nul),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
