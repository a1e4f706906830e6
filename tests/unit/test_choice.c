/* grader/choice through the chat and completions dialects: the older logprobs, models that think,
 * verdicts and samples. */
#include "dialect_shapes.h"

/* Logprobs of 0.75, 0.25 and 0.5 to 12 digits. */
#define L75 "-0.287682072452"
#define L25 "-1.38629436112"
#define L50 "-0.69314718056"

#define CHOICE(rest)      "{\"choices\":[{\"index\":0," rest "}]}"
#define LOGPROBS(content) CHOICE("\"logprobs\":{\"content\":[" content "]}")
#define LEGACY(tokens, logprobs, top)                                                              \
    CHOICE("\"message\":{\"role\":\"assistant\",\"content\":\"Yes\"},\"logprobs\":{"               \
           "\"text_offset\":[0],\"tokens\":[" tokens "],\"token_logprobs\":[" logprobs             \
           "],\"top_logprobs\":[" top "]},\"finish_reason\":\"length\"")
#define TOKEN(text)                                                                                \
    "{\"token\":\"" text "\",\"logprob\":-0.01,\"top_logprobs\":[{\"token\":\"" text               \
    "\",\"logprob\":-0.01}]}"
#define YES75                                                                                      \
    "{\"token\":\"Yes\",\"logprob\":" L75 ",\"top_logprobs\":[{\"token\":\"Yes\",\"logprob\":" L75 \
    "},{\"token\":\"no\",\"logprob\":" L25 "}]}"
#define NO75                                                                                       \
    "{\"token\":\"No\",\"logprob\":" L75 ",\"top_logprobs\":[{\"token\":\"No\",\"logprob\":" L75   \
    "},{\"token\":\"yes\",\"logprob\":" L25 "}]}"

static const struct dialect_frame plain = {.options = {.top_logprobs = 20}};
static const struct dialect_frame thinking = {
    .options = {.top_logprobs = 20, .thinking = THINKING_ALLOWED, .thinking_tokens = 100}};
static const struct dialect_frame verdict = {.options = {.mode = DIALECT_VERDICT}};
static const struct dialect_frame thoughtful_verdict = {
    .options = {.mode = DIALECT_VERDICT, .thinking = THINKING_ALLOWED, .thinking_tokens = 100}};
static const struct dialect_frame sample = {.options = {.mode = DIALECT_SAMPLE, .samples = 4}};

static void logprobs_of_both_apis_are_read(void **state RBR_UNUSED)
{
    static const struct shape shapes[] = {
        {"llama-cpp-python up to 0.3.2, chat",
         LEGACY("\"Yes\"", L75, "{\"Yes\":" L75 ",\" no\":" L25 ",\"I\":-9}"),
         1,
         {GRADED(0.75)}},
        {"the sampled token is not among them",
         LEGACY("\"no\"", L25, "{\"Yes\":" L75 ",\"Sure\":-9}"),
         1,
         {GRADED(0.75)}},
        {"a null alternative is below the list",
         LEGACY("\"Yes\"", L75, "{\"Yes\":" L75 ",\"No\":null}"),
         1,
         {GRADED_OF(1, 0.75)}},
        {"a blank token first",
         LEGACY("\"\\n\",\"Yes\"", "-0.1," L75, "{\"\\n\":-0.1},{\"Yes\":" L75 ",\"No\":" L25 "}"),
         1,
         {GRADED(0.75)}},
        {"little mass",
         LEGACY("\"I\"", "-0.1", "{\"I\":-0.1,\"Yes\":" L25 "}"),
         1,
         {LOW_MASS_OF(0.25)}},
        {"no alternatives", LEGACY("\"Yes\"", "-0.1", "{}"), 1, {BLIND}},
        {"alternatives null", LEGACY("\"Yes\"", "-0.1", "null"), 1, {BLIND}},
        {"alternatives a list", LEGACY("\"Yes\"", "-0.1", "[[\"Yes\",-0.1]]"), 1, {BROKEN}},
        {"alternatives fewer than tokens",
         LEGACY("\"\\n\",\"Yes\"", "-0.1,-0.1", "{\"\\n\":-0.1}"),
         1,
         {BLIND}},
        {"a logprob that is text", LEGACY("\"Yes\"", "-0.1", "{\"Yes\":\"-0.1\"}"), 1, {BROKEN}},
        {"a probability", LEGACY("\"Yes\"", "-0.1", "{\"Yes\":0.9}"), 1, {BROKEN}},
        {"no tokens", LEGACY("", "", ""), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"TGI: five alternatives, no bytes",
         LOGPROBS("{\"token\":\"Yes\",\"logprob\":" L50 ",\"top_logprobs\":[{\"token\":\"Yes\","
                  "\"logprob\":" L50 "},{\"token\":\"No\",\"logprob\":" L25 "},{\"token\":\"yes\","
                  "\"logprob\":-40},{\"token\":\"I\",\"logprob\":-41},{\"token\":\"It\","
                  "\"logprob\":-42}]}"),
         1,
         {GRADED_OF(2. / 3, 0.75)}},
        {"vLLM with logprob_token_ids: the labels and nothing else, both below the top",
         LOGPROBS("{\"token\":\"Well\",\"logprob\":-0.0001,\"bytes\":null,\"top_logprobs\":["
                  "{\"token\":\"yes\",\"logprob\":" L50 "},{\"token\":\"no\",\"logprob\":" L25
                  "}]}"),
         1,
         {GRADED_OF(2. / 3, 0.75)}},
        {"llama.cpp: an id for each token",
         LOGPROBS("{\"id\":9891,\"token\":\"Yes\",\"bytes\":[89,101,115],\"logprob\":" L75
                  ",\"top_logprobs\":[{\"id\":9891,\"token\":\"Yes\",\"logprob\":" L75
                  "},{\"id\":2201,\"token\":\" No\",\"logprob\":" L25 "}]}"),
         1,
         {GRADED(0.75)}},
    };
    shapes_are_read(&dialect_chat, &plain, shapes, ARRAY_LEN(shapes));
    shapes_damaged_at_random(&dialect_chat, &plain, shapes, ARRAY_LEN(shapes));
    shape_cut_anywhere(&dialect_chat, &plain, &shapes[0]);
}

static void a_thought_is_passed_over(void **state RBR_UNUSED)
{
    static const struct shape shapes[] = {
        {"the end of the thought is one token",
         LOGPROBS(TOKEN("<think>") "," NO75 "," TOKEN("</think>") "," TOKEN("\\n\\n") "," YES75),
         1,
         {GRADED(0.75)}},
        {"the end is several tokens",
         LOGPROBS(NO75 "," TOKEN("</") "," TOKEN("think") "," TOKEN(">\\n") "," YES75),
         1,
         {GRADED(0.75)}},
        {"what looks like it is not it",
         LOGPROBS(TOKEN("</thin") "," NO75 "," TOKEN("<</think>") "," YES75),
         1,
         {GRADED(0.75)}},
        {"no end", LOGPROBS(TOKEN("<think>") "," YES75), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"no answer after it",
         LOGPROBS(YES75 "," TOKEN("</think>")),
         1,
         {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"the older shape",
         LEGACY("\"no\",\"</think>\",\"Yes\"", "-0.1,-0.1," L75,
                "{\"no\":-0.1},{\"</think>\":-0.1},{\"Yes\":" L75 ",\"No\":" L25 "}"),
         1,
         {GRADED(0.75)}},
    };
    shapes_are_read(&dialect_chat, &thinking, shapes, ARRAY_LEN(shapes));
    shapes_damaged_at_random(&dialect_chat, &thinking, shapes, ARRAY_LEN(shapes));
}

#define SAYS(text) CHOICE("\"message\":{\"content\":\"" text "\"},\"finish_reason\":\"stop\"")

static void a_verdict_is_the_first_word(void **state RBR_UNUSED)
{
    static const struct shape shapes[] = {
        {"yes", SAYS("yes"), 1, {GRADED(1)}},
        {"no", SAYS("No."), 1, {GRADED(0)}},
        {"decorated", SAYS("\\n**Yes**, because"), 1, {GRADED(1)}},
        {"a sentence", SAYS("No, it does not say so."), 1, {GRADED(0)}},
        {"twice", SAYS("Yes. Yes!\\nYES"), 1, {GRADED(1)}},
        {"both", SAYS("Yes and no."), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"the question again", SAYS("**yes** or **no**?"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"one, then the other", SAYS("No.\\nYes."), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"between marks", SAYS("yes (or: no)"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"no word of it", SAYS("Yes, I know nothing"), 1, {GRADED(1)}},
        {"both in one word", SAYS("yes/no"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"one that speaks of the other",
         SAYS("No, it does not say yes."),
         1,
         {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"another word first", SAYS("I say yes"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"a longer word", SAYS("yesterday"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"nothing", SAYS(""), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"no text", CHOICE("\"message\":{\"content\":null}"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"a thought that nobody asked for",
         SAYS("<think>no</think>yes"),
         1,
         {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"refused",
         CHOICE("\"message\":{\"content\":\"yes\",\"refusal\":\"I cannot\"}"),
         1,
         {UNUSABLE(GRADER_REJECTED)}},
        {"filtered",
         CHOICE("\"message\":{\"content\":\"yes\"},\"finish_reason\":\"content_filter\""),
         1,
         {UNUSABLE(GRADER_REJECTED)}},
        {"aborted",
         CHOICE("\"message\":{\"content\":\"yes\"},\"finish_reason\":\"abort\""),
         1,
         {BROKEN}},
        {"no choices", "{\"choices\":[]}", 1, {BROKEN}},
    };
    static const struct shape thoughts[] = {
        {"after the last end", SAYS("no </think> no </think>\\n\\nYes"), 1, {GRADED(1)}},
        {"taken out by the server", SAYS("yes"), 1, {GRADED(1)}},
        {"cut in the thought", SAYS("<think>well, yes"), 1, {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"cut in a thought that the template began",
         CHOICE("\"message\":{\"content\":\"No, wait\"},\"finish_reason\":\"length\""),
         1,
         {UNUSABLE(UNPARSEABLE_VERDICT)}},
        {"cut after the thought",
         CHOICE("\"message\":{\"content\":\"no</think>Yes, it\"},\"finish_reason\":\"length\""),
         1,
         {GRADED(1)}},
    };
    shapes_are_read(&dialect_chat, &verdict, shapes, ARRAY_LEN(shapes));
    shapes_damaged_at_random(&dialect_chat, &verdict, shapes, ARRAY_LEN(shapes));
    shapes_are_read(&dialect_chat, &thoughtful_verdict, thoughts, ARRAY_LEN(thoughts));
}

#define SAY(text) "{\"message\":{\"content\":\"" text "\"}}"

static void samples_give_the_share_of_yes(void **state RBR_UNUSED)
{
    static const struct shape shapes[] = {
        {"three of four",
         "{\"choices\":[" SAY("yes") "," SAY("no") "," SAY("Yes") "," SAY("yes") "]}",
         1,
         {GRADED(0.75)}},
        {"one says nothing",
         "{\"choices\":[" SAY("yes") "," SAY("no") "," SAY("Hm") "," SAY("yes") "]}",
         1,
         {GRADED_OF(2. / 3, 0.75)}},
        {"most say nothing",
         "{\"choices\":[" SAY("yes") "," SAY("I") "," SAY("Hm") "," SAY("") "]}",
         1,
         {LOW_MASS_OF(0.25)}},
        {"more than asked for are left",
         "{\"choices\":[" SAY("yes") "," SAY("no") "," SAY("no") "," SAY("no") "," SAY("yes") "]}",
         1,
         {GRADED(0.25)}},
        {"fewer than asked for", "{\"choices\":[" SAY("yes") "]}", 1, {BROKEN}},
        {"all refused",
         "{\"choices\":[{\"finish_reason\":\"content_filter\"},{\"finish_reason\":\"content_"
         "filter\"}"
         ",{\"finish_reason\":\"content_filter\"},{\"finish_reason\":\"content_filter\"}]}",
         1,
         {UNUSABLE(GRADER_REJECTED)}},
        {"one aborted",
         "{\"choices\":[" SAY("yes") "," SAY("no") "," SAY("no") ",{\"finish_reason\":\"abort\"}]}",
         1,
         {BROKEN}},
    };
    shapes_are_read(&dialect_chat, &sample, shapes, ARRAY_LEN(shapes));
    shapes_damaged_at_random(&dialect_chat, &sample, shapes, ARRAY_LEN(shapes));
}

static void requests_say_how_they_are_meant(void **state RBR_UNUSED)
{
    static const uint32_t yes[] = {9891, 11}, no[] = {2201};
    static const struct {
        struct dialect_options options;
        const char *after;
    } cases[] = {
        {{.top_logprobs = 5},
         ",\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
         "\"logprobs\":true,\"top_logprobs\":5}"},
        {{.top_logprobs = 20, .yes_ids = yes, .n_yes_ids = 2, .no_ids = no, .n_no_ids = 1},
         ",\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
         "\"logprobs\":true,\"top_logprobs\":20,\"logprob_token_ids\":[9891,11,2201]}"},
        {{.top_logprobs = 20, .thinking = THINKING_OFF_BY_TEMPLATE},
         ",\"max_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
         "\"logprobs\":true,\"top_logprobs\":20,"
         "\"chat_template_kwargs\":{\"enable_thinking\":false}}"},
        {{.top_logprobs = 20, .thinking = THINKING_OFF_BY_EFFORT},
         ",\"max_completion_tokens\":1,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
         "\"logprobs\":true,\"top_logprobs\":20,\"reasoning_effort\":\"none\"}"},
        {{.top_logprobs = 3, .thinking = THINKING_ALLOWED, .thinking_tokens = 500},
         ",\"max_tokens\":501,\"temperature\":1,\"top_p\":1,\"n\":1,\"stream\":false,"
         "\"logprobs\":true,\"top_logprobs\":3}"},
        {{.mode = DIALECT_VERDICT},
         ",\"max_tokens\":8,\"temperature\":0,\"top_p\":1,\"n\":1,\"stream\":false}"},
        {{.mode = DIALECT_SAMPLE, .samples = 16},
         ",\"max_tokens\":8,\"temperature\":1,\"top_p\":1,\"n\":16,\"stream\":false}"},
    };
    struct arena a;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dialect_frame f = {.options = cases[i].options};
        assert_true(dialect_chat.frame(&a, &f));
        assert_strs(f.after, str_z(cases[i].after));
    }
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logprobs_of_both_apis_are_read),
        cmocka_unit_test(a_thought_is_passed_over),
        cmocka_unit_test(a_verdict_is_the_first_word),
        cmocka_unit_test(samples_give_the_share_of_yes),
        cmocka_unit_test(requests_say_how_they_are_meant),
    };
    return cmocka_run_group_tests_name("choice", tests, NULL, NULL);
}
