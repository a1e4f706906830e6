/* Platt's calibration (platt.h) of every proposition that an evaluation has answers of, as an
 * overlay for the policy. Only what a held-out answer gains from is written; the others are
 * comments that say why. Lifecycle: calibration_fit, reads, calibration_done. Pure. */
#ifndef RBR_FIT_CALIBRATION_H
#define RBR_FIT_CALIBRATION_H

#include "base/buf.h"
#include "fit/eval.h"

struct calibration {
    const struct eval *eval; /* outlives it */
    struct platt *of; /* per proposition */
    size_t *answers; /* per proposition: that it was fitted on */
};

/* Where an overlay comes from; its comments say so. */
struct calibration_origin {
    struct str gold; /* the file of labels */
    const char *gold_sha256;
    struct str grader, model; /* n == 0: not known */
};

void calibration_fit(struct calibration *c, const struct eval *eval);
void calibration_done(struct calibration *c);

/* "helps", or why there is none. */
const char *calibration_word(enum platt_verdict v);

/* The overlay (YAML). The same answers give the same bytes. ERR_LIMIT when `out` is full. */
enum err_code calibration_overlay(const struct calibration *c,
                                  const struct calibration_origin *origin,
                                  struct buf *out) RBR_MUST_CHECK;

#endif
