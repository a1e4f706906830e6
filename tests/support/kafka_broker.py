"""One real Kafka broker for a test session, or a cluster of three: KRaft, combined mode, loopback, random ports, a temporary
folder.

A broker runs in a process group of its own and is ended by its pid. Its log stays in the folder; `tail()` shows the end of it.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import uuid
import base64

from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

START_SECONDS = 60
HEAP = "512m"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},BEHIND://127.0.0.1:{behind_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},BEHIND://127.0.0.1:{proxy_port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=65536
offsets.topic.segment.bytes=1048576
transaction.state.log.segment.bytes=1048576
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
message.max.bytes=16777216
"""

# Of a cluster of three.
THREE = """\
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
min.insync.replicas=2
"""

LOG4J = """\
log4j.rootLogger=WARN, stdout
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%d{ABSOLUTE} %p %c{1}: %m%n
"""


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "rbr"


def jars_folder(version="3.9.1"):
    """The jars, fetched when they are not there yet."""
    folder = cache_folder() / f"kafka-{version}"
    if not (folder / "libs").is_dir():
        fetch = pathlib.Path(__file__).with_name("fetch_kafka.sh")
        subprocess.run([str(fetch), str(folder), version], check=True)
    return folder / "libs"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def new_cluster_id():
    cluster = "-"
    while cluster.startswith("-"):  # that one would be taken for an option
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return cluster


class Broker:
    def __init__(self, folder, more="", proxy=None, heap=HEAP):
        """more: lines of server.properties that go over the ones above.

        proxy: a kafka_proxy.Proxy; who connects to it stays behind it, because the broker calls itself by its port there."""
        self.folder = pathlib.Path(folder)
        self.more = more
        self.heap = heap
        self.nodes = [self]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.controller_port = free_port()
        self.behind_port = free_port()
        self.proxy = proxy
        if proxy is not None:
            proxy.target = self.behind_port
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.log_path = self.folder / "kafka.log"
        self.process = None
        self.admin = None

    # ---- life ----------------------------------------------------------------------------------

    def java(self, *args):
        java = shutil.which("java")
        if java is None:
            raise RuntimeError("no java; install the Debian package openjdk-17-jre-headless")
        return [java, f"-Xmx{self.heap}", f"-Xms{self.heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                f"-Dlog4j.configuration=file:{self.folder}/log4j.properties",
                "-cp", f"{jars_folder()}/*", *args]

    def start(self):
        self.format(new_cluster_id())
        self.restart()
        return self

    def format(self, cluster):
        properties = self.folder / "server.properties"
        properties.write_text(PROPERTIES.format(port=self.port, controller_port=self.controller_port, folder=self.folder,
                                                behind_port=self.behind_port,
                                                proxy_port=self.proxy.port if self.proxy else self.behind_port) + self.more)
        (self.folder / "log4j.properties").write_text(LOG4J)
        formatted = subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)),
                                   capture_output=True, text=True, check=False)
        if formatted.returncode != 0:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{formatted.stdout}{formatted.stderr}")

    def run(self):
        """The process, without a wait."""
        with open(self.log_path, "ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(self.java("kafka.Kafka", str(self.folder / "server.properties")), stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)

    def kill(self):
        """As a crash does: no word to anybody, nothing closed."""
        self.admin.close()
        self.admin = None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self):
        """After kill() or stop(): the same ports, the same data."""
        self.run()
        self.wait()

    def wait(self):
        """Started is two things: the line in the log, and an answer to an admin call. An open port alone is neither."""
        end = time.monotonic() + START_SECONDS
        while b"Kafka Server started" not in self.log_path.read_bytes()[self.log_from:]:
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > end:
                raise RuntimeError(f"Kafka was not up within {START_SECONDS} s:\n{self.tail()}")
            time.sleep(0.1)
        while True:
            try:
                self.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
                self.admin.list_topics()
                return
            except KafkaError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def stop(self):
        if self.admin is not None:
            self.admin.close()
            self.admin = None
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self, lines=40):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    # ---- topics --------------------------------------------------------------------------------

    def create_topics(self, topics):
        """topics: name -> partitions, or name -> (partitions, {config})."""
        create_topics(self.admin, topics, 1)


class Cluster:
    """Three brokers that hold everything three times, and go on while two of them are there. What a test does to one of them,
    it does to one of `nodes`."""

    def __init__(self, folder, more=""):
        self.folder = pathlib.Path(folder)
        self.nodes = [Broker(self.folder / f"node{i}", heap="320m") for i in (1, 2, 3)]
        voters = ",".join(f"{i}@127.0.0.1:{node.controller_port}" for i, node in enumerate(self.nodes, 1))
        for i, node in enumerate(self.nodes, 1):
            node.more = f"node.id={i}\ncontroller.quorum.voters={voters}\n{THREE}{more}"
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)
        self.admin = None

    def start(self):
        cluster = new_cluster_id()
        for node in self.nodes:
            node.format(cluster)
        for node in self.nodes:
            node.run()
        for node in self.nodes:
            node.wait()
        self.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        return self

    def stop(self):
        if self.admin is not None:
            self.admin.close()
            self.admin = None
        for node in self.nodes:
            node.stop()

    def tail(self, lines=40):
        return "\n".join(node.tail(lines) for node in self.nodes)

    def create_topics(self, topics):
        create_topics(self.admin, topics, len(self.nodes))


def create_topics(admin, topics, replicas):
    new = []
    for name, wanted in topics.items():
        partitions, configs = wanted if isinstance(wanted, tuple) else (wanted, {})
        new.append(NewTopic(name, num_partitions=partitions, replication_factor=replicas, topic_configs=configs))
    admin.create_topics(new)
