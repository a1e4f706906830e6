/* How sentences of the log name a grader: "grader NAME". A name that begins with "grader", as the
 * one that settings give by default does, has an article instead: "the grader". */
#ifndef RBR_GRADER_CALLED_H
#define RBR_GRADER_CALLED_H

#include "base/str.h"

/* For printf: GRADER_CALLED with GRADER_CALLED_ARGS(name). */
#define GRADER_CALLED "%s %.*s"
#define GRADER_CALLED_ARGS(name)                                                                   \
    str_has_prefix(name, STR("grader")) ? "the" : "grader", STR_ARGS(name)

#endif
