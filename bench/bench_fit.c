/* A fit as OpenAI's notebook runs it: 1,000 AdamW steps on pairs of 17 completions a prompt. One
 * JSON line.
 *
 * usage: bench_fit [PROMPTS [FEATURES]]      88 and 20: 5,808 pairs */
#include "base/mem.h"
#include "base/rng.h"
#include "bench_common.h"
#include "fit/adamw.h"

/* Completions of one prompt by rank: 2 perfect, 12 bad, 3 disallowed make 66 pairs. */
enum { ROWS = 17, PERFECT = 2, BAD = 14, PAIRS = 66, RUNS = 5 };

static int rank_of(size_t row)
{
    return row % ROWS < PERFECT ? 0 : row % ROWS < BAD ? 1 : 2;
}

static void make(struct pairs *p, size_t prompts, size_t features)
{
    struct rng rng;
    rng_init(&rng, 1);
    *p = (struct pairs){.n_features = features, .n_rows = prompts * ROWS, .n_prompts = prompts};
    p->features = mem_array(p->n_rows * features, sizeof(*p->features));
    p->base = mem_array(p->n_rows, sizeof(*p->base));
    p->items = mem_array(prompts * PAIRS, sizeof(*p->items));
    for (size_t i = 0; i < p->n_rows; i++) {
        p->base[i] = 4 * rng_unit(&rng) - 2;
        for (size_t f = 0; f < features; f++)
            p->features[i * features + f] =
                0.3 * rank_of(i) * (double)(f % 3) / 2 + 0.4 * rng_unit(&rng);
        for (size_t j = i / ROWS * ROWS; j < i; j++)
            if (rank_of(j) < rank_of(i))
                p->items[p->n++] = (struct pair){(uint32_t)j, (uint32_t)i, 1};
    }
    p->n_train = p->n;
}

int main(int argc, char **argv)
{
    size_t prompts = argc > 1 ? strtoul(argv[1], NULL, 10) : 88;
    size_t features = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
    struct pairs p;
    double seconds[RUNS];
    if (prompts == 0 || features == 0)
        bench_die("usage: bench_fit [PROMPTS [FEATURES]]");
    make(&p, prompts, features);
    double *w = mem_array(features, sizeof(*w));
    double *curve = mem_array(adamw_released.steps + 1, sizeof(*curve));
    bool *ignored = mem_array(features, sizeof(*ignored));
    for (size_t i = 0; i < RUNS; i++) {
        double from = bench_cpu_us();
        adamw_fit(&p, ignored, &adamw_released, w, curve);
        seconds[i] = (bench_cpu_us() - from) / 1e6;
    }
    bench_line_begin("fit");
    (void)printf(",\"pairs\":%zu,\"rows\":%zu,\"features\":%zu,\"steps\":%zu,\"cpu_s\":%.4f,"
                 "\"loss\":%.6f,\"rss_mib\":%.1f}\n",
                 p.n, p.n_rows, features, adamw_released.steps, bench_median(seconds, RUNS),
                 curve[adamw_released.steps], (double)bench_rss_bytes() / (1 << 20));
    pairs_done(&p);
    mem_free(w);
    mem_free(curve);
    mem_free(ignored);
    return EXIT_SUCCESS;
}
