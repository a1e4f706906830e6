#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "replay/compare_table.h"
#include "replay/statistics.h"

const double compare_quantiles[COMPARE_QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

/* The completions with a number on both sides, in an order that puts those of one kind together. */
struct selection {
    const struct joined **items;
    size_t n;
    double *numbers; /* room for n of them */
};

static bool on_both(const struct joined *j)
{
    return j->sides[COMPARE_A].seen && j->sides[COMPARE_B].seen;
}

static bool has_numbers(const struct joined *j)
{
    return j->sides[COMPARE_A].has_reward && j->sides[COMPARE_B].has_reward;
}

/* ---- counts and transitions -------------------------------------------------------------------
 */

static void count(struct compare *c, struct compare_report *ret)
{
    size_t n = c->n_class_order;
    size_t *place = mem_array(c->n_names, sizeof(*place)); /* of a class, by name */
    c->classes = mem_array(n, sizeof(*c->classes));
    c->transitions = mem_array(n * n, sizeof(*c->transitions));
    for (size_t i = 0; i < n; i++) {
        c->classes[i] = c->names[c->class_order[i]];
        place[c->class_order[i]] = i;
    }
    memcpy(ret->sides, c->counts, sizeof(ret->sides));
    for (size_t i = 0; i < c->n_joined; i++) {
        const struct outcome *a = &c->joined[i].sides[COMPARE_A];
        const struct outcome *b = &c->joined[i].sides[COMPARE_B];
        ret->sides[COMPARE_A].alone += !b->seen;
        ret->sides[COMPARE_B].alone += !a->seen;
        if (!on_both(&c->joined[i]))
            continue;
        ret->both++;
        ret->compared += has_numbers(&c->joined[i]);
        ret->rerouted += a->type != b->type;
        c->transitions[place[a->class] * n + place[b->class]]++;
    }
    mem_free(place);
    ret->classes = c->classes;
    ret->n_classes = n;
    ret->transitions = c->transitions;
}

/* ---- shifts -----------------------------------------------------------------------------------
 */

/* One side's rewards of items [from, to). */
static const double *numbers_of(const struct selection *s, size_t from, size_t to, int side)
{
    for (size_t i = from; i < to; i++)
        s->numbers[i - from] = s->items[i]->sides[side].reward;
    return s->numbers;
}

/* Both sides into the same bins, between the least and the largest of all. */
static void fill_bins(const struct selection *s, size_t from, size_t to,
                      struct compare_shift *shift)
{
    shift->low = INFINITY;
    shift->high = -INFINITY;
    for (size_t i = from; i < to; i++)
        for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
            shift->low = fmin(shift->low, s->items[i]->sides[side].reward);
            shift->high = fmax(shift->high, s->items[i]->sides[side].reward);
        }
    if (shift->n == 0)
        shift->low = shift->high = NAN;
    statistics_widen(&shift->low, &shift->high);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
        statistics_bins(numbers_of(s, from, to, side), shift->n, shift->low, shift->high,
                        shift->bins[side], COMPARE_BINS);
}

static struct compare_shift shift_of(const struct selection *s, size_t from, size_t to)
{
    struct compare_shift shift = {.n = to - from};
    fill_bins(s, from, to, &shift);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        (void)numbers_of(s, from, to, side);
        /* Sorted, so that the sum does not depend on the order in which rewards came. */
        statistics_sort(s->numbers, shift.n);
        shift.mean[side] = shift.n > 0 ? statistics_mean(s->numbers, shift.n) : NAN;
        for (size_t q = 0; q < COMPARE_QUANTILES; q++)
            shift.quantiles[side][q] =
                shift.n > 0 ? statistics_quantile(s->numbers, shift.n, compare_quantiles[q]) : NAN;
    }
    return shift;
}

static int by_type(const void *x, const void *y, void *table)
{
    const struct compare *c = table;
    const struct joined *const *a = x, *const *b = y;
    return str_order(c->names[(*a)->sides[COMPARE_A].type], c->names[(*b)->sides[COMPARE_A].type]);
}

static void measure_shifts(struct compare *c, struct selection *s, struct compare_report *ret)
{
    size_t cap = 0;
    qsort_r(s->items, s->n, sizeof(*s->items), by_type, c);
    ret->all = shift_of(s, 0, s->n);
    for (size_t from = 0, to; from < s->n; from = to) {
        uint32_t type = s->items[from]->sides[COMPARE_A].type;
        for (to = from; to < s->n && s->items[to]->sides[COMPARE_A].type == type;)
            to++;
        mem_grow((void **)&c->shifts, &cap, ret->n_shifts, sizeof(*c->shifts));
        c->shifts[ret->n_shifts] = shift_of(s, from, to);
        c->shifts[ret->n_shifts++].type = c->names[type];
    }
    ret->shifts = c->shifts;
}

/* ---- groups -----------------------------------------------------------------------------------
 */

static int by_group(const void *x, const void *y)
{
    const struct joined *const *a = x, *const *b = y;
    if ((*a)->grouped != (*b)->grouped)
        return (*a)->grouped ? -1 : 1; /* those without one at the end */
    return memcmp((*a)->group, (*b)->group, DIGEST_BYTES);
}

static void count_signs(const struct joined *const *members, size_t n, double *numbers,
                        int8_t *signs, uint64_t ret[3][3])
{
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        for (size_t i = 0; i < n; i++)
            numbers[i] = members[i]->sides[side].reward;
        statistics_signs(numbers, n, &signs[(size_t)side * n]);
    }
    for (size_t i = 0; i < n; i++)
        ret[signs[i] + 1][signs[n + i] + 1]++;
}

static void rank_group(const struct joined *const *members, size_t n, struct statistics_pair *pairs,
                       struct statistics_ranks *ret)
{
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct statistics_pair){members[i]->sides[COMPARE_A].reward,
                                            members[i]->sides[COMPARE_B].reward};
    statistics_tau(pairs, n, pairs + n, ret);
}

static void measure_groups(struct selection *s, struct compare_report *ret)
{
    struct compare_ranks *ranks = &ret->ranks;
    struct statistics_pair *pairs = mem_array(2 * s->n, sizeof(*pairs));
    int8_t *signs = mem_array(2 * s->n, sizeof(*signs));
    double *taus = mem_array(s->n, sizeof(*taus));
    qsort(s->items, s->n, sizeof(*s->items), by_group);
    for (size_t from = 0, to; from < s->n && s->items[from]->grouped; from = to) {
        struct statistics_ranks of_group;
        for (to = from; to < s->n && by_group(&s->items[from], &s->items[to]) == 0;)
            to++;
        if (to - from < 2)
            continue;
        count_signs(&s->items[from], to - from, s->numbers, signs, ret->signs);
        rank_group(&s->items[from], to - from, pairs, &of_group);
        ranks->groups++;
        ranks->concordant += of_group.concordant;
        ranks->discordant += of_group.discordant;
        if (!isnan(of_group.tau))
            taus[ranks->ordered++] = of_group.tau;
    }
    statistics_sort(taus, ranks->ordered);
    bool any = ranks->ordered > 0;
    ranks->tau_mean = any ? statistics_mean(taus, ranks->ordered) : NAN;
    ranks->tau_median = any ? statistics_quantile(taus, ranks->ordered, 0.5) : NAN;
    ranks->tau_min = any ? taus[0] : NAN;
    mem_free(taus);
    mem_free(signs);
    mem_free(pairs);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

void compare_finish(struct compare *c, struct compare_report *ret)
{
    *ret = (struct compare_report){0};
    count(c, ret);
    struct selection s = {.items = mem_array(ret->compared, sizeof(struct joined *)),
                          .numbers = mem_array(ret->compared, sizeof(double))};
    for (size_t i = 0; i < c->n_joined; i++)
        if (on_both(&c->joined[i]) && has_numbers(&c->joined[i]))
            s.items[s.n++] = &c->joined[i];
    measure_shifts(c, &s, ret);
    measure_groups(&s, ret);
    mem_free(s.items);
    mem_free(s.numbers);
    c->shown = mem_array(c->n_movers, sizeof(*c->shown));
    for (size_t i = 0; i < c->n_movers; i++)
        c->shown[i] = c->movers[i].shown;
    ret->movers = c->shown;
    ret->n_movers = c->n_movers;
}
