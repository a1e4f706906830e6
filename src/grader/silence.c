#include "grader/silence.h"

enum { LEAST_US = 4000000, TIMES = 8, SMOOTH = 8, READING_US = 1000 };

void silence_init(struct silence *s)
{
    *s = (struct silence){.since_us = INT64_MAX};
}

void silence_sent(struct silence *s, int64_t now_us)
{
    if (s->since_us == INT64_MAX)
        s->since_us = now_us;
}

void silence_ended(struct silence *s, bool heard, bool owes, int64_t now_us)
{
    if (!owes)
        s->since_us = INT64_MAX;
    else if (heard)
        s->since_us = now_us;
}

void silence_answered(struct silence *s, int64_t sent_us, int64_t now_us)
{
    double took = (double)(now_us - sent_us);
    s->usual_us += s->usual_us > 0 ? (took - s->usual_us) / SMOOTH : took;
}

int64_t silence_most_us(const struct silence *all, size_t n)
{
    double usual = 0;
    for (size_t i = 0; i < n; i++)
        usual = all[i].usual_us > usual ? all[i].usual_us : usual;
    return usual * TIMES > LEAST_US ? (int64_t)(usual * TIMES) : LEAST_US;
}

int64_t silence_reading_us(size_t tokens)
{
    return (int64_t)tokens * READING_US;
}

bool silence_is_long(const struct silence *s, int64_t most_us, int64_t answered_us, int64_t now_us)
{
    return s->since_us != INT64_MAX && now_us - s->since_us >= most_us && answered_us > s->since_us;
}
