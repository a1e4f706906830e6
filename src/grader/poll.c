#include "grader/poll.h"

#include "base/json.h"
#include "base/mem.h"
#include "grader/reply.h"

enum {
    EVERY_US = 500000,
    NOT_THERE_US = 30000000,
    TIMEOUT_US = 2000000,
    MEMORY = 1 << 20,
};

struct poll {
    struct poll_config config;
    struct transport_req req;
    struct arena memory;
    bool in_air;
    int64_t sent_us, next_us;
};

bool loads_read(struct arena *a, struct str body, struct loads *ret)
{
    struct json_fault fault;
    const struct json *ranks = reply_array(json_parse(a, body, &fault), STR("loads"));
    if (ranks == NULL)
        return false;
    struct loads sum = {.ready = ranks->child != NULL};
    for (const struct json *v = ranks->child; v != NULL; v = v->next) {
        int64_t waiting, tokens;
        if (!json_integer(json_get(v, STR("num_waiting_reqs")), 0, INT32_MAX, &waiting))
            return false;
        if (json_integer(json_get(v, STR("max_total_num_tokens")), 0, INT64_MAX, &tokens))
            sum.ready = sum.ready && tokens > 0;
        sum.waiting += (size_t)waiting;
    }
    *ret = sum;
    return true;
}

struct poll *poll_new(const struct poll_config *config)
{
    struct poll *p = mem_alloc(sizeof(*p));
    p->config = *config;
    arena_init(&p->memory, MEMORY);
    return p;
}

struct poll *poll_free(struct poll *p)
{
    if (p == NULL)
        return NULL;
    if (p->in_air)
        p->config.transport->drop(p->config.transport, &p->req);
    arena_done(&p->memory);
    mem_free(p);
    return NULL;
}

static void on_page(struct transport_req *req)
{
    struct poll *p = CONTAINER_OF(req, struct poll, req);
    struct loads loads;
    bool page = req->outcome == TRANSPORT_REPLY && req->status == 200;
    arena_reset(&p->memory);
    p->in_air = false;
    if (page && loads_read(&p->memory, req->body, &loads)) {
        p->config.report(p->config.arg, p->config.index, &loads, p->sent_us);
        return;
    }
    p->config.report(p->config.arg, p->config.index, NULL, p->sent_us);
    if (req->outcome == TRANSPORT_REPLY)
        p->next_us = clock_mono_us(p->config.clock) + NOT_THERE_US;
}

int64_t poll_tick(struct poll *p, bool busy, int64_t now_us)
{
    if (!busy || p->in_air)
        return CLOCK_NEVER;
    if (now_us < p->next_us)
        return p->next_us;
    p->in_air = true;
    p->sent_us = now_us;
    p->next_us = now_us + EVERY_US;
    p->req = (struct transport_req){
        .endpoint = p->config.endpoint,
        .path = "/v1/loads",
        .timeout_us = TIMEOUT_US,
        .done = on_page,
    };
    p->config.transport->send(p->config.transport, &p->req);
    return CLOCK_NEVER;
}
