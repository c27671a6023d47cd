"""The page can be used by anybody, without scripts too, and nothing leaves it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.common.keys import Keys  # noqa: E402

pytestmark = pytest.mark.slow


def test_everything_is_reached_and_used_by_the_keyboard(page: Any) -> None:
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
    page.wait(lambda: page.sounding() == [0])
    name = "return document.activeElement.ariaLabel"  # changed by an event, after the sound starts
    page.wait(lambda: page.run(name).startswith("Pause "))
    webdriver.ActionChains(page.browser).send_keys(Keys.TAB).perform()
    page.press(Keys.SPACE, Keys.HOME, Keys.ARROW_RIGHT)
    page.wait(lambda: page.sounding() == [] and page.moment(page.all(".take")[0]) == 2.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: Any, scheme: str) -> None:
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
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    page.open(width, 740)
    assert page.run("return document.documentElement.scrollWidth") <= width
    small = page.run(
        "return [...document.querySelectorAll('button, select')].filter((e) => e.checkVisibility())"
        ".map((e) => e.getBoundingClientRect()).filter((r) => r.height < 40 || r.width < 40).length"
    )
    assert small == 0  # for a thumb


def test_motion_is_reduced_on_request(page: Any) -> None:
    page.open(prefers_reduced_motion="reduce")
    page.run("""
      window.frames_asked = 0;
      const ask = requestAnimationFrame;
      window.requestAnimationFrame = (f) => { window.frames_asked += 1; return ask(f); };
    """)
    page.find(".take .play").click()
    page.wait(lambda: page.moment(page.all(".take")[0]) > 0.5)
    assert page.run("return window.frames_asked") == 0


def test_the_policy_lets_nothing_out(page: Any) -> None:
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


def test_the_takes_play_without_scripts(page: Any) -> None:
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open()
        assert all(audio.is_displayed() for audio in page.all(".take audio"))
        assert not page.find("#blind").is_displayed()
        assert "Scripts are off" in page.text("#listen")
    finally:
        page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        page.open()
