"""A grader behind one name and several addresses, as a headless service has: each is an endpoint, and they come and go."""

import contextlib
import json
import pathlib
import socket
import subprocess
import time

import pytest

import https_grader as graders
import records
import verify
from worker import ROOT, Worker, rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
NAME = "judges.test"


class Handler(graders.Handler):
    """Slow enough for several of a prompt's questions to be in the air."""

    def do_POST(self):
        time.sleep(0.01)
        self.server.hosts.add(self.headers["Host"])
        super().do_POST()


class Hosts:
    """What getaddrinfo says of NAME; `env` makes a program believe it."""

    def __init__(self, folder):
        library = folder / "hosts_file.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, ROOT / "tests/support/hosts_file.c", "-ldl"],
                       check=True)
        self.file = folder / "hosts"
        self.env = {"LD_PRELOAD": str(library), "RBR_TEST_HOSTS": str(self.file)}
        self.port = 0

    def say(self, *last):
        lines = [f"{NAME} 127.0.0.{n}\n" for n in last] or [f"{NAME}\n"]
        new = self.file.with_suffix(".new")
        new.write_text("".join(lines))
        new.rename(self.file)

    @contextlib.contextmanager
    def serve(self, *last, context=None):
        """A grader at 127.0.0.n for each n, all on one port."""
        with contextlib.ExitStack() as stack:
            servers = {}
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            for n in last:
                server = graders.Tcp((f"127.0.0.{n}", self.port), Handler)
                server.hosts = set()
                servers[n] = stack.enter_context(graders.serve(server, context))
            yield servers


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


def judge_more(scene, worker, n):
    """A hundred more, after n of them."""
    scene.write([(i % 2, None, records.to_json(records.make(n + i, 60)), []) for i in range(100)])
    scene.wait_for(n + 100, 30, worker)


def test_addresses_come_and_go(scene, hosts):
    scene.create()
    with hosts.serve(1, 2, 3, 4) as servers:
        def asked():
            return {n: len(s.paths) for n, s in servers.items()}

        hosts.say(1, 2, 3)
        worker = Worker(scene.folder, scene.settings([TINY], grader={
            "endpoints": [f"http://{NAME}:{hosts.port}"], "resolve_every": "1s", "insecure": True}))
        worker.env = hosts.env
        scene.workers.append(worker.start())
        worker.wait_for_log("is 3 endpoints now, 3 new and 0 gone")
        judge_more(scene, worker, 0)
        first = asked()
        assert min(first[1], first[2], first[3]) > 20 and first[4] == 0, first

        hosts.say(1, 3, 4)
        worker.wait_for_log("is 3 endpoints now, 1 new and 1 gone")
        judge_more(scene, worker, 100)
        second = asked()
        assert second[2] == first[2] and second[4] > 20, (first, second)

        hosts.say()  # DNS is away: the last addresses are asked
        worker.wait_for_log("grader.name_unknown")
        judge_more(scene, worker, 200)
        assert asked()[4] > second[4]
        hosts.say(1, 3, 4)
        worker.wait_for_log("grader.name_known")
        assert set.union(*(s.hosts for s in servers.values())) == {f"{NAME}:{hosts.port}"}
        assert {r.status for r in map(verify.parse, scene.rewards())} == {1}
        assert worker.stop() == 0


@pytest.mark.parametrize("resolve, several", [("all", True), ("auto", False)])
def test_behind_tls_the_name_is_verified_at_each_address(tmp_path, hosts, resolve, several):
    authority = graders.Authority(tmp_path)
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\n".join(records.to_json(records.make(n, 60)) for n in range(200)) + b"\n")
    with hosts.serve(1, 2, context=graders.tls(*authority.issue("name", host=NAME))) as servers:
        hosts.say(1, 2)
        config = tmp_path / "worker.yaml"
        grader = {"name": "named", "model": "m", "endpoints": [f"https://{NAME}:{hosts.port}"], "resolve": resolve,
                  "tls": {"ca_file": str(authority.file)}}
        config.write_text(json.dumps({"policy": {"files": [str(TINY)]}, "graders": [grader]}))
        result = rbr("score", "-c", config, "--jsonl", file, env=hosts.env)
    assert result.returncode == 0, result.stderr
    assert b"200 scored, 0 failed" in result.stderr
    asked = [len(s.paths) for s in servers.values()]
    assert (min(asked) > 20) == several, asked
