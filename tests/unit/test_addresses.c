/* addresses: a name's endpoints over time, against a resolver that the test answers for. */
#include "grader_bench.h"

#include "grader/addresses.h"

#define EVERY (30 * SECOND)

enum { MADE_MAX = 256 };

struct made {
    struct transport_endpoint e; /* its index is the name's: the bench has no others */
    size_t nth;
};

struct scene {
    struct bench *b;
    struct grader *second; /* NULL: one alone */
    struct addresses *addresses;
    struct resolver resolver;
    struct resolver_query *asked; /* on its way */
    char host[64];
    uint64_t lookups;
    bool refuses; /* no such name can be */
    char made[MADE_MAX][64]; /* what the endpoints are called that were made */
    bool freed[MADE_MAX];
    size_t n_made;
};

static struct scene *scene; /* the transport's functions have no argument for it */

static struct transport_endpoint *make_at(struct transport_endpoint *named, const char *address)
{
    struct made *m = mem_alloc(sizeof(*m));
    m->e.index = named->index;
    m->nth = scene->n_made;
    (void)snprintf(scene->made[scene->n_made++], 64, "name-%zu (%s)", named->index, address);
    return &m->e;
}

static const char *name_of(const struct transport_endpoint *e)
{
    bool own = e >= scene->b->endpoints && e < scene->b->endpoints + ENDPOINTS_MAX;
    return own ? "name" : scene->made[((const struct made *)(const void *)e)->nth];
}

static void end(struct transport_endpoint *e)
{
    assert_int_equal(e->in_flight, 0);
    struct made *m = CONTAINER_OF(e, struct made, e);
    assert_false(scene->freed[m->nth]);
    scene->freed[m->nth] = true;
    mem_free(m);
}

static bool look_up(struct resolver *r, struct resolver_query *q)
{
    assert_ptr_equal(r, &scene->resolver);
    assert_null(scene->asked); /* one at a time */
    if (scene->refuses)
        return false;
    scene->asked = q;
    scene->lookups++;
    (void)snprintf(scene->host, sizeof(scene->host), "%s", q->host);
    return true;
}

static int64_t tick_all(void *arg)
{
    struct scene *s = arg;
    int64_t due = grader_tick(s->b->grader), other = addresses_tick(s->addresses);
    if (s->second != NULL) {
        int64_t second = grader_tick(s->second);
        due = second < due ? second : due;
    }
    return other < due ? other : due;
}

/* Names 0 to n - 1, for one grader or two. */
static struct scene *scene_new(size_t n, bool two)
{
    static const char *const hosts[] = {"a.example", "b.example"};
    struct scene *s = scene = mem_alloc(sizeof(*s));
    s->b = mem_alloc(sizeof(*s->b));
    s->b->max_in_flight = 8;
    s->resolver.ask = look_up;
    struct grader_config config = config_of(s->b, n);
    start(s->b, &config, 7);
    (void)grader_free(s->b->grader);
    const struct addresses_config addresses = {.resolver = &s->resolver,
                                               .clock = &s->b->clock.clock,
                                               .every_us = EVERY,
                                               .grader = STR("main"),
                                               .at = make_at,
                                               .name = name_of,
                                               .free = end};
    s->addresses = addresses_new(&addresses);
    config.gone = addresses_gone;
    config.gone_arg = s->addresses;
    for (size_t i = 0; i < n; i++)
        addresses_watch(s->addresses, s->b->list[i], i, hosts[i]);
    for (int i = 0; i < (two ? 2 : 1); i++) {
        struct grader **g = i == 0 ? &s->b->grader : &s->second;
        assert_int_equal(grader_new(&config, &s->b->server.port, &s->b->clock.clock, 7, g, NULL),
                         ERR_OK);
        addresses_serve(s->addresses, *g);
    }
    s->b->good_from = 0;
    return s;
}

static void scene_free(struct scene *s)
{
    s->b->grader = grader_free(s->b->grader);
    (void)grader_free(s->second);
    addresses_free(s->addresses);
    if (s->asked != NULL)
        s->asked->done(s->asked);
    for (size_t i = 0; i < s->n_made; i++)
        assert_true(s->freed[i]);
    fixture_transport_done(&s->b->server);
    policy_free(s->b->policy);
    arena_done(&s->b->arena);
    mem_free(s->b->groups);
    mem_free(s->b);
    mem_free(s);
}

static void run_for(struct scene *s, int64_t us)
{
    int64_t until = s->b->clock.now_us + us;
    fixture_run(&s->b->server, tick_all, s, until);
    s->b->clock.now_us = until;
}

/* Answers the look-up that is on its way: "ADDRESS ADDRESS ...", or "" for a failure. */
static void say(struct scene *s, const char *list)
{
    char addresses[16][RESOLVER_ADDRESS_BYTES], text[512];
    struct resolver_query *q = s->asked;
    assert_non_null(q);
    q->n = 0;
    (void)snprintf(text, sizeof(text), "%s", list);
    for (char *at = strtok(text, " "); at != NULL; at = strtok(NULL, " "))
        (void)snprintf(addresses[q->n++], RESOLVER_ADDRESS_BYTES, "%s", at);
    q->addresses = addresses;
    q->error = "no answer";
    s->asked = NULL;
    q->done(q);
}

/* After the next look-up said so. */
static void next_answer(struct scene *s, const char *list)
{
    while (s->asked == NULL)
        run_for(s, SECOND);
    say(s, list);
    run_for(s, SECOND);
}

static struct grader_stats stats(const struct scene *s)
{
    struct grader_stats stats;
    grader_stats(s->b->grader, &stats);
    return stats;
}

static size_t alive(const struct scene *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_made; i++)
        n += !s->freed[i];
    return n;
}

static void one_address_leaves_the_name_as_it_is(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, false);
    run_for(s, 1);
    assert_string_equal(s->host, "a.example");
    say(s, "10.0.0.1");
    next_answer(s, "10.0.0.2"); /* the transport will see */
    next_answer(s, "");
    assert_int_equal(alive(s), 0);
    assert_int_equal(stats(s).endpoints, 1);
    scene_free(s);
}

static void several_are_an_endpoint_each(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, false);
    next_answer(s, "10.0.0.1 10.0.0.2 10.0.0.3");
    assert_int_equal(stats(s).endpoints, 3);
    assert_int_equal(stats(s).limit, 24);
    assert_string_equal(s->made[0], "name-0 (10.0.0.1)");
    assert_string_equal(s->made[2], "name-0 (10.0.0.3)");
    for (size_t i = 0; i < 20; i++)
        (void)ask(s->b, i, QUESTIONS, CLOCK_NEVER);
    (void)tick_all(s);
    assert_int_equal(s->b->server.in_flight, 24);
    assert_int_equal(s->b->endpoints[0].requests, 0); /* the name is asked no more */
    run_for(s, 5 * SECOND);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(s->b->groups[i].judgments[0].status, JUDGMENT_GRADED);
    scene_free(s);
}

static void names_are_looked_up_again_and_one_at_a_time(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(2, false);
    run_for(s, 1);
    assert_string_equal(s->host, "a.example");
    run_for(s, 10 * EVERY); /* it hangs */
    assert_int_equal(s->lookups, 1);
    say(s, "10.0.0.1 10.0.0.2");
    run_for(s, 1);
    assert_string_equal(s->host, "b.example");
    say(s, "10.1.0.1 10.1.0.2");
    assert_int_equal(stats(s).endpoints, 4);
    run_for(s, 1);
    say(s, "10.0.0.1 10.0.0.2"); /* a.example was due long ago */
    uint64_t before = s->lookups;
    int64_t began = s->b->clock.now_us;
    while (s->b->clock.now_us < began + 10 * EVERY) {
        if (s->asked != NULL)
            say(s, s->host[0] == 'a' ? "10.0.0.1 10.0.0.2" : "10.1.0.1 10.1.0.2");
        run_for(s, SECOND / 10);
    }
    assert_in_range(s->lookups - before, 19, 21);
    assert_int_equal(s->n_made, 4);
    scene_free(s);
}

static void new_ones_join_and_those_that_are_gone_leave(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, false);
    next_answer(s, "10.0.0.1 10.0.0.2");
    next_answer(s, "10.0.0.2 10.0.0.3 10.0.0.4");
    assert_int_equal(stats(s).endpoints, 3);
    assert_true(s->freed[0] && !s->freed[1] && !s->freed[2] && !s->freed[3]);
    next_answer(s, "10.0.0.4"); /* one is left: it stays an address */
    assert_int_equal(stats(s).endpoints, 1);
    assert_int_equal(alive(s), 1);
    next_answer(s, "10.0.0.5");
    assert_int_equal(stats(s).endpoints, 1);
    assert_true(s->freed[3] && !s->freed[4]);
    scene_free(s);
}

static void a_failure_changes_nothing(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, false);
    next_answer(s, "10.0.0.1 10.0.0.2");
    for (int i = 0; i < 5; i++)
        next_answer(s, "");
    assert_int_equal(stats(s).endpoints, 2);
    s->refuses = true;
    run_for(s, 3 * EVERY);
    s->refuses = false;
    next_answer(s, "10.0.0.1 10.0.0.2");
    assert_int_equal(s->n_made, 2);
    scene_free(s);
}

/* What is on its way to an address that is gone may be answered; if the address is back before
 * that, it is a new one. */
static void one_that_comes_back_while_it_drains_is_a_new_one(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, false);
    next_answer(s, "10.0.0.1 10.0.0.2");
    s->b->good_from = UINT64_MAX;
    s->b->reply = good(9 * SECOND);
    while (s->asked == NULL)
        run_for(s, SECOND / 10);
    for (size_t i = 0; i < 16; i++)
        (void)ask(s->b, i, 1, CLOCK_NEVER);
    run_for(s, 1);
    assert_int_equal(s->b->server.in_flight, 16); /* both are full */
    say(s, "10.0.0.2 10.0.0.3");
    run_for(s, 5 * SECOND);
    assert_int_equal(alive(s), 3); /* it has requests still */
    run_for(s, 5 * SECOND);
    assert_int_equal(alive(s), 2);
    assert_int_equal(s->b->server.cancelled, 0);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(s->b->groups[i].judgments[0].status, JUDGMENT_GRADED);
    next_answer(s, "10.0.0.1 10.0.0.2 10.0.0.3");
    assert_int_equal(s->n_made, 4);
    scene_free(s);
}

static void two_graders_have_the_same_and_the_last_lets_go(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, true);
    struct grader_stats second;
    next_answer(s, "10.0.0.1 10.0.0.2");
    grader_stats(s->second, &second);
    assert_int_equal(second.endpoints, 2);
    assert_int_equal(stats(s).endpoints, 2);
    assert_int_equal(s->n_made, 2);
    next_answer(s, "10.0.0.2 10.0.0.3");
    assert_true(s->freed[0]);
    grader_stats(s->second, &second);
    assert_int_equal(second.endpoints, 2);
    scene_free(s);
}

static void it_may_end_while_it_looks_up(void **state RBR_UNUSED)
{
    struct scene *s = scene_new(1, false);
    next_answer(s, "10.0.0.1 10.0.0.2");
    while (s->asked == NULL)
        run_for(s, SECOND);
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_leaves_the_name_as_it_is),
        cmocka_unit_test(several_are_an_endpoint_each),
        cmocka_unit_test(names_are_looked_up_again_and_one_at_a_time),
        cmocka_unit_test(new_ones_join_and_those_that_are_gone_leave),
        cmocka_unit_test(a_failure_changes_nothing),
        cmocka_unit_test(one_that_comes_back_while_it_drains_is_a_new_one),
        cmocka_unit_test(two_graders_have_the_same_and_the_last_lets_go),
        cmocka_unit_test(it_may_end_while_it_looks_up),
    };
    return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
