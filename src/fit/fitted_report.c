#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "fit/fitted.h"

enum { CURVE_POINTS = 10, LABEL_WIDTH = 40 };

/* ---- ranking error ----------------------------------------------------------------------------
 */

/* The rewards that are compared. RM: R_rm alone. BEFORE: with the policy's weights as they were.
 * RBR: the fitted sum alone. AFTER: both. */
enum reward_of { OF_RM, OF_BEFORE, OF_RBR, OF_AFTER, REWARDS_OF };

struct ranking {
    size_t pairs;
    size_t wrong[REWARDS_OF];
};

struct scores {
    double *of[REWARDS_OF]; /* per row; NULL: there is no such reward */
};

static void scores_init(struct scores *s, const struct fit *fit, const struct fitted *f)
{
    const struct pairs *p = &f->pairs;
    const struct response_type *type = fitted_type(fit, f);
    const double *w[REWARDS_OF] = {[OF_RBR] = f->weights, [OF_AFTER] = f->weights};
    double *before = mem_array(p->n_features + 1, sizeof(*before));
    for (size_t i = 0; i < p->n_features; i++)
        before[i] = type->features[i].weight;
    w[OF_BEFORE] = before;
    for (size_t r = 0; r < REWARDS_OF; r++) {
        bool is_there =
            (r != OF_RM || fit->pairs.reward_model) && (r != OF_BEFORE || type->has_weights);
        s->of[r] = is_there ? mem_array(p->n_rows, sizeof(double)) : NULL;
        if (is_there)
            pairs_scores(p, r != OF_RBR, w[r], s->of[r]);
    }
    mem_free(before);
}

static void scores_done(struct scores *s)
{
    for (size_t r = 0; r < REWARDS_OF; r++)
        mem_free(s->of[r]);
}

static void count(struct ranking *to, const struct pair *pair, const struct scores *s)
{
    to->pairs++;
    for (size_t r = 0; r < REWARDS_OF; r++)
        if (s->of[r] != NULL)
            to->wrong[r] += s->of[r][pair->worse] >= s->of[r][pair->better];
}

/* Pairs [from, to), or only those of these two labels when better != SIZE_MAX. */
static struct ranking ranking_of(const struct pairs *p, const struct scores *s, size_t from,
                                 size_t to, size_t better, size_t worse)
{
    struct ranking sum = {0};
    for (size_t i = from; i < to; i++)
        if (better == SIZE_MAX ||
            (p->labels[p->items[i].better] == better && p->labels[p->items[i].worse] == worse))
            count(&sum, &p->items[i], s);
    return sum;
}

/* ---- the report -------------------------------------------------------------------------------
 */

static void print_ranking(struct buf *out, const char *name, const struct ranking *r,
                          const struct scores *s)
{
    (void)buf_printf(out, "  %-*s %9zu", LABEL_WIDTH, name, r->pairs);
    for (size_t i = 0; i < REWARDS_OF; i++) {
        if (s->of[i] == NULL || r->pairs == 0)
            (void)buf_printf(out, " %8s", "-");
        else
            (void)buf_printf(out, " %8.4f", (double)r->wrong[i] / (double)r->pairs);
    }
    (void)buf_append_z(out, "\n");
}

static void print_rankings(const struct fit *fit, const struct fitted *f, const struct scores *s,
                           struct buf *out)
{
    const struct pairs *p = &f->pairs;
    const struct ordering *o = &fit->orderings->types[p->response_type];
    char name[2 * LABEL_WIDTH];
    (void)buf_printf(out, "  %-*s %9s %8s %8s %8s %8s\n", LABEL_WIDTH, "ranking error", "pairs",
                     "RM", "before", "RBR", "after");
    for (size_t i = 0; i < o->n; i++) {
        for (size_t j = 0; j < o->n; j++) {
            if (!o->above[i][j])
                continue;
            struct ranking r = ranking_of(p, s, 0, p->n, i, j);
            (void)snprintf(name, sizeof(name), "%.*s > %.*s", STR_ARGS(o->labels[i]),
                           STR_ARGS(o->labels[j]));
            print_ranking(out, name, &r, s);
        }
    }
    struct ranking train = ranking_of(p, s, 0, p->n_train, SIZE_MAX, SIZE_MAX);
    struct ranking held = ranking_of(p, s, p->n_train, p->n, SIZE_MAX, SIZE_MAX);
    print_ranking(out, "all, trained on", &train, s);
    print_ranking(out, "all, held out", &held, s);
}

static void print_curve(const struct fit *fit, const struct fitted *f, struct buf *out)
{
    size_t shown = SIZE_MAX;
    if (fit->optimizer == OPTIMIZER_EXACT) {
        (void)buf_printf(out, "  training loss %.6f, after %zu evaluations %.6f%s\n",
                         f->exact.first, f->exact.evaluations, f->exact.last,
                         f->exact.converged ? "" : ": not converged; bounds or decay may help");
        return;
    }
    for (size_t i = 0; i <= CURVE_POINTS; i++) {
        size_t step = fit->adamw.steps * i / CURVE_POINTS;
        if (step != shown)
            (void)buf_printf(out, "  step %6zu  training loss %.6f\n", step, f->curve[step]);
        shown = step;
    }
}

static void print_centre(const struct fit *fit, const struct fitted *f, struct buf *out)
{
    if (fit->center)
        (void)buf_printf(out,
                         "  centred: %+.6f taken off the class weights; the %zu best completions "
                         "trained on have 0 in the mean\n",
                         f->centre, f->n_centred);
}

static void print_losses(const struct fitted *f, const struct scores *s, struct buf *out)
{
    const struct pairs *p = &f->pairs;
    struct pairs_loss train = pairs_loss(p, 0, p->n_train, s->of[OF_AFTER]);
    struct pairs_loss held = pairs_loss(p, p->n_train, p->n, s->of[OF_AFTER]);
    if (p->n_train < p->n)
        (void)buf_printf(out, "  held-out loss %.6f\n", held.mean);
    (void)buf_printf(out, "  %.2f %% of the training pairs are past their margin\n\n",
                     100 * train.clipped);
}

/* Ends a weight's line: how free it was. */
static void print_limits(const struct fitted *f, size_t feature, struct buf *out)
{
    if (f->ignored[feature])
        (void)buf_append_z(out, " # ignored");
    else if (f->lower[feature] != -WEIGHT_MAX || f->upper[feature] != WEIGHT_MAX)
        (void)buf_printf(out, " # between %g and %g", f->lower[feature], f->upper[feature]);
    (void)buf_append_z(out, "\n");
}

enum err_code fitted_report(const struct fit *fit, struct buf *out)
{
    for (size_t t = 0; t < fit->n; t++) {
        const struct fitted *f = &fit->items[t];
        const struct response_type *type = fitted_type(fit, f);
        struct scores scores;
        scores_init(&scores, fit, f);
        (void)buf_printf(out, "%.*s: %zu rows, %zu prompts, %zu pairs (%zu trained on)\n",
                         STR_ARGS(type->name), f->pairs.n_rows, f->pairs.n_prompts, f->pairs.n,
                         f->pairs.n_train);
        print_curve(fit, f, out);
        print_centre(fit, f, out);
        print_losses(f, &scores, out);
        print_rankings(fit, f, &scores, out);
        (void)buf_append_z(out, "\n");
        for (size_t i = 0; i < type->n_features; i++) {
            (void)buf_printf(out, "  %-*.*s %+9.4f", LABEL_WIDTH, STR_ARGS(type->features[i].name),
                             f->weights[i]);
            print_limits(f, i, out);
        }
        (void)buf_append_z(out, "\n");
        scores_done(&scores);
    }
    return out->failed ? ERR_LIMIT : ERR_OK;
}

/* ---- the overlay ------------------------------------------------------------------------------
 */

static void print_input(struct buf *out, const char *what, const struct fit_input *in)
{
    if (in->name.n == 0)
        return;
    (void)buf_printf(out, "# %s: ", what);
    (void)json_quote(out, in->name); /* a name with a line end must stay a comment */
    (void)buf_printf(out, ", sha256 %s\n", in->sha256);
}

static void print_provenance(const struct fit *fit, struct buf *out)
{
    (void)buf_printf(out, "# Weights fitted by rbr %s: %s on the hinge loss over pairs.\n",
                     RBR_VERSION, fit->optimizer == OPTIMIZER_EXACT ? exact_method() : "AdamW");
    print_input(out, "data", &fit->data);
    print_input(out, "orderings", &fit->orderings_file);
    (void)buf_append_z(out, "# policy: ");
    (void)json_quote(out, fit->policy->id);
    (void)buf_printf(out, ", hash %s\n", fit->policy->hash_hex);
    (void)buf_printf(out,
                     "# rows: %zu; reward model in the loss: %s; held out: %g of the %s; seed: "
                     "%" PRIu64 "\n",
                     fit->n_rows, fit->pairs.reward_model ? "yes" : "no", fit->pairs.held_out,
                     fit->pairs.split == SPLIT_PAIR ? "pairs" : "prompts", fit->pairs.seed);
    if (fit->optimizer == OPTIMIZER_ADAMW)
        (void)buf_printf(out, "# steps: %zu; learning rate: %g; weight decay: %g\n",
                         fit->adamw.steps, fit->adamw.learning_rate, fit->adamw.decay);
    else
        (void)buf_printf(out, "# weight decay: %g\n", fit->exact_decay);
}

static void print_weights(const struct fit *fit, const struct fitted *f, struct buf *out)
{
    const struct pairs *p = &f->pairs;
    const struct response_type *type = fitted_type(fit, f);
    struct scores s;
    scores_init(&s, fit, f);
    struct pairs_loss train = pairs_loss(p, 0, p->n_train, s.of[OF_AFTER]);
    struct pairs_loss held = pairs_loss(p, p->n_train, p->n, s.of[OF_AFTER]);
    struct ranking all = ranking_of(p, &s, 0, p->n, SIZE_MAX, SIZE_MAX);
    scores_done(&s);
    (void)buf_printf(out,
                     "  # pairs: %zu, of them trained on: %zu; loss: %.6f; held out: %.6f; past "
                     "the margin: %.4f; ranking error: %.4f\n  ",
                     p->n, p->n_train, train.mean, held.mean, train.clipped,
                     (double)all.wrong[OF_AFTER] / (double)all.pairs);
    if (fit->center)
        (void)buf_printf(out,
                         "# centred: %.9f taken off the class weights, the mean of %zu "
                         "completions\n  ",
                         f->centre, f->n_centred);
    (void)json_quote(out, type->name);
    (void)buf_append_z(out, ":\n");
    for (size_t i = 0; i < type->n_features; i++) {
        (void)buf_append_z(out, "    ");
        (void)json_quote(out, type->features[i].name);
        (void)buf_printf(out, ": %.9f", f->weights[i]);
        print_limits(f, i, out);
    }
}

enum err_code fitted_overlay(const struct fit *fit, struct buf *out)
{
    print_provenance(fit, out);
    if (fit->pairs.reward_model)
        (void)buf_append_z(out, "reward:\n  reward_model: require\n");
    (void)buf_append_z(out, "weights:\n");
    for (size_t t = 0; t < fit->n; t++)
        print_weights(fit, &fit->items[t], out);
    return out->failed ? ERR_LIMIT : ERR_OK;
}
