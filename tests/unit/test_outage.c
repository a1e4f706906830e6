/* stream/outage: what of brokers' coming and going is worth a line, and what is not. */
#include "unit.h"

#include "base/rng.h"
#include "stream/outage.h"

static char told[512];

static void tell(void *arg, const struct outage_change *c)
{
    static const char *const names[] = {"DOWN", "UP", "down", "up"};
    const int64_t *now_us = arg;
    size_t n = strlen(told);
    if (c->kind == OUTAGE_BROKER_DOWN || c->kind == OUTAGE_BROKER_UP)
        n += (size_t)snprintf(told + n, sizeof(told) - n, "%d%s", c->id, names[c->kind]);
    else
        n += (size_t)snprintf(told + n, sizeof(told) - n, "%s", names[c->kind]);
    (void)snprintf(told + n, sizeof(told) - n, "@%d ", (int)(*now_us / 1000000));
}

/* A line a broker; a character a second: '#' up, 'x' connecting in vain, '-' not connected, ' ' not
 * there, '0' up and counting from zero. */
static void see(const char *const lines[], int n_lines)
{
    struct outage o;
    int64_t attempts[4] = {0};
    outage_init(&o);
    told[0] = '\0';
    for (int64_t s = 0; s < (int64_t)strlen(lines[0]); s++) {
        struct outage_broker brokers[4];
        int64_t now_us = s * 1000000;
        size_t n = 0;
        for (int i = 0; i < n_lines; i++) {
            char c = lines[i][s];
            attempts[i] += c == 'x';
            if (c == '0')
                attempts[i] = 0;
            if (c != ' ')
                brokers[n++] = (struct outage_broker){i + 1, c == '#' || c == '0', attempts[i]};
        }
        outage_see(&o, now_us, brokers, n, tell, &now_us);
    }
}

static void each_change_that_lasts_is_told_once(void **state RBR_UNUSED)
{
    static const struct {
        const char *what, *lines[3], *told;
    } cases[] = {
        {"all is well", {"##########", "##########"}, ""},
        {"the only one goes and comes", {"###xxxxxxxxxx#####"}, "DOWN@5 UP@15 "},
        {"gone for a moment", {"###x####x######"}, ""},
        {"up for a moment does not end it", {"##xxxx#xxxx#xxx####"}, "DOWN@4 UP@17 "},
        {"never reached", {"xxxxxxxx"}, "DOWN@2 "},
        {"reached late", {"--x####"}, "DOWN@2 UP@5 "},
        {"one of two", {"############", "##xxxxxxx###"}, "2down@4 2up@11 "},
        {"not needed any more", {"############", "##----------"}, ""},
        {"not needed, then away", {"############", "##----xxxxxx"}, "2down@8 "},
        {"one, then all: no more of the one",
         {"#####xxxx######", "##xxxxxxx######"},
         "2down@4 DOWN@7 UP@11 2up@13 "},
        {"all at once, back one by one", {"##xxxx######", "##xxxxxxxxx#"}, "DOWN@4 UP@8 2down@10 "},
        {"it leaves the cluster", {"##########", "##xxx     "}, "2down@4 "},
        {"the cluster has a new one", {"##########", "  ########"}, ""},
        {"another client counts anew", {"##########", "xx#0######"}, ""},
        {"nothing is known at all", {"          "}, "DOWN@2 "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int n = 0;
        while (n < 3 && cases[i].lines[n] != NULL)
            n++;
        see(cases[i].lines, n);
        if (strcmp(told, cases[i].told) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].what, told, cases[i].told);
    }
}

static struct outage_change last;
static int n_told;

static void keep(void *arg RBR_UNUSED, const struct outage_change *c)
{
    last = *c;
    n_told++;
}

static void a_change_says_since_when_and_how_long(void **state RBR_UNUSED)
{
    struct outage o;
    struct outage_broker b = {7, true, 1};
    outage_init(&o);
    outage_see(&o, 1000000, &b, 1, keep, NULL);
    b.up = false;
    for (int64_t us = 5000000; us <= 7000000; us += 500000)
        outage_see(&o, us, &b, 1, keep, NULL);
    assert_int_equal(last.kind, OUTAGE_DOWN);
    assert_int_equal(last.since_us, 5000000);
    assert_true(outage_is_down(&o));
    b.up = true;
    for (int64_t us = 60000000; us <= 62000000; us += 500000)
        outage_see(&o, us, &b, 1, keep, NULL);
    assert_int_equal(last.kind, OUTAGE_UP);
    assert_int_equal(last.lasted_us, 55000000);
    assert_int_equal(n_told, 2);
    assert_false(outage_is_down(&o));
}

/* Whatever happens: down and up take turns, each of its own. */
static struct {
    bool all, one[8];
} away;

static void take_turns(void *arg RBR_UNUSED, const struct outage_change *c)
{
    bool down = c->kind == OUTAGE_DOWN || c->kind == OUTAGE_BROKER_DOWN;
    bool single = c->kind == OUTAGE_BROKER_DOWN || c->kind == OUTAGE_BROKER_UP;
    bool *before = single ? &away.one[c->id] : &away.all;
    assert_true(*before != down);
    assert_false(single && away.all);
    *before = down;
}

static void changes_take_turns(void **state RBR_UNUSED)
{
    uint64_t seed = 20;
    struct rng rng;
    rng_init(&rng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 200; round++) {
        struct outage o;
        struct outage_broker b[8] = {0};
        memset(&away, 0, sizeof(away));
        outage_init(&o);
        for (int32_t i = 0; i < 8; i++)
            b[i].id = i;
        for (int64_t s = 0; s < 300; s++) {
            for (size_t i = 0; i < 8; i++) {
                if (rng_below(&rng, 5) == 0)
                    b[i].up = !b[i].up && s / 20 % 3 != 0;
                b[i].attempts += !b[i].up && rng_below(&rng, 2) == 0;
            }
            outage_see(&o, s * 700000, b, 8, take_turns, NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_that_lasts_is_told_once),
        cmocka_unit_test(a_change_says_since_when_and_how_long),
        cmocka_unit_test(changes_take_turns),
    };
    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
