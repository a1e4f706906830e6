"""The master invariant, from Kafka alone, by a client that is not librdkafka:

each consumed offset ends in exactly one of {reward, dead letter}; the committed offsets are the input's end; nothing
hangs in a transaction; no failure has a number.

collect() reads the facts, violations() judges them; test_checker.py plants every defect and sees it found.
"""

import dataclasses
import time

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CoordinatorNotAvailableError

import protos
import topics


@dataclasses.dataclass
class Facts:
    offsets: dict  # input partition -> offsets of its records
    ends: dict  # input partition -> its end (the last stable offset)
    committed: dict  # input partition -> the group's committed offset, None when there is none
    rewards: list  # (partition, offset) of the source of every committed reward
    dead: list  # the same of every committed dead letter
    numbers: list = dataclasses.field(default_factory=list)  # rewards without a usable verdict that have a number all the same
    strangers: list = dataclasses.field(default_factory=list)  # messages that name no source of this input
    unstable: dict = dataclasses.field(default_factory=dict)  # output topic/partition -> (last stable, high watermark)
    open_transactions: list = dataclasses.field(default_factory=list)


def violations(facts, allow_repeats=False):
    """One sentence for each break of the invariant. allow_repeats: at_least_once after a crash."""
    found = []
    terminal = {}
    for kind, sources in (("reward", facts.rewards), ("dead letter", facts.dead)):
        for source in sources:
            terminal.setdefault(source, []).append(kind)
    for partition, offsets in sorted(facts.offsets.items()):
        known = set(offsets)
        committed = facts.committed.get(partition)
        for offset in offsets:
            kinds = terminal.get((partition, offset), [])
            if not kinds:
                found.append(f"lost: {partition}/{offset} has neither reward nor dead letter")
            elif len(set(kinds)) > 1:
                found.append(f"both: {partition}/{offset} has a reward and a dead letter")
            elif len(kinds) > 1 and not allow_repeats:
                found.append(f"repeated: {partition}/{offset} has {len(kinds)} of {kinds[0]}")
        for source in sorted(s for s in terminal if s[0] == partition and s[1] not in known):
            found.append(f"invented: {source[0]}/{source[1]} is no record of the input")
        end = facts.ends[partition]
        if committed is None and offsets:
            found.append(f"uncommitted: partition {partition} has no committed offset, its end is {end}")
        elif committed is not None and committed < end:
            found.append(f"behind: partition {partition} is committed up to {committed}, its end is {end}")
        elif committed is not None and committed > end:
            found.append(f"beyond: partition {partition} is committed up to {committed}, its end is {end}")
    for source in sorted(s for s in terminal if s[0] not in facts.offsets):
        found.append(f"invented: {source[0]}/{source[1]} is no record of the input")
    found += [f"number: {n}" for n in facts.numbers]
    found += [f"stranger: {s}" for s in facts.strangers]
    for where, (stable, high) in sorted(facts.unstable.items()):
        if stable != high:
            found.append(f"hanging: {where} is stable up to {stable}, written up to {high}")
    found += [f"hanging: transaction {t} is open" for t in facts.open_transactions]
    return found


def committed_offsets(admin, group, seconds=20):
    """partition -> offset. A broker that never had a group makes its offsets topic first."""
    end = time.monotonic() + seconds
    while True:
        try:
            return admin.list_group_offsets([group])[group]
        except CoordinatorNotAvailableError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def watermarks(bootstrap, topic):
    """topic/partition -> (last stable offset, high watermark)."""
    ends = []
    for isolation in ("read_committed", "read_uncommitted"):
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation, enable_auto_commit=False)
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        ends.append(consumer.end_offsets(partitions))
        consumer.close()
    return {f"{p.topic}/{p.partition}": (ends[0][p], ends[1][p]) for p in partitions}


WITHOUT_A_REWARD = {protos.reward_pb2.STATUS_FAILED, protos.reward_pb2.STATUS_SKIPPED, protos.reward_pb2.STATUS_EXPIRED}


def reward_sources(messages, input_topic):
    sources, strangers, numbers = [], [], []
    for m in messages:
        reward = protos.reward_pb2.Reward()
        reward.ParseFromString(m.value)
        if reward.source.topic == input_topic:
            sources.append((reward.source.partition, reward.source.offset))
        else:
            strangers.append(f"{m.topic}/{m.partition}/{m.offset} is of {reward.source.topic!r}")
        if reward.status in WITHOUT_A_REWARD and reward.HasField("reward"):
            numbers.append(f"{reward.source.partition}/{reward.source.offset} is {protos.status_name(reward.status)} "
                           f"and has the reward {reward.reward}")
    return sources, strangers, numbers


def dead_sources(messages, input_topic):
    sources, strangers = [], []
    for m in messages:
        if topics.header(m, "__connect.errors.topic") == input_topic:
            sources.append((int(topics.header(m, "__connect.errors.partition")),
                            int(topics.header(m, "__connect.errors.offset"))))
        else:
            strangers.append(f"{m.topic}/{m.partition}/{m.offset} has no source")
    return sources, strangers


OPEN = ("Ongoing", "PrepareCommit", "PrepareAbort")


def open_transactions(admin, output_topics):
    """The names of those that the coordinator has not ended, but for other tests': which write to their topics, not to ours."""
    listed = admin.list_transactions(state_filters=OPEN)
    found = []
    for name in (t.transactional_id for per_broker in listed.values() for t in per_broker):
        now = admin.describe_transactions([name])[name]
        written = {p.topic for p in now.topic_partitions} - {"__consumer_offsets"}
        if now.state.value in OPEN and (not written or written & output_topics):
            found.append(name)
    return found


def collect(broker, input_topic, output_topic, dead_topic, group):
    ends = watermarks(broker.bootstrap, input_topic)
    facts = Facts(offsets={}, ends={}, committed={}, rewards=[], dead=[])
    for where, (stable, _) in ends.items():
        facts.ends[int(where.rsplit("/", 1)[1])] = stable
        facts.offsets[int(where.rsplit("/", 1)[1])] = []
    for m in topics.each(broker.bootstrap, input_topic):
        facts.offsets[m.partition].append(m.offset)
    for partition, offset in committed_offsets(broker.admin, group).items():
        if partition.topic == input_topic:
            facts.committed[partition.partition] = offset.offset
    facts.rewards, strangers, facts.numbers = reward_sources(topics.each(broker.bootstrap, output_topic), input_topic)
    facts.dead, more = dead_sources(topics.each(broker.bootstrap, dead_topic), input_topic)
    facts.strangers = strangers + more
    facts.unstable = {**watermarks(broker.bootstrap, output_topic), **watermarks(broker.bootstrap, dead_topic)}
    facts.open_transactions = open_transactions(broker.admin, {output_topic, dead_topic})
    return facts


def assert_conserved(broker, input_topic, output_topic, dead_topic, group, allow_repeats=False):
    """What every process test ends with. Commits and watermarks may settle for a moment after the last message."""
    end = time.monotonic() + 10
    while True:
        facts = collect(broker, input_topic, output_topic, dead_topic, group)
        found = violations(facts, allow_repeats)
        if not found:
            return facts
        if time.monotonic() > end:
            raise AssertionError("\n".join(found[:30]))
        time.sleep(0.3)
