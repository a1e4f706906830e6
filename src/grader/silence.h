/* Endpoints that have fallen silent: they have requests, and nothing comes back. Pure.
 *
 * A request that hangs ends with its timeout, which is long. An endpoint is silent well before
 * that: when it owes replies and nothing came for 4 s, or for 8 times as long as the slowest
 * endpoint usually takes, if that is more, and a second more for each 1,000 tokens of the longest
 * prompt that it has to read; while another endpoint answered. */
#ifndef RBR_GRADER_SILENCE_H
#define RBR_GRADER_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct silence {
    int64_t since_us; /* the last reply, or the first request after it; INT64_MAX: it owes none */
    double usual_us; /* what an answer takes, smoothed; 0: not known */
};

void silence_init(struct silence *s);

void silence_sent(struct silence *s, int64_t now_us);

/* A request ended. `heard`: by a reply, of whatever kind; `owes`: it has others. */
void silence_ended(struct silence *s, bool heard, bool owes, int64_t now_us);

/* It ended by an answer. */
void silence_answered(struct silence *s, int64_t sent_us, int64_t now_us);

/* How long is too long, and how much longer for a prompt of so many tokens. */
int64_t silence_most_us(const struct silence *all, size_t n);
int64_t silence_reading_us(size_t tokens);

/* Whether it has been so; `answered_us`: the last answer of any endpoint. */
bool silence_is_long(const struct silence *s, int64_t most_us, int64_t answered_us, int64_t now_us);

#endif
