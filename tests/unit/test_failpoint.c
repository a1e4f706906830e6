/* base/failpoint: what the environment may say, when a point acts, and that it really kills, stops
 * or sleeps. */
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"

static void texts_are_understood(void **state RBR_UNUSED)
{
    static const struct {
        const char *text;
        enum failpoint point;
        enum failpoint_act act;
        int64_t delay_us;
        uint64_t at;
        double per_cent;
    } cases[] = {
        {"read=kill", FAILPOINT_read, FAILPOINT_KILL, 0, 1, 0},
        {"read=kill@3", FAILPOINT_read, FAILPOINT_KILL, 0, 3, 0},
        {"lost=stop", FAILPOINT_lost, FAILPOINT_STOP, 0, 1, 0},
        {"before_commit=stop%20", FAILPOINT_before_commit, FAILPOINT_STOP, 0, 0, 20},
        {"done=delay:200ms", FAILPOINT_done, FAILPOINT_DELAY, 200000, 1, 0},
        {"read=kill,done=delay:2s%0.5,seed=7", FAILPOINT_done, FAILPOINT_DELAY, 2000000, 0, 0.5},
        {"closed=delay:1ms@9,", FAILPOINT_closed, FAILPOINT_DELAY, 1000, 9, 0},
        {"", FAILPOINT_read, FAILPOINT_NONE, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct failpoint_plan plan;
        enum failpoint point = cases[i].point;
        if (failpoint_parse(str_z(cases[i].text), &plan, NULL) != ERR_OK ||
            plan.points[point].act != cases[i].act ||
            plan.points[point].delay_us != cases[i].delay_us ||
            plan.points[point].at != cases[i].at ||
            plan.points[point].per_cent < cases[i].per_cent ||
            plan.points[point].per_cent > cases[i].per_cent)
            fail_msg("\"%s\"", cases[i].text);
    }
}

static void other_texts_are_refused_by_name(void **state RBR_UNUSED)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"reed=kill", "there is no failpoint 'reed'"},
        {",", "there is no failpoint ''"},
        {"read", "read: ''"},
        {"read=", "read: ''"},
        {"read=none", "read: 'none'"},
        {"read=killed", "read: 'killed'"},
        {"read=kill@", "read: 'kill@'"},
        {"read=kill@0", "read: 'kill@0'"},
        {"read=kill@-1", "read: 'kill@-1'"},
        {"read=kill%", "read: 'kill%'"},
        {"read=kill%x", "read: 'kill%x'"},
        {"read=kill:2s", "read: 'kill:2s'"},
        {"read=delay", "read: 'delay'"},
        {"read=delay:5", "read: 'delay:5'"},
        {"read=kill,done=kil", "done: 'kil'"},
        {"seed=x", "seed: 'x' is no number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct failpoint_plan plan;
        struct err err;
        if (failpoint_parse(str_z(cases[i].text), &plan, &err) == ERR_OK ||
            strstr(err.msg, cases[i].says) == NULL)
            fail_msg("\"%s\" was answered with: %s", cases[i].text, err.msg);
    }
}

static void a_point_acts_once_at_its_passing(void **state RBR_UNUSED)
{
    struct failpoint_plan plan;
    assert_int_equal(failpoint_parse(STR("read=kill@3,done=stop"), &plan, NULL), ERR_OK);
    for (int passing = 1; passing < 10; passing++) {
        enum failpoint_act want = passing == 3 ? FAILPOINT_KILL : FAILPOINT_NONE;
        assert_int_equal(failpoint_next(&plan, FAILPOINT_read), want);
        want = passing == 1 ? FAILPOINT_STOP : FAILPOINT_NONE;
        assert_int_equal(failpoint_next(&plan, FAILPOINT_done), want);
        assert_int_equal(failpoint_next(&plan, FAILPOINT_asked), FAILPOINT_NONE);
    }
}

static void a_chance_is_taken_as_often_as_it_says_and_by_its_seed(void **state RBR_UNUSED)
{
    struct failpoint_plan plan, again, other;
    int acted = 0, same = 0;
    assert_int_equal(failpoint_parse(STR("seed=3,read=kill%20"), &plan, NULL), ERR_OK);
    assert_int_equal(failpoint_parse(STR("read=kill%20,seed=3"), &again, NULL), ERR_OK);
    assert_int_equal(failpoint_parse(STR("read=kill%20,seed=4"), &other, NULL), ERR_OK);
    for (int i = 0; i < 10000; i++) {
        enum failpoint_act act = failpoint_next(&plan, FAILPOINT_read);
        assert_int_equal(act, failpoint_next(&again, FAILPOINT_read));
        acted += act == FAILPOINT_KILL;
        same += act == failpoint_next(&other, FAILPOINT_read);
    }
    assert_in_range(acted, 1800, 2200);
    assert_in_range(same, 6000, 7500); /* of chances of 20 %: 68 % */
}

/* A child that passes `point` with RBR_FAILPOINTS=text and then ends with 0. */
static pid_t child_with(const char *text, enum failpoint point)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)setenv("RBR_FAILPOINTS", text, 1);
    failpoint_pass(point);
    _exit(0);
}

static int status_of(pid_t pid, int options)
{
    int status;
    assert_int_equal(waitpid(pid, &status, options), pid);
    return status;
}

static void this_process_is_killed_or_stopped(void **state RBR_UNUSED)
{
    int status = status_of(child_with("read=kill", FAILPOINT_read), 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pid_t pid = child_with("read=stop", FAILPOINT_read);
    assert_true(WIFSTOPPED(status_of(pid, WUNTRACED)));
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(status_of(pid, 0), 0);
    assert_int_equal(status_of(child_with("read=kill", FAILPOINT_done), 0), 0);
}

static void this_thread_is_delayed(void **state RBR_UNUSED)
{
    int64_t before = clock_mono_us(&clock_real);
    assert_int_equal(status_of(child_with("read=delay:30ms", FAILPOINT_read), 0), 0);
    assert_true(clock_mono_us(&clock_real) - before >= 30000);
}

static void a_misspelt_point_ends_the_process(void **state RBR_UNUSED)
{
    int status = status_of(child_with("reed=kill", FAILPOINT_read), 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_understood),
        cmocka_unit_test(other_texts_are_refused_by_name),
        cmocka_unit_test(a_point_acts_once_at_its_passing),
        cmocka_unit_test(a_chance_is_taken_as_often_as_it_says_and_by_its_seed),
        cmocka_unit_test(this_process_is_killed_or_stopped),
        cmocka_unit_test(this_thread_is_delayed),
        cmocka_unit_test(a_misspelt_point_ends_the_process),
    };
    return cmocka_run_group_tests_name("failpoint", tests, NULL, NULL);
}
