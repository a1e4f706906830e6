/* grader/dialect_score: SGLang's /v1/score and vLLM's /generative_scoring. */
#include "dialect_request.h"
#include "dialect_shapes.h"

static const uint32_t yes_ids[] = {9891, 9642}, no_ids[] = {2201};
static const struct dialect_frame sglang = {
    .options = {.yes_ids = yes_ids, .n_yes_ids = 2, .no_ids = no_ids, .n_no_ids = 1}};
static const struct dialect_frame vllm = {
    .options = {.yes_ids = yes_ids, .n_yes_ids = 1, .no_ids = no_ids, .n_no_ids = 1}};

/* P of "Yes", of "yes", of "no" */
static const struct shape score_shapes[] = {
    {"SGLang",
     "{\"scores\":[[0.5,0.25,0.25],[0.125,0.125,0.5]],\"model\":\"m\",\"usage\":{"
     "\"prompt_tokens\":300,\"total_tokens\":300},\"object\":\"scoring\"}",
     2,
     {GRADED(0.75), GRADED_OF(1. / 3, 0.75)}},
    {"none of one side", "{\"scores\":[[0.0,0.0,1.0]]}", 1, {GRADED(0)}},
    {"little mass",
     "{\"scores\":[[0.125,0.125,0.125],[0.0,0.0,0.0]]}",
     2,
     {LOW_MASS_OF(0.375), LOW_MASS_OF(0)}},
    {"more than all", "{\"scores\":[[0.9,0.9,0.9]]}", 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
    {"logprobs", "{\"scores\":[[-0.5,-1,-2]]}", 1, {BROKEN}},
    {"fewer labels", "{\"scores\":[[0.5,0.5],[0.5,0.25,0.25]]}", 2, {BROKEN, GRADED(0.75)}},
    {"more labels", "{\"scores\":[[0.5,0.25,0.25,0.0]]}", 1, {BROKEN}},
    {"fewer items", "{\"scores\":[[0.5,0.25,0.25]]}", 2, {BROKEN, BROKEN}},
    {"more items", "{\"scores\":[[0.5,0.25,0.25],[0.5,0.25,0.25]]}", 1, {BROKEN}},
    {"a number that is none",
     "{\"scores\":[[0.5,null,0.25],[0.5,\"0.25\",0.25]]}",
     2,
     {BROKEN, BROKEN}},
    {"not lists", "{\"scores\":[0.5,0.5]}", 2, {BROKEN, BROKEN}},
    {"no scores", "{\"object\":\"scoring\"}", 1, {BROKEN}},
    {"vLLM's shape", "{\"data\":[{\"index\":0,\"score\":0.5}]}", 1, {BROKEN}},
    {"empty", "", 1, {BROKEN}},
};

static const struct shape generative_shapes[] = {
    {"vLLM",
     "{\"id\":\"g-1\",\"object\":\"list\",\"created\":1,\"model\":\"m\",\"data\":[{\"index\":0,"
     "\"object\":\"score\",\"score\":0.75},{\"index\":1,\"object\":\"score\",\"score\":0.125}],"
     "\"usage\":{\"prompt_tokens\":300,\"total_tokens\":302,\"completion_tokens\":2}}",
     2,
     {GRADED(0.75), GRADED(0.125)}},
    {"by index, not by place",
     "{\"data\":[{\"index\":1,\"score\":1},{\"index\":0,\"score\":0}]}",
     2,
     {GRADED(0), GRADED(1)}},
    {"one missing", "{\"data\":[{\"index\":1,\"score\":1}]}", 2, {BROKEN, GRADED(1)}},
    {"one twice", "{\"data\":[{\"index\":0,\"score\":1},{\"index\":0,\"score\":1}]}", 1, {BROKEN}},
    {"indexes that are none",
     "{\"data\":[{\"index\":-1,\"score\":1},{\"index\":2,\"score\":1},{\"index\":0.5,\"score\":1},"
     "{\"score\":1},7]}",
     2,
     {BROKEN, BROKEN}},
    {"out of range",
     "{\"data\":[{\"index\":0,\"score\":1.5},{\"index\":1,\"score\":-0.5}]}",
     2,
     {BROKEN, BROKEN}},
    {"no number", "{\"data\":[{\"index\":0,\"score\":null},{\"index\":1}]}", 2, {BROKEN, BROKEN}},
    {"data an object", "{\"data\":{}}", 1, {BROKEN}},
    {"SGLang's shape", "{\"scores\":[[0.5,0.5]]}", 1, {BROKEN}},
    {"empty", "", 1, {BROKEN}},
};

static void replies_of_sglang_are_read(void **state RBR_UNUSED)
{
    size_t n = ARRAY_LEN(score_shapes);
    shapes_are_read(&dialect_score, &sglang, score_shapes, n);
    shape_cut_anywhere(&dialect_score, &sglang, &score_shapes[0]);
    shapes_damaged_at_random(&dialect_score, &sglang, score_shapes, n - 1);
}

static void replies_of_vllm_are_read(void **state RBR_UNUSED)
{
    size_t n = ARRAY_LEN(generative_shapes);
    shapes_are_read(&dialect_generative_scoring, &vllm, generative_shapes, n);
    shape_cut_anywhere(&dialect_generative_scoring, &vllm, &generative_shapes[0]);
    shapes_damaged_at_random(&dialect_generative_scoring, &vllm, generative_shapes, n - 1);
}

static void query_and_item_are_the_prompt_in_two(void **state RBR_UNUSED)
{
    struct request r;
    uint16_t asked[] = {1, 5};
    struct dialect_options options = sglang.options;
    options.model = STR("m");
    options.prompt_before = STR("<|im_start|>user\n");
    options.prompt_after = STR("<|im_end|>\n<|im_start|>assistant\n");
    request_init(&r, &dialect_score, GRADING_POLICY(REQUEST_TEMPLATE, ""), options, STR("He."));
    (void)request_ask(&r, &dialect_score, asked, 2);
    assert_str(buf_str(&r.body),
               "{\"model\":\"m\",\"query\":\"<|im_start|>user\\n|USER|: Who \\\"is\\\" it?\\n"
               "|ASSISTANT|: He.\\n\\nR: He.\\nQ: \",\"items\":[\"Is it rude?\\nYes or no?"
               "<|im_end|>\\n<|im_start|>assistant\\n\",\"Does it end well?\\nYes or no?"
               "<|im_end|>\\n<|im_start|>assistant\\n\"],\"label_token_ids\":[9891,9642,2201],"
               "\"item_first\":false,\"apply_softmax\":false}");
    request_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_of_sglang_are_read),
        cmocka_unit_test(replies_of_vllm_are_read),
        cmocka_unit_test(query_and_item_are_the_prompt_in_two),
    };
    return cmocka_run_group_tests_name("dialect_score", tests, NULL, NULL);
}
