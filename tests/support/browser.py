"""A headless Chromium, driven by chromedriver over the WebDriver protocol: Debian's packages chromium and chromium-driver."""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request



def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Browser:
    """`with Browser() as b: b.open(path)`; one window."""

    def __init__(self, folder):
        driver = shutil.which("chromedriver")
        if driver is None:
            raise RuntimeError("no chromedriver: install the Debian packages chromium and chromium-driver")
        self.port = free_port()
        self.log = open(folder / "chromedriver.log", "wb")
        self.process = subprocess.Popen([driver, f"--port={self.port}"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                        env={**os.environ, "HOME": str(folder)})
        self.at = ""

    def __enter__(self):
        try:
            self._wait()
            flags = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
            if os.geteuid() == 0:
                flags.append("--no-sandbox")
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": {"args": flags},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
            self.at = f"/session/{answer['sessionId']}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            if self.at:
                self._call("DELETE", self.at)
        self.process.terminate()
        self.process.wait(10)
        self.log.close()

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{method} {path}: {e.read().decode()}") from None

    def _wait(self):
        end = time.monotonic() + 30
        while True:
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
            time.sleep(0.05)

    def open(self, path):
        self._call("POST", f"{self.at}/url", {"url": path.resolve().as_uri()})

    def run(self, script, *args):
        """A function's body in the page; what it returns."""
        return self._call("POST", f"{self.at}/execute/sync", {"script": script, "args": list(args)})

    def cdp(self, command, **params):
        """The DevTools protocol."""
        return self._call("POST", f"{self.at}/goog/cdp/execute", {"cmd": command, "params": params})

    def show(self, width, height, dark=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path):
        """The whole page, not only what the window shows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        png = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(png))

    def console(self):
        """What the console says since the last call."""
        return [entry["message"] for entry in self._call("POST", f"{self.at}/se/log", {"type": "browser"})]

    def requests(self):
        """URLs that were asked for since the last call, by the page or by the reader."""
        entries = self._call("POST", f"{self.at}/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
