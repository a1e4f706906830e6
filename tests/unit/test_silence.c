/* silence: when an endpoint that owes replies has been silent for too long. */
#include "unit.h"

#include "grader/silence.h"

#define SECOND INT64_C(1000000)

/* s: a request is sent; a: one is answered; r: one ends by another reply; t: by none; '.': time
 * passes. Each is half a second later than the one before; others answer all the time. */
static void it_is_seen_from_outside(void **state RBR_UNUSED)
{
    static const struct {
        const char *what, *events;
        bool is_long;
    } cases[] = {
        {"nothing was ever asked", "......", false},
        {"less than four seconds", "s.......", false},
        {"four seconds", "s........", true},
        {"the last reply counts", "ssssa.......", false},
        {"so does one that is no answer", "ssssr.......", false},
        {"and not a timeout", "sssst....", true},
        {"it owes nothing", "sa..........", false},
        {"nor after a timeout", "s........t.", false},
        {"a later request does not begin it anew", "s.......s", true},
        {"one after all were answered does", "sa.........s...", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct silence s;
        int owed = 0;
        int64_t now = 100 * SECOND;
        silence_init(&s);
        for (const char *e = cases[i].events; *e != '\0'; e++, now += SECOND / 2) {
            owed += (*e == 's') - (*e == 'a' || *e == 'r' || *e == 't');
            if (*e == 's')
                silence_sent(&s, now);
            else if (*e != '.')
                silence_ended(&s, *e != 't', owed > 0, now);
        }
        now -= SECOND / 2;
        if (silence_is_long(&s, silence_most_us(&s, 1), now, now) != cases[i].is_long)
            fail_msg("%s", cases[i].what);
    }
}

static void nobody_is_silent_while_all_are(void **state RBR_UNUSED)
{
    struct silence s;
    silence_init(&s);
    silence_sent(&s, 10 * SECOND);
    assert_false(silence_is_long(&s, 2 * SECOND, INT64_MIN, 100 * SECOND));
    assert_false(silence_is_long(&s, 2 * SECOND, 10 * SECOND, 100 * SECOND));
    assert_true(silence_is_long(&s, 2 * SECOND, 10 * SECOND + 1, 100 * SECOND));
}

static void slow_servers_are_given_time(void **state RBR_UNUSED)
{
    struct silence all[2];
    silence_init(&all[0]);
    silence_init(&all[1]);
    assert_int_equal(silence_most_us(all, 2), 4 * SECOND);
    silence_answered(&all[0], 0, SECOND / 10);
    assert_int_equal(silence_most_us(all, 2), 4 * SECOND);
    silence_answered(&all[1], 0, 3 * SECOND); /* the slowest counts, for all */
    assert_int_equal(silence_most_us(all, 2), 24 * SECOND);
    for (int i = 0; i < 100; i++)
        silence_answered(&all[1], 0, SECOND);
    assert_in_range(silence_most_us(all, 2), 8 * SECOND, 8 * SECOND + 100);
    assert_int_equal(silence_reading_us(25000), 25 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_seen_from_outside),
        cmocka_unit_test(nobody_is_silent_while_all_are),
        cmocka_unit_test(slow_servers_are_given_time),
    };
    return cmocka_run_group_tests_name("silence", tests, NULL, NULL);
}
