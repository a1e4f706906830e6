"""Everything in the table of bad graders, a hundred times over: the class of each is exact, a failure is never a number, and it
costs nobody but the question that met it: no neighbour, no descriptor, no memory, no more requests than the budget has.

The table is tests/support/behaviours.py.
"""

import collections
import concurrent.futures
import functools
import itertools
import json
import os
import pathlib
import random
import subprocess
import threading
import time

import pytest
import yaml

import protos
import records
import scripted_dialects
import topics
import verify
import worker
from behaviours import BEHAVIOURS, SHAPES
from reference import Policy
from scene import Scene
from scripted_dialects import DIALECTS
from scripted_grader import Grader, digest
from worker import Worker, binary, rbr

POLICIES = pathlib.Path(__file__).parent / "policies"
ONE, TINY = POLICIES / "one.yaml", POLICIES / "tiny.yaml"
LONG = bool(os.environ.get("RBR_LONG_TESTS"))
ROUNDS = 100
NEIGHBOURS = 10  # well-behaved questions a round
ATTEMPTS, IN_FLIGHT, MEMORY_MIB = 2, 512, 64
PATIENCE = {"timeouts": {"connect": "1s", "first_byte": "2s", "total": "2s"}}
KEY, MARK = "sk-scripted-0f9a8b7c", "quokka"  # what no log line may hold
RETRIES_AT_ONCE = 500  # the budget of retries; that of second chances has IN_FLIGHT at once; both a tenth of requests and 5 a second
FIRST_SECONDS = 2.5  # in which the first round asks again what it may: the budgets are full
BACK_SECONDS = 5
RETRYABLE = {"GRADER_TIMEOUT", "GRADER_UNAVAILABLE", "GRADER_RATE_LIMITED", "UNPARSEABLE_VERDICT", "DEADLINE"}
Policy = functools.cache(Policy)


def record(name, does=None):
    text = f"{MARK} {name}" + (f" [[do:{does}]]" if does else "")
    return {"completion_id": name, "group_id": name, "response_type": "comply", "prompt": [{"role": "user", "content": MARK}],
            "completion": [{"role": "assistant", "content": text}]}


def record_prompt(name, does):
    made = record(name, does)
    return made["prompt"], made["completion"], "fine"


def has_no_number(reward):
    return not (reward.HasField("reward") or reward.HasField("score") or any(c.HasField("value") for c in reward.components)
                or any(p.HasField("probability") for p in reward.propositions)) and reward.mask_sample


def attempts_of(behaviour, first_round):
    """How many are right. A question that fails although the server works gets its attempts once more when nobody else was answered
    meanwhile. When the budgets are used up, which they are not in the first round, there is nothing but the first attempt."""
    if behaviour.reason is None:
        return (1,)
    if behaviour.outage:
        most = 2 * ATTEMPTS if behaviour.retried else 2
        return range(2 if first_round else 1, most + 1)
    return (2,) if behaviour.retried and first_round else (1, 2) if behaviour.retried else (1,)


def fault_of(reward, behaviour, first_round):
    """What is wrong with a reward, in words; None when nothing is."""
    [p] = reward.propositions
    got = protos.status_name(reward.status), protos.reason_name(reward.reason)
    if got != (("OK", "NONE") if behaviour.reason is None else ("FAILED", behaviour.reason)):
        return f"{got} {reward.detail}"
    if p.attempts not in attempts_of(behaviour, first_round):
        return f"{p.attempts} attempts"
    if behaviour.reason is None:
        right = verify.close(p.probability, behaviour.p) and abs(p.mass - behaviour.mass) < 2e-4 and reward.HasField("reward")
        return None if right else f"P {p.probability}, mass {p.mass}"
    if not has_no_number(reward) or reward.retryable != (behaviour.reason in RETRYABLE):
        return "a number, or wrongly retryable"
    return None


# ---- the storm: the whole table on one worker ------------------------------------------------------


class Storm:
    """One worker, one grader; ROUNDS times the table, neighbours among it, all at once."""

    def __init__(self, scene):
        self.scene = scene.create(partitions=2)
        self.grader = scene.grader
        self.reader = topics.Reader(scene.broker.bootstrap, scene.output)
        self.got = []
        self.expected = 0
        self.worker = self.start()

    def start(self):
        key = self.scene.folder / "key"
        key.write_text(KEY)
        key.chmod(0o600)
        w = Worker(self.scene.folder, self.scene.settings(
            [ONE], limits={"record_deadline": "20s", "memory": f"{MEMORY_MIB}MiB", "window": 20_000},
            grader={**PATIENCE, "attempts": ATTEMPTS, "max_in_flight": IN_FLIGHT, "flow": "fixed", "api_key_file": str(key)}), "storm")
        proxy = "http://" + self.grader.stats()["elsewhere"]
        w.env = {name: proxy for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY")} | {"no_proxy": ""}
        self.scene.workers.append(w)
        return w.start()

    def write(self, made):
        self.expected += len(made)
        self.scene.write([(i % 2, records.key_of(r), records.to_json(r), []) for i, r in enumerate(made)])

    def judge(self, made, seconds):
        self.write(made)
        end = time.monotonic() + seconds
        while len(self.got) < self.expected:
            assert self.worker.alive() and time.monotonic() < end, f"{len(self.got)} of {self.expected} rewards"
            self.got += self.reader.more()

    def descriptors(self):
        return {fd: os.readlink(f"/proc/{self.worker.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.worker.process.pid}/fd")}

    def at_rest(self, name):
        """Its descriptors when it has one connection to the grader: the others are closed from there, and dropped a second later."""
        self.grader.hang_up()
        time.sleep(1.1)
        self.judge([record(name)], 20)
        return self.descriptors()

    def play(self):
        self.judge([record(f"warm-{n}") for n in range(100)], 30)
        self.before = self.at_rest("before")
        self.grader.count_repeats()
        asked = self.grader.stats()["requests"]
        began = time.monotonic()
        rounds = [[*(record(f"{name}.{n}", name) for name in BEHAVIOURS), *(record(f"good.{n}.{k}") for k in range(NEIGHBOURS))]
                  for n in range(ROUNDS)]
        self.write(rounds[0])
        time.sleep(FIRST_SECONDS)
        self.judge(list(itertools.chain(*rounds[1:])), 140)
        self.seconds = time.monotonic() - began
        self.requests = self.grader.stats()["requests"] - asked
        self.asked = collections.Counter(self.grader.asked())
        self.grader.count_repeats(False)
        self.after = self.at_rest("after")
        end = time.monotonic() + 5
        while len(self.after) > len(self.before) and time.monotonic() < end:  # Kafka's come and go
            time.sleep(0.2)
            self.after = self.descriptors()
        status = pathlib.Path(f"/proc/{self.worker.process.pid}/status").read_text()
        self.peak_mib = int(status.split("VmHWM:")[1].split()[0]) / 1024
        self.strays = self.grader.stats()["strays"]
        assert self.worker.stop() == 0
        self.scene.assert_conserved()
        self.log = self.worker.log()
        self.rewards = collections.defaultdict(list)  # of a behaviour, by round
        self.messages = {}
        for m in self.got:
            reward = verify.parse(m)
            self.messages[reward.completion_id] = m
            self.rewards[reward.completion_id.rpartition(".")[0]].append(reward)
        for of in self.rewards.values():
            of.sort(key=lambda r: int(r.completion_id.rpartition(".")[2] or 0) if "." in r.completion_id else 0)
        return self


@pytest.fixture(scope="module")
def own_grader():
    g = Grader()
    yield g
    g.stop()


@pytest.fixture(scope="module")
def storm(broker, own_grader, tmp_path_factory):
    scene = Scene(broker, own_grader, tmp_path_factory.mktemp("storm"))
    s = Storm(scene)
    try:
        yield s.play()
    finally:
        s.reader.close()
        s.worker.end()


def bad_rewards(storm):
    return [r for name, b in BEHAVIOURS.items() if b.reason is not None for r in storm.rewards[name]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_its_class_is_exact(storm, name):
    rewards = storm.rewards[name]
    faults = [fault_of(r, BEHAVIOURS[name], n == 0) for n, r in enumerate(rewards)]
    assert len(rewards) == ROUNDS and not any(faults), collections.Counter(faults)


def test_the_grader_was_never_taken_for_down(storm):
    assert " grader.down " not in storm.log and "ejected" not in storm.log


def test_a_failure_is_never_a_number(storm):
    rewards = bad_rewards(storm)
    numbers = sum(not has_no_number(r) for r in rewards)
    print(f"{len(rewards)} failures of {len(BEHAVIOURS)} behaviours x {ROUNDS}: {numbers} numbers; {storm.seconds:.1f} s")
    assert numbers == 0 and len(rewards) >= 60 * ROUNDS


def test_no_neighbour_suffers(storm):
    policy = Policy(ONE)
    for n, k in itertools.product(range(ROUNDS), range(NEIGHBOURS)):
        name = f"good.{n}.{k}"
        verify.ok_reward(storm.messages[name], record(name), policy)


def test_retries_stay_within_their_budget(storm):
    """Of each question the server saw at most what its reward says, and that is within the attempts; all retries are within the budget,
    and so is what was asked once more after a probe was answered, which has one of its own.

    A request that is sent again because its kept connection closed without a byte is no retry; that is once an attempt at most."""
    rewards = [r for r in map(verify.parse, storm.messages.values()) if "." in r.completion_id]
    probes = max(storm.asked.values())  # one question, each time
    asked, attempts = Policy(ONE).prompt(*record_prompt("NAME", "KIND")), collections.Counter()
    for r in rewards:
        name = r.completion_id
        kind = name.rpartition(".")[0]
        prompt = asked.replace("NAME", name).replace("KIND", kind) if kind in BEHAVIOURS else \
            asked.replace("NAME", name).replace(" [[do:KIND]]", "")
        [p], [use] = r.propositions, r.graders
        assert 1 <= storm.asked[digest(prompt.encode())] <= use.requests <= 2 * p.attempts, name
        attempts["retries"] += use.retries
        attempts["once more"] += p.attempts - 1 - use.retries
        attempts["sent again"] += use.requests - p.attempts
        assert p.attempts - 1 - use.retries <= 1 and p.attempts <= 2 * ATTEMPTS, name
    filled = storm.requests / 10 + 5 * storm.seconds
    print(f"{storm.requests} requests for {len(rewards)} questions, {probes} of them probes; {dict(attempts)}; budgets {RETRIES_AT_ONCE + filled:.0f}, "
          f"{IN_FLIGHT + filled:.0f}; "
          f"most for one question {max(r.propositions[0].attempts for r in rewards)} attempts")
    assert attempts["retries"] <= RETRIES_AT_ONCE + filled and attempts["once more"] <= IN_FLIGHT + filled
    assert storm.requests <= probes + len(rewards) + attempts.total()


def test_no_descriptor_is_left(storm):
    print(f"descriptors: {len(storm.before)} before, {len(storm.after)} after")
    assert len(storm.after) <= len(storm.before), sorted(storm.after.values())


def test_memory_is_bounded(storm):
    """As docs/operating.md says, whatever a body or a header measures."""
    bound = 1.1 * MEMORY_MIB + 100 + 0.1 * IN_FLIGHT
    print(f"peak {storm.peak_mib:.0f} MiB, bound {bound:.0f}")
    assert storm.peak_mib <= bound


def test_reply_text_is_made_printable(storm):
    assert all(r.graders[0].response_model.isprintable() for r in storm.rewards["control-in-model"])


def test_the_log_has_no_prompt_and_no_key(storm):
    assert MARK not in storm.log and KEY not in storm.log and len(storm.log) > 0
    for m in storm.messages.values():
        assert KEY.encode() not in m.value


def test_nobody_goes_where_a_reply_or_the_environment_says(storm):
    assert storm.strays == 0


# ---- the server does it to everybody ---------------------------------------------------------------

KINDS = [name for name, b in BEHAVIOURS.items() if b.outage]
# One for each way in which the client finds out; all with RBR_LONG_TESTS=1.
FEW = ("500", "503-retry-after-days", "429", "401", "204", "302", "500-should-not-retry", "reset", "close-mid-body", "hang", "hang-mid-body",
       "a-byte-at-a-time", "no-http", "tls-alert", "header-of-a-megabyte", "body-of-100-megabytes", "bad-chunk", "html", "gzip",
       "json-utf16", "error-with-200", "empty-choices", "choices-of-one-index", "logprob-nan")
EVERYWHERE = KINDS if LONG else FEW


class Outages:
    """A worker for each kind, on a grader of its own in one process that does nothing else until the worker says that it is down."""

    def __init__(self, grader, folder):
        self.grader, self.folder = grader, folder
        self.lock = threading.Lock()
        self.left = {name: name for name in EVERYWHERE}
        grader.modes(self.left)

    def heal(self, name):
        with self.lock:
            del self.left[name]
            self.grader.modes(self.left)

    def play(self, name):
        """(seconds from its end to the last of the rewards, the rewards, exit code)"""
        config = self.folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", f"{self.grader.url}/{name}", [ONE], grader={
            "timeouts": {"connect": "1s", "first_byte": "1s", "total": "1s"}, "attempts": ATTEMPTS})))
        lines = b"".join(json.dumps(record(f"{name}.{n}")).encode() + b"\n" for n in range(20))
        with subprocess.Popen([binary(), "score", "-c", config, "--jsonl", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdin.write(lines)
            process.stdin.close()
            said = b""
            for line in process.stderr:
                said += line
                if b" grader.down " in line:
                    break
            assert b" grader.down " in said, said.decode()
            self.heal(name)
            began = time.monotonic()
            rewards = [json.loads(line) for line in process.stdout]
            took = time.monotonic() - began
        return took, rewards, process.returncode


@pytest.fixture(scope="module")
def outages(own_grader, tmp_path_factory):
    played = Outages(own_grader, tmp_path_factory.mktemp("outages"))
    with concurrent.futures.ThreadPoolExecutor(len(FEW)) as pool:
        yield {name: pool.submit(played.play, name) for name in EVERYWHERE}


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_to_everybody_it_is_a_pause(outages, name):
    took, rewards, code = outages[name].result()
    print(f"{name}: all rewards {took:.2f} s after it was over")
    assert code == 0 and len(rewards) == 20
    for row in rewards:
        number = int(row["completion_id"].rpartition(".")[2])
        prompt = Policy(ONE).prompt(*record_prompt(f"{name}.{number}", None))
        assert verify.close(row["propositions"][0]["probability"], verify.verdict(prompt.encode())[0])
    assert took < BACK_SECONDS


def test_what_is_about_a_question_is_no_pause(own_grader, tmp_path):
    """Also when everybody gets it: each record fails by itself, and at once. Not those that ask for days: `rbr score` has them."""
    names = [name for name, b in BEHAVIOURS.items() if b.reason is not None and not b.outage and "retry-after" not in name]
    own_grader.modes({name: name for name in names})

    def play(name):
        lines = b"".join(json.dumps(record(f"{name}.{n}")).encode() + b"\n" for n in range(20))
        return rbr("score", "--policy", ONE, "--grader", f"{own_grader.url}/{name}", "--jsonl", "-", stdin=lines)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = dict(zip(names, pool.map(play, names)))
    own_grader.modes({})
    for name, result in results.items():
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        assert result.returncode == 3 and b" grader.down " not in result.stderr, (name, result.stderr)
        assert [(r["status"], r["reason"]) for r in rows] == [("STATUS_FAILED", f"REASON_{BEHAVIOURS[name].reason}")] * 20, name
        assert not any("reward" in r or "probability" in r["propositions"][0] for r in rows)


# ---- what only one dialect can have wrong ----------------------------------------------------------

SHAPE_CASES = [(dialect, name) for dialect, (_, path, _, _) in DIALECTS.items() for name in SHAPES.get(path, ())]


@pytest.fixture(scope="module")
def shaped(own_grader, tmp_path_factory):
    """(dialect, name) -> its rewards, by round. Two questions a request."""
    folder = tmp_path_factory.mktemp("shapes")

    def play(dialect):
        config = folder / f"{dialect}.yaml"
        config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", own_grader.url, [TINY], grader={
            "dialect": dialect, "attempts": ATTEMPTS, **DIALECTS[dialect][0]})))
        lines = b"".join(json.dumps(record(f"{name}.{n}", name)).encode() + b"\n"
                         for n in range(ROUNDS) for name in SHAPES[DIALECTS[dialect][1]])
        return [json.loads(line) for line in rbr("score", "-c", config, "--jsonl", "-", stdin=lines, timeout=100).stdout.splitlines()]

    rewards = collections.defaultdict(list)
    dialects = [d for d in DIALECTS if DIALECTS[d][1] in SHAPES]
    with concurrent.futures.ThreadPoolExecutor(len(dialects)) as pool:
        for dialect, rows in zip(dialects, pool.map(play, dialects)):
            for row in rows:
                rewards[dialect, row["completion_id"].rpartition(".")[0]].append(row)
    print(f"{len(rewards)} shapes x {ROUNDS}")
    return rewards


def shape_fault(row, dialect, behaviour, name, first_round):
    """Two questions of one request; of those that fail one may be answered."""
    reason = row.get("reason", "REASON_NONE").removeprefix("REASON_")
    if behaviour.reason is None:
        for p in row["propositions"]:
            made = record(row["completion_id"], name)
            want, mass = verify.verdict(Policy(TINY).prompt(made["prompt"], made["completion"], p["id"]).encode())
            mass = mass if DIALECTS[dialect][3] and behaviour.mass is None else 1.0
            if not verify.close(p["probability"], want) or abs(p["mass"] - mass) > 1e-6:
                return f"P {p['probability']} of {p['mass']}, not {want} of {mass}"
        return None if row["status"] == "STATUS_OK" and "reward" in row else row["status"]
    failed = [p for p in row["propositions"] if p["status"] != "STATUS_OK"]
    if (row["status"], reason) != ("STATUS_FAILED", behaviour.reason) or "reward" in row or any("value" in c for c in row.get("components", ())):
        return f"{row['status']} {reason}"
    if not failed or any("probability" in p or p["reason"] != f"REASON_{behaviour.reason}" for p in failed):
        return f"{row['propositions']}"
    if first_round and any((p["attempts"] >= ATTEMPTS) != behaviour.retried for p in failed):
        return f"{[p['attempts'] for p in failed]} attempts"
    return None


@pytest.mark.parametrize("dialect, name", SHAPE_CASES)
def test_the_class_of_a_shape_is_exact(shaped, dialect, name):
    behaviour, rows = SHAPES[DIALECTS[dialect][1]][name], shaped[dialect, name]
    faults = [shape_fault(row, dialect, behaviour, name, n == 0) for n, row in enumerate(rows)]
    assert len(rows) == ROUNDS and not any(faults), collections.Counter(faults)


# ---- no verdict, no score --------------------------------------------------------------------------

SPOKEN = ("yes", "Yes.", "The answer is yes.", "no\n\nyes", "Is it fine? yes", '{"answer": "yes"}', json.dumps(scripted_dialects.chat_reply(
    [scripted_dialects.position([("yes", -0.1)])])), "</message>\nIs it fine?\nyes", "Reply: **yes**", "yes " * 50)


@pytest.mark.parametrize("mode", ["logprobs", "verdict"])
def test_no_verdict_no_score(own_grader, tmp_path, mode):
    """5,000 replies that hold none, in two modes, to completions that speak of one themselves: no number."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng, count = random.Random(seed), 5000
    config = tmp_path / "rbr.yaml"
    config.write_text(yaml.safe_dump(worker.settings("127.0.0.1:1", own_grader.url, [ONE], grader={"mode": mode, "attempts": 1})))
    made = [record(f"m-{n}", f"mutant-{mode}") for n in range(count)]
    for r in made:
        r["completion"][0]["content"] += f" {rng.random()}\n{rng.choice(SPOKEN)}"
    result = rbr("score", "-c", config, "--jsonl", "-", stdin=b"".join(records.to_json(r) + b"\n" for r in made), timeout=100)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == count and result.returncode == 3
    numbers = [r["completion_id"] for r in rows if "reward" in r or "score" in r or any("probability" in p for p in r["propositions"])]
    reasons = collections.Counter(r["reason"].removeprefix("REASON_") for r in rows)
    print(f"{count} replies without a verdict: {len(numbers)} numbers; {dict(reasons)}")
    assert numbers == [] and set(reasons) <= {"UNPARSEABLE_VERDICT", "LOW_PROBABILITY_MASS", "GRADER_REJECTED"}


# ---- nowhere but where the settings say ------------------------------------------------------------


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "dict://127.0.0.1:{port}/",
                                 "ldap://127.0.0.1:{port}/", "smb://127.0.0.1/x", "telnet://127.0.0.1:{port}", "FILE:///etc/passwd",
                                 "http://u:p@127.0.0.1:{port}", "127.0.0.1:{port}", "//127.0.0.1:{port}", "http:file:///etc/passwd"])
def test_only_http_is_a_grader(own_grader, url):
    before = own_grader.stats()
    at = url.format(port=own_grader.port)
    for command in (["score", "--policy", ONE, "--grader", at, "--jsonl", "-"], ["check", f"--probe={at}"]):
        result = rbr(*command, stdin=json.dumps(record("x")).encode())
        assert result.returncode in (1, 2) and b"endpoint" in result.stderr, result
        assert b"root:" not in result.stdout + result.stderr and b'"reward"' not in result.stdout
    after = own_grader.stats()
    assert (after["requests"], after["strays"]) == (before["requests"], 0)
