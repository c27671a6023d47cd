"""The figures, by what is on their axes and what lands on disk."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from lofikit import figures
from lofikit.audio import Audio, read
from lofikit.errors import AudioError, LofikitError, OptionError, OutputError, RunError
from lofikit.figures import Take
from lofikit.figures.spectra import COLUMNS, envelope, hertz, mel, spectra


def tone(frequency: float, seconds: float = 2.0, rate: int = 8_000, level: float = 0.5) -> Audio:
    times = np.arange(round(seconds * rate)) / rate
    return Audio((level * np.sin(2 * np.pi * frequency * times))[None].astype(np.float32), rate)


def silence(samples: int, rate: int = 8_000, channels: int = 1) -> Audio:
    return Audio(np.zeros((channels, samples), np.float32), rate)


def epochs(count: int = 12, start: float = 5.0, phases: int = 2) -> list[dict[str, Any]]:
    """Metrics as a run writes them: each phase divides learning rate and doubles the batch."""
    lines = []
    for epoch in range(count):
        phase = epoch * phases // count
        value = start * 0.95**epoch
        lines.append(
            {
                "phase": phase,
                "epoch": epoch,
                "step": 100 * (epoch + 1),
                "loss": value,
                "held_out": value + 0.1 + (0.3 if epoch > count - 2 else 0.0),
                "held_out_bits": value / np.log(2),
                "learning_rate": 0.01 / (phase + 1),
                "batch_size": 32 * 2**phase,
                "optimiser": "sgd",
            }
        )
    return lines


def vertical_lines(axes: Axes) -> list[float]:
    """Returns where lines stand that go from the bottom of the axes to their top."""
    return [
        float(x[0])
        for x, y in (line.get_data() for line in axes.get_lines())
        if len(x) == 2 and x[0] == x[1] and list(y) == [0, 1]
    ]


def curve(axes: Axes, label: str) -> tuple[Any, Any]:
    return next(line.get_data() for line in axes.get_lines() if line.get_label() == label)


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


# Waveforms


def test_the_prompt_ends_at_a_dashed_line_with_a_label() -> None:
    figure = figures.waveform([Take("a", tone(200), 0.75), Take("b", tone(300))])
    with_prompt, without = figure.axes
    assert vertical_lines(with_prompt) == [0.75]
    assert vertical_lines(without) == []
    (label,) = with_prompt.texts
    assert "prompt" in label.get_text() and "0.75 s" in label.get_text()
    assert label.xy[0] == 0.75  # type: ignore[attr-defined]


def test_the_prompt_is_lighter_than_what_was_generated() -> None:
    (axes,) = figures.waveform([Take("a", tone(200), 0.5)]).axes
    prompt, generated = (c for c in axes.collections if isinstance(c, PolyCollection))
    assert (
        prompt.get_paths()[0].get_extents().x1 <= 0.5 <= generated.get_paths()[0].get_extents().x1
    )
    lightness = [float(np.mean(to_rgb(c.get_facecolor()[0]))) for c in (prompt, generated)]  # type: ignore[arg-type, index]
    assert lightness[0] - lightness[1] > 0.3


def test_a_waveform_shows_the_extremes_and_all_takes_on_one_scale() -> None:
    loud, quiet = tone(200, level=0.8), tone(200, seconds=1.0, level=0.1)
    first, second = figures.waveform([Take("loud", loud), Take("quiet", quiet)]).axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim() == (0.0, 2.0)
    extents = [a.collections[0].get_paths()[0].get_extents() for a in (first, second)]
    assert extents[0].y1 == pytest.approx(0.8, abs=1e-3)
    assert extents[1].y0 == pytest.approx(-0.1, abs=1e-3)
    assert extents[1].x1 == pytest.approx(1.0, abs=1e-2)


@given(
    samples=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300),
    columns=st.integers(0, 400),
)
def test_an_envelope_keeps_every_extreme(samples: list[float], columns: int) -> None:
    audio = Audio(np.array([samples], np.float32), 100)
    times, low, high = envelope(audio, 0, len(samples), columns)
    assert 1 <= times.size <= max(1, columns)
    assert low.min() == min(samples) and high.max() == max(samples)
    assert (low <= high).all() and (np.diff(times) > 0).all()
    assert times[0] >= 0 and times[-1] <= audio.seconds


def test_channels_are_averaged() -> None:
    left = tone(200).samples
    (axes,) = figures.waveform([Take("out of phase", Audio(np.vstack([left, -left]), 8_000))]).axes
    assert axes.collections[0].get_paths()[0].get_extents().height == 0


# Spectrograms


def mesh(axes: Axes) -> tuple[Any, Any, Any]:
    """Returns the edges in seconds and Hz and the levels of a spectrogram."""
    (quads,) = (c for c in axes.collections if isinstance(c, QuadMesh))
    corners = np.asarray(quads.get_coordinates())
    return corners[0, :, 0], corners[:, 0, 1], np.asarray(quads.get_array())


@pytest.mark.parametrize("rate", [4_410, 8_000, 44_100])
@pytest.mark.parametrize("frequency", [110.0, 440.0, 1_760.0])
def test_a_tone_is_loudest_at_its_frequency(rate: int, frequency: float) -> None:
    axes, _ = figures.spectrogram([Take("a", tone(frequency, rate=rate))]).axes
    times, frequencies, levels = mesh(axes)
    band = int(levels[:, levels.shape[1] // 2].argmax())
    assert frequencies[band] - 12 <= frequency <= frequencies[band + 1] + 12  # a bin is 11 Hz
    assert (times[0], times[-1]) == (0.0, 2.0)
    assert (frequencies[0], frequencies[-1]) == axes.get_ylim() == (0.0, rate / 2)


def test_levels_are_relative_to_the_loudest_take_and_end_at_the_floor() -> None:
    takes = [Take("loud", tone(500, level=0.5)), Take("quiet", tone(500, level=0.05))]
    loud, quiet, bar = figures.spectrogram(takes).axes
    assert mesh(loud)[2].max() == pytest.approx(0.0)
    assert mesh(quiet)[2].max() == pytest.approx(-20.0, abs=0.1)
    assert mesh(loud)[2].min() >= figures.FLOOR
    assert bar.get_ylim() == (figures.FLOOR, 0.0)


@pytest.mark.parametrize("seconds", [2.0, 100.0])
def test_a_click_is_in_the_column_of_its_time_however_long_the_audio(seconds: float) -> None:
    audio = silence(round(seconds * 4_410), rate=4_410)
    for share in (0.113, 0.5, 0.871):
        audio.samples[0, int(share * audio.samples.shape[1])] = 1.0
    times, _, power = spectra(audio)
    loud = power.sum(axis=0)
    for share in (0.113, 0.5, 0.871):
        near = np.abs((times[:-1] + times[1:]) / 2 - share * seconds) <= max(
            0.03, seconds / COLUMNS
        )
        assert loud[near].max() > 0.2 * loud.max()


def test_the_prompt_is_marked_on_a_spectrogram() -> None:
    axes, _ = figures.spectrogram([Take("a", tone(200), 1.5)]).axes
    assert vertical_lines(axes) == [1.5]
    assert "1.50 s" in axes.texts[0].get_text()


@given(st.floats(0, 400_000))
def test_mel_and_hertz_are_inverse(frequency: float) -> None:
    there_and_back = hertz(mel(np.array([frequency])))
    assert there_and_back[0] == pytest.approx(frequency, rel=1e-9, abs=1e-9)


# Sample rates


def test_a_low_rate_keeps_what_is_below_half_of_it_only() -> None:
    sound = tone(500, rate=44_100)
    sound.samples[:] += tone(6_000, rate=44_100, level=0.3).samples
    figure = figures.rates(sound, [44_100, 4_410])
    *waves, full, low = figure.axes
    assert len(waves) == 2 and vertical_lines(low) == [2_205.0] and vertical_lines(full) == []
    assert "2,205 Hz" in low.texts[0].get_text()
    for axes, treble in ((full, True), (low, False)):
        frequencies, levels = curve(axes, "resampled")
        assert levels[np.abs(frequencies - 500) < 30].max() > -10
        assert (levels[frequencies > 5_000].max(initial=figures.FLOOR) > -20) == treble
        before = curve(axes, "as it is, 44,100 Hz")
        assert before[1][before[0] > 5_000].max() > -20
        assert axes.get_xlim() == (0.0, 22_050.0)


def test_the_waveform_is_that_of_20_ms_with_the_most_treble() -> None:
    sound = tone(100, seconds=3.0, rate=44_100, level=0.9)
    sound.samples[0, 66_150:66_600] += tone(9_000, 450 / 44_100, 44_100, 0.1).samples[0]
    wave, _ = figures.rates(sound, [4_410]).axes
    milliseconds, before = curve(wave, "as it is, 44,100 Hz")
    assert wave.get_xlim() == (0.0, 20.0)
    assert np.abs(np.diff(before, 3)).max() > 0.1  # the burst is there, a sine of 100 Hz has none
    coarse, after = curve(wave, "resampled")
    assert np.allclose(np.diff(coarse), 1000 / 4_410)
    inside = (coarse > 5) & (coarse < 15)
    smooth = np.interp(coarse[inside], milliseconds, before)
    assert np.abs(after[inside] - smooth).max() < 0.15  # without the burst, but at the same time


# Loss


def test_losses_are_drawn_over_steps_with_their_phases_and_the_best() -> None:
    lines = epochs()
    (axes,) = figures.loss({"run": lines}).axes
    for label, key in (("training", "loss"), ("held out", "held_out")):
        steps, values = curve(axes, label)
        assert list(steps) == [line["step"] for line in lines]
        assert list(values) == [line[key] for line in lines]
    best = min(lines, key=lambda line: line["held_out"])
    assert [list(v) for v in curve(axes, "best")] == [[best["step"]], [best["held_out"]]]
    assert vertical_lines(axes) == [600.0]  # where the first phase's last epoch ended
    first, second = (text.get_text() for text in axes.texts)
    assert "0.01" in first and "32" in first and "sgd" in first
    assert "0.005" in second and "64" in second
    facts = axes.get_title(loc="right")
    assert "held-out" in facts and "1,100" in facts and f"{best['held_out_bits']:.2f} bits" in facts


def test_the_two_curves_differ_in_line_style_and_marker() -> None:
    (axes,) = figures.loss({"run": epochs()}).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    training, held = lines["training"], lines["held out"]
    assert training.get_linestyle() != held.get_linestyle()
    assert training.get_marker() != held.get_marker()


def test_what_is_not_known_or_not_finite_is_left_out() -> None:
    lines = epochs()
    for line in lines:
        line["held_out"] = None
    lines[3]["loss"] = float("nan")
    lines[4]["loss"] = float("inf")
    (axes,) = figures.loss({"run": lines}).axes
    assert len(curve(axes, "training")[0]) == len(lines) - 2
    assert "held out" not in [line.get_label() for line in axes.get_lines()]
    assert curve(axes, "best")[0][0] == lines[-1]["step"]
    assert "training loss" in axes.get_title(loc="right")


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([9.0, 1.0], "linear"),
        ([11.0, 1.0], "log"),
        ([11.0, -1.0], "linear"),
        ([2.0, 2.0], "linear"),
    ],
)
def test_more_than_a_decade_of_positive_losses_is_logarithmic(
    values: list[float], scale: str
) -> None:
    lines = [{"phase": 0, "step": i, "loss": v} for i, v in enumerate(values)]
    (axes,) = figures.loss({"run": lines}).axes
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low < min(values) and max(values) < high


def test_runs_share_an_axis_unless_a_decade_lies_between_them() -> None:
    near = figures.loss({"a": epochs(start=5.0), "b": epochs(start=4.0)}).axes
    assert near[0].get_ylim() == near[1].get_ylim()
    far = figures.loss({"a": epochs(start=5.0), "b": [{"phase": 0, "step": 1, "loss": 0.01}]}).axes
    assert far[0].get_ylim() != far[1].get_ylim()
    assert far[0].get_xlim() == far[1].get_xlim()


def test_crowded_phases_are_numbered() -> None:
    (axes,) = figures.loss({"run": epochs(count=24, phases=12)}).axes
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(1, 13)]


# All figures


def drawn(name: str) -> Figure:
    """Draws a figure of what crowds most."""
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


@pytest.mark.parametrize("name", ["waveform", "spectrogram", "rates", "loss"])
def test_no_text_covers_another_or_leaves_the_figure(name: str) -> None:
    figure = drawn(name)
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
    name: str, file: str, tmp_path: Path
) -> None:
    before = bytes_of(drawn(name), tmp_path / file)
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "x", "axes.facecolor": "red"}):
        after = bytes_of(drawn(name), tmp_path / file)
        assert matplotlib.rcParams["font.size"] == 20
    assert before == after
    assert [path.name for path in tmp_path.iterdir()] == [file]
    if file.endswith("svg"):
        assert ElementTree.fromstring(before).tag.endswith("svg")
        assert b"dc:date" not in before


def test_a_png_is_1600_pixels_wide_and_grows_with_its_rows(tmp_path: Path) -> None:
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
def test_any_name_can_be_a_title(name: str, title: str, tmp_path: Path) -> None:
    figure = figures.waveform([Take(name, tone(200, 0.1))])
    assert figure.axes[0].get_title(loc="left") == title
    figures.save(figure, tmp_path / "a.svg")


def test_a_long_name_loses_its_middle() -> None:
    (axes,) = figures.waveform([Take("begin " + "x" * 5_000 + " end", tone(200, 0.1))]).axes
    title = axes.get_title(loc="left")
    assert title.startswith("begin x") and title.endswith("x end") and "…" in title


@pytest.mark.parametrize(("samples", "rate"), [(1, 44_100), (1, 1), (7, 4_410), (500, 44_100)])
def test_very_short_and_silent_audio_is_drawn(samples: int, rate: int, tmp_path: Path) -> None:
    audio = silence(samples, rate, channels=2)
    for figure in (
        figures.waveform([Take("a", audio)]),
        figures.spectrogram([Take("a", audio)]),
        figures.rates(audio, [rate, 4_410]),
    ):
        figures.save(figure, tmp_path / "a.svg")
    one = Audio(np.full((1, 1), 0.25, np.float32), rate)
    (axes,) = figures.waveform([Take("a", one)]).axes
    (line,) = axes.get_lines()
    assert line.get_ydata() == [0.25] and line.get_marker() == "."


def test_an_hour_is_drawn_from_few_columns_in_little_memory() -> None:
    hour = silence(3_600 * 4_410, 4_410)
    hour.samples[0, 10_000_000] = 0.75
    takes = [Take("an hour", hour, 60.0)]
    tracemalloc.start()
    try:
        (axes,) = figures.waveform(takes).axes
        spectrum, _ = figures.spectrogram(takes).axes
        figures.rates(hour, [4_410, 2_205])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < hour.samples.nbytes / 2
    extents = [c.get_paths()[0].get_extents() for c in axes.collections]
    assert max(e.y1 for e in extents) == 0.75  # a single sample of sixteen million
    assert sum(len(c.get_paths()[0].vertices) for c in axes.collections) < 3 * COLUMNS
    assert mesh(spectrum)[2].shape[1] <= COLUMNS


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0, 1), samples=st.integers(1, 3_000))
def test_any_prompt_within_a_take_is_marked(share: float, samples: int) -> None:
    audio = silence(samples)
    seconds = share * audio.seconds
    (axes,) = figures.waveform([Take("a", audio, seconds)]).axes
    assert vertical_lines(axes) == ([seconds] if seconds else [])


def test_real_clips_are_drawn(tmp_path: Path, lofi: Path) -> None:
    clip = read(lofi / "morning-coffee.ogg", seconds=10.0)
    figure = figures.rates(clip)
    *_, full, half, quarter, low = figure.axes
    lost = [curve(axes, "resampled")[0].max() for axes in (full, half, quarter, low)]
    assert lost == sorted(lost, reverse=True)
    figures.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 50_000


# Errors


def not_finite() -> Audio:
    audio = silence(100)
    audio.samples[0, 50] = np.nan
    return audio


@pytest.mark.parametrize(
    ("draw", "kind", "words"),
    [
        (lambda: figures.waveform([]), OptionError, "no take"),
        (lambda: figures.spectrogram([]), OptionError, "no take"),
        (lambda: figures.waveform([Take("a", silence(9))] * 17), OptionError, "17 takes"),
        (lambda: figures.waveform([Take("x.wav", silence(0))]), AudioError, "x.wav holds no"),
        (lambda: figures.spectrogram([Take("x.wav", not_finite())]), AudioError, "NaN"),
        (lambda: figures.waveform([Take("x", tone(200), 2.5)]), OptionError, "lasts 2 s"),
        (lambda: figures.waveform([Take("x", tone(200), -1.0)]), OptionError, "-1 s"),
        (lambda: figures.waveform([Take("x", tone(200), float("nan"))]), OptionError, "nan s"),
        (lambda: figures.rates(silence(0)), AudioError, "no samples"),
        (lambda: figures.rates(tone(200), []), OptionError, "no sample rate"),
        (lambda: figures.rates(tone(200), [4_410, 0]), OptionError, "0 Hz"),
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
def test_other_formats_are_refused_with_a_list(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        figures.save(figures.loss({"a": epochs()}), tmp_path / name)
    assert "png" in caught.value.hint and "svg" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
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
