#include "grader/call_list.h"

#include "grader/grader_parts.h"

void call_list_append(struct call_list *l, struct grader_call *c)
{
    c->next = NULL;
    c->prev = l->last;
    if (l->last != NULL)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
}

void call_list_remove(struct call_list *l, struct grader_call *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        l->last = c->prev;
}
