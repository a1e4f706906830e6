/* grader/dialect_chat_batch: many conversations in one request to vLLM. */
#include "dialect_request.h"
#include "dialect_shapes.h"

#define L75 "-0.287682072452"
#define L25 "-1.38629436112"

static const struct dialect_frame frame = {.options = {.top_logprobs = 20}};

#define CHOICE(index, yes, no)                                                                     \
    "{\"index\":" index ",\"message\":{\"role\":\"assistant\",\"content\":\"Yes\"},\"logprobs\":{" \
    "\"content\":[{\"token\":\"Yes\",\"logprob\":" yes ",\"bytes\":null,\"top_logprobs\":["        \
    "{\"token\":\"Yes\",\"logprob\":" yes "},{\"token\":\"No\",\"logprob\":" no "}]}]},"           \
    "\"finish_reason\":\"length\",\"stop_reason\":null}"
#define CHOICES(list) "{\"model\":\"m\",\"choices\":[" list "]}"

static const struct shape shapes[] = {
    {"vLLM",
     CHOICES(CHOICE("0", L75, L25) "," CHOICE("1", L25, L75)),
     2,
     {GRADED(0.75), GRADED(0.25)}},
    {"by index, not by place",
     CHOICES(CHOICE("1", L75, L25) "," CHOICE("0", L25, L75)),
     2,
     {GRADED(0.25), GRADED(0.75)}},
    {"one missing", CHOICES(CHOICE("0", L75, L25)), 2, {GRADED(0.75), BROKEN}},
    {"one twice", CHOICES(CHOICE("1", L75, L25) "," CHOICE("1", L75, L25)), 2, {BROKEN, BROKEN}},
    {"one refused",
     CHOICES("{\"index\":0,\"message\":{\"refusal\":\"no\"}}," CHOICE("1", L75, L25)),
     2,
     {UNUSABLE(GRADER_REJECTED), GRADED(0.75)}},
    {"one aborted",
     CHOICES("{\"index\":0,\"finish_reason\":\"abort\"}," CHOICE("1", L75, L25)),
     2,
     {BROKEN, GRADED(0.75)}},
    {"without logprobs", CHOICES("{\"index\":0,\"message\":{\"content\":\"Yes\"}}"), 1, {BLIND}},
    {"empty", "", 1, {BROKEN}},
};

static void replies_are_read(void **state RBR_UNUSED)
{
    shapes_are_read(&dialect_chat_batch, &frame, shapes, ARRAY_LEN(shapes));
    shape_cut_anywhere(&dialect_chat_batch, &frame, &shapes[0]);
    shapes_damaged_at_random(&dialect_chat_batch, &frame, shapes, ARRAY_LEN(shapes) - 1);
}

static void each_conversation_is_whole(void **state RBR_UNUSED)
{
    struct request r;
    uint16_t asked[] = {1, 5};
    request_init(&r, &dialect_chat_batch,
                 GRADING_POLICY("R: {response} Q: {question}", "grading: {layout: chat}\n"),
                 (struct dialect_options){.model = STR("m"), .top_logprobs = 7}, STR("He."));
    (void)request_ask(&r, &dialect_chat_batch, asked, 2);
#define TURNS                                                                                      \
    "[{\"role\":\"user\",\"content\":\"Who \\\"is\\\" "                                            \
    "it?\"},{\"role\":\"assistant\",\"content\":\"He.\"},"
    assert_str(buf_str(&r.body),
               "{\"model\":\"m\",\"messages\":[" TURNS "{\"role\":\"user\",\"content\":\"R: He. Q: "
               "Is it rude?\"}]," TURNS "{\"role\":\"user\",\"content\":\"R: He. Q: Does it end "
               "well?\"}]],\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
               "\"logprobs\":true,\"top_logprobs\":7}");
    request_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(each_conversation_is_whole),
    };
    return cmocka_run_group_tests_name("dialect_chat_batch", tests, NULL, NULL);
}
