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

static const struct str tokens[] = {
    STR_INIT("[INST]"),
    STR_INIT("[/INST]"),
    STR_INIT("[SYSTEM_PROMPT]"),
    STR_INIT("[/SYSTEM_PROMPT]"),
    STR_INIT("[AVAILABLE_TOOLS]"),
    STR_INIT("[/AVAILABLE_TOOLS]"),
    STR_INIT("[TOOL_CALLS]"),
    STR_INIT("[TOOL_RESULTS]"),
    STR_INIT("[/TOOL_RESULTS]"),
    STR_INIT("[IMG]"),
    STR_INIT("[/TOOL_CALLS]"),
    STR_INIT("[TOOL_CONTENT]"),
    STR_INIT("[ARGS]"),
    STR_INIT("[CALL_ID]"),
    STR_INIT("[THINK]"),
    STR_INIT("[/THINK]"),
    STR_INIT("[MODEL_SETTINGS]"),
    STR_INIT("[/MODEL_SETTINGS]"),
    STR_INIT("[IMG_BREAK]"),
    STR_INIT("[IMG_END]"),
    STR_INIT("[AUDIO]"),
    STR_INIT("[BEGIN_AUDIO]"),
    STR_INIT("[PREFIX]"),
    STR_INIT("[MIDDLE]"),
    STR_INIT("[SUFFIX]"),
    STR_INIT("[gMASK]"),
    STR_INIT("[sMASK]"),
    STR_INIT("[multimodal]"),
    STR_INIT("[e~["),
    STR_INIT("]~b]"),
    STR_INIT("]~!b["),
    STR_INIT("<s>"),
    STR_INIT("</s>"),
    STR_INIT("<<SYS>>"),
    STR_INIT("<</SYS>>"),
    STR_INIT("<bos>"),
    STR_INIT("<eos>"),
    STR_INIT("<pad>"),
    STR_INIT("<unk>"),
    STR_INIT("<start_of_turn>"),
    STR_INIT("<end_of_turn>"),
    STR_INIT("<start_of_image>"),
    STR_INIT("<end_of_image>"),
    STR_INIT("<image_soft_token>"),
    STR_INIT("<mask>"),
    STR_INIT("<sop>"),
    STR_INIT("<eop>"),
    STR_INIT("<BOS_TOKEN>"),
    STR_INIT("<EOS_TOKEN>"),
    STR_INIT("<EOP_TOKEN>"),
    STR_INIT("<think>"),
    STR_INIT("</think>"),
    STR_INIT("<tool_call>"),
    STR_INIT("</tool_call>"),
    STR_INIT("<tool_response>"),
    STR_INIT("</tool_response>"),
};

#define WIDE_BAR "\xef\xbd\x9c" /* U+FF5C */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '-' ||
           c == '/';
}

/* Does s begin with `open` name `close`? A name has no brackets and no control characters; with
 * `word`, nothing but letters, digits, _, - and /. */
static bool has_shape(struct str s, struct str open, struct str close, bool word)
{
    enum { NAME_BYTES_MAX = 64 };
    if (!str_has_prefix(s, open))
        return false;
    for (size_t i = open.n; i < s.n && i < open.n + NAME_BYTES_MAX; i++) {
        char c = s.p[i];
        if (str_has_prefix(str_sub(s, i, s.n), close))
            return i > open.n;
        if (c == '<' || c == '>' || (unsigned char)c < 0x20 || (word && !is_word(c)))
            return false;
    }
    return false;
}

static bool is_control_token(struct str s)
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
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (has_shape(s, shapes[i].open, shapes[i].close, shapes[i].word))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
        if (str_has_prefix(s, tokens[i]))
            return true;
    return false;
}

/* |ROLE|: where a line begins. */
static bool is_turn(struct str s, size_t at)
{
    if (s.p[at] != '|' || (at > 0 && s.p[at - 1] != '\n' && s.p[at - 1] != '\r'))
        return false;
    return has_shape(str_sub(s, at, s.n), STR("|"), STR("|:"), true);
}

/* <name, </name, whatever follows in the tag; or a run. */
static bool is_fence(struct str s, const struct policy *policy)
{
    size_t slash = s.n > 1 && s.p[1] == '/' ? 1 : 0;
    struct str rest = str_sub(s, 1 + slash, s.n);
    for (size_t i = 0; i < policy->n_fences; i++) {
        struct str fence = policy->fences[i];
        bool named = char_is_name(fence.p[0]);
        if (!named && str_has_prefix(s, fence))
            return true;
        if (named && s.p[0] == '<' && rest.n >= fence.n &&
            str_eq_folded(str_sub(rest, 0, fence.n), fence) &&
            (rest.n == fence.n || !char_is_name(rest.p[fence.n])))
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
        if (!char_is_name(policy->fences[i].p[0]))
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
