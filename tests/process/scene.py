"""The topics of one test on a broker that others use too, and the workers on them."""

import itertools

import checker
import topics
from worker import Worker, settings

numbers = itertools.count(1)


class Scene:
    """The topics of one test, and the workers on them."""

    def __init__(self, broker, grader, folder):
        self.broker = broker
        self.grader = grader
        self.folder = folder
        n = next(numbers)
        self.input, self.output, self.dead, self.group = (f"{what}-{n}" for what in ("completions", "rewards", "dead", "group"))
        self.workers = []

    def create(self, partitions=2, output=None, dead=None, **configs):
        """configs: input_config, output_config, dead_config: the topics' own settings."""
        self.broker.create_topics({
            self.input: (partitions, {"max.message.bytes": "8388608", **configs.get("input_config", {})}),
            self.output: (output or partitions, configs.get("output_config", {})),
            self.dead: (dead or 1, {"max.message.bytes": "8388608", **configs.get("dead_config", {})}),
        })
        return self

    def settings(self, policy_files, **changes):
        kafka = {"input": self.input, "output": self.output, "dead_letters": self.dead, "group": self.group}
        changes["kafka"] = {**kafka, **changes.get("kafka", {})}
        return settings(self.broker.bootstrap, self.grader.url, policy_files, **changes)

    def worker(self, policy_files, **changes):
        """A started worker."""
        w = Worker(self.folder, self.settings(policy_files, **changes), f"worker{len(self.workers) + 1}")
        self.workers.append(w)
        return w.start()

    def write(self, records):
        return topics.write(self.broker.bootstrap, self.input, records)

    def wait_for(self, count, seconds, worker=None):
        """The first `count` committed messages of both output topics."""
        return topics.wait_for(self.broker.bootstrap, [self.output, self.dead], count, seconds,
                               worker.alive if worker is not None else lambda: True)

    def rewards(self):
        return topics.read(self.broker.bootstrap, self.output)

    def dead_letters(self):
        return topics.read(self.broker.bootstrap, self.dead)

    def assert_conserved(self, allow_repeats=False):
        return checker.assert_conserved(self.broker, self.input, self.output, self.dead, self.group, allow_repeats)
