/* pipeline/window: the cases by hand, then random runs against a model that keeps every offset. */
#include "unit.h"

#include "base/rng.h"
#include "pipeline/window.h"

static int item; /* any address */

static void admit(struct window *w, int64_t offset)
{
    assert_int_equal(window_admit(w, offset, &item), WINDOW_ADMITTED);
}

static size_t take_all(struct window *w)
{
    size_t n = 0;
    while (window_take(w) != NULL)
        n++;
    return n;
}

static void only_the_ready_prefix_is_taken(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 100, 8);
    for (int64_t o = 100; o < 104; o++)
        admit(&w, o);
    window_ready(&w, 101);
    window_ready(&w, 103);
    assert_null(window_take(&w));
    assert_int_equal(window_watermark(&w), 100);
    window_ready(&w, 100);
    assert_int_equal(take_all(&w), 2);
    assert_int_equal(window_watermark(&w), 102);
    window_commit(&w);
    assert_int_equal(w.base, 102);
    assert_int_equal(w.count[SLOT_READY], 1);
    assert_int_equal(window_unfinished(&w), 1);
    window_done(&w);
}

static void an_unpublished_batch_is_ready_again(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 4);
    admit(&w, 0);
    admit(&w, 1);
    window_ready(&w, 0);
    assert_int_equal(take_all(&w), 1);
    window_ready(&w, 1); /* becomes ready while the batch is on its way */
    window_untake(&w);
    assert_int_equal(window_watermark(&w), 0);
    assert_int_equal(take_all(&w), 2);
    window_commit(&w);
    assert_int_equal(w.base, 2);
    window_done(&w);
}

static void gaps_are_passed_over(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 10, 8);
    admit(&w, 12); /* 10 and 11 were never there */
    admit(&w, 15); /* 13, 14 neither */
    assert_int_equal(w.count[SLOT_ABSENT], 2);
    window_ready(&w, 12);
    assert_int_equal(take_all(&w), 1);
    assert_int_equal(window_watermark(&w), 13);
    window_commit(&w);
    window_ready(&w, 15);
    assert_int_equal(take_all(&w), 1);
    window_commit(&w);
    assert_int_equal(w.base, 16);
    assert_int_equal(w.count[SLOT_ABSENT], 0);
    window_done(&w);
}

static void the_span_refuses_and_a_stale_offset_is_named(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 4);
    admit(&w, 0);
    admit(&w, 3);
    assert_false(window_has_room(&w));
    assert_int_equal(window_admit(&w, 4, &item), WINDOW_FULL);
    assert_int_equal(window_admit(&w, 2, &item), WINDOW_STALE);
    assert_int_equal(window_admit(&w, 3, &item), WINDOW_STALE);
    window_ready(&w, 0);
    assert_int_equal(take_all(&w), 1);
    assert_int_equal(window_admit(&w, 4, &item), WINDOW_FULL); /* published is not committed */
    window_commit(&w);
    admit(&w, 4);
    window_done(&w);
}

static void an_empty_window_jumps_a_gap_longer_than_its_span(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 4);
    admit(&w, 1000000);
    window_ready(&w, 1000000);
    assert_int_equal(take_all(&w), 1);
    window_commit(&w);
    assert_int_equal(w.base, 1000001);
    window_done(&w);
}

/* The model: a plain array of states by offset. */
enum { MODEL = 4000 };

static void check(const struct window *w, const char *model, int64_t published)
{
    int64_t expect = w->base;
    size_t running = 0;
    for (int64_t o = w->base; o < w->next; o++)
        running += model[o] == 'r';
    assert_int_equal(window_unfinished(w), running);
    for (int64_t o = 0; o < w->base; o++)
        assert_true(model[o] == 'd' || model[o] == 'a');
    for (; expect < w->next && (model[expect] == 'p' || model[expect] == 'a'); expect++)
        if (model[expect] == 'p')
            published = expect + 1;
    assert_int_equal(window_watermark(w), published > w->base ? published : w->base);
}

static void random_runs_agree_with_the_model(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed(); /* before anything can fail */
    for (int run = 0; run < 50; run++, seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct window w;
        size_t span = 1 + rng_below(&rng, 40);
        window_init(&w, 0, span);
        char model[MODEL + 64] = {0};
        int64_t next = 0;
        for (int step = 0; step < 3000 && next < MODEL; step++) {
            uint64_t dice = rng_below(&rng, 10);
            if (dice < 5) {
                int64_t offset = next + (rng_below(&rng, 8) == 0 ? (int64_t)rng_below(&rng, 5) : 0);
                enum window_admit got = window_admit(&w, offset, &item);
                if (got == WINDOW_FULL) {
                    assert_true(offset - w.base >= (int64_t)span);
                    continue;
                }
                assert_int_equal(got, WINDOW_ADMITTED);
                while (next < offset)
                    model[next++] = 'a';
                model[next++] = 'r';
            } else if (dice < 8 && w.next > w.base) {
                int64_t o = w.base + (int64_t)rng_below(&rng, (uint64_t)(w.next - w.base));
                if (model[o] == 'r') {
                    window_ready(&w, o);
                    model[o] = 'R';
                }
            } else if (dice == 8) {
                if (window_take(&w) != NULL)
                    for (int64_t o = w.base; o < w.next; o++)
                        if (model[o] == 'R') {
                            model[o] = 'p';
                            break;
                        }
            } else if (rng_below(&rng, 3) == 0) {
                window_untake(&w);
                for (int64_t o = w.base; o < w.next; o++)
                    model[o] = model[o] == 'p' ? 'R' : model[o];
            } else {
                window_commit(&w);
                for (int64_t o = 0; o < w.next; o++)
                    model[o] = model[o] == 'p' ? 'd' : model[o];
            }
            check(&w, model, w.base);
        }
        window_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_ready_prefix_is_taken),
        cmocka_unit_test(an_unpublished_batch_is_ready_again),
        cmocka_unit_test(gaps_are_passed_over),
        cmocka_unit_test(the_span_refuses_and_a_stale_offset_is_named),
        cmocka_unit_test(an_empty_window_jumps_a_gap_longer_than_its_span),
        cmocka_unit_test(random_runs_agree_with_the_model),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
