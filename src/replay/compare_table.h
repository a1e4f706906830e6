/* What compare.c has joined and compare_report.c counts. Private to replay/. Pure. */
#ifndef RBR_REPLAY_COMPARE_TABLE_H
#define RBR_REPLAY_COMPARE_TABLE_H

#include "base/sha256.h"
#include "replay/compare.h"
#include "replay/digests.h"

struct outcome {
    double reward;
    uint64_t id; /* of reward_id, hashed */
    uint32_t type, class; /* names */
    uint8_t status;
    bool seen, has_reward;
};

struct joined {
    uint8_t group[DIGEST_BYTES]; /* of run_id and group_id */
    bool grouped; /* false: has no group_id */
    uint32_t parts; /* A's components: their names are lists[parts] .. */
    size_t values; /* .. and their values begin here in `values` */
    struct outcome sides[COMPARE_SIDES];
};

/* Names of the components of one policy and response type. */
struct name_list {
    uint32_t *names;
    size_t n;
};

struct kept_mover {
    struct compare_mover shown;
    char *texts; /* run_id and completion_id */
};

struct compare {
    struct sha256 hash;
    struct digests by_key, by_name, by_list; /* -> joined, names, lists */
    struct joined *joined;
    struct str *names; /* owned */
    struct name_list *lists;
    double *values;
    size_t n_joined, cap_joined, n_names, cap_names, n_lists, cap_lists, n_values, cap_values;
    uint32_t *class_order; /* names of classes, in the order of their first policy */
    size_t n_class_order, cap_class_order;
    bool *is_class; /* by name */
    size_t cap_is_class;
    struct compare_counts counts[COMPARE_SIDES];
    struct kept_mover *movers; /* the first is the largest; room for one more than are kept */
    size_t n_movers, max_movers;
    /* The report's. */
    struct str *classes;
    uint64_t *transitions;
    struct compare_shift *shifts;
    struct compare_mover *shown;
};

#endif
