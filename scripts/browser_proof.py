"""`hostplate view RESULT --browser`, tried in a real headless Chromium: a picture of the page.

    apt-get install chromium chromium-driver
    python scripts/browser_proof.py RESULT --png page.png

Starts the server on a free port, opens its page, waits for the picture of the field, changes field,
time and threshold as a user would, and asks that the picture changes each time. Exit code 0 if all
of it happens.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Seconds that the server, the browser or a new picture may take.
PATIENCE = 60.0
#: The picture that the server has sent: its data, as long as it differs from one to the next.
PICTURE = "const i = document.querySelector('img[src^=\"blob:\"], img[src^=\"data:\"]');" \
          "return i ? i.src.length + ':' + i.naturalWidth + ':' + i.src.slice(-4000) : '';"

#: Time and range of the field that the server has drawn last, as it says.
DRAWN = "return ['when', 'span'].map(name => window.trame.state.get(name));"


class Browser:
    """A headless Chromium behind its driver (W3C WebDriver).

    Args:
        driver: command that starts chromedriver.
        port: of the driver.
    """

    def __init__(self, driver: list[str], port: int):
        self.process = subprocess.Popen([*driver, f"--port={port}"], stdout=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,900",
                 "--remote-debugging-pipe"]
        asked = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": flags}}}}
        try:
            wait(lambda: self._ask("GET", "/status")["ready"], "the driver")
            self.session = f"/session/{self._ask('POST', '/session', asked)['sessionId']}"
        except Exception:  # whatever it is, no driver is left running
            self.process.kill()
            raise

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]

    def open(self, url: str) -> None:
        """Go to a page."""
        self._ask("POST", f"{self.session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """Value of a script in the page."""
        return self._ask("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def screenshot(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self._ask("GET", f"{self.session}/screenshot"))

    def close(self) -> None:
        """End browser and driver."""
        try:
            self._ask("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait(timeout=10)


def wait(holds: Any, what: str) -> Any:
    """Ask again until something holds; its value.

    Raises:
        TimeoutError: it does not.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if found := holds():
                return found
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"waited {PATIENCE:g} s for {what}")


def at_rest(browser: Browser) -> bool:
    """No new picture has come for a second."""
    before = browser.run(PICTURE)
    time.sleep(1.0)
    return bool(browser.run(PICTURE) == before)


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def prove(folder: Path, png: Path | None, driver: list[str]) -> None:
    """Show a result, change field and time, and see that the picture follows."""
    port = free_port()
    command = [sys.executable, "-m", "fem.cli", "view", str(folder), "--browser"]
    server = subprocess.Popen(
        [*command, "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    page = f"http://127.0.0.1:{port}/index.html"
    browser = None
    try:
        wait(lambda: urllib.request.urlopen(page).status == 200, "the server")
        browser = Browser(driver, free_port())
        browser.open(page)
        seen = [wait(lambda: browser.run(PICTURE), "a picture")]
        choices = browser.run("return window.trame.state.get('choices')")
        last = browser.run("return window.trame.state.get('moment')")
        about = browser.run(DRAWN)
        print(f"fields: {', '.join(choices)}")
        for key, value in {
            "choice": choices[-1], "moment": 0, "within": [20, 80],
        }.items():  # fmt: skip
            browser.run(f"window.trame.state.set({json.dumps(key)}, {json.dumps(value)})")
            seen.append(wait(lambda: (p := browser.run(PICTURE)) != seen[-1] and p,
                             f"another picture after {key} = {value}"))  # fmt: skip
            print(f"{key} = {value}: the picture has changed")
        if png is not None:
            browser.run("window.trame.state.set('within', [0, 100])")
            browser.run(f"window.trame.state.set('choice', {json.dumps(choices[0])})")
            browser.run(f"window.trame.state.set('moment', {last})")
            wait(lambda: browser.run(DRAWN) == about, "time and range of the first picture")
            wait(lambda: at_rest(browser), "the last picture")
            png.write_bytes(browser.screenshot())
    finally:
        if browser is not None:
            browser.close()
        server.terminate()
        server.wait(timeout=20)


def main() -> None:
    """Prove it for the result that the command line names."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--png", type=Path, help="screenshot of the page")
    parser.add_argument("--driver", default="chromedriver", help="command that starts it")
    options = parser.parse_args()
    driver = options.driver.split()
    if shutil.which(driver[0]) is None:
        parser.error(f"{driver[0]} is not on PATH; apt-get install chromium chromium-driver")
    prove(options.result.resolve(), options.png, driver)


if __name__ == "__main__":
    main()
