"""What all figures share: their texts, their files, and what is refused."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lofikit import figures
from lofikit.audio import Audio
from lofikit.errors import AudioError, LofikitError, OptionError, OutputError, RunError
from lofikit.figures import Take

Sound = Callable[..., Audio]
Metrics = Callable[..., list[dict[str, Any]]]
Draw = Callable[[str], Figure]


def shown_texts(figure: Figure) -> list[Text]:
    """Returns all texts that are drawn, tick labels too."""
    FigureCanvasAgg(figure).draw()
    ticks: list[Text] = []
    drawn: list[Text] = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                ticks += [tick.label1, tick.label2]
                if low <= tick.get_loc() <= high:
                    drawn += [tick.label1, tick.label2]
    drawn += [text for text in figure.findobj(Text) if text not in ticks]  # type: ignore[misc]
    return [text for text in drawn if text.get_visible() and text.get_text()]


def bytes_of(figure: Figure, path: Path) -> bytes:
    figures.save(figure, path)
    return path.read_bytes()


def still(samples: int) -> Audio:
    return Audio(np.zeros((1, samples), np.float32), 8_000)


@pytest.fixture
def draw(tone: Sound, epochs: Metrics) -> Draw:
    """Draws a figure of what crowds most."""

    def drawn(name: str) -> Figure:
        takes = [
            Take("a long name " * 30, tone(200, 3.0), 0.05),
            Take("b", tone(300, 1.0), 1.0),
            Take("c", tone(900, 3.0, 44_100), 1.8),
        ]
        runs = {
            "a long name " * 30: epochs(),
            "short phases": epochs(count=90, phases=9),
            "a late phase": [*epochs(40, phases=1), epochs(40)[-1] | {"step": 4_020, "phase": 1}],
        }
        if name == "loss":
            return figures.loss(runs)
        if name == "rates":
            return figures.rates(tone(700, rate=44_100))
        return {"waveform": figures.waveform, "spectrogram": figures.spectrogram}[name](takes)

    return drawn


@pytest.mark.parametrize("name", ["waveform", "spectrogram", "rates", "loss"])
def test_no_text_covers_another_or_leaves_the_figure(draw: Draw, name: str) -> None:
    figure = draw(name)
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown_texts(figure)]
    assert len(boxes) > 8
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text
    for (text, box), (other, another) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(another.padded(-1)), (text, other)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("waveform", "a.svg"),
        ("waveform", "a.png"),
        ("spectrogram", "a.svg"),
        ("rates", "a.svg"),
        ("loss", "a.svg"),
    ],
)
def test_the_same_inputs_give_the_same_bytes_whatever_the_users_style(
    draw: Draw, name: str, file: str, tmp_path: Path
) -> None:
    before = bytes_of(draw(name), tmp_path / file)
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "x", "axes.facecolor": "red"}):
        after = bytes_of(draw(name), tmp_path / file)
        assert matplotlib.rcParams["font.size"] == 20
    assert before == after
    assert [path.name for path in tmp_path.iterdir()] == [file]
    if file.endswith("svg"):
        assert ElementTree.fromstring(before).tag.endswith("svg")
        assert b"dc:date" not in before


def test_a_png_is_1600_pixels_wide_and_grows_with_its_rows(tone: Sound, tmp_path: Path) -> None:
    heights = []
    for count in (1, 2):
        figure = figures.waveform([Take("a", tone(200, 0.1))] * count)
        pixels = matplotlib.image.imread(io.BytesIO(bytes_of(figure, tmp_path / "a.PNG")))
        assert pixels.shape[1] == 1_600
        assert pixels[..., :3].min() < 0.2 and pixels[0].min() == 1.0
        heights.append(pixels.shape[0])
    assert heights[0] < heights[1]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("$1 & $2 \\frac{", "$1 & $2 \\frac{"),
        ("$x_$", "$x_$"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("café ♪ ½", "café ♪ ½"),
        ("\u65e5\u672c", "\u25a1\u25a1"),
        ("\U0001f3b5 \udcff \x07", "\u25a1 \u25a1 \u25a1"),
        ("_hidden", "_hidden"),
        ("<b>&amp;", "<b>&amp;"),
        ("", ""),
    ],
)
def test_any_name_can_be_a_title(tone: Sound, name: str, title: str, tmp_path: Path) -> None:
    figure = figures.waveform([Take(name, tone(200, 0.1))])
    assert figure.axes[0].get_title(loc="left") == title
    figures.save(figure, tmp_path / "a.svg")


def test_a_long_name_loses_its_middle(tone: Sound) -> None:
    (axes,) = figures.waveform([Take("begin " + "x" * 5_000 + " end", tone(200, 0.1))]).axes
    title = axes.get_title(loc="left")
    assert title.startswith("begin x") and title.endswith("x end") and "…" in title


@pytest.mark.parametrize(
    ("draw", "kind", "words"),
    [
        (lambda: figures.waveform([]), OptionError, "no take"),
        (lambda: figures.spectrogram([]), OptionError, "no take"),
        (lambda: figures.waveform([Take("a", still(9))] * 17), OptionError, "17 takes"),
        (lambda: figures.waveform([Take("x.wav", still(0))]), AudioError, "x.wav holds no"),
        (
            lambda: figures.spectrogram(
                [Take("x.wav", Audio(np.full((1, 9), np.nan, np.float32), 8_000))]
            ),
            AudioError,
            "NaN",
        ),
        (lambda: figures.waveform([Take("x", still(16_000), 2.5)]), OptionError, "lasts 2 s"),
        (lambda: figures.waveform([Take("x", still(16_000), -1.0)]), OptionError, "-1 s"),
        (lambda: figures.waveform([Take("x", still(16_000), float("nan"))]), OptionError, "nan s"),
        (lambda: figures.rates(still(0)), AudioError, "no samples"),
        (lambda: figures.rates(still(16_000), []), OptionError, "no sample rate"),
        (lambda: figures.rates(still(16_000), [4_410, 0]), OptionError, "0 Hz"),
        (lambda: figures.loss({}), OptionError, "no run"),
        (lambda: figures.loss({"runs/a": []}), RunError, "runs/a has no metrics"),
        (lambda: figures.loss({"a": [{"loss": 1.0}]}), RunError, "no step"),
        (lambda: figures.loss({"a": [{"step": 1, "loss": float("nan")}]}), RunError, "diverged"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_next_step(
    draw: Any, kind: type[LofikitError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        draw()
    assert words in caught.value.message and caught.value.hint


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.pdf", ".png"])
def test_other_formats_are_refused_with_a_list(epochs: Metrics, name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        figures.save(figures.loss({"a": epochs()}), tmp_path / name)
    assert "png" in caught.value.hint and "svg" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(epochs: Metrics, tmp_path: Path) -> None:
    figure = figures.loss({"a": epochs()})
    (tmp_path / "b.png").mkdir()
    for path in (tmp_path / "absent" / "a.png", tmp_path / "b.png"):
        with pytest.raises(OutputError) as caught:
            figures.save(figure, path)
        assert str(path) in caught.value.message and caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["b.png"]


def test_pyplot_and_librosa_are_not_imported() -> None:
    code = "import sys, lofikit.figures; print({'matplotlib.pyplot', 'librosa'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
