/* pipeline on virtual time: a record that kills its worker is put aside by reference after three
 * deaths, one that cannot be read at once; both without a look at their bytes, and nobody else is
 * delayed. Kills at any other moment condemn nothing. */
#include "pipeline_bench.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "obs/log.h"

static char folder[64];

static struct blackbox *open_box(void)
{
    struct blackbox *box = NULL;
    struct err err = {0};
    if (blackbox_open(str_z(folder), STR("sim"), STR(BROKER_TOPIC), &box, &err) != ERR_OK)
        fail_msg("%s", err.msg);
    return box;
}

static int new_folder(void **state RBR_UNUSED)
{
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_TEXT);
    (void)snprintf(folder, sizeof(folder), "/tmp/rbr-quarantine-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state RBR_UNUSED)
{
    struct blackbox *box = open_box();
    (void)unlink(blackbox_path(box));
    blackbox_close(box);
    return rmdir(folder);
}

static void start_boxed(struct bench *b, size_t n)
{
    b->config.blackbox = open_box();
    start(b, n);
}

/* The process dies at work on that record; offset < 0: on none. */
static void die(struct bench *b, int32_t partition, int64_t offset, bool batch_lands)
{
    struct blackbox *box = b->config.blackbox;
    world_kill(&b->w, 0, batch_lands);
    if (offset >= 0)
        blackbox_mark(box, partition, offset);
    blackbox_close(box);
}

static void end(struct bench *b)
{
    stop(b);
    blackbox_close(b->config.blackbox);
    bench_free(b);
}

static void a_record_that_kills_is_put_aside_after_three_deaths(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    struct header header = {STR("a"), STR("b")};
    put_many(b, 0, 5);
    struct broker_record *r = put(b, 0, "kills");
    set_headers(b, r, &header, 1);
    put_many(b, 0, 5);
    for (int i = 0; i < BLACKBOX_DEATHS_MAX; i++) {
        start_boxed(b, 1);
        die(b, 0, 5, false);
        assert_int_equal(b->broker->n_messages, 0);
    }
    b->broker->logs[0].records[5].quarantined = "KILLED_THE_WORKER";
    start_boxed(b, 1);
    run(b, SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(b->broker->n_messages, 11);
    assert_int_equal(stats(b).dead_letters, 1);
    assert_int_equal(b->k->server.requests, 20); /* two questions each of ten */
    const struct sink_record *m = &message(b, 0, 5)->record;
    assert_str(broker_header(m, "__connect.errors.stage"), "quarantine");
    assert_str(broker_header(m, "__connect.errors.exception.message"),
               "3 workers died at work on it");
    /* Written again, at another offset, it is a record like any other. */
    (void)put(b, 0, "kills no more");
    run(b, SECOND);
    assert_int_equal(stats(b).dead_letters, 1);
    assert_int_equal(blackbox_deaths(b->config.blackbox, 0, 5), 0);
    end(b);
}

/* The count is kept when the one who put it aside dies before that is committed. */
static void a_death_before_the_commit_changes_nothing(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    put_many(b, 0, 1);
    for (int i = 0; i < BLACKBOX_DEATHS_MAX; i++) {
        start_boxed(b, 1);
        die(b, 0, 0, false);
    }
    b->broker->logs[0].records[0].quarantined = "KILLED_THE_WORKER";
    start_boxed(b, 1);
    run(b, 50 * MILLISECOND);
    assert_int_equal(stats(b).admitted, 1);
    die(b, 0, -1, false);
    start_boxed(b, 1);
    run(b, SECOND);
    assert_int_equal(stats(b).dead_letters, 1);
    end(b);
}

static void what_cannot_be_read_is_put_aside_at_once(void **state RBR_UNUSED)
{
    struct bench *b = bench_new();
    put_many(b, 0, 3);
    struct broker_record *r = put(b, 0, "never seen");
    r->quarantined = "UNREADABLE";
    r->unreadable = "a batch larger than may be";
    put_many(b, 0, 3);
    start_boxed(b, 1);
    run(b, SECOND);
    assert_true(broker_all_committed(b->broker));
    assert_int_equal(b->broker->n_messages, 7);
    assert_str(broker_header(&message(b, 0, 3)->record, "__connect.errors.exception.message"),
               "a batch larger than may be");
    end(b);
}

/* Two of three deaths were at work on something, at random of what was not done yet. */
static void kills_at_random_put_nothing_aside(void **state RBR_UNUSED)
{
    enum { ROUNDS = 20, KILLS = 12, RECORDS = 60 };
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < ROUNDS; round++) {
        struct bench *b = bench_new();
        b->config.batch_records = 5;
        for (int i = 0; i < RECORDS; i++)
            (void)put(b, i % 2, rng_below(&rng, 8) == 0 ? "late text" : "ordinary text");
        int deaths[2][RECORDS] = {{0}};
        for (int kill = 0; kill < KILLS; kill++) {
            start_boxed(b, 2);
            run(b, (int64_t)rng_below(&rng, 4 * SECOND));
            int32_t partition = (int32_t)rng_below(&rng, 2);
            const struct broker_log *log = &b->broker->logs[partition];
            size_t at = rng_below(&rng, log->n);
            bool busy = !log->records[at].done && rng_below(&rng, 3) > 0;
            /* A third one at a record that never got through is what it is put aside for. */
            busy = busy && deaths[partition][at] < BLACKBOX_DEATHS_MAX - 1;
            deaths[partition][at] += busy;
            die(b, partition, busy ? log->records[at].offset : -1, rng_below(&rng, 2) == 0);
            check(b);
        }
        start_boxed(b, 2);
        run(b, 120 * SECOND);
        assert_true(broker_all_committed(b->broker));
        assert_int_equal(b->broker->n_messages, RECORDS);
        end(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_that_kills_is_put_aside_after_three_deaths),
        cmocka_unit_test(a_death_before_the_commit_changes_nothing),
        cmocka_unit_test(what_cannot_be_read_is_put_aside_at_once),
        cmocka_unit_test(kills_at_random_put_nothing_aside),
    };
    return cmocka_run_group_tests_name("quarantine", tests, new_folder, remove_folder);
}
