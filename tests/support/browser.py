"""A real Chromium without a window, driven by the WebDriver protocol over loopback. It can reach nothing else.

The driver (Debian's `chromium-driver`) and the browser belong to this process: both end with the `with` block.
"""

import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

DRIVER = shutil.which("chromedriver")
TIMEOUT = 120  # seconds; only against a hang

_ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
    # No name leads anywhere, so that whatever a page tries to load fails, and is seen in the log of requests.
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
_CSS = "css selector"
_KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "End": "\ue010",
    "ArrowUp": "\ue013",
    "ArrowDown": "\ue015",
}
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


@dataclass(frozen=True)
class Browser:
    """One window."""

    client: httpx.Client
    session: str

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self.client.request(method, f"{self.session}/{path}", json=body if method == "POST" else None)
        value = answer.json()["value"]
        assert answer.is_success, value
        return value

    def open(self, page: Path) -> None:
        self.ask("POST", "url", url=page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function body returns; it runs beside the page's own policy."""
        return self.ask("POST", "execute/sync", script=script, args=list(arguments))

    def until(self, condition: str, *arguments: Any) -> Any:
        """What an expression is as soon as it is true: events of scrolling and focus come when the browser has time."""
        deadline = time.monotonic() + TIMEOUT
        while not (value := self.run(f"return {condition}", *arguments)):
            assert time.monotonic() < deadline, f"it never came to hold: {condition}"
        return value

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.ask("POST", "goog/cdp/execute", cmd=command, params=parameters)

    def element(self, selector: str) -> str:
        return self.ask("POST", "element", using=_CSS, value=selector)[_ELEMENT]

    def click(self, selector: str) -> None:
        self.ask("POST", f"element/{self.element(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        self.ask("POST", f"element/{self.element(selector)}/clear")
        self.ask("POST", f"element/{self.element(selector)}/value", text=text)

    def press(self, *names: str) -> None:
        """Keys, to whatever has the focus."""
        actions = [{"type": kind, "value": _KEYS[name]} for name in names for kind in ("keyDown", "keyUp")]
        self.ask("POST", "actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def log(self, kind: str) -> list[dict[str, Any]]:
        """The `browser` log (its console) or the `performance` log (its requests) since it was last asked for."""
        return self.ask("POST", "se/log", type=kind)

    def prefer(self, scheme: str) -> None:
        """Light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def resize(self, width: int, height: int) -> None:
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        return b64decode(self.devtools("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        return b64decode(self.devtools("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def running_browser(scratch: Path) -> Generator[Browser]:
    """A browser with an empty profile in `scratch`."""
    if DRIVER is None:
        pytest.fail("Chromium is not installed, and without it nothing is proven: install `chromium-driver`")
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        try:
            with httpx.Client(base_url=_address(driver), timeout=TIMEOUT, trust_env=False) as client:
                yield from _session(client, scratch)
        finally:
            driver.terminate()


def _address(driver: "subprocess.Popen[str]") -> str:
    assert driver.stdout is not None
    for line in driver.stdout:
        if "started successfully on port" in line:
            return f"http://127.0.0.1:{line.split()[-1].rstrip('.')}"
    raise AssertionError("chromedriver did not start")


def _session(client: httpx.Client, scratch: Path) -> Generator[Browser]:
    options = {"args": [*_ARGUMENTS, f"--user-data-dir={scratch}"]}
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
    answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
    assert "sessionId" in answer, answer
    try:
        yield Browser(client, f"/session/{answer['sessionId']}")
    finally:
        client.delete(f"/session/{answer['sessionId']}").raise_for_status()  # ends the browser, with all its processes
