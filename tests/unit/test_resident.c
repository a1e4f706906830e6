/* base/resident: pages of small blocks that were freed go back to the system. */
#include "unit.h"

#include "base/mem.h"
#include "base/resident.h"

enum { BLOCKS = 16384, BLOCK = 4096, MEGABYTE = 1 << 20 };

static void freed_pages_among_used_ones_are_given_back(void **state RBR_UNUSED)
{
    static char *blocks[BLOCKS];
#ifdef RBR_SANITIZED
    print_message("skipped: a sanitizer's allocator keeps what is freed\n");
    skip();
#endif
    resident_init();
    size_t before = resident_bytes();
    assert_true(before > 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = mem_alloc(BLOCK);
        memset(blocks[i], 1, BLOCK);
    }
    assert_true(resident_bytes() > before + (size_t)60 * MEGABYTE);
    for (size_t i = 0; i < BLOCKS; i++)
        if (i % 16 != 0)
            mem_free(blocks[i]);
    resident_give_back();
    size_t after = resident_bytes();
    for (size_t i = 0; i < BLOCKS; i += 16)
        mem_free(blocks[i]);
    assert_true(after < before + (size_t)12 * MEGABYTE); /* 4 are in use */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_pages_among_used_ones_are_given_back),
    };
    return cmocka_run_group_tests_name("resident", tests, NULL, NULL);
}
