/* The process's resident memory, and keeping it near what is in use.
 *
 * Blocks of all sizes come and go, and malloc keeps the pages of those that went: without this,
 * resident memory is half as much again as what is held after some hours of mixed records. Large
 * blocks are made to go straight back to the system, and the free pages among small ones can be
 * given back when there are too many. For glibc.
 * Loop thread. */
#ifndef RBR_BASE_RESIDENT_H
#define RBR_BASE_RESIDENT_H

#include <stddef.h>

void resident_init(void); /* before there are threads */

size_t resident_bytes(void); /* 0: not known. A system call or three */

/* Milliseconds for each 100 MB: at most once a second. */
void resident_give_back(void);

#endif
