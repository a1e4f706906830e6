"""A real model judges: P(yes) and mass in the rewards are what Python reads from raw calls with the same prompts."""

import json
import math
import pathlib
import re

import pytest
import yaml

import llm
import protos
import records
import verify
from reference import Policy
from worker import rbr

POLICY = pathlib.Path(__file__).parent / "policies" / "llm.yaml"
TOP_LOGPROBS = 20
ONE_AT_A_TIME = {"max_in_flight": 1, "flow": "fixed", "model": "smollm2", "top_logprobs": TOP_LOGPROBS,
                 "timeouts": {"connect": "2s", "first_byte": "60s", "total": "60s"}}

MESSAGES = [
    "I am sorry, I cannot help with that.", "Sure! First, chop the onions.", "Would you like to hear more?",
    "Tomorrow it will rain in the north and snow in the hills.", "No.", "Sorry, sorry, sorry!", "Is it going to rain?",
    "Paris is the capital of France.", "I apologise, but what do you mean?", "Take two pills and call me in the morning.",
    "42", "The storm will pass by noon, so bring an umbrella.", "What a lovely day! Shall we go out?", "I can't say.",
    "def f(x):\n    return x + 1", "Es tut mir leid.", "Sun, wind, clouds and thunder.", "Never ask me that again.",
]

pytestmark = pytest.mark.skipif(
    llm.environment() is None, reason="SKIPPED: no environment with the LLM; tools/fetch_llm makes it (./dev test does)")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    m = llm.Llm(tmp_path_factory.mktemp("llm"))
    yield m
    m.stop()


def made():
    out = []
    for n, text in enumerate(MESSAGES):
        record = records.make(n, 60) | {"response_type": "chat", "prompt": [{"role": "user", "content": "Hello, a word please."}]}
        out.append(record | {"completion": [{"role": "assistant", "content": text}]})
    return out


def read(reply):
    """(P(yes), mass) of a raw reply."""
    position = reply["choices"][0]["logprobs"]["content"][0]
    shares = {"yes": 0.0, "no": 0.0}
    for alternative in position["top_logprobs"]:
        word = alternative["token"].strip().strip("\"'*.:,`").lower()
        if word in shares:
            shares[word] += math.exp(alternative["logprob"])
    mass = shares["yes"] + shares["no"]
    return shares["yes"] / mass, mass


@pytest.mark.timeout(300)
def test_probabilities_are_the_models(scene, model):
    """The raw calls come in the worker's order: the server's cache of prefixes changes the last digits of its numbers."""
    policy, todo = Policy(POLICY), made()
    scene.create(partitions=1)
    model.ask("warm up", TOP_LOGPROBS)
    scene.write([(0, records.key_of(r), records.to_protobuf(r), []) for r in todo])
    worker = scene.worker([POLICY], grader={**ONE_AT_A_TIME, "endpoints": [model.url]}, limits={"record_deadline": "140s"})
    scene.wait_for(len(todo), 140, worker)
    assert worker.stop() == 0
    by_id = {r.completion_id: r for r in map(verify.parse, scene.rewards())}

    model.ask("warm up", TOP_LOGPROBS)
    compared, seen = 0, set()
    for record in todo:
        reward = by_id[record["completion_id"]]
        assert reward.status == protos.reward_pb2.STATUS_OK, reward.detail
        judgments = {p.id: p for p in reward.propositions}
        for question in policy.asked("chat"):
            prompt = policy.prompt(record["prompt"], record["completion"], question)
            status, reply = model.ask(prompt, TOP_LOGPROBS)
            assert status == 200
            probability, mass = read(reply)
            assert math.isclose(judgments[question].probability, probability, abs_tol=1e-6), (question, prompt)
            assert math.isclose(judgments[question].mass, mass, abs_tol=1e-6), (question, prompt)
            seen.add(round(probability, 6))
            compared += 1
        verify.arithmetic(reward, policy, "chat", {n: p.probability for n, p in judgments.items()},
                          record.get("reward_model_score"))
        [use] = reward.graders
        assert use.requests == 3 and use.input_tokens > 3 * 30 and use.output_tokens == 3
    assert compared >= 50 and len(seen) >= 40, "the model says the same to everything"
    scene.assert_conserved()


def test_a_prompt_too_long_for_the_model_is_said_so(scene, model):
    record = made()[0] | {"completion": [{"role": "assistant", "content": "word " * 3000}]}
    config = scene.folder / "llm.yaml"
    config.write_text(yaml.safe_dump(scene.settings([POLICY], grader={**ONE_AT_A_TIME, "endpoints": [model.url]})))
    result = rbr("score", "-c", config, "--jsonl", "-", stdin=records.to_json(record))
    assert result.returncode == 3
    row = json.loads(result.stdout)
    assert (row["status"], row["reason"]) == ("STATUS_FAILED", "REASON_GRADER_CONTEXT_EXCEEDED") and "reward" not in row


def test_the_probe_knows_the_model(scene, model):
    config = scene.folder / "llm.yaml"
    config.write_text(yaml.safe_dump(scene.settings([POLICY], grader={**ONE_AT_A_TIME, "endpoints": [model.url]})))
    result = rbr("check", "-c", config, "--probe", timeout=90)
    assert result.stdout.count(b"P(yes)") + result.stdout.count(b"LOW_PROBABILITY_MASS") == 2, result.stdout


def test_completions_are_the_models(scene, model):
    """As raw calls with the same text; one prompt a request, since this server takes no longer list."""
    template = {"prompt_before": "<|im_start|>user\n", "prompt_after": "<|im_end|>\n<|im_start|>assistant\n"}
    policy, todo = Policy(POLICY), made()[:6]
    config = scene.folder / "llm.yaml"
    changes = {**ONE_AT_A_TIME, **template, "dialect": "completions", "questions_per_request": 1, "endpoints": [model.url]}
    config.write_text(yaml.safe_dump(scene.settings([POLICY], grader=changes)))
    result = rbr("score", "-c", config, "--jsonl", "-", stdin=b"".join(records.to_json(r) + b"\n" for r in todo))
    assert result.returncode == 0, result.stderr
    for row, record in zip(map(json.loads, result.stdout.splitlines()), todo, strict=True):
        for judgment in row["propositions"]:
            prompt = policy.prompt(record["prompt"], record["completion"], judgment["id"])
            status, reply = model.call("POST", "/v1/completions", {
                "model": "smollm2", "prompt": template["prompt_before"] + prompt + template["prompt_after"], "max_tokens": 1,
                "temperature": 1, "logprobs": TOP_LOGPROBS})
            assert status == 200
            [top] = reply["choices"][0]["logprobs"]["top_logprobs"]
            raw = {"choices": [{"logprobs": {"content": [{"top_logprobs": [
                {"token": t, "logprob": p} for t, p in top.items()]}]}}]}
            probability, mass = read(raw)
            assert math.isclose(judgment["probability"], probability, abs_tol=1e-6)
            assert math.isclose(judgment["mass"], mass, abs_tol=1e-6)


def test_a_longer_list_of_prompts_is_refused_and_no_number(scene, model):
    """llama-cpp-python takes one prompt in the list, and answers 500 to more."""
    status, _ = model.call("POST", "/v1/completions", {"model": "smollm2", "prompt": ["a", "b"], "max_tokens": 1, "logprobs": 2})
    assert status == 500
    config = scene.folder / "llm.yaml"
    changes = {**ONE_AT_A_TIME, "dialect": "completions", "attempts": 1, "endpoints": [model.url]}
    config.write_text(yaml.safe_dump(scene.settings([POLICY], grader=changes)))
    result = rbr("score", "-c", config, "--jsonl", "-", stdin=records.to_json(made()[0]))
    assert result.returncode == 3 and json.loads(result.stdout)["reason"] == "REASON_GRADER_UNAVAILABLE"


def test_verdicts_of_the_model(scene, model):
    config = scene.folder / "llm.yaml"
    config.write_text(yaml.safe_dump(scene.settings([POLICY], grader={**ONE_AT_A_TIME, "mode": "verdict", "endpoints": [model.url]})))
    result = rbr("score", "-c", config, "--jsonl", "-", stdin=b"".join(records.to_json(r) + b"\n" for r in made()[:4]))
    judgments = [j for row in map(json.loads, result.stdout.splitlines()) for j in row["propositions"]]
    assert len(judgments) == 12
    for j in judgments:
        assert j.get("probability", 0) in (0, 1) and (j["status"] == "STATUS_OK" or j["reason"] == "REASON_UNPARSEABLE_VERDICT"), j


def test_the_probe_finds_what_the_server_speaks(model):
    result = rbr("check", f"--probe={model.url}", timeout=120)
    shown = result.stdout.decode()
    assert re.search("systemone +no: GRADER_UNAVAILABLE, .*404", shown) and "in logprobs.content" in shown, shown
    assert "'yes' 10407" in shown, shown
