#include "standin/chat.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "standin/standin.h"

enum {
    OK = 200,
    BAD_REQUEST = 400,
    TOP_LOGPROBS_MAX = 20, /* as the API has it */
    BYTES_PER_TOKEN = 4, /* a rule of thumb for `usage` */
};

/* What is left for tokens that are neither yes nor no, so that readers have something to leave
 * out. */
static const double other_mass = 0.005;
static const double certain = 0.999; /* a logprob must be finite */

void chat_error(struct buf *out, const char *message, const char *code)
{
    (void)buf_append_z(out, "{\"error\":{\"message\":");
    (void)json_quote(out, str_z(message));
    (void)buf_append_z(out, ",\"type\":\"invalid_request_error\",\"param\":null,\"code\":");
    if (code != NULL)
        (void)json_quote(out, str_z(code));
    else
        (void)buf_append_z(out, "null");
    (void)buf_append_z(out, "}}");
}

/* ---- the request ------------------------------------------------------------------------------
 */

struct chat_request {
    struct str prompt; /* all messages as one text */
    bool logprobs;
    int64_t top_logprobs;
    bool one_token; /* max_tokens is 1: the reply was cut by it */
};

static bool present(const struct json *v)
{
    return v != NULL && v->type != JSON_NULL;
}

/* Every message but the last as a |ROLE|: turn, as the inline layout writes a conversation. */
static const char *append_message(struct buf *prompt, const struct json *m, bool alone)
{
    const struct json *role = json_get(m, STR("role")), *content = json_get(m, STR("content"));
    if (m->type != JSON_OBJECT || role == NULL || role->type != JSON_STRING)
        return "every message needs a 'role'";
    if (!alone) {
        (void)buf_append_z(prompt, "|");
        for (size_t i = 0; i < role->string.n; i++) {
            char c = role->string.p[i];
            c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
            (void)buf_append(prompt, &c, 1);
        }
        (void)buf_append_z(prompt, "|: ");
    }
    if (content != NULL && content->type == JSON_STRING) {
        (void)buf_append_str(prompt, content->string);
        return NULL;
    }
    if (content == NULL || content->type != JSON_ARRAY)
        return "'content' must be text or a list of parts";
    for (const struct json *part = content->child; part != NULL; part = part->next) {
        const struct json *text = json_get(part, STR("text"));
        if (text == NULL || text->type != JSON_STRING)
            return "the stand-in takes only parts of type 'text'";
        (void)buf_append_str(prompt, text->string);
    }
    return NULL;
}

static const char *read_messages(struct arena *a, const struct json *messages, struct str *ret)
{
    if (messages == NULL || messages->type != JSON_ARRAY || messages->count == 0)
        return "'messages' must be a list with at least one message";
    const struct json *first = messages->child;
    const struct json *content = json_get(first, STR("content"));
    const struct json *role = json_get(first, STR("role"));
    if (messages->count == 1 && content != NULL && content->type == JSON_STRING && role != NULL &&
        role->type == JSON_STRING) {
        *ret = content->string; /* the usual case: nothing is copied */
        return NULL;
    }
    struct buf prompt;
    const char *wrong = NULL;
    buf_init(&prompt, a->max);
    for (const struct json *m = first; m != NULL && wrong == NULL; m = m->next) {
        wrong = append_message(&prompt, m, m->next == NULL);
        (void)buf_append_z(&prompt, m->next == NULL ? "" : m->next->next == NULL ? "\n\n" : "\n");
    }
    if (wrong == NULL && (prompt.failed || !arena_copy(a, buf_str(&prompt), ret)))
        wrong = "the messages are too long";
    buf_done(&prompt);
    return wrong;
}

static bool wants(const struct json *v)
{
    return v != NULL && v->type == JSON_BOOL && v->boolean;
}

static const char *read_options(const struct json *root, struct chat_request *ret)
{
    const struct json *model = json_get(root, STR("model"));
    const struct json *logprobs = json_get(root, STR("logprobs"));
    const struct json *top = json_get(root, STR("top_logprobs"));
    const struct json *choices = json_get(root, STR("n"));
    const struct json *max = json_get(root, STR("max_tokens"));
    int64_t n;
    if (present(model) && model->type != JSON_STRING)
        return "'model' must be text";
    if (wants(json_get(root, STR("stream"))))
        return "the stand-in does not stream; leave out 'stream'";
    if (present(choices) && !json_integer(choices, 1, 1, &n))
        return "the stand-in gives one choice; leave out 'n'";
    if (present(logprobs) && logprobs->type != JSON_BOOL)
        return "'logprobs' must be true or false";
    ret->logprobs = wants(logprobs);
    if (present(top) && !json_integer(top, 0, TOP_LOGPROBS_MAX, &ret->top_logprobs))
        return "'top_logprobs' must be a whole number from 0 to 20";
    if (present(top) && !ret->logprobs)
        return "'top_logprobs' needs 'logprobs': true";
    if (!present(max))
        max = json_get(root, STR("max_completion_tokens"));
    if (present(max) && !json_integer(max, 1, INT32_MAX, &n))
        return "'max_tokens' must be a whole number of at least 1";
    ret->one_token = present(max) && n == 1;
    return NULL;
}

static const char *read_request(struct arena *a, struct str text, struct chat_request *ret,
                                char message[128])
{
    struct json_fault fault;
    const struct json *root = json_parse(a, text, &fault);
    *ret = (struct chat_request){0};
    if (root == NULL) {
        (void)snprintf(message, 128, "the body is refused at byte %zu: %s", fault.offset,
                       json_fault_text(fault.kind));
        return message;
    }
    if (root->type != JSON_OBJECT)
        return "the body must be a JSON object";
    const char *wrong = read_options(root, ret);
    return wrong != NULL ? wrong : read_messages(a, json_get(root, STR("messages")), &ret->prompt);
}

/* ---- the reply --------------------------------------------------------------------------------
 */

struct alternative {
    const char *token;
    double probability;
};

static void write_token(struct buf *out, const struct alternative *t)
{
    (void)buf_printf(out, "{\"token\":\"%s\",\"logprob\":", t->token);
    (void)json_number(out, log(t->probability));
    (void)buf_append_z(out, ",\"bytes\":[");
    for (const char *c = t->token; *c != '\0'; c++)
        (void)buf_printf(out, "%s%d", c == t->token ? "" : ",", *c);
    (void)buf_append_z(out, "]");
}

static void write_logprobs(struct buf *out, const struct chat_request *r,
                           const struct alternative *list, size_t n)
{
    if (!r->logprobs) {
        (void)buf_append_z(out, "null");
        return;
    }
    (void)buf_append_z(out, "{\"content\":[");
    write_token(out, &list[0]);
    (void)buf_append_z(out, ",\"top_logprobs\":[");
    for (size_t i = 0; i < n && i < (size_t)r->top_logprobs; i++) {
        (void)buf_append_z(out, i > 0 ? "," : "");
        write_token(out, &list[i]);
        (void)buf_append_z(out, "}");
    }
    (void)buf_append_z(out, "]}],\"refusal\":null}");
}

static void write_reply(struct buf *out, const struct chat_request *r, double p, uint64_t serial,
                        int64_t created_s)
{
    p = p > certain ? certain : p < 1 - certain ? 1 - certain : p;
    struct alternative yes = {"yes", p * (1 - other_mass)}, no = {"no", (1 - p) * (1 - other_mass)};
    struct alternative list[] = {p >= 0.5 ? yes : no, p >= 0.5 ? no : yes, {"I", other_mass}};
    if (list[1].probability < list[2].probability) {
        struct alternative third = list[1];
        list[1] = list[2];
        list[2] = third;
    }
    size_t tokens = r->prompt.n / BYTES_PER_TOKEN + 1;
    (void)buf_printf(out,
                     "{\"id\":\"chatcmpl-standin-%" PRIu64 "\",\"object\":\"chat.completion\","
                     "\"created\":%" PRId64 ",\"model\":\"" CHAT_MODEL "\","
                     "\"system_fingerprint\":\"words\",\"choices\":[{\"index\":0,\"message\":"
                     "{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},\"logprobs\":",
                     serial, created_s, list[0].token);
    write_logprobs(out, r, list, ARRAY_LEN(list));
    (void)buf_printf(out,
                     ",\"finish_reason\":\"%s\"}],\"usage\":{\"prompt_tokens\":%zu,"
                     "\"completion_tokens\":1,\"total_tokens\":%zu}}",
                     r->one_token ? "length" : "stop", tokens, tokens + 1);
}

unsigned chat_reply(struct arena *a, struct str request, uint64_t serial, int64_t created_s,
                    struct buf *out)
{
    struct chat_request r;
    char message[128];
    const char *wrong = read_request(a, request, &r, message);
    if (wrong != NULL) {
        chat_error(out, wrong, NULL);
        return BAD_REQUEST;
    }
    write_reply(out, &r, standin_answer(r.prompt), serial, created_s);
    return OK;
}
