"""The program under test: settings files, `rbr COMMAND`, and a running worker."""

import os
import pathlib
import signal
import subprocess
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    path = pathlib.Path(os.environ.get("RBR_BIN") or ROOT / "build" / "rbr")
    if not path.exists():
        raise RuntimeError(f"no program {path}: build it, or say RBR_BIN=...")
    return str(path.resolve())


def rbr(*args, stdin=None, timeout=60, cwd=ROOT, env=None):
    """Runs a command to its end; output is bytes."""
    return subprocess.run([binary(), *map(str, args)], input=stdin, capture_output=True, timeout=timeout, cwd=cwd,
                          check=False, env={**os.environ, **(env or {})},
                          stdin=subprocess.DEVNULL if stdin is None else None)


def settings(bootstrap, grader_url, policy_files, **changes):
    """A worker's settings as a dict. changes: kafka={...}, grader={...}, limits={...}, ...; None removes a key."""
    base = {
        "kafka": {"brokers": bootstrap, "input": "completions", "output": "rewards", "dead_letters": "dead-letters",
                  "group": "rbr-test", "delivery": "exactly_once", "start": "earliest",
                  "properties": {"consumer": {"session.timeout.ms": "6000"}}},
        "policy": {"files": [str(p) for p in policy_files]},
        "graders": [{"name": "scripted", "dialect": "chat", "model": "scripted-1", "endpoints": [grader_url],
                     "max_in_flight": 64,
                     "timeouts": {"connect": "1s", "first_byte": "20s", "total": "20s"}}],
        "limits": {"record_deadline": "60s", "drain": "10s"},
        "log": {"level": "info", "format": "text"},
    }
    for section, values in changes.items():
        at = base["graders"][0] if section == "grader" else base.setdefault(section, {})
        for key, value in values.items():
            if value is None:
                at.pop(key, None)
            else:
                at[key] = value
    return base


class Worker:
    """`rbr run` with these settings; its log goes to a file."""

    def __init__(self, folder, config, name="worker", program=None):
        self.folder = pathlib.Path(folder)
        self.program = program
        self.env = {}  # more of it, for the next start
        self.config_path = self.folder / f"{name}.yaml"
        self.config_path.write_text(yaml.safe_dump(config, sort_keys=False))
        self.log_path = self.folder / f"{name}.log"
        self.process = None

    def start(self, failpoints=""):
        """failpoints: see src/base/failpoint.h; for a program that was built with them."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program or binary(), "run", "-c", str(self.config_path)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                            env={**os.environ, **self.env, "RBR_FAILPOINTS": failpoints})
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.log():
            if not self.alive() or time.monotonic() > end:
                raise TimeoutError(f"'{text}' is not in the log:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def stop(self, number=signal.SIGTERM, seconds=40):
        """Sends the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def stop_time(self):
        """SIGSTOP: it does not run, its connections stay."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """At a test's end, in whatever state it is."""
        if self.alive():
            self.process.kill()
            self.process.wait()
