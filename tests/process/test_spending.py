"""What graders cost: in rewards, in the log, in the summary of `rbr score`; and the ceiling, at which a worker waits."""

import json
import pathlib
import re
import time

import pytest
import yaml

import protos
import records
import topics
import verify
from reference import Policy
from worker import rbr, settings

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
PRICE = {"input": 1.5, "cached_input": 0.25, "output": 10}
# The scripted grader says 100 tokens in, 80 of them cached, and 1 out; USD.
QUESTION = (20 * 1.5 + 80 * 0.25 + 10) * 1e-6
DRAIN_SECONDS, SLACK_SECONDS = 2, 6


def record(n, text):
    return {"completion_id": f"c-{n}", "prompt": "u", "completion": text, "response_type": "comply"}


def score(tmp_path, grader, *texts, price=PRICE):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(record(n, text)) + "\n" for n, text in enumerate(texts)))
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump(settings("127.0.0.1:1", grader.url, [TINY], grader={"price": price})))
    result = rbr("score", "-c", config, "--jsonl", path)
    return [json.loads(line)["graders"][0] for line in result.stdout.splitlines()], result.stderr.decode()


def test_rewards_and_summary_say_what_was_spent(tmp_path, grader):
    uses, said = score(tmp_path, grader, "plain", "[[do:500*1]] fails once", "[[do:no-usage]] says nothing")
    assert [u["requests"] for u in uses] == [2, 4, 2]
    assert [u.get("usage_unknown", 0) for u in uses] == [0, 0, 2]
    assert [int(u.get("input_tokens", 0)) for u in uses] == [200, 200, 0]
    assert [u.get("cost_usd", 0) for u in uses] == pytest.approx([2 * QUESTION] * 2 + [0], rel=1e-12)
    assert "400 input tokens (320 of them cached), 4 output tokens, 0.00024 USD; 2 requests do not say what they used" in said


def test_without_a_price_nothing_is_said_of_money(tmp_path, grader):
    uses, said = score(tmp_path, grader, "plain", price=None)
    assert "cost_usd" not in uses[0] and uses[0]["output_tokens"] == 2
    assert "200 input tokens (160 of them cached), 2 output tokens\n" in said and "USD" not in said


def test_at_the_ceiling_a_worker_waits_and_no_record_fails(scene, grader):
    made = {r["completion_id"]: r for r in (records.make(n, 7) for n in range(400))}
    scene.create(partitions=2)
    scene.write([(n % 2, records.key_of(r), records.to_json(r), []) for n, r in enumerate(made.values())])
    limits = {"drain": f"{DRAIN_SECONDS}s", "record_deadline": "1s", "max_grader_cost_per_hour": 0.015}  # 250 questions
    worker = scene.worker([TINY], grader={"price": PRICE}, limits=limits)
    worker.wait_for_log("grader.paused")
    time.sleep(2)  # longer than a record may take
    log = worker.log()
    assert re.search(r"grader\.paused 0\.015\S* USD spent in the last hour, and limits\.max_grader_cost_per_hour is 0\.015: .*"
                     r"goes on at \d\d:\d\d UTC", log)
    assert log.count("grader.paused") == 1 and "grader.goes_on" not in log
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < DRAIN_SECONDS + SLACK_SECONDS
    usage = re.findall(r"grader\.usage .*", worker.log())[-1]
    spent = float(re.search(r" cost_usd=(\S+)", usage).group(1))
    assert 0.015 <= spent < 0.015 + 64 * QUESTION
    rewards = [verify.parse(m) for m in scene.rewards()]
    assert 20 < len(rewards) < 400
    assert {r.status for r in rewards} == {protos.reward_pb2.STATUS_OK}

    worker = scene.worker([TINY], grader={"price": PRICE})  # what waited, without a ceiling
    messages = topics.wait_for(scene.broker.bootstrap, [scene.output], 400, 60, worker.alive)
    assert worker.stop() == 0
    policy = Policy(TINY)
    for m in messages:
        verify.ok_reward(m, made[verify.parse(m).completion_id], policy)
    scene.assert_conserved()
