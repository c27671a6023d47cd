"""Each figure of a take does what it says, on cases that are made to show it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.evaluation import FIGURES, measure

RATE = 4410
Samples = NDArray[np.float32]


def noise(seconds: float, level: float = -20.0, seed: int = 0) -> Samples:
    drawn = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (drawn * 10 ** (level / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def song() -> Samples:
    """A song of 25 s, at -20 dBFS."""
    from lofikit.audio import Audio, resample
    from lofikit.sources.beatmaker import compose

    mix = Audio(compose(3, 25.0, 8820).mix, 8820)
    samples = resample(Audio(mix.mono()[None], 8820), RATE).samples[0]
    return np.asarray(samples * (0.1 / samples.std()), dtype=np.float32)


@pytest.fixture(scope="module")
def prompt(song: Samples) -> Samples:
    return song[: 5 * RATE]


@pytest.fixture(scope="module")
def music(song: Samples) -> Samples:
    """What follows the prompt in the song."""
    return song[5 * RATE :]


@pytest.fixture(scope="module")
def real(music: Samples, prompt: Samples) -> dict[str, float]:
    return measure(music, RATE, prompt, hop=128)


def test_every_figure_is_measured_and_told(real: dict[str, float]) -> None:
    assert [figure.name for figure in FIGURES] == list(real)
    assert all(np.isfinite(value) for value in real.values())
    assert all(figure.title and figure.explanation for figure in FIGURES)


def test_music_is_not_broken(real: dict[str, float]) -> None:
    assert real["collapse"] == 20.0
    assert real["near_constant"] < 0.05
    assert real["jumps"] == pytest.approx(1.0, abs=0.1)
    assert abs(real["end_level"]) < 6


def test_a_loop_raises_repetition(music: Samples, prompt: Samples, real: dict[str, float]) -> None:
    loop = np.resize(prompt[: 3 * RATE], len(music))
    assert measure(loop, RATE, prompt)["repetition"] > 0.99
    assert real["repetition"] < 0.9
    noisy = loop + noise(20.0, -40.0)
    assert measure(noisy, RATE, prompt)["repetition"] > 0.95


def test_noise_is_flat_and_has_no_beat(prompt: Samples, real: dict[str, float]) -> None:
    hiss = measure(noise(20.0), RATE, prompt)
    assert hiss["flatness"] == pytest.approx(-2.5, abs=0.3)
    assert real["flatness"] < -6
    assert hiss["beat"] < 0.15 < 0.3 < real["beat"]
    assert hiss["modulation"] < 0.5 < real["modulation"]
    assert hiss["log_mel_distance"] > 1.5 * real["log_mel_distance"]


def test_more_noise_is_flatter(music: Samples, prompt: Samples) -> None:
    levels = [-80.0, -40.0, -30.0, -20.0, -10.0]
    found = [measure(music + noise(20.0, level), RATE, prompt)["flatness"] for level in levels]
    assert found == sorted(found)


def test_silence_is_near_constant_and_a_collapse(prompt: Samples) -> None:
    for still in (0.0, 0.5, -1.0):
        held = measure(np.full(20 * RATE, still, np.float32), RATE, prompt)
        assert (held["near_constant"], held["collapse"]) == (1.0, 0.0)
        assert held["end_level"] < -60
        assert held["beat"] == held["repetition"] == held["modulation"] == 0.0


def test_a_collapse_is_timed(music: Samples, prompt: Samples) -> None:
    fading = music.copy()
    fading[12 * RATE :] *= np.float32(1e-3)
    assert measure(fading, RATE, prompt)["collapse"] == pytest.approx(12.0, abs=0.5)
    blowing_up = music.copy()
    blowing_up[7 * RATE :] = np.sign(noise(13.0))
    found = measure(blowing_up, RATE, prompt)
    assert found["collapse"] == pytest.approx(7.0, abs=0.5)
    assert found["end_level"] > 15
    resting = music.copy()
    resting[12 * RATE : 13 * RATE] = 0.0  # a rest is no collapse
    found = measure(resting, RATE, prompt)
    assert found["collapse"] == 20.0
    assert found["near_constant"] == pytest.approx(0.05, abs=0.02)


def test_a_drone_stands_still(prompt: Samples, real: dict[str, float]) -> None:
    time = np.arange(20 * RATE) / RATE
    drone = measure((0.14 * np.sin(2 * np.pi * 220 * time)).astype(np.float32), RATE, prompt)
    assert drone["flux"] < 0.1 * real["flux"]
    assert drone["repetition"] > 0.99
    assert drone["flatness"] < real["flatness"]
    assert drone["beat"] < 0.2 or drone["modulation"] < 0.1


def test_a_cut_at_frame_borders_jumps(music: Samples, prompt: Samples) -> None:
    hop = 500
    frames = music[: len(music) // hop * hop].reshape(-1, hop).copy()
    shuffled = np.random.default_rng(0).permutation(frames).reshape(-1)
    assert measure(shuffled, RATE, prompt, hop)["jumps"] > 2
    assert measure(shuffled, RATE, prompt, hop=hop - 1)["jumps"] < 1.2
    assert measure(shuffled, RATE, prompt)["jumps"] == 1.0  # of a run without frames


def clicks(times: NDArray[np.float64], seconds: float) -> Samples:
    """Returns short bursts of noise over a little hiss."""
    made = noise(seconds, -60.0)
    burst = noise(0.05, -10.0, seed=1) * np.linspace(1, 0, round(0.05 * RATE)) ** 2
    for start in (times * RATE).astype(int):
        part = made[start : start + len(burst)]
        part += burst[: len(part)].astype(np.float32)
    return made


@settings(max_examples=8, deadline=None)
@example(0.487630714774351)
@given(st.floats(0.35, 1.9))
def test_a_metronome_has_a_beat_at_any_tempo(period: float) -> None:
    found = measure(clicks(np.arange(0, 24, period), 24.0), RATE)
    assert found["beat"] > 0.7
    assert found["tempo_steadiness"] > 0.8


def test_irregular_onsets_have_no_beat() -> None:
    times = np.sort(np.random.default_rng(0).uniform(0, 24, 40))
    found = measure(clicks(times, 24.0), RATE)
    assert found["beat"] < 0.35
    assert found["tempo_steadiness"] < 0.7


def test_a_tempo_that_runs_away_is_not_steady() -> None:
    times = np.cumsum(np.linspace(1.0, 0.4, 60))
    found = measure(clicks(times[times < 40], 40.0), RATE)
    assert found["tempo_steadiness"] < 0.5


@settings(max_examples=10, deadline=None)
@given(st.floats(-30.0, 6.0))
def test_loudness_alone_changes_nothing_but_the_end_level(gain: float) -> None:
    take, before = noise(12.0, seed=1), noise(5.0, seed=2)
    take *= np.float32(1) + np.sin(np.arange(len(take)) / 2000, dtype=np.float32) / 2
    factor = np.float32(10 ** (gain / 20))
    one, other = measure(take, RATE, before), measure(factor * take, RATE, factor * before)
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=1e-2, abs=1e-3, nan_ok=True), name
    louder = measure(factor * take, RATE, before)
    assert louder["end_level"] == pytest.approx(one["end_level"] + gain, abs=0.01)


def test_what_cannot_be_measured_is_left_open() -> None:
    short = measure(noise(1.0), RATE)
    for name in ("end_level", "log_mel_distance", "beat", "tempo_steadiness"):
        assert np.isnan(short[name])
    for samples in (np.zeros(0, np.float32), np.zeros(1, np.float32), noise(0.1)):
        assert len(measure(samples, RATE, noise(1.0))) == len(FIGURES)


@pytest.mark.parametrize("rate", [1000, 11025, 22050])
def test_other_rates(rate: int) -> None:
    take = np.random.default_rng(0).standard_normal(rate * 10).astype(np.float32) / 10
    found = measure(take, rate, take[:rate], hop=64)
    assert found["flatness"] == pytest.approx(-2.5, abs=0.3)
    assert found["log_mel_distance"] < 1.0
    assert found["beat"] < 0.25


def test_within_minds_which_side_is_bad() -> None:
    figures = {figure.name: figure for figure in FIGURES}
    assert figures["beat"].within(0.9, 0.2, 0.7)
    assert not figures["beat"].within(0.1, 0.2, 0.7)
    assert figures["near_constant"].within(0.0, 0.01, 0.02)
    assert not figures["near_constant"].within(0.1, 0.01, 0.02)
    assert not figures["flux"].within(0.1, 0.2, 0.7)
    assert not figures["flux"].within(0.8, 0.2, 0.7)
    assert not figures["flux"].within(float("nan"), 0.2, 0.7)
