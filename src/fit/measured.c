#include "fit/measured.h"

#include <math.h>

#include "base/mem.h"
#include "replay/statistics.h"

const struct str measured_names[MEASURED_REWARDS] = {
    [MEASURED_RM] = STR_INIT("RM"),
    [MEASURED_BEFORE] = STR_INIT("before"),
    [MEASURED_RBR] = STR_INIT("RBR"),
    [MEASURED_AFTER] = STR_INIT("after"),
};

/* ---- scores -----------------------------------------------------------------------------------
 */

struct scores {
    double *of[MEASURED_REWARDS]; /* per row; NULL: there is no such reward */
};

static void scores_init(struct scores *s, const struct fit *fit, const struct fitted *f)
{
    const struct pairs *p = &f->pairs;
    const struct response_type *type = fitted_type(fit, f);
    double *before = mem_array(p->n_features + 1, sizeof(*before));
    const double *w[MEASURED_REWARDS] = {
        [MEASURED_BEFORE] = before, [MEASURED_RBR] = f->weights, [MEASURED_AFTER] = f->weights};
    for (size_t i = 0; i < p->n_features; i++)
        before[i] = type->features[i].weight;
    for (size_t r = 0; r < MEASURED_REWARDS; r++) {
        bool is_there = (r != MEASURED_RM || fit->pairs.reward_model) &&
                        (r != MEASURED_BEFORE || type->has_weights);
        s->of[r] = is_there ? mem_array(p->n_rows, sizeof(double)) : NULL;
        if (is_there)
            pairs_scores(p, r != MEASURED_RBR, w[r], s->of[r]);
    }
    mem_free(before);
}

static void scores_done(struct scores *s)
{
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        mem_free(s->of[r]);
}

/* ---- by label ---------------------------------------------------------------------------------
 */

static void count_label(struct measured *m, const struct pairs *p, const double *scores, size_t r)
{
    double *low = &m->low[r], *high = &m->high[r];
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < p->n_rows; i++) {
        *low = fmin(*low, scores[i]);
        *high = fmax(*high, scores[i]);
    }
    statistics_widen(low, high);
    for (size_t i = 0; i < m->n_labels; i++)
        m->labels[i].mean[r] = 0;
    for (size_t i = 0; i < p->n_rows; i++) {
        struct measured_label *label = &m->labels[p->labels[i]];
        label->mean[r] += scores[i];
        statistics_bins(&scores[i], 1, *low, *high, label->bins[r], MEASURED_BINS);
    }
}

static void count_labels(struct measured *m, const struct pairs *p, const struct scores *s)
{
    for (size_t i = 0; i < p->n_rows; i++)
        m->labels[p->labels[i]].n++;
    for (size_t r = 0; r < MEASURED_REWARDS; r++) {
        if (s->of[r] != NULL)
            count_label(m, p, s->of[r], r);
        for (size_t i = 0; i < m->n_labels; i++) {
            struct measured_label *label = &m->labels[i];
            label->mean[r] =
                s->of[r] != NULL && label->n > 0 ? label->mean[r] / (double)label->n : NAN;
        }
    }
}

/* ---- by pair of labels ------------------------------------------------------------------------
 */

static void count_pair(struct measured_pairs *to, const struct pair *pair, const struct scores *s)
{
    to->n++;
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        if (s->of[r] != NULL)
            to->wrong[r] += s->of[r][pair->worse] >= s->of[r][pair->better];
}

static void count_pairs(struct measured *m, const struct ordering *o, const struct pairs *p,
                        const struct scores *s)
{
    size_t at[ORDERING_LABELS_MAX][ORDERING_LABELS_MAX]; /* in m->pairs */
    m->pairs = mem_array(o->n * o->n + 1, sizeof(*m->pairs));
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j < o->n; j++) {
            if (!o->above[i][j])
                continue;
            at[i][j] = m->n_pairs;
            m->pairs[m->n_pairs++] =
                (struct measured_pairs){.better = o->labels[i], .worse = o->labels[j]};
        }
    for (size_t i = 0; i < p->n; i++) {
        const struct pair *pair = &p->items[i];
        count_pair(&m->pairs[at[p->labels[pair->better]][p->labels[pair->worse]]], pair, s);
        count_pair(i < p->n_train ? &m->trained : &m->held_out, pair, s);
    }
    m->trained_loss = pairs_loss(p, 0, p->n_train, s->of[MEASURED_AFTER]);
    m->held_out_loss = pairs_loss(p, p->n_train, p->n, s->of[MEASURED_AFTER]);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

void measured_init(struct measured *m, const struct fit *fit, const struct fitted *f)
{
    const struct ordering *o = &fit->orderings->types[f->pairs.response_type];
    struct scores s;
    scores_init(&s, fit, f);
    *m = (struct measured){.labels = mem_array(o->n + 1, sizeof(*m->labels)), .n_labels = o->n};
    for (size_t i = 0; i < o->n; i++)
        m->labels[i].name = o->labels[i];
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        m->has[r] = s.of[r] != NULL;
    count_labels(m, &f->pairs, &s);
    count_pairs(m, o, &f->pairs, &s);
    scores_done(&s);
}

void measured_done(struct measured *m)
{
    mem_free(m->labels);
    mem_free(m->pairs);
}

double measured_error(const struct measured *m, const struct measured_pairs *p,
                      enum measured_of reward)
{
    return m->has[reward] && p->n > 0 ? (double)p->wrong[reward] / (double)p->n : NAN;
}
