/* stream/kafka_bombs, kafka_unreadable: batches that grow beyond what may be held are passed over,
 * whatever their codec, and what lies before and behind is read. */
#include "kafka_fixture.h"

enum { BOMB_BYTES = 8 << 20, BATCH = 7 };

static const char *const codecs[] = {"gzip", "lz4", "zstd"};

static const struct kafka_property small[] = {
    {STR_INIT("receive.message.max.bytes"), STR_INIT("2000000")},
    {STR_INIT("fetch.max.bytes"), STR_INIT("1500000")},
    {STR_INIT("fetch.error.backoff.ms"), STR_INIT("50")},
};

/* One batch of `n` records that are `bytes` zeros together. */
static void put_batch(struct kafka_fixture *f, const char *codec, int32_t partition, size_t n,
                      size_t bytes)
{
    struct err err = {0};
    struct kafka_config config = kafka_fixture_config(f, "");
    const struct kafka_default ours[] = {{"acks", "all"},
                                         {"linger.ms", "500"},
                                         {"compression.codec", codec},
                                         {"message.max.bytes", "40000000"},
                                         {"batch.size", "40000000"}};
    rd_kafka_conf_t *conf = kafka_conf_new(&config, ours, ARRAY_LEN(ours), NULL, 0, &err);
    rd_kafka_t *producer = kafka_client_new(RD_KAFKA_PRODUCER, conf, &err);
    assert_non_null(producer);
    char *zeros = mem_alloc(bytes / n);
    const struct sink_record record = {.value = {zeros, bytes / n}};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kafka_produce(producer, "bombs", partition, &record, NULL),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
    (void)rd_kafka_poll(producer, 600);
    assert_int_equal(rd_kafka_flush(producer, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    mem_free(zeros);
    rd_kafka_destroy(producer);
}

/* What came of a partition, in its order: r a record, x one that could not be read. */
struct heard {
    char text[16];
    size_t n;
};

static void hear(struct watched_source *w, size_t index, struct heard *h)
{
    struct source_record r;
    while (w->port->next(w->port, index, &r)) {
        assert_true(r.offset == (int64_t)h->n && h->n < sizeof(h->text) - 1);
        h->text[h->n++] = r.unreadable == NULL ? 'r' : 'x';
        if (r.unreadable != NULL) {
            assert_non_null(strstr(r.unreadable, "Decompression"));
            assert_null(r.value.p);
        }
        w->port->release(w->port, &r);
    }
}

static void what_grows_too_large_is_passed_over(void **state RBR_UNUSED)
{
    struct kafka_fixture f;
    struct watched_source w;
    kafka_fixture_init(&f);
    kafka_fixture_topic(&f, "bombs", ARRAY_LEN(codecs));
    for (int32_t p = 0; p < (int32_t)ARRAY_LEN(codecs); p++) {
        put_batch(&f, codecs[p], p, 1, 1000);
        put_batch(&f, codecs[p], p, 1, BOMB_BYTES);
        put_batch(&f, codecs[p], p, 1, 500000); /* large, and may be */
        /* Each of them too large for itself, should a slow machine make two batches of it. */
        put_batch(&f, codecs[p], p, BATCH, (size_t)BATCH * (BOMB_BYTES / 3));
    }
    struct kafka_config config = kafka_fixture_config(&f, "bombs");
    config.start = KAFKA_START_EARLIEST;
    config.consumer = small;
    config.n_consumer = ARRAY_LEN(small);
    kafka_fixture_watch(&f, &config, &w);
    assert_true(kafka_fixture_until(&f, &w.assigned, 1));
    struct heard heard[ARRAY_LEN(codecs)] = {0};
    int64_t until = clock_mono_us(&clock_real) + 60000000;
    for (size_t done = 0; done < ARRAY_LEN(codecs) && clock_mono_us(&clock_real) < until;) {
        kafka_fixture_turn_for(&f, 20);
        done = 0;
        for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
            hear(&w, i, &heard[i]);
            done += heard[i].n == 3 + BATCH;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        assert_string_equal(heard[i].text, "rxrxxxxxxx");
    /* And on, at the end of the log. */
    struct source_record r;
    put_batch(&f, "none", 1, 1, 1000);
    assert_true(kafka_fixture_next(&f, &w, 1, &r));
    assert_int_equal(r.offset, 3 + BATCH);
    w.port->release(w.port, &r);
    assert_int_equal(w.failed, 0);
    kafka_fixture_unwatch(&f, &w);
    kafka_fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_grows_too_large_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
