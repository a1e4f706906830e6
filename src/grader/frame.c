#include "grader/frame.h"

#include <inttypes.h>

#include "base/json.h"

enum { FRAME_MAX = 1 << 16 };

void frame_begin(struct buf *b, const struct dialect_frame *f, const char *then)
{
    buf_init(b, FRAME_MAX);
    (void)buf_append_z(b, "{\"model\":");
    (void)json_quote(b, f->options.model);
    (void)buf_append_z(b, then);
}

bool frame_keep(struct arena *a, struct buf *b, struct str *ret)
{
    bool ok = !b->failed && arena_copy(a, buf_str(b), ret);
    buf_reset(b);
    return ok;
}

static void write_ids(struct buf *b, const uint32_t *ids, size_t n, bool first)
{
    for (size_t i = 0; i < n; i++)
        (void)buf_printf(b, "%s%" PRIu32, first && i == 0 ? "" : ",", ids[i]);
}

void frame_label_ids(struct buf *b, const struct dialect_options *o)
{
    (void)buf_append_z(b, "[");
    write_ids(b, o->yes_ids, o->n_yes_ids, true);
    write_ids(b, o->no_ids, o->n_no_ids, o->n_yes_ids == 0);
    (void)buf_append_z(b, "]");
}

bool frame_template(struct arena *a, struct buf *b, struct dialect_frame *f)
{
    (void)json_escape(b, f->options.prompt_before);
    bool ok = frame_keep(a, b, &f->template_before);
    (void)json_escape(b, f->options.prompt_after);
    return frame_keep(a, b, &f->template_after) && ok;
}

bool frame_openings(struct arena *a, struct buf *b, struct dialect_frame *f, size_t n,
                    const char *before, const char *after)
{
    f->openings = arena_array(a, n, sizeof(*f->openings));
    bool ok = f->openings != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        (void)buf_printf(b, "%s%sq%zu%s", i > 0 ? "," : "", before, i, after);
        ok = frame_keep(a, b, &f->openings[i]);
    }
    return ok;
}
