"""Completion records of the tests' own making, as JSON and as protobuf."""

import json
import random

import protos

TYPES = ("hard_refuse", "safe_refuse_1", "safe_refuse_2", "comply")
WORDS = ("river", "garden", "copper", "winter", "lamp", "naïve", "quick", "sorry", "cannot", "help", "Straße", "漢字",
         "🙂", "answer", "please", "tomorrow", "\"quoted\"", "back\\slash", "tab\there", "line\nbreak")


def sentence(rng, most=40):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def make(number, seed=1):
    """A record as plain data: the names of the protobuf fields."""
    rng = random.Random(f"{seed}/{number}")
    turns = [{"role": "user", "content": sentence(rng)}]
    for _ in range(rng.randint(0, 2)):
        turns += [{"role": "assistant", "content": sentence(rng)}, {"role": "user", "content": sentence(rng)}]
    if rng.random() < 0.2:
        turns.insert(0, {"role": "system", "content": sentence(rng)})
    record = {
        "completion_id": f"c-{number}",
        "run_id": f"run-{seed}",
        "attempt": rng.choice((0, 0, 1)),
        "group_id": f"g-{number // 4}",
        "sample_index": number % 4,
        "group_size": 4,
        "data_source": "tests",
        "prompt": turns,
        "completion": [{"role": "assistant", "content": f"{number}: {sentence(rng, 80)}"}],
        "response_type": rng.choice(TYPES),
        "global_step": number,
        "weight_versions": ["w1", "w2"][:rng.randint(0, 2)],
        "labels": [{"key": "shard", "value": str(number % 7)}],
    }
    if rng.random() < 0.5:
        record["reward_model_score"] = rng.uniform(-3, 3)
    return record


def to_json(record):
    return json.dumps(record, ensure_ascii=len(record["completion_id"]) % 2 == 0).encode()


def to_protobuf(record):
    message = protos.completion_pb2.CompletionRecord()
    for key, value in record.items():
        if key in ("prompt", "completion", "labels"):
            for item in value:
                getattr(message, key).add(**item)
        elif key == "weight_versions":
            message.weight_versions.extend(value)
        else:
            setattr(message, key, value)
    return message.SerializeToString()


def to_confluent(record, schema=7):
    return b"\0" + schema.to_bytes(4, "big") + b"\0" + to_protobuf(record)


def key_of(record):
    return record.get("group_id", record["completion_id"]).encode()
