/* unreadable: from errors that name a batch by its first offset to exactly the offsets of it. */
#include "unit.h"

#include "base/rng.h"
#include "stream/unreadable.h"

enum { OFFSETS_MAX = 3000 };

/* A log: which batch an offset belongs to, and which batches cannot be read. */
struct log_of_batches {
    int64_t n;
    int64_t batch[OFFSETS_MAX]; /* its first offset */
    bool bad[OFFSETS_MAX], there[OFFSETS_MAX];
};

struct reader {
    const struct log_of_batches *log;
    struct unreadable u;
    int64_t at;
    int errors;
    bool got[OFFSETS_MAX], passed[OFFSETS_MAX];
};

static void fill(struct log_of_batches *log, struct rng *rng, int64_t n)
{
    log->n = n;
    for (int64_t o = 0; o < n;) {
        int64_t size = 1 + (int64_t)rng_below(rng, rng_below(rng, 4) == 0 ? 1000 : 4);
        bool bad = rng_below(rng, 3) == 0;
        for (int64_t i = o; i < o + size && i < n; i++) {
            log->batch[i] = o;
            log->bad[i] = bad;
            log->there[i] = bad || rng_below(rng, 5) > 0; /* else compacted, or a marker */
        }
        o += size;
    }
}

/* One thing that the consumer says: an error, a record at `at` or the next that is there, or that
 * there is none up to the end. */
static bool step(struct reader *r)
{
    int64_t offset;
    while (unreadable_next(&r->u, &offset)) {
        assert_false(r->passed[offset]);
        r->passed[offset] = true;
    }
    int64_t came = r->at;
    while (came < r->log->n && !r->log->there[came])
        came++;
    if (came >= r->log->n && !unreadable_searching(&r->u))
        return false;
    if (came < r->log->n && r->log->bad[came]) {
        r->errors++;
        r->at = unreadable_failed(&r->u, r->at, r->log->batch[came], r->log->n);
    } else if (unreadable_searching(&r->u)) {
        r->at = unreadable_read(&r->u, r->at);
    } else {
        r->u.times = 0;
        r->got[came] = true;
        r->at = came + 1;
    }
    return true;
}

static void exactly_the_bad_batches_are_passed_over(void **state RBR_UNUSED)
{
    static struct log_of_batches log;
    static struct reader r;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 2000; round++) {
        fill(&log, &rng, 1 + (int64_t)rng_below(&rng, OFFSETS_MAX));
        int64_t from = (int64_t)rng_below(&rng, (uint64_t)log.n); /* amid a batch, often */
        r = (struct reader){.log = &log, .at = from};
        while (step(&r))
            continue;
        int64_t batches = 0;
        for (int64_t o = 0; o < log.n; o++) {
            assert_int_equal(r.passed[o], o >= from && log.bad[o]);
            assert_int_equal(r.got[o], o >= from && log.there[o] && !log.bad[o]);
            batches += log.bad[o] && log.batch[o] == o;
        }
        assert_in_range(r.errors, 0, (batches + 1) * (UNREADABLE_TIMES + 22));
    }
}

static void a_damaged_response_is_not_a_damaged_log(void **state RBR_UNUSED)
{
    struct unreadable u = {0};
    int64_t offset;
    assert_int_equal(unreadable_failed(&u, 7, 5, 100), 7);
    assert_int_equal(unreadable_failed(&u, 7, 5, 100), 7);
    assert_false(unreadable_next(&u, &offset));
    assert_false(unreadable_searching(&u));
    assert_int_equal(unreadable_failed(&u, 7, 6, 100), 7); /* another batch: counted anew */
    assert_int_equal(unreadable_failed(&u, 7, 5, 100), 7);
    assert_int_equal(unreadable_failed(&u, 7, 5, 100), 7);
    assert_int_equal(unreadable_failed(&u, 7, 5, 100), 8);
    assert_true(unreadable_searching(&u));
}

/* Nothing is read at the end of the log, where no answer would come. */
static void the_last_record_of_the_log(void **state RBR_UNUSED)
{
    for (int64_t end = 0; end <= 10; end++) { /* what is known of the end may be old */
        struct unreadable u = {0};
        int64_t offset;
        for (int i = 0; i < UNREADABLE_TIMES - 1; i++)
            assert_int_equal(unreadable_failed(&u, 9, 9, end), 9);
        assert_int_equal(unreadable_failed(&u, 9, 9, end), 10);
        assert_true(unreadable_next(&u, &offset));
        assert_int_equal(offset, 9);
        assert_false(unreadable_next(&u, &offset));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_bad_batches_are_passed_over),
        cmocka_unit_test(a_damaged_response_is_not_a_damaged_log),
        cmocka_unit_test(the_last_record_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
