"""Codes of spectra: the suite, the laws of their books, and what a run keeps."""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.audio import read_mono
from lofikit.chunks import DataConfig, LevelledClips, split
from lofikit.errors import LibraryError, OptionError, RepresentationError, UnsupportedSpecError
from lofikit.library import Library
from lofikit.models.linear import Linear, LinearConfig
from lofikit.options import build
from lofikit.representations.base import Frames, Samples
from lofikit.representations.codebooks import fit_books, principal_components
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.representations.quantisation import Quantiser
from lofikit.samples import open_samples
from lofikit.spectrum import spectral_error
from lofikit.testing import representations as suite
from lofikit.testing.components import music as tune
from lofikit.testing.representations import RepresentationSuite, training_clips

RATE = 4410
laws = settings(max_examples=40, deadline=None)


class TestCodes(RepresentationSuite):
    component = "core/codes"


class TestCodesWithoutDelay(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"delay": False, "books": 2, "levels": 64, "components": 24}


class TestCodesOfHalfOverlap(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"hop": 100, "window": 300, "books": 3, "levels": 100}
    sample_rate = 8000


class TestCodesThatTellTheBeat(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"beat": True, "hop": 256, "books": 2, "levels": 80}


class TestCodesThatTellOnsets(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"beat": True, "onsets": 3, "books": 3, "levels": 70}


class TestCodesThatTellDynamics(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"beat": True, "onsets": 1, "dynamics": True, "books": 2, "levels": 90}


class TestCodesThatTellTimbre(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"beat": True, "onsets": 1, "timbre": 4, "books": 2, "levels": 90}


class TestCodesThatTellTimbreAlone(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"timbre": 2, "hop": 200, "books": 2, "levels": 40}
    sample_rate = 8000


class TestCodesThatTellOnsetsAlone(RepresentationSuite):
    component = "core/codes"
    options: ClassVar = {"onsets": 1, "hop": 200, "books": 2, "levels": 20}
    sample_rate = 8000


@pytest.fixture(scope="module")
def codes() -> Codes:
    found = Codes(CodesConfig(), RATE)
    found.fit(training_clips(RATE), seed=0)
    return found


def vectors(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)


def ids_of(points: np.ndarray, books: np.ndarray) -> np.ndarray:
    size = points.shape[1]
    return Quantiser(np.eye(size, dtype=np.float32), np.zeros(size, np.float32), books)(points)


# The books


@laws
@given(st.integers(1, 300), st.integers(1, 12), st.integers(1, 3), st.integers(2, 20))
def test_every_book_brings_vectors_nearer(n: int, size: int, books: int, levels: int) -> None:
    points = vectors(n, size)
    found = fit_books(points, books, levels, np.random.default_rng(0))
    ids = ids_of(points, found)
    assert found.shape == (books, levels, size)
    assert ids.shape == (n, books)
    chosen = np.stack([found[b][ids[:, b]] for b in range(books)])
    errors = [np.square(points - chosen[:count].sum(axis=0)).sum() for count in range(books + 1)]
    assert all(after <= before + 1e-3 for before, after in pairwise(errors))


def test_no_code_is_nearer_than_the_one_that_is_chosen() -> None:
    points, books = vectors(50, 5), vectors(40, 5, 1).reshape(2, 20, 5)
    ids = ids_of(points, books)
    left = points
    for book in range(2):
        distances = np.square(left[:, None] - books[book]).sum(axis=2)
        assert np.array_equal(ids[:, book], distances.argmin(axis=1))
        left = left - books[book][ids[:, book]]


def test_as_many_codes_as_vectors_leave_nothing_over() -> None:
    points = vectors(30, 4)
    books = fit_books(points, 1, 64, np.random.default_rng(0))
    assert np.abs(points - books[0][ids_of(points, books)[:, 0]]).max() < 1e-6


@laws
@given(st.integers(1, 100), st.integers(1, 30), st.data())
def test_a_vector_gets_the_same_ids_whatever_stands_beside_it(
    n: int, size: int, data: st.DataObject
) -> None:
    points = vectors(n, size)
    find = Quantiser(vectors(size, 7, 1), vectors(1, 7, 2)[0], vectors(33, 7, 3).reshape(3, 11, 7))
    first = data.draw(st.integers(0, n - 1))
    last = data.draw(st.integers(first + 1, n))
    assert np.array_equal(find(points[first:last]), find(points)[first:last])


def test_principal_components_are_those_of_the_largest_variance() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    points = (rng.normal(size=(4000, 6)) * [9, 5, 3, 0.1, 0.1, 0.1]) @ turn.T
    found = principal_components(points.astype(np.float32), 3)
    np.testing.assert_allclose(np.abs(found.T @ turn[:, :3]), np.eye(3), atol=0.05)
    assert (found[np.abs(found).argmax(axis=0), range(3)] > 0).all()


# What is learned


def test_music_it_was_not_fitted_to_comes_back(lofi: Path) -> None:
    names = ("autumn.ogg", "shimmer-lofi.ogg", "cellar-door.ogg", "roof-tops.mp3")
    clips = [np.concatenate(list(read_mono(lofi / name, RATE))) for name in names]
    clips = [clip * np.float32(0.1 / np.sqrt(np.mean(clip**2))) for clip in clips]
    found = Codes(CodesConfig(), RATE)
    found.fit(clips[:3], seed=0)
    held = clips[3][None, 10 * RATE : 20 * RATE]
    back = found.decode_clip(found.encode_clip(held), held.shape[1])
    assert spectral_error(back, held, RATE) < 7.0
    shuffled = np.random.default_rng(0).permuted(found.encode_clip(held), axis=1)
    assert spectral_error(found.decode_clip(shuffled, held.shape[1]), held, RATE) > 8.0


def test_levels_come_back(codes: Codes) -> None:
    clip = tune(4 * RATE, RATE, seed=1)
    back = codes.decode_clip(codes.encode_clip(clip), clip.shape[1])
    gap = 10 * np.log10(np.square(back).mean() / np.square(clip).mean())
    assert abs(gap) < 1.0


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_frames_are_as_long_in_time_at_every_rate(rate: int) -> None:
    found = Codes(CodesConfig(), rate)
    assert found.spec.frame_rate == pytest.approx(4410 / 128, rel=0.005)
    assert found.window == 7 * found.spec.hop  # four hops of a spectrum, three of delay


def test_the_seed_decides(codes: Codes) -> None:
    other = Codes(CodesConfig(), RATE)
    other.fit(training_clips(RATE), seed=1)
    assert not np.array_equal(other.state()["books"], codes.state()["books"])


def test_a_run_learns_from_its_training_clips_at_their_level(music: Path, tmp_path: Path) -> None:
    store = open_samples(Library(music), RATE)
    parts = split(store.clips, DataConfig(held_out=0.4))
    clips = LevelledClips(store, parts.training, -20.0)
    assert len(clips) == 3
    for clip, part in zip(clips, parts.training, strict=True):
        assert clip.shape == (part.length,)
        assert 20 * np.log10(np.sqrt(np.mean(clip**2))) == pytest.approx(-20, abs=0.3)
    assert len(clips[1:]) == 2
    assert np.array_equal(clips[1:][0], clips[1])
    assert not np.shares_memory(clips[0], store.data)


def test_what_it_cannot_do_is_refused(codes: Codes) -> None:
    with pytest.raises(RepresentationError, match="no codebooks yet"):
        Codes(CodesConfig(), RATE).encode(np.zeros((1, RATE), np.float32))
    with pytest.raises(RepresentationError, match="no codebooks yet"):
        Codes(CodesConfig(), RATE).decoder()
    with pytest.raises(LibraryError, match="shorter than a window"):
        Codes(CodesConfig(), RATE).fit([np.zeros(100, np.float32)], 0)
    with pytest.raises(OptionError, match="more than half of the window"):
        Codes(CodesConfig(hop=300), RATE)
    with pytest.raises(OptionError, match="257 bins"):
        Codes(CodesConfig(components=300), RATE)
    with pytest.raises(OptionError, match="multiple of 2"):
        build(CodesConfig, {"window": 501})
    with pytest.raises(UnsupportedSpecError, match="not 4 class ids a frame"):
        Linear(build(LinearConfig), codes.spec, 0)


def test_a_clip_of_silence_can_be_learned() -> None:
    found = Codes(CodesConfig(), RATE)
    silence = np.zeros((1, RATE), np.float32)
    found.fit([silence[0]], 0)
    assert np.isfinite(found.decode_clip(found.encode_clip(silence), RATE)).all()


class _Late(Codes):
    """Encodes what lies a second earlier."""

    def encode(self, samples: Samples) -> Frames:
        return np.roll(super().encode(samples), 34, axis=1)


def test_the_suite_sees_codes_that_are_out_of_place(codes: Codes) -> None:
    suite.check_round_trip(codes)
    late = _Late(CodesConfig(), RATE)
    late.load_state(codes.state())
    with pytest.raises(AssertionError, match="error of"):
        suite.check_round_trip(late)
    with pytest.raises(AssertionError, match="by themselves"):
        suite.check_grid(late)


class _Ready(Codes):
    """Encodes zeros before it has learned anything."""

    def encode(self, samples: Samples) -> Frames:
        if not self.state():
            return np.zeros((len(samples), 9, 4), np.int32)
        return super().encode(samples)


def test_the_suite_sees_codes_of_nothing(codes: Codes) -> None:
    with pytest.raises(AssertionError, match="before it has learned"):
        suite.check_learning(codes, _Ready(CodesConfig(), RATE))
