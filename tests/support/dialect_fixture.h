/* A request's body as one text, for tests of dialects. Header only. */
#ifndef RBR_TESTS_DIALECT_FIXTURE_H
#define RBR_TESTS_DIALECT_FIXTURE_H

#include <stdlib.h>

#include "base/json.h"
#include "grader/dialect.h"

/* The questions of p's policy with these numbers, asked in one request. */
static inline void dialect_body(struct buf *out, const struct dialect *d,
                                const struct dialect_frame *frame, const struct prompt *p,
                                const uint16_t *propositions, size_t n)
{
    struct dialect_body body = {0};
    struct arena a;
    struct buf text;
    arena_init(&a, 1u << 24);
    buf_init(&text, 1u << 24);
    struct str *escaped = arena_array(&a, p->policy->n_propositions, sizeof(*escaped));
    for (size_t i = 0; i < p->policy->n_propositions; i++) {
        buf_reset(&text);
        if (!json_escape(&text, p->policy->propositions[i].question) ||
            !arena_copy(&a, buf_str(&text), &escaped[i]))
            abort();
    }
    d->build(frame, &(struct dialect_asked){p, escaped, propositions, n}, &body);
    for (size_t i = 0; i < body.n; i++)
        if (!buf_append_str(out, body.parts[i]))
            abort();
    dialect_body_done(&body);
    buf_done(&text);
    arena_done(&a);
}

#endif
