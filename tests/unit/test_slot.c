/* cache/slot: judgments of one completion belong side by side, those of many everywhere; a table
 * that is half full has lost next to nothing. */
#include "cache_fixture.h"
#include "unit.h"

#include "cache/slot.h"

/* Question `question` about content `content`. */
static void digest_of(uint64_t content, uint64_t question, uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    uint8_t of_content[JUDGMENT_DIGEST_BYTES];
    size_t own = JUDGMENT_DIGEST_BYTES - JUDGMENT_CONTENT_BYTES;
    cache_digest(content, of_content);
    cache_digest(content * 1000 + question + 1000000007, out);
    memcpy(out + own, of_content, JUDGMENT_CONTENT_BYTES);
}

static void one_completion_lies_in_one_neighbourhood(void **state RBR_UNUSED)
{
    static const uint64_t tables[] = {1, 7, 16, 32, 1024, 1 << 20};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        uint64_t n = tables[t], seen = 0;
        for (uint64_t content = 0; content < 500; content++) {
            uint8_t digest[JUDGMENT_DIGEST_BYTES];
            digest_of(content, 0, digest);
            uint64_t first = near_first(bucket_of(digest, n), n);
            for (uint64_t question = 0; question < 20; question++) {
                digest_of(content, question, digest);
                uint64_t at = bucket_of(digest, n);
                assert_in_range(at, first, first + near_count(n) - 1);
                assert_true(at < n);
                seen |= UINT64_C(1) << at * 64 / n % 64;
            }
        }
        assert_true(n < 1024 || seen == UINT64_MAX); /* all over the table */
    }
}

static void tables_are_whole_neighbourhoods(void **state RBR_UNUSED)
{
    assert_int_equal(bucket_count(0), 1);
    assert_int_equal(bucket_count(UINT64_C(15) * BUCKET_BYTES + 5), 15);
    assert_int_equal(bucket_count(UINT64_C(16) * BUCKET_BYTES), 16);
    assert_int_equal(bucket_count(UINT64_C(47) * BUCKET_BYTES), 32);
}

/* First its own bucket, then all others of its neighbourhood, then one of the next; each once. */
static void the_search_goes_round_the_neighbourhood(void **state RBR_UNUSED)
{
    static const uint64_t tables[] = {1, 7, 16, 32, 1024};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        uint64_t n = tables[t], near = near_count(n);
        assert_int_equal(bucket_tries(n), n <= NEAR_BUCKETS ? n : NEAR_BUCKETS + 1);
        for (uint64_t own = 0; own < n; own++) {
            uint32_t seen = 0;
            assert_int_equal(bucket_try(own, 0, n), own);
            for (uint64_t i = 0; i < near; i++) {
                uint64_t at = bucket_try(own, i, n), first = near_first(own, n);
                assert_in_range(at, first, first + near - 1);
                seen |= UINT32_C(1) << (at - first);
            }
            assert_int_equal(seen, (UINT32_C(1) << near) - 1);
            if (n > NEAR_BUCKETS)
                assert_int_equal(bucket_try(own, near, n), (own + NEAR_BUCKETS) % n);
        }
    }
}

/* With sixteen questions a completion: how many judgments are gone when so many were put. */
static uint64_t lost_of(uint64_t bytes, uint64_t put)
{
    enum { QUESTIONS = 16 };
    struct cache *c = cache_mem_new(bytes);
    const struct cache_entry e = {.probability = 0.5, .mass = 1, .graded_ms = 1};
    struct cache_entry got;
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    for (uint64_t i = 0; i < put; i++) {
        digest_of(i / QUESTIONS, i % QUESTIONS, digest);
        c->put(c, digest, &e);
    }
    uint64_t lost = 0;
    for (uint64_t i = 0; i < put; i++) {
        digest_of(i / QUESTIONS, i % QUESTIONS, digest);
        lost += !c->get(c, digest, &got);
    }
    cache_free(c);
    return lost;
}

/* A replay of 100,000 records whose judgments took a twentieth of the table asked one question. */
static void a_quarter_of_a_table_keeps_all(void **state RBR_UNUSED)
{
    const uint64_t bytes = 16 << 20, put = bytes / SLOT_BYTES / 4;
    assert_int_equal(lost_of(bytes, put), 0);
}

static void half_a_table_keeps_nearly_all(void **state RBR_UNUSED)
{
    const uint64_t bytes = 4 << 20, put = bytes / SLOT_BYTES / 2;
    assert_true(lost_of(bytes, put) < put / 300);
}

/* A file is read by later builds. Who has other values here writes another format: the version in
 * cache_file.c's magic is its number. */
static void what_lies_where_is_as_version_3_has_it(void **state RBR_UNUSED)
{
    const struct cache_entry e = cache_entry_of(12345);
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct slot s;
    cache_digest(12345, digest);
    assert_true(slot_fill(&s, digest, &e));
    assert_int_equal(offsetof(struct slot, check), 16);
    assert_int_equal(s.check, UINT64_C(0x8a0f54c2caa79aa9));
    assert_int_equal(bucket_of(digest, 4096), 2231);
    assert_int_equal(bucket_try(2231, 1, 4096), 2232);
    assert_int_equal(bucket_try(2231, 9, 4096), 2224);
    assert_int_equal(bucket_try(2231, 16, 4096), 2247);
}

static enum slot_state state_beside(const struct slot *s, const void *whole)
{
    const void *bytes = s;
    return memcmp(bytes, whole, SLOT_BYTES) == 0 ? SLOT_GOOD : SLOT_DAMAGED;
}

/* As torn writes and bad disks do it: each bit, each half of a slot that is another's. */
static void a_slot_that_was_changed_proves_itself(void **state RBR_UNUSED)
{
    struct slot slots[2];
    for (size_t i = 0; i < 2; i++) {
        const struct cache_entry e = cache_entry_of(i);
        uint8_t digest[JUDGMENT_DIGEST_BYTES];
        cache_digest(i, digest);
        assert_true(slot_fill(&slots[i], digest, &e));
        assert_int_equal(slot_state(&slots[i]), SLOT_GOOD);
    }
    for (size_t bit = 0; bit < SLOT_BYTES * (size_t)8; bit++) {
        struct slot changed = slots[0];
        ((uint8_t *)&changed)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(slot_state(&changed), SLOT_DAMAGED);
    }
    for (size_t at = 1; at < SLOT_BYTES; at++) {
        struct slot torn = slots[0], zeroed = slots[0];
        memcpy((char *)&torn + at, (const char *)&slots[1] + at, SLOT_BYTES - at);
        memset((char *)&zeroed + at, 0, SLOT_BYTES - at);
        assert_int_equal(slot_state(&torn), state_beside(&torn, &slots[0]));
        assert_int_equal(slot_state(&zeroed), state_beside(&zeroed, &slots[0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_where_is_as_version_3_has_it),
        cmocka_unit_test(a_slot_that_was_changed_proves_itself),
        cmocka_unit_test(one_completion_lies_in_one_neighbourhood),
        cmocka_unit_test(tables_are_whole_neighbourhoods),
        cmocka_unit_test(the_search_goes_round_the_neighbourhood),
        cmocka_unit_test(a_quarter_of_a_table_keeps_all),
        cmocka_unit_test(half_a_table_keeps_nearly_all),
    };
    return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
