"""Figures of takes: waveforms, spectrograms and sample rates, by what is on their axes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_rgb

from lofikit import figures
from lofikit.audio import Audio, read
from lofikit.figures import Take
from lofikit.figures.spectra import COLUMNS, envelope, hertz, mel, spectra

Sound = Callable[..., Audio]
Lines = Callable[[Axes], list[float]]
Curve = Callable[[Axes, str], tuple[Any, Any]]


def test_the_prompt_ends_at_a_dashed_line_with_a_label(tone: Sound, vertical_lines: Lines) -> None:
    figure = figures.waveform([Take("a", tone(200), 0.75), Take("b", tone(300))])
    with_prompt, without = figure.axes
    assert vertical_lines(with_prompt) == [0.75]
    assert vertical_lines(without) == []
    (label,) = with_prompt.texts
    assert "prompt" in label.get_text() and "0.75 s" in label.get_text()
    assert label.xy[0] == 0.75  # type: ignore[attr-defined]


def test_the_prompt_is_lighter_than_what_was_generated(tone: Sound) -> None:
    (axes,) = figures.waveform([Take("a", tone(200), 0.5)]).axes
    prompt, generated = (c for c in axes.collections if isinstance(c, PolyCollection))
    assert (
        prompt.get_paths()[0].get_extents().x1 <= 0.5 <= generated.get_paths()[0].get_extents().x1
    )
    lightness = [float(np.mean(to_rgb(c.get_facecolor()[0]))) for c in (prompt, generated)]  # type: ignore[arg-type, index]
    assert lightness[0] - lightness[1] > 0.3


def test_a_waveform_shows_the_extremes_and_all_takes_on_one_scale(tone: Sound) -> None:
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


def test_channels_are_averaged(tone: Sound) -> None:
    left = tone(200).samples
    (axes,) = figures.waveform([Take("out of phase", Audio(np.vstack([left, -left]), 8_000))]).axes
    assert axes.collections[0].get_paths()[0].get_extents().height == 0


def mesh(axes: Axes) -> tuple[Any, Any, Any]:
    """Returns the edges in seconds and Hz and the levels of a spectrogram."""
    (quads,) = (c for c in axes.collections if isinstance(c, QuadMesh))
    corners = np.asarray(quads.get_coordinates())
    return corners[0, :, 0], corners[:, 0, 1], np.asarray(quads.get_array())


@pytest.mark.parametrize("rate", [4_410, 8_000, 44_100])
@pytest.mark.parametrize("frequency", [110.0, 440.0, 1_760.0])
def test_a_tone_is_loudest_at_its_frequency(tone: Sound, rate: int, frequency: float) -> None:
    axes, _ = figures.spectrogram([Take("a", tone(frequency, rate=rate))]).axes
    times, frequencies, levels = mesh(axes)
    band = int(levels[:, levels.shape[1] // 2].argmax())
    assert frequencies[band] - 12 <= frequency <= frequencies[band + 1] + 12  # a bin is 11 Hz
    assert (times[0], times[-1]) == (0.0, 2.0)
    assert (frequencies[0], frequencies[-1]) == axes.get_ylim() == (0.0, rate / 2)


def test_levels_are_relative_to_the_loudest_take_and_end_at_the_floor(tone: Sound) -> None:
    takes = [Take("loud", tone(500, level=0.5)), Take("quiet", tone(500, level=0.05))]
    loud, quiet, bar = figures.spectrogram(takes).axes
    assert mesh(loud)[2].max() == pytest.approx(0.0)
    assert mesh(quiet)[2].max() == pytest.approx(-20.0, abs=0.1)
    assert mesh(loud)[2].min() >= figures.FLOOR
    assert bar.get_ylim() == (figures.FLOOR, 0.0)


@pytest.mark.parametrize("seconds", [2.0, 100.0])
def test_a_click_is_in_the_column_of_its_time_however_long_the_audio(
    silence: Sound, seconds: float
) -> None:
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


def test_the_prompt_is_marked_on_a_spectrogram(tone: Sound, vertical_lines: Lines) -> None:
    axes, _ = figures.spectrogram([Take("a", tone(200), 1.5)]).axes
    assert vertical_lines(axes) == [1.5]
    assert "1.50 s" in axes.texts[0].get_text()


@given(st.floats(0, 400_000))
def test_mel_and_hertz_are_inverse(frequency: float) -> None:
    there_and_back = hertz(mel(np.array([frequency])))
    assert there_and_back[0] == pytest.approx(frequency, rel=1e-9, abs=1e-9)


def test_a_low_rate_keeps_what_is_below_half_of_it_only(
    tone: Sound, vertical_lines: Lines, curve: Curve
) -> None:
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


def test_the_waveform_is_that_of_20_ms_with_the_most_treble(tone: Sound, curve: Curve) -> None:
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


@pytest.mark.parametrize(("samples", "rate"), [(1, 44_100), (1, 1), (7, 4_410), (500, 44_100)])
def test_very_short_and_silent_audio_is_drawn(
    silence: Sound, samples: int, rate: int, tmp_path: Path
) -> None:
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


def test_an_hour_is_drawn_from_few_columns_in_little_memory(silence: Sound) -> None:
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
def test_any_prompt_within_a_take_is_marked(
    silence: Sound, vertical_lines: Lines, share: float, samples: int
) -> None:
    audio = silence(samples)
    seconds = share * audio.seconds
    (axes,) = figures.waveform([Take("a", audio, seconds)]).axes
    assert vertical_lines(axes) == ([seconds] if seconds else [])


def test_real_clips_are_drawn(curve: Curve, tmp_path: Path, lofi: Path) -> None:
    clip = read(lofi / "morning-coffee.ogg", seconds=10.0)
    figure = figures.rates(clip)
    *_, full, half, quarter, low = figure.axes
    lost = [curve(axes, "resampled")[0].max() for axes in (full, half, quarter, low)]
    assert lost == sorted(lost, reverse=True)
    figures.save(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 50_000
