"""Replies without a verdict, of which there are too many for a table: MUTANTS[kind](rng) is one of them.

Each is the usual reply with one thing wrong that makes an answer of it impossible, or a text that is not one of the two words.
A client that reads a number out of one of them has guessed.
"""

import math

from behaviours import CHOICE, FINISH, FIRST, LOGPROBS, MESSAGE, TEXT, TOP, changed, listing, response, top_of

NEARLY = ("yesterday", "yess", "ye", "y", "nno", "nope", "n", "not", "know", "yes!", "no?", "(yes)", "[no]", "<yes>", "_no_", "#yes", "yes;",
          "no-", "yes/no", "yes-no", "YesNo", "y e s", "yes\0", "\0no", "ye\u200bs", "уеs", "nо", "ｙｅｓ", "ｎｏ", "oui", "ja", "да", "はい",
          "true", "false", "1", "0", "✓", "I", "The", "Maybe", "", " ", "\n", "</s>", "<think>", "{\"yes\":", "yes_no", "no1")
BEFORE = ("I think ", "The answer is ", "Maybe ", "As an AI, ", "Hmm. ", "A: ", "Answer: ", '{"answer": "', "<think>", "1. ", "(", "— ",
          "Not ", "Perhaps: ", "</message>", "|ASSISTANT|: ", "It says ")
BETWEEN = (" and ", " or ", ", ", " / ", ". ", "\n", " — ", " (not ", " but also ", " then ", " | ", "\t", '" or "', " &amp; ")
JUNK = (None, True, False, 1, -0.5, "yes", [], {}, ["yes"], [None], [[]], {"yes": -0.1})
# places, and the kind of value that would be right there
PLACES = ((("choices",), list), (CHOICE, dict), (LOGPROBS, dict), ((*LOGPROBS, "content"), list), (FIRST, dict), (TOP, list),
          ((*TOP, 0), dict), ((*TOP, 0, "token"), str), ((*TOP, 0, "logprob"), (int, float)))


def case(rng, word):
    return rng.choice((word, word.upper(), word.capitalize()))


def nearly_words(rng):
    words = rng.sample(NEARLY, rng.randint(1, 6))
    share = [rng.random() + 1e-6 for _ in words]
    return listing(*[(w, math.log(s / sum(share))) for w, s in zip(words, share)])


def little_mass(rng):
    mass, p = rng.uniform(1e-6, 0.49), rng.uniform(0.01, 0.99)
    return listing(("I", math.log(1 - mass)), (case(rng, "yes"), math.log(mass * p)), (case(rng, "no"), math.log(mass * (1 - p))))


def much_mass(rng):
    return listing((case(rng, "yes"), rng.uniform(-0.3, 0)), (case(rng, "no"), rng.uniform(-0.3, 0)))


def junk(rng):
    path, right = rng.choice(PLACES)
    return changed(rng.choice([j for j in JUNK if isinstance(j, bool) or not isinstance(j, right)]), *path)


def cut(rng):
    return response(TEXT[:rng.randrange(len(TEXT))])


def garbage(rng):
    front, behind = rng.choice(((b"x", b""), (b"{", b""), (b"data: ", b""), (b")]}'\n", b""), (b"\0", b""), (b"", b"}"), (b"", b"]"),
                                (b"", b","), (b"", b"{}"), (b"", b" yes"), (b"[", b"]"), (b"yes ", b""), (b"```json\n", b"\n```")))
    return response(front + TEXT + behind)


def no_logprob(rng):
    return top_of(b'[{"token":"%s","logprob":%s}]' % (case(rng, rng.choice(("yes", "no"))).encode(), rng.choice((
        b"NaN", b"Infinity", b"-Infinity", b"-1e999", b"'-1'", b"0x1", b"-.5", b"-01", b"+0", b"--1", b"-1-", b"nil", b"0.5", b"1e3"))))


def word_without_logprobs(rng):
    choice = {"index": 0, "message": {"role": "assistant", "content": case(rng, rng.choice(("yes", "no")))}, "finish_reason": "stop"}
    if rng.random() < 0.8:
        choice["logprobs"] = rng.choice((None, {}, {"content": None}, {"content": []}, {"tokens": []}, {"refusal": []}))
    return changed([choice], "choices")


def wrong_end(rng):
    return changed(rng.choice(("content_filter", "abort", "error", "tool_calls", "function_call")), *FINISH)


def said_error(rng):
    return changed(rng.choice(("overloaded", {"code": rng.randint(400, 600)}, {})), *rng.choice(((), CHOICE)), "error")


def says(text, finish="stop"):
    message = {"role": "assistant", "content": text}
    return changed([{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}], "choices")


def both(rng):
    words = rng.sample(("yes", "no"), 2)
    return says(case(rng, words[0]) + rng.choice(BETWEEN) + case(rng, words[1]) + rng.choice(("", ".", "?", " it is", "!")))


def word_in_words(rng):
    return says(rng.choice(BEFORE) + case(rng, rng.choice(("yes", "no"))) + rng.choice(("", ".", '"}', ")", "</think>", " is what I say")))


def nearly_word(rng):
    return says(rng.choice(NEARLY) + rng.choice(("", ".", " it does", "\n")))


def refused_word(rng):
    word = case(rng, rng.choice(("yes", "no")))
    if rng.random() < 0.5:
        return says(word, rng.choice(("content_filter", "abort", "error", "tool_calls")))
    return changed({"role": "assistant", "content": word, "refusal": "I cannot say."}, *MESSAGE)


def no_text(rng):
    return says(rng.choice((None, True, 1, [], ["yes"], {"yes": 1}, [{"type": "text", "text": "yes"}], "", "**", '""')))


def any_of(*kinds):
    return lambda rng: rng.choice(kinds)(rng)


MUTANTS = {
    "mutant-logprobs": any_of(nearly_words, little_mass, much_mass, junk, cut, garbage, no_logprob, word_without_logprobs, wrong_end,
                              said_error),
    "mutant-verdict": any_of(both, word_in_words, nearly_word, refused_word, no_text, cut, garbage, said_error),
}
