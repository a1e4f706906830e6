/* record/decode_json: every name of every field, what is refused and at which byte, what is kept.
 */
#include "decoding.h"

#include <math.h>

#include "base/json.h"

#define P             "\"prompt\":\"p\""
#define C             "\"completion\":\"c\""
#define PC            P "," C
#define WITH(members) "{" PC "," members "}"

/* ---- refusals ---------------------------------------------------------------------------------
 */

/* ^ marks the byte that the refusal names. */
static const struct {
    const char *text;
    enum refusal_kind kind;
    const char *field;
} refused[] = {
    /* the text */
    {"{^", REFUSAL_TRUNCATED_JSON, ""},
    {"{" PC "^", REFUSAL_TRUNCATED_JSON, ""},
    {"{" PC ",\"id\":\"abc^", REFUSAL_TRUNCATED_JSON, ""},
    {"{" PC "} ^x", REFUSAL_TRAILING_JSON, ""},
    {"{" PC "}^{" PC "}", REFUSAL_TRAILING_JSON, ""},
    {"{" PC ",^}", REFUSAL_BAD_JSON, ""},
    {"{^prompt:1}", REFUSAL_BAD_JSON, ""},
    {"{" PC ",\"id\":^NaN}", REFUSAL_BAD_JSON, ""},
    {"{" PC ",\"id\":\"a^\tb\"}", REFUSAL_BAD_JSON, ""},
    {"{" PC ",\"id\":\"\\^q\"}", REFUSAL_BAD_JSON, ""},
    {"{" PC ",\"id\":0^1}", REFUSAL_BAD_JSON, ""},
    {"{" PC ",^\"prompt\":\"q\"}", REFUSAL_DUPLICATE_KEY, ""},
    {"{" PC ",^\"\\u0070rompt\":\"q\"}", REFUSAL_DUPLICATE_KEY, ""},
    {"{" PC ",\"extra_info\":{\"a\":1,^\"a\":2}}", REFUSAL_DUPLICATE_KEY, ""},
    {"{" PC ",\"reward_model_score\":^1e400}", REFUSAL_NOT_FINITE, ""},
    {"{" PC ",\"unknown\":[^-1e999]}", REFUSAL_NOT_FINITE, ""},
    {"{" PC ",\"id\":\"a^\xff\"}", REFUSAL_NOT_UTF8, ""},
    {"{" PC ",\"unknown\":\"^\xed\xa0\x80\"}", REFUSAL_NOT_UTF8, ""},
    {"{\"prompt\":\"^\\ud800\"}", REFUSAL_LONE_SURROGATE, ""},
    {"{\"prompt\":\"\\ud83d\\ude00^\\udc00\"}", REFUSAL_LONE_SURROGATE, ""},
    {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[^[[[]]]]", REFUSAL_TOO_DEEP, ""},
    /* texts */
    {WITH("\"id\":^[1]"), REFUSAL_WRONG_TYPE, "completion_id"},
    {WITH("\"uuid\":^{}"), REFUSAL_WRONG_TYPE, "completion_id"},
    {WITH("\"uid\":^{}"), REFUSAL_WRONG_TYPE, "group_id"},
    {WITH("\"run_id\":^[]"), REFUSAL_WRONG_TYPE, "run_id"},
    {WITH("\"category\":^[]"), REFUSAL_WRONG_TYPE, "behavior_category"},
    {WITH("\"response_type\":^{\"a\":1}"), REFUSAL_WRONG_TYPE, "response_type"},
    {WITH("\"weight_versions\":^\"7\""), REFUSAL_WRONG_TYPE, "weight_versions"},
    {WITH("\"weight_versions\":[\"7\",^[]]"), REFUSAL_WRONG_TYPE, "weight_versions"},
    /* numbers */
    {WITH("\"attempt\":^\"1\""), REFUSAL_WRONG_TYPE, "attempt"},
    {WITH("\"attempt\":^-1"), REFUSAL_OUT_OF_RANGE, "attempt"},
    {WITH("\"attempt\":^1.5"), REFUSAL_OUT_OF_RANGE, "attempt"},
    {WITH("\"attempt\":^4294967296"), REFUSAL_OUT_OF_RANGE, "attempt"},
    {WITH("\"index\":^-1"), REFUSAL_OUT_OF_RANGE, "sample_index"},
    {WITH("\"index\":^\"x\""), REFUSAL_WRONG_TYPE, "sample_index"},
    {WITH("\"priority\":^2147483648"), REFUSAL_OUT_OF_RANGE, "priority"},
    {WITH("\"priority\":^true"), REFUSAL_WRONG_TYPE, "priority"},
    {WITH("\"created_at_ms\":^9223372036854775808"), REFUSAL_OUT_OF_RANGE, "created_at_ms"},
    {WITH("\"deadline_ms\":^1e3"), REFUSAL_OUT_OF_RANGE, "deadline_ms"},
    {WITH("\"reward_model_score\":^\"1\""), REFUSAL_WRONG_TYPE, "reward_model_score"},
    {WITH("\"sampling\":^1"), REFUSAL_WRONG_TYPE, "sampling"},
    {WITH("\"sampling\":{\"temperature\":^\"hot\"}"), REFUSAL_WRONG_TYPE, "sampling.temperature"},
    {WITH("\"sampling\":{\"top_p\":^[]}"), REFUSAL_WRONG_TYPE, "sampling.top_p"},
    {WITH("\"sampling\":{\"seed\":^1.5}"), REFUSAL_OUT_OF_RANGE, "sampling.seed"},
    {WITH("\"sampling\":{\"top_k\":^-1}"), REFUSAL_OUT_OF_RANGE, "sampling.top_k"},
    {WITH("\"sampling\":{\"max_tokens\":^5e9}"), REFUSAL_OUT_OF_RANGE, "sampling.max_tokens"},
    /* lists */
    {WITH("\"labels\":^1"), REFUSAL_WRONG_TYPE, "labels"},
    {WITH("\"labels\":[^1]"), REFUSAL_WRONG_TYPE, "labels"},
    {WITH("\"labels\":[{\"key\":\"k\",\"value\":^[]}]"), REFUSAL_WRONG_TYPE, "labels.value"},
    {WITH("\"labels\":{\"k\":^[]}"), REFUSAL_WRONG_TYPE, "labels"},
    {WITH("\"scores\":^{}"), REFUSAL_WRONG_TYPE, "scores"},
    {WITH("\"scores\":[{},^2]"), REFUSAL_WRONG_TYPE, "scores"},
    {WITH("\"scores\":[{\"value\":^\"x\"}]"), REFUSAL_WRONG_TYPE, "scores.value"},
    {WITH("\"scores\":[{\"name\":^{}}]"), REFUSAL_WRONG_TYPE, "scores.name"},
    {WITH("\"rubric\":^\"be kind\""), REFUSAL_WRONG_TYPE, "rubric"},
    {WITH("\"rubric\":[^\"be kind\"]"), REFUSAL_WRONG_TYPE, "rubric"},
    {WITH("\"rubric\":[{\"weight\":^true}]"), REFUSAL_WRONG_TYPE, "rubric.weight"},
    {WITH("\"rubric\":[{\"negative\":^1}]"), REFUSAL_WRONG_TYPE, "rubric.negative"},
    {WITH("\"rubric\":[{\"required\":^\"yes\"}]"), REFUSAL_WRONG_TYPE, "rubric.required"},
    {WITH("\"propositions\":^[]"), REFUSAL_WRONG_TYPE, "propositions"},
    {WITH("\"propositions\":{\"a\":^\"yes\"}"), REFUSAL_WRONG_TYPE, "propositions"},
    {WITH("\"propositions\":{\"a\":^1.01}"), REFUSAL_OUT_OF_RANGE, "propositions"},
    {WITH("\"propositions\":{\"a\":^-0.1}"), REFUSAL_OUT_OF_RANGE, "propositions"},
    /* messages */
    {"{\"prompt\":^1," C "}", REFUSAL_WRONG_TYPE, "prompt"},
    {"{\"prompt\":^{}," C "}", REFUSAL_WRONG_TYPE, "prompt"},
    {"{\"prompt\":[^\"p\"]," C "}", REFUSAL_WRONG_TYPE, "prompt[0]"},
    {"{\"prompt\":[^{}]," C "}", REFUSAL_BAD_ROLE, "prompt[0].role"},
    {"{\"prompt\":[{\"role\":^1}]," C "}", REFUSAL_BAD_ROLE, "prompt[0].role"},
    {"{\"prompt\":[{\"role\":^\"\"}]," C "}", REFUSAL_BAD_ROLE, "prompt[0].role"},
    {"{\"prompt\":[{\"role\":\"user\"},{\"role\":^\"a b\"}]," C "}", REFUSAL_BAD_ROLE,
     "prompt[1].role"},
    {"{" P ",\"completion\":[{\"role\":^\"\\n# system\"}]}", REFUSAL_BAD_ROLE,
     "completion[0].role"},
    {"{" P ",\"completion\":[{\"role\":\"user\",\"content\":^7}]}", REFUSAL_WRONG_TYPE,
     "completion[0].content"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"content\":[^7]}]}", REFUSAL_WRONG_TYPE,
     "completion[0].content"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"parts\":^{}}]}", REFUSAL_WRONG_TYPE,
     "completion[0].parts"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"parts\":[{\"text\":^[]}]}]}", REFUSAL_WRONG_TYPE,
     "completion[0].parts.text"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"tool_calls\":^{}}]}", REFUSAL_WRONG_TYPE,
     "completion[0].tool_calls"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"tool_calls\":[^1]}]}", REFUSAL_WRONG_TYPE,
     "completion[0].tool_calls"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"tool_calls\":[{\"function\":^\"f\"}]}]}",
     REFUSAL_WRONG_TYPE, "completion[0].tool_calls"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"tool_calls\":[{\"id\":^[]}]}]}", REFUSAL_WRONG_TYPE,
     "completion[0].tool_calls.id"},
    {"{" P ",\"completion\":[{\"role\":\"a\",\"name\":^[]}]}", REFUSAL_WRONG_TYPE,
     "completion[0].name"},
    {"{" P ",\"solution_str\":^1}", REFUSAL_WRONG_TYPE, "completion"},
    {"{\"messages\":^\"p\"}", REFUSAL_WRONG_TYPE, "messages"},
    {"{\"messages\":[{\"role\":\"user\",\"content\":^{}}]}", REFUSAL_WRONG_TYPE,
     "messages[0].content"},
    /* names */
    {WITH("\"response\":^\"d\""), REFUSAL_CONFLICTING_ALIASES, "response"},
    {WITH("\"rollout_id\":\"1\",\"id\":^\"2\""), REFUSAL_CONFLICTING_ALIASES, "id"},
    {WITH("\"uid\":1,\"group_index\":^2"), REFUSAL_CONFLICTING_ALIASES, "group_index"},
    {WITH("\"behavior_category\":\"a\",\"category\":^\"b\""), REFUSAL_CONFLICTING_ALIASES,
     "category"},
    {WITH("\"messages\":^[]"), REFUSAL_CONFLICTING_ALIASES, "messages"},
    /* what is missing */
    {"^{}", REFUSAL_MISSING_PROMPT, "prompt"},
    {"^{" C "}", REFUSAL_MISSING_PROMPT, "prompt"},
    {"^{\"prompt\":[]," C "}", REFUSAL_MISSING_PROMPT, "prompt"},
    {"^{\"prompt\":null," C "}", REFUSAL_MISSING_PROMPT, "prompt"},
    {"^{" P "}", REFUSAL_MISSING_COMPLETION, "completion"},
    {"^{" P ",\"completion\":[]}", REFUSAL_MISSING_COMPLETION, "completion"},
    {"^{\"messages\":[{\"role\":\"user\"}]}", REFUSAL_MISSING_COMPLETION, "completion"},
    {"^{\"messages\":[{\"role\":\"assistant\"}]}", REFUSAL_MISSING_PROMPT, "prompt"},
};

static void refused_with_kind_byte_and_field(void **state RBR_UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct buf text;
        const char *mark = strchr(refused[i].text, '^');
        assert_non_null(mark);
        buf_init(&text, 4096);
        (void)buf_append(&text, refused[i].text, (size_t)(mark - refused[i].text));
        (void)buf_append_z(&text, mark + 1);
        decoding_refuse(buf_str(&text), RECORD_JSON, &record_limits_default, &decoding_origin,
                        refused[i].kind, (size_t)(mark - refused[i].text), refused[i].field);
        buf_done(&text);
    }
}

static void a_wrong_type_says_which_is_wanted(void **state RBR_UNUSED)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {WITH("\"sampling\":{\"temperature\":\"hot\"}"),
         ", sampling.temperature: a string, where a number is wanted"},
        {WITH("\"attempt\":\"1\""), ", attempt: a string, where an integer is wanted"},
        {WITH("\"id\":[1]"), ", completion_id: a list, where a string is wanted"},
        {WITH("\"labels\":true"), ", labels: true or false, where a list or an object is wanted"},
        {WITH("\"rubric\":[{\"negative\":1}]"),
         ", rubric.negative: a number, where true or false is wanted"},
        {WITH("\"propositions\":{\"a\":\"yes\"}"),
         ", propositions: a string, where true, false or a number is wanted"},
        {"{\"prompt\":{}," C "}", ", prompt: an object, where a string or a list is wanted"},
        {"{\"prompt\":[null]," C "}", ", prompt[0]: null, where an object is wanted"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct decoding d;
        char why[256];
        decoding_run(&d, str_z(cases[i].text), RECORD_JSON, &record_limits_default,
                     &decoding_origin);
        assert_null(d.record);
        refusal_print(&d.refusal, why);
        const char *end = strstr(why, cases[i].says);
        if (strncmp(why, "WRONG_TYPE at byte ", 19) != 0 || end == NULL ||
            strcmp(end, cases[i].says) != 0)
            fail_msg("%s: %s", cases[i].text, why);
        decoding_done(&d);
    }
}

static void only_an_object_is_a_record(void **state RBR_UNUSED)
{
    static const char *const texts[] = {"[]", "1", "\"x\"", "null", "true"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        decoding_refuse(str_z(texts[i]), RECORD_JSON, &record_limits_default, &decoding_origin,
                        REFUSAL_NOT_AN_OBJECT, 0, "");
}

static void an_id_comes_from_the_record_or_from_its_place(void **state RBR_UNUSED)
{
    struct decoding d;
    decoding_accept(&d, STR("{" PC "}"));
    assert_str(d.record->completion_id, "completions/3/42");
    decoding_done(&d);
    decoding_accept(&d, STR(WITH("\"id\":\"\"")));
    assert_str(d.record->completion_id, "completions/3/42");
    decoding_done(&d);
    decoding_accept(&d, STR(WITH("\"id\":\"x\"")));
    assert_str(d.record->completion_id, "x");
    decoding_done(&d);
    decoding_refuse(STR("{" PC "}"), RECORD_DETECT, &record_limits_default, NULL,
                    REFUSAL_MISSING_ID, 0, "completion_id");
}

/* ---- names ------------------------------------------------------------------------------------
 */

#define AT(member) offsetof(struct record, member)

static const struct {
    const char *key;
    size_t at;
} texts[] = {
    {"completion_id", AT(completion_id)},
    {"rollout_id", AT(completion_id)},
    {"uuid", AT(completion_id)},
    {"id", AT(completion_id)},
    {"run_id", AT(run_id)},
    {"group_id", AT(group_id)},
    {"uid", AT(group_id)},
    {"group_index", AT(group_id)},
    {"instance_id", AT(group_id)},
    {"prompt_id", AT(prompt_id)},
    {"data_source", AT(data_source)},
    {"split", AT(split)},
    {"finish_reason", AT(finish_reason)},
    {"model", AT(model)},
    {"policy_id", AT(policy_id)},
    {"response_type", AT(response_type)},
    {"behavior_category", AT(behavior_category)},
    {"category", AT(behavior_category)},
    {"reward_model", AT(reward_model)},
    {"traceparent", AT(traceparent)},
    {"tools_json", AT(tools_json)},
    {"tools", AT(tools_json)},
    {"ground_truth", AT(ground_truth)},
    {"label", AT(ground_truth)},
    {"answer", AT(ground_truth)},
    {"expected_answer", AT(ground_truth)},
    {"extra_info_json", AT(extra_info_json)},
    {"extra_info", AT(extra_info_json)},
    {"metadata", AT(extra_info_json)},
};

static struct str text_at(const struct record *r, size_t at)
{
    return *(const struct str *)(const void *)((const char *)r + at);
}

static void every_name_of_a_text_field(void **state RBR_UNUSED)
{
    static const struct {
        const char *json;
        struct str value;
    } values[] = {
        {"\"x \\u0000\\ud83d\\ude00\"", STR_INIT("x \0\xf0\x9f\x98\x80")},
        {"12.50", STR_INIT("12.50")},
        {"true", STR_INIT("true")},
        {"false", STR_INIT("false")},
        {"null", STR_INIT("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            struct decoding d;
            struct buf b;
            bool is_null = strcmp(values[k].json, "null") == 0;
            buf_init(&b, 1000);
            (void)buf_printf(&b, "{" PC ",\"%s\":%s}", texts[i].key, values[k].json);
            decoding_accept(&d, buf_str(&b));
            if (is_null && texts[i].at == AT(completion_id))
                assert_str(d.record->completion_id, "completions/3/42");
            else
                assert_strs(text_at(d.record, texts[i].at), values[k].value);
            /* and nothing besides: a known key is not kept as an unknown one */
            if (texts[i].at != AT(extra_info_json))
                assert_int_equal(d.record->extra_info_json.n, 0);
            buf_done(&b);
            decoding_done(&d);
        }
}

static void two_names_that_agree_are_one(void **state RBR_UNUSED)
{
    struct decoding d;
    decoding_accept(&d, STR(WITH("\"id\":\"x\",\"uuid\":\"\\u0078\",\"rollout_id\":null,"
                                 "\"index\":1,\"repetition_id\":1")));
    assert_str(d.record->completion_id, "x");
    assert_int_equal(d.record->sample_index, 1);
    assert_int_equal(d.record->extra_info_json.n, 0);
    decoding_done(&d);
}

static void names_of_numbers(void **state RBR_UNUSED)
{
    static const char *const names[] = {"sample_index", "repetition_id", "index"};
    struct decoding d;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf b;
        buf_init(&b, 1000);
        (void)buf_printf(&b, "{" PC ",\"%s\":0}", names[i]);
        decoding_accept(&d, buf_str(&b));
        assert_true(d.record->has_sample_index);
        assert_int_equal(d.record->sample_index, 0);
        buf_done(&b);
        decoding_done(&d);
    }
    decoding_accept(&d, STR(WITH("\"attempt\":4294967295,\"group_size\":8,\"prompt_tokens\":1,"
                                 "\"completion_tokens\":2,\"global_step\":-5,"
                                 "\"min_global_step\":9007199254740993,\"max_global_step\":7,"
                                 "\"created_at_ms\":1,\"deadline_ms\":2,\"priority\":-3,"
                                 "\"reward_model_score\":-0.25")));
    const struct record *r = d.record;
    assert_false(r->has_sample_index);
    assert_int_equal(r->attempt, UINT32_MAX);
    assert_int_equal(r->group_size, 8);
    assert_int_equal(r->prompt_tokens, 1);
    assert_int_equal(r->completion_tokens, 2);
    assert_int_equal(r->global_step, -5);
    assert_true(r->min_global_step == 9007199254740993);
    assert_int_equal(r->max_global_step, 7);
    assert_int_equal(r->created_at_ms, 1);
    assert_int_equal(r->deadline_ms, 2);
    assert_int_equal(r->priority, -3);
    assert_true(r->has_reward_model_score && r->reward_model_score == -0.25);
    decoding_done(&d);
    decoding_accept(&d, STR(WITH("\"reward_model_score\":null,\"attempt\":null")));
    assert_false(d.record->has_reward_model_score);
    decoding_done(&d);
}

static void lists_and_structures(void **state RBR_UNUSED)
{
    struct decoding d;
    decoding_accept(
        &d,
        STR(WITH("\"weight_versions\":[\"7\",8,null],"
                 "\"sampling\":{\"temperature\":0,\"top_p\":0.9,\"seed\":-1,\"top_k\":5,"
                 "\"max_tokens\":100},"
                 "\"scores\":[{\"name\":\"n\",\"value\":1.5,\"source\":\"s\"},{\"value\":null}],"
                 "\"rubric\":[{\"id\":1,\"text\":\"t\",\"weight\":-2,\"negative\":true,"
                 "\"required\":false,\"grader\":\"g\"},{\"negative\":null,\"required\":null}],"
                 "\"labels\":[{\"key\":\"k\",\"value\":1}],"
                 "\"propositions\":{\"a\":true,\"b\":false,\"c\":0.25,\"d\":null}")));
    const struct record *r = d.record;
    assert_int_equal(r->n_weight_versions, 3);
    assert_str(r->weight_versions[1], "8");
    assert_str(r->weight_versions[2], "");
    assert_true(r->sampling.has_temperature && r->sampling.temperature == 0);
    assert_true(r->sampling.has_top_p && r->sampling.top_p == 0.9);
    assert_true(r->sampling.has_seed && r->sampling.seed == -1);
    assert_int_equal(r->sampling.top_k, 5);
    assert_int_equal(r->sampling.max_tokens, 100);
    assert_int_equal(r->n_scores, 2);
    assert_str(r->scores[0].name, "n");
    assert_str(r->scores[0].source, "s");
    assert_true(r->scores[0].has_value && r->scores[0].value == 1.5);
    assert_false(r->scores[1].has_value);
    assert_int_equal(r->n_rubric, 2);
    assert_str(r->rubric[0].id, "1");
    assert_str(r->rubric[0].text, "t");
    assert_str(r->rubric[0].grader, "g");
    assert_true(r->rubric[0].has_weight && r->rubric[0].weight == -2);
    assert_true(r->rubric[0].negative && !r->rubric[0].required);
    assert_int_equal(r->n_labels, 1);
    assert_str(r->labels[0].value, "1");
    assert_int_equal(r->n_known, 3);
    assert_str(r->known[2].name, "c");
    assert_true(r->known[0].probability == 1 && r->known[1].probability == 0 &&
                r->known[2].probability == 0.25);
    assert_int_equal(r->extra_info_json.n, 0);
    decoding_done(&d);
    decoding_accept(&d, STR(WITH("\"labels\":{\"k\":\"v\",\"e\":null},\"sampling\":{\"seed\":null,"
                                 "\"temperature\":null,\"top_p\":null,\"top_k\":null,"
                                 "\"max_tokens\":null}")));
    assert_int_equal(d.record->n_labels, 2);
    assert_str(d.record->labels[0].key, "k");
    assert_str(d.record->labels[1].value, "");
    assert_false(d.record->sampling.has_seed || d.record->sampling.has_temperature ||
                 d.record->sampling.has_top_p);
    decoding_done(&d);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void texts_become_messages(void **state RBR_UNUSED)
{
    static const char *const names[] = {"completion", "response", "solution_str"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct decoding d;
        struct buf b;
        buf_init(&b, 1000);
        (void)buf_printf(&b, "{" P ",\"%s\":\"\"}", names[i]);
        decoding_accept(&d, buf_str(&b));
        assert_int_equal(d.record->n_prompt, 1);
        assert_str(d.record->prompt[0].role, "user");
        assert_str(d.record->prompt[0].content, "p");
        assert_int_equal(d.record->n_completion, 1);
        assert_str(d.record->completion[0].role, "assistant");
        assert_str(d.record->completion[0].content, "");
        buf_done(&b);
        decoding_done(&d);
    }
}

static void one_list_is_split_before_its_last_answers(void **state RBR_UNUSED)
{
    struct decoding d;
    decoding_accept(&d, STR("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
                            "{\"role\":\"assistant\",\"content\":\"earlier\"},"
                            "{\"role\":\"user\",\"content\":\"u\"},"
                            "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},"
                            "{\"role\":\"tool\",\"content\":\"t\"},"
                            "{\"role\":\"assistant\",\"content\":\"last\"}]}"));
    assert_int_equal(d.record->n_prompt, 3);
    assert_int_equal(d.record->n_completion, 3);
    assert_str(d.record->completion[1].role, "tool");
    assert_str(record_response(d.record), "last");
    decoding_done(&d);
}

static void messages_have_calls_and_parts(void **state RBR_UNUSED)
{
    struct decoding d;
    decoding_accept(
        &d,
        STR("{\"prompt\":[{\"role\":\"user\",\"content\":[\"plain\",{\"type\":\"text\",\"text\":"
            "\"x\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"u1\"}},{\"type\":\"image_"
            "url\","
            "\"image_url\":\"u2\"},{\"type\":\"file\",\"uri\":\"u3\",\"mime_type\":\"m\","
            "\"image_url\":null}]}],"
            "\"completion\":[{\"role\":\"assistant\",\"reasoning_content\":\"r\",\"name\":\"n\","
            "\"tool_call_id\":\"i\",\"parts\":[{\"text\":\"y\"}],\"tool_calls\":["
            "{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
            "\"{\\\"a\\\":1}\"}},{\"id\":\"2\",\"name\":\"g\",\"arguments\":{ \"b\" : 2 },"
            "\"function\":null}]},{\"role\":\"tool\",\"parts\":null,\"tool_calls\":null}]}"));
    const struct message *p = &d.record->prompt[0], *c = &d.record->completion[0];
    assert_int_equal(p->n_parts, 5);
    assert_str(p->parts[0].type, "text");
    assert_str(p->parts[0].text, "plain");
    assert_str(p->parts[1].text, "x");
    assert_str(p->parts[2].uri, "u1");
    assert_str(p->parts[3].uri, "u2");
    assert_str(p->parts[4].uri, "u3");
    assert_str(p->parts[4].mime_type, "m");
    assert_str(c->reasoning_content, "r");
    assert_str(c->name, "n");
    assert_str(c->tool_call_id, "i");
    assert_str(c->parts[0].text, "y");
    assert_int_equal(c->n_tool_calls, 2);
    assert_str(c->tool_calls[0].type, "function");
    assert_str(c->tool_calls[0].name, "f");
    assert_str(c->tool_calls[0].arguments, "{\"a\":1}");
    assert_str(c->tool_calls[1].name, "g");
    assert_str(c->tool_calls[1].arguments, "{ \"b\" : 2 }");
    assert_int_equal(d.record->completion[1].n_parts, 0);
    decoding_done(&d);
}

/* ---- what means nothing to us -----------------------------------------------------------------
 */

static void unknown_keys_are_kept(void **state RBR_UNUSED)
{
    static const struct {
        const char *members;
        struct str extra;
    } cases[] = {
        {"\"zz\":[1, 2],\"y\\n\":null,\"x\\n\":\"\\u00e9\"",
         STR_INIT("{\"zz\":[1, 2],\"x\\n\":\"\\u00e9\"}")},
        {"\"extra_info\":{\"a\":1},\"b\":2", STR_INIT("{\"a\":1,\"b\":2}")},
        {"\"metadata\":{\"b\":1},\"b\":2", STR_INIT("{\"b\":1}")}, /* given wins */
        {"\"metadata\":{},\"b\":2", STR_INIT("{\"b\":2}")},
        {"\"extra_info\":[1],\"b\":2", STR_INIT("{\"extra_info\":[1],\"b\":2}")},
        {"\"extra_info\":null,\"metadata\":{\"a\":1},\"b\":2", STR_INIT("{\"a\":1,\"b\":2}")},
        {"\"extra_info_json\":\"{\\\"a\\\":1}\"", STR_INIT("{\"a\":1}")},
        {"\"extra_info\":{\"a\" : 1}", STR_INIT("{\"a\" : 1}")},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct decoding d;
        struct buf b;
        buf_init(&b, 1000);
        (void)buf_printf(&b, "{%s," PC "}", cases[i].members);
        decoding_accept(&d, buf_str(&b));
        assert_strs(d.record->extra_info_json, cases[i].extra);
        buf_done(&b);
        decoding_done(&d);
    }
}

/* Known keys behind the 512th were once kept as unknown ones too, prompt and all. */
static void known_keys_behind_many_unknown_ones(void **state RBR_UNUSED)
{
    struct decoding d;
    struct buf b;
    buf_init(&b, 1u << 20);
    (void)buf_append_z(&b, "{");
    for (int i = 0; i < 600; i++)
        (void)buf_printf(&b, "\"k%d\":%d,", i, i);
    (void)buf_append_z(&b, PC "}");
    decoding_accept(&d, buf_str(&b));
    assert_true(str_find(d.record->extra_info_json, STR("\"k599\":599"), 0) != SIZE_MAX);
    assert_true(str_find(d.record->extra_info_json, STR("prompt"), 0) == SIZE_MAX);
    buf_done(&b);
    decoding_done(&d);
}

/* 4 MiB of keys on both sides must not take their product in comparisons. */
static void many_keys_beside_many_given_ones_stay_quick(void **state RBR_UNUSED)
{
    struct decoding d;
    struct buf b;
    struct timespec start, end;
    buf_init(&b, 4u << 20);
    (void)buf_append_z(&b, "{\"extra_info\":{");
    for (int i = 0; i < 100000; i++)
        (void)buf_printf(&b, "%s\"a%05d\":0", i > 0 ? "," : "", i);
    (void)buf_append_z(&b, "}");
    for (int i = 0; i < 100000; i++)
        (void)buf_printf(&b, ",\"b%05d\":0", i);
    (void)buf_append_z(&b, "," PC "}");
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    decoding_accept(&d, buf_str(&b));
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_true(end.tv_sec - start.tv_sec < 10);
    assert_true(str_find(d.record->extra_info_json, STR("\"b99999\":0"), 0) != SIZE_MAX);
    buf_done(&b);
    decoding_done(&d);
}

/* ---- limits -----------------------------------------------------------------------------------
 */

/* Whatever the limit, a record is whole or refused for memory: every member that was given is
 * there. */
static void memory_is_bounded_and_nothing_is_lost(void **state RBR_UNUSED)
{
    static const struct str text = STR_INIT(WITH(
        "\"weight_versions\":[\"7\"],\"scores\":[{\"name\":\"n\"}],\"rubric\":[{\"text\":\"t\"}],"
        "\"labels\":{\"k\":\"v\"},\"propositions\":{\"a\":true},\"zz\":\"unknown\",\"id\":\"x\","
        "\"tools\":[1],\"messages\":null,\"run_id\":\"r\""));
    size_t taken = 0, refusals = 0;
    for (size_t max = 0; max < 12000; max += 16) {
        struct record_limits limits = record_limits_default;
        struct decoding d;
        limits.memory_bytes = max;
        decoding_run(&d, text, RECORD_JSON, &limits, NULL);
        assert_true(d.arena.used <= max);
        if (d.record == NULL) {
            assert_int_equal(d.refusal.kind, REFUSAL_TOO_MUCH_MEMORY);
            refusals++;
        } else {
            const struct record *r = d.record;
            assert_int_equal(
                r->n_weight_versions + r->n_scores + r->n_rubric + r->n_labels + r->n_known, 5);
            assert_str(r->extra_info_json, "{\"zz\":\"unknown\"}");
            taken++;
        }
        decoding_done(&d);
    }
    assert_true(taken > 10 && refusals > 10);
}

/* A list of calls that did not fit was once left out without a word. */
static void calls_that_do_not_fit_are_a_refusal(void **state RBR_UNUSED)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    (void)buf_append_z(&b, "{" P ",\"completion\":[{\"role\":\"assistant\",\"tool_calls\":[");
    for (int i = 0; i < 1000; i++)
        (void)buf_append_z(&b, i > 0 ? ",{}" : "{}");
    (void)buf_append_z(&b, "]}]}");
    size_t taken = 0;
    for (size_t max = 90000; max < 250000; max += 4096) {
        struct record_limits limits = record_limits_default;
        struct decoding d;
        limits.memory_bytes = max;
        decoding_run(&d, buf_str(&b), RECORD_JSON, &limits, &decoding_origin);
        if (d.record != NULL) {
            assert_int_equal(d.record->completion[0].n_tool_calls, 1000);
            taken++;
        }
        assert_int_equal(d.record == NULL, d.refusal.kind == REFUSAL_TOO_MUCH_MEMORY);
        decoding_done(&d);
    }
    assert_true(taken > 0);
    buf_done(&b);
}

static void small_values_cannot_take_much_memory(void **state RBR_UNUSED)
{
    size_t n = 3u << 20;
    char *text = mem_resize(NULL, n);
    memcpy(text, "{\"x\":[", 6);
    for (size_t i = 6; i < n; i++)
        text[i] = i % 2 == 0 ? '0' : ',';
    text[n - 2] = ']';
    text[n - 1] = '}';
    struct decoding d;
    decoding_run(&d, (struct str){text, n}, RECORD_JSON, &record_limits_default, &decoding_origin);
    assert_null(d.record);
    assert_int_equal(d.refusal.kind, REFUSAL_TOO_MUCH_MEMORY);
    decoding_done(&d);
    mem_free(text);
}

static void a_megabyte_of_text_is_itself(void **state RBR_UNUSED)
{
    static const struct str unit = STR_INIT("a\0\xf0\x9f\x98\x80{question}<|im_end|>```\"\\\n");
    struct decoding d;
    struct buf text, value;
    buf_init(&text, 2u << 20);
    buf_init(&value, 4u << 20);
    while (text.n < 1u << 20)
        (void)buf_append_str(&text, unit);
    (void)buf_append_z(&value, "{" P ",\"completion\":");
    (void)json_quote(&value, buf_str(&text));
    (void)buf_append_z(&value, "}");
    decoding_accept(&d, buf_str(&value));
    assert_strs(record_response(d.record), buf_str(&text));
    decoding_done(&d);
    buf_done(&text);
    buf_done(&value);
}

static void the_released_gold_rows_are_taken_as_they_are(void **state RBR_UNUSED)
{
    struct str all = unit_read_file(UNIT_DATA "gold_train.jsonl");
    if (all.p == NULL) {
        print_message("SKIPPED: %s is not there\n", UNIT_DATA "gold_train.jsonl");
        skip();
    }
    size_t rows = 0;
    for (size_t at = 0; at < all.n;) {
        size_t end = str_find(all, STR("\n"), at);
        end = end == SIZE_MAX ? all.n : end;
        struct decoding d;
        decoding_accept(&d, str_sub(all, at, end));
        assert_true(d.record->n_prompt > 0 && d.record->response_type.n > 0);
        assert_true(d.record->behavior_category.n > 0 && d.record->n_known > 0);
        assert_true(d.record->n_completion > 0); /* seven of them are empty text */
        decoding_done(&d);
        rows++;
        at = end + 1;
    }
    assert_int_equal(rows, 351);
    mem_free((char *)(uintptr_t)all.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_with_kind_byte_and_field),
        cmocka_unit_test(a_wrong_type_says_which_is_wanted),
        cmocka_unit_test(only_an_object_is_a_record),
        cmocka_unit_test(an_id_comes_from_the_record_or_from_its_place),
        cmocka_unit_test(every_name_of_a_text_field),
        cmocka_unit_test(two_names_that_agree_are_one),
        cmocka_unit_test(names_of_numbers),
        cmocka_unit_test(lists_and_structures),
        cmocka_unit_test(texts_become_messages),
        cmocka_unit_test(one_list_is_split_before_its_last_answers),
        cmocka_unit_test(messages_have_calls_and_parts),
        cmocka_unit_test(unknown_keys_are_kept),
        cmocka_unit_test(known_keys_behind_many_unknown_ones),
        cmocka_unit_test(many_keys_beside_many_given_ones_stay_quick),
        cmocka_unit_test(memory_is_bounded_and_nothing_is_lost),
        cmocka_unit_test(calls_that_do_not_fit_are_a_refusal),
        cmocka_unit_test(small_values_cannot_take_much_memory),
        cmocka_unit_test(a_megabyte_of_text_is_itself),
        cmocka_unit_test(the_released_gold_rows_are_taken_as_they_are),
    };
    return cmocka_run_group_tests_name("decode_json", tests, NULL, NULL);
}
