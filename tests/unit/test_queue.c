/* queue: in which order a busy grader sends what waits. */
#include "grader_bench.h"

/* The groups in the order in which they were done: one request at a time is in the air. */
struct order {
    size_t groups[GROUPS_MAX], n;
};

static struct order order;

static void note_order(struct group *g)
{
    order.groups[order.n++] = (size_t)(g - g->bench->groups);
}

static struct bench *busy_new(void)
{
    struct bench *b = bench_new(1, 1);
    b->good_from = 0;
    b->on_done = note_order;
    order.n = 0;
    return b;
}

static void prompt_of(struct bench *b, size_t bytes, struct prompt *ret)
{
    char *text = mem_alloc(bytes);
    struct grading_record record;
    memset(text, 'x', bytes);
    assert_int_equal(prompt_build(&b->arena, b->policy,
                                  grading_record(&record, STR("u"), (struct str){text, bytes}),
                                  ret),
                     ERR_OK);
    mem_free(text);
}

static void ask_many(struct bench *b, const struct prompt *prompt, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        (void)ask_about(b, prompt, false, i, 1, CLOCK_NEVER);
}

/* Of the first n that were done, how many are of the groups from `first` to `end`. */
static size_t among(size_t n, size_t first, size_t end)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += order.groups[i] >= first && order.groups[i] < end;
    return found;
}

static void within_a_run_first_come_first_served(void **state RBR_UNUSED)
{
    struct bench *b = busy_new();
    b->run = 7;
    ask_many(b, &b->prompt, 0, 50);
    run(b);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(order.groups[i], i);
    bench_free(b);
}

/* 60 long ones came first. The short ones have their own turns, and go out in full before a second
 * long one costs as much. */
static void a_run_of_long_texts_does_not_keep_others_waiting(void **state RBR_UNUSED)
{
    struct bench *b = busy_new();
    struct prompt large, small;
    prompt_of(b, 60000, &large);
    prompt_of(b, 500, &small);
    b->run = 1;
    ask_many(b, &large, 0, 15);
    b->run = 2;
    ask_many(b, &small, 100, 60);
    run(b);
    assert_int_equal(among(63, 100, 160), 60);
    bench_free(b);
}

/* What takes part in two runs' places is served, whatever their hashes are. */
static void any_number_of_runs_is_served(void **state RBR_UNUSED)
{
    struct bench *b = busy_new();
    for (size_t i = 0; i < 200; i++) {
        b->run = i * UINT64_C(0x9e3779b97f4a7c15);
        ask_many(b, &b->prompt, i, 1);
    }
    for (size_t i = 0; i < 200; i += 3)
        grader_cancel(&b->groups[i].group); /* out of the middle */
    run(b);
    assert_int_equal(order.n, 200);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_a_run_first_come_first_served),
        cmocka_unit_test(a_run_of_long_texts_does_not_keep_others_waiting),
        cmocka_unit_test(any_number_of_runs_is_served),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
