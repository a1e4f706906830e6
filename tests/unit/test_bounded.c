/* stream/bounded, and the relay it stands on: of each partition what is below its bound, and its
 * position gets there whatever the log has; all else passes through. */
#include "fixture_source.h"

#include "stream/bounded.h"

struct bench {
    struct fixture_source source;
    struct bounded bounded;
    struct source *port;
};

static void bench_init(struct bench *b, const struct bound *bounds, size_t n)
{
    fixture_source_init(&b->source);
    bounded_init(&b->bounded, &b->source.port, bounds, n);
    b->port = &b->bounded.relay.port;
    fixture_source_listen_to(&b->source, b->port);
}

/* The offsets that come, as a picture. */
static void assert_reads(struct bench *b, size_t partition, const char *picture)
{
    struct source_record r;
    char got[FIXTURE_OFFSETS + 1];
    size_t n = strlen(picture);
    memset(got, '.', n);
    got[n] = '\0';
    while (b->port->next(b->port, partition, &r)) {
        assert_true(r.offset < (int64_t)n);
        got[r.offset] = 'x';
        b->port->release(b->port, &r);
    }
    assert_string_equal(got, picture);
    assert_int_equal(b->source.out, 0);
}

static void revoke(struct bench *b)
{
    b->source.listener.revoked(b->source.listener.arg);
    b->port->revoke_done(b->port);
}

static void each_partition_ends_at_its_bound(void **state RBR_UNUSED)
{
    static const struct bound bounds[] = {
        {.partition = 2, .stop = 5}, {.partition = 0, .stop = 3}, {.partition = 3, .stop = 0}};
    struct bench b;
    bench_init(&b, bounds, ARRAY_LEN(bounds));
    for (size_t i = 0; i < 4; i++)
        fixture_source_draw(&b.source, i, "xxxxxxxx");
    fixture_source_assign(&b.source, 4);
    assert_reads(&b, 0, "xxx.....");
    assert_reads(&b, 1, "........"); /* it has no bound: it is none of ours */
    assert_reads(&b, 2, "xxxxx...");
    assert_reads(&b, 3, "........");
    assert_int_equal(b.port->position(b.port, 0), 3);
    assert_int_equal(b.port->position(b.port, 1), 0);
    assert_int_equal(b.port->position(b.port, 2), 5);
    assert_int_equal(b.source.position[1], 0); /* not even looked at */
    revoke(&b);
    bounded_done(&b.bounded);
}

/* What lies at a bound may be no record. */
static void the_position_gets_to_the_bound(void **state RBR_UNUSED)
{
    static const struct {
        const char *log, *reads;
        int64_t position;
    } cases[] = {
        {"xx..", "xx..", 4}, /* markers below, and the log ends there */
        {"xx....x", "xx.....", 4}, /* the next record is above */
        {"....", "....", 4},       {"xx", "xx", 2}, /* more may come */
        {"xxxxxx", "xxxx..", 4},
    };
    static const struct bound bound = {.stop = 4};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        bench_init(&b, &bound, 1);
        fixture_source_draw(&b.source, 0, cases[i].log);
        fixture_source_assign(&b.source, 1);
        assert_reads(&b, 0, cases[i].reads);
        assert_int_equal(b.port->position(b.port, 0), cases[i].position);
        revoke(&b);
        bounded_done(&b.bounded);
    }
}

static void only_some_are_read_when_that_is_said(void **state RBR_UNUSED)
{
    struct offset_set only = {0};
    assert_true(offset_set_parse(STR("1,3-4,40"), &only));
    const struct bound bound = {.stop = 6, .only = &only};
    struct bench b;
    bench_init(&b, &bound, 1);
    fixture_source_draw(&b.source, 0, "xx.xxxxx"); /* 3 is there, 2 is not */
    fixture_source_assign(&b.source, 1);
    assert_reads(&b, 0, ".x.xx...");
    assert_int_equal(b.port->position(b.port, 0), 6);
    revoke(&b);
    bounded_done(&b.bounded);
    offset_set_done(&only);
}

static void a_partition_that_was_done_before_is_not_read(void **state RBR_UNUSED)
{
    static const struct bound bound = {.stop = 4};
    struct bench b;
    bench_init(&b, &bound, 1);
    fixture_source_draw(&b.source, 0, "xxxxxxxx");
    b.source.from[0] = 4;
    fixture_source_assign(&b.source, 1);
    assert_reads(&b, 0, "........");
    assert_int_equal(b.source.position[0], 4);
    revoke(&b);
    b.source.from[0] = 2; /* another assignment: what is left of it */
    fixture_source_assign(&b.source, 1);
    assert_reads(&b, 0, "..xx....");
    bounded_done(&b.bounded); /* closed with it */
}

static void all_else_passes_through(void **state RBR_UNUSED)
{
    struct bench b;
    struct err err;
    (void)err_set(&err, ERR_KAFKA, "why");
    bench_init(&b, NULL, 0);
    struct source_listener *l = &b.source.listener;
    b.port->poll(b.port);
    fixture_source_assign(&b.source, 2);
    l->lost(l->arg);
    b.port->revoke_done(b.port);
    fixture_source_assign(&b.source, 0);
    l->revoked(l->arg);
    b.port->revoke_done(b.port);
    l->failed(l->arg, &err);
    b.port->close(b.port);
    l->closed(l->arg);
    assert_int_equal(b.source.polls, 1);
    assert_int_equal(b.source.assigned, 2);
    assert_int_equal(b.source.lost, 1);
    assert_int_equal(b.source.revoked, 1);
    assert_int_equal(b.source.failed, 1);
    assert_int_equal(b.source.closed, 1);
    assert_int_equal(b.source.revokes_done, 2);
    assert_int_equal(b.source.closes, 1);
    bounded_done(&b.bounded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_partition_ends_at_its_bound),
        cmocka_unit_test(the_position_gets_to_the_bound),
        cmocka_unit_test(only_some_are_read_when_that_is_said),
        cmocka_unit_test(a_partition_that_was_done_before_is_not_read),
        cmocka_unit_test(all_else_passes_through),
    };
    return cmocka_run_group_tests_name("bounded", tests, NULL, NULL);
}
