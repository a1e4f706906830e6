/* grader/dialect: the table, what goes together, and what a judgment costs on the wire. */
#include "dialect_request.h"

static void dialects_are_found_by_name(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < n_dialects; i++)
        assert_ptr_equal(dialect_find(str_z(dialects[i]->name)), dialects[i]);
    assert_null(dialect_find(STR("Chat")));
    assert_null(dialect_find(STR("")));
}

static void what_does_not_go_together_is_refused(void **state RBR_UNUSED)
{
    static const uint32_t ids[] = {1, 2};
    static const struct {
        const struct dialect *dialect;
        struct dialect_options options;
        const char *msg; /* NULL: fine */
    } cases[] = {
        {&dialect_chat, {.mode = DIALECT_VERDICT}, NULL},
        {&dialect_chat, {.mode = DIALECT_SAMPLE, .samples = 8}, NULL},
        {&dialect_chat, {.thinking = THINKING_ALLOWED}, NULL},
        {&dialect_completions, {.mode = DIALECT_LOGPROBS}, NULL},
        {&dialect_score, {.yes_ids = ids, .n_yes_ids = 2, .no_ids = ids, .n_no_ids = 1}, NULL},
        {&dialect_chat, {.mode = DIALECT_SAMPLE}, "mode sample needs at least one sample"},
        {&dialect_systemone,
         {.mode = DIALECT_VERDICT},
         "dialect systemone has probabilities: only chat has a mode"},
        {&dialect_completions,
         {.thinking = THINKING_ALLOWED},
         "dialect completions reads one token: only chat can let a model think"},
        {&dialect_chat,
         {.yes_ids = ids, .n_yes_ids = 1},
         "yes_token_ids and no_token_ids go together"},
        {&dialect_score,
         {.top_logprobs = 20},
         "dialect score needs yes_token_ids and no_token_ids; rbr check --probe finds them"},
        {&dialect_generative_scoring,
         {.yes_ids = ids, .n_yes_ids = 2, .no_ids = ids, .n_no_ids = 1},
         "dialect generative_scoring takes one yes and one no token"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        bool ok = dialect_check(cases[i].dialect, &cases[i].options, &err) == ERR_OK;
        assert_true(ok == (cases[i].msg == NULL));
        if (!ok)
            assert_string_equal(err.msg, cases[i].msg);
    }
}

static void text_dialects_need_the_inline_layout(void **state RBR_UNUSED)
{
    struct policy *chat = grading_policy(
        GRADING_POLICY("R: {response}\\nQ: {question}", "grading: {layout: chat}\n"));
    struct err err;
    for (size_t i = 0; i < n_dialects; i++)
        assert_true((dialect_check_policy(dialects[i], chat, &err) == ERR_OK) ==
                    dialects[i]->takes_turns);
    assert_int_equal(dialect_check_policy(&dialect_completions, chat, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.msg, "dialect completions sends text, and the policy's layout is chat; "
                                 "take layout inline");
    policy_free(chat);
}

/* Where the format lets questions share the completion it is sent once. */
static void the_shared_part_is_sent_once_where_it_can_be(void **state RBR_UNUSED)
{
    double chat = request_bytes_per_judgment(&dialect_chat);
    static const struct dialect *const sharing[] = {&dialect_score, &dialect_generative_scoring,
                                                    &dialect_systemone, &dialect_decisions};
    static const struct dialect *const repeating[] = {&dialect_chat_batch, &dialect_completions};
    assert_true(chat > 4096);
    for (size_t i = 0; i < ARRAY_LEN(sharing); i++) {
        double bytes = request_bytes_per_judgment(sharing[i]);
        print_message("%s: %.0f bytes a judgment, chat %.0f\n", sharing[i]->name, bytes, chat);
        assert_true(bytes * 8 <= chat);
    }
    for (size_t i = 0; i < ARRAY_LEN(repeating); i++) {
        double bytes = request_bytes_per_judgment(repeating[i]);
        print_message("%s: %.0f bytes a judgment, chat %.0f\n", repeating[i]->name, bytes, chat);
        assert_true(bytes > 4096 && bytes <= chat);
    }
}

/* Escaped, in their own places, and all parts of the completion in front of them. */
static void every_dialect_asks_what_the_policy_says(void **state RBR_UNUSED)
{
    static const uint32_t yes = 1, no = 2;
    for (size_t i = 0; i < n_dialects; i++) {
        const struct dialect *d = dialects[i];
        struct request r;
        struct dialect_options options = {.model = STR("a \"model\""),
                                          .top_logprobs = 20,
                                          .yes_ids = &yes,
                                          .n_yes_ids = 1,
                                          .no_ids = &no,
                                          .n_no_ids = 1};
        uint16_t asked[] = {4, 0, 3};
        size_t n = d->questions_max == 1 ? 1 : 3;
        request_init(&r, d, GRADING_POLICY(REQUEST_TEMPLATE, ""), options,
                     STR("line 1\n\"{question}\" \\ end"));
        const struct json *root = request_ask(&r, d, asked, n);
        struct str body = buf_str(&r.body);
        assert_str(json_get(root, STR("model"))->string, "a \"model\"");
        size_t completion = str_find(body, STR("line 1\\n\\\"{question}\\\" \\\\ end"), 0), at = 0;
        assert_true(completion != SIZE_MAX);
        for (size_t k = 0; k < n; k++) {
            static const char *const questions[] = {"Does it cite a source? \xc3\xa4",
                                                    "Does it answer \\\"fully\\\"?",
                                                    "Is it in German\\n(or Dutch)?"};
            at = str_find(body, str_z(questions[k]), at);
            assert_true(at != SIZE_MAX && at > completion);
        }
        request_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialects_are_found_by_name),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(text_dialects_need_the_inline_layout),
        cmocka_unit_test(the_shared_part_is_sent_once_where_it_can_be),
        cmocka_unit_test(every_dialect_asks_what_the_policy_says),
    };
    return cmocka_run_group_tests_name("dialect", tests, NULL, NULL);
}
