/* known: a question of our own for a grader in doubt. */
#include "unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "grader/dialect.h"
#include "grader/known.h"

static void it_is_a_request_like_any_other(void **state RBR_UNUSED)
{
    struct known known;
    struct arena arena;
    struct dialect_frame frame = {.options = {.model = STR("m"), .top_logprobs = 20}};
    struct dialect_body body = {0};
    struct buf text;
    struct json_fault fault;
    known_init(&known);
    arena_init(&arena, 1 << 16);
    buf_init(&text, 1 << 16);
    assert_true(dialect_chat.frame(&arena, &frame));
    assert_int_equal(known.policy->n_propositions, 2);
    for (uint16_t q = 0; q < 2; q++) {
        const struct dialect_asked asked = {&known.prompt, known.escaped, &q, 1};
        body.n = 0;
        dialect_chat.build(&frame, &asked, &body);
        buf_reset(&text);
        for (size_t i = 0; i < body.n; i++)
            assert_true(buf_append_str(&text, body.parts[i]));
        const struct json *root = json_parse(&arena, buf_str(&text), &fault);
        assert_non_null(root);
        assert_non_null(json_get(root, STR("messages")));
        assert_true(str_find(buf_str(&text), STR("Paris is in France."), 0) != SIZE_MAX);
        assert_true(str_find(buf_str(&text), known.policy->propositions[q].question, 0) !=
                    SIZE_MAX);
        assert_true(text.n < 1500);
    }
    assert_strs(known.policy->propositions[KNOWN_YES].name, STR("known_yes"));
    assert_strs(known.policy->propositions[KNOWN_NO].name, STR("known_no"));
    dialect_body_done(&body);
    buf_done(&text);
    arena_done(&arena);
    known_done(&known);
    known_done(&known); /* fine when nothing is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_request_like_any_other),
    };
    return cmocka_run_group_tests_name("known", tests, NULL, NULL);
}
