/* rbr: completions in, rewards out. This file is the table of commands. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "worker/cmd.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"run", cmd_run, "the worker: consume completions, judge them, publish rewards"},
    {"demo", cmd_demo, "the whole job on an embedded broker and a stand-in grader, no set-up"},
    {"score", cmd_score, "score a JSONL file of completions, without Kafka"},
    {"fit", cmd_fit, "fit a policy's weights to ranked completions"},
    {"eval", cmd_eval, "how good a grader is, beside labelled completions"},
    {"check", cmd_check, "lint settings and policy; --probe asks the graders"},
    {"tail", cmd_tail, "print a topic of rewards, completions or dead letters"},
    {"compare", cmd_compare, "what changed between two sets of rewards: files or topics"},
    {"replay", cmd_replay, "judge records of the past again, under another policy"},
    {"produce", cmd_produce, "write a JSONL file of completions into the input topic"},
    {"cache", cmd_cache, "look into the file of kept judgments, or fill it"},
    {"grader", cmd_grader, "the stand-in grader as a server (looks for words; no judge)"},
};

static void usage(FILE *to)
{
    (void)fprintf(
        to, "Usage: rbr COMMAND [OPTION...]\n\n"
            "Rule-Based Rewards as a streaming worker: completions out of a Kafka topic, yes/no\n"
            "questions to a grader, rules and weights, one reward each into another topic.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(to, "  rbr %-8s %s\n", commands[i].name, commands[i].help);
    (void)fprintf(to, "\nrbr COMMAND --help says more. Start with: rbr demo\n");
}

/* One that is closed would become a socket's or a file's, and be read, written and closed as what
 * it is not: libuv ends the process for it. */
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

/* argv[0] is the command's name. */
static int run(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[0], commands[i].name) != 0)
            continue;
        char name[32];
        (void)snprintf(name, sizeof(name), "rbr %s", commands[i].name);
        argv[0] = name;
        return commands[i].run(argc, argv);
    }
    (void)fprintf(stderr, "rbr: no command '%s'; rbr --help lists them\n", argv[0]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    open_standard_descriptors();
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) {
        char option[] = "--help", *of_command[] = {argv[2], option, NULL};
        return run(2, of_command);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("rbr %s\n", RBR_VERSION);
        return EXIT_DONE;
    }
    return run(argc - 1, argv + 1);
}
