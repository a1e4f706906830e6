#include "worker/json_keys.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/utf8.h"

void json_key(struct buf *b, const char *key)
{
    bool first = b->n == 0 || b->p[b->n - 1] == '{';
    (void)buf_printf(b, "%s\"%s\":", first ? "" : ",", key);
}

void json_count(struct buf *b, const char *key, uint64_t v)
{
    json_key(b, key);
    (void)buf_printf(b, "%" PRIu64, v);
}

void json_real(struct buf *b, const char *key, double v)
{
    json_key(b, key);
    (void)json_number(b, v);
}

void json_name(struct buf *b, struct str s)
{
    if (s.n == 0) {
        (void)buf_append_z(b, "null");
        return;
    }
    (void)buf_append_z(b, "\"");
    for (size_t at = 0; at < s.n;) {
        size_t run = utf8_valid_prefix(str_sub(s, at, s.n));
        (void)json_escape(b, str_sub(s, at, at + run));
        at += run;
        if (at++ < s.n)
            (void)buf_append_z(b, "\\ufffd");
    }
    (void)buf_append_z(b, "\"");
}

void json_text(struct buf *b, const char *key, struct str s)
{
    json_key(b, key);
    json_name(b, s);
}
