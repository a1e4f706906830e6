/* What the template itself puts around untrusted text: tags and runs of quotes. Text that holds one
 * could step out of its fence, so the grader's prompt breaks it up (grader/neutralise). */
#include "policy/loader.h"

static void add(struct policy *p, struct str fence)
{
    for (size_t i = 0; i < p->n_fences; i++)
        if (str_eq_folded(p->fences[i], fence))
            return;
    if (p->n_fences < POLICY_FENCES_MAX)
        p->fences[p->n_fences++] = fence;
}

/* The name in <name> or </name> at the start of s; n == 0: none. */
static struct str tag(struct str s)
{
    size_t from = s.n > 1 && s.p[1] == '/' ? 2 : 1, n = from;
    while (n < s.n && char_is_name(s.p[n]))
        n++;
    bool ends = n < s.n && (s.p[n] == '>' || char_is_space(s.p[n]));
    return ends ? str_sub(s, from, n) : (struct str){0};
}

void load_fences(struct policy *p)
{
    static const struct str runs[] = {STR_INIT("```"), STR_INIT("~~~"), STR_INIT("\"\"\""),
                                      STR_INIT("'''")};
    struct str t = p->prompt_template;
    for (size_t i = 0; i < t.n; i++) {
        struct str name = t.p[i] == '<' ? tag(str_sub(t, i, t.n)) : (struct str){0};
        if (name.n > 0)
            add(p, name);
    }
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        if (str_find(t, runs[i], 0) != SIZE_MAX)
            add(p, runs[i]);
}
