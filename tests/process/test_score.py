"""`rbr score`: the released rows give the published classes; output formats; lines that are wrong."""

import collections
import json
import pathlib
import re
import subprocess
import threading

import pytest

import records
import verify
from reference import Policy
from worker import ROOT, binary, rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
DATA = ROOT.parent / "shared" / "data"
RELEASED, GOLD = DATA / "proposition_prompts.yaml", DATA / "gold_train.jsonl"

CLASSES = ("ideal", "minimum_acceptable_style", "unacceptable_completion", "illogical_completion", "disallowed_completion")
HISTOGRAM = {
    "hard_refuse": (0, 6, 72, 4, 6),
    "safe_refuse_1": (0, 0, 9, 0, 0),
    "safe_refuse_2": (0, 2, 43, 2, 11),
    "comply": (149, 2, 27, 18, 0),
}

released = pytest.mark.skipif(not GOLD.exists(), reason="SKIPPED: OpenAI's released policy and rows are not beside the checkout")


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.jsonl"
    made = [records.make(n, 40) for n in range(30)]
    path.write_bytes(b"\n".join(records.to_json(r) for r in made) + b"\n")
    return path, made


@released
def test_the_released_rows_give_the_published_histogram():
    result = rbr("score", "--policy", RELEASED, "--use-labels", "--jsonl", GOLD)
    assert result.returncode == 0, result.stderr[-500:]
    rows = lines(result)
    assert len(rows) == 351
    found = collections.Counter((r["response_type"], r["predicted_class"]) for r in rows)
    assert found == collections.Counter({(t, c): n for t, counts in HISTOGRAM.items() for c, n in zip(CLASSES, counts) if n})
    assert b"351 scored, 0 failed, 0 refused; 0 questions asked" in result.stderr


@released
def test_the_released_rows_one_by_one():
    """Each is one-hot, and the class that the policy's YAML gives in Python."""
    policy = Policy(RELEASED)
    rows = lines(rbr("score", "--policy", RELEASED, "--use-labels", "--jsonl", GOLD))
    for row, line in zip(rows, GOLD.read_text().splitlines(), strict=True):
        source = json.loads(line)
        response_type = policy.route(source["response_type"], source["category"])
        assert row["response_type"] == response_type and row["status"] == "STATUS_OK" and "reward" not in row
        assert sorted(c["probability"] for c in row["classes"]) == [0, 0, 0, 0, 1]
        judgments = {n: float(v) for n, v in source["propositions"].items() if n in policy.asked(response_type)}
        assert row["predicted_class"] == policy.compute(response_type, judgments).predicted


@released
def test_the_released_policy_lints_clean_of_errors():
    result = rbr("check", "--policy", RELEASED)
    assert result.returncode == 0
    assert b"error" not in result.stderr
    assert b"warning: {question} stands before {response}" in result.stderr
    assert b"23 propositions, 5 classes, 4 response types (0 with weights)" in result.stdout


def check_rows(rows, made, policy):
    assert [r["completion_id"] for r in rows] == [r["completion_id"] for r in made]
    for row, record in zip(rows, made):
        response_type = policy.route(record["response_type"])
        p = {q["id"]: q["probability"] for q in row["propositions"]}
        want = policy.compute(response_type, p, record.get("reward_model_score"))
        assert verify.close(row["reward"], want.reward) and row["predicted_class"] == want.predicted
        total = 0.0
        for c in row["components"]:
            total += c["value"]
        assert total == row["reward"]
        for q, probability in p.items():
            prompt = policy.prompt(record["prompt"], record["completion"], q)
            assert verify.close(probability, verify.verdict(prompt.encode())[0])


@pytest.mark.parametrize("style", ["--json", "--jsonl"])
def test_json(style, file, grader):
    path, made = file
    result = rbr("score", "--policy", TINY, "--grader", grader.url, style, path)
    assert result.returncode == 0, result.stderr
    check_rows(json.loads(result.stdout) if style == "--json" else lines(result), made, Policy(TINY))


def test_standard_input(file, grader):
    path, made = file
    result = rbr("score", "--policy", TINY, "--grader", grader.url, "--jsonl", "-", stdin=path.read_bytes())
    assert result.returncode == 0
    check_rows(lines(result), made, Policy(TINY))


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_slow_producer_gets_each_reward_before_it_writes_on(file, grader, seconds):
    """Also when the next line is there in part, and when the grader answers while nothing comes in."""
    path, made = file
    first, second, *rest = [line + b"\n" for line in path.read_bytes().splitlines()]
    grader.delay(seconds)
    with subprocess.Popen([binary(), "score", "--policy", TINY, "--grader", grader.url, "--jsonl", "-"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        ended = threading.Timer(20, process.kill)
        ended.start()
        rows = []
        for text in (first + second[:70], second[70:], b"\n\n" + rest[0]):
            process.stdin.write(text)
            process.stdin.flush()
            rows.append(json.loads(process.stdout.readline()))
        out, _ = process.communicate(b"".join(rest[1:]))
        ended.cancel()
        assert process.returncode == 0
    check_rows([*rows, *map(json.loads, out.splitlines())], made, Policy(TINY))


def test_lines_of_any_length(grader, tmp_path):
    """Longer than what is read at once, blank, ended by \\r\\n, and the last one by nothing; from a file and from a pipe."""
    sizes = [10, 70_000, 400_000, *range(65_100, 65_160, 7), 1, 300_000]
    texts = [json.dumps({"id": str(n), "response_type": "answer", "prompt": "u", "completion": "c" * size}) for n, size in enumerate(sizes)]
    path = tmp_path / "in.jsonl"
    path.write_bytes("".join(t + end for t, end in zip(texts, ["\r\n", "\n \n", "\n"] * len(texts))).rstrip().encode())
    for result in (rbr("score", "--policy", TINY, "--jsonl", path), rbr("score", "--policy", TINY, "--jsonl", "-", stdin=path.read_bytes())):
        assert [r["completion_id"] for r in lines(result)] == [str(n) for n in range(len(sizes))], result.stderr


def test_json_of_nothing_is_an_empty_array(grader):
    result = rbr("score", "--policy", TINY, "--grader", grader.url, "--json", "-", stdin=b"\n\n")
    assert result.returncode == 0 and json.loads(result.stdout) == []


def test_table(file, grader):
    path, made = file
    result = rbr("score", "--policy", TINY, "--grader", grader.url, path)
    assert result.returncode == 0
    shown = result.stdout.decode().splitlines()
    assert shown[0].split()[:2] == ["COMPLETION", "TYPE"] and len(shown) == 31
    assert [row.split()[0] for row in shown[1:]] == [r["completion_id"] for r in made]
    assert all(row.rstrip().endswith("OK") for row in shown[1:])
    assert "\x1b" not in result.stdout.decode()


def test_explain(file, grader):
    path, made = file
    result = rbr("score", "--policy", TINY, "--grader", grader.url, "--explain", path)
    assert result.returncode == 0
    text = result.stdout.decode()
    rows = lines(rbr("score", "--policy", TINY, "--grader", grader.url, "--jsonl", path))
    for row in rows:
        assert row["completion_id"] in text and row["predicted_class"] in text
        assert re.search(rf"^{row['completion_id']} of group ", text, re.M)
    sums = [float(v) for v in re.findall(r"sum, in this order +(?:with [^=]*)?= *(\S+)", text)]
    assert sums == pytest.approx([r["reward"] for r in rows], abs=1e-9)
    for word in ("declines", "polite_no", "any of", "no other class holds"):
        assert word in text


def test_a_wrong_line_is_named_and_the_rest_is_scored(file, grader):
    path, made = file
    content = path.read_bytes().splitlines()
    content[4:4] = [b'{"id":"x","prompt":"a"}']
    content[9:9] = [b"nonsense"]
    path.write_bytes(b"\n".join(content))
    result = rbr("score", "--policy", TINY, "--grader", grader.url, "--jsonl", path)
    assert result.returncode == 3
    check_rows(lines(result), made, Policy(TINY))
    complaints = result.stderr.decode().splitlines()
    assert complaints[0].startswith(f"{path}:5: MISSING_COMPLETION at byte ")
    assert complaints[1].startswith(f"{path}:10: BAD_JSON at byte 0")
    assert "30 scored, 0 failed, 2 refused" in complaints[2] and "input tokens" in complaints[3] and len(complaints) == 4


def test_failures_are_exit_code_3(file, grader):
    grader.mode("low-mass")
    result = rbr("score", "--policy", TINY, "--grader", grader.url, "--jsonl", file[0])
    assert result.returncode == 3
    for row in lines(result):
        assert row["status"] == "STATUS_FAILED" and row["reason"] == "REASON_LOW_PROBABILITY_MASS" and "reward" not in row


def test_no_grader_is_missing_input_not_a_number(file):
    result = rbr("score", "--policy", TINY, "--jsonl", file[0])
    assert result.returncode == 3
    assert {(r["reason"], "reward" in r) for r in lines(result)} == {("REASON_MISSING_INPUT", False)}


@pytest.mark.parametrize("arguments, text", [
    (["nowhere.jsonl"], "nowhere.jsonl: No such file"),
    ([], "which file"),
    (["a", "b"], "one file"),
])
def test_wrong_arguments(arguments, text):
    result = rbr("score", "--policy", TINY, *arguments)
    assert result.returncode in (1, 2) and text in result.stderr.decode()
    assert result.stdout == b""


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_without_standard_descriptors(file, grader, closed):
    """The loop's own took their numbers, and libuv ended the process when it closed one."""
    path, made = file
    result = subprocess.run(f"'{binary()}' score --policy '{TINY}' --grader {grader.url} --jsonl '{path}' {closed}", shell=True,
                            capture_output=True, timeout=20, check=False)
    assert result.returncode == 0, result.stderr
    check_rows(lines(result), made, Policy(TINY))


def test_a_broken_pipe_ends_quietly(file, grader):
    """`rbr score ... | head -1`"""
    process = subprocess.Popen(f"'{binary()}' score --policy '{TINY}' --grader {grader.url} --jsonl '{file[0]}' | head -c 10",
                               shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=20)
    assert len(out) == 10 and b"Assert" not in err
