"""The docs name what exists, and all of it."""

import fnmatch
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "proto/README.md"]]

COMMANDS = re.findall(r'^    \{"(\w+)", cmd_', (ROOT / "worker/main.c").read_text(), re.MULTILINE)
VERBS = re.findall(r"^verb_(\w+)\(\)", (ROOT / "dev").read_text(), re.MULTILINE)


def xmacro(file, name):
    body = re.search(rf"#define {name}\(X\)((?:.*\\\n)+.*\n)", (ROOT / file).read_text())[1]
    return re.findall(r"X\((\w+),", body)


@pytest.mark.parametrize(
    ("file", "macro", "least"),
    [
        ("src/record/reason.h", "STATUSES", 7),
        ("src/record/reason.h", "REASONS", 17),
        ("src/record/record.h", "REFUSALS", 23),
    ],
)
def test_operating_has_a_row_for_every_name(file, macro, least):
    rows = re.findall(r"^\| (\w+) \|", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    names = xmacro(file, macro)
    assert len(names) >= least
    missing = set(names) - set(rows) - {"UNSPECIFIED"}
    assert not missing


def test_operating_has_a_row_for_every_log_line():
    """Debug lines are for whoever reads the code."""
    sources = [p.read_text() for d in ("src", "worker") for p in (ROOT / d).rglob("*.c")]
    events = {e for text in sources for e in re.findall(r'log_(?:info|warning|error|event)\([^"]*"(\w+\.\w+)"', text)}
    assert len(events) > 60
    first = "\n".join(re.findall(r"^\| ([^|]+) \|", (ROOT / "docs/operating.md").read_text(), re.MULTILINE))
    assert not events - set(re.findall(r"\w+\.\w+", first))


def test_testing_has_a_row_for_every_failpoint():
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", (ROOT / "docs/internals/testing.md").read_text(), re.MULTILINE)
    code = re.findall(r'^    X\((\w+), "([^"]+)"\)', (ROOT / "src/base/failpoint.h").read_text(), re.MULTILINE)
    assert len(code) >= 20 and rows[1:] == code


def test_retryable_is_as_in_the_code():
    text = (ROOT / "src/record/reason.h").read_text()
    code = {n: r == "true" for n, r in re.findall(r"X\((\w+), \d+, (true|false)\)", text)}
    rows = re.findall(r"^\| (\w+) \| (yes|no) \|", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    assert {name: word == "yes" for name, word in rows} == code


@pytest.mark.parametrize("page", PAGES)
def test_commands_verbs_and_files_exist(page):
    text = (ROOT / page).read_text()
    assert COMMANDS and VERBS
    for command in re.findall(r"(?:^ +|`|build/)rbr ([a-z]+)", text, re.MULTILINE):
        assert command in COMMANDS, f"rbr {command}"
    for verb in re.findall(r"\./dev ([a-z]+)", text):
        assert verb in VERBS, f"./dev {verb}"
    for path in re.findall(r"(?:^|[\s(`])((?:src|docs|config|proto|tools|docker|worker)/[\w./-]*\.\w+)", text):
        assert (ROOT / path.rstrip(".")).exists() or "NAME" in path, path


def test_the_architecture_names_files_that_are_there():
    """A bare name, or the end of a path, in backquotes; NAME stands for any."""
    there = ["/" + p.relative_to(ROOT).as_posix() for d in ("src", "worker", "tests", "docs") for p in (ROOT / d).rglob("*.*")]
    named = re.findall(r"`([\w/.*-]+\.(?:[chm]|md|py))`", (ROOT / "ARCHITECTURE.md").read_text())
    assert len(named) > 60
    missing = [n for n in named if "NAME" not in n and not any(fnmatch.fnmatchcase(f, "*/" + n) for f in there)]
    assert not missing
