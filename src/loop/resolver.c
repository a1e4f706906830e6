#include "loop/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"

struct answer {
    char addresses[RESOLVER_ADDRESSES_MAX][RESOLVER_ADDRESS_BYTES];
    size_t n;
};

static int in_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void take(struct answer *answer, const struct addrinfo *list, int family)
{
    for (const struct addrinfo *i = list; i != NULL && answer->n < RESOLVER_ADDRESSES_MAX;
         i = i->ai_next)
        if (i->ai_family == family &&
            uv_ip_name(i->ai_addr, answer->addresses[answer->n], RESOLVER_ADDRESS_BYTES) == 0)
            answer->n++;
}

static void sort(struct answer *answer)
{
    size_t n = 0;
    qsort(answer->addresses, answer->n, RESOLVER_ADDRESS_BYTES, in_order);
    for (size_t i = 0; i < answer->n; i++)
        if (n == 0 || strcmp(answer->addresses[n - 1], answer->addresses[i]) != 0)
            memmove(answer->addresses[n++], answer->addresses[i], RESOLVER_ADDRESS_BYTES);
    answer->n = n;
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolver_query *q = request->data;
    struct answer answer = {.n = 0};
    take(&answer, list, AF_INET);
    if (answer.n == 0)
        take(&answer, list, AF_INET6);
    sort(&answer);
    uv_freeaddrinfo(list);
    q->addresses = answer.addresses;
    q->n = answer.n;
    q->error = status < 0 ? uv_strerror(status) : "it has no address";
    q->done(q);
}

static bool loop_ask(struct resolver *port, struct resolver_query *q)
{
    struct loop_resolver *r = CONTAINER_OF(port, struct loop_resolver, port);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    q->request.data = q;
    return uv_getaddrinfo(&r->loop->uv, &q->request, on_answer, q->host, NULL, &hints) == 0;
}

void loop_resolver_init(struct loop_resolver *r, struct loop *loop)
{
    *r = (struct loop_resolver){.port = {.ask = loop_ask}, .loop = loop};
}
