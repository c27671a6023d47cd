"""Beats: tracked, counted, told to models by frames, and kept when music is generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.beats import (
    FILE,
    NO_BEATS,
    Beats,
    Pulse,
    agree,
    track,
    tracked,
)
from lofikit.chunks import Chunks
from lofikit.library import Library
from lofikit.representations.base import FREE
from lofikit.representations.code_signals import BEAT_PLACES, NO_BEAT
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.samples import open_samples
from lofikit.sources.base import ClipData
from lofikit.sources.synthetic import Synthetic, SyntheticConfig

RATE = 4410


def strokes(bpm: float, seconds: float = 20.0, rate: int = RATE) -> NDArray[np.float32]:
    """Decaying noise on every beat, over a quiet hum."""
    rng = np.random.default_rng(1)
    time = np.arange(round(seconds * rate)) / rate
    music = 0.02 * np.sin(2 * np.pi * 110 * time)
    length = rate // 8
    stroke = 0.5 * rng.standard_normal(length) * np.exp(-np.arange(length) / (0.02 * rate))
    for beat in np.arange(0.2, seconds - 0.2, 60 / bpm):
        start = round(beat * rate)
        part = music[start : start + length]
        part += stroke[: len(part)]
    return np.clip(music, -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def codes() -> Codes:
    made = Codes(CodesConfig(beat=True, components=16), RATE)
    made.fit([strokes(80, 30.0)], seed=0)
    return made


@pytest.mark.parametrize("bpm", [72.0, 90.0])
def test_a_steady_beat_is_found(bpm: float) -> None:
    beats = track(Audio(strokes(bpm)[None], RATE))
    assert beats.tempo == pytest.approx(bpm, rel=0.03)
    offset = (np.array(beats.times[2:-2]) - 0.2) * bpm / 60 % 1.0
    assert np.minimum(offset, 1 - offset).max() < 0.15


NOISE = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(10 * RATE) / RATE)).astype(np.float32)
SILENCE = np.zeros(3 * RATE, np.float32)


@pytest.mark.parametrize(
    "samples",
    [SILENCE, SILENCE[:7], NOISE, TONE],
    ids=["silence", "nothing", "noise", "tone"],
)
def test_what_repeats_nothing_has_no_beat(samples: NDArray[np.float32]) -> None:
    beats = track(Audio(samples[None], RATE))
    assert beats.tempo is None
    assert np.isnan(beats.count(np.arange(3.0))).all()
    assert beats.onwards(1.0) is None


@given(st.floats(0.3, 2.0), st.integers(4, 40), st.floats(-5, 90))
def test_the_count_grows_steadily_and_goes_on_without_a_jump(
    period: float, count: int, at: float
) -> None:
    beats = Beats(1.0 + period * np.arange(count))
    seconds = np.linspace(-5, 1 + period * count + 5, 200)
    np.testing.assert_allclose(beats.count(seconds), (seconds - 1) / period, atol=1e-3)
    pulse = beats.onwards(at)
    assert pulse is not None
    assert pulse.count(np.array(at)) == pytest.approx(float(beats.count(np.array(at))), abs=1e-4)
    assert pulse.count(np.array(at + 60.0)) - pulse.begun == pytest.approx(60 / period, rel=1e-3)


@pytest.mark.parametrize("seconds", [8.0, 40.0])
def test_the_beats_of_swung_music_are_found(seconds: float) -> None:
    """The built-in source knows its tempo; a few seconds of a song are enough."""
    source = Synthetic(SyntheticConfig(clips=6, seconds=48, seed=5))
    for clip in source.clips(frozenset()):
        known = Beats(np.array(clip.details["beats"]))
        start = clip.audio.rate * 4
        part = clip.audio.samples[:, start : start + round(seconds * clip.audio.rate)]
        found = track(Audio(part, clip.audio.rate))
        assert found.tempo == pytest.approx(known.tempo, rel=0.015)
        if seconds > 30:  # an off-beat may be louder than a beat for a while
            off = 2 * known.count(4.0 + found.times)  # half-beats
            assert np.median(np.abs(off - np.rint(off))) < 0.25


def test_beats_follow_music_that_slows_down() -> None:
    """From 84 to 80 beats a minute in a minute, as a player might."""
    tempos = np.linspace(84, 80, 85)
    at = np.concatenate([[0.3], 0.3 + np.cumsum(60 / tempos)])
    music = np.zeros(62 * RATE, np.float32)
    stroke = strokes(60, 2.0)[round(0.2 * RATE) :][: RATE // 8]
    for number, start in enumerate((at[at < 60] * RATE).astype(int)):
        music[start : start + len(stroke)] += stroke * (1.0 if number % 2 else 0.6)
    found = track(Audio(music[None], RATE)).times
    inside = found[(found > 1) & (found < 59)]
    apart = np.abs(inside[:, None] - at).min(axis=1)
    assert len(inside) > 75
    assert np.quantile(apart, 0.95) < 0.08


@pytest.mark.parametrize(
    ("bpm", "right"), [(40.0, 80.0), (80.0, 80.0), (160.0, 80.0), (44.0, 88.0)]
)
def test_half_and_twice_the_tempo_are_put_right(bpm: float, right: float) -> None:
    beats = track(Audio(strokes(bpm)[None], RATE))
    assert beats.tempo == pytest.approx(right, rel=5e-3)


def test_a_source_that_knows_its_beats_is_believed(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", create=True)
    known = [0.1, 0.8, 1.5, 2.2, 2.9]
    audio = Audio(strokes(88)[None], RATE)
    library.add("test/strokes", ClipData("88", audio, details={"beats": known}))
    (clip,) = library.clips
    np.testing.assert_allclose(tracked(library, [clip])[clip.id].times, known)


def test_known_beats_are_read_while_others_are_tracked(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", create=True)
    library.add("test/strokes", ClipData("88", Audio(strokes(88)[None], RATE)))
    known = tracked(library, library.clips)
    with FileLock(library.path / "samples" / f"{FILE}.lock"):
        again = tracked(library, library.clips)
    assert again.keys() == known.keys()


def test_beats_of_a_library_are_tracked_once(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", create=True)
    for bpm in (75, 88):
        library.add("test/strokes", ClipData(str(bpm), Audio(strokes(bpm)[None], RATE)))
    done: list[int] = []
    first = tracked(library, library.clips, lambda count, total: done.append(count))
    again = tracked(Library(library.path), library.clips, lambda count, total: done.append(-1))
    assert done == [1, 2]
    for clip in library.clips:
        np.testing.assert_array_equal(first[clip.id].times, again[clip.id].times)
    with (library.path / "samples" / FILE).open("a") as file:
        file.write('{"clip": "cut o')
    assert len(tracked(library, library.clips)) == 2


def test_frames_begin_with_the_place_in_the_beat_of_the_next(codes: Codes) -> None:
    samples = strokes(80, 6.0)[None]
    beats = Beats(0.2 + 0.75 * np.arange(8))
    count = beats.count(np.arange(samples.shape[1]) / RATE)[None]
    frames = codes.encode(samples, {"beat": count})
    assert codes.spec.signals == 1
    assert frames.shape[2] == codes.spec.size == 5
    given = codes.given({"beat": count})
    np.testing.assert_array_equal(given[:, :, 0], frames[:, :, 0])
    assert (given[:, :, 1:] == FREE).all()
    steps = np.diff(frames[0, :, 0]) % NO_BEAT
    assert set(steps) <= {0, 1}
    assert steps.mean() == pytest.approx(BEAT_PLACES / 0.75 / codes.spec.frame_rate, rel=0.05)


def test_where_no_beat_is_known_frames_say_so(codes: Codes) -> None:
    samples = strokes(80, 2.0)[None]
    unknown = codes.encode(samples)
    assert (unknown[:, :, 0] == NO_BEAT).all()
    nothing = NO_BEATS.count(np.arange(samples.shape[1]) / RATE)[None]
    np.testing.assert_array_equal(codes.encode(samples, {"beat": nothing}), unknown)


def test_the_sound_is_that_of_the_codes_alone(codes: Codes) -> None:
    samples = strokes(80, 2.0)[None]
    told = codes.encode(samples)
    other = told.copy()
    other[:, :, 0] = 3
    one, two = codes.decoder(), codes.decoder()
    np.testing.assert_array_equal(one.push(told), two.push(other))


def test_chunks_tell_the_beat_at_every_speed(tmp_path: Path, codes: Codes) -> None:
    library = Library(tmp_path / "library", create=True)
    library.add("test/strokes", ClipData("80", Audio(strokes(80, 30.0)[None], RATE)))
    store = open_samples(library, RATE)
    frames = 100
    plain = Chunks(store, store.clips, codes, frames).draw(4, 0, 0)
    assert plain.shape == (4, frames, 5)
    assert (plain[:, :, 0] < NO_BEAT).all()
    varied = Chunks(store, store.clips, codes, frames, varispeed=2.0, vary_level=6.0)
    drawn = varied.draw(16, 0, 0)
    np.testing.assert_array_equal(drawn, varied.draw(16, 0, 0))
    paces = (np.diff(drawn[:, :, 0], axis=1) % NO_BEAT).mean(axis=1)
    usual = (np.diff(plain[:, :, 0], axis=1) % NO_BEAT).mean()
    assert paces.min() < 0.97 * usual < 1.03 * usual < paces.max()
    assert paces.max() / paces.min() < 2 ** (4.5 / 12)


def test_one_beat_that_is_off_does_not_move_the_pulse() -> None:
    times = 0.3 + 0.75 * np.arange(12)
    times[-1] += 0.2
    pulse = Beats(np.round(times / 0.0232) * 0.0232).onwards(9.0)
    assert pulse is not None
    assert pulse.period == pytest.approx(0.75, rel=0.01)
    assert pulse.begun == pytest.approx((9.0 - 0.3) / 0.75, abs=0.05)


def test_beats_that_were_passed_over_are_counted() -> None:
    whole = 0.2 + 0.75 * np.arange(30)
    missed = Beats(np.delete(whole, [4, 11, 12, 13, 20]))
    assert missed.period == pytest.approx(0.75)
    np.testing.assert_allclose(missed.count(whole), np.arange(30), atol=1e-3)
    pulse = missed.onwards(30.0)
    assert pulse is not None
    assert pulse.begun == pytest.approx((30 - 0.2) / 0.75, abs=1e-3)


def test_pulses_of_one_music_agree() -> None:
    one = Pulse(8.0, 11.3, 0.75)
    assert agree(one, Pulse(8.0, 3.32, 0.755))
    assert agree(one, Pulse(0.0, 11.8 - 8 / 0.75, 0.75))
    assert not agree(one, Pulse(8.0, 11.55, 0.75))
    assert not agree(one, Pulse(8.0, 11.3, 0.7))
