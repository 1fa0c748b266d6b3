"""A real Chromium without network but this machine's, driven over the pipe of its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AXE_PATH = Path(__file__).parent / "axe" / "axe.min.js"
NEEDED = "HEADRACE_NEEDS_BROWSER"
"""Set where a missing Chromium is a failure, as in CI, and no reason to skip."""
READY_TIMEOUT_S = 120
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--remote-debugging-pipe"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """The path of Debian's Chromium, or of Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab; methods and events are those of https://chromedevtools.github.io/devtools-protocol/."""

    def __init__(self, commands: Any, answers: Any) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._session = 0, ""
        self.events: list[dict[str, Any]] = []
        """All events since the last `open`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method and returns its result; collects the events before it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._commands.write(json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode())
        self._commands.write(b"\0")
        self._commands.flush()
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def open(self, path: Path, *, width: int, is_dark: bool) -> None:
        """Loads a file in a window of a width in CSS pixels, with light or dark colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.use_media("screen", is_dark=is_dark)
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def visit(self, url: str, ready: str, *, width: int = 1280) -> None:
        """Loads a page of this machine, and waits until the JavaScript expression `ready` is true."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url="about:blank")  # else only the part after # changes, and nothing is loaded
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.evaluate(ready):
            assert time.monotonic() < deadline, (url, self.evaluate("document.body?.innerText ?? ''"))
            time.sleep(0.2)

    def use_media(self, media: str, *, is_dark: bool) -> None:
        """Emulates `screen` or `print`, and the preferred colours."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[feature])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; waits for a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def list_requests(self) -> list[str]:
        """The URLs that the page asked for, without those that contain their data."""
        sent = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if not url.startswith("data:")]

    def find_faults(self) -> list[str]:
        """What axe-core finds: rule, number of elements, and the first one."""
        self.evaluate(AXE_PATH.read_text(encoding="utf-8") + "; 0")
        found = self.evaluate("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
        return [
            f"{rule['id']} {len(rule['nodes'])}: {rule['nodes'][0]['failureSummary']} {rule['nodes'][0]['html']}"
            for rule in found
        ]

    def screenshot(self, path: Path, *, height: int = 0) -> None:
        """Writes the whole page, or its first `height` CSS pixels, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            message += byte
        return json.loads(message)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Starts Chromium; skips the test without one, unless NEEDED is set."""
    program = find_chromium()
    if program is None:
        assert not os.environ.get(NEEDED), "no Chromium; run: make browser"
        pytest.skip("no Chromium; run: make browser")
    (commands_in, commands_out), (answers_in, answers_out) = os.pipe(), os.pipe()

    # Chromium reads commands from descriptor 3, and writes answers to 4; sh takes only descriptors of one digit
    script = f'exec "$0" "$@" 3<&{commands_in} 4>&{answers_out}'
    process = subprocess.Popen(
        ["bash", "-c", script, program, *OPTIONS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(commands_in, answers_out),
    )
    os.close(commands_in)
    os.close(answers_out)
    with os.fdopen(commands_out, "wb") as commands, os.fdopen(answers_in, "rb") as answers:
        try:
            yield Browser(commands, answers)
        finally:
            process.terminate()
            process.wait(30)
