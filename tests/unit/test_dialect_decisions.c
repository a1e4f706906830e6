/* grader/dialect_decisions: what is asked, and replies as OpenAI, vLLM and others write them. */
#include "dialect_request.h"
#include "dialect_shapes.h"

static const struct dialect_frame frame = {.options = {.top_logprobs = 20}};

#define PREDICATE(name, p) "{\"type\":\"predicate\",\"name\":\"" name "\",\"probability\":" p "}"
#define ANSWERS(list)      "{\"answers\":[" list "]}"

static const struct shape shapes[] = {
    {"OpenAI",
     "{\"id\":\"dec_1\",\"object\":\"decision\",\"model\":\"m-1\",\"answers\":[" PREDICATE(
         "q0", "0.75") "," PREDICATE("q1",
                                     "0.125") "],\"usage\":{\"input_tokens\":100,"
                                              "\"input_tokens_details\":{\"cached_tokens\":64,"
                                              "\"cache_write_tokens\":0},\"output_tokens\":0,"
                                              "\"total_tokens\":100}}",
     2,
     {GRADED(0.75), GRADED(0.125)}},
    {"one refused",
     ANSWERS("{\"type\":\"refusal\",\"name\":\"q0\"}," PREDICATE("q1", "1")),
     2,
     {UNUSABLE(GRADER_REJECTED), GRADED(1)}},
    {"by name, not by place",
     ANSWERS(PREDICATE("q1", "0.25") "," PREDICATE("q0", "0")),
     2,
     {GRADED(0), GRADED(0.25)}},
    {"one missing", ANSWERS(PREDICATE("q1", "0.25")), 2, {BROKEN, GRADED(0.25)}},
    {"one twice",
     ANSWERS(PREDICATE("q0", "0.25") "," PREDICATE("q0", "0.25") "," PREDICATE("q1", "0.5")),
     2,
     {BROKEN, GRADED(0.5)}},
    {"names that are not ours",
     ANSWERS(PREDICATE("q7", "0.25") "," PREDICATE("x", "0.25") ",7"),
     2,
     {BROKEN, BROKEN}},
    {"no name", ANSWERS("{\"type\":\"predicate\",\"probability\":0.5}"), 1, {BROKEN}},
    {"another type",
     ANSWERS("{\"type\":\"choice\",\"name\":\"q0\",\"probability\":0.5}"),
     1,
     {BROKEN}},
    {"out of range",
     ANSWERS(PREDICATE("q0", "1.01") "," PREDICATE("q1", "-1")),
     2,
     {BROKEN, BROKEN}},
    {"no number",
     ANSWERS(PREDICATE("q0", "null") "," PREDICATE("q1", "\"0.5\"")),
     2,
     {BROKEN, BROKEN}},
    {"not finite", ANSWERS(PREDICATE("q0", "1e999")), 1, {BROKEN}},
    {"the shape of systemone",
     "{\"answers\":{\"q0\":{\"type\":\"noul\",\"noul\":0.5}}}",
     1,
     {BROKEN}},
    {"no answers", ANSWERS(""), 1, {BROKEN}},
    {"an error with status 200", "{\"error\":\"x\"}", 1, {BROKEN}},
    {"an array", "[]", 1, {BROKEN}},
    {"empty", "", 1, {BROKEN}},
};

static void replies_are_read(void **state RBR_UNUSED)
{
    shapes_are_read(&dialect_decisions, &frame, shapes, ARRAY_LEN(shapes));
}

static void broken_replies_are_no_numbers(void **state RBR_UNUSED)
{
    shape_cut_anywhere(&dialect_decisions, &frame, &shapes[0]);
    shapes_damaged_at_random(&dialect_decisions, &frame, shapes, ARRAY_LEN(shapes) - 1);
}

static void the_input_is_what_the_questions_share(void **state RBR_UNUSED)
{
    struct request r;
    uint16_t asked[] = {1, 5};
    request_init(&r, &dialect_decisions, GRADING_POLICY(REQUEST_TEMPLATE, ""),
                 (struct dialect_options){.model = STR("m")}, STR("He."));
    (void)request_ask(&r, &dialect_decisions, asked, 2);
    assert_str(buf_str(&r.body),
               "{\"model\":\"m\",\"input\":\"|USER|: Who \\\"is\\\" it?\\n|ASSISTANT|: He.\\n\\nR: "
               "He.\\nQ: \",\"questions\":[{\"type\":\"predicate\",\"name\":\"q0\","
               "\"instructions\":\"Is it rude?\\nYes or no?\"},{\"type\":\"predicate\",\"name\":"
               "\"q1\",\"instructions\":\"Does it end well?\\nYes or no?\"}]}");
    request_done(&r);
}

static void usage_is_read(void **state RBR_UNUSED)
{
    shape_says(&dialect_decisions, &frame, &shapes[0], "m-1",
               (struct usage){.input_tokens = 100, .cached_input_tokens = 64});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(broken_replies_are_no_numbers),
        cmocka_unit_test(the_input_is_what_the_questions_share),
        cmocka_unit_test(usage_is_read),
    };
    return cmocka_run_group_tests_name("dialect_decisions", tests, NULL, NULL);
}
