/* CPU of the whole grader client per request: prompt, dialect, limiter, libcurl, libuv, reply.
 *
 * Starts bench/fake_grader in a process of its own and asks it N questions, C at a time, about
 * records whose requests are about 4 KB, six questions each. One JSON line a run, appended by
 * bench/run to bench/results. CPU is this process's own, user + system, by getrusage.
 *
 * usage: bench_grader FAKE_GRADER [REQUESTS [RUNS [DELAY_MS [CONNECTIONS [DIALECT [PEM]]]]]]
 * CONNECTIONS: only that many; 0: 64 and then 1,000. DIALECT: chat. Those that ask all six
 * questions in one request send as many questions, not as many requests. PEM: a certificate for
 * 127.0.0.1, which is trusted, and its key: over TLS. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench_common.h"
#include "grader/dialect.h"
#include "grader/grader.h"
#include "grader/http.h"

#define QUESTIONS_TEXT "6"

enum { QUESTIONS = 6, TEXT_BYTES = 1750, ARENA_MAX = 1 << 20, RUNS_MAX = 64 };

static const char policy_text[] =
    "policy: {id: bench}\n"
    "prompt_template: \"The reply again:\\n{response}\\n\\nAnswer yes or no: {question}\"\n"
    "completion_class_order: [good, bad]\n"
    "completion_classes:\n"
    "  good: {plain: {q0: true, q1: true, q2: true, q3: true, q4: true, q5: true}}\n"
    "  bad: {plain: {not: {q0: true, q1: true, q2: true, q3: true, q4: true, q5: true}}}\n"
    "simple_propositions:\n"
    "  q0: {prompt: \"does the assistant apologise for what it cannot do?\"}\n"
    "  q1: {prompt: \"does the assistant judge the user?\"}\n"
    "  q2: {prompt: \"does the assistant refuse?\"}\n"
    "  q3: {prompt: \"does the assistant give what was asked for?\"}\n"
    "  q4: {prompt: \"does the assistant name a place to find help?\"}\n"
    "  q5: {prompt: \"does the assistant speak of its rules?\"}\n";

/* One completion being judged; used again for the next. */
struct job {
    struct grader_group group;
    struct judgment judgments[QUESTIONS];
    struct record record;
    struct message turns[2];
    char text[TEXT_BYTES]; /* of its own: equal questions would be asked together */
    struct arena arena;
    struct prompt prompt;
    struct bench *bench;
};

struct bench {
    struct loop loop;
    struct http *http;
    struct transport_endpoint *endpoint;
    struct grader *grader;
    const struct dialect *dialect;
    struct policy *policy;
    const char *pem; /* NULL: plain */
    struct job *jobs;
    uint64_t asked;
    size_t to_ask, running, graded, ungraded;
    struct job **finished;
    size_t n_finished;
};

static void on_done(struct grader_group *group)
{
    struct job *j = CONTAINER_OF(group, struct job, group);
    struct bench *b = j->bench;
    for (size_t i = 0; i < QUESTIONS; i++)
        *(j->judgments[i].status == JUDGMENT_GRADED ? &b->graded : &b->ungraded) += 1;
    b->finished[b->n_finished++] = j;
}

static void ask(struct job *j)
{
    struct bench *b = j->bench;
    arena_reset(&j->arena);
    (void)snprintf(j->text, sizeof(j->text), "%016" PRIx64, b->asked++);
    j->text[16] = ' ';
    if (prompt_build(&j->arena, b->policy, &j->record, &j->prompt) != ERR_OK)
        abort();
    for (size_t i = 0; i < QUESTIONS; i++) {
        j->judgments[i] = (struct judgment){.status = JUDGMENT_PENDING, .has_digest = true};
        grader_digest(b->grader, &j->prompt, i, j->judgments[i].digest);
    }
    j->group = (struct grader_group){.prompt = &j->prompt,
                                     .judgments = j->judgments,
                                     .deadline_us = clock_mono_us(&clock_real) + 120000000,
                                     .expires_us = CLOCK_NEVER,
                                     .done = on_done};
    b->to_ask--;
    grader_ask(b->grader, &j->group);
}

static int64_t maintain(void *arg)
{
    struct bench *b = arg;
    int64_t due = grader_tick(b->grader);
    size_t n = b->n_finished;
    b->n_finished = 0;
    for (size_t i = 0; i < n; i++) {
        if (b->to_ask > 0)
            ask(b->finished[i]);
        else
            b->running--;
    }
    if (b->running == 0)
        loop_stop(&b->loop);
    else if (n > 0)
        due = grader_tick(b->grader);
    return due;
}

static const uint32_t yes_id = 9891, no_id = 2201;

static void open_client(struct bench *b, unsigned port, size_t connections)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u", b->pem != NULL ? "https" : "http", port);
    struct http_config http = {.reply_bytes_max = 1u << 18,
                               .header_bytes_max = 1u << 16,
                               .connect_timeout_us = 20000000,
                               .first_byte_timeout_us = 30000000,
                               .keep_alive_us = 4000000,
                               .ca_file = str_z(b->pem)};
    struct http_endpoint_config endpoint = {str_z(url), str_z(b->dialect->path), {0}};
    struct err err;
    loop_init(&b->loop, maintain, b);
    if (http_new(&b->loop, &http, &b->http, &err) != ERR_OK ||
        http_endpoint_new(b->http, &endpoint, &b->endpoint, &err) != ERR_OK)
        bench_die(err.msg);
    struct grader_config config = {.name = STR("bench"),
                                   .dialect = str_z(b->dialect->name),
                                   .ask = {.model = STR("judge"),
                                           .top_logprobs = 20,
                                           .yes_ids = &yes_id,
                                           .n_yes_ids = 1,
                                           .no_ids = &no_id,
                                           .n_no_ids = 1},
                                   .endpoints = &b->endpoint,
                                   .n_endpoints = 1,
                                   .max_in_flight = connections,
                                   .fixed_in_flight = true,
                                   .request_timeout_us = 60000000,
                                   .attempts_max = 3,
                                   .backoff_min_us = 500000,
                                   .backoff_max_us = 8000000};
    if (grader_new(&config, http_transport(b->http), &clock_real, 1, &b->grader, &err) != ERR_OK)
        bench_die(err.msg);
}

static void close_client(struct bench *b)
{
    b->grader = grader_free(b->grader);
    http_endpoint_free(b->endpoint);
    http_free(b->http);
    loop_done(&b->loop);
}

/* `requests` of them; the CPU they took. */
static double run(struct bench *b, size_t requests)
{
    double cpu = bench_cpu_us();
    b->to_ask = requests / QUESTIONS;
    b->graded = b->ungraded = 0;
    for (size_t i = 0; i < b->running; i++)
        ask(&b->jobs[i]);
    loop_run(&b->loop);
    return bench_cpu_us() - cpu;
}

static void measure(unsigned port, const struct dialect *dialect, const char *pem,
                    struct policy *policy, size_t connections, size_t requests, size_t runs,
                    long delay_ms)
{
    double per_request[RUNS_MAX] = {0}, wall = 0;
    size_t jobs = (connections + QUESTIONS - 1) / QUESTIONS + 1, rss_before = bench_rss_bytes();
    size_t graded = 0, ungraded = 0;
    struct bench b = {.dialect = dialect, .policy = policy, .pem = pem};
    b.jobs = mem_array(jobs, sizeof(*b.jobs));
    b.finished = mem_array(jobs, sizeof(struct job *));
    for (size_t i = 0; i < jobs; i++) {
        struct job *j = &b.jobs[i];
        j->bench = &b;
        bench_text(j->text, sizeof(j->text));
        bench_record(&j->record, j->turns, (struct str){j->text, sizeof(j->text)});
        arena_init(&b.jobs[i].arena, ARENA_MAX);
    }
    open_client(&b, port, connections);
    b.running = jobs;
    (void)run(&b, connections * QUESTIONS); /* connections are open, memory is warm */
    for (size_t i = 0; i < runs; i++) {
        double began = bench_wall_us();
        b.running = jobs;
        per_request[i] = run(&b, requests) / (double)(b.graded + b.ungraded);
        wall += bench_wall_us() - began;
        graded += b.graded;
        ungraded += b.ungraded;
    }
    size_t rss = bench_rss_bytes() - rss_before;
    double median = bench_median(per_request, runs);
    bench_line_begin("grader_client");
    (void)printf(",\"dialect\":\"%s\",\"tls\":%s,\"connections\":%zu,\"requests\":%zu,\"runs\":%zu,"
                 "\"delay_ms\":%ld,"
                 "\"cpu_us_per_request\":%.2f,\"cpu_us_per_request_best\":%.2f,"
                 "\"requests_per_s\":%.0f,\"rss_bytes_per_request_in_flight\":%zu,\"graded\":%zu,"
                 "\"ungraded\":%zu}\n",
                 dialect->name, pem != NULL ? "true" : "false", connections, requests, runs,
                 delay_ms, median, per_request[0], (double)(graded + ungraded) / wall * 1e6,
                 rss / connections, graded, ungraded);
    (void)fflush(stdout);
    close_client(&b);
    for (size_t i = 0; i < jobs; i++)
        arena_done(&b.jobs[i].arena);
    mem_free(b.jobs);
    mem_free(b.finished);
    if (ungraded > 0)
        bench_die("some requests were not graded");
}

int main(int argc, char **argv)
{
    size_t connections[] = {64, 1000};
    if (argc < 2)
        bench_die("usage: bench_grader FAKE_GRADER [REQUESTS [RUNS [DELAY_MS [CONNECTIONS "
                  "[DIALECT [PEM]]]]]]");
    size_t requests = argc > 2 ? strtoul(argv[2], NULL, 10) : 60000;
    size_t runs = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
    const char *delay = argc > 4 ? argv[4] : "0";
    size_t only = argc > 5 ? strtoul(argv[5], NULL, 10) : 0, lists = only > 0 ? 1 : 2;
    const char *pem = argc > 7 ? argv[7] : NULL;
    if (only > 0)
        connections[0] = only;
    const struct dialect *dialect = argc > 6 ? dialect_find(str_z(argv[6])) : &dialect_chat;
    if (dialect == NULL)
        bench_die("DIALECT: none of src/grader/dialect.c");
    if (runs == 0 || runs > RUNS_MAX || requests < (size_t)1000 * QUESTIONS)
        bench_die("REQUESTS: at least 6000; RUNS: 1 to 64");
    struct bench_server server;
    struct policy *policy = bench_policy(policy_text);
    bench_files();
    for (size_t i = 0; i < lists; i++) {
        bench_server_start(&server, argv[1], delay, dialect->name, QUESTIONS_TEXT, pem);
        measure(server.port, dialect, pem, policy, connections[i], requests, runs,
                strtol(delay, NULL, 10));
        bench_server_stop(&server);
    }
    policy_free(policy);
    return EXIT_SUCCESS;
}
