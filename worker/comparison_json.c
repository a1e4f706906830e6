#include <inttypes.h>

#include "base/attr.h"
#include "base/json.h"
#include "base/utf8.h"
#include "worker/comparison.h"

static const char *const keys[COMPARE_SIDES] = {"a", "b"};
static const char *const signs[] = {"negative", "zero", "positive"};

/* ---- values -----------------------------------------------------------------------------------
 */

/* A key in its object, with the comma before it. */
static void put_key(struct buf *b, const char *key)
{
    bool first = b->n == 0 || b->p[b->n - 1] == '{';
    (void)buf_printf(b, "%s\"%s\":", first ? "" : ",", key);
}

static void put_count(struct buf *b, const char *key, uint64_t v)
{
    put_key(b, key);
    (void)buf_printf(b, "%" PRIu64, v);
}

static void put_number(struct buf *b, const char *key, double v)
{
    put_key(b, key);
    (void)json_number(b, v);
}

/* Names and ids; null when there is none. Bytes that are no UTF-8 become U+FFFD. */
static void put_string(struct buf *b, struct str s)
{
    if (s.n == 0) {
        (void)buf_append_z(b, "null");
        return;
    }
    (void)buf_append_z(b, "\"");
    for (size_t at = 0; at < s.n;) {
        size_t run = utf8_valid_prefix(str_sub(s, at, s.n));
        (void)json_escape(b, str_sub(s, at, at + run));
        at += run;
        if (at++ < s.n)
            (void)buf_append_z(b, "\\ufffd");
    }
    (void)buf_append_z(b, "\"");
}

static void put_text(struct buf *b, const char *key, struct str s)
{
    put_key(b, key);
    put_string(b, s);
}

/* ---- parts ------------------------------------------------------------------------------------
 */

static void put_side(struct buf *b, const char *key, const struct compare_counts *c,
                     const char *name)
{
    put_key(b, key);
    (void)buf_append_z(b, "{");
    put_text(b, "source", str_z(name));
    put_count(b, "rewards", c->rewards);
    put_count(b, "only_here", c->alone);
    put_count(b, "repeated", c->repeated);
    put_count(b, "with_reward", c->with_number);
    put_key(b, "statuses");
    (void)buf_append_z(b, "{");
    for (int s = 0; s < COMPARE_STATUSES; s++)
        put_count(b, status_name((enum status)s), c->by_status[s]);
    (void)buf_append_z(b, "}}");
}

static void put_transitions(struct buf *b, const struct compare_report *r)
{
    put_key(b, "classes");
    for (size_t i = 0; i < r->n_classes; i++) {
        (void)buf_append_z(b, i > 0 ? "," : "[");
        put_string(b, r->classes[i]);
    }
    (void)buf_append_z(b, r->n_classes > 0 ? "]" : "[]");
    put_key(b, "transitions");
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
    put_key(b, "histogram");
    (void)buf_append_z(b, "{");
    put_number(b, "low", s->low);
    put_number(b, "high", s->high);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        put_key(b, keys[side]);
        for (size_t i = 0; i < COMPARE_BINS; i++)
            (void)buf_printf(b, "%s%" PRIu64, i > 0 ? "," : "[", s->bins[side][i]);
        (void)buf_append_z(b, "]");
    }
    (void)buf_append_z(b, "}");
}

static void put_shift(struct buf *b, const struct compare_shift *s)
{
    (void)buf_append_z(b, "{");
    put_text(b, "response_type", s->type);
    put_count(b, "n", s->n);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        put_key(b, keys[side]);
        (void)buf_append_z(b, "{");
        put_number(b, "mean", s->mean[side]);
        put_key(b, "quantiles");
        for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
            (void)buf_append_z(b, q > 0 ? "," : "[");
            (void)json_number(b, s->quantiles[side][q]);
        }
        (void)buf_append_z(b, "]}");
    }
    put_number(b, "mean_shift", s->mean[COMPARE_B] - s->mean[COMPARE_A]);
    put_histogram(b, s);
    (void)buf_append_z(b, "}");
}

static void put_shifts(struct buf *b, const struct compare_report *r)
{
    put_key(b, "quantiles");
    for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
        (void)buf_append_z(b, q > 0 ? "," : "[");
        (void)json_number(b, compare_quantiles[q]);
    }
    (void)buf_append_z(b, "]");
    put_key(b, "all");
    put_shift(b, &r->all);
    put_key(b, "response_types");
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
    put_key(b, "groups");
    (void)buf_append_z(b, "{");
    put_count(b, "n", k->groups);
    put_count(b, "ordered", k->ordered);
    put_number(b, "tau_mean", k->tau_mean);
    put_number(b, "tau_median", k->tau_median);
    put_number(b, "tau_min", k->tau_min);
    put_count(b, "concordant", k->concordant);
    put_count(b, "discordant", k->discordant);
    (void)buf_append_z(b, "}");
    put_key(b, "advantages");
    (void)buf_append_z(b, "{");
    put_count(b, "sign_changed", r->signs[0][2] + r->signs[2][0]);
    for (size_t from = 0; from < ARRAY_LEN(signs); from++) {
        put_key(b, signs[from]);
        (void)buf_append_z(b, "{");
        for (size_t to = 0; to < ARRAY_LEN(signs); to++)
            put_count(b, signs[to], r->signs[from][to]);
        (void)buf_append_z(b, "}");
    }
    (void)buf_append_z(b, "}");
}

static void put_mover(struct buf *b, const struct compare_mover *m)
{
    (void)buf_append_z(b, "{");
    put_text(b, "run_id", m->run_id);
    put_text(b, "completion_id", m->completion_id);
    put_count(b, "attempt", m->attempt);
    put_text(b, "response_type", m->type);
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++) {
        put_key(b, keys[side]);
        (void)buf_append_z(b, "{");
        put_text(b, "predicted_class", m->class[side]);
        put_number(b, "reward", m->reward[side]);
        (void)buf_append_z(b, "}");
    }
    put_key(b, "components");
    (void)buf_append_z(b, "[");
    for (size_t i = 0; i < m->n_parts; i++) {
        (void)buf_append_z(b, i > 0 ? ",{" : "{");
        put_text(b, "name", m->parts[i].name);
        for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
            put_number(b, keys[side], m->parts[i].value[side]);
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
    put_count(out, "both", r->both);
    put_count(out, "compared", r->compared);
    put_count(out, "rerouted", r->rerouted);
    put_transitions(out, r);
    put_shifts(out, r);
    put_groups(out, r);
    put_key(out, "movers");
    (void)buf_append_z(out, "[");
    for (size_t i = 0; i < r->n_movers; i++) {
        (void)buf_append_z(out, i > 0 ? "," : "");
        put_mover(out, &r->movers[i]);
    }
    (void)buf_append_z(out, "]}\n");
}
