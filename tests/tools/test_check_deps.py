"""tools/check_deps finds each kind of violation, and nothing in a tree that keeps the rules."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

CMAKE = "rbr_module(base)\nrbr_module(loop)\nrbr_module(grader x)\n"


def check(root):
    run = subprocess.run([ROOT / "tools/check_deps", root], capture_output=True, text=True)
    return run.returncode, run.stdout


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    for file in ["src/base/a.h", "src/loop/b.h", "src/grader/c.h", "worker/w.h"]:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#include <stdint.h>\n#include <sys/types.h>\n")
    return tmp_path


def test_keeps_quiet_when_the_rules_are_kept(tree):
    (tree / "src/loop/b.h").write_text('#include <uv.h>\n#include "base/a.h"\n')
    (tree / "src/grader/http.c").write_text('#include <curl/curl.h>\n#include "loop/b.h"\n')
    (tree / "worker/w.c").write_text('#include "worker/w.h"\n#include "grader/c.h"\n')
    assert check(tree) == (0, "check_deps: the module order holds\n")


@pytest.mark.parametrize(
    ("file", "include", "message"),
    [
        ("src/base/x.c", '#include "loop/b.h"', "base may not include loop"),
        ("src/grader/x.c", '#include "worker/w.h"', "grader may not include worker"),
        ("src/base/x.c", '  #  include "grader/c.h"', "base may not include grader"),
        ("src/base/x.c", "#include <uv.h>", "<uv.h> may be included only in src/loop/*"),
        ("worker/x.c", "#include <curl/curl.h>", "<curl/curl.h> may be included only in"),
        ("src/base/x.c", "#include <lzma.h>", "<lzma.h> has no home"),
        ("src/loop/x.c", '#include "b.h"', "no such module"),
        ("src/loop/x.c", '#include "base/gone.h"', "no such file"),
        ("src/grader/x.c", '#include "proto/reward.pb-c.h"', "may be included only in"),
        ("src/stray/x.c", "#include <stdint.h>", "has no rbr_module() line"),
    ],
)
def test_finds_a_seeded_violation(tree, file, include, message):
    (tree / file).parent.mkdir(exist_ok=True)
    (tree / file).write_text("/* x */\n" + include + "\n")
    code, out = check(tree)
    assert code == 1
    assert out.startswith(file + ":") and message in out
    assert out.count("\n") == 1


def test_an_empty_tree_is_a_fault(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    assert check(tmp_path)[0] == 1
