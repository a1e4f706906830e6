/* stream/ackmap: texts by hand, round trips, the worst case, and that no damage goes unseen. */
#include "unit.h"

#include "base/base64.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "stream/ackmap.h"

/* From a picture: '#' done, anything else not. */
static void draw(struct ackmap *m, const char *picture)
{
    ackmap_clear(m);
    for (size_t i = 0; picture[i] != '\0'; i++)
        if (picture[i] == '#')
            ackmap_set(m, i);
}

static void assert_same(const struct ackmap *a, const struct ackmap *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->done, b->done, sizeof(a->done));
}

static size_t assert_round_trip(const struct ackmap *m, int64_t base)
{
    struct ackmap back;
    char text[ACKMAP_TEXT_MAX];
    size_t n = ackmap_encode(m, base, text);
    assert_true(n <= ACKMAP_TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        assert_in_range(text[i], '!', '~');
    struct str copy = {mem_copy(text, n), n}; /* exactly, so that reading on is seen */
    assert_int_equal(ackmap_decode(copy, base, &back), ACKMAP_GOOD);
    mem_free((void *)(uintptr_t)copy.p);
    assert_same(&back, m);
    return n;
}

/* A text with a right digest, of a map written by hand. */
static size_t forge(const char *prefix, int64_t base, size_t length, struct str map,
                    char out[ACKMAP_TEXT_MAX])
{
    struct sha256 h;
    uint8_t bytes[4096] = {0}, sum[SHA256_BYTES];
    for (int i = 0; i < 8; i++)
        bytes[8 + i] = (uint8_t)((uint64_t)base >> (56 - 8 * i));
    bytes[16] = (uint8_t)(length >> 8);
    bytes[17] = (uint8_t)length;
    if (map.n > 0)
        memcpy(bytes + 18, map.p, map.n);
    sha256_init(&h);
    sha256_raw(&h, str_z(prefix));
    sha256_raw(&h, (struct str){(const char *)bytes + 8, 10 + map.n});
    sha256_finish(&h, sum);
    sha256_done(&h);
    memcpy(bytes, sum, 8);
    char text[BASE64_CHARS(4096) + 1];
    size_t n = base64_encode(bytes, 18 + map.n, text);
    memcpy(out, prefix, strlen(prefix));
    memcpy(out + strlen(prefix), text, n);
    return strlen(prefix) + n;
}

static void the_shorter_way_is_written(void **state RBR_UNUSED)
{
    static const struct {
        const char *picture;
        char encoding;
        struct str map;
    } cases[] = {
        {"", 'b', {NULL, 0}},
        {".......#", 'b', STR_INIT("\x80")}, /* two runs take two bytes */
        {".#.#.#.#", 'b', STR_INIT("\xaa")},
        {"........#", 'b', STR_INIT("\x00\x01")}, /* equally long: a bitmap */
        {"................########", 'r', STR_INIT("\x10\x08")},
        {"########################", 'r', STR_INIT("\x00\x18")},
        {".###############################", 'r', STR_INIT("\x01\x1f")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ackmap m;
        char text[ACKMAP_TEXT_MAX], want[ACKMAP_TEXT_MAX];
        char prefix[] = {'r', 'b', 'r', '1', cases[i].encoding, ':', '\0'};
        draw(&m, cases[i].picture);
        size_t n = ackmap_encode(&m, 77, text);
        size_t n_want = forge(prefix, 77, cases[i].map.n, cases[i].map, want);
        assert_strs(((struct str){text, n}), ((struct str){want, n_want}));
        (void)assert_round_trip(&m, 77);
    }
}

/* Written once and for all: a change would make every worker forget what it had done. */
static void the_text_does_not_change(void **state RBR_UNUSED)
{
    struct ackmap m;
    char text[ACKMAP_TEXT_MAX];
    draw(&m, ".#..##...#");
    size_t n = ackmap_encode(&m, 1234567890123, text);
    assert_str(((struct str){text, n}), "rbr1b:y54Xk1SfixgAAAEfcfsEywACMgI=");
    draw(&m, "...............................#################################");
    n = ackmap_encode(&m, 0, text);
    assert_str(((struct str){text, n}), "rbr1r:zwnXclsRMP4AAAAAAAAAAAACHyE=");
}

static void random_maps_come_back(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 3000; run++) {
        struct ackmap m;
        ackmap_clear(&m);
        size_t span = 1 + rng_below(&rng, run % 10 == 0 ? ACKMAP_SPAN_MAX : 300);
        uint64_t change = 1 + rng_below(&rng, 60); /* one in so many */
        bool done = false;
        for (size_t i = 0; i < span; i++) {
            done = rng_below(&rng, change) == 0 ? !done : done;
            if (done)
                ackmap_set(&m, i);
        }
        (void)assert_round_trip(&m, (int64_t)(rng_next(&rng) >> 1));
    }
}

static void any_map_fits(void **state RBR_UNUSED)
{
    struct ackmap m;
    struct rng rng;
    rng_init(&rng, unit_seed());
    ackmap_clear(&m);
    for (size_t i = 1; i < ACKMAP_SPAN_MAX; i += 2) /* the worst for run lengths */
        ackmap_set(&m, i);
    assert_int_equal(ackmap_count(&m), ACKMAP_SPAN_MAX / 2);
    assert_in_range(assert_round_trip(&m, INT64_MAX), 4000, ACKMAP_TEXT_MAX);
    for (int run = 0; run < 30; run++) {
        ackmap_clear(&m);
        for (size_t i = 0; i < ACKMAP_SPAN_MAX; i++)
            if (rng_below(&rng, 2) == 0)
                ackmap_set(&m, i);
        ackmap_set(&m, ACKMAP_SPAN_MAX - 1);
        assert_in_range(assert_round_trip(&m, 1), 4000, ACKMAP_TEXT_MAX);
    }
    ackmap_clear(&m);
    for (size_t i = 1; i < ACKMAP_SPAN_MAX; i++) /* what one stuck record leaves */
        ackmap_set(&m, i);
    assert_in_range(assert_round_trip(&m, 1), 30, 50);
    for (size_t i = 0; i < ACKMAP_SPAN_MAX; i++) /* 99 of 100 done */
        if (i % 100 == 0)
            m.done[i / 8] &= (uint8_t) ~(1u << (i % 8));
    assert_in_range(assert_round_trip(&m, 1), 30, 750);
}

static void what_is_not_our_map_is_told_apart(void **state RBR_UNUSED)
{
    struct ackmap m;
    char good[ACKMAP_TEXT_MAX];
    static const struct {
        struct str text;
        enum ackmap_fault fault;
    } cases[] = {
        {{NULL, 0}, ACKMAP_MISSING},
        {STR_INIT(""), ACKMAP_MISSING},
        {STR_INIT("rb"), ACKMAP_FOREIGN},
        {STR_INIT("AQAAAZ=="), ACKMAP_FOREIGN}, /* Kafka Streams */
        {STR_INIT("\xe2\x98\x83"), ACKMAP_FOREIGN},
        {STR_INIT("rbra:b"), ACKMAP_FOREIGN},
        {STR_INIT("RBR1b:AAAA"), ACKMAP_FOREIGN},
        {STR_INIT("rbr"), ACKMAP_CUT},
        {STR_INIT("rbr1b"), ACKMAP_CUT},
        {STR_INIT("rbr1b:"), ACKMAP_CUT},
        {STR_INIT("rbr1b:AAAA"), ACKMAP_CUT},
        {STR_INIT("rbr2b:AAAA"), ACKMAP_NEWER},
        {STR_INIT("rbr1z:"), ACKMAP_NEWER},
        {STR_INIT("rbr1b:****"), ACKMAP_CORRUPT},
        {STR_INIT("rbr1b:AAAAAAAAAAAAAAAAAAAAAAAA"), ACKMAP_CORRUPT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum ackmap_fault got = ackmap_decode(cases[i].text, 0, &m);
        if (got != cases[i].fault)
            fail_msg("case %zu: %s", i, ackmap_fault_text(got));
        assert_int_equal(m.n, 0);
    }
    draw(&m, ".#.#");
    size_t n = ackmap_encode(&m, 41, good);
    assert_int_equal(ackmap_decode((struct str){good, n}, 42, &m), ACKMAP_ELSEWHERE);
    assert_int_equal(m.n, 0);
    for (enum ackmap_fault f = ACKMAP_GOOD; f < ACKMAP_FAULTS; f++)
        assert_non_null(ackmap_fault_text(f));
}

/* With a right digest, but nothing that ackmap_encode writes. */
static void a_map_that_is_not_canonical_is_refused(void **state RBR_UNUSED)
{
    static uint8_t long_map[3001];
    memset(long_map, 0xff, sizeof(long_map));
    const struct {
        const char *prefix;
        struct str map;
        size_t length;
        enum ackmap_fault fault;
    } cases[] = {
        {"rbr1b:", STR("\x01\x02"), 2, ACKMAP_GOOD},
        {"rbr1b:", STR("\x01\x00"), 2, ACKMAP_CORRUPT}, /* zeros at the end */
        {"rbr1b:", STR("\x01\x02"), 1, ACKMAP_CORRUPT}, /* more than it says */
        {"rbr1b:", STR("\x01\x02"), 3, ACKMAP_CUT},
        {"rbr1b:", {(char *)long_map, 3000}, 3000, ACKMAP_GOOD},
        {"rbr1b:", {(char *)long_map, 3001}, 3001, ACKMAP_CORRUPT},
        {"rbr1r:", STR("\x01\x02"), 2, ACKMAP_GOOD},
        {"rbr1r:", STR("\x00\x02"), 2, ACKMAP_GOOD}, /* begins done */
        {"rbr1r:", STR("\x01"), 1, ACKMAP_CORRUPT}, /* ends undone */
        {"rbr1r:", STR("\x01\x02\x00\x02"), 4, ACKMAP_CORRUPT}, /* one run in two */
        {"rbr1r:", STR("\x01\x82\x00"), 3, ACKMAP_CORRUPT}, /* longer than need be */
        {"rbr1r:", STR("\x01\x82"), 2, ACKMAP_CORRUPT}, /* a number without its end */
        {"rbr1r:", STR("\x01\xff\xff\xff\x01"), 5, ACKMAP_CORRUPT},
        {"rbr1r:", STR("\x01\xbf\xbb\x01"), 4, ACKMAP_GOOD}, /* 1 and 23,999 */
        {"rbr1r:", STR("\x01\xc0\xbb\x01"), 4, ACKMAP_CORRUPT}, /* one more */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ackmap m;
        char text[ACKMAP_TEXT_MAX];
        size_t n = forge(cases[i].prefix, 9, cases[i].length, cases[i].map, text);
        enum ackmap_fault got = ackmap_decode((struct str){text, n}, 9, &m);
        if (got != cases[i].fault)
            fail_msg("case %zu: %s", i, ackmap_fault_text(got));
        assert_true(got == ACKMAP_GOOD || m.n == 0);
    }
}

static void assert_no_damage_goes_unseen(const struct ackmap *m)
{
    struct ackmap got;
    char text[ACKMAP_TEXT_MAX];
    size_t n = ackmap_encode(m, 5, text);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
        if (ackmap_decode((struct str){text, n}, 5, &got) == ACKMAP_GOOD)
            fail_msg("bit %zu of %zu", bit, 8 * n);
        assert_int_equal(got.n, 0);
        text[bit / 8] = (char)(text[bit / 8] ^ (1 << (bit % 8)));
    }
    for (size_t cut = 0; cut < n; cut++) {
        enum ackmap_fault want = cut == 0 ? ACKMAP_MISSING : cut < 3 ? ACKMAP_FOREIGN : ACKMAP_CUT;
        assert_int_equal(ackmap_decode((struct str){text, cut}, 5, &got), want);
        assert_int_equal(got.n, 0);
    }
    assert_int_equal(ackmap_decode((struct str){text, n}, 5, &got), ACKMAP_GOOD);
}

static void no_flipped_bit_and_no_cut_goes_unseen(void **state RBR_UNUSED)
{
    struct ackmap m;
    draw(&m, "");
    assert_no_damage_goes_unseen(&m);
    draw(&m, ".##.#.#..#...#");
    assert_no_damage_goes_unseen(&m);
    draw(&m, "...............................#################################");
    assert_no_damage_goes_unseen(&m);
    for (size_t i = 0; i < 700; i += 3)
        ackmap_set(&m, i);
    assert_no_damage_goes_unseen(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shorter_way_is_written),
        cmocka_unit_test(the_text_does_not_change),
        cmocka_unit_test(random_maps_come_back),
        cmocka_unit_test(any_map_fits),
        cmocka_unit_test(what_is_not_our_map_is_told_apart),
        cmocka_unit_test(a_map_that_is_not_canonical_is_refused),
        cmocka_unit_test(no_flipped_bit_and_no_cut_goes_unseen),
    };
    return cmocka_run_group_tests_name("ackmap", tests, NULL, NULL);
}
