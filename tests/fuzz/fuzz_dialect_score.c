/* Replies of both scoring servers. */
#include "../support/dialect_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t ids[] = {1, 2};
    static const struct dialect_options options = {
        .yes_ids = ids, .n_yes_ids = 1, .no_ids = ids + 1, .n_no_ids = 1};
    (void)fuzz_dialect(&dialect_generative_scoring, &options, 2, data, size);
    return fuzz_dialect(&dialect_score, &options, 2, data, size);
}
