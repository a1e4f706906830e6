"""A grader that does what a test says, in every dialect, over HTTP, deterministic, in a process of its own.

P(yes) is a hash of the whole prompt (the concatenated message contents), so a test can compute it from the record alone:
one wrong byte in the prompt, or an answer that went to the wrong question, gives another number.

Misbehaviour: a prompt that holds `[[do:NAME]]` gets that row of behaviours.py; `[[do:NAME*N]]` only the first N times, then a
normal answer; `[[do:KIND]]` one of mutants.py's of that kind. `Grader.mode(NAME)` makes every request misbehave, `Grader.mode(None)` ends that.

A worker that is given `url/NAME` is counted by that name: `Grader.stats()["in_flight_of"][NAME]`, `["requests_of"]`;
`Grader.modes({NAME: ...})` is the mode of each alone. With `Grader.count_repeats()`, stats()["repeated"] is how many requests asked
what had been asked before, and `Grader.asked()` how often each prompt was asked. Nobody has a reason to connect to
`stats()["elsewhere"]`: "strays" counts who did.

    python scripted_grader.py PORT     # 0: any; prints the port
"""

import asyncio
import base64
import collections
import hashlib
import http.client
import itertools
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import scripted_dialects
from behaviours import BEHAVIOURS, CLOSE, HANG, RESET, SHAPES, Echo, Pour, error, response
from mutants import MUTANTS


# ---- the server ------------------------------------------------------------------------------------

ASKED = re.compile(rb"\[\[do:([a-z0-9-]+)(?:\*(\d+))?\]\]")


def digest(prompt):
    """Of a prompt, as text: what Grader.asked() calls it."""
    return hashlib.blake2b(prompt, digest_size=12).hexdigest()


class Server:
    def __init__(self):
        self.mode = None
        self.modes = {}
        self.recording = False
        self.bodies = []
        self.requests = 0
        self.in_flight = 0
        self.loads = 0  # asked for
        self.peak = 0
        self.delay = 0.0
        self.counts = collections.Counter()
        self.in_flight_of = collections.Counter()
        self.requests_of = collections.Counter()
        self.counting = False
        self.asked = collections.Counter()
        self.connections = set()
        self.replies = {}
        self.known = {*BEHAVIOURS, *MUTANTS, *itertools.chain(*SHAPES.values())}
        self.elsewhere = ""
        self.strays = 0

    def begin(self, elsewhere):
        self.elsewhere = elsewhere
        self.replies = {name: [step.replace(b"{elsewhere}", elsewhere.encode()) if isinstance(step, bytes) else step
                               for step in (b.reply if isinstance(b.reply, list) else [b.reply])]
                        for name, b in BEHAVIOURS.items()}

    def behaviour(self, prompt, worker):
        """The name of it, or None."""
        mode = self.modes.get(worker, self.mode)
        if mode is not None:
            return mode
        asked = ASKED.search(prompt)
        if asked is None:
            return None
        if asked.group(2) is not None:
            self.counts[prompt] += 1
            if self.counts[prompt] > int(asked.group(2)):
                return None
        name = asked.group(1).decode()
        return name if name in self.known else None

    def answer(self, path, body, worker):
        """The steps of a reply."""
        self.requests += 1
        if self.recording:
            self.bodies.append(body)
        if path == "/v1/loads":  # as SGLang
            self.loads += 1
            return [response({"version": "0.5.9", "loads": [
                {"dp_rank": 0, "num_running_reqs": self.in_flight, "num_waiting_reqs": 0, "max_total_num_tokens": 528896}]})]
        if path == "/v1/models":
            return [response({"object": "list", "data": [{"id": scripted_dialects.MODEL, "object": "model"}]})]
        if path == "/tokenize":
            return [response({"tokens": scripted_dialects.TOKENS.get(json.loads(body)["prompt"], [1, 2])})]
        if path not in scripted_dialects.PATHS:
            return [error(404, f"no {path}")]
        prompts_of, reply_of = scripted_dialects.PATHS[path]
        try:
            request = json.loads(body)
            prompts = prompts_of(request)
        except (ValueError, KeyError, TypeError) as fault:
            return [error(400, f"not a request of {path}: {fault!r}")]
        if self.counting:
            self.asked.update(map(digest, prompts))
        wanted = [name for name in (self.behaviour(prompt, worker) for prompt in prompts) if name is not None]
        return self.reply(wanted[0], path, request, prompts) if wanted else [response(reply_of(request, prompts))]

    def reply(self, name, path, request, prompts):
        """A bad one."""
        if name in MUTANTS:
            return [MUTANTS[name](random.Random(prompts[0]))]
        if name not in SHAPES.get(path, ()):
            return self.replies[name]
        reply = scripted_dialects.PATHS[path][1](request, prompts)
        SHAPES[path][name].reply(reply)
        return [response(reply)]

    def control(self, path, body, asking):
        if path == "/_script":
            for key, value in json.loads(body).items():
                setattr(self, key, value)
            if "recording" in json.loads(body):
                self.bodies = []
            if "counting" in json.loads(body):
                self.asked.clear()
            return {}
        if path == "/_bodies":
            return [base64.b64encode(b).decode() for b in self.bodies]
        if path == "/_asked":
            return self.asked
        if path == "/_hang_up":
            for connection in self.connections - {asking}:
                connection.transport.close()
            return {}
        return {"requests": self.requests, "in_flight": self.in_flight, "peak": self.peak,
                "in_flight_of": self.in_flight_of, "requests_of": self.requests_of, "repeated": self.asked.total() - len(self.asked),
                "elsewhere": self.elsewhere, "strays": self.strays, "loads": self.loads}


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.buffer = b""
        self.parts = []
        self.missing = 0
        self.path = ""
        self.busy = False
        self.name = ""
        self.taken = asyncio.Event()  # what was written, nearly all
        self.taken.set()

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections.add(self)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, fault):
        self.server.connections.discard(self)
        self.taken.set()

    def pause_writing(self):
        self.taken.clear()

    def resume_writing(self):
        self.taken.set()

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
            whole = self.buffer[:head + 4 + length]
            self.buffer = self.buffer[head + 4 + length:]
            self.request(lines[0].split(" ")[1], whole, whole[head + 4:])

    def request(self, path, whole, body):
        if path.startswith("/_"):
            self.transport.write(response(self.server.control(path, body, self)))
            return
        s = self.server
        named = path not in scripted_dialects.PATHS and path not in ("/v1/models", "/v1/loads", "/tokenize")
        self.name, _, rest = path[1:].partition("/") if named else ("", "", path[1:])
        self.begin()
        reply = s.answer("/" + rest, body, self.name)
        if len(reply) == 1 and isinstance(reply[0], bytes) and s.delay == 0:
            self.transport.write(reply[0])
            self.end()
        else:
            self.busy = True
            asyncio.get_running_loop().create_task(self.steps([s.delay, *reply], whole))

    def begin(self):
        s = self.server
        s.in_flight += 1
        s.in_flight_of[self.name] += 1
        s.requests_of[self.name] += 1
        s.peak = max(s.peak, s.in_flight)

    def end(self):
        self.server.in_flight -= 1
        self.server.in_flight_of[self.name] -= 1

    async def pour(self, left):
        piece = b" " * 65536
        while left > 0 and not self.transport.is_closing():
            self.transport.write(piece[:left])
            left -= len(piece)
            await self.taken.wait()

    async def steps(self, steps, whole):
        for step in steps:
            if self.transport.is_closing():
                break
            if isinstance(step, bytes):
                self.transport.write(step)
            elif isinstance(step, Pour):
                await self.pour(step.bytes)
            elif isinstance(step, Echo):
                self.transport.write(step.before + whole + step.after)
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


class Stray(asyncio.Protocol):
    """Where no client has any business."""

    def __init__(self, server):
        server.strays += 1


async def serve(port):
    loop, server = asyncio.get_running_loop(), Server()
    elsewhere = await loop.create_server(lambda: Stray(server), "127.0.0.1", 0)
    server.begin("127.0.0.1:%d" % elsewhere.sockets[0].getsockname()[1])
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", port, backlog=4096, reuse_address=True)
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

    def modes(self, of):
        """name -> behaviour, for those that were given url/name; all others have none of their own."""
        self.call("/_script", {"modes": of})

    def hang_up(self):
        """Closes the connections that are open."""
        self.call("/_hang_up")

    def asked(self):
        """digest(prompt) -> how often, since count_repeats()."""
        return self.call("/_asked")

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
