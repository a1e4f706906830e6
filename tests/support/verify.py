"""A reward message against its record: identity, judgments, classes, components, sum. One error names the first difference."""

import math

import protos
import topics
from scripted_dialects import verdict

TOLERANCE = 1e-12


def parse(message):
    reward = protos.reward_pb2.Reward()
    reward.ParseFromString(message.value)
    return reward


def close(a, b, tolerance=TOLERANCE):
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def envelope(message, reward, record, policy):
    assert topics.header(message, "content-type") == "application/x-protobuf; message=rbr.v1.Reward"
    assert topics.header(message, "rbr-status") == protos.status_name(reward.status)
    assert topics.header(message, "rbr-policy") == policy.y["policy"]["id"]
    for name in ("completion_id", "run_id", "attempt", "group_id", "group_size", "data_source", "global_step"):
        assert getattr(reward, name) == record.get(name, type(getattr(reward, name))()), name
    assert reward.HasField("sample_index") == ("sample_index" in record)
    assert list(reward.weight_versions) == record.get("weight_versions", [])
    assert [(x.key, x.value) for x in reward.labels] == [(x["key"], x["value"]) for x in record.get("labels", [])]
    assert len(reward.reward_id) == 32 and int(reward.reward_id, 16) >= 0
    assert len(reward.policy_hash) == 64
    assert reward.received_at_ms <= reward.scored_at_ms


def judgments(reward, record, policy, response_type, expected=None):
    """Each is what the grader says to the prompt that the record makes. Returns name -> P(yes)."""
    got = {}
    assert [p.id for p in reward.propositions] == policy.asked(response_type)
    for p in reward.propositions:
        assert p.status == protos.reward_pb2.STATUS_OK and p.HasField("probability"), p
        assert len(p.digest) == 16 and p.attempts >= 1
        prompt = policy.prompt(record["prompt"], record["completion"], p.id)
        probability, mass = (expected or verdict)(prompt.encode("utf-8"))
        assert close(p.probability, probability), (p.id, p.probability, probability)
        assert math.isclose(p.mass, mass, rel_tol=1e-6), (p.id, p.mass, mass)
        got[p.id] = p.probability
    return got


def arithmetic(reward, policy, response_type, probabilities, reward_model_score=None):
    out = policy.compute(response_type, probabilities, reward_model_score)
    assert [c.name for c in reward.classes] == list(out.classes)
    for c in reward.classes:
        assert close(c.probability, out.classes[c.name]), (c.name, c.probability, out.classes[c.name])
    assert reward.predicted_class == out.predicted
    assert reward.HasField("score") and close(reward.score, out.score)
    assert [c.name for c in reward.components] == [c[0] for c in out.components]
    for c, (name, weight, raw, value) in zip(reward.components, out.components):
        assert c.weight == weight and c.HasField("raw") == (raw is not None), (name, c.weight, weight)
        assert raw is None or close(c.raw, raw), (name, c.raw, raw)
        assert c.HasField("value"), name
        assert close(c.value, value), (name, c.value, value)
    assert reward.HasField("reward") and close(reward.reward, out.reward), (reward.reward, out.reward)
    total = 0.0
    for c in reward.components:
        total += c.value
    assert total == reward.reward, "the components do not add up bit for bit"


def ok_reward(message, record, policy):
    """All of it, for a record that the scripted grader judged without trouble."""
    reward = parse(message)
    assert reward.status == protos.reward_pb2.STATUS_OK, (protos.reason_name(reward.reason), reward.detail)
    assert reward.reason == protos.reward_pb2.REASON_NONE
    assert not reward.retryable and not reward.mask_sample
    response_type = policy.route(record["response_type"], record.get("behavior_category", ""))
    assert reward.response_type == response_type
    envelope(message, reward, record, policy)
    probabilities = judgments(reward, record, policy, response_type)
    arithmetic(reward, policy, response_type, probabilities, record.get("reward_model_score"))
    return reward
