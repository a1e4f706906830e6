/* Replies of decision servers. */
#include "../support/dialect_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dialect_options options = {.top_logprobs = 20};
    return fuzz_dialect(&dialect_decisions, &options, 3, data, size);
}
