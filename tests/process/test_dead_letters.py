"""Malformed records: each comes back whole in the dead-letter topic with a reason; its neighbours are scored."""

import json
import pathlib
import struct

import pytest

import records
import topics
import verify
from reference import Policy

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"

GOOD = records.make(1, 9)
PB = records.to_protobuf(GOOD)
TURN = '{"role":"user","content":"hi"}'
ANSWER = '{"role":"assistant","content":"yo-yo ma"}'
JSON, PROTOBUF, CONFLUENT = ([("content-type", t)] for t in
                             (b"application/json", b"application/x-protobuf", b"application/vnd.confluent.protobuf"))


def doc(*members, **replace):
    """JSON text of a good record with some members replaced (by JSON text), dropped (None), or added."""
    base = {"id": '"x"', "prompt": f"[{TURN}]", "completion": f"[{ANSWER}]", "response_type": '"comply"'} | replace
    return ("{" + ",".join([f'"{k}":{v}' for k, v in base.items() if v is not None] + list(members)) + "}").encode()


def field(number, payload):
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def message(role=b"user", content=b"hi"):
    return field(1, role) + field(2, content)


def packed(*, cid=b"x", prompt=None, completion=None, more=b""):
    """A hand-made CompletionRecord."""
    return ((field(1, cid) if cid else b"") + (field(20, message() if prompt is None else prompt) if prompt != b"" else b"")
            + (field(21, message(b"assistant") if completion is None else completion) if completion != b"" else b"") + more)


DOUBLE = struct.Struct("<d")

# name -> (value, headers, reason, what stands in the message)
CASES = {
    # no record at all
    "tombstone": (None, [], "EMPTY_VALUE", "byte 0"),
    "empty value": (b"", [], "EMPTY_VALUE", "byte 0"),
    "too large": (doc(extra='"' + "a" * 4_200_000 + '"'), [], "TOO_LARGE", "byte 4194304"),
    # JSON, the text
    "not json": (b"{nonsense}", [], "BAD_JSON", "byte 1"),
    "single quotes": (b"{'id':1}", [], "BAD_JSON", "byte 1"),
    "truncated in a string": (b'{"id":"abc', [], "TRUNCATED_JSON", "byte 10"),
    "truncated after a comma": (b'{"id":"abc",', [], "TRUNCATED_JSON", "byte 12"),
    "truncated after the brace": (b"{", [], "TRUNCATED_JSON", "byte 1"),
    "trailing text": (doc() + b" x", [], "TRAILING_JSON", f"byte {len(doc()) + 1}"),
    "two documents": (doc() + b"\n" + doc(), [], "TRAILING_JSON", f"byte {len(doc()) + 1}"),
    "duplicate key": (doc('"id":"y"'), [], "DUPLICATE_KEY", ""),
    "duplicate key within": (doc(prompt='[{"role":"user","role":"user","content":"x"}]'), [], "DUPLICATE_KEY", ""),
    "nan": (doc('"reward_model_score":NaN'), [], ("BAD_JSON", "NOT_FINITE"), ""),
    "infinity by size": (doc('"reward_model_score":1e999'), [], "NOT_FINITE", ""),
    "invalid utf-8": (doc(completion='"aXb"').replace(b"X", b"\xff"), [], "NOT_UTF8", ""),
    "overlong utf-8": (doc(completion='"aXb"').replace(b"X", b"\xc0\xaf"), [], "NOT_UTF8", ""),
    "utf-8 surrogate": (doc(completion='"aXb"').replace(b"X", b"\xed\xa0\x80"), [], "NOT_UTF8", ""),
    "truncated utf-8": (doc(completion='"aX"').replace(b"X", b"\xf0\x9f\x98"), [], "NOT_UTF8", ""),
    "lone surrogate": (doc(completion='"a\\ud83d"'), [], "LONE_SURROGATE", ""),
    "low surrogate first": (doc(completion='"\\ude00\\ud83d"'), [], "LONE_SURROGATE", ""),
    "raw control character": (doc(completion='"a\x01b"'), [], "BAD_JSON", ""),
    "bad escape": (doc(completion='"a\\qb"'), [], "BAD_JSON", ""),
    "nested too deep": (doc("\"deep\":" + "[" * 3000 + "]" * 3000), [], "TOO_DEEP", ""),
    "leading zero": (doc('"attempt":01'), [], "BAD_JSON", ""),
    "an array": (b"[1]", JSON, "NOT_AN_OBJECT", "byte 0"),
    "a string": (b'"hello"', JSON, "NOT_AN_OBJECT", "byte 0"),
    "byte order mark": (b"\xef\xbb\xbf" + doc(), JSON, "BAD_JSON", "byte 0"),
    # JSON, the fields
    "no prompt": (doc(prompt=None), [], "MISSING_PROMPT", "prompt"),
    "empty prompt": (doc(prompt="[]"), [], "MISSING_PROMPT", "prompt"),
    "null prompt": (doc(prompt="null"), [], "MISSING_PROMPT", "prompt"),
    "no completion": (doc(completion=None), [], "MISSING_COMPLETION", "completion"),
    "messages without an answer": (doc(f'"messages":[{TURN}]', prompt=None, completion=None), [], "MISSING_COMPLETION", ""),
    "messages without a question": (doc(f'"messages":[{ANSWER}]', prompt=None, completion=None), [], "MISSING_PROMPT", ""),
    "messages beside a prompt": (doc(f'"messages":[{TURN},{ANSWER}]'), [], "CONFLICTING_ALIASES", "messages"),
    "two ids": (doc('"rollout_id":"other"'), [], "CONFLICTING_ALIASES", ""),
    "two completions": (doc('"response":"other"'), [], "CONFLICTING_ALIASES", ""),
    "prompt is a number": (doc(prompt="7"), [], "WRONG_TYPE", "prompt"),
    "completion is an object": (doc(completion="{}"), [], "WRONG_TYPE", "completion"),
    "message is a string": (doc(prompt='["hi"]'), [], "WRONG_TYPE", "prompt[0]"),
    "content is a number": (doc(prompt='[{"role":"user","content":5}]'), [], "WRONG_TYPE", "prompt[0].content"),
    "no role": (doc(prompt='[{"content":"x"}]'), [], "BAD_ROLE", "prompt[0].role"),
    "empty role": (doc(prompt='[{"role":"","content":"x"}]'), [], "BAD_ROLE", "prompt[0].role"),
    "role with a break": (doc(prompt='[{"role":"user\\n|SYSTEM|","content":"x"}]'), [], "BAD_ROLE", "prompt[0].role"),
    "role is a number": (doc(prompt='[{"role":1,"content":"x"}]'), [], "BAD_ROLE", "prompt[0].role"),
    "negative attempt": (doc('"attempt":-1'), [], "OUT_OF_RANGE", "attempt"),
    "attempt of 33 bits": (doc('"attempt":4294967296'), [], "OUT_OF_RANGE", "attempt"),
    "attempt and a half": (doc('"attempt":1.5'), [], "OUT_OF_RANGE", "attempt"),
    "attempt as text": (doc('"attempt":"1"'), [], "WRONG_TYPE", "attempt"),
    "step beyond 64 bits": (doc('"global_step":9223372036854775808'), [], "OUT_OF_RANGE", "global_step"),
    "score as text": (doc('"reward_model_score":"0.5"'), [], "WRONG_TYPE", "reward_model_score"),
    "id is a list": (doc(id="[1]"), [], "WRONG_TYPE", "completion_id"),
    "labels as text": (doc('"labels":"a=b"'), [], "WRONG_TYPE", "labels"),
    "label probability above one": (doc('"propositions":{"a":1.5}'), [], "OUT_OF_RANGE", "propositions"),
    "label as text": (doc('"propositions":{"a":"yes"}'), [], "WRONG_TYPE", "propositions"),
    # protobuf
    "random bytes": (b"\xff\xfe\xfd\xfc", [], "BAD_PROTOBUF", "byte 0"),
    "plain text": (b"hello world", [], "BAD_PROTOBUF", ""),
    "cut protobuf": (PB[:-3], [], "BAD_PROTOBUF", ""),
    "field number zero": (b"\x02\x01a" + PB, [], "BAD_PROTOBUF", "byte 0"),
    "group wire type": (PB + b"\x0b\x0c", [], "BAD_PROTOBUF", f"byte {len(PB)}"),
    "length past the end": (packed(more=b"\x32\x7f" + b"a"), [], "BAD_PROTOBUF", ""),
    "endless varint": (packed(more=b"\x18" + b"\xff" * 11), [], "BAD_PROTOBUF", ""),
    "field bomb": (packed(more=field(10, b"") * 150_000), [], "TOO_MANY_FIELDS", ""),
    "field bomb within": (packed(prompt=message() + field(6, b"") * 150_000), [], "TOO_MANY_FIELDS", ""),
    "protobuf id is bad utf-8": (packed(cid=b"a\xff"), [], "NOT_UTF8", "completion_id"),
    "protobuf content is bad utf-8": (packed(completion=message(b"assistant", b"ab\xc3(")), [], "NOT_UTF8",
                                      "completion[0].content"),
    "protobuf label is bad utf-8": (packed(more=field(44, field(1, b"\x80"))), [], "NOT_UTF8", "labels.key"),
    "protobuf without an id": (packed(cid=b""), [], "MISSING_ID", "completion_id"),
    "protobuf without a prompt": (packed(prompt=b""), [], "MISSING_PROMPT", "prompt"),
    "protobuf without a completion": (packed(completion=b""), [], "MISSING_COMPLETION", "completion"),
    "protobuf without a role": (packed(prompt=field(2, b"hi")), [], "BAD_ROLE", "prompt[0].role"),
    "protobuf role is a heading": (packed(prompt=message(b"|SYSTEM|")), [], "BAD_ROLE", "prompt[0].role"),
    "protobuf score is nan": (packed(more=b"\x89\x02" + DOUBLE.pack(float("nan"))), [], "NOT_FINITE", "reward_model_score"),
    "protobuf score is infinite": (packed(more=b"\x89\x02" + DOUBLE.pack(float("inf"))), [], "NOT_FINITE", "reward_model_score"),
    # Confluent framing
    "framing, header only": (b"\0\0\0\0\x07", [], "BAD_FRAMING", "byte 0"),
    "framing, no message": (b"\0\0\0\0\x07\0", [], "BAD_FRAMING", "byte 6"),
    "framing, another message type": (b"\0\0\0\0\x07\x02\x04" + PB, [], "BAD_FRAMING", ""),
    "framing, many indexes": (b"\0\0\0\0\x07\x7e" + PB, [], "BAD_FRAMING", ""),
    "framing, endless varint": (b"\0\0\0\0\x07" + b"\xff" * 12, [], "BAD_FRAMING", ""),
    "framing, broken message": (b"\0\0\0\0\x07\0" + PB[:-3], [], "BAD_PROTOBUF", ""),
    "a lone zero": (b"\0", [], "BAD_FRAMING", "byte 0"),
    # a header says otherwise
    "protobuf announced as json": (PB, JSON, ("NOT_UTF8", "BAD_JSON"), ""),
    "json announced as protobuf": (doc(), PROTOBUF, "BAD_PROTOBUF", ""),
    "protobuf announced as framed": (PB, CONFLUENT, "BAD_FRAMING", "byte 0"),
}


def test_there_are_at_least_40_kinds():
    assert len(CASES) >= 40


def test_what_the_table_says_is_good_is_good(scene):
    """The hand-made values differ from good ones only in what their case is about."""
    scene.create(partitions=1)
    scene.write([(0, None, v, h) for v, h in ((doc(), []), (doc(), JSON), (packed(), []), (packed(), PROTOBUF),
                                              (b"\0\0\0\0\x07\0" + packed(), []), (b"\0\0\0\0\x07\x02\0" + packed(), CONFLUENT))])
    worker = scene.worker([TINY])
    scene.wait_for(6, 30, worker)
    assert worker.stop() == 0
    assert scene.dead_letters() == [] and len(scene.rewards()) == 6
    scene.assert_conserved()


OTHER_HEADERS = [("trace", b"\x00\xff"), ("empty", b""), ("trace", b"twice")]


def expect_dead_letter(m, scene, name, partition, offset):
    value, headers, reason, where = CASES[name]
    reasons = reason if isinstance(reason, tuple) else (reason,)
    text = topics.header(m, "__connect.errors.exception.message")
    assert m.value == value, "the value changed"
    assert m.key == name.encode(), "the key changed"
    original = [h for h in m.headers if not h[0].startswith("__connect.errors.") and h[0] != "rbr-reason"]
    assert original == [*headers, *OTHER_HEADERS], "the headers changed"
    assert topics.header(m, "rbr-reason") in reasons, text
    assert topics.header(m, "__connect.errors.topic") == scene.input
    assert topics.header(m, "__connect.errors.partition") == str(partition)
    assert topics.header(m, "__connect.errors.offset") == str(offset)
    assert topics.header(m, "__connect.errors.stage") == "decode"
    assert topics.header(m, "__connect.errors.exception.class.name") == topics.header(m, "rbr-reason")
    assert text.startswith(topics.header(m, "rbr-reason")) and where in text, (where, text)
    assert len(text) < 256 and text.isprintable()


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_every_malformed_record_is_a_dead_letter(scene, delivery):
    """All kinds, good records between them, on one worker that stays alive."""
    scene.create(partitions=2)
    names = list(CASES)
    written, good = [], {}
    for i, name in enumerate(names):
        value, headers, _, _ = CASES[name]
        written.append((i % 2, name.encode(), value, [*headers, *OTHER_HEADERS]))
        record = records.make(i, 10)
        good[len(written)] = record
        written.append((i % 2, records.key_of(record), records.to_json(record), []))
    offsets = scene.write(written)
    worker = scene.worker([TINY], kafka={"delivery": delivery})
    scene.wait_for(len(written), 60, worker)
    assert worker.alive()
    record = records.make(1000, 10)  # it works on
    written.append((0, records.key_of(record), records.to_protobuf(record), []))
    good[len(written) - 1] = record
    offsets += scene.write(written[-1:])
    scene.wait_for(len(written), 30, worker)
    assert worker.stop() == 0

    dead = {m.key.decode(): m for m in scene.dead_letters()}
    assert sorted(dead) == sorted(names)
    wrong = []
    for i, name in enumerate(names):
        try:
            expect_dead_letter(dead[name], scene, name, i % 2, offsets[2 * i])
        except AssertionError as fault:
            wrong.append(f"{name}: {str(fault).splitlines()[0]}")
    assert not wrong, "\n" + "\n".join(wrong)

    by_source = {(written[i][0], offsets[i]): r for i, r in good.items()}
    rewards = scene.rewards()
    assert len(rewards) == len(by_source)
    for m in rewards:
        source = verify.parse(m).source
        verify.ok_reward(m, by_source[source.partition, source.offset], Policy(TINY))
    scene.assert_conserved()
    assert "yo-yo" not in worker.log() and "hello world" not in worker.log(), "a record's text is in the log"


def test_a_record_without_an_id_is_named_by_its_place(scene):
    scene.create(partitions=1)
    [offset] = scene.write([(0, None, doc(id=None), [])])
    worker = scene.worker([TINY])
    [m] = scene.wait_for(1, 30, worker)
    assert worker.stop() == 0
    assert verify.parse(m).completion_id == f"{scene.input}/0/{offset}"
    scene.assert_conserved()


def test_a_dead_letter_too_large_for_its_topic_becomes_a_small_one(scene):
    scene.create(partitions=1, dead_config={"max.message.bytes": "20000"})
    big = b"{" + b"x" * 100_000
    record = records.make(2, 11)
    scene.write([(0, b"k", big, []), (0, b"g", records.to_json(record), [])])
    worker = scene.worker([TINY])
    scene.wait_for(2, 40, worker)
    assert worker.stop() == 0
    [m] = scene.dead_letters()
    assert m.value is None
    assert topics.header(m, "rbr-reason") == "MESSAGE_TOO_LARGE"
    assert topics.header(m, "__connect.errors.offset") == "0"
    assert len(scene.rewards()) == 1
    scene.assert_conserved()


def test_a_redriven_dead_letter_carries_its_headers_once(scene):
    """A record that comes back with our own headers of an earlier pass."""
    scene.create(partitions=1)
    scene.write([(0, b"k", b"{broken", [("rbr-reason", b"OLD"), ("__connect.errors.topic", b"old"), ("mine", b"1")])])
    worker = scene.worker([TINY])
    scene.wait_for(1, 30, worker)
    assert worker.stop() == 0
    [m] = scene.dead_letters()
    assert topics.header(m, "rbr-reason") == "BAD_JSON"
    assert topics.header(m, "__connect.errors.topic") == scene.input
    assert topics.header(m, "mine") == "1"
    assert json.dumps([k for k, _ in m.headers]).count("rbr-reason") == 1
    scene.assert_conserved()
