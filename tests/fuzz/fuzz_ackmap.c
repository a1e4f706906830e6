/* Any bytes as offset metadata, and any bytes as a map: what is taken is what encoding it gives,
 * what is refused leaves nothing done, and every map comes back from its text. */
#include "../support/fuzz.h"

#include "stream/ackmap.h"

/* The base is where the fuzzer can learn it: nothing it could guess has a right digest anyway. */
enum { BASE = 0 };

static void as_text(struct str text)
{
    struct ackmap m;
    char again[ACKMAP_TEXT_MAX];
    enum ackmap_fault fault = ackmap_decode(text, BASE, &m);
    require(fault < ACKMAP_FAULTS);
    require(m.n <= ACKMAP_SPAN_MAX);
    require(fault == ACKMAP_GOOD || m.n == 0);
    /* The other encoding of the same map is taken as well: compare maps, not texts. */
    if (fault == ACKMAP_GOOD) {
        struct ackmap back;
        size_t n = ackmap_encode(&m, BASE, again);
        require(n <= text.n);
        require(ackmap_decode((struct str){again, n}, BASE, &back) == ACKMAP_GOOD);
        require(memcmp(&back, &m, sizeof(m)) == 0);
    }
}

static void as_map(const uint8_t *data, size_t size)
{
    struct ackmap m, back;
    char text[ACKMAP_TEXT_MAX];
    ackmap_clear(&m);
    for (size_t i = 0; i < 8 * size && i < ACKMAP_SPAN_MAX; i++)
        if ((data[i / 8] >> (i % 8) & 1) != 0)
            ackmap_set(&m, i);
    size_t n = ackmap_encode(&m, (int64_t)size, text);
    require(n <= ACKMAP_TEXT_MAX);
    require(ackmap_decode((struct str){text, n}, (int64_t)size, &back) == ACKMAP_GOOD);
    require(memcmp(&back, &m, sizeof(m)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_text((struct str){(const char *)data, size});
    as_map(data, size);
    return 0;
}
