#include "grader/prompt.h"

#include "base/json.h"
#include "base/sha256.h"

/* Text on its way into the prompt: neutralised into `plain`, escaped into `json`, cut into pieces
 * at each {question}. */
struct builder {
    const struct policy *policy;
    const struct record *record;
    struct buf plain;
    struct buf json;
    size_t cuts[POLICY_PLACEHOLDERS_MAX]; /* where in `json` a question goes */
    size_t n_cuts;
    struct neutralised found;
    bool full; /* `plain` went past its maximum: text is missing */
};

static void escape_plain(struct builder *b, struct buf *json)
{
    b->full = b->full || b->plain.failed;
    (void)json_escape(json, buf_str(&b->plain));
    buf_reset(&b->plain);
}

/* Text from outside. */
static void untrusted(struct builder *b, struct str s)
{
    if (!b->policy->neutralise) {
        (void)buf_append_str(&b->plain, s);
        return;
    }
    struct neutralised n = prompt_neutralise(&b->plain, s, b->policy);
    b->found.tokens += n.tokens;
    b->found.forged += n.forged;
}

static void trusted(struct builder *b, struct str s)
{
    (void)buf_append_str(&b->plain, s);
}

static void line(struct builder *b, size_t *lines)
{
    if ((*lines)++ > 0)
        trusted(b, STR("\n"));
}

/* Content, the text parts, and a line for each tool call. Reasoning is not shown to the grader. */
static void message_text(struct builder *b, const struct message *m)
{
    size_t lines = 0;
    if (m->content.n > 0) {
        line(b, &lines);
        untrusted(b, m->content);
    }
    for (size_t i = 0; i < m->n_parts; i++)
        if (m->parts[i].text.n > 0) {
            line(b, &lines);
            untrusted(b, m->parts[i].text);
        }
    for (size_t i = 0; i < m->n_tool_calls; i++) {
        line(b, &lines);
        trusted(b, STR("tool_call "));
        untrusted(b, m->tool_calls[i].name);
        trusted(b, STR("("));
        untrusted(b, m->tool_calls[i].arguments);
        trusted(b, STR(")"));
    }
}

/* |ROLE|: text */
static void turn(struct builder *b, const struct message *m)
{
    trusted(b, STR("|"));
    for (size_t i = 0; i < m->role.n; i++) {
        char c = m->role.p[i];
        c = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        trusted(b, (struct str){&c, 1});
    }
    trusted(b, STR("|: "));
    message_text(b, m);
}

static void conversation(struct builder *b)
{
    size_t lines = 0;
    for (size_t i = 0; i < b->record->n_prompt; i++) {
        line(b, &lines);
        turn(b, &b->record->prompt[i]);
    }
    for (size_t i = 0; i < b->record->n_completion; i++) {
        line(b, &lines);
        turn(b, &b->record->completion[i]);
    }
}

static void fill_template(struct builder *b)
{
    for (size_t i = 0; i < b->policy->n_segments; i++) {
        const struct segment *s = &b->policy->segments[i];
        switch (s->kind) {
        case SEGMENT_TEXT:
            trusted(b, s->text);
            break;
        case SEGMENT_RESPONSE:
            untrusted(b, record_response(b->record));
            break;
        case SEGMENT_CONVERSATION:
            conversation(b);
            break;
        case SEGMENT_QUESTION:
            escape_plain(b, &b->json);
            b->cuts[b->n_cuts++] = b->json.n;
            break;
        }
    }
    escape_plain(b, &b->json);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void chat_turns(struct builder *b, struct buf *head)
{
    const struct record *r = b->record;
    for (size_t i = 0; i < r->n_prompt + r->n_completion; i++) {
        const struct message *m = i < r->n_prompt ? &r->prompt[i] : &r->completion[i - r->n_prompt];
        (void)buf_append_z(head, "{\"role\":");
        (void)json_quote(head, m->role);
        (void)buf_append_z(head, ",\"content\":\"");
        message_text(b, m);
        escape_plain(b, head);
        (void)buf_append_z(head, "\"},");
    }
}

static void hash_message(struct sha256 *h, const struct message *m)
{
    sha256_field(h, m->role);
    sha256_field(h, m->content);
    sha256_u64(h, m->n_parts);
    for (size_t i = 0; i < m->n_parts; i++)
        sha256_field(h, m->parts[i].text);
    sha256_u64(h, m->n_tool_calls);
    for (size_t i = 0; i < m->n_tool_calls; i++) {
        sha256_field(h, m->tool_calls[i].name);
        sha256_field(h, m->tool_calls[i].arguments);
    }
}

static void hash_messages(struct sha256 *h, const struct message *m, size_t n,
                          uint8_t out[SHA256_BYTES])
{
    sha256_u64(h, n);
    for (size_t i = 0; i < n; i++)
        hash_message(h, &m[i]);
    sha256_finish(h, out);
    sha256_done(h);
}

/* Of the conversation, which all completions of one prompt share, and of both. */
static void hash_content(const struct record *r, struct prompt *ret)
{
    struct sha256 h;
    uint8_t shared[SHA256_BYTES];
    sha256_init(&h);
    hash_messages(&h, r->prompt, r->n_prompt, shared);
    memcpy(&ret->prompt_hash, shared, sizeof(ret->prompt_hash));
    sha256_init(&h);
    sha256_field(&h, (struct str){(const char *)shared, sizeof(shared)});
    hash_messages(&h, r->completion, r->n_completion, ret->content_hash);
}

/* ---- pieces -----------------------------------------------------------------------------------
 */

static bool cut(struct arena *a, const struct builder *b, struct prompt *p)
{
    struct str whole;
    size_t from = 0;
    p->pieces = arena_array(a, 2 * b->n_cuts + 1, sizeof(*p->pieces));
    if (p->pieces == NULL || !arena_copy(a, buf_str(&b->json), &whole))
        return false;
    for (size_t i = 0; i < b->n_cuts; i++) {
        if (b->cuts[i] > from)
            p->pieces[p->n_pieces++] = str_sub(whole, from, b->cuts[i]);
        p->pieces[p->n_pieces++] = (struct str){0};
        from = b->cuts[i];
    }
    if (whole.n > from)
        p->pieces[p->n_pieces++] = str_sub(whole, from, whole.n);
    return true;
}

enum err_code prompt_build(struct arena *a, const struct policy *policy,
                           const struct record *record, struct prompt *ret)
{
    size_t room = a->max > a->used ? a->max - a->used : 0;
    struct builder b = {.policy = policy, .record = record};
    struct buf head;
    buf_init(&b.plain, room);
    buf_init(&b.json, room);
    buf_init(&head, room);
    *ret = (struct prompt){.policy = policy, .messages_tail = STR("\"}]")};
    (void)buf_append_z(&head, "[");
    if (policy->layout == LAYOUT_CHAT) {
        chat_turns(&b, &head);
    } else if (!policy->has_conversation) {
        conversation(&b);
        trusted(&b, STR("\n\n"));
    }
    (void)buf_append_z(&head, "{\"role\":\"user\",\"content\":\"");
    fill_template(&b);
    bool ok = !b.full && !b.json.failed && !head.failed &&
              arena_copy(a, buf_str(&head), &ret->messages_head) && cut(a, &b, ret);
    ret->shared_bytes = head.n + b.json.n;
    ret->control_tokens = b.found.tokens > 0;
    ret->forged = b.found.forged > 0;
    hash_content(record, ret);
    buf_done(&b.plain);
    buf_done(&b.json);
    buf_done(&head);
    return ok ? ERR_OK : ERR_LIMIT;
}
