/* Breaking up what would make a completion speak with another voice (promise P10).
 *
 * Servers tokenise the rendered conversation with special tokens switched on, so a completion that
 * holds "<|im_end|>" could end its own turn and open another. A zero-width space after the first
 * character leaves the text readable and the token unrecognised. Whatever has the shape of one
 * counts, known or not: <|name|>, <|name>, <name|>, [|name|], and DeepSeek's with full-width bars.
 * Tokens without a shape are a list: Llama 2, Mistral, Gemma, Qwen, DeepSeek, Phi, Command R, GLM,
 * MiniMax. The structure of our own prompt is broken up alike: a line that begins as a turn of the
 * inline layout, |ROLE|:, and the fences of the policy's template, such as </message>. */
#include "base/buf.h"
#include "grader/prompt.h"

static const char breaker[] = "\xe2\x80\x8b"; /* U+200B */

static const struct {
    const char *text;
    size_t n;
} tokens[] = {
#define TOKEN(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
    TOKEN("[INST]"),
    TOKEN("[/INST]"),
    TOKEN("[SYSTEM_PROMPT]"),
    TOKEN("[/SYSTEM_PROMPT]"),
    TOKEN("[AVAILABLE_TOOLS]"),
    TOKEN("[/AVAILABLE_TOOLS]"),
    TOKEN("[TOOL_CALLS]"),
    TOKEN("[TOOL_RESULTS]"),
    TOKEN("[/TOOL_RESULTS]"),
    TOKEN("[IMG]"),
    TOKEN("[/TOOL_CALLS]"),
    TOKEN("[TOOL_CONTENT]"),
    TOKEN("[ARGS]"),
    TOKEN("[CALL_ID]"),
    TOKEN("[THINK]"),
    TOKEN("[/THINK]"),
    TOKEN("[MODEL_SETTINGS]"),
    TOKEN("[/MODEL_SETTINGS]"),
    TOKEN("[IMG_BREAK]"),
    TOKEN("[IMG_END]"),
    TOKEN("[AUDIO]"),
    TOKEN("[BEGIN_AUDIO]"),
    TOKEN("[PREFIX]"),
    TOKEN("[MIDDLE]"),
    TOKEN("[SUFFIX]"),
    TOKEN("[gMASK]"),
    TOKEN("[sMASK]"),
    TOKEN("[multimodal]"),
    TOKEN("[e~["),
    TOKEN("]~b]"),
    TOKEN("]~!b["),
    TOKEN("<s>"),
    TOKEN("</s>"),
    TOKEN("<<SYS>>"),
    TOKEN("<</SYS>>"),
    TOKEN("<bos>"),
    TOKEN("<eos>"),
    TOKEN("<pad>"),
    TOKEN("<unk>"),
    TOKEN("<start_of_turn>"),
    TOKEN("<end_of_turn>"),
    TOKEN("<start_of_image>"),
    TOKEN("<end_of_image>"),
    TOKEN("<image_soft_token>"),
    TOKEN("<mask>"),
    TOKEN("<sop>"),
    TOKEN("<eop>"),
    TOKEN("<BOS_TOKEN>"),
    TOKEN("<EOS_TOKEN>"),
    TOKEN("<EOP_TOKEN>"),
    TOKEN("<think>"),
    TOKEN("</think>"),
    TOKEN("<tool_call>"),
    TOKEN("</tool_call>"),
    TOKEN("<tool_response>"),
    TOKEN("</tool_response>"),
#undef TOKEN
};

#define WIDE_BAR "\xef\xbd\x9c" /* U+FF5C */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '-' ||
           c == '/';
}

/* Length of `open` name `close` at the start of s; 0 when it is none. A name has no brackets and no
 * control characters; with `word`, nothing but letters, digits, _, - and /. */
static size_t between(struct str s, struct str open, struct str close, bool word)
{
    enum { NAME_BYTES_MAX = 64 };
    if (!str_has_prefix(s, open))
        return 0;
    for (size_t i = open.n; i < s.n && i < open.n + NAME_BYTES_MAX; i++) {
        char c = s.p[i];
        if (str_has_prefix(str_sub(s, i, s.n), close))
            return i > open.n ? i + close.n : 0;
        if (c == '<' || c == '>' || (unsigned char)c < 0x20 || (word && !is_word(c)))
            return 0;
    }
    return 0;
}

static size_t shaped_token(struct str s)
{
    static const struct {
        struct str open, close;
        bool word;
    } shapes[] = {
        {STR_INIT("<|"), STR_INIT("|>"), false},
        {STR_INIT("<|"), STR_INIT(">"), true},
        {STR_INIT("<"), STR_INIT("|>"), true},
        {STR_INIT("[|"), STR_INIT("|]"), true},
        {STR_INIT("<" WIDE_BAR), STR_INIT(WIDE_BAR ">"), false},
    };
    size_t n = 0;
    for (size_t i = 0; n == 0 && i < ARRAY_LEN(shapes); i++)
        n = between(s, shapes[i].open, shapes[i].close, shapes[i].word);
    return n;
}

static bool is_control_token(struct str s)
{
    if (shaped_token(s) > 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        if (s.n >= tokens[i].n && memcmp(s.p, tokens[i].text, tokens[i].n) == 0)
            return true;
    return false;
}

/* |ROLE|: where a line begins. */
static bool is_turn(struct str s, size_t at)
{
    if (s.p[at] != '|' || (at > 0 && s.p[at - 1] != '\n' && s.p[at - 1] != '\r'))
        return false;
    size_t n = between(str_sub(s, at, s.n), STR("|"), STR("|:"), true);
    return n > 0;
}

static bool is_letter(char c)
{
    return is_word(c) && c != '/';
}

/* <name, </name, whatever follows in the tag; or a run. */
static bool is_fence(struct str s, const struct policy *policy)
{
    size_t slash = s.n > 1 && s.p[1] == '/' ? 1 : 0;
    struct str rest = str_sub(s, 1 + slash, s.n);
    for (size_t i = 0; i < policy->n_fences; i++) {
        struct str fence = policy->fences[i];
        bool named = is_letter(fence.p[0]);
        if (!named && str_has_prefix(s, fence))
            return true;
        if (named && s.p[0] == '<' && rest.n >= fence.n &&
            str_eq_folded(str_sub(rest, 0, fence.n), fence) &&
            (rest.n == fence.n || !is_letter(rest.p[fence.n])))
            return true;
    }
    return false;
}

/* The next byte that may begin one of them. Each kind is looked for once per stretch, so that text
 * full of one of them is still read in one pass. */
enum { FIRSTS_MAX = 4 + POLICY_FENCES_MAX };

struct seeker {
    struct str s;
    char firsts[FIRSTS_MAX];
    size_t n;
    size_t next[FIRSTS_MAX]; /* occurrence of each; s.n when none */
};

static void seek_too(struct seeker *k, char c)
{
    k->firsts[k->n++] = c;
}

static void seek_init(struct seeker *k, struct str s, const struct policy *policy)
{
    *k = (struct seeker){.s = s};
    seek_too(k, '<');
    seek_too(k, '[');
    seek_too(k, ']');
    seek_too(k, '|');
    for (size_t i = 0; i < policy->n_fences; i++)
        if (!is_letter(policy->fences[i].p[0]))
            seek_too(k, policy->fences[i].p[0]);
}

static size_t seek_byte(struct str s, char c, size_t from)
{
    const char *hit = from < s.n ? memchr(s.p + from, c, s.n - from) : NULL;
    return hit != NULL ? (size_t)(hit - s.p) : s.n;
}

static size_t seek(struct seeker *k, size_t from)
{
    size_t nearest = k->s.n;
    for (size_t i = 0; i < k->n; i++) {
        if (from == 0 || k->next[i] < from)
            k->next[i] = seek_byte(k->s, k->firsts[i], from);
        if (k->next[i] < nearest)
            nearest = k->next[i];
    }
    return nearest;
}

struct neutralised prompt_neutralise(struct buf *out, struct str s, const struct policy *policy)
{
    struct seeker k;
    struct neutralised found = {0};
    size_t copied = 0;
    seek_init(&k, s, policy);
    for (size_t at = seek(&k, 0); at < s.n; at = seek(&k, at + 1)) {
        struct str rest = str_sub(s, at, s.n);
        bool forged = is_turn(s, at) || is_fence(rest, policy);
        if (!forged && !is_control_token(rest))
            continue;
        (void)buf_append(out, s.p + copied, at + 1 - copied);
        (void)buf_append(out, breaker, sizeof(breaker) - 1);
        copied = at + 1;
        found.forged += forged;
        found.tokens += !forged;
    }
    if (copied < s.n)
        (void)buf_append(out, s.p + copied, s.n - copied);
    return found;
}
