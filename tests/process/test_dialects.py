"""Every dialect end to end: the probabilities are the grader's for the same prompt, and so is what a request costs."""

import json
import pathlib
import re

import pytest
import yaml

import records
import scripted_dialects
import verify
import worker
from reference import Policy
from scripted_dialects import DIALECTS, TEMPLATE
from worker import rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
RECORDS = 30


@pytest.fixture
def score(tmp_path, grader):
    """score(records, **grader settings) -> (rewards, what rbr printed)"""
    def run(made, layout=None, **changes):
        policies = [TINY]
        if layout:
            overlay = tmp_path / "layout.yaml"
            overlay.write_text(yaml.safe_dump({"grading": {"layout": layout}}))
            policies.append(overlay)
        config = tmp_path / "rbr.yaml"
        config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", grader.url, policies, grader=changes)))
        result = rbr("score", "-c", config, "--jsonl", "-", stdin=b"".join(records.to_json(r) + b"\n" for r in made))
        return [json.loads(line) for line in result.stdout.splitlines()], result
    return run


def made():
    return [records.make(n, 40) for n in range(RECORDS)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_probabilities_are_the_graders(dialect, score, grader):
    settings, _, together, has_mass = DIALECTS[dialect]
    policy, todo, before = Policy(TINY), made(), grader.stats()["requests"]
    rows, result = score(todo, dialect=dialect, **settings)
    assert result.returncode == 0, result.stderr
    assert [r["completion_id"] for r in rows] == [r["completion_id"] for r in todo]
    asked = 0
    for row, record in zip(rows, todo):
        response_type = policy.route(record["response_type"])
        asked += len(policy.asked(response_type))
        judgments = {q["id"]: q for q in row["propositions"] if q["id"] in policy.asked(response_type)}
        assert len(judgments) == len(policy.asked(response_type))
        for name, judgment in judgments.items():
            prompt = policy.prompt(record["prompt"], record["completion"], name).encode()
            p, mass = scripted_dialects.verdict(prompt)
            assert verify.close(judgment["probability"], p), (name, prompt)
            assert abs(judgment["mass"] - (mass if has_mass else 1)) < 1e-6
        want = policy.compute(response_type, {n: q["probability"] for n, q in judgments.items()},
                              record.get("reward_model_score"))
        assert verify.close(row["reward"], want.reward)
    assert grader.stats()["requests"] - before == (RECORDS if together else asked)


@pytest.mark.parametrize("dialect", ["chat_batch", "systemone"])
def test_few_questions_a_request(dialect, score, grader):
    before = grader.stats()["requests"]
    rows, result = score(made(), dialect=dialect, questions_per_request=1)
    assert result.returncode == 0, result.stderr
    assert grader.stats()["requests"] - before == sum(len(Policy(TINY).asked(r["response_type"])) for r in rows)


@pytest.mark.parametrize("mode", ["verdict", "sample"])
def test_a_server_without_logprobs(mode, score):
    policy, todo, n = Policy(TINY), made(), 1 if mode == "verdict" else 8
    rows, result = score(todo, mode=mode, samples=8)
    assert result.returncode == 0, result.stderr
    for row, record in zip(rows, todo):
        asked = policy.asked(policy.route(record["response_type"]))
        for judgment in (q for q in row["propositions"] if q["id"] in asked):
            prompt = policy.prompt(record["prompt"], record["completion"], judgment["id"]).encode()
            assert judgment["probability"] == round(scripted_dialects.verdict(prompt)[0] * n) / n
            assert judgment["mass"] == 1


@pytest.mark.parametrize("poll", ["none", "sglang"])
def test_sglang_is_asked_for_its_load(poll, score, grader):
    before = grader.stats()["loads"]
    rows, result = score(made(), load_poll=poll)
    assert result.returncode == 0 and b"grader.no_load" not in result.stderr
    assert (grader.stats()["loads"] > before) == (poll == "sglang")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("behaviour, reason", [
    ("503", "GRADER_UNAVAILABLE"), ("401", "GRADER_REJECTED"), ("html", "UNPARSEABLE_VERDICT"), ("no-choices", "UNPARSEABLE_VERDICT"),
    ("reset", "GRADER_UNAVAILABLE"), ("body-of-100-megabytes", "UNPARSEABLE_VERDICT"), ("error-with-200", "UNPARSEABLE_VERDICT")])
def test_a_failure_is_never_a_number(dialect, behaviour, reason, score):
    """Of this record alone: if every request failed it would be an outage, and waited out."""
    [record] = made()[:1]
    record["completion"] = [{"role": "assistant", "content": f"[[do:{behaviour}]] hello"}]
    rows, result = score([record], dialect=dialect, attempts=1, **DIALECTS[dialect][0])
    assert result.returncode == 3
    [row] = rows
    assert row["status"] == "STATUS_FAILED" and row["reason"] == f"REASON_{reason}" and "reward" not in row
    assert not any(q.get("probability") for q in row["propositions"])


def test_once_more_is_enough(score):
    """Of a request that fails once, all questions are asked again."""
    [record] = made()[:1]
    record["completion"] = [{"role": "assistant", "content": "[[do:503*1]] hello"}]
    rows, result = score([record], dialect="systemone")
    assert result.returncode == 0, result.stderr
    assert rows[0]["status"] == "STATUS_OK" and rows[0]["graders"][0]["requests"] == 2


def test_text_dialects_refuse_the_chat_layout(score):
    rows, result = score(made()[:1], layout="chat", dialect="completions", **TEMPLATE)
    assert result.returncode == 1 and rows == []
    assert b"graders.scripted: dialect completions sends text, and the policy's layout is chat" in result.stderr


@pytest.mark.parametrize("changes, message", [
    ({"dialect": "score"}, "dialect score needs yes_token_ids and no_token_ids"),
    ({"dialect": "systemone", "mode": "verdict"}, "dialect systemone has probabilities: only chat has a mode"),
    ({"dialect": "completions", "thinking": "allowed"}, "dialect completions reads one token"),
    ({"yes_token_ids": [1]}, "yes_token_ids and no_token_ids go together")])
def test_check_says_what_does_not_go_together(changes, message, tmp_path):
    config = tmp_path / "rbr.yaml"
    config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", "http://127.0.0.1:1", [TINY], grader=changes)))
    result = rbr("check", "-c", config)
    assert result.returncode == 2 and f"graders.scripted: {message}" in result.stderr.decode()


def test_the_probe_tells_what_a_server_can_do(grader, tmp_path):
    result = rbr("check", f"--probe={grader.url}")
    shown = result.stdout.decode()
    assert result.returncode == 0, shown
    assert f"model           {scripted_dialects.MODEL}\n" in shown
    assert f"label tokens    'Yes' {scripted_dialects.YES_ID} 'No' {scripted_dialects.NO_ID}\n" in shown
    assert re.search(r"chat logprobs   \d alternatives of 20 asked for, in logprobs.content, bytes given", shown)
    works = [line.split()[0] for line in shown.splitlines() if "P(yes)" in line]
    assert works == ["systemone", "decisions", "chat_batch", "chat"]  # the others lack the chat template
    [block] = yaml.safe_load(shown[shown.index("graders:"):])["graders"]
    assert block == {"name": "grader", "dialect": "systemone", "model": scripted_dialects.MODEL, "endpoints": [grader.url]}


def test_the_probe_takes_the_rest_from_settings(grader, tmp_path):
    config = tmp_path / "rbr.yaml"
    config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", grader.url, [TINY], grader=TEMPLATE)))
    result = rbr("check", "-c", config, f"--probe={grader.url}")
    works = [line.split()[0] for line in result.stdout.decode().splitlines() if "P(yes)" in line]
    assert sorted(works) == sorted(DIALECTS)


def test_the_probe_falls_back_to_verdicts(grader):
    grader.mode("no-logprobs")  # in every mode: the text is x, and no verdict either
    result = rbr("check", f"--probe={grader.url}")
    assert result.returncode == 1 and b"no dialect gives probabilities" in result.stdout
    assert b"chat, verdict          no: UNPARSEABLE_VERDICT" in result.stdout
