#include "worker/judged_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { PROGRESS_US = 200000, BAR = 24 };

static void on_judged(struct judge_req *req)
{
    CONTAINER_OF(req, struct judged_file_row, judge)->done = true;
}

/* Takes one line into a row; false when there is none, for now or at the end. */
static bool read_row(struct judged_file *f)
{
    struct str line;
    enum lines_got got = lines_get(&f->in, !f->watched, &line);
    if (got == LINES_LATER)
        readable_wait(&f->readable);
    f->at_end = got == LINES_END;
    if (got != LINES_LINE)
        return false;
    struct judged_file_row *row = &f->rows[f->next++ % JUDGED_FILE_ROWS];
    struct record_origin origin = {.topic = str_z(f->input), .offset = (int64_t)f->in.number};
    struct refusal refusal;
    arena_reset(&row->arena);
    row->line = f->in.number;
    row->received_ms = clock_wall_ms(&clock_real);
    row->dropped = false;
    row->record =
        record_decode(&row->arena, line, RECORD_JSON, &record_limits_default, &origin, &refusal);
    if (row->record == NULL) {
        lines_say_refused(&f->in, row->line, &refusal);
        f->refused++;
        row->done = true;
        return true;
    }
    row->judge = (struct judge_req){.record = row->record,
                                    .arena = &row->arena,
                                    .deadline_us = CLOCK_NEVER,
                                    .expires_us = CLOCK_NEVER,
                                    .done = on_judged};
    row->done = judge_start(&f->grading.judge, &row->judge);
    return true;
}

static void hand_on(struct judged_file *f, struct judged_file_row *row)
{
    for (size_t i = 0; i < f->grading.policy->n_propositions; i++)
        f->questions += row->judge.result.judgments[i].attempts > 0;
    f->judged++;
    f->row(f, row);
}

/* "[=====      ]  45 %  123 judged, 17/s"; without the bar when the file's end is not known. */
static void show_progress(struct judged_file *f)
{
    int64_t now = clock_mono_us(&clock_real);
    if (!f->progress || now < f->next_progress_us)
        return;
    f->next_progress_us = now + PROGRESS_US;
    double seconds = (double)(now - f->started_us) / 1e6, read = lines_share(&f->in);
    (void)fprintf(stderr, "\r");
    if (!isnan(read)) {
        int full = (int)(BAR * read);
        (void)fprintf(stderr, "[%.*s%*s] %3.0f %%  ", full, "========================", BAR - full,
                      "", 100 * read);
    }
    (void)fprintf(stderr, "%" PRIu64 " judged, %.0f/s ", f->judged, (double)f->judged / seconds);
}

/* Those that wait for the grader end without a result, and no more is read. */
static void drop_the_rest(struct judged_file *f)
{
    f->at_end = true;
    for (uint64_t i = f->first; i < f->next; i++) {
        struct judged_file_row *row = &f->rows[i % JUDGED_FILE_ROWS];
        row->dropped = !row->done;
        if (row->dropped)
            judge_cancel(&row->judge);
    }
}

static int64_t maintain(void *arg)
{
    struct judged_file *f = arg;
    const uint64_t judged = f->judged;
    if (f->hopeless.code == ERR_OK && grading_is_hopeless(&f->grading, &f->hopeless))
        drop_the_rest(f);
    for (;;) {
        while (f->first < f->next && f->rows[f->first % JUDGED_FILE_ROWS].done) {
            struct judged_file_row *row = &f->rows[f->first++ % JUDGED_FILE_ROWS];
            if (row->record != NULL && !row->dropped)
                hand_on(f, row);
        }
        if (f->at_end || f->next - f->first == JUDGED_FILE_ROWS || !read_row(f))
            break;
    }
    if (f->judged > judged)
        (void)fflush(stdout);
    show_progress(f);
    if (f->at_end && f->first == f->next)
        loop_stop(&f->grading.loop);
    return grading_tick(&f->grading);
}

static void judge_all(struct judged_file *f, const struct settings *settings)
{
    f->grading.judge.use_known = f->use_known;
    if (settings != NULL)
        grading_limit_cost(&f->grading, settings);
    if (settings != NULL && settings->cache.path.n > 0)
        grading_keep(&f->grading, settings);
    for (size_t i = 0; i < JUDGED_FILE_ROWS; i++)
        arena_init(&f->rows[i].arena,
                   record_limits_default.memory_bytes + 8 * record_limits_default.value_bytes);
    f->watched = readable_init(&f->readable, &f->grading.loop, f->in.fd);
    f->started_us = clock_mono_us(&clock_real);
    loop_run(&f->grading.loop);
    f->seconds = (double)(clock_mono_us(&clock_real) - f->started_us) / 1e6;
    if (f->progress)
        (void)fprintf(stderr, "\r\033[K"); /* the bar is longer than what follows */
    for (size_t i = 0; i < JUDGED_FILE_ROWS; i++)
        arena_done(&f->rows[i].arena);
    if (f->watched)
        readable_done(&f->readable);
    if (f->grading.grader != NULL)
        (void)spending_text(f->grading.grader, f->spent);
    grading_done(&f->grading);
}

enum err_code judged_file_run(struct judged_file *f, const struct policy *policy,
                              const struct settings_grader *grader, const struct settings *settings,
                              struct err *err)
{
    enum err_code code = lines_open(&f->in, f->input, err);
    if (code == ERR_OK)
        code = grading_init(&f->grading, policy, grader, maintain, f, err);
    if (code == ERR_OK)
        judge_all(f, settings);
    lines_close(&f->in);
    return code;
}
