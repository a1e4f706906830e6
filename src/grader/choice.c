/* Choices of chat and completions replies: P(yes) from the alternatives at one position, or from
 * the text. Facts about servers: docs/graders.md. */
#include "grader/labels.h"
#include "grader/reply.h"

enum { POSITIONS_MAX = 4 }; /* tokens looked at for the first one that says something */

/* ---- logprobs, in either shape ---------------------------------------------------------------
 */

/* One generated token. The chat API has a list of objects; the completions API, and chat replies of
 * llama-cpp-python up to 0.3.2, have lists side by side, with alternatives as a map. */
struct cursor {
    const struct json *token, *logprob, *top; /* siblings; of the chat API: token alone */
    bool parallel;
};

struct position {
    struct str token;
    const struct json *logprob, *top;
};

/* False: there is no list of tokens at all. An empty one is a model that said nothing. */
static bool open_cursor(const struct json *logprobs, struct cursor *c)
{
    const struct json *content = reply_array(logprobs, STR("content"));
    const struct json *tokens = reply_array(logprobs, STR("tokens"));
    *c = (struct cursor){.token = reply_first(content), .parallel = content == NULL};
    if (c->parallel) {
        c->token = reply_first(tokens);
        c->logprob = reply_first(reply_array(logprobs, STR("token_logprobs")));
        c->top = reply_first(reply_array(logprobs, STR("top_logprobs")));
    }
    return content != NULL || tokens != NULL;
}

static struct position position_at(const struct cursor *c)
{
    if (c->parallel)
        return (struct position){reply_text(c->token), c->logprob, c->top};
    return (struct position){reply_text(json_get(c->token, STR("token"))),
                             json_get(c->token, STR("logprob")),
                             json_get(c->token, STR("top_logprobs"))};
}

static const struct json *next_of(const struct json *v)
{
    return v != NULL ? v->next : NULL;
}

static bool advance(struct cursor *c)
{
    c->token = next_of(c->token);
    c->logprob = next_of(c->logprob);
    c->top = next_of(c->top);
    return c->token != NULL;
}

/* Past the token that ends "</think>", however it is cut into tokens. */
static bool skip_thinking(struct cursor *c)
{
    static const struct str end = STR_INIT("</think>");
    size_t seen = 0;
    do {
        struct str token = position_at(c).token;
        for (size_t i = 0; i < token.n && seen < end.n; i++)
            seen = token.p[i] == end.p[seen] ? seen + 1 : token.p[i] == end.p[0] ? 1 : 0;
        if (seen == end.n)
            return advance(c);
    } while (advance(c));
    return false;
}

/* To the first token that says something; to where it is when the first few say nothing. */
static void skip_blank(struct cursor *c)
{
    struct cursor at = *c;
    size_t looked = 0;
    do {
        if (label_strip(position_at(&at).token).n > 0) {
            *c = at;
            return;
        }
    } while (++looked < POSITIONS_MAX && advance(&at));
}

/* A null logprob means below the list. False: not an alternative at all. */
static bool add(struct labels_sum *sum, struct str token, const struct json *logprob)
{
    if (logprob == NULL)
        return false;
    if (logprob->type == JSON_NULL)
        return true;
    return logprob->type == JSON_NUMBER && labels_add(sum, token, logprob->number);
}

static bool add_alternative(struct labels_sum *sum, const struct json *v, bool map)
{
    if (map)
        return add(sum, v->key, v);
    const struct json *token = json_get(v, STR("token"));
    return token != NULL && token->type == JSON_STRING &&
           add(sum, token->string, json_get(v, STR("logprob")));
}

static bool in_list(const struct json *top, struct str token)
{
    if (top->type == JSON_OBJECT)
        return json_get(top, token) != NULL;
    for (const struct json *v = top->child; v != NULL; v = v->next)
        if (str_eq(reply_text(json_get(v, STR("token"))), token))
            return true;
    return false;
}

static struct answer read_position(const struct position *at, bool map, const struct policy *policy)
{
    struct labels_sum sum = {.policy = policy};
    const struct json *top = at->top;
    bool none = top == NULL || top->type == JSON_NULL;
    if (!none && top->type != (map ? JSON_OBJECT : JSON_ARRAY))
        return answer_broken();
    if (none || top->count == 0) /* the sampled token alone is a verdict, not a probability */
        return answer_blind();
    bool ok = true;
    for (const struct json *v = top->child; v != NULL; v = v->next)
        ok = add_alternative(&sum, v, map) && ok;
    if (!in_list(top, at->token))
        ok = add(&sum, at->token, at->logprob) && ok;
    return ok ? labels_judge(&sum) : answer_broken();
}

/* Asking again a model that says nothing, or does not come to an end, changes nothing. */
static struct answer read_logprobs(const struct json *logprobs, bool thinks,
                                   const struct policy *policy)
{
    struct cursor c;
    if (!open_cursor(logprobs, &c))
        return answer_blind();
    if (c.token == NULL || (thinks && !skip_thinking(&c)))
        return answer_ungraded(REASON_UNPARSEABLE_VERDICT);
    skip_blank(&c);
    struct position at = position_at(&c);
    return read_position(&at, c.parallel, policy);
}

/* ---- text -------------------------------------------------------------------------------------
 */

static struct str finish_reason(const struct json *choice)
{
    return reply_text(json_get(choice, STR("finish_reason")));
}

static struct str choice_text(const struct json *choice)
{
    const struct json *message = json_get(choice, STR("message"));
    return reply_text(message != NULL ? json_get(message, STR("content"))
                                      : json_get(choice, STR("text")));
}

static bool is_in_word(char c)
{
    return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') ||
           ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* Whether one of the words in it, without what stands around them, is that verdict. */
static bool says(struct str text, enum verdict verdict, const struct policy *policy)
{
    size_t begin, end = 0;
    do {
        for (begin = end; begin < text.n && !is_in_word(text.p[begin]); begin++)
            ;
        for (end = begin; end < text.n && is_in_word(text.p[end]); end++)
            ;
        if (verdict_of(policy, str_sub(text, begin, end)) == verdict)
            return true;
    } while (end < text.n);
    return false;
}

/* The first word's, unless the opposite comes after it: "yes and no" is none. */
static enum verdict read_words(struct str text, const struct policy *policy)
{
    size_t n = 0;
    text = label_strip(text);
    while (n < text.n && !char_is_space(text.p[n]))
        n++;
    enum verdict verdict = verdict_of(policy, str_sub(text, 0, n));
    if (verdict == VERDICT_NONE)
        return VERDICT_NONE;
    enum verdict opposite = verdict == VERDICT_YES ? VERDICT_NO : VERDICT_YES;
    return says(str_sub(text, n, text.n), opposite, policy) ? VERDICT_NONE : verdict;
}

static enum verdict read_text(const struct json *choice, bool thinks, const struct policy *policy)
{
    static const struct str end = STR_INIT("</think>");
    struct str text = choice_text(choice);
    bool ended = false;
    for (size_t at; thinks && (at = str_find(text, end, 0)) != SIZE_MAX; ended = true)
        text = str_sub(text, at + end.n, text.n);
    if (thinks && !ended && str_eq(finish_reason(choice), STR("length")))
        return VERDICT_NONE; /* may be the thought itself */
    return read_words(text, policy);
}

/* ---- choices ----------------------------------------------------------------------------------
 */

static bool calls_a_tool(const struct json *choice)
{
    const struct json *message = json_get(choice, STR("message"));
    struct str finish = finish_reason(choice);
    return reply_first(reply_array(message, STR("tool_calls"))) != NULL ||
           reply_first(json_get(message, STR("function_call"))) != NULL ||
           str_eq(finish, STR("tool_calls")) || str_eq(finish, STR("function_call"));
}

/* Why a choice cannot be read at all; false: it can. */
static bool is_unreadable(const struct json *choice, struct answer *ret)
{
    const struct json *message = json_get(choice, STR("message"));
    struct str finish = finish_reason(choice);
    *ret = answer_ungraded(REASON_GRADER_REJECTED);
    if (reply_text(json_get(message, STR("refusal"))).n > 0 ||
        str_eq(finish, STR("content_filter")))
        return true;
    *ret = answer_broken();
    if (reply_is_error(choice) || str_eq(finish, STR("abort")) || str_eq(finish, STR("error")))
        return true;
    *ret = answer_ungraded(REASON_UNPARSEABLE_VERDICT);
    return calls_a_tool(choice);
}

struct answer reply_choice(const struct json *choice, const struct dialect_options *options,
                           const struct policy *policy)
{
    bool thinks = options->thinking == THINKING_ALLOWED;
    struct answer unreadable;
    if (is_unreadable(choice, &unreadable))
        return unreadable;
    if (options->mode == DIALECT_LOGPROBS)
        return read_logprobs(json_get(choice, STR("logprobs")), thinks, policy);
    enum verdict verdict = read_text(choice, thinks, policy);
    if (verdict == VERDICT_NONE)
        return answer_ungraded(REASON_UNPARSEABLE_VERDICT);
    return (struct answer){.probability = verdict == VERDICT_YES ? 1 : 0, .mass = 1};
}

/* Of one reply, as many as there should be at most. */
static struct answer count_samples(const struct json *choices,
                                   const struct dialect_options *options,
                                   const struct policy *policy)
{
    struct answer sum = answer_broken();
    for (const struct json *v = choices->child; v != NULL && sum.samples.n < options->samples;
         v = v->next) {
        struct answer a = reply_choice(v, options, policy);
        if (a.retry)
            return a;
        bool verdict = a.reason == REASON_NONE;
        samples_add(&sum.samples, &(struct samples){1, verdict && a.probability > 0,
                                                    verdict && a.probability <= 0,
                                                    a.reason == REASON_GRADER_REJECTED});
    }
    return sum;
}

struct answer reply_samples(const struct json *choices, const struct dialect_options *options,
                            const struct policy *policy)
{
    struct answer a = count_samples(choices, options, policy);
    return a.samples.n < options->samples ? a : reply_judge_samples(&a.samples, policy);
}

struct answer reply_judge_samples(const struct samples *s, const struct policy *policy)
{
    struct labels_sum sum = {
        .policy = policy, .yes = (double)s->yes / s->n, .no = (double)s->no / s->n};
    return s->rejected == s->n ? answer_ungraded(REASON_GRADER_REJECTED) : labels_judge(&sum);
}

void reply_read_choices(struct arena *a, const struct dialect_frame *f, const struct policy *policy,
                        struct str body, struct answer *answers, size_t n,
                        struct dialect_reply *reply)
{
    const struct json *root = reply_begin(a, body, answers, n, reply);
    const struct json *choices = reply_array(root, STR("choices"));
    struct reply_slots slots = {.answers = answers};
    for (const struct json *v = reply_first(choices); v != NULL; v = v->next) {
        bool alone = json_get(v, STR("index")) == NULL && n == 1 && choices->count == 1;
        reply_put(&slots, alone ? 0 : reply_index(v, n), reply_choice(v, &f->options, policy));
    }
}
