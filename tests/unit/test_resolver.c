/* loop/resolver: what the system says of a name. */
#include "unit.h"

#include "base/clock.h"
#include "loop/resolver.h"

struct asking {
    struct loop loop;
    struct loop_resolver resolver;
    struct resolver_query query;
    char first[RESOLVER_ADDRESS_BYTES];
    size_t n;
    bool failed, done;
};

static int64_t maintain(void *arg)
{
    struct asking *a = arg;
    if (a->done)
        loop_stop(&a->loop);
    return CLOCK_NEVER;
}

static void on_done(struct resolver_query *q)
{
    struct asking *a = CONTAINER_OF(q, struct asking, query);
    a->done = true;
    a->n = q->n;
    a->failed = q->n == 0 && q->error != NULL;
    if (q->n > 0)
        (void)snprintf(a->first, sizeof(a->first), "%s", q->addresses[0]);
}

static bool ask(struct asking *a, const char *host)
{
    *a = (struct asking){.query = {.host = host, .done = on_done}};
    loop_init(&a->loop, maintain, a);
    loop_resolver_init(&a->resolver, &a->loop);
    bool asked = a->resolver.port.ask(&a->resolver.port, &a->query);
    assert_false(a->done); /* never inside ask */
    if (asked)
        loop_run(&a->loop);
    loop_done(&a->loop);
    return asked;
}

/* It has ::1 as well on most machines: one server all the same. */
static void localhost_is_one_address(void **state RBR_UNUSED)
{
    struct asking a;
    assert_true(ask(&a, "localhost"));
    assert_int_equal(a.n, 1);
    assert_string_equal(a.first, "127.0.0.1");
}

static void numbers_are_themselves(void **state RBR_UNUSED)
{
    struct asking a;
    assert_true(ask(&a, "10.1.2.3"));
    assert_int_equal(a.n, 1);
    assert_string_equal(a.first, "10.1.2.3");
    assert_true(ask(&a, "::1")); /* there is no other */
    assert_string_equal(a.first, "::1");
}

static void what_is_no_name_fails(void **state RBR_UNUSED)
{
    struct asking a;
    char name[80];
    memset(name, 'a', sizeof(name) - 1); /* a label has 63 bytes at most */
    name[sizeof(name) - 1] = '\0';
    assert_true(!ask(&a, name) || a.failed);
    char longer[400];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_true(!ask(&a, longer) || a.failed);
}

static void its_end_waits_for_what_is_asked(void **state RBR_UNUSED)
{
    struct asking a = {.query = {.host = "localhost", .done = on_done}};
    loop_init(&a.loop, maintain, &a);
    loop_resolver_init(&a.resolver, &a.loop);
    assert_true(a.resolver.port.ask(&a.resolver.port, &a.query));
    loop_done(&a.loop);
    assert_true(a.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(localhost_is_one_address),
        cmocka_unit_test(numbers_are_themselves),
        cmocka_unit_test(what_is_no_name_fails),
        cmocka_unit_test(its_end_waits_for_what_is_asked),
    };
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
