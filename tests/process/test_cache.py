"""Kept judgments: what was answered is not asked again, not after a kill, not by another worker of the host, not by another group."""

import os
import pathlib
import random
import re
import resource

import pytest

import protos
import records
from worker import rbr

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
IN_FLIGHT = 16
LONG = os.environ.get("RBR_LONG_TESTS") == "1"


def put(scene, count, seed, partitions=2):
    scene.write([(n % partitions, b"k", records.to_json(records.make(n, seed)), []) for n in range(count)])


def worker(scene, name, **changes):
    """Publishes seldom, so that much is answered and not yet published at any moment."""
    changes.setdefault("kafka", {"instance_id": name})
    changes.setdefault("cache", {"path": str(scene.folder / "judgments")})
    changes.setdefault("limits", {"publish_interval": "1s", "drain": "3s"})
    return scene.worker([TINY], grader={"max_in_flight": IN_FLIGHT, "flow": "fixed"}, **changes)


def start_counting(scene, delay=0.02):
    scene.grader.count_repeats()
    scene.grader.delay(delay)


def wait_for_more_requests(scene, n):
    scene.grader.wait_for_requests(scene.grader.stats()["requests"] + n)


def rewards(scene):
    return [protos.reward_pb2.Reward.FromString(m.value) for m in scene.rewards()]


def verify(scene):
    result = rbr("cache", "verify", scene.folder / "judgments")
    found = dict(line.split(None, 1) for line in result.stdout.decode().splitlines())
    return result.returncode, found


def test_a_kill_costs_no_more_than_the_calls_in_flight(scene):
    scene.create(partitions=2)
    put(scene, 2000, seed=71)
    start_counting(scene)
    w = worker(scene, "one")
    kills = 6
    for _ in range(kills):
        wait_for_more_requests(scene, 500)
        w.process.kill()
        w.process.wait()
        w.start()
    scene.grader.delay(0)
    scene.wait_for(2000, 60, w)
    assert w.stop() == 0
    scene.assert_conserved()
    again = scene.grader.stats()["repeated"]
    print(f"asked again per kill: {again / kills:.1f}, in flight at most {IN_FLIGHT}")
    assert 0 < again <= kills * IN_FLIGHT
    assert "cache.unusable" not in w.log() and "cache.begun_anew" not in w.log()
    code, found = verify(scene)
    assert code == 0 and found["damaged"] == "0"


def test_another_worker_of_the_host_finds_what_a_dead_one_was_answered(scene):
    scene.create(partitions=2)
    put(scene, 1500, seed=72)
    start_counting(scene)
    dying, other = (worker(scene, name, kafka={"transactional_id": f"{scene.group}-{name}"}) for name in "ab")
    dying.wait_for_log("source.assigned")
    other.wait_for_log("source.assigned")
    wait_for_more_requests(scene, 600)
    before = scene.grader.stats()["repeated"]
    dying.process.kill()
    dying.process.wait()
    scene.grader.delay(0)
    scene.wait_for(1500, 60, other)
    assert other.stop() == 0
    scene.assert_conserved()
    again = scene.grader.stats()["repeated"] - before
    print(f"asked again: {again}")
    assert again <= IN_FLIGHT


def test_joining_and_leaving_asks_nothing_again(scene):
    scene.create(partitions=2)
    put(scene, 2500, seed=73)
    start_counting(scene)
    stays = worker(scene, "stays")
    wait_for_more_requests(scene, 200)
    for _ in range(2):
        comes = worker(scene, "comes")
        comes.wait_for_log("source.assigned")
        wait_for_more_requests(scene, 300)
        assert comes.stop() == 0
    scene.grader.delay(0)
    scene.wait_for(2500, 60, stays)
    assert stays.stop() == 0
    scene.assert_conserved()
    assert scene.grader.stats()["repeated"] == 0


def test_another_group_asks_nothing_at_all(scene):
    """The same records once more, as a replay reads them: each judgment is there, and says that it was kept."""
    scene.create(partitions=2)
    put(scene, 200, seed=74)
    start_counting(scene, delay=0)
    first = worker(scene, "first")
    scene.wait_for(200, 30, first)
    assert first.stop() == 0
    assert not any(p.cached for r in rewards(scene) for p in r.propositions)
    asked = scene.grader.stats()["requests"]
    second = worker(scene, "second", kafka={"group": f"{scene.group}-again"})
    scene.wait_for(400, 30, second)
    assert second.stop() == 0
    assert scene.grader.stats()["requests"] == asked

    by_source = {}
    for r in rewards(scene):
        by_source.setdefault((r.source.partition, r.source.offset), []).append(r)
    for first, second in by_source.values():
        assert first.reward == second.reward
        assert [(p.id, p.probability, p.digest) for p in first.propositions] == \
               [(p.id, p.probability, p.digest) for p in second.propositions]
        judged = [p for p in second.propositions if p.digest]
        assert judged and all(p.cached for p in judged)
        assert second.graders[0].requests == 0 and second.graders[0].cache_hits == len(judged)
        assert second.graders[0].response_model == first.graders[0].response_model != ""


def test_a_lost_file_is_filled_from_the_rewards(scene, tmp_path):
    """From the topic, and from the lines that `rbr tail` makes of it: the same judgments, and nothing is asked again."""
    scene.create(partitions=2)
    put(scene, 200, seed=78)
    start_counting(scene, delay=0)
    first = worker(scene, "first")
    scene.wait_for(200, 30, first)
    assert first.stop() == 0
    kept = verify(scene)[1]["judgments"]
    (scene.folder / "judgments").unlink()
    loaded = rbr("cache", "load", "-c", first.config_path, f"topic:{scene.output}")
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stderr.startswith(f"{kept.split()[0]} judgments of 200 rewards put into ".encode())
    code, found = verify(scene)
    assert code == 0 and found["judgments"] == kept
    asked = scene.grader.stats()["requests"]
    second = worker(scene, "second", kafka={"group": f"{scene.group}-again"})
    scene.wait_for(400, 30, second)
    assert second.stop() == 0
    assert scene.grader.stats()["requests"] == asked

    lines = tmp_path / "rewards.jsonl"
    lines.write_bytes(rbr("tail", "-c", first.config_path, "--json", "--count", "200").stdout)
    other = tmp_path / "from_lines"
    loaded = rbr("cache", "load", "-c", first.config_path, "--set", f"cache.path={other}", lines)
    assert loaded.returncode == 0, loaded.stderr
    slots = lambda path: {data[at:at + 16]: data[at + 24:at + 40]  # noqa: E731  digest -> probability, mass
                          for data in [path.read_bytes()] for at in range(4096, len(data), 128) if any(data[at:at + 16])}
    assert slots(other).items() <= slots(scene.folder / "judgments").items() and slots(other)


@pytest.mark.timeout(1800 if LONG else 150)
def test_rewards_restore_a_lost_cache(scene):
    """cache.restore_from, with the file deleted and without any: another group judges the same records and asks nothing.
    RBR_LONG_TESTS=1: 20,000 of them."""
    count, seconds = (20_000, 600) if LONG else (300, 30)
    scene.create(partitions=2)
    put(scene, count, seed=79)
    start_counting(scene, delay=0)
    before = scene.grader.stats()["requests"]
    first = worker(scene, "first")
    scene.wait_for(count, seconds, first)
    assert first.stop() == 0
    asked = scene.grader.stats()["requests"]
    for round, path in enumerate((str(scene.folder / "judgments"), None), start=1):
        (scene.folder / "judgments").unlink(missing_ok=True)
        again = worker(scene, f"again{round}", kafka={"group": f"{scene.group}-{round}"},
                       cache={"path": path, "restore_from": [scene.output]})
        scene.wait_for(count * (round + 1), seconds, again)
        assert again.stop() == 0
        again_asked = scene.grader.stats()["requests"] - asked
        print(f"{count} records, {asked - before} questions once; with {'the file deleted' if path else 'no file'}: {again_asked} asked again")
        assert again_asked == 0
        assert re.search(rf"restore.done rewards={count * round} ", again.log())


def test_what_cannot_be_loaded_says_why(scene, tmp_path):
    config = tmp_path / "w.yaml"
    config.write_text("cache: {path: kept}\n")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"propositions": []}\n{"status": "STATUS_OK"}\n')
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    cases = [(["-c", config, wrong], 1, b"wrong.jsonl:2: no reward: it has no list of propositions"),
             (["-c", config, empty], 1, b"empty.jsonl has no rewards"),
             (["-c", config, tmp_path / "nowhere"], 1, b"nowhere"),
             (["-c", config, "topic:x[3,2)"], 2, b"'topic:x[3,2)' is not topic:NAME or topic:NAME[FROM,TO) with FROM below TO"),
             (["-c", config, "--set", "cache.path=", wrong], 2, b"the settings have no cache.path"),
             (["-c", config], 2, b"load what?")]
    for args, code, says in cases:
        result = rbr("cache", "load", *args)
        assert (result.returncode, says in result.stderr) == (code, True), result.stderr


def judge_again(scene, before=None, running=None, path=None):
    """200 records are judged; something happens to the file, and they and 100 others are judged again; at last by a worker that
    keeps nothing. All say the same. The second's log, and how many questions each of the three asked."""
    scene.create(partitions=2)
    put(scene, 200, seed=80)
    start_counting(scene, delay=0)
    kept, asked = scene.folder / "judgments", [scene.grader.stats()["requests"]]

    def judge(name, total, file, then=None):
        w = worker(scene, name, kafka={"group": f"{scene.group}-{name}"}, cache={"path": file})
        if then:
            then(w)
        scene.wait_for(total, 30, w)
        assert w.stop() == 0
        asked.append(scene.grader.stats()["requests"])
        return w.log()

    judge("first", 200, str(kept))
    if before:
        before(kept)
    put(scene, 100, seed=81)
    log = judge("second", 500, path or str(kept), running)
    judge("third", 800, None)
    said = {}
    for r in rewards(scene):
        source = (r.source.partition, r.source.offset)
        said.setdefault(source, []).append([(p.id, p.probability, p.digest) for p in r.propositions])
    assert sorted(map(len, said.values())) == [2] * 100 + [3] * 200
    wrong = sum(one != last for *ones, last in said.values() for one in ones)
    asked = [after - then for then, after in zip(asked, asked[1:], strict=False)]
    print(f"asked {asked}, {wrong} rewards with a wrong judgment")
    assert wrong == 0
    return log, *asked


def corrupt_pages(path):
    """Half of those that hold something: zeros, noise, another page of the file, a wrong byte in each probability."""
    rng, data = random.Random(80), bytearray(path.read_bytes())
    used = [at for at in range(4096, len(data), 4096) if any(data[at:at + 4096])]
    for n, at in enumerate(rng.sample(used, len(used) // 2)):
        page, other = data[at:at + 4096], rng.choice(used)
        for slot in range(0, 4096, 128):
            page[slot + 30] ^= 1
        data[at:at + 4096] = (bytes(4096), rng.randbytes(4096), data[other:other + 4096], page)[n % 4]
    path.write_bytes(data)


def test_corrupt_pages_are_asked_again(scene):
    log, first, second, third = judge_again(scene, before=corrupt_pages)
    assert third - first < second < third
    assert "cache.unusable" not in log


def test_on_a_full_disk_scoring_goes_on(scene):
    """It can be read, and almost nowhere be written."""
    log, first, second, third = judge_again(
        scene, running=lambda w: resource.prlimit(w.process.pid, resource.RLIMIT_FSIZE, (1 << 18, 1 << 18)))
    assert second == third - first
    assert len(re.findall("cache.unusable.*cannot be written: File too large; judgments are kept in memory", log)) == 1
    assert verify(scene)[0] == 0


def test_in_a_read_only_folder_scoring_goes_on(scene):
    log, _, second, third = judge_again(scene, path="/sys/judgments")
    assert second == third
    assert len(re.findall("cache.unusable.*/sys/judgments.*judgments are kept in memory", log)) == 1


def test_damage_is_found_and_asked_again(scene):
    scene.create(partitions=2)
    put(scene, 300, seed=76)
    start_counting(scene, delay=0)
    first = worker(scene, "first")
    scene.wait_for(300, 30, first)
    assert first.stop() == 0
    path = scene.folder / "judgments"
    data = bytearray(path.read_bytes())
    damaged = [at for at in range(4096, len(data), 128) if any(data[at:at + 16])][:7]
    for at in damaged:
        data[at + 33] ^= 1
    path.write_bytes(data)
    code, found = verify(scene)
    assert code == 1 and found["damaged"] == "7"
    assert rbr("cache", "info", path).returncode == 0
    asked = scene.grader.stats()["requests"]
    second = worker(scene, "second", kafka={"group": f"{scene.group}-again"})
    scene.wait_for(600, 30, second)
    assert second.stop() == 0
    assert scene.grader.stats()["requests"] - asked == 7
    assert verify(scene)[0] == 0  # they are good again


def test_score_asks_once(scene, tmp_path):
    config = tmp_path / "score.yaml"
    config.write_text(f"""policy: {{files: [{TINY}]}}
graders: [{{model: scripted-1, endpoints: ["{scene.grader.url}"]}}]
cache: {{path: kept}}
""")
    lines = tmp_path / "in.jsonl"
    lines.write_bytes(b"".join(records.to_json(records.make(n, 77)) + b"\n" for n in range(20)))
    start_counting(scene, delay=0)
    first, second = (rbr("score", "-c", config, "--jsonl", lines) for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert b" 0 questions asked" not in first.stderr and b" 0 questions asked" in second.stderr
    assert b"judgments  " in rbr("cache", "info", "-c", config).stdout
