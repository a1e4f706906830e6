"""What the scripted grader says, in every dialect: (prompts of a request, reply to it) by path.

A prompt is what the model would read of ours: state and instructions joined, query and item joined, without the chat
template around it. So each dialect's P(yes) is verdict(prompt) of the same prompt, and a byte that is lost or a question
that gets another's answer is another number.
"""

import hashlib
import math

MODEL = "scripted-1"
FINGERPRINT = "fp_scripted"
BELOW_LIST = -9999.0
YES_ID, NO_ID = 9891, 2201
TOKENS = {"Yes": [YES_ID], "No": [NO_ID]}  # all other words are two
TEMPLATE_BEFORE, TEMPLATE_AFTER = "<user>\n", "</user>\n\t<assistant>"  # of the text dialects: settings have it

# dialect: (a worker's settings for it, path, whether one request asks all questions, whether the reply has the labels' mass)
IDS = {"yes_token_ids": [YES_ID], "no_token_ids": [NO_ID]}
TEMPLATE = {"prompt_before": TEMPLATE_BEFORE, "prompt_after": TEMPLATE_AFTER}
DIALECTS = {
    "chat": ({}, "/v1/chat/completions", False, True),
    "chat_batch": ({}, "/v1/chat/completions/batch", True, True),
    "completions": (TEMPLATE, "/v1/completions", True, True),
    "score": (TEMPLATE | IDS, "/v1/score", True, True),
    "generative_scoring": (TEMPLATE | IDS, "/generative_scoring", True, False),
    "systemone": ({}, "/v1/systemone", True, True),
    "decisions": ({}, "/v1/decisions", True, False),
}

# ---- the arithmetic, for both sides ----------------------------------------------------------------


def alternatives(prompt):
    """[(token, logprob)]: what the grader says about a prompt, most likely first."""
    h = hashlib.blake2b(prompt, digest_size=16).digest()
    u = int.from_bytes(h[:8], "big") / 2.0**64
    p = 1 / (1 + math.exp(-14 * (u - 0.5)))  # mostly sure, sometimes not
    mass = 0.6 + 0.4 * h[8] / 255
    certain = h[9] < 16  # now and then only one side is listed
    if certain:
        word = "yes" if p >= 0.5 else "no"
        pairs = [(word, math.log(mass))]
    else:
        share = 0.05 + 0.9 * h[10] / 255  # of the plain spelling
        pairs = [
            ("yes", math.log(p * mass * share)),
            (" Yes", math.log(p * mass * (1 - share))),
            ("no", math.log((1 - p) * mass * share)),
            ("**No", math.log((1 - p) * mass * (1 - share))),
        ]
        pairs.sort(key=lambda pair: -pair[1])
    if mass < 1:
        pairs.append(("maybe", math.log(1 - mass)))
    pairs.append(("I", BELOW_LIST))
    return pairs


def verdict(prompt):
    """(P(yes), mass) that a client should read from alternatives(prompt)."""
    yes = no = 0.0
    for token, logprob in alternatives(prompt):
        word = token.strip(" *").lower()
        if logprob <= -9000:
            continue
        if word == "yes":
            yes += math.exp(logprob)
        elif word == "no":
            no += math.exp(logprob)
    return yes / (yes + no), min(yes + no, 1.0)


# ---- chat and completions --------------------------------------------------------------------------


def chat_reply(content, finish="length", message=None, model=MODEL, logprobs=True):
    choice = {
        "index": 0,
        "message": message if message is not None else {"role": "assistant", "content": "x"},
        "finish_reason": finish,
        "logprobs": {"content": content} if logprobs else None,
    }
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "system_fingerprint": FINGERPRINT, "choices": [choice],
        "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101,
                  "prompt_tokens_details": {"cached_tokens": 80}},
    }


def position(pairs, token=None):
    top = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in pairs]
    first = token if token is not None else (pairs[0][0] if pairs else "")
    return {"token": first, "logprob": pairs[0][1] if pairs else -1.0, "bytes": None, "top_logprobs": top}


def text_of(messages):
    return "\n".join(m["content"] for m in messages).encode("utf-8", "surrogatepass")


def need(request, **values):
    wrong = {k: request.get(k) for k, v in values.items() if request.get(k) != v}
    if wrong:
        raise ValueError(f"a judge's request needs {values}, this one has {wrong}")


def chat_prompts(request):
    if request.get("logprobs"):
        need(request, max_tokens=1, logprobs=True, n=1)
    else:
        need(request, max_tokens=8, logprobs=None)
    return [text_of(request["messages"])]


def chat(request, prompts):
    [prompt] = prompts
    if request.get("logprobs"):
        return chat_reply([position(alternatives(prompt))])
    reply = chat_reply([], logprobs=False, finish="stop")
    yes = round(verdict(prompt)[0] * request["n"])  # of so many
    reply["choices"] = [{"index": i, "finish_reason": "stop", "message":
                         {"role": "assistant", "content": "Yes." if i < yes else "**No**, it does not."}}
                        for i in range(request["n"])]
    return reply


def chat_batch_prompts(request):
    need(request, max_tokens=1, logprobs=True, n=1)
    return [text_of(messages) for messages in request["messages"]]


def chat_batch(request, prompts):
    reply = chat_reply([])
    reply["choices"] = [{**chat_reply([position(alternatives(p))])["choices"][0], "index": i} for i, p in enumerate(prompts)]
    reply["choices"].reverse()  # `index` says whose it is
    return reply


def untemplated(text):
    if not text.startswith(TEMPLATE_BEFORE) or not text.endswith(TEMPLATE_AFTER):
        raise ValueError("the chat template is not around it")
    return text[len(TEMPLATE_BEFORE):-len(TEMPLATE_AFTER)].encode()


def completions_prompts(request):
    need(request, max_tokens=1, n=1)
    return [untemplated(text) for text in request["prompt"]]


def completions(request, prompts):
    choices = []
    for i, prompt in enumerate(prompts):
        pairs = alternatives(prompt)[:request["logprobs"]]
        choices.append({"index": i, "text": pairs[0][0], "finish_reason": "length", "logprobs": {
            "text_offset": [0], "tokens": [pairs[0][0]], "token_logprobs": [pairs[0][1]], "top_logprobs": [dict(pairs)]}})
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": MODEL, "choices": choices[::-1],
            "usage": {"prompt_tokens": 100 * len(prompts), "completion_tokens": len(prompts)}}


# ---- scores and decisions --------------------------------------------------------------------------


def score_prompts(request):
    need(request, label_token_ids=[YES_ID, NO_ID], item_first=False)
    return [untemplated(request["query"] + item) for item in request["items"]]


def score(request, prompts):
    need(request, apply_softmax=False)
    scores = [[p * mass, (1 - p) * mass] for p, mass in map(verdict, prompts)]
    return {"scores": scores, "model": MODEL, "usage": {"prompt_tokens": 300}, "object": "scoring"}


def generative_scoring(request, prompts):
    need(request, apply_softmax=True)
    data = [{"index": i, "object": "score", "score": verdict(p)[0]} for i, p in enumerate(prompts)]
    return {"id": "g-1", "object": "list", "created": 1, "model": MODEL, "data": data[::-1], "usage": {"prompt_tokens": 300}}


def state_of(state):
    return state if isinstance(state, str) else text_of(state).decode()


def systemone_prompts(request):
    questions = request["questions"].values()
    if any(q["type"] != "noul" for q in questions) or len(questions) > 64:
        raise ValueError("up to 64 questions of type noul")
    return [(state_of(request["state"]) + q["instructions"]).encode() for q in questions]


def systemone(request, prompts):
    read = dict(zip(request["questions"], map(verdict, prompts)))
    return {"answers": {k: {"type": "noul", "noul": p, "confidence": max(p, 1 - p)} for k, (p, _) in read.items()},
            "diagnostics": {k: {"label_mass": mass, "argmax_is_label": True} for k, (_, mass) in read.items()},
            "usage": {"input_tokens": 300, "output_tokens": len(read)}, "model": MODEL}


def decisions_prompts(request):
    if any(q["type"] != "predicate" for q in request["questions"]) or len(request["questions"]) > 200:
        raise ValueError("up to 200 questions of type predicate")
    return [(state_of(request["input"]) + q["instructions"]).encode() for q in request["questions"]]


def decisions(request, prompts):
    answers = [{"type": "predicate", "name": q["name"], "probability": verdict(p)[0]}
               for q, p in zip(request["questions"], prompts)]
    return {"id": "dec_1", "object": "decision", "answers": answers, "model": MODEL,
            "usage": {"input_tokens": 300, "input_tokens_details": {"cached_tokens": 200}, "output_tokens": 0}}


PATHS = {
    "/v1/chat/completions": (chat_prompts, chat),
    "/v1/chat/completions/batch": (chat_batch_prompts, chat_batch),
    "/v1/completions": (completions_prompts, completions),
    "/v1/score": (score_prompts, score),
    "/generative_scoring": (score_prompts, generative_scoring),
    "/v1/systemone": (systemone_prompts, systemone),
    "/v1/decisions": (decisions_prompts, decisions),
}
