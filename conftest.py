"""What tests of all packages share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent / "shared" / "data"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the shared audio in {folder.name}/ is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def lofi() -> Path:
    """22 real lo-fi excerpts (CC0), with a manifest."""
    return _shared("lofi")


@pytest.fixture(scope="session")
def odd() -> Path:
    """Damaged, mislabelled and unusual files."""
    return _shared("odd")


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of five short synthetic songs with their stems; not to be changed."""
    from lofikit.audio import Audio
    from lofikit.collection import collect
    from lofikit.library import Library
    from lofikit.sources.base import ClipData, Source
    from lofikit.sources.beatmaker import compose

    class Songs(Source):
        def clips(self, known: frozenset[str]) -> Iterator[ClipData]:
            for seed in range(5):
                song = compose(seed, 8.0, 8820)
                stems = {name: Audio(part, 8820) for name, part in song.stems.items()}
                mix = Audio(song.mix, 8820)
                yield ClipData(str(seed), mix, f"Song {seed}", "Nobody", "CC0-1.0", stems=stems)

    path = tmp_path_factory.mktemp("music") / "library"
    collect(Songs(None), "test/songs", Library(path, create=True))
    return path
