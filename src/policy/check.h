/* Builtin checks: propositions answered here, by a test on the completion's text. P is 0 or 1.
 *
 *   check: {regex: "^\\s*\\{"}         POSIX extended, on the response, case sensitive; (?i) prefix
 * folds case check: {contains: [text, ...]}     any of them, ASCII case folded check: {max_chars:
 * 400}            at most this many code points check: {min_chars: 1} check: {json: object} the
 * response is one JSON value of this type: object | array | any Pure; any thread. Text with an
 * embedded NUL is tested whole. */
#ifndef RBR_POLICY_CHECK_H
#define RBR_POLICY_CHECK_H

#include "policy/policy.h"

struct check; /* compiled; owned by the policy */

bool check_holds(const struct check *c, struct str response);

/* The definition in canonical form: goes into the policy hash and the judgment digest. */
struct str check_definition(const struct check *c);

#endif
