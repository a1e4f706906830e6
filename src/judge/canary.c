#include "judge/canary.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "grader/prompt.h"
#include "obs/log.h"
#include "record/record.h"

enum {
    MEMORY = 64 * 1024 * 1024,
    AGAIN_US = 60000000, /* after a round without an answer */
    WORDS_MAX = 400,
    TIME_TEXT = 32,
    ID_SHOWN_MAX = 64,
    MILLION = 1000000,
};

struct canary {
    struct canaries *all;
    struct str id;
    struct prompt prompt;
    const int8_t *expected; /* by proposition: NOTHING, or 0 or 1 */
    struct judgment *judgments;
    struct grader_group group;
};

enum { NOTHING = -1 };

struct canaries {
    const struct policy *policy;
    struct canaries_config config;
    struct arena memory;
    struct canary *canaries[CANARIES_MAX];
    size_t n;
    struct grader *grader; /* NULL: not started */
    const struct clock *clock;
    size_t asking; /* canaries not done */
    bool cancelled, stopped;
    bool passed, failed; /* any round; the last one that had answers */
    uint64_t asked; /* records put to the grader */
    uint64_t round_at, passed_at; /* of these when the last round began, and the last that passed */
    int64_t round_ms, passed_ms; /* the same, in wall time */
    int64_t again_us; /* after a round without an answer; CLOCK_NEVER: none */
    struct canaries_stats stats;
};

/* ---- reading ----------------------------------------------------------------------------------
 */

struct canaries *canaries_new(const struct policy *policy, const struct canaries_config *config)
{
    struct canaries *c = mem_alloc(sizeof(*c));
    c->policy = policy;
    c->config = *config;
    arena_init(&c->memory, MEMORY);
    return c;
}

void canaries_free(struct canaries *c)
{
    if (c == NULL)
        return;
    assert(c->asking == 0);
    arena_done(&c->memory);
    mem_free(c);
}

static enum err_code expect(const struct canaries *c, const struct known_judgment *k,
                            int8_t *expected, struct err *err)
{
    for (size_t i = 0; i < c->policy->n_propositions; i++) {
        if (!str_eq(c->policy->propositions[i].name, k->name))
            continue;
        if (c->policy->propositions[i].check != NULL)
            return err_set(err, ERR_INVALID, "'%.*s' is a check, which no grader is asked",
                           STR_ARGS(k->name));
        if (k->probability != 0 && k->probability != 1)
            return err_set(err, ERR_INVALID, "'%.*s' is neither true nor false", STR_ARGS(k->name));
        expected[i] = k->probability == 1;
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID, "the policy does not ask '%.*s'", STR_ARGS(k->name));
}

static enum err_code too_large(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the canaries take more than %d MiB", MEMORY >> 20);
}

enum err_code canaries_add(struct canaries *c, struct str line, struct err *err)
{
    const struct record_origin origin = {.topic = STR("canary"), .offset = (int64_t)c->n + 1};
    size_t n = c->policy->n_propositions;
    struct refusal refusal;
    char text[256];
    if (c->n == CANARIES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d canaries", CANARIES_MAX);
    struct record *r =
        record_decode(&c->memory, line, RECORD_JSON, &record_limits_default, &origin, &refusal);
    if (r == NULL) {
        refusal_print(&refusal, text);
        return err_set(err, ERR_INVALID, "%s", text);
    }
    struct canary *one = arena_array(&c->memory, 1, sizeof(*one));
    int8_t *expected = arena_array(&c->memory, n, sizeof(*expected));
    struct judgment *judgments = arena_array(&c->memory, n, sizeof(*judgments));
    if (one == NULL || expected == NULL || judgments == NULL)
        return too_large(err);
    memset(expected, NOTHING, n * sizeof(*expected));
    if (r->n_known == 0)
        return err_set(err, ERR_INVALID, "no `propositions`: the answers that are right");
    for (size_t i = 0; i < r->n_known; i++)
        if (expect(c, &r->known[i], expected, err) != ERR_OK)
            return err->code;
    *one = (struct canary){
        .all = c, .id = r->completion_id, .expected = expected, .judgments = judgments};
    if (prompt_build(&c->memory, c->policy, r, &one->prompt) != ERR_OK)
        return too_large(err);
    c->canaries[c->n++] = one;
    return ERR_OK;
}

size_t canaries_count(const struct canaries *c)
{
    return c->n;
}

/* ---- a round's end ----------------------------------------------------------------------------
 */

struct tally {
    uint64_t answers, wrong, unanswered;
    const struct canary *first; /* that has a wrong answer, */
    size_t proposition; /* and to what */
};

static void count(const struct canary *one, struct tally *t)
{
    for (size_t i = 0; i < one->all->policy->n_propositions; i++) {
        const struct judgment *j = &one->judgments[i];
        if (one->expected[i] == NOTHING)
            continue;
        if (j->status != JUDGMENT_GRADED) {
            t->unanswered++;
            continue;
        }
        t->answers++;
        if (one->expected[i] == 1 ? j->probability > 0.5 : j->probability < 0.5)
            continue;
        t->wrong++;
        if (t->first == NULL) {
            t->first = one;
            t->proposition = i;
        }
    }
}

static const char *time_text(int64_t ms, char out[TIME_TEXT])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
    return out;
}

/* What is already out, and what to do. */
static void advise(const struct canaries *c, char out[WORDS_MAX])
{
    char since[TIME_TEXT];
    int n;
    if (c->passed)
        n = snprintf(out, WORDS_MAX,
                     "%" PRIu64 " records were asked about since %s and are in doubt",
                     c->asked - c->passed_at, time_text(c->passed_ms, since));
    else
        n = snprintf(out, WORDS_MAX, "no round has passed since the start");
    if (c->config.stop)
        (void)snprintf(out + n, WORDS_MAX - (size_t)n,
                       "; nothing is read, asked or published any more: mend the grader, change "
                       "graders[].revision so that kept answers are asked anew, and restart");
}

static void fail(struct canaries *c, const struct tally *t)
{
    const struct judgment *j = &t->first->judgments[t->proposition];
    struct str id = t->first->id;
    if (id.n > ID_SHOWN_MAX)
        id.n = utf8_valid_prefix(str_sub(id, 0, ID_SHOWN_MAX));
    char words[WORDS_MAX];
    c->failed = true;
    c->stats.failed++;
    advise(c, words);
    log_error("canary.failed",
              "%" PRIu64 " of %" PRIu64
              " answers are wrong, first of canary '%.*s' to %.*s: P(yes) "
              "is %.3f; %s",
              t->wrong, t->answers, STR_ARGS(id),
              STR_ARGS(c->policy->propositions[t->proposition].name), j->probability, words);
    if (!c->config.stop)
        return;
    c->stopped = true;
    grader_hold(c->grader);
}

static void pass(struct canaries *c, const struct tally *t)
{
    if (!c->passed || c->failed)
        log_info("canary.passed",
                 "%" PRIu64 " of %" PRIu64 " answers are right; %" PRIu64 " questions got none",
                 t->answers - t->wrong, t->answers, t->unanswered);
    c->passed = true;
    c->failed = false;
    c->passed_at = c->round_at;
    c->passed_ms = c->round_ms;
}

static void end_round(struct canaries *c)
{
    struct tally t = {0};
    for (size_t i = 0; i < c->n; i++)
        count(c->canaries[i], &t);
    c->stats.rounds++;
    c->stats.answers += t.answers;
    c->stats.wrong += t.wrong;
    c->stats.unanswered += t.unanswered;
    if (t.wrong * MILLION > c->config.tolerance * t.answers) {
        fail(c, &t);
    } else if (t.unanswered > t.answers) {
        c->again_us = clock_mono_us(c->clock) + AGAIN_US;
        log_warning("canary.unanswered",
                    "%" PRIu64 " of %" PRIu64 " questions got no answer; again in %d s",
                    t.unanswered, t.unanswered + t.answers, AGAIN_US / 1000000);
    } else {
        pass(c, &t);
    }
}

static void on_done(struct grader_group *g)
{
    struct canaries *c = CONTAINER_OF(g, struct canary, group)->all;
    if (--c->asking == 0 && !c->cancelled)
        end_round(c);
}

/* ---- rounds -----------------------------------------------------------------------------------
 */

static void ask(struct canary *one)
{
    struct canaries *c = one->all;
    for (size_t i = 0; i < c->policy->n_propositions; i++)
        one->judgments[i] = (struct judgment){
            .status = one->expected[i] != NOTHING ? JUDGMENT_PENDING : JUDGMENT_NOT_ASKED};
    one->group = (struct grader_group){
        .prompt = &one->prompt,
        .judgments = one->judgments,
        .deadline_us = CLOCK_NEVER,
        .expires_us = CLOCK_NEVER,
        .done = on_done,
    };
    grader_ask(c->grader, &one->group);
}

static void begin_round(struct canaries *c)
{
    c->again_us = CLOCK_NEVER;
    c->round_at = c->asked;
    c->round_ms = clock_wall_ms(c->clock);
    c->asking = c->n;
    for (size_t i = 0; i < c->n; i++)
        ask(c->canaries[i]);
}

void canaries_start(struct canaries *c, struct grader *grader, const struct clock *clock)
{
    c->grader = grader;
    c->clock = clock;
    c->again_us = clock_mono_us(clock);
}

void canaries_saw_record(struct canaries *c)
{
    c->asked++;
}

int64_t canaries_tick(struct canaries *c)
{
    bool may = c->grader != NULL && c->asking == 0 && !c->cancelled && !c->stopped;
    if (!may)
        return CLOCK_NEVER;
    if (c->asked >= c->round_at + c->config.every || clock_mono_us(c->clock) >= c->again_us)
        begin_round(c);
    return c->again_us;
}

bool canaries_let_out(const struct canaries *c)
{
    return !c->config.stop || (c->passed && !c->stopped);
}

void canaries_cancel(struct canaries *c)
{
    c->cancelled = true;
    for (size_t i = 0; c->asking > 0 && i < c->n; i++)
        grader_cancel(&c->canaries[i]->group);
}

bool canaries_idle(const struct canaries *c)
{
    return c->asking == 0;
}

const struct canaries_stats *canaries_stats(const struct canaries *c)
{
    return &c->stats;
}
