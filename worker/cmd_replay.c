#include "worker/cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "worker/replaying.h"

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verbs[] = {
    {"plan", replay_plan, "write a manifest: which records, what it will take"},
    {"run", replay_run, "do what a manifest says; several at once, again after a crash"},
    {"status", replay_status, "how far it is"},
};

static void usage(FILE *to)
{
    (void)fprintf(to, "Usage: rbr replay VERB [OPTION...]\n\n"
                      "Judges records of the past again, under another policy, into a topic of "
                      "their own. What was\nasked before is not asked again.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        (void)fprintf(to, "  rbr replay %-7s %s\n", verbs[i].name, verbs[i].help);
    (void)fprintf(to,
                  "\nExamples:\n"
                  "  rbr replay plan -c worker.yaml --policy v8.yaml --output rewards.v8 > m.yaml\n"
                  "  rbr replay run -c worker.yaml m.yaml\n"
                  "  rbr replay status -c worker.yaml m.yaml\n\n"
                  "rbr replay VERB --help says more.\n");
}

int cmd_replay(int argc, char **argv)
{
    static char name[64];
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0);
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "rbr replay %s", verbs[i].name);
        argv[1] = name;
        return verbs[i].run(argc - 1, argv + 1);
    }
    if (argc > 1 && !help)
        (void)fprintf(stderr, "rbr replay: no verb '%s'\n", argv[1]);
    usage(help ? stdout : stderr);
    return help ? EXIT_DONE : EXIT_USAGE;
}
