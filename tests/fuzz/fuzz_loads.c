/* Any bytes as SGLang's page of loads: what is no page leaves what was there; a page is ready only
 * with ranks, and no more waits than these can say. With hardly any memory it is the same page, or
 * none. */
#include "../support/fuzz.h"

#include "grader/poll.h"

static const struct loads before = {.waiting = 4711, .ready = true};

static bool same(const struct loads *a, const struct loads *b)
{
    return a->waiting == b->waiting && a->ready == b->ready;
}

static bool read_in(size_t memory, struct str body, struct loads *ret)
{
    struct arena a;
    *ret = before;
    arena_init(&a, memory);
    bool page = loads_read(&a, body, ret);
    arena_done(&a);
    require(page || same(ret, &before));
    return page;
}

/* Each says how many wait there, under a name that stands in the text unless it is escaped. */
static size_t ranks_at_most(struct str body)
{
    static const struct str name = STR_INIT("_waiting_reqs\"");
    size_t n = 0;
    if (str_find(body, STR("\\"), 0) != SIZE_MAX)
        return body.n;
    for (size_t at = 0; (at = str_find(body, name, at)) != SIZE_MAX; at += name.n)
        n++;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str body = {(const char *)data, size};
    struct loads page, again;
    bool is_one = read_in(1u << 20, body, &page);
    if (is_one) {
        require(page.waiting <= ranks_at_most(body) * INT32_MAX);
        require(!page.ready || ranks_at_most(body) > 0);
    }
    if (read_in(8192, body, &again))
        require(is_one && same(&again, &page));
    return 0;
}
