"""Dockerfile and compose file: what can be checked without Docker."""

import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def packages(name):
    lines = (ROOT / "tools/packages" / name).read_text().splitlines()
    return {line for line in (line.split("#")[0].strip() for line in lines) if line}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def stages():
    text = (ROOT / "Dockerfile").read_text()
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE)
    return {parts[i + 1]: (parts[i], parts[i + 2]) for i in range(1, len(parts), 3)}


def test_the_image_installs_exactly_the_packages_of_dev(stages):
    for stage, name in [("build", "build.txt"), ("worker", "run.txt")]:
        body = stages[stage][1]
        assert f"COPY tools/packages/{name} /tmp/packages.txt" in body
        installs = re.findall(r"apt-get install (.*?)(?: \\| &&|$)", body, flags=re.MULTILINE)
        assert installs == ["-y --no-install-recommends"], "packages belong into tools/packages"
        assert packages(name)


def test_the_worker_image_is_small_and_not_root(stages):
    assert stages["base"][0] == "debian:12-slim"
    assert list(stages)[-1] == "worker"
    body = stages["worker"][1]
    assert re.search(r"^USER rbr$", body, flags=re.MULTILINE)
    assert "COPY --from=build /src/build/rbr" in body and "cmake" not in body


def test_every_library_of_the_program_is_in_run_txt():
    binary = ROOT / "build/rbr"
    assert binary.exists(), "build first: ./dev build"
    needed = subprocess.run(["objdump", "-p", binary], capture_output=True, text=True, check=True)
    names = re.findall(r"NEEDED +(\S+)", needed.stdout)
    assert "librdkafka.so.1" in names
    wanted = packages("run.txt") | {"libc6"}
    for name in names:
        found = subprocess.run(["dpkg", "-S", f"*/{name}"], capture_output=True, text=True, check=True)
        owners = {line.split(":")[0] for line in found.stdout.splitlines()}
        assert owners & wanted, f"{name}: one of {owners} belongs into tools/packages/run.txt"


def test_compose_has_the_whole_system(compose):
    assert set(compose) == {"kafka", "topics", "grader", "worker-1", "worker-2"}
    assert compose["kafka"]["image"].startswith("apache/kafka:3.9.")
    assert compose["kafka"]["environment"]["KAFKA_PROCESS_ROLES"] == "broker,controller"
    for service in compose.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "published on loopback only"


def test_workers_wait_for_topics_and_grader(compose):
    for name in ["worker-1", "worker-2"]:
        assert compose[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"
        assert compose[name]["depends_on"]["grader"]["condition"] == "service_healthy"
        assert compose[name]["command"][0] == "run"


def test_the_topics_created_are_those_of_the_settings(compose):
    settings = yaml.safe_load((ROOT / "docker/worker.yaml").read_text())["kafka"]
    created = re.search(r"for topic in (.*); do", compose["topics"]["command"][0])[1].split()
    assert created == [settings["input"], settings["output"], settings["dead_letters"]]
    inside = compose["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"INSIDE://{settings['brokers']}" in inside


def test_the_mounted_files_exist(compose):
    for name in ["worker-1", "worker-2"]:
        for volume in compose[name]["volumes"]:
            assert (ROOT / volume.split(":")[0]).is_file()
    assert (ROOT / "docker" / compose["grader"]["build"]["dockerfile"]).is_file()
    policies = yaml.safe_load((ROOT / "docker/worker.yaml").read_text())["policy"]["files"]
    for policy in policies:
        assert (ROOT / "config" / policy.removeprefix("/etc/rbr/")).is_file()
