/* flights: a table that entries enter and leave in any order. */
#include "unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "grader/flights.h"
#include "grader/judgment.h"

enum { MANY = 3000 };

static void an_empty_table_has_nothing(void **state RBR_UNUSED)
{
    static const uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct flights t = {0};
    assert_null(flights_find(&t, digest));
    flights_done(&t);
}

/* Digests whose first bytes are equal share a bucket, and are told apart all the same. */
static void what_is_in_it_is_found_and_nothing_else(void **state RBR_UNUSED)
{
    struct flights t = {0};
    struct flight *flights = mem_array(MANY, sizeof(*flights));
    uint8_t(*digests)[JUDGMENT_DIGEST_BYTES] = mem_array(MANY, sizeof(*digests));
    bool in[MANY] = {false};
    size_t n = 0;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < MANY; i++) {
        memcpy(digests[i] + 8, &i, sizeof(i));
        digests[i][0] = (uint8_t)rng_below(&rng, 40);
        digests[i][1] = (uint8_t)rng_below(&rng, 40);
    }
    for (size_t step = 0; step < (size_t)20 * MANY; step++) {
        size_t i = rng_below(&rng, step < (size_t)3 * MANY ? 50 : MANY);
        struct flight *found = flights_find(&t, digests[i]);
        assert_ptr_equal(found, in[i] ? &flights[i] : NULL);
        flights[i].digest = digests[i];
        if (in[i])
            flights_remove(&t, &flights[i]);
        else
            flights_add(&t, &flights[i]);
        in[i] = !in[i];
        n += in[i] ? 1 : SIZE_MAX;
        assert_int_equal(t.n, n);
    }
    flights_done(&t);
    mem_free(digests);
    mem_free(flights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(what_is_in_it_is_found_and_nothing_else),
    };
    return cmocka_run_group_tests_name("flights", tests, NULL, NULL);
}
