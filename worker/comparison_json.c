#include <inttypes.h>

#include "base/attr.h"
#include "base/json.h"
#include "worker/comparison.h"
#include "worker/json_keys.h"

static const char *const keys[COMPARE_SIDES] = {"a", "b"};
static const char *const signs[] = {"negative", "zero", "positive"};

/* ---- parts ------------------------------------------------------------------------------------
 */

static void put_side(struct buf *b, const char *key, const struct compare_counts *c,
                     const char *name)
{
    json_key(b, key);
    (void)buf_append_z(b, "{");
    json_text(b, "source", str_z(name));
    json_count(b, "rewards", c->rewards);
    json_count(b, "only_here", c->alone);
    json_count(b, "repeated", c->repeated);
    json_count(b, "with_reward", c->with_number);
    json_key(b, "statuses");
    (void)buf_append_z(b, "{");
    for (int s = 0; s < COMPARE_STATUSES; s++)
        json_count(b, status_name((enum status)s), c->by_status[s]);
    (void)buf_append_z(b, "}}");
}

static void put_transitions(struct buf *b, const struct compare_report *r)
{
    json_key(b, "classes");
    for (size_t i = 0; i < r->n_classes; i++) {
        (void)buf_append_z(b, i > 0 ? "," : "[");
        json_name(b, r->classes[i]);
    }
    (void)buf_append_z(b, r->n_classes > 0 ? "]" : "[]");
    json_key(b, "transitions");
    (void)buf_append_z(b, "[");
    for (size_t i = 0; i < r->n_classes * r->n_classes; i++)
        (void)buf_printf(b, "%s%" PRIu64,
                         i == 0                  ? "["
                         : i % r->n_classes == 0 ? "],["
                                                 : ",",
                         r->transitions[i]);
    (void)buf_append_z(b, r->n_classes > 0 ? "]]" : "]");
}

static void put_histogram(struct buf *b, const struct compare_shift *s)
{
    json_key(b, "histogram");
    (void)buf_append_z(b, "{");
    json_real(b, "low", s->low);
    json_real(b, "high", s->high);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        json_key(b, keys[side]);
        for (size_t i = 0; i < COMPARE_BINS; i++)
            (void)buf_printf(b, "%s%" PRIu64, i > 0 ? "," : "[", s->bins[side][i]);
        (void)buf_append_z(b, "]");
    }
    (void)buf_append_z(b, "}");
}

static void put_shift(struct buf *b, const struct compare_shift *s)
{
    (void)buf_append_z(b, "{");
    json_text(b, "response_type", s->type);
    json_count(b, "n", s->n);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        json_key(b, keys[side]);
        (void)buf_append_z(b, "{");
        json_real(b, "mean", s->mean[side]);
        json_key(b, "quantiles");
        for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
            (void)buf_append_z(b, q > 0 ? "," : "[");
            (void)json_number(b, s->quantiles[side][q]);
        }
        (void)buf_append_z(b, "]}");
    }
    json_real(b, "mean_shift", s->mean[COMPARE_B] - s->mean[COMPARE_A]);
    put_histogram(b, s);
    (void)buf_append_z(b, "}");
}

static void put_shifts(struct buf *b, const struct compare_report *r)
{
    json_key(b, "quantiles");
    for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
        (void)buf_append_z(b, q > 0 ? "," : "[");
        (void)json_number(b, compare_quantiles[q]);
    }
    (void)buf_append_z(b, "]");
    json_key(b, "all");
    put_shift(b, &r->all);
    json_key(b, "response_types");
    (void)buf_append_z(b, "[");
    for (size_t i = 0; i < r->n_shifts; i++) {
        (void)buf_append_z(b, i > 0 ? "," : "");
        put_shift(b, &r->shifts[i]);
    }
    (void)buf_append_z(b, "]");
}

static void put_groups(struct buf *b, const struct compare_report *r)
{
    const struct compare_ranks *k = &r->ranks;
    json_key(b, "groups");
    (void)buf_append_z(b, "{");
    json_count(b, "n", k->groups);
    json_count(b, "ordered", k->ordered);
    json_real(b, "tau_mean", k->tau_mean);
    json_real(b, "tau_median", k->tau_median);
    json_real(b, "tau_min", k->tau_min);
    json_count(b, "concordant", k->concordant);
    json_count(b, "discordant", k->discordant);
    (void)buf_append_z(b, "}");
    json_key(b, "advantages");
    (void)buf_append_z(b, "{");
    json_count(b, "sign_changed", r->signs[0][2] + r->signs[2][0]);
    for (size_t from = 0; from < ARRAY_LEN(signs); from++) {
        json_key(b, signs[from]);
        (void)buf_append_z(b, "{");
        for (size_t to = 0; to < ARRAY_LEN(signs); to++)
            json_count(b, signs[to], r->signs[from][to]);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "}");
}

static void put_mover(struct buf *b, const struct compare_mover *m)
{
    (void)buf_append_z(b, "{");
    json_text(b, "run_id", m->run_id);
    json_text(b, "completion_id", m->completion_id);
    json_count(b, "attempt", m->attempt);
    json_text(b, "response_type", m->type);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        json_key(b, keys[side]);
        (void)buf_append_z(b, "{");
        json_text(b, "predicted_class", m->class[side]);
        json_real(b, "reward", m->reward[side]);
        (void)buf_append_z(b, "}");
    }
    json_key(b, "components");
    (void)buf_append_z(b, "[");
    for (size_t i = 0; i < m->n_parts; i++) {
        (void)buf_append_z(b, i > 0 ? ",{" : "{");
        json_text(b, "name", m->parts[i].name);
        for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
            json_real(b, keys[side], m->parts[i].value[side]);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "]}");
}

/* ---- all of it --------------------------------------------------------------------------------
 */

void comparison_json(const struct compare_report *r, const char *const names[COMPARE_SIDES],
                     struct buf *out)
{
    (void)buf_append_z(out, "{");
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
        put_side(out, keys[side], &r->sides[side], names[side]);
    json_count(out, "both", r->both);
    json_count(out, "compared", r->compared);
    json_count(out, "rerouted", r->rerouted);
    put_transitions(out, r);
    put_shifts(out, r);
    put_groups(out, r);
    json_key(out, "movers");
    (void)buf_append_z(out, "[");
    for (size_t i = 0; i < r->n_movers; i++) {
        (void)buf_append_z(out, i > 0 ? "," : "");
        put_mover(out, &r->movers[i]);
    }
    (void)buf_append_z(out, "]}\n");
}
