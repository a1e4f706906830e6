#include "judge/trivial.h"

#include "base/attr.h"
#include "base/utf8.h"

enum { WORDS_MAX = 64 }; /* bytes; no opener is longer */

/* As `words` below writes them: small letters, one space for whatever is not a word. */
static const struct str openers[] = {
    STR_INIT("thought"),
    STR_INIT("thoughts"),
    STR_INIT("thought process"),
    STR_INIT("thinking"),
    STR_INIT("thinking process"),
    STR_INIT("reasoning"),
    STR_INIT("analysis"),
    STR_INIT("explanation"),
    STR_INIT("solution"),
    STR_INIT("the solution"),
    STR_INIT("answer"),
    STR_INIT("the answer"),
    STR_INIT("the answer is"),
    STR_INIT("final answer"),
    STR_INIT("the final answer is"),
    STR_INIT("response"),
    STR_INIT("result"),
    STR_INIT("output"),
    STR_INIT("conclusion"),
    STR_INIT("sure"),
    STR_INIT("okay"),
    STR_INIT("let s think"),
    STR_INIT("let s think step by step"),
    STR_INIT("let s solve this"),
    STR_INIT("let s solve this step by step"),
    STR_INIT("let s solve this problem"),
    STR_INIT("let s solve this problem step by step"),
    STR_INIT("let s break this down"),
    STR_INIT("step 1"),
    STR_INIT("respuesta"),
    STR_INIT("soluci\xc3\xb3n"),
    STR_INIT("r\xc3\xa9ponse"),
    STR_INIT("antwort"),
    STR_INIT("l\xc3\xb6sung"),
    STR_INIT("\xe8\xa7\xa3"), /* Chinese: solution */
    STR_INIT("\xe8\xa7\xa3\xe7\xad\x94"),
    STR_INIT("\xe7\xad\x94\xe6\xa1\x88"),
    STR_INIT("\xe3\x81\x8b\xe3\x81\x84\xe3\x81\x9b\xe3\x81\xa4"), /* Japanese: explanation */
    STR_INIT("\xe8\xa7\xa3\xe8\xaa\xac"),
};

/* Spaces, punctuation and what is not seen, of blocks that hold little else. They ascend. */
static bool is_no_word(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } blocks[] = {
        {0, 0x2f},        {0x3a, 0x40},     {0x5b, 0x60},     {0x7b, 0xa9},     {0xab, 0xb4},
        {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},     {0xf7, 0xf7},     {0x2b0, 0x36f},
        {0x2000, 0x206f}, {0x2190, 0x2bff}, {0x2e00, 0x2e7f}, {0x3000, 0x3004}, {0x3008, 0x3020},
        {0x3030, 0x3030}, {0x30fb, 0x30fb}, {0xfe00, 0xfe6f}, {0xfeff, 0xfeff}, {0xff00, 0xff0f},
        {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xfff0, 0xffff}, {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < ARRAY_LEN(blocks) && c >= blocks[i].from; i++)
        if (c <= blocks[i].to)
            return true;
    return false;
}

/* The words of a text, or false when there are more than any opener has. */
static bool words(struct str s, char out[WORDS_MAX], size_t *ret_n)
{
    size_t n = 0;
    bool gap = false;
    for (size_t at = 0; at < s.n;) {
        size_t from = at;
        uint32_t c = utf8_decode(s, &at);
        if (is_no_word(c)) {
            gap = n > 0;
            continue;
        }
        if (n + 1 + at - from > WORDS_MAX)
            return false;
        if (gap)
            out[n++] = ' ';
        gap = false;
        for (size_t i = from; i < at; i++)
            out[n++] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 32) : s.p[i];
    }
    *ret_n = n;
    return true;
}

bool trivial_response(struct str response)
{
    char text[WORDS_MAX];
    size_t n;
    if (!words(response, text, &n))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(openers); i++)
        if (str_eq((struct str){text, n}, openers[i]))
            return true;
    return n == 0;
}
