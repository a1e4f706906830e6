/* What a pool has to say: of each endpoint its last failure in words, with what to do about it, and
 * the log lines of its comings and goings. Part of the pool (pool.h); loop thread. */
#ifndef RBR_GRADER_POOL_WORDS_H
#define RBR_GRADER_POOL_WORDS_H

#include "grader/pool.h"

/* It failed so; after its reply was weighed, if it was a 200. */
void pool_note(struct pool *p, size_t i, const struct transport_req *req);
void pool_note_silence(struct pool *p, size_t i, int64_t for_us);

/* Of all: none works, for so long; one does again. */
void pool_tell_down(const struct pool *p, int64_t for_us);
void pool_tell_up(const struct pool *p, int64_t after_us);

/* Of one, while others work. */
void pool_tell_ejected(const struct pool *p, size_t i);
void pool_tell_back(const struct pool *p, size_t i, int64_t after_us);
void pool_tell_no_load(const struct pool *p, size_t i);

#endif
