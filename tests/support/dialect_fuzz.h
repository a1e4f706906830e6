/* A fuzzer of one dialect's `read`: any bytes as a 200's body are probabilities with enough mass,
 * or reasons; never a number from a failure. Header only; defines the entry point's body. */
#ifndef RBR_TESTS_DIALECT_FUZZ_H
#define RBR_TESTS_DIALECT_FUZZ_H

#include "fuzz.h"

#include "grader/dialect.h"

static inline int fuzz_dialect(const struct dialect *d, const struct dialect_options *options,
                               size_t questions, const uint8_t *data, size_t size)
{
    static struct str yes = STR_INIT("yes"), no = STR_INIT("no");
    static const struct policy policy = {
        .yes_labels = &yes, .n_yes_labels = 1, .no_labels = &no, .n_no_labels = 1, .min_mass = 0.5};
    struct dialect_frame frame = {.options = *options};
    struct answer answers[DIALECT_QUESTIONS_MAX];
    struct dialect_reply reply;
    struct arena a;
    arena_init(&a, 1u << 22);
    d->read(&a, &frame, &policy, (struct str){(const char *)data, size}, answers, questions,
            &reply);
    for (size_t i = 0; i < questions; i++) {
        const struct answer *answer = &answers[i];
        if (answer->reason != REASON_NONE) {
            require(answer->probability == 0);
            continue;
        }
        require(answer->probability >= 0 && answer->probability <= 1 && !answer->retry);
        require(answer->mass >= policy.min_mass && answer->mass <= 1);
    }
    arena_done(&a);
    return 0;
}

#endif
