/* grader/dialect_completions: many prompts in one request; replies as vLLM, SGLang, llama.cpp and
 * llama-cpp-python write them. */
#include "dialect_request.h"
#include "dialect_shapes.h"

#define L75 "-0.287682072452"
#define L25 "-1.38629436112"

static const struct dialect_frame frame = {.options = {.top_logprobs = 20}};

#define CHOICE(index, top)                                                                         \
    "{\"index\":" index ",\"text\":\" yes\",\"finish_reason\":\"length\",\"logprobs\":{"           \
    "\"text_offset\":[0],\"tokens\":[\" yes\"],\"token_logprobs\":[" L75 "],\"top_logprobs\":["    \
    "{" top "}]}}"
#define YES75         "\" yes\":" L75 ",\" no\":" L25
#define NO75          "\"no\":" L75 ",\" yes\":" L25
#define CHOICES(list) "{\"object\":\"text_completion\",\"model\":\"m\",\"choices\":[" list "]}"

static const struct shape shapes[] = {
    {"vLLM, SGLang",
     CHOICES(CHOICE("0", YES75) "," CHOICE("1", NO75)),
     2,
     {GRADED(0.75), GRADED(0.25)}},
    {"by index, not by place",
     CHOICES(CHOICE("1", YES75) "," CHOICE("0", NO75)),
     2,
     {GRADED(0.25), GRADED(0.75)}},
    {"llama.cpp: the chat API's logprobs",
     CHOICES(
         "{\"index\":0,\"text\":\" yes\",\"logprobs\":{\"content\":[{\"id\":1,\"token\":\" yes\","
         "\"logprob\":" L75 ",\"top_logprobs\":[{\"token\":\" yes\",\"logprob\":" L75
         "},{\"token\":\" no\",\"logprob\":" L25 "}]}]}}"),
     1,
     {GRADED(0.75)}},
    {"one missing", CHOICES(CHOICE("1", YES75)), 2, {BROKEN, GRADED(0.75)}},
    {"one twice", CHOICES(CHOICE("0", YES75) "," CHOICE("0", YES75)), 2, {BROKEN, BROKEN}},
    {"an index too many",
     CHOICES(CHOICE("0", YES75) "," CHOICE("2", YES75)),
     2,
     {GRADED(0.75), BROKEN}},
    {"no index", CHOICES("{\"text\":\"yes\"}"), 2, {BROKEN, BROKEN}},
    {"no index, and one question", CHOICES("{\"text\":\"yes\"}"), 1, {BLIND}},
    {"no logprobs",
     CHOICES("{\"index\":0,\"text\":\"yes\",\"logprobs\":null}," CHOICE("1", NO75)),
     2,
     {BLIND, GRADED(0.25)}},
    {"filtered",
     CHOICES("{\"index\":0,\"text\":\"\",\"finish_reason\":\"content_filter\"}"),
     1,
     {UNUSABLE(GRADER_REJECTED)}},
    {"little mass",
     CHOICES("{\"index\":0,\"logprobs\":{\"tokens\":[\"I\"],\"token_logprobs\":[-0.1],"
             "\"top_logprobs\":[{\"I\":-0.1,\"yes\":" L25 "}]}}"),
     1,
     {LOW_MASS_OF(0.25)}},
    {"no choices", CHOICES(""), 2, {BROKEN, BROKEN}},
    {"an error with status 200", "{\"error\":{\"message\":\"x\"}}", 1, {BROKEN}},
    {"empty", "", 1, {BROKEN}},
};

static void replies_are_read(void **state RBR_UNUSED)
{
    shapes_are_read(&dialect_completions, &frame, shapes, ARRAY_LEN(shapes));
}

static void broken_replies_are_no_numbers(void **state RBR_UNUSED)
{
    shape_cut_anywhere(&dialect_completions, &frame, &shapes[0]);
    shapes_damaged_at_random(&dialect_completions, &frame, shapes, ARRAY_LEN(shapes) - 1);
}

static void each_prompt_is_whole(void **state RBR_UNUSED)
{
    struct request r;
    uint16_t asked[] = {1, 5};
    struct dialect_options options = {.model = STR("m"),
                                      .top_logprobs = 5,
                                      .prompt_before = STR("[INST] "),
                                      .prompt_after = STR(" [/INST]")};
    request_init(&r, &dialect_completions, GRADING_POLICY("{response}\\nQ: {question}", ""),
                 options, STR("He."));
    (void)request_ask(&r, &dialect_completions, asked, 2);
    assert_str(buf_str(&r.body),
               "{\"model\":\"m\",\"prompt\":[\"[INST] |USER|: Who \\\"is\\\" it?\\n|ASSISTANT|: He."
               "\\n\\nHe.\\nQ: Is it rude? [/INST]\",\"[INST] |USER|: Who \\\"is\\\" it?\\n"
               "|ASSISTANT|: He.\\n\\nHe.\\nQ: Does it end well? [/INST]\"],\"max_tokens\":1,"
               "\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,\"logprobs\":5}");
    request_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(broken_replies_are_no_numbers),
        cmocka_unit_test(each_prompt_is_whole),
    };
    return cmocka_run_group_tests_name("dialect_completions", tests, NULL, NULL);
}
