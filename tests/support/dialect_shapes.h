/* Replies and what is to be read from them, for tests of dialects. Header only. */
#ifndef RBR_TESTS_DIALECT_SHAPES_H
#define RBR_TESTS_DIALECT_SHAPES_H

#include "unit.h"

#include <math.h>

#include "base/rng.h"
#include "dialect_fixture.h"

enum { SHAPE_ANSWERS_MAX = 3 };

/* `reason` NONE: p and mass; p to 1e-10 of the closed form. */
struct shape_answer {
    enum reason reason;
    bool retry;
    double p, mass;
    bool blind;
};

struct shape {
    const char *name, *body;
    size_t n; /* questions asked */
    struct shape_answer answers[SHAPE_ANSWERS_MAX];
};

#define GRADED(p)                                                                                  \
    {                                                                                              \
        REASON_NONE, false, p, 1, false                                                            \
    }
#define GRADED_OF(p, mass)                                                                         \
    {                                                                                              \
        REASON_NONE, false, p, mass, false                                                         \
    }
#define BROKEN                                                                                     \
    {                                                                                              \
        REASON_UNPARSEABLE_VERDICT, true, 0, 0, false                                              \
    }
#define BLIND                                                                                      \
    {                                                                                              \
        REASON_UNPARSEABLE_VERDICT, true, 0, 0, true                                               \
    }
#define UNUSABLE(reason)                                                                           \
    {                                                                                              \
        REASON_##reason, false, 0, 0, false                                                        \
    }
#define LOW_MASS_OF(mass)                                                                          \
    {                                                                                              \
        REASON_LOW_PROBABILITY_MASS, false, 0, mass, false                                         \
    }

/* yes or no, from mass 0.5 on. */
static struct str shape_yes[] = {STR_INIT("yes")};
static struct str shape_no[] = {STR_INIT("no")};
static const struct policy shape_policy = {.yes_labels = shape_yes,
                                           .n_yes_labels = 1,
                                           .no_labels = shape_no,
                                           .n_no_labels = 1,
                                           .min_mass = 0.5};

static inline void shape_read(const struct dialect *d, const struct dialect_frame *frame,
                              struct str body, struct answer *answers, size_t n, struct arena *a)
{
    struct dialect_reply reply;
    arena_reset(a);
    memset(answers, 0xff, n * sizeof(*answers)); /* read sets all of both */
    memset(&reply, 0xff, sizeof(reply));
    d->read(a, frame, &shape_policy, body, answers, n, &reply);
    assert_in_range(reply.model.n, 0, body.n);
}

static inline void shapes_are_read(const struct dialect *d, const struct dialect_frame *frame,
                                   const struct shape *shapes, size_t n)
{
    struct arena a;
    arena_init(&a, 4 << 20);
    for (size_t i = 0; i < n; i++) {
        struct answer got[SHAPE_ANSWERS_MAX];
        shape_read(d, frame, str_z(shapes[i].body), got, shapes[i].n, &a);
        for (size_t k = 0; k < shapes[i].n; k++) {
            const struct shape_answer *want = &shapes[i].answers[k];
            if (got[k].reason == want->reason && got[k].retry == want->retry &&
                got[k].blind == want->blind && fabs(got[k].probability - want->p) < 1e-10 &&
                fabs(got[k].mass - want->mass) < 1e-10)
                continue;
            print_error("%s, answer %zu: %s retry %d blind %d P %.12g mass %.12g\n", shapes[i].name,
                        k, reason_name(got[k].reason), got[k].retry, got[k].blind,
                        got[k].probability, got[k].mass);
            fail();
        }
    }
    arena_done(&a);
}

/* What a reply says of itself. */
static inline void shape_says(const struct dialect *d, const struct dialect_frame *frame,
                              const struct shape *shape, const char *model, struct usage usage)
{
    struct arena a;
    struct dialect_reply reply;
    struct answer answers[SHAPE_ANSWERS_MAX];
    arena_init(&a, 1 << 20);
    d->read(&a, frame, &shape_policy, str_z(shape->body), answers, shape->n, &reply);
    assert_strs(reply.model, str_z(model));
    assert_int_equal(reply.usage.input_tokens, usage.input_tokens);
    assert_int_equal(reply.usage.cached_input_tokens, usage.cached_input_tokens);
    assert_int_equal(reply.usage.output_tokens, usage.output_tokens);
    arena_done(&a);
}

/* Cut anywhere: no number, and worth another try. */
static inline void shape_cut_anywhere(const struct dialect *d, const struct dialect_frame *frame,
                                      const struct shape *shape)
{
    struct arena a;
    struct str whole = str_z(shape->body);
    arena_init(&a, 4 << 20);
    for (size_t end = 0; end < whole.n; end++) {
        struct answer got[SHAPE_ANSWERS_MAX];
        shape_read(d, frame, str_sub(whole, 0, end), got, shape->n, &a);
        for (size_t k = 0; k < shape->n; k++)
            assert_true(got[k].retry && got[k].reason == REASON_UNPARSEABLE_VERDICT &&
                        got[k].probability == 0);
    }
    arena_done(&a);
}

/* Every answer is a probability with its mass, or a reason. */
static inline void shapes_damaged_at_random(const struct dialect *d,
                                            const struct dialect_frame *frame,
                                            const struct shape *shapes, size_t n)
{
    static const char bytes[] = "\"\\{}[],:0123456789.-eEnulltrefas q\n\xff\x80";
    struct arena a;
    struct rng rng;
    rng_init(&rng, unit_seed());
    arena_init(&a, 4 << 20);
    for (int run = 0; run < 20000; run++) {
        char text[4096];
        const struct shape *shape = &shapes[rng_below(&rng, n)];
        struct str from = str_z(shape->body);
        struct answer got[SHAPE_ANSWERS_MAX];
        assert_in_range(from.n, 1, sizeof(text));
        memcpy(text, from.p, from.n);
        for (uint64_t k = 1 + rng_below(&rng, 4); k > 0; k--)
            text[rng_below(&rng, from.n)] = bytes[rng_below(&rng, sizeof(bytes) - 1)];
        shape_read(d, frame, (struct str){text, from.n}, got, shape->n, &a);
        for (size_t k = 0; k < shape->n; k++) {
            if (got[k].reason == REASON_NONE)
                assert_true(got[k].probability >= 0 && got[k].probability <= 1 &&
                            got[k].mass >= shape_policy.min_mass && got[k].mass <= 1 &&
                            !got[k].retry);
            else
                assert_true(got[k].probability == 0 && *reason_name(got[k].reason) != '\0');
        }
    }
    arena_done(&a);
}

#endif
