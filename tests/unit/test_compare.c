/* replay/compare: joining, transitions, shifts, groups and movers of small sets by hand; what must
 * hold for any set. */
#include "unit.h"

#include <math.h>

#include "base/rng.h"
#include "replay/compare.h"

/* A reward as it is written in the tables below. */
struct given {
    const char *run, *id, *group, *type, *class;
    uint32_t attempt;
    enum status status;
    double reward; /* NAN: none */
};

static enum err_code add(struct compare *c, enum compare_side side, const struct given *g,
                         struct err *err)
{
    static const struct str classes[] = {STR_INIT("ideal"), STR_INIT("fair"), STR_INIT("poor")};
    struct reward_addend addends[] = {{STR_INIT("base"), 0.5}, {STR("all"), g->reward - 0.5}};
    const struct reward_facts facts = {
        .reward_id = side == COMPARE_A ? STR("of a") : STR("of b"),
        .run_id = str_z(g->run),
        .completion_id = str_z(g->id),
        .group_id = str_z(g->group),
        .response_type = str_z(g->type),
        .predicted_class = str_z(g->class),
        .attempt = g->attempt,
        .status = g->status,
        .has_reward = !isnan(g->reward),
        .reward = isnan(g->reward) ? 0 : g->reward,
        .classes = classes,
        .n_classes = ARRAY_LEN(classes),
        .addends = addends,
        .n_addends = isnan(g->reward) ? 0 : ARRAY_LEN(addends),
    };
    return compare_add(c, side, &facts, err);
}

static struct compare *made_of(const struct given *a, size_t n_a, const struct given *b, size_t n_b)
{
    struct err err = {0};
    struct compare *c = compare_new(3);
    for (size_t i = 0; i < n_a; i++)
        assert_int_equal(add(c, COMPARE_A, &a[i], &err), ERR_OK);
    for (size_t i = 0; i < n_b; i++)
        assert_int_equal(add(c, COMPARE_B, &b[i], &err), ERR_OK);
    return c;
}

/* Of one run; a and b as sides. */
static const struct given some_a[] = {
    {"r", "1", "g", "comply", "ideal", 0, STATUS_OK, 2},
    {"r", "2", "g", "comply", "fair", 0, STATUS_OK, 1},
    {"r", "3", "g", "comply", "poor", 0, STATUS_OK, 0},
    {"r", "4", "h", "refuse", "poor", 0, STATUS_OK, -1},
    {"r", "5", "h", "refuse", "", 0, STATUS_FAILED, NAN},
    {"r", "6", "", "refuse", "ideal", 0, STATUS_OK, 3}, /* has no group */
    {"r", "7", "g", "comply", "ideal", 0, STATUS_OK, 9}, /* only here */
    {"r", "7", "g", "comply", "ideal", 1, STATUS_OK, 9}, /* another attempt */
};
static const struct given some_b[] = {
    {"r", "6", "", "refuse", "fair", 0, STATUS_OK, 3.5},
    {"r", "5", "h", "refuse", "fair", 0, STATUS_PARTIAL, 1},
    {"r", "4", "h", "refuse", "", 0, STATUS_SKIPPED, NAN},
    {"r", "3", "g", "refuse", "poor", 0, STATUS_OK, 4}, /* routed elsewhere */
    {"r", "2", "g", "comply", "ideal", 0, STATUS_OK, 1},
    {"r", "1", "g", "comply", "ideal", 0, STATUS_OK, 2},
    {"s", "7", "g", "comply", "ideal", 0, STATUS_OK, 9}, /* another run */
    {"r", "1", "g", "comply", "poor", 0, STATUS_OK, 7}, /* again: the first one counts */
};

static void counts_and_transitions(void **state RBR_UNUSED)
{
    struct compare_report r;
    struct compare *c = made_of(some_a, ARRAY_LEN(some_a), some_b, ARRAY_LEN(some_b));
    compare_finish(c, &r);
    const struct compare_counts *a = &r.sides[COMPARE_A], *b = &r.sides[COMPARE_B];
    assert_int_equal(a->rewards, 8);
    assert_int_equal(b->rewards, 7);
    assert_int_equal(a->repeated, 0);
    assert_int_equal(b->repeated, 1);
    assert_int_equal(a->alone, 2);
    assert_int_equal(b->alone, 1);
    assert_int_equal(a->with_number, 7);
    assert_int_equal(b->with_number, 6);
    assert_int_equal(a->by_status[STATUS_FAILED], 1);
    assert_int_equal(b->by_status[STATUS_SKIPPED], 1);
    assert_int_equal(b->by_status[STATUS_PARTIAL], 1);
    assert_int_equal(b->by_status[STATUS_OK], 5);
    assert_int_equal(r.both, 6);
    assert_int_equal(r.compared, 4);
    assert_int_equal(r.rerouted, 1);
    static const uint64_t want[4][4] = {
        {1, 1, 0, 0}, /* ideal: 1, 6 */
        {1, 0, 0, 0}, /* fair: 2 */
        {0, 0, 1, 1}, /* poor: 3, 4 */
        {0, 1, 0, 0}, /* not known: 5 */
    };
    assert_int_equal(r.n_classes, 4);
    assert_str(r.classes[0], "ideal");
    assert_str(r.classes[1], "fair");
    assert_str(r.classes[2], "poor");
    assert_int_equal(r.classes[3].n, 0);
    assert_memory_equal(r.transitions, want, sizeof(want));
    compare_free(c);
    compare_free(NULL);
}

static void shifts_by_the_type_of_a(void **state RBR_UNUSED)
{
    struct compare_report r;
    struct compare *c = made_of(some_a, ARRAY_LEN(some_a), some_b, ARRAY_LEN(some_b));
    compare_finish(c, &r);
    assert_int_equal(r.all.n, 4);
    assert_float_equal(r.all.mean[COMPARE_A], 6.0 / 4, 1e-15);
    assert_float_equal(r.all.mean[COMPARE_B], 10.5 / 4, 1e-15);
    assert_int_equal(r.n_shifts, 2);
    assert_str(r.shifts[0].type, "comply");
    assert_int_equal(r.shifts[0].n, 3);
    assert_float_equal(r.shifts[0].mean[COMPARE_A], 1, 0);
    assert_float_equal(r.shifts[0].mean[COMPARE_B], 7.0 / 3, 1e-15);
    assert_float_equal(r.shifts[0].quantiles[COMPARE_A][2], 1, 0); /* of 0 1 2 */
    assert_float_equal(r.shifts[0].quantiles[COMPARE_B][2], 2, 0); /* of 1 2 4 */
    assert_float_equal(r.shifts[0].quantiles[COMPARE_B][4], 3.8, 1e-12);
    assert_float_equal(r.shifts[0].low, 0, 0);
    assert_float_equal(r.shifts[0].high, 4, 0);
    assert_int_equal(r.shifts[0].bins[COMPARE_A][0], 1);
    assert_int_equal(r.shifts[0].bins[COMPARE_A][COMPARE_BINS / 4], 1);
    assert_int_equal(r.shifts[0].bins[COMPARE_B][COMPARE_BINS / 2], 1);
    assert_int_equal(r.shifts[0].bins[COMPARE_B][COMPARE_BINS - 1], 1);
    assert_str(r.shifts[1].type, "refuse");
    assert_int_equal(r.shifts[1].n, 1);
    compare_free(c);
}

static void ranks_and_signs_within_groups(void **state RBR_UNUSED)
{
    static const uint64_t signs[3][3] = {
        /* of g: 2 1 0 with mean 1, then 2 1 4 with mean 7/3 */
        {0, 0, 1},
        {1, 0, 0},
        {1, 0, 0},
    };
    struct compare_report r;
    struct compare *c = made_of(some_a, ARRAY_LEN(some_a), some_b, ARRAY_LEN(some_b));
    compare_finish(c, &r);
    assert_int_equal(r.ranks.groups, 1); /* of h only failures are left, 6 has none */
    assert_int_equal(r.ranks.ordered, 1);
    assert_int_equal(r.ranks.concordant, 1);
    assert_int_equal(r.ranks.discordant, 2);
    assert_float_equal(r.ranks.tau_mean, -1.0 / 3, 1e-15);
    assert_float_equal(r.ranks.tau_median, -1.0 / 3, 1e-15);
    assert_float_equal(r.ranks.tau_min, -1.0 / 3, 1e-15);
    assert_memory_equal(r.signs, signs, sizeof(signs));
    compare_free(c);
}

static void movers_and_what_moved_them(void **state RBR_UNUSED)
{
    struct compare_report r;
    struct compare *c = made_of(some_a, ARRAY_LEN(some_a), some_b, ARRAY_LEN(some_b));
    compare_finish(c, &r);
    assert_int_equal(r.n_movers, 2); /* of 1 and 2 the reward is the same */
    const struct compare_mover *m = r.movers;
    assert_str(m[0].completion_id, "3");
    assert_str(m[0].run_id, "r");
    assert_str(m[0].type, "comply");
    assert_str(m[0].class[COMPARE_A], "poor");
    assert_float_equal(m[0].reward[COMPARE_A], 0, 0);
    assert_float_equal(m[0].reward[COMPARE_B], 4, 0);
    assert_int_equal(m[0].n_parts, 1); /* base is as it was */
    assert_str(m[0].parts[0].name, "all");
    assert_float_equal(m[0].parts[0].value[COMPARE_A], -0.5, 0);
    assert_float_equal(m[0].parts[0].value[COMPARE_B], 3.5, 0);
    assert_str(m[1].completion_id, "6");
    assert_str(m[1].class[COMPARE_B], "fair");
    compare_free(c);
}

/* Components by name, whatever their place; the largest change first; absent is 0. */
static void components_of_two_policies(void **state RBR_UNUSED)
{
    static const struct reward_addend of_a[] = {{STR_INIT("rm"), 1},
                                                {STR_INIT("gone"), -0.25},
                                                {STR_INIT("x"), 0.5},
                                                {STR_INIT("y"), 1},
                                                {STR_INIT("z"), 3}};
    static const struct reward_addend of_b[] = {{STR_INIT("z"), 3},
                                                {STR_INIT("y"), -1},
                                                {STR_INIT("new"), 0.75},
                                                {STR_INIT("x"), 0.625},
                                                {STR_INIT("rm"), 1.0625}};
    static const struct {
        const char *name;
        double a, b;
    } want[COMPARE_PARTS] = {{"y", 1, -1}, {"new", 0, 0.75}, {"gone", -0.25, 0}, {"x", 0.5, 0.625}};
    struct reward_facts a = {.reward_id = STR("1"),
                             .completion_id = STR("c"),
                             .status = STATUS_OK,
                             .has_reward = true,
                             .reward = 5.25,
                             .addends = of_a,
                             .n_addends = ARRAY_LEN(of_a)};
    struct reward_facts b = a;
    struct compare_report r;
    struct err err = {0};
    struct compare *c = compare_new(COMPARE_MOVERS_MAX);
    b.reward = 4.4375;
    b.addends = of_b;
    b.n_addends = ARRAY_LEN(of_b);
    assert_int_equal(compare_add(c, COMPARE_A, &a, &err), ERR_OK);
    assert_int_equal(compare_add(c, COMPARE_B, &b, &err), ERR_OK);
    compare_finish(c, &r);
    assert_int_equal(r.n_movers, 1);
    assert_int_equal(r.movers[0].n_parts, COMPARE_PARTS);
    for (size_t i = 0; i < COMPARE_PARTS; i++) {
        assert_strs(r.movers[0].parts[i].name, str_z(want[i].name));
        assert_float_equal(r.movers[0].parts[i].value[COMPARE_A], want[i].a, 0);
        assert_float_equal(r.movers[0].parts[i].value[COMPARE_B], want[i].b, 0);
    }
    compare_free(c);
}

static void one_completion_under_two_policies_is_refused(void **state RBR_UNUSED)
{
    struct reward_facts one = {.reward_id = STR("1"), .completion_id = STR("c")}, other = one;
    struct err err = {0};
    struct compare *c = compare_new(0);
    other.reward_id = STR("2");
    assert_int_equal(compare_add(c, COMPARE_A, &one, &err), ERR_OK);
    assert_int_equal(compare_add(c, COMPARE_A, &one, &err), ERR_OK);
    assert_int_equal(compare_add(c, COMPARE_A, &other, &err), ERR_INVALID);
    assert_string_equal(err.msg, "the completion has a reward under another policy before; "
                                 "compare the rewards of one policy at a time");
    assert_int_equal(compare_add(c, COMPARE_B, &other, &err), ERR_OK);
    compare_free(c);
}

static void so_many_classes_are_of_no_policy(void **state RBR_UNUSED)
{
    struct err err = {0};
    struct compare *c = compare_new(0);
    enum err_code code = ERR_OK;
    int i = 0;
    for (; code == ERR_OK && i < 2 * COMPARE_CLASSES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%d", i);
        const struct reward_facts facts = {
            .reward_id = STR("1"), .completion_id = str_z(name), .predicted_class = str_z(name)};
        code = compare_add(c, COMPARE_A, &facts, &err);
    }
    assert_int_equal(code, ERR_LIMIT);
    assert_int_equal(i, COMPARE_CLASSES_MAX + 1);
    assert_string_equal(err.msg, "more than 1000 classes; are these rewards of one policy?");
    compare_free(c);
}

static void nothing_in_common(void **state RBR_UNUSED)
{
    struct compare_report r;
    struct compare *c = made_of(&some_a[0], 1, &some_b[6], 1);
    compare_finish(c, &r);
    assert_int_equal(r.both + r.compared + r.n_shifts + r.ranks.groups + r.n_movers, 0);
    assert_true(isnan(r.all.mean[COMPARE_A]) && isnan(r.ranks.tau_mean));
    assert_true(isnan(r.all.low) && isnan(r.all.high));
    compare_free(c);
    c = compare_new(1);
    compare_finish(c, &r);
    assert_int_equal(r.n_classes, 0);
    compare_free(c);
}

/* ---- what holds for any set -------------------------------------------------------------------
 */

enum { ANY = 300 };

static void draw(struct rng *rng, struct given *ret, char (*names)[8], bool failures)
{
    static const char *const classes[] = {"ideal", "fair", "poor"};
    static const char *const groups[] = {"a", "b", "c", "d", "e", ""};
    static const char *const types[] = {"comply", "refuse"};
    for (size_t i = 0; i < ANY; i++) {
        bool failed = failures && rng_below(rng, 5) == 0;
        (void)snprintf(names[i], sizeof(names[i]), "%zu", i);
        ret[i] = (struct given){
            .run = "r",
            .id = names[i],
            .group = groups[rng_below(rng, ARRAY_LEN(groups))],
            .type = types[rng_below(rng, ARRAY_LEN(types))],
            .class = failed ? "" : classes[rng_below(rng, ARRAY_LEN(classes))],
            .status = failed ? STATUS_FAILED : STATUS_OK,
            .reward = failed ? (double)NAN : (double)rng_below(rng, 9) * 0.1 - 0.3,
        };
    }
}

static void shuffle(struct rng *rng, struct given *items)
{
    for (size_t i = ANY - 1; i > 0; i--) {
        size_t k = rng_below(rng, i + 1);
        struct given kept = items[i];
        items[i] = items[k];
        items[k] = kept;
    }
}

static void a_set_compared_with_itself(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 50; round++) {
        static struct given set[ANY], again[ANY];
        static char names[ANY][8];
        struct compare_report r;
        draw(&rng, set, names, true);
        memcpy(again, set, sizeof(set));
        shuffle(&rng, again);
        struct compare *c = made_of(set, ANY, again, ANY);
        compare_finish(c, &r);
        assert_int_equal(r.both, ANY);
        assert_int_equal(r.sides[COMPARE_A].alone + r.sides[COMPARE_B].alone + r.rerouted, 0);
        assert_int_equal(r.compared, r.sides[COMPARE_A].with_number);
        for (size_t i = 0; i < r.n_classes * r.n_classes; i++)
            assert_true(r.transitions[i] == 0 || i / r.n_classes == i % r.n_classes);
        assert_memory_equal(r.all.quantiles[COMPARE_A], r.all.quantiles[COMPARE_B],
                            sizeof(r.all.quantiles[COMPARE_A]));
        assert_memory_equal(&r.all.mean[COMPARE_A], &r.all.mean[COMPARE_B], sizeof(double));
        assert_int_equal(r.ranks.ordered, 5);
        assert_float_equal(r.ranks.tau_min, 1, 0);
        assert_int_equal(r.ranks.discordant, 0);
        for (size_t i = 0; i < 9; i++)
            assert_true(r.signs[i / 3][i % 3] == 0 || i / 3 == i % 3);
        assert_int_equal(r.n_movers, 0);
        compare_free(c);
    }
}

/* With the sides exchanged everything is mirrored; the order in which rewards come is nothing. */
static void exchanged_and_shuffled(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 50; round++) {
        static struct given one[ANY], two[ANY];
        static char names[ANY][8];
        struct compare_report r, m;
        draw(&rng, one, names, true);
        draw(&rng, two, names, true);
        for (size_t i = 0; i < ANY; i++) { /* a completion's group and type are its own */
            two[i].group = one[i].group;
            two[i].type = one[i].type;
        }
        struct compare *c = made_of(one, ANY, two, ANY);
        shuffle(&rng, one);
        shuffle(&rng, two);
        struct compare *mirror = made_of(two, ANY, one, ANY);
        compare_finish(c, &r);
        compare_finish(mirror, &m);
        assert_int_equal(r.compared, m.compared);
        assert_memory_equal(&r.all.mean[COMPARE_A], &m.all.mean[COMPARE_B], sizeof(double));
        assert_memory_equal(r.shifts[1].quantiles[COMPARE_B], m.shifts[1].quantiles[COMPARE_A],
                            sizeof(r.all.quantiles[0]));
        assert_memory_equal(&r.ranks, &m.ranks, sizeof(r.ranks));
        for (size_t i = 0; i < 9; i++)
            assert_int_equal(r.signs[i / 3][i % 3], m.signs[i % 3][i / 3]);
        assert_int_equal(r.n_movers, 3);
        for (size_t i = 0; i < 3; i++) {
            assert_strs(r.movers[i].completion_id, m.movers[i].completion_id);
            assert_float_equal(r.movers[i].reward[COMPARE_A], m.movers[i].reward[COMPARE_B], 0);
        }
        compare_free(c);
        compare_free(mirror);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_transitions),
        cmocka_unit_test(shifts_by_the_type_of_a),
        cmocka_unit_test(ranks_and_signs_within_groups),
        cmocka_unit_test(movers_and_what_moved_them),
        cmocka_unit_test(components_of_two_policies),
        cmocka_unit_test(one_completion_under_two_policies_is_refused),
        cmocka_unit_test(so_many_classes_are_of_no_policy),
        cmocka_unit_test(nothing_in_common),
        cmocka_unit_test(a_set_compared_with_itself),
        cmocka_unit_test(exchanged_and_shuffled),
    };
    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
