"""Writing and reading topics with kafka-python, in read_committed unless said otherwise."""

import collections
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

Message = collections.namedtuple("Message", "topic partition offset key value headers timestamp")


def header(message, name):
    """The one header of that name as text; None when absent."""
    found = [v for k, v in message.headers if k == name]
    assert len(found) <= 1, f"header {name} is there {len(found)} times"
    return found[0].decode() if found else None


def write(bootstrap, topic, records):
    """records: [(partition, key, value, headers)]. Returns their offsets, in order."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=16 << 20, linger_ms=20,
                             batch_size=1 << 18)
    try:
        sent = [producer.send(topic, value, key=key, headers=list(headers), partition=partition)
                for partition, key, value, headers in records]
        producer.flush()
        return [s.get(timeout=30).offset for s in sent]
    finally:
        producer.close()


class Reader:
    """All partitions of one topic from the beginning; more() returns what has come since."""

    def __init__(self, bootstrap, topic, isolation="read_committed"):
        self.consumer = KafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation, enable_auto_commit=False,
                                      auto_offset_reset="earliest", max_partition_fetch_bytes=32 << 20,
                                      fetch_max_bytes=64 << 20, fetch_max_wait_ms=50)
        self.partitions = [TopicPartition(topic, p) for p in sorted(self.consumer.partitions_for_topic(topic))]
        self.consumer.assign(self.partitions)
        self.consumer.seek_to_beginning(*self.partitions)

    def more(self, timeout_ms=200):
        got = []
        for messages in self.consumer.poll(timeout_ms=timeout_ms, max_records=5000).values():
            got += [Message(m.topic, m.partition, m.offset, m.key, m.value, m.headers, m.timestamp) for m in messages]
        return got

    def to_the_end(self, seconds=30):
        """Each message up to the last stable offset of now. So many seconds without one are too many."""
        ends = self.consumer.end_offsets(self.partitions)
        limit = time.monotonic() + seconds
        while any(self.consumer.position(p) < ends[p] for p in self.partitions):
            if time.monotonic() > limit:
                raise TimeoutError(f"{self.partitions[0].topic} could not be read to its end")
            for message in self.more():
                yield message
                limit = time.monotonic() + seconds

    def close(self):
        self.consumer.close()


def each(bootstrap, topic, isolation="read_committed"):
    """One after another: a topic may be larger than memory."""
    reader = Reader(bootstrap, topic, isolation)
    try:
        yield from reader.to_the_end()
    finally:
        reader.close()


def read(bootstrap, topic, isolation="read_committed"):
    return list(each(bootstrap, topic, isolation))


def wait_for(bootstrap, topics, count, seconds, alive=lambda: True):
    """Until the topics together hold `count` committed messages (or more); returns them."""
    readers = [Reader(bootstrap, t) for t in topics]
    got, limit = [], time.monotonic() + seconds
    try:
        while len(got) < count:
            if not alive():
                raise RuntimeError(f"the worker ended; {len(got)} of {count} messages were there")
            if time.monotonic() > limit:
                raise TimeoutError(f"{len(got)} of {count} messages after {seconds} s")
            for reader in readers:
                got += reader.more()
        return got
    finally:
        for reader in readers:
            reader.close()
