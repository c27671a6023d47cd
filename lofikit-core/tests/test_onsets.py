"""Onsets: heard in music, told to models by frames, and gone on with as a prompt's groove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.onsets import groove, heard_signals, level_curve, onset_curves
from lofikit.representations.base import FREE
from lofikit.representations.code_signals import LEVEL_CLASSES, ONSET_CLASSES
from lofikit.representations.codes import Codes, CodesConfig

RATE = 4410
PERIOD = 0.75
"""Seconds from one beat to the next: 80 beats a minute."""


def rhythm(seconds: float = 12.0) -> NDArray[np.float32]:
    """Loud strokes on beats and soft ones a third of a beat later, over a quiet hum and hiss."""
    rng = np.random.default_rng(1)
    time = np.arange(round(seconds * RATE)) / RATE
    music = 0.02 * np.sin(2 * np.pi * 110 * time) + 0.002 * rng.standard_normal(len(time))
    length = RATE // 10
    stroke = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.02 * RATE))
    for beat in np.arange(PERIOD, seconds - 0.5, PERIOD):
        for start, level in ((beat, 0.4), (beat + PERIOD / 3, 0.02)):
            first = round(start * RATE)
            music[first : first + length] += level * stroke
    return np.clip(music, -1, 1).astype(np.float32)


def counts_of(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return (np.arange(samples.shape[-1]) / RATE / PERIOD).astype(np.float32)


@pytest.fixture(scope="module")
def codes() -> Codes:
    made = Codes(CodesConfig(beat=True, onsets=1, components=16), RATE)
    made.fit([rhythm(30.0)], seed=0)
    return made


def test_onsets_are_strong_where_sounds_begin_whatever_their_level() -> None:
    samples = rhythm()[None]
    (curve,), (softer,) = onset_curves(samples, RATE)[0], onset_curves(0.1 * samples, RATE)[0]
    np.testing.assert_allclose(curve, softer, atol=0.5)
    beats = np.round(np.arange(2, 12) * PERIOD * RATE).astype(int)
    strong = [curve[b - 100 : b + 200].max() for b in beats]
    weak = [curve[b + 1000 : b + 1300].max() for b in beats]
    between = [curve[b - 600 : b - 400].max() for b in beats]
    assert min(strong) > max(weak) + 3
    assert min(weak) > max(between) + 1


def test_samples_that_are_short_or_silent_have_no_onsets() -> None:
    assert not onset_curves(np.zeros((2, 5000), np.float32), RATE).any()
    assert onset_curves(rhythm()[None, :9], RATE, 2).shape == (2, 1, 9)
    assert onset_curves(np.zeros((1, 0), np.float32), RATE).shape == (1, 1, 0)


@given(st.floats(-3, 3), st.floats(4.5, 30.0), st.integers(0, 20), st.integers(0, 9))
def test_a_groove_goes_on_as_the_last_beats_went(
    begun: float, length: float, round_trips: int, seed: int
) -> None:
    counts = np.linspace(begun, begun + length, 4000).astype(np.float32)
    strengths = np.random.default_rng(seed).uniform(0, 20, (2, 4000)).astype(np.float32)
    found = groove(strengths, counts)
    assert found is not None
    beats = 8 if length > 8.1 else 4
    if 7.9 < length < 8.1:
        return
    inside = counts[counts > counts[-1] - beats + 0.02][:-1]
    wanted = [np.interp(inside, counts, band) for band in strengths]
    got = found.at((inside.astype(np.float64) + beats * round_trips).astype(np.float64))
    np.testing.assert_allclose(got, wanted, atol=0.05)


def test_without_a_beat_or_with_too_little_of_it_there_is_no_groove() -> None:
    strengths = np.ones((1, 100), np.float32)
    assert groove(strengths, np.full(100, np.nan, np.float32)) is None
    assert groove(strengths, np.linspace(0, 3.9, 100).astype(np.float32)) is None
    assert groove(strengths[:, :0], strengths[0, :0]) is None


def test_frames_tell_onsets_that_are_about_to_come(codes: Codes) -> None:
    samples = rhythm()[None]
    frames = codes.encode(samples, {"beat": counts_of(samples)[None]})
    assert codes.signals == ("beat", "onsets-1")
    assert codes.spec.signals == 2
    told = frames[0, :, 1]
    assert told.min() >= 0
    assert told.max() < ONSET_CLASSES
    # The frames whose next spectrum begins to reach a stroke are those that tell of it.
    hop, newest = codes.spec.hop, codes.delays + 1
    for beat in range(4, 12):
        centre = beat * PERIOD * RATE
        frame = round((centre - 3 * hop) / hop) - newest
        assert told[frame - 2 : frame + 3].max() > told[frame - 12 : frame - 6].max() + 3


def test_what_is_given_is_what_frames_tell(codes: Codes) -> None:
    samples = rhythm()[None]
    counts = counts_of(samples)[None]
    given_frames = codes.given({"beat": counts, "onsets-1": onset_curves(samples, RATE)[0]})
    frames = codes.encode(samples, {"beat": counts})
    np.testing.assert_array_equal(given_frames[:, :, :2], frames[:, :, :2])
    assert (given_frames[:, :, 2:] == FREE).all()
    unknown = codes.given({"onsets-1": np.full(samples.shape, np.nan, np.float32)})
    assert (unknown == FREE).all()


def test_levels_are_in_dbfs_and_those_of_their_moment() -> None:
    time = np.arange(3 * RATE) / RATE
    tone = np.where(time < 1, 0.5, np.where(time < 2, 0.05, 0)) * np.sin(2 * np.pi * 200 * time)
    (curve,) = level_curve(tone.astype(np.float32)[None], RATE)
    loud, soft, silent = (curve[begin + 300 : begin + RATE - 300] for begin in (0, RATE, 2 * RATE))
    np.testing.assert_allclose(loud, -9.03, atol=0.5)
    np.testing.assert_allclose(soft, -29.03, atol=0.5)
    assert (silent == -120).all()
    assert level_curve(np.zeros((2, 0), np.float32), RATE).shape == (2, 0)


def test_frames_tell_the_level_that_is_about_to_come() -> None:
    made = Codes(CodesConfig(onsets=2, dynamics=True, books=2, components=16), RATE)
    music = rhythm() * np.where(np.arange(12 * RATE) < 6 * RATE, 1.0, 0.05).astype(np.float32)
    made.fit([music], seed=0)
    frames = made.encode(music[None])
    assert made.signals == ("onsets-1", "onsets-2", "dynamics")
    told, change = frames[0, :, 2], round(6 * RATE / made.spec.hop)
    assert told.max() < LEVEL_CLASSES
    # 26 dB are six or seven steps; the frame before the first soft one tells of it.
    steps = np.median(told[change - 60 : change - 12]) - np.median(told[change + 4 : change + 50])
    assert 5 <= steps <= 8
    curves = heard_signals(music[None], RATE, ("dynamics", "beat"))
    assert list(curves) == ["dynamics"]
    given_frames = made.given(curves)
    np.testing.assert_array_equal(given_frames[0, : len(told), 2], told)
    assert (given_frames[:, :, :2] == FREE).all()
    unknown = made.given({"dynamics": np.full((1, RATE), np.nan, np.float32)})
    assert (unknown == FREE).all()


def test_bands_tell_bass_from_hiss() -> None:
    time = np.arange(3 * RATE) / RATE
    rng = np.random.default_rng(0)
    quiet = 0.001 * rng.standard_normal(len(time))
    bass = np.where(time > 1, 0.3 * np.sin(2 * np.pi * 80 * time), 0)
    hiss = np.where(time > 2, np.diff(0.2 * rng.standard_normal(len(time) + 1)), 0)
    curves = onset_curves((quiet + bass + hiss).astype(np.float32)[None], RATE, 3)[:, 0]
    low, _, high = (
        curves[:, begin * RATE - 300 : begin * RATE + 600].max(axis=1) for begin in (1, 1, 2)
    )
    assert low.argmax() == 0
    assert high.argmax() == 2
