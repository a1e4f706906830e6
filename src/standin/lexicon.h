/* The stand-in's whole judgement: which phrases a message holds.
 *
 * A topic is known by words in the question's first sentence (those of config/policies and of the
 * released policy); each topic has its phrases, and a rule that says what they mean. A question of
 * no known topic is answered by the words that it shares with the message. Pure and deterministic.
 */
#ifndef RBR_STANDIN_LEXICON_H
#define RBR_STANDIN_LEXICON_H

#include "standin/exchange.h"

/* P(yes), 0 to 1. Reads the first 32 KiB of the message. */
double lexicon_answer(const struct exchange *x);

/* The topic's name, for tests; NULL when none is known. */
const char *lexicon_topic(struct str question);

#endif
