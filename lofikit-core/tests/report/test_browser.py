"""The report in a real browser: it plays, compares and counts votes, and nothing leaves it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lofikit.report.document import document
from lofikit.report.takes import Continuations, ReportOptions
from lofikit.run import Run

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-dev-shm-usage", "--mute-audio",
)  # fmt: skip
PATIENCE = 20.0  # seconds; what is waited for takes less than one on a quiet machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="needs Chromium and its driver: apt-get install chromium chromium-driver",
    ),
]


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
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        found: list[Any] = self.browser.find_elements(By.CSS_SELECTOR, selector)
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


@pytest.fixture(scope="module")
def page(
    runs: list[Run],
    options: ReportOptions,
    comparisons: list[Continuations],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Page]:
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


def wait(holds: Callable[[], Any]) -> Any:
    """Waits until something holds, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (value := holds()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return value


def test_a_take_plays_and_another_goes_on_from_its_moment(page: Page) -> None:
    first, second = page.all("#prompt-1 .take")[1:3]
    other = page.all("#prompt-2 .take")[1]
    first.find_element(By.CSS_SELECTOR, ".play").click()
    wait(lambda: page.moment(first) > 0.5)
    assert page.sounding() == [1]
    heads = {first.find_element(By.CSS_SELECTOR, ".playhead").value_of_css_property("left")}
    wait(lambda: heads.add(
        first.find_element(By.CSS_SELECTOR, ".playhead").value_of_css_property("left")
    ) or len(heads) > 2)  # fmt: skip
    second.find_element(By.CSS_SELECTOR, ".play").click()
    wait(lambda: page.sounding() == [2] and page.moment(second) > 0.5)
    other.find_element(By.CSS_SELECTOR, ".play").click()
    wait(lambda: page.sounding() == [6])
    other.find_element(By.CSS_SELECTOR, ".play").click()
    wait(lambda: page.sounding() == [])


def test_a_take_plays_to_its_end(page: Page) -> None:
    take = page.all(".take")[0]
    seek = take.find_element(By.CSS_SELECTOR, ".seek")
    seek.send_keys(Keys.END, Keys.ARROW_LEFT)
    assert float(seek.get_attribute("aria-valuenow")) == pytest.approx(3.0, abs=0.1)
    assert "3 of 5 seconds, after the prompt" in seek.get_attribute("aria-valuetext")
    take.find_element(By.CSS_SELECTOR, ".play").click()
    wait(lambda: page.run("return document.querySelector('.take audio').ended"))
    assert page.sounding() == []
    assert take.find_element(By.CSS_SELECTOR, ".time").text == "0:05 / 0:05"


def test_a_click_into_the_picture_goes_there(page: Page) -> None:
    take = page.all(".take")[2]
    seek = take.find_element(By.CSS_SELECTOR, ".seek")
    place = seek.rect["width"] * 0.3
    actions = webdriver.ActionChains(page.browser)
    actions.move_to_element_with_offset(seek, round(place), 0).click().perform()
    wait(lambda: page.moment(take) == pytest.approx(5.0 * 0.8, abs=0.1))  # from the middle


def test_the_prompts_end_is_marked_where_it_is(page: Page) -> None:
    for take in page.all(".take"):
        end = float(take.get_attribute("data-prompt-end"))
        line = take.find_elements(By.CSS_SELECTOR, ".marks line")[1].rect
        box = take.find_element(By.CSS_SELECTOR, ".track").rect
        shown = (line["x"] + line["width"] / 2 - box["x"]) / box["width"]
        assert shown == pytest.approx(end / 5.0, abs=0.01)


def test_a_blind_vote_is_counted_for_what_was_heard_and_kept(page: Page, tmp_path: Path) -> None:
    page.find("#blind-a").click()
    playing = "return document.querySelector('#blind-position').value"
    wait(lambda: float(page.run(playing)) > 0.3)
    assert page.find("#blind-a").get_attribute("aria-pressed") == "true"
    page.press("x")
    wait(lambda: page.find("#blind-b").get_attribute("aria-pressed") == "true")
    assert page.find("#blind-a").get_attribute("aria-pressed") == "false"
    assert page.run("return document.activeElement.id") == "blind-b"
    page.press(Keys.ARROW_RIGHT)
    wait(lambda: float(page.run(playing)) > 2.3)
    assert float(page.run(playing)) > 0.3  # at the same moment
    assert not any(name in page.text("#blind-panel .decks") for name in ("plain", "bold"))
    expected: dict[str, list[int]] = {"plain": [0, 0, 0], "<b>bold": [0, 0, 0]}
    for key, place in (("1", 0), ("2", 1), ("1", 0), ("0", None)):
        page.press(key)
        said = page.text("#blind-said")
        names = ["plain", "<b>bold"] if said.index("plain") < said.index("bold") else [
            "<b>bold", "plain"
        ]  # fmt: skip
        for i, name in enumerate(names):
            expected[name][2 if place is None else 0 if place == i else 1] += 1
        page.press(key)  # a pair counts once
        page.press("n")
        assert page.text("#blind-said") == ""

    def tally() -> dict[str, list[int]]:
        rows = [row.find_elements(By.CSS_SELECTOR, "th, td") for row in page.all("#tally tbody tr")]
        return {cells[0].text: [int(cell.text) for cell in cells[1:]] for cells in rows}

    assert tally() == expected
    page.browser.refresh()
    assert tally() == expected
    assert "4 votes. This browser keeps them" in page.text("#tally-kept")

    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
    page.find("#tally-save").click()
    saved = wait(lambda: [f for f in tmp_path.iterdir() if f.suffix == ".json"])[0]
    kept = wait(saved.read_text)
    votes = json.loads(kept)["votes"]
    assert [vote["preferred"] for vote in votes] == ["a", "b", "a", "neither"]
    assert {vote[side]["name"] for vote in votes for side in "ab"} == set(expected)
    page.find("#tally-clear").click()
    assert tally() == {}


def test_a_pair_is_revealed_without_a_vote_and_the_clip_itself_takes_part(page: Page) -> None:
    options = [option.text for option in page.all("#blind-second option")]
    assert options == ["any other run", "plain", "<b>bold", "The clip itself"]
    page.run(
        "const list = document.querySelector('#blind-second'); list.value = 'The clip itself';"
        "list.dispatchEvent(new Event('change'))"
    )
    page.find("#blind-reveal").click()
    assert "The clip itself" in page.text("#blind-said")
    assert "You did not vote" in page.text("#blind-said")
    assert page.all("#tally tbody tr") == []
    assert not page.find("#vote-a").is_enabled()


def test_one_run_is_compared_with_the_clip_itself(
    page: Page,
    runs: list[Run],
    options: ReportOptions,
    comparisons: list[Continuations],
    tmp_path: Path,
) -> None:
    alone = [
        replace(one, takes=tuple(take for take in one.takes if take.name == "plain"))
        for one in comparisons
    ]
    file = tmp_path / "alone.html"
    file.write_bytes(document(runs[:1], alone, options).encode())
    page.browser.get(file.as_uri())
    page.find("#vote-b").click()
    assert "The clip itself" in page.text("#blind-said") and "plain" in page.text("#blind-said")
    assert len(page.all("#tally tbody tr")) == 2


def test_everything_is_reached_and_used_by_the_keyboard(page: Page) -> None:
    page.run("document.querySelectorAll('.comparison ~ .comparison').forEach((c) => c.remove())")
    wanted = page.run("""
      const controls = 'a[href], button:enabled, select, input, [tabindex="0"]';
      return [...document.querySelectorAll(controls)].filter((e) => e.checkVisibility()).length;
    """)
    seen = []
    script = """
      const e = document.activeElement;
      if (e === document.body) return null;
      const style = getComputedStyle(e);
      const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      const name = e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent;
      return [e.outerHTML.slice(0, 60), shown, name.trim()];
    """
    for _ in range(wanted + 5):
        webdriver.ActionChains(page.browser).send_keys(Keys.TAB).perform()
        if (focused := page.run(script)) is None:
            break
        seen.append(focused)
    assert len(seen) == wanted
    assert all(shown for _, shown, _ in seen), seen
    assert all(name for _, _, name in seen), seen

    play = page.find(".take .play")
    page.run("arguments[0].focus()", play)
    page.press(Keys.SPACE)
    wait(lambda: page.sounding() == [0])
    assert page.run("return document.activeElement.ariaLabel").startswith("Pause ")
    webdriver.ActionChains(page.browser).send_keys(Keys.TAB).perform()
    page.press(Keys.SPACE, Keys.HOME, Keys.ARROW_RIGHT)
    wait(lambda: page.sounding() == [] and page.moment(page.all(".take")[0]) == 2.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: Page, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: text and what lies behind it differ by 4.5 to 1."""
    page.open(prefers_color_scheme=scheme)
    weak = page.run("""
      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
      const luminance = ([r, g, b]) => [r, g, b]
        .map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const behind = (e) => {
        for (; e; e = e.parentElement) {
          const found = parse(getComputedStyle(e).backgroundColor);
          if (found.length < 4 || found[3] > 0) return found;
        }
        return [255, 255, 255];
      };
      const weak = [];
      for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (!own || !e.checkVisibility() || e.matches('noscript, script, option')) continue;
        const pair = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 4.5) weak.push([e.outerHTML.slice(0, 80), ratio]);
      }
      return weak;
    """)
    assert weak == []


@pytest.mark.parametrize("width", [320, 360, 1200])
def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    page.open(width, 740)
    assert page.run("return document.documentElement.scrollWidth") <= width
    small = page.run(
        "return [...document.querySelectorAll('button, select')].filter((e) => e.checkVisibility())"
        ".map((e) => e.getBoundingClientRect()).filter((r) => r.height < 40 || r.width < 40).length"
    )
    assert small == 0  # for a thumb


def test_motion_is_reduced_on_request(page: Page) -> None:
    page.open(prefers_reduced_motion="reduce")
    page.run("""
      window.frames_asked = 0;
      const ask = requestAnimationFrame;
      window.requestAnimationFrame = (f) => { window.frames_asked += 1; return ask(f); };
    """)
    page.find(".take .play").click()
    wait(lambda: page.moment(page.all(".take")[0]) > 0.5)
    assert page.run("return window.frames_asked") == 0


def test_the_policy_lets_nothing_out(page: Page) -> None:
    """Even if a script got into the page, it could send nothing and load nothing."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        blocked = page.browser.execute_async_script(
            """
            const [address, done] = arguments;
            const blocked = [];
            document.addEventListener('securitypolicyviolation', (e) => {
              blocked.push(e.effectiveDirective);
              if (blocked.length === 5) done(blocked);
            });
            new Image().src = address + 'image';
            new Audio().src = address + 'sound';
            fetch(address + 'fetch').catch(() => {});
            const script = document.createElement('script');
            script.src = address + 'script';
            document.body.append(script);
            const inline = document.createElement('script');
            inline.textContent = 'document.title = "owned"';
            document.body.append(inline);
            """,
            f"http://127.0.0.1:{server.server_port}/",
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert sorted(blocked) == [
        "connect-src", "img-src", "media-src", "script-src-elem", "script-src-elem"
    ]  # fmt: skip
    assert asked == []
    said = page.browser.get_log("browser")  # the refusals, which are wanted here
    assert said and all("Content Security Policy" in line["message"] or "refused" in
                        line["message"].lower() for line in said)  # fmt: skip
    page.browser.get_log("performance")


def test_the_takes_play_without_scripts(page: Page) -> None:
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open()
        assert all(audio.is_displayed() for audio in page.all(".take audio"))
        assert not page.find("#blind").is_displayed()
        assert "Scripts are off" in page.text("#listen")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        page.open()
