/* The commands of `rbr`: one file each, one entry each in the table of main.c.
 *
 * A command gets its own argc/argv (argv[0] is "rbr NAME") and returns an exit code. Options are
 * parsed with argp; every command has --help with an example. Results go to stdout, everything else
 * to stderr. All of worker/ is at home on the main thread, which is the loop's. */
#ifndef RBR_WORKER_CMD_H
#define RBR_WORKER_CMD_H

enum exit_code {
    EXIT_DONE = 0, /* done */
    EXIT_FAILED = 1, /* could not do it */
    EXIT_USAGE = 2, /* wrong options, settings or policy */
    EXIT_DATA = 3, /* done, with failures in the data */
};

int cmd_run(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_fit(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_tail(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_produce(int argc, char **argv);
int cmd_cache(int argc, char **argv);
int cmd_grader(int argc, char **argv);

#endif
