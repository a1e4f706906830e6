/* Breaking up the control tokens of chat templates in untrusted text (promise P10).
 *
 * Servers tokenise the rendered conversation with special tokens switched on, so a completion that
 * holds "<|im_end|>" could end its own turn and open another. A zero-width space after the first
 * character leaves the text readable and the token unrecognised. Whatever looks like <|name|>
 * counts, known or not; the rest is a list. */
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
    TOKEN("<think>"),
    TOKEN("</think>"),
    TOKEN("<tool_call>"),
    TOKEN("</tool_call>"),
    TOKEN("<tool_response>"),
    TOKEN("</tool_response>"),
    TOKEN("<\xef\xbd\x9c"
          "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"),
    TOKEN("<\xef\xbd\x9c"
          "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"),
    TOKEN("<\xef\xbd\x9c"
          "User\xef\xbd\x9c>"),
    TOKEN("<\xef\xbd\x9c"
          "Assistant\xef\xbd\x9c>"),
#undef TOKEN
};

/* Length of <|name|> at the start of s; 0 when it is none. */
static size_t bar_token(struct str s)
{
    enum { NAME_MAX_BYTES = 64 };
    if (s.n < 5 || s.p[1] != '|')
        return 0;
    for (size_t i = 2; i + 1 < s.n && i < NAME_MAX_BYTES; i++) {
        char c = s.p[i];
        if (c == '|')
            return i > 2 && s.p[i + 1] == '>' ? i + 2 : 0;
        if (c == '<' || c == '>' || (unsigned char)c < 0x20)
            return 0;
    }
    return 0;
}

static size_t control_token(struct str s)
{
    size_t n = s.p[0] == '<' ? bar_token(s) : 0;
    for (size_t i = 0; n == 0 && i < ARRAY_LEN(tokens); i++)
        if (s.n >= tokens[i].n && memcmp(s.p, tokens[i].text, tokens[i].n) == 0)
            n = tokens[i].n;
    return n;
}

/* The next '<' or '[' at or after `from`. Each is looked for once per stretch, so that text full of
 * one of them is still read in one pass. */
struct seeker {
    struct str s;
    size_t angle, square; /* next occurrence of each; s.n when none */
};

static size_t seek_byte(struct str s, char c, size_t from)
{
    const char *hit = from < s.n ? memchr(s.p + from, c, s.n - from) : NULL;
    return hit != NULL ? (size_t)(hit - s.p) : s.n;
}

static size_t seek(struct seeker *k, size_t from)
{
    if (k->angle < from)
        k->angle = seek_byte(k->s, '<', from);
    if (k->square < from)
        k->square = seek_byte(k->s, '[', from);
    return k->angle < k->square ? k->angle : k->square;
}

size_t prompt_neutralise(struct buf *out, struct str s)
{
    struct seeker k = {s, seek_byte(s, '<', 0), seek_byte(s, '[', 0)};
    size_t found = 0, copied = 0;
    for (size_t at = seek(&k, 0); at < s.n; at = seek(&k, at + 1)) {
        if (control_token(str_sub(s, at, s.n)) == 0)
            continue;
        (void)buf_append(out, s.p + copied, at + 1 - copied);
        (void)buf_append(out, breaker, sizeof(breaker) - 1);
        copied = at + 1;
        found++;
    }
    if (copied < s.n)
        (void)buf_append(out, s.p + copied, s.n - copied);
    return found;
}
