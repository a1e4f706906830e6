"""The guides do what they say: every command on the page is run, in order, and prints what the page shows below it.

A page's fenced YAML that begins with `# FILE` is that file; `# FILE, then` goes to its end, `# FILE, from KEY on` takes the place of KEY and all that
follows. Commands are the indented lines that begin with a program; other indented lines are of what the command above prints, `...` is anything.
"""

import os
import re
import signal
import subprocess
import sys

import pytest

from browser import free_port
from worker import ROOT, binary

PROGRAMS = ("build/rbr ", "python3 ")
PORT = "8123"


def parts(page):
    """("file", name, how, text), ("heading", line), ("command", line), ("shows", line), in the page's order."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
    at = 0
    text = page.read_text()
    for block in [*fenced.finditer(text), None]:
        yield from lines(text[at:block.start() if block else len(text)])
        if block is None:
            return
        at = block.end()
        head = re.match(r"# (\w+\.yaml)(?:, (then|from (\w+) on))?\n", block[2])
        if block[1] == "yaml" and head:
            yield "file", head[1], head[3] or head[2], block[2][head.end():]


def lines(text):
    for line in re.sub(r"\\\n *", "", text).splitlines():
        if line.startswith("#"):
            yield "heading", line
        elif line.startswith("    "):
            yield ("command" if line.strip().startswith(PROGRAMS) else "shows"), line.strip()


def write(path, how, text):
    old = path.read_text() if path.exists() else ""
    if how == "then":
        text = old + text
    elif how:
        assert f"\n{how}:" in old
        text = old[:old.index(f"\n{how}:") + 1] + text
    path.write_text(text)


class Guide:
    def __init__(self, folder):
        self.folder, self.port, self.servers = folder, free_port(), []
        (folder / "build").mkdir()
        (folder / "build" / "rbr").symlink_to(binary())
        for name in ("config", "tests"):
            (folder / name).symlink_to(ROOT / name)

    def run(self, command, fails):
        command = command.replace(PORT, str(self.port)).replace("python3 ", f"{sys.executable} ")
        if command.endswith("&"):
            server = subprocess.Popen(["/bin/sh", "-c", "exec " + command[:-1]], cwd=self.folder, stdout=subprocess.PIPE, text=True)
            self.servers.append(server)
            return server.stdout.readline()
        done = subprocess.run(["/bin/bash", "-c", command], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def end(self):
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
            server.wait(10)


@pytest.fixture
def guide(tmp_path):
    g = Guide(tmp_path)
    yield g
    g.end()


def words(text):
    return " ".join(text.split())


# Commands that are to fail, by their number on the page.
FAIL = {"policies.md": {2}}


@pytest.mark.parametrize(("name", "least"), [("policies.md", 15), ("evaluating.md", 2), ("fitting.md", 5)])
def test_a_guide(guide, name, least):
    output, n = None, 0  # None: nothing was run since the heading, so what is indented is no output
    for kind, *rest in parts(ROOT / "docs" / name):
        if kind == "file":
            write(guide.folder / rest[0], *rest[1:])
        elif kind == "heading":
            output = None
        elif kind == "command":
            n += 1
            output = guide.run(rest[0], fails=n in FAIL.get(name, ()))
        elif rest[0] != "..." and output is not None:
            assert words(rest[0]) in words(output), f"{rest[0]!r} is not in what was printed:\n{output[-3000:]}"
    assert n >= least
