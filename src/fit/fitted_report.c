#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "fit/measured.h"

enum { CURVE_POINTS = 10, LABEL_WIDTH = 40 };

/* ---- the report -------------------------------------------------------------------------------
 */

static void print_heads(const char *name, const char *count, struct buf *out)
{
    (void)buf_printf(out, "  %-*s %11s", LABEL_WIDTH, name, count);
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        (void)buf_printf(out, " %8.*s", STR_ARGS(measured_names[r]));
    (void)buf_append_z(out, "\n");
}

static void print_number(double v, struct buf *out)
{
    (void)(isnan(v) ? buf_printf(out, " %8s", "-") : buf_printf(out, " %8.4f", v));
}

static void print_errors(const struct measured *m, const char *name,
                         const struct measured_pairs *of, struct buf *out)
{
    (void)buf_printf(out, "  %-*s %11zu", LABEL_WIDTH, name, of->n);
    for (size_t r = 0; r < MEASURED_REWARDS; r++)
        print_number(measured_error(m, of, (enum measured_of)r), out);
    (void)buf_append_z(out, "\n");
}

static void print_ranking(const struct measured *m, struct buf *out)
{
    char name[2 * LABEL_WIDTH];
    print_heads("ranking error", "pairs", out);
    for (size_t i = 0; i < m->n_pairs; i++) {
        (void)snprintf(name, sizeof(name), "%.*s > %.*s", STR_ARGS(m->pairs[i].better),
                       STR_ARGS(m->pairs[i].worse));
        print_errors(m, name, &m->pairs[i], out);
    }
    print_errors(m, "all, trained on", &m->trained, out);
    print_errors(m, "all, held out", &m->held_out, out);
}

static void print_means(const struct measured *m, struct buf *out)
{
    print_heads("mean reward", "completions", out);
    for (size_t i = 0; i < m->n_labels; i++) {
        const struct measured_label *label = &m->labels[i];
        (void)buf_printf(out, "  %-*.*s %11zu", LABEL_WIDTH, STR_ARGS(label->name), label->n);
        for (size_t r = 0; r < MEASURED_REWARDS; r++)
            print_number(label->mean[r], out);
        (void)buf_append_z(out, "\n");
    }
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

static void print_losses(const struct measured *m, struct buf *out)
{
    if (m->held_out.n > 0)
        (void)buf_printf(out, "  held-out loss %.6f\n", m->held_out_loss.mean);
    (void)buf_printf(out, "  %.2f %% of the training pairs are past their margin\n\n",
                     100 * m->trained_loss.clipped);
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

static void report_type(const struct fit *fit, const struct fitted *f, struct buf *out)
{
    const struct response_type *type = fitted_type(fit, f);
    struct measured m;
    measured_init(&m, fit, f);
    (void)buf_printf(out, "%.*s: %zu rows, %zu prompts, %zu pairs (%zu trained on)\n",
                     STR_ARGS(type->name), f->pairs.n_rows, f->pairs.n_prompts, f->pairs.n,
                     f->pairs.n_train);
    print_curve(fit, f, out);
    print_centre(fit, f, out);
    print_losses(&m, out);
    print_ranking(&m, out);
    (void)buf_append_z(out, "\n");
    print_means(&m, out);
    (void)buf_append_z(out, "\n");
    for (size_t i = 0; i < type->n_features; i++) {
        (void)buf_printf(out, "  %-*.*s %+9.4f", LABEL_WIDTH, STR_ARGS(type->features[i].name),
                         f->weights[i]);
        print_limits(f, i, out);
    }
    (void)buf_append_z(out, "\n");
    measured_done(&m);
}

enum err_code fitted_report(const struct fit *fit, struct buf *out)
{
    for (size_t t = 0; t < fit->n; t++)
        report_type(fit, &fit->items[t], out);
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
    struct measured m;
    measured_init(&m, fit, f);
    size_t wrong = m.trained.wrong[MEASURED_AFTER] + m.held_out.wrong[MEASURED_AFTER];
    (void)buf_printf(out,
                     "  # pairs: %zu, of them trained on: %zu; loss: %.6f; held out: %.6f; past "
                     "the margin: %.4f; ranking error: %.4f\n  ",
                     p->n, p->n_train, m.trained_loss.mean, m.held_out_loss.mean,
                     m.trained_loss.clipped, (double)wrong / (double)p->n);
    measured_done(&m);
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
