#include "grader/addresses.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "grader/called.h"
#include "obs/log.h"

struct address {
    char text[RESOLVER_ADDRESS_BYTES];
    struct transport_endpoint *endpoint;
    size_t places[ADDRESSES_GRADERS_MAX]; /* in the graders */
    size_t users; /* graders that have it still */
    bool left;
    struct address *next;
};

struct watched {
    char *host;
    struct transport_endpoint *named;
    size_t place; /* in each grader */
    bool by_name;
    struct address *addresses; /* those that left too, until they are gone */
    int64_t due_us;
    bool unknown;
};

struct addresses {
    struct addresses_config config;
    struct grader *graders[ADDRESSES_GRADERS_MAX];
    size_t n_graders;
    struct watched *names;
    size_t n, cap;
    struct watched *asked; /* NULL: no look-up is on its way */
    struct resolver_query query;
    bool freed;
};

struct addresses *addresses_new(const struct addresses_config *config)
{
    struct addresses *a = mem_alloc(sizeof(*a));
    a->config = *config;
    return a;
}

void addresses_watch(struct addresses *a, struct transport_endpoint *named, size_t i,
                     const char *host)
{
    mem_grow((void **)&a->names, &a->cap, a->n, sizeof(*a->names));
    a->names[a->n++] = (struct watched){
        .host = mem_strdup(host), .named = named, .place = i, .by_name = true, .due_us = 0};
}

void addresses_serve(struct addresses *a, struct grader *g)
{
    assert(a->n_graders < ADDRESSES_GRADERS_MAX);
    a->graders[a->n_graders++] = g;
}

static void drop(struct addresses *a, struct address **at)
{
    struct address *one = *at;
    *at = one->next;
    a->config.free(one->endpoint);
    mem_free(one);
}

static void free_all(struct addresses *a)
{
    for (size_t i = 0; i < a->n; i++) {
        while (a->names[i].addresses != NULL)
            drop(a, &a->names[i].addresses);
        mem_free(a->names[i].host);
    }
    mem_free(a->names);
    a->names = NULL;
    a->n = 0;
}

void addresses_free(struct addresses *a)
{
    if (a == NULL)
        return;
    free_all(a);
    a->freed = true;
    if (a->asked == NULL)
        mem_free(a);
}

/* ---- coming and going -------------------------------------------------------------------------
 */

static struct address *find(const struct watched *w, const char *text)
{
    struct address *one = w->addresses;
    while (one != NULL && (one->left || strcmp(one->text, text) != 0))
        one = one->next;
    return one;
}

static void join(struct addresses *a, struct watched *w, const char *text)
{
    struct address *one = mem_alloc(sizeof(*one));
    (void)snprintf(one->text, sizeof(one->text), "%s", text);
    one->endpoint = a->config.at(w->named, text);
    one->users = a->n_graders;
    for (size_t i = 0; i < a->n_graders; i++)
        one->places[i] =
            grader_join(a->graders[i], one->endpoint, str_z(a->config.name(one->endpoint)));
    one->next = w->addresses;
    w->addresses = one;
}

static void leave(struct addresses *a, struct address *one)
{
    one->left = true;
    for (size_t i = 0; i < a->n_graders; i++)
        grader_leave(a->graders[i], one->places[i]);
}

void addresses_gone(void *arg, struct transport_endpoint *e)
{
    struct addresses *a = arg;
    for (size_t i = 0; i < a->n; i++)
        for (struct address **at = &a->names[i].addresses; *at != NULL; at = &(*at)->next) {
            if ((*at)->endpoint != e)
                continue;
            if (--(*at)->users == 0)
                drop(a, at);
            return;
        }
}

static bool is_in(const struct resolver_query *q, const char *text)
{
    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->addresses[i], text) == 0)
            return true;
    return false;
}

/* The new ones first: a grader is never without. */
static void change(struct addresses *a, struct watched *w, const struct resolver_query *q)
{
    size_t joined = 0, left = 0;
    for (size_t i = 0; i < q->n; i++) {
        if (find(w, q->addresses[i]) != NULL)
            continue;
        join(a, w, q->addresses[i]);
        joined++;
    }
    for (struct address *one = w->addresses; one != NULL; one = one->next) {
        if (one->left || is_in(q, one->text))
            continue;
        leave(a, one);
        left++;
    }
    for (size_t i = 0; w->by_name && i < a->n_graders; i++)
        grader_leave(a->graders[i], w->place);
    w->by_name = false;
    if (joined + left > 0)
        log_info(
            "grader.addresses", GRADER_CALLED ": %s is %zu endpoints now, %zu new and %zu gone",
            GRADER_CALLED_ARGS(a->config.grader), a->config.name(w->named), q->n, joined, left);
}

/* ---- looking up -------------------------------------------------------------------------------
 */

static void failed(struct addresses *a, struct watched *w, const char *why)
{
    if (!w->unknown)
        log_warning("grader.name_unknown", GRADER_CALLED ": '%s' cannot be looked up: %s; %s",
                    GRADER_CALLED_ARGS(a->config.grader), w->host, why,
                    w->by_name ? "is it right?" : "its last addresses are asked");
    w->unknown = true;
}

static void on_answer(struct resolver_query *q)
{
    struct addresses *a = CONTAINER_OF(q, struct addresses, query);
    struct watched *w = a->asked;
    a->asked = NULL;
    if (a->freed) {
        mem_free(a);
        return;
    }
    if (q->n == 0) {
        failed(a, w, q->error);
        return;
    }
    if (w->unknown)
        log_info("grader.name_known", GRADER_CALLED ": '%s' can be looked up again",
                 GRADER_CALLED_ARGS(a->config.grader), w->host);
    w->unknown = false;
    if (q->n > 1 || !w->by_name)
        change(a, w, q);
}

int64_t addresses_tick(struct addresses *a)
{
    struct watched *next = NULL;
    int64_t now = clock_mono_us(a->config.clock);
    for (size_t i = 0; i < a->n; i++)
        if (next == NULL || a->names[i].due_us < next->due_us)
            next = &a->names[i];
    if (next == NULL || a->asked != NULL)
        return CLOCK_NEVER;
    if (next->due_us > now)
        return next->due_us;
    next->due_us = now + a->config.every_us;
    a->asked = next;
    a->query = (struct resolver_query){.host = next->host, .done = on_answer};
    if (!a->config.resolver->ask(a->config.resolver, &a->query)) {
        a->asked = NULL;
        failed(a, next, "no name can be like that");
    }
    return a->asked == NULL ? now : CLOCK_NEVER; /* the next one comes after it */
}
