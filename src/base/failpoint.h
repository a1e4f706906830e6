/* Failpoints: named places in a record's way at which a test kills this process, stops it or slows
 * it down, so that a crash there is one of a list and not of chance.
 *
 * Only a build with -DRBR_FAILPOINTS=ON has them; in any other, FAILPOINT(name) is no code at all.
 * The environment says what happens, read at the first passing of any point:
 *
 *     RBR_FAILPOINTS="after_commit=kill@3,lost=stop,decoded=delay:20ms%5,seed=7"
 *
 *   kill          SIGKILL to this process
 *   stop          SIGSTOP to this process, until somebody sends SIGCONT
 *   delay:TIME    this thread sleeps
 *   @N            at the N-th passing, once; the default is @1
 *   %P            at each passing with a chance of P per cent, by `seed`
 *
 * What is done is said on stderr first: "failpoint NAME: kill". A text that cannot be understood
 * ends the process: a test that misspells a point must not pass. Any thread. */
#ifndef RBR_BASE_FAILPOINT_H
#define RBR_BASE_FAILPOINT_H

#include "base/err.h"
#include "base/rng.h"
#include "base/str.h"

/* name, where it is; in the order of a record's way. docs/internals/testing.md has the same table.
 */
#define FAILPOINTS(X)                                                                              \
    X(looked_up, "committed offsets and maps are known, nothing is assigned yet")                  \
    X(assigned, "the windows are made of them")                                                    \
    X(read, "a record has been taken from Kafka")                                                  \
    X(before_decode, "it has its place in the window")                                             \
    X(decoded, "it is a record, or refused")                                                       \
    X(asked, "its questions are on their way to the grader")                                       \
    X(verdict, "all its answers are there")                                                        \
    X(ready, "its message is encoded and waits for a batch")                                       \
    X(dead_letter, "its dead letter is encoded and waits for a batch")                             \
    X(batch, "a batch is taken and goes to the publisher")                                         \
    X(before_begin, "before the transaction")                                                      \
    X(after_begin, "in the transaction, nothing is produced")                                      \
    X(dead_letter_produced, "a dead letter has been handed to the producer")                       \
    X(after_produce, "all of the batch has been")                                                  \
    X(delivered, "all delivery reports are in, without an error")                                  \
    X(before_commit, "the offsets are in the transaction")                                         \
    X(after_commit, "it is committed; the publisher knows")                                        \
    X(before_done, "the loop knows; the window does not")                                          \
    X(done, "the window knows")                                                                    \
    X(before_abort, "the transaction is to be aborted")                                            \
    X(before_recovery, "the producer is given up, what became of the batch is unknown")            \
    X(new_producer, "another producer has ended what was pending")                                 \
    X(recovered, "it is known what became of the batch")                                           \
    X(revoked, "the partitions are to be given back")                                              \
    X(drained, "all of them is published, or out of time; nothing is dropped yet")                 \
    X(lost, "the partitions belong to others")                                                     \
    X(given_back, "nothing of them is held any more")                                              \
    X(closing, "told to stop")                                                                     \
    X(closed, "the group is left")

enum failpoint {
#define X(name, where) FAILPOINT_##name,
    FAILPOINTS(X)
#undef X
        FAILPOINT_COUNT
};

#ifdef RBR_FAILPOINTS
#define FAILPOINT(name) failpoint_pass(FAILPOINT_##name)
#else
#define FAILPOINT(name) ((void)FAILPOINT_##name)
#endif

void failpoint_pass(enum failpoint point);

/* What failpoint_pass uses; for tests. */
enum failpoint_act { FAILPOINT_NONE, FAILPOINT_KILL, FAILPOINT_STOP, FAILPOINT_DELAY };

struct failpoint_plan {
    struct {
        enum failpoint_act act;
        int64_t delay_us;
        uint64_t at; /* the passing at which it acts; 0: by chance */
        double per_cent;
        uint64_t passed;
    } points[FAILPOINT_COUNT];
    struct rng rng;
};

/* `text` is empty: nothing happens anywhere. */
enum err_code failpoint_parse(struct str text, struct failpoint_plan *ret,
                              struct err *err) RBR_MUST_CHECK;

/* Counts a passing; what is to be done at it. */
enum failpoint_act failpoint_next(struct failpoint_plan *plan, enum failpoint point);

#endif
