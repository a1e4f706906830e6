/* grader/dialect_systemone: what is asked, and replies as vLLM, llama.cpp, LiteLLM and others write
 * them. */
#include "dialect_request.h"
#include "dialect_shapes.h"

static const struct dialect_frame frame = {.options = {.top_logprobs = 20}};

#define NOUL(p) "{\"type\":\"noul\",\"noul\":" p "}"

static const struct shape shapes[] = {
    {"vLLM, with diagnostics",
     "{\"id\":\"s-1\",\"object\":\"systemone\",\"model\":\"m\",\"answers\":{\"q0\":{\"type\":"
     "\"noul\",\"noul\":0.75,\"confidence\":0.75},\"q1\":{\"type\":\"noul\",\"noul\":0.125,"
     "\"confidence\":0.875}},\"diagnostics\":{\"q0\":{\"label_mass\":0.875,\"argmax_is_label\":"
     "true},\"q1\":{\"label_mass\":1.001,\"argmax_is_label\":false}},\"usage\":{"
     "\"input_tokens\":812,\"output_tokens\":2}}",
     2,
     {GRADED_OF(0.75, 0.875), GRADED(0.125)}},
    {"llama.cpp: no diagnostics, other order",
     "{\"answers\":{\"q1\":" NOUL("0") ",\"q0\":" NOUL(
         "1") "},\"usage\":{\"input_tokens\":9,"
              "\"output_tokens\":0},\"model\":\"clef\"}",
     2,
     {GRADED(1), GRADED(0)}},
    {"diagnostics null",
     "{\"answers\":{\"q0\":" NOUL("0.5") "},\"diagnostics\":null}",
     1,
     {GRADED(0.5)}},
    {"label_mass null",
     "{\"answers\":{\"q0\":" NOUL("0.5") "},\"diagnostics\":{\"q0\":{\"label_mass\":null}}}",
     1,
     {GRADED(0.5)}},
    {"little mass",
     "{\"answers\":{\"q0\":" NOUL("0.9") ",\"q1\":" NOUL(
         "0.9") "},\"diagnostics\":{\"q0\":"
                "{\"label_mass\":0.25},\"q1\":{\"label_mass\":0.5}}}",
     2,
     {LOW_MASS_OF(0.25), GRADED_OF(0.9, 0.5)}},
    {"one is missing", "{\"answers\":{\"q1\":" NOUL("0.5") "}}", 2, {BROKEN, GRADED(0.5)}},
    {"one is refused",
     "{\"answers\":{\"q0\":{\"type\":\"refusal\"},\"q1\":" NOUL("0.5") "}}",
     2,
     {UNUSABLE(GRADER_REJECTED), GRADED(0.5)}},
    {"others are not ours",
     "{\"answers\":{\"q2\":" NOUL("0.5") ",\"q00x\":" NOUL("0.5") ",\"0\":" NOUL(
         "0.5") ",\"q0\":" NOUL("0.25") ",\"q00\":" NOUL("0.75") "}}",
     2,
     {GRADED(0.25), BROKEN}},
    {"another type of answer",
     "{\"answers\":{\"q0\":{\"type\":\"score\",\"noul\":0.5},\"q1\":{\"noul\":0.5}}}",
     2,
     {BROKEN, BROKEN}},
    {"no probability",
     "{\"answers\":{\"q0\":" NOUL("null") ",\"q1\":" NOUL("\"0.5\"") "}}",
     2,
     {BROKEN, BROKEN}},
    {"out of range",
     "{\"answers\":{\"q0\":" NOUL("1.5") ",\"q1\":" NOUL("-0.1") "}}",
     2,
     {BROKEN, BROKEN}},
    {"a logprob", "{\"answers\":{\"q0\":" NOUL("-0.3") "}}", 1, {BROKEN}},
    {"a mass that is none",
     "{\"answers\":{\"q0\":" NOUL("0.5") ",\"q1\":" NOUL(
         "0.5") "},\"diagnostics\":{\"q0\":"
                "{\"label_mass\":-1},\"q1\":{\"label_mass\":2}}}",
     2,
     {BROKEN, BROKEN}},
    {"an answer twice",
     "{\"answers\":{\"q0\":" NOUL("0.5") ",\"q0\":" NOUL("0.5") "}}",
     1,
     {BROKEN}},
    {"answers a list", "{\"answers\":[" NOUL("0.5") "]}", 1, {BROKEN}},
    {"no answers", "{\"model\":\"m\"}", 1, {BROKEN}},
    {"an error with status 200", "{\"error\":{\"message\":\"x\"}}", 1, {BROKEN}},
    {"a chat reply", "{\"choices\":[{\"message\":{\"content\":\"yes\"}}]}", 1, {BROKEN}},
    {"not JSON", "yes", 1, {BROKEN}},
    {"empty", "", 1, {BROKEN}},
};

static void replies_are_read(void **state RBR_UNUSED)
{
    shapes_are_read(&dialect_systemone, &frame, shapes, ARRAY_LEN(shapes));
}

static void broken_replies_are_no_numbers(void **state RBR_UNUSED)
{
    shape_cut_anywhere(&dialect_systemone, &frame, &shapes[0]);
    shapes_damaged_at_random(&dialect_systemone, &frame, shapes, ARRAY_LEN(shapes) - 1);
}

static void the_state_is_what_the_questions_share(void **state RBR_UNUSED)
{
    struct request r;
    uint16_t asked[] = {1, 5};
    request_init(&r, &dialect_systemone, GRADING_POLICY(REQUEST_TEMPLATE, ""),
                 (struct dialect_options){.model = STR("m")}, STR("He."));
    (void)request_ask(&r, &dialect_systemone, asked, 2);
    assert_str(buf_str(&r.body),
               "{\"model\":\"m\",\"state\":\"|USER|: Who \\\"is\\\" it?\\n|ASSISTANT|: He.\\n\\nR: "
               "He.\\nQ: \",\"questions\":{\"q0\":{\"type\":\"noul\",\"instructions\":\"Is it "
               "rude?\\nYes or no?\"},\"q1\":{\"type\":\"noul\",\"instructions\":\"Does it end "
               "well?\\nYes or no?\"}}}");
    request_done(&r);
}

static void turns_are_messages_in_the_chat_layout(void **state RBR_UNUSED)
{
    struct request r;
    uint16_t asked[] = {1};
    request_init(&r, &dialect_systemone,
                 GRADING_POLICY("{response}? {question}", "grading: {layout: chat}\n"),
                 (struct dialect_options){.model = STR("m")}, STR("He."));
    (void)request_ask(&r, &dialect_systemone, asked, 1);
    assert_str(buf_str(&r.body),
               "{\"model\":\"m\",\"state\":[{\"role\":\"user\",\"content\":\"Who \\\"is\\\" it?\"},"
               "{\"role\":\"assistant\",\"content\":\"He.\"},{\"role\":\"user\",\"content\":"
               "\"He.? \"}],\"questions\":{\"q0\":{\"type\":\"noul\",\"instructions\":"
               "\"Is it rude?\"}}}");
    request_done(&r);
}

static void usage_is_read(void **state RBR_UNUSED)
{
    shape_says(&dialect_systemone, &frame, &shapes[0], "m",
               (struct usage){.input_tokens = 812, .output_tokens = 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(broken_replies_are_no_numbers),
        cmocka_unit_test(the_state_is_what_the_questions_share),
        cmocka_unit_test(turns_are_messages_in_the_chat_layout),
        cmocka_unit_test(usage_is_read),
    };
    return cmocka_run_group_tests_name("dialect_systemone", tests, NULL, NULL);
}
