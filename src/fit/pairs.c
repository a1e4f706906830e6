#include "fit/pairs.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"

/* What pairs_make works with. */
struct maker {
    const struct rows *rows;
    const struct policy *policy;
    const struct ordering *ordering;
    const struct pairs_options *options;
    struct pairs *out;
    const struct row **by_prompt; /* of the response type: prompt by prompt, in file order */
    uint32_t *prompt_of; /* per pair: number of its prompt */
    size_t cap, prompt_cap; /* of out->items and prompt_of */
    struct rng rng;
};

void pairs_done(struct pairs *p)
{
    mem_free(p->features);
    mem_free(p->base);
    mem_free(p->labels);
    mem_free(p->items);
    *p = (struct pairs){0};
}

static struct str type_name(const struct maker *m)
{
    return m->policy->response_types[m->out->response_type].name;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static int compare_prompts(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    int order = str_order(x->prompt, y->prompt);
    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static void gather_rows(struct maker *m)
{
    struct pairs *out = m->out;
    m->by_prompt = mem_array(m->rows->n + 1, sizeof(const struct row *));
    for (size_t i = 0; i < m->rows->n; i++)
        if (m->rows->items[i].response_type == out->response_type)
            m->by_prompt[out->n_rows++] = &m->rows->items[i];
    qsort(m->by_prompt, out->n_rows, sizeof(const struct row *), compare_prompts);
}

static enum err_code unknown_label(const struct maker *m, const struct row *row, struct err *err)
{
    char known[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < m->ordering->n && n < sizeof(known); i++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%.*s", i > 0 ? ", " : "",
                              STR_ARGS(m->ordering->labels[i]));
    if (m->ordering->n == 0)
        return err_set(err, ERR_INVALID,
                       "line %" PRIu64 ": the orderings say nothing of %.*s; add it to them",
                       row->line, STR_ARGS(type_name(m)));
    return err_set(err, ERR_INVALID,
                   "line %" PRIu64 ": label '%.*s' is not in the orderings of %.*s (%s); correct "
                   "it, or add it to them",
                   row->line, STR_ARGS(row->label), STR_ARGS(type_name(m)), known);
}

static enum err_code copy_rows(struct maker *m, struct err *err)
{
    struct pairs *out = m->out;
    const size_t k = out->n_features;
    out->features = mem_array(out->n_rows * k + 1, sizeof(*out->features));
    out->base = mem_array(out->n_rows + 1, sizeof(*out->base));
    out->labels = mem_array(out->n_rows + 1, sizeof(*out->labels));
    for (size_t i = 0; i < out->n_rows; i++) {
        const struct row *row = m->by_prompt[i];
        out->labels[i] = ordering_find(m->ordering, row->label);
        if (out->labels[i] == SIZE_MAX)
            return unknown_label(m, row, err);
        if (m->options->reward_model)
            out->base[i] = m->policy->rm_weight * row->reward_model;
        for (size_t f = 0; f < k; f++)
            out->features[i * k + f] = row->features[f];
    }
    return ERR_OK;
}

/* ---- pairs ------------------------------------------------------------------------------------
 */

static bool add_pair(struct maker *m, size_t better, size_t worse)
{
    struct pairs *out = m->out;
    if (!m->ordering->above[out->labels[better]][out->labels[worse]])
        return true;
    if (out->n == PAIRS_MAX)
        return false;
    mem_grow((void **)&out->items, &m->cap, out->n, sizeof(*out->items));
    mem_grow((void **)&m->prompt_of, &m->prompt_cap, out->n, sizeof(*m->prompt_of));
    m->prompt_of[out->n] = (uint32_t)out->n_prompts;
    out->items[out->n++] = (struct pair){.better = (uint32_t)better,
                                         .worse = (uint32_t)worse,
                                         .margin = m->ordering->margin[out->labels[better]]};
    return true;
}

/* Every two completions of one prompt. Only prompts with a pair count as prompts. */
static bool make_pairs(struct maker *m)
{
    struct pairs *out = m->out;
    for (size_t from = 0, to; from < out->n_rows; from = to) {
        size_t before = out->n;
        for (to = from + 1; to < out->n_rows; to++)
            if (!str_eq(m->by_prompt[from]->prompt, m->by_prompt[to]->prompt))
                break;
        for (size_t i = from; i < to; i++)
            for (size_t j = i + 1; j < to; j++)
                if (!add_pair(m, i, j) || !add_pair(m, j, i))
                    return false;
        out->n_prompts += out->n > before;
    }
    return true;
}

static enum err_code no_pairs(const struct maker *m, struct err *err)
{
    const struct pairs *out = m->out;
    size_t first = 0; /* in the file */
    bool one_label = true;
    for (size_t i = 1; i < out->n_rows; i++) {
        one_label = one_label && out->labels[i] == out->labels[0];
        first = m->by_prompt[i]->line < m->by_prompt[first]->line ? i : first;
    }
    if (one_label)
        return err_set(err, ERR_INVALID,
                       "line %" PRIu64 ": all %zu rows of %.*s are labelled '%.*s'; a pair needs a "
                       "better and a worse one: add completions with other labels",
                       m->by_prompt[first]->line, out->n_rows, STR_ARGS(type_name(m)),
                       STR_ARGS(m->by_prompt[first]->label));
    return err_set(err, ERR_INVALID,
                   "line %" PRIu64
                   ": the %zu rows of %.*s, beginning here, make no pair: no prompt "
                   "has two completions of which one ranks above the other; see prompt_id and "
                   "labels.rank",
                   m->by_prompt[first]->line, out->n_rows, STR_ARGS(type_name(m)));
}

/* ---- the split --------------------------------------------------------------------------------
 */

static size_t share_to_train(const struct maker *m, size_t n)
{
    size_t train = (size_t)((1 - m->options->held_out) * (double)n);
    return train > 0 ? train : 1;
}

static void split_by_pair(struct maker *m)
{
    struct pairs *out = m->out;
    out->n_train = share_to_train(m, out->n);
    for (size_t i = out->n; out->n_train < out->n && i > 1; i--) {
        size_t j = (size_t)rng_below(&m->rng, i);
        struct pair swap = out->items[i - 1];
        out->items[i - 1] = out->items[j];
        out->items[j] = swap;
    }
}

/* The pairs of the prompts that are trained on come first; otherwise the order stays. */
static void split_by_prompt(struct maker *m)
{
    struct pairs *out = m->out;
    size_t n = out->n_prompts, at = 0;
    uint32_t *prompts = mem_array(n, sizeof(*prompts));
    bool *trains = mem_array(n, sizeof(*trains));
    struct pair *sorted = mem_array(out->n, sizeof(*sorted));
    for (size_t i = 0; i < n; i++)
        prompts[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(&m->rng, i);
        uint32_t swap = prompts[i - 1];
        prompts[i - 1] = prompts[j];
        prompts[j] = swap;
    }
    for (size_t i = 0; i < share_to_train(m, n); i++)
        trains[prompts[i]] = true;
    for (unsigned wanted = 2; wanted-- > 0;) {
        for (size_t i = 0; i < out->n; i++)
            if (trains[m->prompt_of[i]] == (wanted == 1))
                sorted[at++] = out->items[i];
        out->n_train = wanted == 1 ? at : out->n_train;
    }
    mem_free(out->items);
    out->items = sorted;
    mem_free(prompts);
    mem_free(trains);
}

enum err_code pairs_make(const struct rows *rows, const struct orderings *orderings,
                         size_t response_type, const struct pairs_options *options,
                         struct pairs *ret, struct err *err)
{
    *ret = (struct pairs){
        .response_type = response_type,
        .n_features = rows->policy->response_types[response_type].n_features,
    };
    struct maker m = {.rows = rows,
                      .policy = rows->policy,
                      .ordering = &orderings->types[response_type],
                      .options = options,
                      .out = ret};
    rng_init(&m.rng, options->seed);
    gather_rows(&m);
    enum err_code code = copy_rows(&m, err);
    if (code == ERR_OK && !make_pairs(&m))
        code = err_set(err, ERR_LIMIT, "%.*s: more than %d pairs; fit on fewer rows",
                       STR_ARGS(type_name(&m)), (int)PAIRS_MAX);
    if (code == ERR_OK && ret->n == 0)
        code = no_pairs(&m, err);
    if (code == ERR_OK && options->split == SPLIT_PAIR)
        split_by_pair(&m);
    else if (code == ERR_OK)
        split_by_prompt(&m);
    mem_free(m.by_prompt);
    mem_free(m.prompt_of);
    return code;
}

/* ---- what a fit computes ----------------------------------------------------------------------
 */

void pairs_scores(const struct pairs *p, bool with_base, const double *w, double *out)
{
    const size_t k = w != NULL ? p->n_features : 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        const double *phi = p->features + i * p->n_features;
        double sum = with_base ? p->base[i] : 0;
        for (size_t f = 0; f < k; f++)
            sum += w[f] * phi[f];
        out[i] = sum;
    }
}

struct pairs_loss pairs_loss(const struct pairs *p, size_t from, size_t to, const double *scores)
{
    double sum = 0;
    size_t clipped = 0;
    for (size_t i = from; i < to; i++) {
        const struct pair *pair = &p->items[i];
        double hinge = pair->margin + scores[pair->worse] - scores[pair->better];
        sum += hinge > 0 ? hinge : 0;
        clipped += !(hinge > 0);
    }
    double n = to > from ? (double)(to - from) : 1;
    return (struct pairs_loss){.mean = sum / n, .clipped = (double)clipped / n};
}
