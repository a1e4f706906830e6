#include "grader/http_line.h"

#include <assert.h>

#include "base/attr.h"
#include "base/mem.h"

enum { REQUESTS_MAX = 32, CONNECTIONS_MAX = REQUESTS_MAX + 8, LOOK_EVERY_MS = 1000 };

static void on_closed(uv_handle_t *handle)
{
    struct line *l = handle->data;
    struct line_owner *o = l->owner;
    mem_free(l);
    o->open--;
    o->closed(o);
}

static void unlink_line(struct line *l)
{
    *l->at = l->next;
    if (l->next != NULL)
        l->next->at = l->at;
    if (l->prev_of_all != NULL)
        l->prev_of_all->next_of_all = l->next_of_all;
    else
        l->owner->first = l->next_of_all;
    if (l->next_of_all != NULL)
        l->next_of_all->prev_of_all = l->prev_of_all;
}

static void line_free(struct line *l)
{
    assert(l->n == 0);
    unlink_line(l);
    (void)curl_multi_cleanup(l->multi); /* closes the idle connections */
    uv_close((uv_handle_t *)&l->timer, on_closed);
}

/* curl looks for connections that are too old when a request begins, and in these none does. */
static void close_idle(struct line_owner *o, const struct line *but)
{
    uint64_t now = uv_now(&o->loop->uv);
    if (now - o->looked_ms < LOOK_EVERY_MS)
        return;
    o->looked_ms = now;
    for (struct line *l = o->first, *next; l != NULL; l = next) {
        next = l->next_of_all;
        if (l != but && l->n == 0 && now - l->left_ms > o->idle_ms)
            line_free(l);
    }
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *known RBR_UNUSED)
{
    struct line *l = arg;
    l->owner->socket(l, curl, fd, what);
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct line *l = timer->data;
    close_idle(l->owner, l);
    l->owner->timeout(l);
}

static int on_timer_wanted(CURLM *multi RBR_UNUSED, long ms, void *arg)
{
    struct line *l = arg;
    if (l->owner->hurried(l->owner))
        ms = 0;
    if (ms < 0)
        (void)uv_timer_stop(&l->timer);
    else
        (void)uv_timer_start(&l->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static struct line *line_new(struct line_owner *o)
{
    struct line *l = mem_alloc(sizeof(*l));
    l->owner = o;
    l->multi = curl_multi_init();
    if (l->multi == NULL)
        abort(); /* out of memory */
    (void)curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    (void)curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    (void)curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    (void)curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    (void)curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    (void)uv_timer_init(&o->loop->uv, &l->timer);
    l->timer.data = l;
    l->next_of_all = o->first;
    if (o->first != NULL)
        o->first->prev_of_all = l;
    o->first = l;
    o->open++;
    return l;
}

struct line *line_take(struct line **list, struct line_owner *o)
{
    while (*list != NULL && (*list)->n == REQUESTS_MAX)
        list = &(*list)->next;
    if (*list == NULL) {
        *list = line_new(o);
        (*list)->at = list;
    }
    return *list;
}

void line_add(struct line *l, CURL *curl)
{
    (void)curl_multi_add_handle(l->multi, curl);
    l->n++;
    l->fresh = true;
}

void line_remove(struct line *l, CURL *curl)
{
    (void)curl_multi_remove_handle(l->multi, curl);
    l->n--;
    l->left_ms = uv_now(&l->owner->loop->uv);
}

void line_hurry(struct line *l)
{
    (void)uv_timer_start(&l->timer, on_timer, 0, 0);
}

void lines_free(struct line **list)
{
    while (*list != NULL)
        line_free(*list);
}
