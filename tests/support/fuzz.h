/* What every fuzzer starts with: its entry point, and what must hold for every input. Header only.
 */
#ifndef RBR_TESTS_FUZZ_H
#define RBR_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool holds)
{
    if (!holds)
        abort();
}

#endif
