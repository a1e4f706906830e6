#include "grader/quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LATEST = 8 };

static const double collapse = 0.5; /* of the others' median */

void quality_init(struct quality *q, size_t n, struct str model)
{
    *q = (struct quality){.endpoints = mem_array(n, sizeof(*q->endpoints)), .n = n};
    str_printable(model, q->configured, sizeof(q->configured));
}

void quality_done(struct quality *q)
{
    mem_free(q->endpoints);
    *q = (struct quality){0};
}

/* ---- the model --------------------------------------------------------------------------------
 */

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static size_t votes_for(const struct quality *q, const char *name)
{
    size_t votes = 0;
    for (size_t i = 0; i < q->n; i++)
        votes += same(q->endpoints[i].model, name);
    return votes > 0 && same(q->configured, name) ? votes + 1 : votes;
}

static void agree(struct quality *q)
{
    size_t all = q->n - votes_for(q, "") + (votes_for(q, q->configured) > 0);
    q->agreed[0] = '\0';
    for (size_t i = 0; i < q->n; i++) {
        const char *name = q->endpoints[i].model;
        size_t votes = votes_for(q, name);
        if (name[0] != '\0' && votes >= 2 && 2 * votes > all)
            memcpy(q->agreed, name, sizeof(q->agreed));
    }
}

bool quality_is_other_model(struct quality *q, size_t endpoint, struct str model)
{
    char name[QUALITY_MODEL_MAX];
    if (model.n == 0)
        return false;
    str_printable(model, name, sizeof(name));
    if (!same(name, q->endpoints[endpoint].model)) {
        memcpy(q->endpoints[endpoint].model, name, sizeof(name));
        agree(q);
    }
    return q->agreed[0] != '\0' && !quality_is_sure(q, endpoint);
}

bool quality_is_sure(const struct quality *q, size_t endpoint)
{
    const char *name = q->endpoints[endpoint].model;
    return name[0] == '\0' || same(name, q->agreed) || same(name, q->configured);
}

void quality_join(struct quality *q, size_t i)
{
    if (i == q->n)
        q->endpoints = mem_resize(q->endpoints, ++q->n * sizeof(*q->endpoints));
    q->endpoints[i] = (struct quality_endpoint){0};
}

void quality_leave(struct quality *q, size_t i)
{
    q->endpoints[i] = (struct quality_endpoint){.gone = true};
    agree(q);
}

/* ---- the mass ---------------------------------------------------------------------------------
 */

void quality_mass(struct quality *q, size_t endpoint, double mass, bool low)
{
    struct quality_endpoint *e = &q->endpoints[endpoint];
    e->masses[e->next] = mass;
    e->low[e->next] = low;
    e->next = (e->next + 1) % QUALITY_MASSES;
    if (e->n_masses < QUALITY_MASSES)
        e->n_masses++;
}

void quality_forget_masses(struct quality *q, size_t endpoint)
{
    q->endpoints[endpoint].n_masses = q->endpoints[endpoint].next = 0;
}

/* Of the last n answers, how many had too little. */
static size_t low_among(const struct quality_endpoint *e, size_t n)
{
    size_t low = 0;
    for (size_t i = 1; i <= n; i++)
        low += e->low[(e->next + QUALITY_MASSES - i) % QUALITY_MASSES];
    return low;
}

static bool is_good(const struct quality_endpoint *e)
{
    return e->n_masses >= LATEST && 2 * low_among(e, LATEST) < LATEST;
}

bool quality_is_doubtful(const struct quality *q, size_t endpoint)
{
    if (is_good(&q->endpoints[endpoint]))
        return false;
    for (size_t i = 0; i < q->n; i++) {
        const struct quality_endpoint *e = &q->endpoints[i];
        if (i != endpoint && !e->gone && (e->n_masses < LATEST || is_good(e)))
            return true;
    }
    return false;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of all endpoints but one, or of that one alone; NaN while there are too few answers. */
static double median(const struct quality *q, size_t endpoint, bool alone)
{
    size_t n = 0;
    double *all = mem_array(q->n * QUALITY_MASSES, sizeof(*all));
    for (size_t i = 0; i < q->n; i++)
        for (size_t k = 0; (i == endpoint) == alone && k < q->endpoints[i].n_masses; k++)
            all[n++] = q->endpoints[i].masses[k];
    qsort(all, n, sizeof(*all), by_size);
    double middle = n >= QUALITY_MASSES ? all[n / 2] : NAN;
    mem_free(all);
    return middle;
}

bool quality_is_poor(const struct quality *q, size_t endpoint, double mass)
{
    return mass < collapse * median(q, endpoint, false); /* false for NaN */
}

bool quality_has_collapsed(const struct quality *q, size_t endpoint)
{
    const struct quality_endpoint *e = &q->endpoints[endpoint];
    return e->n_masses == QUALITY_MASSES && 2 * low_among(e, QUALITY_MASSES) > QUALITY_MASSES &&
           quality_is_poor(q, endpoint, median(q, endpoint, true));
}
