/* A manifest: what one replay is, written down once, so that any number of processes on any hosts
 * do the same, now or after a crash. YAML, for people to read and keep.
 *
 * It fixes which offsets of the input are judged again, under which policy (by its hash), by which
 * grader, where the rewards go and where judgments are taken from. The consumer group follows from
 * its id; what is done is in that group's committed offsets, and nowhere else. Pure. */
#ifndef RBR_REPLAY_MANIFEST_H
#define RBR_REPLAY_MANIFEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "stream/offset_set.h"

enum { MANIFEST_ID_MAX = 64, MANIFEST_LIST_MAX = 16, MANIFEST_PARTITIONS_MAX = 10000 };

#define MANIFEST_GROUP_PREFIX "rbr-replay-"

struct manifest_partition {
    int32_t partition;
    int64_t start, stop; /* offsets [start, stop), never empty */
    struct offset_set only; /* when the manifest is of failures: these alone, within the range */
};

struct manifest_list {
    struct str *items;
    size_t n;
};

/* What of the settings' grader goes into the digests of judgments and has a name. */
struct manifest_grader {
    struct str name, model, revision, dialect;
};

/* From a sample; all of them records or questions of the whole range. */
struct manifest_estimate {
    uint64_t sampled; /* records looked at; 0: there is no estimate */
    uint64_t records, asked, saved, input_tokens;
    struct str cost_usd; /* for people; n == 0: the grader has no price */
};

struct manifest {
    struct str id; /* letters, digits, . _ - */
    struct str created; /* for people */
    struct str input, output, dead_letters; /* topics */
    struct manifest_list policy_files;
    struct str policy_hash; /* 64 hex digits */
    struct manifest_grader grader;
    struct manifest_list restore_from; /* topics; may be empty */
    int64_t restore_since_ms; /* their rewards from then on; 0: all */
    struct str failed_in; /* a topic: only what failed there is judged again; n == 0: all is */
    struct manifest_partition *partitions; /* ascending; at least one */
    size_t n_partitions;
    struct manifest_estimate estimate;
    struct arena arena; /* of what was read */
};

/* `name` stands for the file in messages. ERR_INVALID: "name:line:column: what". */
enum err_code manifest_parse(struct str name, struct str text, struct manifest **ret,
                             struct err *err) RBR_MUST_CHECK;
enum err_code manifest_load(struct str file, struct manifest **ret, struct err *err) RBR_MUST_CHECK;
void manifest_free(struct manifest *m); /* of these two; NULL is fine */

bool manifest_print(const struct manifest *m, struct buf *out);

/* Records at most: between start and stop, or named. */
uint64_t manifest_offsets(const struct manifest *m);

#endif
