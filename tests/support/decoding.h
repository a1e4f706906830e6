/* Decoding in tests: the value is an exact copy on the heap (a read past its end is seen) and is
 * overwritten after the decode (a record that points into it is seen); refusals compared whole;
 * protobuf written by hand. Header only. */
#ifndef RBR_TESTS_DECODING_H
#define RBR_TESTS_DECODING_H

#include "unit.h"

#include "base/buf.h"
#include "record/record.h"

struct decoding {
    struct arena arena;
    struct refusal refusal;
    struct record *record; /* NULL: refused */
};

static const struct record_origin decoding_origin = {
    .topic = STR_INIT("completions"), .partition = 3, .offset = 42};

static inline void decoding_run(struct decoding *d, struct str value, enum record_format format,
                                const struct record_limits *limits,
                                const struct record_origin *origin)
{
    char *exact = mem_resize(NULL, value.n);
    if (value.n > 0)
        memcpy(exact, value.p, value.n);
    arena_init(&d->arena, limits->memory_bytes);
    d->record =
        record_decode(&d->arena, (struct str){exact, value.n}, format, limits, origin, &d->refusal);
    memset(exact, 0xa5, value.n);
    mem_free(exact);
}

static inline void decoding_done(struct decoding *d)
{
    arena_done(&d->arena);
}

static inline void decoding_accept(struct decoding *d, struct str value)
{
    char why[256];
    decoding_run(d, value, RECORD_DETECT, &record_limits_default, &decoding_origin);
    if (d->record == NULL) {
        refusal_print(&d->refusal, why);
        fail_msg("%.*s: %s", (int)(value.n < 400 ? value.n : 400), value.p, why);
    }
}

/* Decodes and expects this refusal. */
static inline void decoding_refuse(struct str value, enum record_format format,
                                   const struct record_limits *limits,
                                   const struct record_origin *origin, enum refusal_kind kind,
                                   size_t offset, const char *field)
{
    struct decoding d;
    char why[256];
    decoding_run(&d, value, format, limits, origin);
    refusal_print(&d.refusal, why);
    if ((d.refusal.wanted != NULL) != (d.refusal.kind == REFUSAL_WRONG_TYPE))
        fail_msg("%.*s: does not say what is wanted: %s", STR_ARGS(value), why);
    if (d.record != NULL)
        fail_msg("%.*s was taken, want %s", STR_ARGS(value), refusal_name(kind));
    if (d.refusal.kind != kind || d.refusal.offset != offset || strcmp(d.refusal.field, field) != 0)
        fail_msg("%.*s: %s; want %s at byte %zu, '%s'", STR_ARGS(value), why, refusal_name(kind),
                 offset, field);
    decoding_done(&d);
}

/* ---- protobuf by hand */

static inline void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        (void)buf_append(b, &(char){(char)(v | 0x80)}, 1);
    (void)buf_append(b, &(char){(char)v}, 1);
}

static inline void put_int(struct buf *b, unsigned field, uint64_t v)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}

static inline void put_text(struct buf *b, unsigned field, struct str s)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, s.n);
    (void)buf_append_str(b, s);
}

static inline void put_double(struct buf *b, unsigned field, double v)
{
    put_varint(b, (uint64_t)field << 3 | 1);
    (void)buf_append(b, &v, sizeof(v)); /* little endian machines only, as the tests are */
}

/* Message {role, content} as field `field`. */
static inline void put_message(struct buf *b, unsigned field, struct str role, struct str content)
{
    struct buf m;
    buf_init(&m, 8u << 20);
    put_text(&m, 1, role);
    put_text(&m, 2, content);
    put_text(b, field, buf_str(&m));
    buf_done(&m);
}

/* The smallest record that is taken: id "a", prompt "p", completion "c". */
static inline void put_minimal(struct buf *b)
{
    put_text(b, 1, STR("a"));
    put_message(b, 20, STR("user"), STR("p"));
    put_message(b, 21, STR("assistant"), STR("c"));
}

#endif
