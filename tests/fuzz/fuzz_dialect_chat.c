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
    static const struct dialect_frame frame = {.options = {.top_logprobs = 20}};
    struct answer answer;
    struct dialect_reply reply;
    struct arena a;
    arena_init(&a, 1u << 22);
    dialect_chat.read(&a, &frame, &policy, (struct str){(const char *)data, size}, &answer, 1,
                      &reply);
    if (answer.reason == REASON_NONE) {
        require(answer.probability >= 0 && answer.probability <= 1);
        require(answer.mass >= policy.min_mass && answer.mass <= 1);
        require(!answer.retry);
    } else {
        require(answer.probability == 0);
    }
    arena_done(&a);
    return 0;
}
