"""Copies of the training are found, however they were changed on the way; other music is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.evaluation.memorisation import HOP_SECONDS, Memory, fingerprint

RATE = 4410
Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def songs() -> list[Samples]:
    from lofikit.audio import Audio, resample
    from lofikit.sources.beatmaker import compose

    made = []
    for seed in range(4):
        mix = Audio(compose(seed, 16.0, 8820).mix, 8820)
        samples = resample(Audio(mix.mono()[None], 8820), RATE).samples[0]
        made.append(np.asarray(samples * (0.1 / samples.std()), dtype=np.float32))
    return made


@pytest.fixture(scope="module")
def memory(songs: list[Samples]) -> Memory:
    return Memory(songs[:3], RATE)


def with_noise(samples: Samples, below: float) -> Samples:
    drawn = np.random.default_rng(0).standard_normal(len(samples)).astype(np.float32)
    return samples + drawn * samples.std() * np.float32(10 ** (-below / 20))


def test_a_copy_is_found_and_other_music_is_not(memory: Memory, songs: list[Samples]) -> None:
    assert memory.share([songs[1]]) == 1.0
    assert memory.share([songs[3]]) < 0.2
    noise = np.random.default_rng(1).standard_normal(10 * RATE).astype(np.float32) / 10
    assert memory.share([noise]) == 0.0
    half = np.concatenate([songs[0][: 8 * RATE], noise[: 8 * RATE]])
    assert memory.share([half]) == pytest.approx(0.5, abs=0.15)


def test_a_copy_shifted_by_half_a_frame_is_found(memory: Memory, songs: list[Samples]) -> None:
    shifted = songs[2][round(HOP_SECONDS * RATE / 2) :]
    assert memory.share([shifted]) == 1.0
    assert memory.share([with_noise(shifted, 20.0)]) > 0.9


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 5 * RATE), st.floats(-24.0, 12.0))
def test_a_copy_is_found_at_any_shift_and_level(
    memory: Memory, songs: list[Samples], shift: int, gain: float
) -> None:
    copy = songs[0][shift:] * np.float32(10 ** (gain / 20))
    assert memory.share([copy]) > 0.9


def test_more_noise_makes_a_copy_less_like(memory: Memory, songs: list[Samples]) -> None:
    likeness = [memory.likeness([with_noise(songs[0], db)]).mean() for db in (40, 20, 10, 0)]
    assert likeness == sorted(likeness, reverse=True)


def test_silence_is_nobodys(memory: Memory) -> None:
    assert np.isnan(memory.share([np.zeros(10 * RATE, np.float32)]))
    assert np.isnan(Memory([], RATE).share([np.zeros(100, np.float32)]))


@pytest.mark.parametrize("rate", [1000, 11025, 22050])
def test_other_rates(rate: int) -> None:
    noise = np.random.default_rng(0).standard_normal((2, rate * 8)).astype(np.float32) / 10
    memory = Memory([noise[0]], rate)
    assert fingerprint(noise[0], rate).shape[1] == 32
    assert memory.share([noise[0][rate // 3 :]]) == 1.0
    assert memory.share([noise[1]]) == 0.0
