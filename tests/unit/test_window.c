/* pipeline/window: the cases by hand, then random runs against a model that keeps every offset. */
#include "unit.h"

#include "base/rng.h"
#include "pipeline/window.h"

static int item; /* any address */

static void admit(struct window *w, int64_t offset)
{
    assert_int_equal(window_admit(w, offset, &item), WINDOW_ADMITTED);
}

static void finish(struct window *w, int64_t from, int64_t to)
{
    for (; from < to; from++)
        window_ready(w, from);
}

static size_t take_all(struct window *w)
{
    size_t n = 0;
    while (window_take(w, false) != NULL)
        n++;
    return n;
}

/* From a picture: '#' done, anything else not. */
static struct ackmap *draw(struct ackmap *m, const char *picture)
{
    ackmap_clear(m);
    for (size_t i = 0; picture[i] != '\0'; i++)
        if (picture[i] == '#')
            ackmap_set(m, i);
    return m;
}

/* What would be committed now. */
static void assert_commits(const struct window *w, int64_t watermark, const char *picture)
{
    struct ackmap got, want;
    assert_int_equal(window_watermark(w), watermark);
    window_map(w, watermark, &got);
    assert_memory_equal(&got, draw(&want, picture), sizeof(got));
}

static void what_is_ready_is_taken_wherever_it_is(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 100, 8, NULL);
    for (int64_t o = 100; o < 106; o++)
        admit(&w, o);
    window_ready(&w, 101);
    window_ready(&w, 103);
    assert_ptr_equal(window_take(&w, false), window_slot(&w, 101));
    assert_ptr_equal(window_take(&w, false), window_slot(&w, 103));
    assert_null(window_take(&w, false));
    assert_commits(&w, 100, ".#.#");
    window_commit(&w);
    assert_int_equal(w.base, 100);
    assert_int_equal(w.count[SLOT_DONE], 2);
    assert_null(window_slot(&w, 101)->item);
    window_ready(&w, 100);
    window_ready(&w, 104);
    assert_int_equal(take_all(&w), 2);
    assert_commits(&w, 102, ".##");
    window_commit(&w);
    assert_int_equal(w.base, 102);
    window_ready(&w, 102);
    assert_int_equal(take_all(&w), 1);
    assert_commits(&w, 105, "");
    window_commit(&w);
    assert_int_equal(w.base, 105);
    assert_int_equal(window_unfinished(&w), 1);
    assert_int_equal(w.count[SLOT_DONE], 0);
    window_done(&w);
}

static void a_prefix_leaves_what_lies_above_the_unfinished(void **state RBR_UNUSED)
{
    struct window w;
    struct ackmap m;
    window_init(&w, 0, 16, draw(&m, "...#..#"));
    for (int64_t o = 0; o < 3; o++)
        admit(&w, o);
    assert_int_equal(window_admit(&w, 3, &item), WINDOW_DONE);
    admit(&w, 5); /* 4 was never there */
    assert_int_equal(window_admit(&w, 6, &item), WINDOW_DONE);
    admit(&w, 7);
    admit(&w, 8);
    finish(&w, 0, 3);
    window_ready(&w, 5);
    window_ready(&w, 8);
    size_t n = 0;
    while (window_take(&w, true) != NULL)
        n++;
    assert_int_equal(n, 4);
    assert_commits(&w, 7, "");
    window_untake(&w);
    assert_int_equal(take_all(&w), 5);
    assert_commits(&w, 7, ".#");
    window_done(&w);
}

static void an_unpublished_batch_is_ready_again(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 4, NULL);
    for (int64_t o = 0; o < 3; o++)
        admit(&w, o);
    window_ready(&w, 1);
    assert_int_equal(take_all(&w), 1);
    window_ready(&w, 0); /* becomes ready while the batch is on its way: it waits for the next */
    assert_commits(&w, 0, ".#");
    window_untake(&w);
    assert_commits(&w, 0, "");
    assert_ptr_equal(window_slot(&w, 1)->item, &item);
    assert_int_equal(take_all(&w), 2);
    window_commit(&w);
    assert_int_equal(w.base, 2);
    window_done(&w);
}

static void gaps_are_passed_over(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 10, 8, NULL);
    admit(&w, 12); /* 10 and 11 were never there: jumped */
    assert_int_equal(w.base, 12);
    admit(&w, 15); /* 13, 14 neither */
    window_ready(&w, 12);
    assert_int_equal(take_all(&w), 1);
    assert_commits(&w, 15, "");
    window_commit(&w);
    window_ready(&w, 15);
    assert_int_equal(take_all(&w), 1);
    window_commit(&w);
    assert_int_equal(w.base, 16);
    window_done(&w);
}

static void the_span_refuses_and_a_stale_offset_is_named(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 4, NULL);
    admit(&w, 0);
    admit(&w, 3);
    assert_false(window_has_room(&w));
    assert_int_equal(window_admit(&w, 4, &item), WINDOW_FULL);
    assert_int_equal(window_admit(&w, 2, &item), WINDOW_STALE);
    assert_int_equal(window_admit(&w, 3, &item), WINDOW_STALE);
    window_ready(&w, 3);
    assert_int_equal(take_all(&w), 1);
    window_commit(&w);
    assert_int_equal(window_admit(&w, 4, &item), WINDOW_FULL); /* the stuck one bounds us */
    window_ready(&w, 0);
    assert_int_equal(take_all(&w), 1);
    assert_int_equal(window_admit(&w, 4, &item), WINDOW_FULL); /* published is not committed */
    window_commit(&w);
    admit(&w, 4);
    window_done(&w);
}

static void an_empty_window_jumps_a_gap_longer_than_its_span(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 4, NULL);
    admit(&w, 1000000);
    window_ready(&w, 1000000);
    assert_int_equal(take_all(&w), 1);
    window_commit(&w);
    assert_int_equal(w.base, 1000001);
    window_done(&w);
}

static void what_holds_no_record_is_passed_when_nothing_is_left(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 10, 4, NULL);
    window_pass(&w, 10);
    window_pass(&w, 12);
    assert_int_equal(w.base, 12);
    admit(&w, 13);
    window_pass(&w, 20); /* later: 13 is unfinished */
    assert_int_equal(w.base, 13);
    window_ready(&w, 13);
    assert_int_equal(take_all(&w), 1);
    assert_commits(&w, 14, "");
    window_pass(&w, 20);
    assert_int_equal(w.base, 13);
    window_commit(&w);
    window_pass(&w, 1000);
    assert_commits(&w, 1000, "");
    window_pass(&w, 999);
    assert_int_equal(w.base, 1000);
    assert_int_equal(window_admit(&w, 999, &item), WINDOW_STALE);
    admit(&w, 1000);
    window_done(&w);
}

/* ---- with a map -------------------------------------------------------------------------------
 */

static void what_the_map_says_is_done_is_passed_over(void **state RBR_UNUSED)
{
    struct window w;
    struct ackmap m;
    window_init(&w, 50, 8, draw(&m, ".##.#"));
    assert_int_equal(w.count[SLOT_DONE], 3);
    assert_commits(&w, 50, ".##.#");
    admit(&w, 50);
    window_ready(&w, 50);
    assert_int_equal(take_all(&w), 1);
    assert_commits(&w, 53, ".#"); /* before 51 and 52 are offered */
    window_commit(&w);
    assert_int_equal(window_admit(&w, 51, &item), WINDOW_DONE);
    assert_int_equal(window_admit(&w, 51, &item), WINDOW_STALE);
    assert_int_equal(window_admit(&w, 52, &item), WINDOW_DONE);
    admit(&w, 53);
    assert_int_equal(window_admit(&w, 54, &item), WINDOW_DONE);
    admit(&w, 55);
    window_ready(&w, 53);
    assert_int_equal(take_all(&w), 1);
    assert_commits(&w, 55, "");
    window_commit(&w);
    window_done(&w);
}

static void an_offset_not_offered_yet_is_not_absent(void **state RBR_UNUSED)
{
    struct window w;
    struct ackmap m;
    window_init(&w, 0, 8, draw(&m, "...#"));
    admit(&w, 0);
    window_ready(&w, 0);
    assert_int_equal(take_all(&w), 1);
    assert_commits(&w, 1, "..#"); /* 1 and 2 may still come */
    window_commit(&w);
    assert_int_equal(window_admit(&w, 3, &item), WINDOW_DONE); /* they do not */
    assert_int_equal(w.base, 4);
    window_done(&w);
}

static void a_map_may_begin_done(void **state RBR_UNUSED)
{
    struct window w;
    struct ackmap m;
    window_init(&w, 7, 8, draw(&m, "##.#")); /* cut by a gap in the log */
    assert_int_equal(w.base, 9);
    assert_commits(&w, 9, ".#");
    assert_int_equal(window_admit(&w, 7, &item), WINDOW_DONE);
    admit(&w, 9);
    window_done(&w);
}

/* The span was set lower than it was when the map was written. */
static void a_map_wider_than_the_span_is_kept(void **state RBR_UNUSED)
{
    struct window w;
    struct ackmap m;
    window_init(&w, 0, 2, draw(&m, "..#..........#"));
    admit(&w, 0);
    admit(&w, 1);
    assert_false(window_has_room(&w));
    finish(&w, 0, 2);
    assert_int_equal(take_all(&w), 2);
    assert_commits(&w, 3, "..........#");
    window_commit(&w);
    assert_int_equal(window_admit(&w, 2, &item), WINDOW_DONE);
    admit(&w, 3);
    assert_int_equal(window_admit(&w, 5, &item), WINDOW_FULL);
    window_done(&w);
}

/* Nothing of it needs a batch, so no batch can make room. */
static void a_span_of_nothing_but_done_offsets_makes_room(void **state RBR_UNUSED)
{
    struct window w;
    struct ackmap m;
    window_init(&w, 0, 4, draw(&m, ".####"));
    for (int64_t o = 1; o < 5; o++) { /* 0 is not there any more */
        assert_true(window_has_room(&w));
        assert_int_equal(window_admit(&w, o, &item), WINDOW_DONE);
    }
    assert_int_equal(w.base, 5);
    admit(&w, 5);
    window_done(&w);
}

/* ---- head of line -----------------------------------------------------------------------------
 */

/* `n` offsets, of which those below `hang` stay unfinished; the rest is committed. */
static void fill(struct window *w, size_t span, int64_t n, int64_t hang)
{
    window_init(w, 1000, span, NULL);
    for (int64_t o = 0; o < n; o++)
        admit(w, 1000 + o);
    finish(w, 1000 + hang, 1000 + n);
    (void)take_all(w);
    window_commit(w);
}

static void the_oldest_are_given_up_when_they_alone_hold_up_a_full_window(void **state RBR_UNUSED)
{
    static const struct {
        size_t span;
        int64_t n, hang;
        size_t given_up;
    } cases[] = {
        {100, 100, 1, 1},         {100, 91, 1, 1},
        {100, 90, 1, 0}, /* 90 % is not more than 90 % */
        {100, 100, 2, 2},         {100, 100, 3, 0}, /* more than 2 % */
        {200, 200, 4, 4},         {50, 50, 1, 1},
        {49, 49, 1, 0}, /* one of 49 is more than 2 % */
        {8000, 8000, 160, 160},   {8000, 8000, 161, 0},
        {8000, 7250, 100, 50}, /* by then the window would not be that full */
        {24000, 24000, 480, 480}, {1, 1, 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct window w;
        size_t n = 0;
        fill(&w, cases[i].span, cases[i].n, cases[i].hang);
        for (struct slot *slot; (slot = window_give_up(&w)) != NULL; n++)
            assert_ptr_equal(slot, window_slot(&w, 1000 + (int64_t)n)); /* oldest first, once */
        if (n != cases[i].given_up)
            fail_msg("case %zu: %zu given up, not %zu", i, n, cases[i].given_up);
        window_done(&w);
    }
}

static void what_is_ready_but_unpublished_is_not_done(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 100, NULL);
    for (int64_t o = 0; o < 100; o++)
        admit(&w, o);
    finish(&w, 1, 100);
    assert_null(window_give_up(&w)); /* the sink is what holds us up */
    (void)take_all(&w);
    assert_null(window_give_up(&w));
    window_commit(&w);
    assert_ptr_equal(window_give_up(&w), window_slot(&w, 0));
    window_ready(&w, 0);
    assert_int_equal(take_all(&w), 1);
    window_commit(&w);
    assert_int_equal(w.base, 100);
    window_done(&w);
}

static void gaps_do_not_count_as_unfinished(void **state RBR_UNUSED)
{
    struct window w;
    window_init(&w, 0, 100, NULL);
    for (int64_t o = 0; o < 100; o += 2) /* as control markers leave them */
        if (o != 50)
            admit(&w, o);
    admit(&w, 99);
    for (int64_t o = 2; o < 100; o += 2)
        if (o != 50)
            window_ready(&w, o);
    window_ready(&w, 99);
    (void)take_all(&w);
    window_commit(&w);
    assert_int_equal(w.count[SLOT_DONE], 49);
    assert_ptr_equal(window_give_up(&w), window_slot(&w, 0));
    window_done(&w);
}

/* ---- by chance --------------------------------------------------------------------------------
 *
 * The model: a plain array of states by offset. ' ' not offered, a absent, r running, R ready, p
 * publishing, d done; D done by the map and not offered yet. */

enum { MODEL = 4000 };

struct model {
    char state[MODEL + 64];
    int64_t next; /* one past the highest offset offered */
    int64_t taken; /* where the batch in the making goes on */
    int64_t start; /* nothing below is asked about */
};

static bool passable(const struct model *m, int64_t o, bool publishing)
{
    char c = m->state[o];
    return c == 'd' || c == 'D' || c == 'a' || (publishing && c == 'p');
}

static void check(const struct window *w, const struct model *m)
{
    struct ackmap map;
    size_t running = 0, ready = 0, pending = 0;
    int64_t watermark = m->start;
    for (int64_t o = m->start; o < MODEL; o++) {
        running += m->state[o] == 'r';
        ready += m->state[o] == 'R';
        pending += m->state[o] != ' ' && !passable(m, o, false);
    }
    assert_int_equal(window_unfinished(w), running);
    assert_int_equal(w->count[SLOT_READY], ready);
    for (int64_t o = m->start; o < w->base; o++) /* base never passes what is unfinished */
        assert_true(passable(m, o, false) || (pending == 0 && o >= m->next));
    while (watermark < MODEL && passable(m, watermark, true))
        watermark++;
    int64_t got = window_watermark(w);
    assert_true(got == watermark || (pending == 0 && got == w->base));
    window_map(w, got, &map);
    for (int64_t o = got; o < MODEL; o++) {
        bool done = m->state[o] == 'd' || m->state[o] == 'D' || m->state[o] == 'p';
        assert_int_equal(ackmap_get(&map, (size_t)(o - got)), done);
    }
}

/* Offers the next offset there is, sometimes behind a gap, sometimes one seen already. */
static void step_offer(struct window *w, struct model *m, struct rng *rng)
{
    int64_t gap = rng_below(rng, 8) == 0 ? (int64_t)rng_below(rng, 5) : 0, offset = m->next + gap;
    if (m->next > m->start && rng_below(rng, 20) == 0) {
        assert_int_equal(window_admit(w, m->next - 1, &item), WINDOW_STALE);
        return;
    }
    for (int64_t o = m->next; o < offset; o++) /* what is done is in the log, so it is offered */
        if (m->state[o] == 'D')
            offset = o;
    enum window_admit got = window_admit(w, offset, &item);
    if (got == WINDOW_FULL) {
        assert_true(offset - w->base >= (int64_t)w->span);
        return;
    }
    assert_int_equal(got, m->state[offset] == 'D' ? WINDOW_DONE : WINDOW_ADMITTED);
    while (m->next < offset)
        m->state[m->next++] = 'a';
    m->state[m->next++] = got == WINDOW_DONE ? 'd' : 'r';
}

/* The log's end lies behind a gap, or right here. */
static void step_pass(struct window *w, struct model *m, struct rng *rng)
{
    int64_t offset = m->next + (int64_t)rng_below(rng, 5), before = w->base;
    bool empty = w->base == w->end;
    for (int64_t o = m->next; o < offset; o++) /* what is done is in the log, so it is offered */
        if (m->state[o] == 'D')
            return;
    window_pass(w, offset);
    if (!empty) {
        assert_int_equal(w->base, before);
        return;
    }
    while (m->next < offset)
        m->state[m->next++] = 'a';
}

static void step_ready(struct window *w, struct model *m, struct rng *rng)
{
    int64_t o = w->base + (int64_t)rng_below(rng, (uint64_t)(w->end - w->base + 1));
    if (m->state[o] != 'r')
        return;
    window_ready(w, o);
    m->state[o] = 'R';
}

static void step_take(struct window *w, struct model *m, struct rng *rng)
{
    bool prefix = rng_below(rng, 4) == 0;
    int64_t o = m->taken > w->base ? m->taken : w->base;
    if (w->count[SLOT_READY] == 0) {
        assert_null(window_take(w, prefix));
        return;
    }
    while (o < m->next && m->state[o] != 'R' && !(prefix && m->state[o] == 'r'))
        o++;
    const struct slot *slot = window_take(w, prefix);
    if (o >= m->next || m->state[o] == 'r') {
        assert_null(slot);
        m->taken = o;
        return;
    }
    assert_non_null(slot);
    assert_ptr_equal(slot, window_slot(w, o));
    assert_ptr_equal(slot->item, &item);
    m->state[o] = 'p';
    m->taken = o + 1;
}

static void step_end(struct window *w, struct model *m, bool commit)
{
    if (commit)
        window_commit(w);
    else
        window_untake(w);
    for (int64_t o = m->start; o < m->next; o++)
        if (m->state[o] == 'p')
            m->state[o] = commit ? 'd' : 'R';
    m->taken = m->start;
}

/* A crash: what was committed last is all that is left, and the log begins there. */
static void step_crash(struct window *w, struct model *m, int64_t watermark,
                       const struct ackmap *map, size_t span)
{
    window_done(w);
    window_init(w, watermark, span, map);
    m->start = m->next = m->taken = watermark;
    for (int64_t o = watermark; o < MODEL; o++)
        m->state[o] = ackmap_get(map, (size_t)(o - watermark)) ? 'D' : ' ';
}

static void random_run(uint64_t seed)
{
    struct rng rng;
    struct window w;
    static struct model m;
    struct ackmap committed;
    int64_t watermark = 0;
    rng_init(&rng, seed);
    m = (struct model){0};
    memset(m.state, ' ', sizeof(m.state));
    ackmap_clear(&committed);
    window_init(&w, 0, 1 + rng_below(&rng, 40), NULL);
    for (int step = 0; step < 2500 && m.next < MODEL - 64; step++) {
        uint64_t dice = rng_below(&rng, 100);
        if (dice < 45) {
            step_offer(&w, &m, &rng);
        } else if (dice < 75) {
            step_ready(&w, &m, &rng);
        } else if (dice < 90) {
            step_take(&w, &m, &rng);
        } else if (dice < 92) {
            step_pass(&w, &m, &rng);
        } else if (dice < 98) {
            bool commit = rng_below(&rng, 3) > 0;
            if (commit) {
                watermark = window_watermark(&w);
                window_map(&w, watermark, &committed);
            }
            step_end(&w, &m, commit);
        } else if (rng_below(&rng, 5) == 0) {
            step_crash(&w, &m, watermark, &committed, 1 + rng_below(&rng, 40));
        }
        if (step % 4 == 0)
            check(&w, &m);
    }
    check(&w, &m);
    window_done(&w);
}

/* Windows of any span, nearly done: who is named is what the rule says, offset by offset. */
static void random_head_of_line(struct rng *rng)
{
    struct window w;
    size_t span = 1 + rng_below(rng, rng_below(rng, 20) == 0 ? WINDOW_SPAN_MAX : 1000);
    uint64_t hang = rng_below(rng, 5), late = rng_below(rng, 3), gap = rng_below(rng, 20);
    size_t done = 0, others = 0;
    window_init(&w, 0, span, NULL);
    for (int64_t o = (int64_t)rng_below(rng, 10); window_has_room(&w); o++) {
        if (rng_below(rng, 100) < gap)
            continue;
        if (rng_below(rng, span) == 0 || window_admit(&w, o, &item) != WINDOW_ADMITTED)
            break;
        if (rng_below(rng, 100) >= hang || rng_below(rng, 3) == 0)
            window_ready(&w, o);
    }
    (void)take_all(&w);
    window_commit(&w);
    for (int64_t o = w.base; o < w.next && late > 0; o++)
        if (window_slot(&w, o)->state == SLOT_RUNNING && rng_below(rng, 3) < late)
            window_ready(&w, o);
    for (int64_t o = w.base; o < w.end; o++) {
        done += window_slot(&w, o)->state == SLOT_DONE;
        others +=
            window_slot(&w, o)->state != SLOT_DONE && window_slot(&w, o)->state != SLOT_ABSENT;
    }
    bool applies = (double)done >= 0.98 * (double)(done + others);
    for (int64_t o = w.base; o < w.end; o++) {
        struct slot *slot = window_slot(&w, o);
        if (applies && slot->state == SLOT_RUNNING && (double)(w.next - o) > 0.9 * (double)span)
            assert_ptr_equal(window_give_up(&w), slot);
    }
    assert_null(window_give_up(&w));
    window_done(&w);
}

static void the_head_of_line_rule_is_what_it_says(void **state RBR_UNUSED)
{
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int run = 0; run < 2000; run++)
        random_head_of_line(&rng);
}

/* Whatever finishes in whatever order: reading stops at the span, and the map fits its 4,096 bytes.
 */
static void the_span_bounds_reading_and_the_map(void **state RBR_UNUSED)
{
    static const size_t spans[] = {1, 2, 63, 64, 65, 8000, WINDOW_SPAN_MAX - 1, WINDOW_SPAN_MAX};
    static char text[ACKMAP_TEXT_MAX];
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < ARRAY_LEN(spans) * 4; i++) {
        struct window w;
        struct ackmap map, back;
        size_t span = spans[i / 4];
        uint64_t share = rng_below(&rng, 101);
        window_init(&w, 7, span, NULL);
        for (int64_t o = 7; o < 7 + (int64_t)span; o++) {
            admit(&w, o);
            if (o > 7 && rng_below(&rng, 100) < share)
                window_ready(&w, o);
        }
        assert_false(window_has_room(&w));
        assert_int_equal(window_admit(&w, 7 + (int64_t)span, &item), WINDOW_FULL);
        (void)take_all(&w);
        window_map(&w, window_watermark(&w), &map);
        size_t n = ackmap_encode(&map, 7, text);
        assert_in_range(n, 1, ACKMAP_TEXT_MAX);
        assert_int_equal(ackmap_decode((struct str){text, n}, 7, &back), ACKMAP_GOOD);
        assert_memory_equal(&map, &back, sizeof(map));
        window_commit(&w);
        assert_int_equal(window_admit(&w, 7 + (int64_t)span, &item), WINDOW_FULL);
        window_done(&w);
    }
}

static void random_runs_agree_with_the_model(void **state RBR_UNUSED)
{
    uint64_t seed = unit_seed();
    for (uint64_t run = 0; run < 60; run++)
        random_run(seed + run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ready_is_taken_wherever_it_is),
        cmocka_unit_test(a_prefix_leaves_what_lies_above_the_unfinished),
        cmocka_unit_test(an_unpublished_batch_is_ready_again),
        cmocka_unit_test(gaps_are_passed_over),
        cmocka_unit_test(the_span_refuses_and_a_stale_offset_is_named),
        cmocka_unit_test(an_empty_window_jumps_a_gap_longer_than_its_span),
        cmocka_unit_test(what_holds_no_record_is_passed_when_nothing_is_left),
        cmocka_unit_test(what_the_map_says_is_done_is_passed_over),
        cmocka_unit_test(an_offset_not_offered_yet_is_not_absent),
        cmocka_unit_test(a_map_may_begin_done),
        cmocka_unit_test(a_map_wider_than_the_span_is_kept),
        cmocka_unit_test(a_span_of_nothing_but_done_offsets_makes_room),
        cmocka_unit_test(the_oldest_are_given_up_when_they_alone_hold_up_a_full_window),
        cmocka_unit_test(what_is_ready_but_unpublished_is_not_done),
        cmocka_unit_test(gaps_do_not_count_as_unfinished),
        cmocka_unit_test(the_head_of_line_rule_is_what_it_says),
        cmocka_unit_test(the_span_bounds_reading_and_the_map),
        cmocka_unit_test(random_runs_agree_with_the_model),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
