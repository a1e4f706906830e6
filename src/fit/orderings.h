/* Which label ranks above which, for each response type, and by how much.
 *
 *   orderings:
 *     hard_refuse: {perfect: [bad, disallowed], bad: [disallowed]}   label: the labels below it
 *   margins:
 *     hard_refuse: {perfect: 2}                  hinge margin of pairs with this better label; 1
 *
 * Labels that no list relates are not compared, not even by way of a third. Without a file the
 * labels are the policy's classes, best first. Lifecycle: orderings_of_classes or orderings_load,
 * read only, orderings_done. Pure, but for the file. */
#ifndef RBR_FIT_ORDERINGS_H
#define RBR_FIT_ORDERINGS_H

#include "policy/policy.h"

enum { ORDERING_LABELS_MAX = 64 };

struct ordering {
    struct str labels[ORDERING_LABELS_MAX]; /* in order of first appearance */
    size_t n; /* 0: nothing is said of this response type */
    bool above[ORDERING_LABELS_MAX][ORDERING_LABELS_MAX]; /* [better][worse] */
    double margin[ORDERING_LABELS_MAX]; /* of the better label */
};

struct orderings {
    struct arena arena;
    struct ordering *types; /* per response type of the policy */
};

void orderings_of_classes(struct orderings *o, const struct policy *policy);

/* From a file, or from `text` when text.p is set and `name` stands for it in messages. ERR_INVALID
 * with file and line when it is wrong. orderings_done afterwards in either case. */
enum err_code orderings_load(struct orderings *o, const struct policy *policy, struct str name,
                             struct str text, struct err *err) RBR_MUST_CHECK;
void orderings_done(struct orderings *o);

size_t ordering_find(const struct ordering *o, struct str label); /* SIZE_MAX when absent */

#endif
