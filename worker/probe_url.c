/* What a server can do: its model, its label tokens, the logprobs it gives, and each dialect. */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "worker/grading.h"
#include "worker/probe.h"

enum { REPLY_MAX = 1 << 20, IDS_MAX = 4, ID_DIGITS = 12, CALL_US = 30000000 };

/* ---- one request of our own -------------------------------------------------------------------
 */

struct call {
    struct grading grading;
    struct transport_req req;
    struct arena *arena;
    int status; /* 0: no reply */
    struct err *err; /* why there is none */
    struct str body;
    bool done;
};

static void on_reply(struct transport_req *req)
{
    struct call *c = CONTAINER_OF(req, struct call, req);
    c->status = req->outcome == TRANSPORT_REPLY ? req->status : 0;
    if (c->status == 0)
        (void)err_set(c->err, ERR_UNAVAILABLE, "%s", req->detail);
    if (!arena_copy(c->arena, req->body, &c->body))
        c->status = 0;
    c->done = true;
}

static int64_t maintain(void *arg)
{
    struct call *c = arg;
    if (c->done)
        loop_stop(&c->grading.loop);
    return CLOCK_NEVER;
}

/* The reply's JSON, or NULL; `body` n == 0: a GET. *ret_status 0: no reply, and *err says why. */
static const struct json *call(const struct settings_grader *grader, struct str url,
                               const struct policy *policy, const char *path, struct str body,
                               struct arena *arena, int *ret_status, struct err *err)
{
    struct settings_grader one = *grader;
    struct call c = {.arena = arena, .err = err};
    struct transport_endpoint *endpoint = NULL;
    struct json_fault fault;
    one.endpoints.items = &url;
    one.endpoints.n = 1;
    *ret_status = 0;
    if (grading_init(&c.grading, policy, &one, maintain, &c, err) != ERR_OK)
        return NULL;
    if (grading_endpoint(&c.grading, &one, url, str_z(path), &endpoint, err) == ERR_OK) {
        c.req = (struct transport_req){.endpoint = endpoint,
                                       .parts = &body,
                                       .n_parts = body.n > 0 ? 1 : 0,
                                       .timeout_us = CALL_US,
                                       .done = on_reply};
        struct transport *t = http_transport(c.grading.http);
        t->send(t, &c.req);
        loop_run(&c.grading.loop);
        http_endpoint_free(endpoint);
    }
    grading_done(&c.grading);
    *ret_status = c.status;
    return c.status == 200 ? json_parse(arena, c.body, &fault) : NULL;
}

/* ---- what the server is -----------------------------------------------------------------------
 */

struct probing {
    struct settings_grader grader; /* as it is being tried */
    struct str url;
    struct known question;
    struct arena arena;
    struct err err; /* why the last request got no reply */
    char ids[2 * IDS_MAX][ID_DIGITS];
    struct str id_items[2 * IDS_MAX];
};

static const struct json *ask(struct probing *p, const char *path, struct str body, int *status)
{
    return call(&p->grader, p->url, p->question.policy, path, body, &p->arena, status, &p->err);
}

/* False: nobody answers. */
static bool find_model(struct probing *p, struct str wanted)
{
    int status;
    const struct json *list = json_get(ask(p, "/v1/models", (struct str){0}, &status), STR("data"));
    const struct json *id =
        list != NULL && list->child != NULL ? json_get(list->child, STR("id")) : NULL;
    p->grader.model = wanted;
    if (wanted.n == 0 && id != NULL && id->type == JSON_STRING)
        p->grader.model = id->string;
    if (p->grader.model.n == 0)
        p->grader.model = STR("default");
    if (status == 0) {
        (void)printf("  no answer: %s; does it run, and is the address right?\n", p->err.msg);
        return false;
    }
    (void)printf("  model           %.*s%s\n", STR_ARGS(p->grader.model),
                 id != NULL ? "" : " (the server names none)");
    return true;
}

/* The one token of a word, by whichever of three interfaces the server has; false: none or more. */
static bool tokenise(struct probing *p, const char *word, int64_t *ret)
{
    static const char *const paths[] = {"/tokenize", "/extras/tokenize"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct buf body;
        int status;
        buf_init(&body, 1 << 12);
        (void)buf_append_z(&body, "{\"model\":");
        (void)json_quote(&body, p->grader.model);
        (void)buf_printf(&body, ",\"prompt\":\"%s\",\"add_special_tokens\":false", word);
        (void)buf_printf(&body, ",\"content\":\"%s\",\"input\":\"%s\"}", word, word);
        const struct json *tokens =
            json_get(ask(p, paths[i], buf_str(&body), &status), STR("tokens"));
        buf_done(&body);
        if (tokens != NULL && tokens->type == JSON_ARRAY)
            return tokens->count == 1 && json_integer(tokens->child, 0, INT32_MAX, ret);
    }
    return false;
}

static void find_labels(struct probing *p)
{
    static const char *const words[2][IDS_MAX] = {{"Yes", "yes", " Yes", " yes"},
                                                  {"No", "no", " No", " no"}};
    size_t n[2] = {0, 0};
    (void)printf("  label tokens   ");
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < IDS_MAX; i++) {
            int64_t id;
            if (!tokenise(p, words[side][i], &id))
                continue;
            size_t at = side * IDS_MAX + n[side]++;
            int length = snprintf(p->ids[at], ID_DIGITS, "%" PRId64, id);
            p->id_items[at] = (struct str){p->ids[at], (size_t)length};
            (void)printf(" '%s' %s", words[side][i], p->ids[at]);
        }
    bool found = n[0] > 0 && n[1] > 0; /* one without the other is refused */
    if (found) {
        p->grader.yes_token_ids = (struct setting_list){p->id_items, n[0]};
        p->grader.no_token_ids = (struct setting_list){p->id_items + IDS_MAX, n[1]};
    }
    (void)printf("%s\n", found ? "" : " not known: the server does not tokenise");
}

/* How many alternatives chat gives, and in which shape. */
static void find_logprobs(struct probing *p)
{
    static const unsigned tries[] = {20, 10, 5, 2};
    const struct json *logprobs = NULL;
    int status = 0;
    size_t i = 0;
    for (; i < ARRAY_LEN(tries) && logprobs == NULL; i++) {
        struct buf body;
        buf_init(&body, 1 << 12);
        (void)buf_append_z(&body, "{\"model\":");
        (void)json_quote(&body, p->grader.model);
        (void)buf_printf(&body,
                         ",\"messages\":[{\"role\":\"user\",\"content\":\"Say yes.\"}],"
                         "\"max_tokens\":1,\"temperature\":1,\"n\":1,\"logprobs\":true,"
                         "\"top_logprobs\":%u}",
                         tries[i]);
        const struct json *choices =
            json_get(ask(p, "/v1/chat/completions", buf_str(&body), &status), STR("choices"));
        buf_done(&body);
        if (choices != NULL && choices->child != NULL)
            logprobs = json_get(choices->child, STR("logprobs"));
        if (status != 400 && status != 422)
            break;
    }
    const struct json *content = json_get(logprobs, STR("content"));
    const struct json *top = json_get(logprobs, STR("top_logprobs"));
    if (content != NULL && content->child != NULL)
        top = json_get(content->child, STR("top_logprobs"));
    else if (top != NULL)
        top = top->child;
    if (top == NULL || i == ARRAY_LEN(tries)) {
        (void)printf("  chat logprobs   none (status %d)\n", status);
        return;
    }
    p->grader.top_logprobs = tries[i];
    (void)printf("  chat logprobs   %zu alternatives of %u asked for, in logprobs.%s, bytes %s\n",
                 top->count, tries[i], content != NULL ? "content" : "top_logprobs",
                 top->child != NULL && json_get(top->child, STR("bytes")) != NULL ? "given"
                                                                                  : "absent");
}

/* ---- each dialect -----------------------------------------------------------------------------
 */

/* How a dialect is tried: in this order; the first that works is what is advised. */
static const struct trial {
    const char *dialect, *mode, *thinking;
} trials[] = {
    {"systemone", "logprobs", "unsaid"},   {"decisions", "logprobs", "unsaid"},
    {"chat_batch", "logprobs", "unsaid"},  {"chat", "logprobs", "unsaid"},
    {"chat", "logprobs", "template_off"},  {"chat", "logprobs", "effort_none"},
    {"score", "logprobs", "unsaid"},       {"generative_scoring", "logprobs", "unsaid"},
    {"completions", "logprobs", "unsaid"}, {"chat", "verdict", "unsaid"},
};

static void set_trial(struct settings_grader *g, const struct trial *t)
{
    bool template_off = str_eq(str_z(t->thinking), STR("template_off"));
    bool effort_none = str_eq(str_z(t->thinking), STR("effort_none"));
    g->dialect = str_z(t->dialect);
    g->mode = str_eq(str_z(t->mode), STR("verdict")) ? DIALECT_VERDICT : DIALECT_LOGPROBS;
    g->thinking = template_off  ? THINKING_OFF_BY_TEMPLATE
                  : effort_none ? THINKING_OFF_BY_EFFORT
                                : THINKING_UNSAID;
    g->attempts = 1; /* what fails is not the server's bad day */
}

static bool try_one(struct probing *p, const struct trial *t)
{
    struct settings_grader g = p->grader;
    struct probe_answer a;
    struct err err;
    char name[64];
    const struct dialect *dialect = dialect_find(str_z(t->dialect));
    set_trial(&g, t);
    if (dialect == &dialect_generative_scoring && g.yes_token_ids.n > 0)
        g.yes_token_ids.n = g.no_token_ids.n = 1;
    else if (!dialect->needs_label_ids)
        g.yes_token_ids.n = g.no_token_ids.n = 0;
    bool plain = g.mode == DIALECT_LOGPROBS && g.thinking == THINKING_UNSAID;
    (void)snprintf(name, sizeof(name), "%s%s%s", t->dialect, plain ? "" : ", ",
                   plain                        ? ""
                   : g.mode == DIALECT_LOGPROBS ? t->thinking
                                                : t->mode);
    (void)printf("  %-22s ", name);
    if (dialect->needs_label_ids && g.yes_token_ids.n == 0) {
        (void)printf("not tried: the label tokens are not known\n");
        return false;
    }
    if (probe_ask(&g, p->url, &p->question, &a, &err) != ERR_OK) {
        (void)printf("%s\n", err.msg);
        return false;
    }
    const struct judgment *yes = &a.judgments[0], *no = &a.judgments[1];
    if (yes->status != JUDGMENT_GRADED || no->status != JUDGMENT_GRADED) {
        (void)printf("no: %s%s%s\n",
                     reason_name(yes->status != JUDGMENT_GRADED ? yes->reason : no->reason),
                     a.error[0] != '\0' ? ", " : "", a.error);
        return false;
    }
    (void)printf("P(yes) %.4f and %.4f (expected 1 and 0)  mass %.4f %.4f  %u ms  %" PRIu32
                 " request%s  cached tokens %" PRIu64 "\n",
                 yes->probability, no->probability, yes->mass, no->mass, yes->latency_ms,
                 a.use.requests, a.use.requests == 1 ? "" : "s", a.use.used.cached_input_tokens);
    return true;
}

static void print_ids(const char *key, const struct setting_list *ids, size_t n)
{
    (void)printf("    %s: [", key);
    for (size_t i = 0; i < n && i < ids->n; i++)
        (void)printf("%s%.*s", i > 0 ? ", " : "", STR_ARGS(ids->items[i]));
    (void)printf("]\n");
}

static void print_settings(const struct probing *p, const struct trial *t)
{
    struct buf text;
    const struct dialect *dialect = dialect_find(str_z(t->dialect));
    buf_init(&text, 1 << 16);
    (void)buf_printf(&text, "graders:\n  - name: grader\n    dialect: %s\n    model: ", t->dialect);
    (void)json_quote(&text, p->grader.model);
    (void)buf_append_z(&text, "\n    endpoints: [");
    (void)json_quote(&text, p->url);
    (void)buf_append_z(&text, "]\n");
    (void)printf("\n%.*s", STR_ARGS(buf_str(&text)));
    buf_done(&text);
    if (str_eq(str_z(t->mode), STR("verdict")))
        (void)printf("    mode: verdict\n");
    else if (dialect->takes_modes || dialect == &dialect_completions)
        (void)printf("    top_logprobs: %" PRIu64 "\n", p->grader.top_logprobs);
    if (!str_eq(str_z(t->thinking), STR("unsaid")))
        (void)printf("    thinking: %s\n", t->thinking);
    if (dialect->needs_label_ids) {
        size_t n = dialect == &dialect_generative_scoring ? 1 : IDS_MAX;
        print_ids("yes_token_ids", &p->grader.yes_token_ids, n);
        print_ids("no_token_ids", &p->grader.no_token_ids, n);
    }
    if (!dialect->takes_turns)
        (void)printf("    # prompt_before, prompt_after: the model's chat template\n");
}

bool probe_url(const struct settings_grader *grader, struct str url, struct str model)
{
    struct probing p = {.grader = *grader, .url = url};
    const struct trial *best = NULL;
    p.grader.dialect = STR("chat"); /* of our own requests; the path is theirs */
    p.grader.mode = p.grader.thinking = 0;
    p.grader.yes_token_ids.n = p.grader.no_token_ids.n = 0;
    arena_init(&p.arena, 64 << 20);
    known_init(&p.question);
    bool chat = false; /* with probabilities: no need for what makes do without */
    (void)printf("%.*s\n", STR_ARGS(url));
    bool answers = find_model(&p, model);
    if (answers) {
        find_labels(&p);
        find_logprobs(&p);
    }
    for (size_t i = 0; answers && i < ARRAY_LEN(trials); i++) {
        bool is_chat = str_eq(str_z(trials[i].dialect), STR("chat"));
        if ((is_chat && chat) || !try_one(&p, &trials[i]))
            continue;
        chat = chat || is_chat;
        best = best != NULL ? best : &trials[i];
    }
    if (best != NULL)
        print_settings(&p, best);
    else if (answers)
        (void)printf("  no dialect gives probabilities\n");
    known_done(&p.question);
    arena_done(&p.arena);
    return best != NULL;
}
