/* A model of an LLM server on virtual time, for flow control: `slots` requests are worked on
 * together, the more the slower each (a step takes step_us + each_us * active), the rest waits, and
 * above `queue` waiting it answers "overloaded" at once. Header only; deterministic for a seed. */
#ifndef RBR_TESTS_SERVER_MODEL_H
#define RBR_TESTS_SERVER_MODEL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

enum { MODEL_REQUESTS_MAX = 4096 };

struct model_request {
    double ends; /* when the server has done so many steps of each */
    int64_t sent_us;
    size_t client;
};

struct server_model {
    /* what it is */
    size_t slots;
    size_t queue; /* SIZE_MAX: unbounded */
    double step_us, each_us;
    double steps; /* of work in one request, on average */
    int64_t refusal_us; /* to answer "overloaded" */
    /* what it does */
    struct rng rng;
    double now_us;
    double stepped; /* steps done since the beginning, of whoever is active */
    struct model_request active[MODEL_REQUESTS_MAX]; /* the one that ends first is the last */
    size_t n_active;
    struct model_request waiting[MODEL_REQUESTS_MAX]; /* a ring */
    size_t first_waiting, n_waiting;
    struct model_request refused[MODEL_REQUESTS_MAX]; /* a ring; answered at sent_us + refusal_us */
    size_t first_refused, n_refused;
};

static inline double model_step(const struct server_model *m)
{
    return m->step_us + m->each_us * (double)m->n_active;
}

static inline void model_start(struct server_model *m, struct model_request r)
{
    r.ends = m->stepped + m->steps * (0.5 + rng_unit(&m->rng));
    size_t at = m->n_active++;
    for (; at > 0 && m->active[at - 1].ends < r.ends; at--)
        m->active[at] = m->active[at - 1];
    m->active[at] = r;
}

static inline void model_send(struct server_model *m, size_t client)
{
    struct model_request r = {.sent_us = (int64_t)m->now_us, .client = client};
    if (m->n_active < m->slots) {
        model_start(m, r);
    } else if (m->n_waiting < m->queue) {
        assert(m->n_waiting < MODEL_REQUESTS_MAX);
        m->waiting[(m->first_waiting + m->n_waiting++) % MODEL_REQUESTS_MAX] = r;
    } else {
        assert(m->n_refused < MODEL_REQUESTS_MAX);
        m->refused[(m->first_refused + m->n_refused++) % MODEL_REQUESTS_MAX] = r;
    }
}

static inline void model_work(struct server_model *m, double until_us)
{
    if (until_us <= m->now_us)
        return;
    m->stepped += (until_us - m->now_us) / model_step(m);
    m->now_us = until_us;
}

/* The next answer, or nothing until `until_us`. */
enum model_answer { MODEL_NOTHING, MODEL_DONE, MODEL_REFUSED };

static inline enum model_answer model_next(struct server_model *m, double until_us,
                                           struct model_request *ret)
{
    const struct model_request *first = &m->active[m->n_active > 0 ? m->n_active - 1 : 0];
    const struct model_request *refused = &m->refused[m->first_refused];
    double done_us =
        m->n_active > 0 ? m->now_us + (first->ends - m->stepped) * model_step(m) : 1e18;
    double refusal_us = m->n_refused > 0 ? (double)(refused->sent_us + m->refusal_us) : 1e18;
    if (done_us > until_us && refusal_us > until_us) {
        model_work(m, until_us);
        return MODEL_NOTHING;
    }
    if (refusal_us < done_us) {
        model_work(m, refusal_us);
        *ret = *refused;
        m->first_refused = (m->first_refused + 1) % MODEL_REQUESTS_MAX;
        m->n_refused--;
        return MODEL_REFUSED;
    }
    model_work(m, done_us);
    *ret = *first;
    m->n_active--;
    if (m->n_waiting > 0 && m->n_active < m->slots) {
        model_start(m, m->waiting[m->first_waiting]);
        m->first_waiting = (m->first_waiting + 1) % MODEL_REQUESTS_MAX;
        m->n_waiting--;
    }
    return MODEL_DONE;
}

#endif
