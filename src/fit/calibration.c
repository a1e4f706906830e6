#include "fit/calibration.h"

#include "base/json.h"
#include "base/mem.h"

void calibration_fit(struct calibration *c, const struct eval *eval)
{
    const size_t n = eval->policy->n_propositions;
    *c = (struct calibration){
        .eval = eval,
        .of = mem_array(n, sizeof(*c->of)),
        .answers = mem_array(n, sizeof(*c->answers)),
    };
    for (size_t i = 0; i < n; i++) {
        struct eval_answers answers = eval_answers(eval, i, SIZE_MAX);
        c->answers[i] = answers.n;
        platt_fit(answers.asked, answers.n, &c->of[i]);
        mem_free(answers.used);
        mem_free(answers.asked);
    }
}

void calibration_done(struct calibration *c)
{
    mem_free(c->of);
    mem_free(c->answers);
}

const char *calibration_word(enum platt_verdict v)
{
    static const char *const words[] = {
        [PLATT_HELPS] = "helps",
        [PLATT_TOO_FEW] = "too few: 10 labels of yes and 10 of no are needed",
        [PLATT_BACKWARDS] = "the grader's yes goes with a label of no; mend the question",
        [PLATT_TOO_FLAT] = "the answers hardly differ",
        [PLATT_NO_GAIN] = "no gain on held-out answers",
    };
    return words[v];
}

/* ---- the overlay ------------------------------------------------------------------------------
 */

static void print_text(struct buf *out, const char *what, struct str s)
{
    if (s.n == 0)
        return;
    (void)buf_append_z(out, what);
    (void)json_quote(out, s); /* a name with a line end must stay a comment */
}

static void print_origin(const struct calibration *c, const struct calibration_origin *o,
                         struct buf *out)
{
    const struct policy *policy = c->eval->policy;
    (void)buf_printf(out, "# Calibration fitted by rbr %s: P' = sigmoid(a logit(P) + b).\n",
                     RBR_VERSION);
    print_text(out, "# gold: ", o->gold);
    (void)buf_printf(out, ", sha256 %s\n", o->gold_sha256);
    print_text(out, "# policy: ", policy->id);
    (void)buf_printf(out, ", hash %s\n", policy->hash_hex);
    if (o->grader.n > 0) {
        print_text(out, "# grader: ", o->grader);
        print_text(out, ", model: ", o->model);
        (void)buf_append_z(out, "\n");
    }
    (void)buf_printf(out, "# rows: %zu; held out in %d folds\n", c->eval->rows, PLATT_FOLDS);
}

static void print_one(const struct calibration *c, size_t i, struct buf *out)
{
    const struct platt *p = &c->of[i];
    bool helps = p->verdict == PLATT_HELPS;
    (void)buf_append_z(out, helps ? "  " : "  # ");
    (void)json_quote(out, c->eval->policy->propositions[i].name);
    if (helps)
        (void)buf_printf(out, ": {a: %.9f, b: %.9f} # ", p->a, p->b);
    else
        (void)buf_printf(out, ": none, %s; ", calibration_word(p->verdict));
    (void)buf_printf(out, "%zu answers", c->answers[i]);
    if (p->verdict != PLATT_TOO_FEW)
        (void)buf_printf(out, "; held-out Brier %.4f -> %.4f, log loss %.4f -> %.4f",
                         p->brier_before, p->brier_after, p->loss_before, p->loss_after);
    (void)buf_append_z(out, "\n");
}

enum err_code calibration_overlay(const struct calibration *c,
                                  const struct calibration_origin *origin, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->eval->policy->n_propositions; i++)
        n += c->of[i].verdict == PLATT_HELPS;
    print_origin(c, origin, out);
    (void)buf_append_z(out, n > 0 ? "calibration:\n" : "calibration: {}\n");
    for (size_t i = 0; i < c->eval->policy->n_propositions; i++)
        if (c->answers[i] > 0)
            print_one(c, i, out);
    return out->failed ? ERR_LIMIT : ERR_OK;
}
