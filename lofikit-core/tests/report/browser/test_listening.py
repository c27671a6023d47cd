"""The page plays takes, compares them, blind too, and counts votes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lofikit.report.document import document
from lofikit.report.takes import Continuations, ReportOptions
from lofikit.run import Run

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

pytestmark = pytest.mark.slow


def test_a_take_plays_and_another_goes_on_from_its_moment(page: Any) -> None:
    first, second = page.all("#prompt-1 .take")[1:3]
    other = page.all("#prompt-2 .take")[1]
    first.find_element(By.CSS_SELECTOR, ".play").click()
    page.wait(lambda: page.moment(first) > 0.5)
    assert page.sounding() == [1]
    heads = {first.find_element(By.CSS_SELECTOR, ".playhead").value_of_css_property("left")}
    page.wait(lambda: heads.add(
        first.find_element(By.CSS_SELECTOR, ".playhead").value_of_css_property("left")
    ) or len(heads) > 2)  # fmt: skip
    second.find_element(By.CSS_SELECTOR, ".play").click()
    page.wait(lambda: page.sounding() == [2] and page.moment(second) > 0.5)
    other.find_element(By.CSS_SELECTOR, ".play").click()
    page.wait(lambda: page.sounding() == [6])
    other.find_element(By.CSS_SELECTOR, ".play").click()
    page.wait(lambda: page.sounding() == [])


def test_a_take_plays_to_its_end(page: Any) -> None:
    take = page.all(".take")[0]
    seek = take.find_element(By.CSS_SELECTOR, ".seek")
    seek.send_keys(Keys.END, Keys.ARROW_LEFT)
    assert float(seek.get_attribute("aria-valuenow")) == pytest.approx(3.0, abs=0.1)
    assert "3 of 5 seconds, after the prompt" in seek.get_attribute("aria-valuetext")
    take.find_element(By.CSS_SELECTOR, ".play").click()
    page.wait(lambda: page.run("return document.querySelector('.take audio').ended"))
    page.wait(lambda: page.sounding() == [])
    page.wait(lambda: take.find_element(By.CSS_SELECTOR, ".time").text == "0:05 / 0:05")


def test_a_click_into_the_picture_goes_there(page: Any) -> None:
    take = page.all(".take")[2]
    seek = take.find_element(By.CSS_SELECTOR, ".seek")
    place = seek.rect["width"] * 0.3
    actions = webdriver.ActionChains(page.browser)
    actions.move_to_element_with_offset(seek, round(place), 0).click().perform()
    page.wait(lambda: page.moment(take) == pytest.approx(5.0 * 0.8, abs=0.1))  # from the middle


def test_the_prompts_end_is_marked_where_it_is(page: Any) -> None:
    for take in page.all(".take"):
        end = float(take.get_attribute("data-prompt-end"))
        line = take.find_elements(By.CSS_SELECTOR, ".marks line")[1].rect
        box = take.find_element(By.CSS_SELECTOR, ".track").rect
        shown = (line["x"] + line["width"] / 2 - box["x"]) / box["width"]
        assert shown == pytest.approx(end / 5.0, abs=0.01)


def test_a_blind_vote_is_counted_for_what_was_heard_and_kept(page: Any, tmp_path: Path) -> None:
    page.find("#blind-a").click()
    playing = "return document.querySelector('#blind-position').value"
    page.wait(lambda: float(page.run(playing)) > 0.3)
    assert page.find("#blind-a").get_attribute("aria-pressed") == "true"
    page.press("x")
    page.wait(lambda: page.find("#blind-b").get_attribute("aria-pressed") == "true")
    assert page.find("#blind-a").get_attribute("aria-pressed") == "false"
    assert page.run("return document.activeElement.id") == "blind-b"
    page.press(Keys.ARROW_RIGHT)
    page.wait(lambda: float(page.run(playing)) > 2.3)
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
    page.wait(lambda: tally() == expected)
    assert "4 votes. This browser keeps them" in page.text("#tally-kept")

    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
    page.find("#tally-save").click()
    saved = page.wait(lambda: [f for f in tmp_path.iterdir() if f.suffix == ".json"])[0]
    kept = page.wait(saved.read_text)
    votes = json.loads(kept)["votes"]
    assert [vote["preferred"] for vote in votes] == ["a", "b", "a", "neither"]
    assert {vote[side]["name"] for vote in votes for side in "ab"} == set(expected)
    page.find("#tally-clear").click()
    assert tally() == {}


def test_a_pair_is_revealed_without_a_vote_and_the_clip_itself_takes_part(page: Any) -> None:
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
    page: Any,
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
