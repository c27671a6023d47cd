"""The report: which prompts are chosen, what is measured, and what is written into the page."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lofikit.audio import Audio
from lofikit.cli.main import run as lofikit
from lofikit.errors import LibraryError, OptionError
from lofikit.evaluation import FIGURES
from lofikit.library import Library
from lofikit.report.document import document
from lofikit.report.evaluation_file import read_evaluation
from lofikit.report.findings import number
from lofikit.report.markup import Markup, element, fill
from lofikit.report.media import sound_uri, waveform_path
from lofikit.report.takes import Continuations, ReportOptions, choose_prompts, make_takes
from lofikit.run import Run, read_arrays, write_arrays


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_prompts_are_of_clips_that_no_run_was_trained_on(
    runs: list[Run], library: Path, options: ReportOptions, comparisons: list[Continuations]
) -> None:
    trained = {clip["id"] for run in runs for clip in run.manifest()["training_clips"]}
    places = [(c.prompt.clip.id, c.prompt.start) for c in comparisons]
    assert len(set(places)) == 3
    assert not {clip for clip, _ in places} & trained
    assert len({clip for clip, _ in places}) == 2  # both that were held back
    for comparison in comparisons:
        clip, start = comparison.prompt.clip, comparison.prompt.start
        assert 0 <= start <= clip.seconds - options.prompt_seconds - options.seconds


@given(count=st.integers(1, 9), prompt=st.floats(0.1, 5.5), seconds=st.floats(0.1, 60.0))
def test_prompts_lie_within_their_clips(
    runs: list[Run], library: Path, count: int, prompt: float, seconds: float
) -> None:
    options = ReportOptions(count, 1, seconds, prompt)
    prompts = choose_prompts(runs, Library(library), options)
    assert len(prompts) == count
    for chosen in prompts:
        assert 0 <= chosen.start <= chosen.clip.seconds - prompt


def test_every_run_goes_on_from_every_prompt(comparisons: list[Continuations]) -> None:
    for comparison in comparisons:
        assert [(take.name, take.seed) for take in comparison.takes] == [
            ("plain", 0), ("plain", 1), ("<b>bold", 0), ("<b>bold", 1)
        ]  # fmt: skip
        for take in (comparison.original, *comparison.takes):
            assert take.prompt_seconds == pytest.approx(1.0, abs=0.08)  # whole frames
            assert take.audio.seconds == pytest.approx(5.0, abs=0.08)
            assert set(take.figures) == {figure.name for figure in FIGURES}
        heard = comparison.takes[0]
        end = round(heard.prompt_seconds * heard.audio.rate)
        clip = comparison.original.audio.samples[0, :end]
        likeness = np.corrcoef(heard.audio.samples[0, :end], clip)[0, 1]
        assert likeness > 0.99


def test_a_take_that_grows_beyond_all_bounds_ends_there_and_spoils_no_other(
    runs: list[Run], library: Path, options: ReportOptions, tmp_path: Path
) -> None:
    shutil.copytree(runs[0].path, tmp_path / "wild")
    weights = tmp_path / "wild" / "best.safetensors"
    arrays, metadata = read_arrays(weights)
    write_arrays(weights, {name: np.full_like(a, np.nan) for name, a in arrays.items()}, metadata)
    both = [Run.open(tmp_path / "wild"), runs[1]]
    found = make_takes(both, Library(library), options)
    for continuations in found:
        wild, tame = continuations.takes[0], continuations.takes[2]
        assert "beyond all bounds" in wild.failure and not wild.figures
        assert wild.audio.seconds == wild.prompt_seconds > 0.9
        assert np.isfinite(wild.audio.samples).all()
        assert not tame.failure and tame.audio.seconds == pytest.approx(5.0, abs=0.08)
    page = document(both, found, options)
    assert page.count("It broke off: the model&#x27;s predictions grew beyond all bounds.") == 6
    assert "Without 6 takes that broke off (wild)." in page


def test_runs_that_held_back_different_clips_have_no_common_prompt(
    runs: list[Run], library: Path, options: ReportOptions, tmp_path: Path
) -> None:
    held = {clip["id"] for clip in runs[0].manifest()["held_out_clips"]}
    other = next(clip.id for clip in Library(library).clips if clip.id not in held)
    words = ["--model", "linear", "--epochs", "1", "--steps", "1", "--audition", "0"]
    words = ["train", str(library), *words, "--hold-out", other, "-o", str(tmp_path / "other")]
    assert lofikit(words) == 0
    with pytest.raises(LibraryError, match="no clip that every one of the runs held back") as error:
        make_takes([runs[0], Run.open(tmp_path / "other")], Library(library), options)
    assert "--hold-out" in error.value.hint


def test_the_same_takes_give_the_same_page_and_text_stays_text(
    runs: list[Run], library: Path, options: ReportOptions, comparisons: list[Continuations]
) -> None:
    page = document(runs, comparisons[:1], options)
    assert page == document(runs, make_takes(runs, Library(library), options)[:1], options)
    elements = Elements(page)
    assert len(elements.named("script")) == 1
    assert len(elements.named("img")) == 2  # the losses of each run
    assert len(elements.named("b")) == 2  # of the blind test's buttons
    assert page.count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;") >= 8
    for _, attributes in elements.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        address = attributes.get("src") or attributes.get("href")
        if address and not address.startswith(("data:", "#")):
            assert address.startswith("https://") and attributes["rel"] == "noreferrer noopener"


def test_the_policy_names_the_style_and_the_script_of_the_page(
    runs: list[Run], options: ReportOptions, comparisons: list[Continuations]
) -> None:
    page = document(runs, comparisons[:1], options)
    policy = next(m["content"] or "" for m in Elements(page).named("meta") if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        text = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize(("rate", "kept"), [(1000, 8000), (4410, 8000), (11025, 11025)])
def test_sound_of_low_rates_is_exact_and_lines_up(rate: int, kept: int) -> None:
    times = np.arange(3 * rate) / rate
    sine = (0.5 * np.sin(2 * np.pi * 100 * times)).astype(np.float32)
    kind, _, content = sound_uri(Audio(sine[None], rate)).partition(",")
    samples, found = soundfile.read(io.BytesIO(base64.b64decode(content)))
    assert (kind, found, len(samples)) == ("data:audio/wav;base64", kept, 3 * kept)
    expected = 0.5 * np.sin(2 * np.pi * 100 * np.arange(3 * kept) / kept)
    np.testing.assert_allclose(samples[kept : 2 * kept], expected[kept : 2 * kept], atol=2e-3)


def test_sound_of_high_rates_is_small() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 20 * 48_000))
    kind, _, content = sound_uri(Audio(noise.astype(np.float32), 48_000)).partition(",")
    assert kind == "data:audio/mpeg;base64"
    assert len(content) < 20 * 30_000
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
    assert len(samples) / rate == pytest.approx(20.0, abs=0.1)
    assert samples.std() == pytest.approx(0.1, rel=0.2)


def test_a_waveform_is_drawn_to_scale() -> None:
    audio = Audio(np.concatenate([np.full(400, 0.5), np.full(400, -1.0)]).astype("f4")[None], 100)
    points = np.array(
        [p.split() for p in waveform_path(audio, 4.0, 8.0, 16.0, 1.0)[1:-1].split("L")], float
    )
    across, down = points.T
    assert across.min() >= 125 and across.max() <= 250  # of 500, from 4 to 8 of 16 s
    assert down.min() >= 99 and down.max() <= 101  # of 100, from the top
    assert waveform_path(audio, 8.0, 8.0, 16.0, 1.0) == ""


@given(st.text())
def test_whatever_is_not_markup_is_shown_as_it_is(text: str) -> None:
    class Shown(HTMLParser):
        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.text, self.attribute, self.tags = "", "", 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags += 1
            self.attribute = dict(attrs)["title"] or ""

        def handle_data(self, data: str) -> None:
            self.text += data

    shown = Shown()
    shown.feed(element("p", text, title=text))
    shown.close()
    assert (shown.tags, shown.text, shown.attribute) == (1, text, text)


def test_a_template_wants_all_its_values() -> None:
    with pytest.raises(KeyError):
        fill("comparison.html", number=1)
    filled = fill("comparison.html", number=1, clip="<", where="", takes=Markup("<hr>"))
    assert "Prompt 1: &lt;" in filled and "<hr>" in filled


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.123456, "0.123"), (1.0, "1.00"), (-12.34, "\N{MINUS SIGN}12.3"),
     (-123.4, "\N{MINUS SIGN}123"), (float("nan"), "\N{EN DASH}"), (None, "\N{EN DASH}")],
)  # fmt: skip
def test_numbers_have_three_digits_that_count(value: float | None, shown: str) -> None:
    assert number(value) == shown


HOSTILE = "</td></table><script>alert(1)</script>"


def evaluation(path: Path) -> Path:
    """Writes an evaluation as ``lofikit evaluate --json`` does."""
    figures = [
        {"name": "beat", "title": "beat", "explanation": HOSTILE, "low": 0.4, "high": 0.7},
        {"name": "flatness", "title": "flatness", "unit": "dB", "low": -20.0, "high": -12.0},
    ]

    def row(name: str, kind: str, beat: float, flatness: float) -> dict[str, object]:
        values = {"beat": beat, "flatness": flatness}
        measured = {
            key: {"median": value, "low": value, "high": value, "within": 0.5}
            for key, value in values.items()
        }
        held = {"mean": 4.5, "spread": 0.2, "best": 4.3, "worst": 4.7, "clips": 2}
        return {
            "name": name, "kind": kind, "model": "core/linear", "unit": "bits",
            "held_out": held if kind == "run" else None, "figures": measured, "all_within": 0.25,
            "memorisation": 0.1, "frechet": 12.0, "kad": None,
        }  # fmt: skip

    rows = [row("plain", "run", 0.12, -15.0), row("white noise", "anchor", 0.1, -2.5)]
    prompts = [{"clip": "x", "title": "x", "start": 0.0}]
    said = {"format": 1, "rate": 4410, "seconds": 60.0, "prompts": prompts, "seeds": [0, 1, 2],
            "figures": figures, "rows": rows}  # fmt: skip
    path.write_text(json.dumps(said))
    return path


def test_an_evaluation_is_shown_in_words_and_in_a_table(
    runs: list[Run], options: ReportOptions, comparisons: list[Continuations], tmp_path: Path
) -> None:
    found = read_evaluation(evaluation(tmp_path / "evaluation.json"))
    page = document(runs, comparisons[:1], options, found)
    text = re.sub(r"<[^>]+>", "", page[page.index('id="figures"') :])
    assert "plain: its middle take is not like real music in 1 of 2 figures" in text
    assert "beat is too low (0.120; real clips 0.400 to 0.700)" in text
    assert "Of its takes, 25 % are" in text
    assert "4.50 ± 0.20 bits" in text
    assert "white noise" in text and "12.0" in text
    assert len(Elements(page).named("script")) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1, "rows": 3}'])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(OptionError, match="is not an evaluation") as error:
        read_evaluation(path)
    assert "lofikit evaluate" in error.value.hint


def test_the_command_writes_a_page_or_nothing(
    runs: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    words = ["report", str(runs[0].path), "-o", str(page), "--prompts", "1", "--seconds", "0.5"]
    assert lofikit([*words, "--prompt-seconds", "0.001"]) == 1
    assert "--prompt-seconds 0.1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert lofikit([*words, "--prompt-seconds", "1"]) == 0
    assert "open it in a browser" in capsys.readouterr().out
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert lofikit([*words, "--prompt-seconds", "1"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    for flag, value in (("--seconds", "0"), ("--prompts", "0"), ("--seeds", "-1")):
        assert lofikit([*words, "--overwrite", flag, value]) == 1
        assert f"{flag} {value}: must be above 0" in capsys.readouterr().err
