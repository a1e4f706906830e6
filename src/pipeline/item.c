#include "pipeline/item.h"

#include "base/mem.h"

void item_init(struct item *it, size_t arena_bytes)
{
    *it = (struct item){0};
    ruling_init(&it->live, it, SINK_REWARDS, arena_bytes);
}

void item_add_shadow(struct item *it)
{
    it->shadow = mem_alloc(sizeof(*it->shadow));
    ruling_init(it->shadow, it, SINK_SHADOW, it->live.arena.max);
}

static void drop_shadow(struct item *it)
{
    if (it->shadow != NULL)
        ruling_done(it->shadow);
    mem_free(it->shadow);
    it->shadow = NULL;
}

void item_done(struct item *it)
{
    ruling_done(&it->live);
    drop_shadow(it);
}

void item_reset(struct item *it)
{
    struct ruling live = it->live;
    ruling_reset(&live);
    drop_shadow(it);
    *it = (struct item){.live = live};
}

void item_let_go(struct item *it)
{
    arena_reset(&it->live.arena);
    if (it->shadow != NULL)
        arena_reset(&it->shadow->arena);
    it->record = NULL;
}

size_t item_bytes(const struct item *it)
{
    size_t shadow = it->shadow != NULL ? sizeof(*it->shadow) + ruling_bytes(it->shadow) : 0;
    return sizeof(*it) + ruling_bytes(&it->live) + shadow;
}

size_t item_message_bytes(const struct item *it)
{
    return it->live.out.n + (it->shadow != NULL ? it->shadow->out.n : 0);
}

/* Copies what the message needs of its input; false when the arena is full. */
static bool keep_input(struct item *it, const struct source_record *in)
{
    struct str traceparent = source_header(in, STR("traceparent"));
    it->key = (struct str){0};
    if (in->key.p != NULL && !arena_copy(&it->live.arena, in->key, &it->key))
        return false;
    return arena_copy(&it->live.arena, traceparent.n <= 256 ? traceparent : (struct str){0},
                      &it->traceparent);
}

bool item_decode(struct item *it, const struct source_record *in,
                 const struct record_limits *limits, struct refusal *ret_refusal)
{
    enum record_format format = record_format_of(source_header(in, STR("content-type")));
    *ret_refusal = (struct refusal){.kind = REFUSAL_TOO_MUCH_MEMORY};
    it->record = NULL;
    if (keep_input(it, in))
        it->record =
            record_decode(&it->live.arena, in->value, format, limits, &it->origin, ret_refusal);
    return it->record != NULL;
}

int64_t item_expires_us(const struct item *it)
{
    int64_t left_ms = it->record->deadline_ms - it->received_ms;
    if (it->record->deadline_ms <= 0 || left_ms > INT64_MAX / 4000) /* as good as never */
        return CLOCK_NEVER;
    return left_ms > 0 ? it->received_us + left_ms * 1000 : it->received_us;
}
