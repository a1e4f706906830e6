/* What the benches share: CPU and memory of this process, the machine, a record, a fake grader.
 * Header only. */
#ifndef RBR_BENCH_COMMON_H
#define RBR_BENCH_COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "policy/policy.h"
#include "record/record.h"

static inline RBR_NORETURN void bench_die(const char *why)
{
    (void)fprintf(stderr, "%s\n", why);
    exit(EXIT_FAILURE);
}

static inline double bench_cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static inline double bench_wall_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline size_t bench_rss_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*u %lu", &pages) != 1)
        bench_die("/proc/self/statm cannot be read");
    (void)fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; afterwards v[0] is the least. */
static inline double bench_median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), bench_compare);
    return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* {"bench":NAME,"version":...,"at":...,"machine":{...}  -- the caller goes on with a comma. */
static inline void bench_line_begin(const char *name)
{
    char line[256], cpu[128] = "unknown", at[32];
    struct utsname host;
    time_t now = time(NULL);
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "model name : %127[^\n\"\\]", cpu) == 1)
            break;
    if (f != NULL)
        (void)fclose(f);
    (void)uname(&host);
    (void)strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    double load[1] = {0};
    (void)getloadavg(load, 1);
    (void)printf("{\"bench\":\"%s\",\"version\":\"" RBR_VERSION "\",\"at\":\"%s\",\"machine\":{"
                 "\"cpu\":\"%s\",\"cores\":%ld,\"kernel\":\"%s\",\"load\":%.1f}",
                 name, at, cpu, sysconf(_SC_NPROCESSORS_ONLN), host.release, load[0]);
}

static inline struct policy *bench_policy(const char *text)
{
    struct findings findings;
    struct policy_file file = {STR("bench"), str_z(text)};
    findings_init(&findings);
    struct policy *p = policy_load(&file, 1, &findings);
    for (size_t i = 0; p == NULL && i < findings.n; i++)
        (void)fprintf(stderr, "%.*s\n", STR_ARGS(findings.items[i].text));
    if (p == NULL)
        bench_die("the policy of the bench does not load");
    findings_done(&findings);
    return p;
}

/* Prose with what JSON must escape now and then. */
static inline void bench_text(char *to, size_t n)
{
    static const char words[] =
        "The quick brown fox said \"no\" to the lazy dog; it would not jump "
        "over anything today.\nInstead it sat down and explained why. ";
    for (size_t i = 0; i < n; i++)
        to[i] = words[i % (sizeof(words) - 1)];
}

static inline void bench_record(struct record *r, struct message turns[2], struct str response)
{
    turns[0] = (struct message){.role = STR("user"), .content = STR("Tell me about the fox.")};
    turns[1] = (struct message){.role = STR("assistant"), .content = response};
    *r = (struct record){.completion_id = STR("bench"),
                         .prompt = turns,
                         .n_prompt = 1,
                         .completion = turns + 1,
                         .n_completion = 1,
                         .response_type = STR("plain")};
}

/* Room for 5,000 connections. */
static inline void bench_files(void)
{
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

struct bench_server {
    pid_t pid;
    int in;
    unsigned port;
};

static inline void bench_server_start(struct bench_server *s, const char *program,
                                      const char *delay_ms, const char *dialect,
                                      const char *questions, const char *pem)
{
    int in[2], out[2];
    if (pipe(in) != 0 || pipe(out) != 0)
        bench_die("no pipe");
    s->pid = fork();
    if (s->pid == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(in[0]);
        (void)close(in[1]);
        (void)close(out[0]);
        (void)close(out[1]);
        (void)execl(program, program, delay_ms, dialect, questions, pem, (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    s->in = in[1];
    FILE *f = fdopen(out[0], "r");
    if (f == NULL || fscanf(f, "%u", &s->port) != 1)
        bench_die("the fake grader does not start");
    (void)fclose(f);
}

static inline void bench_server_stop(struct bench_server *s)
{
    (void)close(s->in);
    (void)waitpid(s->pid, NULL, 0);
}

#endif
