"""A grader that does what a test says, in every dialect, over HTTP, deterministic, in a process of its own.

P(yes) is a hash of the whole prompt (the concatenated message contents), so a test can compute it from the record alone:
one wrong byte in the prompt, or an answer that went to the wrong question, gives another number.

Misbehaviour: a prompt that holds `[[do:NAME]]` gets BEHAVIOURS[NAME]; `[[do:NAME*N]]` only the first N times, then a
normal answer. `Grader.mode(NAME)` makes every request misbehave, `Grader.mode(None)` ends that.

A worker that is given `url/NAME` is counted by that name: `Grader.stats()["in_flight_of"][NAME]`, `["requests_of"]`. With
`Grader.count_repeats()`, stats()["repeated"] is how many requests asked what had been asked before.

    python scripted_grader.py PORT     # 0: any; prints the port
"""

import asyncio
import base64
import collections
import http.client
import json
import math
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import scripted_dialects
from scripted_dialects import BELOW_LIST, alternatives, chat_reply, position

# ---- replies ---------------------------------------------------------------------------------------


def response(body, status=200, headers=(), length=None):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json",
             f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body, piece=7):
    out = [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"]
    for i in range(0, len(body), piece):
        part = body[i:i + piece]
        out.append(b"%x\r\n%s\r\n" % (len(part), part))
    out.append(b"0\r\n\r\n")
    return b"".join(out)


YES_NO = [("yes", math.log(0.75)), ("no", math.log(0.25))]


def good(prompt):
    return response(chat_reply([position(alternatives(prompt))]))


def odd(*positions, **rest):
    return response(chat_reply(list(positions), **rest))


def error(status, message, code=None, headers=()):
    return response({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status, headers)


HANG, RESET, CLOSE = object(), object(), object()


class Behaviour(collections.namedtuple("Behaviour", "reply reason p mass retried")):
    """reply(prompt) -> bytes, or a marker, or [bytes or seconds or marker, ...] sent one after another.

    What a client makes of it: `reason` (a name of rbr.v1.Reason), or None when it is an answer with p and mass.
    `retried`: a client may usefully ask again.
    """


def bad(reply, reason, retried=False):
    return Behaviour(reply, reason, None, None, retried)


def fine(reply, p=0.75, mass=1.0):
    return Behaviour(reply, None, p, mass, False)


def raw(data):
    return lambda prompt: data


def json_text(text):
    return raw(response(text if isinstance(text, bytes) else text.encode()))


def without(*path):
    """A good reply that lacks one member."""
    reply = chat_reply([position(YES_NO)])
    at = reply
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return raw(response(reply))


def with_value(value, *path):
    reply = chat_reply([position(YES_NO)])
    at = reply
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return raw(response(reply))


UNAVAILABLE, LIMITED, REJECTED = "GRADER_UNAVAILABLE", "GRADER_RATE_LIMITED", "GRADER_REJECTED"
UNPARSEABLE, LOW_MASS = "UNPARSEABLE_VERDICT", "LOW_PROBABILITY_MASS"
CONTEXT, TIMEOUT = "GRADER_CONTEXT_EXCEEDED", "GRADER_TIMEOUT"
LOGPROBS = ("choices", 0, "logprobs", "content")

BEHAVIOURS = {
    # HTTP status
    "500": bad(raw(error(500, "boom")), UNAVAILABLE, True),
    "501": bad(raw(error(501, "no")), UNAVAILABLE, True),
    "502": bad(raw(response(b"<html>bad gateway</html>", 502)), UNAVAILABLE, True),
    "503": bad(raw(error(503, "loading model")), UNAVAILABLE, True),
    "504": bad(raw(error(504, "gateway timeout")), UNAVAILABLE, True),
    "529": bad(raw(error(529, "overloaded")), UNAVAILABLE, True),
    "503-empty": bad(raw(response(b"", 503)), UNAVAILABLE, True),
    "429": bad(raw(error(429, "slow down")), LIMITED, True),
    "429-retry-after": bad(raw(error(429, "slow down", None, ["Retry-After: 1"])), LIMITED, True),
    "429-retry-after-date": bad(raw(error(429, "x", None, ["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"])), LIMITED, True),
    "429-retry-after-junk": bad(raw(error(429, "x", None, ["Retry-After: soon"])), LIMITED, True),
    "429-retry-after-ms": bad(raw(error(429, "x", None, ["retry-after-ms: 50"])), LIMITED, True),
    "408": bad(raw(error(408, "timeout")), TIMEOUT, True),
    "409": bad(raw(error(409, "conflict")), UNAVAILABLE, True),
    "500-should-not-retry": bad(raw(error(500, "boom", None, ["x-should-retry: false"])), UNAVAILABLE),
    "400": bad(raw(error(400, "bad request")), REJECTED),
    "401": bad(raw(error(401, "who are you?")), REJECTED),
    "403": bad(raw(error(403, "no")), REJECTED),
    "404": bad(raw(error(404, "no such model")), REJECTED),
    "413": bad(raw(error(413, "too large")), REJECTED),
    "422": bad(raw(error(422, "unprocessable")), REJECTED),
    "418": bad(raw(response(b"teapot", 418)), REJECTED),
    "301": bad(raw(response(b"", 301, ["Location: http://127.0.0.1:1/"])), REJECTED),
    "204": bad(raw(b"HTTP/1.1 204 No Content\r\n\r\n"), REJECTED),
    "400-context-openai": bad(raw(error(400, "This model's maximum context length is 8 tokens", "context_length_exceeded")), CONTEXT),
    "400-context-llama": bad(raw(error(400, "Requested tokens (1117) exceed context window of 1024")), CONTEXT),
    "413-context": bad(raw(error(413, "input is too long for the model")), CONTEXT),
    # the connection
    "reset": bad(raw(RESET), UNAVAILABLE, True),
    "close": bad(raw(CLOSE), UNAVAILABLE, True),
    "close-after-headers": bad(raw([response(b"", length=500), CLOSE]), UNAVAILABLE, True),
    "close-mid-body": bad(lambda prompt: [good(prompt)[:-40], CLOSE], UNAVAILABLE, True),
    "reset-mid-body": bad(lambda prompt: [good(prompt)[:-40], RESET], UNAVAILABLE, True),
    "hang": bad(raw(HANG), TIMEOUT, True),
    "hang-after-headers": bad(raw([response(b"", length=500), HANG]), TIMEOUT, True),
    "hang-mid-body": bad(lambda prompt: [good(prompt)[:-40], HANG], TIMEOUT, True),
    "no-http": bad(raw([b"hello there\r\n\r\n", CLOSE]), UNPARSEABLE, True),
    "http09": bad(raw([b"{}", CLOSE]), UNPARSEABLE, True),
    "huge-body": bad(raw(response(b" " * 3_000_000)), UNPARSEABLE, True),
    "huge-header": bad(raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\nContent-Length: 2\r\n\r\n{}"), UNPARSEABLE, True),
    # the body is no reply
    "empty-body": bad(json_text(""), UNPARSEABLE, True),
    "not-json": bad(json_text("I think yes"), UNPARSEABLE, True),
    "half-json": bad(json_text('{"choices":[{"message"'), UNPARSEABLE, True),
    "json-array": bad(json_text("[]"), UNPARSEABLE, True),
    "json-null": bad(json_text("null"), UNPARSEABLE, True),
    "json-bad-utf8": bad(json_text(b'{"model":"\xff","choices":[]}'), UNPARSEABLE, True),
    "json-duplicate-key": bad(json_text('{"choices":[],"choices":[]}'), UNPARSEABLE, True),
    "json-nested": bad(json_text("[" * 5000 + "]" * 5000), UNPARSEABLE, True),
    "json-trailing": bad(lambda prompt: response(json.dumps(chat_reply([position(YES_NO)])).encode() + b"}"), UNPARSEABLE, True),
    "error-with-200": bad(json_text('{"error":{"message":"boom"}}'), UNPARSEABLE, True),
    "no-choices": bad(without("choices"), UNPARSEABLE, True),
    "empty-choices": bad(with_value([], "choices"), UNPARSEABLE, True),
    "choices-object": bad(with_value({}, "choices"), UNPARSEABLE, True),
    "finish-abort": bad(raw(odd(position(YES_NO), finish="abort")), UNPARSEABLE, True),
    # no probabilities in it
    "no-logprobs": bad(raw(odd(logprobs=False)), UNPARSEABLE, True),
    "logprobs-empty": bad(raw(odd()), UNPARSEABLE),
    "logprobs-missing": bad(without("choices", 0, "logprobs"), UNPARSEABLE, True),
    "logprobs-text": bad(with_value("yes", "choices", 0, "logprobs"), UNPARSEABLE, True),
    "top-missing": bad(without(*LOGPROBS, 0, "top_logprobs"), UNPARSEABLE, True),
    "top-null": bad(with_value(None, *LOGPROBS, 0, "top_logprobs"), UNPARSEABLE, True),
    "logprob-text": bad(with_value("-0.1", *LOGPROBS, 0, "top_logprobs", 0, "logprob"), UNPARSEABLE, True),
    "logprob-positive": bad(with_value(0.5, *LOGPROBS, 0, "top_logprobs", 0, "logprob"), UNPARSEABLE, True),
    "logprob-huge": bad(with_value(1e300, *LOGPROBS, 0, "top_logprobs", 0, "logprob"), UNPARSEABLE, True),
    "logprob-nan": bad(json_text('{"choices":[{"logprobs":{"content":[{"token":"yes","logprob":NaN,"top_logprobs":[]}]}}]}'),
                       UNPARSEABLE, True),
    "logprob-overflow": bad(json_text('{"choices":[{"logprobs":{"content":[{"token":"yes","logprob":-1e999,"top_logprobs":[]}]}}]}'),
                            UNPARSEABLE, True),
    "token-number": bad(with_value(7, *LOGPROBS, 0, "top_logprobs", 0, "token"), UNPARSEABLE, True),
    # answers that are none
    "refusal": bad(raw(odd(position(YES_NO), message={"role": "assistant", "refusal": "I can't"})), REJECTED),
    "content-filter": bad(raw(odd(position(YES_NO), finish="content_filter")), REJECTED),
    "low-mass": bad(raw(odd(position([("I", math.log(0.9)), ("yes", math.log(0.04)), ("no", math.log(0.02))]))), LOW_MASS),
    "other-words": bad(raw(odd(position([("The", -0.1), ("A", -3.0)]))), LOW_MASS),
    "all-below-list": bad(raw(odd(position([("yes", BELOW_LIST), ("no", BELOW_LIST)]))), LOW_MASS),
    "minus-infinity-by-null": bad(raw(odd(position([("yes", None), ("no", None)], "yes"))), LOW_MASS),
    "blank-only": bad(raw(odd(position([(" ", 0.0)]))), LOW_MASS),
    # odd, but answers
    "blank-first": fine(raw(odd(position([("\n", 0.0)]), position(YES_NO)))),
    "upper-case": fine(raw(odd(position([("YES", math.log(0.75)), ("NO", math.log(0.25))])))),
    "decorated": fine(raw(odd(position([('"yes"', math.log(0.75)), ("**No**", math.log(0.25))])))),
    "sentencepiece": fine(raw(odd(position([("\u2581yes", math.log(0.75)), ("\u0120no", math.log(0.25))])))),
    "sampled-not-listed": fine(raw(odd({"token": "yes", "logprob": math.log(0.75),
                                        "top_logprobs": [{"token": "no", "logprob": math.log(0.25)}]}))),
    "null-alternative": fine(raw(odd(position([*YES_NO, ("x", None)])))),
    "rounded-above-zero": fine(raw(odd(position([("yes", 1e-4), ("no", BELOW_LIST)]))), 1.0, 1.0),
    "no-usage": fine(without("usage")),
    "yes-to-everything": fine(raw(response(chat_reply([position(YES_NO)])))),
    "no-model": fine(without("model")),
    "negative-usage": fine(with_value({"prompt_tokens": -5, "completion_tokens": "x"}, "usage")),
    "pretty-json": fine(raw(response(json.dumps(chat_reply([position(YES_NO)]), indent=8).encode()))),
    "control-in-model": fine(with_value("a\u0000\u001b[31mb", "model")),
    "chunked": fine(raw(chunked(json.dumps(chat_reply([position(YES_NO)])).encode()))),
    "slow-drip": fine(lambda prompt: [part for i in range(0, 1200, 300)
                                      for part in (response(chat_reply([position(YES_NO)]))[i:i + 300], 0.05)]),
    "connection-close": fine(lambda prompt: [response(chat_reply([position(YES_NO)]), headers=["Connection: close"]), CLOSE]),
    "100-continue": fine(lambda prompt: b"HTTP/1.1 100 Continue\r\n\r\n" + response(chat_reply([position(YES_NO)]))),
}

# ---- the server ------------------------------------------------------------------------------------

ASKED = re.compile(rb"\[\[do:([a-z0-9-]+)(?:\*(\d+))?\]\]")


class Server:
    def __init__(self):
        self.mode = None
        self.recording = False
        self.bodies = []
        self.requests = 0
        self.in_flight = 0
        self.peak = 0
        self.delay = 0.0
        self.counts = collections.Counter()
        self.in_flight_of = collections.Counter()
        self.requests_of = collections.Counter()
        self.counting = False
        self.asked = set()  # hashes of prompts
        self.repeated = 0

    def behaviour(self, prompt):
        if self.mode is not None:
            return BEHAVIOURS[self.mode]
        asked = ASKED.search(prompt)
        if asked is None:
            return None
        name = asked.group(1).decode()
        if asked.group(2) is not None:
            self.counts[prompt] += 1
            if self.counts[prompt] > int(asked.group(2)):
                return None
        return BEHAVIOURS.get(name)

    def answer(self, path, body):
        self.requests += 1
        if self.recording:
            self.bodies.append(body)
        if path == "/v1/models":
            return response({"object": "list", "data": [{"id": scripted_dialects.MODEL, "object": "model"}]})
        if path == "/tokenize":
            return response({"tokens": scripted_dialects.TOKENS.get(json.loads(body)["prompt"], [1, 2])})
        if path not in scripted_dialects.PATHS:
            return error(404, f"no {path}")
        prompts_of, reply_of = scripted_dialects.PATHS[path]
        try:
            request = json.loads(body)
            prompts = prompts_of(request)
        except (ValueError, KeyError, TypeError) as fault:
            return error(400, f"not a request of {path}: {fault!r}")
        if self.counting:
            for asked in map(hash, prompts):
                self.repeated += asked in self.asked
                self.asked.add(asked)
        wanted = [(b, prompt) for b, prompt in zip(map(self.behaviour, prompts), prompts) if b is not None]
        if wanted:
            return wanted[0][0].reply(wanted[0][1])
        return response(reply_of(request, prompts))

    def control(self, path, body):
        if path == "/_script":
            for key, value in json.loads(body).items():
                setattr(self, key, value)
            if "recording" in json.loads(body):
                self.bodies = []
            if "counting" in json.loads(body):
                self.asked, self.repeated = set(), 0
            return {}
        if path == "/_bodies":
            return [base64.b64encode(b).decode() for b in self.bodies]
        return {"requests": self.requests, "in_flight": self.in_flight, "peak": self.peak,
                "in_flight_of": self.in_flight_of, "requests_of": self.requests_of, "repeated": self.repeated}


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.buffer = b""
        self.parts = []
        self.missing = 0
        self.path = ""
        self.busy = False
        self.name = ""

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        if self.missing > 0:  # of a large body
            self.parts.append(data)
            self.missing -= len(data)
            if self.missing > 0:
                return
            data = b"".join(self.parts)
            self.parts = []
        self.buffer = self.buffer + data if self.buffer else data
        self.serve()

    def serve(self):
        while not self.busy:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = self.buffer[:head].decode("latin-1").split("\r\n")
            length = 0
            for line in lines[1:]:
                if line[:15].lower() == "content-length:":
                    length = int(line[15:])
                elif line[:7].lower() == "expect:":
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if len(self.buffer) < head + 4 + length:
                self.missing = head + 4 + length - len(self.buffer)
                self.parts = [self.buffer]
                self.buffer = b""
                return
            body = self.buffer[head + 4:head + 4 + length]
            self.buffer = self.buffer[head + 4 + length:]
            self.request(lines[0].split(" ")[1], body)

    def request(self, path, body):
        if path.startswith("/_"):
            self.transport.write(response(self.server.control(path, body)))
            return
        s = self.server
        named = path not in scripted_dialects.PATHS and path not in ("/v1/models", "/tokenize")
        self.name, _, rest = path[1:].partition("/") if named else ("", "", path[1:])
        self.begin()
        reply = s.answer("/" + rest, body)
        if isinstance(reply, bytes) and s.delay == 0:
            self.transport.write(reply)
            self.end()
        else:
            self.busy = True
            steps = reply if isinstance(reply, list) else [reply]
            asyncio.get_running_loop().create_task(self.steps([s.delay, *steps]))

    def begin(self):
        s = self.server
        s.in_flight += 1
        s.in_flight_of[self.name] += 1
        s.requests_of[self.name] += 1
        s.peak = max(s.peak, s.in_flight)

    def end(self):
        self.server.in_flight -= 1
        self.server.in_flight_of[self.name] -= 1

    async def steps(self, steps):
        for step in steps:
            if isinstance(step, bytes):
                self.transport.write(step)
            elif step is RESET:
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
            elif step is CLOSE:
                self.transport.close()
            elif step is HANG:
                self.end()
                return  # busy for ever
            elif step > 0:
                await asyncio.sleep(step)
        self.end()
        self.busy = False
        if not self.transport.is_closing():
            self.serve()


async def serve(port):
    server = Server()
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", port,
                                                               backlog=4096, reuse_address=True)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


# ---- the test's side -------------------------------------------------------------------------------


class Grader:
    """Starts the server as a process; `url` is what goes into settings."""

    def __init__(self, port=0):
        self.process = None
        self.port = port
        self.start()

    def start(self):
        """Also after stop(): on the same port."""
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(self.port)],
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError("the scripted grader did not start")
        self.port = int(line)
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def call(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, json.dumps(body or {}))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def mode(self, name):
        self.call("/_script", {"mode": name})

    def delay(self, seconds):
        self.call("/_script", {"delay": seconds})

    def record(self, on=True):
        self.call("/_script", {"recording": on})

    def count_repeats(self, on=True):
        """From now on, from none."""
        self.call("/_script", {"counting": on})

    def bodies(self):
        """The request bodies seen since record(), byte for byte."""
        return [base64.b64decode(b) for b in self.call("/_bodies")]

    def stats(self):
        return self.call("/_stats")

    def wait_for_requests(self, n, seconds=30):
        end = time.monotonic() + seconds
        while self.stats()["requests"] < n:
            if time.monotonic() > end:
                raise TimeoutError(f"the grader saw {self.stats()['requests']} requests, not {n}")
            time.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
