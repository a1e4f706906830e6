#include "grader/labels.h"

#include <math.h>

/* Sequences that decorate a token without meaning anything; no byte of them is ASCII. */
static const struct str decorations[] = {
    STR_INIT("\xe2\x96\x81"), /* U+2581, SentencePiece's space */
    STR_INIT("\xc4\xa0"), /* U+0120, byte-level BPE's space */
    STR_INIT("\xc4\x8a"), /* U+010A, byte-level BPE's newline */
    STR_INIT("\xe2\x80\x9c"), /* curly quotes */
    STR_INIT("\xe2\x80\x9d"),
};

static bool is_decoration(char c)
{
    return char_is_space(c) || c == '"' || c == '\'' || c == '*' || c == '`' || c == '.' ||
           c == ':' || c == ',';
}

static bool is_ascii(char c)
{
    return (unsigned char)c < 0x80;
}

static size_t leading(struct str s)
{
    if (s.n == 0 || is_ascii(s.p[0]))
        return s.n > 0 && is_decoration(s.p[0]);
    for (size_t i = 0; i < ARRAY_LEN(decorations); i++)
        if (str_has_prefix(s, decorations[i]))
            return decorations[i].n;
    return 0;
}

static size_t trailing(struct str s)
{
    if (s.n == 0 || is_ascii(s.p[s.n - 1]))
        return s.n > 0 && is_decoration(s.p[s.n - 1]);
    for (size_t i = 0; i < ARRAY_LEN(decorations); i++) {
        size_t n = decorations[i].n;
        if (s.n >= n && memcmp(s.p + s.n - n, decorations[i].p, n) == 0)
            return n;
    }
    return 0;
}

struct str label_strip(struct str s)
{
    for (size_t n = leading(s); n > 0; n = leading(s))
        s = str_sub(s, n, s.n);
    for (size_t n = trailing(s); n > 0; n = trailing(s))
        s = str_sub(s, 0, s.n - n);
    return s;
}

static bool is_label(struct str token, const struct str *labels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq_folded(token, labels[i]))
            return true;
    return false;
}

enum verdict verdict_of(const struct policy *policy, struct str word)
{
    struct str bare = label_strip(word);
    if (bare.n == 0)
        return VERDICT_NONE;
    if (is_label(bare, policy->yes_labels, policy->n_yes_labels))
        return VERDICT_YES;
    return is_label(bare, policy->no_labels, policy->n_no_labels) ? VERDICT_NO : VERDICT_NONE;
}

static bool seen(struct labels_sum *s, struct str token, double logprob)
{
    for (size_t i = 0; i < s->n_seen; i++)
        if (s->seen[i].logprob == logprob && str_eq(s->seen[i].token, token))
            return true;
    if (s->n_seen < LABELS_SEEN_MAX) {
        s->seen[s->n_seen].token = token;
        s->seen[s->n_seen++].logprob = logprob;
    }
    return false;
}

bool labels_add(struct labels_sum *s, struct str token, double logprob)
{
    const double rounding = 1e-3,
                 below_the_list = -9000; /* servers say -9999 for "not among the top" */
    if (isnan(logprob) || logprob > rounding)
        return false;
    if (logprob < below_the_list)
        return true;
    enum verdict verdict = verdict_of(s->policy, token);
    if (verdict != VERDICT_NONE && !seen(s, token, logprob))
        *(verdict == VERDICT_YES ? &s->yes : &s->no) += exp(logprob);
    return true;
}

struct answer labels_judge(const struct labels_sum *s)
{
    const double most = 1.01; /* servers round their logprobs */
    double mass = s->yes + s->no;
    if (mass > most)
        return answer_ungraded(REASON_UNPARSEABLE_VERDICT);
    if (mass == 0 || mass < s->policy->min_mass)
        return (struct answer){.reason = REASON_LOW_PROBABILITY_MASS, .mass = mass};
    return (struct answer){.probability = s->yes / mass, .mass = mass < 1 ? mass : 1};
}
