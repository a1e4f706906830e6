#include "fit/given.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "fit/shape.h"

#define GIVEN_MEMORY_MAX ((size_t)2 << 30) /* bytes */
#define LINE_MEMORY_MAX  ((size_t)64 << 20)

void given_init(struct given *g, const struct policy *policy)
{
    *g = (struct given){.policy = policy};
    arena_init(&g->arena, GIVEN_MEMORY_MAX);
    arena_init(&g->scratch, LINE_MEMORY_MAX);
}

void given_done(struct given *g)
{
    arena_done(&g->arena);
    arena_done(&g->scratch);
    mem_free(g->items);
}

static double number_of(const struct json *v)
{
    if (v != NULL && v->type == JSON_BOOL)
        return v->boolean ? 1 : 0;
    return v != NULL && v->type == JSON_NUMBER ? v->number : NAN;
}

/* One judgment of either shape. Without a number it is ungraded, if it is named at all. */
static struct judgment judgment_of(const struct json *propositions, struct str name)
{
    const struct json *v = json_get(propositions, name), *mass = NULL;
    struct judgment j = {.status = JUDGMENT_NOT_ASKED, .mass = 1, .has_digest = true};
    if (propositions != NULL && propositions->type == JSON_ARRAY) {
        const struct json *entry = shape_entry(propositions, STR("id"), name);
        bool low = str_eq(shape_text(entry, STR("reason")), STR("REASON_LOW_PROBABILITY_MASS"));
        v = json_get(entry, STR("probability"));
        mass = json_get(entry, STR("mass"));
        if (entry != NULL)
            j.status = JUDGMENT_UNGRADED;
        j.reason = low ? REASON_LOW_PROBABILITY_MASS : REASON_MISSING_INPUT;
    }
    if (v != NULL && !isnan(number_of(v))) {
        j.status = JUDGMENT_GRADED;
        j.reason = REASON_NONE;
        j.probability = number_of(v);
        j.mass = isnan(number_of(mass)) ? 1 : number_of(mass);
    }
    return j;
}

enum err_code given_add(struct given *g, struct str text, uint64_t line, struct err *err)
{
    struct json_fault fault;
    struct given_row row = {.line = line};
    arena_reset(&g->scratch);
    const struct json *v = json_parse(&g->scratch, text, &fault);
    if (v == NULL)
        return shape_fault(text, &fault, err);
    row.completion_id = shape_text(v, STR("completion_id"));
    if (row.completion_id.n == 0)
        row.completion_id = shape_text(v, STR("id"));
    if (row.completion_id.n == 0)
        return err_set(err, ERR_INVALID, "no completion_id; say whose judgments these are");
    row.judgments = arena_array(&g->arena, g->policy->n_propositions, sizeof(*row.judgments));
    if (row.judgments == NULL || !arena_copy(&g->arena, row.completion_id, &row.completion_id))
        return err_set(err, ERR_LIMIT, "the judgments need more than 2 GiB; give fewer");
    for (size_t i = 0; i < g->policy->n_propositions; i++) {
        struct str name = g->policy->propositions[i].name;
        row.judgments[i] = judgment_of(json_get(v, STR("propositions")), name);
        double p = row.judgments[i].probability;
        if (p < 0 || p > 1)
            return err_set(err, ERR_INVALID, "proposition '%.*s' is %g; a probability is 0 to 1",
                           STR_ARGS(name), p);
    }
    mem_grow((void **)&g->items, &g->cap, g->n, sizeof(*g->items));
    g->items[g->n++] = row;
    return ERR_OK;
}

static int by_id(const void *a, const void *b)
{
    return str_order(((const struct given_row *)a)->completion_id,
                     ((const struct given_row *)b)->completion_id);
}

enum err_code given_sort(struct given *g, struct err *err)
{
    if (g->n > 0)
        qsort(g->items, g->n, sizeof(*g->items), by_id);
    for (size_t i = 1; i < g->n; i++) {
        const struct given_row *x = &g->items[i - 1], *y = &g->items[i];
        if (by_id(x, y) == 0)
            return err_set(err, ERR_INVALID,
                           "lines %" PRIu64 " and %" PRIu64
                           " are both of completion '%.*s'; leave one out",
                           x->line < y->line ? x->line : y->line,
                           x->line < y->line ? y->line : x->line, STR_ARGS(x->completion_id));
    }
    return ERR_OK;
}

const struct judgment *given_find(const struct given *g, struct str completion_id)
{
    const struct given_row key = {.completion_id = completion_id};
    const struct given_row *row =
        g->n > 0 ? bsearch(&key, g->items, g->n, sizeof(key), by_id) : NULL;
    return row != NULL ? row->judgments : NULL;
}
