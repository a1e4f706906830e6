/* Any bytes as a 200's body of the chat dialect: a probability that is one, with enough mass, or a
 * reason; never a number from a failure. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "grader/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct str yes = STR_INIT("yes"), no = STR_INIT("no");
    static const struct policy policy = {
        .yes_labels = &yes, .n_yes_labels = 1, .no_labels = &no, .n_no_labels = 1, .min_mass = 0.5};
    struct judgment j = {.status = JUDGMENT_PENDING};
    struct dialect_reply reply = {.retry = false};
    struct arena a;
    arena_init(&a, 1u << 22);
    dialect_chat.read(&a, &policy, (struct str){(const char *)data, size}, &j, &reply);
    if (j.status == JUDGMENT_GRADED) {
        require(j.probability >= 0 && j.probability <= 1);
        require(j.mass >= policy.min_mass && j.mass <= 1.01);
        require(j.reason == REASON_NONE && !reply.retry);
    } else {
        require(j.status == JUDGMENT_UNGRADED && j.reason != REASON_NONE);
        require(j.probability == 0);
    }
    arena_done(&a);
    return 0;
}
