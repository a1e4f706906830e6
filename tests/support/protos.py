"""Python classes of proto/*.proto, compiled at test time: the contract as a trainer's client sees it."""

import importlib
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load():
    """(completion_pb2, reward_pb2)"""
    folder = tempfile.mkdtemp(prefix="rbr-protos-")
    files = [str(p) for p in sorted((ROOT / "proto").glob("*.proto"))]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'proto'}",
                    f"--python_out={folder}", *files], check=True)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("completion_pb2"), importlib.import_module("reward_pb2")
    finally:
        sys.path.remove(folder)


completion_pb2, reward_pb2 = load()


def status_name(value):
    return reward_pb2.Status.Name(value).removeprefix("STATUS_")


def reason_name(value):
    return reward_pb2.Reason.Name(value).removeprefix("REASON_")
