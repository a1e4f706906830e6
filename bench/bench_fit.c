/* A fit as OpenAI's notebook runs it, 1,000 AdamW steps on pairs of 17 completions a prompt, and
 * one to the least loss. A JSON line each; without arguments also of a million pairs.
 *
 * usage: bench_fit [PROMPTS [FEATURES]]      88 and 20: 5,808 pairs */
#include "base/mem.h"
#include "base/rng.h"
#include "bench_common.h"
#include "fit/adamw.h"
#include "fit/exact.h"

/* Completions of one prompt by rank: 2 perfect, 12 bad, 3 disallowed make 66 pairs. */
enum { ROWS = 17, PERFECT = 2, BAD = 14, PAIRS = 66, RUNS = 5, SMALL = 88, LARGE = 15152 };

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

static double by_steps(const struct pairs *p, double *w)
{
    double *curve = mem_array(adamw_released.steps + 1, sizeof(*curve));
    bool *ignored = mem_array(p->n_features, sizeof(*ignored));
    adamw_fit(p, ignored, &adamw_released, w, curve, NULL);
    double loss = curve[adamw_released.steps];
    mem_free(curve);
    mem_free(ignored);
    return loss;
}

static double exactly(const struct pairs *p, double *w)
{
    double *lower = mem_array(p->n_features, sizeof(*lower));
    double *upper = mem_array(p->n_features, sizeof(*upper));
    const struct exact_options options = {.lower = lower, .upper = upper};
    struct exact_result result;
    for (size_t f = 0; f < p->n_features; f++) {
        lower[f] = -100;
        upper[f] = 100;
    }
    exact_fit(p, &options, w, &result);
    mem_free(lower);
    mem_free(upper);
    return result.last;
}

static void measure(size_t prompts, size_t features, size_t runs, const char *optimizer,
                    double (*fit)(const struct pairs *p, double *w))
{
    struct pairs p;
    double seconds[RUNS], loss = 0;
    make(&p, prompts, features);
    double *w = mem_array(features, sizeof(*w));
    for (size_t i = 0; i < runs; i++) {
        double from = bench_cpu_us();
        loss = fit(&p, w);
        seconds[i] = (bench_cpu_us() - from) / 1e6;
    }
    double median = bench_median(seconds, runs); /* sorts */
    bench_line_begin("fit");
    (void)printf(",\"optimizer\":\"%s\",\"pairs\":%zu,\"rows\":%zu,\"features\":%zu,\"runs\":%zu,"
                 "\"cpu_s\":%.4f,\"cpu_s_least\":%.4f,\"loss\":%.6f,\"rss_mib\":%.1f}\n",
                 optimizer, p.n, p.n_rows, features, runs, median, seconds[0], loss,
                 (double)bench_rss_bytes() / (1 << 20));
    (void)fflush(stdout);
    pairs_done(&p);
    mem_free(w);
}

int main(int argc, char **argv)
{
    size_t prompts = argc > 1 ? strtoul(argv[1], NULL, 10) : SMALL;
    size_t features = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
    if (prompts == 0 || features == 0)
        bench_die("usage: bench_fit [PROMPTS [FEATURES]]");
    measure(prompts, features, RUNS, "adamw", by_steps);
    measure(prompts, features, RUNS, "exact", exactly);
    if (argc == 1) {
        measure(LARGE, 30, 1, "adamw", by_steps);
        measure(LARGE, 30, 1, "exact", exactly);
    }
    return EXIT_SUCCESS;
}
