#include "worker/judging.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { PROGRESS_US = 200000, BAR = 24 };

static void on_judged(struct judge_req *req)
{
    CONTAINER_OF(req, struct judging_row, judge)->done = true;
}

static void say_refused(struct judging *j, struct judging_row *row, const struct refusal *refusal)
{
    char text[256];
    refusal_print(refusal, text);
    (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", j->input, row->line, text);
    j->refused++;
    row->done = true;
}

/* Reads one line into a row; false at the end of the file. */
static bool read_row(struct judging *j)
{
    struct str line;
    if (!lines_next(&j->in, &line))
        return false;
    struct judging_row *row = &j->rows[j->next++ % JUDGING_ROWS];
    struct record_origin origin = {.topic = str_z(j->input), .offset = (int64_t)j->in.number};
    struct refusal refusal;
    arena_reset(&row->arena);
    row->line = j->in.number;
    row->received_ms = clock_wall_ms(&clock_real);
    row->dropped = false;
    row->record =
        record_decode(&row->arena, line, RECORD_JSON, &record_limits_default, &origin, &refusal);
    if (row->record == NULL) {
        say_refused(j, row, &refusal);
        return true;
    }
    row->judge = (struct judge_req){.record = row->record,
                                    .arena = &row->arena,
                                    .deadline_us = CLOCK_NEVER,
                                    .expires_us = CLOCK_NEVER,
                                    .done = on_judged};
    row->done = judge_start(&j->grading.judge, &row->judge);
    return true;
}

static void hand_on(struct judging *j, struct judging_row *row)
{
    for (size_t i = 0; i < j->grading.policy->n_propositions; i++)
        j->questions += row->judge.result.judgments[i].attempts > 0;
    j->judged++;
    j->row(j, row);
}

/* "[=====      ]  45 %  123 judged, 17/s"; without the bar when the file's end is not known. */
static void show_progress(struct judging *j)
{
    int64_t now = clock_mono_us(&clock_real);
    if (!j->progress || now < j->next_progress_us)
        return;
    j->next_progress_us = now + PROGRESS_US;
    double seconds = (double)(now - j->started_us) / 1e6, read = lines_share(&j->in);
    (void)fprintf(stderr, "\r");
    if (!isnan(read)) {
        int full = (int)(BAR * read);
        (void)fprintf(stderr, "[%.*s%*s] %3.0f %%  ", full, "========================", BAR - full,
                      "", 100 * read);
    }
    (void)fprintf(stderr, "%" PRIu64 " judged, %.0f/s ", j->judged, (double)j->judged / seconds);
}

/* Those that wait for the grader end without a result, and no more is read. */
static void drop_the_rest(struct judging *j)
{
    j->at_end = true;
    for (uint64_t i = j->first; i < j->next; i++) {
        struct judging_row *row = &j->rows[i % JUDGING_ROWS];
        row->dropped = !row->done;
        if (row->dropped)
            judge_cancel(&row->judge);
    }
}

static int64_t maintain(void *arg)
{
    struct judging *j = arg;
    if (j->hopeless.code == ERR_OK && grading_is_hopeless(&j->grading, &j->hopeless))
        drop_the_rest(j);
    for (;;) {
        while (j->first < j->next && j->rows[j->first % JUDGING_ROWS].done) {
            struct judging_row *row = &j->rows[j->first++ % JUDGING_ROWS];
            if (row->record != NULL && !row->dropped)
                hand_on(j, row);
        }
        if (j->at_end || j->next - j->first == JUDGING_ROWS)
            break;
        j->at_end = !read_row(j);
    }
    show_progress(j);
    if (j->at_end && j->first == j->next)
        loop_stop(&j->grading.loop);
    return grading_tick(&j->grading);
}

static void judge_all(struct judging *j, const struct settings *settings)
{
    j->grading.judge.use_known = j->use_known;
    if (settings != NULL)
        grading_limit_cost(&j->grading, settings);
    if (settings != NULL && settings->cache.path.n > 0)
        grading_keep(&j->grading, settings);
    for (size_t i = 0; i < JUDGING_ROWS; i++)
        arena_init(&j->rows[i].arena,
                   record_limits_default.memory_bytes + 8 * record_limits_default.value_bytes);
    j->started_us = clock_mono_us(&clock_real);
    loop_run(&j->grading.loop);
    j->seconds = (double)(clock_mono_us(&clock_real) - j->started_us) / 1e6;
    if (j->progress)
        (void)fprintf(stderr, "\r\033[K"); /* the bar is longer than what follows */
    for (size_t i = 0; i < JUDGING_ROWS; i++)
        arena_done(&j->rows[i].arena);
    if (j->grading.grader != NULL)
        (void)spending_text(j->grading.grader, j->spent);
    grading_done(&j->grading);
}

enum err_code judging_run(struct judging *j, const struct policy *policy,
                          const struct settings_grader *grader, const struct settings *settings,
                          struct err *err)
{
    enum err_code code = lines_open(&j->in, j->input, err);
    if (code == ERR_OK)
        code = grading_init(&j->grading, policy, grader, maintain, j, err);
    if (code == ERR_OK)
        judge_all(j, settings);
    lines_close(&j->in);
    return code;
}
