"""What a grader's server may do wrong, by name, and what a client has to make of it: the table that the tests go through.

A row is a Behaviour: the reply, and what becomes of a question that gets it. Five kinds of row say who is to blame, and with
that whether the question is asked again and what it means when a server does this to everybody:

    failing     the server fails at the moment: asked again within the attempts; to everybody: an outage, records wait
    not_for_us  it works, but not for us (wrong key, path, kind of server): asked again only when a question of the worker's
                own is answered there; to everybody: an outage
    busy        about this request, and it may pass: asked again; never an outage
    refused     about this question: not asked again; never an outage
    fine        odd, but an answer

BEHAVIOURS are for every dialect, or for a reply of chat; SHAPES are what only replies of one path can have wrong.
"""

import collections
import gzip
import json
import math

from scripted_dialects import BELOW_LIST, alternatives, chat_reply, position

# ---- pieces of replies -----------------------------------------------------------------------------

HANG, RESET, CLOSE = object(), object(), object()  # nothing more; RST; FIN
Pour = collections.namedtuple("Pour", "bytes")  # so many spaces, as fast as they are taken
Echo = collections.namedtuple("Echo", "before after")  # what was asked, headers and body, between these


def response(body, status=200, headers=(), length=None, kind="application/json"):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def head(*lines):
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def error(status, message, code=None, headers=()):
    return response({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status, headers)


YES_NO = [("yes", math.log(0.75)), ("no", math.log(0.25))]
USUAL = chat_reply([position(YES_NO)])
TEXT = json.dumps(USUAL).encode()
CHUNKED = "Transfer-Encoding: chunked"
ELSEWHERE = "http://{elsewhere}/v1/chat/completions"  # nobody may go there: the server counts those who do


def good(prompt):
    return response(chat_reply([position(alternatives(prompt))]))


def changed(value, *path):
    """The usual reply with another value at this place; DROP: without it."""
    reply = json.loads(TEXT)
    at = reply
    for key in path[:-1]:
        at = at[key]
    if value is DROP:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return response(reply)


DROP = object()
CHOICE = ("choices", 0)
MESSAGE, FINISH, LOGPROBS = (*CHOICE, "message"), (*CHOICE, "finish_reason"), (*CHOICE, "logprobs")
FIRST = (*LOGPROBS, "content", 0)
TOP = (*FIRST, "top_logprobs")


def listing(*pairs, token=None):
    """The usual reply with these alternatives."""
    return response(chat_reply([position(list(pairs), token)]))


def top_of(text):
    """The usual reply with this JSON text as its alternatives."""
    return response(TEXT.replace(json.dumps(USUAL["choices"][0]["logprobs"]["content"][0]["top_logprobs"]).encode(), text))


STRAY = listing(("no", -0.01))  # what a neighbour must not get


def choices(*indexes):
    return changed([USUAL["choices"][0] | {"index": i} for i in indexes], "choices")


def cut(*then):
    """The usual reply without its end, and what the server does then."""
    return [response(TEXT)[:-40], *then]


def pieces(data, n, seconds):
    return [part for i in range(0, len(data), n) for part in (data[i:i + n], seconds)]


# ---- kinds of rows ---------------------------------------------------------------------------------

Behaviour = collections.namedtuple("Behaviour", "reply reason retried outage p mass")
# reply: bytes, or steps: bytes, seconds, HANG, RESET, CLOSE, Pour, Echo. Of SHAPES: a function that changes the good reply.
# reason: a name of rbr.v1.Reason, None for an answer; p and mass are its, None: the prompt's own


def failing(reason, reply):
    return Behaviour(reply, reason, True, True, None, None)


def not_for_us(reason, reply):
    return Behaviour(reply, reason, False, True, None, None)


def busy(reason, reply):
    return Behaviour(reply, reason, True, False, None, None)


def refused(reason, reply):
    return Behaviour(reply, reason, False, False, None, None)


def fine(reply, p=0.75, mass=1.0):
    return Behaviour(reply, None, False, False, p, mass)


UNAVAILABLE, LIMITED, TIMEOUT = "GRADER_UNAVAILABLE", "GRADER_RATE_LIMITED", "GRADER_TIMEOUT"
REJECTED, CONTEXT = "GRADER_REJECTED", "GRADER_CONTEXT_EXCEEDED"
UNPARSEABLE, LOW_MASS = "UNPARSEABLE_VERDICT", "LOW_PROBABILITY_MASS"


def limited(*headers):
    return error(429, "slow down", None, headers)


def moved(status, *headers):
    return response(b"", status, [f"Location: {ELSEWHERE}", *headers])


# ---- the table -------------------------------------------------------------------------------------

BEHAVIOURS = {
    # status: the server fails
    "500": failing(UNAVAILABLE, error(500, "boom")),
    "501": failing(UNAVAILABLE, error(501, "no")),
    "502-html": failing(UNAVAILABLE, response(b"<html>bad gateway</html>", 502, kind="text/html")),
    "503": failing(UNAVAILABLE, error(503, "loading model")),
    "503-empty": failing(UNAVAILABLE, response(b"", 503)),
    "503-with-an-answer": failing(UNAVAILABLE, response(TEXT, 503)),
    "504": failing(UNAVAILABLE, error(504, "gateway timeout")),
    "520-of-a-proxy": failing(UNAVAILABLE, response(b"error code: 520", 520, kind="text/plain")),
    "529": failing(UNAVAILABLE, error(529, "overloaded")),
    "599": failing(UNAVAILABLE, response(b"", 599)),
    "999": failing(UNAVAILABLE, response(b"", 999)),
    "408": failing(TIMEOUT, error(408, "timeout")),
    "409": busy(UNAVAILABLE, error(409, "conflict")),
    # status: too many requests. The cap on what Retry-After may ask for is 30 s, more than records here have time
    "429": failing(LIMITED, limited()),
    "429-retry-after": failing(LIMITED, limited("Retry-After: 1")),
    "429-retry-after-zero": failing(LIMITED, limited("Retry-After: 0")),
    "429-retry-after-ms": failing(LIMITED, limited("retry-after-ms: 50")),
    "429-retry-after-both": failing(LIMITED, limited("Retry-After: 86400", "retry-after-ms: 50")),
    "429-retry-after-past": failing(LIMITED, limited("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")),
    "429-retry-after-negative": failing(LIMITED, limited("Retry-After: -5")),
    "429-retry-after-nan": failing(LIMITED, limited("Retry-After: NaN")),
    "429-retry-after-word": failing(LIMITED, limited("Retry-After: soon")),
    "429-retry-after-endless": failing(LIMITED, limited(f"Retry-After: 1e{'9' * 400}")),
    "429-retry-after-days": refused(LIMITED, limited("Retry-After: 259200")),
    "429-retry-after-years": refused(LIMITED, limited("Retry-After: 18446744073709551615")),
    "429-retry-after-2199": refused(LIMITED, limited("Retry-After: Tue, 01 Jan 2199 00:00:00 GMT")),
    "503-retry-after-days": not_for_us(UNAVAILABLE, error(503, "x", None, ["Retry-After: 259200"])),
    # status: it works, but not for us
    "500-should-not-retry": not_for_us(UNAVAILABLE, error(500, "boom", None, ["x-should-retry: false"])),
    "401": not_for_us(REJECTED, error(401, "who are you?", None, ["WWW-Authenticate: Basic, Digest realm=\"x\", NTLM"])),
    "402": not_for_us(REJECTED, error(402, "no credit")),
    "403": not_for_us(REJECTED, error(403, "no")),
    "404": not_for_us(REJECTED, error(404, "no such model")),
    "407": not_for_us(REJECTED, error(407, "proxy", None, ["Proxy-Authenticate: Basic realm=\"x\""])),
    "418": not_for_us(REJECTED, response(b"teapot", 418)),
    "426": not_for_us(REJECTED, error(426, "upgrade", None, ["Upgrade: h2c", "Connection: Upgrade"])),
    "201-with-an-answer": not_for_us(REJECTED, response(TEXT, 201)),
    "204": not_for_us(REJECTED, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "206-with-an-answer": not_for_us(REJECTED, response(TEXT, 206, ["Content-Range: bytes 0-9/10"])),
    "300": not_for_us(REJECTED, moved(300)),
    "301": not_for_us(REJECTED, moved(301)),
    "302": not_for_us(REJECTED, moved(302)),
    "303": not_for_us(REJECTED, moved(303)),
    "304": not_for_us(REJECTED, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "307": not_for_us(REJECTED, moved(307)),
    "308": not_for_us(REJECTED, moved(308)),
    "302-to-a-file": not_for_us(REJECTED, response(b"", 302, ["Location: file:///etc/passwd"])),
    # status: about this question
    "400": refused(REJECTED, error(400, "bad request")),
    "413": refused(REJECTED, error(413, "too large")),
    "422": refused(REJECTED, error(422, "unprocessable")),
    "400-context-openai": refused(CONTEXT, error(400, "This model's maximum context length is 8 tokens", "context_length_exceeded")),
    "400-context-llama": refused(CONTEXT, error(400, "Requested tokens (1117) exceed context window of 1024")),
    "413-context": refused(CONTEXT, error(413, "input is too long for the model")),
    # the connection breaks or hangs
    "reset": failing(UNAVAILABLE, [RESET]),
    "reset-after-headers": failing(UNAVAILABLE, [response(b"", length=500), 0.02, RESET]),
    "reset-mid-body": failing(UNAVAILABLE, cut(0.02, RESET)),
    "close": failing(UNAVAILABLE, [CLOSE]),
    "close-after-101": failing(UNAVAILABLE, [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", CLOSE]),
    "close-mid-header": failing(UNAVAILABLE, [b"HTTP/1.1 200 OK\r\nContent-Ty", CLOSE]),
    "close-after-headers": failing(UNAVAILABLE, [response(b"", length=500), CLOSE]),
    "close-mid-body": failing(UNAVAILABLE, cut(CLOSE)),
    "hang": failing(TIMEOUT, [HANG]),
    "hang-mid-header": failing(TIMEOUT, [b"HTTP/1.1 200 OK\r\nContent-Ty", HANG]),
    "hang-after-headers": failing(TIMEOUT, [response(b"", length=500), HANG]),
    "hang-mid-body": failing(TIMEOUT, cut(HANG)),
    "hang-after-100": failing(TIMEOUT, [b"HTTP/1.1 100 Continue\r\n\r\n", HANG]),
    "length-too-long": failing(TIMEOUT, [response(TEXT, length=len(TEXT) + 10), HANG]),
    "length-too-long-and-close": failing(UNAVAILABLE, [response(TEXT, length=len(TEXT) + 10), CLOSE]),
    "no-length-and-open": failing(TIMEOUT, [head("Content-Type: application/json") + TEXT, HANG]),
    "a-byte-at-a-time": failing(TIMEOUT, [response(b"", length=len(TEXT)), *pieces(TEXT, 1, 0.1)]),
    "a-header-byte-at-a-time": failing(TIMEOUT, pieces(response(TEXT), 1, 0.1)),
    # no HTTP, or bad
    "no-http": failing(UNPARSEABLE, [b"hello there\r\n\r\n", CLOSE]),
    "http09": failing(UNPARSEABLE, [TEXT, CLOSE]),
    "ssh": failing(UNPARSEABLE, [b"SSH-2.0-OpenSSH_9.2\r\n", HANG]),
    "icy": failing(UNPARSEABLE, [b"ICY 200 OK\r\n\r\n" + TEXT, CLOSE]),
    "tls-alert": failing(UNPARSEABLE, [b"\x15\x03\x01\x00\x02\x02\x46", CLOSE]),
    "http2-goaway": failing(UNPARSEABLE, [b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\1", CLOSE]),
    "status-not-a-number": failing(UNPARSEABLE, [b"HTTP/1.1 abc OK\r\n\r\n" + TEXT, CLOSE]),
    "version-9": failing(UNPARSEABLE, [b"HTTP/9.9 200 OK\r\n\r\n" + TEXT, CLOSE]),
    "length-negative": failing(UNPARSEABLE, [response(TEXT, length=-1), CLOSE]),
    "length-too-short": failing(UNPARSEABLE, response(TEXT, length=len(TEXT) - 5)),
    "nul-in-header": failing(UNPARSEABLE, [head("X: a\0b", f"Content-Length: {len(TEXT)}") + TEXT, CLOSE]),
    "header-of-a-megabyte": failing(UNPARSEABLE, [head("X: " + "a" * 1_000_000, f"Content-Length: {len(TEXT)}") + TEXT, CLOSE]),
    "headers-without-end": failing(UNPARSEABLE, [head(*["X: abcdefgh"] * 30_000), CLOSE]),
    "100-continue-storm": failing(UNPARSEABLE, b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + response(TEXT)),
    "bad-chunk": failing(UNPARSEABLE, [head(CHUNKED) + b"zz\r\n" + TEXT, CLOSE]),
    "chunk-too-large-a-number": failing(UNPARSEABLE, [head(CHUNKED) + b"fffffffffffffffff\r\n" + TEXT, CLOSE]),
    "chunk-cut": failing(UNAVAILABLE, [head(CHUNKED) + chunk(TEXT)[:-40], CLOSE]),
    "chunks-without-end": failing(UNAVAILABLE, [head(CHUNKED) + chunk(TEXT), CLOSE]),
    "body-of-100-megabytes": failing(UNPARSEABLE, [response(b"", length=100_000_000), Pour(100_000_000)]),
    "chunks-of-100-megabytes": failing(UNPARSEABLE, [head(CHUNKED) + b"5f5e100\r\n", Pour(100_000_000)]),
    "no-length-and-100-megabytes": failing(UNPARSEABLE, [head(), Pour(100_000_000)]),
    # the body is no reply
    "empty-body": failing(UNPARSEABLE, response(b"")),
    "blank-body": failing(UNPARSEABLE, response(b" \r\n")),
    "html": failing(UNPARSEABLE, response(b"<!doctype html><title>Log in</title>yes", kind="text/html")),
    "text": failing(UNPARSEABLE, response(b"yes", kind="text/plain")),
    "event-stream": failing(UNPARSEABLE, response(b"data: " + TEXT + b"\n\ndata: [DONE]\n\n", kind="text/event-stream")),
    "gzip": failing(UNPARSEABLE, response(gzip.compress(TEXT), headers=["Content-Encoding: gzip"])),
    "gzip-bomb": failing(UNPARSEABLE, response(gzip.compress(b" " * 20_000_000, 1), headers=["Content-Encoding: gzip"])),
    "half-json": failing(UNPARSEABLE, response(TEXT[:len(TEXT) // 2])),
    "two-jsons": failing(UNPARSEABLE, response(TEXT + b"\n" + TEXT)),
    "json-and-a-brace": failing(UNPARSEABLE, response(TEXT + b"}")),
    "json-in-json": failing(UNPARSEABLE, response(json.dumps(TEXT.decode()).encode())),
    "json-array": failing(UNPARSEABLE, response([USUAL])),
    "json-null": failing(UNPARSEABLE, response(b"null")),
    "json-comment": failing(UNPARSEABLE, response(b"/* yes */" + TEXT)),
    "json-trailing-comma": failing(UNPARSEABLE, response(TEXT[:-1] + b",}")),
    "json-nested": failing(UNPARSEABLE, response(b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    "json-duplicate-key": failing(UNPARSEABLE, response(TEXT[:-1] + b',"choices":[]}')),
    "json-duplicate-logprob": failing(UNPARSEABLE, top_of(b'[{"token":"yes","logprob":-0.1,"logprob":-9}]')),
    "json-utf16": failing(UNPARSEABLE, response(TEXT.decode().encode("utf-16"))),
    "json-byte-order-mark": failing(UNPARSEABLE, response(b"\xef\xbb\xbf" + TEXT)),
    "json-bad-utf8": failing(UNPARSEABLE, response(TEXT.replace(b"scripted-1", b"scripted\xff1"))),
    "json-lone-surrogate": failing(UNPARSEABLE, response(TEXT.replace(b"scripted-1", b"\\ud800"))),
    "json-nul": failing(UNPARSEABLE, response(TEXT + b"\0")),
    "json-raw-nul-in-text": failing(UNPARSEABLE, response(TEXT.replace(b"scripted-1", b"a\0b"))),
    # it says that it is an error
    "error-with-200": failing(UNPARSEABLE, response({"error": {"message": "boom"}})),
    "error-beside-an-answer": failing(UNPARSEABLE, changed({"message": "boom"}, "error")),
    "error-in-the-choice": failing(UNPARSEABLE, changed({"code": 502}, *CHOICE, "error")),
    "finish-abort": failing(UNPARSEABLE, changed("abort", *FINISH)),
    "finish-error": failing(UNPARSEABLE, changed("error", *FINISH)),
    # choices
    "no-choices": failing(UNPARSEABLE, changed(DROP, "choices")),
    "empty-choices": failing(UNPARSEABLE, changed([], "choices")),
    "choices-object": failing(UNPARSEABLE, changed({}, "choices")),
    "choices-null": failing(UNPARSEABLE, changed([None], "choices")),
    "choice-of-another-index": failing(UNPARSEABLE, choices(1)),
    "choice-index-text": failing(UNPARSEABLE, choices("0")),
    "choice-index-fraction": failing(UNPARSEABLE, choices(0.5)),
    "choices-of-one-index": failing(UNPARSEABLE, choices(0, 0)),
    # no probabilities
    "no-logprobs": failing(UNPARSEABLE, changed(None, *LOGPROBS)),
    "logprobs-missing": failing(UNPARSEABLE, changed(DROP, *LOGPROBS)),
    "logprobs-text": failing(UNPARSEABLE, changed("yes", *LOGPROBS)),
    "logprobs-empty": refused(UNPARSEABLE, changed([], *LOGPROBS, "content")),
    "logprobs-of-a-refusal": failing(UNPARSEABLE, changed({"content": None, "refusal": [position(YES_NO)]}, *LOGPROBS)),
    "top-empty": failing(UNPARSEABLE, changed([], *TOP)),
    "top-missing": failing(UNPARSEABLE, changed(DROP, *TOP)),
    "top-null": failing(UNPARSEABLE, changed(None, *TOP)),
    "top-object": failing(UNPARSEABLE, changed({"yes": -0.1}, *TOP)),
    "top-of-nulls": failing(UNPARSEABLE, changed([None], *TOP)),
    "position-null": failing(UNPARSEABLE, changed(None, *FIRST)),
    "token-number": failing(UNPARSEABLE, changed(7, *TOP, 0, "token")),
    "token-missing": failing(UNPARSEABLE, changed(DROP, *TOP, 0, "token")),
    "logprob-missing": failing(UNPARSEABLE, changed(DROP, *TOP, 0, "logprob")),
    "logprob-text": failing(UNPARSEABLE, changed("-0.1", *TOP, 0, "logprob")),
    "logprob-list": failing(UNPARSEABLE, changed([-0.1], *TOP, 0, "logprob")),
    "logprob-true": failing(UNPARSEABLE, changed(True, *TOP, 0, "logprob")),
    "logprob-positive": failing(UNPARSEABLE, changed(0.5, *TOP, 0, "logprob")),
    "logprob-huge": failing(UNPARSEABLE, changed(1e300, *TOP, 0, "logprob")),
    "logprob-nan": failing(UNPARSEABLE, top_of(b'[{"token":"yes","logprob":NaN}]')),
    "logprob-infinity": failing(UNPARSEABLE, top_of(b'[{"token":"yes","logprob":-Infinity}]')),
    "logprob-1e999": failing(UNPARSEABLE, top_of(b'[{"token":"yes","logprob":-1e999}]')),
    "logprob-of-400-digits": failing(UNPARSEABLE, top_of(b'[{"token":"yes","logprob":-%s}]' % (b"9" * 400))),
    "mass-above-one": refused(UNPARSEABLE, listing(("yes", -0.01), ("no", -0.01))),
    # an answer to something else
    "refusal": refused(REJECTED, changed({"role": "assistant", "refusal": "I can't"}, *MESSAGE)),
    "content-filter": refused(REJECTED, changed("content_filter", *FINISH)),
    "tool-call": refused(UNPARSEABLE, changed([{"id": "1", "type": "function", "function": {"name": "yes"}}], *MESSAGE, "tool_calls")),
    "function-call": refused(UNPARSEABLE, changed({"name": "yes", "arguments": "{}"}, *MESSAGE, "function_call")),
    "finish-tool-calls": refused(UNPARSEABLE, changed("tool_calls", *FINISH)),
    "low-mass": refused(LOW_MASS, listing(("I", math.log(0.9)), ("yes", math.log(0.04)), ("no", math.log(0.02)))),
    "other-words": refused(LOW_MASS, listing(("The", -0.1), ("A", -3.0))),
    "nearly-words": refused(LOW_MASS, listing(("yesterday", -0.7), ("nope", -1.5), ("yes/no", -2.5))),
    "nul-in-the-word": refused(LOW_MASS, listing(("yes\0", -0.7), ("y\0es", -1.5), ("\0no", -2.5))),
    "letters-that-look-alike": refused(LOW_MASS, listing(("уеs", -0.7), ("ｙｅｓ", -1.5), ("nо", -2.5))),
    "zero-width-in-the-word": refused(LOW_MASS, listing(("ye\u200bs", -0.7), ("\u202eyes", -1.5))),
    "word-in-words": refused(LOW_MASS, listing(("The answer is yes", -0.1), ("{\"answer\": \"no\"}", -3.0))),
    "all-below-the-list": refused(LOW_MASS, listing(("yes", BELOW_LIST), ("no", BELOW_LIST))),
    "all-null": refused(LOW_MASS, listing(("yes", None), ("no", None), token="yes")),
    "blank-only": refused(LOW_MASS, listing((" ", 0.0))),
    # what was asked comes back; none of it may get into the log
    "echo": failing(UNAVAILABLE, [Echo(b"HTTP/1.1 500 X\r\n\r\n", b""), CLOSE]),
    "echo-in-the-status-line": failing(UNAVAILABLE, [Echo(b"HTTP/1.1 500 ", b"\r\nContent-Length: 0\r\n\r\n"), CLOSE]),
    "echo-as-http": failing(UNPARSEABLE, [Echo(b"", b""), CLOSE]),
    "echo-in-a-length": failing(UNPARSEABLE, [Echo(b"HTTP/1.1 200 OK\r\nContent-Length: ", b"\r\n\r\n"), CLOSE]),
    "echo-as-a-chunk": failing(UNPARSEABLE, [Echo(head(CHUNKED), b""), CLOSE]),
    # answers, odd ones
    "yes-to-everything": fine(response(TEXT)),
    "blank-first": fine(response(chat_reply([position([("\n", 0.0)]), position(YES_NO)]))),
    "upper-case": fine(listing(("YES", math.log(0.75)), ("NO", math.log(0.25)))),
    "decorated": fine(listing(('"yes"', math.log(0.75)), ("**No**", math.log(0.25)))),
    "sentencepiece": fine(listing(("\u2581yes", math.log(0.75)), ("\u0120no", math.log(0.25)))),
    "sampled-not-listed": fine(changed([{"token": "no", "logprob": math.log(0.25)}], *TOP)),
    "sampled-listed-twice": fine(listing(YES_NO[0], YES_NO[0], YES_NO[1])),
    "null-alternative": fine(listing(*YES_NO, ("x", None))),
    "rounded-above-zero": fine(listing(("yes", 1e-4), ("no", BELOW_LIST)), 1.0, 1.0),
    "choice-without-index": fine(changed(DROP, *CHOICE, "index")),
    "choices-out-of-order": fine(choices(1, 0)),
    "tool-calls-empty": fine(changed([], *MESSAGE, "tool_calls")),
    "message-null": fine(changed(None, *MESSAGE)),
    "error-null": fine(changed(None, "error")),
    "no-usage": fine(changed(DROP, "usage")),
    "negative-usage": fine(changed({"prompt_tokens": -5, "completion_tokens": "x"}, "usage")),
    "no-model": fine(changed(DROP, "model")),
    "other-model": fine(changed("another", "model")),
    "model-number": fine(changed(7, "model")),
    "control-in-model": fine(changed("a\u0000\u001b[31mb", "model")),
    "model-of-100-kilobytes": fine(changed("m" * 100_000, "model")),
    "pretty-json": fine(response(json.dumps(USUAL, indent=8).encode())),
    "padded-json": fine(response(b"\r\n\t " * 100_000 + TEXT)),
    "html-by-type": fine(response(TEXT, kind="text/html")),
    "no-type": fine(head(f"Content-Length: {len(TEXT)}") + TEXT),
    "gzip-by-name": fine(response(TEXT, headers=["Content-Encoding: gzip"])),
    "cookies-and-services": fine(response(TEXT, headers=[
        "Set-Cookie: a=b", f"Refresh: 0; url={ELSEWHERE}", f'Alt-Svc: h2="{ELSEWHERE}"', f"Link: <{ELSEWHERE}>; rel=preload",
        "Strict-Transport-Security: max-age=1000000", "Retry-After: 259200"])),
    "chunked": fine(head(CHUNKED) + b"".join(map(chunk, pieces(TEXT, 7, b"")[::2])) + b"0\r\n\r\n"),
    "chunked-with-trailer": fine(head(CHUNKED, "Trailer: X") + b"%x; a=b\r\n" % len(TEXT) + TEXT + b"\r\n0\r\nX: y\r\n\r\n"),
    "chunked-with-a-length": fine(head(CHUNKED, "Content-Length: 5") + chunk(TEXT) + b"0\r\n\r\n"),
    "no-length-and-close": fine([head() + TEXT, CLOSE]),
    "http10": fine([b"HTTP/1.0 200 OK\r\n\r\n" + TEXT, CLOSE]),
    "bare-line-feeds": fine(response(TEXT).replace(b"\r\n", b"\n")),
    "slow-drip": fine(pieces(response(TEXT), 300, 0.05)),
    "connection-close": fine([response(TEXT, headers=["Connection: close"]), CLOSE]),
    "kept-and-closed": fine([response(TEXT), CLOSE]),
    "100-continue": fine(b"HTTP/1.1 100 Continue\r\n\r\n" + response(TEXT)),
    "102-and-103": fine(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + response(TEXT)),
    "another-reply-behind-it": fine(response(TEXT) + STRAY),
}

# ---- replies that only one dialect has -------------------------------------------------------------


def each(key, **values):
    """Sets these members in each element of a list, or of an object's values."""
    def change(reply):
        found = reply[key]
        for item in found.values() if isinstance(found, dict) else found:
            item.update(values)
    return change


def first(key, **values):
    """Sets these members in one element."""
    def change(reply):
        found = reply[key]
        (next(iter(found.values())) if isinstance(found, dict) else found[0]).update(values)
    return change


def put(key, value):
    def change(reply):
        reply[key] = value
    return change


def less(key):
    """Without its last element."""
    def change(reply):
        found = reply[key]
        if isinstance(found, dict):
            found.popitem()
        else:
            found.pop()
    return change


def twice(key):
    """Its last element in place of all of them, and as often."""
    def change(reply):
        reply[key] = [reply[key][-1]] * len(reply[key])
    return change


def more(key):
    def change(reply):
        reply[key].append(reply[key][0] | {"index": 99})
    return change


def scores(*values):
    return put("scores", [list(values)] * 2)


def diagnosed(mass):
    def change(reply):
        for d in reply["diagnostics"].values():
            d["label_mass"] = mass
    return change


def renamed(key, name):
    """The first answer under another name."""
    def change(reply):
        found = reply[key]
        if isinstance(found, dict):
            found[name] = found.pop("q0")
        else:
            found[0]["name"] = name
    return change


def index_rows(key):
    """Where each element says by `index` whose answer it is."""
    return {
        "element-missing": failing(UNPARSEABLE, less(key)),
        "element-twice": failing(UNPARSEABLE, twice(key)),
        "element-too-many": fine(more(key), None, None),
        "elements-none": failing(UNPARSEABLE, put(key, [])),
        "elements-an-object": failing(UNPARSEABLE, put(key, {})),
        "elements-null": failing(UNPARSEABLE, put(key, [None, None])),
        "index-the-same": failing(UNPARSEABLE, each(key, index=0)),
        "index-text": failing(UNPARSEABLE, each(key, index="0")),
        "index-negative": failing(UNPARSEABLE, each(key, index=-1)),
        "index-beyond": failing(UNPARSEABLE, each(key, index=7)),
    }


COMPLETION = {"text_offset": [0], "tokens": ["yes"], "token_logprobs": [-0.1]}

SHAPES = {
    "/v1/chat/completions/batch": index_rows("choices") | {
        "one-filtered": refused(REJECTED, first("choices", finish_reason="content_filter")),
        "one-without-logprobs": failing(UNPARSEABLE, first("choices", logprobs=None)),
        "one-aborted": failing(UNPARSEABLE, first("choices", finish_reason="abort")),
    },
    "/v1/completions": index_rows("choices") | {
        "one-filtered": refused(REJECTED, first("choices", finish_reason="content_filter")),
        "logprobs-null": failing(UNPARSEABLE, each("choices", logprobs=None)),
        "tokens-none": refused(UNPARSEABLE, each("choices", logprobs=COMPLETION | {"tokens": [], "top_logprobs": []})),
        "top-missing": failing(UNPARSEABLE, each("choices", logprobs=COMPLETION)),
        "top-null": failing(UNPARSEABLE, each("choices", logprobs=COMPLETION | {"top_logprobs": [None]})),
        "top-a-list": failing(UNPARSEABLE, each("choices", logprobs=COMPLETION | {"top_logprobs": [["yes", -0.1]]})),
        "top-empty": failing(UNPARSEABLE, each("choices", logprobs=COMPLETION | {"top_logprobs": [{}]})),
        "logprob-text": failing(UNPARSEABLE, each("choices", logprobs=COMPLETION | {"top_logprobs": [{"yes": "-0.1"}]})),
        "logprob-positive": failing(UNPARSEABLE, each("choices", logprobs=COMPLETION | {"top_logprobs": [{"yes": 0.9}]})),
        "other-words": refused(LOW_MASS, each("choices", logprobs=COMPLETION | {"tokens": ["I"], "top_logprobs": [{"I": -0.1}]})),
    },
    "/v1/score": {
        "scores-missing": failing(UNPARSEABLE, put("scores", None)),
        "scores-flat": failing(UNPARSEABLE, put("scores", [0.5, 0.5])),
        "scores-an-object": failing(UNPARSEABLE, put("scores", {"0": [0.5, 0.5]})),
        "one-missing": failing(UNPARSEABLE, less("scores")),
        "one-too-many": failing(UNPARSEABLE, put("scores", [[0.5, 0.5]] * 3)),
        "a-label-missing": failing(UNPARSEABLE, scores(0.5)),
        "a-label-too-many": failing(UNPARSEABLE, scores(0.5, 0.3, 0.2)),
        "score-text": failing(UNPARSEABLE, scores("0.5", 0.5)),
        "score-null": failing(UNPARSEABLE, scores(None, 0.5)),
        "score-negative": failing(UNPARSEABLE, scores(-0.1, 0.5)),
        "score-a-logprob": failing(UNPARSEABLE, scores(-0.1, -2.3)),
        "score-above-one": failing(UNPARSEABLE, scores(1.5, 0.5)),
        "mass-above-one": refused(UNPARSEABLE, scores(0.9, 0.9)),
        "mass-low": refused(LOW_MASS, scores(0.02, 0.01)),
        "mass-none": refused(LOW_MASS, scores(0, 0)),
    },
    "/generative_scoring": index_rows("data") | {
        "score-missing": failing(UNPARSEABLE, lambda reply: [d.pop("score") for d in reply["data"]]),
        "score-text": failing(UNPARSEABLE, each("data", score="0.5")),
        "score-null": failing(UNPARSEABLE, each("data", score=None)),
        "score-negative": failing(UNPARSEABLE, each("data", score=-0.1)),
        "score-above-one": failing(UNPARSEABLE, each("data", score=1.0001)),
    },
    "/v1/systemone": {
        "answers-missing": failing(UNPARSEABLE, put("answers", None)),
        "answers-a-list": failing(UNPARSEABLE, put("answers", [{"type": "noul", "noul": 0.5}] * 2)),
        "answer-missing": failing(UNPARSEABLE, less("answers")),
        "answer-null": failing(UNPARSEABLE, put("answers", {"q0": None, "q1": None})),
        "name-unknown": failing(UNPARSEABLE, renamed("answers", "q7")),
        "name-padded": failing(UNPARSEABLE, renamed("answers", "q00")),
        "type-another": failing(UNPARSEABLE, first("answers", type="choice")),
        "type-refusal": refused(REJECTED, first("answers", type="refusal")),
        "noul-missing": failing(UNPARSEABLE, lambda reply: [a.pop("noul") for a in reply["answers"].values()]),
        "noul-text": failing(UNPARSEABLE, each("answers", noul="0.5")),
        "noul-true": failing(UNPARSEABLE, each("answers", noul=True)),
        "noul-negative": failing(UNPARSEABLE, each("answers", noul=-0.5)),
        "noul-above-one": failing(UNPARSEABLE, each("answers", noul=1.5)),
        "mass-low": refused(LOW_MASS, diagnosed(0.01)),
        "mass-text": failing(UNPARSEABLE, diagnosed("1")),
        "mass-above-one": failing(UNPARSEABLE, diagnosed(1.5)),
        "diagnostics-null": fine(put("diagnostics", None), None, 1.0),
    },
    "/v1/decisions": {
        "answers-missing": failing(UNPARSEABLE, put("answers", None)),
        "answers-an-object": failing(UNPARSEABLE, put("answers", {"q0": {"type": "predicate", "probability": 0.5}})),
        "answer-missing": failing(UNPARSEABLE, less("answers")),
        "answer-twice": failing(UNPARSEABLE, twice("answers")),
        "name-unknown": failing(UNPARSEABLE, renamed("answers", "q7")),
        "name-padded": failing(UNPARSEABLE, renamed("answers", "q00")),
        "name-the-same": failing(UNPARSEABLE, each("answers", name="q0")),
        "type-another": failing(UNPARSEABLE, first("answers", type="choice")),
        "type-refusal": refused(REJECTED, first("answers", type="refusal")),
        "probability-text": failing(UNPARSEABLE, each("answers", probability="0.5")),
        "probability-null": failing(UNPARSEABLE, each("answers", probability=None)),
        "probability-negative": failing(UNPARSEABLE, each("answers", probability=-0.5)),
        "probability-above-one": failing(UNPARSEABLE, each("answers", probability=1.5)),
    },
}
