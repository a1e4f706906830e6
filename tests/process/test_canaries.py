"""Canaries: a grader that says yes to everything is found within one period, and with `on_failure: stop` nothing more gets out."""

import json
import pathlib
import time

import protos
import records
import topics
import verify
from reference import Policy
from scripted_dialects import verdict
from worker import ROOT, rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
KEYS = (" ", ":", ".", "Thought process:", "Let's solve this problem step by step.", "Solution", "かいせつ")
RECORDS, EVERY, IN_FLIGHT = 600, 40, 8


def write_canaries(path):
    """What the scripted grader says when it is honest, and is sure of."""
    policy, lines = Policy(TINY), []
    for text in KEYS:
        turns = [{"role": "user", "content": "u"}], [{"role": "assistant", "content": text}]
        p = {name: verdict(policy.prompt(*turns, name).encode())[0] for name in ("declines", "sorry", "helpful", "preaching")}
        right = {name: v > 0.5 for name, v in p.items() if abs(v - 0.5) > 0.1}
        if right:
            lines.append(json.dumps({"id": text, "prompt": "u", "completion": text, "propositions": right}))
    assert any("false" in line for line in lines)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def is_honest(reward, record, policy):
    prompts = [policy.prompt(record["prompt"], record["completion"], p.id).encode() for p in reward.propositions]
    return all(verify.close(p.probability, verdict(prompt)[0]) for p, prompt in zip(reward.propositions, prompts))


def test_stop_lets_out_nothing_that_was_asked_after_the_round(scene, grader, tmp_path):
    policy, made = Policy(TINY), {r["completion_id"]: r for r in (records.make(n, 11) for n in range(RECORDS))}
    canary = {"file": write_canaries(tmp_path / "canaries.jsonl"), "every": EVERY, "on_failure": "stop"}
    settings = {"canary": canary, "limits": {"drain": "1s"}, "grader": {"max_in_flight": IN_FLIGHT, "flow": "fixed"}}
    scene.create(partitions=1)
    scene.write([(0, records.key_of(r), records.to_json(r), []) for r in made.values()])
    grader.delay(0.02)
    worker = scene.worker([TINY], **settings)
    topics.wait_for(scene.broker.bootstrap, [scene.output], 50, 30, worker.alive)
    grader.mode("yes-to-everything")
    worker.wait_for_log("canary.failed")
    time.sleep(0.5)  # a transaction that was on its way
    out = scene.rewards()
    wrong = [m for m in out if not is_honest(r := verify.parse(m), made[r.completion_id], policy)]
    print(f"{len(wrong)} rewards were out already")
    assert 0 < len(wrong) < EVERY + 4 * IN_FLIGHT + IN_FLIGHT  # a period, the budget of questions, a batch
    requests = grader.stats()["requests"]
    time.sleep(2)
    assert len(scene.rewards()) == len(out) < RECORDS and worker.alive()
    assert grader.stats()["requests"] <= requests + IN_FLIGHT
    assert worker.stop() == 0
    assert len(scene.rewards()) == len(out)
    assert worker.log().count("canary.failed") == 1 and worker.log().count("canary.passed") == 1

    grader.mode(None)
    grader.delay(0)
    worker = scene.worker([TINY], **settings)
    messages = topics.wait_for(scene.broker.bootstrap, [scene.output], RECORDS, 60, worker.alive)
    assert worker.stop() == 0
    for m in messages[len(out):]:
        verify.ok_reward(m, made[verify.parse(m).completion_id], policy)
    scene.assert_conserved()


def test_alarm_goes_on_and_says_so(scene, grader, tmp_path):
    scene.create(partitions=1)
    made = [records.make(n, 12) for n in range(100)]
    scene.write([(0, records.key_of(r), records.to_json(r), []) for r in made])
    grader.mode("yes-to-everything")
    worker = scene.worker([TINY], canary={"file": write_canaries(tmp_path / "canaries.jsonl"), "every": EVERY})
    messages = topics.wait_for(scene.broker.bootstrap, [scene.output], 100, 30, worker.alive)
    assert {verify.parse(m).status for m in messages} == {protos.reward_pb2.STATUS_OK}
    assert worker.stop() == 0
    grader.mode(None)
    assert worker.log().count("canary.failed") >= 2  # at the start, and once more at least
    assert not {verify.parse(m).completion_id for m in messages} & set(KEYS)
    scene.assert_conserved()


def test_a_file_that_does_not_fit_the_policy_is_refused(tmp_path):
    path = tmp_path / "canaries.jsonl"
    path.write_text('{"id":"a","prompt":"u","completion":":","propositions":{"apology":false}}\n'
                    '{"id":"b","prompt":"u","completion":":","propositions":{"apologie":false}}\n')
    result = rbr("check", "-c", "config/worker.yaml", "--set", f"canary.file={path}")
    assert result.returncode == 2
    assert f"canary.file: {path}:2: the policy does not ask 'apologie'".encode() in result.stderr


def test_the_shipped_file_fits_the_shipped_policy():
    result = rbr("check", "-c", ROOT / "config" / "worker.yaml", "--set", "canary.file=canaries.jsonl")
    assert result.returncode == 0, result.stderr
