#include "stream/kafka_bombs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <zlib.h>

#include "obs/log.h"

/* liblz4's interface, as far as we pass it on; its header is not needed for more. */
struct LZ4F_dctx_s;
size_t LZ4F_decompress(struct LZ4F_dctx_s *context, void *to, size_t *to_bytes, const void *from,
                       size_t *from_bytes, const void *options);
size_t LZ4F_createDecompressionContext(struct LZ4F_dctx_s **context, unsigned version);

#define LZ4F_ERROR_GENERIC ((size_t)-1)

static atomic_size_t bound = SIZE_MAX;

static struct {
    int (*inflate)(z_streamp, int);
    size_t (*lz4_decompress)(struct LZ4F_dctx_s *, void *, size_t *, const void *, size_t *,
                             const void *);
    size_t (*lz4_create)(struct LZ4F_dctx_s **, unsigned);
} next;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The functions behind ours. POSIX's dlsym gives functions as data. */
static void find_next(void)
{
    *(void **)&next.inflate = dlsym(RTLD_NEXT, "inflate");
    *(void **)&next.lz4_decompress = dlsym(RTLD_NEXT, "LZ4F_decompress");
    *(void **)&next.lz4_create = dlsym(RTLD_NEXT, "LZ4F_createDecompressionContext");
}

void kafka_bound_decompression(size_t bytes)
{
    atomic_store(&bound, bytes);
}

int inflate(z_streamp stream, int flush)
{
    (void)pthread_once(&once, find_next);
    if (stream->total_out > atomic_load_explicit(&bound, memory_order_relaxed))
        return Z_DATA_ERROR;
    return next.inflate(stream, flush);
}

/* librdkafka decompresses one frame at a time in a thread, each with a context of its own. A frame
 * may say how large it becomes, and is then given room for all of it, which no call may fill. */
static _Thread_local size_t lz4_bytes;

size_t LZ4F_createDecompressionContext(struct LZ4F_dctx_s **context, unsigned version)
{
    (void)pthread_once(&once, find_next);
    lz4_bytes = 0;
    return next.lz4_create(context, version);
}

size_t LZ4F_decompress(struct LZ4F_dctx_s *context, void *to, size_t *to_bytes, const void *from,
                       size_t *from_bytes, const void *options)
{
    (void)pthread_once(&once, find_next);
    size_t most = atomic_load_explicit(&bound, memory_order_relaxed);
    if (lz4_bytes > most)
        return LZ4F_ERROR_GENERIC;
    if (*to_bytes > most - lz4_bytes && most < SIZE_MAX)
        *to_bytes = most - lz4_bytes + 1;
    size_t left = next.lz4_decompress(context, to, to_bytes, from, from_bytes, options);
    lz4_bytes += *to_bytes;
    return left;
}

void kafka_warn_of_bombs(rd_kafka_t *client, const char *topic, size_t record_bytes, int timeout_ms)
{
    struct kafka_topic_limits limits;
    kafka_topic_limits(client, topic, timeout_ms, &limits);
    if (limits.compressed)
        log_warning("source.bombs_allowed",
                    "%s: a small batch may grow when it is read, and becomes dead letters beyond "
                    "%zu bytes (receive.message.max.bytes); with compression.type=uncompressed the "
                    "brokers refuse it when it is written",
                    topic, atomic_load(&bound));
    if (record_bytes > 0 && limits.message_bytes > record_bytes)
        log_warning("source.large_records_allowed",
                    "%s: max.message.bytes is %zu, and a record of more than %zu bytes "
                    "(4 x limits.completion_bytes) becomes a dead letter; lower the one or raise "
                    "the other",
                    topic, limits.message_bytes, record_bytes);
}
