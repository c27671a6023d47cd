"""Distances between sets of vectors, and the vectors that they are measured on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.errors import OptionError
from lofikit.evaluation.distances import MOST, frechet_distance, kernel_distance, thinned
from lofikit.evaluation.embedding import LogMelModulation, load_embedding

RATE = 4410


def drawn(seed: int, count: int = 400, size: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, size)) + shift


def test_a_set_is_nearest_to_itself() -> None:
    one = drawn(0)
    assert frechet_distance(one, one) == pytest.approx(0.0, abs=1e-6)
    assert kernel_distance(one, one) < kernel_distance(one, drawn(1, shift=0.5))


def test_the_frechet_distance_of_normal_distributions_is_known() -> None:
    one, other = drawn(0, 40_000), 2 * drawn(1, 40_000) + 3.0
    # |mean difference|^2 + sum of (difference of deviations)^2, Dowson and Landau 1982.
    assert frechet_distance(one, other) == pytest.approx(6 * 9 + 6 * 1, rel=0.02)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 3.0))
def test_further_sets_are_further_away(seed: int, shift: float) -> None:
    one = drawn(seed)
    near, far = drawn(seed + 1, shift=shift / 4), drawn(seed + 2, shift=shift)
    for distance in (frechet_distance, kernel_distance):
        assert distance(one, near) < distance(one, far) or shift < 0.5
        assert distance(one, far) == pytest.approx(distance(far, one), rel=0.3, abs=0.5)


def test_the_kernel_distance_is_unbiased() -> None:
    found = {
        n: [kernel_distance(drawn(s, n), drawn(s + 500, n)) for s in range(60)] for n in (8, 40)
    }
    for values in found.values():
        error = np.std(values) / np.sqrt(len(values))
        assert abs(np.mean(values)) < 4 * error
        assert min(values) < 0 < max(values)


def test_too_few_vectors_have_no_distance() -> None:
    for distance in (frechet_distance, kernel_distance):
        assert np.isnan(distance(drawn(0), drawn(1, 1)))
        assert np.isfinite(distance(drawn(0), drawn(1, 2)))


def test_many_vectors_are_thinned_evenly() -> None:
    many = np.arange(3.0 * MOST)[:, None]
    few = thinned(many)
    assert len(few) == MOST
    assert (few[0, 0], few[-1, 0]) == (0.0, 3.0 * MOST - 1)
    assert thinned(many[:5]) is not None and len(thinned(many[:5])) == 5


def test_the_embedding_tells_timbre_and_tempo_apart() -> None:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((2, 20 * RATE)).astype(np.float32) / 10
    time = np.arange(20 * RATE) / RATE
    slow, fast = (
        n * (1 + np.sin(2 * np.pi * f * time)).astype(np.float32)
        for n, f in zip((noise[0], noise[1]), (0.75, 6.0), strict=True)
    )
    embedding = LogMelModulation()
    sounds = (noise[0], noise[1], slow, fast)
    steady, steady2, low, high = (embedding.embed(sound, RATE) for sound in sounds)
    assert steady.shape == (18, 72)  # a window needs its whole two seconds
    same = frechet_distance(steady, steady2)
    assert frechet_distance(steady, low) > 3 * same
    assert frechet_distance(low, high) > 3 * same
    dull = np.convolve(noise[1], np.ones(8) / 8, "same").astype(np.float32)
    assert frechet_distance(steady, embedding.embed(dull, RATE)) > 3 * same
    assert len(embedding.embed(noise[0][:RATE], RATE)) == 0


class OfMyOwn:
    def embed(self, samples: np.ndarray, rate: int) -> np.ndarray:
        return samples[: len(samples) // rate * rate].reshape(-1, rate)


class Wrong:
    pass


def test_an_embedding_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("embeddings_of_mine")
    module.OfMyOwn, module.Wrong = OfMyOwn, Wrong  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "embeddings_of_mine", module)
    found = load_embedding("embeddings_of_mine:OfMyOwn")
    assert found.embed(np.zeros(30), 10).shape == (3, 10)
    assert isinstance(load_embedding(None), LogMelModulation)
    for wrong in ("embeddings_of_mine:Wrong", "embeddings_of_mine:Absent", "absent.module:X", "x"):
        with pytest.raises(OptionError, match=r"--embedding") as caught:
            load_embedding(wrong)
        assert "embed(samples, rate)" in caught.value.hint
