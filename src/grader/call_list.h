/* Lists of calls, linked in the calls: each is in one at most. Loop thread. */
#ifndef RBR_GRADER_CALL_LIST_H
#define RBR_GRADER_CALL_LIST_H

struct grader_call;

struct call_list {
    struct grader_call *first, *last;
};

void call_list_append(struct call_list *l, struct grader_call *c);
void call_list_remove(struct call_list *l, struct grader_call *c); /* which is in it */

#endif
