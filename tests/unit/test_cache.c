/* cache: what both implementations promise, through the port. */
#include "unit.h"

#include <math.h>
#include <unistd.h>

#include "base/attr.h"
#include "cache_fixture.h"
#include "obs/log.h"

#define KIB UINT64_C(1024)

static char path[64];

static struct cache *new_mem(uint64_t bytes)
{
    return cache_mem_new(bytes);
}

static struct cache *new_file(uint64_t bytes)
{
    struct cache *c;
    struct err err;
    (void)unlink(path);
    if (cache_file_new(path, bytes, &c, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return c;
}

static struct cache *(*const kinds[])(uint64_t bytes) = {new_mem, new_file};

static void what_was_put_is_got(void **state RBR_UNUSED)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](64 * KIB);
        for (uint64_t i = 0; i < 50; i++)
            cache_put_number(c, i);
        for (uint64_t i = 0; i < 50; i++)
            assert_int_equal(cache_get_number(c, i), CACHE_RIGHT);
        for (uint64_t i = 50; i < 60; i++)
            assert_int_equal(cache_get_number(c, i), CACHE_MISS);
        assert_int_equal(c->stats.stored, 50);
        assert_int_equal(c->stats.hits, 50);
        assert_int_equal(c->stats.misses, 10);
        assert_int_equal(c->stats.errors, 0);
        cache_free(c);
    }
}

static void a_later_judgment_replaces_an_earlier_one(void **state RBR_UNUSED)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](KIB); /* one bucket */
        struct cache_entry got, other = cache_entry_of(77);
        uint8_t digest[JUDGMENT_DIGEST_BYTES];
        for (uint64_t i = 0; i < 8; i++)
            cache_put_number(c, i);
        cache_digest(3, digest);
        c->put(c, digest, &other);
        assert_true(c->get(c, digest, &got) && cache_entries_equal(&got, &other));
        for (uint64_t i = 0; i < 8; i++)
            if (i != 3)
                assert_int_equal(cache_get_number(c, i),
                                 CACHE_RIGHT); /* it took no other's place */
        cache_free(c);
    }
}

static void the_oldest_of_a_full_bucket_goes(void **state RBR_UNUSED)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](KIB);
        for (uint64_t i = 0; i < 20; i++)
            cache_put_number(c, i);
        for (uint64_t i = 0; i < 20; i++)
            assert_int_equal(cache_get_number(c, i), i < 12 ? CACHE_MISS : CACHE_RIGHT);
        cache_free(c);
    }
}

/* Twice as many as there is room for: most of the newer half is there, the bound holds. */
static void a_full_cache_keeps_what_is_new(void **state RBR_UNUSED)
{
    const uint64_t room = 8192;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](room * 128);
        size_t kept = 0, kept_new = 0;
        for (uint64_t i = 0; i < 2 * room; i++)
            cache_put_number(c, i);
        for (uint64_t i = 0; i < 2 * room; i++) {
            enum cache_answer answer = cache_get_number(c, i);
            assert_int_not_equal(answer, CACHE_WRONG);
            kept += answer == CACHE_RIGHT;
            kept_new += answer == CACHE_RIGHT && i >= 2 * room - room / 2;
        }
        assert_int_equal(c->stats.bytes, room * 128);
        assert_true(kept > room * 9 / 10 && kept <= room);
        assert_true(kept_new > room / 2 * 97 / 100);
        cache_free(c);
    }
}

/* The same bucket and the same first half: still another judgment. */
static void half_a_digest_is_no_match(void **state RBR_UNUSED)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](64 * KIB);
        uint8_t digest[JUDGMENT_DIGEST_BYTES];
        struct cache_entry got, a = cache_entry_of(1), b = cache_entry_of(2);
        cache_digest(1, digest);
        c->put(c, digest, &a);
        digest[JUDGMENT_DIGEST_BYTES - 1] ^= 1;
        assert_false(c->get(c, digest, &got));
        c->put(c, digest, &b);
        assert_true(c->get(c, digest, &got) && cache_entries_equal(&got, &b));
        assert_int_equal(cache_get_number(c, 1), CACHE_RIGHT);
        cache_free(c);
    }
}

static void a_digest_of_zeros_is_one_like_others(void **state RBR_UNUSED)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](KIB);
        static const uint8_t zeros[JUDGMENT_DIGEST_BYTES];
        struct cache_entry got, e = cache_entry_of(1);
        assert_false(c->get(c, zeros, &got));
        c->put(c, zeros, &e);
        assert_true(c->get(c, zeros, &got) && cache_entries_equal(&got, &e));
        cache_free(c);
    }
}

static void what_is_no_probability_is_not_kept(void **state RBR_UNUSED)
{
    const struct {
        double probability, mass;
        bool kept;
    } cases[] = {
        {0, 1, true},
        {1, 0, true},
        {0.5, 1.0000001, true},
        {(double)NAN, 1, false},
        {0.5, (double)NAN, false},
        {-0.1, 1, false},
        {1.1, 1, false},
        {0.5, -1, false},
        {0.5, (double)INFINITY, false},
    };
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct cache *c = kinds[k](KIB);
            uint8_t digest[JUDGMENT_DIGEST_BYTES];
            struct cache_entry got, e = cache_entry_of(1);
            e.probability = cases[i].probability;
            e.mass = cases[i].mass;
            cache_digest(1, digest);
            c->put(c, digest, &e);
            assert_int_equal(c->get(c, digest, &got), cases[i].kept);
            assert_int_equal(c->stats.stored, cases[i].kept);
            cache_free(c);
        }
    }
}

static void a_name_as_long_as_fits_is_kept_whole(void **state RBR_UNUSED)
{
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct cache *c = kinds[k](KIB);
        uint8_t digest[JUDGMENT_DIGEST_BYTES];
        struct cache_entry got, e = cache_entry_of(1);
        e.model_n = CACHE_MODEL_MAX;
        memset(e.model, 'm', sizeof(e.model));
        cache_digest(1, digest);
        c->put(c, digest, &e);
        assert_true(c->get(c, digest, &got) && cache_entries_equal(&got, &e));
        e.model_n = 0;
        c->put(c, digest, &e);
        assert_true(c->get(c, digest, &got) && got.model_n == 0);
        cache_free(c);
    }
}

static void a_path_gives_a_file_and_none_gives_memory(void **state RBR_UNUSED)
{
    (void)unlink(path);
    cache_free(cache_new((struct str){0}, 64 * KIB));
    assert_int_not_equal(access(path, F_OK), 0);
    struct cache *c = cache_new(str_z(path), 64 * KIB);
    cache_put_number(c, 1);
    cache_free(c);
    c = cache_new(str_z(path), 64 * KIB);
    assert_int_equal(cache_get_number(c, 1), CACHE_RIGHT); /* it outlived the first */
    cache_free(c);
}

static void an_unusable_path_gives_memory(void **state RBR_UNUSED)
{
    struct cache *c = cache_new(STR("/nowhere/at/all"), 64 * KIB);
    cache_put_number(c, 1);
    assert_int_equal(cache_get_number(c, 1), CACHE_RIGHT);
    cache_free(c);
    cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_got),
        cmocka_unit_test(a_later_judgment_replaces_an_earlier_one),
        cmocka_unit_test(the_oldest_of_a_full_bucket_goes),
        cmocka_unit_test(a_full_cache_keeps_what_is_new),
        cmocka_unit_test(half_a_digest_is_no_match),
        cmocka_unit_test(a_digest_of_zeros_is_one_like_others),
        cmocka_unit_test(what_is_no_probability_is_not_kept),
        cmocka_unit_test(a_name_as_long_as_fits_is_kept_whole),
        cmocka_unit_test(a_path_gives_a_file_and_none_gives_memory),
        cmocka_unit_test(an_unusable_path_gives_memory),
    };
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    (void)snprintf(path, sizeof(path), "/tmp/rbr-test-cache-%d", (int)getpid());
    int failed = cmocka_run_group_tests_name("cache", tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
