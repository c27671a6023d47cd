"""What every source must do.

A plugin's test file::

    from lofikit.testing.sources import SourceSuite

    class TestMine(SourceSuite):
        component = "mine/radio"
        options = {"station": "..."}

Each ``check_...`` can also be called by itself, on a function that builds the source; it raises
an AssertionError that says what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np

from lofikit.audio import Audio
from lofikit.hookspecs import Kind
from lofikit.plugins import load_class
from lofikit.sources.base import ClipData, ClipFailure, Source
from lofikit.testing.components import ComponentSuite

MakeSource = Callable[[], Source]


class SourceSuite(ComponentSuite):
    """The tests; derive from it and name the component.

    Attributes:
        limit: How many clips are looked at; a source of the network may be slow.
    """

    kind: ClassVar[Kind] = "source"
    limit: ClassVar[int] = 3

    def source(self) -> Source:
        """Builds it."""
        built: Source = load_class(self.found().target)(self.config())
        return built

    def test_lazy(self) -> None:
        """Clips come one by one."""
        check_lazy(self.source)

    def test_keys(self) -> None:
        """Keys are unique, and the same each time."""
        check_keys(self.source, self.limit)

    def test_known_keys_are_skipped(self) -> None:
        """What the library holds is not offered again."""
        check_known(self.source, self.limit)

    def test_clips(self) -> None:
        """Clips are whole, and say where they are from."""
        check_clips(self.source, self.limit)

    def test_total(self) -> None:
        """The number of clips, if it is told, is right."""
        check_total(self.source, self.limit)


def check_lazy(make: MakeSource) -> None:
    """Checks that clips are not all made before the first is given."""
    clips = make().clips(frozenset())
    assert not isinstance(clips, (list, tuple, set, dict)), (
        f"clips() gives a {type(clips).__name__}; let it yield one clip after the other"
    )
    assert next(iter(clips), None) is not None, "the source has no clip"


def check_keys(make: MakeSource, limit: int) -> None:
    """Checks that keys are texts, unique, and the same in the same order each time."""
    keys = [item.key for item in _first(make, limit)]
    for key in keys:
        assert isinstance(key, str), f"the key {key!r} is no text"
        assert key.strip(), "a key is empty"
        key.encode()  # lone surrogates cannot be written to the index
    assert len(set(keys)) == len(keys), f"two clips have one key: {', '.join(sorted(keys))}"
    again = [item.key for item in _first(make, limit)]
    assert again == keys, f"keys differ the second time: {keys} and {again}"


def check_known(make: MakeSource, limit: int) -> None:
    """Checks that known clips are passed over and the others still come."""
    keys = [item.key for item in _first(make, limit)]
    known = frozenset(keys[:1])
    rest = [item.key for item in islice(make().clips(known), limit)]
    assert not known & set(rest), f"the known clip {keys[0]!r} is offered again"
    wanted = keys[1:]
    assert rest[: len(wanted)] == wanted, f"with {keys[0]!r} known, {rest} come and not {wanted}"


def check_clips(make: MakeSource, limit: int) -> None:
    """Checks audio, provenance and stems of clips."""
    found = 0
    # A file need be there only until the next clip is asked for.
    for clip in islice(make().clips(frozenset()), limit):
        if isinstance(clip, ClipFailure):
            continue
        found += 1
        for name in ("title", "artist", "licence", "origin"):
            value = getattr(clip, name)
            assert isinstance(value, str), f"{clip.key}: the {name} {value!r} is no text"
        assert clip.origin, f"{clip.key}: the origin is empty"
        json.dumps(dict(clip.details))
        if isinstance(clip.audio, Path):
            assert clip.audio.is_file(), f"{clip.key}: there is no file {clip.audio}"
            continue
        _check_audio(clip.audio, clip.key)
        peak = float(np.abs(clip.audio.samples).max())
        assert peak <= 1.0, f"{clip.key}: samples reach {peak:.3g}, beyond full scale"
        for name, stem in clip.stems.items():
            _check_audio(stem, f"{clip.key}, stem {name}")
            assert stem.rate == clip.audio.rate, f"{clip.key}: the stem {name} has another rate"
            assert stem.samples.shape[1] == clip.audio.samples.shape[1], (
                f"{clip.key}: the stem {name} has another length"
            )
    assert found, f"all of the first {limit} clips failed"


def check_total(make: MakeSource, limit: int) -> None:
    """Checks that ``total`` counts all clips, known ones included."""
    total = make().total()
    if total is None:
        return
    some = len(_first(make, limit))
    wanted = total if total < limit else limit
    assert some == wanted, f"total() is {total}, and {some} of the first {limit} clips came"


def _first(make: MakeSource, limit: int) -> list[ClipData | ClipFailure]:
    return list(islice(make().clips(frozenset()), limit))


def _check_audio(audio: Audio, what: str) -> None:
    samples = audio.samples
    assert samples.dtype == np.float32, f"{what}: samples are {samples.dtype}, not float32"
    assert samples.ndim == 2, f"{what}: the shape is {samples.shape}, not (channels, samples)"
    assert samples.size, f"{what}: there are no samples"
    assert np.isfinite(samples).all(), f"{what}: samples are NaN or infinite"
    assert audio.rate > 0, f"{what}: the rate is {audio.rate} Hz"
