"""The tests' own tools, tested: the reference arithmetic against values worked out by hand, the scripted grader over HTTP."""

import http.client
import json
import math
import random
import socket
import textwrap
import time

import pytest

import behaviours
import mutants
import protos
import soak
from behaviours import BEHAVIOURS
from reference import BREAKER, Policy, neutralise
from scripted_dialects import alternatives, verdict
from scripted_grader import digest

POLICY = """
prompt_template: "R {response} Q {question} {{x}}"
completion_class_order: [good, fair, bad]
completion_classes:
  good: {chat: {kind: true, rude: false}}
  fair: {chat: {plain: true, rude: false}}
  bad: {chat: {rude: true}}
derived_propositions:
  plain: {kind: false, calm: true}
simple_propositions:
  kind: {prompt: "Kind?"}
  rude: {prompt: "Rude?"}
  calm: {prompt: "Calm?"}
weights: {chat: {good: 2, kind: 0.5, bad: -1}}
reward: {clip: [-1, 1]}
"""


@pytest.fixture
def policy(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(POLICY)
    return Policy(file)


def test_reference_by_hand(policy):
    p = {"kind": 0.8, "rude": 0.1, "calm": 0.5}
    out = policy.compute("chat", p)
    u = {"good": 0.8 * 0.9, "fair": (0.2 * 0.5) * 0.9, "bad": 0.1}
    z = sum(u.values())
    assert out.classes == pytest.approx({k: v / z for k, v in u.items()}, abs=1e-15)
    assert out.predicted == "good"
    names = [c[0] for c in out.components]
    assert names == ["reward_model", "kind", "good", "bad", "clip", "clip_rounding"]  # features' order, not the weights'
    assert 0.5 * 0.8 + 2 * u["good"] / z - u["bad"] / z > 1
    assert out.reward == 1.0


def test_reference_adds_the_reward_model(policy):
    out = policy.compute("chat", {"kind": 0.0, "rude": 1.0, "calm": 0.5}, reward_model_score=0.25)
    assert [(c[0], c[3]) for c in out.components] == [("reward_model", 0.25), ("kind", 0.0), ("good", 0.0), ("bad", -1.0),
                                                      ("clip", 0.0), ("clip_rounding", 0.0)]
    assert out.reward == -0.75


def test_reference_exact_agrees_with_itself_on_certain_answers(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(textwrap.dedent("""
        class_probability: exact
        prompt_template: "{response} {question}"
        completion_class_order: [good, bad]
        completion_classes:
          good: {t: {any: [{a: true}, {not: {b: true, c: true}}]}}
          bad: {t: {otherwise: true}}
        simple_propositions: {a: {prompt: "A?"}, b: {prompt: "B?"}, c: {prompt: "C?"}}
        """))
    policy = Policy(file)
    out = policy.compute("t", {"a": 0.5, "b": 0.5, "c": 0.5})
    assert out.classes == {"good": 7 / 8, "bad": 1 / 8}
    assert out.reward is None


def test_reference_prompt(policy):
    turns = [{"role": "user", "content": "hi {question}"}], [{"role": "assistant", "content": "yo <|im_end|> {response}"}]
    assert policy.prompt(*turns, "rude") == (
        f"|USER|: hi {{question}}\n|ASSISTANT|: yo <{BREAKER}|im_end|> {{response}}\n\n"
        f"R yo <{BREAKER}|im_end|> {{response}} Q Rude? {{x}}")


@pytest.mark.parametrize("text, expected", [
    ("plain < text [x] <b> a|b", None),
    ("<|im_start|>user", "<\u200b|im_start|>user"),
    ("[INST]x[/INST]</s>", "[\u200bINST]x[\u200b/INST]<\u200b/s>"),
    ("<<SYS>>", "<\u200b<SYS>>"),
    ("<||>", None),
    ("<|a\nb|>", None),
    ("<|<|a|>", "<|<\u200b|a|>"),
])
def test_neutralise(text, expected):
    assert neutralise(text)[0] == (text if expected is None else expected)


def ask(grader, prompt, timeout=5, name=""):
    connection = http.client.HTTPConnection("127.0.0.1", grader.port, timeout=timeout)
    try:
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "max_tokens": 1, "n": 1, "logprobs": True}
        connection.request("POST", f"{name}/v1/chat/completions", json.dumps(body))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_grader_says_what_the_formula_says(grader):
    status, body = ask(grader, "Is it?\u0000\U0001f600")
    top = json.loads(body)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    assert status == 200
    assert [(t["token"], t["logprob"]) for t in top] == alternatives("Is it?\u0000\U0001f600".encode())


def test_grader_answers_spread():
    ps = [verdict(b"%d" % i) for i in range(2000)]
    assert all(0 <= p <= 1 and 0.6 - 1e-9 <= m <= 1 for p, m in ps)
    assert sum(p < 0.1 for p, _ in ps) > 400 and sum(p > 0.9 for p, _ in ps) > 400
    assert sum(0.1 < p < 0.9 for p, _ in ps) > 200
    assert {0.0, 1.0} <= {p for p, _ in ps}


def test_grader_records_bytes(grader):
    grader.record()
    ask(grader, "one")
    ask(grader, "two")
    assert [json.loads(b)["messages"][0]["content"] for b in grader.bodies()] == ["one", "two"]


def test_grader_counts_what_is_asked_again(grader):
    grader.count_repeats()
    for name, prompt in (("/a", "one"), ("/a", "two"), ("/b", "one"), ("", "one")):
        assert ask(grader, prompt, name=name)[0] == 200
    stats, asked = grader.stats(), grader.asked()
    grader.count_repeats(False)
    assert stats["repeated"] == 2 and asked == {digest(b"one"): 3, digest(b"two"): 1}
    assert set(stats["in_flight_of"]) >= {"a", "b"} and not any(stats["in_flight_of"].values())


def test_a_soak_is_its_seed():
    def kinds(*arguments):
        return soak.schedule(soak.options(arguments))

    some = kinds("--seed", "5")
    assert some == kinds("--seed", "5") and some != kinds("--seed", "6")
    deaths = {"kill": 1, "kill_open": 1, "kill_twice": 2, "kill_all": 4}
    assert sum(deaths.get(kind, 0) for kind in some) == 120 and some.count("broker") == 6 and some.count("storm") == 1


def test_grader_misbehaves_on_request(grader):
    assert ask(grader, "x [[do:503]]")[0] == 503
    assert [ask(grader, "y [[do:500*2]]")[0] for _ in range(3)] == [500, 500, 200]
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(grader, "z [[do:reset]]")
    with pytest.raises(TimeoutError):
        ask(grader, "z [[do:hang]]", timeout=0.3)
    grader.mode("429")
    assert ask(grader, "plain")[0] == 429
    grader.mode(None)
    assert ask(grader, "plain")[0] == 200


def test_grader_knows_at_least_60_bad_behaviours():
    rows = [*BEHAVIOURS.values(), *(row for shapes in behaviours.SHAPES.values() for row in shapes.values())]
    assert sum(b.reason is not None for b in BEHAVIOURS.values()) >= 60
    names = {n.removeprefix("REASON_") for n in protos.reward_pb2.Reason.keys()}
    assert {b.reason for b in rows} - {None} <= names


def test_grader_has_a_mode_for_each_worker(grader):
    grader.modes({"a": "503", "b": "429"})
    seen = [ask(grader, "plain", name=name)[0] for name in ("/a", "/b", "/c", "")]
    grader.modes({})
    assert seen == [503, 429, 200, 200] and ask(grader, "plain", name="/a")[0] == 200


def test_grader_tells_who_went_where_nobody_should(grader):
    before, (host, port) = grader.stats()["strays"], grader.stats()["elsewhere"].split(":")
    location = http.client.HTTPConnection("127.0.0.1", grader.port, timeout=5)
    location.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "[[do:302]]"}], "max_tokens": 1,
                                                                 "n": 1, "logprobs": True}))
    assert location.getresponse().headers["Location"].startswith(f"http://{host}:{port}/")
    location.close()
    socket.create_connection((host, int(port))).close()
    end = time.monotonic() + 5
    while grader.stats()["strays"] == before and time.monotonic() < end:
        time.sleep(0.05)
    assert grader.stats()["strays"] == before + 1


def test_mutants_differ_and_are_the_same_for_one_prompt():
    for make in mutants.MUTANTS.values():
        made = [make(random.Random(b"%d" % n)) for n in range(200)]
        assert len(set(made)) > 100 and made == [make(random.Random(b"%d" % n)) for n in range(200)]


def test_grader_is_fast_enough(grader):
    """60,000 questions must not take longer than the worker does: here one connection, one at a time."""
    connection = http.client.HTTPConnection("127.0.0.1", grader.port)
    body = json.dumps({"messages": [{"role": "user", "content": "q" * 4000}], "max_tokens": 1, "n": 1, "logprobs": True})
    start = time.monotonic()
    for _ in range(500):
        connection.request("POST", "/v1/chat/completions", body)
        connection.getresponse().read()
    connection.close()
    assert time.monotonic() - start < 5


def test_verdict_is_the_labels_share():
    yes = sum(math.exp(logprob) for t, logprob in alternatives(b"q") if t.strip(" *").lower() == "yes")
    no = sum(math.exp(logprob) for t, logprob in alternatives(b"q") if t.strip(" *").lower() == "no")
    assert verdict(b"q") == pytest.approx((yes / (yes + no), yes + no), abs=1e-15)
    assert behaviours.good(b"q").startswith(b"HTTP/1.1 200")
