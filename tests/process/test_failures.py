"""What becomes of records whose questions fail: retries, outages, deadlines, parts of an answer. All ways to fail: test_bad_grader.py."""

import pathlib
import time

import protos
import records
import verify
from reference import Policy

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"


def record_that(does, number=1):
    """A record whose questions all make the grader do that."""
    record = records.make(number, 30) | {"completion_id": f"{does}", "response_type": "comply"}
    record["completion"] = [{"role": "assistant", "content": f"text [[do:{does}]]"}]
    return record


def assert_no_number(reward):
    assert not reward.HasField("reward") and not reward.HasField("score")
    assert reward.mask_sample
    assert not any(c.HasField("value") for c in reward.components)
    assert all(p.HasField("probability") == (p.status == protos.reward_pb2.STATUS_OK) for p in reward.propositions)


def judge_all(scene, made, seconds=60, **changes):
    """completion_id -> Reward, one worker, all in flight at once."""
    scene.create(partitions=2)
    scene.write([(i % 2, records.key_of(r), records.to_json(r), []) for i, r in enumerate(made)])
    worker = scene.worker([TINY], **changes)
    scene.wait_for(len(made), seconds, worker)
    assert worker.stop() == 0
    scene.assert_conserved()
    return {r.completion_id: r for r in map(verify.parse, scene.rewards())}


def test_a_retry_finds_the_answer(scene):
    """The first attempt fails, the second is the ordinary answer; the message says what it took."""
    names = ["500*1", "429*1", "503*1", "reset*1", "html*1", "close-mid-body*1", "429-retry-after*1"]
    policy = Policy(TINY)
    made = {n: record_that(n) for n in names}
    rewards = judge_all(scene, list(made.values()), grader={"attempts": 3})
    for name, reward in rewards.items():
        verify.arithmetic(reward, policy, "comply", verify.judgments(reward, made[name], policy, "comply"),
                          made[name].get("reward_model_score"))
        assert all(p.attempts == 2 for p in reward.propositions), name
        assert reward.graders[0].retries == len(reward.propositions)
        assert reward.graders[0].requests == 2 * len(reward.propositions)
    assert rewards["429-retry-after*1"].grading_ms >= 1000


def test_some_questions_answered_is_not_enough(scene, tmp_path):
    """One of two fails: FAILED under `fail`; under `bounds`, PARTIAL with the range of the reward."""
    base = TINY.read_text().replace('"Does it preach?"', '"Does it preach? [[do:low-mass]]"')
    file = tmp_path / "policy.yaml"
    file.write_text(base)
    bounds = tmp_path / "bounds.yaml"
    bounds.write_text(base + "grading: {on_ungraded: bounds}\n")
    record = records.make(5, 33) | {"response_type": "comply"}
    record.pop("reward_model_score", None)
    scene.create(partitions=1)
    scene.write([(0, b"k", records.to_json(record), [])])
    for i, policy_file in enumerate((file, bounds)):
        worker = scene.worker([policy_file], kafka={"group": f"{scene.group}-{i}"})
        scene.wait_for(i + 1, 30, worker)
        assert worker.stop() == 0
    failed, partial = map(verify.parse, scene.rewards())
    assert (failed.status, protos.reason_name(failed.reason)) == (protos.reward_pb2.STATUS_FAILED, "LOW_PROBABILITY_MASS")
    assert [protos.status_name(p.status) for p in failed.propositions] == ["OK", "FAILED"]
    assert_no_number(failed)
    assert partial.status == protos.reward_pb2.STATUS_PARTIAL and not partial.HasField("reward")
    policy = Policy(bounds)
    known = {p.id: p.probability for p in partial.propositions if p.HasField("probability")}
    ends = [policy.compute("comply", known | {"preaching": x}).reward for x in (0.0, 1.0)]
    assert verify.close(partial.reward_lower, min(ends)) and verify.close(partial.reward_upper, max(ends))


def test_a_grader_that_is_away_and_comes_back(scene):
    """Connection refused: a pause, told in one line each way. Back again: all is judged, without help, within 6 s."""
    policy = Policy(TINY)
    made = [records.make(n, 34) for n in range(30)]
    scene.create(partitions=2)
    scene.grader.stop()
    try:
        scene.write([(n % 2, records.key_of(r), records.to_json(r), []) for n, r in enumerate(made)])
        worker = scene.worker([TINY], grader={"attempts": 1})
        time.sleep(12)
        assert worker.alive() and scene.rewards() == []
        assert worker.log().count("grader.down") == 1
    finally:
        scene.grader.start()
    scene.wait_for(30, 6, worker)
    assert worker.stop() == 0
    by_id = {r["completion_id"]: r for r in made}
    for m in scene.rewards():
        verify.ok_reward(m, by_id[verify.parse(m).completion_id], policy)
    assert worker.log().count("grader.down") == worker.log().count("grader.up") == 1
    scene.assert_conserved()


def test_a_short_absence_costs_nothing(scene):
    """Within the attempts and their waits, an outage is a pause."""
    policy = Policy(TINY)
    made = [records.make(n, 35) for n in range(10)]
    scene.create(partitions=1)
    scene.grader.mode("503")
    scene.write([(0, records.key_of(r), records.to_json(r), []) for r in made])
    seen = scene.grader.stats()["requests"]
    worker = scene.worker([TINY], grader={"attempts": 10})
    scene.grader.wait_for_requests(seen + 10)
    scene.grader.mode(None)
    scene.wait_for(10, 60, worker)
    assert worker.stop() == 0
    by_id = {r["completion_id"]: r for r in made}
    for m in scene.rewards():
        verify.ok_reward(m, by_id[verify.parse(m).completion_id], policy)
    scene.assert_conserved()


def test_the_records_deadline(scene):
    """A grader that hangs: the record is settled at its deadline, as EXPIRED, and not much later."""
    scene.create(partitions=1)
    record = record_that("hang")
    scene.write([(0, b"k", records.to_json(record), [])])
    worker = scene.worker([TINY], limits={"record_deadline": "2s"})
    [m] = scene.wait_for(1, 20, worker)
    reward = verify.parse(m)
    assert (protos.status_name(reward.status), protos.reason_name(reward.reason)) == ("EXPIRED", "DEADLINE")
    assert reward.retryable and 1900 <= reward.grading_ms <= 4000
    assert_no_number(reward)
    assert worker.stop() == 0
    scene.assert_conserved()


def test_a_deadline_in_the_record(scene):
    """deadline_ms in the past: settled without a question. In the near future: that one counts, not the settings'."""
    past = records.make(1, 36) | {"completion_id": "past", "deadline_ms": 1_000_000}
    soon = record_that("hang") | {"completion_id": "soon", "deadline_ms": int(time.time() * 1000) + 4000}
    far = records.make(2, 36) | {"completion_id": "far", "deadline_ms": int(time.time() * 1000) + 3_600_000}
    before = scene.grader.stats()["requests"]
    rewards = judge_all(scene, [past, soon, far])
    assert protos.status_name(rewards["past"].status) == "EXPIRED" and rewards["past"].graders[:] == []
    assert protos.status_name(rewards["soon"].status) == "EXPIRED" and rewards["soon"].grading_ms < 5000
    assert protos.status_name(rewards["far"].status) == "OK"
    for name in ("past", "soon"):
        assert protos.reason_name(rewards[name].reason) == "DEADLINE"
        assert_no_number(rewards[name])
    policy = Policy(TINY)
    asked = len(policy.asked("comply")) + len(policy.asked(policy.route(far["response_type"])))
    assert scene.grader.stats()["requests"] == before + asked


def test_records_the_policy_does_not_judge(scene, tmp_path):
    """No route: SKIPPED. Nothing in the completion, and the policy says so: SKIPPED."""
    overlay = tmp_path / "skip.yaml"
    overlay.write_text("grading: {empty_completion: skip}\n")
    unrouted = records.make(1, 37) | {"completion_id": "unrouted", "response_type": "poetry"}
    empty = records.make(2, 37) | {"completion_id": "empty", "completion": [{"role": "assistant", "content": " ... "}]}
    scene.create(partitions=1)
    scene.write([(0, b"k", records.to_json(r), []) for r in (unrouted, empty)])
    worker = scene.worker([TINY, overlay])
    got = {r.completion_id: r for r in map(verify.parse, scene.wait_for(2, 30, worker))}
    assert worker.stop() == 0
    for name, reason in (("unrouted", "NO_POLICY"), ("empty", "EMPTY_COMPLETION")):
        assert (protos.status_name(got[name].status), protos.reason_name(got[name].reason)) == ("SKIPPED", reason)
        assert not got[name].retryable
        assert_no_number(got[name])
    assert scene.dead_letters() == []
    scene.assert_conserved()


def test_one_stuck_record_delays_nobody_else(scene):
    """P8: a hanging grader call on one record; the others of its partition are judged meanwhile."""
    scene.create(partitions=1)
    stuck = record_that("hang")
    made = [stuck] + [records.make(n, 38) for n in range(50)]
    before = scene.grader.stats()["requests"]
    scene.write([(0, records.key_of(r), records.to_json(r), []) for r in made])
    started = time.monotonic()
    worker = scene.worker([TINY], limits={"record_deadline": "6s"})
    policy = Policy(TINY)
    asked = sum(len(policy.asked(policy.route(r["response_type"]))) for r in made)
    scene.grader.wait_for_requests(before + asked, 5)
    assert time.monotonic() - started < 5.5
    got = [verify.parse(m) for m in scene.wait_for(51, 20, worker)]
    assert worker.stop() == 0
    assert [protos.status_name(r.status) for r in got if r.completion_id == "hang"] == ["EXPIRED"]
    assert sum(r.status == protos.reward_pb2.STATUS_OK for r in got) == 50
    scene.assert_conserved()
