/* pool_words: what the log says of a grader reads well whatever its name is. */
#include "captured.h"
#include "unit.h"

#include "grader/pool_words.h"
#include "obs/log.h"

static size_t three(void *arg RBR_UNUSED)
{
    return 3;
}

static void a_grader_is_called_by_its_name_if_it_has_one_of_its_own(void **state RBR_UNUSED)
{
    static const struct {
        struct str name;
        const char *called;
    } cases[] = {
        {STR_INIT("guard"), "grader guard"},
        {STR_INIT("grader"), "the grader"}, /* by default */
        {STR_INIT("grader-shadow"), "the grader-shadow"},
        {STR_INIT("grade"), "grader grade"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pool_endpoint endpoint = {.name = STR("a:1"), .advice = "does it run?"};
        struct pool p = {.config = {.grader = cases[i].name, .waiting = three}, .n = 1};
        struct captured log;
        p.endpoints = &endpoint;
        captured_begin(&log);
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        pool_tell_down(&p, 7000000);
        pool_tell_ejected(&p, 0);
        pool_tell_back(&p, 0, 7000000);
        pool_tell_no_load(&p, 0);
        pool_tell_up(&p, 7000000);
        log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_TEXT);
        captured_end(&log);
        static const struct {
            const char *event, *says;
        } sentences[] = {
            {"grader.down", " gives no answers, for 7.0 s now: "},
            {"grader.endpoint_ejected", ": a:1 is asked no more: "},
            {"grader.endpoint_back", ": a:1 answers again, after 7.0 s"},
            {"grader.no_load", ": a:1 does not say its load"},
            {"grader.up", " answers again, after 7.0 s; 3 questions waited"},
        };
        for (size_t k = 0; k < ARRAY_LEN(sentences); k++) {
            char want[128];
            (void)snprintf(want, sizeof(want), "%s %s%s", sentences[k].event, cases[i].called,
                           sentences[k].says);
            if (captured_count(&log, want) != 1)
                fail_msg("'%s' is not in\n%s", want, log.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grader_is_called_by_its_name_if_it_has_one_of_its_own),
    };
    return cmocka_run_group_tests_name("pool_words", tests, NULL, NULL);
}
