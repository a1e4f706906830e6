/* The faults of the simulation by name, to count how often each happened. Header only. */
#ifndef RBR_TESTS_FIXTURE_FAULTS_H
#define RBR_TESTS_FIXTURE_FAULTS_H

#define FAULTS_ALL(X)                                                                              \
    X(KILL_IDLE, "killed with no batch on its way")                                                \
    X(KILL_BEFORE, "killed with a batch that never arrives")                                       \
    X(KILL_LATE, "killed with a batch that arrives after that")                                    \
    X(KILL_AFTER, "killed with a batch that arrived, unanswered")                                  \
    X(STOP, "stopped in good order")                                                               \
    X(REVOKE, "revoked with records unfinished")                                                   \
    X(LOST, "assignment lost")                                                                     \
    X(FENCED, "batch of a former owner refused")                                                   \
    X(TWIN, "a live twin: the sink gives up")                                                      \
    X(SINK_LANDED, "sink failed, batch visible")                                                   \
    X(SINK_FAILED, "sink failed, batch not visible")                                               \
    X(SOURCE_FAILED, "source failed")                                                              \
    X(UNKNOWN_LANDED, "commit outcome unknown, it was in")                                         \
    X(UNKNOWN_LEFT_OUT, "commit outcome unknown, it was not")                                      \
    X(DELIVERY, "delivery failed, batch aborted")                                                  \
    X(TOO_LARGE, "message too large for its topic")                                                \
    X(OUTAGE, "brokers away, batch waits and aborts")                                              \
    X(EXPOSED, "at least once: published, not committed")                                          \
    X(REPEATED, "at least once: published again")                                                  \
    X(METADATA, "metadata over the brokers' limit")                                                \
    X(MAP_FOREIGN, "map of another program")                                                       \
    X(MAP_NEWER, "map of a newer version")                                                         \
    X(MAP_CORRUPT, "map with a flipped bit")                                                       \
    X(MAP_CUT, "map cut short")                                                                    \
    X(MAP_MISSING, "no map with an offset")                                                        \
    X(MAP_ELSEWHERE, "map of another offset")                                                      \
    X(GAP, "offsets without records")                                                              \
    X(COMPACTED, "record compacted away unread")                                                   \
    X(RETENTION, "log cut below the committed offset")                                             \
    X(LOST_RECORD, "record lost by that")                                                          \
    X(REREAD, "record read twice")                                                                 \
    X(MALFORMED, "malformed record")                                                               \
    X(GRADER_HANGS, "grader hangs")                                                                \
    X(GRADER_BUSY, "grader says 429")                                                              \
    X(GRADER_FAILS, "grader says 4xx or 5xx")                                                      \
    X(GRADER_BABBLES, "grader's reply is no verdict")                                              \
    X(GRADER_BREAKS, "connection to the grader breaks")

#define FAULT_ID(id, text) FAULT_##id,
enum fault { FAULTS_ALL(FAULT_ID) FAULTS };
#undef FAULT_ID

#define FAULT_TEXT(id, text) text,
static const char *const fault_texts[FAULTS] = {FAULTS_ALL(FAULT_TEXT)};
#undef FAULT_TEXT

#endif
