/* Replies of chat servers, in each mode: the last byte says which. */
#include "../support/dialect_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dialect_options options[] = {
        {.top_logprobs = 20},
        {.top_logprobs = 20, .thinking = THINKING_ALLOWED},
        {.mode = DIALECT_VERDICT, .thinking = THINKING_ALLOWED},
        {.mode = DIALECT_SAMPLE, .samples = 2},
    };
    size_t which = size > 0 ? data[size - 1] % ARRAY_LEN(options) : 0;
    return fuzz_dialect(&dialect_chat, &options[which], 1, data, size);
}
