/* grader/dialect_chat: reply shapes seen on servers, and broken ones; each is a probability or a
 * typed reason. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "grader/dialect.h"

static struct str yes_labels[] = {STR_INIT("yes")};
static struct str no_labels[] = {STR_INIT("no")};
static const struct policy policy = {.yes_labels = yes_labels,
                                     .n_yes_labels = 1,
                                     .no_labels = no_labels,
                                     .n_no_labels = 1,
                                     .min_mass = 0.5};

/* Logprobs of 0.75, 0.25, 0.5 to 12 digits. */
#define L75 "-0.287682072452"
#define L25 "-1.38629436112"
#define L50 "-0.69314718056"

#define TOP(list) "[{\"token\":\"Yes\",\"logprob\":" L75 ",\"top_logprobs\":[" list "]}]"
#define CONTENT(content)                                                                           \
    "{\"choices\":[{\"message\":{\"content\":\"Yes\"},\"finish_reason\":\"length\","               \
    "\"logprobs\":{\"content\":" content "}}]}"
#define YES75 "{\"token\":\"Yes\",\"logprob\":" L75 "}"
#define NO25  "{\"token\":\"No\",\"logprob\":" L25 "}"
#define BLANK(text)                                                                                \
    "{\"token\":\"" text "\",\"logprob\":-0.01,\"top_logprobs\":[{\"token\":\"" text               \
    "\",\"logprob\":-0.01}]}"
#define AT75 "{\"token\":\"Yes\",\"logprob\":" L75 ",\"top_logprobs\":[" YES75 "," NO25 "]}"

struct shape {
    const char *name, *body;
    enum reason reason; /* NONE: graded */
    bool retry;
    double p, mass;
};

static const struct shape graded[] = {
    {"OpenAI", CONTENT(TOP(YES75 "," NO25)), REASON_NONE, false, 0.75, 1},
    {"vLLM: bytes null, extras",
     "{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
     "\"Yes\","
     "\"refusal\":null,\"reasoning\":null},\"logprobs\":{\"content\":[{\"token\":\"Yes\","
     "\"logprob\":" L75 ",\"bytes\":null,\"top_logprobs\":[{\"token\":\"Yes\",\"logprob\":" L75
     ",\"bytes\":null},{\"token\":\"No\",\"logprob\":" L25
     ",\"bytes\":[78,111]}]}]},\"finish_reason\":\"length\",\"stop_reason\":null,\"token_ids\":"
     "null}]}",
     REASON_NONE, false, 0.75, 1},
    {"-9999 is below the list", CONTENT(TOP(YES75 ",{\"token\":\"No\",\"logprob\":-9999.0}")),
     REASON_NONE, false, 1, 0.75},
    {"null is below the list", CONTENT(TOP(YES75 ",{\"token\":\"No\",\"logprob\":null}")),
     REASON_NONE, false, 1, 0.75},
    {"marked tokens, cases",
     CONTENT("[{\"token\":\"\\u2581yes\",\"logprob\":" L50 ",\"top_logprobs\":["
             "{\"token\":\"\\u2581yes\",\"logprob\":" L50
             "},{\"token\":\"\\u0120YES\",\"logprob\":" L25
             "},{\"token\":\" no\\n\",\"logprob\":" L25 "}]}]"),
     REASON_NONE, false, 0.75, 1},
    {"the sampled token is not in the list", CONTENT(TOP(NO25)), REASON_NONE, false, 0.75, 1},
    {"the sampled token is in the list twice", CONTENT(TOP(YES75 "," NO25 "," YES75)), REASON_NONE,
     false, 0.75, 1},
    {"a blank token first", CONTENT("[" BLANK("\\n") "," AT75 "]"), REASON_NONE, false, 0.75, 1},
    {"quotes and stars first", CONTENT("[" BLANK("**") "," BLANK("\\\"") "," AT75 "]"), REASON_NONE,
     false, 0.75, 1},
    {"several choices: that of index 0",
     "{\"choices\":[{\"index\":1,\"message\":{\"refusal\":\"no\"}},"
     "{\"index\":0,\"message\":{},\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_NONE, false, 0.75, 1},
    {"no tool was called",
     "{\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[],\"function_call\":null},"
     "\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_NONE, false, 0.75, 1},
    {"an error that is none",
     "{\"error\":null,\"choices\":[{\"index\":0,\"error\":null,\"logprobs\":{\"content\":[" AT75
     "]}}]}",
     REASON_NONE, false, 0.75, 1},
    {"an empty refusal is none",
     "{\"choices\":[{\"message\":{\"refusal\":\"\"},\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_NONE, false, 0.75, 1},
    {"no message at all", "{\"choices\":[{\"logprobs\":{\"content\":[" AT75 "]}}]}", REASON_NONE,
     false, 0.75, 1},
};

static const struct shape refused[] = {
    {"logprobs null", "{\"choices\":[{\"message\":{\"content\":\"Yes\"},\"logprobs\":null}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"no logprobs", "{\"choices\":[{\"message\":{\"content\":\"Yes\"}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"content null", CONTENT("null"), REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"content empty", CONTENT("[]"), REASON_UNPARSEABLE_VERDICT, false, 0, 0},
    {"no alternatives", CONTENT(TOP("")), REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"refusal",
     "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I "
     "cannot\"},\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_GRADER_REJECTED, false, 0, 0},
    {"content filter",
     "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"content_filter\","
     "\"logprobs\":{"
     "\"content\":[" AT75 "]}}]}",
     REASON_GRADER_REJECTED, false, 0, 0},
    {"abort",
     "{\"choices\":[{\"message\":{},\"finish_reason\":\"abort\",\"logprobs\":{\"content\":[" AT75
     "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"no label",
     CONTENT(
         "[{\"token\":\"Sure\",\"logprob\":-0.01,\"top_logprobs\":[{\"token\":\"Sure\",\"logprob\":"
         "-0.01}]}]"),
     REASON_LOW_PROBABILITY_MASS, false, 0, 0},
    {"little mass",
     CONTENT(
         "[{\"token\":\"I\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"I\",\"logprob\":-0.5},"
         "{\"token\":\"Yes\",\"logprob\":-2},{\"token\":\"No\",\"logprob\":-3}]}]"),
     REASON_LOW_PROBABILITY_MASS, false, 0, 0},
    {"blank tokens only", CONTENT("[" BLANK("\\n") "]"), REASON_LOW_PROBABILITY_MASS, false, 0, 0},
    {"everything below the list",
     CONTENT(
         "[{\"token\":\"Yes\",\"logprob\":-9999.0,\"top_logprobs\":[{\"token\":\"Yes\",\"logprob\":"
         "-9999.0},{\"token\":\"No\",\"logprob\":-9999.0}]}]"),
     REASON_LOW_PROBABILITY_MASS, false, 0, 0},
    {"token ids instead of text",
     CONTENT("[{\"token\":\"token_id:9891\",\"logprob\":-0.1,\"top_logprobs\":[{\"token\":"
             "\"token_id:9891\",\"logprob\":-0.1}]}]"),
     REASON_LOW_PROBABILITY_MASS, false, 0, 0},
    {"mass above one",
     CONTENT(TOP("{\"token\":\"Yes\",\"logprob\":0},{\"token\":\"No\",\"logprob\":0}")),
     REASON_UNPARSEABLE_VERDICT, false, 0, 0},
    {"two choices of index 0",
     "{\"choices\":[{\"index\":0,\"logprobs\":{\"content\":[" AT75
     "]}},{\"index\":0,\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"two choices, and which is whose is not said",
     "{\"choices\":[{\"logprobs\":{\"content\":[" AT75 "]}},{\"logprobs\":{\"content\":[" AT75
     "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"another question's choice alone",
     "{\"choices\":[{\"index\":1,\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a tool call",
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"1\"}]},\"logprobs\":{\"content\":"
     "[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, false, 0, 0},
    {"a function call",
     "{\"choices\":[{\"message\":{\"function_call\":{\"name\":\"f\"}},\"logprobs\":{\"content\":"
     "[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, false, 0, 0},
    {"ended by a tool call",
     "{\"choices\":[{\"finish_reason\":\"tool_calls\",\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, false, 0, 0},
    {"ended by an error",
     "{\"choices\":[{\"finish_reason\":\"error\",\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a choice with an error",
     "{\"choices\":[{\"error\":{\"code\":502},\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"an error beside an answer",
     "{\"error\":\"overloaded\",\"choices\":[{\"logprobs\":{\"content\":[" AT75 "]}}]}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"choices empty", "{\"choices\":[]}", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"choices absent", "{\"object\":\"chat.completion\"}", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"choices an object", "{\"choices\":{}}", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"an error with status 200", "{\"error\":{\"message\":\"overloaded\"}}",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a choice that is none", "{\"choices\":[7]}", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a position that is none", CONTENT("[7]"), REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"no top_logprobs", CONTENT("[{\"token\":\"Yes\",\"logprob\":-0.1}]"),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"top_logprobs null", CONTENT("[{\"token\":\"Yes\",\"logprob\":-0.1,\"top_logprobs\":null}]"),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"top_logprobs a map",
     CONTENT("[{\"token\":\"Yes\",\"logprob\":-0.1,\"top_logprobs\":{\"Yes\":-0.1}}]"),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"an alternative without logprob", CONTENT(TOP(YES75 ",{\"token\":\"No\"}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"an alternative without token", CONTENT(TOP(YES75 ",{\"logprob\":-1}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a token that is a number", CONTENT(TOP(YES75 ",{\"token\":1,\"logprob\":-1}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a logprob that is text", CONTENT(TOP("{\"token\":\"Yes\",\"logprob\":\"-0.1\"}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a probability instead of a logprob", CONTENT(TOP("{\"token\":\"Yes\",\"logprob\":0.9}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"1e400", CONTENT(TOP("{\"token\":\"Yes\",\"logprob\":-1e400}")), REASON_UNPARSEABLE_VERDICT,
     true, 0, 0},
    {"NaN", CONTENT(TOP("{\"token\":\"Yes\",\"logprob\":NaN}")), REASON_UNPARSEABLE_VERDICT, true,
     0, 0},
    {"a duplicate key", CONTENT(TOP("{\"token\":\"Yes\",\"logprob\":-1,\"logprob\":-2}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"empty body", "", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"not JSON", "<html>502 Bad Gateway</html>", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"an array", "[]", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"null", "null", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"text behind it", CONTENT("[]") "x", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"an event stream", "data: {\"choices\":[]}\n\n", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"invalid UTF-8", "{\"choices\":\"\xff\"}", REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"a lone surrogate", CONTENT(TOP("{\"token\":\"\\ud800\",\"logprob\":-1}")),
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
    {"nested too deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     REASON_UNPARSEABLE_VERDICT, true, 0, 0},
};

static const struct dialect_frame frame = {.options = {.top_logprobs = 20}};

static struct answer read_shape(struct arena *a, struct str body, struct dialect_reply *reply)
{
    struct answer answer;
    arena_reset(a);
    memset(&answer, 0xff, sizeof(answer)); /* read sets all of both */
    memset(reply, 0xff, sizeof(*reply));
    dialect_chat.read(a, &frame, &policy, body, &answer, 1, reply);
    return answer;
}

static void good_shapes_give_the_number(void **state RBR_UNUSED)
{
    struct arena a;
    struct dialect_reply reply;
    arena_init(&a, 4 << 20);
    for (size_t i = 0; i < ARRAY_LEN(graded); i++) {
        struct answer j = read_shape(&a, str_z(graded[i].body), &reply);
        if (j.reason != REASON_NONE || j.retry || fabs(j.probability - graded[i].p) > 1e-10 ||
            fabs(j.mass - graded[i].mass) > 1e-10) {
            print_error("%s: %s P %g mass %g\n", graded[i].name, reason_name(j.reason),
                        j.probability, j.mass);
            fail();
        }
    }
    arena_done(&a);
}

static void bad_shapes_give_a_reason_and_never_a_number(void **state RBR_UNUSED)
{
    struct arena a;
    struct dialect_reply reply;
    arena_init(&a, 4 << 20);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct answer j = read_shape(&a, str_z(refused[i].body), &reply);
        if (j.reason != refused[i].reason || j.retry != refused[i].retry || j.probability > 0) {
            print_error("%s: %s retry %d P %g\n", refused[i].name, reason_name(j.reason), j.retry,
                        j.probability);
            fail();
        }
    }
    arena_done(&a);
}

/* Cut anywhere: never a number, always worth another try. */
static void a_reply_cut_anywhere_is_broken(void **state RBR_UNUSED)
{
    struct arena a;
    struct dialect_reply reply;
    arena_init(&a, 4 << 20);
    struct str whole = str_z(graded[1].body);
    for (size_t n = 0; n < whole.n; n++) {
        struct answer j = read_shape(&a, str_sub(whole, 0, n), &reply);
        assert_int_equal(j.reason, REASON_UNPARSEABLE_VERDICT);
        assert_true(j.retry);
    }
    arena_done(&a);
}

static void random_damage_never_leaves_a_judgment_open(void **state RBR_UNUSED)
{
    static const char bytes[] = "\"\\{}[],:0123456789.-eEnulltrefas \n\xff\x80";
    struct arena a;
    struct dialect_reply reply;
    struct rng rng;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    arena_init(&a, 4 << 20);
    for (int run = 0; run < 20000; run++) {
        char text[2048];
        struct str from = str_z(graded[rng_below(&rng, ARRAY_LEN(graded))].body);
        assert_true(from.n < sizeof(text));
        memcpy(text, from.p, from.n);
        for (uint64_t k = 1 + rng_below(&rng, 4); k > 0; k--)
            text[rng_below(&rng, from.n)] = bytes[rng_below(&rng, sizeof(bytes) - 1)];
        struct answer j = read_shape(&a, (struct str){text, from.n}, &reply);
        if (j.reason == REASON_NONE)
            assert_true(j.probability >= 0 && j.probability <= 1 && j.mass >= 0.5 && j.mass <= 1);
        else
            assert_true(j.probability == 0 && *reason_name(j.reason) != '\0');
    }
    arena_done(&a);
}

static void usage_and_model_are_read(void **state RBR_UNUSED)
{
    struct arena a;
    struct dialect_reply reply;
    arena_init(&a, 4 << 20);
    (void)read_shape(
        &a,
        STR("{\"model\":\"m-7\",\"system_fingerprint\":\"fp\",\"usage\":{\"prompt_tokens\":"
            "812,\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":800"
            "}},\"choices\":[{\"logprobs\":{\"content\":[" AT75 "]}}]}"),
        &reply);
    assert_true(str_eq(reply.model, STR("m-7")));
    assert_true(str_eq(reply.system_fingerprint, STR("fp")));
    assert_int_equal(reply.usage.input_tokens, 812);
    assert_int_equal(reply.usage.cached_input_tokens, 800);
    assert_int_equal(reply.usage.output_tokens, 1);
    static const char *const odd[] = {
        "{\"model\":null,\"usage\":null,\"choices\":[]}",
        "{\"model\":3,\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1.5,"
        "\"prompt_tokens_details\":[]},\"choices\":[]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        (void)read_shape(&a, str_z(odd[i]), &reply);
        assert_int_equal(reply.model.n, 0);
        assert_int_equal(reply.usage.input_tokens + reply.usage.cached_input_tokens +
                             reply.usage.output_tokens,
                         0);
    }
    arena_done(&a);
}

static void too_little_memory_is_broken(void **state RBR_UNUSED)
{
    struct arena a;
    struct dialect_reply reply;
    arena_init(&a, 256);
    struct answer j = read_shape(&a, str_z(graded[0].body), &reply);
    assert_int_equal(j.reason, REASON_UNPARSEABLE_VERDICT);
    char model[1000];
    memset(model, 'm', sizeof(model));
    struct dialect_frame large = {.options = {.model = {model, sizeof(model)}}};
    assert_false(dialect_chat.frame(&a, &large));
    arena_done(&a);
}

static void dialects_are_found_by_name(void **state RBR_UNUSED)
{
    assert_ptr_equal(dialect_find(STR("chat")), &dialect_chat);
    assert_null(dialect_find(STR("Chat")));
    assert_null(dialect_find(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_shapes_give_the_number),
        cmocka_unit_test(bad_shapes_give_a_reason_and_never_a_number),
        cmocka_unit_test(a_reply_cut_anywhere_is_broken),
        cmocka_unit_test(random_damage_never_leaves_a_judgment_open),
        cmocka_unit_test(usage_and_model_are_read),
        cmocka_unit_test(too_little_memory_is_broken),
        cmocka_unit_test(dialects_are_found_by_name),
    };
    return cmocka_run_group_tests_name("dialect_chat", tests, NULL, NULL);
}
