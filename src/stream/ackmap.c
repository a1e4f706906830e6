#include "stream/ackmap.h"

#include <assert.h>

#include "base/base64.h"
#include "base/sha256.h"

#define PRODUCT "rbr"

enum {
    VERSION = '1',
    BITMAP = 'b',
    RUNS = 'r',
    PREFIX = sizeof(PRODUCT) - 1 + 3, /* version, encoding, colon */
    DIGEST = 8,
    HEAD = DIGEST + 8 + 2,
    MAP_MAX = ACKMAP_SPAN_MAX / 8,
};

_Static_assert(PREFIX + BASE64_CHARS(HEAD + MAP_MAX) <= ACKMAP_TEXT_MAX, "any map fits");

/* Decoded or to be encoded; room for what base64 of the longest text may hold. */
struct binary {
    size_t n;
    uint8_t bytes[ACKMAP_TEXT_MAX];
};

void ackmap_clear(struct ackmap *m)
{
    *m = (struct ackmap){0};
}

void ackmap_set(struct ackmap *m, size_t i)
{
    assert(i < ACKMAP_SPAN_MAX);
    m->done[i / 8] |= (uint8_t)(1u << (i % 8));
    if (i >= m->n)
        m->n = i + 1;
}

size_t ackmap_count(const struct ackmap *m)
{
    size_t n = 0;
    for (size_t i = 0; i < (m->n + 7) / 8; i++)
        n += (size_t)__builtin_popcount(m->done[i]);
    return n;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void put(uint8_t *p, size_t bytes, uint64_t v)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static uint64_t get(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void digest(const char *prefix, const struct binary *b, uint8_t out[SHA256_BYTES])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_raw(&h, (struct str){prefix, PREFIX});
    sha256_raw(&h, (struct str){(const char *)b->bytes + DIGEST, b->n - DIGEST});
    sha256_finish(&h, out);
    sha256_done(&h);
}

/* ---- run lengths ----------------------------------------------------------------------------- */

/* The length of the run that begins at i. */
static size_t run_at(const struct ackmap *m, size_t i)
{
    size_t end = i;
    bool done = ackmap_get(m, i);
    while (end < m->n && ackmap_get(m, end) == done)
        end++;
    return end - i;
}

/* False when they would not be shorter than `limit`. */
static bool put_runs(const struct ackmap *m, size_t limit, uint8_t *p, size_t *ret)
{
    size_t n = 0, i = 0;
    for (bool done = false; i < m->n; done = !done) {
        size_t run = ackmap_get(m, i) == done ? run_at(m, i) : 0; /* 0: the first is done */
        i += run;
        do {
            if (n + 1 >= limit)
                return false;
            p[n++] = (uint8_t)((run & 0x7f) | (run > 0x7f ? 0x80 : 0));
            run >>= 7;
        } while (run > 0);
    }
    *ret = n;
    return true;
}

static bool get_run(const uint8_t *p, size_t n, size_t *at, size_t *ret)
{
    size_t run = 0;
    for (unsigned shift = 0; shift < 21 && *at < n; shift += 7) {
        uint8_t byte = p[(*at)++];
        run |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) != 0)
            continue;
        *ret = run;
        return shift == 0 || byte != 0; /* else it could have been written shorter */
    }
    return false;
}

static bool get_runs(const uint8_t *p, size_t n, struct ackmap *ret)
{
    size_t at = 0, i = 0;
    bool done = false;
    for (; at < n; done = !done) {
        size_t run;
        bool first = at == 0;
        if (!get_run(p, n, &at, &run) || (run == 0 && !first) || run > ACKMAP_SPAN_MAX - i)
            return false;
        for (size_t end = i + run; i < end; i++)
            if (done)
                ackmap_set(ret, i);
    }
    return !done; /* the last one is done */
}

/* ---- bitmaps --------------------------------------------------------------------------------- */

static bool get_bitmap(const uint8_t *p, size_t n, struct ackmap *ret)
{
    if (n > MAP_MAX || (n > 0 && p[n - 1] == 0))
        return false;
    for (size_t i = 0; i < 8 * n; i++)
        if ((p[i / 8] >> (i % 8) & 1) != 0)
            ackmap_set(ret, i);
    return true;
}

/* ---- texts ----------------------------------------------------------------------------------- */

size_t ackmap_encode(const struct ackmap *m, int64_t base, char out[ACKMAP_TEXT_MAX])
{
    struct binary b;
    size_t n = (m->n + 7) / 8; /* of the bitmap */
    bool runs = n > 0 && put_runs(m, n, b.bytes + HEAD, &n);
    if (!runs)
        memcpy(b.bytes + HEAD, m->done, n);
    b.n = HEAD + n;
    put(b.bytes + DIGEST, 8, (uint64_t)base);
    put(b.bytes + DIGEST + 8, 2, n);

    memcpy(out, PRODUCT, sizeof(PRODUCT) - 1);
    out[PREFIX - 3] = VERSION;
    out[PREFIX - 2] = runs ? RUNS : BITMAP;
    out[PREFIX - 1] = ':';
    uint8_t sum[SHA256_BYTES];
    digest(out, &b, sum);
    memcpy(b.bytes, sum, DIGEST);

    char text[BASE64_CHARS(HEAD + MAP_MAX) + 1]; /* OpenSSL adds a NUL */
    size_t n_text = base64_encode(b.bytes, b.n, text);
    memcpy(out + PREFIX, text, n_text);
    return PREFIX + n_text;
}

static enum ackmap_fault open_prefix(struct str text)
{
    if (text.n == 0)
        return ACKMAP_MISSING;
    if (!str_has_prefix(text, STR(PRODUCT)))
        return ACKMAP_FOREIGN;
    if (text.n < PREFIX)
        return ACKMAP_CUT;
    if (text.p[PREFIX - 1] != ':')
        return ACKMAP_FOREIGN;
    char encoding = text.p[PREFIX - 2];
    if (text.p[PREFIX - 3] != VERSION || (encoding != BITMAP && encoding != RUNS))
        return ACKMAP_NEWER;
    return ACKMAP_GOOD;
}

static enum ackmap_fault open_body(struct str text, struct binary *b)
{
    struct str body = str_sub(text, PREFIX, text.n);
    uint8_t sum[SHA256_BYTES];
    if (body.n % 4 != 0)
        return ACKMAP_CUT;
    if (body.n > BASE64_CHARS((size_t)HEAD + MAP_MAX) || !base64_decode(body, b->bytes, &b->n))
        return ACKMAP_CORRUPT;
    if (b->n < HEAD || b->n - HEAD < get(b->bytes + DIGEST + 8, 2))
        return ACKMAP_CUT;
    digest(text.p, b, sum);
    return memcmp(sum, b->bytes, DIGEST) == 0 ? ACKMAP_GOOD : ACKMAP_CORRUPT;
}

enum ackmap_fault ackmap_decode(struct str text, int64_t base, struct ackmap *ret)
{
    struct binary b;
    ackmap_clear(ret);
    enum ackmap_fault fault = open_prefix(text);
    if (fault == ACKMAP_GOOD)
        fault = open_body(text, &b);
    if (fault != ACKMAP_GOOD)
        return fault;
    if (get(b.bytes + DIGEST, 8) != (uint64_t)base)
        return ACKMAP_ELSEWHERE;
    /* The digest says that we wrote it, not that we wrote it right. */
    size_t n = b.n - HEAD;
    const uint8_t *map = b.bytes + HEAD;
    bool good = n == get(b.bytes + DIGEST + 8, 2);
    if (good)
        good = text.p[PREFIX - 2] == RUNS ? get_runs(map, n, ret) : get_bitmap(map, n, ret);
    if (good)
        return ACKMAP_GOOD;
    ackmap_clear(ret);
    return ACKMAP_CORRUPT;
}

const char *ackmap_fault_text(enum ackmap_fault fault)
{
    static const char *const texts[ACKMAP_FAULTS] = {
        [ACKMAP_GOOD] = "good",
        [ACKMAP_MISSING] = "it is missing: the offset was committed by another tool",
        [ACKMAP_FOREIGN] = "it is of another program",
        [ACKMAP_NEWER] = "it is of a newer version of rbr",
        [ACKMAP_CUT] = "it is cut short",
        [ACKMAP_CORRUPT] = "it is damaged",
        [ACKMAP_ELSEWHERE] = "it belongs to another offset",
    };
    return texts[fault];
}
