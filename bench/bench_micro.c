/* Our own share of a request, piece by piece, in CPU nanoseconds per call. One JSON line a piece.
 *
 * usage: bench_micro [SECONDS_PER_PIECE] */
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "bench_common.h"
#include "cache/cache.h"
#include "grader/affinity.h"
#include "grader/dialect.h"
#include "grader/grader.h"
#include "grader/labels.h"

enum { QUESTION_TEXT = 1750, PIECE_RUNS = 5, CACHE_BYTES = 64 << 20, CACHE_JUDGMENTS = 100000 };

static const char policy_text[] =
    "policy: {id: bench}\n"
    "prompt_template: \"The reply again:\\n{response}\\n\\nAnswer yes or no: {question}\"\n"
    "completion_class_order: [good, bad]\n"
    "completion_classes: {good: {plain: {q0: true}}, bad: {plain: {q0: false}}}\n"
    "simple_propositions: {q0: {prompt: \"does the assistant apologise?\"}}\n";

struct subject {
    struct policy *policy;
    struct record record;
    struct arena arena;
    struct prompt prompt;
    struct dialect_frame frame;
    struct grader *grader;
    struct str reply;
    char reply_text[4096], text[QUESTION_TEXT];
    struct message turns[2];
    struct cache *cache;
    uint64_t judgment; /* number of the next */
    uint64_t sum; /* so that nothing is optimised away */
};

static void prompt(struct subject *s)
{
    arena_reset(&s->arena);
    s->sum += (uint64_t)prompt_build(&s->arena, s->policy, &s->record, &s->prompt);
}

static void body(struct subject *s)
{
    static const struct str question = STR_INIT("does it?");
    static const uint16_t first = 0;
    static struct dialect_body parts;
    static char out[8192];
    struct dialect_asked asked = {&s->prompt, &question, &first, 1};
    size_t at = 0;
    parts.n = 0;
    dialect_chat.build(&s->frame, &asked, &parts);
    for (size_t i = 0; i < parts.n; i++) {
        memcpy(out + at, parts.parts[i].p, parts.parts[i].n);
        at += parts.parts[i].n;
    }
    s->sum += at;
}

static void reply_read(struct subject *s)
{
    struct answer answer;
    struct dialect_reply reply;
    arena_reset(&s->arena);
    dialect_chat.read(&s->arena, &s->frame, s->policy, s->reply, &answer, 1, &reply);
    s->sum += answer.reason == REASON_NONE;
}

static void json(struct subject *s)
{
    struct json_fault fault;
    arena_reset(&s->arena);
    s->sum += json_parse(&s->arena, s->reply, &fault) != NULL;
}

static void labels(struct subject *s)
{
    static const struct str tokens[] = {STR_INIT("Yes"), STR_INIT(" No"), STR_INIT("The"),
                                        STR_INIT("**"), STR_INIT("Sure")};
    struct labels_sum sum = {.policy = s->policy};
    for (int i = 0; i < 20; i++)
        s->sum += labels_add(&sum, tokens[i % 5], -3 - i * 0.1);
    s->sum += labels_judge(&sum).reason == REASON_NONE;
}

static void digest(struct subject *s)
{
    uint8_t out[JUDGMENT_DIGEST_BYTES];
    grader_digest(s->grader, &s->prompt, 0, out);
    s->sum += out[0];
}

static void affinity(struct subject *s)
{
    static struct affinity_endpoint eight[8];
    for (size_t i = 0; i < ARRAY_LEN(eight); i++)
        eight[i] = (struct affinity_endpoint){.seed = i, .may = true, .load = (double)(20 + i)};
    s->sum += affinity_pick(eight, ARRAY_LEN(eight), s->judgment++);
}

/* As good as SHA-256 to spread them, and cheap beside what is measured. */
static uint64_t mixed(uint64_t number)
{
    uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 27;
}

/* Its end is of the completion, which has sixteen questions. */
static void number_digest(uint64_t number, uint8_t out[JUDGMENT_DIGEST_BYTES])
{
    const uint64_t words[] = {mixed(number), mixed(number / 16)};
    _Static_assert(sizeof(words) == JUDGMENT_DIGEST_BYTES, "all of it");
    memcpy(out, words, sizeof(words));
}

static void cache_put(struct subject *s)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct cache_entry e = {.probability = 0.5,
                            .mass = 1,
                            .graded_ms = 1700000000000,
                            .model_n = 7,
                            .model = "judge-1"};
    number_digest(s->judgment++ % CACHE_JUDGMENTS, digest);
    s->cache->put(s->cache, digest, &e);
}

static void cache_hit(struct subject *s)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct cache_entry e;
    number_digest(s->judgment++ % CACHE_JUDGMENTS, digest);
    s->sum += s->cache->get(s->cache, digest, &e);
}

static void cache_miss(struct subject *s)
{
    uint8_t digest[JUDGMENT_DIGEST_BYTES];
    struct cache_entry e;
    number_digest(CACHE_JUDGMENTS + s->judgment++, digest);
    s->sum += s->cache->get(s->cache, digest, &e);
}

static void neutralise(struct subject *s)
{
    static struct buf b = {.max = 1 << 20};
    buf_reset(&b);
    s->sum += prompt_neutralise(&b, (struct str){s->text, sizeof(s->text)}, s->policy).tokens;
}

static void make_reply(struct subject *s)
{
    struct buf b;
    buf_init(&b, sizeof(s->reply_text));
    (void)buf_append_z(&b, "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"m\","
                           "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                           "\"content\":\"Yes\"},\"logprobs\":{\"content\":[{\"token\":\"Yes\","
                           "\"logprob\":-0.2231435,\"bytes\":[89,101,115],\"top_logprobs\":[");
    for (int i = 0; i < 20; i++)
        (void)buf_printf(&b, "%s{\"token\":\"%s\",\"logprob\":-%d.%07d,\"bytes\":[89,101,115]}",
                         i > 0 ? "," : "", i == 0 ? "Yes" : "Well", i, 2231435 + i);
    (void)buf_append_z(&b, "]}]},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1043,"
                           "\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":"
                           "1008}}}");
    memcpy(s->reply_text, b.p, b.n);
    s->reply = (struct str){s->reply_text, b.n};
    buf_done(&b);
}

static void measure(const char *name, void (*piece)(struct subject *), struct subject *s,
                    double seconds)
{
    double runs[PIECE_RUNS] = {0};
    size_t calls = 0;
    for (size_t i = 0; i < PIECE_RUNS; i++) {
        double began = bench_cpu_us(), took = 0;
        size_t n = 0;
        while (took < seconds / PIECE_RUNS * 1e6) {
            for (int k = 0; k < 1000; k++)
                piece(s);
            n += 1000;
            took = bench_cpu_us() - began;
        }
        runs[i] = took * 1e3 / (double)n;
        calls += n;
    }
    double median = bench_median(runs, PIECE_RUNS);
    bench_line_begin("micro");
    (void)printf(",\"piece\":\"%s\",\"calls\":%zu,\"cpu_ns\":%.0f,\"cpu_ns_best\":%.0f}\n", name,
                 calls, median, runs[0]);
    (void)fflush(stdout);
}

static void measure_cache(const char *name, struct cache *cache, struct subject *s, double seconds)
{
    static const struct {
        const char *what;
        void (*piece)(struct subject *);
    } pieces[] = {{"put", cache_put}, {"hit", cache_hit}, {"miss", cache_miss}};
    char text[64];
    s->cache = cache;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        (void)snprintf(text, sizeof(text), "%s_%s", name, pieces[i].what);
        measure(text, pieces[i].piece, s, seconds);
    }
    cache_free(cache);
}

static void measure_caches(struct subject *s, double seconds)
{
    char path[] = "bench-cache-XXXXXX";
    int fd = mkstemp(path);
    struct cache *file;
    if (fd < 0 || cache_file_new(path, CACHE_BYTES, &file, NULL) != ERR_OK)
        bench_die("no cache can be made here");
    (void)close(fd);
    measure_cache("cache_file", file, s, seconds);
    measure_cache("cache_memory", cache_mem_new(CACHE_BYTES), s, seconds);
    (void)unlink(path);
}

static void never_sent(struct transport *t RBR_UNUSED, struct transport_req *req RBR_UNUSED)
{
    abort();
}

int main(int argc, char **argv)
{
    static struct subject s;
    struct transport nowhere = {.send = never_sent, .cancel = never_sent, .drop = never_sent};
    struct transport_endpoint *none = NULL;
    struct grader_config config = {.name = STR("bench"),
                                   .dialect = STR("chat"),
                                   .ask = {.model = STR("judge"), .top_logprobs = 20},
                                   .endpoints = &none,
                                   .n_endpoints = 1,
                                   .max_in_flight = 1};
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    struct arena frame;
    bench_text(s.text, sizeof(s.text));
    bench_record(&s.record, s.turns, (struct str){s.text, sizeof(s.text)});
    make_reply(&s);
    s.policy = bench_policy(policy_text);
    arena_init(&s.arena, 4 << 20);
    arena_init(&frame, 1 << 20);
    s.frame.options = (struct dialect_options){.model = STR("judge"), .top_logprobs = 20};
    if (!dialect_chat.frame(&frame, &s.frame) ||
        grader_new(&config, &nowhere, &clock_real, 1, &s.grader, NULL) != ERR_OK)
        bench_die("the grader does not start");
    measure("json_parse_reply", json, &s, seconds);
    measure("reply_read", reply_read, &s, seconds);
    measure("labels_20", labels, &s, seconds);
    measure("neutralise_1750_bytes", neutralise, &s, seconds);
    measure("prompt_build_4k", prompt, &s, seconds);
    measure("body_parts_joined_4k", body, &s, seconds);
    measure("digest", digest, &s, seconds);
    measure("affinity_pick_8", affinity, &s, seconds);
    measure_caches(&s, seconds);
    (void)grader_free(s.grader);
    arena_done(&s.arena);
    arena_done(&frame);
    policy_free(s.policy);
    return s.sum == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
