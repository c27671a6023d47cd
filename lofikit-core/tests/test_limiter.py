"""The limiter: nothing above the ceiling, nothing changed below it, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.limiter import Limiter

RATE = 8000


def _limited(
    samples: NDArray[np.float32], sizes: list[int], ceiling: float = -1.0, release: float = 0.05
) -> NDArray[np.float32]:
    limiter = Limiter(RATE, len(samples), ceiling, release=release)
    out, place, turn = [], 0, 0
    while place < samples.shape[1]:
        size = sizes[turn % len(sizes)]
        out.append(limiter.push(samples[:, place : place + size]))
        place, turn = place + size, turn + 1
    return np.concatenate([*out, limiter.flush()], axis=1)


signals = st.builds(
    lambda seed, count, loud, channels: (
        np.random.default_rng(seed).laplace(scale=loud, size=(channels, count)).astype(np.float32)
    ),
    st.integers(0, 2**32 - 1),
    st.integers(1, 900),
    st.floats(1e-3, 100.0),
    st.integers(1, 3),
)
sizes = st.lists(st.integers(1, 300), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(signals, sizes, st.floats(-30.0, 0.0))
def test_nothing_is_ever_above_the_ceiling(
    samples: NDArray[np.float32], blocks: list[int], ceiling: float
) -> None:
    out = _limited(samples, blocks, ceiling)
    assert out.shape == samples.shape
    assert np.abs(out).max() <= np.float32(10 ** (ceiling / 20))


@settings(deadline=None, max_examples=60)
@given(signals, sizes)
def test_what_is_below_the_ceiling_passes_unchanged(
    samples: NDArray[np.float32], blocks: list[int]
) -> None:
    quiet = samples / max(1e-9, float(np.abs(samples).max())) * np.float32(0.89)
    np.testing.assert_array_equal(_limited(quiet, blocks), quiet)


@settings(deadline=None, max_examples=60)
@given(signals, sizes, sizes)
def test_the_blocks_do_not_matter(
    samples: NDArray[np.float32], one: list[int], other: list[int]
) -> None:
    np.testing.assert_allclose(_limited(samples, one), _limited(samples, other), rtol=2e-6)


def test_the_delay_is_bounded_and_told() -> None:
    limiter = Limiter(RATE, look_ahead=0.005)
    assert limiter.latency == 40
    given_, got = 0, 0
    for size in (7, 100, 1, 60):
        got += limiter.push(np.zeros((1, size), np.float32)).shape[1]
        given_ += size
        assert got == max(0, given_ - 40)
    assert got + limiter.flush().shape[1] == given_


def test_gain_falls_before_a_peak_and_comes_back_after_it_without_a_jump() -> None:
    samples = np.full((1, 2000), 0.5, np.float32)
    samples[0, 1000] = 4.0
    gain = (_limited(samples, [128], ceiling=0.0, release=0.05) / samples)[0]
    assert gain[1000] == pytest.approx(0.25)
    assert gain[960 - 1] == 1.0, "40 samples of look-ahead"
    assert (np.diff(gain[960:1001]) <= 1e-6).all()
    assert np.abs(np.diff(gain)).max() <= 0.75 / 40
    assert (gain[1000 + 40 + round(0.75 * 0.05 * RATE) + 1 :] == 1.0).all()


def test_channels_get_one_gain() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(scale=[[0.5], [2.0]], size=(2, 500)).astype(np.float32)
    out = _limited(samples, [100])
    np.testing.assert_allclose(out[0] * samples[1], out[1] * samples[0], atol=1e-5)
