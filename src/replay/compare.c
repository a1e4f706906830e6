#include "replay/compare.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "replay/compare_table.h"

struct compare *compare_new(size_t movers)
{
    struct compare *c = mem_alloc(sizeof(*c));
    sha256_init(&c->hash);
    c->max_movers = movers < COMPARE_MOVERS_MAX ? movers : COMPARE_MOVERS_MAX;
    c->movers = mem_array(c->max_movers + 1, sizeof(*c->movers));
    return c;
}

void compare_free(struct compare *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_names; i++)
        mem_free((void *)(uintptr_t)c->names[i].p);
    for (size_t i = 0; i < c->n_lists; i++)
        mem_free(c->lists[i].names);
    for (size_t i = 0; i < c->n_movers; i++)
        mem_free(c->movers[i].texts);
    digests_done(&c->by_key);
    digests_done(&c->by_name);
    digests_done(&c->by_list);
    sha256_done(&c->hash);
    mem_free(c->joined);
    mem_free(c->names);
    mem_free(c->lists);
    mem_free(c->values);
    mem_free(c->class_order);
    mem_free(c->is_class);
    mem_free(c->movers);
    mem_free(c->classes);
    mem_free(c->transitions);
    mem_free(c->shifts);
    mem_free(c->shown);
    mem_free(c);
}

/* ---- names ------------------------------------------------------------------------------------
 */

static void finish_digest(struct compare *c, uint8_t ret[DIGEST_BYTES])
{
    uint8_t whole[SHA256_BYTES];
    sha256_finish(&c->hash, whole);
    memcpy(ret, whole, DIGEST_BYTES);
}

static uint32_t name_of(struct compare *c, struct str text)
{
    uint8_t digest[DIGEST_BYTES];
    sha256_field(&c->hash, text);
    finish_digest(c, digest);
    uint32_t name = digests_put(&c->by_name, digest, (uint32_t)c->n_names);
    if (name == c->n_names) {
        mem_grow((void **)&c->names, &c->cap_names, c->n_names, sizeof(*c->names));
        c->names[c->n_names++] = (struct str){mem_copy(text.p, text.n), text.n};
    }
    return name;
}

static void add_class(struct compare *c, uint32_t name)
{
    mem_grow((void **)&c->is_class, &c->cap_is_class, name, sizeof(*c->is_class));
    if (c->is_class[name])
        return;
    c->is_class[name] = true;
    mem_grow((void **)&c->class_order, &c->cap_class_order, c->n_class_order,
             sizeof(*c->class_order));
    c->class_order[c->n_class_order++] = name;
}

/* A class that is new brings its policy's others along, so that they stand in their order. */
static uint32_t class_of(struct compare *c, const struct reward_facts *r)
{
    uint32_t name = name_of(c, r->predicted_class);
    if (name < c->cap_is_class && c->is_class[name])
        return name;
    for (size_t i = 0; i < r->n_classes; i++)
        add_class(c, name_of(c, r->classes[i]));
    add_class(c, name);
    return name;
}

static uint32_t list_of(struct compare *c, const struct reward_facts *r)
{
    uint8_t digest[DIGEST_BYTES];
    for (size_t i = 0; i < r->n_addends; i++)
        sha256_field(&c->hash, r->addends[i].name);
    finish_digest(c, digest);
    uint32_t list = digests_put(&c->by_list, digest, (uint32_t)c->n_lists);
    if (list < c->n_lists)
        return list;
    mem_grow((void **)&c->lists, &c->cap_lists, c->n_lists, sizeof(*c->lists));
    struct name_list *l = &c->lists[c->n_lists++];
    *l = (struct name_list){mem_array(r->n_addends, sizeof(*l->names)), r->n_addends};
    for (size_t i = 0; i < r->n_addends; i++)
        l->names[i] = name_of(c, r->addends[i].name);
    return list;
}

/* ---- movers -----------------------------------------------------------------------------------
 */

static double move_of(const struct compare_mover *m)
{
    return fabs(m->reward[COMPARE_B] - m->reward[COMPARE_A]);
}

static bool stands_before(const struct compare_mover *m, const struct compare_mover *other)
{
    if (move_of(m) != move_of(other))
        return move_of(m) > move_of(other);
    int order = str_order(m->run_id, other->run_id);
    if (order == 0)
        order = str_order(m->completion_id, other->completion_id);
    return order != 0 ? order < 0 : m->attempt < other->attempt;
}

static void put_part(struct compare_mover *m, const struct compare_part *part)
{
    double change = fabs(part->value[COMPARE_B] - part->value[COMPARE_A]);
    size_t at = m->n_parts;
    while (at > 0 &&
           change > fabs(m->parts[at - 1].value[COMPARE_B] - m->parts[at - 1].value[COMPARE_A]))
        at--;
    if (change == 0 || at == COMPARE_PARTS)
        return;
    if (m->n_parts < COMPARE_PARTS)
        m->n_parts++;
    memmove(&m->parts[at + 1], &m->parts[at], (m->n_parts - 1 - at) * sizeof(*m->parts));
    m->parts[at] = *part;
}

/* The components of either side, matched by name. */
static void find_parts(struct compare *c, const struct joined *j, const struct reward_facts *b,
                       struct compare_mover *m)
{
    const struct name_list *of_a = &c->lists[j->parts];
    const struct name_list of_b = c->lists[list_of(c, b)];
    for (size_t i = 0; i < of_a->n; i++) {
        struct compare_part part = {.name = c->names[of_a->names[i]]};
        part.value[COMPARE_A] = c->values[j->values + i];
        for (size_t k = 0; k < of_b.n; k++)
            if (of_b.names[k] == of_a->names[i])
                part.value[COMPARE_B] = b->addends[k].value;
        put_part(m, &part);
    }
    for (size_t k = 0; k < of_b.n; k++) {
        struct compare_part part = {.name = c->names[of_b.names[k]]};
        bool in_a = false;
        for (size_t i = 0; i < of_a->n; i++)
            in_a = in_a || of_a->names[i] == of_b.names[k];
        part.value[COMPARE_B] = b->addends[k].value;
        if (!in_a)
            put_part(m, &part);
    }
}

static void keep_texts(struct kept_mover *m)
{
    struct str run = m->shown.run_id, completion = m->shown.completion_id;
    m->texts = mem_alloc(run.n + completion.n);
    if (run.n > 0)
        memcpy(m->texts, run.p, run.n);
    memcpy(m->texts + run.n, completion.p, completion.n);
    m->shown.run_id = (struct str){m->texts, run.n};
    m->shown.completion_id = (struct str){m->texts + run.n, completion.n};
}

static void note_move(struct compare *c, const struct joined *j, const struct reward_facts *b)
{
    const struct outcome *sides = j->sides;
    struct kept_mover m = {
        .shown = {.run_id = b->run_id,
                  .completion_id = b->completion_id,
                  .attempt = b->attempt,
                  .reward = {sides[COMPARE_A].reward, sides[COMPARE_B].reward}},
    };
    size_t at = c->n_movers;
    while (at > 0 && stands_before(&m.shown, &c->movers[at - 1].shown))
        at--;
    if (at == c->max_movers || move_of(&m.shown) == 0)
        return;
    m.shown.type = c->names[sides[COMPARE_A].type];
    for (int side = COMPARE_A; side < COMPARE_SIDES; side++)
        m.shown.class[side] = c->names[sides[side].class];
    find_parts(c, j, b, &m.shown);
    keep_texts(&m);
    memmove(&c->movers[at + 1], &c->movers[at], (c->n_movers - at) * sizeof(*c->movers));
    c->movers[at] = m;
    if (c->n_movers < c->max_movers)
        c->n_movers++;
    else
        mem_free(c->movers[c->max_movers].texts);
}

/* ---- joining ----------------------------------------------------------------------------------
 */

/* NULL: no more can be told apart. */
static struct joined *joined_of(struct compare *c, const struct reward_facts *r)
{
    uint8_t digest[DIGEST_BYTES];
    if (c->n_joined == UINT32_MAX)
        return NULL;
    sha256_field(&c->hash, r->run_id);
    sha256_field(&c->hash, r->completion_id);
    sha256_u64(&c->hash, r->attempt);
    finish_digest(c, digest);
    uint32_t at = digests_put(&c->by_key, digest, (uint32_t)c->n_joined);
    if (at == c->n_joined)
        mem_grow((void **)&c->joined, &c->cap_joined, c->n_joined++, sizeof(*c->joined));
    return &c->joined[at];
}

static uint64_t id_of(struct compare *c, struct str reward_id)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t id;
    sha256_field(&c->hash, reward_id);
    finish_digest(c, digest);
    memcpy(&id, digest, sizeof(id));
    return id;
}

/* What A says of the completion, and is compared only when B is there. */
static void keep_a(struct compare *c, struct joined *j, const struct reward_facts *r)
{
    j->parts = list_of(c, r);
    j->values = c->n_values;
    for (size_t i = 0; i < r->n_addends; i++) {
        mem_grow((void **)&c->values, &c->cap_values, c->n_values, sizeof(*c->values));
        c->values[c->n_values++] = r->addends[i].value;
    }
    j->grouped = r->group_id.n > 0;
    if (!j->grouped)
        return;
    sha256_field(&c->hash, r->run_id);
    sha256_field(&c->hash, r->group_id);
    finish_digest(c, j->group);
}

enum err_code compare_add(struct compare *c, enum compare_side side, const struct reward_facts *r,
                          struct err *err)
{
    struct joined *j = joined_of(c, r);
    if (j == NULL)
        return err_set(err, ERR_LIMIT, "more than %zu completions; compare a range of them",
                       c->n_joined);
    struct outcome outcome = {
        .reward = r->reward,
        .id = id_of(c, r->reward_id),
        .type = name_of(c, r->response_type),
        .class = class_of(c, r),
        .status = (uint8_t)r->status,
        .seen = true,
        .has_reward = r->has_reward,
    };
    if (c->n_class_order > COMPARE_CLASSES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d classes; are these rewards of one policy?",
                       COMPARE_CLASSES_MAX);
    if (j->sides[side].seen) {
        if (j->sides[side].id != outcome.id)
            return err_set(err, ERR_INVALID,
                           "the completion has a reward under another policy before; compare the "
                           "rewards of one policy at a time");
        c->counts[side].repeated++;
        return ERR_OK;
    }
    j->sides[side] = outcome;
    c->counts[side].rewards++;
    c->counts[side].with_number += outcome.has_reward;
    c->counts[side].by_status[outcome.status]++;
    if (side == COMPARE_A)
        keep_a(c, j, r);
    else if (j->sides[COMPARE_A].has_reward && outcome.has_reward)
        note_move(c, j, r);
    return ERR_OK;
}
