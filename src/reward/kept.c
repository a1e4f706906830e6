#include "reward/kept.h"

#include "base/json.h"
#include "base/sha256.h"
#include "reward/unpack.h"

/* Printable ASCII, as the cache has it: up to the first byte that is not. */
static void set_model(struct cache_entry *e, struct str model)
{
    for (size_t i = 0; i < model.n && i < sizeof(e->model); i++) {
        if (model.p[i] < ' ' || model.p[i] > '~')
            break;
        e->model[e->model_n++] = model.p[i];
    }
}

static enum err_code too_large(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the reward is larger than allowed");
}

/* ---- packed -----------------------------------------------------------------------------------
 */

static struct str model_of(const Rbr__V1__Reward *m, struct str grader)
{
    for (size_t i = 0; i < m->n_graders; i++)
        if (str_eq(unpacked_str(m->graders[i]->name), grader))
            return unpacked_str(m->graders[i]->response_model);
    return (struct str){0};
}

static bool take_packed(const Rbr__V1__Reward *m, const Rbr__V1__Proposition *p,
                        struct kept_judgment *ret)
{
    if (p->probability_presence_case != RBR__V1__PROPOSITION__PROBABILITY_PRESENCE_PROBABILITY ||
        p->grader.len == 0 || p->digest.len != JUDGMENT_DIGEST_BYTES)
        return false;
    memcpy(ret->digest, p->digest.data, JUDGMENT_DIGEST_BYTES);
    ret->entry = (struct cache_entry){
        .probability = p->probability, .mass = (double)p->mass, .graded_ms = m->scored_at_ms};
    set_model(&ret->entry, model_of(m, unpacked_str(p->grader)));
    return true;
}

enum err_code kept_unpack(struct str packed, struct arena *a, struct kept_judgment **ret,
                          size_t *ret_n, struct err *err)
{
    const Rbr__V1__Reward *m = reward_unpack(packed, a, err);
    if (m == NULL)
        return err->code;
    struct kept_judgment *list = arena_array(a, m->n_propositions, sizeof(*list));
    size_t n = 0;
    if (list == NULL)
        return too_large(err);
    for (size_t i = 0; i < m->n_propositions; i++)
        n += take_packed(m, m->propositions[i], &list[n]);
    *ret = list;
    *ret_n = n;
    return ERR_OK;
}

/* ---- as JSON ----------------------------------------------------------------------------------
 */

static struct str text_of(const struct json *object, const char *key)
{
    const struct json *v = json_get(object, str_z(key));
    return v != NULL && v->type == JSON_STRING ? v->string : (struct str){0};
}

static bool number_of(const struct json *object, const char *key, double *ret)
{
    const struct json *v = json_get(object, str_z(key));
    if (v == NULL || v->type != JSON_NUMBER)
        return false;
    *ret = v->number;
    return true;
}

static struct str model_named(const struct json *graders, struct str name)
{
    for (const struct json *v = graders != NULL ? graders->child : NULL; v != NULL; v = v->next)
        if (str_eq(text_of(v, "name"), name))
            return text_of(v, "response_model");
    return (struct str){0};
}

static bool take_line(const struct json *p, const struct json *graders, int64_t graded_ms,
                      struct kept_judgment *ret)
{
    struct str grader = text_of(p, "grader");
    *ret = (struct kept_judgment){.entry.graded_ms = graded_ms};
    if (grader.n == 0 || !hex_decode(text_of(p, "digest"), ret->digest, sizeof(ret->digest)) ||
        !number_of(p, "probability", &ret->entry.probability) ||
        !number_of(p, "mass", &ret->entry.mass))
        return false;
    ret->entry.mass = (double)(float)ret->entry.mass; /* as it is in the message */
    set_model(&ret->entry, model_named(graders, grader));
    return true;
}

enum err_code kept_parse(struct str line, struct arena *a, struct kept_judgment **ret,
                         size_t *ret_n, struct err *err)
{
    struct json_fault fault;
    int64_t scored_at_ms = 0;
    const struct json *object = json_parse(a, line, &fault);
    if (object == NULL)
        return err_set(err, ERR_INVALID, "no reward: %s at byte %zu", json_fault_text(fault.kind),
                       fault.offset);
    const struct json *propositions = json_get(object, STR("propositions"));
    const struct json *scored = json_get(object, STR("scored_at_ms"));
    if (propositions == NULL || propositions->type != JSON_ARRAY ||
        (scored != NULL && !json_integer(scored, 0, INT64_MAX, &scored_at_ms)))
        return err_set(err, ERR_INVALID, "no reward: it has no list of propositions");
    struct kept_judgment *list = arena_array(a, propositions->count, sizeof(*list));
    size_t n = 0;
    if (list == NULL)
        return too_large(err);
    for (const struct json *p = propositions->child; p != NULL; p = p->next)
        n += take_line(p, json_get(object, STR("graders")), scored_at_ms, &list[n]);
    *ret = list;
    *ret_n = n;
    return ERR_OK;
}
