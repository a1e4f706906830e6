/* The fastest grader there can be, for measuring the client: one thread, epoll, keep-alive, and one
 * fixed reply of about 2 KB in the shape of an OpenAI server with 20 alternatives.
 *
 * It reads the head once for Content-Length, answers a request when its last byte is there, several
 * in one write when they came together (pipelining), and looks at nothing else. Prints its port on
 * stdout and runs until its stdin is closed.
 *
 * usage: fake_grader [DELAY_MS [DIALECT QUESTIONS [PEM]]]
 * DELAY_MS 0: answer at once. Not chat: so many answers in each reply. PEM: certificate and key;
 * TLS then. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, HEAD_MAX = 8192, READ_MAX = 256 * 1024, FD_MAX = 65536 };

struct connection {
    char head[HEAD_MAX]; /* of a request whose head is not complete */
    size_t n_head;
    size_t body_left;
    bool in_body;
    SSL *tls; /* NULL: none */
};

struct answer {
    int fd;
    unsigned count;
    long long due_ms;
};

static struct connection *connections[FD_MAX];
static struct answer *answers; /* with a delay: a ring in order of due time */
static size_t answers_first, answers_n, answers_cap;
static struct text {
    char p[64 * 1024];
    size_t n;
} reply;
static long long delay_ms;
static SSL_CTX *tls; /* NULL: none */

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    t->n += (size_t)vsnprintf(t->p + t->n, sizeof(t->p) - t->n, fmt, args);
    va_end(args);
    if (t->n >= sizeof(t->p))
        abort();
}

static const char *const tokens[] = {
    "Yes",  " No",     "No",    " Yes", "yes",    "no",      "The",   "I",    "It", "\\n",
    "True", "Correct", "False", "Sure", "Indeed", "Perhaps", "Maybe", "This", "**", "Well"};

static void add_chat(struct text *t, int index)
{
    add(t,
        "%s{\"index\":%d,\"message\":{\"role\":\"assistant\",\"content\":\"Yes\",\"refusal\":null,"
        "\"reasoning\":null,\"tool_calls\":[]},\"logprobs\":{\"content\":[{\"token\":\"Yes\","
        "\"logprob\":-0.223143551,\"bytes\":[89,101,115],\"top_logprobs\":[",
        index > 0 ? "," : "", index);
    for (int i = 0; i < 20; i++)
        add(t, "%s{\"token\":\"%s\",\"logprob\":-%d.%09d,\"bytes\":[%d,101,115]}", i > 0 ? "," : "",
            tokens[i], i == 0 ? 0 : i / 2 + 2, i == 0 ? 223143551 : 700000000 + i * 13577, 60 + i);
    add(t, "]}]},\"finish_reason\":\"length\",\"stop_reason\":null}");
}

static void add_completion(struct text *t, int index)
{
    add(t,
        "%s{\"index\":%d,\"text\":\"Yes\",\"logprobs\":{\"text_offset\":[0],\"tokens\":[\"Yes\"],"
        "\"token_logprobs\":[-0.223143551],\"top_logprobs\":[{",
        index > 0 ? "," : "", index);
    for (int i = 0; i < 20; i++)
        add(t, "%s\"%s\":-%d.%09d", i > 0 ? "," : "", tokens[i], i == 0 ? 0 : i / 2 + 2,
            i == 0 ? 223143551 : 700000000 + i * 13577);
    add(t, "}]},\"finish_reason\":\"length\",\"stop_reason\":null}");
}

static void add_score(struct text *t, int index)
{
    add(t, "%s[0.73512345,0.21512345]", index > 0 ? "," : "");
}

static void add_generative(struct text *t, int index)
{
    add(t, "%s{\"index\":%d,\"object\":\"score\",\"score\":0.73512345}", index > 0 ? "," : "",
        index);
}

static void add_systemone(struct text *t, int index)
{
    add(t, "%s\"q%d\":{\"type\":\"noul\",\"noul\":0.73512345,\"confidence\":0.73512345}",
        index > 0 ? "," : "", index);
}

static void add_decision(struct text *t, int index)
{
    add(t, "%s{\"type\":\"predicate\",\"name\":\"q%d\",\"probability\":0.73512345}",
        index > 0 ? "," : "", index);
}

static const struct dialect {
    const char *name, *before, *after;
    void (*answer)(struct text *t, int index);
} dialects[] = {
    {"chat", "\"choices\":[", "]", add_chat},
    {"chat_batch", "\"choices\":[", "]", add_chat},
    {"completions", "\"choices\":[", "]", add_completion},
    {"score", "\"scores\":[", "]", add_score},
    {"generative_scoring", "\"data\":[", "]", add_generative},
    {"systemone", "\"answers\":{", "}", add_systemone},
    {"decisions", "\"answers\":[", "]", add_decision},
};

static void make_reply(const char *name, int questions)
{
    static struct text body;
    const struct dialect *d = &dialects[0];
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
        if (strcmp(dialects[i].name, name) == 0)
            d = &dialects[i];
    add(&body,
        "{\"id\":\"chatcmpl-7b1f2f0c9d3e4f5a8b6c\",\"object\":\"chat.completion\","
        "\"created\":1790000000,\"model\":\"judge\",%s",
        d->before);
    for (int i = 0; i < (d == &dialects[0] ? 1 : questions); i++)
        d->answer(&body, i);
    add(&body,
        "%s,\"usage\":{\"prompt_tokens\":1043,\"total_tokens\":1044,\"completion_tokens\":1,"
        "\"prompt_tokens_details\":{\"cached_tokens\":1008}},\"prompt_logprobs\":null}",
        d->after);
    add(&reply,
        "HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 07:00:00 GMT\r\nserver: uvicorn\r\n"
        "content-length: %zu\r\ncontent-type: application/json\r\n\r\n%s",
        body.n, body.p);
}

static long long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void drop(int fd)
{
    SSL_free(connections[fd]->tls);
    free(connections[fd]);
    connections[fd] = NULL;
    for (size_t i = 0; i < answers_n; i++)
        if (answers[(answers_first + i) % answers_cap].fd == fd)
            answers[(answers_first + i) % answers_cap].fd = -1;
    (void)close(fd);
}

/* As recv and send: -1 with EAGAIN for later. */
static ssize_t done(SSL *s, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(s, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return -1;
}

static ssize_t take(int fd, char *to, size_t n)
{
    SSL *s = connections[fd]->tls;
    return s != NULL ? done(s, SSL_read(s, to, (int)n)) : recv(fd, to, n, 0);
}

static ssize_t give(int fd, const char *from, size_t n)
{
    SSL *s = connections[fd]->tls;
    return s != NULL ? done(s, SSL_write(s, from, (int)n)) : send(fd, from, n, MSG_NOSIGNAL);
}

static void say(int fd, unsigned count)
{
    for (; count > 0; count--)
        for (size_t at = 0; at < reply.n;) {
            ssize_t n = give(fd, reply.p + at, reply.n - at);
            if (n < 0 && errno == EAGAIN)
                continue; /* a client that does not read: only benches connect here */
            if (n <= 0)
                return;
            at += (size_t)n;
        }
}

static void say_later(int fd, unsigned count)
{
    if (answers_n == answers_cap) {
        size_t cap = answers_cap > 0 ? answers_cap * 2 : 1024;
        struct answer *grown = calloc(cap, sizeof(*grown));
        if (grown == NULL)
            abort();
        for (size_t i = 0; i < answers_n; i++)
            grown[i] = answers[(answers_first + i) % answers_cap];
        free(answers);
        answers = grown;
        answers_cap = cap;
        answers_first = 0;
    }
    answers[(answers_first + answers_n++) % answers_cap] =
        (struct answer){fd, count, now_ms() + delay_ms};
}

/* What is due; returns the wait for the next, -1 for none. */
static int say_due(void)
{
    while (answers_n > 0) {
        struct answer *a = &answers[answers_first];
        long long wait = a->due_ms - now_ms();
        if (wait > 0)
            return (int)wait;
        if (a->fd >= 0)
            say(a->fd, a->count);
        answers_first = (answers_first + 1) % answers_cap;
        answers_n--;
    }
    return -1;
}

/* Takes head bytes up to the blank line; returns how many of data it used. */
static size_t take_head(struct connection *c, const char *data, size_t n)
{
    size_t before = c->n_head, take = n < HEAD_MAX - before ? n : HEAD_MAX - before;
    memcpy(c->head + before, data, take);
    c->n_head += take;
    char *end = memmem(c->head, c->n_head, "\r\n\r\n", 4);
    if (end == NULL)
        return take;
    size_t head = (size_t)(end - c->head) + 4;
    c->body_left = 0;
    for (char *p = c->head; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        if (strncasecmp(p + 1, "content-length:", 15) == 0)
            c->body_left = strtoul(p + 16, NULL, 10);
    c->in_body = true;
    c->n_head = 0;
    return head - before;
}

/* False: a head that never ends. */
static bool consume(struct connection *c, const char *data, size_t n, unsigned *ret_complete)
{
    while (n > 0 || (c->in_body && c->body_left == 0)) {
        size_t used;
        if (c->in_body) {
            used = n < c->body_left ? n : c->body_left;
            c->body_left -= used;
            if (c->body_left == 0) {
                c->in_body = false;
                (*ret_complete)++;
            }
        } else {
            used = take_head(c, data, n);
            if (used == 0)
                return false;
        }
        data += used;
        n -= used;
    }
    return true;
}

static void serve(int fd)
{
    static char in[READ_MAX];
    unsigned complete = 0;
    ssize_t n;
    do { /* TLS has more than the socket says */
        n = take(fd, in, sizeof(in));
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0 || !consume(connections[fd], in, (size_t)n, &complete)) {
            drop(fd);
            return;
        }
    } while (tls != NULL);
    if (complete > 0 && delay_ms > 0)
        say_later(fd, complete);
    else
        say(fd, complete);
}

static void accept_all(int listener, int epoll)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= FD_MAX) {
            (void)close(fd);
            continue;
        }
        connections[fd] = calloc(1, sizeof(struct connection));
        if (tls != NULL) {
            connections[fd]->tls = SSL_new(tls);
            (void)SSL_set_fd(connections[fd]->tls, fd);
            SSL_set_accept_state(connections[fd]->tls);
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        perror("fake_grader");
        exit(EXIT_FAILURE);
    }
    (void)printf("%u\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    return fd;
}

static void use_tls(const char *pem)
{
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_file(tls, pem, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, pem, SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "fake_grader: %s: no certificate with its key\n", pem);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files = {FD_MAX, FD_MAX};
    struct epoll_event events[EVENTS];
    delay_ms = argc > 1 ? strtoll(argv[1], NULL, 10) : 0;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (argc > 4)
        use_tls(argv[4]);
    make_reply(argc > 2 ? argv[2] : "chat", argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1);
    int listener = listen_on_loopback(), epoll = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    e.data.fd = STDIN_FILENO;
    (void)epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO,
                    &e); /* fails for a file: then kill ends us */
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, delay_ms > 0 ? say_due() : -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == STDIN_FILENO)
                return EXIT_SUCCESS;
            if (events[i].data.fd == listener)
                accept_all(listener, epoll);
            else
                serve(events[i].data.fd);
        }
    }
}
