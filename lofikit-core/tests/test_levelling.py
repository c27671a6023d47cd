"""Levels that are held: that drift goes and music stays, however it comes in blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofikit.levelling import MOST, LevelHold

RATE = 1000
RNG = np.random.default_rng(0)
PROMPTS = (np.array([[0.1], [0.02]]) * RNG.standard_normal((2, 5 * RATE))).astype(np.float32)


def level(samples: np.ndarray) -> np.ndarray:
    return np.asarray(10 * np.log10(np.square(samples, dtype=np.float64).mean(axis=1)))


def drifting(seconds: int, decibels: float) -> np.ndarray:
    """Goes on from the prompts, and becomes louder or softer on the way."""
    noise = RNG.standard_normal((2, seconds * RATE)) * np.array([[0.1], [0.02]])
    return (noise * 10 ** (np.linspace(0, decibels, noise.shape[1]) / 20)).astype(np.float32)


@pytest.mark.parametrize("decibels", [-5.5, 5.5])
def test_what_fades_or_swells_ends_at_the_prompts_level(decibels: float) -> None:
    out = LevelHold(PROMPTS, PROMPTS, RATE).push(drifting(120, decibels))
    np.testing.assert_allclose(level(out[:, -10 * RATE :]), level(PROMPTS), atol=1.0)
    np.testing.assert_allclose(level(out[:, : 2 * RATE]), level(PROMPTS), atol=1.0)


def test_a_take_is_never_changed_by_more_than_that() -> None:
    takes = drifting(60, -40.0)
    assert np.abs(LevelHold(PROMPTS, PROMPTS, RATE).push(takes)).max() <= MOST * np.abs(takes).max()
    faint = LevelHold(PROMPTS, PROMPTS, RATE).push(np.zeros((2, 30 * RATE), np.float32))
    assert not faint.any()


def test_strokes_and_rests_of_a_bar_stay_as_loud_as_they_are() -> None:
    loud = np.tile(np.repeat([1.4, 0.2], RATE // 2), 60)  # a second each, by turns
    takes = (drifting(60, 0.0) * loud).astype(np.float32)
    out = LevelHold(PROMPTS, PROMPTS, RATE).push(takes)
    strokes, rests = loud > 1, loud < 1
    before = level(takes[:, strokes]) - level(takes[:, rests])
    after = level(out[:, strokes]) - level(out[:, rests])
    np.testing.assert_allclose(after, before, atol=1.0)


def test_takes_of_silent_prompts_stay_as_they_are() -> None:
    prompts = PROMPTS.copy()
    prompts[1] = 0.0
    takes = drifting(10, 6.0)
    np.testing.assert_array_equal(LevelHold(prompts, prompts, RATE).push(takes)[1], takes[1])


@given(st.lists(st.integers(0, 900), max_size=8))
def test_blocks_give_what_the_whole_gives(cuts: list[int]) -> None:
    takes = drifting(1, 3.0)
    pieces = np.split(takes, sorted(cuts), axis=1)
    hold = LevelHold(PROMPTS, PROMPTS, RATE)
    joined = np.concatenate([hold.push(piece) for piece in pieces], axis=1)
    np.testing.assert_array_equal(joined, LevelHold(PROMPTS, PROMPTS, RATE).push(takes))


@pytest.mark.parametrize(("heard", "makeup"), [(-3.0, 3.0), (4.0, -4.0), (-9.0, 6.0)])
def test_what_the_model_heard_too_softly_is_brought_to_the_prompts_level(
    heard: float, makeup: float
) -> None:
    softer = PROMPTS * np.float32(10 ** (heard / 20))
    hold = LevelHold(PROMPTS, softer, RATE)
    np.testing.assert_allclose(20 * np.log10(hold.makeup), makeup, atol=0.03)
    takes = drifting(60, 5.0) * np.float32(10 ** (heard / 20))
    out = hold.push(takes)
    wanted = level(PROMPTS) + heard + makeup
    np.testing.assert_allclose(level(out[:, -10 * RATE :]), wanted, atol=1.0)
    np.testing.assert_allclose(level(out[:, : 2 * RATE]), wanted, atol=1.0)
