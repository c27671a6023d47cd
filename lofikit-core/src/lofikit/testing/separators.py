"""What every separator must do.

A plugin's test file::

    from lofikit.testing.separators import SeparatorSuite

    class TestMine(SeparatorSuite):
        component = "mine/net"

Each ``check_...`` can also be called by itself, on a separator; it raises an AssertionError that
says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np

from lofikit.audio import Audio
from lofikit.errors import LibraryError
from lofikit.hookspecs import Kind
from lofikit.library import check_stem_name
from lofikit.plugins import load_class
from lofikit.separators.base import Separator
from lofikit.testing.components import ComponentSuite, music


class SeparatorSuite(ComponentSuite):
    """The tests; derive from it and name the component."""

    kind: ClassVar[Kind] = "separator"

    @contextmanager
    def separator(self) -> Iterator[Separator]:
        """Builds it, and closes it at the end."""
        built: Separator = load_class(self.found().target)(self.config())
        try:
            yield built
        finally:
            built.close()

    def test_stem_names(self) -> None:
        """Stems have names that a library takes."""
        with self.separator() as separator:
            check_stem_names(separator)

    def test_shapes(self) -> None:
        """Stems have the rate, length and channels of the music, whatever these are."""
        with self.separator() as separator:
            check_shapes(separator)

    def test_silence(self) -> None:
        """Silence has silent stems."""
        with self.separator() as separator:
            check_silence(separator)

    def test_not_silent(self) -> None:
        """Of music, something is left."""
        with self.separator() as separator:
            check_not_silent(separator)

    def test_repeatable(self) -> None:
        """One clip's stems do not depend on what was separated before."""
        with self.separator() as separator:
            check_repeatable(separator)


def check_stem_names(separator: Separator) -> None:
    """Checks that there are stems, each with a name of its own that a library takes."""
    stems = separator.stems
    assert stems, "there are no stems"
    assert len(set(stems)) == len(stems), f"two stems have one name: {', '.join(stems)}"
    for stem in stems:
        try:
            check_stem_name(f"separator/{stem}")
        except LibraryError as error:
            raise AssertionError(f"a library cannot take the stem {stem!r}: {error}") from error


def check_shapes(separator: Separator) -> None:
    """Checks mono and stereo, several rates, and lengths from one sample up."""
    for rate, channels, samples in (
        (44_100, 2, 44_100),
        (44_100, 1, 30_001),
        (48_000, 2, 4_800),
        (22_050, 1, 700),
        (44_100, 2, 1),
    ):
        _separate(separator, Audio(music(samples, rate, channels), rate))


def check_silence(separator: Separator) -> None:
    """Checks that silence gives silence."""
    stems = _separate(separator, Audio(np.zeros((2, 44_100), np.float32), 44_100))
    for name, stem in stems.items():
        peak = float(np.abs(stem.samples).max())
        assert peak < 1e-3, f"of silence, the stem {name!r} has a peak of {peak:.3g}"


def check_not_silent(separator: Separator) -> None:
    """Checks that not all stems of music are silent."""
    stems = _separate(separator, Audio(music(66_150, 44_100, 2), 44_100))
    loudest = max(float(np.abs(stem.samples).max()) for stem in stems.values())
    assert loudest > 1e-3, "every stem of music is silent"


def check_repeatable(separator: Separator) -> None:
    """Checks that a clip gives the same stems again after another."""
    audio = Audio(music(44_100, 44_100, 2), 44_100)
    first = _separate(separator, audio)
    _separate(separator, Audio(music(30_000, 44_100, 2, seed=1), 44_100))
    second = _separate(separator, audio)
    for name in first:
        error = float(np.abs(first[name].samples - second[name].samples).max())
        assert error < 1e-3, f"the stem {name!r} is off by {error:.3g} the second time"


def _separate(separator: Separator, audio: Audio) -> dict[str, Audio]:
    """Separates and checks what holds for any music."""
    before = audio.samples.copy()
    stems = separator.separate(audio)
    what = f"{audio.samples.shape} samples at {audio.rate} Hz"
    assert np.array_equal(audio.samples, before), "the samples that are given are written to"
    assert set(stems) == set(separator.stems), (
        f"{what} give the stems {sorted(stems)}, promised are {sorted(separator.stems)}"
    )
    for name, stem in stems.items():
        assert stem.rate == audio.rate, f"{what} give the stem {name!r} at {stem.rate} Hz"
        assert stem.samples.shape == audio.samples.shape, (
            f"{what} give the stem {name!r} with the shape {stem.samples.shape}"
        )
        assert stem.samples.dtype == np.float32, f"the stem {name!r} is {stem.samples.dtype}"
        assert np.isfinite(stem.samples).all(), f"the stem {name!r} holds NaN or infinity"
    return stems
