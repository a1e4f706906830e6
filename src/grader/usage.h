/* What requests to a grader used, and what that costs.
 *
 * Money is counted in whole pico-USD (10^-12 USD): a price in millionths of a USD per million
 * tokens is that many pico-USD a token, so sums are exact in any order. A request whose reply does
 * not say what it used is counted in `unknown`, and nothing else of it is. Sums stop at their
 * largest value instead of going round. Pure. */
#ifndef RBR_GRADER_USAGE_H
#define RBR_GRADER_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#define PICO_PER_USD 1e12

struct price {
    bool known; /* false: nothing is said about money */
    uint64_t input, cached_input, output; /* pico-USD a token */
};

/* Of one request or of many. */
struct usage {
    uint64_t input_tokens; /* those from the server's cache included */
    uint64_t cached_input_tokens, output_tokens;
    uint64_t cost_pico;
    uint64_t unknown; /* requests that were answered, or may have been, and do not say */
};

/* Adds and never goes round. */
uint64_t usage_sum(uint64_t a, uint64_t b);
void usage_add(struct usage *to, const struct usage *more);

/* Of its tokens. */
uint64_t price_of(const struct price *p, const struct usage *u);

/* "5.00", or to a millionth below 1. */
const char *usd_print(uint64_t pico, char out[32]);

/* What was used in the last hour, minute by minute: what is over an hour old is left out within a
 * minute, never too early. */
enum { HOUR_MINUTES = 61 };
struct hour {
    struct usage minutes[HOUR_MINUTES]; /* a ring by minute number */
    int64_t minute; /* the latest */
};

void hour_add(struct hour *h, const struct usage *u, int64_t now_us);
void hour_sum(const struct hour *h, int64_t now_us, struct usage *ret);

/* When cost_pico of the last hour will be at most `pico`, if nothing is added. */
int64_t hour_falls_to_us(const struct hour *h, uint64_t pico, int64_t now_us);

#endif
