#include "worker/cmd.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>

#include "base/num.h"
#include "standin/standin.h"
#include "worker/options.h"

static const char doc[] =
    "The stand-in grader as a server: chat completions with logprobs, answered by looking for "
    "words. For dry runs and "
    "load tests; it is no judge. Listens on loopback until it gets SIGINT or SIGTERM.\v"
    "Example:\n"
    "  rbr grader --port 8000";

enum { KEY_ADDRESS = 0x300 };

static const struct argp_option option_list[] = {
    {"port", 'p', "N", 0, "port (default 8000; 0: any free one)", 0},
    {"address", KEY_ADDRESS, "IP", 0, "address to listen on (default 127.0.0.1)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct standin_config *c = state->input;
    uint64_t port;
    switch (key) {
    case 'p':
        if (!num_parse_u64(str_z(arg), &port) || port > UINT16_MAX)
            argp_error(state, "--port takes 0 to 65535, not '%s'", arg);
        else
            c->port = (uint16_t)port;
        return 0;
    case KEY_ADDRESS:
        c->address = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_grader(int argc, char **argv)
{
    struct standin_config config = {.address = "127.0.0.1", .port = 8000};
    const struct argp argp = {option_list, parse, NULL, doc, NULL, NULL, NULL};
    options_parse(&argp, argc, argv, &config, NULL);

    sigset_t stop;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGINT);
    (void)sigaddset(&stop, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);

    struct standin *standin;
    struct err err;
    if (standin_new(&config, &standin, &err) != ERR_OK) {
        (void)fprintf(stderr, "rbr grader: %s\n", err.msg);
        return EXIT_FAILED;
    }
    (void)printf("stand-in grader on http://%s:%u (it looks for words; it is no judge)\n",
                 config.address, standin_port(standin));
    (void)fflush(stdout);
    int number;
    (void)sigwait(&stop, &number);
    standin_free(standin);
    return EXIT_DONE;
}
