"""Wrong settings and wrong policies through the real program: exit code 2, one clear line each, nothing started."""

import pathlib
import re

import pytest
import yaml

from worker import ROOT, rbr, settings

TINY = pathlib.Path(__file__).parent / "policies" / "tiny.yaml"
COMMANDS = re.findall(r'^    \{"(\w+)", cmd_', (ROOT / "worker" / "main.c").read_text(), re.MULTILINE)
VERBS = [*([command] for command in COMMANDS), ["replay", "plan"], ["replay", "run"], ["replay", "status"]]


def sound(**changes):
    return settings("127.0.0.1:9", "http://127.0.0.1:9", [TINY], **changes)


def replaced(old, new):
    return lambda text: text.replace(old, new)


def changed(**changes):
    return lambda text: yaml.safe_dump(sound(**changes), sort_keys=False)


def appended(more):
    return lambda text: text + more


# name -> (how the text of sound settings changes, what the one line says)
SETTINGS = {
    "unknown section": (appended("kafak: {}\n"), "unknown key 'kafak'.*did you mean 'kafka'"),
    "unknown key": (changed(kafka={"grup": "x"}), "unknown key 'grup'.*did you mean 'group'"),
    "unknown key in limits": (changed(limits={"drian": "3s"}), "did you mean 'drain'"),
    "unknown key in a grader": (changed(grader={"modelx": "x"}), "unknown key 'modelx'.*did you mean 'model'"),
    "duration without a unit": (changed(limits={"drain": 3}), "limits.drain: '3' is not a duration.*10s"),
    "duration with a wrong unit": (changed(limits={"drain": "3 weeks"}), "is not a duration"),
    "duration out of range": (changed(limits={"record_deadline": "2d"}), "limits.record_deadline"),
    "size without a unit": (changed(limits={"memory": 5}), "limits.memory.*size"),
    "negative number": (changed(grader={"max_in_flight": -1}), "max_in_flight"),
    "number too large": (changed(grader={"max_in_flight": 1000000}), "max_in_flight.*10000"),
    "number with text": (changed(grader={"attempts": "3x"}), "attempts"),
    "no word of the list": (changed(kafka={"delivery": "at_most_once"}), "delivery.*exactly_once or at_least_once"),
    "log level": (changed(log={"level": "loud"}), "log.level.*'loud'.*debug"),
    "unknown dialect": (changed(grader={"dialect": "telepathy"}), "dialect.*'telepathy'.*chat"),
    "brokers missing": (changed(kafka={"brokers": None}), "kafka.brokers"),
    "model missing": (changed(grader={"model": None}), "model"),
    "endpoints missing": (changed(grader={"endpoints": None}), "endpoints"),
    "endpoints empty": (changed(grader={"endpoints": []}), "endpoints"),
    "policy missing": (lambda text: yaml.safe_dump({k: v for k, v in sound().items() if k != "policy"}), "policy.files"),
    "graders missing": (lambda text: yaml.safe_dump({k: v for k, v in sound().items() if k != "graders"}), "graders"),
    "same topic in and out": (changed(kafka={"output": "completions"}), "kafka.(output|input)"),
    "a list where text is due": (changed(kafka={"group": ["a"]}), "kafka.group"),
    "a map where a list is due": (replaced("graders:\n- ", "graders:\n  "), "graders"),
    "plain http to another machine": (changed(grader={"endpoints": ["http://192.0.2.7:8000"]}), "insecure"),
    "URL with the API's path": (changed(grader={"endpoints": ["http://127.0.0.1:8000/v1"]}), "no base URL; end it before /v1"),
    "brokers by URL": (changed(kafka={"brokers": "http://127.0.0.1:9092"}), "is no broker; write host:port"),
    "no URL": (changed(grader={"endpoints": ["localhost:8000"]}), "http://"),
    "our own property": (changed(kafka={"properties": {"consumer": {"enable.auto.commit": "true"}}}), "enable.auto.commit"),
    "forbidden assignor": (changed(kafka={"properties": {"consumer": {
        "partition.assignment.strategy": "cooperative-sticky"}}}), "cooperative-sticky"),
    "drain against max.poll": (changed(limits={"drain": "2m"}), "drain.*max.poll.interval"),
    "missing environment variable": (changed(kafka={"group": "${RBR_TEST_NOT_SET}"}), "RBR_TEST_NOT_SET"),
    "duplicate key": (appended("log: {level: info}\n"), "duplicate key"),
    "bad yaml": (appended("x: [1,\n"), "did not find"),
    "a tab": (appended("x:\n\ty: 1\n"), ""),
    "not a map": (lambda text: "- 1\n", ""),
    "alias": (lambda text: text.replace("group: rbr-test", "group: &g rbr-test"), ""),
}

PLACE = re.compile(r"^(\S+):(\d+):(\d+): (.+)$")


def one_line(result, text):
    """The program's whole complaint is one line, with what, where and what to do; exit code 2, nothing on stdout."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == b""
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert re.search(text, lines[0]), lines[0]
    return lines[0]


def test_sound_settings_are_sound(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(sound(), sort_keys=False))
    result = rbr("check", "-c", file)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"policy tiny version 1" in result.stdout


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name, tmp_path):
    change, text = SETTINGS[name]
    good = yaml.safe_dump(sound(), sort_keys=False)
    file = tmp_path / "w.yaml"
    file.write_text(change(good))
    assert file.read_text() != good
    line = one_line(rbr("run", "-c", file), text)
    place = PLACE.match(line)
    assert place is not None, line
    assert place.group(1) == str(file)
    assert 1 <= int(place.group(2)) <= len(file.read_text().splitlines()) + 1
    assert rbr("check", "-c", file).stderr.decode().splitlines() == [line]


def test_every_problem_is_said_at_once(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(sound(limits={"drain": 3, "memory": "x"}, log={"level": "loud"}), sort_keys=False))
    result = rbr("check", "-c", file)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 3


@pytest.mark.parametrize("arguments, text", [
    (["--set", "kafka.grup=x"], "kafka.grup"),
    (["--set", "nonsense"], "nonsense"),
    (["--set", "limits.drain=x"], "limits.drain"),
    (["--set", "log.level=loud"], "log.level"),
])
def test_override(arguments, text, tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(sound(), sort_keys=False))
    one_line(rbr("run", "-c", file, *arguments), re.escape(text))


def test_no_settings_file(tmp_path):
    one_line(rbr("run", "-c", tmp_path / "none.yaml"), "none.yaml: No such file.*-c FILE")


def test_a_policy_file_that_is_not_there(tmp_path):
    file = tmp_path / "w.yaml"
    config = sound()
    config["policy"]["files"] = ["nowhere.yaml"]
    file.write_text(yaml.safe_dump(config))
    one_line(rbr("run", "-c", file), "nowhere.yaml")


def test_a_secret_is_not_shown(tmp_path):
    file = tmp_path / "w.yaml"
    properties = {"common": {"security.protocol": "SASL_SSL", "sasl.password": "hunter2"}}
    file.write_text(yaml.safe_dump(sound(kafka={"properties": properties})))
    result = rbr("check", "-c", file, "--dump")
    assert b"hunter2" not in result.stdout + result.stderr
    assert b"sasl.password" in result.stdout


# ---- policies ------------------------------------------------------------------------------------

# name -> (old text, new text, what the one error says)
POLICIES = {
    "weight for no feature": ("ideal: 1.5", "idael: 1.5", "'idael'.*did you mean 'ideal'"),
    "unknown proposition in a rule": ("{declines: true, sorry: true}", "{declines: true, sory: true}", "'sory'.*did you mean 'sorry'"),
    "unknown section": ("class_probability:", "class_probabilty:", "unknown key 'class_probabilty'"),
    "formula as weight": ("fair: 0.5", "fair: 0.5*2", "finite number"),
    "infinite weight": ("fair: 0.5", "fair: .inf", "finite number"),
    "weight as text": ("fair: 0.5", "fair: much", "number"),
    "no {question}": ("{question}", "question", "lacks {question}"),
    "no {response}": ("{response}", "response", "lacks {response}"),
    "unknown placeholder": ("</message>", "</message> {mesage}", "{mesage}"),
    "class that is no class": ("  fair:\n", "  fairr:\n", "'fairr'"),
    "rule value": ("{helpful: true, preaching: false}", "{helpful: true, preaching: maybe}", "true or false"),
    "empty rule": ("comply: {helpful: true}", "comply: {}", "must not be empty"),
    "otherwise inside": ("{any: [{polite_no: true}", "{any: [{otherwise: true}", "otherwise"),
    "derived of itself": ("polite_no: {declines: true, sorry: true}", "polite_no: {polite_no: true}", "before it is defined"),
    "no partition": ("    comply: {otherwise: true}", "    comply: {preaching: true}", "no class holds for"),
    "probability mode": ("class_probability: exact", "class_probability: guess", "product, exact"),
    "clip backwards": ("clip: [-2.5, 2.5]", "clip: [2.5, -2.5]", "below"),
    "clip of three": ("clip: [-2.5, 2.5]", "clip: [1, 2, 3]", "two numbers"),
    "alias to no type": ('"Hard Refuse": refuse}', '"Hard Refuse": refuze}', "'refuze'"),
    "weights of no type": ("  comply: {helpful: 0.5", "  comlpy: {helpful: 0.5", "'comlpy'.*did you mean 'comply'"),
    "proposition without a prompt": ('helpful: {prompt: "Does it help?"}', "helpful: {}", "helpful|prompt"),
    "duplicate key": ("  declines: {prompt", "  sorry: {prompt", "duplicate key"),
}


@pytest.mark.parametrize("name", POLICIES)
def test_policy(name, tmp_path):
    old, new, text = POLICIES[name]
    good = TINY.read_text()
    assert good.count(old) >= 1
    file = tmp_path / "p.yaml"
    file.write_text(good.replace(old, new, 1))
    result = rbr("check", "--policy", file)
    assert result.returncode == 2
    errors = [line for line in result.stderr.decode().splitlines() if ": error: " in line]
    assert len(errors) == 1, errors
    assert re.search(text, errors[0]), errors[0]
    place = re.match(r"^(\S+):(\d+):(\d+): error: ", errors[0])
    assert place is not None and place.group(1) == str(file), errors[0]
    line, column = int(place.group(2)), int(place.group(3))
    source = file.read_text().splitlines()
    assert 1 <= line <= len(source) and 1 <= column <= len(source[line - 1]) + 1
    config = tmp_path / "w.yaml"
    config.write_text(yaml.safe_dump(settings("127.0.0.1:9", "http://127.0.0.1:9", [file])))
    run = rbr("run", "-c", config)
    assert run.returncode == 2 and errors[0] in run.stderr.decode()


def test_a_fault_in_two_places_is_said_twice(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(TINY.read_text().replace("class_probability: exact", "class_probability: product"))
    errors = [line for line in rbr("check", "--policy", file).stderr.decode().splitlines() if ": error: " in line]
    assert [re.search("'otherwise' needs class_probability: exact", e) is not None for e in errors] == [True, True]


def test_the_place_is_the_place(tmp_path):
    """Line and column point at the word."""
    file = tmp_path / "p.yaml"
    file.write_text(TINY.read_text().replace("ideal: 1.5", "idael: 1.5"))
    [error] = [line for line in rbr("check", "--policy", file).stderr.decode().splitlines() if ": error: " in line]
    line, column = map(int, re.search(r":(\d+):(\d+): error", error).groups())
    assert file.read_text().splitlines()[line - 1][column - 1:].startswith("idael")


def test_run_needs_weights(tmp_path):
    policy = yaml.safe_load(TINY.read_text())
    del policy["weights"]["comply"]
    file, config = tmp_path / "p.yaml", tmp_path / "w.yaml"
    file.write_text(yaml.safe_dump(policy, sort_keys=False))
    config.write_text(yaml.safe_dump(settings("127.0.0.1:9", "http://127.0.0.1:9", [file])))
    result = rbr("run", "-c", config)
    assert result.returncode == 2
    assert b"comply has no weights" in result.stderr and b"classify_only" in result.stderr
    assert rbr("check", "--policy", file).returncode == 0


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "policies").glob("*.yaml")), ids=lambda f: f.name)
def test_shipped_policies_have_no_findings(file):
    result = rbr("check", "--policy", file)
    assert result.returncode == 0
    assert b"error" not in result.stderr


def test_shipped_settings_are_sound():
    for file in sorted((ROOT / "config").glob("*.yaml")):
        result = rbr("check", "-c", file)
        assert result.returncode == 0, (file, result.stderr)


def blocks(page):
    """The settings that a page shows, indented."""
    sections = "kafka|policy|graders|limits|state|cache|canary|log"
    for block in re.findall(r"(?:^    .*\n)+", page.read_text(), re.MULTILINE):
        text = re.sub("^    ", "", block, flags=re.MULTILINE)
        if re.match(f"(?:{sections}):", text):
            yield yaml.safe_load(text)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda f: f.name)
def test_settings_that_the_docs_show_are_sound(page, tmp_path):
    (tmp_path / "canaries.jsonl").write_text((ROOT / "config" / "canaries.jsonl").read_text())
    for n, shown in enumerate(blocks(page)):
        whole = {"kafka": {"brokers": "127.0.0.1:9"}, "policy": {"files": [str(ROOT / "config" / "policies" / "safety.yaml")]},
                 "graders": [{"model": "m", "endpoints": ["http://127.0.0.1:9"]}]} | shown
        file = tmp_path / f"{n}.yaml"
        file.write_text(yaml.safe_dump(whole, sort_keys=False))
        result = rbr("check", "-c", file)
        assert result.returncode == 0, (shown, result.stderr)


# ---- help ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_has_an_example(verb):
    result = rbr(*verb, "--help")
    text, name = result.stdout.decode(), " ".join(verb)
    assert result.returncode == 0 and result.stderr == b""
    examples = re.search(r"^Examples?:\n((?:  .+\n)+)", text, re.MULTILINE)[1]
    assert re.match(rf"  (.*\| )?rbr {name}\b", examples), examples
    assert f"Usage: rbr {name}" in text
    # Each can be pasted as it stands.
    for example in examples.replace("\\\n", "").splitlines():
        assert re.match(r"  (\w+ \| )?rbr \w", example), example


def test_help_lists_the_commands():
    for arguments in (["--help"], ["help"], ["-h"]):
        result = rbr(*arguments)
        assert result.returncode == 0
        assert [c for c in COMMANDS if f"rbr {c}" not in result.stdout.decode()] == []


def test_help_of_a_command():
    for command in COMMANDS:
        assert rbr("help", command).stdout == rbr(command, "--help").stdout
    one_line(rbr("help", "frobnicate"), "'frobnicate'; rbr --help")


def test_no_command():
    result = rbr()
    assert result.returncode == 2 and b"Usage: rbr" in result.stderr and result.stdout == b""


def test_unknown_command():
    one_line(rbr("frobnicate"), "'frobnicate'; rbr --help")


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_option(command):
    result = rbr(command, "--nonsense")
    assert result.returncode == 2
    assert b"nonsense" in result.stderr and result.stdout == b""


def test_version():
    assert re.fullmatch(rb"rbr \d+\.\d+\.\d+\S*\n", rbr("--version").stdout)
