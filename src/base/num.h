/* Numbers from text: the whole string or nothing, finite, in the C locale. `0.4*52` is an error,
 * not 0.4. Units are part of durations and sizes (`120s`, `250ms`, `512MiB`). Any thread. */
#ifndef RBR_BASE_NUM_H
#define RBR_BASE_NUM_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

/* Decimal or scientific notation; no hex, no inf/nan, no surrounding space. */
bool num_parse_f64(struct str s, double *ret) RBR_MUST_CHECK;
bool num_parse_i64(struct str s, int64_t *ret) RBR_MUST_CHECK;
bool num_parse_u64(struct str s, uint64_t *ret) RBR_MUST_CHECK;

/* us, ms, s, m, h, d; a fraction is allowed (`1.5s`); zero needs no unit. In microseconds. */
bool num_parse_duration_us(struct str s, int64_t *ret) RBR_MUST_CHECK;

/* B, KB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024); zero needs no unit. In bytes. */
bool num_parse_size(struct str s, uint64_t *ret) RBR_MUST_CHECK;

/* Digits, perhaps a point and up to six more; exact, in millionths. For money and shares. */
bool num_parse_millionths(struct str s, uint64_t *ret) RBR_MUST_CHECK;
void num_print_millionths(uint64_t v, char out[32]); /* no more digits than it needs */

/* Shortest text that reads back as the same double; returns its length. */
size_t num_print_f64(double v, char out[32]);

#endif
