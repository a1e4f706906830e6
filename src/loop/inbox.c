#include "loop/loop.h"

void inbox_init(struct inbox *in, struct loop *loop)
{
    (void)pthread_mutex_init(&in->lock, NULL);
    in->first = NULL;
    in->last = &in->first;
    in->loop = loop;
}

void inbox_done(struct inbox *in)
{
    (void)pthread_mutex_destroy(&in->lock);
}

void inbox_post(struct inbox *in, struct inbox_item *item)
{
    item->next = NULL;
    (void)pthread_mutex_lock(&in->lock);
    *in->last = item;
    in->last = &item->next;
    (void)pthread_mutex_unlock(&in->lock);
    loop_wake(in->loop);
}

struct inbox_item *inbox_take(struct inbox *in)
{
    (void)pthread_mutex_lock(&in->lock);
    struct inbox_item *chain = in->first;
    in->first = NULL;
    in->last = &in->first;
    (void)pthread_mutex_unlock(&in->lock);
    return chain;
}
