/* The server: libmicrohttpd on one thread of ours. A reply that is to be late is not slept for: its
 * connection is suspended, and resumed when it is due.
 *
 * The thread is ours because libmicrohttpd 0.9.75's own one, with epoll, sleeps on 128 requests
 * that arrive together: having got a full array of events it waits for more with the same timeout.
 */
#include "standin/standin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "standin/chat.h"
#include "standin/lexicon.h"

enum {
    BODY_MAX = 8 * 1024 * 1024,
    SWALLOW_MAX = 64 * 1024 * 1024, /* of a body that is too large, so that its sender hears why */
    SCRATCH_MAX = 64 * 1024 * 1024, /* the parsed body */
    REPLY_MAX = 64 * 1024,
    CONNECTIONS_MAX = 8192,
    CONNECTION_MEMORY = 64 * 1024,
    IDLE_TIMEOUT_S = 60,
    BACKLOG = 1024,
    WAIT_MAX_MS = 1000,
};

struct request {
    struct buf body;
    size_t received;
    bool late; /* it has waited */
    struct MHD_Connection *connection;
    int64_t due_us;
    struct request *next; /* in the queue of waiting ones */
};

struct standin {
    struct MHD_Daemon *daemon;
    uint16_t port;
    int64_t delay_us;
    struct arena scratch; /* of the request being answered */
    struct buf reply;
    _Atomic uint64_t requests;
    /* Suspended connections, soonest first: the delay is the same for all. */
    struct request *first, **last;
    pthread_t thread;
    bool thread_runs;
    int epoll_fd, stop_fd; /* the daemon's; an eventfd that ends the thread */
};

/* ---- the thread -------------------------------------------------------------------------------
 */

static void resume_first(struct standin *s)
{
    struct request *r = s->first;
    s->first = r->next;
    if (s->first == NULL)
        s->last = &s->first;
    MHD_resume_connection(r->connection);
}

/* How long nothing needs to be done unless something arrives. */
static int wait_ms(const struct standin *s)
{
    MHD_UNSIGNED_LONG_LONG ms = WAIT_MAX_MS;
    int wait = WAIT_MAX_MS;
    if (MHD_get_timeout(s->daemon, &ms) == MHD_YES && ms < WAIT_MAX_MS)
        wait = (int)ms;
    if (s->first == NULL)
        return wait;
    int64_t left_us = s->first->due_us - clock_mono_us(&clock_real);
    int left_ms = left_us > 0 ? (int)((left_us + 999) / 1000) : 0;
    return left_ms < wait ? left_ms : wait;
}

static void *serve(void *arg)
{
    struct standin *s = arg;
    struct pollfd fds[] = {{.fd = s->epoll_fd, .events = POLLIN},
                           {.fd = s->stop_fd, .events = POLLIN}};
    while ((fds[1].revents & POLLIN) == 0) {
        (void)poll(fds, 2, wait_ms(s));
        while (s->first != NULL && s->first->due_us <= clock_mono_us(&clock_real))
            resume_first(s);
        (void)MHD_run(s->daemon);
    }
    /* The server cannot end while a connection is suspended. */
    while (s->first != NULL)
        resume_first(s);
    (void)MHD_run(s->daemon);
    return NULL;
}

/* True when the connection now waits; its handler is called again when it is due. */
static bool wait_first(struct standin *s, struct request *r, struct MHD_Connection *connection)
{
    if (s->delay_us == 0 || r->late)
        return false;
    r->late = true;
    r->connection = connection;
    r->due_us = clock_mono_us(&clock_real) + s->delay_us;
    r->next = NULL;
    MHD_suspend_connection(connection);
    *s->last = r;
    s->last = &r->next;
    return true;
}

/* ---- replies ----------------------------------------------------------------------------------
 */

/* Sends s->reply. `allow` goes with a 405. */
static enum MHD_Result send_reply(struct standin *s, struct MHD_Connection *connection,
                                  unsigned status, const char *allow)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(s->reply.n, s->reply.p, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result ok =
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (ok == MHD_YES && allow != NULL)
        ok = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    if (ok == MHD_YES)
        ok = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return ok;
}

static enum MHD_Result send_error(struct standin *s, struct MHD_Connection *connection,
                                  unsigned status, const char *message, const char *code,
                                  const char *allow)
{
    buf_reset(&s->reply);
    chat_error(&s->reply, message, code);
    return send_reply(s, connection, status, allow);
}

static unsigned on_chat(struct standin *s, const struct request *r)
{
    uint64_t serial = atomic_fetch_add(&s->requests, 1) + 1;
    arena_reset(&s->scratch);
    return chat_reply(&s->scratch, buf_str(&r->body), serial, clock_wall_ms(&clock_real) / 1000,
                      &s->reply);
}

static unsigned on_models(struct standin *s, const struct request *r RBR_UNUSED)
{
    (void)buf_append_z(&s->reply, "{\"object\":\"list\",\"data\":[{\"id\":\"" CHAT_MODEL
                                  "\",\"object\":\"model\",\"created\":0,\"owned_by\":\"rbr\"}]}");
    return MHD_HTTP_OK;
}

static unsigned on_health(struct standin *s, const struct request *r RBR_UNUSED)
{
    (void)buf_append_z(&s->reply, "{\"status\":\"ok\"}");
    return MHD_HTTP_OK;
}

static const struct route {
    const char *path;
    bool post; /* else GET and HEAD */
    unsigned (*answer)(struct standin *s, const struct request *r); /* status; body in s->reply */
} routes[] = {
    {"/v1/chat/completions", true, on_chat},
    {"/v1/models", false, on_models},
    {"/health", false, on_health},
};

static enum MHD_Result answer(struct standin *s, struct MHD_Connection *connection,
                              const char *path, const char *method, struct request *r)
{
    const struct route *route = NULL;
    for (size_t i = 0; i < ARRAY_LEN(routes) && route == NULL; i++)
        if (strcmp(routes[i].path, path) == 0)
            route = &routes[i];
    if (route == NULL)
        return send_error(s, connection, MHD_HTTP_NOT_FOUND,
                          "no such path; the stand-in has POST /v1/chat/completions, "
                          "GET /v1/models and GET /health",
                          "not_found", NULL);
    bool get =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (route->post ? strcmp(method, MHD_HTTP_METHOD_POST) != 0 : !get)
        return send_error(s, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                          "this path does not take that method", "method_not_allowed",
                          route->post ? "POST" : "GET, HEAD");
    if (r->received > BODY_MAX)
        return send_error(s, connection, MHD_HTTP_CONTENT_TOO_LARGE,
                          "the body is larger than 8 MiB", "request_too_large", NULL);
    if (route->post && wait_first(s, r, connection))
        return MHD_YES;
    buf_reset(&s->reply);
    unsigned status = route->answer(s, r);
    return send_reply(s, connection, status, NULL);
}

/* ---- requests ---------------------------------------------------------------------------------
 */

/* A request so large that its body is not even read. */
static bool is_hopeless(struct MHD_Connection *connection)
{
    const char *text =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n;
    return text != NULL && num_parse_u64(str_z(text), &n) && n > SWALLOW_MAX;
}

/* Called once with the headers, then with each piece of the body, then with none. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version RBR_UNUSED,
                                  const char *piece, size_t *piece_size, void **context)
{
    struct standin *s = arg;
    struct request *r = *context;
    if (r == NULL) {
        if (is_hopeless(connection))
            return send_error(s, connection, MHD_HTTP_CONTENT_TOO_LARGE,
                              "the body is larger than 8 MiB", "request_too_large", NULL);
        r = mem_alloc(sizeof(*r));
        buf_init(&r->body, BODY_MAX);
        *context = r;
        return MHD_YES;
    }
    if (*piece_size > 0) {
        r->received += *piece_size;
        (void)buf_append(&r->body, piece, *piece_size); /* fails past the maximum, and stays so */
        *piece_size = 0;
        return r->received <= SWALLOW_MAX ? MHD_YES : MHD_NO;
    }
    return answer(s, connection, path, method, r);
}

static void on_completed(void *arg RBR_UNUSED, struct MHD_Connection *connection RBR_UNUSED,
                         void **context, enum MHD_RequestTerminationCode why RBR_UNUSED)
{
    struct request *r = *context;
    if (r == NULL)
        return;
    buf_done(&r->body);
    mem_free(r);
    *context = NULL;
}

/* ---- lifecycle --------------------------------------------------------------------------------
 */

static enum err_code parse_address(const struct standin_config *config,
                                   struct sockaddr_storage *ret, socklen_t *ret_n, struct err *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, config->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(config->port);
        *ret_n = sizeof(*v4);
        return ERR_OK;
    }
    if (inet_pton(AF_INET6, config->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(config->port);
        *ret_n = sizeof(*v6);
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID, "'%s' is not an IP address to listen on, such as 127.0.0.1",
                   config->address);
}

static enum err_code listen_on(const struct standin_config *config, int *ret_fd, uint16_t *ret_port,
                               struct err *err)
{
    struct sockaddr_storage address;
    socklen_t n = 0;
    enum err_code rc = parse_address(config, &address, &n, err);
    if (rc != ERR_OK)
        return rc;
    int on = 1, fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_IO, "no socket to listen on: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&address, n) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0) {
        rc = err_set(err, ERR_UNAVAILABLE,
                     "cannot listen on %s port %u: %s; choose another address or port",
                     config->address, config->port, strerror(errno));
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_port =
        ntohs(address.ss_family == AF_INET ? ((const struct sockaddr_in *)&address)->sin_port
                                           : ((const struct sockaddr_in6 *)&address)->sin6_port);
    return ERR_OK;
}

static void release(struct standin *s)
{
    if (s->stop_fd >= 0)
        (void)close(s->stop_fd);
    arena_done(&s->scratch);
    buf_done(&s->reply);
    mem_free(s);
}

static bool start_thread(struct standin *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || s->stop_fd < 0)
        return false;
    s->epoll_fd = info->epoll_fd;
    s->thread_runs = pthread_create(&s->thread, NULL, serve, s) == 0;
    return s->thread_runs;
}

enum err_code standin_new(const struct standin_config *config, struct standin **ret,
                          struct err *err)
{
    int fd = -1;
    uint16_t port = 0;
    enum err_code rc = listen_on(config, &fd, &port, err);
    if (rc != ERR_OK)
        return rc;
    struct standin *s = mem_alloc(sizeof(*s));
    s->port = port;
    s->delay_us = (int64_t)config->delay_ms * 1000;
    s->last = &s->first;
    s->stop_fd = eventfd(0, EFD_CLOEXEC);
    arena_init(&s->scratch, SCRATCH_MAX);
    buf_init(&s->reply, REPLY_MAX);
    s->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, port, NULL, NULL,
                         on_request, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
                         on_completed, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (s->daemon == NULL) {
        (void)close(fd);
        release(s);
        return err_set(err, ERR_INTERNAL, "the stand-in grader's HTTP server does not start");
    }
    if (!start_thread(s)) {
        standin_free(s);
        return err_set(err, ERR_INTERNAL, "no thread for the stand-in grader");
    }
    *ret = s;
    return ERR_OK;
}

void standin_free(struct standin *s)
{
    if (s == NULL)
        return;
    if (s->thread_runs) {
        (void)eventfd_write(s->stop_fd, 1);
        (void)pthread_join(s->thread, NULL);
    }
    MHD_stop_daemon(s->daemon);
    release(s);
}

uint16_t standin_port(const struct standin *s)
{
    return s->port;
}

uint64_t standin_requests(const struct standin *s)
{
    return atomic_load(&s->requests);
}

double standin_answer(struct str prompt)
{
    struct exchange x;
    exchange_find(prompt, &x);
    return lexicon_answer(&x);
}
