/* JSON in: the shape most people have (OpenAI chat messages), with the aliases of the RL
 * frameworks. One table says which keys mean which field. Keys that mean nothing to us are kept in
 * extra_info_json, never an error. */
#include <inttypes.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/json.h"
#include "record/decode.h"

struct reader {
    struct decoder *d;
    const struct json *root;
    struct arena *tree; /* what ends with the decoding */
    bool *used; /* by position of the top-level member */
};

static bool fail(struct reader *r, enum refusal_kind kind, const struct json *at, const char *field)
{
    return refuse(r->d->refusal, kind, at->start, field);
}

static bool wrong_type(struct reader *r, const struct json *at, const char *field,
                       const char *wanted)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "true or false", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "a list",       [JSON_OBJECT] = "an object",
    };
    (void)fail(r, REFUSAL_WRONG_TYPE, at, field);
    r->d->refusal->found = names[at->type];
    r->d->refusal->wanted = wanted;
    return false;
}

static bool keep(struct reader *r, const struct json *at, struct str s, struct str *ret)
{
    if (s.n == 0) {
        *ret = STR("");
        return true;
    }
    return arena_copy(r->d->arena, s, ret) || fail(r, REFUSAL_TOO_MUCH_MEMORY, at, "");
}

static void *array_of(struct reader *r, const struct json *at, size_t n, size_t size)
{
    void *p = arena_array(r->d->arena, n > 0 ? n : 1, size);
    if (p == NULL)
        (void)fail(r, REFUSAL_TOO_MUCH_MEMORY, at, "");
    return p;
}

/* ---- single values ----------------------------------------------------------------------------
 */

/* Text; a number or a boolean counts as its own text (ids are often numbers). null is absent. */
static bool read_text(struct reader *r, const struct json *v, const char *field, struct str *ret)
{
    switch (v->type) {
    case JSON_NULL:
        *ret = (struct str){0};
        return true;
    case JSON_STRING:
    case JSON_NUMBER:
        return keep(r, v, v->string, ret);
    case JSON_BOOL:
        return keep(r, v, v->boolean ? STR("true") : STR("false"), ret);
    default:
        return wrong_type(r, v, field, "a string");
    }
}

/* Any value as JSON text; a string as it is. */
static bool read_any(struct reader *r, const struct json *v, struct str *ret)
{
    if (v->type == JSON_NULL)
        return true;
    return keep(r, v, v->type == JSON_STRING ? v->string : str_sub(r->d->value, v->start, v->end),
                ret);
}

static bool read_integer(struct reader *r, const struct json *v, const char *field, int64_t min,
                         int64_t max, int64_t *ret)
{
    if (v->type != JSON_NUMBER)
        return wrong_type(r, v, field, "an integer");
    return json_integer(v, min, max, ret) || fail(r, REFUSAL_OUT_OF_RANGE, v, field);
}

static bool read_double(struct reader *r, const struct json *v, const char *field, double *ret)
{
    if (v->type != JSON_NUMBER)
        return wrong_type(r, v, field, "a number");
    *ret = v->number;
    return true;
}

static bool read_bool(struct reader *r, const struct json *v, const char *field, bool *ret)
{
    if (v->type != JSON_BOOL)
        return wrong_type(r, v, field, "true or false");
    *ret = v->boolean;
    return true;
}

static bool is_given(const struct json *v)
{
    return v != NULL && v->type != JSON_NULL;
}

/* Every element of the list must be an object. */
static bool only_objects(struct reader *r, const struct json *list, const char *field)
{
    for (const struct json *v = list->child; v != NULL; v = v->next)
        if (v->type != JSON_OBJECT)
            return wrong_type(r, v, field, "an object");
    return true;
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static bool member_text(struct reader *r, const struct json *object, const char *key,
                        const char *path, struct str *ret)
{
    char field[64];
    const struct json *v = json_get(object, str_z(key));
    if (v == NULL)
        return true;
    (void)snprintf(field, sizeof(field), "%s.%s", path, key);
    return read_text(r, v, field, ret);
}

static bool read_tool_call(struct reader *r, const struct json *v, const char *path,
                           struct tool_call *out)
{
    /* OpenAI's shape: {id, type, function: {name, arguments}}; ours has name and arguments beside
     * id. */
    const struct json *function = json_get(v, STR("function"));
    const struct json *named = is_given(function) ? function : v;
    const struct json *arguments = json_get(named, STR("arguments"));
    if (v->type != JSON_OBJECT || named->type != JSON_OBJECT)
        return wrong_type(r, named, path, "an object");
    if (arguments != NULL && !read_any(r, arguments, &out->arguments))
        return false;
    return member_text(r, v, "id", path, &out->id) && member_text(r, v, "type", path, &out->type) &&
           member_text(r, named, "name", path, &out->name);
}

static bool read_tool_calls(struct reader *r, const struct json *list, const char *path,
                            struct message *m)
{
    if (list->type != JSON_ARRAY)
        return wrong_type(r, list, path, "a list");
    m->tool_calls = array_of(r, list, list->count, sizeof(*m->tool_calls));
    if (m->tool_calls == NULL)
        return false;
    for (const struct json *c = list->child; c != NULL; c = c->next)
        if (!read_tool_call(r, c, path, &m->tool_calls[m->n_tool_calls++]))
            return false;
    return true;
}

static bool read_part(struct reader *r, const struct json *v, const char *path,
                      struct content_part *out)
{
    if (v->type == JSON_STRING) {
        out->type = STR("text");
        return keep(r, v, v->string, &out->text);
    }
    if (v->type != JSON_OBJECT)
        return wrong_type(r, v, path, "a string or an object");
    const struct json *image = json_get(v, STR("image_url"));
    if (is_given(image) &&
        !(image->type == JSON_OBJECT ? member_text(r, image, "url", path, &out->uri)
                                     : read_text(r, image, path, &out->uri)))
        return false;
    return member_text(r, v, "type", path, &out->type) &&
           member_text(r, v, "text", path, &out->text) &&
           member_text(r, v, "uri", path, &out->uri) &&
           member_text(r, v, "mime_type", path, &out->mime_type);
}

static bool read_parts(struct reader *r, const struct json *list, const char *path,
                       struct message *m)
{
    m->parts = array_of(r, list, list->count, sizeof(*m->parts));
    if (m->parts == NULL)
        return false;
    for (const struct json *v = list->child; v != NULL; v = v->next)
        if (!read_part(r, v, path, &m->parts[m->n_parts++]))
            return false;
    return true;
}

static bool read_content(struct reader *r, const struct json *v, const char *path,
                         struct message *m)
{
    if (v->type == JSON_NULL)
        return true;
    if (v->type == JSON_ARRAY)
        return read_parts(r, v, path, m);
    if (v->type != JSON_STRING)
        return wrong_type(r, v, path, "a string or a list");
    return keep(r, v, v->string, &m->content);
}

static bool read_message(struct reader *r, const struct json *v, const char *path,
                         struct message *m)
{
    char field[64];
    const struct json *content = json_get(v, STR("content")),
                      *calls = json_get(v, STR("tool_calls"));
    const struct json *role = json_get(v, STR("role")), *parts = json_get(v, STR("parts"));
    if (v->type != JSON_OBJECT)
        return wrong_type(r, v, path, "an object");
    (void)snprintf(field, sizeof(field), "%s.role", path);
    if (role == NULL || role->type != JSON_STRING || !role_is_plain(role->string))
        return fail(r, REFUSAL_BAD_ROLE, role != NULL ? role : v, field);
    (void)snprintf(field, sizeof(field), "%s.content", path);
    if (!keep(r, role, role->string, &m->role) ||
        (content != NULL && !read_content(r, content, field, m)))
        return false;
    (void)snprintf(field, sizeof(field), "%s.parts", path);
    if (is_given(parts) && parts->type != JSON_ARRAY)
        return wrong_type(r, parts, field, "a list");
    if (is_given(parts) && m->n_parts == 0 && !read_parts(r, parts, field, m))
        return false;
    (void)snprintf(field, sizeof(field), "%s.tool_calls", path);
    if (is_given(calls) && !read_tool_calls(r, calls, field, m))
        return false;
    return member_text(r, v, "reasoning_content", path, &m->reasoning_content) &&
           member_text(r, v, "name", path, &m->name) &&
           member_text(r, v, "tool_call_id", path, &m->tool_call_id);
}

/* A list of messages; a string is one message of `role`. */
static bool read_messages(struct reader *r, const struct json *v, const char *name, struct str role,
                          struct message **ret, size_t *ret_n)
{
    size_t n = v->type == JSON_ARRAY ? v->count : 1, i = 0;
    if (v->type != JSON_ARRAY && v->type != JSON_STRING)
        return wrong_type(r, v, name, "a string or a list");
    struct message *list = array_of(r, v, n, sizeof(*list));
    if (list == NULL)
        return false;
    if (v->type == JSON_STRING) {
        list[0].role = role;
        if (!keep(r, v, v->string, &list[0].content))
            return false;
    } else {
        for (const struct json *m = v->child; m != NULL; m = m->next, i++) {
            char path[48];
            (void)snprintf(path, sizeof(path), "%s[%zu]", name, i);
            if (!read_message(r, m, path, &list[i]))
                return false;
        }
    }
    *ret = list;
    *ret_n = n;
    return true;
}

/* ---- the table of keys ------------------------------------------------------------------------
 */

enum field_type {
    TEXT,
    ANY_JSON, /* text, or any value as JSON text */
    UNSIGNED, /* uint32_t */
    SIGNED32,
    SIGNED64,
    CUSTOM,
};

struct field {
    const char *names[6]; /* the field's own first, then aliases */
    enum field_type type;
    size_t offset;
    bool (*read)(struct reader *r, const struct json *v, struct record *out);
};

static bool read_prompt(struct reader *r, const struct json *v, struct record *out)
{
    return read_messages(r, v, "prompt", STR("user"), &out->prompt, &out->n_prompt);
}

static bool read_completion(struct reader *r, const struct json *v, struct record *out)
{
    return read_messages(r, v, "completion", STR("assistant"), &out->completion,
                         &out->n_completion);
}

/* One list for both: its trailing run of assistant and tool messages is the completion. */
static bool read_both(struct reader *r, const struct json *v, struct record *out)
{
    struct message *all;
    size_t n;
    if (v->type != JSON_ARRAY)
        return wrong_type(r, v, "messages", "a list");
    if (out->n_prompt > 0 || out->n_completion > 0)
        return fail(r, REFUSAL_CONFLICTING_ALIASES, v, "messages");
    if (!read_messages(r, v, "messages", STR("user"), &all, &n))
        return false;
    size_t split = n;
    while (split > 0 && (str_eq(all[split - 1].role, STR("assistant")) ||
                         str_eq(all[split - 1].role, STR("tool"))))
        split--;
    out->prompt = all;
    out->n_prompt = split;
    out->completion = all + split;
    out->n_completion = n - split;
    return true;
}

static bool read_sample_index(struct reader *r, const struct json *v, struct record *out)
{
    int64_t i = 0;
    if (!read_integer(r, v, "sample_index", 0, UINT32_MAX, &i))
        return false;
    out->sample_index = (uint32_t)i;
    out->has_sample_index = true;
    return true;
}

static bool read_score(struct reader *r, const struct json *v, struct record *out)
{
    out->has_reward_model_score = v->type != JSON_NULL;
    return v->type == JSON_NULL ||
           read_double(r, v, "reward_model_score", &out->reward_model_score);
}

static bool read_versions(struct reader *r, const struct json *v, struct record *out)
{
    if (v->type != JSON_ARRAY)
        return wrong_type(r, v, "weight_versions", "a list");
    out->weight_versions = array_of(r, v, v->count, sizeof(*out->weight_versions));
    for (const struct json *c = v->child; out->weight_versions != NULL && c != NULL; c = c->next)
        if (!read_text(r, c, "weight_versions", &out->weight_versions[out->n_weight_versions++]))
            return false;
    return out->weight_versions != NULL;
}

static bool read_sampling(struct reader *r, const struct json *v, struct record *out)
{
    struct sampling_params *s = &out->sampling;
    const struct json *t = json_get(v, STR("temperature")), *p = json_get(v, STR("top_p"));
    const struct json *seed = json_get(v, STR("seed")), *k = json_get(v, STR("top_k"));
    const struct json *max = json_get(v, STR("max_tokens"));
    int64_t top_k = 0, max_tokens = 0;
    if (v->type != JSON_OBJECT)
        return wrong_type(r, v, "sampling", "an object");
    s->has_temperature = is_given(t);
    s->has_top_p = is_given(p);
    s->has_seed = is_given(seed);
    if ((s->has_temperature && !read_double(r, t, "sampling.temperature", &s->temperature)) ||
        (s->has_top_p && !read_double(r, p, "sampling.top_p", &s->top_p)) ||
        (s->has_seed && !read_integer(r, seed, "sampling.seed", INT64_MIN, INT64_MAX, &s->seed)))
        return false;
    if (is_given(k) && !read_integer(r, k, "sampling.top_k", 0, UINT32_MAX, &top_k))
        return false;
    if (is_given(max) && !read_integer(r, max, "sampling.max_tokens", 0, UINT32_MAX, &max_tokens))
        return false;
    s->top_k = (uint32_t)top_k;
    s->max_tokens = (uint32_t)max_tokens;
    return true;
}

/* A list of {key, value}, or an object. */
static bool read_labels(struct reader *r, const struct json *v, struct record *out)
{
    if (v->type != JSON_OBJECT && v->type != JSON_ARRAY)
        return wrong_type(r, v, "labels", "a list or an object");
    if (v->type == JSON_ARRAY && !only_objects(r, v, "labels"))
        return false;
    out->labels = array_of(r, v, v->count, sizeof(*out->labels));
    for (const struct json *c = v->child; out->labels != NULL && c != NULL; c = c->next) {
        struct label *l = &out->labels[out->n_labels++];
        bool ok = v->type == JSON_OBJECT
                      ? keep(r, c, c->key, &l->key) && read_text(r, c, "labels", &l->value)
                      : member_text(r, c, "key", "labels", &l->key) &&
                            member_text(r, c, "value", "labels", &l->value);
        if (!ok)
            return false;
    }
    return out->labels != NULL;
}

static bool read_scores(struct reader *r, const struct json *v, struct record *out)
{
    if (v->type != JSON_ARRAY)
        return wrong_type(r, v, "scores", "a list");
    if (!only_objects(r, v, "scores"))
        return false;
    out->scores = array_of(r, v, v->count, sizeof(*out->scores));
    for (const struct json *c = v->child; out->scores != NULL && c != NULL; c = c->next) {
        struct named_score *s = &out->scores[out->n_scores++];
        const struct json *value = json_get(c, STR("value"));
        s->has_value = is_given(value);
        if ((s->has_value && !read_double(r, value, "scores.value", &s->value)) ||
            !member_text(r, c, "name", "scores", &s->name) ||
            !member_text(r, c, "source", "scores", &s->source))
            return false;
    }
    return out->scores != NULL;
}

static bool read_rubric(struct reader *r, const struct json *v, struct record *out)
{
    if (v->type != JSON_ARRAY)
        return wrong_type(r, v, "rubric", "a list");
    if (!only_objects(r, v, "rubric"))
        return false;
    out->rubric = array_of(r, v, v->count, sizeof(*out->rubric));
    for (const struct json *c = v->child; out->rubric != NULL && c != NULL; c = c->next) {
        struct criterion *k = &out->rubric[out->n_rubric++];
        const struct json *weight = json_get(c, STR("weight")),
                          *negative = json_get(c, STR("negative"));
        const struct json *required = json_get(c, STR("required"));
        k->has_weight = is_given(weight);
        if ((k->has_weight && !read_double(r, weight, "rubric.weight", &k->weight)) ||
            (is_given(negative) && !read_bool(r, negative, "rubric.negative", &k->negative)) ||
            (is_given(required) && !read_bool(r, required, "rubric.required", &k->required)) ||
            !member_text(r, c, "id", "rubric", &k->id) ||
            !member_text(r, c, "text", "rubric", &k->text) ||
            !member_text(r, c, "grader", "rubric", &k->grader))
            return false;
    }
    return out->rubric != NULL;
}

/* Known judgments: {name: true | false | probability}. null means not known. */
static bool read_known(struct reader *r, const struct json *v, struct record *out)
{
    if (v->type != JSON_OBJECT)
        return wrong_type(r, v, "propositions", "an object");
    out->known = array_of(r, v, v->count, sizeof(*out->known));
    for (const struct json *c = v->child; out->known != NULL && c != NULL; c = c->next) {
        struct known_judgment *k = &out->known[out->n_known];
        if (c->type == JSON_NULL)
            continue;
        if (c->type != JSON_BOOL && c->type != JSON_NUMBER)
            return wrong_type(r, c, "propositions", "true, false or a number");
        k->probability = c->type == JSON_BOOL ? (c->boolean ? 1 : 0) : c->number;
        if (k->probability < 0 || k->probability > 1)
            return fail(r, REFUSAL_OUT_OF_RANGE, c, "propositions");
        if (!keep(r, c, c->key, &k->name))
            return false;
        out->n_known++;
    }
    return out->known != NULL;
}

#define AT(member) offsetof(struct record, member)

static const struct field fields[] = {
    {{"completion_id", "rollout_id", "uuid", "id"}, TEXT, AT(completion_id), NULL},
    {{"run_id"}, TEXT, AT(run_id), NULL},
    {{"attempt"}, UNSIGNED, AT(attempt), NULL},
    {{"group_id", "uid", "group_index", "instance_id"}, TEXT, AT(group_id), NULL},
    {{"sample_index", "repetition_id", "index"}, CUSTOM, 0, read_sample_index},
    {{"group_size"}, UNSIGNED, AT(group_size), NULL},
    {{"prompt_id"}, TEXT, AT(prompt_id), NULL},
    {{"data_source"}, TEXT, AT(data_source), NULL},
    {{"split"}, TEXT, AT(split), NULL},
    {{"weight_versions"}, CUSTOM, 0, read_versions},
    {{"global_step"}, SIGNED64, AT(global_step), NULL},
    {{"min_global_step"}, SIGNED64, AT(min_global_step), NULL},
    {{"max_global_step"}, SIGNED64, AT(max_global_step), NULL},
    {{"prompt"}, CUSTOM, 0, read_prompt},
    {{"completion", "response", "solution_str"}, CUSTOM, 0, read_completion},
    {{"messages"}, CUSTOM, 0, read_both},
    {{"tools_json", "tools"}, ANY_JSON, AT(tools_json), NULL},
    {{"finish_reason"}, TEXT, AT(finish_reason), NULL},
    {{"prompt_tokens"}, UNSIGNED, AT(prompt_tokens), NULL},
    {{"completion_tokens"}, UNSIGNED, AT(completion_tokens), NULL},
    {{"model"}, TEXT, AT(model), NULL},
    {{"sampling"}, CUSTOM, 0, read_sampling},
    {{"policy_id"}, TEXT, AT(policy_id), NULL},
    {{"response_type"}, TEXT, AT(response_type), NULL},
    {{"behavior_category", "category"}, TEXT, AT(behavior_category), NULL},
    {{"reward_model_score"}, CUSTOM, 0, read_score},
    {{"reward_model"}, TEXT, AT(reward_model), NULL},
    {{"scores"}, CUSTOM, 0, read_scores},
    {{"rubric"}, CUSTOM, 0, read_rubric},
    {{"ground_truth", "label", "answer", "expected_answer"}, ANY_JSON, AT(ground_truth), NULL},
    {{"extra_info_json", "extra_info", "metadata"}, ANY_JSON, AT(extra_info_json), NULL},
    {{"created_at_ms"}, SIGNED64, AT(created_at_ms), NULL},
    {{"deadline_ms"}, SIGNED64, AT(deadline_ms), NULL},
    {{"priority"}, SIGNED32, AT(priority), NULL},
    {{"traceparent"}, TEXT, AT(traceparent), NULL},
    {{"labels"}, CUSTOM, 0, read_labels},
    {{"propositions"}, CUSTOM, 0, read_known},
};

static bool read_field(struct reader *r, const struct field *f, const struct json *v,
                       struct record *out)
{
    char *at = (char *)out + f->offset;
    int64_t n = 0;
    switch (f->type) {
    case TEXT:
        return read_text(r, v, f->names[0], (struct str *)(void *)at);
    case ANY_JSON:
        return read_any(r, v, (struct str *)(void *)at);
    case UNSIGNED:
        if (!read_integer(r, v, f->names[0], 0, UINT32_MAX, &n))
            return false;
        *(uint32_t *)(void *)at = (uint32_t)n;
        return true;
    case SIGNED32:
        if (!read_integer(r, v, f->names[0], INT32_MIN, INT32_MAX, &n))
            return false;
        *(int32_t *)(void *)at = (int32_t)n;
        return true;
    case SIGNED64:
        return read_integer(r, v, f->names[0], INT64_MIN, INT64_MAX, (int64_t *)(void *)at);
    case CUSTOM:
        return f->read(r, v, out);
    }
    return false;
}

static bool same_value(struct reader *r, const struct json *a, const struct json *b)
{
    if (a->type == JSON_STRING && b->type == JSON_STRING)
        return str_eq(a->string, b->string);
    return str_eq(str_sub(r->d->value, a->start, a->end), str_sub(r->d->value, b->start, b->end));
}

static void mark_used(struct reader *r, const struct json *v)
{
    size_t i = 0;
    for (const struct json *m = r->root->child; m != v; m = m->next)
        i++;
    r->used[i] = true;
}

/* The value of a field under any of its names; two that differ are refused. */
static bool read_by_name(struct reader *r, const struct field *f, struct record *out)
{
    const struct json *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(f->names) && f->names[i] != NULL; i++) {
        const struct json *v = json_get(r->root, str_z(f->names[i]));
        if (v == NULL || v->type == JSON_NULL)
            continue;
        mark_used(r, v);
        if (found != NULL && !same_value(r, found, v))
            return fail(r, REFUSAL_CONFLICTING_ALIASES, v, f->names[i]);
        found = found != NULL ? found : v;
    }
    return found == NULL || read_field(r, f, found, out);
}

/* ---- what is left -----------------------------------------------------------------------------
 */

static void append_member(struct buf *b, struct reader *r, const struct json *m, bool *first)
{
    (void)buf_append_z(b, *first ? "{" : ",");
    *first = false;
    (void)json_quote(b, m->key);
    (void)buf_append_z(b, ":");
    (void)buf_append_str(b, str_sub(r->d->value, m->start, m->end));
}

static bool is_unknown(const struct reader *r, const struct json *m, size_t position)
{
    return !r->used[position] && m->type != JSON_NULL;
}

/* The extra information under the first of its names that is not null; NULL when there is none. */
static const struct json *given_extra(const struct reader *r)
{
    static const char *const names[] = {"extra_info_json", "extra_info", "metadata"};
    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        const struct json *v = json_get(r->root, str_z(names[k]));
        if (is_given(v))
            return v;
    }
    return NULL;
}

static void write_extra(struct reader *r, const struct json *given, const struct json_index *index,
                        struct buf *b)
{
    bool first = true;
    size_t i = 0;
    if (given != NULL && given->type == JSON_OBJECT)
        for (const struct json *m = given->child; m != NULL; m = m->next)
            append_member(b, r, m, &first);
    else if (given != NULL)
        append_member(b, r, given, &first);
    for (const struct json *m = r->root->child; m != NULL; m = m->next, i++)
        if (is_unknown(r, m, i) && json_index_get(index, m->key) == NULL)
            append_member(b, r, m, &first);
    (void)buf_append_z(b, "}");
}

/* extra_info_json: the given object's members, then the unknown keys. A given text that is no
 * object stays alone under its own name when unknown keys join it. */
static bool keep_unknown(struct reader *r, struct record *out)
{
    const struct json *given = given_extra(r);
    struct json_index index;
    bool unknown = false;
    size_t i = 0;
    for (const struct json *m = r->root->child; m != NULL; m = m->next, i++)
        unknown = unknown || is_unknown(r, m, i);
    if (!unknown)
        return true;
    if (!json_index(r->tree, given, &index))
        return fail(r, REFUSAL_TOO_MUCH_MEMORY, r->root, "extra_info_json");
    struct buf b;
    buf_init(&b, r->d->limits->memory_bytes);
    write_extra(r, given, &index, &b);
    bool ok = !b.failed && keep(r, r->root, buf_str(&b), &out->extra_info_json);
    buf_done(&b);
    return ok || fail(r, REFUSAL_TOO_MUCH_MEMORY, r->root, "extra_info_json");
}

static bool give_id(struct reader *r, struct record *out)
{
    const struct record_origin *o = r->d->origin;
    char id[64];
    if (out->completion_id.n > 0)
        return true;
    if (o == NULL)
        return fail(r, REFUSAL_MISSING_ID, r->root, "completion_id");
    int n = snprintf(id, sizeof(id), "/%" PRId32 "/%" PRId64, o->partition, o->offset);
    char *p = arena_alloc(r->d->arena, o->topic.n + (size_t)n);
    if (p == NULL)
        return fail(r, REFUSAL_TOO_MUCH_MEMORY, r->root, "");
    memcpy(p, o->topic.p, o->topic.n);
    memcpy(p + o->topic.n, id, (size_t)n);
    out->completion_id = (struct str){p, o->topic.n + (size_t)n};
    return true;
}

static bool refuse_json(struct decoder *d, const struct json_fault *fault)
{
    static const enum refusal_kind kinds[] = {
        [JSON_FAULT_SYNTAX] = REFUSAL_BAD_JSON,
        [JSON_FAULT_TRUNCATED] = REFUSAL_TRUNCATED_JSON,
        [JSON_FAULT_TRAILING] = REFUSAL_TRAILING_JSON,
        [JSON_FAULT_DUPLICATE_KEY] = REFUSAL_DUPLICATE_KEY,
        [JSON_FAULT_NOT_FINITE] = REFUSAL_NOT_FINITE,
        [JSON_FAULT_NOT_UTF8] = REFUSAL_NOT_UTF8,
        [JSON_FAULT_LONE_SURROGATE] = REFUSAL_LONE_SURROGATE,
        [JSON_FAULT_CONTROL] = REFUSAL_BAD_JSON,
        [JSON_FAULT_TOO_DEEP] = REFUSAL_TOO_DEEP,
        [JSON_FAULT_TOO_LARGE] = REFUSAL_TOO_MUCH_MEMORY,
    };
    return refuse(d->refusal, kinds[fault->kind], fault->offset, "");
}

static bool read_record(struct reader *r, struct record *out)
{
    if (r->root->type != JSON_OBJECT)
        return fail(r, REFUSAL_NOT_AN_OBJECT, r->root, "");
    r->used = arena_array(r->tree, r->root->count, sizeof(*r->used));
    if (r->used == NULL)
        return fail(r, REFUSAL_TOO_MUCH_MEMORY, r->root, "");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (!read_by_name(r, &fields[i], out))
            return false;
    if (out->n_prompt == 0)
        return fail(r, REFUSAL_MISSING_PROMPT, r->root, "prompt");
    if (out->n_completion == 0)
        return fail(r, REFUSAL_MISSING_COMPLETION, r->root, "completion");
    return give_id(r, out) && keep_unknown(r, out);
}

bool decode_json(struct decoder *d)
{
    struct arena tree; /* ends here: the record owns copies */
    struct json_fault fault;
    struct reader r = {.d = d, .tree = &tree};
    arena_init(&tree, d->limits->memory_bytes);
    r.root = json_parse(&tree, d->value, &fault);
    bool ok = r.root != NULL ? read_record(&r, d->record) : refuse_json(d, &fault);
    arena_done(&tree);
    return ok;
}
