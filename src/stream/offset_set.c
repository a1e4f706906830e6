#include "stream/offset_set.h"

#include <assert.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/num.h"

void offset_set_done(struct offset_set *s)
{
    mem_free(s->runs);
    *s = (struct offset_set){0};
}

static void add_run(struct offset_set *s, int64_t from, int64_t to)
{
    void *runs = s->runs;
    mem_grow(&runs, &s->cap, s->n, sizeof(*s->runs));
    s->runs = runs;
    s->runs[s->n++] = (struct offset_run){from, to};
    s->count += (uint64_t)(to - from);
}

void offset_set_add(struct offset_set *s, int64_t offset)
{
    struct offset_run *last = s->n > 0 ? &s->runs[s->n - 1] : NULL;
    assert(last == NULL || offset >= last->to);
    if (last == NULL || offset > last->to) {
        add_run(s, offset, offset + 1);
        return;
    }
    last->to++;
    s->count++;
}

bool offset_set_has(const struct offset_set *s, int64_t offset)
{
    size_t low = 0, high = s->n; /* the first run that ends above the offset */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->runs[middle].to > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low < s->n && offset >= s->runs[low].from;
}

int64_t offset_set_at(const struct offset_set *s, uint64_t index)
{
    size_t run = 0;
    assert(index < s->count);
    for (; index >= (uint64_t)(s->runs[run].to - s->runs[run].from); run++)
        index -= (uint64_t)(s->runs[run].to - s->runs[run].from);
    return s->runs[run].from + (int64_t)index;
}

/* "7" or "7-9". */
static bool parse_run(struct str text, int64_t *ret_from, int64_t *ret_to)
{
    size_t dash = str_find(text, STR("-"), 1 < text.n ? 1 : text.n);
    bool single = dash == SIZE_MAX;
    if (!num_parse_i64(str_sub(text, 0, single ? text.n : dash), ret_from) || *ret_from < 0)
        return false;
    *ret_to = *ret_from;
    if (!single && !num_parse_i64(str_sub(text, dash + 1, text.n), ret_to))
        return false;
    if (*ret_to < *ret_from || *ret_to >= INT64_MAX - 1)
        return false;
    ++*ret_to;
    return true;
}

bool offset_set_parse(struct str text, struct offset_set *ret)
{
    int64_t from, to;
    offset_set_done(ret);
    for (size_t at = 0; at <= text.n;) {
        size_t comma = str_find(text, STR(","), at);
        size_t end = comma != SIZE_MAX ? comma : text.n;
        bool good = parse_run(str_sub(text, at, end), &from, &to);
        if (!good || (ret->n > 0 && from <= ret->runs[ret->n - 1].to)) {
            offset_set_done(ret);
            return false;
        }
        add_run(ret, from, to);
        at = end + 1;
    }
    return true;
}

void offset_set_print(const struct offset_set *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        (void)buf_printf(out, "%s%" PRId64, i > 0 ? "," : "", s->runs[i].from);
        if (s->runs[i].to - s->runs[i].from > 1)
            (void)buf_printf(out, "-%" PRId64, s->runs[i].to - 1);
    }
}
