#include "standin/exchange.h"

#include <stdint.h>

#include "base/attr.h"

/* A piece stands between two texts; an empty `after` is the end of the prompt. */
struct marks {
    struct str before, after;
};

static const struct marks question_marks[] = {
    {STR_INIT("# Question\n"), STR_INIT("\n\n# Answer")},
    {STR_INIT("answer the following question:\n"), STR_INIT("\n\n# Assistant Message")},
    {STR_INIT("\nQuestion: "), STR_INIT("\n")},
};

static const struct marks response_marks[] = {
    {STR_INIT("# Message\n<message>\n"), STR_INIT("\n</message>\n\n# Question")},
    {STR_INIT("```\nASSISTANT: "), STR_INIT("\n```\n\n# Format")},
    {STR_INIT("message:\n"), STR_INIT("\n\nQuestion: ")},
};

static const struct str user_turn = STR_INIT("|USER|: ");
static const struct str assistant_turn = STR_INIT("|ASSISTANT|: ");

/* Position of the last `needle` that ends at or before `end`; SIZE_MAX when absent. */
static size_t find_last(struct str s, struct str needle, size_t end)
{
    if (needle.n == 0 || needle.n > end)
        return SIZE_MAX;
    size_t starts = end - needle.n + 1; /* it may begin before this */
    while (starts > 0) {
        const char *hit = memrchr(s.p, needle.p[0], starts);
        if (hit == NULL)
            break;
        starts = (size_t)(hit - s.p);
        if (memcmp(hit, needle.p, needle.n) == 0)
            return starts;
    }
    return SIZE_MAX;
}

/* Between the last `before` and the first `after` behind it: the template stands last. */
static bool last_between(struct str s, const struct marks *m, struct str *ret)
{
    size_t from = find_last(s, m->before, s.n);
    if (from == SIZE_MAX)
        return false;
    from += m->before.n;
    size_t to = str_find(s, m->after, from);
    *ret = str_sub(s, from, to != SIZE_MAX ? to : s.n);
    return true;
}

/* Between the last `after` and the last `before` in front of it. */
static bool between_last(struct str s, const struct marks *m, struct str *ret)
{
    size_t to = find_last(s, m->after, s.n);
    if (to == SIZE_MAX)
        return false;
    size_t from = find_last(s, m->before, to);
    if (from == SIZE_MAX)
        return false;
    *ret = str_sub(s, from + m->before.n, to);
    return true;
}

static struct str last_paragraph(struct str s)
{
    s = str_trim(s);
    size_t gap = find_last(s, STR("\n\n"), s.n);
    return gap != SIZE_MAX ? str_sub(s, gap + 2, s.n) : s;
}

/* The last assistant turn up to the blank line behind it. */
static struct str last_turn(struct str s)
{
    size_t from = find_last(s, assistant_turn, s.n);
    if (from == SIZE_MAX)
        return s;
    from += assistant_turn.n;
    size_t to = str_find(s, STR("\n\n"), from);
    return str_sub(s, from, to != SIZE_MAX ? to : s.n);
}

static struct str last_user_turn(struct str s)
{
    size_t from = find_last(s, user_turn, s.n);
    if (from == SIZE_MAX)
        return (struct str){0};
    from += user_turn.n;
    size_t to = str_find(s, STR("\n|ASSISTANT|: "), from);
    return str_sub(s, from, to != SIZE_MAX ? to : s.n);
}

void exchange_find(struct str prompt, struct exchange *ret)
{
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(question_marks) && !found; i++)
        found = last_between(prompt, &question_marks[i], &ret->question);
    if (!found)
        ret->question = last_paragraph(prompt);
    found = false;
    for (size_t i = 0; i < ARRAY_LEN(response_marks) && !found; i++)
        found = between_last(prompt, &response_marks[i], &ret->response);
    if (!found)
        ret->response = last_turn(prompt);
    ret->user = last_user_turn(prompt);
}
