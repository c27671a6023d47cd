"""A report in a real browser, whose console stays empty and which asks for nothing."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lofikit.report.document import document
from lofikit.report.takes import Continuations, ReportOptions
from lofikit.run import Run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
CSS = "css selector"  # as By.CSS_SELECTOR has it, of selenium, which need not be installed
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-dev-shm-usage", "--mute-audio",
)  # fmt: skip
PATIENCE = 20.0  # seconds; what is waited for takes less than one on a quiet machine


class Page:
    """The report in a browser.

    Attributes:
        browser: The driver of the browser.
        file: Where the report lies.
    """

    def __init__(self, browser: Any, file: Path) -> None:
        self.browser, self.file = browser, file

    def open(self, width: int = 1200, height: int = 900, **media: str) -> None:
        """Opens the page anew, on a screen of some size, with some preferences of its reader."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": k.replace("_", "-"), "value": v} for k, v in media.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get(self.file.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        return self.browser.find_element(CSS, selector)

    def all(self, selector: str) -> list[Any]:
        found: list[Any] = self.browser.find_elements(CSS, selector)
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def text(self, selector: str) -> str:
        return str(self.find(selector).text)

    def moment(self, take: Any) -> float:
        """Returns where the sound of a take is, in seconds."""
        return float(self.run("return arguments[0].querySelector('audio').currentTime", take))

    def sounding(self) -> list[int]:
        """Returns the numbers of the takes that play."""
        script = "return [...document.querySelectorAll('.take audio')].map((a) => !a.paused)"
        return [i for i, plays in enumerate(self.run(script)) if plays]

    def wait(self, holds: Callable[[], Any]) -> Any:
        """Waits until something holds, and returns it."""
        deadline = time.monotonic() + PATIENCE
        while not (value := holds()):
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.05)
        return value


@pytest.fixture(scope="module")
def page(
    runs: list[Run],
    options: ReportOptions,
    comparisons: list[Continuations],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Page]:
    """The report of two runs in a browser."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    from selenium.webdriver.chrome.service import Service

    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    folder = tmp_path_factory.mktemp("browser")
    file = folder / "Musik für spät nachts 50% #1" / "écoute moi.html"
    file.parent.mkdir()
    file.write_bytes(document(runs, comparisons, options).encode())
    chosen = webdriver.ChromeOptions()
    chosen.binary_location = CHROMIUM
    for word in (*QUIET, f"--user-data-dir={folder / 'profile'}"):
        chosen.add_argument(word)
    chosen.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=chosen, service=Service(DRIVER))
    try:
        yield Page(browser, file)
    finally:
        browser.quit()


@pytest.fixture(autouse=True)
def opened(page: Page) -> Iterator[None]:
    """Opens the page for each test, whose console must stay empty and which asks for nothing."""
    page.open()
    page.run("localStorage.clear()")
    page.open()
    page.browser.get_log("performance")
    page.browser.get_log("browser")
    yield
    assert page.browser.get_log("browser") == []
    assert page.run("return document.title").startswith("Listening report")  # no title ran
    messages = [json.loads(e["message"])["message"] for e in page.browser.get_log("performance")]
    asked = {
        m["params"]["request"]["url"].partition(":")[0]
        for m in messages
        if m["method"] == "Network.requestWillBeSent"
    }
    assert asked <= {"file", "data", "blob"}
