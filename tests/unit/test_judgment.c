/* grader/judgment: the digest of a builtin check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/attr.h"
#include "base/sha256.h"
#include "grader/judgment.h"

static void a_check_digest_is_its_definition_and_text(void **state RBR_UNUSED)
{
    uint8_t a[JUDGMENT_DIGEST_BYTES], b[JUDGMENT_DIGEST_BYTES], whole[SHA256_BYTES];
    static const char bytes[] = "\0\0\0\0\0\0\0\x0brbr-check-1\0\0\0\0\0\0\0\x02"
                                "de\0\0\0\0\0\0\0\x01t";
    struct sha256 h;
    sha256_init(&h);
    sha256_raw(&h, (struct str){bytes, sizeof(bytes) - 1});
    sha256_finish(&h, whole);
    sha256_done(&h);
    judgment_check_digest(STR("de"), STR("t"), a);
    assert_memory_equal(a, whole, sizeof(a)); /* as documented: length-prefixed fields */
    judgment_check_digest(STR("d"), STR("et"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    judgment_check_digest(STR("de"), STR("u"), b);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_digest_is_its_definition_and_text),
    };
    return cmocka_run_group_tests_name("judgment", tests, NULL, NULL);
}
