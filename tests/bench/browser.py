# SPDX-License-Identifier: BSD-3-Clause
"""A Chromium without a window, spoken to through a pipe (its DevTools protocol, JSON ended by a zero byte).

So the width of the window is exact, both colour schemes can be had, scripts measure a page that has none
itself, and every request that the page makes is known.
"""
import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

SECONDS_MAX = 120


class BrowserFailure(Exception):
    pass


class Browser:
    def __init__(self, profile):
        down, self.write = os.pipe()
        self.read, up = os.pipe()
        # A shell puts the pipe's ends where Chromium looks for them, and becomes Chromium.
        argv = ["bash", "-c", f'exec "$@" 3<&{down} 4>&{up}', "bash", "chromium", "--headless=new", "--no-sandbox",
                "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars", f"--user-data-dir={profile}",
                "--remote-debugging-pipe", "about:blank"]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(argv, pass_fds=(down, up), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True)
        os.close(down)
        os.close(up)
        self.last, self.pending, self.events = 0, b"", []
        self.until = time.monotonic() + SECONDS_MAX

    def begin(self):
        """With one empty page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.say(f"{domain}.enable")

    def _message(self):
        while b"\0" not in self.pending:
            left = self.until - time.monotonic()
            data = os.read(self.read, 1 << 16) if left > 0 and select.select([self.read], [], [], left)[0] else b""
            if not data:
                self.log.seek(0)
                raise BrowserFailure(f"chromium is silent: {self.log.read()[-500:].decode(errors='replace')}")
            self.pending += data
        line, self.pending = self.pending.split(b"\0", 1)
        return json.loads(line)

    def ask(self, method, session=None, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            got = self._message()
            if got.get("id") == self.last:
                if "error" in got:
                    raise BrowserFailure(f"{method}: {got['error']['message']}")
                return got["result"]
            self.events.append(got)

    def say(self, method, **params):
        """To the page."""
        return self.ask(method, self.session, **params)

    def wait_for(self, event):
        while not any(e.get("method") == event for e in self.events):
            self.events.append(self._message())

    def open(self, path, width, height, dark):
        self.say("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.say("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.say("Page.navigate", url=f"file://{path}")
        self.wait_for("Page.loadEventFired")

    def requests(self):
        """What has been asked for since open()."""
        return [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]

    def value(self, script):
        got = self.say("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in got:
            raise BrowserFailure(f"{script[:60]}: {got['exceptionDetails']['text']} {got['result']}")
        return got["result"].get("value")

    def picture(self, path, top, height):
        """A part of the page, as wide as the window."""
        width = self.value("innerWidth")
        shot = self.say("Page.captureScreenshot", captureBeyondViewport=True,
                        clip={"x": 0, "y": top, "width": width, "height": height, "scale": 1})
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot["data"]))
        return os.path.getsize(path)

    def end(self):
        with contextlib.suppress(BrowserFailure, OSError):
            self.until = time.monotonic() + 10
            self.ask("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read)
        os.close(self.write)
        self.log.close()


@contextlib.contextmanager
def browser():
    profile = tempfile.mkdtemp(prefix="nethv-chromium-")
    b = Browser(profile)
    try:
        b.begin()
        yield b
    finally:
        b.end()
        shutil.rmtree(profile, ignore_errors=True)
